/**
 * What arrived beyond the gap: ranges of sequence numbers in order, and which of them changed last, since that is
 * the order in which SACK blocks are told (RFC 2018 §4).
 *
 * A FIN beyond the gap is a number like any other; `finSeq` remembers which.
 */
import { gt, lt } from '../../base/seq32.ts';

/** More gaps than this in one window are an attack on memory, or a path on which nothing helps. */
const RANGES_MAX = 1_024;
const RECENT_MAX = 4;

export class Ranges {
  hasFin = false;
  finSeq = 0;
  count = 0;
  /** Of the last `add`: the first part that had been there already (RFC 2883 §4), if `hasDuplicate`. */
  hasDuplicate = false;
  duplicateStart = 0;
  duplicateEnd = 0;
  /** Start and end of each. */
  #edges = new Int32Array(16);
  /** A number within each range that changed lately, the latest first. */
  readonly #recent = new Int32Array(RECENT_MAX);
  #recentCount = 0;

  clear(): void {
    this.count = 0;
    this.#recentCount = 0;
    this.hasFin = false;
    this.hasDuplicate = false;
  }

  start(index: number): number {
    return this.#edges[2 * index] as number;
  }

  end(index: number): number {
    return this.#edges[2 * index + 1] as number;
  }

  /** Enters `[start, end)`, joined with what it touches. False when there are too many: it is not in then. */
  add(start: number, end: number): boolean {
    const edges = this.#edges;
    let first = this.#firstEndingAt(start);
    let last = first;
    let joinedStart = start;
    let joinedEnd = end;
    this.hasDuplicate = false;
    while (last < this.count && !gt(edges[2 * last] as number, end)) {
      const rangeStart = edges[2 * last] as number;
      const rangeEnd = edges[2 * last + 1] as number;
      this.#noteDuplicate(start, end, rangeStart, rangeEnd);
      if (lt(rangeStart, joinedStart)) joinedStart = rangeStart;
      if (gt(rangeEnd, joinedEnd)) joinedEnd = rangeEnd;
      last++;
    }
    if (first === last) {
      if (this.count === RANGES_MAX) return false;
      this.#open(first);
      last = first + 1;
    }
    this.#edges[2 * first] = joinedStart;
    this.#edges[2 * first + 1] = joinedEnd;
    first++;
    if (last > first) this.#close(first, last);
    this.#remember(start);
    return true;
  }

  /** What of the ranges continues the stream at `next`: takes it out and answers the new next number. */
  take(next: number): number {
    let result = next;
    let taken = 0;
    while (taken < this.count && !gt(this.start(taken), result)) {
      if (gt(this.end(taken), result)) result = this.end(taken);
      taken++;
    }
    if (taken > 0) this.#close(0, taken);
    return result;
  }

  /** Fills `out` from block `at` up to `max` blocks, the latest first. Answers how many are in `out`. */
  fill(out: Int32Array, at: number, max: number): number {
    let count = at;
    for (let i = 0; i < this.#recentCount && count < max; i++) {
      const seq = this.#recent[i] as number;
      const index = this.#firstEndingAt((seq + 1) | 0);
      if (index === this.count || gt(this.start(index), seq)) continue;
      if (contains(out, at, count, this.start(index))) continue;
      out[2 * count] = this.start(index);
      out[2 * count + 1] = this.end(index);
      count++;
    }
    for (let index = 0; index < this.count && count < max; index++) {
      if (contains(out, at, count, this.start(index))) continue;
      out[2 * count] = this.start(index);
      out[2 * count + 1] = this.end(index);
      count++;
    }
    return count;
  }

  /** The first whose end is not before `seq`. */
  #firstEndingAt(seq: number): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (lt(this.#edges[2 * middle + 1] as number, seq)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #noteDuplicate(start: number, end: number, rangeStart: number, rangeEnd: number): void {
    const from = gt(rangeStart, start) ? rangeStart : start;
    const to = lt(rangeEnd, end) ? rangeEnd : end;
    if (this.hasDuplicate || !lt(from, to)) return;
    this.hasDuplicate = true;
    this.duplicateStart = from;
    this.duplicateEnd = to;
  }

  #open(index: number): void {
    if (2 * this.count === this.#edges.length) {
      const larger = new Int32Array(this.#edges.length * 2);
      larger.set(this.#edges);
      this.#edges = larger;
    }
    this.#edges.copyWithin(2 * index + 2, 2 * index, 2 * this.count);
    this.count++;
  }

  #close(first: number, last: number): void {
    this.#edges.copyWithin(2 * first, 2 * last, 2 * this.count);
    this.count -= last - first;
  }

  #remember(seq: number): void {
    this.#recent.copyWithin(1, 0, RECENT_MAX - 1);
    this.#recent[0] = seq;
    if (this.#recentCount < RECENT_MAX) this.#recentCount++;
  }
}

function contains(blocks: Int32Array, from: number, to: number, start: number): boolean {
  for (let i = from; i < to; i++) if (blocks[2 * i] === start) return true;
  return false;
}
