/**
 * The head of an HTTP/1.1 request, read where it lies: RFC 9112 §3 (request line), §5 (fields), §6 (how long the body
 * is).
 *
 * Nothing is turned into text: what the server needs to know is compared byte by byte, and target and `Accept` are
 * told by where they are. What is ambiguous is refused rather than repaired, since two readers of one message who
 * repair it differently can be played off against each other (RFC 9112 §11.2).
 */

/** As numbers: one is compared per request. */
export const Method = { Get: 1, Head: 2, Other: 3 } as const;

/** Bytes of a head; RFC 9112 §3 wants at least 8,000 of a request line alone. */
export const HEAD_BYTES_MAX = 16_384;
const TARGET_BYTES_MAX = 8_000;

const LF = 10;
const CR = 13;
const SPACE = 32;
const TAB = 9;
const COLON = 58;
const COMMA = 44;
const SEMICOLON = 59;
const ZERO = 48;
const NINE = 57;

/** What `parseRequest` answers instead of a length: minus the status code. */
const BAD_REQUEST = -400;
const TARGET_TOO_LONG = -414;
const HEAD_TOO_LARGE = -431;
const NOT_IMPLEMENTED = -501;
const VERSION_NOT_SUPPORTED = -505;

/** One is filled anew for each request. Positions are in the bytes that were parsed. */
export class Request {
  method = 0;
  targetStart = 0;
  targetEnd = 0;
  /** Of HTTP/1. */
  minor = 0;
  isKeepAlive = false;
  isChunked = false;
  expectsContinue = false;
  /** 0 without a body. */
  contentLength = 0;
  /** Equal when there was none. */
  acceptStart = 0;
  acceptEnd = 0;
  hosts = 0;
  hasLength = false;
}

/** Answers the length of the head that begins at `start`, 0 when it has not arrived yet, or minus a status code. */
export function parseRequest(bytes: Uint8Array, start: number, end: number, request: Request): number {
  let at = start;
  // RFC 9112 §2.2: an empty line before the request line is ignored; some write one behind a body.
  if (at + 1 < end && bytes[at] === CR && bytes[at + 1] === LF) at += 2;
  else if (at < end && bytes[at] === LF) at += 1;
  let lf = findLf(bytes, at, end);
  if (lf < 0) return incomplete(end - start);
  const bad = parseLine(bytes, at, endOfLine(bytes, at, lf), request);
  if (bad !== 0) return bad;
  request.isKeepAlive = request.minor >= 1;
  request.isChunked = false;
  request.expectsContinue = false;
  request.contentLength = 0;
  request.hasLength = false;
  request.acceptStart = 0;
  request.acceptEnd = 0;
  request.hosts = 0;
  for (;;) {
    at = lf + 1;
    lf = findLf(bytes, at, end);
    if (lf < 0) return incomplete(end - start);
    if (lf + 1 - start > HEAD_BYTES_MAX) return HEAD_TOO_LARGE;
    const lineEnd = endOfLine(bytes, at, lf);
    if (lineEnd === at) break;
    const refused = parseField(bytes, at, lineEnd, request);
    if (refused !== 0) return refused;
  }
  // RFC 9112 §3.2: exactly one Host; §6.3: two lengths are an attack.
  if (request.hosts > 1 || (request.hosts === 0 && request.minor >= 1)) return BAD_REQUEST;
  if (request.isChunked && request.hasLength) return BAD_REQUEST;
  return lf + 1 - start;
}

function incomplete(length: number): number {
  return length > HEAD_BYTES_MAX ? HEAD_TOO_LARGE : 0;
}

function findLf(bytes: Uint8Array, start: number, end: number): number {
  for (let i = start; i < end; i++) if (bytes[i] === LF) return i;
  return -1;
}

/** RFC 9112 §2.2: CR LF, or LF alone. */
function endOfLine(bytes: Uint8Array, start: number, lf: number): number {
  return lf > start && bytes[lf - 1] === CR ? lf - 1 : lf;
}

