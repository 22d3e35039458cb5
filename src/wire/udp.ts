/**
 * The UDP header: RFC 768, RFC 1122 §4.1.3.
 *
 *     | source port | destination port | length | checksum | data … |
 *
 * `check` is about lengths; the checksum needs the pseudo header and may have been verified by the device, so
 * `verify` is apart.
 */
import { Drop } from '../base/drop.ts';
import { fold, sum, update16, update32 } from './checksum.ts';

export const HEADER_BYTES = 8;
/** Offset of the checksum field, for offload. */
export const CHECKSUM_OFFSET = 6;

/** `end` is the end of the datagram's IP payload, which may be longer than the length says. */
export function check(view: DataView, at: number, end: number): Drop {
  const available = end - at;
  if (available < HEADER_BYTES) return Drop.UdpTruncated;
  const bytes = length(view, at);
  return bytes >= HEADER_BYTES && bytes <= available ? Drop.None : Drop.UdpLength;
}

export const srcPort = (view: DataView, at: number): number => view.getUint16(at);
export const dstPort = (view: DataView, at: number): number => view.getUint16(at + 2);
/** Of header and data. */
export const length = (view: DataView, at: number): number => view.getUint16(at + 4);
/** 0: the sender made none, which only IPv4 allows. */
export const checksum = (view: DataView, at: number): number => view.getUint16(at + 6);

/** Whether the checksum over `length` bytes is right, given the pseudo header's sum. RFC 768: zero is none. */
export function verify(view: DataView, at: number, length: number, pseudo: number): boolean {
  if (checksum(view, at) === 0) return true;
  return fold(sum(view, at, length, pseudo)) === 0xffff;
}

/** A header with the checksum still zero. `length` includes the header. */
export function write(view: DataView, at: number, srcPort: number, dstPort: number, length: number): number {
  view.setUint16(at, srcPort);
  view.setUint16(at + 2, dstPort);
  view.setUint16(at + 4, length);
  view.setUint16(at + 6, 0);
  return at + HEADER_BYTES;
}

/** RFC 768: a computed zero is sent as all ones, its equal. */
export function fillChecksum(view: DataView, at: number, length: number, pseudo: number): void {
  view.setUint16(at + 6, 0);
  view.setUint16(at + 6, ~fold(sum(view, at, length, pseudo)) & 0xffff || 0xffff);
}

/** Leaves the folded pseudo-header sum for a device that completes it (`PacketFlag.ChecksumPartial`). */
export const setPartialChecksum = (view: DataView, at: number, pseudo: number): void =>
  view.setUint16(at + 6, fold(pseudo));

/** Ports with their checksum, for address translation. */
export const setSrcPort = (view: DataView, at: number, value: number): void => set16(view, at, at, value);
export const setDstPort = (view: DataView, at: number, value: number): void => set16(view, at, at + 2, value);

/** After an address in the pseudo header went from `old` to `value`. RFC 3022 §4.1: none stays none. */
export function adjustChecksum32(view: DataView, at: number, old: number, value: number): void {
  const check = checksum(view, at);
  if (check !== 0) view.setUint16(at + 6, update32(check, old, value) || 0xffff);
}

function set16(view: DataView, at: number, field: number, value: number): void {
  const old = view.getUint16(field);
  view.setUint16(field, value);
  const check = checksum(view, at);
  if (check !== 0) view.setUint16(at + 6, update16(check, old, value) || 0xffff);
}
