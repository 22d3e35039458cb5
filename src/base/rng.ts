/**
 * Chance, handed in like time: xoshiro128** (Blackman and Vigna, 2018), seeded through splitmix32.
 *
 * Two streams with one seed and one label are equal, whatever else was drawn: a fork depends on the seed and
 * the label only, so that adding a consumer in one place does not change the run in another. Not for secrets by
 * itself: the shells seed the fork `secret` from the operating system.
 */
import { assert } from './assert.ts';

export interface Rng {
  /** An int32, each value equally likely. */
  u32(): number;
  /** A number in [0, n), for n up to 2^32, without bias. */
  below(n: number): number;
  /** A double in [0, 1). */
  unit(): number;
  /** Fills `bytes` from `start` up to `end`. */
  fill(bytes: Uint8Array, start?: number, end?: number): void;
  /** An independent stream that depends on this one's seed and on `label` only. */
  fork(label: string): Rng;
}

/** FNV-1a over UTF-16 code units, mixed with the parent's seed. */
function mixLabel(seed: number, label: string): number {
  let h = (seed ^ 0x811c9dc5) | 0;
  for (let i = 0; i < label.length; i++) h = Math.imul(h ^ label.charCodeAt(i), 0x01000193);
  return h;
}

class Xoshiro128 implements Rng {
  readonly #seed: Int32Array;
  #a = 0;
  #b = 0;
  #c = 0;
  #d = 0;

  constructor(seed: Int32Array) {
    this.#seed = seed;
    let state = 0;
    const next = (i: number): number => {
      state = (state + (seed[i] ?? 0) + 0x9e3779b9) | 0;
      let z = state;
      z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
      return z ^ (z >>> 15);
    };
    this.#a = next(0);
    this.#b = next(1);
    this.#c = next(2);
    this.#d = next(3) | 1; // the all-zero state is the one that never leaves itself
  }

  u32(): number {
    const product = Math.imul(this.#b, 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9);
    const t = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= t;
    this.#d = (this.#d << 11) | (this.#d >>> 21);
    return result;
  }

  below(n: number): number {
    assert(n >= 1 && n <= 0x1_0000_0000, 'a choice has at least one outcome, and 32 bits name it');
    // Rejection: the last incomplete run of n values would make the small ones likelier.
    const limit = 0x1_0000_0000 - (0x1_0000_0000 % n);
    for (;;) {
      const r = this.u32() >>> 0;
      if (r < limit) return r % n;
    }
  }

  unit(): number {
    return ((this.u32() >>> 5) * 0x400_0000 + (this.u32() >>> 6)) / 0x20_0000_0000_0000;
  }

  fill(bytes: Uint8Array, start = 0, end: number = bytes.length): void {
    let word = 0;
    for (let i = start; i < end; i++) {
      if (((i - start) & 3) === 0) word = this.u32();
      bytes[i] = word;
      word >>>= 8;
    }
  }

  fork(label: string): Rng {
    return new Xoshiro128(this.#seed.map((word, i) => mixLabel(word + i, label)));
  }
}

/** A stream from one number (a test, a simulation) or from up to four words (the shells, from real entropy). */
export function rng(seed: number | Int32Array): Rng {
  return new Xoshiro128(
    typeof seed === 'number' ? Int32Array.of(seed, seed / 0x1_0000_0000, 0, 0) : seed.slice(0, 4),
  );
}
