/**
 * What a user of TCP does with it: RFC 9293 §3.9.1, as calls on ids that never wait. A count or an errno comes
 * back; what the peer must hear goes out at the next `pollTransmit`.
 *
 *     open / listen + accept ──> id ──> read write shutdown … ──> close | abort: the id is not the user's any more
 *
 * A user hears of events once (`TcpUser.handleTcpEvent`), takes them with `takeEvents`, and looks with
 * `readiness`.
 */
import type { Ip } from '../addr/ip.ts';
import type { Errno } from '../base/errno.ts';
import { gt } from '../base/seq32.ts';
import { NEVER } from '../base/time.ts';
import { abort, closeConnection, shutWrite } from './close/close.ts';
import { dropTimeWait } from './close/time-wait.ts';
import type { CongestionName } from './congestion/control.ts';
import { CONGESTION_NAMES } from './congestion/select.ts';
import { errnoOf } from './errno-code.ts';
import type { TcpUser } from './host.ts';
import { TcpInfo } from './info.ts';
import type { ListenOptions } from './open/listener.ts';
import { Listener } from './open/listener.ts';
import { offer } from './open/negotiate.ts';
import { chooseWscale, createRecord, finish, freeRecord, loadPath } from './records.ts';
import type { TcpShared } from './shared.ts';
import { TIME_WAIT_BIT } from './shared.ts';
import { State } from './state.ts';
import type { Tcb } from './tcb.ts';
import { TcbFlag } from './tcb.ts';
import { arm } from './time/deadlines.ts';

/** What may be done without waiting; as poll(2). */
export const TcpReady = {
  In: 1,
  Out: 4,
  Error: 8,
  /** Both directions are over. */
  Hup: 16,
  /** The peer has said FIN. */
  ReadHup: 0x2000,
} as const;

/** How a connection is opened; absent fields take the stack's default. */
export interface OpenOptions {
  readonly oif?: number;
  readonly mark?: number;
  readonly tos?: number;
  readonly ttl?: number;
  /** Bits of `TcbFlag` that are options of the user. */
  readonly flags?: number;
  readonly sndLimit?: number;
  readonly rcvLimit?: number;
  readonly userMss?: number;
  readonly windowClamp?: number;
}

export type ShutdownHow = 'read' | 'write' | 'both';

/** Options that are numbers of the record, and may be set at any time. */
export type TcbOption =
  | 'tos'
  | 'ttl'
  | 'mark'
  | 'oif'
  | 'sndLimit'
  | 'rcvLimit'
  | 'userTimeoutMs'
  | 'keepIdleMs'
  | 'keepIntervalMs'
  | 'keepProbesMax'
  | 'lingerMs'
  | 'synRetriesMax'
  | 'windowClamp'
  | 'notSentLowWater'
  | 'ackDelayMs';

const US_PER_MS = 1_000;
/**
 * Linux's `TCP_TIMEWAIT_LEN` over which `tcp_tw_reuse` lets an open take the ports of a connection in
 * TIME-WAIT.
 */
const REUSE_AFTER_US = 1_000_000;
const REUSE_GAP = 65_537;

export class Connections {
  readonly #tcp: TcpShared;

  constructor(tcp: TcpShared) {
    this.#tcp = tcp;
  }

