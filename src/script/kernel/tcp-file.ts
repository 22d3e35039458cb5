/**
 * A TCP socket behind a descriptor: tcp(7), and what Linux does where it says nothing.
 */

import { isErrno } from '../../base/errno.ts';
import type { Instant } from '../../base/time.ts';
import { after, ms, NEVER } from '../../base/time.ts';
import { Ready } from '../../socket/datagram-socket.ts';
import type { TcpSocket } from '../../socket/tcp-socket.ts';
import { State } from '../../tcp/state.ts';
import type { Tcp } from '../../tcp/tcp.ts';
import { Linux } from '../constants.ts';
import type { CallErrno } from '../errno.ts';
import type { OptionValue, ReceiveRequest, SendRequest, SocketAddress } from '../syscalls.ts';
import { CallError } from '../syscalls.ts';
import type { SocketFile } from './file.ts';
import { readTcpOption, writeTcpOption } from './tcp-options.ts';

/** What a connection that was closed still has to do while its program may wait for it (SO_LINGER). */
const CLOSING: readonly number[] = [
  State.FinWait1,
  State.Closing,
  State.LastAck,
  State.Established,
  State.CloseWait,
];

/** `struct socket` of Linux knows this beside the state of the connection. */
type Phase = 'unconnected' | 'connecting' | 'connected';

/** Opens another socket like it. */
export type ReopenTcp = () => TcpSocket | CallErrno;

interface SetOption {
  readonly level: number;
  readonly option: number;
  readonly value: OptionValue;
}

export class TcpFile implements SocketFile {
  readonly domain: number;
  readonly type: number = Linux.SOCK_STREAM;
  readonly protocol: number = Linux.IPPROTO_TCP;
  onEdge: ((events: number) => void) | null = null;
  readonly #tcp: Tcp;
  readonly #reopen: ReopenTcp;
  #socket: TcpSocket;
  #phase: Phase;
  /** For the socket that `connect` with AF_UNSPEC makes in the place of this one. */
  readonly #set: SetOption[] = [];
  #bound: SocketAddress | null = null;
  /** MSG_MORE: the segment that is being filled waits, as with TCP_CORK. */
  #isHeld = false;
  #wantsQueueLength = false;
  #lingering = -1;
  #lingerUntil: Instant = NEVER;

  constructor(domain: number, socket: TcpSocket, tcp: Tcp, reopen: ReopenTcp, isAccepted = false) {
    this.domain = domain;
    this.#tcp = tcp;
    this.#reopen = reopen;
    this.#phase = isAccepted ? 'connected' : 'unconnected';
    this.#socket = socket;
    this.#listen(socket);
  }

  bind(_now: Instant, address: SocketAddress): CallErrno | null {
    const refusal = this.#socket.bind(address.ip, address.port);
    if (refusal === null) this.#bound = this.localAddress();
    return refusal;
  }

