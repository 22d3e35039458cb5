/**
 * `tapstack link`: devices as `ip link` shows and sets them.
 */
import type { QueryCommand } from '../command.ts';
import { bare, keyword, optional, query, toggle, word } from '../command.ts';
import { Refusal } from '../host.ts';
import type { LinkReport } from '../report.ts';
import { ConfigError, choice, integer } from '../schema.ts';
import { deviceName } from '../types.ts';
import { brief, formatStatistics, linkHeader, linkLayer } from './link-text.ts';

/** What a link carries at least (RFC 791) and at most. */
const MTU_MIN = 68;
const MTU_MAX = 65_535;

type Shown = Omit<LinkReport, 'addr_info' | 'stats64'> & {
  readonly linkmode: string;
  readonly stats64?: LinkReport['stats64'];
};

const show: QueryCommand = query({
  name: 'link show',
  aliases: ['list', 'ls'],
  isDefault: true,
  summary: 'show network devices',
  examples: ['tapstack link', 'tapstack link show tapstack0 -s --json'],
  params: {
    dev: optional(word(deviceName, 'only this device', 'dev')),
    statistics: toggle('-s, --statistics', 'packets and bytes, errors and drops too'),
    brief: toggle('-b, --brief', 'a line for each device'),
  },
  run: (_now, host, { dev, statistics }) => {
    const links = host.links(dev);
    return links instanceof Refusal ? links : links.map((link) => shown(link, statistics === true));
  },
  render: (links: readonly Shown[], { args }) => {
    if (args.brief === true) return links.map((link) => brief(link, macAndFlags(link))).join('');
    return links
      .map((link) => {
        const statistics = link.stats64 === undefined ? '' : formatStatistics(link.stats64);
        return `${linkHeader(link, true)}\n${linkLayer(link)}${statistics}`;
      })
      .join('');
  },
});

const set: QueryCommand = query({
  name: 'link set',
  summary: 'bring a device up or down, or change its MTU',
  details:
    "Only the stack's side of the device is changed; the kernel's side is the kernel's, and `ip link` sets it.",
  examples: ['tapstack link set tapstack0 down', 'tapstack link set dev tapstack0 mtu 1400'],
  params: {
    dev: word(deviceName, 'the device', 'dev'),
    state: bare(choice('STATE', ['up', 'down']), 'let it carry traffic, or not'),
    mtu: keyword('mtu', integer('BYTES', MTU_MIN, MTU_MAX), 'the largest datagram that it carries'),
  },
  run: (now, host, { dev, state, mtu }) => {
    if (state === undefined && mtu === undefined)
      return new ConfigError('', 'nothing is to be changed; say up, down or mtu BYTES');
    return host.changeLink(now, dev, {
      ...(state === undefined ? {} : { isUp: state === 'up' }),
      ...(mtu === undefined ? {} : { mtu }),
    });
  },
});

export const linkCommands: readonly QueryCommand[] = [show, set];

function shown(link: LinkReport, hasStatistics: boolean): Shown {
  const { addr_info: _, stats64, ...rest } = link;
  const { ifindex, ifname, flags, mtu, qdisc, operstate, ...others } = rest;
  const common = { ifindex, ifname, flags, mtu, qdisc, operstate, linkmode: 'DEFAULT', ...others };
  return hasStatistics ? { ...common, stats64 } : common;
}

function macAndFlags(link: Shown): string {
  return `${link.address ?? ''} <${link.flags.join(',')}>`.trim();
}
