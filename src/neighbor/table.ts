/**
 * The neighbours of one interface, of both families: from a next hop to its link address, with the packets that
 * wait for one (RFC 4861 §5.2, §7.2.2; RFC 1122 §2.3.2).
 *
 * Bounded whatever arrives. Entries that others made by speaking to us, and failed ones, live on a short list of
 * their own and displace only each other; what we use ourselves is displaced only by what we use ourselves, the
 * longest idle first, and never while it is reachable or being checked. The thresholds are those of Linux
 * (`gc_thresh1` to `3`).
 */
import type { Ip } from '../addr/ip.ts';
import type { Mac } from '../addr/mac.ts';
import { assert } from '../base/assert.ts';
import { Drop } from '../base/drop.ts';
import type { Errno } from '../base/errno.ts';
import { Ring } from '../base/ring.ts';
import type { Duration, Instant } from '../base/time.ts';
import { after, earliest, NEVER, sec } from '../base/time.ts';
import type { Packet } from '../packet/packet.ts';
import * as ethernet from '../wire/ethernet.ts';
import { Deadlines } from './deadlines.ts';
import { NeighborEntry, NudTiming } from './entry.ts';
import { EntryList } from './entry-list.ts';
import { EntryMap } from './entry-map.ts';
import { Pending } from './pending.ts';
import type { NeighborPort, Solicitor } from './port.ts';
import type { NeighborStatus } from './status.ts';
import { compareNeighbors, neighborStatus } from './status.ts';

/** Up to here nothing is collected. */
export const GC_THRESH1 = 128;
/** Beyond this an idle neighbour goes after seconds, not a minute. */
export const GC_THRESH2 = 512;
/** There are never more, permanent ones apart. */
export const GC_THRESH3 = 1024;
/** Entries that a person sets; they cannot be displaced, so they have a limit of their own. */
export const PERMANENT_MAX = 1024;
/** Entries that others made, and failed ones: a quarter, so that a flood costs nobody's entry. */
export const EXPENDABLE_MAX = 256;
/** Neighbours being asked for: half, so that a scan through us leaves room for those that answer. */
export const INCOMPLETE_MAX = 512;
/**
 * Packets that wait per neighbour: a datagram of 64 KB is 45 fragments at an MTU of 1,500, and the first one sent to
 * a host should not be lost for want of the link address. (Linux waits with 101.)
 */
export const PENDING_PER_ENTRY = 64;
/** Packets that wait in all, and never more than a quarter of the pool: the rest must stay free for live traffic. */
export const PENDING_MAX = 256;

export const GC_INTERVAL: Duration = sec(30);
export const GC_STALE_TIME: Duration = sec(60);
const GC_PRESSED_TIME: Duration = sec(5);

/** Named as in `/proc/net/stat/arp_cache` where that has a name. */
export interface NeighborCounters {
  allocs: number;
  destroys: number;
  /** Neighbours that did not answer. */
  resFailed: number;
  /** Packets dropped because too many waited. */
  unresolvedDiscards: number;
  /** Packets refused at once because the neighbour failed a moment ago. */
  negativeHits: number;
  /** Entries that were wanted and could not be made. */
  tableFulls: number;
  /** Entries displaced by a limit. */
  evictions: number;
  periodicGcRuns: number;
  solicitsMulticast: number;
  solicitsUnicast: number;
  /** Changes of state or link address of any entry, deletions included: who watches compares this. */
  changes: number;
}

export class NeighborTable {
  readonly timing: NudTiming;
  readonly counters: NeighborCounters = {
    allocs: 0,
    destroys: 0,
    resFailed: 0,
    unresolvedDiscards: 0,
    negativeHits: 0,
    tableFulls: 0,
    evictions: 0,
    periodicGcRuns: 0,
    solicitsMulticast: 0,
    solicitsUnicast: 0,
    changes: 0,
  };
  readonly #port: NeighborPort;
  readonly #map: EntryMap;
  readonly #deadlines = new Deadlines();
  readonly #expendable = new EntryList<NeighborEntry>(EXPENDABLE_MAX);
  readonly #idle = new EntryList<NeighborEntry>(Number.POSITIVE_INFINITY);
  readonly #incomplete = new EntryList<NeighborEntry>(INCOMPLETE_MAX);
  readonly #pending: Pending;
  /** Packets of neighbours that failed, on their way to `handleUnreachable`. */
  readonly #refused: Ring<Packet>;
  #solicitor4: Solicitor | null = null;
  #solicitor6: Solicitor | null = null;
  #fixedCount = 0;
  #gcAt: Instant = NEVER;

