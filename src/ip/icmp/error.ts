/**
 * Sending ICMP errors: RFC 792, RFC 1122 §3.2.2, RFC 1812 §4.3.2. When not to, how often, and what is in them.
 *
 *     | ip: tos class 6, to the offender's source | type | code | checksum | word | offender, up to 548 bytes |
 *
 * RFC 4884's extensions are not made: its length attribute stays zero.
 */
import { isLoopback4, isMulticast4 } from '../../addr/ip.ts';
import { copyBytes } from '../../base/bytes.ts';
import { Drop } from '../../base/drop.ts';
import type { Rng } from '../../base/rng.ts';
import type { Instant } from '../../base/time.ts';
import type { Packet } from '../../packet/packet.ts';
import { GsoType, PacketFlag } from '../../packet/packet.ts';
import { checksum } from '../../wire/checksum.ts';
import * as icmp4 from '../../wire/icmp4.ts';
import * as ipv4 from '../../wire/ipv4.ts';
import type { IpId } from '../ip-id.ts';
import type { IcmpCounters } from './counters.ts';
import { countOut } from './counters.ts';
import type { IcmpHost } from './host.ts';
import { IcmpLimit } from './limit.ts';
import type { IcmpOptions } from './options.ts';

/** RFC 1812 §4.3.2.3: as much of the offender as fits a datagram that every host must accept. */
const ERROR_BYTES_MAX = 576;
const QUOTE_BYTES_MAX = ERROR_BYTES_MAX - ipv4.MIN_HEADER_BYTES - icmp4.HEADER_BYTES;

/** RFC 1812 §4.3.2.5: precedence 6, «internetwork control», and the offender's type of service; not its ECN. */
const PRECEDENCE = 0xc0;
const TOS_KEPT = 0x1c;

const GROUP_FLAGS =
  PacketFlag.LinkBroadcast | PacketFlag.LinkMulticast | PacketFlag.IpBroadcast | PacketFlag.IpMulticast;

export class IcmpErrors {
  readonly #host: IcmpHost;
  readonly #ids: IpId;
  readonly #limit: IcmpLimit;
  readonly #options: IcmpOptions;
  readonly #counters: IcmpCounters;

  constructor(host: IcmpHost, ids: IpId, rng: Rng, options: IcmpOptions, counters: IcmpCounters) {
    this.#host = host;
    this.#ids = ids;
    this.#limit = new IcmpLimit(options, rng);
    this.#options = options;
    this.#counters = counters;
  }

