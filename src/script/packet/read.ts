/**
 * From the bytes of an IPv4 datagram to what a script would say of it, with everything said that can be.
 */

import { Drop } from '../../base/drop.ts';
import { pseudo4 } from '../../wire/checksum.ts';
import * as icmp4 from '../../wire/icmp4.ts';
import * as ipv4 from '../../wire/ipv4.ts';
import * as tcp from '../../wire/tcp.ts';
import * as udp from '../../wire/udp.ts';
import { readOptions } from './options.ts';
import type { Ecn, IcmpSpec, IpSpec, PacketSpec, Quoted, TcpSpec, UdpSpec } from './spec.ts';
import { AE } from './spec.ts';

/** A datagram that left the stack: live numbers, and what mapping and matching need beside them. */
export interface LivePacket {
  readonly spec: PacketSpec;
  readonly src: number;
  readonly dst: number;
  readonly srcPort: number;
  readonly dstPort: number;
  /** Of the data in `bytes`. */
  readonly payloadAt: number;
  readonly bytes: Uint8Array;
  /** What is wrong with its checksums, or empty. */
  readonly fault: string;
}

const ECN_NAMES: readonly Ecn[] = ['noecn', 'ect1', 'ect0', 'ce'];

/** Null for what is no TCP, UDP or ICMP, or not even a datagram. */
export function readPacket(bytes: Uint8Array): LivePacket | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const end = bytes.length;
  if (end < ipv4.MIN_HEADER_BYTES || ipv4.version(view, 0) !== 4) return null;
  const fault = ipv4.check(view, 0, end) === Drop.None ? '' : 'bad IP header or checksum';
  const at = ipv4.headerLength(view, 0);
  if (at < ipv4.MIN_HEADER_BYTES || at > end) return null;
  switch (ipv4.protocol(view, 0)) {
    case ipv4.Protocol.Tcp:
      return tcp.check(view, at, end) === Drop.None ? readTcp(view, bytes, at, fault) : null;
    case ipv4.Protocol.Udp:
      return udp.check(view, at, end) === Drop.None ? readUdp(view, bytes, at, fault) : null;
    case ipv4.Protocol.Icmp:
      return end - at >= icmp4.HEADER_BYTES ? readIcmp(view, bytes, at, fault) : null;
    default:
      return null;
  }
}

function readIp(view: DataView): IpSpec {
  const tos = ipv4.tos(view, 0);
  return { ecn: ECN_NAMES[tos & 3] as Ecn, tos, flowLabel: null, ttl: ipv4.ttl(view, 0) };
}

function readTcp(view: DataView, bytes: Uint8Array, at: number, ipFault: string): LivePacket {
  const payloadAt = at + tcp.dataOffset(view, at);
  const spec: TcpSpec = {
    kind: 'tcp',
    ip: readIp(view),
    srcPort: 0,
    dstPort: 0,
    flags: tcp.flags(view, at) | ((view.getUint8(at + 12) & 1) === 0 ? 0 : AE),
    hasAce: false,
    seq: tcp.seq(view, at) >>> 0,
    length: bytes.length - payloadAt,
    ack: tcp.ack(view, at) >>> 0,
    window: tcp.window(view, at),
    urgent: tcp.urgentPointer(view, at),
    options: readOptions(view, at + tcp.MIN_HEADER_BYTES, payloadAt),
  };
  const length = bytes.length - at;
  const pseudo = pseudo4(ipv4.src(view, 0), ipv4.dst(view, 0), ipv4.Protocol.Tcp, length);
  const isRight = tcp.verify(view, at, length, pseudo);
  return live(view, bytes, spec, at, payloadAt, ipFault || (isRight ? '' : 'bad TCP checksum'));
}

function readUdp(view: DataView, bytes: Uint8Array, at: number, ipFault: string): LivePacket {
  const length = udp.length(view, at);
  const spec: UdpSpec = {
    kind: 'udp',
    ip: readIp(view),
    srcPort: 0,
    dstPort: 0,
    length: length - udp.HEADER_BYTES,
  };
  const pseudo = pseudo4(ipv4.src(view, 0), ipv4.dst(view, 0), ipv4.Protocol.Udp, length);
  const isRight = udp.verify(view, at, length, pseudo);
  return live(view, bytes, spec, at, at + udp.HEADER_BYTES, ipFault || (isRight ? '' : 'bad UDP checksum'));
}

function readIcmp(view: DataView, bytes: Uint8Array, at: number, ipFault: string): LivePacket {
  const type = icmp4.type(view, at);
  const code = icmp4.code(view, at);
  const isTooLong = type === icmp4.Type.Unreachable && code === icmp4.UnreachableCode.FragmentationNeeded;
  const isEcho = type === icmp4.Type.Echo || type === icmp4.Type.EchoReply;
  const spec: IcmpSpec = {
    kind: 'icmp',
    ip: readIp(view),
    type,
    code,
    mtu: isTooLong ? icmp4.nextHopMtu(view, at) : null,
    id: isEcho ? icmp4.id(view, at) : 0,
    quoted: readQuoted(view, at, bytes.length, type),
  };
  const isRight = icmp4.check(view, at, bytes.length) === Drop.None;
  const payloadAt = at + icmp4.HEADER_BYTES;
  return {
    ...live(view, bytes, spec, at, payloadAt, ipFault || (isRight ? '' : 'bad ICMP')),
    srcPort: 0,
    dstPort: 0,
  };
}

function readQuoted(view: DataView, at: number, end: number, type: number): Quoted {
  const inner = at + icmp4.HEADER_BYTES;
  if (!icmp4.isErrorType(type) || end - inner < ipv4.MIN_HEADER_BYTES + 8)
    return { kind: 'raw', length: end - at };
  const header = ipv4.headerLength(view, inner);
  const transport = inner + header;
  const length = ipv4.totalLength(view, inner) - header;
  switch (ipv4.protocol(view, inner)) {
    case ipv4.Protocol.Tcp: {
      const hasOffset = end - transport >= tcp.MIN_HEADER_BYTES;
      const offset = hasOffset ? tcp.dataOffset(view, transport) : tcp.MIN_HEADER_BYTES;
      return { kind: 'tcp', seq: tcp.seq(view, transport) >>> 0, length: Math.max(0, length - offset) };
    }
    case ipv4.Protocol.Udp:
      return { kind: 'udp', length: Math.max(0, length - udp.HEADER_BYTES) };
    default:
      return { kind: 'raw', length: end - at };
  }
}

function live(
  view: DataView,
  bytes: Uint8Array,
  spec: PacketSpec,
  at: number,
  payloadAt: number,
  fault: string,
): LivePacket {
  return {
    spec,
    src: ipv4.src(view, 0),
    dst: ipv4.dst(view, 0),
    srcPort: view.getUint16(at),
    dstPort: view.getUint16(at + 2),
    payloadAt,
    bytes,
    fault,
  };
}
