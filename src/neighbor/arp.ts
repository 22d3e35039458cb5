/**
 * ARP for IPv4 on Ethernet: RFC 826 in and out, the claims of RFC 5227, and the solicitations of the neighbour table.
 *
 * Deviates from RFC 826, «Packet Reception», where its trust would let anybody rewrite or fill the table:
 * - an entry is made only for who asks for an address of ours, not for every sender that names us as target;
 * - a reply updates an entry only when we asked, or when it is gratuitous (sender is target, RFC 5227 §3);
 * - a link address that was learnt a moment ago is not replaced (Linux's `locktime`): of two that answer the
 *   first one stays.
 * The merge rule itself is kept: a request by a known host updates its entry whoever it asks for.
 *
 * Answers only for addresses of the interface that was asked (Linux's arp_ignore 1). No proxy ARP, no RARP.
 */
import { isLoopback4, isMulticast4 } from '../addr/ip.ts';
import { BROADCAST_MAC, Mac, ZERO_MAC } from '../addr/mac.ts';
import { Drop } from '../base/drop.ts';
import type { Duration, Instant } from '../base/time.ts';
import { after, earliest, NEVER, sec } from '../base/time.ts';
import type { Packet } from '../packet/packet.ts';
import { PacketFlag } from '../packet/packet.ts';
import * as arp from '../wire/arp.ts';
import * as ethernet from '../wire/ethernet.ts';
import * as ipv4 from '../wire/ipv4.ts';
import type { ClaimEvent, ClaimState, DefensePolicy } from './conflict.ts';
import { AddressClaim, ConflictHistory } from './conflict.ts';
import type { NeighborEntry } from './entry.ts';
import type { ArpPort, Solicitor } from './port.ts';
import type { NeighborTable } from './table.ts';

/** How long a link address is kept against another one that nobody asked for. */
export const LOCK_TIME: Duration = sec(1);

const V4_MAPPED = 0xffff;
const NOT_UNICAST = PacketFlag.LinkBroadcast | PacketFlag.LinkMulticast | PacketFlag.LinkOther;

export interface ArpCounters {
  requestsIn: number;
  repliesIn: number;
  requestsOut: number;
  repliesOut: number;
  probesOut: number;
  announcementsOut: number;
  /** Packets that made, updated or confirmed an entry. */
  learned: number;
  /** Packets that would have moved an entry within `LOCK_TIME`. */
  locked: number;
  /** Packets by others that claim an address of ours. */
  conflicts: number;
  /** Solicitations not sent, because the interface has no address to ask from. */
  noSource: number;
}

/** What became of a claim; `rival` is who else has or wants the address. */
export interface AddressEvent {
  readonly kind: ClaimEvent;
  readonly address: number;
  readonly rival: Mac | null;
}

export class Arp implements Solicitor {
  readonly etherType: number = ethernet.EtherType.Ip4;
  readonly counters: ArpCounters = {
    requestsIn: 0,
    repliesIn: 0,
    requestsOut: 0,
    repliesOut: 0,
    probesOut: 0,
    announcementsOut: 0,
    learned: 0,
    locked: 0,
    conflicts: 0,
    noSource: 0,
  };
  readonly #table: NeighborTable;
  readonly #port: ArpPort;
  readonly #claims = new Map<number, AddressClaim>();
  readonly #history = new ConflictHistory();
  readonly #events: AddressEvent[] = [];
  #deadline: Instant = NEVER;

  constructor(table: NeighborTable, port: ArpPort) {
    this.#table = table;
    this.#port = port;
    table.setSolicitor(4, this);
  }

  /** An ARP packet from the wire, at `l3`. Takes ownership. */
  handlePacket(now: Instant, packet: Packet): void {
    const { view, l3 } = packet;
    const fault = arp.check(view, l3, packet.tail);
    if (fault !== Drop.None) {
      this.#port.drops.drop(packet, fault);
      return;
    }
    const senderIp = arp.senderIp(view, l3);
    if (this.#isBadSender(arp.senderMacHi(view, l3), arp.senderMacLo(view, l3), senderIp)) {
      this.#port.drops.drop(packet, Drop.ArpSourceBad);
      return;
    }
    const isRequest = arp.operation(view, l3) === arp.Operation.Request;
    if (isRequest) this.counters.requestsIn++;
    else this.counters.repliesIn++;
    if (this.#isConflict(now, packet, senderIp)) {
      this.counters.conflicts++;
      this.#port.drops.drop(packet, Drop.ArpConflict);
      return;
    }
    if (isRequest) this.#handleRequest(now, packet, senderIp);
    else this.#handleReply(now, packet, senderIp);
  }

