/**
 * Ethernet II framing: RFC 894; IEEE 802.3 §3.2. The frame check sequence is the hardware's and never seen here.
 *
 *     | destination 6 | source 6 | type 2 | payload …
 *
 * A type below 0x0600 is the length of an 802.3 frame, which carries LLC.
 */
import type { Mac } from '../addr/mac.ts';
import { Drop } from '../base/drop.ts';

export const HEADER_BYTES = 14;
/** Types from here on are EtherTypes, smaller ones are lengths (IEEE 802.3 §3.2.6). */
export const TYPE_MIN = 0x0600;

export const EtherType = {
  Ip4: 0x0800,
  Arp: 0x0806,
  Vlan: 0x8100,
  Ip6: 0x86dd,
  /** The service tag of IEEE 802.1ad. */
  VlanService: 0x88a8,
  Lldp: 0x88cc,
} as const;

export function check(view: DataView, at: number, end: number): Drop {
  if (end - at < HEADER_BYTES) return Drop.FrameTruncated;
  // IEEE 802.3 §3.2.3: a source is always one station; a group there would poison neighbour and bridge tables.
  if ((view.getUint8(at + 6) & 1) !== 0) return Drop.EthernetSourceGroup;
  return Drop.None;
}

/** The first two bytes of an address as `Mac.hi` has them, the last four as `Mac.lo`. */
export const dstHi = (view: DataView, at: number): number => view.getUint16(at);
export const dstLo = (view: DataView, at: number): number => view.getInt32(at + 2);
export const srcHi = (view: DataView, at: number): number => view.getUint16(at + 6);
export const srcLo = (view: DataView, at: number): number => view.getInt32(at + 8);
export const type = (view: DataView, at: number): number => view.getUint16(at + 12);

export function write(view: DataView, at: number, dst: Mac, src: Mac, etherType: number): number {
  view.setUint16(at, dst.hi);
  view.setInt32(at + 2, dst.lo);
  view.setUint16(at + 6, src.hi);
  view.setInt32(at + 8, src.lo);
  view.setUint16(at + 12, etherType);
  return at + HEADER_BYTES;
}
