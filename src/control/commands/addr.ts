/**
 * `tapstack addr`: addresses of the stack as `ip addr` shows and changes them.
 */
import type { QueryCommand } from '../command.ts';
import { keyword, optional, query, toggle, word } from '../command.ts';
import { Refusal } from '../host.ts';
import type { LinkReport } from '../report.ts';
import { deviceName, interfaceAddress, prefix } from '../types.ts';
import { brief, formatAddress, formatStatistics, linkHeader, linkLayer } from './link-text.ts';

type Shown = Omit<LinkReport, 'stats64'> & { readonly stats64?: LinkReport['stats64'] };

const show: QueryCommand = query({
  name: 'addr show',
  aliases: ['list', 'ls'],
  isDefault: true,
  summary: 'show the addresses of the stack',
  examples: ['tapstack addr', 'tapstack addr show dev tapstack0 --json'],
  params: {
    dev: optional(word(deviceName, 'only those of this device', 'dev')),
    statistics: toggle('-s, --statistics', 'packets and bytes, errors and drops too'),
    brief: toggle('-b, --brief', 'a line for each device'),
  },
  run: (_now, host, { dev, statistics }) => {
    const links = host.links(dev);
    if (links instanceof Refusal) return links;
    return links.map(({ stats64, ...link }): Shown => (statistics === true ? { ...link, stats64 } : link));
  },
  render: (links: readonly Shown[], { args }) =>
    links.map((link) => (args.brief === true ? formatBrief(link) : formatWhole(link))).join(''),
});

const target = {
  dev: keyword('dev', deviceName, 'the device; the first one that is not lo, if not given'),
};

const add: QueryCommand = query({
  name: 'addr add',
  summary: 'give the stack an address',
  details: 'It is used at once and announced to the link; the network that it is on becomes a route.',
  examples: ['tapstack addr add 10.77.0.3/24 dev tapstack0'],
  params: {
    address: word(interfaceAddress, 'the address and the length of its network', 'local'),
    ...target,
  },
  run: (now, host, { address, dev }) => host.addAddress(now, dev, address),
});

const del: QueryCommand = query({
  name: 'addr del',
  aliases: ['delete'],
  summary: 'take an address from the stack',
  examples: ['tapstack addr del 10.77.0.3/24 dev tapstack0'],
  params: { address: word(prefix, 'the address', 'local'), ...target },
  run: (now, host, { address, dev }) => host.deleteAddress(now, dev, address),
});

export const addrCommands: readonly QueryCommand[] = [show, add, del];

function formatWhole(link: Shown): string {
  const statistics = link.stats64 === undefined ? '' : formatStatistics(link.stats64);
  return `${linkHeader(link, false)}\n${linkLayer(link)}${link.addr_info.map(formatAddress).join('')}${statistics}`;
}

function formatBrief(link: Shown): string {
  return brief(link, link.addr_info.map(({ local, prefixlen }) => `${local}/${prefixlen}`).join(' '));
}
