/**
 * Objects by the time at which they are due: a binary heap, for a device or qdisc that delays packets by
 * different times (netem). Equal times come out as they went in. Machines with deadlines belong into a
 * `TimerQueue`.
 */
import type { Instant } from './time.ts';
import { NEVER } from './time.ts';

export class Heap<T> {
  #times: Float64Array = new Float64Array(16);
  /** Entry numbers, which decide between equal times. */
  #orders: Float64Array = new Float64Array(16);
  readonly #items: (T | undefined)[] = [];
  #length = 0;
  #entered = 0;

  get length(): number {
    return this.#length;
  }

  push(at: Instant, item: T): void {
    if (this.#length === this.#times.length) this.#grow();
    let hole = this.#length++;
    const order = this.#entered++;
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      if (!this.#isAfter(parent, at, order)) break;
      this.#move(parent, hole);
      hole = parent;
    }
    this.#times[hole] = at;
    this.#orders[hole] = order;
    this.#items[hole] = item;
  }

  /** When the earliest is due; `NEVER` when there is none. */
  next(): Instant {
    return this.#length === 0 ? NEVER : (this.#times[0] as Instant);
  }

  /** The earliest one, left where it is. */
  peek(): T | undefined {
    return this.#length === 0 ? undefined : this.#items[0];
  }

  /** Takes the earliest one out. */
  pop(): T | undefined {
    if (this.#length === 0) return undefined;
    const first = this.#items[0];
    const last = --this.#length;
    const at = this.#times[last] as number;
    const order = this.#orders[last] as number;
    const item = this.#items[last];
    this.#items[last] = undefined;
    if (last === 0) return first;
    let hole = 0;
    for (;;) {
      let child = hole * 2 + 1;
      if (child >= last) break;
      if (
        child + 1 < last &&
        this.#isAfter(child, this.#times[child + 1] as number, this.#orders[child + 1] as number)
      ) {
        child++;
      }
      if (this.#isAfter(child, at, order)) break;
      this.#move(child, hole);
      hole = child;
    }
    this.#times[hole] = at;
    this.#orders[hole] = order;
    this.#items[hole] = item;
    return first;
  }

  /** Whether the entry at `i` comes after one with this time and number. */
  #isAfter(i: number, at: number, order: number): boolean {
    const own = this.#times[i] as number;
    return own === at ? (this.#orders[i] as number) > order : own > at;
  }

  #move(from: number, to: number): void {
    this.#times[to] = this.#times[from] as number;
    this.#orders[to] = this.#orders[from] as number;
    this.#items[to] = this.#items[from];
  }

  #grow(): void {
    const times = new Float64Array(this.#times.length * 2);
    const orders = new Float64Array(this.#times.length * 2);
    times.set(this.#times);
    orders.set(this.#orders);
    this.#times = times;
    this.#orders = orders;
  }
}
