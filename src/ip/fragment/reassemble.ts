/**
 * Putting fragments together again: RFC 791 §3.2, RFC 1122 §3.3.2, RFC 815's problem with a bit map for an answer.
 *
 *     slot of the fragment that came first
 *     |   …   | header | data 0 … 1479 |    (missing)    | data 2960 … 4439 |
 *                      DATA_AT
 *
 * Every fragment is copied to its place in the slot of the one that came first, and its own slot is free at once. A
 * datagram is known by source, destination, identification and protocol (RFC 791).
 *
 * Memory is bounded: by datagrams, by datagrams of one source, by bytes, by fragments of a datagram. Where a bound is
 * reached the oldest datagram makes way, not the newest: an honest datagram is whole within milliseconds, those of an
 * attacker never are.
 *
 * Attacks refused: overlaps and teardrop (whole datagram dropped, RFC 5722 §4 for IPv4 as Linux does), tiny first
 * fragments and TCP at offset 8 (RFC 1858, RFC 3128), the ping of death (more than 65,535 bytes).
 */
import { copyBytes } from '../../base/bytes.ts';
import { Drop } from '../../base/drop.ts';
import { HashTable } from '../../base/hash-table.ts';
import { Lru } from '../../base/lru.ts';
import type { Rng } from '../../base/rng.ts';
import type { Duration, Instant } from '../../base/time.ts';
import { after, NEVER, START, sec } from '../../base/time.ts';
import type { Drops } from '../../packet/drops.ts';
import type { Packet } from '../../packet/packet.ts';
import { HEADROOM, PacketFlag } from '../../packet/packet.ts';
import * as ipv4 from '../../wire/ipv4.ts';
import * as tcp from '../../wire/tcp.ts';
import { FragmentMap } from './fragment-map.ts';

/**
 * Deviates: RFC 1122 §3.3.2 recommends 60 to 120 seconds. Linux takes 30, because at today's rates an identification
 * is used again long before (RFC 4963), and a fragment of an old datagram must not meet a new one.
 */
const TIMEOUT: Duration = sec(30);

/** What the total length can say. */
const DATAGRAM_BYTES_MAX = 65_535;

/** Where the data of a datagram goes, whatever the length of a header that may come later. */
const DATA_AT = HEADROOM + ipv4.MAX_HEADER_BYTES;

export interface ReassemblyLimits {
  /** Incomplete datagrams in all; each holds a slot. */
  datagramsMax: number;
  /** Incomplete datagrams of one source address. */
  datagramsPerSourceMax: number;
  /** Bytes of data that wait in incomplete datagrams. */
  bytesMax: number;
  /** Parts of one datagram: 65,515 bytes through the smallest MTU make 1,365 of 48. */
  fragmentsMax: number;
}

/** Bytes: Linux's `ipfrag_high_thresh`. */
export const DEFAULT_LIMITS: ReassemblyLimits = {
  datagramsMax: 64,
  datagramsPerSourceMax: 32,
  bytesMax: 4 << 20,
  fragmentsMax: 1_536,
};

/** Bits for each ECN codepoint seen (RFC 3168 §5): 1 << codepoint. */
const SAW_NOT_ECT = 1 << ipv4.Ecn.NotEct;
const SAW_CE = 1 << ipv4.Ecn.Ce;

/** One incomplete datagram. Made once, used for one after the other. */
class Datagram {
  src = 0;
  dst = 0;
  /** Identification and protocol. */
  tag = 0;
  readonly map = new FragmentMap();
  packet: Packet | null = null;
  deadline: Instant = NEVER;
  fragments = 0;
  bytes = 0;
  /** Length of the data, known from the last fragment; -1 before it came. */
  length = -1;
  /** One past the last data byte seen. */
  end = 0;
  /** Length of the first fragment's header; 0 before it came. */
  headerLength = 0;
  /** Data bytes of the first fragment: what an ICMP error may quote. */
  firstLength = 0;
  /** ECN codepoints seen, a bit for each. */
  ecn = 0;
}

