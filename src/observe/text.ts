/**
 * Text into bytes without a string per frame: what the capture writer needs of comments and names.
 */

/** Writes `text` as UTF-8 as far as it fits before `end`; answers the end offset. Never cuts a character. */
export function writeUtf8(bytes: Uint8Array, at: number, end: number, text: string): number {
  let to = at;
  for (let i = 0; i < text.length; i++) {
    let point = text.codePointAt(i) as number;
    if (point > 0xffff) i++;
    // Half of a pair cannot be encoded.
    if (point >= 0xd800 && point <= 0xdfff) point = 0xfffd;
    const length = utf8Length(point);
    if (to + length > end) return to;
    to = writePoint(bytes, to, point, length);
  }
  return to;
}

/** Writes a non-negative integer in decimal; answers the end offset. There must be room for its digits. */
export function writeDecimal(bytes: Uint8Array, at: number, value: number): number {
  let digits = 1;
  for (let rest = value; rest >= 10; rest = Math.floor(rest / 10)) digits++;
  let rest = value;
  for (let i = at + digits - 1; i >= at; i--) {
    bytes[i] = 0x30 + (rest % 10);
    rest = Math.floor(rest / 10);
  }
  return at + digits;
}

function utf8Length(point: number): number {
  if (point < 0x80) return 1;
  if (point < 0x800) return 2;
  return point < 0x10000 ? 3 : 4;
}

function writePoint(bytes: Uint8Array, at: number, point: number, length: number): number {
  if (length === 1) {
    bytes[at] = point;
    return at + 1;
  }
  let rest = point;
  for (let i = length - 1; i > 0; i--) {
    bytes[at + i] = 0x80 | (rest & 0x3f);
    rest >>>= 6;
  }
  bytes[at] = ((0xf00 >>> length) & 0xff) | rest;
  return at + length;
}
