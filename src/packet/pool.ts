/**
 * A fixed number of packet slots in one arena, handed out last in, first out, so that the memory in use stays
 * the few slots that the cache already holds. The arena is zero pages until a slot is first written.
 */
import { assert } from '../base/assert.ts';
import type { PacketHome } from './packet.ts';
import { Packet, SLOT_BYTES } from './packet.ts';

export class Pool implements PacketHome {
  readonly capacity: number;
  /** Slot `n` begins at byte `n * SLOT_BYTES`. */
  readonly arena: ArrayBuffer;
  /** Every packet by slot number, for native code that speaks of slots. */
  readonly packets: readonly Packet[];
  readonly #free: Packet[];
  #freeCount: number;
  /** The fewest slots that were ever free. */
  lowWater: number;
  /** How often `take` had nothing to give. */
  exhausted = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.arena = new ArrayBuffer(capacity * SLOT_BYTES);
    this.packets = Array.from(
      { length: capacity },
      (_, slot) => new Packet(this, slot, this.arena, slot * SLOT_BYTES),
    );
    this.#free = [...this.packets].reverse();
    this.#freeCount = capacity;
    this.lowWater = capacity;
  }

  /** How many slots are free: equal to `capacity` when nothing leaked. */
  get available(): number {
    return this.#freeCount;
  }

  /** An empty packet, or null when all slots are in use: the caller drops with `Drop.NoSlot`. */
  take(): Packet | null {
    if (this.#freeCount === 0) {
      this.exhausted++;
      return null;
    }
    const packet = this.#free[--this.#freeCount] as Packet;
    if (this.#freeCount < this.lowWater) this.lowWater = this.#freeCount;
    packet.isFree = false;
    packet.reset();
    return packet;
  }

  put(packet: Packet): void {
    assert(!packet.isFree, 'a packet is released once');
    packet.isFree = true;
    this.#free[this.#freeCount++] = packet;
  }
}
