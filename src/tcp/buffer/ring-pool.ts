/**
 * Memory for the streams: rings of bytes whose size is a power of two, handed out by size, used again, and
 * bounded for the whole stack (`net.ipv4.tcp_mem`).
 *
 * A byte with sequence number `seq` lies at `seq & (size - 1)`: 2^32 is a multiple of every size, so that the
 * place of a byte depends on nothing else, and a ring has neither head nor tail.
 */
import { copyBytes } from '../../base/bytes.ts';

export const RING_BYTES_MIN = 2_048;
export const RING_BYTES_MAX: number = 1 << 24;
const SIZES = 14;

/** Of the limit: beyond it buffers are not tuned up any more. */
const PRESSURE = 0.75;

export class RingPool {
  /** Bytes in rings that are in use. */
  used = 0;
  limit: number;
  /** Bytes kept for the next one; more is left to the collector. */
  readonly #cacheMax: number;
  #cached = 0;
  readonly #free: Uint8Array[][] = Array.from({ length: SIZES }, () => []);

  constructor(limit: number, cacheMax: number) {
    this.limit = limit;
    this.#cacheMax = cacheMax;
  }

  get isUnderPressure(): boolean {
    return this.used > this.limit * PRESSURE;
  }

  /** A ring of at least `bytes`, or null at the limit. */
  take(bytes: number): Uint8Array | null {
    if (bytes > RING_BYTES_MAX) return null;
    const index = sizeIndex(bytes);
    const size = RING_BYTES_MIN << index;
    if (this.used + size > this.limit) return null;
    this.used += size;
    const ring = (this.#free[index] as Uint8Array[]).pop();
    if (ring === undefined) return new Uint8Array(size);
    this.#cached -= size;
    return ring;
  }

  give(ring: Uint8Array): void {
    this.used -= ring.length;
    if (this.#cached + ring.length > this.#cacheMax) return;
    this.#cached += ring.length;
    (this.#free[sizeIndex(ring.length)] as Uint8Array[]).push(ring);
  }

  /** A ring of at least `bytes` in place of `old`, with the bytes `start` to `end`; null at the limit. */
  grow(old: Uint8Array, bytes: number, start: number, end: number): Uint8Array | null {
    const ring = this.take(bytes);
    if (ring === null) return null;
    const length = (end - start) | 0;
    const from = start & (old.length - 1);
    const first = Math.min(length, old.length - from);
    writeRing(ring, start, old, from, first);
    if (length > first) writeRing(ring, (start + first) | 0, old, 0, length - first);
    this.give(old);
    return ring;
  }
}

/** Puts `length` bytes of `source` from `from` on to the places of `seq` and after. */
export function writeRing(
  ring: Uint8Array,
  seq: number,
  source: Uint8Array,
  from: number,
  length: number,
): void {
  const at = seq & (ring.length - 1);
  const first = Math.min(length, ring.length - at);
  copyBytes(ring, at, source, from, first);
  if (length > first) copyBytes(ring, 0, source, from + first, length - first);
}

/** Copies `length` bytes from the place of `seq` on. */
export function readRing(ring: Uint8Array, seq: number, into: Uint8Array, to: number, length: number): void {
  const at = seq & (ring.length - 1);
  const first = Math.min(length, ring.length - at);
  copyBytes(into, to, ring, at, first);
  if (length > first) copyBytes(into, to + first, ring, 0, length - first);
}

function sizeIndex(bytes: number): number {
  return bytes <= RING_BYTES_MIN ? 0 : 21 - Math.clz32(bytes - 1);
}
