/**
 * A binary heap of neighbours by their deadline, so that the table knows its next one. An entry knows its place,
 * so that a changed deadline moves it in a logarithmic number of steps. Nothing is allocated once it has grown.
 */
import { NEVER } from '../base/time.ts';
import type { NeighborEntry } from './entry.ts';

export class Deadlines {
  readonly #heap: NeighborEntry[] = [];

  /** The entry whose deadline comes first, or null when none has one. */
  get first(): NeighborEntry | null {
    return this.#heap[0] ?? null;
  }

  get length(): number {
    return this.#heap.length;
  }

  /** To be called after `entry.deadline` changed. */
  update(entry: NeighborEntry): void {
    if (entry.deadline === NEVER) {
      this.remove(entry);
      return;
    }
    if (entry.heapIndex < 0) {
      entry.heapIndex = this.#heap.length;
      this.#heap.push(entry);
    }
    this.#sift(entry);
  }

  remove(entry: NeighborEntry): void {
    const at = entry.heapIndex;
    if (at < 0) return;
    entry.heapIndex = -1;
    const last = this.#heap.pop() as NeighborEntry;
    if (last === entry) return;
    this.#place(last, at);
    this.#sift(last);
  }

  #sift(entry: NeighborEntry): void {
    let at = entry.heapIndex;
    while (at > 0) {
      const parent = this.#heap[(at - 1) >> 1] as NeighborEntry;
      if (parent.deadline <= entry.deadline) break;
      this.#place(parent, at);
      at = (at - 1) >> 1;
    }
    for (;;) {
      const child = this.#earlierChild(at);
      if (child === null || child.deadline >= entry.deadline) break;
      const below = child.heapIndex;
      this.#place(child, at);
      at = below;
    }
    this.#place(entry, at);
  }

  #earlierChild(at: number): NeighborEntry | null {
    const left = this.#heap[2 * at + 1];
    const right = this.#heap[2 * at + 2];
    if (left === undefined) return null;
    return right !== undefined && right.deadline < left.deadline ? right : left;
  }

  #place(entry: NeighborEntry, at: number): void {
    this.#heap[at] = entry;
    entry.heapIndex = at;
  }
}
