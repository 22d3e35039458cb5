/**
 * Routes and rules of a stack, for the control plane.
 */
import { FlowKey } from '../../addr/flow-key.ts';
import type { Ip } from '../../addr/ip.ts';
import { formatIp } from '../../addr/ip.ts';
import type { Prefix } from '../../addr/prefix.ts';
import { formatPrefix } from '../../addr/prefix.ts';
import type {
  HopChange,
  RouteChange,
  RouteFilter,
  RouteQuestion,
  RouteVerb,
  RuleChange,
} from '../../control/host.ts';
import { Refusal } from '../../control/host.ts';
import type { RouteReport, RuleReport } from '../../control/report.ts';
import { MAIN_TABLE, protocolName, tableName } from '../../control/types.ts';
import type { RouteMatch } from '../../route/fib.ts';
import type { HopSpec, NextHop, Route, RouteProtocol, RouteScope, RouteSpec } from '../../route/nexthop.ts';
import { isRefusal } from '../../route/nexthop.ts';
import type { PortRange, Rule, RuleSpec } from '../../route/rule.ts';
import type { Stack } from '../../stack/stack.ts';
import { findInterface, nameOf, refuse } from './refuse.ts';

export function routes(stack: Stack, filter: RouteFilter): readonly RouteReport[] | Refusal {
  const selected = select(stack, filter);
  if (selected instanceof Refusal) return selected;
  return selected.map((route) => routeReport(stack, route, filter.table === 0));
}

export function flushRoutes(stack: Stack, filter: RouteFilter): number | Refusal {
  const { prefix, dev, type, protocol } = filter;
  if (filter.table === MAIN_TABLE && [prefix, dev, type, protocol].every((one) => one === undefined))
    return new Refusal(
      'EINVAL',
      'flush deletes what is selected; say which table, destination, device or protocol',
    );
  const selected = select(stack, filter);
  if (selected instanceof Refusal) return selected;
  const doomed = new Set(selected.filter((route) => route.protocol !== 'kernel'));
  return stack.ip.fib.flush((route) => doomed.has(route));
}

export function changeRoute(stack: Stack, verb: RouteVerb, change: RouteChange): Refusal | null {
  const what = `route ${formatDestination(change.prefix)}`;
  if (verb === 'del') {
    const match = matchOf(stack, change);
    if (match instanceof Refusal) return match;
    const errno = stack.ip.fib.del(match);
    return errno === null ? null : refuse(errno, what, { ESRCH: 'no route agrees with what is given' });
  }
  const spec = specOf(stack, change);
  if (spec instanceof Refusal) return spec;
  const errno = stack.ip.fib[verb](spec);
  return errno === null ? null : refuse(errno, what, sentences(change));
}

export function routeTo(stack: Stack, question: RouteQuestion): RouteReport | Refusal {
  const { to, from, tos, mark } = question;
  const key = new FlowKey();
  key.setDestination(to);
  if (from !== undefined) key.setSource(from);
  key.tos = tos ?? 0;
  key.mark = mark ?? 0;
  for (const [field, dev] of [
    ['iif', question.iif],
    ['oif', question.oif],
  ] as const) {
    if (dev === undefined) continue;
    const iface = findInterface(stack, dev);
    if (iface instanceof Refusal) return iface;
    key[field] = iface.index;
  }
  const hop = stack.ip.fib.lookup(key);
  if (hop === null) return refuse('ENETUNREACH', formatIp(to));
  if (isRefusal(hop.route.type)) return refuse(errnoOf(hop.route.type), formatIp(to), REFUSED);
  return answerOf(stack, hop, to, from);
}

export function rules(stack: Stack): readonly RuleReport[] {
  return stack.ip.fib.rules.map((rule) => ruleReport(stack, rule));
}

export function addRule(stack: Stack, change: RuleChange): Refusal | null {
  const spec = ruleSpec(stack, change);
  if (spec instanceof Refusal) return spec;
  const errno = stack.ip.fib.addRule(spec);
  return errno === null ? null : refuse(errno, 'rule', { EEXIST: 'there is the very same rule already' });
}

export function deleteRule(stack: Stack, change: RuleChange): Refusal | null {
  const spec = ruleSpec(stack, change);
  if (spec instanceof Refusal) return spec;
  const errno = stack.ip.fib.delRule(spec);
  return errno === null ? null : refuse(errno, 'rule', { ENOENT: 'no rule agrees with what is given' });
}

// ---- selection

