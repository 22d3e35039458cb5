/**
 * Writes frames as pcapng (draft-ietf-opsawg-pcapng), the format that Wireshark opens: as a machine over bytes.
 * It opens no file; a shell takes chunks and writes them.
 *
 *     peekFrame, noteDrop -> [ filling ]      [ handed out ] <- pollChunk, handleChunkWritten
 *                                 `---- swapped ----^
 *
 * Two buffers of a fixed size: one is filled while the other is being written. When the shell is slower than the
 * frames come, they are left out of the capture and counted: in the next record of the interface (`epb_dropcount`),
 * and in the statistics at the end.
 *
 * Of offloaded frames the record says what they were: the flags word has a bit for a checksum that was not ready and
 * one for segmentation, and a comment says `checksum partial` or `gso tcp4 1448 x 12`. In the *copy* a checksum that
 * was partial is filled in, so that a reader does not call every frame we send damaged; `fillChecksums: false`
 * keeps the bytes as they were.
 */
import { assert } from '../base/assert.ts';
import { copyBytes } from '../base/bytes.ts';
import type { Drop } from '../base/drop.ts';
import { dropName } from '../base/drop.ts';
import type { Instant } from '../base/time.ts';
import type { Packet } from '../packet/packet.ts';
import { GsoType, PacketFlag } from '../packet/packet.ts';
import { checksum } from '../wire/checksum.ts';
import { BlockBuffer, OPTION_COMMENT } from './block-buffer.ts';
import type { Direction, FrameSink } from './frame-sink.ts';
import { LinkType } from './frame-sink.ts';

export const BlockType = {
  Section: 0x0a0d0d0a,
  Interface: 1,
  OldPacket: 2,
  SimplePacket: 3,
  Statistics: 5,
  Packet: 6,
} as const;
export const BYTE_ORDER_MAGIC = 0x1a2b3c4d;

const NANOSECONDS = 9;

// The numbers of options mean something else in each block.
const SectionOption = { Os: 3, Application: 4 } as const;
const InterfaceOption = { Name: 2, Description: 3, Resolution: 9 } as const;
const PacketOption = { Flags: 2, DropCount: 4 } as const;
const StatisticsOption = { Start: 2, End: 3, Received: 4, OsDrop: 7, Delivered: 8 } as const;

/** Bits of `epb_flags`. */
const Flag = {
  Inbound: 1,
  Outbound: 2,
  Unicast: 1 << 2,
  Multicast: 2 << 2,
  Broadcast: 3 << 2,
  ChecksumNotReady: 1 << 9,
  Segmentation: 1 << 11,
} as const;

const BUFFER_BYTES = 1 << 20;
const BUFFER_MIN_BYTES = 4_096;
/** As tcpdump's default: more than any frame has. */
const SNAPLEN = 262_144;
/** Frames that may be sent within the handling of one whose drop is still to be noted. */
const TICKETS = 64;
const TEXT_MAX_BYTES = 256;
const COMMENT_MAX_BYTES = 60;
/** Everything in a packet block but the frame: header, flags, drop count, comment, end. */
const PACKET_BLOCK_REST = 28 + 8 + 12 + (4 + COMMENT_MAX_BYTES) + 4 + 4 + 3;
/** What a note of a drop adds to it. */
const NOTE_BYTES = 4 + COMMENT_MAX_BYTES;
/** The same of an interface and of its statistics. */
const INTERFACE_BLOCK_MAX = 20 + 2 * (4 + TEXT_MAX_BYTES) + 8 + 4 + 4;
const STATISTICS_BLOCK_BYTES = 24 + 5 * 12 + 4;

export interface PcapngOptions {
  /** Wall-clock time of the instant 0, in microseconds since 1970. */
  readonly epochUs: number;
  readonly bufferBytes?: number;
  /** Of longer frames only so many bytes are kept. */
  readonly snaplen?: number;
  readonly application?: string;
  readonly os?: string;
  readonly fillChecksums?: boolean;
}

export interface CaptureInterface {
  readonly name: string;
  readonly description?: string;
  /** A `LinkType`. */
  readonly linkType: number;
}

export interface CaptureCounters {
  /** Frames seen. */
  frames: number;
  /** Of those, how many found no room. */
  left: number;
}

interface InterfaceState {
  readonly spec: CaptureInterface;
  readonly counters: CaptureCounters;
  /** Left out since the last record. */
  leftSince: number;
  firstAt: Instant | null;
}

export class PcapngWriter implements FrameSink {
  /** The wall clock may be set while the capture runs. */
  epochUs: number;
  readonly snaplen: number;
  readonly #fillChecksums: boolean;
  readonly #interfaces: InterfaceState[] = [];
  /** How many of them have their block. */
  #described = 0;
  #filling: BlockBuffer;
  #other: BlockBuffer;
  #isHandedOut = false;
  /** Where the blocks of the last tickets are in the buffer being filled. */
  readonly #blocks: Int32Array = new Int32Array(TICKETS);
  #nextTicket = 0;
  /** The first whose block is still there. */
  #firstTicket = 0;

