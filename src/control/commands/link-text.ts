/**
 * Devices and their addresses as `ip` prints them (iproute2).
 */
import type { AddressReport, LinkReport } from '../report.ts';

type Header = Pick<
  LinkReport,
  'ifindex' | 'ifname' | 'flags' | 'mtu' | 'qdisc' | 'operstate' | 'group' | 'txqlen'
>;

/** The life time that does not end, as `ip -j` has it. */
const FOREVER = 0xffff_ffff;

/** At least, in characters: of the longest heads of both tables. */
const WIDTHS = [6, 7, 6, 7, 7, 7];

export function linkHeader(link: Header, hasMode: boolean): string {
  const { ifindex, ifname, flags, mtu, qdisc, operstate, group, txqlen } = link;
  const mode = hasMode ? ' mode DEFAULT' : '';
  const queue = txqlen === 0 ? '' : ` qlen ${txqlen}`;
  return (
    `${ifindex}: ${ifname}: <${flags.join(',')}> mtu ${mtu} qdisc ${qdisc} ` +
    `state ${operstate}${mode} group ${group}${queue}`
  );
}

export function linkLayer(link: Pick<LinkReport, 'link_type' | 'address' | 'broadcast'>): string {
  const { link_type: type, address, broadcast } = link;
  const words = [`    link/${type}`];
  if (address !== undefined) words.push(address);
  if (broadcast !== undefined) words.push('brd', broadcast);
  return `${words.join(' ')}\n`;
}

export function formatAddress(address: AddressReport): string {
  const words = [`    ${address.family}`, `${address.local}/${address.prefixlen}`];
  if (address.broadcast !== undefined) words.push('brd', address.broadcast);
  words.push('scope', address.scope);
  if (address.tentative === true) words.push('tentative');
  if (address.dadfailed === true) words.push('dadfailed');
  words.push(address.label);
  const { valid_life_time: valid, preferred_life_time: preferred } = address;
  return `${words.join(' ')}\n       valid_lft ${life(valid)} preferred_lft ${life(preferred)}\n`;
}

function life(seconds: number): string {
  return seconds === FOREVER ? 'forever' : `${seconds}sec`;
}

/** `ip -s link`: columns as wide as the widest of both tables. */
export function formatStatistics({ rx, tx }: LinkReport['stats64']): string {
  const received = [rx.bytes, rx.packets, rx.errors, rx.dropped, rx.over_errors, rx.multicast];
  const sent = [tx.bytes, tx.packets, tx.errors, tx.dropped, tx.carrier_errors, tx.collisions];
  const widths = WIDTHS.map((width, i) =>
    Math.max(width, String(received[i]).length, String(sent[i]).length),
  );
  const row = (title: string, cells: readonly (string | number)[]): string =>
    `    ${title} ${cells.map((cell, i) => String(cell).padStart(widths[i] as number)).join(' ')}\n`;
  return (
    row('RX:', ['bytes', 'packets', 'errors', 'dropped', 'missed', 'mcast']) +
    row('   ', received) +
    row('TX:', ['bytes', 'packets', 'errors', 'dropped', 'carrier', 'collsns']) +
    row('   ', sent)
  );
}

/** A line of `ip -br`: what follows differs between links and addresses. */
export function brief(link: Pick<LinkReport, 'ifname' | 'operstate'>, rest: string): string {
  return `${link.ifname.padEnd(16)} ${link.operstate.padEnd(14)} ${rest}`.trimEnd().concat('\n');
}
