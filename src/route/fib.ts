/**
 * The forwarding information base: rules in order of priority, each leading to a table, each table a trie
 * (ip-rule(8), ip-route(8)). A look-up ends with the first table that has a usable route; `throw` goes on with
 * the next rule.
 *
 *     0: from all lookup local      32766: from all lookup main      32767: from all lookup default
 *
 * Deviates from Linux: the routes of an interface that goes down stay, dead, and live again with it; Linux
 * deletes them, and leaves it to others to bring them back. A preferred source is not checked to be an address of
 * ours, because a route may be configured before it. Routes have no type of service; a rule may select it.
 */
import { FlowKey } from '../addr/flow-key.ts';
import type { Ip } from '../addr/ip.ts';
import type { Prefix } from '../addr/prefix.ts';
import type { HashPolicy } from './multipath.ts';
import type { HopSpec, NextHop, RouteProtocol, RouteScope, RouteSpec, RouteType } from './nexthop.ts';
import { isRefusal, Route } from './nexthop.ts';
import type { RuleSpec } from './rule.ts';
import { Rule } from './rule.ts';
import { Table } from './table.ts';

export const LOCAL_TABLE = 255;
export const MAIN_TABLE = 254;
export const DEFAULT_TABLE = 253;

/** As in ip-route(8): the priorities of the rules that are there at first. */
const LOCAL_PRIORITY = 0;
const MAIN_PRIORITY = 32_766;
const DEFAULT_PRIORITY = 32_767;

const WEIGHT_MAX = 256;

/**
 * `EEXIST`: there is one already. `ESRCH`, `ENOENT`: there is no such route, no such rule. `EINVAL`: it makes no
 * sense. `ENETUNREACH`: the gateway is not on a link of ours.
 */
export type RouteError = 'EEXIST' | 'ESRCH' | 'ENOENT' | 'EINVAL' | 'ENETUNREACH';

/** Which route; what is not given matches everything. */
export interface RouteMatch {
  readonly prefix: Prefix;
  readonly table?: number;
  readonly type?: RouteType;
  readonly metric?: number;
  readonly protocol?: RouteProtocol;
  readonly scope?: RouteScope;
  readonly source?: Ip;
  readonly via?: Ip;
  readonly oif?: number;
}

export class Fib {
  /** Counts the changes: what was looked up holds for as long as this is the same. */
  generation = 0;
  readonly #tables = new Map<number, Table>();
  #rules: Rule[];
  readonly #down = new Set<number>();
  readonly #key = new FlowKey();
  readonly #hashSeed: number;
  #hashPolicy: HashPolicy = 'l3';

