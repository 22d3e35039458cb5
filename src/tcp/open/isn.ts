/**
 * Initial sequence numbers and timestamp offsets: RFC 6528 §3 (ISN = M + F(flow, secret)), and RFC 7323 §5.4
 * with an offset per pair of addresses, so that timestamps go on rising from one connection of a pair to the
 * next, which RFC 6191 relies on.
 */
import type { Rng } from '../../base/rng.ts';
import { SipHash } from '../../base/siphash.ts';
import type { Instant } from '../../base/time.ts';
import type { FlowWords } from '../flow-words.ts';

/** RFC 6528 §3: M is a clock of 4 microseconds. */
const ISN_TICK_US = 4;
const FLOW_WORDS = 9;
const PAIR_WORDS = 8;
const MS = 1_000;

export class Isn {
  readonly #isn: SipHash;
  readonly #offset: SipHash;

  constructor(rng: Rng) {
    this.#isn = SipHash.keyed(rng, FLOW_WORDS);
    this.#offset = SipHash.keyed(rng, PAIR_WORDS);
  }

  /** For a connection that begins `now`. */
  next(now: Instant, flow: FlowWords): number {
    flow.fill(this.#isn.message, FLOW_WORDS);
    return (this.#isn.hash() + Math.floor(now / ISN_TICK_US)) | 0;
  }

  timestampOffset(flow: FlowWords): number {
    flow.fill(this.#offset.message, PAIR_WORDS);
    return this.#offset.hash();
  }
}

/** The clock of our timestamps, in milliseconds (RFC 7323 §5.4 wants 1 ms to 1 s), before the offset. */
export function timestampClock(now: Instant): number {
  return Math.floor(now / MS) | 0;
}
