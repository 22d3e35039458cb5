/**
 * The TCP header: RFC 9293 §3.1, with the ECN bits of RFC 3168 §6.1. Options are in `tcp-options.ts`.
 *
 *     | source port | destination port | seq | ack | offset 4, 0 | flags | window | checksum | urgent | options … |
 *
 * Setters keep the checksum right (RFC 1624); on a packet whose checksum is only the pseudo header's sum it is
 * to be written anew.
 */
import { Drop } from '../base/drop.ts';
import { fold, sum, update16, update32 } from './checksum.ts';

export const MIN_HEADER_BYTES = 20;
/** Offset of the checksum field, for offload. */
export const CHECKSUM_OFFSET = 16;

export const Flag = {
  Fin: 0x01,
  Syn: 0x02,
  Rst: 0x04,
  Psh: 0x08,
  Ack: 0x10,
  Urg: 0x20,
  Ece: 0x40,
  Cwr: 0x80,
} as const;

/** `end` is the end of the IP payload. */
export function check(view: DataView, at: number, end: number): Drop {
  const available = end - at;
  if (available < MIN_HEADER_BYTES) return Drop.TcpTruncated;
  const header = dataOffset(view, at);
  return header >= MIN_HEADER_BYTES && header <= available ? Drop.None : Drop.TcpDataOffset;
}

export const srcPort = (view: DataView, at: number): number => view.getUint16(at);
export const dstPort = (view: DataView, at: number): number => view.getUint16(at + 2);
/** Sequence numbers are int32: see `seq32`. */
export const seq = (view: DataView, at: number): number => view.getInt32(at + 4);
export const ack = (view: DataView, at: number): number => view.getInt32(at + 8);
/** In bytes: the length of header and options. */
export const dataOffset = (view: DataView, at: number): number => (view.getUint8(at + 12) >>> 4) << 2;
export const flags = (view: DataView, at: number): number => view.getUint8(at + 13);
/** As it stands there, not scaled. */
export const window = (view: DataView, at: number): number => view.getUint16(at + 14);
export const checksum = (view: DataView, at: number): number => view.getUint16(at + 16);
export const urgentPointer = (view: DataView, at: number): number => view.getUint16(at + 18);

/** SEG.LEN of RFC 9293 §3.3.1: the data, and one each for SYN and FIN. */
export function segmentLength(view: DataView, at: number, end: number): number {
  const bits = flags(view, at);
  return end - at - dataOffset(view, at) + (bits & 1) + ((bits >>> 1) & 1);
}

/** Whether the checksum over `length` bytes is right, given the pseudo header's sum. */
export function verify(view: DataView, at: number, length: number, pseudo: number): boolean {
  return fold(sum(view, at, length, pseudo)) === 0xffff;
}

/**
 * A header with the checksum still zero. `headerBytes` includes the options, a multiple of four, which stand behind
 * the 20 bytes already or follow.
 */
export function write(
  view: DataView,
  at: number,
  srcPort: number,
  dstPort: number,
  seq: number,
  ack: number,
  headerBytes: number,
  flags: number,
  window: number,
  urgentPointer: number,
): number {
  view.setUint16(at, srcPort);
  view.setUint16(at + 2, dstPort);
  view.setInt32(at + 4, seq);
  view.setInt32(at + 8, ack);
  view.setUint16(at + 12, (headerBytes << 10) | flags);
  view.setUint16(at + 14, window);
  view.setUint16(at + 16, 0);
  view.setUint16(at + 18, urgentPointer);
  return at + MIN_HEADER_BYTES;
}

export function fillChecksum(view: DataView, at: number, length: number, pseudo: number): void {
  view.setUint16(at + 16, 0);
  view.setUint16(at + 16, ~fold(sum(view, at, length, pseudo)));
}

/** Leaves the folded pseudo-header sum for a device that completes it (`PacketFlag.ChecksumPartial`). */
export const setPartialChecksum = (view: DataView, at: number, pseudo: number): void =>
  view.setUint16(at + 16, fold(pseudo));

export const setSrcPort = (view: DataView, at: number, value: number): void => set16(view, at, at, value);
export const setDstPort = (view: DataView, at: number, value: number): void => set16(view, at, at + 2, value);
export const setSeq = (view: DataView, at: number, value: number): void => set32(view, at, at + 4, value);
export const setAck = (view: DataView, at: number, value: number): void => set32(view, at, at + 8, value);
export const setWindow = (view: DataView, at: number, value: number): void => set16(view, at, at + 14, value);

export function setFlags(view: DataView, at: number, value: number): void {
  set16(view, at, at + 12, (view.getUint8(at + 12) << 8) | value);
}

/** After an address in the pseudo header went from `old` to `value`. */
export function adjustChecksum32(view: DataView, at: number, old: number, value: number): void {
  view.setUint16(at + 16, update32(checksum(view, at), old, value));
}

function set16(view: DataView, at: number, field: number, value: number): void {
  const old = view.getUint16(field);
  view.setUint16(field, value);
  view.setUint16(at + 16, update16(checksum(view, at), old, value));
}

function set32(view: DataView, at: number, field: number, value: number): void {
  const old = view.getInt32(field);
  view.setInt32(field, value);
  view.setUint16(at + 16, update32(checksum(view, at), old, value));
}
