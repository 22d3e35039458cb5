/**
 * Options that ask each router on the way to write something into them: record route and timestamp (RFC 1812
 * §5.3.13.5, §5.3.13.6). The list was checked when the datagram came in.
 *
 * Deviates: a timestamp option whose overflow counter is full is left as it is, where RFC 791 §3.1 has the datagram
 * discarded with a parameter problem, because that would let 15 routers break the path for whoever asks how it goes.
 */
import type { Packet } from '../packet/packet.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as options4 from '../wire/ipv4-options.ts';
import type { Addresses } from './addresses.ts';

/** Whether there is any option in the header. */
export const hasOptions = (packet: Packet): boolean => packet.l4 !== packet.l3 + ipv4.MIN_HEADER_BYTES;

/** `address` is that of the interface the datagram leaves by; `time` as RFC 792 puts it. */
export function recordRouter(packet: Packet, addresses: Addresses, address: number, time: number): void {
  const { view, l3, l4 } = packet;
  const route = options4.find(view, l3, l4, options4.Option.RecordRoute);
  if (route >= 0 && address !== 0) options4.recordRoute(view, l3, route, address);
  const stamps = options4.find(view, l3, l4, options4.Option.Timestamp);
  if (stamps < 0) return;
  let who = address;
  if (options4.stampFlag(view, stamps) === options4.StampFlag.Prespecified) {
    who = options4.stampAddress(view, stamps);
    if (!addresses.isLocal4(who)) return;
  }
  options4.recordTimestamp(view, l3, stamps, who, time);
}
