/**
 * The one packet type: a slot of memory with headroom, two views made once, offsets, and a little metadata.
 *
 *     0          head      l3        l4                tail            SLOT_BYTES
 *     |  headroom  | ethernet | ip     | udp, payload …   |   free         |
 *
 * One owner. Passing a packet to a function gives it away, and the last owner calls `release()` once (or hands
 * it to `Drops.drop`). A function that only looks is named `peek…` or `describe…`. There are no reference
 * counts: what must go to two places is copied.
 *
 * A packet may be a super-segment of up to 64 KB (`gsoType`): every layer keeps it whole until a device says
 * that it cannot take it.
 */
import { assert } from '../base/assert.ts';
import { copyBytes } from '../base/bytes.ts';
import type { Instant } from '../base/time.ts';
import { START } from '../base/time.ts';

/** Where the network header of a fresh packet begins; room in front for every encapsulation we know. */
export const HEADROOM = 272;
/** Headroom, an IP packet of 65,535 bytes, and something to spare; a multiple of 16 that is none of 4,096. */
export const SLOT_BYTES = 66_064;

export const PacketFlag = {
  /** The transport checksum was verified by the device, or needs no verification. */
  ChecksumValid: 1,
  /** The field at `csumStart + csumOffset` holds the pseudo-header sum only; the device, or we, must complete it. */
  ChecksumPartial: 2,
  /** The frame was sent to the link broadcast address. */
  LinkBroadcast: 4,
  /** The frame was sent to a link multicast address. */
  LinkMulticast: 8,
  /** The frame was sent to another host's link address. */
  LinkOther: 16,
  /** Came from our own loopback: source checks for the wire do not apply. */
  Loopback: 32,
  /** The IP destination is a broadcast address of the receiving interface. */
  IpBroadcast: 64,
  /** The IP destination is a multicast group. */
  IpMulticast: 128,
  /** The super-segment carries CWR: only its first piece may keep it (virtio `GSO_ECN`). */
  GsoEcn: 256,
  /** Made by reassembly: the parts arrived as fragments. */
  Reassembled: 512,
  /** The sender wants no copy for members on its own host (`IP_MULTICAST_LOOP` off). */
  NoLoop: 1024,
} as const;

/** How a super-segment must be cut; the numbers are virtio's. */
export const GsoType = { None: 0, Tcp4: 1, Tcp6: 4, Udp: 5 } as const;

/** Where a released packet goes: its pool. */
export interface PacketHome {
  put(packet: Packet): void;
}

export class Packet {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** The number of this slot in its pool; native code counts slots the same way. */
  readonly slot: number;
  readonly #home: PacketHome;
  isFree = true;

  /** Offsets into the slot. Outermost header, network header, transport header, one past the last byte. */
  head: number = HEADROOM;
  l3: number = HEADROOM;
  l4: number = HEADROOM;
  tail: number = HEADROOM;

  /** Index of the interface it came in by (0: none). */
  device = 0;
  receivedAt: Instant = START;
  /** Firewall and policy-routing mark. */
  mark = 0;
  hash = 0;
  /** 802.1Q tag control information, or -1. */
  vlan = -1;
  /** Connection-tracking entry, or 0. */
  conn = 0;
  /** Bits of `PacketFlag`. */
  flags = 0;
  /** Payload bytes of each piece of a super-segment. */
  gsoSize = 0;
  gsoType = 0;
  /** Absolute offset in the slot where the checksummed bytes begin (with `ChecksumPartial`). */
  csumStart = 0;
  /** Offset of the checksum field from `csumStart`. */
  csumOffset = 0;

  constructor(home: PacketHome, slot: number, arena: ArrayBuffer, offset: number) {
    this.#home = home;
    this.slot = slot;
    this.bytes = new Uint8Array(arena, offset, SLOT_BYTES);
    this.view = new DataView(arena, offset, SLOT_BYTES);
  }

  /** Bytes from `head` to `tail`. */
  get length(): number {
    return this.tail - this.head;
  }

  /** Back to an empty packet whose network header would begin at `HEADROOM`. */
  reset(): void {
    this.head = HEADROOM;
    this.l3 = HEADROOM;
    this.l4 = HEADROOM;
    this.tail = HEADROOM;
    this.device = 0;
    this.receivedAt = START;
    this.mark = 0;
    this.hash = 0;
    this.vlan = -1;
    this.conn = 0;
    this.flags = 0;
    this.gsoSize = 0;
    this.gsoType = 0;
    this.csumStart = 0;
    this.csumOffset = 0;
  }

  /** Makes room for an `n`-byte header in front and answers the new `head`. */
  push(n: number): number {
    assert(this.head >= n, 'the headroom holds every encapsulation that this stack makes');
    this.head -= n;
    return this.head;
  }

  /** Takes `n` bytes off the front and answers the new `head`. */
  pull(n: number): number {
    assert(this.head + n <= this.tail, 'a checker ran before a header was taken off');
    this.head += n;
    return this.head;
  }

  /** Makes `copy` equal to this packet, metadata included, at the same offsets. */
  copyTo(copy: Packet): void {
    copyBytes(copy.bytes, this.head, this.bytes, this.head, this.tail - this.head);
    this.copyMetadataTo(copy);
  }

  /** Offsets and metadata, no bytes. */
  copyMetadataTo(copy: Packet): void {
    copy.head = this.head;
    copy.l3 = this.l3;
    copy.l4 = this.l4;
    copy.tail = this.tail;
    copy.device = this.device;
    copy.receivedAt = this.receivedAt;
    copy.mark = this.mark;
    copy.hash = this.hash;
    copy.vlan = this.vlan;
    copy.conn = this.conn;
    copy.flags = this.flags;
    copy.gsoSize = this.gsoSize;
    copy.gsoType = this.gsoType;
    copy.csumStart = this.csumStart;
    copy.csumOffset = this.csumOffset;
  }

  /** Gives the slot back to its pool. Exactly once; the caller owns nothing afterwards. */
  release(): void {
    this.#home.put(this);
  }
}
