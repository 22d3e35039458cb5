/**
 * The life of a record: made with its defaults, moved between states, emptied, freed.
 *
 * An id belongs to whoever opened or accepted the connection until `close` or `abort`; only then, and when the
 * protocol needs it no more, is the record used for another one.
 */
import type { Instant } from '../base/time.ts';
import { errnoOf } from './errno-code.ts';
import { leavingFlow } from './flow-words.ts';
import type { Listener } from './open/listener.ts';
import { fillOptions } from './output/emit.ts';
import { wscaleFor } from './output/window.ts';
import type { TcpShared } from './shared.ts';
import { TcpEvent } from './shared.ts';
import { State } from './state.ts';
import type { Tcb } from './tcb.ts';
import { TcbFlag } from './tcb.ts';
import { clearDeadlines } from './time/deadlines.ts';
import { updateRto } from './time/rtt.ts';

const TCP_HEADER_BYTES = 20;
const TIMESTAMPS_BYTES = 12;
const MSS_MAX = 0xffff;
const IPV6_HEADER_BYTES = 40;
/** Until the first full segment shows: as Linux. */
const RCV_MSS_FIRST = 536;

/**
 * Moves `tcp.tcb` to a new record for the flow in `tcp.words`; false when there is no room, or one has it
 * already.
 */
export function createRecord(now: Instant, tcp: TcpShared, state: State): boolean {
  const { table, tcb, words } = tcp;
  const id = table.allocate();
  if (id < 0) return false;
  tcb.at(id);
  tcb.state = state;
  if (!tcp.enter(words, id)) {
    table.free(id);
    return false;
  }
  const flow = words.words;
  tcb.localA = flow[0] as number;
  tcb.localB = flow[1] as number;
  tcb.localC = flow[2] as number;
  tcb.localD = flow[3] as number;
  tcb.remoteA = flow[4] as number;
  tcb.remoteB = flow[5] as number;
  tcb.remoteC = flow[6] as number;
  tcb.remoteD = flow[7] as number;
  tcb.localPort = (flow[8] as number) >>> 16;
  tcb.remotePort = (flow[8] as number) & 0xffff;
  tcp.sendBuffer.open(id);
  tcp.receiveBuffer.open(id);
  tcp.recoveries[id] = null;
  tcp.users[id] = null;
  tcb.listener = -1;
  setDefaults(now, tcp);
  return true;
}

function setDefaults(now: Instant, tcp: TcpShared): void {
  const { tcb, config } = tcp;
  tcb.lingerMs = -1;
  tcb.sndLimit = config.wmemDefault;
  tcb.rcvLimit = config.rmemDefault;
  tcb.rcvMss = RCV_MSS_FIRST;
  tcb.keepIdleMs = config.keepaliveTimeMs;
  tcb.keepIntervalMs = config.keepaliveIntvlMs;
  tcb.keepProbesMax = config.keepaliveProbes;
  tcb.synRetriesMax = config.synRetries;
  tcb.lastReceivedAt = now;
  tcb.lastDataReceivedAt = Number.NEGATIVE_INFINITY;
  tcb.challengedAt = Number.NEGATIVE_INFINITY;
  updateRto(tcb, config);
}

/** What a connection has from its listener. */
export function inherit(tcb: Tcb, listener: Listener): void {
  tcb.listener = listener.id;
  tcb.set(listener.flags | TcbFlag.Embryo);
  if (listener.sndLimit > 0) {
    tcb.sndLimit = listener.sndLimit;
    tcb.set(TcbFlag.SndLimitFixed);
  }
  if (listener.rcvLimit > 0) {
    tcb.rcvLimit = listener.rcvLimit;
    tcb.set(TcbFlag.RcvLimitFixed);
  }
  if (listener.keepIdleMs > 0) tcb.keepIdleMs = listener.keepIdleMs;
  if (listener.keepIntervalMs > 0) tcb.keepIntervalMs = listener.keepIntervalMs;
  if (listener.keepProbesMax > 0) tcb.keepProbesMax = listener.keepProbesMax;
  tcb.userTimeoutMs = listener.userTimeoutMs;
  tcb.userMss = listener.userMss;
  tcb.windowClamp = listener.windowClamp;
  tcb.notSentLowWater = listener.notSentLowWater;
  tcb.ackDelayMs = listener.ackDelayMs;
  tcb.congestion = listener.congestion;
  tcb.lingerMs = listener.lingerMs;
  tcb.tos = listener.tos;
  tcb.ttl = listener.ttl;
  tcb.mark = listener.mark;
  tcb.oif = listener.options.device;
}

