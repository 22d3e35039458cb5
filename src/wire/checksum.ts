/**
 * The Internet checksum: RFC 1071, and its incremental update: RFC 1624 §3.
 *
 *     sum ──> sum ──> … ──> fold ──> ~ ──> the field
 *
 * A *sum* is a non-negative int32 that is congruent to the ones'-complement sum of the big-endian 16-bit words,
 * not yet folded: sums may be chained through `start`, and pseudo headers are nothing but a first sum. All
 * pieces but the last must have an even length.
 */

/**
 * Adds `length` bytes to `start`; an odd last byte is padded with zero on its right (RFC 1071 §4.1).
 *
 * Fastest of the variants measured (20 bytes 6 ns, 64 bytes 12, 1,500 bytes 210): words are read little-endian, which
 * saves a byte swap per word (RFC 1071 §2(B): the sum does not mind, if its result is swapped), and only the
 * upper halves are added up apart; the sum of the lower halves follows from the sum of the whole words. Neither
 * can overflow below 128 KB, and a slot holds 64.
 */
export function sum(view: DataView, at: number, length: number, start = 0): number {
  const end = at + length;
  let i = at;
  let upper = 0;
  let words = 0;
  for (const stop = end - 15; i < stop; i += 16) {
    const a = view.getInt32(i, true);
    const b = view.getInt32(i + 4, true);
    const c = view.getInt32(i + 8, true);
    const d = view.getInt32(i + 12, true);
    upper = (upper + (a >>> 16) + (b >>> 16) + (c >>> 16) + (d >>> 16)) | 0;
    words = (words + a + b + c + d) | 0;
  }
  for (const stop = end - 3; i < stop; i += 4) {
    const a = view.getInt32(i, true);
    upper = (upper + (a >>> 16)) | 0;
    words = (words + a) | 0;
  }
  let lower = (words - (upper << 16)) | 0;
  if (i + 1 < end) {
    lower = (lower + view.getUint16(i, true)) | 0;
    i += 2;
  }
  if (i < end) lower = (lower + view.getUint8(i)) | 0;
  const total = (upper + lower) | 0;
  // Swapping the bytes of a 16-bit word is multiplying it by 256, modulo 65,535.
  return ((((total & 0xffff) + (total >>> 16)) << 8) + start) | 0;
}

/** The 16-bit ones'-complement sum. 0xffff for bytes whose checksum field is right. */
export function fold(value: number): number {
  const once = (value & 0xffff) + (value >>> 16);
  return (once & 0xffff) + (once >>> 16);
}

/** What belongs into the field, if the field was zero while summing. */
export function checksum(view: DataView, at: number, length: number, start = 0): number {
  return ~fold(sum(view, at, length, start)) & 0xffff;
}

/** The sum of the pseudo header of RFC 9293 §3.1, for UDP and TCP over IPv4. */
export function pseudo4(src: number, dst: number, protocol: number, length: number): number {
  return (src >>> 16) + (src & 0xffff) + (dst >>> 16) + (dst & 0xffff) + protocol + length;
}

/** The sum of the pseudo header of RFC 8200 §8.1, from the words of both addresses. */
export function pseudo6(
  srcA: number,
  srcB: number,
  srcC: number,
  srcD: number,
  dstA: number,
  dstB: number,
  dstC: number,
  dstD: number,
  protocol: number,
  length: number,
): number {
  const src = halves(srcA) + halves(srcB) + halves(srcC) + halves(srcD);
  const dst = halves(dstA) + halves(dstB) + halves(dstC) + halves(dstD);
  return src + dst + (length >>> 16) + (length & 0xffff) + protocol;
}

/**
 * The field after a 16-bit word that it covers went from `old` to `value`: RFC 1624 §3, equation 3, which gives
 * 0x0000 where equation 4 and RFC 1141 would give 0xffff.
 */
export function update16(check: number, old: number, value: number): number {
  return ~fold((~check & 0xffff) + (~old & 0xffff) + value) & 0xffff;
}

/** As `update16`, for a 32-bit word at an even place, such as an address. */
export function update32(check: number, old: number, value: number): number {
  return ~fold((~check & 0xffff) + halves(~old) + halves(value)) & 0xffff;
}

const halves = (word: number): number => (word >>> 16) + (word & 0xffff);
