/**
 * A route, and the next hops it gives: what `ip route` shows a line of.
 *
 * Both are immutable but for `isDead`; a changed route is a new one, so that whoever keeps a next hop only has to
 * watch the generation of its `Fib`.
 */
import type { Ip } from '../addr/ip.ts';
import { ANY4 } from '../addr/ip.ts';
import { Prefix } from '../addr/prefix.ts';

/**
 * What becomes of a packet (ip-route(8)): forwarded or sent, delivered here, dropped in silence or with the ICMP
 * error of that name, or left to the next rule.
 */
export type RouteType =
  | 'unicast'
  | 'local'
  | 'broadcast'
  | 'multicast'
  | 'blackhole'
  | 'unreachable'
  | 'prohibit'
  | 'throw';

/** Who made it, by the names of `rt_protos`; routing daemons add theirs. */
export type RouteProtocol =
  | 'redirect'
  | 'kernel'
  | 'boot'
  | 'static'
  | 'ra'
  | 'dhcp'
  | 'bird'
  | 'bgp'
  | 'ospf'
  | 'isis'
  | 'rip';

/** How far away the destination is. */
export type RouteScope = 'global' | 'site' | 'link' | 'host' | 'nowhere';

export interface HopSpec {
  /** The gateway; without one the destination is on the link. */
  readonly via?: Ip | null;
  /** Index of the interface; with a gateway it may be left to be found. */
  readonly oif?: number;
  /** Share of the flows, 1 to 256. */
  readonly weight?: number;
  /** Takes the gateway to be on the link whatever the routes say. */
  readonly onlink?: boolean;
}

/** A route to be made. `via`, `oif` and `onlink` say the one next hop, or `nextHops` says them all. */
export interface RouteSpec extends HopSpec {
  /** Host bits are zero. */
  readonly prefix: Prefix;
  readonly type?: RouteType;
  readonly nextHops?: readonly HopSpec[];
  /** The lowest wins. 0 for IPv4 and 1024 for IPv6 when not given, as in Linux. */
  readonly metric?: number;
  /** The source of packets of our own that are sent this way. */
  readonly source?: Ip | null;
  /** In bytes; 0 is that of the device. */
  readonly mtu?: number;
  readonly protocol?: RouteProtocol;
  readonly scope?: RouteScope;
  readonly table?: number;
}

export class NextHop {
  readonly via: Ip | null;
  /** 0 for routes that lead nowhere. */
  readonly oif: number;
  readonly weight: number;
  readonly onlink: boolean;
  readonly route: Route;
  /** Its interface is down: not chosen. */
  isDead: boolean;

  constructor(route: Route, spec: HopSpec, isDead = false) {
    this.route = route;
    this.via = spec.via ?? null;
    this.oif = spec.oif ?? 0;
    this.weight = spec.weight ?? 1;
    this.onlink = spec.onlink ?? false;
    this.isDead = isDead;
  }
}

export class Route {
  readonly prefix: Prefix;
  readonly type: RouteType;
  /** At least one: a route that leads nowhere has one to say so. */
  readonly nextHops: readonly NextHop[];
  readonly metric: number;
  readonly source: Ip | null;
  readonly mtu: number;
  readonly protocol: RouteProtocol;
  readonly scope: RouteScope;
  readonly table: number;

  /** From a spec that was checked, with its next hops; `isDead` says which interfaces are down. */
  constructor(spec: RouteSpec, hops: readonly HopSpec[], table: number, isDead: (oif: number) => boolean) {
    this.prefix = spec.prefix;
    this.type = spec.type ?? 'unicast';
    this.metric = spec.metric ?? (spec.prefix.address.isV4 ? 0 : 1024);
    this.source = spec.source ?? null;
    this.mtu = spec.mtu ?? 0;
    this.protocol = spec.protocol ?? 'boot';
    this.scope = spec.scope ?? defaultScope(spec.prefix, this.type, hops);
    this.table = table;
    // An address of ours stays ours when its interface goes down (RFC 1122 §3.3.4.2, the weak model).
    const isImmune = this.type === 'local';
    this.nextHops = hops.map((hop) => new NextHop(this, hop, !isImmune && isDead(hop.oif ?? 0)));
  }
}

/** A next hop that is in no table: every packet of a kind out of one interface. */
export function linkHop(type: RouteType, oif: number): NextHop {
  const route = new Route(
    { prefix: new Prefix(ANY4, 0), type, protocol: 'kernel' },
    [{ oif }],
    0,
    () => false,
  );
  return route.nextHops[0] as NextHop;
}

/** Whether the type alone decides, so that there are no next hops to choose from. */
export function isRefusal(type: RouteType): boolean {
  return type === 'blackhole' || type === 'unreachable' || type === 'prohibit' || type === 'throw';
}

/** As ip-route(8) has it. IPv6 knows no scopes of routes. */
function defaultScope(prefix: Prefix, type: RouteType, hops: readonly HopSpec[]): RouteScope {
  if (!prefix.address.isV4 || isRefusal(type)) return 'global';
  if (type === 'local') return 'host';
  if (type === 'broadcast' || type === 'multicast') return 'link';
  return hops.some((hop) => (hop.via ?? null) !== null) || hops.length > 1 ? 'global' : 'link';
}
