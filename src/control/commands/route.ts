/**
 * `tapstack route`: routes as `ip route` shows and changes them.
 */
import type { ArgsOf, QueryCommand } from '../command.ts';
import { bare, group, keyword, optional, query, word } from '../command.ts';
import type { RouteChange, RouteKind, RouteVerb } from '../host.ts';
import type { HopReport, RouteReport } from '../report.ts';
import type { Type } from '../schema.ts';
import { choice, integer } from '../schema.ts';
import { address, deviceName, MAIN_TABLE, mark, network, table, tableOrAll } from '../types.ts';

const U32_MAX = 0xffff_ffff;
const MTU_MIN = 68;
const MTU_MAX = 65_535;
const WEIGHT_MAX = 256;

const kind: Type<RouteKind> = choice('TYPE', [
  'unicast',
  'local',
  'broadcast',
  'multicast',
  'blackhole',
  'unreachable',
  'prohibit',
  'throw',
]);
/** By the names of `rt_protos`. */
const protocol: Type<string> = choice('PROTOCOL', [
  'kernel',
  'boot',
  'static',
  'redirect',
  'ra',
  'dhcp',
  'bird',
  'bgp',
  'ospf',
  'isis',
  'rip',
]);
const scope: Type<string> = choice('SCOPE', ['global', 'site', 'link', 'host', 'nowhere']);
const onlink: Type<'onlink'> = choice('', ['onlink']);

const hopParams = {
  via: keyword('via', address, 'the gateway; without one the destination is on the link'),
  dev: keyword('dev', deviceName, 'the device; with a gateway it may be left to be found'),
  onlink: bare(onlink, 'take the gateway to be on the link whatever the routes say'),
};

const routeParams = {
  type: bare(kind, 'what becomes of packets: forwarded, delivered here, or refused in one way or another'),
  prefix: word(network, 'the destination, or `default`', 'to'),
  ...hopParams,
  src: keyword('src', address, 'the source address of what the stack itself sends this way'),
  metric: keyword(['metric', 'preference', 'priority'], integer('N', 0, U32_MAX), 'the lowest wins'),
  mtu: keyword('mtu', integer('BYTES', MTU_MIN, MTU_MAX), 'of the path'),
  table: keyword('table', table, 'the routing table; main, if not given'),
  proto: keyword(['proto', 'protocol'], protocol, 'who made the route'),
  scope: keyword('scope', scope, 'how far away the destination is'),
  nexthops: group(
    'nexthop',
    {
      ...hopParams,
      weight: keyword('weight', integer('N', 1, WEIGHT_MAX), 'the share of flows'),
    },
    'one of several next hops',
  ),
};

type RouteArgs = ArgsOf<typeof routeParams>;

function changeOf(args: RouteArgs): RouteChange {
  const { type, prefix, via, dev, src, metric, mtu, nexthops } = args;
  return {
    type,
    prefix,
    hop: { via, dev, weight: undefined, onlink: args.onlink !== undefined },
    hops: nexthops.map((hop) => ({ ...hop, onlink: hop.onlink !== undefined })),
    src,
    metric,
    mtu,
    table: args.table,
    protocol: args.proto,
    scope: args.scope,
  };
}

function change(
  verb: RouteVerb,
  summary: string,
  aliases: readonly string[],
  examples: readonly string[],
): QueryCommand {
  return query({
    name: `route ${verb}`,
    aliases,
    summary,
    examples,
    params: routeParams,
    run: (_now, host, args) => host.changeRoute(verb, changeOf(args)),
  });
}

const filterParams = {
  table: keyword('table', tableOrAll, 'the routing table, or all; main, if not given'),
  dev: keyword('dev', deviceName, 'only those by this device'),
  type: keyword('type', kind, 'only those of this type'),
  proto: keyword(['proto', 'protocol'], protocol, 'only those that this protocol made'),
};

const show: QueryCommand = query({
  name: 'route show',
  aliases: ['list', 'ls'],
  isDefault: true,
  summary: 'show routes',
  examples: ['tapstack route', 'tapstack route show table all', 'tapstack route show 10.0.0.0/8 --json'],
  params: {
    prefix: optional(word(network, 'only those to exactly this destination', 'to', 'exact')),
    ...filterParams,
  },
  run: (_now, host, { prefix, dev, type, ...args }) =>
    host.routes({ prefix, dev, type, table: args.table ?? MAIN_TABLE, protocol: args.proto }),
  render: (routes: readonly RouteReport[]) => routes.map(formatRoute).join(''),
});

