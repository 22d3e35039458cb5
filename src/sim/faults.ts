/**
 * What goes wrong in a random world. Each run has some of the kinds and not others (swarm testing: Groce and others,
 * 2012), since a run in which everything fails at once finds least.
 */
import type { Mac } from '../addr/mac.ts';
import type { Rng } from '../base/rng.ts';
import type { Duration } from '../base/time.ts';
import { ms, us } from '../base/time.ts';
import type { NetemProfile } from '../device/netem/profile.ts';
import type { DefensePolicy } from '../neighbor/conflict.ts';
import { chance, oneOf } from './chance.ts';
import { Garbage } from './garbage.ts';
import type { SimHost } from './host.ts';
import type { Link } from './link.ts';
import { GROUPS, PORTS } from './load.ts';
import { STREAM_PORTS } from './stream/stream-options.ts';
import type { Subnet, Topology } from './topology.ts';
import type { World } from './world.ts';

export const FAULTS = [
  'delay',
  'jitter',
  'loss',
  'bursts',
  'duplicate',
  'reorder',
  'corrupt',
  'rate',
  'cut',
  'crash',
  'down',
  'conflict',
  'garbage',
  'reshape',
] as const;
export type Fault = (typeof FAULTS)[number];

/** Faults in one run that are single events; the rest is how links are. */
const EVENTS_MAX = 12;
const GARBAGE_FRAMES_MAX = 300;
const POLICIES: readonly DefensePolicy[] = ['yield', 'defend', 'insist'];