  /** With a seed for the choice between next hops, so that not all routers on a path choose alike. */
  constructor(hashSeed = 0) {
    this.#hashSeed = hashSeed;
    this.#rules = [
      new Rule({ action: LOCAL_TABLE }, LOCAL_PRIORITY, this.#tableOf(LOCAL_TABLE)),
      new Rule({ action: MAIN_TABLE }, MAIN_PRIORITY, this.#tableOf(MAIN_TABLE)),
      new Rule({ action: DEFAULT_TABLE }, DEFAULT_PRIORITY, this.#tableOf(DEFAULT_TABLE)),
    ];
  }

  /**
   * Where a packet goes, or null when nothing says so. A refusal (`blackhole`, `unreachable`, `prohibit`) is a next
   * hop too, and its route has the type. With `key.oif` only next hops by that interface count.
   */
  lookup(key: FlowKey): NextHop | null {
    const rules = this.#rules;
    for (let i = 0; i < rules.length; i++) {
      const rule = rules[i] as Rule;
      if (!rule.isPlain && !rule.matches(key)) continue;
      if (rule.table === null) return rule.refusal;
      const hop = rule.table.lookup(key);
      if (hop !== null && hop.route.type !== 'throw') return hop;
    }
    return null;
  }

  /** `ip route add`: refused when the table has a route of this prefix and metric. */
  add(spec: RouteSpec): RouteError | null {
    const route = this.#check(spec);
    if (!(route instanceof Route)) return route;
    if (this.#sameMetric(route) !== undefined) return 'EEXIST';
    return this.#insert(route, 'after');
  }

  /** `ip route replace`: in the place of the first of this prefix and metric, or as a new one. */
  replace(spec: RouteSpec): RouteError | null {
    const route = this.#check(spec);
    if (!(route instanceof Route)) return route;
    const old = this.#sameMetric(route);
    if (old === undefined) return this.#insert(route, 'after');
    this.#tableOf(route.table).exchange(old, route);
    this.generation++;
    return null;
  }

  /** `ip route append`: after those of the same prefix and metric; refused when the very same route is there. */
  append(spec: RouteSpec): RouteError | null {
    return this.#addBeside(spec, 'after');
  }

  /** `ip route prepend`: before those of the same prefix and metric. */
  prepend(spec: RouteSpec): RouteError | null {
    return this.#addBeside(spec, 'before');
  }

  /** `ip route del`: the first that matches. */
  del(match: RouteMatch): RouteError | null {
    const route = this.find(match);
    if (route === null) return 'ESRCH';
    this.#tableOf(route.table).remove(route);
    this.generation++;
    return null;
  }

  /** The first that matches, or null. */
  find(match: RouteMatch): Route | null {
    const table = this.#tables.get(match.table ?? defaultTable(match.type));
    return table?.routesOf(match.prefix).find((route) => isMatch(route, match)) ?? null;
  }

  /** `ip route flush`: deletes the routes for which `filter` says so, in all tables; answers how many. */
  flush(filter: (route: Route) => boolean): number {
    let count = 0;
    for (const table of this.#tables.values()) {
      for (const route of table.list()) {
        if (!filter(route)) continue;
        table.remove(route);
        count++;
      }
    }
    if (count > 0) this.generation++;
    return count;
  }

  /** The routes of a table: IPv4 first, by address, length and metric. */
  list(table: number = MAIN_TABLE): Route[] {
    return this.#tables.get(table)?.list() ?? [];
  }

  /** The numbers of the tables that have routes. */
  get tables(): number[] {
    return [...this.#tables.values()].filter(({ size }) => size > 0).map(({ id }) => id);
  }

  get rules(): readonly Rule[] {
    return this.#rules;
  }

  /** `ip rule add`. */
  addRule(spec: RuleSpec): RouteError | null {
    const { action } = spec;
    // As in Linux: in front of all but the first, which is the local table.
    const priority = spec.priority ?? Math.max(0, (this.#rules[1]?.priority ?? MAIN_PRIORITY) - 1);
    if (typeof action === 'number' && !isTableNumber(action)) return 'EINVAL';
    if (!hasNetworksOnly(spec)) return 'EINVAL';
    const rule = new Rule(spec, priority, typeof action === 'number' ? this.#tableOf(action) : null);
    if (this.#rules.some((other) => other.equals(rule))) return 'EEXIST';
    const at = this.#rules.findIndex((other) => other.priority > priority);
    this.#rules = this.#rules.toSpliced(at < 0 ? this.#rules.length : at, 0, rule);
    this.generation++;
    return null;
  }

  /** `ip rule del`: the first that selects and does the same; any priority when none is given. */
  delRule(spec: RuleSpec): RouteError | null {
    const at = this.#rules.findIndex((rule) =>
      rule.equals(new Rule(spec, spec.priority ?? rule.priority, null)),
    );
    if (at < 0) return 'ENOENT';
    this.#rules = this.#rules.toSpliced(at, 1);
    this.generation++;
    return null;
  }

  /** Deletes every route by an interface that is gone; of several next hops only its own. */
  removeInterface(index: number): void {
    this.#down.delete(index);
    for (const table of this.#tables.values()) {
      for (const route of table.list()) {
        const rest = route.nextHops.filter((hop) => hop.oif !== index);
        if (rest.length === route.nextHops.length) continue;
        if (rest.length === 0) table.remove(route);
        else table.exchange(route, new Route(route, rest, table.id, (oif) => this.#down.has(oif)));
      }
    }
    this.generation++;
  }

  /** Next hops by an interface that is down are not chosen; addresses of ours stay local. */
  setInterfaceState(index: number, isUp: boolean): void {
    if (this.#down.has(index) === !isUp) return;
    if (isUp) this.#down.delete(index);
    else this.#down.add(index);
    for (const table of this.#tables.values()) {
      for (const route of table.list()) {
        if (route.type === 'local') continue;
        for (const hop of route.nextHops) if (hop.oif === index) hop.isDead = !isUp;
      }
    }
    this.generation++;
  }

  get hashPolicy(): HashPolicy {
    return this.#hashPolicy;
  }

  set hashPolicy(policy: HashPolicy) {
    this.#hashPolicy = policy;
    for (const table of this.#tables.values()) table.hashPolicy = policy;
    this.generation++;
  }

  #addBeside(spec: RouteSpec, where: 'before' | 'after'): RouteError | null {
    const route = this.#check(spec);
    if (!(route instanceof Route)) return route;
    const others = this.#tableOf(route.table).routesOf(route.prefix);
    if (others.some((other) => isSame(other, route))) return 'EEXIST';
    return this.#insert(route, where);
  }

  #insert(route: Route, where: 'before' | 'after'): null {
    this.#tableOf(route.table).insert(route, where);
    this.generation++;
    return null;
  }

  #sameMetric(route: Route): Route | undefined {
    const routes = this.#tableOf(route.table).routesOf(route.prefix);
    return routes.find((other) => other.metric === route.metric);
  }

  #tableOf(id: number): Table {
    let table = this.#tables.get(id);
    if (table === undefined) {
      table = new Table(id);
      table.hashSeed = this.#hashSeed;
      table.hashPolicy = this.#hashPolicy;
      this.#tables.set(id, table);
    }
    return table;
  }

  /** The route that a spec means, or what is wrong with it. */
  #check(spec: RouteSpec): Route | RouteError {
    const { prefix } = spec;
    const type = spec.type ?? 'unicast';
    const table = spec.table ?? defaultTable(type);
    if (!prefix.network.equals(prefix)) return 'EINVAL';
    if (!isTableNumber(table)) return 'EINVAL';
    const source = spec.source ?? null;
    if (source !== null && source.isV4 !== prefix.address.isV4) return 'EINVAL';
    const isOneHop = spec.oif !== undefined || (spec.via ?? null) !== null;
    if (isOneHop && spec.nextHops !== undefined) return 'EINVAL';
    const given: readonly HopSpec[] = spec.nextHops ?? (isOneHop ? [spec] : []);
    if (isRefusal(type)) {
      return given.length > 0 ? 'EINVAL' : new Route(spec, [{}], table, () => false);
    }
    if (given.length === 0) return 'EINVAL';
    const hops: HopSpec[] = [];
    for (const hop of given) {
      const checked = this.#checkHop(prefix, hop);
      if (typeof checked === 'string') return checked;
      hops.push(checked);
    }
    return new Route(spec, hops, table, (oif) => this.#down.has(oif));
  }

  /** A gateway must be on the link: it is looked up, which also says by which interface when that was not given. */
  #checkHop(prefix: Prefix, hop: HopSpec): HopSpec | RouteError {
    const { oif = 0, weight = 1, onlink = false } = hop;
    const via = hop.via ?? null;
    if (weight < 1 || weight > WEIGHT_MAX) return 'EINVAL';
    if (via === null) return oif > 0 && !onlink ? { oif, weight } : 'EINVAL';
    // An IPv4 prefix may have an IPv6 gateway (RFC 8950), not the other way round.
    if (via.isV4 && !prefix.address.isV4) return 'EINVAL';
    if (via.isMulticast || via.isUnspecified || via.isLimitedBroadcast) return 'EINVAL';
    if (onlink) return oif > 0 ? { via, oif, weight, onlink } : 'EINVAL';
    const key = this.#key;
    key.setDestination(via);
    key.oif = oif;
    const found = this.lookup(key);
    if (found === null) return 'ENETUNREACH';
    if (found.route.type !== 'unicast') return isRefusal(found.route.type) ? 'ENETUNREACH' : 'EINVAL';
    return found.via === null ? { via, oif: found.oif, weight } : 'ENETUNREACH';
  }
}

/** As iproute2 chooses it. */
function defaultTable(type: RouteType = 'unicast'): number {
  return type === 'local' || type === 'broadcast' ? LOCAL_TABLE : MAIN_TABLE;
}

function isTableNumber(table: number): boolean {
  return Number.isInteger(table) && table >= 1 && table <= 0xffff_ffff;
}

function hasNetworksOnly({ from, to }: RuleSpec): boolean {
  return (from === undefined || from.network.equals(from)) && (to === undefined || to.network.equals(to));
}

function isMatch(route: Route, match: RouteMatch): boolean {
  if (match.type !== undefined && match.type !== route.type) return false;
  if (match.metric !== undefined && match.metric !== route.metric) return false;
  if (match.protocol !== undefined && match.protocol !== route.protocol) return false;
  if (match.scope !== undefined && match.scope !== route.scope) return false;
  if (match.source !== undefined && !isSameAddress(match.source, route.source)) return false;
  const { via, oif } = match;
  if (via === undefined && oif === undefined) return true;
  return route.nextHops.some(
    (hop) => (via === undefined || isSameAddress(via, hop.via)) && (oif === undefined || oif === hop.oif),
  );
}

function isSame(a: Route, b: Route): boolean {
  return (
    a.metric === b.metric &&
    a.type === b.type &&
    a.scope === b.scope &&
    a.protocol === b.protocol &&
    a.mtu === b.mtu &&
    isSameAddress(a.source, b.source) &&
    a.nextHops.length === b.nextHops.length &&
    a.nextHops.every((hop, i) => isSameHop(hop, b.nextHops[i] as NextHop))
  );
}

function isSameHop(a: NextHop, b: NextHop): boolean {
  return a.oif === b.oif && a.weight === b.weight && a.onlink === b.onlink && isSameAddress(a.via, b.via);
}

function isSameAddress(a: Ip | null, b: Ip | null): boolean {
  return a === null || b === null ? a === b : a.equals(b);
}
