/**
 * A rate limiter: a bucket of `burst` tokens that fills at `rate` tokens per second. Full at first.
 */
import type { Instant } from './time.ts';

const US_PER_SECOND = 1_000_000;

export class TokenBucket {
  /** Tokens per second. */
  readonly rate: number;
  readonly burst: number;
  #tokens: number;
  #filledAt: number = Number.NEGATIVE_INFINITY;

  constructor(rate: number, burst: number) {
    this.rate = rate;
    this.burst = burst;
    this.#tokens = burst;
  }

  /** Takes `n` tokens, or none and answers false when fewer are there. */
  take(now: Instant, n = 1): boolean {
    // Time that was not worth a whole token yet is not lost: tokens are fractions.
    if (now > this.#filledAt) {
      const gained = ((now - this.#filledAt) * this.rate) / US_PER_SECOND;
      this.#tokens = Math.min(this.burst, this.#tokens + gained);
      this.#filledAt = now;
    }
    if (this.#tokens < n) return false;
    this.#tokens -= n;
    return true;
  }
}