function select(stack: Stack, filter: RouteFilter): Route[] | Refusal {
  const { fib } = stack.ip;
  const { prefix, type, protocol } = filter;
  let oif = 0;
  if (filter.dev !== undefined) {
    const iface = findInterface(stack, filter.dev);
    if (iface instanceof Refusal) return iface;
    oif = iface.index;
  }
  // As `ip route show table all`: main and what people made first, local last.
  const tables = filter.table === 0 ? [...fib.tables].sort((a, b) => order(a) - order(b)) : [filter.table];
  return tables
    .flatMap((table) => fib.list(table))
    .filter((route) => prefix === undefined || route.prefix.equals(prefix))
    .filter((route) => type === undefined || route.type === type)
    .filter((route) => protocol === undefined || route.protocol === protocol)
    .filter((route) => oif === 0 || route.nextHops.some((hop) => hop.oif === oif));
}

function order(table: number): number {
  return table === MAIN_TABLE ? 0 : table;
}

// ---- what is asked for

function specOf(stack: Stack, change: RouteChange): RouteSpec | Refusal {
  const hops: HopSpec[] = [];
  for (const hop of change.hops) {
    const spec = hopSpec(stack, hop);
    if (spec instanceof Refusal) return spec;
    hops.push(spec);
  }
  const hop = hopSpec(stack, change.hop);
  if (hop instanceof Refusal) return hop;
  return {
    prefix: change.prefix,
    ...hop,
    ...(change.type === undefined ? {} : { type: change.type }),
    ...(hops.length === 0 ? {} : { nextHops: hops }),
    ...(change.metric === undefined ? {} : { metric: change.metric }),
    ...(change.src === undefined ? {} : { source: change.src }),
    ...(change.mtu === undefined ? {} : { mtu: change.mtu }),
    ...(change.table === undefined ? {} : { table: change.table }),
    ...(change.protocol === undefined ? {} : { protocol: change.protocol as RouteProtocol }),
    ...(change.scope === undefined ? {} : { scope: change.scope as RouteScope }),
  };
}

function hopSpec(stack: Stack, { via, dev, weight, onlink }: HopChange): HopSpec | Refusal {
  let oif: number | undefined;
  if (dev !== undefined) {
    const iface = findInterface(stack, dev);
    if (iface instanceof Refusal) return iface;
    oif = iface.index;
  }
  return {
    ...(via === undefined ? {} : { via }),
    ...(oif === undefined ? {} : { oif }),
    ...(weight === undefined ? {} : { weight }),
    ...(onlink ? { onlink } : {}),
  };
}

function matchOf(stack: Stack, change: RouteChange): RouteMatch | Refusal {
  const hop = hopSpec(stack, change.hops[0] ?? change.hop);
  if (hop instanceof Refusal) return hop;
  const via = hop.via ?? undefined;
  return {
    prefix: change.prefix,
    ...(change.type === undefined ? {} : { type: change.type }),
    ...(via === undefined ? {} : { via }),
    ...(hop.oif === undefined ? {} : { oif: hop.oif }),
    ...(change.metric === undefined ? {} : { metric: change.metric }),
    ...(change.src === undefined ? {} : { source: change.src }),
    ...(change.table === undefined ? {} : { table: change.table }),
    ...(change.protocol === undefined ? {} : { protocol: change.protocol as RouteProtocol }),
    ...(change.scope === undefined ? {} : { scope: change.scope as RouteScope }),
  };
}

function sentences({ hop, hops }: RouteChange): Record<string, string> {
  const isNowhere = hop.via === undefined && hop.dev === undefined && hops.length === 0;
  return {
    EEXIST: 'there is a route to this destination already; replace it, append, or give another metric',
    ENETUNREACH:
      'the gateway is on no network of the stack; `tapstack addr` lists those, `onlink` says it is',
    EINVAL: isNowhere
      ? 'it leads nowhere; say via ADDRESS, dev DEVICE, or what to refuse it with'
      : 'type, gateway, device and next hops do not go together',
  };
}

function ruleSpec(stack: Stack, change: RuleChange): RuleSpec | Refusal {
  const indexes: { iif?: number; oif?: number } = {};
  for (const field of ['iif', 'oif'] as const) {
    const dev = change[field];
    if (dev === undefined) continue;
    const iface = findInterface(stack, dev);
    if (iface instanceof Refusal) return iface;
    indexes[field] = iface.index;
  }
  const { from, to, tos, mark, markMask, protocol, sourcePorts, destinationPorts, priority } = change;
  return {
    action: change.action,
    ...indexes,
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
    ...(tos === undefined ? {} : { tos }),
    ...(mark === undefined ? {} : { mark }),
    ...(markMask === undefined ? {} : { markMask }),
    ...(protocol === undefined ? {} : { protocol }),
    ...(sourcePorts === undefined ? {} : { sourcePorts }),
    ...(destinationPorts === undefined ? {} : { destinationPorts }),
    ...(priority === undefined ? {} : { priority }),
    ...(change.isInverted ? { isInverted: true } : {}),
  };
}

// ---- reports