  constructor(options: PcapngOptions) {
    this.epochUs = options.epochUs;
    this.snaplen = options.snaplen ?? SNAPLEN;
    this.#fillChecksums = options.fillChecksums ?? true;
    const bufferBytes = options.bufferBytes ?? BUFFER_BYTES;
    assert(bufferBytes >= BUFFER_MIN_BYTES, 'a capture buffer holds at least the blocks that describe it');
    this.#filling = new BlockBuffer(bufferBytes);
    this.#other = new BlockBuffer(bufferBytes);
    this.#writeSection(options.application ?? 'tapstack', options.os);
  }

  /** Answers its number. All interfaces may be added before the first frame, or as they appear. */
  addInterface(spec: CaptureInterface): number {
    const counters = { frames: 0, left: 0 };
    return this.#interfaces.push({ spec, counters, leftSince: 0, firstAt: null }) - 1;
  }

  counters(interfaceId: number): CaptureCounters {
    return this.#interface(interfaceId).counters;
  }

  peekFrame(now: Instant, interfaceId: number, packet: Packet, direction: Direction): number {
    const state = this.#interface(interfaceId);
    state.counters.frames++;
    state.firstAt ??= now;
    const kept = Math.min(packet.length, this.snaplen);
    if (!this.#describe() || !this.#hasRoom(PACKET_BLOCK_REST + kept)) {
      state.counters.left++;
      state.leftSince++;
      return -1;
    }
    this.#blocks[this.#nextTicket % TICKETS] = this.#filling.end;
    this.#writePacket(now, interfaceId, packet, direction, kept);
    state.leftSince = 0;
    return this.#nextTicket++;
  }

  noteDrop(ticket: number, reason: Drop): void {
    const first = Math.max(this.#firstTicket, this.#nextTicket - TICKETS);
    if (ticket < first || !this.#hasRoom(0)) return;
    const start = this.#blocks[ticket % TICKETS] as number;
    const added = this.#filling.insertComment(start, `drop: ${dropName(reason)}`, COMMENT_MAX_BYTES);
    for (let later = ticket + 1; later < this.#nextTicket; later++) {
      this.#blocks[later % TICKETS] = (this.#blocks[later % TICKETS] as number) + added;
    }
  }

  /** Ends the capture with the statistics of each interface; no frame may follow. */
  finish(now: Instant): void {
    if (!this.#describe()) return;
    for (let id = 0; id < this.#interfaces.length; id++) this.#writeStatistics(now, id);
  }

  /** How many bytes wait to be taken. */
  get pendingBytes(): number {
    return this.#filling.end;
  }

  /** What is to be written next, or null; it stays as it is until `handleChunkWritten`. */
  pollChunk(): Uint8Array | null {
    const full = this.#filling;
    if (this.#isHandedOut || full.end === 0) return null;
    const chunk = full.bytes.subarray(0, full.end);
    this.#filling = this.#other;
    this.#other = full;
    this.#firstTicket = this.#nextTicket;
    full.end = 0;
    this.#isHandedOut = true;
    return chunk;
  }

  handleChunkWritten(): void {
    assert(this.#isHandedOut, 'a chunk was handed out before it was written');
    this.#isHandedOut = false;
  }

  #interface(id: number): InterfaceState {
    const state = this.#interfaces[id];
    assert(state !== undefined, 'an interface is added to the capture before its frames');
    return state;
  }

  /** Whether a block may take `bytes`, and a drop noted in it and the statistics at the end still have room. */
  #hasRoom(bytes: number): boolean {
    const reserved = NOTE_BYTES + this.#interfaces.length * STATISTICS_BLOCK_BYTES;
    return this.#filling.end + bytes + reserved <= this.#filling.bytes.length;
  }

  /** Writes the blocks of new interfaces: readers number them by their order. False when there is no room yet. */
  #describe(): boolean {
    while (this.#described < this.#interfaces.length) {
      if (!this.#hasRoom(INTERFACE_BLOCK_MAX)) return false;
      const { spec } = this.#interface(this.#described++);
      const to = this.#filling;
      const start = to.begin(BlockType.Interface);
      to.u16(spec.linkType);
      to.u16(0);
      to.u32(this.snaplen);
      to.textOption(InterfaceOption.Name, spec.name, TEXT_MAX_BYTES);
      if (spec.description !== undefined) {
        to.textOption(InterfaceOption.Description, spec.description, TEXT_MAX_BYTES);
      }
      to.option(InterfaceOption.Resolution, 1);
      to.u32(NANOSECONDS);
      to.finish(start);
    }
    return true;
  }

  #writeSection(application: string, os: string | undefined): void {
    const to = this.#filling;
    const start = to.begin(BlockType.Section);
    to.u32(BYTE_ORDER_MAGIC);
    to.u16(1);
    to.u16(0);
    // The length of the section is not known: -1.
    to.u32(0xffffffff);
    to.u32(0xffffffff);
    if (os !== undefined) to.textOption(SectionOption.Os, os, TEXT_MAX_BYTES);
    to.textOption(SectionOption.Application, application, TEXT_MAX_BYTES);
    to.finish(start);
  }

  #writePacket(now: Instant, interfaceId: number, packet: Packet, direction: Direction, kept: number): void {
    const { spec, leftSince } = this.#interface(interfaceId);
    const to = this.#filling;
    const start = to.begin(BlockType.Packet);
    to.u32(interfaceId);
    this.#writeTime(now);
    to.u32(kept);
    to.u32(packet.length);
    const at = to.end;
    copyBytes(to.bytes, at, packet.bytes, packet.head, kept);
    to.end += kept;
    to.pad();
    const isPartial = (packet.flags & PacketFlag.ChecksumPartial) !== 0;
    const isWhole =
      isPartial && this.#fillChecksums && kept === packet.length && fillChecksum(to.view, at, packet);
    let flags: number = direction === 'in' ? Flag.Inbound : Flag.Outbound;
    if (spec.linkType === LinkType.Ethernet) flags |= destinationFlag(packet);
    if (isPartial && !isWhole) flags |= Flag.ChecksumNotReady;
    if (packet.gsoType !== GsoType.None) flags |= Flag.Segmentation;
    to.option(PacketOption.Flags, 4);
    to.u32(flags);
    if (leftSince > 0) {
      to.option(PacketOption.DropCount, 8);
      to.u64(leftSince);
    }
    if (isPartial || packet.gsoType !== GsoType.None) writeOffloadComment(to, packet, isPartial);
    to.finish(start);
  }

  #writeStatistics(now: Instant, interfaceId: number): void {
    const { counters, firstAt } = this.#interface(interfaceId);
    const to = this.#filling;
    const start = to.begin(BlockType.Statistics);
    to.u32(interfaceId);
    this.#writeTime(now);
    to.option(StatisticsOption.Start, 8);
    this.#writeTime(firstAt ?? now);
    to.option(StatisticsOption.End, 8);
    this.#writeTime(now);
    to.option(StatisticsOption.Received, 8);
    to.u64(counters.frames);
    to.option(StatisticsOption.OsDrop, 8);
    to.u64(counters.left);
    to.option(StatisticsOption.Delivered, 8);
    to.u64(counters.frames - counters.left);
    to.finish(start);
  }

  #writeTime(now: Instant): void {
    const wholeNow = Math.floor(now);
    // Microseconds since 1970 nearly fill a double: what is below one must not be added to them.
    this.#filling.time(Math.floor(this.epochUs) + wholeNow, now - wholeNow);
  }
}

