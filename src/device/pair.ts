/**
 * Two devices joined back to back in memory: what veth is to the kernel. What one end transmits waits at the
 * other until its `receive`.
 *
 *     a.transmit -> [ring] -> b.receive
 *     a.receive  <- [ring] <- b.transmit
 *
 * The packet itself moves, without a copy: it may come from the pool of one stack and be released by another,
 * and goes home to the pool it came from.
 */
import { Mac } from '../addr/mac.ts';
import { Drop } from '../base/drop.ts';
import { Ring } from '../base/ring.ts';
import type { Instant } from '../base/time.ts';
import { NEVER, START } from '../base/time.ts';
import { Drops } from '../packet/drops.ts';
import type { Packet } from '../packet/packet.ts';
import type { DeviceCounters, DeviceFeatures, FrameReceiver, Medium, NetDevice } from './net-device.ts';
import { deviceCounters, FULL_OFFLOAD } from './net-device.ts';
import { admit, enterFromMemory } from './offload.ts';

const ETHERNET_MTU = 1_500;
/** As the transmit queue of a Linux Ethernet device. */
const QUEUE_MAX_PACKETS = 1_000;

export interface PairOptions {
  readonly medium?: Medium;
  readonly mtu?: number;
  /** What both ends take on transmit; everything, unless said otherwise, as veth does. */
  readonly features?: DeviceFeatures;
  /** Link addresses of the two ends; made from the names, unless given. */
  readonly macs?: readonly [Mac, Mac];
  /** Where each end drops; one of their own, unless given. */
  readonly drops?: readonly [Drops, Drops];
  readonly queueMaxPackets?: number;
}

export function pair(nameA: string, nameB: string, options: PairOptions = {}): [PairEnd, PairEnd] {
  const shared = new Drops();
  const hasMac = (options.medium ?? 'ethernet') === 'ethernet';
  const macs = options.macs ?? [macFromName(`${nameA}-${nameB}-a`), macFromName(`${nameA}-${nameB}-b`)];
  const a = new PairEnd(nameA, hasMac ? macs[0] : null, options.drops?.[0] ?? shared, options);
  const b = new PairEnd(nameB, hasMac ? macs[1] : null, options.drops?.[1] ?? shared, options);
  a.peer = b;
  b.peer = a;
  return [a, b];
}

/** One end of a pair. */
export class PairEnd implements NetDevice {
  readonly name: string;
  index = 0;
  readonly medium: Medium;
  readonly mac: Mac | null;
  mtu: number;
  readonly features: DeviceFeatures;
  readonly counters: DeviceCounters = deviceCounters();
  isUp = true;
  readonly isStopped: boolean = false;
  receiver: FrameReceiver | null = null;
  /** Null before the ends are joined, and once either is closed. */
  peer: PairEnd | null = null;

  readonly #drops: Drops;
  readonly #arrived: Ring<Packet>;

  constructor(name: string, mac: Mac | null, drops: Drops, options: PairOptions) {
    this.name = name;
    this.mac = mac;
    this.medium = options.medium ?? 'ethernet';
    this.mtu = options.mtu ?? ETHERNET_MTU;
    this.features = options.features ?? FULL_OFFLOAD;
    this.#drops = drops;
    this.#arrived = new Ring<Packet>(options.queueMaxPackets ?? QUEUE_MAX_PACKETS);
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
    if (refusal !== Drop.None) return this.#dropOut(packet, refusal);
    const peer = this.peer;
    if (peer === null || !peer.isUp) return this.#dropOut(packet, Drop.LinkDown);
    if (!peer.#arrived.push(packet)) return this.#dropOut(packet, Drop.LinkQueueFull);
    this.counters.txPackets++;
    this.counters.txBytes += packet.length;
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
    if (this.peer !== null) this.peer.peer = null;
    this.peer = null;
  }

  #deliver(now: Instant, packet: Packet): number {
    if (this.receiver === null) {
      this.counters.rxDropped++;
      this.#drops.drop(packet, Drop.NoReceiver);
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
    for (let packet = this.#arrived.shift(); packet !== undefined; packet = this.#arrived.shift()) {
      this.counters.rxDropped++;
      this.#drops.drop(packet, Drop.LinkDown);
    }
  }

  #dropOut(packet: Packet, reason: Drop): Drop {
    this.counters.txDropped++;
    return this.#drops.drop(packet, reason);
  }
}

/** A locally administered unicast address that depends on the name only (FNV-1a). */
function macFromName(name: string): Mac {
  let h = 0x811c9dc5 | 0;
  for (let i = 0; i < name.length; i++) h = Math.imul(h ^ name.charCodeAt(i), 0x01000193);
  return new Mac(0x0200 | ((h >>> 24) & 0xff), Math.imul(h, 0x9e3779b1));
}
