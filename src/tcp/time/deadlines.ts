/**
 * Deadlines of connections. The record holds them all; the wheel holds one entry per connection, at the
 * earliest of them or before: a deadline that moves later, as the retransmission timer does with every
 * acknowledgement, costs a store, and the wheel finds out when the old one comes up.
 */
import type { Instant } from '../../base/time.ts';
import { NEVER } from '../../base/time.ts';
import type { TimerWheel } from '../../base/timers.ts';
import type { Tcb } from '../tcb.ts';

/** Makes sure that the wheel goes off by `at`. Call it after setting a deadline. */
export function arm(wheel: TimerWheel, tcb: Tcb, at: number): void {
  if (at < wheel.deadline(tcb.id)) wheel.set(tcb.id, at as Instant);
}

/** The earliest deadline. */
export function earliestOf(tcb: Tcb): Instant {
  let at = tcb.rtoAt;
  if (tcb.persistAt < at) at = tcb.persistAt;
  if (tcb.ackAt < at) at = tcb.ackAt;
  if (tcb.keepAt < at) at = tcb.keepAt;
  if (tcb.recoveryAt < at) at = tcb.recoveryAt;
  // Pacing counts only while it holds something back; it is cleared when it has passed.
  if (tcb.paceAt > 0 && tcb.paceAt < at) at = tcb.paceAt;
  return at as Instant;
}

export function clearDeadlines(wheel: TimerWheel, tcb: Tcb): void {
  tcb.rtoAt = NEVER;
  tcb.persistAt = NEVER;
  tcb.ackAt = NEVER;
  tcb.keepAt = NEVER;
  tcb.recoveryAt = NEVER;
  tcb.paceAt = 0;
  wheel.clear(tcb.id);
}
