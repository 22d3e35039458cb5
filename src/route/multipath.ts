/**
 * Which of several next hops a flow takes: hash-threshold (RFC 2992), weighted.
 *
 * A flow keeps its next hop for as long as that one is usable. When one dies, only its own flows move: they are
 * dealt out over the rest by a second hash, and come back when it does.
 */
import type { FlowKey } from '../addr/flow-key.ts';
import type { NextHop } from './nexthop.ts';

/** What makes a flow: addresses, or addresses and ports (Linux's `fib_multipath_hash_policy` 0 and 1). */
export type HashPolicy = 'l3' | 'l4';

/** The next hop of this flow, or null when none is usable. */
export function chooseHop(hops: readonly NextHop[], key: FlowKey, hash: number): NextHop | null {
  const first = pick(hops, hash, 0, false);
  if (first === null || isUsable(first, key.oif)) return first;
  return pick(hops, mix(hash), key.oif, true);
}

/** Alive, and by the wanted interface if one is wanted. */
export function isUsable(hop: NextHop, oif: number): boolean {
  return !hop.isDead && (oif === 0 || hop.oif === oif);
}

export function flowHash(key: FlowKey, policy: HashPolicy, seed: number): number {
  let hash = seed;
  hash = mix(hash ^ key.srcA);
  hash = mix(hash ^ key.srcB);
  hash = mix(hash ^ key.srcC);
  hash = mix(hash ^ key.srcD);
  hash = mix(hash ^ key.dstA);
  hash = mix(hash ^ key.dstB);
  hash = mix(hash ^ key.dstC);
  hash = mix(hash ^ key.dstD);
  if (policy === 'l4') {
    hash = mix(hash ^ key.protocol);
    hash = mix(hash ^ ((key.srcPort << 16) | key.dstPort));
  }
  return hash;
}

/** Each next hop has a stretch of the hashes, as long as its weight. */
function pick(hops: readonly NextHop[], hash: number, oif: number, usableOnly: boolean): NextHop | null {
  let total = 0;
  for (let i = 0; i < hops.length; i++) {
    const hop = hops[i] as NextHop;
    if (!usableOnly || isUsable(hop, oif)) total += hop.weight;
  }
  let at = ((hash >>> 0) / 0x1_0000_0000) * total;
  for (let i = 0; i < hops.length; i++) {
    const hop = hops[i] as NextHop;
    if (usableOnly && !isUsable(hop, oif)) continue;
    at -= hop.weight;
    if (at < 0) return hop;
  }
  return null;
}

/** A bijection of int32 that spreads every bit (Wellons' `triple32`, two of its rounds). */
function mix(word: number): number {
  let x = word ^ (word >>> 17);
  x = Math.imul(x, 0xed5ad4bb | 0);
  x ^= x >>> 11;
  x = Math.imul(x, 0xac4c1b51 | 0);
  return x ^ (x >>> 15);
}