  constructor(port: NeighborPort) {
    this.#port = port;
    this.timing = new NudTiming(port.rng.fork('reachable-time'));
    this.#map = new EntryMap(port.rng.fork('neighbor-hash').u32());
    const pendingMax = Math.max(1, Math.min(PENDING_MAX, port.pool.capacity >> 2));
    this.#pending = new Pending(pendingMax);
    this.#refused = new Ring(pendingMax);
  }

  /** ARP and neighbour discovery each announce themselves here, once. */
  setSolicitor(family: 4 | 6, solicitor: Solicitor): void {
    if (family === 4) this.#solicitor4 = solicitor;
    else this.#solicitor6 = solicitor;
  }

  /** All entries, permanent ones included. */
  get size(): number {
    return this.#map.size;
  }

  /** Packets that wait for a link address. */
  get pendingLength(): number {
    return this.#pending.length;
  }

  // ---- the data path

  /**
   * Sends an IP packet, `l3` to `tail`, to the neighbour whose address the four words are, now or once its
   * link address is known. Takes ownership. Not for broadcast and multicast addresses, which need no asking.
   */
  resolve(now: Instant, a: number, b: number, c: number, d: number, packet: Packet): void {
    const entry = this.find(a, b, c, d);
    if (entry === null || entry.mac === null) {
      this.#resolveUnknown(now, entry, a, b, c, d, packet);
      return;
    }
    entry.usedAt = now;
    if (entry.state === 'stale') this.#useStale(now, entry);
    this.#transmit(now, entry, entry.mac, packet);
  }

  /** RFC 4861 §7.3.1: an upper layer saw progress by way of this neighbour. */
  confirm(now: Instant, a: number, b: number, c: number, d: number): void {
    const entry = this.find(a, b, c, d);
    if (entry === null) return;
    if (entry.state === 'reachable') {
      entry.confirmedAt = now;
      return;
    }
    entry.handleConfirm(now);
    this.#settle(now, entry);
  }

  find(a: number, b: number, c: number, d: number): NeighborEntry | null {
    return this.#map.find(a, b, c, d);
  }

  // ---- for ARP and neighbour discovery

  /** Another host spoke to us and gave its link address: makes an entry if there is none and room for it. */
  learn(now: Instant, a: number, b: number, c: number, d: number, mac: Mac): NeighborEntry | null {
    const entry = this.find(a, b, c, d) ?? this.#create(now, a, b, c, d, true);
    if (entry !== null) this.handleHeard(now, entry, mac);
    return entry;
  }

  handleHeard(now: Instant, entry: NeighborEntry, mac: Mac): void {
    entry.handleHeard(now, mac);
    this.#settle(now, entry);
  }

  handleAdvertisement(
    now: Instant,
    entry: NeighborEntry,
    mac: Mac | null,
    isSolicited: boolean,
    isOverride: boolean,
  ): void {
    entry.handleAdvertisement(now, mac, isSolicited, isOverride);
    this.#settle(now, entry);
  }

  /** The first of the packets that wait for `entry`, to look at only; null when none does. */
  peekPending(entry: NeighborEntry): Packet | null {
    return this.#pending.peek(entry);
  }

  // ---- time

  nextTimeout(): Instant {
    const first = this.#deadlines.first;
    return first === null ? this.#gcAt : earliest(first.deadline, this.#gcAt);
  }

