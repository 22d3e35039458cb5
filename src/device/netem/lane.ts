/**
 * One direction of a bad link, as a machine: frames are offered, and polled when they come out at the other end.
 *
 *     offer -> duplicate -> loss -> corrupt -> queue -> rate -> delay, jitter, reorder -> poll
 *
 * A frame first waits for the link (rate), then travels (delay): frames overtake each other on the way, by jitter
 * or by reordering, never in the queue. What is lost here is lost on the wire, so that nobody who sent it is told.
 */
import { Drop } from '../../base/drop.ts';
import { Heap } from '../../base/heap.ts';
import type { Rng } from '../../base/rng.ts';
import type { Instant } from '../../base/time.ts';
import { NEVER } from '../../base/time.ts';
import type { Drops } from '../../packet/drops.ts';
import type { Packet } from '../../packet/packet.ts';
import { PacketFlag } from '../../packet/packet.ts';
import type { Pool } from '../../packet/pool.ts';
import { completeChecksum } from '../offload.ts';
import { Coin, DelaySpread } from './chance.ts';
import type { Loss } from './loss.ts';
import { lossOf } from './loss.ts';
import type { NetemProfile } from './profile.ts';
import { RateLimit } from './rate.ts';

const LIMIT_PACKETS = 4_096;

export interface NetemCounters {
  offered: number;
  delivered: number;
  lost: number;
  duplicated: number;
  corrupted: number;
  reordered: number;
  /** Found the queue in front of the rate full. */
  rateDropped: number;
  /** Found too many under way. */
  limitDropped: number;
}

export const netemCounters = (): NetemCounters => ({
  offered: 0,
  delivered: 0,
  lost: 0,
  duplicated: 0,
  corrupted: 0,
  reordered: 0,
  rateDropped: 0,
  limitDropped: 0,
});

/** A profile, ready to be asked. */
interface Model {
  readonly loss: Loss;
  readonly duplicate: Coin;
  readonly corrupt: Coin;
  /** Which bit. */
  readonly bits: Rng;
  readonly reorder: Coin;
  readonly reorderGap: number;
  readonly spread: DelaySpread;
  readonly rate: RateLimit | null;
  readonly limitPackets: number;
}

function modelOf(profile: NetemProfile, rng: Rng, rate: RateLimit | null): Model {
  return {
    loss: lossOf(profile.loss, rng.fork('loss')),
    duplicate: new Coin(rng.fork('duplicate'), profile.duplicate),
    corrupt: new Coin(rng.fork('corrupt'), profile.corrupt),
    bits: rng.fork('bit'),
    reorder: new Coin(rng.fork('reorder'), profile.reorder),
    reorderGap: typeof profile.reorder === 'object' ? (profile.reorder.gap ?? 1) : 1,
    spread: new DelaySpread(rng.fork('delay'), profile),
    rate: profile.rate === undefined ? null : new RateLimit(profile.rate, rate),
    limitPackets: profile.limitPackets ?? LIMIT_PACKETS,
  };
}

export class NetemLane {
  readonly counters: NetemCounters = netemCounters();
  readonly #pool: Pool;
  readonly #drops: Drops;
  readonly #rng: Rng;
  readonly #underWay: Heap<Packet> = new Heap<Packet>();
  #model: Model;
  /** How often it was changed: a new profile must not draw the old one's numbers again. */
  #profiles = 0;
  #sinceReorder = 0;

  /** The run depends on the seed of `rng` only: each kind of event has a fork of its own. */
  constructor(pool: Pool, drops: Drops, rng: Rng, profile: NetemProfile) {
    this.#pool = pool;
    this.#drops = drops;
    this.#rng = rng;
    this.#model = modelOf(profile, rng.fork('profile 0'), null);
  }

  /** From the next frame on. What is under way keeps its time, and the link stays busy with what it has begun. */
  configure(profile: NetemProfile): void {
    this.#profiles++;
    this.#model = modelOf(profile, this.#rng.fork(`profile ${this.#profiles}`), this.#model.rate);
  }

  /** Frames under way. */
  get length(): number {
    return this.#underWay.length;
  }

  /** Takes ownership. */
  offer(now: Instant, packet: Packet): void {
    this.counters.offered++;
    const isDoubled = this.#model.duplicate.flip();
    const isLost = this.#model.loss.isLost();
    if (isDoubled) this.counters.duplicated++;
    if (isLost) {
      this.counters.lost++;
      if (!isDoubled) {
        this.#drops.drop(packet, Drop.NetemLoss);
        return;
      }
      this.#drops.count(Drop.NetemLoss);
    }
    const copy = isDoubled && !isLost ? this.#copy(packet) : null;
    this.#send(now, packet);
    if (copy !== null) this.#send(now, copy);
  }

  /** The next frame that has arrived by now, or null. */
  poll(now: Instant): Packet | null {
    if (this.#underWay.next() > now) return null;
    const packet = this.#underWay.pop();
    if (packet === undefined) return null;
    this.counters.delivered++;
    return packet;
  }

  nextTimeout(): Instant {
    return this.#underWay.next();
  }

  /** Drops all that is under way. */
  purge(reason: Drop): void {
    for (let packet = this.#underWay.pop(); packet !== undefined; packet = this.#underWay.pop()) {
      this.#drops.drop(packet, reason);
    }
  }

  #copy(packet: Packet): Packet | null {
    const copy = this.#pool.take();
    if (copy === null) this.#drops.count(Drop.NoSlot);
    else packet.copyTo(copy);
    return copy;
  }

  #send(now: Instant, packet: Packet): void {
    const model = this.#model;
    if (model.corrupt.flip() && packet.length > 0) this.#invertBit(packet);
    if (this.#underWay.length >= model.limitPackets) {
      this.counters.limitDropped++;
      this.#drops.drop(packet, Drop.NetemQueueFull);
      return;
    }
    let due = now;
    if (model.rate !== null) {
      due = model.rate.pass(now, packet.length);
      if (due === NEVER) {
        this.counters.rateDropped++;
        this.#drops.drop(packet, Drop.NetemRateQueueFull);
        return;
      }
    }
    if (this.#isOvertaking()) this.counters.reordered++;
    else due = (due + model.spread.draw()) as Instant;
    this.#underWay.push(due, packet);
  }

  #isOvertaking(): boolean {
    this.#sinceReorder++;
    if (this.#sinceReorder < this.#model.reorderGap || !this.#model.reorder.flip()) return false;
    this.#sinceReorder = 0;
    return true;
  }

  /**
   * The receiver must be able to notice: a checksum that was still to be completed is completed first, over the
   * bytes as they were, and no device vouches for the frame any more.
   */
  #invertBit(packet: Packet): void {
    if ((packet.flags & PacketFlag.ChecksumPartial) !== 0) completeChecksum(packet);
    packet.flags &= ~(PacketFlag.ChecksumPartial | PacketFlag.ChecksumValid);
    const bit = this.#model.bits.below(packet.length * 8);
    const at = packet.head + (bit >>> 3);
    packet.bytes[at] = (packet.bytes[at] as number) ^ (1 << (bit & 7));
    this.counters.corrupted++;
  }
}
