/**
 * The clocks of a real host: the only place where the stack's time and the time of day come from.
 */
import { randomFillSync } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import type { Rng } from '../base/rng.ts';
import { rng } from '../base/rng.ts';
import type { Instant } from '../base/time.ts';

/** Answers the time: whoever needs it is handed the function, so that a test can hand in another one. */
export type Clock = () => Instant;

/** Microseconds since this process began; never set back. */
export const monotonicClock: Clock = () => (performance.now() * 1_000) as Instant;

/** Milliseconds since 1970 at `now`, which is about now: read anew, because somebody may set the clock. */
export function wallClockMs(now: Instant): number {
  return Date.now() + (now - monotonicClock()) / 1_000;
}

/** Chance that nobody can guess: seeded by the operating system. */
export function systemRng(): Rng {
  return rng(randomFillSync(new Int32Array(4)));
}

/** Wall-clock time of the instant 0, in microseconds since 1970. */
export function epochUs(): number {
  return Date.now() * 1_000 - monotonicClock();
}