export function routeReport(stack: Stack, route: Route, showsTable: boolean): RouteReport {
  const { type, prefix, nextHops, table, protocol, scope, source, metric, mtu } = route;
  const only = nextHops.length === 1 ? (nextHops[0] as NextHop) : null;
  return {
    ...(type === 'unicast' ? {} : { type }),
    dst: formatDestination(prefix),
    ...(only === null ? {} : hopFields(stack, only)),
    ...(showsTable && table !== MAIN_TABLE ? { table: tableName(table) } : {}),
    ...(protocol === 'boot' ? {} : { protocol }),
    ...(scope === 'global' ? {} : { scope }),
    ...(source === null ? {} : { prefsrc: formatIp(source) }),
    ...(metric === 0 ? {} : { metric }),
    flags: only === null ? [] : hopFlags(only),
    ...(mtu === 0 ? {} : { metrics: [{ mtu }] }),
    ...(only === null
      ? {
          nexthops: nextHops.map((hop) => ({
            ...hopFields(stack, hop),
            weight: hop.weight,
            flags: hopFlags(hop),
          })),
        }
      : {}),
  };
}

function hopFields(stack: Stack, { via, oif }: NextHop): { gateway?: string; dev?: string } {
  return {
    ...(via === null ? {} : { gateway: formatIp(via) }),
    ...(oif === 0 ? {} : { dev: nameOf(stack, oif) }),
  };
}

function hopFlags({ isDead, onlink }: NextHop): string[] {
  return [...(isDead ? ['dead', 'linkdown'] : []), ...(onlink ? ['onlink'] : [])];
}

/** Shaped as `ip route get` has it. */
function answerOf(stack: Stack, hop: NextHop, to: Ip, from: Ip | undefined): RouteReport {
  const { type, table, source } = hop.route;
  const isLocal = type === 'local';
  const chosen = isLocal ? to : (source ?? stack.ip.addresses.primary4(hop.oif, hop.via ?? to));
  const mtu = to.isV4 ? stack.paths.mtu4(to.d) : 0;
  return {
    ...(type === 'unicast' ? {} : { type }),
    dst: formatIp(to),
    ...(from === undefined ? {} : { from: formatIp(from) }),
    ...(isLocal ? { dev: stack.loopback.name } : hopFields(stack, hop)),
    ...(table === MAIN_TABLE ? {} : { table: tableName(table) }),
    ...(from !== undefined || chosen === null ? {} : { prefsrc: formatIp(chosen) }),
    flags: [],
    ...(mtu > 0 ? { metrics: [{ mtu }] } : {}),
    cache: isLocal ? ['local'] : [],
  };
}

const REFUSED: Readonly<Record<string, string>> = {
  EINVAL: 'a blackhole route swallows it',
  EACCES: 'a route prohibits it',
  EHOSTUNREACH: 'a route calls it unreachable',
};

function errnoOf(type: Route['type']): string {
  if (type === 'blackhole') return 'EINVAL';
  if (type === 'prohibit') return 'EACCES';
  return type === 'unreachable' ? 'EHOSTUNREACH' : 'ENETUNREACH';
}

function ruleReport(stack: Stack, { priority, selectors, action }: Rule): RuleReport {
  const { from, to, tos, mark, markMask, iif, oif, protocol, isInverted } = selectors;
  return {
    priority,
    ...(isInverted === true ? { not: null } : {}),
    src: from === undefined ? 'all' : formatIp(from.address),
    ...(from === undefined || from.mappedLength === 128 ? {} : { srclen: from.length }),
    ...(to === undefined ? {} : { dst: formatIp(to.address) }),
    ...(to === undefined || to.mappedLength === 128 ? {} : { dstlen: to.length }),
    ...(tos === undefined ? {} : { tos: hex(tos) }),
    ...(mark === undefined ? {} : { fwmark: hex(mark) }),
    ...(markMask === undefined ? {} : { fwmask: hex(markMask) }),
    ...(iif === undefined ? {} : { iif: nameOf(stack, iif) }),
    ...(oif === undefined ? {} : { oif: nameOf(stack, oif) }),
    ...(protocol === undefined ? {} : { ipproto: protocolName(protocol) }),
    ...portFields('sport', selectors.sourcePorts),
    ...portFields('dport', selectors.destinationPorts),
    ...(typeof action === 'number' ? { table: tableName(action) } : { action }),
  };
}

function portFields(name: 'sport' | 'dport', ports: PortRange | undefined): Record<string, number> {
  if (ports === undefined) return {};
  const [first, last] = ports;
  return first === last ? { [name]: first } : { [`${name}_start`]: first, [`${name}_end`]: last };
}

const hex = (n: number): string => `0x${(n >>> 0).toString(16)}`;

function formatDestination(prefix: Prefix): string {
  if (prefix.length === 0) return 'default';
  return prefix.mappedLength === 128 ? formatIp(prefix.address) : formatPrefix(prefix);
}
