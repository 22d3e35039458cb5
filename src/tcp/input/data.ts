/**
 * Data and FIN (RFC 9293 §3.10.7.4, seventh and eighth): trimmed to the window, put in their place in the ring,
 * in order or beyond a gap; SACK (RFC 2018 §4), duplicates (RFC 2883 §4), and urgent data in the stream (RFC
 * 6093 §3).
 */
import { Drop } from '../../base/drop.ts';
import { geq, gt, lt } from '../../base/seq32.ts';
import type { Instant } from '../../base/time.ts';
import { Flag } from '../../wire/tcp.ts';
import { timestampClock } from '../open/isn.ts';
import { ackNow, enterQuickAck, scheduleAck } from '../output/acknowledging.ts';
import { emit } from '../output/emit.ts';
import { growWindow, measureReceiver } from '../output/window.ts';
import type { Segment } from '../segment.ts';
import type { TcpShared } from '../shared.ts';
import { TcpEvent } from '../shared.ts';
import type { Tcb } from '../tcb.ts';
import { TcbFlag } from '../tcb.ts';

const US_PER_MS = 1_000;

/** Answers why the segment was dropped, if nothing of it was of use. */
export function handleData(now: Instant, tcp: TcpShared, tcb: Tcb, segment: Segment): Drop {
  const { rcvNxt } = tcb;
  let seq = segment.dataSeq;
  let end = (seq + segment.dataLength) | 0;
  let hasFin = segment.has(Flag.Fin);
  if (segment.dataLength > 0) noteDataSegment(now, tcb, segment);
  if (lt(seq, rcvNxt)) {
    const known = lt(end, rcvNxt) ? end : rcvNxt;
    if (segment.dataLength > 0) noteDuplicate(tcp, tcb, seq, known, true);
    // A FIN that was processed is behind rcvNxt: it is only acknowledged again.
    if (lt(end, rcvNxt)) hasFin = false;
    seq = rcvNxt;
  }
  if (gt(end, tcb.rcvAdv)) {
    end = tcb.rcvAdv;
    hasFin = false;
  }
  const length = (end - seq) | 0;
  if (length <= 0 && !hasFin) {
    if (segment.length > 0) ackNow(tcp, tcb);
    return Drop.None;
  }
  if (seq === rcvNxt) return acceptInOrder(now, tcp, tcb, segment, length, hasFin);
  return acceptBeyondGap(now, tcp, tcb, segment, seq, end, hasFin);
}

/** RFC 2883 §4: `[start, end)` came twice. */
export function noteDuplicate(tcp: TcpShared, tcb: Tcb, start: number, end: number, isOld: boolean): void {
  enterQuickAck(tcb);
  if (!tcp.config.dsack || !tcb.has(TcbFlag.Sack) || !lt(start, end)) return;
  tcb.set(TcbFlag.Dsack);
  tcb.dsackStart = start;
  tcb.dsackEnd = end;
  const { tcpExt } = tcp.counters;
  if (isOld) tcpExt.tcpDsackOldSent++;
  else tcpExt.tcpDsackOfoSent++;
}

/** RFC 9293 §3.10.7.4, sixth: urgent data stay in the stream; who asks may know that there are some. */
export function handleUrgent(tcp: TcpShared, tcb: Tcb, segment: Segment): void {
  const up = (segment.seq + segment.urgentPointer) | 0;
  if (tcb.has(TcbFlag.Urgent) && !gt(up, tcb.rcvUp)) return;
  if (!gt(up, tcb.rcvRead)) return;
  tcb.rcvUp = up;
  tcb.set(TcbFlag.Urgent);
  tcp.notify(tcb, TcpEvent.Urgent);
}

function acceptInOrder(
  now: Instant,
  tcp: TcpShared,
  tcb: Tcb,
  segment: Segment,
  length: number,
  hasFin: boolean,
): Drop {
  const { receiveBuffer } = tcp;
  if (length > 0) {
    if (tcb.has(TcbFlag.ReadShut)) {
      discard(tcb, length);
    } else if (!receiveBuffer.place(tcb, segment, tcb.rcvNxt, length)) {
      return refuseForMemory(tcp, tcb);
    }
    tcb.rcvNxt = (tcb.rcvNxt + length) | 0;
    tcb.bytesReceived += length;
    growWindow(tcb, length);
    measure(now, tcb, segment);
  }
  if (hasFin) acceptFin(tcb);
  const ranges = receiveBuffer.ranges(tcb.id);
  if (ranges !== null) {
    const before = tcb.rcvNxt;
    const hadFin = ranges.hasFin;
    const { finSeq } = ranges;
    receiveBuffer.join(tcb);
    tcb.bytesReceived += (tcb.rcvNxt - before) | 0;
    if (hadFin && geq(tcb.rcvNxt, (finSeq + 1) | 0)) {
      tcb.set(TcbFlag.FinReceived);
      receiveBuffer.dropRanges(tcb.id);
    }
    // RFC 5681 §4.2: what fills a gap is acknowledged at once.
    ackNow(tcp, tcb);
  } else {
    scheduleAck(now, tcp, tcb);
  }
  if (tcb.has(TcbFlag.ReadShut)) discardRead(tcb);
  else if (length > 0) tcp.notify(tcb, TcpEvent.Readable);
  return Drop.None;
}

