/**
 * What a socket may ask of the stack it lives in. `stack/` implements it; tests loop two of them together.
 *
 * Sockets have no clock: whatever depends on time comes in through `handle*` and in `packet.receivedAt`.
 *
 * Addresses go down in a `FlowKey`, which is what routes are looked up by, so that a reply made of a received
 * packet reaches the route look-up without one allocation.
 */
import type { FlowKey } from '../addr/flow-key.ts';
import type { Ip } from '../addr/ip.ts';
import type { Errno } from '../base/errno.ts';
import type { Rng } from '../base/rng.ts';
import type { Instant } from '../base/time.ts';
import type { Drops } from '../packet/drops.ts';
import type { Packet } from '../packet/packet.ts';
import { HEADROOM } from '../packet/packet.ts';
import type { Pool } from '../packet/pool.ts';

/** Bytes kept free in front of a transport header: the longest IPv4 header; an IPv6 header and 20 more. */
export const IP_HEADER_RESERVE = 60;

/** Where a socket begins the transport header in a fresh packet; a multiple of four. */
export const TRANSPORT_AT: number = HEADROOM + IP_HEADER_RESERVE;

/** Path MTU discovery, by Linux's names (ip(7), `IP_MTU_DISCOVER`). */
export const PathMtu = {
  /** Never DF: routers may fragment. */
  Dont: 0,
  /** DF where the datagram fits the path; a larger one is fragmented here. Linux's default. */
  Want: 1,
  /** Always DF: a datagram larger than the path MTU is EMSGSIZE. */
  Do: 2,
  /** DF, but only the device's MTU counts, whatever the path was found to carry. */
  Probe: 3,
} as const;

export type PathMtu = (typeof PathMtu)[keyof typeof PathMtu];

/** How what a socket sends is to travel: one per socket, changed in place by its options. */
export class SendOptions {
  /** For unicast; 0 takes the stack's default. */
  ttl = 0;
  tos = 0;
  /** For rules and filters. */
  mark = 0;
  /** Interface it must leave by (`SO_BINDTODEVICE`), or 0. */
  oif = 0;
  pathMtu: PathMtu = PathMtu.Want;
  /** Without it a broadcast destination is EACCES. */
  broadcast = false;
  multicastTtl = 1;
  /** Whether members on this host get a copy. */
  multicastLoop = true;
  /** Interface for multicast, or 0 for the one that the route says. */
  multicastOif = 0;
  /** The IP header is the sender's own, from `l3` (raw sockets). */
  headerIncluded = false;
}

export interface SocketHost {
  readonly pool: Pool;
  readonly drops: Drops;
  readonly rng: Rng;

  /**
   * Takes ownership, whatever it answers. Routes at once, so that ENETUNREACH, EHOSTUNREACH, EMSGSIZE, EACCES and
   * EADDRNOTAVAIL come back here; the frame itself leaves in this turn or the next.
   *
   * The packet is `l4` to `tail`, with at least `IP_HEADER_RESERVE` bytes of slot in front of `l4`; the host writes
   * the IP header (and sets `head` and `l3`). `flow` has protocol, ports and destination; an unspecified source is
   * chosen by the route and written back into `flow`, which belongs to the caller: the host keeps no reference.
   * `flow.oif`, `flow.mark` and `flow.tos` are the host's to fill in from `options`.
   *
   * With `ChecksumPartial` the checksum field at `csumStart + csumOffset` holds zero: the host, which alone knows
   * the addresses at last, puts the pseudo-header sum there, over `tail - csumStart` bytes. A super-datagram counts
   * with its whole length, as virtio and Linux do.
   *
   * With `headerIncluded` the packet is `l3` to `tail` and begins with the IP header: the host fills in total length
   * and header checksum always, identification and source where they are zero (raw(7)).
   */
  send(packet: Packet, flow: FlowKey, options: SendOptions): Errno | null;

  /** The source that a packet to `dst` would have: connect uses it. ENETUNREACH, EHOSTUNREACH or EACCES. */
  sourceFor(dst: Ip, options: SendOptions): Ip | Errno;
  /** Whether `ip` is an address of this host, so that it may be bound; not the unspecified one. */
  isLocal(ip: Ip): boolean;
  /** The limited broadcast address, or that of a network that this host is on. */
  isBroadcast(ip: Ip): boolean;
  /** What the path to `dst` carries, in bytes with the IP header: the device's MTU unless less was learned. */
  mtuFor(dst: Ip): number;

  /**
   * Adds one to the members of `group` on interface `oif` (0: as routed). Answers the interface's index, which
   * `leave` takes; ENODEV without one, ENOBUFS at a limit.
   */
  join(group: Ip, oif: number): number | Errno;
  leave(group: Ip, oif: number): void;

  /**
   * Takes ownership of a datagram for a port that nobody has: `Drop.UdpNoPort`, and port unreachable to its sender
   * (RFC 1122 §4.1.3.1). Never called with a broadcast or multicast destination.
   */
  rejectPort(now: Instant, packet: Packet): void;

  /** There is something to do: a turn is wanted soon. May be called often, and inside a turn. */
  wake(): void;
}
