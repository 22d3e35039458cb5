/**
 * IPv4 options: RFC 791 §3.1, RFC 1122 §3.2.1.8, RFC 1812 §4.2.2.1 and §5.3.13, RFC 2113 (router alert).
 *
 *     | type: copied 1, class 2, number 5 | length | data … |        or one octet: end 0, no operation 1
 *     | 7, 131, 137 | length | pointer | route of addresses … |
 *     | 68 | length | pointer | overflow 4, flag 4 | timestamps, or addresses with timestamps … |
 *
 * Packets with options are rare, so this is written for clearness rather than speed; it does not allocate
 * either. `at` is the header, `end` its end, `option` the absolute offset of one option. `check` runs
 * before all others.
 *
 * Not here: taking a hop of a source route and reversing one for replies (RFC 1122 §3.2.1.8c). Source routes
 * are recognized so that they can be refused, as RFC 7126 §4.3–4.4 advises.
 */
import { fillChecksum, headerLength, MAX_HEADER_BYTES, MIN_HEADER_BYTES } from './ipv4.ts';

export const Option = {
  End: 0,
  Nop: 1,
  RecordRoute: 7,
  Timestamp: 68,
  Security: 130,
  LooseRoute: 131,
  StreamId: 136,
  StrictRoute: 137,
  RouterAlert: 148,
} as const;

/** What a timestamp option holds. */
export const StampFlag = { Only: 0, WithAddress: 1, Prespecified: 3 } as const;

/** Octets that options may take in all. */
export const MAX_OPTION_BYTES: number = MAX_HEADER_BYTES - MIN_HEADER_BYTES;

/** Whether there is anything to look at. */
export const hasOptions = (view: DataView, at: number): boolean => headerLength(view, at) > MIN_HEADER_BYTES;
/** RFC 791 §3.1: the copied flag, which says that the option goes into every fragment. */
export const isCopied = (type: number): boolean => (type & 0x80) !== 0;
export const isSourceRoute = (type: number): boolean =>
  type === Option.LooseRoute || type === Option.StrictRoute;

export const first = (at: number): number => at + MIN_HEADER_BYTES;
export const type = (view: DataView, option: number): number => view.getUint8(option);
/** Octets from this option to the next. */
export const length = (view: DataView, option: number): number =>
  view.getUint8(option) <= Option.Nop ? 1 : view.getUint8(option + 1);

/**
 * Where the list goes wrong: the absolute offset of the octet that the pointer of a parameter problem names
 * (RFC 792), or -1 for a good list. Unknown options are good if their length is (RFC 1122 §3.2.1.8). RFC 791: those
 * that have data «appear at most once in a datagram».
 */
export function check(view: DataView, at: number, end: number): number {
  let seen = 0;
  let option = first(at);
  while (option < end && view.getUint8(option) !== Option.End) {
    if (view.getUint8(option) === Option.Nop) {
      option++;
      continue;
    }
    if (option + 1 >= end) return option;
    const bytes = view.getUint8(option + 1);
    if (bytes < 2 || option + bytes > end) return option + 1;
    const bad = badInside(view, option, bytes);
    if (bad >= 0) return option + bad;
    const bit = onceBit(view.getUint8(option));
    if ((seen & bit) !== 0) return option;
    seen |= bit;
    option += bytes;
  }
  return -1;
}

/** The first option of this type, or -1. */
export function find(view: DataView, at: number, end: number, wanted: number): number {
  for (let option = first(at); option < end; option += length(view, option)) {
    const found = type(view, option);
    if (found === wanted) return option;
    if (found === Option.End) return -1;
  }
  return -1;
}

export const hasSourceRoute = (view: DataView, at: number, end: number): boolean =>
  find(view, at, end, Option.LooseRoute) >= 0 || find(view, at, end, Option.StrictRoute) >= 0;

/** Of a route or timestamp: where the next entry goes, counted from 1 at the type octet. */
export const pointer = (view: DataView, option: number): number => view.getUint8(option + 2);
/** A route whose every entry was used: RFC 791 §3.1. */
export const isFull = (view: DataView, option: number): boolean =>
  pointer(view, option) > length(view, option);
export const stampFlag = (view: DataView, option: number): number => view.getUint8(option + 3) & 15;
export const overflow = (view: DataView, option: number): number => view.getUint8(option + 3) >>> 4;

/** RFC 1812 §5.3.13.5: puts `address` into a record-route option if there is room. */
export function recordRoute(view: DataView, at: number, option: number, address: number): void {
  if (isFull(view, option)) return;
  const next = pointer(view, option);
  view.setInt32(option + next - 1, address);
  view.setUint8(option + 2, next + 4);
  fillChecksum(view, at);
}

/** Of a timestamp option with prespecified addresses: whose turn it is; 0 when it is full. */
export const stampAddress = (view: DataView, option: number): number =>
  isFull(view, option) ? 0 : view.getInt32(option + pointer(view, option) - 1);

