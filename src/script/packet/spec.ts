/**
 * A packet as a script speaks of it: what a line says, and what a packet from the wire is turned into, so that both
 * can be compared and printed alike. Sequence numbers are uint32 in the space of the script.
 */

/** What may be said of the IP header; null says nothing. */
export interface IpSpec {
  readonly ecn: Ecn | null;
  readonly tos: number | null;
  readonly flowLabel: number | null;
  readonly ttl: number | null;
}

/** `ect01` is either of the two. */
export type Ecn = 'noecn' | 'ect0' | 'ect1' | 'ce' | 'ect01';

export const NO_IP: IpSpec = { ecn: null, tos: null, flowLabel: null, ttl: null };

export interface TcpSpec {
  readonly kind: 'tcp';
  readonly ip: IpSpec;
  /** 0: those of the connection. */
  readonly srcPort: number;
  readonly dstPort: number;
  /** Bits of `tcp.Flag`, and `AE`. */
  readonly flags: number;
  /** The three ECN bits were given as a number (RFC 9768 §2.2.2). */
  readonly hasAce: boolean;
  readonly seq: number;
  /** Of the data. */
  readonly length: number;
  readonly ack: number;
  /** Null: not said. */
  readonly window: number | null;
  readonly urgent: number;
  /** Null: any (`<...>`). */
  readonly options: readonly TcpOption[] | null;
}

/** RFC 9768 §3.1.1: in the reserved bits, next to CWR. */
export const AE = 0x100;

export type TcpOption =
  | { readonly kind: 'nop' }
  | { readonly kind: 'eol' }
  | { readonly kind: 'mss'; readonly value: number }
  /** -1: any. */
  | { readonly kind: 'wscale'; readonly value: number }
  | { readonly kind: 'sackOK' }
  | { readonly kind: 'sack'; readonly edges: readonly number[] }
  | { readonly kind: 'TS'; readonly val: number; readonly ecr: number }
  /** Of fast open; `hex` is empty in a request. The experimental form is that of RFC 6994 with 0xf989. */
  | { readonly kind: 'FO' | 'FOEXP'; readonly hex: string }
  | { readonly kind: 'other'; readonly number: number; readonly hex: string };

export interface UdpSpec {
  readonly kind: 'udp';
  readonly ip: IpSpec;
  readonly srcPort: number;
  readonly dstPort: number;
  /** Of the data. */
  readonly length: number;
}

export interface IcmpSpec {
  readonly kind: 'icmp';
  readonly ip: IpSpec;
  readonly type: number;
  readonly code: number;
  /** Next-hop MTU, or null. */
  readonly mtu: number | null;
  /** Of an echo; 0: not said. */
  readonly id: number;
  readonly quoted: Quoted;
}

/** What of the datagram in error an ICMP message quotes: `[1:1461(1460)]`, `[udp (8)]`. */
export type Quoted =
  | { readonly kind: 'none' }
  | { readonly kind: 'tcp'; readonly seq: number; readonly length: number }
  | { readonly kind: 'udp'; readonly length: number }
  /** An ICMP message of so many bytes in all. */
  | { readonly kind: 'raw'; readonly length: number };

export type PacketSpec = TcpSpec | UdpSpec | IcmpSpec;
