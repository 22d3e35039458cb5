/**
 * A bad link as middleware: what tc-netem(8) does to a device, done to any device of ours, from a seed.
 *
 *     transmit -> [lane] -> inner device -> … -> inner device -> [lane] -> receiver
 *
 * Impairs what is transmitted, what is received, or both. A loss answers `Drop.None` to the sender, as a wire does.
 *
 * A real link sees packets of at most the MTU, so it reports no offload, and the stack cuts and checksums before;
 * `keepOffload` passes super-segments through as single frames. What the inner device receives comes as it comes:
 * switch its offload off where the size of received frames matters.
 */

import { Drop } from '../base/drop.ts';
import type { Rng } from '../base/rng.ts';
import type { Instant } from '../base/time.ts';
import { earliest } from '../base/time.ts';
import type { Drops } from '../packet/drops.ts';
import type { Packet } from '../packet/packet.ts';
import type { Pool } from '../packet/pool.ts';
import { Middleware } from './middleware.ts';
import type { DeviceFeatures, NetDevice } from './net-device.ts';
import { NO_OFFLOAD } from './net-device.ts';
import type { NetemCounters } from './netem/lane.ts';
import { NetemLane, netemCounters } from './netem/lane.ts';
import type { NetemProfile } from './netem/profile.ts';
import { admit } from './offload.ts';

export interface NetemOptions {
  /** For duplicates. */
  readonly pool: Pool;
  readonly drops: Drops;
  /** All chance comes from forks of this. */
  readonly rng: Rng;
  readonly transmit?: NetemProfile;
  readonly receive?: NetemProfile;
  readonly keepOffload?: boolean;
}

export class Netem extends Middleware {
  readonly #options: NetemOptions;
  #out: NetemLane | null = null;
  #in: NetemLane | null = null;

  constructor(inner: NetDevice, options: NetemOptions) {
    super(inner);
    this.#options = options;
    if (options.transmit !== undefined) this.shapeTransmit(options.transmit);
    if (options.receive !== undefined) this.shapeReceive(options.receive);
  }

  /** Changes what happens to frames from now on. */
  shapeTransmit(profile: NetemProfile): void {
    if (this.#out === null) this.#out = this.#lane('netem transmit', profile);
    else this.#out.configure(profile);
  }

  shapeReceive(profile: NetemProfile): void {
    if (this.#in === null) this.#in = this.#lane('netem receive', profile);
    else this.#in.configure(profile);
  }

  get transmitCounters(): NetemCounters {
    return this.#out === null ? netemCounters() : this.#out.counters;
  }

  get receiveCounters(): NetemCounters {
    return this.#in === null ? netemCounters() : this.#in.counters;
  }

  override get features(): DeviceFeatures {
    return this.#options.keepOffload === true ? this.inner.features : NO_OFFLOAD;
  }

  override receive(now: Instant, budget: number): number {
    if (this.#in === null) return this.inner.receive(now, budget);
    if (!this.isUp) this.#in.purge(Drop.LinkDown);
    const handed = this.#deliver(now, this.#in, budget);
    // The lane is offered no more than may still be handed on, or it would fill while the budget is spent.
    this.inner.receive(now, budget - handed);
    return handed + this.#deliver(now, this.#in, budget - handed);
  }

  handleFrame(now: Instant, packet: Packet): void {
    if (this.#in !== null) {
      this.#in.offer(now, packet);
      return;
    }
    this.#hand(now, packet);
  }

  override transmit(now: Instant, packet: Packet): Drop {
    const refusal = admit(this, packet);
    if (refusal !== Drop.None) {
      this.counters.txDropped++;
      return this.#options.drops.drop(packet, refusal);
    }
    if (this.#out === null) return this.inner.transmit(now, packet);
    this.#out.offer(now, packet);
    return Drop.None;
  }

  override flush(now: Instant): void {
    if (this.#out !== null) this.#release(now, this.#out);
    this.inner.flush(now);
  }

  override nextTimeout(): Instant {
    let next = this.inner.nextTimeout();
    if (this.#out !== null) next = earliest(next, this.#out.nextTimeout());
    if (this.#in !== null) next = earliest(next, this.#in.nextTimeout());
    return next;
  }

  override handleTimeout(now: Instant): void {
    this.inner.handleTimeout(now);
    if (this.#out !== null && this.#out.nextTimeout() <= now) this.flush(now);
  }

  override close(): void {
    this.#out?.purge(Drop.LinkDown);
    this.#in?.purge(Drop.LinkDown);
    this.inner.close();
  }

  #lane(label: string, profile: NetemProfile): NetemLane {
    const { pool, drops, rng } = this.#options;
    return new NetemLane(pool, drops, rng.fork(label), profile);
  }

  #release(now: Instant, lane: NetemLane): void {
    if (!this.isUp) lane.purge(Drop.LinkDown);
    for (let packet = lane.poll(now); packet !== null; packet = lane.poll(now))
      this.inner.transmit(now, packet);
  }

  #deliver(now: Instant, lane: NetemLane, budget: number): number {
    for (let handed = 0; handed < budget; handed++) {
      const packet = lane.poll(now);
      if (packet === null) return handed;
      this.#hand(now, packet);
    }
    return budget;
  }

  #hand(now: Instant, packet: Packet): void {
    if (this.receiver === null) {
      this.#options.drops.drop(packet, Drop.NoReceiver);
      return;
    }
    packet.receivedAt = now;
    this.receiver.handleFrame(now, packet);
  }
}