  /** OPEN, active. EADDRNOTAVAIL when the four of them are taken, ENOBUFS at the limit. */
  open(
    user: TcpUser,
    local: Ip,
    localPort: number,
    remote: Ip,
    remotePort: number,
    options: OpenOptions = {},
  ): number | Errno {
    const tcp = this.#tcp;
    const { words, tcb, now } = tcp;
    loadFlow(words.words, local, localPort, remote, remotePort);
    const reuse = this.#reuse();
    if (reuse < 0) return 'EADDRNOTAVAIL';
    loadFlow(words.words, local, localPort, remote, remotePort);
    if (!createRecord(now, tcp, State.SynSent)) return 'ENOBUFS';
    tcp.users[tcb.id] = user;
    tcb.tos = options.tos ?? 0;
    tcb.ttl = options.ttl ?? 0;
    tcb.mark = options.mark ?? 0;
    tcb.oif = options.oif ?? 0;
    tcb.userMss = options.userMss ?? 0;
    tcb.windowClamp = options.windowClamp ?? 0;
    tcb.set(options.flags ?? 0);
    if (options.sndLimit !== undefined) this.set(tcb.id, 'sndLimit', options.sndLimit);
    if (options.rcvLimit !== undefined) this.set(tcb.id, 'rcvLimit', options.rcvLimit);
    loadPath(tcp, tcb);
    chooseWscale(tcp, tcb);
    offer(tcp, tcb);
    tcb.tsOffset = tcp.isn.timestampOffset(words.ofTcb(tcb));
    tcb.iss = reuse > 0 ? tcp.reuseIss : tcp.isn.next(now, words);
    tcb.sndUna = tcb.iss;
    tcb.sndNxt = (tcb.iss + 1) | 0;
    tcb.sndEnd = tcb.sndNxt;
    tcb.sndSml = tcb.iss;
    tcb.set(TcbFlag.SynDue);
    tcp.counters.tcp.activeOpens++;
    tcp.queueOutput(tcb);
    return tcb.id;
  }

  /** OPEN, passive. Who may share a port with whom is the socket layer's to decide. */
  listen(options: ListenOptions, user: TcpUser): Listener {
    const { config, listeners } = this.#tcp;
    const listener = new Listener(options, user);
    listener.backlog = Math.min(options.backlog, config.somaxconn);
    listeners.add(listener);
    return listener;
  }

  /** The next connection that waits, now `user`'s, or EAGAIN. */
  accept(listener: Listener, user: TcpUser): number | Errno {
    const tcp = this.#tcp;
    const id = listener.accepted.shift();
    if (id < 0) return 'EAGAIN';
    const tcb = tcp.tcb.at(id);
    tcb.clear(TcbFlag.Embryo);
    tcb.listener = -1;
    tcp.users[id] = user;
    if (tcb.events !== 0) user.handleTcpEvent(id);
    return id;
  }

  /** No more SYNs; connections that nobody accepted are reset (RFC 9293 §3.10.4). */
  closeListener(listener: Listener): void {
    const tcp = this.#tcp;
    tcp.listeners.remove(listener);
    for (let id = listener.accepted.shift(); id >= 0; id = listener.accepted.shift()) this.abort(id);
    if (listener.synCount === 0) return;
    for (let id = 0; id < tcp.table.end; id++) {
      if (!tcp.table.has(id)) continue;
      const tcb = tcp.tcb.at(id);
      if (tcb.state !== State.SynReceived || tcb.listener !== listener.id) continue;
      tcb.set(TcbFlag.Orphan);
      abort(tcp, tcb, 0);
    }
  }

  /** RECEIVE: bytes copied to `into`; 0 at the end of the stream. */
  read(id: number, into: Uint8Array, start = 0, end: number = into.length): number | Errno {
    const tcp = this.#tcp;
    const tcb = tcp.tcb.at(id);
    const count = tcp.receiveBuffer.read(tcb, into, start, end);
    if (count > 0) this.#noteRead(tcb);
    return count > 0 || start === end ? count : this.#emptyAnswer(tcb);
  }

  /** As `read`, but the bytes stay. */
  peek(id: number, into: Uint8Array, start = 0, end: number = into.length): number | Errno {
    const tcp = this.#tcp;
    const tcb = tcp.tcb.at(id);
    const count = tcp.receiveBuffer.peek(tcb, into, start, end);
    return count > 0 ? count : this.#emptyAnswer(tcb);
  }

