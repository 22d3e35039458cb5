/**
 * From what a script says to the bytes of an IPv4 datagram, written into an empty packet. Numbers are the live ones
 * already; data are zeros, as packetdrill sends them.
 */
import type { Packet } from '../../packet/packet.ts';
import { pseudo4 } from '../../wire/checksum.ts';
import * as icmp4 from '../../wire/icmp4.ts';
import * as ipv4 from '../../wire/ipv4.ts';
import * as tcp from '../../wire/tcp.ts';
import * as udp from '../../wire/udp.ts';
import { optionBytes, writeOptions } from './options.ts';
import type { Ecn, IcmpSpec, IpSpec, PacketSpec, TcpSpec, UdpSpec } from './spec.ts';
import { AE } from './spec.ts';

/** Who sends to whom: addresses as header words. */
export interface Endpoints {
  readonly src: number;
  readonly dst: number;
  readonly srcPort: number;
  readonly dstPort: number;
}

const TTL = 255;
const ECN_BITS: Readonly<Record<Ecn, number>> = {
  noecn: ipv4.Ecn.NotEct,
  ect0: ipv4.Ecn.Ect0,
  ect1: ipv4.Ecn.Ect1,
  ce: ipv4.Ecn.Ce,
  ect01: ipv4.Ecn.Ect0,
};

/** RFC 792: of the datagram in error an ICMP message quotes the IP header and eight bytes; we add what is asked for. */
const QUOTED_TRANSPORT_BYTES = 8;
const ZEROS = 0;

/** Why it cannot be written, or null. */
export function buildPacket(packet: Packet, spec: PacketSpec, ends: Endpoints): string | null {
  packet.l4 = packet.l3 + ipv4.MIN_HEADER_BYTES;
  let refusal: string | null = null;
  switch (spec.kind) {
    case 'tcp':
      refusal = buildTcp(packet, spec, ends);
      break;
    case 'udp':
      buildUdp(packet, spec, ends);
      break;
    case 'icmp':
      buildIcmp(packet, spec, ends);
      break;
  }
  if (refusal !== null) return refusal;
  const length = packet.tail - packet.l3;
  if (length > ipv4.MAX_PACKET_BYTES) return `a datagram of ${length} bytes`;
  writeIp(packet, spec.ip, PROTOCOLS[spec.kind], ends);
  return null;
}

const PROTOCOLS = { tcp: ipv4.Protocol.Tcp, udp: ipv4.Protocol.Udp, icmp: ipv4.Protocol.Icmp } as const;

function writeIp(packet: Packet, ip: IpSpec, protocol: number, ends: Endpoints): void {
  const tos = ip.tos ?? (ip.ecn === null ? 0 : ECN_BITS[ip.ecn]);
  const length = packet.tail - packet.l3;
  ipv4.write(packet.view, packet.l3, length, tos, 0, 0, ip.ttl ?? TTL, protocol, ends.src, ends.dst);
}

function buildTcp(packet: Packet, spec: TcpSpec, ends: Endpoints): string | null {
  const { view, l4 } = packet;
  const options = spec.options ?? [];
  let header = tcp.MIN_HEADER_BYTES;
  for (const option of options) header += optionBytes(option);
  if (header % 4 !== 0)
    return `TCP options of ${header - tcp.MIN_HEADER_BYTES} bytes, not a multiple of four`;
  if (header > 60) return `TCP options of ${header - tcp.MIN_HEADER_BYTES} bytes, more than 40`;
  const { flags, window, urgent } = spec;
  const { srcPort, dstPort } = ends;
  tcp.write(
    view,
    l4,
    srcPort,
    dstPort,
    spec.seq | 0,
    spec.ack | 0,
    header,
    flags & 0xff,
    window ?? 0,
    urgent,
  );
  if ((flags & AE) !== 0) view.setUint8(l4 + 12, view.getUint8(l4 + 12) | 1);
  writeOptions(view, l4 + tcp.MIN_HEADER_BYTES, options);
  fill(packet, l4 + header, spec.length);
  const bytes = packet.tail - l4;
  tcp.fillChecksum(view, l4, bytes, pseudo4(ends.src, ends.dst, ipv4.Protocol.Tcp, bytes));
  return null;
}

function buildUdp(packet: Packet, spec: UdpSpec, ends: Endpoints): void {
  const { view, l4 } = packet;
  const bytes = udp.HEADER_BYTES + spec.length;
  udp.write(view, l4, ends.srcPort, ends.dstPort, bytes);
  fill(packet, l4 + udp.HEADER_BYTES, spec.length);
  udp.fillChecksum(view, l4, bytes, pseudo4(ends.src, ends.dst, ipv4.Protocol.Udp, bytes));
}

function buildIcmp(packet: Packet, spec: IcmpSpec, ends: Endpoints): void {
  const { view, l4 } = packet;
  const word = spec.mtu ?? icmp4.idSeq(spec.id, 0);
  const at = icmp4.write(view, l4, spec.type, spec.code, word);
  const { quoted } = spec;
  if (quoted.kind === 'tcp' || quoted.kind === 'udp') {
    const isTcp = quoted.kind === 'tcp';
    const header = isTcp ? tcp.MIN_HEADER_BYTES : udp.HEADER_BYTES;
    const protocol = isTcp ? ipv4.Protocol.Tcp : ipv4.Protocol.Udp;
    const length = ipv4.MIN_HEADER_BYTES + header + quoted.length;
    // It went the other way.
    const inner = ipv4.write(view, at, length, 0, 0, ipv4.Flag.Df, TTL, protocol, ends.dst, ends.src);
    fill(packet, inner, QUOTED_TRANSPORT_BYTES);
    view.setUint16(inner, ends.dstPort);
    view.setUint16(inner + 2, ends.srcPort);
    if (isTcp) view.setInt32(inner + 4, quoted.seq | 0);
    else view.setUint16(inner + 4, header + quoted.length);
  } else {
    fill(packet, at, quoted.kind === 'raw' ? Math.max(0, quoted.length - icmp4.HEADER_BYTES) : 0);
  }
  icmp4.fillChecksum(view, l4, packet.tail);
}

/** So many zeros, and there the packet ends. */
function fill(packet: Packet, at: number, length: number): void {
  packet.bytes.fill(ZEROS, at, at + length);
  packet.tail = at + length;
}
