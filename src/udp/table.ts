/**
 * Which socket a datagram is for: UDP's demultiplexing, with Linux's rules where RFC 768 and RFC 1122 §4.1.3.5
 * leave them open.
 *
 *     port ──> alone on its port ───────────────────────────> it, if it matches
 *          ├─> connected: (local, port, remote, port) ──┐
 *          ├─> bound:     (local address, port) ────────┼───> the best score; among equals of a SO_REUSEPORT
 *          └─> any:       (port) ───────────────────────┘     group by the flow's hash, else the newest
 *
 * The most specific match wins: connected before bound to the address before any address; then a socket bound to
 * the interface, then one of the datagram's own family. Broadcasts and multicasts go to all that match.
 */
import type { FlowKey } from '../addr/flow-key.ts';
import type { Ip } from '../addr/ip.ts';
import { assert } from '../base/assert.ts';
import { HashTable } from '../base/hash-table.ts';
import type { Rng } from '../base/rng.ts';
import type { UdpEndpoint } from './endpoint.ts';

const V4_MAPPED = 0xffff;

/** Local address and port. */
const BOUND_WORDS = 5;
/** And remote ones; both ports share a word. */
const CONNECTED_WORDS = 9;

const NO_MATCH = -1;
const OWN_FAMILY = 1;
const OWN_DEVICE = 4;

const NOBODY: readonly UdpEndpoint[] = [];

/** All that use one local port. */
class PortEntry {
  /** In the order in which they came. */
  readonly all: UdpEndpoint[] = [];
  /** Those of `all` without a local address. */
  readonly any: UdpEndpoint[] = [];
  connectedCount = 0;
  boundCount = 0;
}

export class UdpTable {
  readonly #ports = new Map<number, PortEntry>();
  readonly #connected: HashTable;
  readonly #bound: HashTable;
  /** What the values of both hash tables are indexes of. */
  readonly #groups: UdpEndpoint[][] = [];
  readonly #freeGroups: number[] = [];
  #count = 0;

  constructor(rng: Rng) {
    this.#connected = new HashTable(rng, CONNECTED_WORDS);
    this.#bound = new HashTable(rng, BOUND_WORDS);
  }

  get count(): number {
    return this.#count;
  }

  /** Everybody with local port `port`, whatever the address. */
  atPort(port: number): readonly UdpEndpoint[] {
    return this.#ports.get(port)?.all ?? NOBODY;
  }

  add(endpoint: UdpEndpoint): void {
    assert(endpoint.localPort !== 0, 'a socket has a port before it is in the table');
    let entry = this.#ports.get(endpoint.localPort);
    if (entry === undefined) {
      entry = new PortEntry();
      this.#ports.set(endpoint.localPort, entry);
    }
    entry.all.push(endpoint);
    this.#count++;
    if (endpoint.remote !== null) {
      entry.connectedCount++;
      this.#loadConnected(endpoint, endpoint.remote);
      this.#enter(this.#connected, endpoint);
    } else if (endpoint.local.isUnspecified) {
      entry.any.push(endpoint);
    } else {
      entry.boundCount++;
      this.#loadBound(endpoint);
      this.#enter(this.#bound, endpoint);
    }
  }

  remove(endpoint: UdpEndpoint): void {
    const entry = this.#ports.get(endpoint.localPort);
    assert(entry !== undefined, 'a socket leaves the port that it entered');
    take(entry.all, endpoint);
    this.#count--;
    if (endpoint.remote !== null) {
      entry.connectedCount--;
      this.#loadConnected(endpoint, endpoint.remote);
      this.#leave(this.#connected, endpoint);
    } else if (endpoint.local.isUnspecified) {
      take(entry.any, endpoint);
    } else {
      entry.boundCount--;
      this.#loadBound(endpoint);
      this.#leave(this.#bound, endpoint);
    }
    if (entry.all.length === 0) this.#ports.delete(endpoint.localPort);
  }

  /** The socket for a datagram that came in by `flow.iif`, or null. */
  lookup(flow: FlowKey): UdpEndpoint | null {
    const entry = this.#ports.get(flow.dstPort);
    if (entry === undefined) return null;
    if (entry.all.length === 1) {
      const only = entry.all[0] as UdpEndpoint;
      return matchesAddresses(only, flow) && score(only, flow) >= 0 ? only : null;
    }
    if (entry.connectedCount > 0) {
      fillConnected(this.#connected.key, flow);
      const found = this.#choose(this.#connected, flow);
      if (found !== null) return found;
    }
    if (entry.boundCount > 0) {
      const { key } = this.#bound;
      key[0] = flow.dstA;
      key[1] = flow.dstB;
      key[2] = flow.dstC;
      key[3] = flow.dstD;
      key[4] = flow.dstPort;
      const found = this.#choose(this.#bound, flow);
      if (found !== null) return found;
    }
    return entry.any.length === 0 ? null : this.#best(entry.any, flow);
  }

  /** Puts everybody that a broadcast or multicast is for into `out`; answers how many. */
  lookupAll(flow: FlowKey, isMulticast: boolean, out: UdpEndpoint[]): number {
    const entry = this.#ports.get(flow.dstPort);
    if (entry === undefined) return 0;
    let count = 0;
    for (const endpoint of entry.all) {
      if (!matchesAddresses(endpoint, flow) || score(endpoint, flow) < 0) continue;
      if (isMulticast && !endpoint.wantsGroup(flow.dstA, flow.dstB, flow.dstC, flow.dstD, flow.iif)) continue;
      out[count++] = endpoint;
    }
    return count;
  }

  #choose(table: HashTable, flow: FlowKey): UdpEndpoint | null {
    const group = table.lookup();
    return group < 0 ? null : this.#best(this.#groups[group] as UdpEndpoint[], flow);
  }

