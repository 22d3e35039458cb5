/**
 * The rows that scoreboards keep their ranges in: one pool per stack, for typed arrays are dear to make and most
 * connections need one or two rows for a moment. There are never more than segments fit into all send buffers.
 */

const ROWS_FIRST = 64;
const NONE = -1;

/** Int32 words of a row. */
export const WORDS = 5;
export const START = 0;
export const END = 1;
export const FLAGS = 2;
/** The next one in order of time; of a free row the next free one. */
export const NEWER = 3;
export const OLDER = 4;

/** Doubles of a row. */
export const NUMBERS = 6;
export const SENT_AT = 0;
export const DELIVERED = 1;
export const DELIVERED_AT = 2;
export const FIRST_SENT_AT = 3;
export const LOST_BEFORE = 4;
export const TX_IN_FLIGHT = 5;

export class SentRows {
  words: Int32Array = new Int32Array(ROWS_FIRST * WORDS);
  numbers: Float64Array = new Float64Array(ROWS_FIRST * NUMBERS);
  /** Rows in use. */
  used = 0;
  #end = 0;
  #free = NONE;

  allocate(): number {
    this.used++;
    const id = this.#free;
    if (id !== NONE) {
      this.#free = this.words[id * WORDS + NEWER] as number;
      return id;
    }
    if ((this.#end + 1) * WORDS > this.words.length) this.#grow();
    return this.#end++;
  }

  release(id: number): void {
    this.used--;
    this.words[id * WORDS + NEWER] = this.#free;
    this.#free = id;
  }

  #grow(): void {
    const words = new Int32Array(this.words.length * 2);
    words.set(this.words);
    this.words = words;
    const numbers = new Float64Array(this.numbers.length * 2);
    numbers.set(this.numbers);
    this.numbers = numbers;
  }
}
