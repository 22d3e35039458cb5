/**
 * Routes and rules as `ip route` and `ip rule` print them (iproute2).
 */
import { formatIp } from '../addr/ip.ts';
import type { Prefix } from '../addr/prefix.ts';
import { formatPrefix } from '../addr/prefix.ts';
import { DEFAULT_TABLE, LOCAL_TABLE, MAIN_TABLE } from './fib.ts';
import type { NextHop, Route } from './nexthop.ts';
import type { PortRange, Rule } from './rule.ts';

/** The name of an interface by its index. */
export type NameOf = (oif: number) => string;

const PROTOCOLS: Readonly<Record<number, string>> = {
  1: 'icmp',
  2: 'igmp',
  6: 'tcp',
  17: 'udp',
  58: 'ipv6-icmp',
};

/** One line, or several for a route with several next hops. With `showsTable` it says in which table it is. */
export function formatRoute(route: Route, nameOf: NameOf, showsTable = false): string {
  const words: string[] = [];
  if (route.type !== 'unicast') words.push(route.type);
  words.push(formatDestination(route.prefix));
  const [only] = route.nextHops;
  const isOne = route.nextHops.length === 1;
  if (isOne && only !== undefined) words.push(...hopWords(only, route, nameOf));
  if (showsTable && route.table !== MAIN_TABLE) words.push('table', tableName(route.table));
  if (route.protocol !== 'boot') words.push('proto', route.protocol);
  if (route.scope !== 'global') words.push('scope', route.scope);
  if (route.source !== null) words.push('src', formatIp(route.source));
  if (route.metric !== 0) words.push('metric', String(route.metric));
  if (isOne && only !== undefined) words.push(...flagWords(only));
  if (route.mtu !== 0) words.push('mtu', String(route.mtu));
  const lines = [words.join(' ')];
  if (!isOne) for (const hop of route.nextHops) lines.push(`\t${formatHop(hop, route, nameOf)}`);
  return lines.join('\n');
}

export function formatRule(rule: Rule, nameOf: NameOf): string {
  const { from, to, tos, mark, markMask, iif, oif, protocol, sourcePorts, destinationPorts, isInverted } =
    rule.selectors;
  const words: string[] = [];
  if (isInverted === true) words.push('not');
  words.push('from', from === undefined ? 'all' : formatHost(from));
  if (to !== undefined) words.push('to', formatHost(to));
  if (tos !== undefined) words.push('tos', hex(tos));
  if (mark !== undefined)
    words.push('fwmark', markMask === undefined ? hex(mark) : `${hex(mark)}/${hex(markMask)}`);
  if (iif !== undefined) words.push('iif', nameOf(iif));
  if (oif !== undefined) words.push('oif', nameOf(oif));
  if (protocol !== undefined) words.push('ipproto', PROTOCOLS[protocol] ?? String(protocol));
  if (sourcePorts !== undefined) words.push('sport', formatRange(sourcePorts));
  if (destinationPorts !== undefined) words.push('dport', formatRange(destinationPorts));
  const { action } = rule;
  if (typeof action === 'number') words.push('lookup', tableName(action));
  else words.push(action);
  return `${rule.priority}:\t${words.join(' ')}`;
}

/** The name of a table, or its number. */
export function tableName(table: number): string {
  if (table === LOCAL_TABLE) return 'local';
  if (table === MAIN_TABLE) return 'main';
  return table === DEFAULT_TABLE ? 'default' : String(table);
}

/** The number of a table by name or number; null where `text` is neither. */
export function parseTable(text: string): number | null {
  if (text === 'local') return LOCAL_TABLE;
  if (text === 'main') return MAIN_TABLE;
  if (text === 'default') return DEFAULT_TABLE;
  const table = /^\d{1,10}$/.test(text) ? Number(text) : 0;
  return table >= 1 && table <= 0xffff_ffff ? table : null;
}

function formatHop(hop: NextHop, route: Route, nameOf: NameOf): string {
  return ['nexthop', ...hopWords(hop, route, nameOf), 'weight', String(hop.weight), ...flagWords(hop)].join(
    ' ',
  );
}

function hopWords(hop: NextHop, route: Route, nameOf: NameOf): string[] {
  const words: string[] = [];
  if (hop.via !== null) {
    words.push('via');
    if (hop.via.isV4 !== route.prefix.address.isV4) words.push('inet6');
    words.push(formatIp(hop.via));
  }
  if (hop.oif !== 0) words.push('dev', nameOf(hop.oif));
  return words;
}

function flagWords(hop: NextHop): string[] {
  const words: string[] = [];
  if (hop.isDead) words.push('dead', 'linkdown');
  if (hop.onlink) words.push('onlink');
  return words;
}

function formatDestination(prefix: Prefix): string {
  return prefix.length === 0 ? 'default' : formatHost(prefix);
}

/** Without the length where it is that of a single address. */
function formatHost(prefix: Prefix): string {
  return prefix.mappedLength === 128 ? formatIp(prefix.address) : formatPrefix(prefix);
}

const hex = (n: number): string => `0x${(n >>> 0).toString(16)}`;

const formatRange = ([first, last]: PortRange): string =>
  first === last ? String(first) : `${first}-${last}`;
