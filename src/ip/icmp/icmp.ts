/**
 * ICMPv4: RFC 792, RFC 1122 §3.2.2, RFC 1812 §4.3, RFC 1191, RFC 6633 (no source quench), RFC 6918 (what is
 * obsolete: information requests and address masks).
 *
 *     handlePacket ┬ echo, timestamp ── icmp/reply ── host.send
 *                  ├ their replies ──── host.deliverEchoReply
 *                  ├ errors ─────────── host.handleQuote, if the quote is of something we sent
 *                  └ redirect ───────── host.handleRedirect, if it comes from the gateway in use
 *     sendError ───── icmp/error ────── host.send
 */
import { isMulticast4 } from '../../addr/ip.ts';
import { Drop } from '../../base/drop.ts';
import type { Rng } from '../../base/rng.ts';
import type { Instant } from '../../base/time.ts';
import { completeChecksum } from '../../device/offload.ts';
import type { Packet } from '../../packet/packet.ts';
import { PacketFlag } from '../../packet/packet.ts';
import * as icmp4 from '../../wire/icmp4.ts';
import * as ipv4 from '../../wire/ipv4.ts';
import type { IpId } from '../ip-id.ts';
import type { IcmpCounters } from './counters.ts';
import { countIn, icmpCounters } from './counters.ts';
import { IcmpErrors, isSingleHost } from './error.ts';
import type { IcmpHost } from './host.ts';
import { IcmpQuote } from './host.ts';
import type { IcmpOptions } from './options.ts';
import { defaultIcmpOptions, timestamp } from './options.ts';
import { IcmpReplies } from './reply.ts';

/** RFC 792: an error quotes at least the header and 64 bits, which hold the ports. */
const QUOTED_TRANSPORT_MIN = 8;

export class Icmp {
  readonly counters: IcmpCounters = icmpCounters();
  readonly #host: IcmpHost;
  readonly #options: IcmpOptions;
  readonly #replies: IcmpReplies;
  readonly #errors: IcmpErrors;
  readonly #quote = new IcmpQuote();

  constructor(host: IcmpHost, ids: IpId, rng: Rng, options: IcmpOptions = defaultIcmpOptions()) {
    this.#host = host;
    this.#options = options;
    this.#replies = new IcmpReplies(host, ids, options, this.counters);
    this.#errors = new IcmpErrors(host, ids, rng, options, this.counters);
  }

  /** Takes ownership of a whole datagram: header at `l3`, ICMP from `l4` to `tail`. */
  handlePacket(now: Instant, packet: Packet): void {
    this.counters.inMsgs++;
    const bad = check(packet);
    if (bad !== Drop.None) {
      this.counters.inErrors++;
      if (bad === Drop.IcmpChecksum) this.counters.inCsumErrors++;
      this.#host.drops.drop(packet, bad);
      return;
    }
    const type = icmp4.type(packet.view, packet.l4);
    countIn(this.counters, type);
    switch (type) {
      case icmp4.Type.Echo:
        this.#replies.handleEcho(now, packet);
        break;
      case icmp4.Type.Timestamp:
        this.#replies.handleTimestamp(now, packet);
        break;
      case icmp4.Type.EchoReply:
      case icmp4.Type.TimestampReply:
        if (!this.#host.deliverEchoReply(now, packet)) this.#host.drops.drop(packet, Drop.IcmpNoSocket);
        break;
      case icmp4.Type.Unreachable:
      case icmp4.Type.TimeExceeded:
      case icmp4.Type.ParameterProblem:
        this.#end(packet, this.#handleError(now, packet));
        break;
      case icmp4.Type.Redirect:
        this.#end(packet, this.#handleRedirect(now, packet));
        break;
      default:
        this.#host.drops.drop(packet, isObsolete(type) ? Drop.IcmpIgnored : Drop.IcmpTypeUnknown);
    }
  }

  /**
   * Tells the source of `offender` what became of it, if the RFCs and the rate limit allow; true when it was sent.
   * Only peeks: `offender` must still be as it came, and stays the caller's. `word` follows the checksum: the MTU of
   * fragmentation needed, the pointer of a parameter problem in its first octet, the gateway of a redirect.
   */
  sendError(now: Instant, offender: Packet, type: number, code: number, word: number): boolean {
    return this.#errors.sendError(now, offender, type, code, word);
  }

  /** The time as timestamp messages and options have it. */
  timestamp(now: Instant): number {
    return timestamp(now, this.#options);
  }

  #end(packet: Packet, reason: Drop): void {
    if (reason === Drop.None) packet.release();
    else this.#host.drops.drop(packet, reason);
  }

  #handleError(now: Instant, packet: Packet): Drop {
    const { view, l4 } = packet;
    const type = icmp4.type(view, l4);
    const code = icmp4.code(view, l4);
    if (code > lastCode(type)) return Drop.IcmpCodeUnknown;
    const quote = this.#quote;
    if (!this.#readQuote(packet)) {
      this.counters.inErrors++;
      return Drop.IcmpQuoteBad;
    }
    quote.info = 0;
    if (type === icmp4.Type.Unreachable && code === icmp4.UnreachableCode.FragmentationNeeded) {
      quote.info = icmp4.nextHopMtu(view, l4);
    } else if (type === icmp4.Type.ParameterProblem && code === icmp4.ParameterProblemCode.Pointer) {
      quote.info = icmp4.pointer(view, l4);
    }
    quote.packet = packet;
    const isKnown = this.#host.handleQuote(now, quote);
    quote.packet = null;
    return isKnown ? Drop.None : Drop.IcmpNoSocket;
  }

