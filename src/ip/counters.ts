/**
 * What the network layer counts: the names of RFC 4293 as `/proc/net/snmp` and `netstat -s` print them.
 *
 * Every datagram that comes in is counted once more, by what became of it, but for those that a hook dropped or took:
 *
 *     inReceives = inHdrErrors + inAddrErrors + inNoRoutes + inDiscards + fragFails + forwDatagrams
 *                + inUnknownProtos + inDelivers + (reasmReqds - reasmOKs)
 */
export interface IpCounters {
  inReceives: number;
  inHdrErrors: number;
  inAddrErrors: number;
  /** For another host, and nothing says where that is. */
  inNoRoutes: number;
  inUnknownProtos: number;
  /** Refused by a rule rather than for an error: a source route, a group not joined, a route that leads nowhere. */
  inDiscards: number;
  inDelivers: number;
  inMcastPkts: number;
  inBcastPkts: number;
  forwDatagrams: number;
  outRequests: number;
  outDiscards: number;
  outNoRoutes: number;
  reasmReqds: number;
  reasmOKs: number;
  fragOKs: number;
  fragFails: number;
  fragCreates: number;
}

export const ipCounters = (): IpCounters => ({
  inReceives: 0,
  inHdrErrors: 0,
  inAddrErrors: 0,
  inNoRoutes: 0,
  inUnknownProtos: 0,
  inDiscards: 0,
  inDelivers: 0,
  inMcastPkts: 0,
  inBcastPkts: 0,
  forwDatagrams: 0,
  outRequests: 0,
  outDiscards: 0,
  outNoRoutes: 0,
  reasmReqds: 0,
  reasmOKs: 0,
  fragOKs: 0,
  fragFails: 0,
  fragCreates: 0,
});
