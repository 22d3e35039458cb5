/**
 * Which parts of a datagram have arrived: one bit for every eight bytes, since fragments begin at multiples of eight
 * (RFC 791 §3.1; RFC 8200 §4.5 alike), so both families' reassembly can use it.
 *
 * A bit map in place of RFC 815's list of holes: a kilobyte, whatever the order of arrival, so that no sequence of
 * fragments makes it grow or slow.
 */

const BITS = 65_536 / 8;

export type Presence = 'none' | 'some' | 'all';

export class FragmentMap {
  readonly #words = new Int32Array(BITS / 32);
  /** Words from here on are zero: clearing costs what was used. */
  #used = 0;
  /** How many blocks of eight bytes are there. */
  blocks = 0;

  clear(): void {
    this.#words.fill(0, 0, this.#used);
    this.#used = 0;
    this.blocks = 0;
  }

  /** Marks the blocks that bytes [start, end) touch; `start` is a multiple of eight, and none was marked before. */
  add(start: number, end: number): void {
    const first = start >>> 3;
    const last = (end - 1) >>> 3;
    for (let w = first >>> 5; w <= last >>> 5; w++) {
      this.#words[w] = (this.#words[w] as number) | mask(w, first, last);
    }
    this.blocks += last - first + 1;
    const used = (last >>> 5) + 1;
    if (used > this.#used) this.#used = used;
  }

  /** How much of the blocks that bytes [start, end) touch is there already. */
  presence(start: number, end: number): Presence {
    const first = start >>> 3;
    const last = (end - 1) >>> 3;
    let isAny = false;
    let isAll = true;
    for (let w = first >>> 5; w <= last >>> 5; w++) {
      const wanted = mask(w, first, last);
      const found = (this.#words[w] as number) & wanted;
      if (found !== 0) isAny = true;
      if (found !== wanted) isAll = false;
    }
    if (!isAny) return 'none';
    return isAll ? 'all' : 'some';
  }

  /** Whether everything in [0, length) is there, given that nothing beyond it was ever added. */
  isComplete(length: number): boolean {
    return this.blocks === (length + 7) >>> 3;
  }
}

/** Of word `w` the bits that belong to the blocks from `first` to `last`. */
function mask(w: number, first: number, last: number): number {
  const low = w === first >>> 5 ? -1 << (first & 31) : -1;
  const high = w === last >>> 5 ? -1 >>> (31 - (last & 31)) : -1;
  return low & high;
}
