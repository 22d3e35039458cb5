/**
 * Batched frame I/O over the addon: packets in and out of one descriptor, many per call, none allocated per frame.
 *
 * Slots for the next frames are taken from the pool ahead of time and wait on a *stage*, described in the table;
 * a receive hands out the first of them, and only those are replaced. What `max` allows and no more is read: with
 * `max` 1 a lone frame costs one system call instead of two (the second would say that nothing is left).
 */
import { assert } from '../base/assert.ts';
import { Drop } from '../base/drop.ts';
import type { Medium } from '../device/net-device.ts';
import type { Drops } from '../packet/drops.ts';
import type { Packet } from '../packet/packet.ts';
import { GsoType, HEADROOM, PacketFlag, SLOT_BYTES } from '../packet/packet.ts';
import type { Pool } from '../packet/pool.ts';
import type { Addon } from './addon.ts';
import {
  BATCH,
  Count,
  Field,
  RECEIVE,
  RECORD_WORDS,
  TABLE_WORDS,
  TRANSMIT,
  VNET_GSO_ECN,
  VnetFlag,
} from './frame-table.ts';

const ETHERNET_HEADER_BYTES = 14;
const UDP_HEADER_BYTES = 8;
/** Where a TCP header says how long it is, in its upper four bits, in words (RFC 9293 §3.1). */
const TCP_DATA_OFFSET = 12;

export const ChannelKind = { Tun: 0, Tap: 1, PacketSocket: 2 } as const;

/** How a descriptor is to be spoken to. */
export interface ChannelLayout {
  readonly kind: (typeof ChannelKind)[keyof typeof ChannelKind];
  readonly medium: Medium;
  /** Four bytes of packet information stand before each frame (a tun device without `IFF_NO_PI`). */
  readonly hasInfo: boolean;
  /** Bytes of virtio header before each frame; 0 without offload. */
  readonly vnetBytes: number;
}

/** What it cost so far. */
export interface ChannelCounters {
  readCalls: number;
  writeCalls: number;
  /** Reads that found nothing. */
  emptyReads: number;
  /** Frames longer than a slot. */
  truncated: number;
}

export class Channel {
  /** Ask again for this long when nothing waits, before giving the thread back: latency against CPU. */
  spinUs = 0;
  readonly #addon: Addon;
  readonly #id: number;
  readonly #drops: Drops;
  readonly #table: Int32Array;
  readonly #linkBytes: number;
  readonly #hasVnet: boolean;
  /** Where in its slot a frame is put: the network header then begins at `HEADROOM`. */
  readonly #start: number;

  #pool: Pool | null = null;
  #poolArena = 0;
  readonly #buffers: ArrayBufferLike[] = [];
  readonly #arenas: number[] = [];

  readonly #stage: Packet[] = [];
  /** Entries of the stage, the first `#handed` of which have been handed out and are to be replaced. */
  #staged = 0;
  #handed = 0;

  private constructor(addon: Addon, id: number, table: Int32Array, layout: ChannelLayout, drops: Drops) {
    this.#addon = addon;
    this.#id = id;
    this.#table = table;
    this.#drops = drops;
    this.#linkBytes = layout.medium === 'ethernet' ? ETHERNET_HEADER_BYTES : 0;
    this.#hasVnet = layout.vnetBytes > 0;
    this.#start = HEADROOM - this.#linkBytes;
  }

  /** A channel, or `-errno`. */
  static open(addon: Addon, fd: number, layout: ChannelLayout, drops: Drops): Channel | number {
    const table = new Int32Array(TABLE_WORDS);
    const id = addon.channelOpen(fd, layout.kind, layout.hasInfo ? 1 : 0, layout.vnetBytes, table);
    return id < 0 ? id : new Channel(addon, id, table, layout, drops);
  }

  /** As `LinkDriver.readBatch`. */
  readBatch(pool: Pool, out: Packet[], max: number): number {
    const want = this.#fillStage(pool, Math.min(max, BATCH));
    if (want === 0) return 0;
    const received = this.#addon.receive(this.#id, want, this.spinUs);
    if (received <= 0) return received;
    let count = 0;
    for (let i = 0; i < received; i++) {
      const packet = this.#stage[i] as Packet;
      const reason = this.#describeReceived(packet, RECEIVE + i * RECORD_WORDS);
      if (reason === Drop.None) out[count++] = packet;
      else this.#drops.drop(packet, reason);
    }
    this.#handed = received;
    return count;
  }

  /** As `LinkDriver.writeBatch`. */
  writeBatch(packets: readonly Packet[], count: number): number {
    let done = 0;
    while (done < count) {
      const chunk = Math.min(count - done, BATCH);
      for (let i = 0; i < chunk; i++) {
        this.#describeForTransmit(packets[done + i] as Packet, TRANSMIT + i * RECORD_WORDS);
      }
      const sent = this.#addon.transmit(this.#id, chunk);
      if (sent < 0) return done > 0 ? done : sent;
      done += sent;
      if (sent < chunk) break;
    }
    return done;
  }