  /** RFC 1122 §3.2.2.2. All codes mean one host: §3.3.1.2 has redirects for networks treated alike. */
  #handleRedirect(now: Instant, packet: Packet): Drop {
    const { view, l3, l4, device } = packet;
    const host = this.#host;
    if (icmp4.code(view, l4) > icmp4.RedirectCode.HostTos) return Drop.IcmpCodeUnknown;
    // RFC 1812 §5.2.7.2: a router knows better.
    if (!this.#options.acceptRedirects || host.isForwarding) return Drop.IcmpRedirectIgnored;
    if (!this.#readQuote(packet)) {
      this.counters.inErrors++;
      return Drop.IcmpQuoteBad;
    }
    const destination = this.#quote.dst;
    const gateway = icmp4.gateway(view, l4);
    if (!isSingleHost(gateway) || host.isLocal(gateway) || host.isBroadcast(gateway))
      return Drop.IcmpRedirectIgnored;
    if (isMulticast4(destination) || host.isBroadcast(destination)) return Drop.IcmpRedirectIgnored;
    // «… SHOULD be silently discarded if the new gateway address it specifies is not on the same connected (sub-)
    // net through which the Redirect arrived, or if the source of the Redirect is not the current first-hop gateway.»
    if (!host.isOnLink(gateway, device)) return Drop.IcmpRedirectIgnored;
    const current = host.gatewayFor(destination, device);
    if (current === 0 || current !== ipv4.src(view, l3)) return Drop.IcmpRedirectIgnored;
    host.handleRedirect(now, destination, gateway, device);
    return Drop.None;
  }

  /** Fills in all of the quote but `info`; false where it is not of a datagram that we sent. */
  #readQuote(packet: Packet): boolean {
    const { view, l3, l4, tail } = packet;
    const at = l4 + icmp4.HEADER_BYTES;
    if (tail - at < ipv4.MIN_HEADER_BYTES || ipv4.version(view, at) !== 4) return false;
    // Its checksum is not asked for: the TTL has changed on the way, and some routers forget the rest.
    const headerLength = ipv4.headerLength(view, at);
    const transport = at + headerLength;
    if (headerLength < ipv4.MIN_HEADER_BYTES || tail - transport < QUOTED_TRANSPORT_MIN) return false;
    const total = ipv4.totalLength(view, at);
    if (total < headerLength + QUOTED_TRANSPORT_MIN || ipv4.fragmentOffset(view, at) !== 0) return false;
    // An error goes to whoever sent what it is about, so it must have come to the address that is quoted as source.
    const src = ipv4.src(view, at);
    if (src !== ipv4.dst(view, l3) || !this.#host.isLocal(src)) return false;
    const quote = this.#quote;
    quote.type = icmp4.type(view, l4);
    quote.code = icmp4.code(view, l4);
    quote.from = ipv4.src(view, l3);
    quote.device = packet.device;
    quote.src = src;
    quote.dst = ipv4.dst(view, at);
    quote.protocol = ipv4.protocol(view, at);
    quote.totalLength = total;
    quote.l4 = transport;
    // What stands behind the quoted datagram may be padding or an extension (RFC 4884), and is not quoted data.
    quote.end = Math.min(tail, at + total);
    return true;
  }
}

function check(packet: Packet): Drop {
  const { view, l4, tail, flags } = packet;
  if ((flags & PacketFlag.ChecksumPartial) !== 0) {
    const bad = completeChecksum(packet);
    if (bad !== Drop.None) return bad;
  } else if ((flags & PacketFlag.ChecksumValid) === 0) {
    return icmp4.check(view, l4, tail);
  }
  return tail - l4 < icmp4.HEADER_BYTES ? Drop.IcmpTruncated : Drop.None;
}

function lastCode(type: number): number {
  if (type === icmp4.Type.Unreachable) return icmp4.UnreachableCode.PrecedenceCutoff;
  return type === icmp4.Type.TimeExceeded
    ? icmp4.TimeExceededCode.Reassembly
    : icmp4.ParameterProblemCode.LengthBad;
}

/** RFC 6633 §3 and RFC 6918 have them ignored; router discovery (RFC 1256) is not spoken here. */
function isObsolete(type: number): boolean {
  switch (type) {
    case icmp4.Type.SourceQuench:
    case icmp4.Type.RouterAdvertisement:
    case icmp4.Type.RouterSolicitation:
    case icmp4.Type.InformationRequest:
    case icmp4.Type.InformationReply:
    case icmp4.Type.AddressMask:
    case icmp4.Type.AddressMaskReply:
      return true;
    default:
      return false;
  }
}
