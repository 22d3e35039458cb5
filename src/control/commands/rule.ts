/**
 * `tapstack rule`: the rules of policy routing as `ip rule` shows and changes them.
 */
import type { ArgsOf, QueryCommand } from '../command.ts';
import { bare, keyword, query } from '../command.ts';
import type { RuleChange } from '../host.ts';
import type { RuleReport } from '../report.ts';
import type { Type } from '../schema.ts';
import { ConfigError, choice, integer } from '../schema.ts';
import { deviceName, ipProtocol, MAIN_TABLE, mark, network, portRange, table } from '../types.ts';

const PRIORITY_MAX = 0xffff_ffff;

const not: Type<'not'> = choice('', ['not']);
const refusal: Type<'blackhole' | 'unreachable' | 'prohibit'> = choice('REFUSAL', [
  'blackhole',
  'unreachable',
  'prohibit',
]);

const ruleParams = {
  not: bare(not, 'packets that the selectors do not match'),
  from: keyword('from', network, 'with a source in this network; `all` for every one'),
  to: keyword('to', network, 'with a destination in this network'),
  tos: keyword(['tos', 'dsfield'], integer('TOS', 0, 255), 'with this type of service'),
  fwmark: keyword('fwmark', mark, 'with this mark, in the bits of the mask'),
  iif: keyword('iif', deviceName, 'that came in by this device; lo for those of the stack itself'),
  oif: keyword('oif', deviceName, 'of sockets bound to this device'),
  ipproto: keyword('ipproto', ipProtocol, 'of this protocol'),
  sport: keyword('sport', portRange, 'from these ports'),
  dport: keyword('dport', portRange, 'to these ports'),
  priority: keyword(
    ['priority', 'preference', 'pref', 'order'],
    integer('N', 0, PRIORITY_MAX),
    'rules are asked in the order of these numbers',
  ),
  table: keyword(['table', 'lookup'], table, 'look the packets up in this table'),
  refusal: bare(refusal, 'refuse them instead'),
};

function changeOf(args: ArgsOf<typeof ruleParams>): RuleChange | ConfigError {
  if (args.table !== undefined && args.refusal !== undefined)
    return new ConfigError(args.refusal, 'a rule looks up a table or refuses, not both');
  return {
    isInverted: args.not !== undefined,
    // A network of length 0 is what not to select by; `from all` says so.
    from: args.from?.length === 0 ? undefined : args.from,
    to: args.to?.length === 0 ? undefined : args.to,
    tos: args.tos,
    mark: args.fwmark?.mark,
    markMask: args.fwmark?.mask ?? undefined,
    iif: args.iif,
    oif: args.oif,
    protocol: args.ipproto,
    sourcePorts: args.sport,
    destinationPorts: args.dport,
    priority: args.priority,
    action: args.refusal ?? args.table ?? MAIN_TABLE,
  };
}

const show: QueryCommand = query({
  name: 'rule show',
  aliases: ['list', 'ls'],
  isDefault: true,
  summary: 'show the rules that choose a routing table',
  examples: ['tapstack rule'],
  params: {},
  run: (_now, host) => host.rules(),
  render: (rules: readonly RuleReport[]) => rules.map(formatRule).join(''),
});

const add: QueryCommand = query({
  name: 'rule add',
  summary: 'make a rule',
  details: 'Without a priority it is asked before all others but the first, as with `ip rule`.',
  examples: ['tapstack rule add from 10.77.0.3 table 100', 'tapstack rule add fwmark 0x1/0xff prohibit'],
  params: ruleParams,
  run: (_now, host, args) => {
    const change = changeOf(args);
    return change instanceof ConfigError ? change : host.addRule(change);
  },
});

const del: QueryCommand = query({
  name: 'rule del',
  aliases: ['delete'],
  summary: 'delete a rule: the first that selects and does the same',
  examples: ['tapstack rule del from 10.77.0.3 table 100'],
  params: ruleParams,
  run: (_now, host, args) => {
    const change = changeOf(args);
    return change instanceof ConfigError ? change : host.deleteRule(change);
  },
});

export const ruleCommands: readonly QueryCommand[] = [show, add, del];

export function formatRule(rule: RuleReport): string {
  const words: string[] = [];
  if (rule.not === null) words.push('not');
  words.push('from', withLength(rule.src, rule.srclen));
  if (rule.dst !== undefined) words.push('to', withLength(rule.dst, rule.dstlen));
  if (rule.tos !== undefined) words.push('tos', rule.tos);
  if (rule.fwmark !== undefined)
    words.push('fwmark', rule.fwmask === undefined ? rule.fwmark : `${rule.fwmark}/${rule.fwmask}`);
  if (rule.iif !== undefined) words.push('iif', rule.iif);
  if (rule.oif !== undefined) words.push('oif', rule.oif);
  if (rule.ipproto !== undefined) words.push('ipproto', rule.ipproto);
  if (rule.sport !== undefined) words.push('sport', String(rule.sport));
  if (rule.sport_start !== undefined) words.push('sport', `${rule.sport_start}-${rule.sport_end}`);
  if (rule.dport !== undefined) words.push('dport', String(rule.dport));
  if (rule.dport_start !== undefined) words.push('dport', `${rule.dport_start}-${rule.dport_end}`);
  if (rule.table !== undefined) words.push('lookup', rule.table);
  if (rule.action !== undefined) words.push(rule.action);
  return `${rule.priority}:\t${words.join(' ')}\n`;
}

function withLength(address: string, length: number | undefined): string {
  return length === undefined ? address : `${address}/${length}`;
}
