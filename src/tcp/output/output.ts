/**
 * What a connection sends when its turn comes: what must be sent again, then new data, then an acknowledgement
 * if none of that carried it. RFC 9293 §3.8.6.2.1 (silly windows), §3.7.4 (Nagle, with Minshall's variant as in
 * Linux), §3.8.6.1 (closed windows).
 *
 *     min(what is written, the peer's window, what loss recovery allows, one super-segment)
 *
 * Nothing is copied until it leaves: a retransmission is read from the ring like everything else.
 */
import { geq, gt, lt } from '../../base/seq32.ts';
import type { Instant } from '../../base/time.ts';
import { NEVER } from '../../base/time.ts';
import { Flag } from '../../wire/tcp.ts';
import type { Recovery } from '../recovery-port.ts';
import type { TcpShared } from '../shared.ts';
import { TcpEvent } from '../shared.ts';
import { maySend, State } from '../state.ts';
import type { Tcb } from '../tcb.ts';
import { TcbFlag } from '../tcb.ts';
import { arm } from '../time/deadlines.ts';
import { noteLimit } from '../time/limit.ts';
import { backedOff } from '../time/rtt.ts';
import { emit, emitSyn, sackBytes } from './emit.ts';
import { isUpdateDue, tuneReceiver } from './window.ts';

/** One connection sends so many packets, super-segments or not, before others have their turn. */
const BURST_MAX = 16;
const US_PER_MS = 1_000;

/** Sends what there is to send. True when something is left for want of a slot, or for the sake of others. */
export function serve(now: Instant, tcp: TcpShared, tcb: Tcb): boolean {
  const { state } = tcb;
  if (tcb.has(TcbFlag.SynDue)) return !sendSyn(now, tcp, tcb);
  if (state === State.Closed || state === State.SynSent || state === State.SynReceived) {
    return tcb.has(TcbFlag.AckNow) && state === State.SynReceived && !emit(now, tcp, tcb, tcb.sndNxt, 0, 0);
  }
  if (tcb.has(TcbFlag.WindowCheck)) {
    tcb.clear(TcbFlag.WindowCheck);
    tuneReceiver(now, tcp, tcb);
    if (isUpdateDue(tcp, tcb)) tcb.set(TcbFlag.AckNow);
  }
  if (state === State.FinWait2 && tcb.has(TcbFlag.Orphan) && tcb.keepAt === NEVER)
    startFinWait(now, tcp, tcb);
  if (tcb.keepAt === NEVER && tcb.has(TcbFlag.KeepAlive) && !tcb.has(TcbFlag.Orphan)) {
    startKeepAlive(now, tcp, tcb);
  }
  const isMore = maySend(state) && sendData(now, tcp, tcb);
  noteLimit(now, tcb, tcp.recoveries[tcb.id] ?? null);
  // What has left does not wait any more (TCP_NOTSENT_LOWAT).
  if (tcb.notSentLowWater > 0 && tcb.has(TcbFlag.WriteBlocked)) wakeWriter(tcp, tcb);
  if (tcb.has(TcbFlag.AckNow) && !emit(now, tcp, tcb, tcb.sndNxt, 0, 0)) return true;
  return isMore;
}

/** A writer that was refused hears that there is room again. */
export function wakeWriter(tcp: TcpShared, tcb: Tcb): void {
  if (!tcp.sendBuffer.isWriteable(tcb)) return;
  tcb.clear(TcbFlag.WriteBlocked);
  tcp.notify(tcb, TcpEvent.Writable);
}

/** Nobody waits for the peer's FIN but we: not forever (`tcp_fin_timeout`). */
function startFinWait(now: Instant, tcp: TcpShared, tcb: Tcb): void {
  tcb.keepAt = now + tcp.config.finTimeoutMs * US_PER_MS;
  arm(tcp.wheel, tcb, tcb.keepAt);
}

/** It was just turned on: the idle time counts from now, whatever was before. */
function startKeepAlive(now: Instant, tcp: TcpShared, tcb: Tcb): void {
  if (tcb.state === State.TimeWait) return;
  tcb.keepAt = now + tcb.keepIdleMs * US_PER_MS;
  arm(tcp.wheel, tcb, tcb.keepAt);
}

