/**
 * Neighbours in the order in which they joined, linked through the entries themselves: joining and leaving cost
 * the same with a thousand of them as with one.
 */
import { assert } from '../base/assert.ts';
import type { Instant } from '../base/time.ts';
import type { NeighborEntry } from './entry.ts';

export class EntryList {
  /** The table makes room when there are more. */
  readonly limit: number;
  length = 0;
  oldest: NeighborEntry | null = null;
  newest: NeighborEntry | null = null;

  constructor(limit: number) {
    this.limit = limit;
  }

  append(now: Instant, entry: NeighborEntry): void {
    assert(entry.list === null, 'an entry is on one list at a time');
    entry.list = this;
    entry.listedAt = now;
    entry.older = this.newest;
    if (this.newest === null) this.oldest = entry;
    else this.newest.newer = entry;
    this.newest = entry;
    this.length++;
  }

  remove(entry: NeighborEntry): void {
    assert(entry.list === this, 'an entry leaves the list that it is on');
    if (entry.older === null) this.oldest = entry.newer;
    else entry.older.newer = entry.newer;
    if (entry.newer === null) this.newest = entry.older;
    else entry.newer.older = entry.older;
    entry.older = null;
    entry.newer = null;
    entry.list = null;
    this.length--;
  }
}