  /** The second call after the connection was made still answers 0, and only the third EISCONN. */
  connect(now: Instant, { family, ip, port }: SocketAddress): CallErrno | null {
    if (family === Linux.AF_UNSPEC) return this.#disconnect(now);
    if (this.#phase === 'connected') return 'EISCONN';
    if (this.#phase === 'connecting') {
      const state = this.connecting(now);
      return state === 'EINPROGRESS' ? 'EALREADY' : state;
    }
    const refusal = this.#socket.connect(ip, port);
    if (refusal !== null) return refusal;
    this.#phase = 'connecting';
    return 'EINPROGRESS';
  }

  connecting(_now: Instant): CallErrno | null {
    const { state } = this.#socket;
    if (state === State.SynSent || state === State.SynReceived) return 'EINPROGRESS';
    if (this.#phase !== 'connecting') return this.#phase === 'connected' ? null : 'ENOTCONN';
    const error = this.#socket.takeError();
    if (error === null && state !== State.Closed) {
      this.#phase = 'connected';
      return null;
    }
    this.#phase = 'unconnected';
    return error ?? 'ECONNABORTED';
  }

  listen(_now: Instant, backlog: number): CallErrno | null {
    return this.#socket.listen(backlog);
  }

  accept(_now: Instant): SocketFile | CallErrno {
    const socket = this.#socket.accept();
    return isErrno(socket) ? socket : new TcpFile(this.domain, socket, this.#tcp, this.#reopen, true);
  }

  receive(_now: Instant, request: ReceiveRequest, at: number): number | CallErrno {
    const { into, flags } = request;
    const socket = this.#socket;
    if ((flags & Linux.MSG_ERRQUEUE) !== 0) return 'EAGAIN';
    // RFC 6093 §3: urgent data are in the stream; there are none apart from it.
    if ((flags & Linux.MSG_OOB) !== 0) return 'EINVAL';
    if (socket.id < 0) return 'ENOTCONN';
    const isPeek = (flags & Linux.MSG_PEEK) !== 0;
    const count = isPeek ? socket.peek(into, at) : socket.read(into, at);
    if (isErrno(count)) return count;
    const inq = Linux.TCP_CM_INQ;
    request.control = this.#wantsQueueLength
      ? [{ level: Linux.SOL_TCP, type: inq, data: [this.#queueLength()] }]
      : [];
    return count;
  }

  send(_now: Instant, { data, flags }: SendRequest, at: number): number | CallErrno {
    const socket = this.#socket;
    if ((flags & (Linux.MSG_FASTOPEN | Linux.MSG_OOB)) !== 0) return 'EOPNOTSUPP';
    const wantsHold = (flags & Linux.MSG_MORE) !== 0;
    if (wantsHold && socket.option('cork') === 0) {
      socket.setOption('cork', 1);
      this.#isHeld = true;
    }
    const count = socket.write(data, at);
    if (this.#isHeld && !wantsHold) {
      socket.setOption('cork', 0);
      this.#isHeld = false;
    }
    return count;
  }

  shutdown(_now: Instant, how: number): CallErrno | null {
    const sides = ['read', 'write', 'both'] as const;
    return this.#socket.shutdown(sides[how] ?? 'both');
  }

  close(now: Instant): void {
    const { id } = this.#socket;
    const linger = this.#socket.option('lingerMs');
    this.#socket.close();
    if (linger <= 0 || id < 0) return;
    this.#lingering = id;
    this.#lingerUntil = after(now, ms(linger));
  }

  lingersUntil(now: Instant): Instant | null {
    const id = this.#lingering;
    if (id < 0 || now >= this.#lingerUntil || !this.#tcp.shared.table.has(id)) return null;
    return CLOSING.includes(this.#tcp.connections.state(id)) ? this.#lingerUntil : null;
  }

  localAddress(): SocketAddress {
    return { family: this.domain, ip: this.#socket.local, port: this.#socket.localPort };
  }

  peerAddress(): SocketAddress | null {
    const { remote, remotePort } = this.#socket;
    return remote === null ? null : { family: this.domain, ip: remote, port: remotePort };
  }

  setOption(_now: Instant, level: number, option: number, value: OptionValue): CallErrno | null {
    if (level === Linux.SOL_TCP && option === Linux.TCP_INQ) {
      if (value !== 0 && value !== 1) return 'EINVAL';
      this.#wantsQueueLength = value === 1;
      return null;
    }
    const refusal = writeTcpOption(this.#socket, level, option, value);
    if (refusal === null) this.#set.push({ level, option, value });
    return refusal;
  }

  option(_now: Instant, level: number, option: number): OptionValue | CallError {
    if (level === Linux.SOL_TCP && option === Linux.TCP_INQ) return this.#wantsQueueLength ? 1 : 0;
    return readTcpOption(this.#socket, level, option);
  }

  ioctl(_now: Instant, request: number): number | CallError {
    const socket = this.#socket;
    if (socket.isListening) return new CallError('EINVAL');
    switch (request) {
      case Linux.SIOCINQ:
        return socket.readable;
      case Linux.SIOCOUTQ:
        return socket.unacknowledged;
      case Linux.SIOCOUTQNSD:
        return socket.info()?.tcpi_notsent_bytes ?? 0;
      default:
        return new CallError('ENOTTY');
    }
  }

  /** The bits of the machine are those of poll(2) already. */
  poll(_now: Instant): number {
    const { id, isListening, readiness } = this.#socket;
    let bits = Linux.POLLOUT | Linux.POLLHUP;
    if (isListening) bits = (readiness & Ready.Readable) === 0 ? 0 : Linux.POLLIN;
    else if (id >= 0) bits = this.#tcp.connections.readiness(id);
    if ((bits & Linux.POLLIN) !== 0) bits |= Linux.POLLRDNORM;
    return (bits & Linux.POLLOUT) === 0 ? bits : bits | Linux.POLLWRNORM;
  }

  #listen(socket: TcpSocket): void {
    socket.onReady = (_now, edges): void => {
      if (this.onEdge !== null) this.onEdge(edgeBits(edges));
    };
  }

  /** TCP_INQ: one more for the end of the stream, so that a reader comes back for it. */
  #queueLength(): number {
    const { readable } = this.#socket;
    if (readable > 0) return readable;
    const bits = this.poll(0 as Instant);
    return (bits & Linux.POLLRDHUP) === 0 ? 0 : 1;
  }

  /** tcp_disconnect: the connection is reset, and the socket is as it was before `connect`. */
  #disconnect(now: Instant): CallErrno | null {
    const socket = this.#reopen();
    if (typeof socket === 'string') return socket;
    this.#socket.abort();
    this.#socket = socket;
    this.#phase = 'unconnected';
    this.#listen(socket);
    for (const { level, option, value } of this.#set) writeTcpOption(socket, level, option, value);
    return this.#bound === null ? null : this.bind(now, this.#bound);
  }
}

function edgeBits(edges: number): number {
  let bits = 0;
  if ((edges & Ready.Readable) !== 0) bits |= Linux.POLLIN | Linux.POLLRDNORM | Linux.POLLRDHUP;
  if ((edges & Ready.Writable) !== 0) bits |= Linux.POLLOUT | Linux.POLLWRNORM;
  if ((edges & Ready.Error) !== 0) bits |= Linux.POLLERR;
  if ((edges & Ready.Hangup) !== 0) bits |= Linux.POLLHUP | Linux.POLLIN | Linux.POLLRDHUP;
  return bits;
}