  /** Of those whose addresses match. */
  #best(group: readonly UdpEndpoint[], flow: FlowKey): UdpEndpoint | null {
    let best: UdpEndpoint | null = null;
    let bestScore = NO_MATCH;
    let equals = 0;
    // Linux puts a new socket in front of the others, so that among equals with SO_REUSEADDR the newest has it.
    for (let i = group.length - 1; i >= 0; i--) {
      const endpoint = group[i] as UdpEndpoint;
      const own = score(endpoint, flow);
      if (own < 0) continue;
      if (own > bestScore) {
        best = endpoint;
        bestScore = own;
        equals = 1;
      } else if (own === bestScore && endpoint.reusePort) equals++;
    }
    if (best === null || equals === 1 || !best.reusePort) return best;
    return this.#share(group, flow, bestScore, equals);
  }

  /** One of the `count` with SO_REUSEPORT that score `wanted`: the same one for every datagram of a flow. */
  #share(group: readonly UdpEndpoint[], flow: FlowKey, wanted: number, count: number): UdpEndpoint | null {
    fillConnected(this.#connected.key, flow);
    let index = Math.floor(((this.#connected.hash() >>> 0) / 0x1_0000_0000) * count);
    for (const endpoint of group) {
      if (!endpoint.reusePort || score(endpoint, flow) !== wanted) continue;
      if (index-- === 0) return endpoint;
    }
    return null;
  }

  #enter(table: HashTable, endpoint: UdpEndpoint): void {
    const found = table.lookup();
    if (found >= 0) {
      this.#groups[found]?.push(endpoint);
      return;
    }
    const group = this.#freeGroups.pop() ?? this.#groups.length;
    this.#groups[group] = [endpoint];
    table.insert(group);
  }

  #leave(table: HashTable, endpoint: UdpEndpoint): void {
    const found = table.lookup();
    const group = this.#groups[found];
    assert(group !== undefined, 'a socket is found under the addresses it was entered with');
    take(group, endpoint);
    if (group.length > 0) return;
    table.remove();
    this.#freeGroups.push(found);
  }

  #loadBound(endpoint: UdpEndpoint): void {
    const { key } = this.#bound;
    loadIp(key, 0, endpoint.local);
    key[4] = endpoint.localPort;
  }

  #loadConnected(endpoint: UdpEndpoint, remote: Ip): void {
    const { key } = this.#connected;
    loadIp(key, 0, endpoint.local);
    loadIp(key, 4, remote);
    key[8] = (endpoint.localPort << 16) | endpoint.remotePort;
  }
}

/** How well it fits beyond its addresses; negative when it does not. */
function score(endpoint: UdpEndpoint, flow: FlowKey): number {
  let result = 0;
  if (endpoint.device !== 0) {
    if (endpoint.device !== flow.iif) return NO_MATCH;
    result += OWN_DEVICE;
  }
  const family = flow.dstA === 0 && flow.dstB === 0 && flow.dstC === V4_MAPPED ? 4 : 6;
  if (endpoint.family === family) return result + OWN_FAMILY;
  return family === 4 && !endpoint.ipv6Only ? result : NO_MATCH;
}

function matchesAddresses(endpoint: UdpEndpoint, flow: FlowKey): boolean {
  const { local, remote } = endpoint;
  if (!local.isUnspecified && !isWords(local, flow.dstA, flow.dstB, flow.dstC, flow.dstD)) return false;
  if (remote === null) return true;
  return endpoint.remotePort === flow.srcPort && isWords(remote, flow.srcA, flow.srcB, flow.srcC, flow.srcD);
}

function isWords(ip: Ip, a: number, b: number, c: number, d: number): boolean {
  return ip.d === d && ip.c === c && ip.b === b && ip.a === a;
}

function loadIp(key: Int32Array, at: number, ip: Ip): void {
  key[at] = ip.a;
  key[at + 1] = ip.b;
  key[at + 2] = ip.c;
  key[at + 3] = ip.d;
}

/** As the receiver sees the flow: its own address first. */
function fillConnected(key: Int32Array, flow: FlowKey): void {
  key[0] = flow.dstA;
  key[1] = flow.dstB;
  key[2] = flow.dstC;
  key[3] = flow.dstD;
  key[4] = flow.srcA;
  key[5] = flow.srcB;
  key[6] = flow.srcC;
  key[7] = flow.srcD;
  key[8] = (flow.dstPort << 16) | flow.srcPort;
}

function take(list: UdpEndpoint[], endpoint: UdpEndpoint): void {
  const at = list.indexOf(endpoint);
  assert(at >= 0, 'a socket is taken out of the list that it was put into');
  list.splice(at, 1);
}