  /**
   * Tells the source of `offender`, which is only peeked at and must still be as it came: the quote shows its TTL.
   * `word` is what follows the checksum: an MTU, a pointer in the first octet, a gateway. True when it was sent.
   */
  sendError(now: Instant, offender: Packet, type: number, code: number, word: number): boolean {
    const { view, l3 } = offender;
    const src = ipv4.src(view, l3);
    if (this.#isForbidden(offender, src)) {
      this.#counters.outSuppressed++;
      return false;
    }
    if (!this.#isWithinLimit(now, offender, src, type, code)) return false;
    // RFC 1122 §3.2.2: errors come from the address that the offender was sent to, if that is one of ours.
    const dst = ipv4.dst(view, l3);
    const from = this.#host.isLocal(dst) ? dst : this.#host.selectSource(src, offender.device);
    if (from === 0) {
      this.#counters.outSuppressed++;
      return false;
    }
    const packet = this.#host.pool.take();
    if (packet === null) {
      this.#counters.outSuppressed++;
      this.#host.drops.count(Drop.NoSlot);
      return false;
    }
    const quoted = Math.min(ipv4.totalLength(view, l3), offender.tail - l3, QUOTE_BYTES_MAX);
    const total = ipv4.MIN_HEADER_BYTES + icmp4.HEADER_BYTES + quoted;
    const tos = (ipv4.tos(view, l3) & TOS_KEPT) | PRECEDENCE;
    const id = this.#ids.next(from, src, ipv4.Protocol.Icmp);
    packet.l4 = ipv4.write(
      packet.view,
      packet.l3,
      total,
      tos,
      id,
      0,
      this.#options.ttl,
      ipv4.Protocol.Icmp,
      from,
      src,
    );
    const quoteAt = icmp4.write(packet.view, packet.l4, type, code, word);
    packet.tail = quoteAt + quoted;
    copyBytes(packet.bytes, quoteAt, offender.bytes, l3, quoted);
    completeQuote(packet, quoteAt, offender);
    icmp4.fillChecksum(packet.view, packet.l4, packet.tail);
    countOut(this.#counters, type);
    this.#host.send(now, packet);
    return true;
  }

  /** RFC 1122 §3.2.2, RFC 1812 §4.3.2.7: what no error may ever be about. */
  #isForbidden(offender: Packet, src: number): boolean {
    const { view, l3, flags } = offender;
    if ((flags & GROUP_FLAGS) !== 0 || ipv4.fragmentOffset(view, l3) !== 0) return true;
    const dst = ipv4.dst(view, l3);
    if (isMulticast4(dst) || this.#host.isBroadcast(dst)) return true;
    const isLooped = (flags & PacketFlag.Loopback) !== 0;
    if (!isSingleHost(src) || this.#host.isBroadcast(src)) return true;
    if (isLoopback4(src) && !isLooped) return true;
    return ipv4.protocol(view, l3) === ipv4.Protocol.Icmp && !isInformational(offender);
  }

  #isWithinLimit(now: Instant, offender: Packet, src: number, type: number, code: number): boolean {
    // Our own sockets have no other way to hear of it.
    if ((offender.flags & PacketFlag.Loopback) !== 0 || this.#host.isLocal(src)) return true;
    // Path MTU discovery stalls without its answer, so that one is only limited in all (Linux: not at all).
    const isTooBig = type === icmp4.Type.Unreachable && code === icmp4.UnreachableCode.FragmentationNeeded;
    let answer = 'send';
    if (!isTooBig) answer = this.#limit.take(now, src);
    else if (!this.#limit.takeGlobal(now)) answer = 'global';
    if (answer === 'send') return true;
    if (answer === 'global') this.#counters.outRateLimitGlobal++;
    else this.#counters.outRateLimitHost++;
    this.#host.drops.count(Drop.IcmpRateLimited);
    return false;
  }
}

/**
 * A checksum that the offender's sender left to its device (VIRTIO 1.3 §5.1.6.4) is completed in the quote at `at`,
 * so that it is the one which was on a wire. Of a super-segment no such datagram ever was.
 */
function completeQuote(packet: Packet, at: number, offender: Packet): void {
  const { csumOffset, csumStart, flags, gsoType, l3, tail, view } = offender;
  if ((flags & PacketFlag.ChecksumPartial) === 0 || gsoType !== GsoType.None) return;
  const field = at + csumStart - l3 + csumOffset;
  if (csumStart < l3 || csumStart > tail || field + 2 > packet.tail) return;
  const result = checksum(view, csumStart, tail - csumStart);
  packet.view.setUint16(field, result === 0 ? 0xffff : result);
}

/** RFC 1122 §3.2.2: a source that «defines a single host»; not 0/8, a group, or class E with the broadcast address. */
export function isSingleHost(address: number): boolean {
  const first = address >>> 24;
  return first !== 0 && first < 224;
}

/** Whether the type says that it is a request or an answer to one. An unknown type might be an error. */
function isInformational(packet: Packet): boolean {
  const { view, l3, tail } = packet;
  // Not `l4`: a datagram is refused before anybody has set it.
  const at = l3 + ipv4.headerLength(view, l3);
  if (at >= tail) return false;
  switch (icmp4.type(view, at)) {
    case icmp4.Type.EchoReply:
    case icmp4.Type.Echo:
    case icmp4.Type.RouterAdvertisement:
    case icmp4.Type.RouterSolicitation:
    case icmp4.Type.Timestamp:
    case icmp4.Type.TimestampReply:
    case icmp4.Type.InformationRequest:
    case icmp4.Type.InformationReply:
    case icmp4.Type.AddressMask:
    case icmp4.Type.AddressMaskReply:
      return true;
    default:
      return false;
  }
}
