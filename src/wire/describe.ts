/**
 * One line of text for any frame, in tcpdump's manner: for traces, logs, captures and failing tests.
 *
 *     IP 10.77.0.1 > 10.77.0.2: ICMP echo request, id 7, seq 1, length 64
 *     ARP, Request who-has 10.77.0.2 tell 10.77.0.1, length 28
 *
 * Takes any bytes: it never throws and never reads at or past `end`. It says when a header is wrong or cut short, and
 * describes what it can all the same; transport checksums are not looked at, because offload leaves them
 * unfinished. Makes strings, so it has no place on the data path.
 */
import { formatIp, formatIp4, Ip } from '../addr/ip.ts';
import { formatMac, Mac } from '../addr/mac.ts';
import { Drop } from '../base/drop.ts';
import * as arp from './arp.ts';
import {
  describeIcmp4,
  describeIcmp6,
  describeIgmp,
  describeTcp,
  describeUdp,
} from './describe-transport.ts';
import * as ethernet from './ethernet.ts';
import { EtherType } from './ethernet.ts';
import * as ipv4 from './ipv4.ts';
import { Protocol } from './ipv4.ts';
import * as options4 from './ipv4-options.ts';
import * as ipv6 from './ipv6.ts';
import { NextHeader } from './ipv6.ts';
import * as vlan from './vlan.ts';

/** The frame in `view` from `at` to `end`; `medium` says what it begins with, as in `NetDevice.medium`. */
export function describe(view: DataView, at: number, end: number, medium: 'ethernet' | 'ip'): string {
  return medium === 'ethernet' ? describeEthernet(view, at, end) : describeIp(view, at, end);
}

export function describeEthernet(view: DataView, at: number, end: number): string {
  if (end - at < ethernet.HEADER_BYTES) return `Ethernet ${cut(at, end)}`;
  return describeTyped(view, at, at + vlan.TAG_OFFSET, end);
}

/** An IP packet of either version. */
export function describeIp(view: DataView, at: number, end: number): string {
  if (end <= at) return 'empty';
  const version = view.getUint8(at) >>> 4;
  if (version === 4) return describeIp4(view, at, end);
  return version === 6 ? describeIp6(view, at, end) : `IP version ${version}, length ${end - at}`;
}

/** `typeAt` is where the type stands in the frame at `frame`: behind the addresses, or behind a tag. */
function describeTyped(view: DataView, frame: number, typeAt: number, end: number): string {
  const type = view.getUint16(typeAt);
  const at = typeAt + 2;
  if (vlan.isTag(type)) return describeVlan(view, frame, typeAt, end);
  switch (type) {
    case EtherType.Ip4:
    case EtherType.Ip6:
      return describeIp(view, at, end);
    case EtherType.Arp:
      return describeArp(view, at, end);
    default: {
      const what = type < ethernet.TYPE_MIN ? '802.3' : `ethertype 0x${type.toString(16).padStart(4, '0')}`;
      return `${macs(view, frame)} ${what}, length ${end - at}`;
    }
  }
}

function describeVlan(view: DataView, frame: number, at: number, end: number): string {
  if (vlan.check(at, end) !== Drop.None) return `vlan ${cut(at, end)}`;
  const dei = vlan.isDei(view, at) ? ', DEI' : '';
  const inner = describeTyped(view, frame, at + vlan.TAG_BYTES, end);
  return `vlan ${vlan.vid(view, at)}, p ${vlan.pcp(view, at)}${dei}, ${inner}`;
}

function describeArp(view: DataView, at: number, end: number): string {
  switch (arp.check(view, at, end)) {
    case Drop.None:
      break;
    case Drop.ArpTruncated:
      return `ARP ${cut(at, end)}`;
    case Drop.ArpOpcode:
      return `ARP, operation ${arp.operation(view, at)}, length ${end - at}`;
    default:
      return `ARP, hardware ${view.getUint16(at)}, protocol 0x${hex16(view, at + 2)}, length ${end - at}`;
  }
  const sender = formatIp4(arp.senderIp(view, at));
  const target = formatIp4(arp.targetIp(view, at));
  const tail = `length ${end - at}`;
  if (arp.operation(view, at) === arp.Operation.Reply) {
    return `ARP, Reply ${sender} is-at ${mac(arp.senderMacHi(view, at), arp.senderMacLo(view, at))}, ${tail}`;
  }
  // RFC 5227 §1.1 names these two forms.
  if (arp.senderIp(view, at) === 0) return `ARP, Probe ${target}, ${tail}`;
  if (sender === target) return `ARP, Announcement ${sender}, ${tail}`;
  return `ARP, Request who-has ${target} tell ${sender}, ${tail}`;
}

