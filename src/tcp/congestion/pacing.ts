/**
 * Pacing: data leave at the controller's rate instead of in a burst per acknowledgement.
 *
 * `nextAt` is when the pacer is even with its rate. Whoever is late (a turn of the event loop takes a while)
 * may catch up by at most CREDIT_US, so that a coarse clock costs no throughput; the size of a burst is what
 * the rate yields in a millisecond, at least two segments and at most one super-segment (as Linux chooses the
 * size of GSO packets).
 */
import type { Instant } from '../../base/time.ts';

const US_PER_SEC = 1_000_000;
/** What one burst is worth in time; timers of a shell are hardly finer. */
const BURST_US = 1_000;
/** How late data may be and still count as on time: a round of the event loop. */
const CREDIT_US = 2_000;
const BURST_SEGMENTS_MIN = 2;
/** The largest super-segment. */
export const BURST_BYTES_MAX = 65_535;

/** Bytes that should leave in one piece at `rate` bytes per second: Linux's tcp_tso_autosize. */
export function burstBytes(rate: number, mss: number): number {
  const least = BURST_SEGMENTS_MIN * mss;
  if (rate <= 0) return Math.max(BURST_BYTES_MAX, least);
  const bytes = Math.min(Math.max((rate * BURST_US) / US_PER_SEC, least), BURST_BYTES_MAX);
  // Whole segments: a short one in the middle of a stream would be wasted.
  return Math.max(Math.floor(bytes / mss) * mss, mss);
}

/**
 * What loss-based controllers pace at (Linux): twice the window per round trip in slow start, 1.2 times
 * afterwards.
 */
export function windowRate(cwnd: number, ssthresh: number, srttUs: number): number {
  if (srttUs <= 0) return 0;
  const gain = cwnd < ssthresh / 2 ? 2 : 1.2;
  return (gain * cwnd * US_PER_SEC) / srttUs;
}

export class Pacer {
  nextAt: number = Number.NEGATIVE_INFINITY;

  /** Bytes that may leave now; 0: wait until `nextAt`. */
  quota(now: Instant, rate: number, burst: number): number {
    if (rate <= 0) return Number.POSITIVE_INFINITY;
    if (now < this.nextAt) return 0;
    const credit = Math.min(now - this.nextAt, CREDIT_US);
    return Math.floor(burst + (credit * rate) / US_PER_SEC);
  }

  handleSent(now: Instant, bytes: number, rate: number): void {
    if (rate <= 0) return;
    this.nextAt = Math.max(this.nextAt, now - CREDIT_US) + (bytes * US_PER_SEC) / rate;
  }
}