/** `method SP target SP HTTP/1.minor`. */
function parseLine(bytes: Uint8Array, start: number, end: number, request: Request): number {
  const space = findSpace(bytes, start, end);
  if (space <= start) return BAD_REQUEST;
  request.method = methodOf(bytes, start, space);
  request.targetStart = space + 1;
  const second = findSpace(bytes, space + 1, end);
  if (second <= space + 1) return BAD_REQUEST;
  if (second - space > TARGET_BYTES_MAX) return TARGET_TOO_LONG;
  request.targetEnd = second;
  const version = second + 1;
  if (end - version !== 8 || !isText(bytes, version, end - 3, 'http/')) return BAD_REQUEST;
  const minor = bytes[end - 1] as number;
  if (bytes[end - 2] !== 46 || minor < ZERO || minor > NINE) return BAD_REQUEST;
  if (bytes[end - 3] !== ZERO + 1) return VERSION_NOT_SUPPORTED;
  request.minor = minor - ZERO;
  return 0;
}

function findSpace(bytes: Uint8Array, start: number, end: number): number {
  for (let i = start; i < end; i++) {
    const byte = bytes[i] as number;
    if (byte === SPACE) return i;
    if (byte < SPACE) return -1;
  }
  return -1;
}

/** Methods are case-sensitive (RFC 9110 §9.1). */
function methodOf(bytes: Uint8Array, start: number, end: number): number {
  if (isExactly(bytes, start, end, 'GET')) return Method.Get;
  return isExactly(bytes, start, end, 'HEAD') ? Method.Head : Method.Other;
}

/** Whether `start` to `end` is `text`, letter by letter. */
export function isExactly(bytes: Uint8Array, start: number, end: number, text: string): boolean {
  if (end - start !== text.length) return false;
  for (let i = 0; i < text.length; i++) if (bytes[start + i] !== text.charCodeAt(i)) return false;
  return true;
}

/** `name: value`. RFC 9112 §5.1: no space before the colon; §5.2: a value on a second line is refused. */
function parseField(bytes: Uint8Array, start: number, end: number, request: Request): number {
  let colon = start;
  while (colon < end && bytes[colon] !== COLON) {
    if ((bytes[colon] as number) <= SPACE) return BAD_REQUEST;
    colon++;
  }
  if (colon === end || colon === start) return BAD_REQUEST;
  let from = colon + 1;
  let to = end;
  while (from < to && isBlank(bytes[from] as number)) from++;
  while (to > from && isBlank(bytes[to - 1] as number)) to--;
  switch (colon - start) {
    case 4:
      if (isText(bytes, start, colon, 'host')) request.hosts++;
      return 0;
    case 6:
      if (isText(bytes, start, colon, 'accept')) {
        request.acceptStart = from;
        request.acceptEnd = to;
      } else if (isText(bytes, start, colon, 'expect')) {
        request.expectsContinue = isText(bytes, from, to, '100-continue');
      }
      return 0;
    case 10:
      if (isText(bytes, start, colon, 'connection')) readConnection(bytes, from, to, request);
      return 0;
    case 14:
      return isText(bytes, start, colon, 'content-length') ? readLength(bytes, from, to, request) : 0;
    case 17:
      return isText(bytes, start, colon, 'transfer-encoding') ? readEncoding(bytes, from, to, request) : 0;
    default:
      return 0;
  }
}

/** RFC 9110 §7.6.1, RFC 9112 §9.3. */
function readConnection(bytes: Uint8Array, start: number, end: number, request: Request): void {
  let at = start;
  while (at < end) {
    let to = at;
    while (to < end && bytes[to] !== COMMA) to++;
    let last = to;
    while (last > at && isBlank(bytes[last - 1] as number)) last--;
    if (isText(bytes, at, last, 'close')) request.isKeepAlive = false;
    else if (isText(bytes, at, last, 'keep-alive') && request.minor === 0) request.isKeepAlive = true;
    at = to + 1;
    while (at < end && isBlank(bytes[at] as number)) at++;
  }
}

