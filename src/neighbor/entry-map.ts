/**
 * Neighbours by address: a hash table whose chains go through the entries themselves. A look-up reads four words
 * and makes nothing; the number of buckets is fixed, as the number of neighbours is bounded.
 */
import { assert } from '../base/assert.ts';
import type { NeighborEntry } from './entry.ts';

/** A power of two, twice the most neighbours that are not permanent. */
const BUCKETS = 2048;

export class EntryMap {
  size = 0;
  readonly #buckets: (NeighborEntry | null)[] = new Array<NeighborEntry | null>(BUCKETS).fill(null);
  readonly #key: number;

  /** `key` is secret, so that nobody can choose addresses that share a bucket. */
  constructor(key: number) {
    this.#key = key;
  }

  find(a: number, b: number, c: number, d: number): NeighborEntry | null {
    let entry = this.#buckets[this.#bucket(a, b, c, d)] as NeighborEntry | null;
    while (entry !== null && (entry.d !== d || entry.c !== c || entry.b !== b || entry.a !== a)) {
      entry = entry.nextInBucket;
    }
    return entry;
  }

  /** Its address must not be there yet. */
  insert(entry: NeighborEntry): void {
    const bucket = this.#bucket(entry.a, entry.b, entry.c, entry.d);
    entry.nextInBucket = this.#buckets[bucket] as NeighborEntry | null;
    this.#buckets[bucket] = entry;
    this.size++;
  }

  remove(entry: NeighborEntry): void {
    const bucket = this.#bucket(entry.a, entry.b, entry.c, entry.d);
    let before = this.#buckets[bucket] as NeighborEntry | null;
    if (before === entry) {
      this.#buckets[bucket] = entry.nextInBucket;
    } else {
      while (before !== null && before.nextInBucket !== entry) before = before.nextInBucket;
      assert(before !== null, 'an entry is in its bucket until it is removed');
      before.nextInBucket = entry.nextInBucket;
    }
    entry.nextInBucket = null;
    this.size--;
  }

  /** All of them, in no order. */
  entries(): NeighborEntry[] {
    const entries: NeighborEntry[] = [];
    for (let entry of this.#buckets) {
      for (; entry !== null; entry = entry.nextInBucket) entries.push(entry);
    }
    return entries;
  }

  #bucket(a: number, b: number, c: number, d: number): number {
    let h = Math.imul(d ^ this.#key, 0x9e3779b1);
    h = Math.imul((h ^ (h >>> 15)) + c, 0x85ebca6b);
    h = Math.imul((h ^ (h >>> 13)) + b, 0xc2b2ae35);
    h = Math.imul((h ^ (h >>> 16)) + a, 0x27d4eb2f);
    return (h ^ (h >>> 15)) & (BUCKETS - 1);
  }
}
