/**
 * A link that replays a capture file: its frames arrive as fast as they are read, or at the pace of their time
 * stamps; what is written to it is discarded, or kept for a test to look at.
 *
 * Needs no addon and no privilege. The medium is that of the file's first frame; frames of another are left out, as
 * are those that the capture cut short. The file is held in memory, so that it is less than 2 GiB.
 */
import { readFileSync } from 'node:fs';
import { Mac } from '../addr/mac.ts';
import { copyBytes } from '../base/bytes.ts';
import { Drop } from '../base/drop.ts';
import type { Instant } from '../base/time.ts';
import { NEVER, START } from '../base/time.ts';
import type { LinkDriver } from '../device/link-driver.ts';
import type { DeviceFeatures, Medium } from '../device/net-device.ts';
import { FULL_OFFLOAD } from '../device/net-device.ts';
import { linkHeaderBytes } from '../device/offload.ts';
import { LinkType } from '../observe/frame-sink.ts';
import type { CaptureRecord } from '../observe/pcap-reader.ts';
import { captureRecord, PcapReader } from '../observe/pcap-reader.ts';
import type { Drops } from '../packet/drops.ts';
import type { Packet } from '../packet/packet.ts';
import { HEADROOM, PacketFlag, SLOT_BYTES } from '../packet/packet.ts';
import type { Pool } from '../packet/pool.ts';

const MTU = 1_500;
const NULL_HEADER_BYTES = 4;
const SLL_HEADER_BYTES = 16;
const SLL_PROTOCOL_AT = 14;
const SLL2_HEADER_BYTES = 20;
const SLL2_PROTOCOL_AT = 0;
const ETHER_TYPE_IP4 = 0x0800;
const ETHER_TYPE_IP6 = 0x86dd;
/** BSD systems wrote raw IP under their own numbers. */
const RAW_BSD = 12;
const RAW_OPENBSD = 14;

export interface ReplayOptions {
  readonly drops: Drops;
  readonly name?: string;
  /** The stack's own address, where the frames are Ethernet. */
  readonly mac?: Mac;
  readonly mtu?: number;
  /** Only frames of this direction, and those of which the file does not say any. */
  readonly direction?: 'in' | 'out';
  /** Frames arrive at the pace of their time stamps by this clock; without one, at once. */
  readonly clock?: () => Instant;
  /** So many times as fast. */
  readonly speed?: number;
  /** Captures taken on the sending host hold checksums that were left to the device. */
  readonly trustChecksums?: boolean;
  /** How many of the frames written are kept in `written`; none, unless given. */
  readonly keepMax?: number;
}

/** Reads the file at `path`; throws what the file system says, or that it is no capture. */
export function openReplay(path: string, options: ReplayOptions): PcapReplay {
  const replay = new PcapReplay(readFileSync(path), options);
  if (replay.isEmpty) throw new Error(`${path} holds no frame that can be replayed`);
  return replay;
}

export class PcapReplay implements LinkDriver {
  readonly name: string;
  readonly medium: Medium;
  readonly mac: Mac | null;
  readonly mtu: number;
  /** Nobody minds what is written. */
  readonly features: DeviceFeatures = FULL_OFFLOAD;
  readonly fd = -1;
  /** Frames that were written, oldest first. */
  readonly written: Uint8Array[] = [];
  /** No frame waits, and none will. */
  isEmpty = false;
  readonly #reader: PcapReader;
  readonly #options: ReplayOptions;
  readonly #record: CaptureRecord = captureRecord();
  /** Link-layer bytes of the frame in `#record` that are not part of the medium. */
  #skip = 0;
  #startedAt: Instant | null = null;
  #firstSeconds = 0;
  #firstNanoseconds = 0;

  constructor(bytes: Uint8Array, options: ReplayOptions) {
    this.#reader = new PcapReader(bytes);
    this.#options = options;
    this.name = options.name ?? 'replay0';
    this.mtu = options.mtu ?? MTU;
    this.medium = this.#firstMedium();
    this.mac = this.medium === 'ethernet' ? (options.mac ?? new Mac(0x0200, 0xfe)) : null;
    this.#advance();
    this.#firstSeconds = this.#record.seconds;
    this.#firstNanoseconds = this.#record.nanoseconds;
  }

  readBatch(pool: Pool, out: Packet[], max: number): number {
    const clock = this.#options.clock;
    const now = clock === undefined ? NEVER : clock();
    this.#startedAt ??= clock === undefined ? START : now;
    let count = 0;
    while (count < max && !this.isEmpty && this.#due() <= now) {
      // Nothing is lost for want of a slot: the frame waits in the file.
      const packet = pool.take();
      if (packet === null) return count;
      this.#fill(packet);
      out[count++] = packet;
      this.#advance();
    }
    return count;
  }