/** RFC 9110 §8.6: digits only; told twice, the same. */
function readLength(bytes: Uint8Array, start: number, end: number, request: Request): number {
  if (start === end || end - start > 15) return BAD_REQUEST;
  let length = 0;
  for (let i = start; i < end; i++) {
    const byte = bytes[i] as number;
    if (byte < ZERO || byte > NINE) return BAD_REQUEST;
    length = length * 10 + (byte - ZERO);
  }
  if (request.hasLength && request.contentLength !== length) return BAD_REQUEST;
  request.hasLength = true;
  request.contentLength = length;
  return 0;
}

/** RFC 9112 §6.1: of codings only `chunked` is known here. */
function readEncoding(bytes: Uint8Array, start: number, end: number, request: Request): number {
  if (request.minor === 0 || request.isChunked) return BAD_REQUEST;
  if (!isText(bytes, start, end, 'chunked')) return NOT_IMPLEMENTED;
  request.isChunked = true;
  return 0;
}

function isBlank(byte: number): boolean {
  return byte === SPACE || byte === TAB;
}

/** Whether `start` to `end` is `text`, which is in lower case, in any case. */
export function isText(bytes: Uint8Array, start: number, end: number, text: string): boolean {
  if (end - start !== text.length) return false;
  for (let i = 0; i < text.length; i++) {
    const byte = bytes[start + i] as number;
    const lower = byte >= 65 && byte <= 90 ? byte + 32 : byte;
    if (lower !== text.charCodeAt(i)) return false;
  }
  return true;
}

/**
 * How much one media type is wanted, in thousandths, by an `Accept` value (RFC 9110 §12.5.1): the most specific range
 * that covers it says so. All are wanted when there is no such field.
 */
export function quality(
  bytes: Uint8Array,
  start: number,
  end: number,
  type: string,
  subtype: string,
): number {
  if (start === end) return 1_000;
  let result = 0;
  let precision = -1;
  let at = start;
  while (at < end) {
    let to = at;
    while (to < end && bytes[to] !== COMMA) to++;
    let semicolon = at;
    while (semicolon < to && bytes[semicolon] !== SEMICOLON) semicolon++;
    const own = rangePrecision(bytes, at, semicolon, type, subtype);
    if (own > precision) {
      precision = own;
      result = weight(bytes, semicolon, to);
    }
    at = to + 1;
  }
  return result;
}

/** 2 for the type itself, 1 for `type/*`, 0 for everything, -1 for something else. */
function rangePrecision(
  bytes: Uint8Array,
  start: number,
  end: number,
  type: string,
  subtype: string,
): number {
  let from = start;
  let to = end;
  while (from < to && isBlank(bytes[from] as number)) from++;
  while (to > from && isBlank(bytes[to - 1] as number)) to--;
  if (isText(bytes, from, to, '*/*')) return 0;
  const slash = from + type.length;
  if (slash >= to || bytes[slash] !== 47 || !isText(bytes, from, slash, type)) return -1;
  if (isText(bytes, slash + 1, to, '*')) return 1;
  return isText(bytes, slash + 1, to, subtype) ? 2 : -1;
}

/** `;q=0.5` in thousandths; one without it. */
function weight(bytes: Uint8Array, start: number, end: number): number {
  for (let i = start; i + 3 < end + 1; i++) {
    if (bytes[i] !== SEMICOLON) continue;
    let at = i + 1;
    while (at < end && isBlank(bytes[at] as number)) at++;
    if (!isText(bytes, at, Math.min(at + 2, end), 'q=')) continue;
    let value = 0;
    let scale = 1_000;
    for (let j = at + 2; j < end; j++) {
      const byte = bytes[j] as number;
      if (byte === 46) continue;
      if (byte < ZERO || byte > NINE) break;
      value += (byte - ZERO) * scale;
      scale /= 10;
    }
    return Math.min(1_000, Math.floor(value));
  }
  return 1_000;
}
