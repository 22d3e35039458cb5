/**
 * A segment for a connection: RFC 9293 §3.10.7, its checks in its order, a function each, with what RFC 7323
 * (PAWS) and RFC 5961 (blind attacks) add.
 *
 *     sequence (PAWS, window) → RST → SYN → ACK → URG → data → FIN
 *
 * The third check, of security, has had no content since RFC 9293 §A.1.
 */
import { Drop } from '../../base/drop.ts';
import { geq, gt, leq, lt } from '../../base/seq32.ts';
import type { Instant } from '../../base/time.ts';
import { Flag } from '../../wire/tcp.ts';
import { abort, handleFinAcked, handleFinReceived } from '../close/close.ts';
import { codeOf } from '../errno-code.ts';
import { establish, handleSynSent } from '../open/handshake.ts';
import { ackNow, enterQuickAck } from '../output/acknowledging.ts';
import { rcvWnd } from '../output/window.ts';
import { finish } from '../records.ts';
import type { Segment } from '../segment.ts';
import type { TcpShared } from '../shared.ts';
import { mayReceive, State } from '../state.ts';
import type { Tcb } from '../tcb.ts';
import { TcbFlag } from '../tcb.ts';
import { handleAck, isFinAcked } from './acknowledge.ts';
import { answerUnacceptable, challenge } from './challenge.ts';
import { handleData, handleUrgent, noteDuplicate } from './data.ts';
import { refuse } from './reset.ts';

/** RFC 7323 §5.5: a timestamp older than this may have wrapped. */
const TS_RECENT_MAX_US = 24 * 86_400 * 1_000_000;

/** Answers why it was dropped; `Drop.None` when it was of use. The record may be gone afterwards. */
export function handleSegment(now: Instant, tcp: TcpShared, tcb: Tcb, segment: Segment): Drop {
  tcb.segsIn += segment.pieces;
  tcb.lastReceivedAt = now;
  if (tcb.state === State.SynSent) {
    const drop = handleSynSent(now, tcp, tcb, segment);
    return drop === Drop.None && isUp(tcb) ? handleText(now, tcp, tcb, segment) : drop;
  }
  let drop = checkSequence(now, tcp, tcb, segment);
  if (drop !== Drop.None) return drop;
  if (segment.has(Flag.Rst)) return handleReset(now, tcp, tcb, segment);
  if (segment.has(Flag.Syn)) {
    // RFC 5961 §4.2: whatever its number, it only makes us ask.
    tcp.counters.tcpExt.tcpSynChallenge++;
    challenge(now, tcp, tcb);
    return Drop.TcpSynBad;
  }
  if (!segment.has(Flag.Ack)) return Drop.TcpNoAck;
  takeTimestamp(now, tcb, segment);
  drop = tcb.state === State.SynReceived ? handleHandshakeAck(now, tcp, tcb, segment) : Drop.None;
  if (drop !== Drop.None) return drop;
  drop = handleAck(now, tcp, tcb, segment);
  if (drop !== Drop.None) return drop;
  if (isFinAcked(tcb)) {
    const { id } = tcb;
    handleFinAcked(now, tcp, tcb);
    if (!tcp.table.has(id) || tcb.state === State.Closed || tcb.state === State.TimeWait) return Drop.None;
  }
  return handleText(now, tcp, tcb, segment);
}

const isUp = (tcb: Tcb): boolean => tcb.state === State.Established || tcb.state === State.FinWait1;

/** First. Whatever is not acceptable is answered, unless it is a RST, and dropped. */
function checkSequence(now: Instant, tcp: TcpShared, tcb: Tcb, segment: Segment): Drop {
  if (isTooOld(now, tcb, segment)) {
    tcp.counters.tcpExt.pawsEstab++;
    answerUnacceptable(now, tcp, tcb, segment);
    return Drop.TcpPaws;
  }
  if (isAcceptable(tcb, segment)) return Drop.None;
  if (segment.has(Flag.Rst)) {
    return isBehindFin(tcb, segment) ? Drop.None : Drop.TcpResetBad;
  }
  if (segment.has(Flag.Syn)) return answerSyn(now, tcp, tcb, segment);
  const { dataSeq, dataLength } = segment;
  if (dataLength > 0 && lt(dataSeq, tcb.rcvNxt)) {
    const end = (dataSeq + dataLength) | 0;
    noteDuplicate(tcp, tcb, dataSeq, lt(end, tcb.rcvNxt) ? end : tcb.rcvNxt, true);
  }
  answerUnacceptable(now, tcp, tcb, segment);
  return Drop.TcpOutOfWindow;
}

