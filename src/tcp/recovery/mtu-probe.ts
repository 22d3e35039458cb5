/**
 * Packetization-layer path MTU discovery: RFC 4821 for TCP, with the search of RFC 8899 §5.
 *
 *     disabled -- timeouts of full segments --> base: segments of BASE_MTU
 *     base ---- acknowledged ----> searching -- high − low is small --> complete -- 10 min --> searching
 *                                    ^  |
 *                                    '--' probe: acknowledged raises low, lost three times lowers high
 *
 * A probe is one segment of new data that is longer than the others. Its loss says something of its length,
 * not of congestion (RFC 4821 §7.7): it is sent again in segments of the usual length and the window stays.
 *
 * Black holes are paths that drop long packets and say nothing: repeated timeouts while the first segment is
 * long. Sizes are MTUs, IP header included.
 */
import type { Instant } from '../../base/time.ts';

/** RFC 8899 §5.1.2: BASE_PLPMTU. */
export const BASE_MTU = 1_200;
const MAX_PROBES = 3;
const RAISE_US = 600_000_000;
/** Between two probes, so that a lossy path is not probed in every round trip. */
const PROBE_INTERVAL_US = 100_000;
/** Closer than this is good enough (Linux's tcp_probe_threshold). */
const SEARCH_THRESHOLD = 8;
/** Timeouts in a row before long segments are suspected: R1 of RFC 9293 §3.8.3. */
const BLACK_HOLE_TIMEOUTS = 3;
/** Segments behind a probe, so that its loss is noticed by SACK; and the least window that probes (Linux). */
const FOLLOWERS = 4;
const WINDOW_SEGMENTS = 11;

export type MtuState = 'disabled' | 'base' | 'searching' | 'complete';

export class MtuProbe {
  state: MtuState = 'disabled';
  /** The largest that is known to arrive, and that might. */
  low = 0;
  high = 0;
  /** MTU of the probe that is out; 0: none. */
  size = 0;
  successes = 0;
  failures = 0;
  #failed = 0;
  #most = 0;
  #nextAt = 0;

  /** A timeout, the `count`th in a row. Answers the MTU to fall back to, or 0. */
  handleTimeout(now: Instant, count: number, mtu: number): number {
    this.size = 0;
    if (count < BLACK_HOLE_TIMEOUTS || mtu <= BASE_MTU) return 0;
    this.state = 'base';
    this.#most = Math.max(this.#most, mtu);
    this.low = BASE_MTU;
    this.high = this.#most;
    this.#failed = 0;
    this.#nextAt = now + PROBE_INTERVAL_US;
    return BASE_MTU;
  }

  /** The network said so itself (RFC 8899 §4.6): nothing longer is tried until the next search. */
  handlePacketTooBig(mtu: number): void {
    if (mtu === this.low) return;
    this.high = Math.min(this.high, mtu);
    this.low = Math.min(this.low, mtu);
    this.size = 0;
  }

  /** Data arrived. */
  handleAcked(): void {
    if (this.state === 'base') this.state = 'searching';
  }

  /**
   * The MTU to probe now, or 0. `windowSegments` and `pendingBytes` say whether there is enough to do it
   * with.
   */
  poll(now: Instant, windowSegments: number, pendingBytes: number, mss: number): number {
    if (this.state === 'complete' && now >= this.#nextAt) {
      this.state = 'searching';
      this.high = this.#most;
    }
    if (this.state !== 'searching' || this.size > 0 || now < this.#nextAt) return 0;
    if (windowSegments < WINDOW_SEGMENTS) return 0;
    const size = this.#candidate();
    if (size === 0) {
      this.state = 'complete';
      this.#nextAt = now + RAISE_US;
      return 0;
    }
    return pendingBytes < size + FOLLOWERS * mss ? 0 : size;
  }

  handleSent(size: number): void {
    this.size = size;
  }

  /** It arrived. Answers the MTU that the path is known to carry now. */
  handleProbeAcked(now: Instant): number {
    this.low = Math.max(this.low, this.size);
    this.size = 0;
    this.#failed = 0;
    this.successes++;
    this.#nextAt = now;
    return this.low;
  }

  handleProbeLost(now: Instant): void {
    this.failures++;
    this.#failed++;
    if (this.#failed >= MAX_PROBES) {
      this.high = Math.max(this.low, this.size - 1);
      this.#failed = 0;
    }
    this.size = 0;
    this.#nextAt = now + PROBE_INTERVAL_US;
  }

  /** First the whole, for the hole may have been an outage; then halves. */
  #candidate(): number {
    if (this.high - this.low < SEARCH_THRESHOLD) return 0;
    if (this.high === this.#most) return this.high;
    return (this.low + this.high + 1) >> 1;
  }
}
