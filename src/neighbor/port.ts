/**
 * Both ends of a neighbour table: what it needs of its interface, and what it needs of ARP or neighbour discovery.
 *
 *     ip/output → NeighborTable.resolve → NeighborPort.transmitFrame → qdisc → device
 *                        └ Solicitor.solicit (arp.ts, later ndp.ts)
 */
import type { Mac } from '../addr/mac.ts';
import type { Rng } from '../base/rng.ts';
import type { Instant } from '../base/time.ts';
import type { Drops } from '../packet/drops.ts';
import type { Packet } from '../packet/packet.ts';
import type { Pool } from '../packet/pool.ts';
import type { NeighborEntry } from './entry.ts';

/** The interface below and around a `NeighborTable`. Implemented by `ip/interface.ts`, and by tests. */
export interface NeighborPort {
  /** As `ip` names the device. */
  readonly name: string;
  /** The interface's own link address, read for every frame: it may change. */
  readonly mac: Mac;
  /** Where solicitations take their packets. */
  readonly pool: Pool;
  readonly drops: Drops;
  /** A stream of its own: `fork('neighbor')`. */
  readonly rng: Rng;
  /**
   * Takes ownership of a frame that is complete from `head` on. Queues or sends it, and must not call the table back
   * before it returns.
   */
  transmitFrame(now: Instant, packet: Packet): void;
  /**
   * Takes ownership of an IP packet (from `l3` on, no link header) whose next hop does not answer: tells its socket or
   * its source (RFC 1122 §2.3.2.2, RFC 4861 §7.2.2), then drops it as `Drop.NeighborUnreachable`. May send at once.
   */
  handleUnreachable(now: Instant, packet: Packet): void;
}

/** What ARP needs beyond that: the IPv4 addresses of the interface. Addresses are int32 words. */
export interface ArpPort extends NeighborPort {
  /** Whether `address` is one of this interface's, and in use: not while it is still being probed for. */
  hasAddress4(address: number): boolean;
  /**
   * The address to ask for `target` from (arp_announce 2): the primary one of the subnet that `target` lies in, else
   * any primary one of this interface, else 0.
   */
  sourceAddress4(target: number): number;
}

/** Who writes and sends solicitations for one family of addresses. */
export interface Solicitor {
  /** EtherType of the packets that the family's entries carry. */
  readonly etherType: number;
  /**
   * Sends one solicitation for `entry`: to its cached `entry.mac` when `isUnicast`, else to everyone. The packets that
   * wait for the answer can be peeked at through `table.peekPending(entry)`.
   */
  solicit(now: Instant, entry: NeighborEntry, isUnicast: boolean): void;
}
