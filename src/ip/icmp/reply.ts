/**
 * Answering requests in the packet that they came in: echo (RFC 1122 §3.2.2.6) and timestamp (RFC 1122 §3.2.2.8).
 *
 * The datagram is turned round where it lies, so that the answer to 64 KB of ping costs no copy.
 */
import { isMulticast4 } from '../../addr/ip.ts';
import { Drop } from '../../base/drop.ts';
import type { Instant } from '../../base/time.ts';
import type { Packet } from '../../packet/packet.ts';
import { PacketFlag } from '../../packet/packet.ts';
import * as icmp4 from '../../wire/icmp4.ts';
import * as ipv4 from '../../wire/ipv4.ts';
import * as options4 from '../../wire/ipv4-options.ts';
import type { IpId } from '../ip-id.ts';
import type { IcmpCounters } from './counters.ts';
import { countOut } from './counters.ts';
import { isSingleHost } from './error.ts';
import type { IcmpHost } from './host.ts';
import type { IcmpOptions } from './options.ts';
import { timestamp } from './options.ts';

const GROUP_FLAGS =
  PacketFlag.LinkBroadcast | PacketFlag.LinkMulticast | PacketFlag.IpBroadcast | PacketFlag.IpMulticast;

/** RFC 3168 §5: ICMP is no transport that would react to a mark. */
const ECN_MASK = 3;

export class IcmpReplies {
  readonly #host: IcmpHost;
  readonly #ids: IpId;
  readonly #options: IcmpOptions;
  readonly #counters: IcmpCounters;

  constructor(host: IcmpHost, ids: IpId, options: IcmpOptions, counters: IcmpCounters) {
    this.#host = host;
    this.#ids = ids;
    this.#options = options;
    this.#counters = counters;
  }

  /** Takes ownership of a checked echo request. */
  handleEcho(now: Instant, packet: Packet): void {
    const from = this.#replySource(packet, Drop.IcmpEchoBroadcast);
    if (from === 0) return;
    icmp4.setType(packet.view, packet.l4, icmp4.Type.EchoReply);
    this.#turnRound(now, packet, from);
    countOut(this.#counters, icmp4.Type.EchoReply);
    this.#host.send(now, packet);
  }

  /** Takes ownership of a checked timestamp request. */
  handleTimestamp(now: Instant, packet: Packet): void {
    const { view, l4 } = packet;
    if (packet.tail - l4 < icmp4.TIMESTAMP_BYTES) {
      this.#counters.inErrors++;
      this.#host.drops.drop(packet, Drop.IcmpTruncated);
      return;
    }
    const from = this.#replySource(packet, Drop.IcmpTimestampBroadcast);
    if (from === 0) return;
    // It is received and answered in the same turn.
    const time = timestamp(now, this.#options);
    view.setUint8(l4, icmp4.Type.TimestampReply);
    icmp4.writeTimestamps(view, l4, icmp4.originateTimestamp(view, l4), time, time);
    icmp4.fillChecksum(view, l4, packet.tail);
    this.#turnRound(now, packet, from);
    countOut(this.#counters, icmp4.Type.TimestampReply);
    this.#host.send(now, packet);
  }

  /** The address to answer from: the one that was asked (RFC 1122 §3.2.2.6). 0 when the packet was dropped instead. */
  #replySource(packet: Packet, groupReason: Drop): number {
    const { view, l3 } = packet;
    const src = ipv4.src(view, l3);
    const dst = ipv4.dst(view, l3);
    const isGroup = (packet.flags & GROUP_FLAGS) !== 0 || isMulticast4(dst) || this.#host.isBroadcast(dst);
    if (isGroup && !this.#options.answerBroadcast) {
      this.#host.drops.drop(packet, groupReason);
      return 0;
    }
    if (!isSingleHost(src) || this.#host.isBroadcast(src)) {
      this.#host.drops.drop(packet, Drop.Ip4SourceMartian);
      return 0;
    }
    // Deviates: RFC 1122 §3.2.2.6 has a source route reversed for the answer. RFC 7126 §4.3 has it refused, as the
    // input does already.
    if (options4.hasOptions(view, l3) && options4.hasSourceRoute(view, l3, packet.l4)) {
      this.#host.drops.drop(packet, Drop.Ip4SourceRoute);
      return 0;
    }
    const from = isGroup ? this.#host.selectSource(src, packet.device) : dst;
    if (from === 0) this.#host.drops.drop(packet, Drop.NoSourceAddress);
    return from;
  }

  /** Makes a datagram of our own of one from outside: addresses, header, metadata. */
  #turnRound(now: Instant, packet: Packet, from: number): void {
    const { view, l3 } = packet;
    const to = ipv4.src(view, l3);
    packet.head = l3;
    packet.device = 0;
    packet.mark = 0;
    packet.hash = 0;
    packet.vlan = -1;
    packet.conn = 0;
    packet.flags = 0;
    // RFC 1122 §3.2.1.6 leaves the type of service to us; the asker's own choice is the likeliest to suit him.
    view.setUint8(l3 + 1, ipv4.tos(view, l3) & ~ECN_MASK);
    view.setUint16(l3 + 4, this.#ids.next(from, to, ipv4.Protocol.Icmp));
    // Without DF: the answer is as long as the request, which may have come in fragments.
    view.setUint16(l3 + 6, 0);
    view.setUint8(l3 + 8, this.#options.ttl);
    view.setInt32(l3 + 12, from);
    view.setInt32(l3 + 16, to);
    if (options4.hasOptions(view, l3)) this.#answerOptions(now, packet, from);
    ipv4.fillChecksum(view, l3);
  }

  /**
   * RFC 1122 §3.2.2.6: route and timestamp options are updated and sent back «without truncation», so that they show
   * the whole round trip. Security is sent back as it is (RFC 1122 §3.2.1.8a); others are nobody's answer.
   */
  #answerOptions(now: Instant, packet: Packet, from: number): void {
    const { view, l3, l4 } = packet;
    let option = options4.first(l3);
    while (option < l4) {
      const type = options4.type(view, option);
      if (type === options4.Option.End) return;
      const length = options4.length(view, option);
      if (type === options4.Option.RecordRoute) {
        options4.recordRoute(view, l3, option, from);
      } else if (type === options4.Option.Timestamp) {
        this.#stamp(now, packet, option, from);
      } else if (type !== options4.Option.Security) {
        for (let i = 0; i < length; i++) view.setUint8(option + i, options4.Option.Nop);
      }
      option += length;
    }
  }

  #stamp(now: Instant, packet: Packet, option: number, from: number): void {
    const { view, l3 } = packet;
    const isPrespecified = options4.stampFlag(view, option) === options4.StampFlag.Prespecified;
    const wanted = isPrespecified ? options4.stampAddress(view, option) : from;
    if (isPrespecified && !this.#host.isLocal(wanted)) return;
    // What no longer fits is counted in the option; a counter that is full is not worth a parameter problem.
    options4.recordTimestamp(view, l3, option, wanted, timestamp(now, this.#options));
  }
}
