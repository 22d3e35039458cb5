/**
 * Reads capture files: pcap (draft-ietf-opsawg-pcap) in both byte orders, with microseconds and nanoseconds, and
 * pcapng (draft-ietf-opsawg-pcapng). A machine over the bytes of a whole file: `next` fills one record after the
 * other, and nothing that the bytes say can make it throw, or read past their end.
 *
 * Where a file is cut off or its lengths contradict each other, reading ends and `problem` says so. A record that
 * is damaged by itself is skipped and counted.
 */
import { Drop } from '../base/drop.ts';
import { BlockType, BYTE_ORDER_MAGIC } from './pcapng.ts';

const PCAP_US = 0xa1b2c3d4;
const PCAP_NS = 0xa1b23c4d;
const PCAP_HEADER_BYTES = 24;
const PCAP_RECORD_BYTES = 16;
/** The upper bits of the link type word of a pcap file say something about check sequences. */
const PCAP_LINK_TYPE_MASK = 0xffff;
const BLOCK_MIN_BYTES = 12;
/** A file that describes more interfaces than this is not one. */
const INTERFACES_MAX = 65_536;

const OPTION_END = 0;
const OPTION_PACKET_FLAGS = 2;
const OPTION_RESOLUTION = 9;
const OPTION_OFFSET = 14;

const MICROSECONDS = 6;
const NS_PER_SECOND = 1_000_000_000n;

/** One frame of a file; `next` fills it again and again. */
export interface CaptureRecord {
  /** Where its bytes are, and how many there are. */
  at: number;
  length: number;
  /** How long it was on the wire; more than `length` when it was cut. */
  originalLength: number;
  /** Since 1970. */
  seconds: number;
  nanoseconds: number;
  interfaceId: number;
  linkType: number;
  direction: 'in' | 'out' | 'unknown';
}

export const captureRecord = (): CaptureRecord => ({
  at: 0,
  length: 0,
  originalLength: 0,
  seconds: 0,
  nanoseconds: 0,
  interfaceId: 0,
  linkType: 0,
  direction: 'unknown',
});

interface ReaderInterface {
  readonly linkType: number;
  readonly snaplen: number;
  /** Time stamps per second, and seconds to add. */
  readonly unitsPerSecond: bigint;
  readonly offsetSeconds: number;
}

