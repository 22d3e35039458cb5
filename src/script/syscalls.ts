/**
 * The socket calls of a program, with the results and errors of Linux, over one stack: what the script runner calls,
 * and whatever else wants to drive a stack as a program would.
 *
 * Nothing here waits. What may block in Linux is a `Call`: it is attempted at once and, while it answers null, again
 * after each turn of the stack and at its deadline.
 */
import type { Ip } from '../addr/ip.ts';
import type { Instant } from '../base/time.ts';
import type { CallErrno } from './errno.ts';

/** A count, a descriptor or 0; or why not. */
export type CallResult = number | CallErrno;

export interface Call {
  /** Null: it still waits. After any other answer it is over. */
  attempt(now: Instant): CallResult | null;
  /** When it gives up waiting; known after the first attempt. */
  readonly deadline: Instant;
}

/** `struct sockaddr_in` and `sockaddr_in6`; `family` is a number of `Linux.AF_…`. */
export interface SocketAddress {
  readonly family: number;
  readonly ip: Ip;
  readonly port: number;
}

/** `struct linger`. */
export interface Linger {
  readonly onoff: number;
  readonly linger: number;
}

/** `struct timeval`. */
export interface Timeval {
  readonly seconds: number;
  readonly microseconds: number;
}

/** The fields of `struct tcp_info` by their names, `tcpi_…`, and those of a congestion control's own information. */
export type InfoFields = Readonly<Record<string, number>>;

export type OptionValue = number | string | Linger | Timeval | InfoFields;

/** A control message: data as the numbers they hold. */
export interface Cmsg {
  readonly level: number;
  readonly type: number;
  readonly data: readonly number[];
}

/** What recvmsg(2) is asked, and what it fills in. */
export interface ReceiveRequest {
  readonly into: Uint8Array;
  /** Bits of `Linux.MSG_…`. */
  readonly flags: number;
  /** Who sent it; null where there is nobody to name. */
  from: SocketAddress | null;
  /** `msg_flags` as they come back. */
  outFlags: number;
  control: Cmsg[];
}

/** What sendmsg(2) is asked. */
export interface SendRequest {
  readonly data: Uint8Array;
  readonly flags: number;
  readonly to: SocketAddress | null;
  readonly control: readonly Cmsg[];
}

export interface PollEntry {
  readonly fd: number;
  readonly events: number;
  revents: number;
}

/** `struct epoll_event`; `data` is whatever it was given. */
export interface EpollEvent {
  readonly events: number;
  readonly data: number;
}

/** accept(2): the peer is there when it answers a descriptor. */
export interface AcceptCall extends Call {
  readonly peer: SocketAddress | null;
}

/** ioctl(2): `value` is what it wrote through its argument. */
export interface IoctlResult {
  readonly result: CallResult;
  readonly value: number;
}

export interface SyscallHost {
  socket(now: Instant, domain: number, type: number, protocol: number): CallResult;
  bind(now: Instant, fd: number, address: SocketAddress): CallResult;
  listen(now: Instant, fd: number, backlog: number): CallResult;
  shutdown(now: Instant, fd: number, how: number): CallResult;
  fcntl(now: Instant, fd: number, command: number, argument: number): CallResult;
  ioctl(now: Instant, fd: number, request: number, argument: number): IoctlResult;
  getsockname(fd: number): SocketAddress | CallErrno;
  getpeername(fd: number): SocketAddress | CallErrno;
  setsockopt(now: Instant, fd: number, level: number, option: number, value: OptionValue): CallResult;
  getsockopt(now: Instant, fd: number, level: number, option: number): OptionValue | CallError;
  epollCreate(flags: number): CallResult;
  epollControl(now: Instant, epoll: number, operation: number, fd: number, event: EpollEvent): CallResult;

  connect(fd: number, address: SocketAddress): Call;
  /** With `Linux.SOCK_NONBLOCK` and `SOCK_CLOEXEC` as flags. */
  accept(fd: number, flags: number): AcceptCall;
  receive(fd: number, request: ReceiveRequest): Call;
  send(fd: number, request: SendRequest): Call;
  close(fd: number): Call;
  /** `timeoutMs` below 0 is no timeout. */
  poll(entries: readonly PollEntry[], timeoutMs: number): Call;
  /** Adds the events that it answers the number of to `into`. */
  epollWait(epoll: number, max: number, timeoutMs: number, into: EpollEvent[]): Call;

  /** As at the end of the program. */
  closeAll(now: Instant): void;
}

/** An error where a string may be a value as well. */
export class CallError {
  readonly errno: CallErrno;

  constructor(errno: CallErrno) {
    this.errno = errno;
  }
}
