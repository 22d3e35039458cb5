/**
 * A neighbour as `ip neigh` tells it: `10.77.0.1 dev tapstack0 lladdr 8a:01:02:03:04:05 REACHABLE`.
 */
import { formatIp, Ip } from '../addr/ip.ts';
import { formatMac } from '../addr/mac.ts';
import type { Instant } from '../base/time.ts';
import { between, NEVER, toSec } from '../base/time.ts';
import type { NeighborEntry } from './entry.ts';

/** The fields of `ip -j -s neigh`; times in whole seconds ago, null where it never happened. */
export interface NeighborStatus {
  readonly dst: string;
  readonly dev: string;
  readonly lladdr: string | null;
  readonly state: string;
  readonly used: number | null;
  readonly confirmed: number | null;
  readonly updated: number | null;
  readonly probes: number;
}

export function neighborStatus(now: Instant, dev: string, entry: NeighborEntry): NeighborStatus {
  return {
    dst: formatIp(new Ip(entry.a, entry.b, entry.c, entry.d)),
    dev,
    lladdr: entry.mac === null ? null : formatMac(entry.mac),
    state: entry.state.toUpperCase(),
    used: secondsAgo(now, entry.usedAt),
    confirmed: secondsAgo(now, entry.confirmedAt),
    updated: secondsAgo(now, entry.updatedAt),
    probes: entry.probes,
  };
}

/** The line that `ip neigh` prints. */
export function formatNeighbor(status: NeighborStatus): string {
  const lladdr = status.lladdr === null ? '' : ` lladdr ${status.lladdr}`;
  return `${status.dst} dev ${status.dev}${lladdr} ${status.state}`;
}

/** By address, IPv4 first. */
export function compareNeighbors(x: NeighborEntry, y: NeighborEntry): number {
  return (
    (x.a >>> 0) - (y.a >>> 0) ||
    (x.b >>> 0) - (y.b >>> 0) ||
    (x.c >>> 0) - (y.c >>> 0) ||
    (x.d >>> 0) - (y.d >>> 0)
  );
}

function secondsAgo(now: Instant, then: Instant): number | null {
  return then === NEVER ? null : Math.floor(toSec(between(then, now)));
}
