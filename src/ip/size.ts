/**
 * How long a packet is on the wire, where a super-segment counts with the longest of its pieces.
 */
import type { Packet } from '../packet/packet.ts';
import { GsoType } from '../packet/packet.ts';
import * as tcp from '../wire/tcp.ts';
import * as udp from '../wire/udp.ts';

/** Bytes of network layer in the longest frame that will carry some of `packet`. */
export function pieceLength(packet: Packet): number {
  const length = packet.tail - packet.l3;
  if (packet.gsoType === GsoType.None) return length;
  const transport =
    packet.gsoType === GsoType.Udp ? udp.HEADER_BYTES : tcp.dataOffset(packet.view, packet.l4);
  return Math.min(length, packet.l4 - packet.l3 + transport + packet.gsoSize);
}