export class Faults {
  readonly kinds: ReadonlySet<Fault>;
  readonly #world: World;
  readonly #rng: Rng;
  /** Two flipped bits can cancel each other in a 16-bit sum, so only one link ever flips any. */
  #corrupted: Link | null = null;
  readonly #cuts: [SimHost, SimHost][] = [];
  readonly #intruders: {
    readonly host: SimHost;
    readonly subnet: Subnet;
    readonly address: string;
  }[] = [];
  garbageFrames = 0;

  constructor(world: World, rng: Rng) {
    this.#world = world;
    this.#rng = rng;
    this.kinds = new Set(FAULTS.filter(() => chance(rng, 0.5)));
  }

  /** How a link of this world is, now. */
  profile(rng: Rng): NetemProfile {
    const has = (kind: Fault): boolean => this.kinds.has(kind) && chance(rng, 0.6);
    return {
      delay: has('delay') ? ms(rng.below(60)) : us(rng.below(400)),
      ...(has('jitter') ? { jitter: us(rng.below(20_000)) } : {}),
      ...(has('loss') ? { loss: rng.unit() * 0.2 } : {}),
      ...(has('bursts')
        ? {
            loss: {
              model: 'gilbert-elliott',
              p: 0.02 + rng.unit() * 0.1,
              r: 0.3,
            } as const,
          }
        : {}),
      ...(has('duplicate') ? { duplicate: rng.unit() * 0.1 } : {}),
      ...(has('reorder') ? { reorder: rng.unit() * 0.2 } : {}),
      ...(has('rate')
        ? {
            rate: {
              bitsPerSecond: 200_000 + rng.below(50_000_000),
              queueMaxPackets: 100,
            },
          }
        : {}),
    };
  }

  /** Spreads faults over the time that follows. */
  schedule(topology: Topology, duration: Duration): void {
    const rng = this.#rng;
    if (this.kinds.has('corrupt')) {
      this.#corrupted = oneOf(rng, topology.subnets).link;
      this.#shape(this.#corrupted);
    }
    const events: Partial<Record<Fault, () => void>> = {
      cut: () => this.#cut(topology),
      crash: () => this.#crash(topology),
      down: () => this.#down(topology),
      conflict: () => this.#conflict(topology),
      reshape: () => this.#shape(oneOf(rng, topology.subnets).link),
    };
    for (const kind of this.kinds) {
      const event = events[kind];
      if (event === undefined) continue;
      for (let i = 1 + rng.below(EVENTS_MAX); i > 0; i--) this.#sometime(duration, event);
    }
    if (this.kinds.has('garbage')) this.#scheduleGarbage(topology, duration);
  }

  /** Everything as it should be: whatever was broken, by whatever event, is whole again. */
  heal(topology: Topology): void {
    for (const host of [...topology.hosts, ...topology.routers]) {
      host.restart();
      for (const { iface } of host.attachments)
        if (!iface.device.isUp) host.stack.setInterfaceUp(iface, true);
    }
    for (const [a, b] of this.#cuts.splice(0)) this.#world.heal(a, b);
    for (const { host } of this.#intruders.splice(0)) host.crash();
    for (const { link } of topology.subnets) link.shape({ delay: ms(1) });
  }

  #sometime(duration: Duration, action: () => void): void {
    this.#world.after(this.#rng.below(duration) as Duration, action);
  }

  #shape(link: Link): void {
    const profile = this.profile(this.#rng);
    const corrupt = link === this.#corrupted ? 0.01 + this.#rng.unit() * 0.05 : 0;
    link.shape({ ...profile, corrupt });
  }

  #cut({ subnets }: Topology): void {
    const { members } = oneOf(this.#rng, subnets);
    if (members.length < 2) return;
    const a = oneOf(this.#rng, members).host;
    const b = oneOf(this.#rng, members).host;
    if (a === b || !a.isUp || !b.isUp) return;
    this.#world.cut(a, b);
    this.#cuts.push([a, b]);
    this.#sometime(ms(3_000), () => {
      if (a.isUp && b.isUp) this.#world.heal(a, b);
    });
  }

  #crash({ hosts, routers }: Topology): void {
    const host = oneOf(this.#rng, [...hosts, ...routers]);
    host.crash();
    this.#sometime(ms(3_000), () => host.restart());
  }

  #down({ hosts, routers }: Topology): void {
    const host = oneOf(this.#rng, [...hosts, ...routers]);
    if (!host.isUp) return;
    const { iface } = oneOf(this.#rng, host.attachments);
    host.stack.setInterfaceUp(iface, false);
    this.#sometime(ms(2_000), () => {
      // It may be another stack by now.
      if (host.isUp && host.attachments.some((one) => one.iface === iface))
        host.stack.setInterfaceUp(iface, true);
    });
  }

  /** A newcomer takes the address of another host. */
  #conflict({ subnets }: Topology): void {
    const rng = this.#rng;
    const subnet = oneOf(rng, subnets);
    if (subnet.members.length === 0 || this.#intruders.length > 2) return;
    const { address } = oneOf(rng, subnet.members);
    const host = this.#world.host(`x${this.#world.hosts.length}`, {
      poolSlots: 64,
    });
    subnet.link.attach(host);
    const text = `${address}/${subnet.prefix.length}`;
    host.address(text, subnet.link, {
      probe: chance(rng, 0.5),
      policy: oneOf(rng, POLICIES),
    });
    this.#intruders.push({ host, subnet, address: text });
  }

  #scheduleGarbage({ subnets }: Topology, duration: Duration): void {
    const rng = this.#rng;
    const addresses = subnets.flatMap(({ members }) => members.map(({ address }) => address.d));
    for (const { link, members } of subnets) {
      const macs: Mac[] = members.flatMap(({ host }) => host.iface(link).device.mac ?? []);
      const garbage = new Garbage(rng.fork(`garbage ${link.name}`), {
        addresses,
        macs,
        groups: GROUPS.map(({ d }) => d).concat([0xe0000001 | 0, 0xe0000016 | 0]),
        ports: PORTS,
        tcpPorts: STREAM_PORTS,
        spared: PORTS,
        medium: link.segment.options.medium ?? 'ethernet',
      });
      for (let i = rng.below(GARBAGE_FRAMES_MAX); i > 0; i--) {
        this.#sometime(duration, () => {
          this.garbageFrames++;
          link.inject((packet) => garbage.fill(packet));
        });
      }
    }
  }
}