export class PcapReader {
  readonly bytes: Uint8Array;
  /** Why reading ended before the end of the file: `Drop.CaptureTruncated`, or `Drop.None`. */
  problem: Drop = Drop.None;
  /** Damaged records that were skipped. */
  skipped = 0;
  readonly #view: DataView;
  #at = 0;
  #isLittle = true;
  #isNg = false;
  #interfaces: ReaderInterface[] = [];

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.rewind();
  }

  /** Back to the first frame. */
  rewind(): void {
    this.#at = 0;
    this.#interfaces = [];
    this.problem = Drop.None;
    this.skipped = 0;
    this.#isNg = this.bytes.length >= 4 && this.#view.getUint32(0) === BlockType.Section;
    if (!this.#isNg && !this.#readPcapHeader()) this.#end();
  }

  /** Fills `record` with the next frame; false when there is none. */
  next(record: CaptureRecord): boolean {
    return this.#isNg ? this.#nextBlock(record) : this.#nextPcap(record);
  }

  #end(): false {
    this.problem = Drop.CaptureTruncated;
    this.#at = this.bytes.length;
    return false;
  }

  #readPcapHeader(): boolean {
    if (this.bytes.length < PCAP_HEADER_BYTES) return false;
    this.#isLittle = false;
    let magic = this.#u32(0);
    if (magic !== PCAP_US && magic !== PCAP_NS) {
      this.#isLittle = true;
      magic = this.#u32(0);
      if (magic !== PCAP_US && magic !== PCAP_NS) return false;
    }
    this.#interfaces.push({
      linkType: this.#u32(20) & PCAP_LINK_TYPE_MASK,
      snaplen: 0,
      unitsPerSecond: magic === PCAP_NS ? NS_PER_SECOND : 1_000_000n,
      offsetSeconds: 0,
    });
    this.#at = PCAP_HEADER_BYTES;
    return true;
  }

  #nextPcap(record: CaptureRecord): boolean {
    const own = this.#interfaces[0];
    if (own === undefined || this.#at === this.bytes.length) return false;
    if (this.#at + PCAP_RECORD_BYTES > this.bytes.length) return this.#end();
    const at = this.#at;
    const length = this.#u32(at + 8);
    if (at + PCAP_RECORD_BYTES + length > this.bytes.length) return this.#end();
    record.at = at + PCAP_RECORD_BYTES;
    record.length = length;
    record.originalLength = Math.max(length, this.#u32(at + 12));
    record.seconds = this.#u32(at);
    record.nanoseconds = this.#u32(at + 4) * (own.unitsPerSecond === NS_PER_SECOND ? 1 : 1_000);
    record.interfaceId = 0;
    record.linkType = own.linkType;
    record.direction = 'unknown';
    this.#at = record.at + length;
    return true;
  }

  #nextBlock(record: CaptureRecord): boolean {
    while (this.#at < this.bytes.length) {
      const start = this.#at;
      if (start + BLOCK_MIN_BYTES > this.bytes.length) return this.#end();
      const isSection = this.#view.getUint32(start) === BlockType.Section;
      if (isSection && !this.#readByteOrder(start)) return this.#end();
      const length = this.#u32(start + 4);
      const end = start + length;
      if (length < BLOCK_MIN_BYTES || (length & 3) !== 0 || end > this.bytes.length) return this.#end();
      if (this.#u32(end - 4) !== length) return this.#end();
      this.#at = end;
      // A section numbers its interfaces anew.
      if (isSection) this.#interfaces = [];
      else if (this.#readBlock(this.#u32(start), start + 8, end - 4, record)) return true;
    }
    return false;
  }

  #readByteOrder(start: number): boolean {
    this.#isLittle = this.#view.getUint32(start + 8, true) === BYTE_ORDER_MAGIC;
    return this.#isLittle || this.#view.getUint32(start + 8) === BYTE_ORDER_MAGIC;
  }

  /** True when the block is a frame. */
  #readBlock(type: number, at: number, end: number, record: CaptureRecord): boolean {
    switch (type) {
      case BlockType.Interface:
        if (!this.#readInterface(at, end)) this.skipped++;
        return false;
      case BlockType.Packet:
        return this.#counted(end - at >= 20 && this.#readPacket(at, end, this.#u32(at), record));
      case BlockType.OldPacket:
        return this.#counted(end - at >= 20 && this.#readPacket(at, end, this.#u16(at), record));
      case BlockType.SimplePacket:
        return this.#counted(this.#readSimplePacket(at, end, record));
      default:
        return false;
    }
  }

  #counted(isRead: boolean): boolean {
    if (!isRead) this.skipped++;
    return isRead;
  }

  /** An interface that cannot be read is entered all the same: the others keep their numbers. */
  #readInterface(at: number, end: number): boolean {
    if (this.#interfaces.length === INTERFACES_MAX) return false;
    const isLong = end - at >= 8;
    const options = isLong ? at + 8 : end;
    const resolution = this.#findOption(options, end, OPTION_RESOLUTION, 1);
    const offset = this.#findOption(options, end, OPTION_OFFSET, 8);
    const exponent = resolution < 0 ? MICROSECONDS : this.#view.getUint8(resolution);
    this.#interfaces.push({
      linkType: isLong ? this.#u16(at) : -1,
      snaplen: isLong ? this.#u32(at + 4) : 0,
      unitsPerSecond: exponent < 0x80 ? 10n ** BigInt(exponent) : 1n << BigInt(exponent & 0x7f),
      offsetSeconds: offset < 0 ? 0 : Number(this.#view.getBigInt64(offset, this.#isLittle)),
    });
    return isLong;
  }

  /** The enhanced packet block and the old one differ in their first word only. */
  #readPacket(at: number, end: number, interfaceId: number, record: CaptureRecord): boolean {
    const own = this.#interfaces[interfaceId];
    const length = this.#u32(at + 12);
    if (own === undefined || length > end - at - 20) return false;
    record.at = at + 20;
    record.length = length;
    record.originalLength = Math.max(length, this.#u32(at + 16));
    record.interfaceId = interfaceId;
    record.linkType = own.linkType;
    this.#readTime(own, this.#u32(at + 4), this.#u32(at + 8), record);
    const flags = this.#findOption(record.at + length + (-length & 3), end, OPTION_PACKET_FLAGS, 4);
    record.direction = flags < 0 ? 'unknown' : directionOf(this.#u32(flags));
    return true;
  }

  /** No time, and a length that only the snap length of the interface limits. */
  #readSimplePacket(at: number, end: number, record: CaptureRecord): boolean {
    const own = this.#interfaces[0];
    if (own === undefined || end - at < 4) return false;
    const originalLength = this.#u32(at);
    const length = own.snaplen === 0 ? originalLength : Math.min(originalLength, own.snaplen);
    if (length > end - at - 4) return false;
    record.at = at + 4;
    record.length = length;
    record.originalLength = originalLength;
    record.seconds = 0;
    record.nanoseconds = 0;
    record.interfaceId = 0;
    record.linkType = own.linkType;
    record.direction = 'unknown';
    return true;
  }

  #readTime(own: ReaderInterface, upper: number, lower: number, record: CaptureRecord): void {
    const units = (BigInt(upper) << 32n) | BigInt(lower);
    record.seconds = Number(units / own.unitsPerSecond) + own.offsetSeconds;
    record.nanoseconds = Number(((units % own.unitsPerSecond) * NS_PER_SECOND) / own.unitsPerSecond);
  }

  /** Where the value of an option of at least `length` bytes is, or -1. */
  #findOption(from: number, end: number, wanted: number, length: number): number {
    let at = from;
    while (at + 4 <= end) {
      const code = this.#u16(at);
      const size = this.#u16(at + 2);
      if (code === OPTION_END || at + 4 + size > end) return -1;
      if (code === wanted && size >= length) return at + 4;
      at += 4 + ((size + 3) & ~3);
    }
    return -1;
  }

  #u16(at: number): number {
    return this.#view.getUint16(at, this.#isLittle);
  }

  #u32(at: number): number {
    return this.#view.getUint32(at, this.#isLittle);
  }
}

function directionOf(flags: number): CaptureRecord['direction'] {
  switch (flags & 3) {
    case 1:
      return 'in';
    case 2:
      return 'out';
    default:
      return 'unknown';
  }
}