  /** Broadcasts that `address` is here, so that others update what they know (RFC 5227 §3). */
  announce(now: Instant, address: number): void {
    if (this.#sendRequest(now, BROADCAST_MAC, address, address)) this.counters.announcementsOut++;
  }

  // ---- claims

  /** Probes for an address, then announces it. The address must not be used before the event `bound`. */
  claim(now: Instant, address: number, policy: DefensePolicy): void {
    const claim = this.#claim(address, policy);
    claim.start(now);
    this.#drain(now, claim);
  }

  /** Announces an address that is used at once, and watches over it. */
  assume(now: Instant, address: number, policy: DefensePolicy): void {
    const claim = this.#claim(address, policy);
    claim.assume(now);
    this.#drain(now, claim);
  }

  /** The address is not wanted any more. */
  unclaim(address: number): void {
    this.#claims.delete(address);
    this.#updateTimeout();
  }

  /** How it stands with an address, or null where it was not claimed. */
  claimState(address: number): ClaimState | null {
    return this.#claims.get(address)?.state ?? null;
  }

  /** The next thing that became of a claim; to be asked until it answers null, after every `handle…` and claim. */
  pollEvent(): AddressEvent | null {
    return this.#events.shift() ?? null;
  }

  nextTimeout(): Instant {
    return this.#deadline;
  }

  handleTimeout(now: Instant): void {
    if (now < this.#deadline) return;
    for (const claim of this.#claims.values()) {
      if (now < claim.nextTimeout()) continue;
      claim.handleTimeout(now);
      this.#drain(now, claim);
    }
  }

  // ---- for the table

  solicit(now: Instant, entry: NeighborEntry, isUnicast: boolean): void {
    const source = this.#sourceFor(entry);
    if (source === 0) {
      // From 0.0.0.0 it would be a probe in the sense of RFC 5227, and say that we want the neighbour's address.
      this.counters.noSource++;
      return;
    }
    const target = isUnicast && entry.mac !== null ? entry.mac : BROADCAST_MAC;
    if (this.#sendRequest(now, target, source, entry.d)) this.counters.requestsOut++;
  }

  // ---- private

  /** Sources that no host may have: groups, zero, our own link address come back to us. */
  #isBadSender(hi: number, lo: number, ip: number): boolean {
    if ((hi & 0x0100) !== 0 || (hi === 0 && lo === 0)) return true;
    if (hi === this.#port.mac.hi && lo === this.#port.mac.lo) return true;
    return isMulticast4(ip) || isLoopback4(ip) || ip === -1;
  }

  /** RFC 5227 §2.1.1, §2.4. True when another host uses an address that is ours, or that we try to have. */
  #isConflict(now: Instant, packet: Packet, senderIp: number): boolean {
    const { view, l3 } = packet;
    if (senderIp === 0) {
      if (arp.operation(view, l3) !== arp.Operation.Request) return false;
      const wanted = this.#claims.get(arp.targetIp(view, l3));
      if (wanted === undefined || wanted.isBound) return false;
      wanted.handleProbed(now, senderMac(packet, null));
      this.#drain(now, wanted);
      return false;
    }
    const claim = this.#claims.get(senderIp);
    const isOurs = this.#port.hasAddress4(senderIp);
    if (claim === undefined || claim.isOver) return isOurs;
    claim.handleClaimed(now, senderMac(packet, null));
    this.#drain(now, claim);
    return true;
  }

  #handleRequest(now: Instant, packet: Packet, senderIp: number): void {
    const targetIp = arp.targetIp(packet.view, packet.l3);
    const isForUs = this.#port.hasAddress4(targetIp);
    // RFC 5227 §2.1: a probe comes from 0.0.0.0, so that nobody learns from it.
    const entry = senderIp === 0 ? null : this.#table.find(0, 0, V4_MAPPED, senderIp);
    const mac = senderMac(packet, entry);
    let isLearned = false;
    if (entry !== null) {
      isLearned = this.#mayMove(now, entry, mac);
      if (isLearned) this.#table.handleHeard(now, entry, mac);
    } else if (isForUs && senderIp !== 0) {
      isLearned = this.#table.learn(now, 0, 0, V4_MAPPED, senderIp, mac) !== null;
    }
    if (isLearned) this.counters.learned++;
    if (isForUs) this.#reply(now, packet, mac, senderIp, targetIp);
    else if (isLearned) packet.release();
    else this.#port.drops.drop(packet, Drop.ArpNotForUs);
  }

  #handleReply(now: Instant, packet: Packet, senderIp: number): void {
    const targetIp = arp.targetIp(packet.view, packet.l3);
    const entry = senderIp === 0 ? null : this.#table.find(0, 0, V4_MAPPED, senderIp);
    const isForUs = this.#port.hasAddress4(targetIp);
    const isAnswer = isForUs && entry !== null && entry.isAsking;
    const isGratuitous = targetIp === senderIp;
    if (entry === null || (!isAnswer && !isGratuitous)) {
      this.#port.drops.drop(packet, isForUs || isGratuitous ? Drop.ArpUnsolicited : Drop.ArpNotForUs);
      return;
    }
    const mac = senderMac(packet, entry);
    if (!this.#mayMove(now, entry, mac)) {
      this.#port.drops.drop(packet, Drop.ArpUnsolicited);
      return;
    }
    // A reply to everyone tells the link address, but does not prove that the neighbour hears us.
    const isSolicited = isAnswer && (packet.flags & NOT_UNICAST) === 0;
    this.#table.handleAdvertisement(now, entry, mac, isSolicited, true);
    this.counters.learned++;
    packet.release();
  }