/** Asks the host what the path takes; announces what we take. */
export function loadPath(tcp: TcpShared, tcb: Tcb): void {
  const { path } = tcp;
  leavingFlow(tcp.flow, tcb);
  fillOptions(tcp, tcb, false);
  tcp.host.path(tcp.flow, tcp.options, path);
  tcb.pathMtu = path.mtu;
  tcb.ipHeaderBytes = path.ipHeaderBytes;
  tcb.gsoMaxBytes = path.gsoMaxBytes;
  const own = Math.min(path.deviceMtu - path.ipHeaderBytes - TCP_HEADER_BYTES, MSS_MAX);
  tcb.advMss = tcb.userMss > 0 ? Math.min(tcb.userMss, own) : own;
}

/** The shift that we offer: for the largest buffer that this connection may have. */
export function chooseWscale(tcp: TcpShared, tcb: Tcb): void {
  const most = tcb.has(TcbFlag.RcvLimitFixed) ? tcb.rcvLimit : Math.max(tcp.config.rmemMax, tcb.rcvLimit);
  tcb.rcvWscale = wscaleFor(tcb.windowClamp > 0 ? Math.min(most, tcb.windowClamp) : most);
}

/** Eff.snd.MSS of RFC 9293 §3.7.1: what the peer takes and the path carries, less the options (RFC 6691). */
export function updateMss(tcp: TcpShared, tcb: Tcb): void {
  const byPath = tcb.pathMtu - tcb.ipHeaderBytes - TCP_HEADER_BYTES;
  let mss = Math.min(tcb.peerMss, byPath);
  if (tcb.userMss > 0) mss = Math.min(mss, tcb.userMss);
  if (tcb.has(TcbFlag.Timestamps)) mss -= TIMESTAMPS_BYTES;
  tcb.sndMss = Math.max(mss, tcp.config.minSndMss - TIMESTAMPS_BYTES);
}

/** RFC 9293 §3.7.1 (MUST-15): for a peer that does not say. */
export function defaultMss(tcp: TcpShared, tcb: Tcb): number {
  return tcb.ipHeaderBytes === IPV6_HEADER_BYTES ? tcp.config.mss6Default : tcp.config.mss4Default;
}

export function setState(tcp: TcpShared, tcb: Tcb, state: State): void {
  const before = isEstablished(tcb.state) ? 1 : 0;
  tcb.state = state;
  tcp.counters.tcp.currEstab += (isEstablished(state) ? 1 : 0) - before;
}

/** What CurrEstab of RFC 4022 counts. */
const isEstablished = (state: number): boolean => state === State.Established || state === State.CloseWait;

/**
 * The connection is over, with error `code` or 0. What has arrived may still be read; the rest of its memory,
 * and its place in the table of flows, are given back at once.
 */
export function finish(tcp: TcpShared, tcb: Tcb, code: number): void {
  if (tcb.state === State.Closed) return;
  if (tcb.state !== State.TimeWait) tcp.leave(tcp.words.ofTcb(tcb));
  conclude(tcp, tcb, State.Closed, code);
}

/** The same with the flow's entry in other hands: TIME-WAIT, or nobody's. */
export function conclude(tcp: TcpShared, tcb: Tcb, state: State, code: number): void {
  const wasHalfOpen = tcb.state === State.SynReceived;
  const { id } = tcb;
  setState(tcp, tcb, state);
  clearDeadlines(tcp.wheel, tcb);
  tcb.clear(TcbFlag.SynDue | TcbFlag.AckNow | TcbFlag.WindowCheck | TcbFlag.RtoRunning);
  tcp.sendBuffer.close(id);
  tcp.dropRecovery(id);
  tcp.receiveBuffer.dropRanges(id);
  if (tcb.error === 0) tcb.error = code;
  if (tcb.has(TcbFlag.Orphan)) {
    freeRecord(tcp, tcb);
    return;
  }
  if (tcb.has(TcbFlag.Embryo) && wasHalfOpen) {
    const listener = tcp.listeners.at(tcb.listener);
    if (listener !== null) listener.synCount--;
    freeRecord(tcp, tcb);
    return;
  }
  let events: number = TcpEvent.Readable | TcpEvent.Writable | TcpEvent.End | TcpEvent.Closed;
  if (errnoOf(code) !== null) events |= TcpEvent.Error;
  tcp.notify(tcb, events);
}

/** Nobody needs it any more. */
export function freeRecord(tcp: TcpShared, tcb: Tcb): void {
  const { id } = tcb;
  tcp.sendBuffer.close(id);
  tcp.receiveBuffer.close(id);
  tcp.dropRecovery(id);
  tcp.users[id] = null;
  tcp.wheel.clear(id);
  tcp.table.free(id);
}
