/**
 * All commands, in the order in which help and reference show them.
 */
import type { Command } from '../command.ts';
import { relay } from '../relay/command.ts';
import { addrCommands } from './addr.ts';
import { captureCommands } from './capture.ts';
import { completion } from './completion.ts';
import { counterCommands } from './counters.ts';
import { instanceCommands } from './instance.ts';
import { linkCommands } from './link.ts';
import { neighCommands } from './neigh.ts';
import { pingCommands } from './ping.ts';
import { routeCommands } from './route.ts';
import { ruleCommands } from './rule.ts';
import { ssCommands } from './ss.ts';
import { tracerouteCommands } from './traceroute.ts';
import { up } from './up.ts';

export const COMMANDS: readonly Command[] = [
  up,
  ...instanceCommands,
  ...linkCommands,
  ...addrCommands,
  ...routeCommands,
  ...ruleCommands,
  ...neighCommands,
  ...ssCommands,
  ...counterCommands,
  ...pingCommands,
  ...tracerouteCommands,
  ...captureCommands,
  relay,
  completion,
];

/** Other names of the first words, beside their unambiguous beginnings. */
export const OBJECT_ALIASES: Readonly<Record<string, string>> = {
  address: 'addr',
  neighbor: 'neigh',
  neighbour: 'neigh',
  // As `ip r` is `ip route`, not `ip rule`.
  r: 'route',
  ru: 'rule',
  s: 'status',
};

/** What a first word stands for that has several actions. */
export const OBJECTS: Readonly<Record<string, string>> = {
  link: 'network devices of the stack',
  addr: 'addresses of the stack',
  route: 'routes, in all tables',
  rule: 'which table is used for which packets',
  neigh: 'whom the stack knows on its links',
};
