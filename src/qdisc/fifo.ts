/**
 * First in, first out, and what does not fit is dropped at the tail: tc's `pfifo`, which counts packets, and `bfifo`,
 * which counts bytes.
 */
import { Drop } from '../base/drop.ts';
import { Ring } from '../base/ring.ts';
import type { Instant } from '../base/time.ts';
import { NEVER, START } from '../base/time.ts';
import type { Drops } from '../packet/drops.ts';
import type { Packet } from '../packet/packet.ts';
import type { Qdisc, QdiscCounters } from './qdisc.ts';
import { qdiscCounters } from './qdisc.ts';

/** Linux's default `txqueuelen`. */
export const TX_QUEUE_PACKETS = 1_000;
/** The same in bytes: full frames of 1,514. */
const LIMIT_BYTES = TX_QUEUE_PACKETS * 1_514;
/** No frame on Ethernet is shorter: so many fit a limit in bytes. */
const FRAME_MIN_BYTES = 60;

/** What both are: a ring with two limits. */
class Fifo implements Qdisc {
  readonly kind: string;
  readonly counters: QdiscCounters = qdiscCounters();
  backlogBytes = 0;
  readonly #drops: Drops;
  readonly #ring: Ring<Packet>;
  readonly #limitBytes: number;

  constructor(kind: string, drops: Drops, limitPackets: number, limitBytes: number) {
    this.kind = kind;
    this.#drops = drops;
    this.#ring = new Ring<Packet>(limitPackets);
    this.#limitBytes = limitBytes;
  }

  get length(): number {
    return this.#ring.length;
  }

  enqueue(_now: Instant, packet: Packet): Drop {
    const length = packet.length;
    if (this.backlogBytes + length > this.#limitBytes || !this.#ring.push(packet)) {
      this.counters.dropped++;
      return this.#drops.drop(packet, Drop.QdiscFull);
    }
    this.backlogBytes += length;
    return Drop.None;
  }

  dequeue(_now: Instant): Packet | null {
    const packet = this.#ring.shift();
    if (packet === undefined) return null;
    this.backlogBytes -= packet.length;
    this.counters.sentPackets++;
    this.counters.sentBytes += packet.length;
    return packet;
  }

  nextTimeout(): Instant {
    return this.#ring.length > 0 ? START : NEVER;
  }

  purge(): void {
    for (let packet = this.#ring.shift(); packet !== undefined; packet = this.#ring.shift()) {
      this.counters.dropped++;
      this.#drops.drop(packet, Drop.LinkDown);
    }
    this.backlogBytes = 0;
  }
}

/** `pfifo limit PACKETS`. */
export class Pfifo extends Fifo {
  constructor(drops: Drops, limitPackets: number = TX_QUEUE_PACKETS) {
    super('pfifo', drops, limitPackets, Number.POSITIVE_INFINITY);
  }
}

/** `bfifo limit BYTES`. */
export class Bfifo extends Fifo {
  constructor(drops: Drops, limitBytes: number = LIMIT_BYTES) {
    super('bfifo', drops, Math.max(1, Math.ceil(limitBytes / FRAME_MIN_BYTES)), limitBytes);
  }
}
