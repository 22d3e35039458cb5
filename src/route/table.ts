/**
 * One routing table: routes by prefix, those of one prefix ordered by metric, and of equal metrics as entered.
 */
import type { FlowKey } from '../addr/flow-key.ts';
import type { Prefix } from '../addr/prefix.ts';
import type { HashPolicy } from './multipath.ts';
import { chooseHop, flowHash, isUsable } from './multipath.ts';
import type { NextHop, Route } from './nexthop.ts';
import { isRefusal } from './nexthop.ts';
import { Trie } from './trie.ts';

export class Table {
  readonly id: number;
  hashPolicy: HashPolicy = 'l3';
  hashSeed = 0;
  readonly #trie = new Trie();
  /** By the values of the trie. */
  readonly #groups: (Route[] | undefined)[] = [];
  readonly #free: number[] = [];
  #size = 0;

  constructor(id: number) {
    this.id = id;
  }

  get size(): number {
    return this.#size;
  }

  /**
   * The next hop of the longest prefix that has a usable one; of a route that refuses, its only one, whatever the
   * interface. Null when there is none.
   */
  lookup(key: FlowKey): NextHop | null {
    let group = this.#trie.lookup(key.dstA, key.dstB, key.dstC, key.dstD);
    while (group >= 0) {
      const routes = this.#groups[group] as Route[];
      for (let i = 0; i < routes.length; i++) {
        const hop = this.#choose(routes[i] as Route, key);
        if (hop !== null) return hop;
      }
      const length = (routes[0] as Route).prefix.mappedLength;
      group = this.#trie.lookupShorter(key.dstA, key.dstB, key.dstC, key.dstD, length);
    }
    return null;
  }

  /** The routes of exactly this prefix, in order. */
  routesOf(prefix: Prefix): readonly Route[] {
    const { a, b, c, d } = prefix.address;
    const group = this.#trie.find(a, b, c, d, prefix.mappedLength);
    return group < 0 ? [] : (this.#groups[group] as Route[]);
  }

  /** Enters a route before or after those of the same metric. */
  insert(route: Route, where: 'before' | 'after'): void {
    const routes = this.#groupOf(route.prefix);
    const isBehind = (other: Route): boolean =>
      where === 'before' ? other.metric >= route.metric : other.metric > route.metric;
    const at = routes.findIndex(isBehind);
    routes.splice(at < 0 ? routes.length : at, 0, route);
    this.#size++;
  }

  remove(route: Route): void {
    const { a, b, c, d } = route.prefix.address;
    const group = this.#trie.find(a, b, c, d, route.prefix.mappedLength);
    const routes = this.#groups[group] as Route[];
    routes.splice(routes.indexOf(route), 1);
    this.#size--;
    if (routes.length > 0) return;
    this.#trie.remove(a, b, c, d, route.prefix.mappedLength);
    this.#groups[group] = undefined;
    this.#free.push(group);
  }

  /** Puts `route` in the place of `old`, which has the same prefix and metric. */
  exchange(old: Route, route: Route): void {
    const routes = this.#groupOf(old.prefix);
    routes[routes.indexOf(old)] = route;
  }

  /** All routes: IPv4 first, by address, then length, then metric. */
  list(): Route[] {
    const routes: Route[] = [];
    this.#trie.visit((group) => {
      for (const route of this.#groups[group] as Route[]) routes.push(route);
    });
    return routes;
  }

  #choose(route: Route, key: FlowKey): NextHop | null {
    const hops = route.nextHops;
    const only = hops[0] as NextHop;
    if (hops.length === 1) return isUsable(only, key.oif) || isRefusal(route.type) ? only : null;
    return chooseHop(hops, key, flowHash(key, this.hashPolicy, this.hashSeed));
  }

  #groupOf(prefix: Prefix): Route[] {
    const { a, b, c, d } = prefix.address;
    const found = this.#trie.find(a, b, c, d, prefix.mappedLength);
    if (found >= 0) return this.#groups[found] as Route[];
    const group = this.#free.pop() ?? this.#groups.length;
    const routes: Route[] = [];
    this.#groups[group] = routes;
    this.#trie.insert(a, b, c, d, prefix.mappedLength, group);
    return routes;
  }
}