/** Some send a RST after their FIN with the number of the FIN. */
function isBehindFin(tcb: Tcb, segment: Segment): boolean {
  return tcb.has(TcbFlag.FinReceived) && segment.seq === ((tcb.rcvNxt - 1) | 0);
}

/** RFC 7323 §5.3, R1. RSTs are spared (§5.2). */
function isTooOld(now: Instant, tcb: Tcb, segment: Segment): boolean {
  const { options } = segment;
  if (!options.hasTs || !tcb.has(TcbFlag.TsRecentValid) || segment.has(Flag.Rst)) return false;
  return lt(options.tsVal, tcb.tsRecent) && now - tcb.tsRecentAt < TS_RECENT_MAX_US;
}

/** The four cases of §3.10.7.4; at a closed window ACK, URG and RST are still of use. */
function isAcceptable(tcb: Tcb, segment: Segment): boolean {
  const window = rcvWnd(tcb);
  const { seq, length } = segment;
  const fromNext = (seq - tcb.rcvNxt) | 0;
  if (length === 0 || window === 0) {
    if (window === 0) return fromNext === 0;
    return fromNext >= 0 && fromNext < window;
  }
  if (fromNext >= 0) return fromNext < window;
  return gt(segment.end, tcb.rcvNxt);
}

/**
 * A SYN outside the window: it is not looked at any further. In SYN-RECEIVED it may be the one that began it:
 * our answer was lost.
 */
function answerSyn(now: Instant, tcp: TcpShared, tcb: Tcb, segment: Segment): Drop {
  if (tcb.state === State.SynReceived && segment.seq === tcb.irs && !segment.has(Flag.Ack)) {
    tcb.set(TcbFlag.SynDue);
    tcp.queueOutput(tcb);
    return Drop.TcpRepeated;
  }
  if (tcb.state === State.SynReceived && segment.seq === tcb.irs && segment.ack === tcb.sndNxt) {
    // Simultaneous open: their SYN-ACK is the acknowledgement of ours (RFC 9293 figure 8).
    const drop = handleHandshakeAck(now, tcp, tcb, segment);
    if (drop !== Drop.None) return drop;
    ackNow(tcp, tcb);
    return Drop.TcpRepeated;
  }
  tcp.counters.tcpExt.tcpSynChallenge++;
  challenge(now, tcp, tcb);
  return Drop.TcpSynBad;
}

/** Second. RFC 5961 §3.2: only a RST with exactly the next number is believed. */
function handleReset(now: Instant, tcp: TcpShared, tcb: Tcb, segment: Segment): Drop {
  const isExact = segment.seq === tcb.rcvNxt || isBehindFin(tcb, segment);
  if (!isExact) {
    challenge(now, tcp, tcb);
    return Drop.TcpResetBad;
  }
  const { tcp: counts, tcpExt } = tcp.counters;
  switch (tcb.state) {
    case State.SynReceived:
      // Back to LISTEN, or the end of an open of ours.
      counts.attemptFails++;
      if (tcb.has(TcbFlag.Embryo)) tcpExt.embryonicRsts++;
      finish(tcp, tcb, codeOf('ECONNREFUSED'));
      return Drop.None;
    case State.CloseWait:
      counts.estabResets++;
      finish(tcp, tcb, codeOf('EPIPE'));
      return Drop.None;
    case State.Established:
    case State.FinWait1:
    case State.FinWait2:
      if (tcb.state === State.Established) counts.estabResets++;
      finish(tcp, tcb, codeOf('ECONNRESET'));
      return Drop.None;
    default:
      finish(tcp, tcb, 0);
      return Drop.None;
  }
}