/** What the loss recovery of this connection is; made when the first data leave. */
export function recoveryOf(now: Instant, tcp: TcpShared, tcb: Tcb): Recovery {
  const known = tcp.recoveries[tcb.id];
  if (known !== null && known !== undefined) return known;
  const made = tcp.recoveryFactory(now, tcb);
  tcp.recoveries[tcb.id] = made;
  return made;
}

/** A segment that carries nothing new, to make the peer answer: keepalive, window probe (RFC 9293 §3.8.4). */
export function sendProbe(now: Instant, tcp: TcpShared, tcb: Tcb): boolean {
  return emit(now, tcp, tcb, (tcb.sndUna - 1) | 0, 0, 0);
}

function sendSyn(now: Instant, tcp: TcpShared, tcb: Tcb): boolean {
  const isAnswer = tcb.state === State.SynReceived;
  let flags: number = isAnswer ? Flag.Syn | Flag.Ack : Flag.Syn;
  if (tcb.has(TcbFlag.EcnAsked)) flags |= isAnswer ? Flag.Ece : Flag.Ece | Flag.Cwr;
  if (!emitSyn(now, tcp, tcb, flags)) return false;
  tcb.clear(TcbFlag.SynDue);
  tcb.sndNxt = (tcb.iss + 1) | 0;
  if (tcb.retransmits === 0) {
    tcb.set(TcbFlag.RttTiming);
    tcb.rttSeq = tcb.sndNxt;
    tcb.rttAt = now;
  } else {
    // RFC 6298 §3 (Karn): whose answer it would be, nobody can tell.
    tcb.clear(TcbFlag.RttTiming);
    tcp.counters.tcpExt.tcpSynRetrans++;
    tcp.counters.tcp.retransSegs++;
    tcb.totalRetrans++;
  }
  tcb.rtoAt = now + backedOff(tcb, tcp.config, tcb.retransmits);
  arm(tcp.wheel, tcb, tcb.rtoAt);
  return true;
}

function sendData(now: Instant, tcp: TcpShared, tcb: Tcb): boolean {
  const isNothing =
    tcb.sndUna === tcb.sndNxt &&
    tcb.sndEnd === tcb.sndNxt &&
    !(tcb.has(TcbFlag.FinQueued) && !tcb.has(TcbFlag.FinSent));
  if (isNothing) return false;
  const recovery = recoveryOf(now, tcp, tcb);
  let sent = 0;
  while (tcb.sndUna !== tcb.sndNxt) {
    if (!tcp.host.hasRoom || sent >= BURST_MAX) return true;
    const answer = retransmit(now, tcp, tcb, recovery);
    if (answer < 0) return true;
    if (answer === 0) break;
    sent++;
  }
  for (;;) {
    if (!tcp.host.hasRoom || sent >= BURST_MAX) return hasUnsent(tcb);
    const answer = sendNew(now, tcp, tcb, recovery);
    if (answer < 0) return true;
    if (answer === 0) return false;
    sent++;
  }
}

function hasUnsent(tcb: Tcb): boolean {
  return gt(tcb.sndEnd, tcb.sndNxt) || (tcb.has(TcbFlag.FinQueued) && !tcb.has(TcbFlag.FinSent));
}

/** 1: a segment left; 0: nothing is to be sent again now; -1: no slot. */
function retransmit(now: Instant, tcp: TcpShared, tcb: Tcb, recovery: Recovery): number {
  const mss = tcb.sndMss - sackBytes(tcp, tcb);
  const max = tcb.gsoMaxBytes > mss ? tcb.gsoMaxBytes - (tcb.gsoMaxBytes % mss) : mss;
  if (!recovery.pollRetransmit(now, tcb, max)) {
    if (tcb.paceAt > now) arm(tcp.wheel, tcb, tcb.paceAt);
    return 0;
  }
  const { start, end } = recovery;
  // A window that has shrunk: only the first segment is sent beyond it, as a probe (RFC 9293 §3.8.6, SHLD-15).
  const edge = (tcb.sndUna + tcb.sndWnd) | 0;
  if (gt(end, edge) && start !== tcb.sndUna) return 0;
  const hasFin = tcb.has(TcbFlag.FinSent) && gt(end, tcb.sndEnd);
  const length = ((end - start) | 0) - (hasFin ? 1 : 0);
  let flags = hasFin ? Flag.Fin : 0;
  if (length > 0 && geq((start + length) | 0, tcb.sndEnd)) flags |= Flag.Psh;
  if (!emit(now, tcp, tcb, start, length, flags)) return -1;
  const pieces = Math.max(1, Math.ceil(length / mss));
  tcb.totalRetrans += pieces;
  tcp.counters.tcp.retransSegs += pieces;
  tcb.bytesRetransmitted += length;
  tcb.dataSegsOut += pieces;
  // Karn: an acknowledgement of what was sent twice says nothing about the round trip.
  tcb.clear(TcbFlag.RttTiming);
  noteSent(now, tcp, tcb);
  recovery.handleSent(now, tcb, start, end, true);
  if (tcb.recoveryAt !== NEVER) arm(tcp.wheel, tcb, tcb.recoveryAt);
  return 1;
}

