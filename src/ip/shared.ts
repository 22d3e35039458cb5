/**
 * What the parts of the network layer have in common: one of these per stack.
 */

import type { Hooks } from '../filter/hook.ts';
import type { Drops } from '../packet/drops.ts';
import type { Pool } from '../packet/pool.ts';
import type { Fib } from '../route/fib.ts';
import type { Addresses } from './addresses.ts';
import type { IpCounters } from './counters.ts';
import type { Interface } from './interface.ts';

/** Named as the files below `/proc/sys/net/ipv4`. */
export interface IpOptions {
  /** Forward datagrams for others: be a router. */
  ipForward: boolean;
  /** RFC 3704 source validation: 0 none, 1 strict, 2 loose. */
  rpFilter: 0 | 1 | 2;
  /** TTL of what this host sends. */
  ipDefaultTtl: number;
  /** Tell hosts of a better first hop (RFC 1812 §5.2.7.2), when forwarding. */
  sendRedirects: boolean;
}

export const defaultIpOptions = (): IpOptions => ({
  ipForward: false,
  rpFilter: 0,
  ipDefaultTtl: 64,
  sendRedirects: true,
});

export interface IpShared {
  readonly pool: Pool;
  readonly drops: Drops;
  readonly counters: IpCounters;
  readonly fib: Fib;
  readonly hooks: Hooks;
  readonly addresses: Addresses;
  readonly options: IpOptions;
  /** By index; index 0 is nobody's. */
  readonly interfaces: (Interface | undefined)[];
}
