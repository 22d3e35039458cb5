/**
 * A socket behind a descriptor: what each kind of socket must answer so that `kernel.ts` can make the calls of a
 * program of it. None of these waits; EAGAIN says that Linux would.
 */
import type { Instant } from '../../base/time.ts';
import type { CallErrno } from '../errno.ts';
import type { CallError, OptionValue, ReceiveRequest, SendRequest, SocketAddress } from '../syscalls.ts';

export interface SocketFile {
  /** Of `Linux.AF_…`, `SOCK_…` and `IPPROTO_…`. */
  readonly domain: number;
  readonly type: number;
  readonly protocol: number;
  /** Told of readiness that has come (`Linux.POLL…`), at most once per turn. */
  onEdge: ((events: number) => void) | null;

  bind(now: Instant, address: SocketAddress): CallErrno | null;
  /** EINPROGRESS: begun, and over when `connecting` says something else. AF_UNSPEC dissolves. */
  connect(now: Instant, address: SocketAddress): CallErrno | null;
  /** EINPROGRESS while a connection is being made; then null or why there is none. */
  connecting(now: Instant): CallErrno | null;
  listen(now: Instant, backlog: number): CallErrno | null;
  accept(now: Instant): SocketFile | CallErrno;
  /** Fills `request` from `request.into[at]` on; answers a count, or 0 at the end of a stream. */
  receive(now: Instant, request: ReceiveRequest, at: number): number | CallErrno;
  /** Sends `request.data` from `at` on. */
  send(now: Instant, request: SendRequest, at: number): number | CallErrno;
  /** `Linux.SHUT_…`. */
  shutdown(now: Instant, how: number): CallErrno | null;
  /** The program lets go of it. */
  close(now: Instant): void;
  /** After `close`: how long the program waits for what there still is to send (SO_LINGER); null: no longer. */
  lingersUntil(now: Instant): Instant | null;

  localAddress(): SocketAddress;
  /** Null when it has no peer. */
  peerAddress(): SocketAddress | null;
  setOption(now: Instant, level: number, option: number, value: OptionValue): CallErrno | null;
  option(now: Instant, level: number, option: number): OptionValue | CallError;
  /** What `ioctl` with `request` writes. */
  ioctl(now: Instant, request: number): number | CallError;
  /** What poll(2) says of it: bits of `Linux.POLL…`. */
  poll(now: Instant): number;
}
