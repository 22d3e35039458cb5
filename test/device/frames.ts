/** Frames for the tests of devices: UDP over IPv4, with a whole or a partial checksum, and TCP super-segments. */
import { Mac } from '../../src/addr/mac.ts';
import type { Packet } from '../../src/packet/packet.ts';
import { GsoType, HEADROOM, PacketFlag } from '../../src/packet/packet.ts';
import type { Pool } from '../../src/packet/pool.ts';
import { checksum, fold, pseudo4 } from '../../src/wire/checksum.ts';
import * as ethernet from '../../src/wire/ethernet.ts';
import * as ipv4 from '../../src/wire/ipv4.ts';
import * as udp from '../../src/wire/udp.ts';

export const MAC_A: Mac = new Mac(0x0200, 1);
export const MAC_B: Mac = new Mac(0x0200, 2);
export const SRC: number = 0x0a4d0001;
export const DST: number = 0x0a4d0002;

export type FrameMedium = 'ethernet' | 'ip';

/** A UDP datagram whose frame is `length` bytes long, with `mark` in the first word of its payload. */
export function udpFrame(pool: Pool, medium: FrameMedium, length: number, mark = 0): Packet {
  const packet = pool.take();
  if (packet === null) throw new Error('the pool of the test is too small');
  const link = medium === 'ethernet' ? ethernet.HEADER_BYTES : 0;
  const total = length - link;
  const { view } = packet;
  packet.head = HEADROOM;
  packet.l4 = ipv4.write(view, packet.l3, total, 0, 0, ipv4.Flag.Df, 64, ipv4.Protocol.Udp, SRC, DST);
  packet.tail = HEADROOM + total;
  packet.bytes.fill(0x5a, packet.l4, packet.tail);
  const udpLength = total - 20;
  udp.write(view, packet.l4, 1000, 7, udpLength);
  if (udpLength >= 12) view.setInt32(packet.l4 + 8, mark);
  view.setUint16(packet.l4 + 6, 0);
  const sum = checksum(view, packet.l4, udpLength, pseudo4(SRC, DST, ipv4.Protocol.Udp, udpLength));
  view.setUint16(packet.l4 + 6, sum === 0 ? 0xffff : sum);
  if (link > 0) ethernet.write(view, packet.push(link), MAC_B, MAC_A, ethernet.EtherType.Ip4);
  return packet;
}

/** The same with the checksum left to the device. */
export function partialFrame(pool: Pool, medium: FrameMedium, length: number): Packet {
  const packet = udpFrame(pool, medium, length);
  const udpLength = packet.tail - packet.l4;
  packet.view.setUint16(packet.l4 + 6, fold(pseudo4(SRC, DST, ipv4.Protocol.Udp, udpLength)));
  packet.flags |= PacketFlag.ChecksumPartial;
  packet.csumStart = packet.l4;
  packet.csumOffset = 6;
  return packet;
}

/** A TCP super-segment of `count` times `size` bytes. */
export function superSegment(pool: Pool, medium: FrameMedium, size: number, count: number): Packet {
  const packet = pool.take();
  if (packet === null) throw new Error('the pool of the test is too small');
  const { view } = packet;
  const tcpLength = 20 + size * count;
  packet.l4 = ipv4.write(
    view,
    packet.l3,
    20 + tcpLength,
    0,
    0,
    ipv4.Flag.Df,
    64,
    ipv4.Protocol.Tcp,
    SRC,
    DST,
  );
  packet.tail = packet.l4 + tcpLength;
  packet.bytes.fill(0, packet.l4, packet.tail);
  view.setUint16(packet.l4, 1000);
  view.setUint16(packet.l4 + 2, 80);
  view.setUint16(packet.l4 + 12, 0x5010);
  view.setUint16(packet.l4 + 14, 0xffff);
  view.setUint16(packet.l4 + 16, fold(pseudo4(SRC, DST, ipv4.Protocol.Tcp, tcpLength)));
  packet.flags |= PacketFlag.ChecksumPartial;
  packet.csumStart = packet.l4;
  packet.csumOffset = 16;
  packet.gsoType = GsoType.Tcp4;
  packet.gsoSize = size;
  if (medium === 'ethernet') {
    ethernet.write(view, packet.push(ethernet.HEADER_BYTES), MAC_B, MAC_A, ethernet.EtherType.Ip4);
  }
  return packet;
}

/** The mark of a frame made by `udpFrame`. */
export function markOf(packet: Packet, medium: FrameMedium): number {
  return packet.view.getInt32(packet.head + (medium === 'ethernet' ? ethernet.HEADER_BYTES : 0) + 28);
}

/** Whether the UDP checksum of a frame is right (RFC 768). */
export function isIntact(packet: Packet, medium: FrameMedium): boolean {
  const l3 = packet.head + (medium === 'ethernet' ? ethernet.HEADER_BYTES : 0);
  const length = packet.tail - l3 - 20;
  return checksum(packet.view, l3 + 20, length, pseudo4(SRC, DST, ipv4.Protocol.Udp, length)) === 0;
}