  handleTimeout(now: Instant): void {
    for (;;) {
      const entry = this.#deadlines.first;
      if (entry === null || entry.deadline > now) break;
      entry.handleTimeout(now);
      if (entry.state === 'failed') this.counters.resFailed++;
      this.#settle(now, entry);
    }
    if (this.#gcAt <= now) this.#collect(now);
    this.#refuse(now);
  }

  // ---- administration

  /** `ip neigh add`. */
  add(
    now: Instant,
    ip: Ip,
    mac: Mac,
    state: 'permanent' | 'noarp' | 'reachable' | 'stale' = 'permanent',
  ): Errno | null {
    if (this.find(ip.a, ip.b, ip.c, ip.d) !== null) return 'EEXIST';
    return this.replace(now, ip, mac, state);
  }

  /** `ip neigh replace`: makes the entry, or sets it. */
  replace(
    now: Instant,
    ip: Ip,
    mac: Mac,
    state: 'permanent' | 'noarp' | 'reachable' | 'stale' = 'permanent',
  ): Errno | null {
    if (ip.isMulticast || ip.isUnspecified || ip.isLimitedBroadcast || mac.isGroup || mac.isZero)
      return 'EINVAL';
    if (this.#solicitor(ip.a, ip.b, ip.c) === null) return 'EAFNOSUPPORT';
    const isFixed = state === 'permanent' || state === 'noarp';
    const known = this.find(ip.a, ip.b, ip.c, ip.d);
    if (isFixed && known?.isFixed !== true && this.#fixedCount >= PERMANENT_MAX) return 'ENOBUFS';
    if (known?.isFixed === true) this.#fixedCount--;
    const entry =
      known ??
      (isFixed ? this.#insert(ip.a, ip.b, ip.c, ip.d) : this.#create(now, ip.a, ip.b, ip.c, ip.d, false));
    if (entry === null) return 'ENOBUFS';
    if (isFixed) this.#fixedCount++;
    entry.isForeign = false;
    entry.set(now, state, mac);
    this.#settle(now, entry);
    return null;
  }

  /** `ip neigh del`. False when there was none. Packets that waited for it are dropped. */
  delete(ip: Ip): boolean {
    const entry = this.find(ip.a, ip.b, ip.c, ip.d);
    if (entry === null) return false;
    this.#remove(entry, Drop.NeighborUnreachable);
    return true;
  }

  /** `ip neigh flush`: all but those that a person set, unless `withFixed`. Answers how many. */
  flush(withFixed = false): number {
    return this.#removeAll(withFixed, Drop.NeighborUnreachable);
  }

  /** The link went down or changed its address: what was known of the neighbours by asking holds no more. */
  handleLinkDown(): void {
    this.#removeAll(false, Drop.LinkDown);
  }

  /** Gives every packet back and forgets everything. */
  close(): void {
    this.#removeAll(true, Drop.LinkDown);
  }

  /** Every entry in the order of addresses, as `ip neigh` tells it. */
  list(now: Instant): NeighborStatus[] {
    const entries = this.#map.entries();
    entries.sort(compareNeighbors);
    return entries.map((entry) => neighborStatus(now, this.#port.name, entry));
  }

  // ---- private

  #useStale(now: Instant, entry: NeighborEntry): void {
    entry.isForeign = false;
    entry.handleUse(now);
    this.#settle(now, entry);
  }

  #transmit(now: Instant, entry: NeighborEntry, mac: Mac, packet: Packet): void {
    packet.head = packet.l3;
    const at = packet.push(ethernet.HEADER_BYTES);
    ethernet.write(packet.view, at, mac, this.#port.mac, entry.etherType);
    this.#port.transmitFrame(now, packet);
  }

  #resolveUnknown(
    now: Instant,
    known: NeighborEntry | null,
    a: number,
    b: number,
    c: number,
    d: number,
    packet: Packet,
  ): void {
    const entry = known ?? this.#create(now, a, b, c, d, false);
    if (entry === null) {
      this.#port.drops.drop(packet, Drop.NeighborTableFull);
      return;
    }
    entry.isForeign = false;
    entry.usedAt = now;
    entry.handleUse(now);
    if (entry.state === 'failed') {
      this.counters.negativeHits++;
      this.#port.handleUnreachable(now, packet);
      return;
    }
    // Before the solicitation is written, which looks at the packet for its source address.
    this.#wait(entry, packet);
    this.#settle(now, entry);
  }

  /** Makes room by dropping the oldest: of this neighbour if it has too many, else of all. */
  #wait(entry: NeighborEntry, packet: Packet): void {
    let victim: NeighborEntry | null = null;
    if (entry.pendingCount >= PENDING_PER_ENTRY) victim = entry;
    else if (this.#pending.isFull) victim = this.#pending.oldestOwner;
    if (victim !== null) {
      this.counters.unresolvedDiscards++;
      this.#port.drops.drop(this.#pending.shift(victim) as Packet, Drop.NeighborPendingFull);
    }
    this.#pending.push(entry, packet);
  }

  /**
   * Brings everything around `entry` in line with what it became: its list, its deadline, the packets that wait for
   * it, and the solicitation that it wants sent.
   */
  #settle(now: Instant, entry: NeighborEntry): void {
    this.counters.changes += entry.version - entry.countedVersion;
    entry.countedVersion = entry.version;
    this.#deadlines.update(entry);
    const list = this.#listOf(entry);
    if (entry.list !== list) {
      entry.list?.remove(entry);
      if (list !== null) this.#join(now, list, entry);
    }
    if (entry.pendingCount > 0) this.#settlePending(now, entry);
    const due = entry.pollSolicit();
    if (due !== null) this.#solicit(now, entry, due === 'unicast');
  }

  #listOf(entry: NeighborEntry): EntryList<NeighborEntry> | null {
    switch (entry.state) {
      case 'none':
      case 'failed':
        return this.#expendable;
      case 'incomplete':
        return this.#incomplete;
      case 'stale':
        return entry.isForeign ? this.#expendable : this.#idle;
      default:
        return null;
    }
  }

  #join(now: Instant, list: EntryList<NeighborEntry>, entry: NeighborEntry): void {
    list.append(now, entry);
    if (list.length > list.limit) this.#evict(list.oldest as NeighborEntry);
  }

  #settlePending(now: Instant, entry: NeighborEntry): void {
    const { mac } = entry;
    if (mac === null && entry.state !== 'failed') return;
    if (mac === null) {
      for (let p = this.#pending.shift(entry); p !== null; p = this.#pending.shift(entry)) {
        assert(this.#refused.push(p), 'no more packets are refused at once than wait');
      }
      return;
    }
    // A neighbour that others made known to us is ours from the moment that something waited for it.
    entry.usedAt = now;
    if (entry.state === 'stale') entry.handleUse(now);
    for (let p = this.#pending.shift(entry); p !== null; p = this.#pending.shift(entry)) {
      this.#transmit(now, entry, mac, p);
    }
    this.#settle(now, entry);
  }

  #solicit(now: Instant, entry: NeighborEntry, isUnicast: boolean): void {
    if (isUnicast) this.counters.solicitsUnicast++;
    else this.counters.solicitsMulticast++;
    this.#solicitor(entry.a, entry.b, entry.c)?.solicit(now, entry, isUnicast);
  }

