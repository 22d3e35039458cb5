/**
 * What ICMPv4 needs of the host it runs in. `stack/` implements it; tests do with a few lines.
 *
 * Addresses are the int32 words of IPv4 headers. The host never calls back into ICMP from one of these.
 */
import type { Instant } from '../../base/time.ts';
import type { Drops } from '../../packet/drops.ts';
import type { Packet } from '../../packet/packet.ts';
import type { Pool } from '../../packet/pool.ts';

/**
 * An ICMP error about a datagram that this host sent, with the quoted header already validated. One object is
 * filled anew for every error: whoever wants to keep something copies it.
 */
export class IcmpQuote {
  /** `icmp4.Type`: Unreachable, TimeExceeded or ParameterProblem. */
  type = 0;
  code = 0;
  /** Of `FragmentationNeeded` the next-hop MTU (RFC 1191 §4; 0: an old router), of a parameter problem the pointer. */
  info = 0;
  /** Who sent the error. */
  from = 0;
  /** Interface it came in by. */
  device = 0;
  /** Of the quoted datagram: we were `src`. */
  src = 0;
  dst = 0;
  protocol = 0;
  /** Total length of the quoted datagram as we sent it (RFC 1191 §5 judges an absurd MTU by it). */
  totalLength = 0;
  /** Where the error lies: owned by ICMP, only to be peeked at. */
  packet: Packet | null = null;
  /** Offset of the quoted transport header in `packet`; at least 8 bytes of it are there. */
  l4 = 0;
  /** One past the last quoted byte. */
  end = 0;
}

export interface IcmpHost {
  readonly pool: Pool;
  readonly drops: Drops;
  /** True when datagrams for others are forwarded: a router ignores redirects (RFC 1812 §5.2.7.2). */
  readonly isForwarding: boolean;

  /** Whether `address` is a unicast address of this host, on any interface. */
  isLocal(address: number): boolean;
  /** Whether `address` is a broadcast address of any interface of this host (limited or directed). */
  isBroadcast(address: number): boolean;
  /** Whether `address` lies on a network directly attached to interface `device`. */
  isOnLink(address: number, device: number): boolean;
  /** The gateway now used for `destination`, or 0 when it is on-link or there is no route. */
  gatewayFor(destination: number, device: number): number;
  /**
   * The address with which to answer `destination` about something that came in by `device` (RFC 1812 §4.3.2.4);
   * 0 when there is none, and then nothing is sent.
   */
  selectSource(destination: number, device: number): number;

  /**
   * Takes ownership of a complete IPv4 datagram of our own (`head` = `l3`, header checksum filled in, `l4` set),
   * to be routed, shown to the OUTPUT hook, fragmented if need be, and sent.
   */
  send(now: Instant, packet: Packet): void;
  /** Peeks. True when a socket was found that had sent the quoted datagram. */
  handleQuote(now: Instant, quote: IcmpQuote): boolean;
  /** A redirect that passed all checks: `gateway` is the way to `destination` from now on (RFC 1122 §3.3.1.2). */
  handleRedirect(now: Instant, destination: number, gateway: number, device: number): void;
  /** For ping and raw sockets: echo and timestamp replies. Takes ownership when it answers true, and only then. */
  deliverEchoReply(now: Instant, packet: Packet): boolean;
}