function acceptFin(tcb: Tcb): void {
  tcb.rcvNxt = (tcb.rcvNxt + 1) | 0;
  tcb.set(TcbFlag.FinReceived);
}

/** Every such segment is answered at once: three of them are how the peer learns of a loss (RFC 5681 §4.2). */
function acceptBeyondGap(
  now: Instant,
  tcp: TcpShared,
  tcb: Tcb,
  segment: Segment,
  seq: number,
  end: number,
  hasFin: boolean,
): Drop {
  const { receiveBuffer, counters } = tcp;
  const length = (end - seq) | 0;
  tcb.outOfOrder += segment.pieces;
  const rangeEnd = hasFin ? (end + 1) | 0 : end;
  let drop: Drop = Drop.None;
  if (length > 0 && !receiveBuffer.place(tcb, segment, seq, length)) {
    counters.tcpExt.tcpOfoDrop++;
    drop = Drop.TcpMemory;
  } else if (!receiveBuffer.addRange(tcb, seq, rangeEnd)) {
    counters.tcpExt.tcpOfoDrop++;
    drop = Drop.TcpMemory;
  } else {
    counters.tcpExt.tcpOfoQueue++;
    noteRange(tcp, tcb, hasFin, end);
    growWindow(tcb, length);
  }
  enterQuickAck(tcb);
  if (!emit(now, tcp, tcb, tcb.sndNxt, 0, 0)) ackNow(tcp, tcb);
  return drop;
}

function noteRange(tcp: TcpShared, tcb: Tcb, hasFin: boolean, finSeq: number): void {
  const ranges = tcp.receiveBuffer.ranges(tcb.id);
  if (ranges === null) return;
  if (hasFin) {
    ranges.hasFin = true;
    ranges.finSeq = finSeq;
  }
  if (!ranges.hasDuplicate) return;
  tcp.counters.tcpExt.tcpOfoMerge++;
  noteDuplicate(tcp, tcb, ranges.duplicateStart, ranges.duplicateEnd, false);
}

/**
 * Nothing is acknowledged that could not be kept; what lies beyond a gap may be forgotten for it (RFC 2018 §8).
 */
function refuseForMemory(tcp: TcpShared, tcb: Tcb): Drop {
  tcp.counters.tcpExt.tcpRcvQDrop++;
  tcp.receiveBuffer.prune(tcb);
  ackNow(tcp, tcb);
  return Drop.TcpMemory;
}

/** Nobody will read it: it counts as read. */
function discard(tcb: Tcb, length: number): void {
  tcb.rcvRead = (tcb.rcvRead + length) | 0;
}

function discardRead(tcb: Tcb): void {
  tcb.rcvRead = tcb.has(TcbFlag.FinReceived) ? (tcb.rcvNxt - 1) | 0 : tcb.rcvNxt;
}

function noteDataSegment(now: Instant, tcb: Tcb, segment: Segment): void {
  const { pieceLength } = segment;
  tcb.dataSegsIn += segment.pieces;
  if (pieceLength > tcb.rcvMss) tcb.rcvMss = Math.min(pieceLength, Math.max(tcb.advMss, tcb.rcvMss));
  tcb.lastDataReceivedAt = now;
}

function measure(now: Instant, tcb: Tcb, segment: Segment): void {
  const { options } = segment;
  const hasEcho = tcb.has(TcbFlag.Timestamps) && options.hasTs && options.tsEcr !== 0;
  // Of a full segment only: a short one may have waited for its writer.
  if (!hasEcho || segment.pieceLength < tcb.rcvMss) {
    if (!hasEcho) measureReceiver(now, tcb, -1);
    return;
  }
  const elapsed = (timestampClock(now) + tcb.tsOffset - options.tsEcr) | 0;
  if (elapsed >= 0) measureReceiver(now, tcb, elapsed * US_PER_MS);
}
