/**
 * The socket calls of one program over one stack: descriptors, who waits and for how long, and what of it is common to
 * all sockets. What a socket itself does is in its `SocketFile`.
 */
import type { Duration, Instant } from '../../base/time.ts';
import { ms, NEVER, us } from '../../base/time.ts';
import { Linux } from '../constants.ts';
import type { CallErrno } from '../errno.ts';
import type {
  AcceptCall,
  Call,
  CallResult,
  EpollEvent,
  IoctlResult,
  OptionValue,
  PollEntry,
  ReceiveRequest,
  SendRequest,
  SocketAddress,
  SyscallHost,
  Timeval,
} from '../syscalls.ts';
import { CallError } from '../syscalls.ts';
import { Epoll } from './epoll.ts';
import type { SocketFile } from './file.ts';
import { ReceiveSteps, SendSteps } from './transfer.ts';
import { answered, Waiting } from './waiting.ts';

/** As `ulimit -n` has it. */
const DESCRIPTORS_MAX = 65_536;
/** 0, 1 and 2 are taken in every program. */
const FIRST_DESCRIPTOR = 3;
const TYPE_MASK = 0xf;

/** Opens sockets; the errors are those of socket(2). */
export type OpenSocket = (domain: number, type: number, protocol: number) => SocketFile | CallErrno;

/** A socket behind a descriptor, with what the descriptor has of its own. */
interface OpenFile {
  readonly file: SocketFile;
  isNonBlocking: boolean;
  closesOnExec: boolean;
  receiveTimeout: Duration | null;
  sendTimeout: Duration | null;
}

export class Kernel implements SyscallHost {
  readonly #open: OpenSocket;
  readonly #files = new Map<number, OpenFile>();
  readonly #epolls = new Map<number, Epoll>();

  constructor(open: OpenSocket) {
    this.#open = open;
  }

  socket(_now: Instant, domain: number, type: number, protocol: number): CallResult {
    const file = this.#open(domain, type & TYPE_MASK, protocol);
    if (typeof file === 'string') return file;
    return this.#install(file, type);
  }

  bind(now: Instant, fd: number, address: SocketAddress): CallResult {
    const found = this.#find(fd);
    return typeof found === 'string' ? found : (found.file.bind(now, address) ?? 0);
  }

  listen(now: Instant, fd: number, backlog: number): CallResult {
    const found = this.#find(fd);
    return typeof found === 'string' ? found : (found.file.listen(now, backlog) ?? 0);
  }

  shutdown(now: Instant, fd: number, how: number): CallResult {
    const found = this.#find(fd);
    if (typeof found === 'string') return found;
    if (how < Linux.SHUT_RD || how > Linux.SHUT_RDWR) return 'EINVAL';
    return found.file.shutdown(now, how) ?? 0;
  }

  connect(fd: number, address: SocketAddress): Call {
    const found = this.#find(fd);
    if (typeof found === 'string') return answered(found);
    const { file, isNonBlocking, sendTimeout } = found;
    let isBegun = false;
    const step = (now: Instant): CallResult => {
      let state: CallErrno | null;
      if (isBegun) {
        state = file.connecting(now);
      } else {
        isBegun = true;
        state = file.connect(now, address);
        if (isNonBlocking) return state ?? 0;
        if (state === 'EALREADY') state = 'EINPROGRESS';
      }
      return state === 'EINPROGRESS' ? 'EAGAIN' : (state ?? 0);
    };
    return new Waiting({ mayWait: true, timeout: sendTimeout, onTimeout: () => 'EINPROGRESS' }, step);
  }

  accept(fd: number, flags: number): AcceptCall {
    const found = this.#find(fd);
    if (typeof found === 'string') return Object.assign(answered(found), { peer: null });
    const { file, isNonBlocking, receiveTimeout } = found;
    let peer: SocketAddress | null = null;
    const step = (now: Instant): CallResult => {
      const accepted = file.accept(now);
      if (typeof accepted === 'string') return accepted;
      peer = accepted.peerAddress();
      return this.#install(accepted, flags);
    };
    const call = new Waiting(
      { mayWait: !isNonBlocking, timeout: receiveTimeout, onTimeout: () => 'EAGAIN' },
      step,
    );
    return {
      attempt: (now) => call.attempt(now),
      get deadline(): Instant {
        return call.deadline;
      },
      get peer(): SocketAddress | null {
        return peer;
      },
    };
  }