function describeIp4(view: DataView, at: number, end: number): string {
  const bad = ipv4.check(view, at, end);
  if (bad === Drop.Ip4Truncated) return `IP ${cut(at, end)}`;
  if (bad === Drop.Ip4HeaderLength) return `IP bad header length ${ipv4.headerLength(view, at)}`;
  const total = ipv4.totalLength(view, at);
  const header = ipv4.headerLength(view, at);
  const stop = total < header ? end : Math.min(end, at + total);
  const l4 = at + header;
  const protocol = ipv4.protocol(view, at);
  const src = formatIp4(ipv4.src(view, at));
  const dst = formatIp4(ipv4.dst(view, at));
  const notes = ip4Notes(view, at, bad, end);
  const offset = ipv4.fragmentOffset(view, at);
  const text =
    offset === 0
      ? describePayload(view, l4, stop, protocol, src, dst)
      : `${src} > ${dst}: ${protocolName(protocol)}`;
  if (!ipv4.isFragment(view, at)) return `IP ${text}${notes}`;
  const more = ipv4.isMf(view, at) ? '+' : '';
  return `IP ${text} (frag ${ipv4.id(view, at)}:${stop - l4}@${offset}${more})${notes}`;
}

/** What is worth saying of the header itself: what is wrong with it, and its options. */
function ip4Notes(view: DataView, at: number, bad: Drop, end: number): string {
  let notes = '';
  if (bad === Drop.Ip4TotalLength) {
    notes += ` [total length ${ipv4.totalLength(view, at)}, ${end - at} there]`;
  } else if (bad === Drop.Ip4Checksum) {
    notes += ` [bad header checksum 0x${hex16(view, at + 10)}]`;
  }
  return options4.hasOptions(view, at) ? `${notes} [options ${ip4Options(view, at)}]` : notes;
}

function ip4Options(view: DataView, at: number): string {
  const end = at + ipv4.headerLength(view, at);
  if (options4.check(view, at, end) >= 0) return 'bad';
  const names: string[] = [];
  for (let option = options4.first(at); option < end; option += options4.length(view, option)) {
    const type = options4.type(view, option);
    names.push(IP4_OPTION_NAMES[type] ?? `${type}`);
    if (type === options4.Option.End) break;
  }
  return names.join(',');
}

function describeIp6(view: DataView, at: number, end: number): string {
  if (end - at < ipv6.HEADER_BYTES) return `IP6 ${cut(at, end)}`;
  const src = formatIp6(view, at + 8);
  const dst = formatIp6(view, at + 24);
  const claimed = at + ipv6.HEADER_BYTES + ipv6.payloadLength(view, at);
  const stop = Math.min(end, claimed);
  const notes =
    claimed > end ? ` [payload length ${ipv6.payloadLength(view, at)}, ${end - at - 40} there]` : '';
  let next = ipv6.nextHeader(view, at);
  let l4 = at + ipv6.HEADER_BYTES;
  let chain = '';
  while (ipv6.isExtension(next)) {
    chain += `${EXTENSION_NAMES[next] ?? 'ext'} `;
    if (stop - l4 < 8) return `IP6 ${src} > ${dst}: ${chain}${cut(l4, stop)}${notes}`;
    if (next === NextHeader.Fragment) {
      const offset = view.getUint16(l4 + 2) & 0xfff8;
      const more = (view.getUint16(l4 + 2) & 1) === 0 ? '' : '+';
      chain = `${chain.slice(0, -1)} (0x${(view.getInt32(l4 + 4) >>> 0).toString(16)}:${offset}${more}) `;
      if (offset !== 0) return `IP6 ${src} > ${dst}: ${chain}length ${stop - l4 - 8}${notes}`;
    }
    const bytes = extensionBytes(next, view.getUint8(l4 + 1));
    next = view.getUint8(l4);
    l4 += bytes;
    if (l4 > stop) return `IP6 ${src} > ${dst}: ${chain}truncated${notes}`;
  }
  const text = describePayload(view, l4, stop, next, src, dst);
  return `IP6 ${text.replace(': ', `: ${chain}`)}${notes}`;
}

