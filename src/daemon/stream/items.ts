/**
 * Results that wait for a client to take them; bounded, for a client that does not.
 */

/** A second of the fastest ping. */
const ITEMS_MAX = 1_024;

export class Items<T extends object> {
  readonly #items: T[] = [];
  /** How many found no room: the oldest are kept. */
  left = 0;

  get length(): number {
    return this.#items.length;
  }

  /** Whether there was room. */
  push(item: T): boolean {
    if (this.#items.length >= ITEMS_MAX) {
      this.left++;
      return false;
    }
    this.#items.push(item);
    return true;
  }

  shift(): T | null {
    return this.#items.shift() ?? null;
  }
}