/**
 * RFC 7323 §4.3, (2): of a segment that begins no later than what we acknowledged last. Deviates: a segment without a
 * timestamp is taken all the same (§3.2 would drop it), as Linux does, because boxes on the way strip options.
 */
function takeTimestamp(now: Instant, tcb: Tcb, segment: Segment): void {
  const { options } = segment;
  if (!options.hasTs || !tcb.has(TcbFlag.Timestamps)) return;
  if (gt(segment.seq, tcb.lastAckSent)) return;
  if (tcb.has(TcbFlag.TsRecentValid) && lt(options.tsVal, tcb.tsRecent) && !isStale(now, tcb)) return;
  tcb.tsRecent = options.tsVal;
  tcb.tsRecentAt = now;
  tcb.set(TcbFlag.TsRecentValid);
}

const isStale = (now: Instant, tcb: Tcb): boolean => now - tcb.tsRecentAt >= TS_RECENT_MAX_US;

/** Fifth, in SYN-RECEIVED. */
function handleHandshakeAck(now: Instant, tcp: TcpShared, tcb: Tcb, segment: Segment): Drop {
  if (leq(segment.ack, tcb.sndUna) || gt(segment.ack, tcb.sndNxt)) {
    refuse(tcp, segment);
    return Drop.TcpAckBad;
  }
  const { sndUna } = tcb;
  tcb.sndUna = segment.ack;
  if (establish(now, tcp, tcb, segment)) return Drop.None;
  tcb.sndUna = sndUna;
  if (tcp.config.abortOnOverflow) abort(tcp, tcb, 0);
  return Drop.TcpListenOverflow;
}

/** Sixth to eighth. */
function handleText(now: Instant, tcp: TcpShared, tcb: Tcb, segment: Segment): Drop {
  if (tcb.has(TcbFlag.EcnEcho) && segment.has(Flag.Cwr)) tcb.clear(TcbFlag.EcnEcho);
  // After CWR, which may itself carry a mark: RFC 3168 §6.1.3 begins anew with it.
  if (segment.isCe && tcb.has(TcbFlag.Ecn)) noteMark(tcp, tcb, segment);
  if (segment.length === 0 && !segment.has(Flag.Urg)) return Drop.None;
  if (!mayReceive(tcb.state)) {
    // Nothing may come after a FIN; the FIN itself may come again.
    if (segment.length > 0) ackNow(tcp, tcb);
    return Drop.None;
  }
  if (segment.has(Flag.Urg)) handleUrgent(tcp, tcb, segment);
  if (segment.length === 0) return Drop.None;
  // RFC 9293 §3.6.1, RFC 1122 §4.2.2.13: new data for an application that has closed are refused by RST.
  const dataEnd = (segment.dataSeq + segment.dataLength) | 0;
  if (isClosedForData(tcb) && segment.dataLength > 0 && gt(dataEnd, tcb.rcvNxt)) {
    tcp.counters.tcpExt.tcpAbortOnData++;
    // As to a connection that is not there (RFC 9293 §3.10.7.1): the peer's acknowledgement is the number.
    refuse(tcp, segment);
    finish(tcp, tcb, codeOf('ECONNRESET'));
    return Drop.TcpClosed;
  }
  const drop = handleData(now, tcp, tcb, segment);
  if (tcb.has(TcbFlag.FinReceived)) handleFinReceived(now, tcp, tcb);
  return drop;
}

/** Both directions were closed here, by close or, as Linux takes it, by a shutdown of both. */
function isClosedForData(tcb: Tcb): boolean {
  if (tcb.has(TcbFlag.Orphan)) return true;
  return tcb.has(TcbFlag.ReadShut) && tcb.has(TcbFlag.FinQueued);
}

/** RFC 3168 §6.1.3: from here on every acknowledgement says so, until CWR. */
function noteMark(tcp: TcpShared, tcb: Tcb, segment: Segment): void {
  if (!tcb.has(TcbFlag.EcnEcho)) {
    tcb.set(TcbFlag.EcnEcho);
    enterQuickAck(tcb);
  }
  if (segment.length > 0 && geq(segment.end, tcb.rcvNxt)) ackNow(tcp, tcb);
}