  receive(fd: number, request: ReceiveRequest): Call {
    const found = this.#find(fd);
    if (typeof found === 'string') return answered(found);
    const mayWait = mayBlock(found, request.flags) && (request.flags & Linux.MSG_ERRQUEUE) === 0;
    const steps = new ReceiveSteps(found.file, request);
    const options = { mayWait, timeout: found.receiveTimeout, onTimeout: () => steps.onTimeout() };
    return new Waiting(options, (now) => steps.step(now));
  }

  send(fd: number, request: SendRequest): Call {
    const found = this.#find(fd);
    if (typeof found === 'string') return answered(found);
    const mayWait = mayBlock(found, request.flags);
    const steps = new SendSteps(found.file, request, mayWait);
    const options = { mayWait, timeout: found.sendTimeout, onTimeout: () => steps.onTimeout() };
    return new Waiting(options, (now) => steps.step(now));
  }

  close(fd: number): Call {
    if (this.#epolls.delete(fd)) return answered(0);
    const found = this.#files.get(fd);
    if (found === undefined) return answered('EBADF');
    return new Closing(found.file, (now) => {
      if (this.#files.get(fd) === found) this.#release(now, fd, found.file);
    });
  }

  fcntl(_now: Instant, fd: number, command: number, argument: number): CallResult {
    const found = this.#find(fd);
    if (typeof found === 'string') return found;
    switch (command) {
      case Linux.F_GETFL:
        return Linux.O_RDWR | (found.isNonBlocking ? Linux.O_NONBLOCK : 0);
      case Linux.F_SETFL:
        found.isNonBlocking = (argument & Linux.O_NONBLOCK) !== 0;
        return 0;
      case Linux.F_GETFD:
        return found.closesOnExec ? Linux.FD_CLOEXEC : 0;
      case Linux.F_SETFD:
        found.closesOnExec = (argument & Linux.FD_CLOEXEC) !== 0;
        return 0;
      default:
        return 'EINVAL';
    }
  }

  ioctl(now: Instant, fd: number, request: number, argument: number): IoctlResult {
    const found = this.#find(fd);
    if (typeof found === 'string') return { result: found, value: 0 };
    if (request === Linux.FIONBIO) {
      found.isNonBlocking = argument !== 0;
      return { result: 0, value: argument };
    }
    const value = found.file.ioctl(now, request);
    return value instanceof CallError ? { result: value.errno, value: 0 } : { result: 0, value };
  }

  getsockname(fd: number): SocketAddress | CallErrno {
    const found = this.#find(fd);
    return typeof found === 'string' ? found : found.file.localAddress();
  }

  getpeername(fd: number): SocketAddress | CallErrno {
    const found = this.#find(fd);
    return typeof found === 'string' ? found : (found.file.peerAddress() ?? 'ENOTCONN');
  }

  setsockopt(now: Instant, fd: number, level: number, option: number, value: OptionValue): CallResult {
    const found = this.#find(fd);
    if (typeof found === 'string') return found;
    if (level === Linux.SOL_SOCKET) {
      if (option === Linux.SO_RCVTIMEO || option === Linux.SO_SNDTIMEO) {
        if (typeof value !== 'object' || !('microseconds' in value)) return 'EINVAL';
        const timeout = timeoutOf(value as Timeval);
        if (option === Linux.SO_RCVTIMEO) found.receiveTimeout = timeout;
        else found.sendTimeout = timeout;
        return 0;
      }
    }
    return found.file.setOption(now, level, option, value) ?? 0;
  }

  getsockopt(now: Instant, fd: number, level: number, option: number): OptionValue | CallError {
    const found = this.#find(fd);
    if (typeof found === 'string') return new CallError(found);
    const { file } = found;
    if (level === Linux.SOL_SOCKET) {
      if (option === Linux.SO_RCVTIMEO) return timevalOf(found.receiveTimeout);
      if (option === Linux.SO_SNDTIMEO) return timevalOf(found.sendTimeout);
      if (option === Linux.SO_TYPE) return file.type;
      if (option === Linux.SO_DOMAIN) return file.domain;
      if (option === Linux.SO_PROTOCOL) return file.protocol;
    }
    return file.option(now, level, option);
  }

  poll(entries: readonly PollEntry[], timeoutMs: number): Call {
    const step = (now: Instant): CallResult => {
      let count = 0;
      for (const entry of entries) {
        entry.revents = this.#pollOne(now, entry);
        if (entry.revents !== 0) count++;
      }
      return count === 0 ? 'EAGAIN' : count;
    };
    return new Waiting(pollWait(timeoutMs), step);
  }

  epollCreate(_flags: number): CallResult {
    const fd = this.#lowestFree();
    if (fd < 0) return 'EMFILE';
    this.#epolls.set(fd, new Epoll());
    return fd;
  }

  epollControl(now: Instant, epoll: number, operation: number, fd: number, event: EpollEvent): CallResult {
    const watcher = this.#epolls.get(epoll);
    if (watcher === undefined) return this.#files.has(epoll) ? 'EINVAL' : 'EBADF';
    const found = this.#files.get(fd);
    if (found === undefined) return this.#epolls.has(fd) ? 'EINVAL' : 'EBADF';
    return watcher.control(now, operation, fd, found.file, event) ?? 0;
  }

  epollWait(epoll: number, max: number, timeoutMs: number, into: EpollEvent[]): Call {
    const watcher = this.#epolls.get(epoll);
    if (watcher === undefined) return answered(this.#files.has(epoll) ? 'EINVAL' : 'EBADF');
    if (max <= 0) return answered('EINVAL');
    return new Waiting(pollWait(timeoutMs), (now) => watcher.take(now, max, into));
  }

  closeAll(now: Instant): void {
    for (const [fd, { file }] of this.#files) this.#release(now, fd, file);
    this.#epolls.clear();
  }

  #install(file: SocketFile, flags: number): CallResult {
    const fd = this.#lowestFree();
    if (fd < 0) return 'EMFILE';
    this.#files.set(fd, {
      file,
      isNonBlocking: (flags & Linux.SOCK_NONBLOCK) !== 0,
      closesOnExec: (flags & Linux.SOCK_CLOEXEC) !== 0,
      receiveTimeout: null,
      sendTimeout: null,
    });
    file.onEdge = (events): void => {
      for (const epoll of this.#epolls.values()) epoll.handleEdge(file, events);
    };
    return fd;
  }

  #release(now: Instant, fd: number, file: SocketFile): void {
    this.#files.delete(fd);
    for (const epoll of this.#epolls.values()) epoll.forget(file);
    file.close(now);
  }

  #find(fd: number): OpenFile | CallErrno {
    return this.#files.get(fd) ?? (this.#epolls.has(fd) ? 'ENOTSOCK' : 'EBADF');
  }

  #lowestFree(): number {
    for (let fd = FIRST_DESCRIPTOR; fd < DESCRIPTORS_MAX; fd++) {
      if (!this.#files.has(fd) && !this.#epolls.has(fd)) return fd;
    }
    return -1;
  }

  #pollOne(now: Instant, { fd, events }: PollEntry): number {
    if (fd < 0) return 0;
    const epoll = this.#epolls.get(fd);
    if (epoll !== undefined) return epoll.isReady(now) ? events & Linux.POLLIN : 0;
    const found = this.#files.get(fd);
    if (found === undefined) return Linux.POLLNVAL;
    return found.file.poll(now) & (events | Linux.POLLERR | Linux.POLLHUP);
  }
}

