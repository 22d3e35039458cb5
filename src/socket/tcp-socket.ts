/**
 * A TCP socket: RFC 9293 §3.9.1 as BSD has it (tcp(7)), without waiting.
 *
 *     bind ── connect ──(Writable, or Error)──> read, write, shutdown ──> close
 *      └───── listen  ──(Readable)──> accept ──> a socket that is connected
 *
 * A call answers a count or an errno. `connect` begins: that it has succeeded is told by `Writable`, that it has not by
 * `Error`. Readiness has a level (`readiness`) and an edge (`onReady`, at most once per turn). What arrived in one turn
 * is read in one go: super-segments and batches of small ones alike lie together in the ring.
 */
import { ANY4, ANY6, Ip, LOOPBACK4, LOOPBACK6 } from '../addr/ip.ts';
import type { Errno } from '../base/errno.ts';
import type { Instant } from '../base/time.ts';
import type { CongestionName } from '../tcp/congestion/control.ts';
import { isCongestionName } from '../tcp/congestion/select.ts';
import type { Connections } from '../tcp/connection.ts';
import { TcpReady } from '../tcp/connection.ts';
import type { TcpUser } from '../tcp/host.ts';
import type { TcpInfo } from '../tcp/info.ts';
import { TcpEvent } from '../tcp/shared.ts';
import { State } from '../tcp/state.ts';
import type { Reporter } from './context.ts';
import type { ShutdownSide } from './datagram-socket.ts';
import { Ready } from './datagram-socket.ts';
import type { SendOptions } from './host.ts';
import type { PortUser } from './ports.ts';
import type { TcpOption } from './tcp/options.ts';
import { optionOf, setOption, TcpOptions } from './tcp/options.ts';
import type { ByteReader, ByteStream } from './tcp/stream.ts';
import type { TcpSpace } from './tcp/tcp-space.ts';
import { TcpListener } from './tcp-listener.ts';

const NONE = -1;
/** Linux's backlog for a negative one is the largest. */
const BACKLOG_DEFAULT = 511;

export class TcpSocket implements ByteStream, PortUser, Reporter, TcpUser {
  readonly family: 4 | 6;
  onReady: ((now: Instant, edges: number, socket: this) => void) | null = null;
  reuseAddress = false;
  reusePort = false;
  ipv6Only = false;
  isClosed = false;
  readonly #space: TcpSpace;
  #id = NONE;
  #listener: TcpListener | null = null;
  /** Null until the first option is set: most that were accepted have none of their own. */
  #options: TcpOptions | null = null;
  #congestion: CongestionName | null = null;
  /** What `bind` named; null before. */
  #bound: Ip | null = null;
  #boundPort = 0;
  /** In the list of those that will report. */
  #isMarked = false;
  #isAccepted = false;

  constructor(space: TcpSpace, family: 4 | 6) {
    this.#space = space;
    this.family = family;
    space.context.sockets.add(this);
  }

  // ---- where it is

  get isConnected(): boolean {
    return this.#id !== NONE && this.#connections.state(this.#id) !== State.SynSent;
  }

  get isListening(): boolean {
    return this.#listener !== null;
  }

  /** The interface that it is bound to, or 0. */
  get device(): number {
    return this.option('device');
  }

