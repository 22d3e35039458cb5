/**
 * An IPv4 datagram arrives: RFC 1122 §3.2.1, RFC 1812 §5.2 and §5.3.
 *
 *     check header → sane addresses → options → PREROUTING → route ┬ ours → deliver
 *                                                                  └ another's → forward
 */
import { FlowKey } from '../addr/flow-key.ts';
import { isLoopback4, isMulticast4 } from '../addr/ip.ts';
import { Drop } from '../base/drop.ts';
import type { Instant } from '../base/time.ts';
import { ACCEPT, HookContext, HookPoint } from '../filter/hook.ts';
import type { Packet } from '../packet/packet.ts';
import { PacketFlag } from '../packet/packet.ts';
import type { NextHop } from '../route/nexthop.ts';
import * as icmp4 from '../wire/icmp4.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as options4 from '../wire/ipv4-options.ts';
import type { Ip4Delivery } from './deliver.ts';
import { fillFlow4 } from './flow.ts';
import type { Ip4Forward } from './forward.ts';
import type { Icmp } from './icmp/icmp.ts';
import type { Interface } from './interface.ts';
import type { IpShared } from './shared.ts';

const LIMITED_BROADCAST = -1;

export class Ip4Input {
  readonly #shared: IpShared;
  readonly #delivery: Ip4Delivery;
  readonly #forward: Ip4Forward;
  readonly #icmp: Icmp;
  readonly #key = new FlowKey();
  readonly #sourceKey = new FlowKey();
  readonly #context = new HookContext();

  constructor(shared: IpShared, delivery: Ip4Delivery, forward: Ip4Forward, icmp: Icmp) {
    this.#shared = shared;
    this.#delivery = delivery;
    this.#forward = forward;
    this.#icmp = icmp;
  }

