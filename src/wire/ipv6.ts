/**
 * The IPv6 header: RFC 8200 §3. Extension headers come with `ipv6-extension.ts`; `isExtension` says which next
 * headers those are.
 *
 *     | 6 | traffic class | flow label | payload length | next header | hop limit | src 16 | dst 16 |
 */
import type { Ip } from '../addr/ip.ts';
import { Drop } from '../base/drop.ts';

export const HEADER_BYTES = 40;
/** RFC 8200 §5: what every link must carry whole. */
export const MIN_MTU = 1280;

/** Next headers that are no transport: RFC 7045 §4. Transports share `ipv4.Protocol`. */
export const NextHeader = {
  HopByHop: 0,
  Routing: 43,
  Fragment: 44,
  Esp: 50,
  Ah: 51,
  None: 59,
  Destination: 60,
  Mobility: 135,
} as const;

/** `end` may lie beyond the payload: frames are padded. */
export function check(view: DataView, at: number, end: number): Drop {
  const available = end - at;
  if (available < HEADER_BYTES) return Drop.Ip6Truncated;
  if (version(view, at) !== 6) return Drop.Ip6Version;
  return HEADER_BYTES + payloadLength(view, at) <= available ? Drop.None : Drop.Ip6Truncated;
}

export const version = (view: DataView, at: number): number => view.getUint8(at) >>> 4;
export const trafficClass = (view: DataView, at: number): number => (view.getUint16(at) >>> 4) & 0xff;
export const dscp = (view: DataView, at: number): number => (view.getUint16(at) >>> 6) & 0x3f;
export const ecn = (view: DataView, at: number): number => (view.getUint16(at) >>> 4) & 3;
export const flowLabel = (view: DataView, at: number): number => view.getInt32(at) & 0xfffff;
export const payloadLength = (view: DataView, at: number): number => view.getUint16(at + 4);
export const nextHeader = (view: DataView, at: number): number => view.getUint8(at + 6);
export const hopLimit = (view: DataView, at: number): number => view.getUint8(at + 7);
export const srcA = (view: DataView, at: number): number => view.getInt32(at + 8);
export const srcB = (view: DataView, at: number): number => view.getInt32(at + 12);
export const srcC = (view: DataView, at: number): number => view.getInt32(at + 16);
export const srcD = (view: DataView, at: number): number => view.getInt32(at + 20);
export const dstA = (view: DataView, at: number): number => view.getInt32(at + 24);
export const dstB = (view: DataView, at: number): number => view.getInt32(at + 28);
export const dstC = (view: DataView, at: number): number => view.getInt32(at + 32);
export const dstD = (view: DataView, at: number): number => view.getInt32(at + 36);

/** Whether a header of this kind stands between the IPv6 header and the transport. */
export function isExtension(nextHeader: number): boolean {
  switch (nextHeader) {
    case NextHeader.HopByHop:
    case NextHeader.Routing:
    case NextHeader.Fragment:
    case NextHeader.Ah:
    case NextHeader.Destination:
    case NextHeader.Mobility:
      return true;
    default:
      return false;
  }
}

/** The sum of the pseudo header (RFC 8200 §8.1) whose addresses are those of the header at `at`. */
export function pseudo(view: DataView, at: number, protocol: number, length: number): number {
  let total = protocol + (length >>> 16) + (length & 0xffff);
  for (let i = at + 8; i < at + HEADER_BYTES; i += 4) {
    const word = view.getInt32(i);
    total += (word >>> 16) + (word & 0xffff);
  }
  return total;
}

export function write(
  view: DataView,
  at: number,
  trafficClass: number,
  flowLabel: number,
  payloadLength: number,
  nextHeader: number,
  hopLimit: number,
  src: Ip,
  dst: Ip,
): number {
  view.setInt32(at, (6 << 28) | (trafficClass << 20) | flowLabel);
  view.setUint16(at + 4, payloadLength);
  view.setUint16(at + 6, (nextHeader << 8) | hopLimit);
  view.setInt32(at + 8, src.a);
  view.setInt32(at + 12, src.b);
  view.setInt32(at + 16, src.c);
  view.setInt32(at + 20, src.d);
  view.setInt32(at + 24, dst.a);
  view.setInt32(at + 28, dst.b);
  view.setInt32(at + 32, dst.c);
  view.setInt32(at + 36, dst.d);
  return at + HEADER_BYTES;
}

export const setPayloadLength = (view: DataView, at: number, value: number): void =>
  view.setUint16(at + 4, value);
export const setHopLimit = (view: DataView, at: number, value: number): void => view.setUint8(at + 7, value);
export const setTrafficClass = (view: DataView, at: number, value: number): void =>
  view.setUint16(at, (view.getUint16(at) & 0xf00f) | (value << 4));
