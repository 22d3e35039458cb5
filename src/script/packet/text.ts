/**
 * A packet in the notation of the scripts, so that what was expected and what came can be laid side by side.
 */

import { unreachable } from '../../base/assert.ts';
import { Flag } from '../../wire/tcp.ts';
import { flagLetters, icmpCodeName, icmpTypeName } from './names.ts';
import type { IcmpSpec, IpSpec, PacketSpec, TcpOption, TcpSpec, UdpSpec } from './spec.ts';
import { AE } from './spec.ts';

const ECN_FLAGS = AE | Flag.Cwr | Flag.Ece;

export function packetText(packet: PacketSpec): string {
  const ip = ipText(packet.ip);
  switch (packet.kind) {
    case 'tcp':
      return ip + tcpText(packet);
    case 'udp':
      return ip + udpText(packet);
    case 'icmp':
      return ip + icmpText(packet);
    default:
      return unreachable(packet);
  }
}

function ipText({ ecn, tos, flowLabel, ttl }: IpSpec): string {
  const parts: string[] = [];
  if (ecn !== null) parts.push(ecn);
  if (tos !== null) parts.push(`tos 0x${tos.toString(16)}`);
  if (flowLabel !== null) parts.push(`flowlabel 0x${flowLabel.toString(16)}`);
  if (ttl !== null) parts.push(`ttl ${ttl}`);
  return parts.length === 0 ? '' : `[${parts.join(', ')}] `;
}

function portsText(srcPort: number, dstPort: number): string {
  return srcPort === 0 && dstPort === 0 ? '' : `${srcPort} > ${dstPort} `;
}

function tcpText(packet: TcpSpec): string {
  const { seq, length, window, urgent, options } = packet;
  const parts = [flagsText(packet), `${seq}:${(seq + length) >>> 0}(${length})`];
  if ((packet.flags & Flag.Ack) !== 0 || packet.ack !== 0) parts.push(`ack ${packet.ack}`);
  if (window !== null) parts.push(`win ${window}`);
  if (urgent !== 0) parts.push(`urg ${urgent}`);
  if (options === null) parts.push('<...>');
  else if (options.length > 0) parts.push(`<${options.map(optionText).join(',')}>`);
  return portsText(packet.srcPort, packet.dstPort) + parts.join(' ');
}

function flagsText({ flags, hasAce }: TcpSpec): string {
  if (!hasAce) return flagLetters(flags);
  const ace =
    ((flags & AE) !== 0 ? 4 : 0) | ((flags & Flag.Cwr) !== 0 ? 2 : 0) | ((flags & Flag.Ece) !== 0 ? 1 : 0);
  return `${flagLetters((flags & ~ECN_FLAGS) | Flag.Ack)}${ace}`;
}

export function optionText(option: TcpOption): string {
  switch (option.kind) {
    case 'nop':
    case 'eol':
    case 'sackOK':
      return option.kind;
    case 'mss':
      return `mss ${option.value}`;
    case 'wscale':
      return `wscale ${option.value < 0 ? '*' : option.value}`;
    case 'sack':
      return `sack ${edgesText(option.edges)}`;
    case 'TS':
      return `TS val ${option.val} ecr ${option.ecr}`;
    case 'FO':
    case 'FOEXP':
      return option.hex === '' ? option.kind : `${option.kind} ${option.hex}`;
    case 'other':
      return `option ${option.number} ${option.hex}`;
    default:
      return unreachable(option);
  }
}

function edgesText(edges: readonly number[]): string {
  const blocks: string[] = [];
  for (let i = 0; i < edges.length; i += 2) blocks.push(`${edges[i]}:${edges[i + 1]}`);
  return blocks.join(' ');
}

function udpText(packet: UdpSpec): string {
  return `udp ${portsText(packet.srcPort, packet.dstPort)}(${packet.length})`;
}

function icmpText({ type, code, mtu, id, quoted }: IcmpSpec): string {
  const parts = ['icmp', icmpTypeName(type)];
  const codeName = icmpCodeName(type, code);
  if (codeName !== '') parts.push(codeName);
  if (mtu !== null) parts.push(`mtu ${mtu}`);
  if (id !== 0) parts.push(`id ${id}`);
  if (quoted.kind === 'tcp') {
    parts.push(`[${quoted.seq}:${(quoted.seq + quoted.length) >>> 0}(${quoted.length})]`);
  } else if (quoted.kind !== 'none') {
    parts.push(`[${quoted.kind} (${quoted.length})]`);
  }
  return parts.join(' ');
}
