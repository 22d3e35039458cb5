/**
 * From an IPv4 packet to the key that routes, rules and next hops are chosen by.
 */
import type { FlowKey } from '../addr/flow-key.ts';
import type { Packet } from '../packet/packet.ts';
import * as ipv4 from '../wire/ipv4.ts';

/** Fills every field but `oif`. The header at `l3` must have been checked. */
export function fillFlow4(key: FlowKey, packet: Packet): void {
  const { view, l3 } = packet;
  key.setAddresses4(ipv4.src(view, l3), ipv4.dst(view, l3));
  const protocol = ipv4.protocol(view, l3);
  key.protocol = protocol;
  key.tos = ipv4.tos(view, l3);
  key.mark = packet.mark;
  key.iif = packet.device;
  const l4 = l3 + ipv4.headerLength(view, l3);
  // A later fragment has no ports; taking some from its payload would scatter one datagram over several paths.
  const hasPorts = protocol === ipv4.Protocol.Tcp || protocol === ipv4.Protocol.Udp;
  if (hasPorts && ipv4.fragmentOffset(view, l3) === 0 && packet.tail - l4 >= 4) {
    key.srcPort = view.getUint16(l4);
    key.dstPort = view.getUint16(l4 + 2);
  } else {
    key.srcPort = 0;
    key.dstPort = 0;
  }
}
