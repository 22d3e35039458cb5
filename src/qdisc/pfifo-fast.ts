/**
 * Three bands, the first before the second before the third: tc's `pfifo_fast`, what Linux gives a device by itself.
 *
 * The band follows from the type-of-service bits of the IP header (RFC 1349 §4, whose low delay and high throughput
 * Linux still honours), by Linux's tables. What is not IP goes with the best effort.
 */
import { Drop } from '../base/drop.ts';
import { Ring } from '../base/ring.ts';
import type { Instant } from '../base/time.ts';
import { NEVER, START } from '../base/time.ts';
import type { Drops } from '../packet/drops.ts';
import type { Packet } from '../packet/packet.ts';
import { TX_QUEUE_PACKETS } from './fifo.ts';
import type { Qdisc, QdiscCounters } from './qdisc.ts';
import { qdiscCounters } from './qdisc.ts';

/** By bits 1 to 4 of the TOS byte: best effort, bulk (throughput), interactive (delay), interactive bulk (both). */
const BAND_BY_TOS = Uint8Array.of(1, 1, 1, 1, 2, 2, 2, 2, 0, 0, 0, 0, 1, 1, 1, 1);
const BEST_EFFORT = 1;

export class PfifoFast implements Qdisc {
  readonly kind = 'pfifo_fast';
  readonly counters: QdiscCounters = qdiscCounters();
  backlogBytes = 0;
  readonly #drops: Drops;
  readonly #bands: readonly Ring<Packet>[];

  /** Each band holds as many packets as the limit says. */
  constructor(drops: Drops, limitPackets: number = TX_QUEUE_PACKETS) {
    this.#drops = drops;
    this.#bands = [
      new Ring<Packet>(limitPackets),
      new Ring<Packet>(limitPackets),
      new Ring<Packet>(limitPackets),
    ];
  }

  get length(): number {
    return this.#band(0).length + this.#band(1).length + this.#band(2).length;
  }

  enqueue(_now: Instant, packet: Packet): Drop {
    const length = packet.length;
    if (!this.#band(bandOf(packet)).push(packet)) {
      this.counters.dropped++;
      return this.#drops.drop(packet, Drop.QdiscFull);
    }
    this.backlogBytes += length;
    return Drop.None;
  }

  dequeue(_now: Instant): Packet | null {
    const packet = this.#shift();
    if (packet === undefined) return null;
    this.counters.sentPackets++;
    this.counters.sentBytes += packet.length;
    return packet;
  }

  nextTimeout(): Instant {
    return this.length > 0 ? START : NEVER;
  }

  purge(): void {
    for (let packet = this.#shift(); packet !== undefined; packet = this.#shift()) {
      this.counters.dropped++;
      this.#drops.drop(packet, Drop.LinkDown);
    }
  }

  #shift(): Packet | undefined {
    const packet = this.#band(0).shift() ?? this.#band(1).shift() ?? this.#band(2).shift();
    if (packet !== undefined) this.backlogBytes -= packet.length;
    return packet;
  }

  #band(i: number): Ring<Packet> {
    return this.#bands[i] as Ring<Packet>;
  }
}

function bandOf(packet: Packet): number {
  const { view, l3 } = packet;
  if (l3 + 2 > packet.tail) return BEST_EFFORT;
  const word = view.getUint16(l3);
  const version = word >>> 12;
  if (version === 4) return BAND_BY_TOS[(word >>> 1) & 0xf] as number;
  if (version === 6) return BAND_BY_TOS[(word >>> 5) & 0xf] as number;
  return BEST_EFFORT;
}
