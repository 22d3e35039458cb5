/**
 * A network segment in memory: a cable with any number of ends, or a learning switch. What one port transmits waits
 * at the others until their `receive`.
 *
 *     port 0 ──┐
 *     port 1 ──┼── segment ── who has this link address? that port, else all others
 *     port 2 ──┘      └ barriers: pairs of ports that do not hear each other
 *
 * A frame for one other port moves without a copy, as through a pair; copies for several come from the segment's own
 * pool. What is lost here is lost on the wire: the sender is not told.
 */
import type { Mac } from '../addr/mac.ts';
import { Drop } from '../base/drop.ts';
import { Ring } from '../base/ring.ts';
import type { Instant } from '../base/time.ts';
import { NEVER, START } from '../base/time.ts';
import type {
  DeviceCounters,
  DeviceFeatures,
  FrameReceiver,
  Medium,
  NetDevice,
} from '../device/net-device.ts';
import { deviceCounters, FULL_OFFLOAD } from '../device/net-device.ts';
import { admit, enterFromMemory } from '../device/offload.ts';
import type { Drops } from '../packet/drops.ts';
import type { Packet } from '../packet/packet.ts';
import type { Pool } from '../packet/pool.ts';
import * as ethernet from '../wire/ethernet.ts';

const ETHERNET_MTU = 1_500;
/** As the transmit queue of a Linux Ethernet device. */
const QUEUE_MAX_PACKETS = 1_000;
/** Link addresses that a switch knows; beyond it frames go everywhere. */
const LEARNED_MAX = 1_024;

export interface SegmentOptions {
  /** For copies, where a frame goes to several ports. */
  readonly pool: Pool;
  /** For frames that no port takes. */
  readonly drops: Drops;
  readonly medium?: Medium;
  readonly mtu?: number;
  /** What the ports take on transmit: everything, unless said otherwise. */
  readonly features?: DeviceFeatures;
  /** A switch remembers where a link address was seen; a hub does not. */
  readonly isLearning?: boolean;
  readonly queueMaxPackets?: number;
}

export class Segment {
  readonly options: SegmentOptions;
  readonly #ports: SegmentPort[] = [];
  /** Ports by link address, as one number. */
  readonly #learned = new Map<number, SegmentPort>();
  readonly #barriers = new Set<string>();
  #attached = 0;

  constructor(options: SegmentOptions) {
    this.options = options;
  }

  get ports(): readonly SegmentPort[] {
    return this.#ports;
  }

