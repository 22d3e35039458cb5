/**
 * How many ICMP errors may be sent: RFC 1812 §4.3.2.8. One bucket for all, and one for every destination.
 *
 * The table of destinations is of fixed size and keyed with a secret: two destinations may share a bucket, which
 * makes them slower, but nobody can choose to, and no flood makes it grow.
 */
import type { Rng } from '../../base/rng.ts';
import { SipHash } from '../../base/siphash.ts';
import type { Instant } from '../../base/time.ts';
import { TokenBucket } from '../../base/token-bucket.ts';
import type { IcmpOptions } from './options.ts';

const DESTINATION_BUCKETS = 1_024;

export type LimitAnswer = 'send' | 'global' | 'destination';

export class IcmpLimit {
  readonly #global: TokenBucket;
  readonly #destinations: readonly TokenBucket[];
  readonly #hash: SipHash;
  readonly #rng: Rng;

  constructor(options: IcmpOptions, rng: Rng) {
    this.#global = new TokenBucket(options.errorsPerSecond, options.errorsBurst);
    this.#destinations = Array.from(
      { length: DESTINATION_BUCKETS },
      () => new TokenBucket(options.errorsPerSecondToOne, options.errorsBurstToOne),
    );
    this.#hash = SipHash.keyed(rng, 1);
    this.#rng = rng;
  }

  /** Whether one more error may go to `destination`; or which limit says no. */
  take(now: Instant, destination: number): LimitAnswer {
    this.#hash.message[0] = destination;
    const bucket = this.#destinations[this.#hash.hash() & (DESTINATION_BUCKETS - 1)] as TokenBucket;
    if (!bucket.take(now)) return 'destination';
    return this.takeGlobal(now) ? 'send' : 'global';
  }

  /** Asks the common bucket only. */
  takeGlobal(now: Instant): boolean {
    // An error costs one on average. An exact price would let a stranger count, with spoofed packets and one
    // question of his own, how many errors we sent to others (SAD DNS, CVE-2020-25705).
    return this.#global.take(now, 0.5 + 0.5 * this.#rng.below(3));
  }
}