  /**
   * Without a copy: calls `reader` with the ring and where unread bytes lie together in it, until there are none;
   * what it answers are those that it took. To be used at once, not kept. Answers how many were taken.
   */
  readChunks(id: number, reader: ChunkReader): number | Errno {
    const tcp = this.#tcp;
    let total = 0;
    for (;;) {
      const tcb = tcp.tcb.at(id);
      const length = tcp.receiveBuffer.chunkLength(tcb);
      const ring = tcp.receiveBuffer.chunk(tcb);
      if (length <= 0 || ring === null) return total > 0 ? total : this.#emptyAnswer(tcb);
      const at = tcp.receiveBuffer.chunkAt(tcb);
      const taken = reader.handleChunk(ring, at, at + length);
      if (taken <= 0) return total;
      tcp.tcb.at(id);
      tcp.receiveBuffer.skip(tcb, taken);
      this.#noteRead(tcb);
      total += taken;
    }
  }

  /** SEND: how many bytes were taken; EAGAIN when there is no room, and `Writable` follows. */
  write(id: number, bytes: Uint8Array, start = 0, end: number = bytes.length): number | Errno {
    const tcp = this.#tcp;
    const tcb = tcp.tcb.at(id);
    const error = this.#takeErrorOf(tcb);
    if (error !== null) return error;
    if (tcb.has(TcbFlag.FinQueued)) return 'EPIPE';
    if (tcb.state !== State.Established && tcb.state !== State.CloseWait) {
      if (tcb.state !== State.SynSent && tcb.state !== State.SynReceived) return 'EPIPE';
      tcb.set(TcbFlag.WriteBlocked);
      return 'EAGAIN';
    }
    const count = tcp.sendBuffer.write(tcb, tcp.recoveries[id] ?? null, bytes, start, end);
    if (count < end - start) tcb.set(TcbFlag.WriteBlocked);
    if (count === 0) return start === end ? 0 : 'EAGAIN';
    tcp.queueOutput(tcb);
    return count;
  }

  /** Bytes that `write` would take, and bytes that `read` would give. */
  writable(id: number): number {
    const tcp = this.#tcp;
    return tcp.sendBuffer.room(tcp.tcb.at(id), tcp.recoveries[id] ?? null);
  }

  readable(id: number): number {
    return this.#tcp.receiveBuffer.readable(this.#tcp.tcb.at(id));
  }

  /** Bytes that the peer has not acknowledged, FIN not counted (SIOCOUTQ). */
  unacknowledged(id: number): number {
    return this.#tcp.sendBuffer.used(this.#tcp.tcb.at(id));
  }

  shutdown(id: number, how: ShutdownHow): Errno | null {
    const tcp = this.#tcp;
    const tcb = tcp.tcb.at(id);
    const { state } = tcb;
    if (state === State.Closed || state === State.TimeWait) return 'ENOTCONN';
    if (how !== 'write') {
      tcb.set(TcbFlag.ReadShut);
      tcp.receiveBuffer.skip(tcb, tcp.receiveBuffer.readable(tcb));
      this.#noteRead(tcb);
    }
    if (how !== 'read') shutWrite(tcp, tcb);
    return null;
  }