  /** Allocates, once there is a connection. */
  get local(): Ip {
    if (this.#id === NONE) return this.#bound ?? this.#any;
    const { localA, localB, localC, localD } = this.#connections.tcb(this.#id);
    return new Ip(localA, localB, localC, localD);
  }

  get localPort(): number {
    return this.#id === NONE ? this.#boundPort : this.#connections.tcb(this.#id).localPort;
  }

  /** Null without a connection. Allocates. */
  get remote(): Ip | null {
    if (this.#id === NONE) return null;
    const { remoteA, remoteB, remoteC, remoteD } = this.#connections.tcb(this.#id);
    return new Ip(remoteA, remoteB, remoteC, remoteD);
  }

  get remotePort(): number {
    return this.#id === NONE ? 0 : this.#connections.tcb(this.#id).remotePort;
  }

  get state(): State {
    if (this.#listener !== null) return State.Listen;
    return this.#id === NONE ? State.Closed : this.#connections.state(this.#id);
  }

  /** The number of its connection in the machine, or -1: for those who look at many. */
  get id(): number {
    return this.#id;
  }

  /** Bits of `Ready`, as things are now. One that is neither connected nor listening has been hung up, as on Linux. */
  get readiness(): number {
    if (this.#listener !== null) return this.#listener.waiting > 0 ? Ready.Readable : 0;
    if (this.#id === NONE) return Ready.Writable | Ready.Hangup;
    const bits = this.#connections.readiness(this.#id);
    let ready = 0;
    if ((bits & TcpReady.In) !== 0) ready |= Ready.Readable;
    if ((bits & TcpReady.Out) !== 0) ready |= Ready.Writable;
    if ((bits & TcpReady.Error) !== 0) ready |= Ready.Error;
    if ((bits & TcpReady.Hup) !== 0) ready |= Ready.Hangup;
    return ready;
  }

  /** Bytes that `read` would give, that `write` would take, and that the peer has not acknowledged. */
  get readable(): number {
    return this.#id === NONE ? 0 : this.#connections.readable(this.#id);
  }

  get writable(): number {
    return this.#id === NONE ? 0 : this.#connections.writable(this.#id);
  }

  get unacknowledged(): number {
    return this.#id === NONE ? 0 : this.#connections.unacknowledged(this.#id);
  }

  // ---- opening

  /** Port 0 takes a random one (RFC 6056). */
  bind(address: Ip, port: number): Errno | null {
    if (this.isClosed) return 'EBADF';
    if (this.#bound !== null || this.#id !== NONE || !(port >= 0 && port <= 0xffff)) return 'EINVAL';
    const refusal = this.#familyRefusal(address);
    if (refusal !== null) return refusal;
    const { host } = this.#space.context;
    if (!address.isUnspecified && !host.isLocal(address)) return 'EADDRNOTAVAIL';
    const chosen = port === 0 ? this.#space.ports.allocate(this, address) : port;
    if (chosen === 0 || this.#space.isTaken(this, address, chosen)) return 'EADDRINUSE';
    this.#bound = address;
    this.#boundPort = chosen;
    this.#space.add(this, chosen);
    return null;
  }

  /** Begins to open a connection. EALREADY while it does, EISCONN afterwards; after a failure it may be tried again. */
  connect(address: Ip, port: number): Errno | null {
    const refusal = this.#connectRefusal(address, port);
    if (refusal !== null) return refusal;
    const remote = reachable(address);
    const { context, sendOptions } = this.#space;
    if (remote.isMulticast || context.host.isBroadcast(remote)) return 'ENETUNREACH';
    const source = context.host.sourceFor(remote, this.#fillSendOptions(sendOptions));
    if (typeof source === 'string') return source;
    const bound = this.#bound;
    const local = bound === null || bound.isUnspecified ? source : bound;
    const answer =
      this.#boundPort === 0
        ? this.#openAnywhere(local, remote, port)
        : this.#open(local, this.#boundPort, remote, port);
    if (typeof answer === 'string') return answer;
    this.#id = answer;
    this.#options?.applyTo(this.#connections, answer);
    this.#applyCongestion();
    return null;
  }

  /** From now on connections come to `accept`, at most `backlog` and one waiting. Without a bind at a random port. */
  listen(backlog: number = BACKLOG_DEFAULT): Errno | null {
    if (this.isClosed) return 'EBADF';
    if (this.#id !== NONE) return 'EINVAL';
    const length = backlog < 0 ? this.#space.tcp.config.somaxconn : backlog;
    if (this.#listener !== null) {
      this.#listener.setBacklog(length);
      return null;
    }
    if (this.#bound === null) {
      const refusal = this.bind(this.#any, 0);
      if (refusal !== null) return refusal;
    } else {
      // With SO_REUSEADDR several may have bound the port, but only one of them listens.
      this.#space.remove(this, this.#boundPort);
      const isTaken = this.#space.ports.isTaken(this, this.#bound, this.#boundPort);
      this.#space.add(this, this.#boundPort);
      if (isTaken) return 'EADDRINUSE';
    }
    this.#startListening(this.#bound ?? this.#any, this.#boundPort, length);
    return null;
  }

  /** Takes what comes to any address and any port that nobody else listens at: for transparent proxies. */
  listenAll(backlog: number = BACKLOG_DEFAULT): Errno | null {
    if (this.isClosed) return 'EBADF';
    if (this.#id !== NONE || this.#listener !== null || this.#bound !== null) return 'EINVAL';
    this.#startListening(this.#any, 0, backlog);
    return null;
  }

  /** The next connection that waits, as a socket; EAGAIN when there is none. */
  accept(): TcpSocket | Errno {
    const listener = this.#listener;
    if (listener === null) return this.isClosed ? 'EBADF' : 'EINVAL';
    if (listener.waiting === 0) return 'EAGAIN';
    const socket = new TcpSocket(this.#space, this.family);
    const id = listener.accept(socket);
    if (typeof id === 'string') {
      this.#space.context.sockets.delete(socket);
      return id;
    }
    socket.#id = id;
    socket.#isAccepted = true;
    this.#space.acceptedCount++;
    return socket;
  }

  // ---- the streams

  read(into: Uint8Array, start = 0, end: number = into.length): number | Errno {
    return this.#id === NONE ? this.#notConnected : this.#connections.read(this.#id, into, start, end);
  }

  /** As `read`, but the bytes stay. */
  peek(into: Uint8Array, start = 0, end: number = into.length): number | Errno {
    return this.#id === NONE ? this.#notConnected : this.#connections.peek(this.#id, into, start, end);
  }

  readChunks(reader: ByteReader): number | Errno {
    return this.#id === NONE ? this.#notConnected : this.#connections.readChunks(this.#id, reader);
  }

  write(bytes: Uint8Array, start = 0, end: number = bytes.length): number | Errno {
    if (this.#id !== NONE) return this.#connections.write(this.#id, bytes, start, end);
    return this.isClosed ? 'EBADF' : 'EPIPE';
  }

  shutdown(side: ShutdownSide): Errno | null {
    if (this.#listener !== null && side !== 'write') {
      this.#stopListening();
      return null;
    }
    if (this.#id === NONE) return this.#notConnected;
    return this.#connections.shutdown(this.#id, side);
  }

  close(): void {
    if (this.isClosed) return;
    const id = this.#id;
    this.#leave();
    if (id !== NONE) this.#connections.close(id);
  }

  abort(): void {
    if (this.isClosed) return;
    const id = this.#id;
    this.#leave();
    if (id !== NONE) this.#connections.abort(id);
  }

  /** SO_ERROR: what went wrong, told once; reads and writes tell it too. */
  takeError(): Errno | null {
    return this.#id === NONE ? null : this.#connections.takeError(this.#id);
  }

  // ---- options

  /** EINVAL beyond the limits of the option. */
  setOption(option: TcpOption, value: number): Errno | null {
    if (this.isClosed) return 'EBADF';
    if (this.#id !== NONE) return setOption(this.#connections, this.#id, option, value);
    this.#options ??= new TcpOptions();
    const refusal = this.#options.set(option, value);
    if (refusal === null) this.#listener?.applyOptions(this.#options);
    return refusal;
  }

  option(option: TcpOption): number {
    if (this.#id !== NONE) return optionOf(this.#connections, this.#id, option);
    return this.#options?.get(option) ?? (option === 'lingerMs' ? -1 : 0);
  }

  /** TCP_CONGESTION: at any time; ENOENT is told as EINVAL. */
  setCongestion(name: string): Errno | null {
    if (!isCongestionName(name)) return 'EINVAL';
    this.#congestion = name;
    this.#applyCongestion();
    return null;
  }

  get congestion(): CongestionName {
    if (this.#id !== NONE) return this.#connections.congestion(this.#id);
    return this.#congestion ?? this.#space.tcp.config.congestionControl;
  }

  /** TCP_INFO. Null without a connection. */
  info(into?: TcpInfo): TcpInfo | null {
    return this.#id === NONE ? null : this.#connections.info(this.#id, into);
  }

  /** Of a listener: connections that wait, how many may, and those that are half open. */
  get queue(): { readonly waiting: number; readonly backlog: number; readonly halfOpen: number } | null {
    const listener = this.#listener;
    if (listener === null) return null;
    return { waiting: listener.waiting, backlog: listener.backlog, halfOpen: listener.halfOpen };
  }

  // ---- told

  handleTcpEvent(_id: number): void {
    if (this.#isMarked) return;
    this.#isMarked = true;
    this.#space.context.markReady(this);
  }

  report(now: Instant): void {
    this.#isMarked = false;
    if (this.isClosed) return;
    let edges = 0;
    if (this.#listener !== null) edges = this.#listener.waiting > 0 ? Ready.Readable : 0;
    else if (this.#id !== NONE) edges = edgesOf(this.#connections.takeEvents(this.#id));
    if (edges !== 0 && this.onReady !== null) this.onReady(now, edges, this);
  }

  /** The machine waits for slots itself. */
  handleRoom(): void {}

  // ---- inside

  get #connections(): Connections {
    return this.#space.tcp.connections;
  }

  get #any(): Ip {
    return this.family === 4 ? ANY4 : ANY6;
  }

  get #notConnected(): Errno {
    return this.isClosed ? 'EBADF' : 'ENOTCONN';
  }

  #familyRefusal(address: Ip): Errno | null {
    if (this.family === 4) return address.isV4 ? null : 'EAFNOSUPPORT';
    return address.isV4 && this.ipv6Only ? 'EINVAL' : null;
  }

  #connectRefusal(address: Ip, port: number): Errno | null {
    if (this.isClosed) return 'EBADF';
    if (this.#listener !== null) return 'EISCONN';
    if (this.#id !== NONE) {
      const state = this.#connections.state(this.#id);
      if (state === State.SynSent || state === State.SynReceived) return 'EALREADY';
      if (state !== State.Closed) return 'EISCONN';
      const error = this.#connections.takeError(this.#id);
      this.#connections.close(this.#id);
      this.#id = NONE;
      if (error !== null) return error;
    }
    if (!(port > 0 && port <= 0xffff)) return 'EINVAL';
    return this.#familyRefusal(address);
  }

  #fillSendOptions(options: SendOptions): SendOptions {
    options.oif = this.option('device');
    options.mark = this.option('mark');
    options.tos = this.option('tos');
    return options;
  }

  #open(local: Ip, localPort: number, remote: Ip, port: number): number | Errno {
    return this.#connections.open(this, local, localPort, remote, port, this.#options?.toOpen());
  }

  /** RFC 6056 §3.3.3: ports to one peer follow each other; one that a socket has bound belongs to that socket. */
  #openAnywhere(local: Ip, remote: Ip, port: number): number | Errno {
    let answer: number | Errno = 'EADDRNOTAVAIL';
    this.#space.ports.searchFor(local, remote, port, (candidate) => {
      if (this.#space.atPort(candidate).length > 0) return false;
      answer = this.#open(local, candidate, remote, port);
      return answer !== 'EADDRNOTAVAIL';
    });
    return answer;
  }

  #startListening(local: Ip, port: number, backlog: number): void {
    this.#options ??= new TcpOptions();
    this.#listener = new TcpListener(this.#space, this, local, port, backlog, this.#options);
    this.#applyCongestion();
  }

  #stopListening(): void {
    this.#listener?.close();
    this.#listener = null;
  }

  #leave(): void {
    this.isClosed = true;
    this.onReady = null;
    this.#id = NONE;
    this.#stopListening();
    if (this.#boundPort !== 0) this.#space.remove(this, this.#boundPort);
    this.#space.context.sockets.delete(this);
    if (this.#isAccepted) this.#space.acceptedCount--;
  }

  /** Connections have their listener's from the first SYN on. */
  #applyCongestion(): void {
    const name = this.#congestion;
    if (name === null) return;
    if (this.#id !== NONE) this.#connections.setCongestion(this.#id, name);
    else this.#listener?.setCongestion(name);
  }
}

function edgesOf(events: number): number {
  let edges = 0;
  if ((events & (TcpEvent.Readable | TcpEvent.End)) !== 0) edges |= Ready.Readable;
  if ((events & (TcpEvent.Writable | TcpEvent.Connected)) !== 0) edges |= Ready.Writable;
  if ((events & TcpEvent.Error) !== 0) edges |= Ready.Error;
  if ((events & TcpEvent.Closed) !== 0) edges |= Ready.Hangup;
  return edges;
}

/** The unspecified address as a destination is this host, as Linux means it. */
function reachable(address: Ip): Ip {
  if (!address.isUnspecified) return address;
  return address.isV4 ? LOOPBACK4 : LOOPBACK6;
}
