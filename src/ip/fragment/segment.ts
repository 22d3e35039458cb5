/**
 * Segmentation offload in software: a TCP super-segment or UDP super-datagram becomes the packets that go on the
 * wire, where a device does not cut it itself (TSO, USO).
 *
 *     | ip | tcp | a a a a b b b b c c |   →   | ip | tcp | a a a a |   | ip | tcp | b b b b |   | ip | tcp | c c |
 *
 *     segmenter.start(packet);
 *     for (let s = segmenter.next(); s !== null; s = segmenter.next()) transmit(s);
 *
 * One object is used again and again. Every header field is the super-segment's but lengths, checksums, sequence
 * number and identification (which count up), and the TCP flags that belong to one end of the data only.
 */
import { assert } from '../../base/assert.ts';
import { copyBytes } from '../../base/bytes.ts';
import { Drop } from '../../base/drop.ts';
import { completeChecksum } from '../../device/offload.ts';
import type { Drops } from '../../packet/drops.ts';
import type { Packet } from '../../packet/packet.ts';
import { GsoType, PacketFlag } from '../../packet/packet.ts';
import type { Pool } from '../../packet/pool.ts';
import { fold, pseudo4 } from '../../wire/checksum.ts';
import * as ipv4 from '../../wire/ipv4.ts';
import * as ipv6 from '../../wire/ipv6.ts';
import * as tcp from '../../wire/tcp.ts';
import * as udp from '../../wire/udp.ts';

/** What only the piece with the last byte may say, and what only the first may (RFC 3168 §6.1.2: CWR is said once). */
const LAST_ONLY = tcp.Flag.Fin | tcp.Flag.Psh;
const FIRST_ONLY = tcp.Flag.Cwr;

export class Segmenter {
  readonly #pool: Pool;
  readonly #drops: Drops;
  #source: Packet | null = null;
  #isComplete = false;
  /** Offsets in the source: where the data begins, and where the next piece's does. */
  #dataStart = 0;
  #at = 0;
  #index = 0;

  constructor(pool: Pool, drops: Drops) {
    this.#pool = pool;
    this.#drops = drops;
  }

