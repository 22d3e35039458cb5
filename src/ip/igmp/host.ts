/**
 * What IGMP needs of the interface it runs on: one `Igmp` per interface, one `IgmpHost` for each.
 */
import type { Instant } from '../../base/time.ts';
import type { Drops } from '../../packet/drops.ts';
import type { Packet } from '../../packet/packet.ts';
import type { Pool } from '../../packet/pool.ts';

export interface IgmpHost {
  readonly pool: Pool;
  readonly drops: Drops;
  /** The interface's primary address as a header word; 0 while it has none (RFC 3376 §4.2.13 permits that). */
  readonly source: number;
  /**
   * Takes ownership of a complete IPv4 datagram (`head` = `l3`, TTL 1, Router Alert, checksums filled in) that must
   * leave by this interface, to the link address that its group maps to; no route is looked up.
   */
  sendMulticast(now: Instant, packet: Packet): void;
}
