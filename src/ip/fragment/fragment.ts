/**
 * Cutting a datagram into fragments that a link can carry: RFC 791 §3.2 («An Example Fragmentation Procedure»).
 *
 *     start(packet, mtu);
 *     for (let f = fragmenter.next(); f !== null; f = fragmenter.next()) transmit(f);
 *
 * One object is used again and again. Whether fragmentation is allowed (DF) is the caller's business, and so is an
 * identification that is unique. A fragment may be fragmented again. Of the last fragment nothing is copied: it stays
 * in the slot it came in, with a header put in front of it.
 */
import { assert } from '../../base/assert.ts';
import { copyBytes } from '../../base/bytes.ts';
import { Drop } from '../../base/drop.ts';
import { completeChecksum } from '../../device/offload.ts';
import type { Drops } from '../../packet/drops.ts';
import type { Packet } from '../../packet/packet.ts';
import { GsoType, PacketFlag } from '../../packet/packet.ts';
import type { Pool } from '../../packet/pool.ts';
import * as ipv4 from '../../wire/ipv4.ts';
import * as options4 from '../../wire/ipv4-options.ts';

export class Fragmenter {
  readonly #pool: Pool;
  readonly #drops: Drops;
  /** The header of all fragments but the first: fewer options. */
  readonly #later = new DataView(new ArrayBuffer(ipv4.MAX_HEADER_BYTES));
  readonly #laterBytes = new Uint8Array(this.#later.buffer);
  #laterLength = 0;
  #source: Packet | null = null;
  #mtu = 0;
  /** Where in `#source` the data that is still to be sent begins, and where all data begins. */
  #at = 0;
  #dataStart = 0;
  /** What the field of flags and offset held: offset and MF of a datagram that was a fragment already. */
  #flagsAndOffset = 0;

  constructor(pool: Pool, drops: Drops) {
    this.#pool = pool;
    this.#drops = drops;
  }

  /**
   * Takes ownership of a datagram whose header was checked. Anything but `Drop.None` means that it was dropped,
   * as one is that comes while another is being cut. A link header in front of it is left behind.
   */
  start(packet: Packet, mtu: number): Drop {
    // A fragment that finds no neighbour causes an error, which on a link below 576 bytes wants fragments itself,
    // while its offender is still being cut. Nobody is promised that error (RFC 1812 §4.3.2.7).
    if (this.#source !== null) return this.#drops.drop(packet, Drop.FragmentNested);
    assert(mtu >= ipv4.MIN_MTU, 'no interface has a smaller MTU than RFC 791 allows');
    assert(packet.gsoType === GsoType.None, 'a super-segment is segmented before it is fragmented');
    const { view, l3 } = packet;
    packet.head = l3;
    packet.tail = l3 + ipv4.totalLength(view, l3);
    if ((packet.flags & PacketFlag.ChecksumPartial) !== 0) {
      const bad = completeChecksum(packet);
      if (bad !== Drop.None) return this.#drops.drop(packet, bad);
    }
    this.#source = packet;
    this.#mtu = mtu;
    this.#dataStart = l3 + ipv4.headerLength(view, l3);
    this.#at = this.#dataStart;
    this.#flagsAndOffset = ipv4.flagsAndOffset(view, l3);
    return Drop.None;
  }

  /** The next fragment, which the caller owns; null when there is none left. */
  next(): Packet | null {
    const source = this.#source;
    if (source === null) return null;
    const isFirst = this.#at === this.#dataStart;
    const headerLength = isFirst ? this.#dataStart - source.l3 : this.#laterLength;
    const left = source.tail - this.#at;
    if (left <= this.#mtu - headerLength) return this.#last(source, isFirst);
    const length = (this.#mtu - headerLength) & ~7;
    const fragment = this.#pool.take();
    if (fragment === null) {
      // What was sent already will wait in vain at the other end: RFC 791 knows no way to say so.
      this.#source = null;
      this.#drops.drop(source, Drop.NoSlot);
      return null;
    }
    source.copyMetadataTo(fragment);
    if (isFirst) {
      // Only now: a datagram that fits is never copied.
      this.#prepareLater(source);
      copyBytes(fragment.bytes, fragment.l3, source.bytes, source.l3, headerLength);
    } else {
      copyBytes(fragment.bytes, fragment.l3, this.#laterBytes, 0, headerLength);
    }
    fragment.l4 = fragment.l3 + headerLength;
    fragment.tail = fragment.l4 + length;
    copyBytes(fragment.bytes, fragment.l4, source.bytes, this.#at, length);
    this.#finishHeader(fragment, ipv4.Flag.Mf);
    this.#at += length;
    return fragment;
  }

  /** The source itself, shrunk to what is left of it. */
  #last(source: Packet, isFirst: boolean): Packet {
    this.#source = null;
    if (isFirst) return source;
    source.l4 = this.#at;
    source.l3 = this.#at - this.#laterLength;
    source.head = source.l3;
    copyBytes(source.bytes, source.l3, this.#laterBytes, 0, this.#laterLength);
    this.#finishHeader(source, 0);
    return source;
  }

  #finishHeader(fragment: Packet, more: number): void {
    const { view, l3 } = fragment;
    // DF and the reserved bit stay as they are; MF is set on all but the last, which keeps what the datagram had.
    // The offset cannot carry into the flags: it ends where the datagram ends, below 65,536.
    const offset = (this.#at - this.#dataStart) >>> 3;
    view.setUint16(l3 + 2, fragment.tail - l3);
    view.setUint16(l3 + 6, (this.#flagsAndOffset + offset) | more);
    ipv4.fillChecksum(view, l3);
  }

  /** RFC 791 §3.1: only options with the copied bit are in the later fragments. */
  #prepareLater(source: Packet): void {
    const { view, bytes, l3 } = source;
    const later = this.#later;
    copyBytes(this.#laterBytes, 0, bytes, l3, ipv4.MIN_HEADER_BYTES);
    this.#laterLength = ipv4.MIN_HEADER_BYTES;
    // A list of options that somebody wrote into a raw socket was never checked: a broken one is not gone through.
    if (this.#dataStart - l3 > ipv4.MIN_HEADER_BYTES && options4.check(view, l3, this.#dataStart) < 0) {
      this.#laterLength = options4.copyForFragment(view, l3, this.#dataStart, later, 0);
    }
    later.setUint8(0, 0x40 | (this.#laterLength >>> 2));
  }
}
