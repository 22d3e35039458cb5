/**
 * Timers: a hierarchical timing wheel (Varghese and Lauck, 1987), and on top of it the one place that knows all
 * deadlines of a stack.
 *
 *     level 0   256 slots of 128 µs       the next 33 ms
 *     level 1   256 slots of 33 ms        the next 8.4 s
 *     level 2   256 slots of 8.4 s        the next 36 min
 *     level 3   256 slots of 36 min       the next 76 h; anything later waits there and is looked at again
 *
 * A timer lies in the level of the highest byte in which its tick differs from the current one, so that every
 * occupied slot lies ahead, and the first occupied slot of the lowest occupied level holds the earliest timers.
 * When time reaches a slot of a higher level, its timers are dealt out again over the levels below. Ticks only
 * sort: deadlines are kept exactly.
 *
 * Everything lives in typed arrays: no allocation once they are large enough.
 */
import { assert } from './assert.ts';
import type { Instant } from './time.ts';
import { NEVER } from './time.ts';

const TICK_US = 128;
const LEVEL_BITS = 8;
const LEVEL_SLOTS = 256;
const LEVELS = 4;
/** Later timers are placed as if they were due in so many ticks; half the circle keeps «ahead» unambiguous. */
const AHEAD_MAX = 0x7fff_ffff;
/** A longer list in a slot of a higher level is not searched for its earliest timer: its start is early enough. */
const SEARCH_MAX = 64;

/** The list of timers that were found due and wait to be answered; the lists below it are the slots. */
const DUE = LEVELS * LEVEL_SLOTS;
/** In the link arrays the lists come first, each a sentinel of a ring, then the timers by id. */
const FIRST = DUE + 1;

export class TimerWheel {
  #next: Int32Array;
  #prev: Int32Array;
  /** By id; infinite when not set. */
  #deadlines: Float64Array;
  /** A bit for each list that is not empty. */
  readonly #occupied: Int32Array = new Int32Array((DUE >> 5) + 1);
  /** The current tick. May lag behind time while nothing is due. */
  #tick: number;
  #count = 0;

  /** No timer outside `DUE` is earlier; exact when `#soonestId` is not -1. Worthless while `#isStale`. */
  #soonest: number = NEVER;
  #soonestId = -1;
  #isStale = false;

  constructor(now: Instant, capacity = 256) {
    this.#tick = Math.floor(now / TICK_US);
    this.#next = new Int32Array(FIRST + capacity);
    this.#prev = new Int32Array(FIRST + capacity);
    this.#deadlines = new Float64Array(capacity).fill(NEVER);
    for (let list = 0; list < FIRST; list++) {
      this.#next[list] = list;
      this.#prev[list] = list;
    }
  }

  /** How many timers are set. */
  get count(): number {
    return this.#count;
  }

