/**
 * Who sent a received packet to whom, of either family, and what its IP header says besides.
 *
 * The headers at `l3` and `l4` have been checked.
 */
import type { FlowKey } from '../addr/flow-key.ts';
import type { Packet } from '../packet/packet.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as ipv6 from '../wire/ipv6.ts';

export function isPacket4(packet: Packet): boolean {
  return ipv4.version(packet.view, packet.l3) === 4;
}

/** Source and destination address. */
export function fillAddresses(flow: FlowKey, packet: Packet): void {
  const { view, l3 } = packet;
  if (isPacket4(packet)) {
    flow.setAddresses4(ipv4.src(view, l3), ipv4.dst(view, l3));
    return;
  }
  flow.srcA = ipv6.srcA(view, l3);
  flow.srcB = ipv6.srcB(view, l3);
  flow.srcC = ipv6.srcC(view, l3);
  flow.srcD = ipv6.srcD(view, l3);
  flow.dstA = ipv6.dstA(view, l3);
  flow.dstB = ipv6.dstB(view, l3);
  flow.dstC = ipv6.dstC(view, l3);
  flow.dstD = ipv6.dstD(view, l3);
}

export function tosOf(packet: Packet): number {
  const { view, l3 } = packet;
  return isPacket4(packet) ? ipv4.tos(view, l3) : ipv6.trafficClass(view, l3);
}

export function ttlOf(packet: Packet): number {
  const { view, l3 } = packet;
  return isPacket4(packet) ? ipv4.ttl(view, l3) : ipv6.hopLimit(view, l3);
}
