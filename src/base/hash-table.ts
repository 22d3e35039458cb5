/**
 * A hash table from keys of a fixed number of int32 words to integers, for looking up flows: open addressing with
 * linear probing in one Int32Array, so that a look-up is a walk over neighbouring memory and nothing is allocated.
 *
 * The caller fills `key` and calls `lookup`, `insert` or `remove`. The hash is HalfSipHash-1-3 with a secret of
 * 64 bits (Aumasson and Bernstein, 2012), so that whoever chooses addresses and ports cannot choose collisions.
 *
 * The table grows without a stall: the new array is filled a few slots with every change, while look-ups read
 * both. It does not shrink.
 */
import { assert } from './assert.ts';
import type { Rng } from './rng.ts';

const SLOTS_MIN = 16;
/** Slots of the old array that move with each change; four would be enough to be done before the next growth. */
const MOVE_SLOTS = 8;

/** In place of a hash. A removed entry of the old array must not end the walk past it. */
const EMPTY = 0;
const REMOVED = 1;

const NO_SLOTS = new Int32Array(0);

export class HashTable {
  /** The key that the next call is about. */
  readonly key: Int32Array;
  /** The words that are hashed: `key`, the length, and zeros for the rounds that end it. */
  readonly #message: Int32Array;
  readonly #words: number;
  /** Each slot: hash, value, key. */
  readonly #stride: number;
  readonly #seed0: number;
  readonly #seed1: number;
  #slots: Int32Array;
  #mask: number;
  #count = 0;
  /** While the table grows: the smaller array, and the first of its slots that has not moved. */
  #old: Int32Array = NO_SLOTS;
  #oldMask = 0;
  #moved = 0;

  /** For `capacity` entries without growing. */
  constructor(rng: Rng, words: number, capacity = 0) {
    this.#message = new Int32Array(words + 4);
    this.#message[words] = words << 26;
    this.key = this.#message.subarray(0, words);
    this.#words = words;
    this.#stride = words + 2;
    this.#seed0 = rng.u32();
    this.#seed1 = rng.u32();
    let slots = SLOTS_MIN;
    while (capacity > limit(slots)) slots *= 2;
    this.#slots = new Int32Array(slots * this.#stride);
    this.#mask = slots - 1;
  }

  get count(): number {
    return this.#count;
  }

