/**
 * The send buffers: what the application wrote and the peer has not acknowledged, `sndUna` to `sndEnd`, in a ring
 * that exists while there is something in it. Retransmission reads the ring, so no packet is kept.
 */
import type { Recovery } from '../recovery-port.ts';
import type { Tcb } from '../tcb.ts';
import type { RingPool } from './ring-pool.ts';
import { RING_BYTES_MAX, readRing, writeRing } from './ring-pool.ts';
import { isWriteable, sendSpace } from './send-space.ts';

export class SendBuffer {
  readonly #pool: RingPool;
  /** By connection. */
  readonly #rings: (Uint8Array | null)[] = [];

  constructor(pool: RingPool) {
    this.#pool = pool;
  }

  /** Makes room for connection `id`. */
  open(id: number): void {
    this.#rings[id] = null;
  }

  /** Bytes written and not acknowledged. */
  used(tcb: Tcb): number {
    return Math.max(0, (tcb.sndEnd - dataStart(tcb)) | 0);
  }

  /** How many bytes may be written; `recovery` is the connection's. */
  room(tcb: Tcb, recovery: Recovery | null): number {
    const used = this.used(tcb);
    return Math.min(sendSpace(tcb, used, recovery), Math.max(0, RING_BYTES_MAX - used));
  }

  /** Whether there is enough room again for who waits for it. */
  isWriteable(tcb: Tcb): boolean {
    return isWriteable(tcb, this.used(tcb));
  }

  /** Appends as much of `bytes` as there is room and memory for; answers how much. */
  write(tcb: Tcb, recovery: Recovery | null, bytes: Uint8Array, start: number, end: number): number {
    const length = this.#ensure(tcb, Math.min(end - start, this.room(tcb, recovery)));
    if (length === 0) return 0;
    writeRing(this.#rings[tcb.id] as Uint8Array, tcb.sndEnd, bytes, start, length);
    tcb.sndEnd = (tcb.sndEnd + length) | 0;
    return length;
  }

  /** Copies `length` bytes from sequence number `seq` on to `into`. */
  read(tcb: Tcb, seq: number, into: Uint8Array, at: number, length: number): void {
    readRing(this.#rings[tcb.id] as Uint8Array, seq, into, at, length);
  }

  /** Gives the ring back when everything has been acknowledged. */
  trim(tcb: Tcb): void {
    if (((tcb.sndEnd - tcb.sndUna) | 0) <= 0) this.close(tcb.id);
  }

  close(id: number): void {
    const ring = this.#rings[id];
    if (ring === null || ring === undefined) return;
    this.#pool.give(ring);
    this.#rings[id] = null;
  }

  /** Memory of connection `id`. */
  capacity(id: number): number {
    return this.#rings[id]?.length ?? 0;
  }

  /** A ring that holds `length` bytes more; answers how many of them it does. */
  #ensure(tcb: Tcb, length: number): number {
    const { id } = tcb;
    const used = this.used(tcb);
    const ring = this.#rings[id] as Uint8Array | null;
    const capacity = ring === null ? 0 : ring.length;
    if (used + length <= capacity) return length;
    const larger =
      ring === null
        ? this.#pool.take(length)
        : this.#pool.grow(ring, used + length, dataStart(tcb), tcb.sndEnd);
    if (larger === null) return capacity - used;
    this.#rings[id] = larger;
    return length;
  }
}

/** Before our SYN is acknowledged sndUna is its number, which is no byte. */
function dataStart(tcb: Tcb): number {
  return tcb.sndUna === tcb.iss ? (tcb.iss + 1) | 0 : tcb.sndUna;
}
