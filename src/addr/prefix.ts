/**
 * An address with a prefix length (RFC 4632), as in `10.77.0.2/24`: a network, or an address and its network.
 */
import { formatIp, Ip, parseIp } from './ip.ts';

export class Prefix {
  /** As given: host bits are kept, so that this also says «this address on that network». */
  readonly address: Ip;
  /** In bits of the address's own family: 0–32 or 0–128. */
  readonly length: number;

  constructor(address: Ip, length: number) {
    this.address = address;
    this.length = length;
  }

  /** The length counted in the 128 bits of the v4-mapped form. */
  get mappedLength(): number {
    return this.address.isV4 ? this.length + 96 : this.length;
  }

  /** The same prefix with its host bits zero. */
  get network(): Prefix {
    const { a, b, c, d } = this.address;
    const bits = this.mappedLength;
    const masked = new Ip(a & mask(bits), b & mask(bits - 32), c & mask(bits - 64), d & mask(bits - 96));
    return new Prefix(masked, this.length);
  }

  /** Never true for an address of the other family: ::/0 holds no IPv4 address. */
  contains(ip: Ip): boolean {
    if (this.address.isV4 !== ip.isV4) return false;
    const bits = this.mappedLength;
    const own = this.address;
    return (
      ((ip.a ^ own.a) & mask(bits)) === 0 &&
      ((ip.b ^ own.b) & mask(bits - 32)) === 0 &&
      ((ip.c ^ own.c) & mask(bits - 64)) === 0 &&
      ((ip.d ^ own.d) & mask(bits - 96)) === 0
    );
  }

  equals(other: Prefix): boolean {
    return this.length === other.length && this.address.equals(other.address);
  }

  /** The directed broadcast address (RFC 922), or null where there is none: IPv6, /31 (RFC 3021) and /32. */
  get broadcast(): Ip | null {
    if (!this.address.isV4 || this.length > 30) return null;
    return Ip.v4(this.address.d | ~mask(this.length));
  }

  toString(): string {
    return formatPrefix(this);
  }
}

/** The int32 whose first `bits` bits are one; none when negative, all from 32 on. */
function mask(bits: number): number {
  if (bits <= 0) return 0;
  return bits >= 32 ? -1 : -1 << (32 - bits);
}

/** `address/length`; without a length the whole address. Null where `text` is none. */
export function parsePrefix(text: string): Prefix | null {
  const match = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text);
  if (match === null) return null;
  const address = parseIp(match[1] as string);
  if (address === null) return null;
  const widest = address.isV4 ? 32 : 128;
  const length = match[2] === undefined ? widest : Number(match[2]);
  return length <= widest ? new Prefix(address, length) : null;
}

export function formatPrefix(prefix: Prefix): string {
  return `${formatIp(prefix.address)}/${prefix.length}`;
}