  counters(): ChannelCounters {
    const word = (at: number): number => (this.#table[at] as number) >>> 0;
    return {
      readCalls: word(Count.Reads),
      writeCalls: word(Count.Writes),
      emptyReads: word(Count.EmptyReads),
      truncated: word(Count.Truncated),
    };
  }

  /** Gives the staged slots back. The descriptor is the caller's. */
  close(): void {
    this.#clearStage();
    this.#addon.channelClose(this.#id);
  }

  // ---- receive

  /** Sees to it that `want` slots are staged; answers how many are. */
  #fillStage(pool: Pool, want: number): number {
    if (pool !== this.#pool) this.#usePool(pool);
    while (this.#handed > 0) {
      const hole = this.#handed - 1;
      const packet = pool.take();
      if (packet !== null) {
        this.#place(hole, packet);
      } else {
        // The pool is empty: the last of the stage fills the hole, and the stage is shorter.
        this.#staged--;
        if (this.#staged > hole) this.#place(hole, this.#stage[this.#staged] as Packet);
      }
      this.#handed = hole;
    }
    while (this.#staged < want) {
      const packet = pool.take();
      if (packet === null) break;
      this.#place(this.#staged++, packet);
    }
    return Math.min(this.#staged, want);
  }

  #place(at: number, packet: Packet): void {
    const record = RECEIVE + at * RECORD_WORDS;
    this.#stage[at] = packet;
    this.#table[record + Field.Arena] = this.#poolArena;
    this.#table[record + Field.Offset] = packet.slot * SLOT_BYTES + this.#start;
    this.#table[record + Field.Room] = SLOT_BYTES - this.#start;
  }

  /** Offsets and offload metadata from a record; the reason when the frame cannot be used. */
  #describeReceived(packet: Packet, record: number): Drop {
    const table = this.#table;
    const head = ((table[record + Field.Offset] as number) >>> 0) - packet.slot * SLOT_BYTES;
    packet.head = head;
    packet.l3 = head + this.#linkBytes;
    packet.l4 = packet.l3;
    packet.tail = head + (table[record + Field.Length] as number);
    const flags = table[record + Field.Flags] as number;
    if ((flags & VnetFlag.Truncated) !== 0) return Drop.FrameTooLong;
    if ((flags & VnetFlag.NeedsCsum) !== 0) {
      packet.flags = PacketFlag.ChecksumPartial;
      packet.csumStart = head + (table[record + Field.CsumStart] as number);
      packet.csumOffset = table[record + Field.CsumOffset] as number;
      if (packet.csumStart + packet.csumOffset + 2 > packet.tail) return Drop.OffloadBad;
    } else if ((flags & VnetFlag.DataValid) !== 0) {
      packet.flags = PacketFlag.ChecksumValid;
    }
    const type = table[record + Field.GsoType] as number;
    return type === 0
      ? Drop.None
      : this.#describeSuper(packet, type, table[record + Field.GsoSize] as number);
  }

  #describeSuper(packet: Packet, type: number, size: number): Drop {
    const gsoType = type & ~VNET_GSO_ECN;
    if (gsoType !== GsoType.Tcp4 && gsoType !== GsoType.Tcp6 && gsoType !== GsoType.Udp)
      return Drop.OffloadBad;
    if (size === 0) return Drop.OffloadBad;
    packet.gsoType = gsoType;
    packet.gsoSize = size;
    if ((type & VNET_GSO_ECN) !== 0) packet.flags |= PacketFlag.GsoEcn;
    return Drop.None;
  }

  // ---- transmit

  #describeForTransmit(packet: Packet, record: number): void {
    const table = this.#table;
    table[record + Field.Arena] = this.#arenaOf(packet);
    table[record + Field.Offset] = packet.slot * SLOT_BYTES + packet.head;
    table[record + Field.Room] = packet.head;
    table[record + Field.Length] = packet.tail - packet.head;
    table[record + Field.Flags] = 0;
    table[record + Field.GsoType] = 0;
    table[record + Field.GsoSize] = 0;
    table[record + Field.Headers] = 0;
    table[record + Field.CsumStart] = 0;
    table[record + Field.CsumOffset] = 0;
    if ((packet.flags & PacketFlag.ChecksumPartial) !== 0) {
      assert(this.#hasVnet, 'a link without a virtio header has no features, so its frames come complete');
      table[record + Field.Flags] = VnetFlag.NeedsCsum;
      table[record + Field.CsumStart] = packet.csumStart - packet.head;
      table[record + Field.CsumOffset] = packet.csumOffset;
    }
    if (packet.gsoType === GsoType.None) return;
    const ecn = (packet.flags & PacketFlag.GsoEcn) === 0 ? 0 : VNET_GSO_ECN;
    table[record + Field.GsoType] = packet.gsoType | ecn;
    table[record + Field.GsoSize] = packet.gsoSize;
    table[record + Field.Headers] = packet.csumStart - packet.head + transportHeaderBytes(packet);
  }

  #arenaOf(packet: Packet): number {
    // Comparing objects is cheaper than asking a view for its buffer, and right for all but foreign packets.
    if (this.#pool !== null && this.#pool.packets[packet.slot] === packet) return this.#poolArena;
    return this.#arenaOfBuffer(packet.bytes.buffer);
  }

  // ---- arenas

  #usePool(pool: Pool): void {
    this.#clearStage();
    this.#pool = pool;
    this.#poolArena = this.#arenaOfBuffer(pool.arena);
  }

  /** The addon's number for a buffer, made known to it when it is new. */
  #arenaOfBuffer(buffer: ArrayBufferLike): number {
    const known = this.#buffers.indexOf(buffer);
    if (known >= 0) return this.#arenas[known] as number;
    const arena = this.#addon.channelArena(this.#id, buffer as ArrayBuffer);
    assert(arena >= 0, 'the packets on one link come from a few dozen pools at most');
    this.#buffers.push(buffer);
    this.#arenas.push(arena);
    return arena;
  }

  #clearStage(): void {
    for (let i = this.#handed; i < this.#staged; i++) (this.#stage[i] as Packet).release();
    this.#stage.length = 0;
    this.#staged = 0;
    this.#handed = 0;
  }
}

function transportHeaderBytes(packet: Packet): number {
  if (packet.gsoType === GsoType.Udp) return UDP_HEADER_BYTES;
  return (packet.view.getUint8(packet.csumStart + TCP_DATA_OFFSET) >>> 4) * 4;
}