  #mayMove(now: Instant, entry: NeighborEntry, mac: Mac): boolean {
    if (entry.mac === null || entry.mac.equals(mac)) return true;
    if (!entry.isFixed && now >= after(entry.updatedAt, LOCK_TIME)) return true;
    this.counters.locked++;
    return false;
  }

  /** RFC 826: «Swap hardware and protocol fields … and send the packet», in the slot that the request came in. */
  #reply(now: Instant, packet: Packet, mac: Mac, senderIp: number, targetIp: number): void {
    const { view } = packet;
    packet.reset();
    packet.tail = arp.write(view, packet.l3, arp.Operation.Reply, this.#port.mac, targetIp, mac, senderIp);
    ethernet.write(view, packet.push(ethernet.HEADER_BYTES), mac, this.#port.mac, ethernet.EtherType.Arp);
    this.counters.repliesOut++;
    this.#port.transmitFrame(now, packet);
  }

  /** The source of the packet that waits, where it is ours: the answer then comes to where the packet came from. */
  #sourceFor(entry: NeighborEntry): number {
    const waiting = this.#table.peekPending(entry);
    if (waiting !== null) {
      const source = ipv4.src(waiting.view, waiting.l3);
      if (source !== 0 && this.#port.hasAddress4(source)) return source;
    }
    return this.#port.sourceAddress4(entry.d);
  }

  #sendRequest(now: Instant, to: Mac, senderIp: number, targetIp: number): boolean {
    const packet = this.#port.pool.take();
    if (packet === null) {
      this.#port.drops.count(Drop.NoSlot);
      return false;
    }
    const { view } = packet;
    const { mac } = this.#port;
    packet.tail = arp.write(view, packet.l3, arp.Operation.Request, mac, senderIp, ZERO_MAC, targetIp);
    ethernet.write(view, packet.push(ethernet.HEADER_BYTES), to, mac, ethernet.EtherType.Arp);
    this.#port.transmitFrame(now, packet);
    return true;
  }

  #claim(address: number, policy: DefensePolicy): AddressClaim {
    const known = this.#claims.get(address);
    if (known !== undefined) {
      known.policy = policy;
      return known;
    }
    const claim = new AddressClaim(address, policy, this.#port.rng.fork(`claim ${address}`), this.#history);
    this.#claims.set(address, claim);
    return claim;
  }

  #drain(now: Instant, claim: AddressClaim): void {
    const frame = claim.pollSend();
    if (frame === 'announcement') this.announce(now, claim.address);
    else if (frame === 'probe' && this.#sendRequest(now, BROADCAST_MAC, 0, claim.address))
      this.counters.probesOut++;
    const kind = claim.pollEvent();
    if (kind !== null) this.#events.push({ kind, address: claim.address, rival: claim.rival });
    this.#updateTimeout();
  }

  #updateTimeout(): void {
    this.#deadline = NEVER;
    for (const claim of this.#claims.values()) this.#deadline = earliest(this.#deadline, claim.nextTimeout());
  }
}

/** The sender's link address: the very object that `entry` holds, where that is the same, so that nothing is made. */
function senderMac(packet: Packet, entry: NeighborEntry | null): Mac {
  const hi = arp.senderMacHi(packet.view, packet.l3);
  const lo = arp.senderMacLo(packet.view, packet.l3);
  const known = entry === null ? null : entry.mac;
  return known !== null && known.hi === hi && known.lo === lo ? known : new Mac(hi, lo);
}
