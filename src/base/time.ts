/**
 * Time as every machine sees it: microseconds since an arbitrary origin, always handed in as `now`.
 *
 * Nobody below a shell reads a clock. The daemon hands in its monotonic clock, the simulator its virtual one.
 */

declare const instantBrand: unique symbol;
declare const durationBrand: unique symbol;

/** A point in time, in microseconds since an arbitrary origin. */
export type Instant = number & { readonly [instantBrand]: true };
/** A length of time, in microseconds. */
export type Duration = number & { readonly [durationBrand]: true };

/** Later than every other instant: the deadline of a machine that waits for nothing. */
export const NEVER: Instant = Number.POSITIVE_INFINITY as Instant;
/** The origin. */
export const START: Instant = 0 as Instant;

export const us = (n: number): Duration => n as Duration;
export const ms = (n: number): Duration => (n * 1_000) as Duration;
export const sec = (n: number): Duration => (n * 1_000_000) as Duration;

/** The instant `d` after `t`. */
export const after = (t: Instant, d: Duration): Instant => (t + d) as Instant;
/** How long it is from `earlier` to `later`; negative when they are the other way round. */
export const between = (earlier: Instant, later: Instant): Duration => (later - earlier) as Duration;
/** The earlier of two instants. */
export const earliest = (a: Instant, b: Instant): Instant => (a < b ? a : b);

export const toMs = (d: Duration): number => d / 1_000;
export const toSec = (d: Duration): number => d / 1_000_000;