function destinationFlag(packet: Packet): number {
  if (packet.length < 6) return 0;
  const view = packet.view;
  if ((view.getUint8(packet.head) & 1) === 0) return Flag.Unicast;
  const isBroadcast = view.getUint16(packet.head) === 0xffff && view.getInt32(packet.head + 2) === -1;
  return isBroadcast ? Flag.Broadcast : Flag.Multicast;
}

/** In the copy of `packet` at `at`. False when the fields that say where the checksum is do not lie in the frame. */
function fillChecksum(view: DataView, at: number, packet: Packet): boolean {
  const start = packet.csumStart - packet.head;
  if (start < 0 || packet.csumStart + packet.csumOffset + 2 > packet.tail) return false;
  const result = checksum(view, at + start, packet.length - start);
  view.setUint16(at + start + packet.csumOffset, result === 0 ? 0xffff : result);
  return true;
}

function writeOffloadComment(to: BlockBuffer, packet: Packet, isPartial: boolean): void {
  const comment = to.option(OPTION_COMMENT, 0);
  if (packet.gsoType !== GsoType.None) {
    to.text(gsoName(packet.gsoType));
    to.decimal(packet.gsoSize);
    to.text(' x ');
    to.decimal(pieces(packet));
    if (isPartial) to.text(', ');
  }
  if (isPartial) to.text('checksum partial');
  to.finishOption(comment);
}

function gsoName(type: number): string {
  switch (type) {
    case GsoType.Tcp4:
      return 'gso tcp4 ';
    case GsoType.Tcp6:
      return 'gso tcp6 ';
    case GsoType.Udp:
      return 'gso udp ';
    default:
      return 'gso unknown ';
  }
}

/** Into how many a super-segment will be cut. */
function pieces(packet: Packet): number {
  const transport = packet.csumStart > packet.head ? packet.csumStart : packet.l4;
  let header = 8;
  if (packet.gsoType !== GsoType.Udp) {
    if (transport + 13 > packet.tail) return 1;
    header = (packet.view.getUint8(transport + 12) >>> 4) * 4;
  }
  const payload = Math.max(0, packet.tail - transport - header);
  return Math.max(1, Math.ceil(payload / Math.max(1, packet.gsoSize)));
}
