/**
 * SYN cookies: RFC 4987 §3.6. When the queue of half-open connections is full, all that must be remembered
 * about a SYN goes out in the SYN-ACK and comes back with the ACK.
 *
 *     sequence number    | slice of time: 5 | MSS: 3 | keyed hash: 24 |
 *     timestamp          | clock … | ECN: 1 | SACK: 1 | window scale: 4 |
 *
 * The timestamp's low bits (RFC 7323 §5.4 leaves the clock to us) keep window scale, SACK and ECN, which
 * cookies otherwise forget; without timestamps the connection does without them.
 */
import type { Rng } from '../../base/rng.ts';
import { SipHash } from '../../base/siphash.ts';
import type { Instant } from '../../base/time.ts';
import type { FlowWords } from '../flow-words.ts';
import { FLOW_WORDS } from '../flow-words.ts';

/** A cookie is good in its own slice and the next one: 64 to 128 s, about 2 MSL. */
const SLICE_US = 64_000_000;
const SLICES = 32;
const HASH_MASK = 0xff_ffff;
const OPTION_BITS = 6;
const OPTION_MASK = 0x3f;
const SACK_BIT = 0x10;
const ECN_BIT = 0x20;
export const NO_WSCALE = 15;

/** As many as three bits name: those of common paths (RFC 4987 §3.6), the smallest first. */
const MSS = [216, 536, 1_200, 1_300, 1_440, 1_460, 4_312, 8_960] as const;

export class SynCookies {
  readonly #hash: SipHash;

  constructor(rng: Rng) {
    this.#hash = SipHash.keyed(rng, FLOW_WORDS + 2);
  }

  /** The ISN that answers a SYN with sequence number `irs`. */
  make(now: Instant, flow: FlowWords, irs: number, mss: number): number {
    let index = 0;
    for (let i = 1; i < MSS.length; i++) if ((MSS[i] as number) <= mss) index = i;
    const slice = Math.floor(now / SLICE_US);
    return ((slice & (SLICES - 1)) << 27) | (index << 24) | this.#mac(flow, irs, slice, index);
  }

  /** The MSS that a cookie says, or 0 when it is none of ours, or too old. */
  check(now: Instant, flow: FlowWords, irs: number, cookie: number): number {
    const top = cookie >>> 24;
    const slice = Math.floor(now / SLICE_US);
    const age = (slice - (top >> 3)) & (SLICES - 1);
    const index = top & 7;
    if (age > 1 || (cookie & HASH_MASK) !== this.#mac(flow, irs, slice - age, index)) return 0;
    return MSS[index] as number;
  }

  #mac(flow: FlowWords, irs: number, slice: number, index: number): number {
    const { message } = this.#hash;
    flow.fill(message, FLOW_WORDS);
    message[FLOW_WORDS] = irs;
    message[FLOW_WORDS + 1] = (slice << 3) | index;
    return this.#hash.hash() & HASH_MASK;
  }
}

/** Our clock with the options in its low bits: never ahead of the true one, so that it goes on rising. */
export function encodeClock(clock: number, wscale: number, sack: boolean, ecn: boolean): number {
  const bits = (wscale < 0 ? NO_WSCALE : wscale) | (sack ? SACK_BIT : 0) | (ecn ? ECN_BIT : 0);
  const encoded = (clock & ~OPTION_MASK) | bits;
  return ((encoded - clock) | 0) > 0 ? (encoded - (1 << OPTION_BITS)) | 0 : encoded;
}

/** -1: none. */
export function wscaleOf(clock: number): number {
  const shift = clock & 15;
  return shift === NO_WSCALE ? -1 : shift;
}

export const sackOf = (clock: number): boolean => (clock & SACK_BIT) !== 0;
export const ecnOf = (clock: number): boolean => (clock & ECN_BIT) !== 0;
