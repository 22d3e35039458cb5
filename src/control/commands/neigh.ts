/**
 * `tapstack neigh`: the neighbour cache as `ip neigh` shows and changes it.
 */
import type { QueryCommand } from '../command.ts';
import { keyword, optional, query, required, toggle, word } from '../command.ts';
import type { NeighborState } from '../host.ts';
import { Refusal } from '../host.ts';
import type { NeighborReport } from '../report.ts';
import type { Type } from '../schema.ts';
import { choice } from '../schema.ts';
import { address, deviceName, network, stationMac } from '../types.ts';

const settable: Type<NeighborState> = choice('STATE', ['permanent', 'noarp', 'reachable', 'stale']);
const visible: Type<string> = choice('STATE', [
  'all',
  'permanent',
  'noarp',
  'reachable',
  'stale',
  'incomplete',
  'delay',
  'probe',
  'failed',
]);

type Shown = Omit<NeighborReport, 'used' | 'confirmed' | 'updated' | 'probes'> & Partial<NeighborReport>;

const show: QueryCommand = query({
  name: 'neigh show',
  aliases: ['list', 'ls'],
  isDefault: true,
  summary: 'show whom the stack knows on its links',
  examples: ['tapstack neigh', 'tapstack neigh show dev tapstack0 nud reachable -s'],
  params: {
    to: optional(word(network, 'only those with an address in this network', 'to')),
    dev: keyword('dev', deviceName, 'only those on this device'),
    nud: keyword('nud', visible, 'only those in this state'),
    statistics: toggle(
      '-s, --statistics',
      'how long ago each was used, confirmed and updated, and probes sent',
    ),
  },
  run: (now, host, { to, dev, nud, statistics }) => {
    const neighbors = host.neighbors(now, { to, dev, state: nud });
    if (neighbors instanceof Refusal || statistics === true) return neighbors;
    return neighbors.map(
      ({ dst, dev: name, lladdr, state }): Shown =>
        lladdr === undefined ? { dst, dev: name, state } : { dst, dev: name, lladdr, state },
    );
  },
  render: (neighbors: readonly Shown[]) => neighbors.map(formatNeighbor).join(''),
});

function set(verb: 'add' | 'replace', summary: string): QueryCommand {
  return query({
    name: `neigh ${verb}`,
    aliases: verb === 'add' ? [] : ['change'],
    summary,
    examples: [`tapstack neigh ${verb} 10.77.0.9 lladdr 02:00:00:00:00:09 dev tapstack0`],
    params: {
      address: word(address, 'of the neighbour', 'to'),
      lladdr: required(keyword('lladdr', stationMac, 'its link address')),
      dev: keyword('dev', deviceName, 'the device that it is on'),
      nud: keyword('nud', settable, 'permanent, if not given'),
    },
    run: (now, host, { address, lladdr, dev, nud }) =>
      host.setNeighbor(now, verb, { address, dev, mac: lladdr, state: nud ?? 'permanent' }),
  });
}

const del: QueryCommand = query({
  name: 'neigh del',
  aliases: ['delete'],
  summary: 'forget a neighbour',
  examples: ['tapstack neigh del 10.77.0.9 dev tapstack0'],
  params: {
    address: word(address, 'of the neighbour', 'to'),
    dev: keyword('dev', deviceName, 'the device that it is on'),
  },
  run: (_now, host, { address, dev }) => host.deleteNeighbor(address, dev),
});

const flush: QueryCommand = query({
  name: 'neigh flush',
  summary: 'forget all neighbours but those that are permanent',
  params: { dev: keyword('dev', deviceName, 'only those on this device') },
  run: (_now, host, { dev }) => {
    const flushed = host.flushNeighbors(dev);
    return typeof flushed === 'number' ? { flushed } : flushed;
  },
  render: ({ flushed }: { flushed: number }) =>
    `${flushed} ${flushed === 1 ? 'neighbour' : 'neighbours'} forgotten\n`,
});

export const neighCommands: readonly QueryCommand[] = [
  show,
  set('add', 'make an entry'),
  set('replace', 'make an entry, or change the one that is there'),
  del,
  flush,
];

export function formatNeighbor(neighbor: Shown): string {
  const words = [neighbor.dst, 'dev', neighbor.dev];
  if (neighbor.lladdr !== undefined) words.push('lladdr', neighbor.lladdr);
  const { used, confirmed, updated, probes } = neighbor;
  if (probes !== undefined) {
    words.push('used', `${ago(used)}/${ago(confirmed)}/${ago(updated)}`, 'probes', String(probes));
  }
  return `${[...words, ...neighbor.state].join(' ')}\n`;
}

function ago(seconds: number | undefined): string {
  return seconds === undefined ? '-' : String(seconds);
}
