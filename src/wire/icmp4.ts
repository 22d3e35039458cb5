/**
 * ICMP for IPv4: RFC 792, RFC 1122 §3.2.2, RFC 1191 §4 (next-hop MTU), RFC 1256 (router discovery), RFC 1812 §5.2.7
 * (codes). Not here: RFC 950 address masks, RFC 4884 extensions, RFC 8335 extended echo.
 *
 *     | type | code | checksum | rest of header: id+seq, mtu, pointer or gateway | quoted packet, or data … |
 *
 * Setters keep the checksum right (RFC 1624), so they suit messages that have one; a new message is `write`,
 * then its data, then `fillChecksum`.
 */
import { Drop } from '../base/drop.ts';
import { fold, sum, update16, update32 } from './checksum.ts';

export const HEADER_BYTES = 8;
/** Header and three timestamps. */
export const TIMESTAMP_BYTES = 20;

export const Type = {
  EchoReply: 0,
  Unreachable: 3,
  SourceQuench: 4,
  Redirect: 5,
  Echo: 8,
  RouterAdvertisement: 9,
  RouterSolicitation: 10,
  TimeExceeded: 11,
  ParameterProblem: 12,
  Timestamp: 13,
  TimestampReply: 14,
  InformationRequest: 15,
  InformationReply: 16,
  AddressMask: 17,
  AddressMaskReply: 18,
} as const;

export const UnreachableCode = {
  Net: 0,
  Host: 1,
  Protocol: 2,
  Port: 3,
  FragmentationNeeded: 4,
  SourceRouteFailed: 5,
  NetUnknown: 6,
  HostUnknown: 7,
  SourceIsolated: 8,
  NetProhibited: 9,
  HostProhibited: 10,
  NetTos: 11,
  HostTos: 12,
  AdminProhibited: 13,
  PrecedenceViolation: 14,
  PrecedenceCutoff: 15,
} as const;

export const RedirectCode = { Net: 0, Host: 1, NetTos: 2, HostTos: 3 } as const;
export const TimeExceededCode = { Transit: 0, Reassembly: 1 } as const;
export const ParameterProblemCode = { Pointer: 0, OptionMissing: 1, LengthBad: 2 } as const;

/** At least a header, and a right checksum over all up to `end`, which is the end of the datagram, not of the frame. */
export function check(view: DataView, at: number, end: number): Drop {
  if (end - at < HEADER_BYTES) return Drop.IcmpTruncated;
  return fold(sum(view, at, end - at)) === 0xffff ? Drop.None : Drop.IcmpChecksum;
}

export const type = (view: DataView, at: number): number => view.getUint8(at);
export const code = (view: DataView, at: number): number => view.getUint8(at + 1);
export const checksum = (view: DataView, at: number): number => view.getUint16(at + 2);
/** The rest of the header as an int32. */
export const word = (view: DataView, at: number): number => view.getInt32(at + 4);
/** Of echo and timestamp messages. */
export const id = (view: DataView, at: number): number => view.getUint16(at + 4);
export const seq = (view: DataView, at: number): number => view.getUint16(at + 6);
/** Of `FragmentationNeeded`: RFC 1191 §4; 0 from a router that knows nothing of it. */
export const nextHopMtu = (view: DataView, at: number): number => view.getUint16(at + 6);
/** Of a parameter problem: the octet of the quoted packet that was the trouble. */
export const pointer = (view: DataView, at: number): number => view.getUint8(at + 4);
/** Of a redirect: the address of the better router. */
export const gateway = (view: DataView, at: number): number => view.getInt32(at + 4);
/** Milliseconds since midnight UT, or with the high bit set anything else; only after a look at the length. */
export const originateTimestamp = (view: DataView, at: number): number => view.getInt32(at + 8);
export const receiveTimestamp = (view: DataView, at: number): number => view.getInt32(at + 12);
export const transmitTimestamp = (view: DataView, at: number): number => view.getInt32(at + 16);

/** RFC 1122 §3.2.2: errors are never sent about errors. */
export function isError(view: DataView, at: number): boolean {
  return isErrorType(type(view, at));
}

export function isErrorType(value: number): boolean {
  switch (value) {
    case Type.Unreachable:
    case Type.SourceQuench:
    case Type.Redirect:
    case Type.TimeExceeded:
    case Type.ParameterProblem:
      return true;
    default:
      return false;
  }
}

/** The rest-of-header word of an echo or timestamp message. */
export const idSeq = (id: number, seq: number): number => (id << 16) | (seq & 0xffff);

/** A header with the checksum still zero. */
export function write(view: DataView, at: number, type: number, code: number, word: number): number {
  view.setUint16(at, (type << 8) | code);
  view.setUint16(at + 2, 0);
  view.setInt32(at + 4, word);
  return at + HEADER_BYTES;
}

/** The data of a timestamp message. */
export function writeTimestamps(
  view: DataView,
  at: number,
  originate: number,
  receive: number,
  transmit: number,
): number {
  view.setInt32(at + 8, originate);
  view.setInt32(at + 12, receive);
  view.setInt32(at + 16, transmit);
  return at + TIMESTAMP_BYTES;
}

export function fillChecksum(view: DataView, at: number, end: number): void {
  view.setUint16(at + 2, 0);
  view.setUint16(at + 2, ~fold(sum(view, at, end - at)));
}

/** What makes an echo reply of an echo. */
export function setType(view: DataView, at: number, value: number): void {
  set16(view, at, at, (value << 8) | code(view, at));
}

export function setCode(view: DataView, at: number, value: number): void {
  set16(view, at, at, (type(view, at) << 8) | value);
}

export const setId = (view: DataView, at: number, value: number): void => set16(view, at, at + 4, value);
export const setSeq = (view: DataView, at: number, value: number): void => set16(view, at, at + 6, value);

export function setWord(view: DataView, at: number, value: number): void {
  const old = word(view, at);
  view.setInt32(at + 4, value);
  view.setUint16(at + 2, update32(checksum(view, at), old, value) || 0xffff);
}

// `|| 0xffff`: a message of nothing but zeros, such as an empty echo reply, has this checksum and not zero (RFC 1624
// §3), and everywhere else the two are equal.
function set16(view: DataView, at: number, field: number, value: number): void {
  const old = view.getUint16(field);
  view.setUint16(field, value);
  view.setUint16(at + 2, update16(checksum(view, at), old, value) || 0xffff);
}
