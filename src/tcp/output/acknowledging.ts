/**
 * When to acknowledge: RFC 9293 §3.8.6.3, RFC 5681 §4.2, with Linux's quick acknowledgements at the beginning and
 * after trouble, and its turn-taking mode, in which an acknowledgement waits for the answer to carry it.
 */
import type { Instant } from '../../base/time.ts';
import { NEVER } from '../../base/time.ts';
import type { TcpShared } from '../shared.ts';
import type { Tcb } from '../tcb.ts';
import { TcbFlag } from '../tcb.ts';
import { arm } from '../time/deadlines.ts';
import { rcvWnd } from './window.ts';

const QUICK_ACKS_MAX = 16;

/** An acknowledgement leaves at the end of this step. */
export function ackNow(tcp: TcpShared, tcb: Tcb): void {
  tcb.set(TcbFlag.AckNow);
  tcp.queueOutput(tcb);
}

/** The next so many segments are acknowledged at once: the peer begins, or repairs, and needs to know. */
export function enterQuickAck(tcb: Tcb): void {
  const half = Math.floor(rcvWnd(tcb) / (2 * tcb.rcvMss));
  tcb.quickAcks = Math.max(tcb.quickAcks, Math.min(Math.max(half, 2), QUICK_ACKS_MAX));
  tcb.clear(TcbFlag.PingPong);
}

/** Data arrived in order. */
export function scheduleAck(now: Instant, tcp: TcpShared, tcb: Tcb): void {
  const pending = (tcb.rcvNxt - tcb.lastAckSent) | 0;
  // «SHOULD … for at least every second full-sized segment»: more than one is on its way to two.
  const isQuick = tcb.quickAcks > 0 && !tcb.has(TcbFlag.PingPong);
  if (pending > tcb.rcvMss || isQuick || tcb.has(TcbFlag.QuickAck)) {
    ackNow(tcp, tcb);
    return;
  }
  if (tcb.ackAt !== NEVER) return;
  const delay = tcb.ackDelayMs === 0 ? tcp.config.delackMs : tcb.ackDelayMs;
  tcb.ackAt = now + delay * 1_000;
  arm(tcp.wheel, tcb, tcb.ackAt);
}

/** A segment with our acknowledgement has left. */
export function handleAckSent(tcb: Tcb): void {
  if (tcb.lastAckSent !== tcb.rcvNxt && tcb.quickAcks > 0) tcb.quickAcks--;
  tcb.lastAckSent = tcb.rcvNxt;
  tcb.ackAt = NEVER;
  tcb.clear(TcbFlag.AckNow);
}

/** `ackAt` has come. */
export function handleAckTimeout(tcp: TcpShared, tcb: Tcb): void {
  tcb.ackAt = NEVER;
  tcp.counters.tcpExt.delayedAcks++;
  // The answer did not come in time: no turn-taking after all.
  tcb.clear(TcbFlag.PingPong);
  ackNow(tcp, tcb);
}
