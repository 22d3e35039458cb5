/**
 * Devices and their addresses as `ip` prints them (iproute2).
 */
import type { AddressReport, LinkReport } from '../report.ts';

type Header = Pick<
  LinkReport,
  'ifindex' | 'ifname' | 'flags' | 'mtu' | 'qdisc' | 'operstate' | 'group' | 'txqlen'
>;

/** Milliseconds in a life time that does not end, as `ip -j` has it. */
export const FOREVER = 0xffff_ffff;

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
  const life = (seconds: number): string => (seconds === FOREVER ? 'forever' : `${seconds}sec`);
  const { valid_life_time: valid, preferred_life_time: preferred } = address;
  return `${words.join(' ')}\n       valid_lft ${life(valid)} preferred_lft ${life(preferred)}\n`;
}

/** `ip -s link`. */
export function formatStatistics({ rx, tx }: LinkReport['stats64']): string {
  return (
    table(
      ['    RX: ', 'bytes', 'packets', 'errors', 'dropped', 'missed', 'mcast'],
      [rx.bytes, rx.packets, rx.errors, rx.dropped, rx.over_errors, rx.multicast],
    ) +
    table(
      ['    TX: ', 'bytes', 'packets', 'errors', 'dropped', 'carrier', 'collsns'],
      [tx.bytes, tx.packets, tx.errors, tx.dropped, tx.carrier_errors, tx.collisions],
    )
  );
}

/** A line of `ip -br`: what follows differs between links and addresses. */
export function brief(link: Pick<LinkReport, 'ifname' | 'operstate'>, rest: string): string {
  return `${link.ifname.padEnd(16)} ${link.operstate.padEnd(14)} ${rest}`.trimEnd().concat('\n');
}

/** A title and the heads of columns, and below each its number, right-aligned. */
function table([title, ...heads]: readonly [string, ...string[]], numbers: readonly number[]): string {
  const widths = heads.map((head, i) => Math.max(head.length, String(numbers[i]).length));
  const row = (cells: readonly string[]): string =>
    cells.map((cell, i) => cell.padStart(widths[i] as number)).join(' ');
  return `${title}${row(heads)}\n${' '.repeat(title.length)}${row(numbers.map(String))}\n`;
}