  /** Takes ownership. The datagram is `l3` to `tail`; what follows its total length is padding. */
  handlePacket(now: Instant, packet: Packet, iface: Interface): void {
    const { counters, drops, hooks } = this.#shared;
    const { view, l3 } = packet;
    counters.inReceives++;
    const bad = ipv4.check(view, l3, packet.tail);
    if (bad !== Drop.None) {
      counters.inHdrErrors++;
      drops.drop(packet, bad);
      return;
    }
    packet.head = l3;
    packet.tail = l3 + ipv4.totalLength(view, l3);
    packet.l4 = l3 + ipv4.headerLength(view, l3);
    // What a device says of a frame may be wrong: completing such a sum would change the header just checked.
    if ((packet.flags & PacketFlag.ChecksumPartial) !== 0 && packet.csumStart < packet.l4) {
      counters.inHdrErrors++;
      drops.drop(packet, Drop.OffloadBad);
      return;
    }
    const martian = this.#martian(packet, iface);
    if (martian !== Drop.None) {
      counters.inAddrErrors++;
      drops.drop(packet, martian);
      return;
    }
    if (packet.l4 !== l3 + ipv4.MIN_HEADER_BYTES && !this.#acceptOptions(now, packet)) return;
    if (hooks.isActive(HookPoint.Prerouting)) {
      this.#context.iif = iface.index;
      this.#context.oif = 0;
      if (hooks.run(HookPoint.Prerouting, now, packet, this.#context) !== ACCEPT) return;
    }
    this.#route(now, packet, iface);
  }

  #route(now: Instant, packet: Packet, iface: Interface): void {
    const { counters, drops, fib } = this.#shared;
    const dst = ipv4.dst(packet.view, packet.l3);
    if (isMulticast4(dst)) {
      counters.inMcastPkts++;
      packet.flags |= PacketFlag.IpMulticast;
      // What loops back was chosen by the interface that it was sent from.
      const isLooped = (packet.flags & PacketFlag.Loopback) !== 0;
      if (isLooped || iface.isMember(dst)) this.#delivery.handlePacket(now, packet);
      else this.#refuse(packet, Drop.Ip4MulticastNotMember);
      return;
    }
    if (dst === LIMITED_BROADCAST) {
      this.#deliverBroadcast(now, packet);
      return;
    }
    fillFlow4(this.#key, packet);
    const hop = fib.lookup(this.#key);
    const type = hop === null ? 'unicast' : hop.route.type;
    if (type === 'broadcast') {
      this.#deliverBroadcast(now, packet);
      return;
    }
    // RFC 1122 §3.3.6: a frame broadcast on the link must not carry a datagram for one host; forwarding or
    // answering it would have every host on the link do the same.
    const isGroupFrame = (packet.flags & (PacketFlag.LinkBroadcast | PacketFlag.LinkMulticast)) !== 0;
    if (isGroupFrame) {
      this.#refuse(packet, Drop.Ip4BroadcastUnicastFrame);
      return;
    }
    if (!this.#isSourceValid(packet, iface)) {
      counters.inAddrErrors++;
      drops.drop(packet, Drop.Ip4SourceMartian);
      return;
    }
    if (hop !== null && type === 'local') {
      this.#delivery.handlePacket(now, packet);
      return;
    }
    this.#forward.handlePacket(now, packet, iface, hop, this.#key);
  }

  #refuse(packet: Packet, reason: Drop): void {
    this.#shared.counters.inDiscards++;
    this.#shared.drops.drop(packet, reason);
  }

  #deliverBroadcast(now: Instant, packet: Packet): void {
    this.#shared.counters.inBcastPkts++;
    packet.flags |= PacketFlag.IpBroadcast;
    this.#delivery.handlePacket(now, packet);
  }

  /** Addresses that no datagram on a wire can have: RFC 1122 §3.2.1.3, RFC 1812 §5.3.7. */
  #martian(packet: Packet, iface: Interface): Drop {
    const src = ipv4.src(packet.view, packet.l3);
    const dst = ipv4.dst(packet.view, packet.l3);
    const isLooped = (packet.flags & PacketFlag.Loopback) !== 0;
    if (dst >>> 24 === 0) return Drop.Ip4DestinationMartian;
    // Class E is no destination for anybody, but the limited broadcast address lies in it.
    if (dst >>> 28 === 0xf && dst !== LIMITED_BROADCAST) return Drop.Ip4DestinationMartian;
    if (isMulticast4(src) || src >>> 28 === 0xf) return Drop.Ip4SourceMartian;
    // RFC 1122 §3.2.1.3 (a): 0.0.0.0 is a source only for a host that is learning its address, which broadcasts.
    if (src >>> 24 === 0 && !(src === 0 && (dst === LIMITED_BROADCAST || isMulticast4(dst))))
      return Drop.Ip4SourceMartian;
    if (isLooped) return Drop.None;
    if (isLoopback4(dst)) return Drop.Ip4DestinationMartian;
    if (isLoopback4(src)) return Drop.Ip4SourceMartian;
    // No network is so small that its broadcast address ends otherwise, and few sources end so.
    if ((src & 3) === 3 && iface.isBroadcast4(src)) return Drop.Ip4SourceMartian;
    return this.#shared.addresses.isLocal4(src) ? Drop.Ip4SourceOwn : Drop.None;
  }

  /** RFC 1122 §3.2.1.8, RFC 7126: answers false when the packet is gone. */
  #acceptOptions(now: Instant, packet: Packet): boolean {
    const { counters, drops } = this.#shared;
    const { view, l3, l4 } = packet;
    const badAt = options4.check(view, l3, l4);
    if (badAt >= 0) {
      counters.inHdrErrors++;
      this.#icmp.sendError(now, packet, icmp4.Type.ParameterProblem, 0, (badAt - l3) << 24);
      drops.drop(packet, Drop.Ip4OptionBad);
      return false;
    }
    // RFC 7126 §4.3, §4.4: source routes go round every filter on the way, and are dropped by default.
    if (options4.hasSourceRoute(view, l3, l4)) {
      this.#refuse(packet, Drop.Ip4SourceRoute);
      return false;
    }
    return true;
  }

  /** RFC 3704: would an answer to the source leave by the interface that this came in by? */
  #isSourceValid(packet: Packet, iface: Interface): boolean {
    const { rpFilter } = this.#shared.options;
    if (rpFilter === 0 || (packet.flags & PacketFlag.Loopback) !== 0) return true;
    const key = this.#sourceKey;
    key.setAddresses4(ipv4.dst(packet.view, packet.l3), ipv4.src(packet.view, packet.l3));
    key.mark = packet.mark;
    const back: NextHop | null = this.#shared.fib.lookup(key);
    if (back === null || back.route.type !== 'unicast') return false;
    return rpFilter === 2 || back.oif === iface.index;
  }
}
