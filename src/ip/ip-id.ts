/**
 * The identification field of IPv4: RFC 6864, with the unpredictability of RFC 7739 §5.3 (an algorithm for IPv6 that
 * serves here as well).
 *
 * A datagram with DF set and not fragmented is *atomic*: its identification means nothing (RFC 6864 §4.1), and is
 * `ATOMIC_ID`. All others count up for each pair of addresses and protocol, from a secret start, so that no counter
 * that one peer sees says anything of the traffic with another.
 */
import type { Rng } from '../base/rng.ts';
import { SipHash } from '../base/siphash.ts';

/**
 * Of atomic datagrams. Zero is what Linux sends, and what receive offload merges: with DF an identification may
 * stand still. Middleboxes that clear DF and fragment are left with a clash; RFC 6864 §4.1 forbids them to.
 */
export const ATOMIC_ID = 0;

/** Pairs that share a counter see gaps, nothing else; as many as Linux has at least. */
const COUNTERS = 2_048;

export class IpId {
  readonly #counters = new Uint16Array(COUNTERS);
  readonly #hash: SipHash;

  constructor(rng: Rng) {
    this.#hash = SipHash.keyed(rng, 3);
  }

  /** The first of `count` identifications for datagrams from `src` to `dst` that may be, or are, fragmented. */
  next(src: number, dst: number, protocol: number, count = 1): number {
    const { message } = this.#hash;
    message[0] = src;
    message[1] = dst;
    message[2] = protocol;
    const index = this.#hash.hash() & (COUNTERS - 1);
    const counter = this.#counters[index] as number;
    this.#counters[index] = counter + count;
    return (this.#hash.hi + counter) & 0xffff;
  }
}