  /** Sets timer `id` (a small integer) to go off at `deadline`, whatever it was set to; `NEVER` clears it. */
  set(id: number, deadline: Instant): void {
    if (deadline === NEVER) {
      this.clear(id);
      return;
    }
    if (id >= this.#deadlines.length) this.#grow(id);
    if (this.#deadlines[id] === NEVER) this.#count++;
    else this.#unlink(id + FIRST);
    this.#deadlines[id] = deadline;
    this.#place(id + FIRST, deadline);
    if (deadline < this.#soonest) {
      this.#soonest = deadline;
      this.#soonestId = id;
    } else if (this.#soonestId === id) {
      this.#isStale = true;
    }
  }

  clear(id: number): void {
    if (id >= this.#deadlines.length || this.#deadlines[id] === NEVER) return;
    this.#unlink(id + FIRST);
    this.#deadlines[id] = NEVER;
    this.#count--;
    if (this.#soonestId === id) this.#isStale = true;
  }

  /** What `id` is set to, or `NEVER`. */
  deadline(id: number): Instant {
    return id < this.#deadlines.length ? (this.#deadlines[id] as Instant) : NEVER;
  }

  /**
   * Clears and answers one timer whose deadline is not after `now`, or -1 when there is none. Call it until it
   * says -1: the earliest come first, and of equal ones that which was set first.
   */
  expire(now: Instant): number {
    let node = this.#next[DUE] as number;
    if (node === DUE) {
      if (!this.#isStale && now < this.#soonest) return -1;
      if (!this.#advance(now)) return -1;
      node = this.#next[DUE] as number;
    }
    const id = node - FIRST;
    if ((this.#deadlines[id] as number) > now) return -1;
    this.#unlink(node);
    this.#deadlines[id] = NEVER;
    this.#count--;
    return id;
  }

  /**
   * When to call `expire` again: never later than the earliest deadline, and equal to it for all but long lists
   * of far timers, where it is the time at which they must be dealt out again.
   */
  next(): Instant {
    const due = this.#next[DUE] as number;
    if (due !== DUE) return this.#deadlines[due - FIRST] as Instant;
    if (this.#isStale) this.#search();
    return this.#soonest as Instant;
  }

  /** The timer that `next` speaks of, or -1 when it is known only roughly. */
  first(): number {
    const due = this.#next[DUE] as number;
    if (due !== DUE) return due - FIRST;
    if (this.#isStale) this.#search();
    return this.#soonestId;
  }

  #grow(id: number): void {
    assert(id < 1 << 30, 'timer ids are small integers');
    let capacity = this.#deadlines.length;
    while (capacity <= id) capacity *= 2;
    const next = new Int32Array(FIRST + capacity);
    const prev = new Int32Array(FIRST + capacity);
    const deadlines = new Float64Array(capacity);
    next.set(this.#next);
    prev.set(this.#prev);
    deadlines.set(this.#deadlines);
    deadlines.fill(NEVER, this.#deadlines.length);
    this.#next = next;
    this.#prev = prev;
    this.#deadlines = deadlines;
  }

  #place(node: number, deadline: number): void {
    let ahead = Math.floor(deadline / TICK_US) - this.#tick;
    if (ahead < 0) ahead = 0;
    if (ahead > AHEAD_MAX) ahead = AHEAD_MAX;
    const now = this.#tick | 0; // modulo 2^32: the wheel is a circle
    const at = (now + ahead) | 0;
    const differing = at ^ now;
    const level = differing === 0 ? 0 : (31 - Math.clz32(differing)) >> 3;
    const slot = (at >>> (level * LEVEL_BITS)) & (LEVEL_SLOTS - 1);
    this.#append(level * LEVEL_SLOTS + slot, node);
  }

  #append(list: number, node: number): void {
    const last = this.#prev[list] as number;
    this.#next[last] = node;
    this.#prev[node] = last;
    this.#next[node] = list;
    this.#prev[list] = node;
    this.#occupied[list >> 5] = (this.#occupied[list >> 5] as number) | (1 << (list & 31));
  }

  #unlink(node: number): void {
    const next = this.#next[node] as number;
    const prev = this.#prev[node] as number;
    this.#next[prev] = next;
    this.#prev[next] = prev;
    // Both neighbours are the sentinel: the list is empty now.
    if (next === prev)
      this.#occupied[next >> 5] = (this.#occupied[next >> 5] as number) & ~(1 << (next & 31));
  }

  /** Moves time on to `now` and the timers of the first due slot to `DUE`. False when none is due. */
  #advance(now: number): boolean {
    const target = Math.floor(now / TICK_US);
    for (;;) {
      const list = this.#firstList();
      const start = list < 0 ? NEVER : this.#startOf(list);
      if (start > target) {
        // Nothing lies between: every list keeps its place relative to the new tick.
        if (target > this.#tick) this.#tick = target;
        return false;
      }
      this.#isStale = true;
      this.#tick = start;
      if (list >= LEVEL_SLOTS) {
        this.#deal(list);
        continue;
      }
      return this.#collect(list, now);
    }
  }

  /** The first occupied slot, or -1. */
  #firstList(): number {
    const now = this.#tick | 0;
    let list = this.#occupiedFrom(now & (LEVEL_SLOTS - 1), LEVEL_SLOTS);
    for (let level = 1; level < LEVELS && list < 0; level++) {
      const first = level * LEVEL_SLOTS;
      const current = (now >>> (level * LEVEL_BITS)) & (LEVEL_SLOTS - 1);
      list = this.#occupiedFrom(first + current + 1, first + LEVEL_SLOTS);
      if (list < 0 && level === LEVELS - 1) list = this.#occupiedFrom(first, first + current);
    }
    return list;
  }

  /** The first non-empty list from `list` up to `end`, or -1. */
  #occupiedFrom(list: number, end: number): number {
    if (list >= end) return -1;
    let word = list >> 5;
    let bits = (this.#occupied[word] as number) & (-1 << (list & 31));
    while (bits === 0) {
      word++;
      if (word << 5 >= end) return -1;
      bits = this.#occupied[word] as number;
    }
    const found = (word << 5) + 31 - Math.clz32(bits & -bits);
    return found < end ? found : -1;
  }

  /** The first tick of a slot. */
  #startOf(list: number): number {
    const level = list >> LEVEL_BITS;
    const span = 2 ** (level * LEVEL_BITS);
    const slotNow = Math.floor(this.#tick / span);
    return (slotNow + ((list - slotNow) & (LEVEL_SLOTS - 1))) * span;
  }

  /** Deals the timers of a slot out over the levels below. */
  #deal(list: number): void {
    for (let node = this.#next[list] as number; node !== list; ) {
      const following = this.#next[node] as number;
      this.#unlink(node);
      this.#place(node, this.#deadlines[node - FIRST] as number);
      node = following;
    }
  }

  /** Moves what is due in a slot of level 0 to `DUE`, in order of deadlines. */
  #collect(list: number, now: number): boolean {
    let latest = Number.NEGATIVE_INFINITY;
    let isSorted = true;
    for (let node = this.#next[list] as number; node !== list; ) {
      const following = this.#next[node] as number;
      const deadline = this.#deadlines[node - FIRST] as number;
      if (deadline <= now) {
        this.#unlink(node);
        this.#append(DUE, node);
        if (deadline < latest) isSorted = false;
        latest = deadline;
      }
      node = following;
    }
    if (!isSorted) this.#sortDue();
    return this.#next[DUE] !== DUE;
  }

  /** Merge sort from the bottom up, in place and stable: a slot may hold a million timers. */
  #sortDue(): void {
    const next = this.#next;
    for (let run = 1, merges = 2; merges > 1; run *= 2) {
      let left = next[DUE] as number;
      let tail = DUE;
      merges = 0;
      while (left !== DUE) {
        merges++;
        let right = left;
        let leftLength = 0;
        while (leftLength < run && right !== DUE) {
          leftLength++;
          right = next[right] as number;
        }
        let rightLength = run;
        while (leftLength > 0 || (rightLength > 0 && right !== DUE)) {
          const takesRight =
            leftLength === 0 || (rightLength > 0 && right !== DUE && this.#isEarlier(right, left));
          const node = takesRight ? right : left;
          if (takesRight) {
            rightLength--;
            right = next[right] as number;
          } else {
            leftLength--;
            left = next[left] as number;
          }
          next[tail] = node;
          this.#prev[node] = tail;
          tail = node;
        }
        left = right;
      }
      next[tail] = DUE;
      this.#prev[DUE] = tail;
    }
  }

  #isEarlier(a: number, b: number): boolean {
    return (this.#deadlines[a - FIRST] as number) < (this.#deadlines[b - FIRST] as number);
  }

  /** Finds the earliest timer of all slots, or the start of its slot. */
  #search(): void {
    this.#isStale = false;
    this.#soonestId = -1;
    this.#soonest = NEVER;
    const list = this.#firstList();
    if (list < 0) return;
    let looked = 0;
    for (let node = this.#next[list] as number; node !== list; node = this.#next[node] as number) {
      const deadline = this.#deadlines[node - FIRST] as number;
      if (deadline < this.#soonest) {
        this.#soonest = deadline;
        this.#soonestId = node - FIRST;
      }
      if (++looked > SEARCH_MAX && list >= LEVEL_SLOTS) break;
    }
    if (list < LEVEL_SLOTS) return;
    const start = this.#startOf(list);
    const end = start + 2 ** ((list >> LEVEL_BITS) * LEVEL_BITS);
    // Later than its slot: a timer beyond the horizon, which may hide an earlier one in a later slot.
    if (looked <= SEARCH_MAX && this.#soonest < end * TICK_US) return;
    this.#soonest = start * TICK_US;
    this.#soonestId = -1;
  }
}

/** What has deadlines: every machine. */
export interface Timed {
  /** When it wants `handleTimeout`; `NEVER` when it waits for nothing. */
  nextTimeout(): Instant;
  handleTimeout(now: Instant): void;
}

/**
 * The one place that knows all deadlines.
 *
 * Lazy where that is cheaper: when a deadline moves later, as a retransmission timer does with every
 * acknowledgement, only a number is written, and the wheel finds out when the old one comes up.
 */
export class TimerQueue {
  readonly #wheel: TimerWheel;
  readonly #timed: (Timed | undefined)[] = [];
  readonly #free: number[] = [];
  /** By id, what `nextTimeout` last said; the wheel may hold something earlier. */
  #wanted: Float64Array = new Float64Array(256).fill(NEVER);

  constructor(now: Instant) {
    this.#wheel = new TimerWheel(now);
  }

  /** How many are watched. */
  get length(): number {
    return this.#timed.length - this.#free.length;
  }

  /** From now on `timed` is called when it is due. Answers the id for `update` and `unwatch`. */
  watch(timed: Timed): number {
    const id = this.#free.pop() ?? this.#timed.length;
    if (id >= this.#wanted.length) {
      const wanted = new Float64Array(this.#wanted.length * 2).fill(NEVER);
      wanted.set(this.#wanted);
      this.#wanted = wanted;
    }
    this.#timed[id] = timed;
    this.update(id);
    return id;
  }

  /** Asks for the deadline again. Call it after anything that may have changed it. */
  update(id: number): void {
    const timed = this.#timed[id];
    assert(timed !== undefined, 'only what is watched is updated');
    const at = timed.nextTimeout();
    if (at === this.#wanted[id]) return;
    this.#wanted[id] = at;
    if (at === NEVER) this.#wheel.clear(id);
    else if (at < this.#wheel.deadline(id)) this.#wheel.set(id, at);
  }

  unwatch(id: number): void {
    assert(this.#timed[id] !== undefined, 'only what is watched is unwatched, and once');
    this.#timed[id] = undefined;
    this.#wanted[id] = NEVER;
    this.#wheel.clear(id);
    this.#free.push(id);
  }

  /** When to call `run` again; never later than the earliest deadline. */
  next(): Instant {
    for (;;) {
      const at = this.#wheel.next();
      const id = this.#wheel.first();
      if (id < 0) return at;
      const wanted = this.#wanted[id] as Instant;
      if (wanted <= at) return at;
      this.#wheel.set(id, wanted);
    }
  }

  /**
   * Calls what is due, at most `budget` of them; `next()` then says whether more are. Answers how many were
   * called. What is due again at once comes after all others.
   */
  run(now: Instant, budget: number): number {
    let called = 0;
    for (let looked = 0; looked < budget; looked++) {
      const id = this.#wheel.expire(now);
      if (id < 0) break;
      const wanted = this.#wanted[id] as Instant;
      if (wanted > now) {
        this.#wheel.set(id, wanted);
        continue;
      }
      // Whatever it answers next differs from this, so that `update` arms the wheel again.
      this.#wanted[id] = NEVER;
      (this.#timed[id] as Timed).handleTimeout(now);
      called++;
      if (this.#timed[id] !== undefined) this.update(id);
    }
    return called;
  }
}