/** As `retransmit`, for data that have not been sent yet, and the FIN behind them. */
function sendNew(now: Instant, tcp: TcpShared, tcb: Tcb, recovery: Recovery): number {
  const pending = (tcb.sndEnd - tcb.sndNxt) | 0;
  const isFinDue = tcb.has(TcbFlag.FinQueued) && !tcb.has(TcbFlag.FinSent);
  if (pending <= 0 && !isFinDue) {
    if (!tcb.has(TcbFlag.AppLimited) && tcb.sndNxt !== tcb.sndUna) {
      tcb.set(TcbFlag.AppLimited);
      recovery.handleAppLimited(now, tcb);
    }
    return 0;
  }
  if (tcb.sndUna === tcb.sndNxt && tcb.lastDataSentAt > 0 && now - tcb.lastDataSentAt > tcb.rto) {
    recovery.handleIdle(now, tcb);
  }
  const usable = (tcb.sndUna + tcb.sndWnd - tcb.sndNxt) | 0;
  const mss = tcb.sndMss - sackBytes(tcp, tcb);
  const probe = mss === tcb.sndMss ? recovery.pollMtuProbe(now, tcb) : 0;
  if (probe > 0) return sendNewSegment(now, tcp, tcb, recovery, probe, pending, probe, false);
  const length = usable > 0 ? sendable(now, tcp, tcb, recovery, mss, pending, usable, isFinDue) : -1;
  if (length < 0) {
    waitForWindow(now, tcp, tcb);
    return 0;
  }
  const withFin = isFinDue && length === pending && usable > length;
  if (length === 0 && !withFin) return 0;
  return sendNewSegment(now, tcp, tcb, recovery, length, pending, mss, withFin);
}

/**
 * How much of the `pending` bytes may leave in one packet. -1 when the window is too small or the user corked
 * it, 0 when the congestion window, pacing or Nagle's algorithm hold it back, which an acknowledgement or a
 * timer will end.
 */
function sendable(
  now: Instant,
  tcp: TcpShared,
  tcb: Tcb,
  recovery: Recovery,
  mss: number,
  pending: number,
  usable: number,
  isFinDue: boolean,
): number {
  const quota = recovery.sendQuota(now, tcb);
  if (tcb.paceAt > now) arm(tcp.wheel, tcb, tcb.paceAt);
  const isIdle = tcb.sndUna === tcb.sndNxt;
  if (quota <= 0) return 0;
  const most = tcb.gsoMaxBytes > mss ? tcb.gsoMaxBytes : mss;
  let length = Math.min(pending, usable, most);
  if (quota < length) {
    if (quota < mss && !isIdle) return 0;
    length = Math.max(quota, Math.min(mss, length));
  }
  if (length >= mss) {
    // Whole segments, and what is left over may wait for more, unless it is the end.
    const odd = length % mss;
    if (odd === 0) return length;
    if (length < pending || !maySendSmall(tcb, isFinDue, isIdle, length > mss)) return length - odd;
    return length;
  }
  // RFC 9293 §3.8.6.2.1 (2) and (3): all that there is, or half the largest window seen.
  if (length === pending) {
    if (maySendSmall(tcb, isFinDue, isIdle, false)) return length;
    return isIdle ? -1 : 0;
  }
  if (length >= tcb.maxSndWnd >> 1 && length > 0) return length;
  return isIdle ? -1 : 0;
}

/** Nagle's algorithm: whether less than a segment may leave. */
function maySendSmall(tcb: Tcb, isFinDue: boolean, isIdle: boolean, isBehindFull: boolean): boolean {
  if (isFinDue) return true;
  if (tcb.has(TcbFlag.Cork)) return false;
  if (tcb.has(TcbFlag.NoDelay)) return true;
  if (isIdle && !isBehindFull) return true;
  // Minshall: one small segment may be on its way, not one segment of any size.
  return !gt(tcb.sndSml, tcb.sndUna);
}

