/**
 * What an acknowledgement does (RFC 9293 §3.10.7.4, fifth): the edge of what is in flight, the window, round
 * trips, the retransmission timer, and what the loss recovery makes of it.
 */
import { Drop } from '../../base/drop.ts';
import { gt, leq, lt } from '../../base/seq32.ts';
import type { Instant } from '../../base/time.ts';
import { NEVER } from '../../base/time.ts';
import { timestampClock } from '../open/isn.ts';
import { wakeWriter } from '../output/output.ts';
import { updateMss } from '../records.ts';
import type { Recovery } from '../recovery-port.ts';
import type { Segment } from '../segment.ts';
import type { TcpShared } from '../shared.ts';
import type { Tcb } from '../tcb.ts';
import { TcbFlag } from '../tcb.ts';
import { arm } from '../time/deadlines.ts';
import { noteLimit } from '../time/limit.ts';
import { addRttSample, backedOff, updateRto } from '../time/rtt.ts';
import { challenge } from './challenge.ts';

const US_PER_MS = 1_000;
/** A connection that has nothing in flight for so long gives up its loss recovery. */
const IDLE_TRIM_US = 10_000_000;

/** Answers why the whole segment is to be dropped, or `Drop.None`. */
export function handleAck(now: Instant, tcp: TcpShared, tcb: Tcb, segment: Segment): Drop {
  const { ack } = segment;
  const priorUna = tcb.sndUna;
  // RFC 5961 §5.2: SND.UNA - MAX.SND.WND <= SEG.ACK <= SND.NXT, or a challenge.
  if (gt(ack, tcb.sndNxt) || lt(ack, (priorUna - tcb.maxSndWnd) | 0)) {
    challenge(now, tcp, tcb);
    return Drop.TcpAckBad;
  }
  // An old one says nothing about now, but its data may be new.
  if (lt(ack, priorUna)) return Drop.None;
  tcb.keepProbesSent = 0;
  const isWindowUpdate = updateWindow(tcp, tcb, segment);
  const recovery = tcp.recoveries[tcb.id] ?? null;
  if (gt(ack, priorUna)) advance(now, tcb, segment);
  if (recovery !== null) {
    recovery.handleAck(now, tcb, segment, priorUna, isWindowUpdate);
    if (tcb.recoveryAt !== NEVER) arm(tcp.wheel, tcb, tcb.recoveryAt);
    const mtu = recovery.takeFoundMtu();
    if (mtu > tcb.pathMtu) {
      tcb.pathMtu = mtu;
      updateMss(tcp, tcb);
    }
  }
  if (tcb.sndUna !== priorUna) {
    sampleRtt(now, tcp, tcb, segment, recovery);
    restartRto(now, tcp, tcb, recovery);
    makeRoom(tcp, tcb, recovery);
  } else {
    tcp.counters.tcpExt.tcpPureAcks += segment.dataLength === 0 ? 1 : 0;
  }
  const isWaiting = tcb.sndUna !== tcb.sndNxt || tcb.sndEnd !== tcb.sndNxt || tcb.has(TcbFlag.FinQueued);
  if (isWaiting) tcp.queueOutput(tcb);
  else noteLimit(now, tcb, recovery);
  return Drop.None;
}

/** Whether our FIN has been acknowledged. */
export function isFinAcked(tcb: Tcb): boolean {
  return tcb.has(TcbFlag.FinSent) && gt(tcb.sndUna, tcb.sndEnd);
}

function advance(now: Instant, tcb: Tcb, segment: Segment): void {
  const acked = (segment.ack - tcb.sndUna) | 0;
  tcb.sndUna = segment.ack;
  tcb.bytesAcked += acked;
  tcb.retransmits = 0;
  tcb.troubleAt = 0;
  tcb.lastReceivedAt = now;
  // So that it is never so far behind that it seems ahead.
  if (gt(tcb.sndUna, tcb.sndSml)) tcb.sndSml = tcb.sndUna;
  tcb.clear(TcbFlag.AppLimited);
}

/** RFC 9293 §3.10.7.4: only a segment that is not older than the last update may change the window. */
function updateWindow(tcp: TcpShared, tcb: Tcb, segment: Segment): boolean {
  const isNewer = lt(tcb.sndWl1, segment.seq) || (tcb.sndWl1 === segment.seq && leq(tcb.sndWl2, segment.ack));
  if (!isNewer) return false;
  const window = segment.window << tcb.sndWscale;
  const hasChanged = window !== tcb.sndWnd;
  tcb.sndWl1 = segment.seq;
  tcb.sndWl2 = segment.ack;
  tcb.sndWnd = window;
  if (window > tcb.maxSndWnd) tcb.maxSndWnd = window;
  if (window > 0 && tcb.persistSince !== 0) {
    tcb.persistSince = 0;
    tcb.persistProbes = 0;
    tcb.persistAt = NEVER;
  }
  if (hasChanged && tcb.sndEnd !== tcb.sndNxt) tcp.queueOutput(tcb);
  return hasChanged;
}

function sampleRtt(
  now: Instant,
  tcp: TcpShared,
  tcb: Tcb,
  segment: Segment,
  recovery: Recovery | null,
): void {
  const { config } = tcp;
  if (recovery !== null && recovery.rttUs >= 0) {
    tcb.clear(TcbFlag.RttTiming);
    addRttSample(tcb, config, recovery.rttUs);
    return;
  }
  if (tcb.has(TcbFlag.RttTiming)) {
    if (lt(segment.ack, tcb.rttSeq)) return;
    tcb.clear(TcbFlag.RttTiming);
    addRttSample(tcb, config, now - tcb.rttAt);
    return;
  }
  // RFC 7323 §4.1: an echo tells which transmission it was that is acknowledged.
  const { options } = segment;
  if (tcb.has(TcbFlag.Timestamps) && options.hasTs && options.tsEcr !== 0) {
    const elapsed = (timestampClock(now) + tcb.tsOffset - options.tsEcr) | 0;
    if (elapsed >= 0) {
      addRttSample(tcb, config, Math.max(elapsed, 1) * US_PER_MS);
      return;
    }
  }
  updateRto(tcb, config);
}

/** RFC 6298 §5.2 and §5.3. */
function restartRto(now: Instant, tcp: TcpShared, tcb: Tcb, recovery: Recovery | null): void {
  if (tcb.sndUna !== tcb.sndNxt) {
    tcb.set(TcbFlag.RtoRunning);
    tcb.rtoAt = now + backedOff(tcb, tcp.config, 0);
  } else {
    tcb.clear(TcbFlag.RtoRunning);
    tcb.rtoAt = recovery === null ? NEVER : now + IDLE_TRIM_US;
  }
  if (tcb.rtoAt !== NEVER) arm(tcp.wheel, tcb, tcb.rtoAt);
}

function makeRoom(tcp: TcpShared, tcb: Tcb, recovery: Recovery | null): void {
  tcp.sendBuffer.trim(tcb);
  if (recovery !== null && !tcb.has(TcbFlag.SndLimitFixed) && !tcp.rings.isUnderPressure) {
    // What is in flight, and as much again to follow it.
    const wanted = Math.min(2 * recovery.cwnd, tcp.config.wmemMax);
    if (wanted > tcb.sndLimit) tcb.sndLimit = wanted;
  }
  if (tcb.has(TcbFlag.WriteBlocked)) wakeWriter(tcp, tcb);
}
