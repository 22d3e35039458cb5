/**
 * What the small servers of old have in common: a socket, a budget, and whom they never answer.
 *
 * A server that answers every datagram can be made to talk to another one, or to itself, for ever, by one forged
 * datagram. So nothing is answered that came from a reserved port, where such servers live (echo 7, daytime 13,
 * chargen 19, …) and clients do not, nor what was sent to a broadcast address or a group (RFC 1122 §4.1.3.6).
 */
import type { Instant } from '../base/time.ts';
import type { Packet } from '../packet/packet.ts';
import { isToMany } from '../socket/datagram-socket.ts';
import type { UdpSocket } from '../socket/udp-socket.ts';
import { pieces } from '../socket/udp-socket.ts';
import * as udp from '../wire/udp.ts';

/** Ports below are no client's. */
const RESERVED_PORTS = 1_024;

export interface ServerCounters {
  /** Datagrams received. */
  received: number;
  /** Datagrams answered. */
  answered: number;
  /** Not answered because of where they came from. */
  refusedPort: number;
  /** Not answered because they were sent to many. */
  refusedGroup: number;
  /** Answers that the stack refused. */
  failed: number;
}

export abstract class SmallServer {
  abstract readonly name: string;
  readonly socket: UdpSocket;
  readonly counters: ServerCounters = {
    received: 0,
    answered: 0,
    refusedPort: 0,
    refusedGroup: 0,
    failed: 0,
  };

  /** Takes over a bound socket. */
  constructor(socket: UdpSocket) {
    this.socket = socket;
    socket.onReady = (now): void => this.handleReady(now);
  }

  /** Answers everything that waits: a turn of the stack brings in no more than its budget. */
  handleReady(now: Instant): void {
    for (let packet = this.socket.receivePacket(); packet !== null; packet = this.socket.receivePacket()) {
      this.handleDatagram(now, packet);
    }
  }

  /** Takes ownership. */
  protected abstract handleDatagram(now: Instant, packet: Packet): void;

  /** Counts a datagram, or the pieces of a super-datagram; false when it must not be answered. */
  protected admit(packet: Packet): boolean {
    const count = packet.gsoSize === 0 ? 1 : pieces(packet);
    this.counters.received += count;
    if (isToMany(packet)) {
      this.counters.refusedGroup += count;
      return false;
    }
    if (udp.srcPort(packet.view, packet.l4) < RESERVED_PORTS) {
      this.counters.refusedPort += count;
      return false;
    }
    return true;
  }

  /** Takes ownership of a received packet and sends it back as it is now. */
  protected answer(packet: Packet): void {
    const count = packet.gsoSize === 0 ? 1 : pieces(packet);
    if (this.socket.reply(packet) === null) this.counters.answered += count;
    else this.counters.failed += count;
  }
}
