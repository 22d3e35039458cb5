/**
 * UDP input: RFC 768, RFC 1122 §4.1, RFC 8200 §8.1 (checksum), RFC 8085 for what applications expect of it.
 *
 *     datagram → lengths → checksum → ports → the socket it is for, or all of them, or port unreachable
 *
 * Super-datagrams (`GsoType.Udp`) stay whole: the socket cuts them when they are read. Output is the socket's:
 * it has only a header to write.
 */
import { FlowKey } from '../addr/flow-key.ts';
import { isMulticast4 } from '../addr/ip.ts';
import { Drop } from '../base/drop.ts';
import type { Rng } from '../base/rng.ts';
import type { Instant } from '../base/time.ts';
import type { Drops } from '../packet/drops.ts';
import type { Packet } from '../packet/packet.ts';
import { GsoType, PacketFlag } from '../packet/packet.ts';
import type { Pool } from '../packet/pool.ts';
import { pseudo4, pseudo6 } from '../wire/checksum.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as udp from '../wire/udp.ts';
import type { UdpEndpoint } from './endpoint.ts';
import { fillAddresses, isPacket4 } from './packet-flow.ts';
import type { PathError } from './path-error.ts';
import { UdpTable } from './table.ts';

export interface UdpHost {
  readonly pool: Pool;
  readonly drops: Drops;
  readonly rng: Rng;
  /** Takes ownership of a unicast datagram for a port that nobody has (RFC 1122 §4.1.3.1). */
  rejectPort(now: Instant, packet: Packet): void;
}

/** The names of RFC 4113 and, beyond it, of `/proc/net/snmp`. */
export interface UdpCounters {
  /** Handed to sockets. */
  inDatagrams: number;
  noPorts: number;
  inErrors: number;
  outDatagrams: number;
  rcvbufErrors: number;
  sndbufErrors: number;
  inCsumErrors: number;
  /** Broadcasts and multicasts that nobody wanted. */
  ignoredMulti: number;
}

const CHECKED = PacketFlag.ChecksumValid | PacketFlag.ChecksumPartial;
const TO_MANY = PacketFlag.IpBroadcast | PacketFlag.IpMulticast;
const LIMITED_BROADCAST = -1;

export class Udp {
  readonly table: UdpTable;
  readonly counters: UdpCounters = {
    inDatagrams: 0,
    noPorts: 0,
    inErrors: 0,
    outDatagrams: 0,
    rcvbufErrors: 0,
    sndbufErrors: 0,
    inCsumErrors: 0,
    ignoredMulti: 0,
  };
  readonly #host: UdpHost;
  readonly #flow = new FlowKey();
  /** Receivers of the multicast in hand, and what the last one left behind them. */
  readonly #receivers: UdpEndpoint[] = [];

  constructor(host: UdpHost) {
    this.#host = host;
    this.table = new UdpTable(host.rng.fork('udp table'));
  }

  /** Takes ownership of a whole datagram: IP header at `l3`, UDP header at `l4`, end of the IP payload at `tail`. */
  handlePacket(now: Instant, packet: Packet): void {
    const flow = this.#flow;
    const bad = this.#check(packet, flow);
    if (bad !== Drop.None) {
      this.counters.inErrors++;
      if (bad === Drop.UdpChecksum) this.counters.inCsumErrors++;
      this.#host.drops.drop(packet, bad);
      return;
    }
    if ((packet.flags & TO_MANY) !== 0) {
      this.#handleGroup(now, packet, flow);
      return;
    }
    const endpoint = this.table.lookup(flow);
    if (endpoint === null) {
      this.counters.noPorts++;
      this.#host.rejectPort(now, packet);
      return;
    }
    endpoint.handleDatagram(now, packet);
  }

  /**
   * RFC 1122 §4.1.3.3: an error about a datagram goes to the socket that sent it, which is the one that an answer
   * from its destination would go to. Answers whether there is one; a forged quote finds nobody.
   */
  handleError(now: Instant, error: PathError): boolean {
    const flow = this.#flow;
    const { sent } = error;
    flow.srcA = sent.dstA;
    flow.srcB = sent.dstB;
    flow.srcC = sent.dstC;
    flow.srcD = sent.dstD;
    flow.dstA = sent.srcA;
    flow.dstB = sent.srcB;
    flow.dstC = sent.srcC;
    flow.dstD = sent.srcD;
    flow.srcPort = sent.dstPort;
    flow.dstPort = sent.srcPort;
    flow.iif = error.device;
    const endpoint = this.table.lookup(flow);
    if (endpoint === null) return false;
    endpoint.handleError(now, error);
    return true;
  }

  /** Fills `flow` on the way. */
  #check(packet: Packet, flow: FlowKey): Drop {
    const { view, l4 } = packet;
    const bad = udp.check(view, l4, packet.tail);
    if (bad !== Drop.None) return bad;
    // What follows the datagram inside the IP payload is none of the application's.
    const length = udp.length(view, l4);
    packet.tail = l4 + length;
    fillAddresses(flow, packet);
    flow.srcPort = udp.srcPort(view, l4);
    flow.dstPort = udp.dstPort(view, l4);
    flow.protocol = ipv4.Protocol.Udp;
    flow.iif = packet.device;
    flow.mark = packet.mark;
    const is4 = isPacket4(packet);
    if ((packet.flags & CHECKED) === 0) {
      const pseudo = is4 ? pseudo4(flow.srcD, flow.dstD, flow.protocol, length) : pseudoOf6(flow, length);
      if (!udp.verify(view, l4, length, pseudo)) return Drop.UdpChecksum;
      // RFC 8200 §8.1: over IPv6 the checksum is not optional.
      if (!is4 && udp.checksum(view, l4) === 0) return Drop.UdpChecksum;
    }
    if (flow.dstPort === 0) return Drop.UdpPortZero;
    // RFC 1122 §4.1.3.6: no answer could go there.
    if (is4 ? isMulticast4(flow.srcD) || flow.srcD === LIMITED_BROADCAST : flow.srcA >>> 24 === 0xff) {
      return Drop.UdpSourceBad;
    }
    if (packet.gsoType !== GsoType.None && (packet.gsoType !== GsoType.Udp || packet.gsoSize === 0)) {
      return Drop.OffloadBad;
    }
    return Drop.None;
  }

  /** Everybody but the last gets a copy. */
  #handleGroup(now: Instant, packet: Packet, flow: FlowKey): void {
    const { pool, drops } = this.#host;
    const receivers = this.#receivers;
    const count = this.table.lookupAll(flow, (packet.flags & PacketFlag.IpMulticast) !== 0, receivers);
    if (count === 0) {
      // RFC 1122 §3.2.2: never an ICMP error about these.
      this.counters.ignoredMulti++;
      drops.drop(packet, Drop.UdpNoPort);
      return;
    }
    for (let i = 0; i < count - 1; i++) {
      const copy = pool.take();
      if (copy === null) {
        this.counters.inErrors++;
        this.counters.rcvbufErrors++;
        drops.count(Drop.NoSlot);
        continue;
      }
      packet.copyTo(copy);
      (receivers[i] as UdpEndpoint).handleDatagram(now, copy);
    }
    (receivers[count - 1] as UdpEndpoint).handleDatagram(now, packet);
  }
}

function pseudoOf6(flow: FlowKey, length: number): number {
  return pseudo6(
    flow.srcA,
    flow.srcB,
    flow.srcC,
    flow.srcD,
    flow.dstA,
    flow.dstB,
    flow.dstC,
    flow.dstD,
    flow.protocol,
    length,
  );
}