  /** CLOSE, and the id is not the user's any more. */
  close(id: number): void {
    closeConnection(this.#tcp, this.#tcp.tcb.at(id));
  }

  /** ABORT: RST to the peer. */
  abort(id: number): void {
    const tcp = this.#tcp;
    const tcb = tcp.tcb.at(id);
    tcp.users[id] = null;
    tcb.set(TcbFlag.Orphan);
    if (tcb.state === State.Closed || tcb.state === State.TimeWait) freeRecord(tcp, tcb);
    else abort(tcp, tcb, 0);
  }

  /** Nothing is said to the peer: the stack goes away. */
  release(id: number): void {
    const tcp = this.#tcp;
    const tcb = tcp.tcb.at(id);
    tcb.set(TcbFlag.Orphan);
    if (tcb.state === State.Closed || tcb.state === State.TimeWait) freeRecord(tcp, tcb);
    else finish(tcp, tcb, 0);
  }

  /** `TcpEvent` bits since the last time; from now on the user is told again. */
  takeEvents(id: number): number {
    const tcb = this.#tcp.tcb.at(id);
    const { events } = tcb;
    tcb.events = 0;
    return events;
  }

  /** Bits of `TcpReady`. */
  readiness(id: number): number {
    const { receiveBuffer, tcb: cursor } = this.#tcp;
    const tcb = cursor.at(id);
    const { state } = tcb;
    if (state === State.SynSent || state === State.SynReceived) return 0;
    let ready = 0;
    const isOver = state === State.Closed || state === State.TimeWait;
    const isEnd = tcb.has(TcbFlag.FinReceived) || tcb.has(TcbFlag.ReadShut);
    if (receiveBuffer.readable(tcb) > 0 || isEnd || isOver) ready |= TcpReady.In;
    if (isEnd || isOver) ready |= TcpReady.ReadHup;
    if (isOver) ready |= TcpReady.Hup;
    if (tcb.error !== 0) ready |= TcpReady.Error;
    if (isOver || tcb.has(TcbFlag.FinQueued) || this.#hasRoom(tcb)) ready |= TcpReady.Out;
    else tcb.set(TcbFlag.WriteBlocked);
    return ready;
  }

  /** SO_ERROR: what went wrong, once. */
  takeError(id: number): Errno | null {
    return this.#takeErrorOf(this.#tcp.tcb.at(id));
  }

  state(id: number): State {
    return this.#tcp.tcb.at(id).state as State;
  }

  /** Turns a flag on or off that is an option of the user: NoDelay, Cork, KeepAlive, QuickAck. */
  setFlag(id: number, flag: number, isOn: boolean): void {
    const tcp = this.#tcp;
    const tcb = tcp.tcb.at(id);
    const wasOn = tcb.has(flag);
    if (isOn) tcb.set(flag);
    else tcb.clear(flag);
    if ((flag & (TcbFlag.NoDelay | TcbFlag.Cork | TcbFlag.QuickAck)) !== 0) {
      if (flag === TcbFlag.QuickAck) this.#setTurnTaking(tcb, !isOn);
      tcp.queueOutput(tcb);
    }
    if ((flag & TcbFlag.KeepAlive) !== 0 && isOn !== wasOn) this.#startKeepAlive(tcb, isOn);
  }

  set(id: number, option: TcbOption, value: number): void {
    const tcp = this.#tcp;
    const tcb = tcp.tcb.at(id);
    tcb[option] = value;
    if (option === 'sndLimit') tcb.set(TcbFlag.SndLimitFixed);
    else if (option === 'rcvLimit') tcb.set(TcbFlag.RcvLimitFixed);
    else if (option === 'keepIdleMs') this.#armKeepAlive(tcb, tcb.has(TcbFlag.KeepAlive));
    if (option === 'rcvLimit' || option === 'windowClamp') this.#noteRead(tcb);
  }

  /** TCP_CONGESTION: at any time; window and threshold stay. */
  setCongestion(id: number, name: CongestionName): void {
    const tcp = this.#tcp;
    const tcb = tcp.tcb.at(id);
    tcb.congestion = 1 + CONGESTION_NAMES.indexOf(name);
    tcp.recoveries[id]?.setCongestion(tcp.now, tcb, name);
  }

  congestion(id: number): CongestionName {
    const tcp = this.#tcp;
    return CONGESTION_NAMES[tcp.tcb.at(id).congestion - 1] ?? tcp.config.congestionControl;
  }

  /** How the connection is doing, under Linux's names. */
  info(id: number, into: TcpInfo = new TcpInfo()): TcpInfo {
    const tcp = this.#tcp;
    into.fill(tcp, tcp.tcb.at(id));
    return into;
  }

  /** Ids in use: for lists. Nothing may be opened or closed meanwhile. */
  *ids(): Generator<number> {
    const { table } = this.#tcp;
    for (let id = 0; id < table.end; id++) if (table.has(id)) yield id;
  }

  /** The record itself, until the next call into TCP. */
  tcb(id: number): Tcb {
    return this.#tcp.tcb.at(id);
  }

  /** 0: the ports are free; 1: they were in TIME-WAIT, and `reuseIss` is where to begin; -1: taken. */
  #reuse(): number {
    const tcp = this.#tcp;
    const found = tcp.lookup(tcp.words);
    if (found < 0) return 0;
    if (found < TIME_WAIT_BIT) return -1;
    const row = found & ~TIME_WAIT_BIT;
    const { timeWait } = tcp;
    // RFC 6191 §2 needs the peer's timestamps to have gone on.
    if (!timeWait.hasTs(row) || tcp.now - timeWait.tsRecentAt(row) < REUSE_AFTER_US) return -1;
    tcp.reuseIss = (timeWait.sndNxt(row) + REUSE_GAP) | 0;
    dropTimeWait(tcp, row);
    return 1;
  }

  #hasRoom(tcb: Tcb): boolean {
    return this.#tcp.sendBuffer.isWriteable(tcb);
  }

