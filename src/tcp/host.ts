/**
 * What TCP may ask of the stack it lives in. `stack/` implements it; tests join two of them by a model of a wire.
 *
 * TCP knows no IP: it fills a packet from `l4` on and names the flow; the host writes the IP header and routes.
 * None of these calls has a time: segments leave at the next step of the turn, as those of sockets do.
 */
import type { FlowKey } from '../addr/flow-key.ts';
import type { Errno } from '../base/errno.ts';
import type { Rng } from '../base/rng.ts';
import type { Drops } from '../packet/drops.ts';
import type { Packet } from '../packet/packet.ts';
import { HEADROOM } from '../packet/packet.ts';
import type { Pool } from '../packet/pool.ts';

/** Where the TCP header of a fresh packet begins: behind the longest IP header, and a multiple of four. */
export const TCP_AT: number = HEADROOM + 60;

/** How a segment is to travel: filled anew for each. */
export class SegmentOptions {
  /** 0 takes the stack's default. */
  ttl = 0;
  /** DSCP and the ECN codepoint. */
  tos = 0;
  mark = 0;
  /** Interface it must leave by, or 0. */
  oif = 0;
  /** Path MTU discovery: no router may fragment it. */
  isDf = true;
}

/** What the path to a peer takes. */
export class PathInfo {
  /** With the IP header. */
  mtu = 576;
  /** Of the interface itself: what our own MSS option is made of, whatever the path was found to carry. */
  deviceMtu = 576;
  /** Bytes of a network header without options: 20 or 40. */
  ipHeaderBytes = 20;
  /** The longest payload of a super-segment; 0 when only single segments may be sent. */
  gsoMaxBytes = 0;
}

/** An ICMP error, or what this host refuses itself. `udp/path-error.ts` has the same fields. */
export interface TcpPathError {
  readonly errno: Errno;
  /** As far as the network is concerned; RFC 5927 §5.2: TCP takes hard errors as soft once it is connected. */
  readonly isHard: boolean;
  readonly isTooLong: boolean;
  /** Next-hop MTU with `isTooLong`. */
  readonly info: number;
  /** Whose segment it was: we are `src`. */
  readonly sent: FlowKey;
  /**
   * The sequence number of the quoted segment: whoever cannot name one in flight is not believed (RFC 5927
   * §4.1).
   */
  readonly seq: number;
}

export interface TcpHost {
  readonly pool: Pool;
  readonly drops: Drops;
  readonly rng: Rng;

  /**
   * Takes ownership, whatever it answers, of a segment from `l4` to `tail` with `IP_HEADER_RESERVE` bytes in
   * front of it. `flow` and `options` belong to the caller. The checksum is `ChecksumPartial` and the field
   * zero: the host fills in the pseudo-header sum. `gsoType` is set for super-segments by the family of the
   * flow.
   */
  send(packet: Packet, flow: FlowKey, options: SegmentOptions): Errno | null;

  /** Fills `into` with what the path of `flow` takes. Asked when a connection begins and when an MTU changed. */
  path(flow: FlowKey, options: SegmentOptions, into: PathInfo): void;

  /** False while the queues below are full: data wait until there is room at a `pollTransmit`. */
  readonly hasRoom: boolean;

  /** A turn is wanted soon. May be called often, and inside a turn. */
  wake(): void;
}

/**
 * Who holds a connection or a listener: a socket. Called from within the machine, at most once until it has taken
 * the events: it only notes that there is something, and looks when it reports.
 */
export interface TcpUser {
  handleTcpEvent(id: number): void;
}