  /** Tells of packets whose neighbour failed; only now, because that may send, and so come back to this table. */
  #refuse(now: Instant): void {
    for (let p = this.#refused.shift(); p !== undefined; p = this.#refused.shift()) {
      this.#port.handleUnreachable(now, p);
    }
  }

  #solicitor(a: number, b: number, c: number): Solicitor | null {
    return a === 0 && b === 0 && c === 0xffff ? this.#solicitor4 : this.#solicitor6;
  }

  /** A new entry, if need be in the place of another one. Null when there is no place. */
  #create(
    now: Instant,
    a: number,
    b: number,
    c: number,
    d: number,
    isForeign: boolean,
  ): NeighborEntry | null {
    const count = this.size - this.#fixedCount;
    if (this.#solicitor(a, b, c) === null) return null;
    if (count >= GC_THRESH2) this.#evictIdleSince(after(now, -GC_PRESSED_TIME as Duration));
    if (this.size - this.#fixedCount >= GC_THRESH3) {
      const victim = this.#victim(isForeign);
      if (victim === null) {
        this.counters.tableFulls++;
        return null;
      }
      this.#evict(victim);
    }
    if (count >= GC_THRESH1 && this.#gcAt === NEVER) this.#gcAt = after(now, GC_INTERVAL);
    const entry = this.#insert(a, b, c, d);
    entry.isForeign = isForeign;
    return entry;
  }

  #victim(isForeign: boolean): NeighborEntry | null {
    if (this.#expendable.oldest !== null || isForeign) return this.#expendable.oldest;
    return this.#idle.oldest ?? this.#incomplete.oldest;
  }

  #evictIdleSince(before: Instant): void {
    const { oldest } = this.#idle;
    if (oldest !== null && oldest.listedAt <= before) this.#evict(oldest);
  }

  #evict(entry: NeighborEntry): void {
    this.counters.evictions++;
    this.#remove(entry, Drop.NeighborTableFull);
  }

  /** What `gc_stale_time` is for: above `GC_THRESH1`, forgets those not heard of or used for a minute. */
  #collect(now: Instant): void {
    this.counters.periodicGcRuns++;
    const before = after(now, -GC_STALE_TIME as Duration);
    for (const list of [this.#expendable, this.#idle]) {
      let { oldest } = list;
      while (oldest !== null && oldest.listedAt <= before && this.size - this.#fixedCount > GC_THRESH1) {
        this.#remove(oldest, Drop.NeighborTableFull);
        oldest = list.oldest;
      }
    }
    this.#gcAt = this.size - this.#fixedCount > GC_THRESH1 ? after(now, GC_INTERVAL) : NEVER;
  }

  #insert(a: number, b: number, c: number, d: number): NeighborEntry {
    const solicitor = this.#solicitor(a, b, c);
    assert(solicitor !== null, 'only addresses of a family that can be asked for are inserted');
    const entry = new NeighborEntry(this.timing, a, b, c, d, solicitor.etherType);
    this.#map.insert(entry);
    this.counters.allocs++;
    return entry;
  }

  #remove(entry: NeighborEntry, reason: Drop): void {
    for (let p = this.#pending.shift(entry); p !== null; p = this.#pending.shift(entry)) {
      this.#port.drops.drop(p, reason);
    }
    entry.list?.remove(entry);
    this.#deadlines.remove(entry);
    this.#map.remove(entry);
    if (entry.isFixed) this.#fixedCount--;
    this.counters.destroys++;
    this.counters.changes++;
  }

  #removeAll(withFixed: boolean, reason: Drop): number {
    let removed = 0;
    for (const entry of this.#map.entries()) {
      if (entry.isFixed && !withFixed) continue;
      this.#remove(entry, reason);
      removed++;
    }
    this.#gcAt = NEVER;
    return removed;
  }
}