/**
 * RFC 1812 §5.3.13.6: puts a time (milliseconds since midnight UT, or any with the high bit set) into a timestamp
 * option. With `StampFlag.Prespecified` only the owner of `stampAddress` calls this. Answers -1, or where the octet
 * is that can count no more overflow.
 */
export function recordTimestamp(
  view: DataView,
  at: number,
  option: number,
  address: number,
  time: number,
): number {
  const next = pointer(view, option);
  if (isFull(view, option)) {
    if (overflow(view, option) === 15) return option + 3;
    // Addresses were prespecified for those who would stamp: who is not among them has missed nothing.
    if (stampFlag(view, option) !== StampFlag.Prespecified) {
      view.setUint8(option + 3, view.getUint8(option + 3) + 0x10);
      fillChecksum(view, at);
    }
    return -1;
  }
  const hasAddress = stampFlag(view, option) !== StampFlag.Only;
  if (hasAddress) view.setInt32(option + next - 1, address);
  view.setInt32(option + next + (hasAddress ? 3 : -1), time);
  view.setUint8(option + 2, next + (hasAddress ? 8 : 4));
  fillChecksum(view, at);
  return -1;
}

/** An empty record route with room for `entries` addresses. */
export function writeRecordRoute(view: DataView, at: number, entries: number): number {
  view.setUint8(at, Option.RecordRoute);
  return writeEmpty(view, at, 3, entries * 4);
}

/** An empty timestamp option with room for `entries` of its kind. */
export function writeTimestamp(view: DataView, at: number, flag: number, entries: number): number {
  view.setUint8(at, Option.Timestamp);
  const end = writeEmpty(view, at, 4, entries * (flag === StampFlag.Only ? 4 : 8));
  view.setUint8(at + 3, flag);
  return end;
}

/** RFC 2113 §2.1: routers shall look at this packet. IGMP's messages carry it (RFC 3376 §4). */
export function writeRouterAlert(view: DataView, at: number): number {
  view.setInt32(at, (Option.RouterAlert << 24) | 0x040000);
  return at + 4;
}

/** Copies one option to `to` at `toAt`, and answers its end. */
export function copy(view: DataView, option: number, to: DataView, toAt: number): number {
  const bytes = length(view, option);
  for (let i = 0; i < bytes; i++) to.setUint8(toAt + i, view.getUint8(option + i));
  return toAt + bytes;
}

/** Pads a list that began behind the 20 bytes at `at` with `End`, and answers the end of the header. */
export function pad(view: DataView, at: number, end: number): number {
  let i = end;
  for (; ((i - at) & 3) !== 0; i++) view.setUint8(i, Option.End);
  return i;
}

/**
 * Writes those options of the header at `at` that later fragments carry behind the 20 bytes at `toAt`, and answers
 * the end of that header, whose length and checksum `ipv4.setHeaderLength` then sets.
 */
export function copyForFragment(view: DataView, at: number, end: number, to: DataView, toAt: number): number {
  let out = first(toAt);
  for (let option = first(at); option < end; option += length(view, option)) {
    if (type(view, option) === Option.End) break;
    if (isCopied(type(view, option))) out = copy(view, option, to, out);
  }
  return pad(to, toAt, out);
}

function writeEmpty(view: DataView, at: number, head: number, room: number): number {
  view.setUint8(at + 1, head + room);
  view.setUint8(at + 2, head + 1);
  for (let i = head; i < head + room; i++) view.setUint8(at + i, 0);
  return at + head + room;
}

/** The offset of the wrong octet within an option that fits its header, or -1. */
function badInside(view: DataView, option: number, bytes: number): number {
  switch (view.getUint8(option)) {
    case Option.RecordRoute:
    case Option.LooseRoute:
    case Option.StrictRoute:
      if (bytes < 3) return 1;
      return isPointerBad(view, option, bytes, 4, 4) ? 2 : -1;
    case Option.Timestamp:
      return badTimestamp(view, option, bytes);
    case Option.RouterAlert:
      return bytes === 4 ? -1 : 1;
    default:
      return -1;
  }
}

function badTimestamp(view: DataView, option: number, bytes: number): number {
  if (bytes < 4) return 1;
  switch (stampFlag(view, option)) {
    case StampFlag.Only:
      return isPointerBad(view, option, bytes, 5, 4) ? 2 : -1;
    case StampFlag.WithAddress:
    case StampFlag.Prespecified:
      return isPointerBad(view, option, bytes, 5, 8) ? 2 : -1;
    default:
      return 3;
  }
}

/** RFC 791 §3.1: a pointer below the first entry, or some room but not enough for an entry, is an error. */
function isPointerBad(view: DataView, option: number, bytes: number, least: number, entry: number): boolean {
  const next = pointer(view, option);
  return next < least || (next <= bytes && next + entry - 1 > bytes);
}

function onceBit(kind: number): number {
  switch (kind) {
    case Option.RecordRoute:
      return 1;
    case Option.Timestamp:
      return 2;
    case Option.LooseRoute:
    case Option.StrictRoute:
      return 4;
    case Option.Security:
      return 8;
    case Option.StreamId:
      return 16;
    default:
      return 0;
  }
}
