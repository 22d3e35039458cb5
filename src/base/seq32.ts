/**
 * Sequence numbers modulo 2^32 (RFC 9293 §3.4), kept as int32.
 *
 * A uint32 above 2^31 is a boxed double in V8 and costs five times as much, so every sequence number is
 * `| 0` and turned unsigned only for print. Never compare two of them with `<`.
 */

/** `a + n`, wrapped. */
export const add = (a: number, n: number): number => (a + n) | 0;
/** How far `b` is ahead of `a`: negative when it is behind. */
export const distance = (a: number, b: number): number => (b - a) | 0;
export const lt = (a: number, b: number): boolean => ((a - b) | 0) < 0;
export const leq = (a: number, b: number): boolean => ((a - b) | 0) <= 0;
export const gt = (a: number, b: number): boolean => ((a - b) | 0) > 0;
export const geq = (a: number, b: number): boolean => ((a - b) | 0) >= 0;
/** Whether `at` lies in the window of `size` numbers that begins at `from`. */
export const within = (at: number, from: number, size: number): boolean => (at - from) >>> 0 < size;
export const max = (a: number, b: number): number => (lt(a, b) ? b : a);
export const min = (a: number, b: number): number => (lt(a, b) ? a : b);
/** As a person reads it. */
export const unsigned = (a: number): number => a >>> 0;
