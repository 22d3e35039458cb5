/**
 * Middleware that shows every frame of a device, both ways, to a `FrameSink`, and says which of them were dropped.
 *
 * Handling a frame and handing it to the device below are calls that end before the next begins, so a drop that
 * `Drops` reports meanwhile, of the same packet, is the fate of that frame. A frame that is kept and dropped later
 * is only counted: its record may be on disk by then. Without a sink it costs a branch.
 */
import { Drop } from '../base/drop.ts';
import type { Instant } from '../base/time.ts';
import type { FrameSink } from '../observe/frame-sink.ts';
import type { Drops, DropWatcher } from '../packet/drops.ts';
import type { Packet } from '../packet/packet.ts';
import { Middleware } from './middleware.ts';
import type { NetDevice } from './net-device.ts';

export class Monitor extends Middleware {
  readonly #drops: Drops;
  #sink: FrameSink | null = null;
  #interfaceId = 0;
  /** The frame under way and its ticket. */
  #packet: Packet | null = null;
  #ticket = -1;
  #depth = 0;
  #outerWatcher: DropWatcher | null = null;
  readonly #watcher: DropWatcher;

  constructor(inner: NetDevice, drops: Drops) {
    super(inner);
    this.#drops = drops;
    this.#watcher = (packet, reason): void => {
      this.#noteDrop(packet, reason);
      if (this.#outerWatcher !== null) this.#outerWatcher(packet, reason);
    };
  }

  get isWatching(): boolean {
    return this.#sink !== null;
  }

  /** From now on frames go to `sink` too, as those of its interface `interfaceId`. */
  watch(sink: FrameSink, interfaceId: number): void {
    this.#sink = sink;
    this.#interfaceId = interfaceId;
  }

  unwatch(): void {
    this.#sink = null;
  }

  handleFrame(now: Instant, packet: Packet): void {
    if (this.receiver === null) {
      this.#drops.drop(packet, Drop.NoReceiver);
      return;
    }
    if (this.#sink === null) {
      this.receiver.handleFrame(now, packet);
      return;
    }
    const ticket = this.#sink.peekFrame(now, this.#interfaceId, packet, 'in');
    const outerPacket = this.#packet;
    const outerTicket = this.#ticket;
    this.#enter(packet, ticket);
    this.receiver.handleFrame(now, packet);
    this.#leave(outerPacket, outerTicket);
  }

  override transmit(now: Instant, packet: Packet): Drop {
    if (this.#sink === null) return this.inner.transmit(now, packet);
    const ticket = this.#sink.peekFrame(now, this.#interfaceId, packet, 'out');
    const outerPacket = this.#packet;
    const outerTicket = this.#ticket;
    this.#enter(packet, ticket);
    const answer = this.inner.transmit(now, packet);
    this.#leave(outerPacket, outerTicket);
    return answer;
  }

  #enter(packet: Packet, ticket: number): void {
    this.#packet = packet;
    this.#ticket = ticket;
    // An answer, or a tunnel's outer packet, goes through here within the handling of another frame: by then this
    // watcher is in the chain already.
    if (this.#depth++ > 0) return;
    this.#outerWatcher = this.#drops.watcher;
    this.#drops.watcher = this.#watcher;
  }

  #leave(outerPacket: Packet | null, outerTicket: number): void {
    this.#packet = outerPacket;
    this.#ticket = outerTicket;
    if (--this.#depth === 0) this.#drops.watcher = this.#outerWatcher;
  }

  #noteDrop(packet: Packet, reason: Drop): void {
    if (packet !== this.#packet) return;
    // The slot may be in use for another packet a moment later.
    this.#packet = null;
    if (this.#sink !== null && this.#ticket !== -1 && !isFulfilled(reason))
      this.#sink.noteDrop(this.#ticket, reason);
  }
}

/** Reasons that count packets which did what they came for. */
function isFulfilled(reason: Drop): boolean {
  switch (reason) {
    case Drop.ArpDone:
    case Drop.IcmpDone:
    case Drop.IgmpDone:
    case Drop.FragmentMerged:
      return true;
    default:
      return false;
  }
}
