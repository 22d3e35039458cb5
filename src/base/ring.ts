/**
 * A bounded first-in first-out queue of objects that never allocates after it is made.
 */
export class Ring<T> {
  readonly capacity: number;
  readonly #items: (T | undefined)[];
  #head = 0;
  #length = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.#items = new Array<T | undefined>(capacity).fill(undefined);
  }

  get length(): number {
    return this.#length;
  }

  get isFull(): boolean {
    return this.#length === this.capacity;
  }

  /** False when there is no room: the caller still owns `item`. */
  push(item: T): boolean {
    if (this.#length === this.capacity) return false;
    let at = this.#head + this.#length;
    if (at >= this.capacity) at -= this.capacity;
    this.#items[at] = item;
    this.#length++;
    return true;
  }

  shift(): T | undefined {
    if (this.#length === 0) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head] = undefined;
    this.#head = this.#head + 1 === this.capacity ? 0 : this.#head + 1;
    this.#length--;
    return item;
  }

  /** The oldest one, left where it is. */
  peek(): T | undefined {
    return this.#length === 0 ? undefined : this.#items[this.#head];
  }
}
