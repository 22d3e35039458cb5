/**
 * TCP options: RFC 9293 §3.2, window scale and timestamps of RFC 7323, SACK of RFC 2018 and 2883, fast open of
 * RFC 7413 §4.1.1. MD5 (RFC 2385) and TCP-AO (RFC 5925) are recognized, not verified.
 *
 * `parse` fills one object that is used again for every segment, so it allocates nothing. The writers put
 * options where Linux puts them: `mss,sackOK,TS,nop,wscale` in a SYN, `nop,nop,TS,nop,nop,sack` later.
 */
import { dataOffset, Flag, flags, MIN_HEADER_BYTES } from './tcp.ts';

export const Kind = {
  End: 0,
  Nop: 1,
  Mss: 2,
  WindowScale: 3,
  SackPermitted: 4,
  Sack: 5,
  Timestamps: 8,
  Md5: 19,
  Ao: 29,
  FastOpen: 34,
} as const;

/** RFC 7323 §2.3: a larger shift «MUST» be taken as 14. */
export const WSCALE_MAX = 14;
/** What timestamps take in every segment, with their two no-operations. */
export const TIMESTAMPS_BYTES = 12;
/** What a SACK option takes without its blocks, with its two no-operations; a block takes eight. */
export const SACK_HEAD_BYTES = 4;
/** As many as fit into 40 bytes of options; three beside timestamps (RFC 2018 §3). */
export const SACK_BLOCKS_MAX = 4;

/** nop, nop, timestamps, 10. */
const NOP_NOP_TIMESTAMPS = 0x0101080a;
const TIMESTAMPS_LENGTH = 10;
const COOKIE_MIN = 4;
const COOKIE_MAX = 16;

/** The options of one segment; absent ones have the value in brackets. */
export class TcpOptions {
  /** (0) */
  mss = 0;
  /** (-1) */
  wscale = -1;
  sackPermitted = false;
  hasTs = false;
  tsVal = 0;
  tsEcr = 0;
  /** Left and right edge of each block, sequence numbers as int32. */
  readonly sack: Int32Array = new Int32Array(2 * SACK_BLOCKS_MAX);
  /** (0) Blocks in `sack`. */
  sackCount = 0;
  /** Absolute offset of the fast-open cookie, if it has bytes. */
  fastOpenAt = 0;
  /** (-1) 0 asks for a cookie. */
  fastOpenLength = -1;
  hasMd5 = false;
  hasAo = false;

  reset(): void {
    this.mss = 0;
    this.wscale = -1;
    this.sackPermitted = false;
    this.hasTs = false;
    this.tsVal = 0;
    this.tsEcr = 0;
    this.sackCount = 0;
    this.fastOpenAt = 0;
    this.fastOpenLength = -1;
    this.hasMd5 = false;
    this.hasAo = false;
  }
}

export const first = (at: number): number => at + MIN_HEADER_BYTES;
export const kind = (view: DataView, option: number): number => view.getUint8(option);
/** Octets from this option to the next. */
export const length = (view: DataView, option: number): number =>
  view.getUint8(option) <= Kind.Nop ? 1 : view.getUint8(option + 1);

/**
 * Where the list goes wrong: the absolute offset of the length that is too small or runs out of the header, or -1.
 * `end` is the end of the header. Unknown kinds are no fault (RFC 9293 §3.1, MUST-6), nor is any alignment.
 */
export function check(view: DataView, at: number, end: number): number {
  for (let option = first(at); option < end; option += length(view, option)) {
    if (kind(view, option) === Kind.End) return -1;
    if (isLengthBad(view, option, end)) return option + 1;
  }
  return -1;
}

/**
 * Fills `into` from the segment whose header is at `at` (`tcp.check` has passed). Answers false when a length is
 * illegal (RFC 9293 §3.1, MUST-7); what stood before it counts, as in Linux. A known kind with a length that is not
 * its own is passed over, and so are those that belong in a SYN and stand elsewhere.
 */
export function parse(view: DataView, at: number, into: TcpOptions): boolean {
  into.reset();
  const end = at + dataOffset(view, at);
  let option = first(at);
  if (end - option === TIMESTAMPS_BYTES && view.getInt32(option) === NOP_NOP_TIMESTAMPS) {
    // Nearly every segment of an established connection: RFC 7323 appendix A.
    parseTimestamps(view, option + 2, into);
    return true;
  }
  const isSyn = (flags(view, at) & Flag.Syn) !== 0;
  while (option < end) {
    if (kind(view, option) === Kind.End) return true;
    if (isLengthBad(view, option, end)) return false;
    const bytes = length(view, option);
    if (isSyn) parseSynOption(view, option, bytes, into);
    parseOption(view, option, bytes, into);
    option += bytes;
  }
  return true;
}

