/**
 * What joins hosts: a segment, and at each of its ends a bad link (netem) and a place to look (monitor).
 *
 *     stack ── monitor ── netem ── port ┐
 *     stack ── monitor ── netem ── port ┴ segment
 *
 * The monitor is next to the stack: it sees what a host sends before anything happens to it, and what it receives.
 */
import { Mac } from '../addr/mac.ts';
import { assert } from '../base/assert.ts';
import { Monitor } from '../device/monitor.ts';
import type { DeviceFeatures, Medium } from '../device/net-device.ts';
import type { NetemProfile } from '../device/netem/profile.ts';
import { Netem } from '../device/netem.ts';
import type { Interface } from '../ip/interface.ts';
import type { Packet } from '../packet/packet.ts';
import type { Joint, SimHost } from './host.ts';
import type { SegmentPort } from './segment.ts';
import { Segment } from './segment.ts';
import type { WorldPort } from './world-port.ts';

export interface LinkOptions {
  /** What happens to frames, in each direction by itself. */
  readonly profile?: NetemProfile;
  readonly mtu?: number;
  readonly medium?: Medium;
  /** What the devices take over from the stack. Nothing, unless given: a wire carries single frames. */
  readonly features?: DeviceFeatures;
  /** With more than two ends: a switch rather than a hub. */
  readonly isLearning?: boolean;
}

interface End {
  readonly host: SimHost;
  readonly number: number;
  port: SegmentPort;
  netem: Netem;
}

export class Link implements Joint {
  readonly name: string;
  readonly segment: Segment;
  readonly #world: WorldPort;
  readonly #index: number;
  readonly #options: LinkOptions;
  readonly #ends: End[] = [];
  #profile: NetemProfile;

  constructor(world: WorldPort, name: string, index: number, options: LinkOptions) {
    this.#world = world;
    this.name = name;
    this.#index = index;
    this.#options = options;
    this.#profile = options.profile ?? {};
    const { pool, drops } = world;
    const { medium = 'ethernet', mtu = 1_500, features, isLearning = false } = options;
    this.segment = new Segment({
      pool,
      drops,
      medium,
      mtu,
      isLearning,
      ...(features === undefined ? {} : { features }),
    });
  }

  get hosts(): readonly SimHost[] {
    return this.#ends.map(({ host }) => host);
  }

  /** One more host on this link. */
  attach(host: SimHost): Interface {
    assert(!this.hosts.includes(host), `${host.name} is attached to ${this.name} once`);
    const end = { host, number: this.#ends.length, ...this.#plug(host, this.#ends.length) };
    this.#ends.push(end);
    return this.#monitored(end);
  }

  /** A host that came back: the same link address, but nothing of what was under way. */
  reattach(host: SimHost): Interface {
    const end = this.#end(host);
    Object.assign(end, this.#plug(host, end.number));
    return this.#monitored(end);
  }

  /** From now on, for all who send here, or for one of them. */
  shape(profile: NetemProfile, from?: SimHost): void {
    if (from === undefined) this.#profile = profile;
    for (const end of this.#ends)
      if (from === undefined || end.host === from) end.netem.shapeTransmit(profile);
  }

  cut(a: SimHost, b: SimHost): void {
    this.segment.cut(this.#end(a).port, this.#end(b).port);
  }

  heal(a: SimHost, b: SimHost): void {
    this.segment.join(this.#end(a).port, this.#end(b).port);
  }

  /** Puts a frame on the wire that none of the hosts has sent: `fill` writes it. False when no slot was free. */
  inject(fill: (packet: Packet) => void): boolean {
    const packet = this.#world.pool.take();
    if (packet === null) return false;
    fill(packet);
    this.segment.inject(packet);
    return true;
  }

  #end(host: SimHost): End {
    const end = this.#ends.find((one) => one.host === host);
    assert(end !== undefined, `${host.name} is attached to ${this.name}`);
    return end;
  }

  #plug(host: SimHost, number: number): Pick<End, 'port' | 'netem'> {
    const known = host.attachments.find(({ link }) => link === this);
    const name = known?.name ?? `eth${host.attachments.length}`;
    const mac = new Mac(0x0200, (this.#index << 16) | (number + 1));
    const { drops } = host.stack;
    const port = this.segment.attach(name, mac, drops);
    port.onArrival = (): void => host.wake();
    const { pool, rng } = this.#world;
    const netem = new Netem(port, {
      pool,
      drops,
      rng: rng.fork(`${this.name} ${number} ${host.world.now}`),
      transmit: this.#profile,
      keepOffload: this.#options.features !== undefined,
    });
    return { port, netem };
  }

  #monitored(end: End): Interface {
    const { host, netem } = end;
    const { sink } = this.#world;
    const monitor = new Monitor(netem, host.stack.drops);
    if (sink !== null)
      monitor.watch(
        sink,
        sink.addPort({ name: `${host.name}/${netem.name}`, stack: host.stack, device: netem }),
      );
    return host.attach(this, monitor);
  }
}