  /** A new port; what it refuses goes to `drops`. */
  attach(name: string, mac: Mac | null, drops: Drops): SegmentPort {
    const port = new SegmentPort(this, this.#attached++, name, mac, drops);
    this.#ports.push(port);
    return port;
  }

  detach(port: SegmentPort): void {
    const at = this.#ports.indexOf(port);
    if (at >= 0) this.#ports.splice(at, 1);
    for (const [mac, owner] of this.#learned) if (owner === port) this.#learned.delete(mac);
    this.heal(port);
  }

  /** From now on `a` and `b` do not hear each other. */
  cut(a: SegmentPort, b: SegmentPort): void {
    this.#barriers.add(`${a.number} ${b.number}`);
    this.#barriers.add(`${b.number} ${a.number}`);
    // A real switch ages its addresses out; here the new path is found at once.
    this.#learned.clear();
  }

  /** `port` hears everybody again. */
  heal(port: SegmentPort): void {
    for (const other of this.#ports) this.join(port, other);
  }

  /** Undoes `cut`. */
  join(a: SegmentPort, b: SegmentPort): void {
    this.#barriers.delete(`${a.number} ${b.number}`);
    this.#barriers.delete(`${b.number} ${a.number}`);
  }

  /** Takes ownership of a frame that comes from none of the ports, such as an attacker's. */
  inject(packet: Packet): void {
    this.#carry(packet, null, null);
  }

  /** Takes ownership of a frame that `from` was given to transmit. */
  handleFrame(packet: Packet, from: SegmentPort): void {
    let to: SegmentPort | null = null;
    if (this.options.isLearning === true && from.medium === 'ethernet') {
      this.#learn(packet, from);
      to = this.#learned.get(macAt(packet, packet.head)) ?? null;
      if (to === from) {
        this.options.drops.drop(packet, Drop.NotForUs);
        return;
      }
    }
    this.#carry(packet, from, to);
  }

  /** To `only`, or to everybody but `from`. */
  #carry(packet: Packet, from: SegmentPort | null, only: SegmentPort | null): void {
    const { pool, drops } = this.options;
    let last: SegmentPort | null = null;
    for (const port of this.#ports) {
      if (port === from || (only !== null && port !== only)) continue;
      if (from !== null && this.#isCut(from, port)) continue;
      if (last !== null) {
        const copy = pool.take();
        if (copy === null) {
          drops.count(Drop.NoSlot);
        } else {
          packet.copyTo(copy);
          last.arrive(copy);
        }
      }
      last = port;
    }
    if (last === null) drops.drop(packet, Drop.LinkDown);
    else last.arrive(packet);
  }

  #isCut(a: SegmentPort, b: SegmentPort): boolean {
    return this.#barriers.size > 0 && this.#barriers.has(`${a.number} ${b.number}`);
  }

  #learn(packet: Packet, from: SegmentPort): void {
    if (packet.length < ethernet.HEADER_BYTES) return;
    const { view, head } = packet;
    if ((ethernet.srcHi(view, head) & 0x0100) !== 0) return;
    const mac = macAt(packet, head + 6);
    if (this.#learned.size < LEARNED_MAX || this.#learned.has(mac)) this.#learned.set(mac, from);
  }
}

function macAt(packet: Packet, at: number): number {
  return packet.view.getUint16(at) * 0x1_0000_0000 + packet.view.getUint32(at + 2);
}

/** One port of a segment, as a device. */
export class SegmentPort implements NetDevice {
  readonly name: string;
  /** No other port of the segment has it or had it. */
  readonly number: number;
  index = 0;
  readonly medium: Medium;
  readonly mac: Mac | null;
  mtu: number;
  readonly features: DeviceFeatures;
  readonly counters: DeviceCounters = deviceCounters();
  isUp = true;
  readonly isStopped: boolean = false;
  receiver: FrameReceiver | null = null;
  /** Told that a frame waits where none did. */
  onArrival: (() => void) | null = null;
  readonly #segment: Segment;
  readonly #drops: Drops;
  readonly #arrived: Ring<Packet>;

  constructor(segment: Segment, number: number, name: string, mac: Mac | null, drops: Drops) {
    const { options } = segment;
    this.#segment = segment;
    this.number = number;
    this.#drops = drops;
    this.name = name;
    this.medium = options.medium ?? 'ethernet';
    this.mac = this.medium === 'ethernet' ? mac : null;
    this.mtu = options.mtu ?? ETHERNET_MTU;
    this.features = options.features ?? FULL_OFFLOAD;
    this.#arrived = new Ring<Packet>(options.queueMaxPackets ?? QUEUE_MAX_PACKETS);
  }

  /** Frames that wait. */
  get length(): number {
    return this.#arrived.length;
  }

  /** The segment's: takes ownership of a frame that came this way. */
  arrive(packet: Packet): void {
    if (!this.isUp) {
      this.#dropIn(packet, Drop.LinkDown);
    } else if (!this.#arrived.push(packet)) {
      this.#dropIn(packet, Drop.LinkQueueFull);
    } else if (this.#arrived.length === 1 && this.onArrival !== null) {
      this.onArrival();
    }
  }

  receive(now: Instant, budget: number): number {
    if (!this.isUp) this.#purge();
    const count = Math.min(budget, this.#arrived.length);
    let handed = 0;
    for (let i = 0; i < count; i++) handed += this.#deliver(now, this.#arrived.shift() as Packet);
    return handed;
  }

  transmit(_now: Instant, packet: Packet): Drop {
    const refusal = admit(this, packet);
    if (refusal !== Drop.None) {
      this.counters.txDropped++;
      return this.#drops.drop(packet, refusal);
    }
    this.counters.txPackets++;
    this.counters.txBytes += packet.length;
    this.#segment.handleFrame(packet, this);
    return Drop.None;
  }

  flush(_now: Instant): void {}

  nextTimeout(): Instant {
    return this.#arrived.length > 0 ? START : NEVER;
  }

  handleTimeout(_now: Instant): void {}

  close(): void {
    this.isUp = false;
    this.#purge();
    this.onArrival = null;
    this.#segment.detach(this);
  }

  #deliver(now: Instant, packet: Packet): number {
    if (this.receiver === null) {
      this.#dropIn(packet, Drop.NoReceiver);
      return 0;
    }
    enterFromMemory(packet, this.medium);
    packet.mark = 0;
    packet.hash = 0;
    packet.conn = 0;
    packet.device = this.index;
    packet.receivedAt = now;
    this.counters.rxPackets++;
    this.counters.rxBytes += packet.length;
    this.receiver.handleFrame(now, packet);
    return 1;
  }

  #purge(): void {
    for (let packet = this.#arrived.shift(); packet !== undefined; packet = this.#arrived.shift())
      this.#dropIn(packet, Drop.LinkDown);
  }

  #dropIn(packet: Packet, reason: Drop): void {
    this.counters.rxDropped++;
    this.#drops.drop(packet, reason);
  }
}