/** close(2): over at once, unless it lingers. */
class Closing implements Call {
  deadline: Instant = NEVER;
  readonly #file: SocketFile;
  readonly #release: (now: Instant) => void;

  constructor(file: SocketFile, release: (now: Instant) => void) {
    this.#file = file;
    this.#release = release;
  }

  attempt(now: Instant): CallResult | null {
    this.#release(now);
    const until = this.#file.lingersUntil(now);
    this.deadline = until ?? NEVER;
    return until === null ? 0 : null;
  }
}

function mayBlock({ isNonBlocking }: OpenFile, flags: number): boolean {
  return !isNonBlocking && (flags & Linux.MSG_DONTWAIT) === 0;
}

function pollWait(timeoutMs: number): ConstructorParameters<typeof Waiting>[0] {
  return { mayWait: timeoutMs !== 0, timeout: timeoutMs < 0 ? null : ms(timeoutMs), onTimeout: () => 0 };
}

function timeoutOf({ seconds, microseconds }: Timeval): Duration | null {
  const total = seconds * 1_000_000 + microseconds;
  return total > 0 ? us(total) : null;
}

function timevalOf(timeout: Duration | null): Timeval {
  const total = timeout ?? 0;
  return { seconds: Math.floor(total / 1_000_000), microseconds: total % 1_000_000 };
}
