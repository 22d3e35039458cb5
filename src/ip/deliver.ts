/**
 * A datagram for this host: reassembly, the INPUT hook, then whoever speaks its protocol (RFC 1122 §3.3.2, §3.2.2.1).
 */
import { Drop } from '../base/drop.ts';
import type { Instant } from '../base/time.ts';
import { ACCEPT, HookContext, HookPoint } from '../filter/hook.ts';
import type { Packet } from '../packet/packet.ts';
import * as icmp4 from '../wire/icmp4.ts';
import * as ipv4 from '../wire/ipv4.ts';
import type { Reassembler } from './fragment/reassemble.ts';
import type { Icmp } from './icmp/icmp.ts';
import type { IpShared } from './shared.ts';

/** A transport protocol. Takes ownership of a whole datagram: header at `l3`, transport header at `l4`. */
export interface Transport {
  handlePacket(now: Instant, packet: Packet): void;
}

/** Raw sockets: they see copies of everything delivered. Peeks; answers whether anybody wanted it. */
export interface RawTap {
  readonly isEmpty: boolean;
  peekPacket(now: Instant, packet: Packet): boolean;
}

const FRAGMENT_BITS = 0x3fff;

export class Ip4Delivery {
  readonly #shared: IpShared;
  readonly #reassembler: Reassembler;
  readonly #icmp: Icmp;
  readonly #raw: RawTap;
  readonly #transports: (Transport | null)[] = new Array<Transport | null>(256).fill(null);
  readonly #context = new HookContext();

  constructor(shared: IpShared, reassembler: Reassembler, icmp: Icmp, raw: RawTap) {
    this.#shared = shared;
    this.#reassembler = reassembler;
    this.#icmp = icmp;
    this.#raw = raw;
    this.#transports[ipv4.Protocol.Icmp] = icmp;
  }

  /** From now on `transport` receives what arrives with protocol number `protocol`. */
  register(protocol: number, transport: Transport): void {
    this.#transports[protocol] = transport;
  }

  handlePacket(now: Instant, arrived: Packet): void {
    const { counters, drops, hooks } = this.#shared;
    let packet = arrived;
    if ((packet.view.getUint16(packet.l3 + 6) & FRAGMENT_BITS) !== 0) {
      counters.reasmReqds++;
      const whole = this.#reassembler.handleFragment(now, packet);
      if (whole === null) return;
      counters.reasmOKs++;
      packet = whole;
    }
    if (hooks.isActive(HookPoint.Input)) {
      this.#context.iif = packet.device;
      this.#context.oif = 0;
      if (hooks.run(HookPoint.Input, now, packet, this.#context) !== ACCEPT) return;
    }
    const isWanted = this.#raw.isEmpty ? false : this.#raw.peekPacket(now, packet);
    const transport = this.#transports[ipv4.protocol(packet.view, packet.l3)] as Transport | null;
    if (transport !== null) {
      counters.inDelivers++;
      transport.handlePacket(now, packet);
      return;
    }
    if (isWanted) {
      counters.inDelivers++;
      packet.release();
      return;
    }
    counters.inUnknownProtos++;
    this.#icmp.sendError(now, packet, icmp4.Type.Unreachable, icmp4.UnreachableCode.Protocol, 0);
    drops.drop(packet, Drop.Ip4ProtocolUnknown);
  }

  /** Gives back the fragments that wait. */
  close(): void {
    this.#reassembler.purge();
  }

  /** When the oldest incomplete datagram is given up. */
  nextTimeout(): Instant {
    return this.#reassembler.nextTimeout();
  }

  /** RFC 792: whoever sent fragments of which the first arrived is told that the rest did not. */
  handleTimeout(now: Instant): void {
    this.#reassembler.handleTimeout(now);
    for (
      let first = this.#reassembler.pollExpired();
      first !== null;
      first = this.#reassembler.pollExpired()
    ) {
      this.#icmp.sendError(now, first, icmp4.Type.TimeExceeded, 1, 0);
      first.release();
    }
  }
}