/** RFC 8200 §4; AH counts in another unit (RFC 4302 §2.2), and a fragment header has no length at all. */
function extensionBytes(kind: number, lengthField: number): number {
  if (kind === NextHeader.Fragment) return 8;
  return kind === NextHeader.Ah ? (lengthField + 2) * 4 : (lengthField + 1) * 8;
}

/** What follows the IP headers, with the addresses in front, which TCP and UDP join with their ports. */
function describePayload(
  view: DataView,
  at: number,
  end: number,
  protocol: number,
  src: string,
  dst: string,
): string {
  switch (protocol) {
    case Protocol.Tcp:
      return describeTcp(view, at, end, src, dst);
    case Protocol.Udp:
      return describeUdp(view, at, end, src, dst);
    case Protocol.Icmp:
      return `${src} > ${dst}: ICMP ${describeIcmp4(view, at, end)}`;
    case Protocol.Icmp6:
      return `${src} > ${dst}: ICMP6, ${describeIcmp6(view, at, end)}`;
    case Protocol.Igmp:
      return `${src} > ${dst}: igmp ${describeIgmp(view, at, end)}`;
    case NextHeader.None:
      return `${src} > ${dst}: no next header`;
    default:
      return `${src} > ${dst}: ${protocolName(protocol)}, length ${end - at}`;
  }
}

function protocolName(protocol: number): string {
  return PROTOCOL_NAMES[protocol] ?? `ip-proto-${protocol}`;
}

const PROTOCOL_NAMES: Record<number, string> = {
  [Protocol.Icmp]: 'icmp',
  [Protocol.Igmp]: 'igmp',
  [Protocol.IpIp]: 'ipip',
  [Protocol.Tcp]: 'tcp',
  [Protocol.Udp]: 'udp',
  [Protocol.Ip6]: 'ip6',
  [Protocol.Gre]: 'gre',
  [Protocol.Esp]: 'esp',
  [Protocol.Ah]: 'ah',
  [Protocol.Icmp6]: 'icmp6',
  [Protocol.Ospf]: 'ospf',
};

const EXTENSION_NAMES: Record<number, string> = {
  [NextHeader.HopByHop]: 'HBH',
  [NextHeader.Routing]: 'srcrt',
  [NextHeader.Fragment]: 'frag',
  [NextHeader.Ah]: 'AH',
  [NextHeader.Destination]: 'DSTOPT',
  [NextHeader.Mobility]: 'mobility',
};

const IP4_OPTION_NAMES: Record<number, string> = {
  [options4.Option.End]: 'EOL',
  [options4.Option.Nop]: 'NOP',
  [options4.Option.RecordRoute]: 'RR',
  [options4.Option.Timestamp]: 'TS',
  [options4.Option.Security]: 'security',
  [options4.Option.LooseRoute]: 'LSRR',
  [options4.Option.StreamId]: 'SATID',
  [options4.Option.StrictRoute]: 'SSRR',
  [options4.Option.RouterAlert]: 'RA',
};

const cut = (at: number, end: number): string => `[truncated, ${Math.max(0, end - at)} bytes]`;
const mac = (hi: number, lo: number): string => formatMac(new Mac(hi, lo));
const hex16 = (view: DataView, at: number): string => view.getUint16(at).toString(16).padStart(4, '0');

function macs(view: DataView, at: number): string {
  const src = mac(ethernet.srcHi(view, at), ethernet.srcLo(view, at));
  return `${src} > ${mac(ethernet.dstHi(view, at), ethernet.dstLo(view, at))}`;
}

const formatIp6 = (view: DataView, at: number): string =>
  formatIp(new Ip(view.getInt32(at), view.getInt32(at + 4), view.getInt32(at + 8), view.getInt32(at + 12)));
