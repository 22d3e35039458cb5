/**
 * Things in the order in which they joined, linked through themselves: joining and leaving cost the same with a
 * thousand of them as with one, and allocate nothing.
 */
import { assert } from '../base/assert.ts';
import type { Instant } from '../base/time.ts';

/** What an `EntryList` of `T` keeps in each `T`. */
export interface Listed<T extends Listed<T>> {
  list: EntryList<T> | null;
  /** When it joined `list`. */
  listedAt: Instant;
  older: T | null;
  newer: T | null;
}

export class EntryList<T extends Listed<T>> {
  /** The owner makes room when there are more. */
  readonly limit: number;
  length = 0;
  oldest: T | null = null;
  newest: T | null = null;

  constructor(limit: number) {
    this.limit = limit;
  }

  append(now: Instant, entry: T): void {
    assert(entry.list === null, 'an entry is on one list at a time');
    entry.list = this;
    entry.listedAt = now;
    entry.older = this.newest;
    if (this.newest === null) this.oldest = entry;
    else this.newest.newer = entry;
    this.newest = entry;
    this.length++;
  }

  remove(entry: T): void {
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