export class Reassembler {
  readonly #drops: Drops;
  readonly #limits: ReassemblyLimits;
  /** Numbers of incomplete datagrams by source, destination and tag; and in the order of their age. */
  readonly #table: HashTable;
  readonly #ages: Lru;
  readonly #datagrams: readonly Datagram[];
  /** A stack of numbers that are not in use. */
  readonly #free: Int32Array;
  #freeCount: number;
  /** Datagrams begun no later than this are over. */
  #expiredAt: Instant = START;
  /** Data bytes in incomplete datagrams. */
  bytes = 0;

  constructor(drops: Drops, rng: Rng, limits: ReassemblyLimits = DEFAULT_LIMITS) {
    this.#drops = drops;
    this.#limits = limits;
    const count = limits.datagramsMax;
    this.#table = new HashTable(rng, 3, count);
    this.#ages = new Lru(count);
    this.#datagrams = Array.from({ length: count }, () => new Datagram());
    this.#free = Int32Array.from({ length: count }, (_, i) => count - 1 - i);
    this.#freeCount = count;
  }

  /** Incomplete datagrams; each holds a slot. */
  get count(): number {
    return this.#ages.length;
  }

  /**
   * Takes ownership of a fragment: header at `l3`, checked, `tail` at its total length. Answers the whole datagram
   * if this was what it lacked, with `PacketFlag.Reassembled`, and null otherwise.
   */
  handleFragment(now: Instant, packet: Packet): Packet | null {
    const { view, l3 } = packet;
    const headerLength = ipv4.headerLength(view, l3);
    const start = ipv4.fragmentOffset(view, l3);
    const end = start + packet.tail - l3 - headerLength;
    const isLast = !ipv4.isMf(view, l3);
    const protocol = ipv4.protocol(view, l3);
    this.#setKey(ipv4.src(view, l3), ipv4.dst(view, l3), (ipv4.id(view, l3) << 8) | protocol);
    let index = this.#table.lookup();
    const bad = checkAlone(protocol, headerLength, start, end, isLast);
    if (bad !== Drop.None) {
      this.#drops.drop(packet, bad);
      // Without this fragment the datagram cannot become whole; one that is too long also says what it is about.
      if (bad === Drop.FragmentTooLong && index >= 0) this.#discard(index, bad);
      return null;
    }
    if (index >= 0) {
      const worse = this.#checkAgainst(this.#datagrams[index] as Datagram, start, end, isLast);
      if (worse !== Drop.None) {
        this.#drops.drop(packet, worse);
        if (worse !== Drop.FragmentDuplicate) this.#discard(index, worse);
        return null;
      }
    } else {
      index = this.#begin(now, packet);
    }
    const datagram = this.#datagrams[index] as Datagram;
    datagram.ecn |= 1 << ipv4.ecn(view, l3);
    this.#place(datagram, packet, start, end, headerLength);
    if (isLast) datagram.length = end;
    if (datagram.headerLength !== 0 && datagram.length >= 0 && datagram.map.isComplete(datagram.length)) {
      return this.#complete(index, datagram);
    }
    while (this.bytes > this.#limits.bytesMax) this.#discard(this.#ages.oldest(), Drop.FragmentMemory);
    return null;
  }

  nextTimeout(): Instant {
    const oldest = this.#ages.oldest();
    return oldest < 0 ? NEVER : (this.#datagrams[oldest] as Datagram).deadline;
  }

  /** Afterwards `pollExpired` is asked until it answers null. */
  handleTimeout(now: Instant): void {
    this.#expiredAt = now;
  }

  /**
   * The first fragment, as it came, of a datagram whose time is up: RFC 792 has its sender told (time exceeded,
   * code 1), but not where fragment zero is missing, and those are dropped here. The caller owns the fragment, whose
   * drop has been counted.
   */
  pollExpired(): Packet | null {
    for (let index = this.#ages.oldest(); index >= 0; index = this.#ages.oldest()) {
      const datagram = this.#datagrams[index] as Datagram;
      if (datagram.deadline > this.#expiredAt) return null;
      const packet = datagram.packet as Packet;
      const { headerLength, firstLength } = datagram;
      this.#remove(index, datagram);
      if (headerLength === 0) {
        this.#drops.drop(packet, Drop.FragmentTimeout);
        continue;
      }
      this.#drops.count(Drop.FragmentTimeout);
      packet.l4 = DATA_AT;
      packet.l3 = DATA_AT - headerLength;
      packet.head = packet.l3;
      packet.tail = DATA_AT + firstLength;
      return packet;
    }
    return null;
  }

  /** Drops everything, as when the stack goes down. */
  purge(): void {
    for (let index = this.#ages.oldest(); index >= 0; index = this.#ages.oldest()) {
      this.#discard(index, Drop.FragmentTimeout);
    }
  }

  #checkAgainst(datagram: Datagram, start: number, end: number, isLast: boolean): Drop {
    // The end of the datagram is where its last fragment ends, and nothing that came before or comes after goes beyond.
    if (datagram.length >= 0 && end > datagram.length) return Drop.FragmentLengthBad;
    if (isLast && end < datagram.end) return Drop.FragmentLengthBad;
    const presence = datagram.map.presence(start, end);
    // A network may duplicate, and RFC 5722 was softened in RFC 8200 §4.5 for that: what was there already is ignored.
    if (presence === 'all') return Drop.FragmentDuplicate;
    if (presence === 'some') return Drop.FragmentOverlap;
    return datagram.fragments >= this.#limits.fragmentsMax ? Drop.FragmentTooMany : Drop.None;
  }

  /** Copies the fragment to its place and gives its slot back, or keeps the slot if it is the first one here. */
  #place(datagram: Datagram, packet: Packet, start: number, end: number, headerLength: number): void {
    const whole = datagram.packet ?? packet;
    const isFirst = start === 0;
    // The first fragment's header goes in front of its data, so both move in one piece.
    const from = isFirst ? packet.l3 : packet.l3 + headerLength;
    const to = isFirst ? DATA_AT - headerLength : DATA_AT + start;
    copyBytes(whole.bytes, to, packet.bytes, from, packet.tail - from);
    if (isFirst) {
      datagram.headerLength = headerLength;
      datagram.firstLength = end;
    }
    datagram.map.add(start, end);
    datagram.fragments++;
    datagram.bytes += end - start;
    this.bytes += end - start;
    if (end > datagram.end) datagram.end = end;
    if (datagram.packet === null) {
      datagram.packet = packet;
    } else {
      if (isFirst) packet.copyMetadataTo(whole);
      packet.release();
    }
  }

  #complete(index: number, datagram: Datagram): Packet | null {
    const packet = datagram.packet as Packet;
    const { ecn, headerLength, length } = datagram;
    this.#remove(index, datagram);
    if (headerLength + length > DATAGRAM_BYTES_MAX) {
      this.#drops.drop(packet, Drop.FragmentTooLong);
      return null;
    }
    // RFC 3168 §5.3: a mark on one fragment is a mark on the whole, but never on a datagram that calls itself not
    // capable; such a mixture is dropped, which is a sign of congestion too.
    if ((ecn & SAW_CE) !== 0 && (ecn & SAW_NOT_ECT) !== 0) {
      this.#drops.drop(packet, Drop.FragmentEcn);
      return null;
    }
    const { view } = packet;
    const l3 = DATA_AT - headerLength;
    packet.l4 = DATA_AT;
    packet.l3 = l3;
    packet.head = l3;
    packet.tail = DATA_AT + length;
    packet.flags &= ~(PacketFlag.ChecksumValid | PacketFlag.ChecksumPartial);
    packet.flags |= PacketFlag.Reassembled;
    view.setUint16(l3 + 2, headerLength + length);
    view.setUint16(l3 + 6, 0);
    if ((ecn & SAW_CE) !== 0) view.setUint8(l3 + 1, ipv4.tos(view, l3) | ipv4.Ecn.Ce);
    else if ((ecn & SAW_NOT_ECT) !== 0) view.setUint8(l3 + 1, ipv4.tos(view, l3) & ~ipv4.Ecn.Ce);
    ipv4.fillChecksum(view, l3);
    return packet;
  }