  #noteRead(tcb: Tcb): void {
    if (tcb.has(TcbFlag.Urgent) && !gt(tcb.rcvUp, tcb.rcvRead)) tcb.clear(TcbFlag.Urgent);
    if (tcb.state === State.Closed || tcb.state === State.TimeWait || tcb.has(TcbFlag.FinReceived)) return;
    tcb.set(TcbFlag.WindowCheck);
    this.#tcp.queueOutput(tcb);
  }

  #emptyAnswer(tcb: Tcb): number | Errno {
    const error = this.#takeErrorOf(tcb);
    if (error !== null) return error;
    const isOver = tcb.state === State.Closed || tcb.state === State.TimeWait;
    return isOver || tcb.has(TcbFlag.FinReceived) || tcb.has(TcbFlag.ReadShut) ? 0 : 'EAGAIN';
  }

  #takeErrorOf(tcb: Tcb): Errno | null {
    const error = errnoOf(tcb.error);
    tcb.error = 0;
    return error;
  }

  /** TCP_QUICKACK: off, acknowledgements wait for data to ride on until a timeout says that none come. */
  #setTurnTaking(tcb: Tcb, isOn: boolean): void {
    if (isOn) {
      tcb.set(TcbFlag.PingPong);
      return;
    }
    tcb.clear(TcbFlag.PingPong);
    if (tcb.lastAckSent !== tcb.rcvNxt) tcb.set(TcbFlag.AckNow);
  }

  /** SO_KEEPALIVE: its time counts from now, which is for `serve` to know. */
  #startKeepAlive(tcb: Tcb, isOn: boolean): void {
    // In FIN-WAIT-2 the deadline is another one once the application has closed, which then sets no options.
    tcb.keepAt = NEVER;
    if (isOn) this.#tcp.queueOutput(tcb);
  }

  /** TCP_KEEPIDLE while it is on: of the time that has passed already. */
  #armKeepAlive(tcb: Tcb, isOn: boolean): void {
    const { state } = tcb;
    if (!isOn || state === State.SynSent || state === State.Closed || state === State.TimeWait) return;
    tcb.keepAt = tcb.lastReceivedAt + tcb.keepIdleMs * US_PER_MS;
    arm(this.#tcp.wheel, tcb, tcb.keepAt);
  }
}

/** Takes bytes where they lie. */
export interface ChunkReader {
  /** Answers how many of `[start, end)` it took, from `start` on. */
  handleChunk(bytes: Uint8Array, start: number, end: number): number;
}

function loadFlow(words: Int32Array, local: Ip, localPort: number, remote: Ip, remotePort: number): void {
  words[0] = local.a;
  words[1] = local.b;
  words[2] = local.c;
  words[3] = local.d;
  words[4] = remote.a;
  words[5] = remote.b;
  words[6] = remote.c;
  words[7] = remote.d;
  words[8] = (localPort << 16) | remotePort;
}