const get: QueryCommand = query({
  name: 'route get',
  summary: 'show which way packets to an address go',
  examples: ['tapstack route get 192.0.2.1', 'tapstack route get 192.0.2.1 from 10.77.0.2 mark 0x1'],
  params: {
    to: word(address, 'where to', 'to'),
    from: keyword('from', address, 'the source address of the packet'),
    iif: keyword('iif', deviceName, 'the device by which it came in'),
    oif: keyword(['oif', 'dev'], deviceName, 'the device by which it must leave'),
    tos: keyword(['tos', 'dsfield'], integer('TOS', 0, 255), 'its type of service'),
    mark: keyword('mark', mark, 'its mark'),
  },
  run: (_now, host, args) => {
    const route = host.routeTo({ ...args, mark: args.mark?.mark });
    return 'text' in route ? route : [route];
  },
  render: (routes: readonly RouteReport[]) => routes.map((route) => formatFound(route)).join('\n') + '\n',
});

/** The route, and below it what was learned about the path. */
function formatFound({ metrics = [], cache = [], ...route }: RouteReport): string {
  const learned = [...cache.map((flag) => `<${flag}>`), ...metrics.map(({ mtu }) => `mtu ${mtu}`)];
  return `${formatRoute(route)}    cache ${learned.join(' ')}`.trimEnd();
}

const flush: QueryCommand = query({
  name: 'route flush',
  summary: 'delete routes',
  details: 'At least one selector is to be given. What the kernel protocol made, with the addresses, stays.',
  examples: ['tapstack route flush table 100', 'tapstack route flush proto static'],
  params: {
    prefix: optional(word(network, 'those to exactly this destination', 'to', 'exact')),
    ...filterParams,
  },
  run: (_now, host, { prefix, dev, type, ...args }) => {
    const flushed = host.flushRoutes({
      prefix,
      dev,
      type,
      table: args.table ?? MAIN_TABLE,
      protocol: args.proto,
    });
    return typeof flushed === 'number' ? { flushed } : flushed;
  },
  render: ({ flushed }: { flushed: number }) => `${flushed} ${flushed === 1 ? 'route' : 'routes'} deleted\n`,
});

export const routeCommands: readonly QueryCommand[] = [
  show,
  change(
    'add',
    'make a route',
    [],
    [
      'tapstack route add 10.0.0.0/8 via 10.77.0.1',
      'tapstack route add default via 10.77.0.1 metric 5 mtu 1400',
      'tapstack route add 10.0.0.0/8 nexthop via 10.77.0.1 weight 2 nexthop via 10.77.0.3',
      'tapstack route add blackhole 10.9.0.0/16 table 100',
    ],
  ),
  change('replace', 'make a route, or put it in the place of the one to this destination', [], []),
  change('append', 'make a route beside those to the same destination', [], []),
  change('prepend', 'make a route in front of those to the same destination', [], []),
  change(
    'del',
    'delete a route: the first that agrees in everything that is given',
    ['delete'],
    ['tapstack route del 10.0.0.0/8'],
  ),
  get,
  flush,
];

/** As `ip route` prints it, without the space at the end. */
export function formatRoute(route: RouteReport): string {
  const words: string[] = [];
  if (route.type !== undefined) words.push(route.type);
  words.push(route.dst);
  if (route.from !== undefined) words.push('from', route.from);
  if (route.gateway !== undefined) words.push('via', route.gateway);
  if (route.dev !== undefined) words.push('dev', route.dev);
  if (route.table !== undefined) words.push('table', route.table);
  if (route.protocol !== undefined) words.push('proto', route.protocol);
  if (route.scope !== undefined) words.push('scope', route.scope);
  if (route.prefsrc !== undefined) words.push('src', route.prefsrc);
  if (route.metric !== undefined) words.push('metric', String(route.metric));
  words.push(...route.flags);
  for (const { mtu } of route.metrics ?? []) words.push('mtu', String(mtu));
  const hops = (route.nexthops ?? []).map((hop) => `\n\t${formatHop(hop)}`);
  return `${words.join(' ')}${hops.join('')}\n`;
}

function formatHop(hop: HopReport): string {
  const words = ['nexthop'];
  if (hop.gateway !== undefined) words.push('via', hop.gateway);
  if (hop.dev !== undefined) words.push('dev', hop.dev);
  words.push('weight', String(hop.weight), ...hop.flags);
  return words.join(' ');
}
