/**
 * Datagrams that sockets have sent and that are routed already: they leave at the next step of the turn.
 *
 * A socket has no clock, and everything from the neighbour table on needs one; between them lies this queue. It
 * never overflows, because every datagram in it occupies a slot of the one pool.
 */
import { assert } from '../base/assert.ts';
import type { Instant } from '../base/time.ts';
import type { Ip4Output } from '../ip/output.ts';
import type { Packet } from '../packet/packet.ts';
import type { NextHop } from '../route/nexthop.ts';

export class Outbox {
  readonly #packets: (Packet | null)[];
  readonly #hops: (NextHop | null)[];
  readonly #mtus: Int32Array;
  readonly #capacity: number;
  #head = 0;
  #length = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
    this.#packets = new Array<Packet | null>(capacity).fill(null);
    this.#hops = new Array<NextHop | null>(capacity).fill(null);
    this.#mtus = new Int32Array(capacity);
  }

  get length(): number {
    return this.#length;
  }

  push(packet: Packet, hop: NextHop, mtu: number): void {
    assert(this.#length < this.#capacity, 'the outbox holds as many packets as the pool has');
    let at = this.#head + this.#length;
    if (at >= this.#capacity) at -= this.#capacity;
    this.#packets[at] = packet;
    this.#hops[at] = hop;
    this.#mtus[at] = mtu;
    this.#length++;
  }

  drain(now: Instant, output: Ip4Output): void {
    while (this.#length > 0) {
      const at = this.#head;
      const packet = this.#packets[at] as Packet;
      const hop = this.#hops[at] as NextHop;
      this.#packets[at] = null;
      this.#hops[at] = null;
      this.#head = at + 1 === this.#capacity ? 0 : at + 1;
      this.#length--;
      output.sendRouted(now, packet, hop, this.#mtus[at] as number);
    }
  }
}
