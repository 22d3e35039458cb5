/**
 * The loopback device, `lo`: what is transmitted is received at the next `receive`, in order.
 *
 * It takes every offload: a super-segment comes back whole, and a partial checksum needs no completing, as it
 * never meets a wire (RFC 1122 §3.2.1.3 (g) keeps 127/8 inside the host). Marks and connection entries survive
 * the way, as it is one stack at both ends.
 */
import { Drop } from '../base/drop.ts';
import { Ring } from '../base/ring.ts';
import type { Instant } from '../base/time.ts';
import { NEVER, START } from '../base/time.ts';
import type { Drops } from '../packet/drops.ts';
import type { Packet } from '../packet/packet.ts';
import { PacketFlag } from '../packet/packet.ts';
import type { DeviceCounters, DeviceFeatures, FrameReceiver, Medium, NetDevice } from './net-device.ts';
import { deviceCounters, FULL_OFFLOAD } from './net-device.ts';
import { admit, enterFromMemory } from './offload.ts';

const LOOPBACK_MTU = 65_536;
/** As Linux's `netdev_max_backlog`, through which its loopback passes. */
const QUEUE_MAX_PACKETS = 1_000;

export interface LoopbackOptions {
  readonly name?: string;
  readonly queueMaxPackets?: number;
}

export class LoopbackDevice implements NetDevice {
  readonly name: string;
  index = 0;
  readonly medium: Medium = 'ip';
  readonly mac: null = null;
  mtu: number = LOOPBACK_MTU;
  readonly features: DeviceFeatures = FULL_OFFLOAD;
  readonly counters: DeviceCounters = deviceCounters();
  isUp = true;
  readonly isStopped: boolean = false;
  receiver: FrameReceiver | null = null;

  readonly #drops: Drops;
  readonly #queue: Ring<Packet>;

  constructor(drops: Drops, options: LoopbackOptions = {}) {
    this.#drops = drops;
    this.name = options.name ?? 'lo';
    this.#queue = new Ring<Packet>(options.queueMaxPackets ?? QUEUE_MAX_PACKETS);
  }

  receive(now: Instant, budget: number): number {
    if (!this.isUp) this.#purge();
    // Only what waits now: the answers that its handling makes are for the next turn.
    const count = Math.min(budget, this.#queue.length);
    let handed = 0;
    for (let i = 0; i < count; i++) handed += this.#deliver(now, this.#queue.shift() as Packet);
    return handed;
  }

  transmit(_now: Instant, packet: Packet): Drop {
    const refusal = admit(this, packet);
    if (refusal !== Drop.None) return this.#dropOut(packet, refusal);
    if (!this.#queue.push(packet)) return this.#dropOut(packet, Drop.LinkQueueFull);
    this.counters.txPackets++;
    this.counters.txBytes += packet.length;
    return Drop.None;
  }

  flush(_now: Instant): void {}

  nextTimeout(): Instant {
    return this.#queue.length > 0 ? START : NEVER;
  }

  handleTimeout(_now: Instant): void {}

  close(): void {
    this.isUp = false;
    this.#purge();
  }

  #deliver(now: Instant, packet: Packet): number {
    if (this.receiver === null) {
      this.counters.rxDropped++;
      this.#drops.drop(packet, Drop.NoReceiver);
      return 0;
    }
    enterFromMemory(packet, this.medium);
    packet.flags |= PacketFlag.Loopback;
    // A copy of what was sent to a group is taken for one that came in where the original went out (RFC 1112 §6.1).
    if (packet.device === 0) packet.device = this.index;
    packet.receivedAt = now;
    this.counters.rxPackets++;
    this.counters.rxBytes += packet.length;
    this.receiver.handleFrame(now, packet);
    return 1;
  }

  #purge(): void {
    for (let packet = this.#queue.shift(); packet !== undefined; packet = this.#queue.shift()) {
      this.counters.rxDropped++;
      this.#drops.drop(packet, Drop.LinkDown);
    }
  }

  #dropOut(packet: Packet, reason: Drop): Drop {
    this.counters.txDropped++;
    return this.#drops.drop(packet, reason);
  }
}
