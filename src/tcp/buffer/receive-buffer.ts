/**
 * The receive buffers: `rcvRead` to `rcvNxt` waits for the application, and beyond it lies what arrived out of
 * order, each byte in its place in the ring already, so that a packet's slot is free again at once. `Ranges`
 * says which places are filled. Ring and ranges exist while they hold something.
 */
import type { Segment } from '../segment.ts';
import type { Tcb } from '../tcb.ts';
import { TcbFlag } from '../tcb.ts';
import { Ranges } from './ranges.ts';
import type { RingPool } from './ring-pool.ts';
import { readRing, writeRing } from './ring-pool.ts';

const RANGES_KEPT = 64;

export class ReceiveBuffer {
  readonly #pool: RingPool;
  readonly #rings: (Uint8Array | null)[] = [];
  readonly #ranges: (Ranges | null)[] = [];
  readonly #spare: Ranges[] = [];

  constructor(pool: RingPool) {
    this.#pool = pool;
  }

  open(id: number): void {
    this.#rings[id] = null;
    this.#ranges[id] = null;
  }

  /** Bytes that may be read. */
  readable(tcb: Tcb): number {
    // The peer's FIN is a number, but no byte.
    return ((tcb.rcvNxt - tcb.rcvRead) | 0) - (tcb.has(TcbFlag.FinReceived) ? 1 : 0);
  }

  /** What arrived beyond the gap, or null. */
  ranges(id: number): Ranges | null {
    return this.#ranges[id] as Ranges | null;
  }

  /** Puts `length` bytes of the segment, the first with number `seq`, in their place. False without memory. */
  place(tcb: Tcb, segment: Segment, seq: number, length: number): boolean {
    const ring = this.#ensure(tcb, (seq + length) | 0);
    if (ring === null) return false;
    writeRing(ring, seq, segment.bytes, segment.dataAt + ((seq - segment.dataSeq) | 0), length);
    return true;
  }

  /** Enters `[start, end)` as arrived out of order. False when there are too many gaps. */
  addRange(tcb: Tcb, start: number, end: number): boolean {
    const { id } = tcb;
    let ranges = this.#ranges[id] as Ranges | null;
    if (ranges === null) {
      ranges = this.#spare.pop() ?? new Ranges();
      ranges.clear();
      this.#ranges[id] = ranges;
    }
    return ranges.add(start, end);
  }

  /** Moves `rcvNxt` over what had arrived already. */
  join(tcb: Tcb): void {
    const ranges = this.#ranges[tcb.id] as Ranges;
    tcb.rcvNxt = ranges.take(tcb.rcvNxt);
    if (ranges.count === 0 && !ranges.hasFin) this.dropRanges(tcb.id);
  }

  dropRanges(id: number): void {
    const ranges = this.#ranges[id];
    if (ranges === null || ranges === undefined) return;
    this.#ranges[id] = null;
    if (this.#spare.length < RANGES_KEPT) this.#spare.push(ranges);
  }

  /** Copies up to `end - start` bytes to `into` and takes them out; answers how many. */
  read(tcb: Tcb, into: Uint8Array, start: number, end: number): number {
    const length = this.peek(tcb, into, start, end);
    this.skip(tcb, length);
    return length;
  }

  /** The same, but they stay. */
  peek(tcb: Tcb, into: Uint8Array, start: number, end: number): number {
    const length = Math.min(end - start, this.readable(tcb));
    if (length > 0) readRing(this.#rings[tcb.id] as Uint8Array, tcb.rcvRead, into, start, length);
    return length;
  }

  /** For reading without a copy: the ring, in which `chunkLength` bytes lie together at `chunkAt`. */
  chunk(tcb: Tcb): Uint8Array | null {
    return this.#rings[tcb.id] as Uint8Array | null;
  }

  chunkAt(tcb: Tcb): number {
    const ring = this.#rings[tcb.id] as Uint8Array | null;
    return ring === null ? 0 : tcb.rcvRead & (ring.length - 1);
  }

  chunkLength(tcb: Tcb): number {
    const ring = this.#rings[tcb.id] as Uint8Array | null;
    return ring === null ? 0 : Math.min(this.readable(tcb), ring.length - this.chunkAt(tcb));
  }

  /** Takes `length` bytes out. */
  skip(tcb: Tcb, length: number): void {
    if (length === 0) return;
    tcb.rcvRead = (tcb.rcvRead + length) | 0;
    if (this.readable(tcb) === 0 && this.#ranges[tcb.id] === null) this.#rest(tcb);
  }

  close(id: number): void {
    this.#giveRing(id);
    this.dropRanges(id);
  }

  capacity(id: number): number {
    return this.#rings[id]?.length ?? 0;
  }

  /** RFC 2018 §8: the receiver may go back on what it only SACKed; here for want of memory. */
  prune(tcb: Tcb): void {
    this.dropRanges(tcb.id);
    if (this.readable(tcb) === 0) this.#rest(tcb);
  }

  /** Nothing is left in the ring. */
  #rest(tcb: Tcb): void {
    this.#giveRing(tcb.id);
    tcb.rcvPeakBefore = tcb.rcvPeak;
    tcb.rcvPeak = 0;
  }

  #giveRing(id: number): void {
    const ring = this.#rings[id];
    if (ring === null || ring === undefined) return;
    this.#pool.give(ring);
    this.#rings[id] = null;
  }

  /** A ring that reaches from `rcvRead` to `end`. */
  #ensure(tcb: Tcb, end: number): Uint8Array | null {
    const { id } = tcb;
    const ring = this.#rings[id] as Uint8Array | null;
    const wanted = (end - tcb.rcvRead) | 0;
    if (wanted > tcb.rcvPeak) tcb.rcvPeak = wanted;
    if (ring !== null && wanted <= ring.length) return ring;
    // A ring is given back as soon as it is empty. The next one begins with the size that this one came to, rather
    // than to grow, and to copy, again for every batch.
    const larger =
      ring === null
        ? (this.#pool.take(Math.max(wanted, tcb.rcvPeakBefore)) ?? this.#pool.take(wanted))
        : this.#pool.grow(ring, wanted, tcb.rcvRead, (tcb.rcvRead + ring.length) | 0);
    if (larger !== null) this.#rings[id] = larger;
    return larger;
  }
}