  /** The number of a new datagram under the key just looked up; an old one makes way where a limit is reached. */
  #begin(now: Instant, packet: Packet): number {
    const { view, l3 } = packet;
    const src = ipv4.src(view, l3);
    let ofSource = 0;
    let oldestOfSource = -1;
    // Only here, once per datagram, and over no more than `datagramsMax`.
    for (let i = this.#ages.oldest(); i >= 0; i = this.#ages.newerThan(i)) {
      if ((this.#datagrams[i] as Datagram).src !== src) continue;
      ofSource++;
      if (oldestOfSource < 0) oldestOfSource = i;
    }
    if (ofSource >= this.#limits.datagramsPerSourceMax) this.#discard(oldestOfSource, Drop.FragmentTooMany);
    else if (this.#freeCount === 0) this.#discard(this.#ages.oldest(), Drop.FragmentMemory);
    const index = this.#free[--this.#freeCount] as number;
    const datagram = this.#datagrams[index] as Datagram;
    datagram.src = src;
    datagram.dst = ipv4.dst(view, l3);
    datagram.tag = (ipv4.id(view, l3) << 8) | ipv4.protocol(view, l3);
    datagram.deadline = after(now, TIMEOUT);
    this.#setKey(datagram.src, datagram.dst, datagram.tag);
    this.#table.insert(index);
    this.#ages.touch(index);
    return index;
  }

  #discard(index: number, reason: Drop): void {
    const datagram = this.#datagrams[index] as Datagram;
    const packet = datagram.packet as Packet;
    this.#remove(index, datagram);
    this.#drops.drop(packet, reason);
  }

  /** Whoever calls has taken the packet. */
  #remove(index: number, datagram: Datagram): void {
    this.#setKey(datagram.src, datagram.dst, datagram.tag);
    this.#table.remove();
    this.#ages.remove(index);
    this.#free[this.#freeCount++] = index;
    this.bytes -= datagram.bytes;
    datagram.map.clear();
    datagram.packet = null;
    datagram.deadline = NEVER;
    datagram.fragments = 0;
    datagram.bytes = 0;
    datagram.length = -1;
    datagram.end = 0;
    datagram.headerLength = 0;
    datagram.firstLength = 0;
    datagram.ecn = 0;
  }

  #setKey(src: number, dst: number, tag: number): void {
    const { key } = this.#table;
    key[0] = src;
    key[1] = dst;
    key[2] = tag;
  }
}

/** What a fragment must be on its own. Data bytes [start, end). */
function checkAlone(
  protocol: number,
  headerLength: number,
  start: number,
  end: number,
  isLast: boolean,
): Drop {
  // RFC 791 §3.2: only the last one may end anywhere; and an empty one is nothing anybody cuts off.
  if (end === start || (!isLast && ((end - start) & 7) !== 0)) return Drop.FragmentLengthBad;
  if (headerLength + end > DATAGRAM_BYTES_MAX) return Drop.FragmentTooLong;
  // RFC 1858 §3 and §4: flags in another fragment than the ports go past a filter. RFC 3128: so does a fragment that
  // would write over the flags. The headers of UDP and ICMP are eight bytes, and no first fragment has less.
  const isTiny = start === 8 || (start === 0 && end < tcp.MIN_HEADER_BYTES);
  return isTiny && protocol === ipv4.Protocol.Tcp ? Drop.FragmentTiny : Drop.None;
}