  writeBatch(packets: readonly Packet[], count: number): number {
    const keepMax = this.#options.keepMax ?? 0;
    for (let i = 0; i < count && this.written.length < keepMax; i++) {
      const packet = packets[i] as Packet;
      this.written.push(packet.bytes.slice(packet.head, packet.tail));
    }
    return count;
  }

  nextTimeout(): Instant {
    if (this.isEmpty) return NEVER;
    return this.#startedAt === null || this.#options.clock === undefined ? START : this.#due();
  }

  close(): void {
    this.isEmpty = true;
  }

  #due(): Instant {
    if (this.#options.clock === undefined || this.#startedAt === null) return START;
    const seconds = this.#record.seconds - this.#firstSeconds;
    const us = seconds * 1_000_000 + (this.#record.nanoseconds - this.#firstNanoseconds) / 1_000;
    return (this.#startedAt + Math.round(us / (this.#options.speed ?? 1))) as Instant;
  }

  #fill(packet: Packet): void {
    const length = this.#record.length - this.#skip;
    packet.head = HEADROOM - linkHeaderBytes(this.medium);
    packet.l3 = HEADROOM;
    packet.l4 = HEADROOM;
    packet.tail = packet.head + length;
    copyBytes(packet.bytes, packet.head, this.#reader.bytes, this.#record.at + this.#skip, length);
    if (this.#options.trustChecksums === true) packet.flags |= PacketFlag.ChecksumValid;
  }

  #firstMedium(): Medium {
    let medium: Medium | null = null;
    while (medium === null && this.#reader.next(this.#record)) medium = mediumOf(this.#record.linkType);
    this.#reader.rewind();
    return medium ?? 'ethernet';
  }

  /** To the next frame that is to be replayed. */
  #advance(): void {
    while (this.#reader.next(this.#record)) {
      const { direction } = this.#options;
      if (
        direction !== undefined &&
        this.#record.direction !== 'unknown' &&
        this.#record.direction !== direction
      ) {
        continue;
      }
      const reason = this.#check();
      if (reason === Drop.None) return;
      this.#options.drops.count(reason);
    }
    this.isEmpty = true;
    for (let i = 0; i < this.#reader.skipped; i++) this.#options.drops.count(Drop.CaptureTruncated);
    if (this.#reader.problem !== Drop.None) this.#options.drops.count(this.#reader.problem);
  }

  /** Why the frame in `#record` is left out; sets `#skip`. */
  #check(): Drop {
    const record = this.#record;
    if (mediumOf(record.linkType) !== this.medium) return Drop.EtherTypeUnknown;
    if (record.length < record.originalLength) return Drop.FrameTruncated;
    this.#skip = headerBytes(record.linkType);
    if (record.length < this.#skip) return Drop.FrameTruncated;
    if (record.length - this.#skip > SLOT_BYTES - HEADROOM) return Drop.FrameTooLong;
    return this.#isIp(record) ? Drop.None : Drop.EtherTypeUnknown;
  }

  /** A cooked header may be that of something else, such as ARP, which this medium cannot carry. */
  #isIp(record: CaptureRecord): boolean {
    if (record.linkType !== LinkType.LinuxSll && record.linkType !== LinkType.LinuxSll2) return true;
    const at = record.at + (record.linkType === LinkType.LinuxSll ? SLL_PROTOCOL_AT : SLL2_PROTOCOL_AT);
    const bytes = this.#reader.bytes;
    const type = ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
    return type === ETHER_TYPE_IP4 || type === ETHER_TYPE_IP6;
  }
}

function mediumOf(linkType: number): Medium | null {
  switch (linkType) {
    case LinkType.Ethernet:
      return 'ethernet';
    case LinkType.Raw:
    case LinkType.Ip4:
    case LinkType.Ip6:
    case LinkType.Null:
    case LinkType.LinuxSll:
    case LinkType.LinuxSll2:
    case RAW_BSD:
    case RAW_OPENBSD:
      return 'ip';
    default:
      return null;
  }
}

/** What a capture has in front of an IP packet. */
function headerBytes(linkType: number): number {
  switch (linkType) {
    case LinkType.Null:
      return NULL_HEADER_BYTES;
    case LinkType.LinuxSll:
      return SLL_HEADER_BYTES;
    case LinkType.LinuxSll2:
      return SLL2_HEADER_BYTES;
    default:
      return 0;
  }
}
