/**
 * Answers to segments that may be forged: RFC 5961, limited as its §7 wants, so that nobody can make two hosts
 * talk to each other about segments that neither of them sent.
 */
import type { Instant } from '../../base/time.ts';
import { Flag } from '../../wire/tcp.ts';
import { emit } from '../output/emit.ts';
import type { Segment } from '../segment.ts';
import type { TcpShared } from '../shared.ts';
import type { Tcb } from '../tcb.ts';

const US_PER_MS = 1_000;

/** A challenge ACK: who really is our peer will answer with a RST that fits. */
export function challenge(now: Instant, tcp: TcpShared, tcb: Tcb): void {
  if (!mayAnswer(now, tcp, tcb)) return;
  if (!tcp.challenges.take(now)) {
    tcp.counters.tcpExt.tcpAckSkipped++;
    return;
  }
  tcp.counters.tcpExt.tcpChallengeAck++;
  emit(now, tcp, tcb, tcb.sndNxt, 0, 0);
}

/**
 * The answer to a segment outside the window (RFC 9293 §3.10.7.4, first). One with data is a retransmission whose
 * sender has to hear that it arrived; without data it could be an answer to an answer.
 */
export function answerUnacceptable(now: Instant, tcp: TcpShared, tcb: Tcb, segment: Segment): void {
  const isData = segment.dataLength > 0 || segment.has(Flag.Fin);
  if (!isData && !mayAnswer(now, tcp, tcb)) return;
  emit(now, tcp, tcb, tcb.sndNxt, 0, 0);
}

function mayAnswer(now: Instant, tcp: TcpShared, tcb: Tcb): boolean {
  if (now - tcb.challengedAt < tcp.config.invalidRatelimitMs * US_PER_MS) {
    tcp.counters.tcpExt.tcpAckSkipped++;
    return false;
  }
  tcb.challengedAt = now;
  return true;
}
