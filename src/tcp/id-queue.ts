/** A first-in first-out queue of small integers that grows. */
export class IdQueue {
  #ids: Int32Array;
  #head = 0;
  #length = 0;

  /** `capacity` is a power of two. */
  constructor(capacity = 64) {
    this.#ids = new Int32Array(capacity);
  }

  get length(): number {
    return this.#length;
  }

  push(id: number): void {
    if (this.#length === this.#ids.length) {
      const larger = new Int32Array(this.#length * 2);
      for (let i = 0; i < this.#length; i++) larger[i] = this.at(i);
      this.#ids = larger;
      this.#head = 0;
    }
    this.#ids[(this.#head + this.#length) & (this.#ids.length - 1)] = id;
    this.#length++;
  }

  /** -1 when there is none. */
  shift(): number {
    if (this.#length === 0) return -1;
    const id = this.#ids[this.#head] as number;
    this.#head = (this.#head + 1) & (this.#ids.length - 1);
    this.#length--;
    return id;
  }

  at(index: number): number {
    return this.#ids[(this.#head + index) & (this.#ids.length - 1)] as number;
  }

  /** Takes one out of the middle. False when it is not there. */
  remove(id: number): boolean {
    for (let i = 0; i < this.#length; i++) {
      if (this.at(i) !== id) continue;
      for (let j = i + 1; j < this.#length; j++) {
        this.#ids[(this.#head + j - 1) & (this.#ids.length - 1)] = this.at(j);
      }
      this.#length--;
      return true;
    }
    return false;
  }
}
