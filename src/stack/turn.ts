/**
 * One turn of a stack, the only thing its two shells call:
 *
 *     1 frames in → 2 timers → 3 what sockets sent → 4 frames out → 5 when to be called again
 *
 * No step waits, and each has a budget, so that no source of work starves another.
 */
import type { Instant } from '../base/time.ts';
import { earliest, NEVER } from '../base/time.ts';
import type { TimerQueue } from '../base/timers.ts';
import type { Interface } from '../ip/interface.ts';
import { RECEIVE_BUDGET, TIMER_BUDGET } from './options.ts';

/** The parts of a stack that a turn goes through. */
export interface TurnParts {
  readonly interfaces: readonly (Interface | undefined)[];
  readonly timers: TimerQueue;
  /** Ids of the watched machines whose deadlines may have changed in this turn. */
  readonly watched: readonly number[];
  /** Lets sockets report and send what they have. */
  drainSockets(now: Instant): void;
  /** Whether there is more of that, and room for it. */
  isDue(): boolean;
  /** Takes in what machines have to say about addresses. */
  pollEvents(now: Instant): void;
}

/** Answers when to be called again: `now` itself when something was left for want of budget. */
export function turn(parts: TurnParts, now: Instant): Instant {
  const { interfaces, timers, watched } = parts;
  let isMore = false;
  for (let i = 1; i < interfaces.length; i++) {
    const iface = interfaces[i];
    if (iface === undefined) continue;
    const { device } = iface;
    if (device.nextTimeout() <= now) device.handleTimeout(now);
    if (device.receive(now, RECEIVE_BUDGET) >= RECEIVE_BUDGET) isMore = true;
  }
  if (timers.run(now, TIMER_BUDGET) >= TIMER_BUDGET) isMore = true;
  parts.pollEvents(now);
  parts.drainSockets(now);
  let next: Instant = NEVER;
  for (let i = 1; i < interfaces.length; i++) {
    const iface = interfaces[i];
    if (iface === undefined) continue;
    iface.drain(now);
    next = earliest(next, iface.nextTimeout());
  }
  for (let i = 0; i < watched.length; i++) timers.update(watched[i] as number);
  // Frames that left have made room.
  if (isMore || parts.isDue()) return now;
  return earliest(next, timers.next());
}
