/**
 * IP addresses: one class for both families, IPv4 as v4-mapped (RFC 4291 §2.5.5.2), so that tables, routes and
 * sockets have one code path. Text follows RFC 4291 §2.2 in, RFC 5952 out.
 */

const V4_MAPPED = 0xffff;
/** Six groups of four digits and a dotted IPv4 address; anything longer is none. */
const TEXT_MAX = 45;

/** Immutable: 128 bits as four int32 words in network order. An IPv4 address is `0, 0, 0xffff, word`. */
export class Ip {
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly d: number;

  constructor(a: number, b: number, c: number, d: number) {
    this.a = a | 0;
    this.b = b | 0;
    this.c = c | 0;
    this.d = d | 0;
  }

  /** From the four bytes of an IPv4 address as one number. */
  static v4(word: number): Ip {
    return new Ip(0, 0, V4_MAPPED, word);
  }

  get isV4(): boolean {
    return this.a === 0 && this.b === 0 && this.c === V4_MAPPED;
  }

  get family(): 4 | 6 {
    return this.isV4 ? 4 : 6;
  }

  get isUnspecified(): boolean {
    return this.isV4 ? this.d === 0 : (this.a | this.b | this.c | this.d) === 0;
  }

  get isLoopback(): boolean {
    return this.isV4 ? this.d >>> 24 === 127 : (this.a | this.b | this.c) === 0 && this.d === 1;
  }

  get isMulticast(): boolean {
    return this.isV4 ? isMulticast4(this.d) : this.a >>> 24 === 0xff;
  }

  /** 169.254/16 (RFC 3927) or fe80::/10. */
  get isLinkLocal(): boolean {
    return this.isV4 ? this.d >>> 16 === 0xa9fe : this.a >>> 22 === 0x3fa;
  }

  /** 255.255.255.255. */
  get isLimitedBroadcast(): boolean {
    return this.isV4 && this.d === -1;
  }

  equals(other: Ip): boolean {
    return this.d === other.d && this.c === other.c && this.b === other.b && this.a === other.a;
  }

  toString(): string {
    return formatIp(this);
  }
}

export const ANY4: Ip = Ip.v4(0);
export const ANY6: Ip = new Ip(0, 0, 0, 0);
export const LOOPBACK4: Ip = Ip.v4(0x7f000001);
export const LOOPBACK6: Ip = new Ip(0, 0, 0, 1);
export const BROADCAST4: Ip = Ip.v4(-1);

/** 224/4, on an address word from a packet. */
export const isMulticast4 = (word: number): boolean => word >>> 28 === 0xe;
/** 127/8, on an address word from a packet. */
export const isLoopback4 = (word: number): boolean => word >>> 24 === 127;

/** An address, or null where `text` is none. IPv4 takes four decimal numbers and nothing else (RFC 6943 §3.1.1). */
export function parseIp(text: string): Ip | null {
  if (text.length > TEXT_MAX) return null;
  return text.includes(':') ? parseIp6(text) : parseIp4(text);
}

export function formatIp(ip: Ip): string {
  return ip.isV4 ? formatIp4(ip.d) : formatIp6(ip);
}

/** An IPv4 address word as text. */
export function formatIp4(word: number): string {
  return `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}`;
}

function parseIp4(text: string): Ip | null {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (match === null) return null;
  let word = 0;
  for (let i = 1; i <= 4; i++) {
    const part = match[i] as string;
    if (Number(part) > 255 || (part.length > 1 && part.startsWith('0'))) return null;
    word = (word << 8) | Number(part);
  }
  return Ip.v4(word);
}

function parseIp6(text: string): Ip | null {
  let body = text;
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  if (dotted !== null) {
    const v4 = parseIp4(dotted[2] as string);
    if (v4 === null) return null;
    body = `${dotted[1]}${(v4.d >>> 16).toString(16)}:${(v4.d & 0xffff).toString(16)}`;
  }
  const halves = body.split('::');
  if (halves.length > 2) return null;
  const front = groups(halves[0] as string);
  const back = halves.length === 2 ? groups(halves[1] as string) : [];
  if (front === null || back === null) return null;
  const missing = 8 - front.length - back.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return null;
  const all = [...front, ...new Array<number>(missing).fill(0), ...back];
  const word = (i: number): number => ((all[i] as number) << 16) | (all[i + 1] as number);
  return new Ip(word(0), word(2), word(4), word(6));
}

function groups(text: string): number[] | null {
  if (text === '') return [];
  const parts = text.split(':');
  return parts.every((part) => /^[0-9a-f]{1,4}$/i.test(part))
    ? parts.map((part) => Number.parseInt(part, 16))
    : null;
}

/** RFC 5952 §4: lower case, no leading zeros, the longest run of two or more zero groups (or the first) as `::`. */
function formatIp6(ip: Ip): string {
  const parts: number[] = [];
  for (const word of [ip.a, ip.b, ip.c, ip.d]) parts.push(word >>> 16, word & 0xffff);
  let best = -1;
  let bestLength = 1;
  for (let i = 0; i < 8; i++) {
    let length = 0;
    while (parts[i + length] === 0) length++;
    if (length > bestLength) {
      best = i;
      bestLength = length;
    }
  }
  const hex = parts.map((part) => part.toString(16));
  if (best < 0) return hex.join(':');
  return `${hex.slice(0, best).join(':')}::${hex.slice(best + bestLength).join(':')}`;
}
