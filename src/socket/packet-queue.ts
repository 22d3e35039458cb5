/**
 * A first-in first-out queue of packets that grows by doubling: most sockets never hold more than a few, and a
 * ring for the largest allowed number in each of them would cost more than all their packets.
 */
import type { Packet } from '../packet/packet.ts';

const CAPACITY_MIN = 8;

export class PacketQueue {
  #ring: (Packet | null)[] = [];
  #head = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(packet: Packet): void {
    if (this.#length === this.#ring.length) this.#grow();
    this.#ring[(this.#head + this.#length) & (this.#ring.length - 1)] = packet;
    this.#length++;
  }

  shift(): Packet | null {
    if (this.#length === 0) return null;
    const packet = this.#ring[this.#head] as Packet;
    this.#ring[this.#head] = null;
    this.#head = (this.#head + 1) & (this.#ring.length - 1);
    this.#length--;
    return packet;
  }

  /** The oldest one, left where it is. */
  peek(): Packet | null {
    return this.#length === 0 ? null : (this.#ring[this.#head] as Packet);
  }

  #grow(): void {
    const larger = new Array<Packet | null>(Math.max(CAPACITY_MIN, this.#ring.length * 2)).fill(null);
    for (let i = 0; i < this.#length; i++) {
      larger[i] = this.#ring[(this.#head + i) & (this.#ring.length - 1)] as Packet;
    }
    this.#ring = larger;
    this.#head = 0;
  }
}
