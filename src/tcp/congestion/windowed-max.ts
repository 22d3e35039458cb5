/**
 * The maximum over a sliding window of time or rounds, in constant space: the best, the second and the third
 * best of successively younger parts of the window (Kathleen Nichols' algorithm). A minimum is the maximum of
 * negatives.
 */

export class WindowedMax {
  #bestAt = 0;
  #best: number = Number.NEGATIVE_INFINITY;
  #secondAt = 0;
  #second: number = Number.NEGATIVE_INFINITY;
  #thirdAt = 0;
  #third: number = Number.NEGATIVE_INFINITY;

  get value(): number {
    return this.#best;
  }

  reset(at: number, value: number): void {
    this.#bestAt = at;
    this.#secondAt = at;
    this.#thirdAt = at;
    this.#best = value;
    this.#second = value;
    this.#third = value;
  }

  /** Takes `value` seen at `at` into account, and answers the maximum of the last `window`. */
  update(at: number, value: number, window: number): number {
    if (value >= this.#best || at - this.#thirdAt > window) {
      this.reset(at, value);
      return this.#best;
    }
    if (value >= this.#second) {
      this.#second = value;
      this.#secondAt = at;
      this.#third = value;
      this.#thirdAt = at;
    } else if (value >= this.#third) {
      this.#third = value;
      this.#thirdAt = at;
    }
    this.#age(at, value, window);
    return this.#best;
  }

  /** The best has left the window, or no newer one was noted for a good part of it. */
  #age(at: number, value: number, window: number): void {
    if (at - this.#bestAt > window) {
      this.#promote(at, value);
      if (at - this.#bestAt > window) this.#promote(at, value);
      return;
    }
    if (this.#secondAt === this.#bestAt && at - this.#secondAt > window / 4) {
      this.#second = value;
      this.#secondAt = at;
      this.#third = value;
      this.#thirdAt = at;
      return;
    }
    if (this.#thirdAt === this.#secondAt && at - this.#thirdAt > window / 2) {
      this.#third = value;
      this.#thirdAt = at;
    }
  }

  #promote(at: number, value: number): void {
    this.#best = this.#second;
    this.#bestAt = this.#secondAt;
    this.#second = this.#third;
    this.#secondAt = this.#thirdAt;
    this.#third = value;
    this.#thirdAt = at;
  }
}