function sendNewSegment(
  now: Instant,
  tcp: TcpShared,
  tcb: Tcb,
  recovery: Recovery,
  length: number,
  pending: number,
  mss: number,
  withFin: boolean,
): number {
  const start = tcb.sndNxt;
  let flags = withFin ? Flag.Fin : 0;
  if (length === pending && length > 0) flags |= Flag.Psh;
  if (length > 0 && tcb.has(TcbFlag.EcnCwr)) flags |= Flag.Cwr;
  if (!emit(now, tcp, tcb, start, length, flags, mss > tcb.sndMss)) return -1;
  if ((flags & Flag.Cwr) !== 0) tcb.clear(TcbFlag.EcnCwr);
  if (withFin) tcb.set(TcbFlag.FinSent);
  const end = (start + length + (withFin ? 1 : 0)) | 0;
  tcb.sndNxt = end;
  if (length % mss !== 0) tcb.sndSml = end;
  if (length < pending) tcb.clear(TcbFlag.AppLimited);
  if (!tcb.has(TcbFlag.RttTiming)) {
    tcb.set(TcbFlag.RttTiming);
    tcb.rttSeq = end;
    tcb.rttAt = now;
  }
  const pieces = Math.max(1, Math.ceil(length / mss));
  if (length > 0) {
    tcb.dataSegsOut += pieces;
    tcb.bytesSent += length;
    tcp.counters.tcpExt.tcpOrigDataSent += pieces;
    // An answer soon after a question: they take turns.
    if (now - tcb.lastDataReceivedAt < tcp.config.delackMs * 1_000) tcb.set(TcbFlag.PingPong);
  }
  noteSent(now, tcp, tcb);
  recovery.handleSent(now, tcb, start, end, false);
  if (tcb.recoveryAt !== NEVER) arm(tcp.wheel, tcb, tcb.recoveryAt);
  return 1;
}

/** RFC 6298 §5.1: the timer runs while something is in flight. */
function noteSent(now: Instant, tcp: TcpShared, tcb: Tcb): void {
  tcb.lastDataSentAt = now;
  tcb.persistAt = NEVER;
  if (!tcb.has(TcbFlag.RtoRunning)) {
    tcb.set(TcbFlag.RtoRunning);
    tcb.rtoAt = now + backedOff(tcb, tcp.config, tcb.retransmits);
    arm(tcp.wheel, tcb, tcb.rtoAt);
  }
}

/** Nothing is in flight that would be answered: the persist timer asks again (RFC 9293 §3.8.6.1). */
function waitForWindow(now: Instant, tcp: TcpShared, tcb: Tcb): void {
  if (tcb.sndUna !== tcb.sndNxt && !lt(tcb.sndNxt, tcb.sndUna)) return;
  if (tcb.persistAt !== NEVER) return;
  if (tcb.persistSince === 0) tcb.persistSince = now;
  tcb.persistAt = now + backedOff(tcb, tcp.config, tcb.persistProbes);
  arm(tcp.wheel, tcb, tcb.persistAt);
}

/**
 * The persist timer went off. With some window after all, what fits goes out though it is small
 * (§3.8.6.2.1 (4), the override timeout); else a segment that makes the peer say what its window is.
 */
export function sendWindowProbe(now: Instant, tcp: TcpShared, tcb: Tcb): boolean {
  const pending = (tcb.sndEnd - tcb.sndNxt) | 0;
  const usable = (tcb.sndUna + tcb.sndWnd - tcb.sndNxt) | 0;
  if (usable <= 0) return sendProbe(now, tcp, tcb);
  const mss = tcb.sndMss - sackBytes(tcp, tcb);
  const length = Math.min(pending, usable, mss);
  const isFinDue = tcb.has(TcbFlag.FinQueued) && !tcb.has(TcbFlag.FinSent);
  const withFin = isFinDue && length === pending && usable > length;
  const recovery = recoveryOf(now, tcp, tcb);
  if (length <= 0 && !withFin) return sendProbe(now, tcp, tcb);
  return sendNewSegment(now, tcp, tcb, recovery, length, pending, mss, withFin) > 0;
}
