/**
 * The three-way handshake after the first SYN: SYN-SENT (RFC 9293 §3.10.7.3), simultaneous open (§3.5, figure
 * 8), and how SYN-RECEIVED becomes ESTABLISHED.
 */
import { Drop } from '../../base/drop.ts';
import { gt, leq } from '../../base/seq32.ts';
import type { Instant } from '../../base/time.ts';
import { NEVER } from '../../base/time.ts';
import { Flag } from '../../wire/tcp.ts';
import { codeOf } from '../errno-code.ts';
import { refuse } from '../input/reset.ts';
import { ackNow, enterQuickAck } from '../output/acknowledging.ts';
import { initialWindow } from '../output/window.ts';
import { finish, setState } from '../records.ts';
import type { Segment } from '../segment.ts';
import type { TcpShared } from '../shared.ts';
import { TcpEvent } from '../shared.ts';
import { State } from '../state.ts';
import type { Tcb } from '../tcb.ts';
import { TcbFlag } from '../tcb.ts';
import { arm } from '../time/deadlines.ts';
import { addRttSample, updateRto } from '../time/rtt.ts';
import { timestampClock } from './isn.ts';
import { agree } from './negotiate.ts';

const US_PER_MS = 1_000;

/**
 * A segment in SYN-SENT. `Drop.None` with data or FIN left to process: the caller goes on at the seventh step.
 */
export function handleSynSent(now: Instant, tcp: TcpShared, tcb: Tcb, segment: Segment): Drop {
  const hasAck = segment.has(Flag.Ack);
  if (hasAck && (leq(segment.ack, tcb.iss) || gt(segment.ack, tcb.sndNxt))) {
    refuse(tcp, segment);
    return Drop.TcpAckBad;
  }
  if (segment.has(Flag.Rst)) {
    // RFC 5961 §3.2 aside: without an ACK of our SYN it could be anybody's.
    if (!hasAck) return Drop.TcpResetBad;
    tcp.counters.tcp.attemptFails++;
    finish(tcp, tcb, codeOf('ECONNREFUSED'));
    return Drop.None;
  }
  if (!segment.has(Flag.Syn)) return Drop.TcpSynBad;
  tcb.irs = segment.seq;
  tcb.rcvNxt = (segment.seq + 1) | 0;
  tcb.rcvRead = tcb.rcvNxt;
  tcb.lastAckSent = segment.seq;
  tcb.rcvAdv = (tcb.rcvNxt + initialWindow(tcb)) | 0;
  agree(now, tcp, tcb, segment);
  if (hasAck) {
    tcb.sndUna = segment.ack;
    establish(now, tcp, tcb, segment);
    ackNow(tcp, tcb);
    return Drop.None;
  }
  // Simultaneous open: our SYN goes out again, with ACK.
  setState(tcp, tcb, State.SynReceived);
  loadWindow(tcb, segment, false);
  tcb.set(TcbFlag.SynDue);
  tcb.retransmits = 0;
  tcp.queueOutput(tcb);
  return Drop.None;
}

/**
 * Our SYN is acknowledged (`tcb.sndUna` says so already). False when the queue of connections to be accepted is
 * full: the connection stays as it was, and the peer will try again.
 */
export function establish(now: Instant, tcp: TcpShared, tcb: Tcb, segment: Segment): boolean {
  const listener = tcb.has(TcbFlag.Embryo) ? tcp.listeners.at(tcb.listener) : null;
  if (listener?.isFull === true) {
    tcp.counters.tcpExt.listenOverflows++;
    tcp.counters.tcpExt.listenDrops++;
    return false;
  }
  sampleHandshake(now, tcp, tcb, segment);
  loadWindow(tcb, segment, !segment.has(Flag.Syn));
  setState(tcp, tcb, State.Established);
  tcb.retransmits = 0;
  // One may have been due since a segment or a timeout of this turn.
  tcb.clear(TcbFlag.SynDue);
  tcb.troubleAt = 0;
  tcb.rtoAt = NEVER;
  tcb.establishedAt = now;
  tcb.softError = 0;
  tcb.delivered++;
  tcb.lastReceivedAt = now;
  enterQuickAck(tcb);
  if (tcb.has(TcbFlag.KeepAlive)) {
    tcb.keepAt = now + tcb.keepIdleMs * US_PER_MS;
    arm(tcp.wheel, tcb, tcb.keepAt);
  }
  if (listener !== null) {
    listener.synCount--;
    listener.accepted.push(tcb.id);
    tcp.counters.tcp.passiveOpens++;
    listener.user.handleTcpEvent(listener.id);
  }
  // A close that came before: its FIN waits for this (RFC 9293 §3.10.4).
  if (tcb.has(TcbFlag.FinQueued)) setState(tcp, tcb, State.FinWait1);
  tcp.notify(tcb, TcpEvent.Connected | TcpEvent.Writable);
  if (tcb.sndEnd !== tcb.sndNxt || tcb.has(TcbFlag.FinQueued)) tcp.queueOutput(tcb);
  return true;
}

/** The window of a segment that begins things; in a SYN it is not scaled (RFC 7323 §2.2). */
export function loadWindow(tcb: Tcb, segment: Segment, isScaled: boolean): void {
  tcb.sndWnd = isScaled ? segment.window << tcb.sndWscale : segment.window;
  tcb.sndWl1 = segment.seq;
  tcb.sndWl2 = segment.ack;
  if (tcb.sndWnd > tcb.maxSndWnd) tcb.maxSndWnd = tcb.sndWnd;
}

function sampleHandshake(now: Instant, tcp: TcpShared, tcb: Tcb, segment: Segment): void {
  const { config } = tcp;
  if (tcb.has(TcbFlag.RttTiming)) {
    addRttSample(tcb, config, now - tcb.rttAt);
  } else if (tcb.has(TcbFlag.Timestamps) && segment.options.hasTs && segment.options.tsEcr !== 0) {
    const elapsed = (timestampClock(now) + tcb.tsOffset - segment.options.tsEcr) | 0;
    if (elapsed >= 0) addRttSample(tcb, config, Math.max(elapsed, 1) * US_PER_MS);
    else updateRto(tcb, config);
  } else {
    // RFC 6298 §5.7: after a lost SYN, begin with three seconds.
    tcb.rto = Math.max(tcb.rto, 3 * config.rtoInitialMs * US_PER_MS);
  }
  tcb.clear(TcbFlag.RttTiming);
}
