/**
 * What a receive call says about a datagram beside its bytes: sender, and the control data of ip(7). One object is
 * handed in again and again, so that receiving allocates nothing.
 */
import { FlowKey } from '../addr/flow-key.ts';
import { Ip } from '../addr/ip.ts';
import type { Instant } from '../base/time.ts';
import { START } from '../base/time.ts';
import type { Packet } from '../packet/packet.ts';
import { fillAddresses, tosOf, ttlOf } from '../udp/packet-flow.ts';

/** For `receive`; the numbers are those of `MSG_*`. */
export const ReceiveFlag = {
  /** Leaves the datagram in the queue. */
  Peek: 2,
  /** Answers the datagram's own length, though it was cut (recv(2), `MSG_TRUNC`). */
  Truncate: 0x20,
} as const;

export class DatagramInfo {
  /** Source is who sent it, destination the address that it was sent to (`IP_PKTINFO`). */
  readonly flow: FlowKey = new FlowKey();
  /** Bytes of the datagram, more than were copied when it `isTruncated`. */
  length = 0;
  isTruncated = false;
  tos = 0;
  ttl = 0;
  /** Interface it came in by. */
  iif = 0;
  receivedAt: Instant = START;

  /** The sender. Allocates. */
  get address(): Ip {
    const { flow } = this;
    return new Ip(flow.srcA, flow.srcB, flow.srcC, flow.srcD);
  }

  /** The sender's port; 0 where the protocol has none. */
  get port(): number {
    return this.flow.srcPort;
  }

  /** What it was sent to: an address of this host, a broadcast address or a group. Allocates. */
  get localAddress(): Ip {
    const { flow } = this;
    return new Ip(flow.dstA, flow.dstB, flow.dstC, flow.dstD);
  }

  /** From the headers of a packet without ports. */
  fill(packet: Packet, length: number, room: number): void {
    fillAddresses(this.flow, packet);
    this.flow.srcPort = 0;
    this.flow.dstPort = 0;
    this.length = length;
    this.isTruncated = length > room;
    this.tos = tosOf(packet);
    this.ttl = ttlOf(packet);
    this.iif = packet.device;
    this.receivedAt = packet.receivedAt;
  }
}