  /**
   * Takes ownership of a super-segment with `l3` and `l4` set; a link header in front is repeated too. Its pieces
   * have whole checksums if `isComplete`, otherwise `ChecksumPartial` ones. Anything but `Drop.None` means that it
   * was dropped: a virtio header from outside may claim a super-segment that is none.
   */
  start(packet: Packet, isComplete = false): Drop {
    assert(this.#source === null, 'the pieces of one super-segment are taken before the next one begins');
    const dataStart = dataStartOf(packet);
    if (dataStart < 0) return this.#drops.drop(packet, Drop.OffloadBad);
    this.#source = packet;
    this.#isComplete = isComplete;
    this.#dataStart = dataStart;
    this.#at = dataStart;
    this.#index = 0;
    return Drop.None;
  }

  /** The next piece, which the caller owns; null when there is none left. */
  next(): Packet | null {
    const source = this.#source;
    if (source === null) return null;
    const piece = this.#pool.take();
    if (piece === null) {
      // The rest is lost as a packet on the wire is; TCP will send it again.
      this.#source = null;
      this.#drops.drop(source, Drop.NoSlot);
      return null;
    }
    const from = this.#at;
    const end = Math.min(from + source.gsoSize, source.tail);
    source.copyMetadataTo(piece);
    const dataAt = this.#dataStart;
    copyBytes(piece.bytes, piece.head, source.bytes, source.head, dataAt - source.head);
    copyBytes(piece.bytes, dataAt, source.bytes, from, end - from);
    piece.tail = dataAt + end - from;
    piece.gsoType = GsoType.None;
    piece.gsoSize = 0;
    piece.flags &= ~(PacketFlag.GsoEcn | PacketFlag.ChecksumPartial);
    const isLast = end === source.tail;
    const pseudo = this.#fixNetwork(piece);
    if (source.gsoType === GsoType.Udp) this.#fixUdp(piece, pseudo);
    else this.#fixTcp(piece, pseudo, isLast);
    this.#at = end;
    this.#index++;
    if (isLast) {
      this.#source = null;
      source.release();
    }
    return piece;
  }

  /** Length, identification and checksum of the IP header. Answers the transport's pseudo-header sum. */
  #fixNetwork(piece: Packet): number {
    const { view, l3, l4, tail } = piece;
    const length = tail - l4;
    if (ipv4.version(view, l3) === 4) {
      view.setUint16(l3 + 2, tail - l3);
      view.setUint16(l3 + 4, ipv4.id(view, l3) + this.#index);
      ipv4.fillChecksum(view, l3);
      return pseudo4(ipv4.src(view, l3), ipv4.dst(view, l3), ipv4.protocol(view, l3), length);
    }
    ipv6.setPayloadLength(view, l3, tail - l3 - ipv6.HEADER_BYTES);
    // The pseudo header has the transport's number, which extension headers may stand in front of (RFC 8200 §8.1).
    const isUdp = (this.#source as Packet).gsoType === GsoType.Udp;
    return ipv6.pseudo(view, l3, isUdp ? ipv4.Protocol.Udp : ipv4.Protocol.Tcp, length);
  }

  #fixTcp(piece: Packet, pseudo: number, isLast: boolean): void {
    const { view, l4, tail } = piece;
    const isFirst = this.#index === 0;
    const flags = tcp.flags(view, l4);
    const cleared = (isFirst ? 0 : FIRST_ONLY) | (isLast ? 0 : LAST_ONLY);
    view.setUint8(l4 + 13, flags & ~cleared);
    view.setInt32(l4 + 4, tcp.seq(view, l4) + (this.#at - this.#dataStart));
    if (this.#isComplete) tcp.fillChecksum(view, l4, tail - l4, pseudo);
    else leavePartial(piece, tcp.CHECKSUM_OFFSET, pseudo);
  }

  #fixUdp(piece: Packet, pseudo: number): void {
    const { view, l4, tail } = piece;
    const source = this.#source as Packet;
    const hadNone = udp.checksum(view, l4) === 0 && (source.flags & PacketFlag.ChecksumPartial) === 0;
    view.setUint16(l4 + 4, tail - l4);
    // RFC 768: a sender over IPv4 may choose to send none.
    if (hadNone) return;
    if (this.#isComplete) udp.fillChecksum(view, l4, tail - l4, pseudo);
    else leavePartial(piece, udp.CHECKSUM_OFFSET, pseudo);
  }
}

function leavePartial(piece: Packet, offset: number, pseudo: number): void {
  piece.view.setUint16(piece.l4 + offset, fold(pseudo));
  piece.csumStart = piece.l4;
  piece.csumOffset = offset;
  piece.flags |= PacketFlag.ChecksumPartial;
}

/** Where the data of a super-segment begins, or -1 where the headers do not hold what `gsoType` says. */
function dataStartOf(packet: Packet): number {
  const { view, l3, l4, tail, gsoType, gsoSize } = packet;
  const family = ipv4.version(view, l3);
  const isHeaderWhole = family === 4 ? l4 === l3 + ipv4.headerLength(view, l3) : l4 >= l3 + ipv6.HEADER_BYTES;
  if (gsoSize <= 0 || !isHeaderWhole) return -1;
  let dataStart = l4 + udp.HEADER_BYTES;
  if (gsoType !== GsoType.Udp) {
    if (gsoType !== (family === 4 ? GsoType.Tcp4 : GsoType.Tcp6)) return -1;
    if (tcp.check(view, l4, tail) !== Drop.None) return -1;
    dataStart = l4 + tcp.dataOffset(view, l4);
  }
  return dataStart < tail ? dataStart : -1;
}

export { completeChecksum };
