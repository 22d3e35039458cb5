/**
 * IGMP: version 1 (RFC 1112 appendix I), 2 (RFC 2236 §2), 3 (RFC 9776 §4, formerly RFC 3376).
 *
 *     query, v1/v2 report, leave   | type | max resp code | checksum | group |
 *     v3 query adds                | resv 4, S 1, QRV 3 | QQIC | number of sources | source … |
 *     v3 report                    | 0x22 | 0 | checksum | 0 | number of records | record … |
 *     record                       | type | aux words | number of sources | group | source … | aux … |
 *
 * `end` is the end of the datagram: the checksum covers the whole IP payload, known fields or not.
 */
import { Drop } from '../base/drop.ts';
import { fold, sum } from './checksum.ts';

export const HEADER_BYTES = 8;
export const QUERY3_BYTES = 12;
export const RECORD_BYTES = 8;

export const Type = { Query: 0x11, ReportV1: 0x12, ReportV2: 0x16, Leave: 0x17, ReportV3: 0x22 } as const;

/** RFC 9776 §4.2.12. */
export const RecordType = {
  ModeIsInclude: 1,
  ModeIsExclude: 2,
  ChangeToInclude: 3,
  ChangeToExclude: 4,
  AllowNewSources: 5,
  BlockOldSources: 6,
} as const;

/** 224.0.0.1, which general queries go to. */
export const ALL_SYSTEMS: number = 0xe0000001 | 0;
/** 224.0.0.2, which leave messages go to: RFC 2236 §6. */
export const ALL_ROUTERS: number = 0xe0000002 | 0;
/** 224.0.0.22, which version 3 reports go to: RFC 9776 §4.2.14. */
export const ALL_V3_ROUTERS: number = 0xe0000016 | 0;

/** RFC 2236 §4: what a version 1 query means by its zero, in tenths of a second. */
const V1_MAX_RESP = 100;

/**
 * Lengths and checksum. RFC 9776 §7.1: a query of 8 octets is version 1 or 2, one of at least 12 is version 3, any
 * other length is ignored silently. Types unknown pass with their checksum right; the caller names the drop.
 */
export function check(view: DataView, at: number, end: number): Drop {
  const bytes = end - at;
  if (bytes < HEADER_BYTES) return Drop.IgmpTruncated;
  if (fold(sum(view, at, bytes)) !== 0xffff) return Drop.IgmpChecksum;
  switch (view.getUint8(at)) {
    case Type.Query:
      if (bytes === HEADER_BYTES) return Drop.None;
      if (bytes < QUERY3_BYTES || bytes < QUERY3_BYTES + 4 * sourceCount(view, at)) return Drop.IgmpTruncated;
      return Drop.None;
    case Type.ReportV3:
      return checkRecords(view, at, end);
    default:
      return Drop.None;
  }
}

function checkRecords(view: DataView, at: number, end: number): Drop {
  let record = firstRecord(at);
  for (let i = recordCount(view, at); i > 0; i--) {
    if (end - record < RECORD_BYTES) return Drop.IgmpTruncated;
    record = nextRecord(view, record);
    if (record > end) return Drop.IgmpTruncated;
  }
  return Drop.None;
}

export const type = (view: DataView, at: number): number => view.getUint8(at);
export const maxRespCode = (view: DataView, at: number): number => view.getUint8(at + 1);
export const checksum = (view: DataView, at: number): number => view.getUint16(at + 2);
/** 0 in a general query. */
export const group = (view: DataView, at: number): number => view.getInt32(at + 4);

/** Which version of the protocol the sender of a query speaks: RFC 9776 §7.1. */
export function queryVersion(view: DataView, at: number, end: number): 1 | 2 | 3 {
  if (end - at >= QUERY3_BYTES) return 3;
  return maxRespCode(view, at) === 0 ? 1 : 2;
}

/** The longest time before an answer, in tenths of a second, whatever the version. */
export function maxRespTenths(view: DataView, at: number, end: number): number {
  const version = queryVersion(view, at, end);
  if (version === 1) return V1_MAX_RESP;
  return version === 2 ? maxRespCode(view, at) : decode(maxRespCode(view, at));
}

/** RFC 9776 §4.1.1 and §4.1.7: below 128 the number itself, from there a float of 3 bits exponent, 4 mantissa. */
export const decode = (code: number): number =>
  code < 128 ? code : ((code & 15) | 16) << (((code >>> 4) & 7) + 3);

