/**
 * SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed hash that an outsider can neither predict nor invert, in
 * 32-bit arithmetic. For initial sequence numbers (RFC 6528 §3), ephemeral ports (RFC 6056 §3.3.3) and fragment
 * identifications (RFC 7739 §5), which must look random to all but us and yet be a function of the flow.
 */
import type { Rng } from './rng.ts';

const BLOCK_ROUNDS = 2;
const FINAL_ROUNDS = 4;

export class SipHash {
  /** What to hash: fill as many words as `hash` is told. Each word counts as four bytes, the lowest first. */
  readonly message: Int32Array;
  /** The upper half of the last result. */
  hi = 0;
  /** The lower half of the last result. */
  lo = 0;
  readonly #key: Int32Array;

  /** With a key of 128 bits as four words, the lowest first. */
  constructor(key: Int32Array, words: number) {
    this.#key = key.slice(0, 4);
    this.message = new Int32Array(words);
  }

  /** With a secret key from `rng`. */
  static keyed(rng: Rng, words: number): SipHash {
    return new SipHash(Int32Array.of(rng.u32(), rng.u32(), rng.u32(), rng.u32()), words);
  }

  /** Hashes the first `words` words of `message`; answers the lower half as an int32 (`hi` has the upper). */
  hash(words: number = this.message.length): number {
    const key = this.#key;
    let v0l = 0x70736575 ^ (key[0] as number);
    let v0h = 0x736f6d65 ^ (key[1] as number);
    let v1l = 0x6e646f6d ^ (key[2] as number);
    let v1h = 0x646f7261 ^ (key[3] as number);
    let v2l = 0x6e657261 ^ (key[0] as number);
    let v2h = 0x6c796765 ^ (key[1] as number);
    let v3l = 0x79746573 ^ (key[2] as number);
    let v3h = 0x74656462 ^ (key[3] as number);
    // Blocks of two words; the last holds what is left and the length in bytes. One turn more ends it.
    const blocks = (words >> 1) + 1;
    for (let block = 0; block <= blocks; block++) {
      const low = block * 2 < words ? (this.message[block * 2] as number) : 0;
      let high = 0;
      if (block * 2 + 1 < words) high = this.message[block * 2 + 1] as number;
      else if (block < blocks) high = words << 26;
      if (block === blocks) v2l ^= 0xff;
      v3l ^= low;
      v3h ^= high;
      for (let round = block === blocks ? FINAL_ROUNDS : BLOCK_ROUNDS; round > 0; round--) {
        // v0 += v1; v2 += v3. A lower half that is below what was added carries.
        v0l = (v0l + v1l) | 0;
        v0h = (v0h + v1h + (v0l >>> 0 < v1l >>> 0 ? 1 : 0)) | 0;
        v2l = (v2l + v3l) | 0;
        v2h = (v2h + v3h + (v2l >>> 0 < v3l >>> 0 ? 1 : 0)) | 0;
        // v1 = rotl(v1, 13) ^ v0; v3 = rotl(v3, 16) ^ v2; v0 = rotl(v0, 32)
        let half = v1h;
        v1h = ((v1h << 13) | (v1l >>> 19)) ^ v0h;
        v1l = ((v1l << 13) | (half >>> 19)) ^ v0l;
        half = v3h;
        v3h = ((v3h << 16) | (v3l >>> 16)) ^ v2h;
        v3l = ((v3l << 16) | (half >>> 16)) ^ v2l;
        half = v0h;
        v0h = v0l;
        v0l = half;
        // v2 += v1; v0 += v3
        v2l = (v2l + v1l) | 0;
        v2h = (v2h + v1h + (v2l >>> 0 < v1l >>> 0 ? 1 : 0)) | 0;
        v0l = (v0l + v3l) | 0;
        v0h = (v0h + v3h + (v0l >>> 0 < v3l >>> 0 ? 1 : 0)) | 0;
        // v1 = rotl(v1, 17) ^ v2; v3 = rotl(v3, 21) ^ v0; v2 = rotl(v2, 32)
        half = v1h;
        v1h = ((v1h << 17) | (v1l >>> 15)) ^ v2h;
        v1l = ((v1l << 17) | (half >>> 15)) ^ v2l;
        half = v3h;
        v3h = ((v3h << 21) | (v3l >>> 11)) ^ v0h;
        v3l = ((v3l << 21) | (half >>> 11)) ^ v0l;
        half = v2h;
        v2h = v2l;
        v2l = half;
      }
      v0l ^= low;
      v0h ^= high;
    }
    this.hi = v0h ^ v1h ^ v2h ^ v3h;
    this.lo = v0l ^ v1l ^ v2l ^ v3l;
    return this.lo;
  }
}
