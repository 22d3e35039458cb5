/**
 * A host with two networks and a loopback interface, and its answers as text.
 */
import { FlowKey } from '../../src/addr/flow-key.ts';
import type { Ip } from '../../src/addr/ip.ts';
import { parseIp } from '../../src/addr/ip.ts';
import type { Prefix } from '../../src/addr/prefix.ts';
import { parsePrefix } from '../../src/addr/prefix.ts';
import { addAddressRoutes } from '../../src/route/address-routes.ts';
import { Fib } from '../../src/route/fib.ts';
import { formatRoute } from '../../src/route/format.ts';
import type { NextHop, RouteSpec } from '../../src/route/nexthop.ts';

export const ip = (text: string): Ip => parseIp(text) as Ip;
export const prefix = (text: string): Prefix => parsePrefix(text) as Prefix;
const NAMES = ['none', 'lo', 'eth0', 'eth1', 'eth2'];
export const nameOf = (oif: number): string => NAMES[oif] as string;
export const LO: number = 1;
export const ETH0: number = 2;
export const ETH1: number = 3;
export const ETH2: number = 4;

/** eth0 has 10.0.0.2/24, eth1 10.0.1.2/24, lo what it always has. */
export function host(): Fib {
  const fib = new Fib();
  addAddressRoutes(fib, prefix('127.0.0.1/8'), LO);
  addAddressRoutes(fib, prefix('10.0.0.2/24'), ETH0);
  addAddressRoutes(fib, prefix('10.0.1.2/24'), ETH1);
  return fib;
}

/** A way back to text, as `ip route get` gives it: type, gateway, interface. */
export function get(fib: Fib, to: string, fields: Partial<FlowKey> = {}, from = ''): string {
  const key = Object.assign(new FlowKey(), fields);
  key.setDestination(ip(to));
  if (from !== '') key.setSource(ip(from));
  return textOf(fib.lookup(key));
}

function textOf(hop: NextHop | null): string {
  if (hop === null) return 'none';
  const words: string[] = hop.route.type === 'unicast' ? [] : [hop.route.type];
  if (hop.via !== null) words.push(`via ${hop.via.toString()}`);
  if (hop.oif !== 0) words.push(nameOf(hop.oif));
  return words.join(' ');
}

export const show = (fib: Fib, table?: number): string[] =>
  fib.list(table).map((route) => formatRoute(route, nameOf));

export function add(fib: Fib, text: string, spec: Omit<RouteSpec, 'prefix'>): string | null {
  return fib.add({ ...spec, prefix: prefix(text) });
}