/** The code of the largest value that is not above `value`; 31,744 is the most there is. */
export function encode(value: number): number {
  if (value < 128) return value;
  if (value >= 31_744) return 0xff;
  const exponent = 31 - Math.clz32(value) - 7;
  return 0x80 | (exponent << 4) | ((value >>> (exponent + 3)) & 15);
}

// Fields that a version 3 query adds.
/** «Suppress router-side processing». */
export const isSuppress = (view: DataView, at: number): boolean => (view.getUint8(at + 8) & 8) !== 0;
/** The querier's robustness variable; 0 when it is above 7. */
export const qrv = (view: DataView, at: number): number => view.getUint8(at + 8) & 7;
/** The querier's query interval in seconds. */
export const queryInterval = (view: DataView, at: number): number => decode(view.getUint8(at + 9));
export const sourceCount = (view: DataView, at: number): number => view.getUint16(at + 10);
export const source = (view: DataView, at: number, index: number): number =>
  view.getInt32(at + QUERY3_BYTES + 4 * index);

// A version 3 report; `record` is the offset of one of its records.
export const recordCount = (view: DataView, at: number): number => view.getUint16(at + 6);
export const firstRecord = (at: number): number => at + HEADER_BYTES;
export const nextRecord = (view: DataView, record: number): number =>
  record + RECORD_BYTES + 4 * (recordSourceCount(view, record) + view.getUint8(record + 1));
export const recordType = (view: DataView, record: number): number => view.getUint8(record);
export const recordSourceCount = (view: DataView, record: number): number => view.getUint16(record + 2);
export const recordGroup = (view: DataView, record: number): number => view.getInt32(record + 4);
export const recordSource = (view: DataView, record: number, index: number): number =>
  view.getInt32(record + RECORD_BYTES + 4 * index);

/** Any message of 8 octets, with its checksum. */
export function write(view: DataView, at: number, type: number, maxRespCode: number, group: number): number {
  view.setUint16(at, (type << 8) | maxRespCode);
  view.setUint16(at + 2, 0);
  view.setInt32(at + 4, group);
  fillChecksum(view, at, at + HEADER_BYTES);
  return at + HEADER_BYTES;
}

/** A version 3 query without sources, with its checksum. `interval` in seconds, `maxResp` in tenths. */
export function writeQuery3(
  view: DataView,
  at: number,
  maxResp: number,
  group: number,
  suppress: boolean,
  qrv: number,
  interval: number,
): number {
  view.setUint16(at, (Type.Query << 8) | encode(maxResp));
  view.setInt32(at + 4, group);
  view.setUint8(at + 8, (suppress ? 8 : 0) | qrv);
  view.setUint8(at + 9, encode(interval));
  view.setUint16(at + 10, 0);
  fillChecksum(view, at, at + QUERY3_BYTES);
  return at + QUERY3_BYTES;
}

/** Puts one more source behind a query, whose checksum is filled afterwards. */
export function appendSource(view: DataView, at: number, address: number): number {
  const count = sourceCount(view, at);
  view.setInt32(at + QUERY3_BYTES + 4 * count, address);
  view.setUint16(at + 10, count + 1);
  return at + QUERY3_BYTES + 4 * (count + 1);
}

/** The head of a version 3 report that has no record yet, checksum zero. */
export function writeReport3(view: DataView, at: number): number {
  view.setInt32(at, Type.ReportV3 << 24);
  view.setInt32(at + 4, 0);
  return at + HEADER_BYTES;
}

/** Puts a record without sources at `record`, the end so far, and counts it. Answers the new end. */
export function appendRecord(
  view: DataView,
  at: number,
  record: number,
  type: number,
  group: number,
): number {
  view.setInt32(record, type << 24);
  view.setInt32(record + 4, group);
  view.setUint16(at + 6, recordCount(view, at) + 1);
  return record + RECORD_BYTES;
}

/** Puts one more source at `end` into the last record of a report, and answers the new end. */
export function appendRecordSource(view: DataView, record: number, end: number, address: number): number {
  view.setInt32(end, address);
  view.setUint16(record + 2, recordSourceCount(view, record) + 1);
  return end + 4;
}

export function fillChecksum(view: DataView, at: number, end: number): void {
  view.setUint16(at + 2, 0);
  view.setUint16(at + 2, ~fold(sum(view, at, end - at)));
}
