/**
 * What was sent, so that what arrives can be judged: every payload can be made again from its number, and so is
 * compared byte by byte, whatever checksums say.
 *
 *     | number | length | bytes that follow from the number … |
 */

/** Payloads from here on are sent in fragments where the MTU is the smallest that there is. */
const FRAGMENTED_BYTES = 260;

/** Number and length. */
export const TAG_BYTES = 8;

export interface Entry {
  readonly id: number;
  readonly from: string;
  /** Address and port it was sent to; for an echo request port 0. */
  readonly address: number;
  readonly port: number;
  readonly length: number;
  delivered: number;
}

export class Ledger {
  readonly #entries = new Map<number, Entry>();
  #next = 1;
  delivered = 0;
  /**
   * How many damaged datagrams are excused. Where links flip bits, those in two fragments of one datagram, or in its
   * ports, may cancel each other, and no 16-bit sum can see that; but it is rare, and happens to none that is whole.
   */
  excuses = 0;

  get sent(): number {
    return this.#next - 1;
  }

  /** Notes a datagram that is about to be sent, and writes its payload. */
  write(into: Uint8Array, length: number, from: string, address: number, port: number): Entry {
    const entry = { id: this.#next++, from, address, port, length, delivered: 0 };
    this.#entries.set(entry.id, entry);
    fill(into, length, entry.id);
    return entry;
  }

  /** It was refused, and never left. */
  forget(entry: Entry): void {
    this.#entries.delete(entry.id);
  }

  /** The entry that `bytes` from `start` to `end` are the payload of; or what is wrong with them; null if excused. */
  read(bytes: Uint8Array, start: number, end: number): Entry | string | null {
    const entry = this.#find(bytes, start, end - start);
    if (typeof entry === 'string') {
      if (this.excuses === 0 || end - start < FRAGMENTED_BYTES) return entry;
      this.excuses--;
      return null;
    }
    entry.delivered++;
    this.delivered++;
    return entry;
  }

  #find(bytes: Uint8Array, start: number, length: number): Entry | string {
    if (length < TAG_BYTES) return `a payload of ${length} bytes, which nobody sends`;
    const id = word(bytes, start);
    const entry = this.#entries.get(id);
    if (entry === undefined) return `payload ${id >>> 0} of ${length} bytes, which nobody has sent`;
    const what = `payload ${id} of ${length} bytes`;
    if (entry.length !== length) return `${what} was sent with ${entry.length}`;
    const wrong = firstDifference(bytes, start, length, id);
    return wrong < 0 ? entry : `${what} is damaged at byte ${wrong}`;
  }
}

function word(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) << 24) |
    ((bytes[at + 1] as number) << 16) |
    ((bytes[at + 2] as number) << 8) |
    (bytes[at + 3] as number)
  );
}

/** The bytes of a payload differ from their neighbours and from those of other payloads at the same place. */
function octet(id: number, i: number): number {
  return (Math.imul(id + 1, 0x9e3779b1) >>> 24) ^ Math.imul(i, 0x9d) ^ (i >>> 8);
}

function fill(into: Uint8Array, length: number, id: number): void {
  for (let i = 0; i < 4; i++) into[i] = id >>> (24 - 8 * i);
  for (let i = 0; i < 4; i++) into[4 + i] = length >>> (24 - 8 * i);
  for (let i = TAG_BYTES; i < length; i++) into[i] = octet(id, i);
}

function firstDifference(bytes: Uint8Array, start: number, length: number, id: number): number {
  if (word(bytes, start + 4) !== length) return 4;
  for (let i = TAG_BYTES; i < length; i++) {
    if (bytes[start + i] !== (octet(id, i) & 0xff)) return i;
  }
  return -1;
}
