/**
 * Link addresses (EUI-48), as two numbers that compare fast, and as text.
 */

/** Immutable; the first two bytes in `hi`, the last four in `lo` (an int32). */
export class Mac {
  readonly hi: number;
  readonly lo: number;

  constructor(hi: number, lo: number) {
    this.hi = hi & 0xffff;
    this.lo = lo | 0;
  }

  /** The group bit: broadcast or multicast. */
  get isGroup(): boolean {
    return (this.hi & 0x0100) !== 0;
  }

  get isBroadcast(): boolean {
    return this.hi === 0xffff && this.lo === -1;
  }

  get isZero(): boolean {
    return this.hi === 0 && this.lo === 0;
  }

  equals(other: Mac): boolean {
    return this.hi === other.hi && this.lo === other.lo;
  }

  toString(): string {
    return formatMac(this);
  }
}

export const BROADCAST_MAC: Mac = new Mac(0xffff, -1);
export const ZERO_MAC: Mac = new Mac(0, 0);

/** Six groups of one or two hex digits between colons or hyphens; null for anything else. */
export function parseMac(text: string): Mac | null {
  if (!/^[0-9a-f]{1,2}([:-])(?:[0-9a-f]{1,2}\1){4}[0-9a-f]{1,2}$/i.test(text)) return null;
  const groups = text.split(/[:-]/);
  const byte = (i: number): number => Number.parseInt(groups[i] as string, 16);
  return new Mac((byte(0) << 8) | byte(1), (byte(2) << 24) | (byte(3) << 16) | (byte(4) << 8) | byte(5));
}

export function formatMac(mac: Mac): string {
  const digits = mac.hi.toString(16).padStart(4, '0') + (mac.lo >>> 0).toString(16).padStart(8, '0');
  return digits.replace(/..(?!$)/g, '$&:');
}
