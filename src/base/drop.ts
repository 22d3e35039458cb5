/**
 * Why a packet was dropped. Every drop anywhere in the stack has one of these reasons, and is counted under it.
 *
 * Names say where and why; the numbers are never shown and may change. `dropName` gives the text that counters,
 * traces and captures show.
 */
export const Drop = {
  None: 0,

  // link
  LinkDown: 1,
  LinkWriteFailed: 2,
  LinkQueueFull: 3,
  FrameTruncated: 4,
  FrameTooLong: 5,
  OffloadBad: 6,
  NoSlot: 7,
  NotForUs: 8,
  EtherTypeUnknown: 9,
  EthernetSourceGroup: 10,
  QdiscFull: 11,
  TxTooLong: 12,
  NetemLoss: 13,
  NetemRateQueueFull: 14,
  NoReceiver: 15,
  NetemQueueFull: 16,

  // ARP
  ArpTruncated: 20,
  ArpHardwareType: 21,
  ArpProtocolType: 22,
  ArpLength: 23,
  ArpOpcode: 24,
  ArpSourceBad: 25,
  ArpNotForUs: 26,
  ArpUnsolicited: 27,
  ArpDone: 28,
  ArpConflict: 29,

  // neighbour
  NeighborPendingFull: 30,
  NeighborUnreachable: 31,
  NeighborTableFull: 32,

  // IPv4 in
  Ip4Truncated: 40,
  Ip4Version: 41,
  Ip4HeaderLength: 42,
  Ip4TotalLength: 43,
  Ip4Checksum: 44,
  Ip4SourceMartian: 45,
  Ip4DestinationMartian: 46,
  Ip4SourceOwn: 47,
  Ip4OptionBad: 48,
  Ip4SourceRoute: 49,
  Ip4ProtocolUnknown: 50,
  Ip4NotForwarding: 51,
  Ip4BroadcastUnicastFrame: 52,
  Ip4MulticastNotMember: 53,

  // forwarding and routing
  NoRoute: 60,
  RouteBlackhole: 61,
  RouteUnreachable: 62,
  RouteProhibit: 63,
  TtlExceeded: 64,
  FragmentationNeeded: 65,
  NoSourceAddress: 66,
  ForwardLinkLocal: 68,
  SourceNotOurs: 69,

  // fragments
  FragmentOverlap: 80,
  FragmentTiny: 81,
  FragmentTooLong: 82,
  FragmentLengthBad: 83,
  FragmentTimeout: 84,
  FragmentMemory: 85,
  FragmentTooMany: 86,
  FragmentDuplicate: 87,
  FragmentMerged: 88,
  FragmentEcn: 89,
  FragmentNested: 90,

  // hooks
  HookDropped: 100,

  // ICMP
  IcmpTruncated: 110,
  IcmpChecksum: 111,
  IcmpTypeUnknown: 112,
  IcmpCodeUnknown: 113,
  IcmpEchoBroadcast: 114,
  IcmpQuoteBad: 115,
  IcmpRedirectIgnored: 116,
  IcmpRateLimited: 117,
  IcmpNoSocket: 118,
  IcmpDone: 119,
  IcmpTimestampBroadcast: 120,
  IcmpIgnored: 121,

  // IGMP
  IgmpTruncated: 130,
  IgmpChecksum: 131,
  IgmpTypeUnknown: 132,
  IgmpTtl: 133,
  IgmpDone: 134,
  IgmpSourceBad: 135,
  IgmpNoRouterAlert: 136,
  IgmpDestinationBad: 137,

  // UDP
  UdpTruncated: 140,
  UdpLength: 141,
  UdpChecksum: 142,
  UdpNoPort: 143,
  UdpBufferFull: 144,
  UdpPortZero: 145,
  UdpNotConnectedPeer: 146,
  UdpSourceBad: 147,

  // TCP
  TcpTruncated: 160,
  TcpDataOffset: 161,
  TcpChecksum: 162,
  TcpNoPort: 163,
  TcpToMany: 164,
  TcpOutOfWindow: 165,
  TcpPaws: 166,
  TcpAckBad: 167,
  TcpResetBad: 168,
  TcpSynBad: 169,
  TcpNoAck: 170,
  TcpListenOverflow: 171,
  TcpClosed: 172,
  TcpRefused: 173,
  TcpMemory: 174,
  TcpTableFull: 175,
  TcpRepeated: 176,

  // IPv6 (its own issue brings the rest)
  Ip6Unsupported: 200,
  Ip6Truncated: 201,
  Ip6Version: 202,

  // raw and ping sockets
  RawBufferFull: 220,
  PingBufferFull: 221,
  SocketClosed: 222,

  // a corrupt file in replay
  CaptureTruncated: 230,
} as const;

export type Drop = (typeof Drop)[keyof typeof Drop];

/** One more than the largest number above: the length of a table by reason. */
export const DROP_LIMIT = 256;

const names: string[] = [];
for (const [name, reason] of Object.entries(Drop)) names[reason] = name;

/** The reason as counters and captures show it, such as `Ip4Checksum`. */
export function dropName(reason: Drop): string {
  return names[reason] ?? `Drop${reason}`;
}