  /** The value of `key`, or -1. */
  lookup(): number {
    const hash = this.hash();
    const at = this.#find(this.#slots, this.#mask, hash);
    if (at >= 0) return this.#slots[at + 1] as number;
    if (this.#old.length === 0) return -1;
    const oldAt = this.#find(this.#old, this.#oldMask, hash);
    return oldAt < 0 ? -1 : (this.#old[oldAt + 1] as number);
  }

  /** Enters `value` (not negative) under `key`. False, and nothing changes, when there is one already. */
  insert(value: number): boolean {
    assert(value >= 0, 'negative values say that there is none');
    const hash = this.hash();
    if (this.#find(this.#slots, this.#mask, hash) >= 0) return false;
    if (this.#old.length > 0) {
      if (this.#find(this.#old, this.#oldMask, hash) >= 0) return false;
      this.#moveSome();
    }
    if (this.#count >= limit(this.#mask + 1)) this.#grow();
    const at = this.#firstEmpty(hash);
    this.#slots[at] = hash;
    this.#slots[at + 1] = value;
    for (let i = 0; i < this.#words; i++) this.#slots[at + 2 + i] = this.key[i] as number;
    this.#count++;
    return true;
  }

  /** Removes the entry of `key` and answers its value, or -1. */
  remove(): number {
    const hash = this.hash();
    const at = this.#find(this.#slots, this.#mask, hash);
    if (at >= 0) {
      const value = this.#slots[at + 1] as number;
      this.#closeGap(at);
      this.#count--;
      return value;
    }
    if (this.#old.length === 0) return -1;
    const oldAt = this.#find(this.#old, this.#oldMask, hash);
    if (oldAt < 0) return -1;
    const value = this.#old[oldAt + 1] as number;
    this.#old[oldAt] = REMOVED;
    this.#count--;
    this.#moveSome();
    return value;
  }

  /**
   * Visits all entries, in no particular order: `for (let at = table.next(-1); at >= 0; at = table.next(at))`.
   * Nothing may be inserted or removed meanwhile.
   */
  next(after: number): number {
    const oldSlots = this.#old.length / this.#stride;
    const slots = oldSlots + this.#mask + 1;
    for (let slot = after + 1; slot < slots; slot++) {
      const hash =
        slot < oldSlots ? this.#old[slot * this.#stride] : this.#slots[(slot - oldSlots) * this.#stride];
      if (hash !== EMPTY && hash !== REMOVED) return slot;
    }
    return -1;
  }

  /** The value of an entry that `next` answered. */
  valueAt(slot: number): number {
    const oldSlots = this.#old.length / this.#stride;
    if (slot < oldSlots) return this.#old[slot * this.#stride + 1] as number;
    return this.#slots[(slot - oldSlots) * this.#stride + 1] as number;
  }

  /** Copies the key of an entry that `next` answered to `key`. */
  loadKeyAt(slot: number): void {
    const oldSlots = this.#old.length / this.#stride;
    const slots = slot < oldSlots ? this.#old : this.#slots;
    const at = (slot < oldSlots ? slot : slot - oldSlots) * this.#stride + 2;
    for (let i = 0; i < this.#words; i++) this.key[i] = slots[at + i] as number;
  }

  clear(): void {
    this.#slots.fill(0);
    this.#old = NO_SLOTS;
    this.#count = 0;
  }

  /** HalfSipHash-1-3 of `key`; the two marks are avoided. */
  hash(): number {
    let v0 = this.#seed0;
    let v1 = this.#seed1;
    let v2 = 0x6c796765 ^ v0;
    let v3 = 0x74656462 ^ v1;
    const message = this.#message;
    const end = this.#words + 1;
    for (let i = 0; i < message.length; i++) {
      const word = message[i] as number;
      if (i === end) v2 ^= 0xff;
      v3 ^= word;
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
      v0 ^= word;
    }
    const hash = v1 ^ v3;
    return hash === EMPTY || hash === REMOVED ? hash + 2 : hash;
  }

  /** Where in `slots` the entry of `key` begins, or -1. */
  #find(slots: Int32Array, mask: number, hash: number): number {
    const stride = this.#stride;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const at = slot * stride;
      const found = slots[at] as number;
      if (found === hash && this.#isKeyAt(slots, at + 2)) return at;
      if (found === EMPTY) return -1;
    }
  }

  #isKeyAt(slots: Int32Array, at: number): boolean {
    const message = this.#message;
    for (let i = this.#words - 1; i >= 0; i--) if (slots[at + i] !== message[i]) return false;
    return true;
  }

  #firstEmpty(hash: number): number {
    let slot = hash & this.#mask;
    while (this.#slots[slot * this.#stride] !== EMPTY) slot = (slot + 1) & this.#mask;
    return slot * this.#stride;
  }

  /** Empties the slot at `at` and moves back those after it that would no longer be found (Knuth 6.4, R). */
  #closeGap(at: number): void {
    const stride = this.#stride;
    let gap = at / stride;
    for (let slot = (gap + 1) & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const hash = this.#slots[slot * stride] as number;
      if (hash === EMPTY) break;
      const home = hash & this.#mask;
      // It may move back only if its home is not after the gap.
      if (((slot - home) & this.#mask) < ((slot - gap) & this.#mask)) continue;
      for (let i = 0; i < stride; i++)
        this.#slots[gap * stride + i] = this.#slots[slot * stride + i] as number;
      gap = slot;
    }
    this.#slots[gap * stride] = EMPTY;
  }

  #grow(): void {
    while (this.#old.length > 0) this.#moveSome();
    this.#old = this.#slots;
    this.#oldMask = this.#mask;
    this.#moved = 0;
    this.#slots = new Int32Array(this.#old.length * 2);
    this.#mask = this.#mask * 2 + 1;
  }

  #moveSome(): void {
    const stride = this.#stride;
    const end = Math.min(this.#moved + MOVE_SLOTS, this.#oldMask + 1);
    for (let slot = this.#moved; slot < end; slot++) {
      const from = slot * stride;
      const hash = this.#old[from] as number;
      if (hash === EMPTY || hash === REMOVED) continue;
      const at = this.#firstEmpty(hash);
      for (let i = 0; i < stride; i++) this.#slots[at + i] = this.#old[from + i] as number;
      this.#old[from] = REMOVED;
    }
    this.#moved = end;
    if (end > this.#oldMask) this.#old = NO_SLOTS;
  }
}

/** How many entries so many slots may hold: with five eighths a walk is short (about 2 slots, 4 for a miss). */
function limit(slots: number): number {
  return (slots >> 3) * 5;
}