/** The options of a SYN. Without (0) mss, (-1) wscale, or the flags they are left out. Answers the end, aligned. */
export function writeSyn(
  view: DataView,
  at: number,
  mss: number,
  wscale: number,
  sackPermitted: boolean,
  hasTs: boolean,
  tsVal: number,
  tsEcr: number,
): number {
  let end = at;
  if (mss > 0) {
    view.setInt32(end, (Kind.Mss << 24) | (4 << 16) | mss);
    end += 4;
  }
  if (hasTs) {
    end = writeTimestamps(view, end, tsVal, tsEcr);
    if (sackPermitted) view.setUint16(end - TIMESTAMPS_BYTES, (Kind.SackPermitted << 8) | 2);
  } else if (sackPermitted) {
    view.setInt32(end, 0x01010000 | (Kind.SackPermitted << 8) | 2);
    end += 4;
  }
  if (wscale >= 0) {
    view.setInt32(end, 0x01000000 | (Kind.WindowScale << 16) | (3 << 8) | wscale);
    end += 4;
  }
  return end;
}

/** nop, nop, timestamps. */
export function writeTimestamps(view: DataView, at: number, tsVal: number, tsEcr: number): number {
  view.setInt32(at, NOP_NOP_TIMESTAMPS);
  view.setInt32(at + 4, tsVal);
  view.setInt32(at + 8, tsEcr);
  return at + TIMESTAMPS_BYTES;
}

/** nop, nop, SACK: the first `count` blocks of `edges`. */
export function writeSack(view: DataView, at: number, edges: Int32Array, count: number): number {
  view.setInt32(at, 0x01010000 | (Kind.Sack << 8) | (2 + 8 * count));
  for (let i = 0; i < 2 * count; i++) view.setInt32(at + SACK_HEAD_BYTES + 4 * i, edges[i] as number);
  return at + SACK_HEAD_BYTES + 8 * count;
}

/** A fast-open option, padded in front; without a cookie (`cookieBytes` 0) it asks for one. */
export function writeFastOpen(view: DataView, at: number, cookie: Uint8Array, cookieBytes: number): number {
  let end = at;
  while (((end - at + cookieBytes + 2) & 3) !== 0) view.setUint8(end++, Kind.Nop);
  view.setUint16(end, (Kind.FastOpen << 8) | (2 + cookieBytes));
  for (let i = 0; i < cookieBytes; i++) view.setUint8(end + 2 + i, cookie[i] as number);
  return end + 2 + cookieBytes;
}

function isLengthBad(view: DataView, option: number, end: number): boolean {
  if (kind(view, option) <= Kind.Nop) return false;
  if (option + 1 >= end) return true;
  const bytes = view.getUint8(option + 1);
  return bytes < 2 || option + bytes > end;
}

function parseSynOption(view: DataView, option: number, bytes: number, into: TcpOptions): void {
  switch (kind(view, option)) {
    case Kind.Mss:
      if (bytes === 4) into.mss = view.getUint16(option + 2);
      break;
    case Kind.WindowScale:
      if (bytes === 3) into.wscale = Math.min(view.getUint8(option + 2), WSCALE_MAX);
      break;
    case Kind.SackPermitted:
      if (bytes === 2) into.sackPermitted = true;
      break;
    case Kind.FastOpen:
      parseFastOpen(option, bytes - 2, into);
      break;
    default:
      break;
  }
}

function parseOption(view: DataView, option: number, bytes: number, into: TcpOptions): void {
  switch (kind(view, option)) {
    case Kind.Timestamps:
      if (bytes === TIMESTAMPS_LENGTH) parseTimestamps(view, option, into);
      break;
    case Kind.Sack:
      parseSack(view, option, bytes, into);
      break;
    case Kind.Md5:
      into.hasMd5 = true;
      break;
    case Kind.Ao:
      into.hasAo = true;
      break;
    default:
      break;
  }
}

function parseTimestamps(view: DataView, option: number, into: TcpOptions): void {
  into.hasTs = true;
  into.tsVal = view.getInt32(option + 2);
  into.tsEcr = view.getInt32(option + 6);
}

function parseSack(view: DataView, option: number, bytes: number, into: TcpOptions): void {
  const blocks = (bytes - 2) >>> 3;
  if (bytes !== 2 + 8 * blocks || blocks === 0 || blocks > SACK_BLOCKS_MAX) return;
  for (let i = 0; i < 2 * blocks; i++) into.sack[i] = view.getInt32(option + 2 + 4 * i);
  into.sackCount = blocks;
}

/** RFC 7413 §4.1.1: a cookie of another size, or an odd one, is ignored; so is the whole option. */
function parseFastOpen(option: number, bytes: number, into: TcpOptions): void {
  if (bytes !== 0 && (bytes < COOKIE_MIN || bytes > COOKIE_MAX || (bytes & 1) !== 0)) return;
  into.fastOpenAt = option + 2;
  into.fastOpenLength = bytes;
}
