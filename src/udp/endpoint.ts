/**
 * What UDP needs to know of a socket in order to find it, and what it tells it. `socket/udp-socket.ts` is one.
 */
import type { Ip } from '../addr/ip.ts';
import type { Instant } from '../base/time.ts';
import type { Packet } from '../packet/packet.ts';
import type { PathError } from './path-error.ts';

/** The fields decide where the table keeps it: they change only while it is not in the table. */
export interface UdpEndpoint {
  /** Of the socket, not of its addresses: an IPv6 socket may speak IPv4 (RFC 3493 §3.7). */
  readonly family: 4 | 6;
  /** `ANY4` or `ANY6` for every address; then it is not connected. */
  readonly local: Ip;
  readonly localPort: number;
  /** Null unless connected. */
  readonly remote: Ip | null;
  readonly remotePort: number;
  /** Interface it is bound to (`SO_BINDTODEVICE`), or 0. */
  readonly device: number;
  readonly ipv6Only: boolean;
  readonly reuseAddress: boolean;
  readonly reusePort: boolean;

  /** Whether it wants what came for group `a b c d` on interface `iif`; for multicast only. */
  wantsGroup(a: number, b: number, c: number, d: number, iif: number): boolean;
  /** Takes ownership of a datagram that has passed all checks. */
  handleDatagram(now: Instant, packet: Packet): void;
  /** An error about a datagram that it may have sent. To be copied, not kept. */
  handleError(now: Instant, error: PathError): void;
}
