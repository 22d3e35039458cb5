/**
 * Whether a packet is what the script expects. Both are in the script's numbers. What the script leaves open is not
 * looked at: the window without `win`, options with `<...>`, the IP header without brackets.
 */
import { Flag } from '../../wire/tcp.ts';
import type { IcmpSpec, IpSpec, PacketSpec, TcpOption, TcpSpec } from './spec.ts';
import { AE } from './spec.ts';
import { optionText } from './text.ts';

const NAMED_FLAGS: readonly (readonly [name: string, flag: number])[] = [
  ['FIN', Flag.Fin],
  ['SYN', Flag.Syn],
  ['RST', Flag.Rst],
  ['PSH', Flag.Psh],
  ['ACK', Flag.Ack],
  ['URG', Flag.Urg],
  ['ECE', Flag.Ece],
  ['CWR', Flag.Cwr],
  ['AE', AE],
];

/** What is looked at in timestamps. As in packetdrill nothing is, unless the script says how long a tick is. */
export interface TimestampCheck {
  /** How far `val` may be off; -1: it is not looked at. */
  readonly ticks: number;
  /** Whether `ecr` must be the script's. */
  readonly isEcrChecked: boolean;
}

const UNCHECKED: TimestampCheck = { ticks: -1, isEcrChecked: false };

/** The first thing that differs, in words, or null. */
export function difference(
  want: PacketSpec,
  got: PacketSpec,
  timestamps: TimestampCheck = UNCHECKED,
): string | null {
  if (want.kind !== got.kind) return `it is ${got.kind}, not ${want.kind}`;
  const ip = ipDifference(want.ip, got.ip);
  if (ip !== null) return ip;
  if (want.kind === 'tcp') return tcpDifference(want, got as TcpSpec, timestamps);
  if (want.kind === 'icmp') return icmpDifference(want, got as IcmpSpec);
  return field('length of the data', want.length, (got as typeof want).length);
}

function field(name: string, want: number | string, got: number | string): string | null {
  return want === got ? null : `${name} is ${got}, not ${want}`;
}

function ipDifference(want: IpSpec, got: IpSpec): string | null {
  if (want.ecn === 'ect01') {
    if (got.ecn !== 'ect0' && got.ecn !== 'ect1') return `ECN is ${got.ecn}, not ect0 or ect1`;
  } else if (want.ecn !== null && want.ecn !== got.ecn) {
    return `ECN is ${got.ecn}, not ${want.ecn}`;
  }
  if (want.tos !== null && want.tos !== got.tos) return field('TOS', want.tos, got.tos ?? 0);
  if (want.ttl !== null && want.ttl !== got.ttl) return field('TTL', want.ttl, got.ttl ?? 0);
  if (want.flowLabel !== null && want.flowLabel !== got.flowLabel) return 'there is no flow label';
  return null;
}

function tcpDifference(want: TcpSpec, got: TcpSpec, timestamps: TimestampCheck): string | null {
  const changed = want.flags ^ got.flags;
  for (const [name, flag] of NAMED_FLAGS) {
    if ((changed & flag) !== 0) return `${name} is ${(got.flags & flag) === 0 ? 'not set' : 'set'}`;
  }
  return (
    field('sequence number', want.seq, got.seq) ??
    field('length of the data', want.length, got.length) ??
    field('ack', want.ack, got.ack) ??
    (want.window === null ? null : field('win', want.window, got.window ?? 0)) ??
    field('urg', want.urgent, got.urgent) ??
    (want.options === null ? null : optionsDifference(want.options, got.options ?? [], timestamps))
  );
}

function optionsDifference(
  want: readonly TcpOption[],
  got: readonly TcpOption[],
  timestamps: TimestampCheck,
): string | null {
  const count = Math.max(want.length, got.length);
  for (let i = 0; i < count; i++) {
    const a = want[i];
    const b = got[i];
    if (a !== undefined && b !== undefined && isSameOption(a, b, timestamps)) continue;
    const there = b === undefined ? 'missing' : optionText(b);
    return `option ${i + 1} is ${there}, not ${a === undefined ? 'there' : optionText(a)}`;
  }
  return null;
}

function isSameOption(want: TcpOption, got: TcpOption, timestamps: TimestampCheck): boolean {
  if (want.kind === 'wscale' && got.kind === 'wscale') return want.value < 0 || want.value === got.value;
  if (want.kind === 'TS' && got.kind === 'TS') {
    const { ticks, isEcrChecked } = timestamps;
    if (isEcrChecked && want.ecr !== got.ecr) return false;
    return ticks < 0 || Math.abs((got.val - want.val) | 0) <= ticks;
  }
  return optionText(want) === optionText(got);
}

function icmpDifference(want: IcmpSpec, got: IcmpSpec): string | null {
  return (
    field('ICMP type', want.type, got.type) ??
    field('ICMP code', want.code, got.code) ??
    (want.mtu === null ? null : field('mtu', want.mtu, got.mtu ?? 0)) ??
    (want.id === 0 ? null : field('id', want.id, got.id)) ??
    quotedDifference(want, got)
  );
}

function quotedDifference(want: IcmpSpec, got: IcmpSpec): string | null {
  const { quoted } = want;
  if (quoted.kind === 'none') return null;
  if (quoted.kind !== got.quoted.kind) return `it quotes ${got.quoted.kind}, not ${quoted.kind}`;
  if (quoted.kind === 'tcp' && got.quoted.kind === 'tcp' && quoted.seq !== got.quoted.seq)
    return field('quoted sequence number', quoted.seq, got.quoted.seq);
  return field('quoted length', quoted.length, got.quoted.length);
}
