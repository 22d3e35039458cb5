/**
 * Least recently used first: an order over small integers, for tables of bounded size that must give way to
 * newcomers. The table keeps the entries; this keeps only their order, in two typed arrays.
 */
import { assert } from './assert.ts';

export class Lru {
  /** Ids are below this. */
  readonly capacity: number;
  /** A ring with a sentinel at `capacity`; -1 marks an id that is not in it. */
  readonly #newer: Int32Array;
  readonly #older: Int32Array;
  #length = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.#newer = new Int32Array(capacity + 1).fill(-1);
    this.#older = new Int32Array(capacity + 1).fill(-1);
    this.#newer[capacity] = capacity;
    this.#older[capacity] = capacity;
  }

  get length(): number {
    return this.#length;
  }

  has(id: number): boolean {
    return this.#newer[id] !== -1;
  }

  /** Makes `id` the newest; enters it when it is not there. */
  touch(id: number): void {
    assert(id >= 0 && id < this.capacity, 'the ids of an LRU are below its capacity');
    const end = this.capacity;
    if (this.#older[end] === id) return;
    if (this.#newer[id] === -1) this.#length++;
    else this.#unlink(id);
    const newest = this.#older[end] as number;
    this.#newer[newest] = id;
    this.#older[id] = newest;
    this.#newer[id] = end;
    this.#older[end] = id;
  }

  remove(id: number): void {
    if (id >= this.capacity || this.#newer[id] === -1) return;
    this.#unlink(id);
    this.#newer[id] = -1;
    this.#length--;
  }

  /** The one that was not touched for the longest time, or -1. */
  oldest(): number {
    return this.#idOrNone(this.#newer[this.capacity] as number);
  }

  /** The one touched next after `id`, or -1: with `oldest`, a walk over all. */
  newerThan(id: number): number {
    return this.#idOrNone(this.#newer[id] as number);
  }

  #idOrNone(id: number): number {
    return id === this.capacity ? -1 : id;
  }

  #unlink(id: number): void {
    const newer = this.#newer[id] as number;
    const older = this.#older[id] as number;
    this.#newer[older] = newer;
    this.#older[newer] = older;
  }
}
