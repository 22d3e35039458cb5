/**
 * A random network: subnets, hosts on them, and routers between them, with static routes that lead everywhere by a
 * shortest path.
 *
 *     10.0.1.0/24 ── r0 ── 10.0.2.0/24 ── r1 ── 10.0.3.0/24 …      and some routers more than are needed
 */
import { Ip } from '../addr/ip.ts';
import { Prefix } from '../addr/prefix.ts';
import type { Rng } from '../base/rng.ts';
import type { NetemProfile } from '../device/netem/profile.ts';
import { chance, oneOf } from './chance.ts';
import type { SimHost } from './host.ts';
import type { Link } from './link.ts';
import { tcpConfig } from './stream/stream-options.ts';
import type { World } from './world.ts';

export interface Subnet {
  readonly index: number;
  readonly prefix: Prefix;
  readonly link: Link;
  readonly members: Member[];
}

/** A host or router, and its address on one subnet. */
export interface Member {
  readonly host: SimHost;
  readonly address: Ip;
}

export interface Topology {
  readonly subnets: readonly Subnet[];
  readonly hosts: readonly SimHost[];
  readonly routers: readonly SimHost[];
}

export interface TopologyOptions {
  /** Hosts that are no routers. */
  readonly hosts: number;
  readonly subnets: number;
}

const MTUS = [296, 576, 1_006, 1_280, 1_500, 1_500, 1_500, 9_000];
const HOST_SLOTS = 160;

export function buildTopology(
  world: World,
  rng: Rng,
  options: TopologyOptions,
  profileOf: (rng: Rng) => NetemProfile,
): Topology {
  const routers = makeRouters(world, rng, options.subnets);
  const places = placeRouters(rng, routers.length, options.subnets);
  const hosts = Array.from({ length: options.hosts }, (_, i) =>
    world.host(`h${i}`, {
      poolSlots: HOST_SLOTS,
      ip: { rpFilter: oneOf(rng, [0, 0, 1, 2] as const) },
      tcp: tcpConfig(rng.fork(`tcp ${i}`)),
    }),
  );
  const subnets: Subnet[] = [];
  for (let index = 0; index < options.subnets; index++) {
    const members = routers.filter((_, r) => places[r]?.includes(index) === true);
    // Everybody has a home, and the first hosts spread over all subnets.
    const own = hosts.filter(
      (_, h) => (h < options.subnets ? h : h % options.subnets) % options.subnets === index,
    );
    subnets.push(makeSubnet(world, rng, index, [...members, ...own], profileOf(rng)));
  }
  for (const router of routers) routeEverywhere(router, subnets, routers);
  for (const host of hosts) routeHost(rng, host, subnets, routers);
  return { subnets, hosts, routers };
}

/** One fewer than subnets joins them all; some more make circles. */
function makeRouters(world: World, rng: Rng, subnets: number): SimHost[] {
  const count = subnets - 1 + (subnets > 1 ? rng.below(3) : 0);
  return Array.from({ length: count }, (_, i) =>
    world.router(`r${i}`, {
      poolSlots: 2 * HOST_SLOTS,
      ip: { sendRedirects: chance(rng, 0.7) },
    }),
  );
}

/** For each router the subnets it is on. */
function placeRouters(rng: Rng, routers: number, subnets: number): number[][] {
  return Array.from({ length: routers }, (_, r) => {
    if (r < subnets - 1) return [rng.below(r + 1), r + 1];
    const first = rng.below(subnets);
    return [first, (first + 1 + rng.below(subnets - 1)) % subnets];
  });
}

function makeSubnet(
  world: World,
  rng: Rng,
  index: number,
  hosts: readonly SimHost[],
  profile: NetemProfile,
): Subnet {
  const prefix = new Prefix(Ip.v4((10 << 24) | ((index + 1) << 8)), 24);
  // A cable without link addresses has two ends.
  const medium = hosts.length === 2 && chance(rng, 0.2) ? 'ip' : 'ethernet';
  const link = world.segment(hosts, {
    medium,
    mtu: oneOf(rng, MTUS),
    isLearning: chance(rng, 0.7),
    profile,
  });
  const members = hosts.map((host, i) => {
    const address = Ip.v4(prefix.address.d + 1 + i);
    host.address(`${address}/${prefix.length}`, link);
    return { host, address };
  });
  return { index, prefix, link, members };
}

/** Breadth first, from the subnets that `router` is on: to each other one a route by the router that leads there. */
function routeEverywhere(router: SimHost, subnets: readonly Subnet[], routers: readonly SimHost[]): void {
  for (const [subnet, via] of firstHops(router, subnets, routers))
    if (via !== null) router.route(subnet.prefix.toString(), { via });
}

function routeHost(rng: Rng, host: SimHost, subnets: readonly Subnet[], routers: readonly SimHost[]): void {
  if (chance(rng, 0.5)) {
    // A gateway taken by chance: where it is not the best one, it will say so.
    const home = subnets.find(({ members }) => members.some((member) => member.host === host));
    const gateways = home?.members.filter((member) => routers.includes(member.host)) ?? [];
    if (gateways.length > 0) host.route('default', { via: oneOf(rng, gateways).address });
    return;
  }
  for (const [subnet, via] of firstHops(host, subnets, routers))
    if (via !== null) host.route(subnet.prefix.toString(), { via });
}

/** Each subnet with the first router on the shortest way to it; null for those that `from` is on. */
function firstHops(
  from: SimHost,
  subnets: readonly Subnet[],
  routers: readonly SimHost[],
): Map<Subnet, Ip | null> {
  const found = new Map<Subnet, Ip | null>();
  const queue: Subnet[] = [];
  for (const subnet of subnets) {
    if (!subnet.members.some(({ host }) => host === from)) continue;
    found.set(subnet, null);
    queue.push(subnet);
  }
  for (let subnet = queue.shift(); subnet !== undefined; subnet = queue.shift()) {
    for (const { host, address } of subnet.members) {
      if (!routers.includes(host) || host === from) continue;
      for (const next of subnets) {
        if (found.has(next) || !next.members.some((member) => member.host === host)) continue;
        found.set(next, found.get(subnet) ?? address);
        queue.push(next);
      }
    }
  }
  return found;
}
