/**
 * ARP for IPv4 on Ethernet: RFC 826. Other hardware and protocols are refused by `check`, as are the reverse
 * and inverse operations (RFC 903, RFC 2390).
 *
 *     | hardware 1 | protocol 0x0800 | 6 | 4 | operation | sender mac, ip | target mac, ip |
 */
import type { Mac } from '../addr/mac.ts';
import { Drop } from '../base/drop.ts';

export const PACKET_BYTES = 28;

export const Operation = { Request: 1, Reply: 2 } as const;

const HARDWARE_ETHERNET = 1;
const PROTOCOL_IP4 = 0x0800;

/** In the order of RFC 826, «Packet Reception». A frame may be padded, so more bytes are no fault. */
export function check(view: DataView, at: number, end: number): Drop {
  if (end - at < PACKET_BYTES) return Drop.ArpTruncated;
  if (view.getUint16(at) !== HARDWARE_ETHERNET) return Drop.ArpHardwareType;
  if (view.getUint16(at + 2) !== PROTOCOL_IP4) return Drop.ArpProtocolType;
  if (view.getUint16(at + 4) !== 0x0604) return Drop.ArpLength;
  const op = operation(view, at);
  return op === Operation.Request || op === Operation.Reply ? Drop.None : Drop.ArpOpcode;
}

export const operation = (view: DataView, at: number): number => view.getUint16(at + 6);
export const senderMacHi = (view: DataView, at: number): number => view.getUint16(at + 8);
export const senderMacLo = (view: DataView, at: number): number => view.getInt32(at + 10);
export const senderIp = (view: DataView, at: number): number => view.getInt32(at + 14);
export const targetMacHi = (view: DataView, at: number): number => view.getUint16(at + 18);
export const targetMacLo = (view: DataView, at: number): number => view.getInt32(at + 20);
export const targetIp = (view: DataView, at: number): number => view.getInt32(at + 24);

export function write(
  view: DataView,
  at: number,
  op: number,
  senderMac: Mac,
  senderIp: number,
  targetMac: Mac,
  targetIp: number,
): number {
  view.setUint16(at, HARDWARE_ETHERNET);
  view.setUint16(at + 2, PROTOCOL_IP4);
  view.setUint16(at + 4, 0x0604);
  view.setUint16(at + 6, op);
  view.setUint16(at + 8, senderMac.hi);
  view.setInt32(at + 10, senderMac.lo);
  view.setInt32(at + 14, senderIp);
  view.setUint16(at + 18, targetMac.hi);
  view.setInt32(at + 20, targetMac.lo);
  view.setInt32(at + 24, targetIp);
  return at + PACKET_BYTES;
}
