/**
 * An IPv4 datagram leaves: RFC 1122 §3.3, in the order of netfilter's chains.
 *
 *     ours → OUTPUT ┐
 *     another's ────┴ POSTROUTING → segment | fragment → interface → neighbour → qdisc
 *
 * Super-segments stay whole up to here, and beyond it where the device takes them.
 */
import { FlowKey } from '../addr/flow-key.ts';
import { isMulticast4 } from '../addr/ip.ts';
import { Drop } from '../base/drop.ts';
import type { Instant } from '../base/time.ts';
import { takesSegments } from '../device/offload.ts';
import { ACCEPT, HookContext, HookPoint } from '../filter/hook.ts';
import type { Packet } from '../packet/packet.ts';
import { GsoType, PacketFlag } from '../packet/packet.ts';
import type { NextHop } from '../route/nexthop.ts';
import * as ipv4 from '../wire/ipv4.ts';
import { fillFlow4 } from './flow.ts';
import { Fragmenter } from './fragment/fragment.ts';
import { Segmenter } from './fragment/segment.ts';
import type { Interface } from './interface.ts';
import type { IpShared } from './shared.ts';
import { pieceLength } from './size.ts';

const LIMITED_BROADCAST = -1;

export class Ip4Output {
  readonly #shared: IpShared;
  readonly #fragmenter: Fragmenter;
  readonly #segmenter: Segmenter;
  readonly #key = new FlowKey();
  /** Has nothing but a destination and an interface, for questions about neither packet. */
  readonly #linkKey = new FlowKey();
  readonly #context = new HookContext();

  constructor(shared: IpShared) {
    this.#shared = shared;
    this.#fragmenter = new Fragmenter(shared.pool, shared.drops);
    this.#segmenter = new Segmenter(shared.pool, shared.drops);
  }

  /**
   * The next hop for `key`, also for destinations that no table holds: the limited broadcast address and, where
   * no route says otherwise, multicast groups leave by `key.oif` or by the first interface that has an address.
   */
  route(key: FlowKey): NextHop | null {
    const dst = key.dstD;
    if (dst !== LIMITED_BROADCAST && !isMulticast4(dst)) return this.#shared.fib.lookup(key);
    let oif = key.oif;
    if (oif === 0) {
      const hop = this.#shared.fib.lookup(key);
      oif = hop === null || hop.route.type !== 'unicast' ? this.#firstInterface() : hop.oif;
    }
    const iface = this.#shared.interfaces[oif];
    if (iface === undefined) return null;
    return dst === LIMITED_BROADCAST ? iface.broadcastHop : iface.multicastHop;
  }

  /** Takes ownership of a complete datagram of our own, routes and sends it. */
  send(now: Instant, packet: Packet): void {
    const { counters, drops } = this.#shared;
    fillFlow4(this.#key, packet);
    this.#key.iif = 0;
    this.#key.oif = 0;
    const hop = this.route(this.#key);
    if (hop === null) {
      counters.outNoRoutes++;
      drops.drop(packet, Drop.NoRoute);
      return;
    }
    this.sendRouted(now, packet, hop, this.mtuOf(hop));
  }

  /** Takes ownership of a complete datagram of our own whose next hop is known. */
  sendRouted(now: Instant, packet: Packet, hop: NextHop, mtu: number): void {
    const { counters, hooks } = this.#shared;
    counters.outRequests++;
    if (hooks.isActive(HookPoint.Output)) {
      this.#context.iif = 0;
      this.#context.oif = hop.oif;
      if (hooks.run(HookPoint.Output, now, packet, this.#context) !== ACCEPT) return;
    }
    this.transmit(now, packet, hop, mtu);
  }

  /** Takes ownership of a datagram that goes to `hop` in pieces of at most `mtu` bytes. */
  transmit(now: Instant, packet: Packet, hop: NextHop, mtu: number): void {
    const { counters, drops, hooks, interfaces } = this.#shared;
    const type = hop.route.type;
    // A route to ourselves names the interface that has the address; its packets never leave by it.
    const oif = type === 'local' ? LOOPBACK_INDEX : hop.oif;
    const iface = interfaces[oif];
    if (iface === undefined || isRefusal(type)) {
      counters.outDiscards++;
      drops.drop(packet, refusalOf(type));
      return;
    }
    if (hooks.isActive(HookPoint.Postrouting)) {
      this.#context.iif = packet.device;
      this.#context.oif = oif;
      if (hooks.run(HookPoint.Postrouting, now, packet, this.#context) !== ACCEPT) return;
    }
    if (type === 'broadcast' || type === 'multicast') this.#loop(now, packet, iface);
    const word = hop.via === null ? ipv4.dst(packet.view, packet.l3) : hop.via.d;
    if (packet.gsoType !== GsoType.None && !isTakenWhole(iface, packet, mtu)) {
      this.#segment(now, packet, iface, word, mtu);
    } else if (packet.gsoType === GsoType.None && packet.tail - packet.l3 > mtu) {
      this.#fragment(now, packet, iface, word, mtu);
    } else {
      this.#finish(now, packet, iface, word);
    }
  }

  /** What fits one frame on the way to `hop`, as far as the device and the route say. */
  mtuOf(hop: NextHop): number {
    const oif = hop.route.type === 'local' ? LOOPBACK_INDEX : hop.oif;
    const mtu = this.#shared.interfaces[oif]?.device.mtu ?? ipv4.MIN_MTU;
    return hop.route.mtu > 0 && hop.route.mtu < mtu ? hop.route.mtu : mtu;
  }

  /** Whether the host `word` is on the network of interface `oif`, with no gateway between. */
  isOnLink(word: number, oif: number): boolean {
    const key = this.#linkKey;
    key.setAddresses4(0, word);
    key.oif = oif;
    const hop = this.#shared.fib.lookup(key);
    return hop !== null && hop.oif === oif && hop.via === null && hop.route.type === 'unicast';
  }

  #finish(now: Instant, packet: Packet, iface: Interface, word: number): void {
    packet.head = packet.l3;
    iface.output4(now, packet, word);
  }

  #segment(now: Instant, packet: Packet, iface: Interface, word: number, mtu: number): void {
    if (pieceLength(packet) > mtu && ipv4.isDf(packet.view, packet.l3)) {
      this.#shared.counters.fragFails++;
      this.#shared.drops.drop(packet, Drop.FragmentationNeeded);
      return;
    }
    const segmenter = this.#segmenter;
    if (segmenter.start(packet) !== Drop.None) return;
    for (let piece = segmenter.next(); piece !== null; piece = segmenter.next()) {
      // The last one may fit where the others do not.
      if (piece.tail - piece.l3 <= mtu) this.#finish(now, piece, iface, word);
      else this.#fragment(now, piece, iface, word, mtu);
    }
  }

  #fragment(now: Instant, packet: Packet, iface: Interface, word: number, mtu: number): void {
    const { counters, drops } = this.#shared;
    if (ipv4.isDf(packet.view, packet.l3)) {
      counters.fragFails++;
      drops.drop(packet, Drop.FragmentationNeeded);
      return;
    }
    const fragmenter = this.#fragmenter;
    if (fragmenter.start(packet, mtu) !== Drop.None) return;
    counters.fragOKs++;
    for (let piece = fragmenter.next(); piece !== null; piece = fragmenter.next()) {
      counters.fragCreates++;
      this.#finish(now, piece, iface, word);
    }
  }

  /** RFC 1112 §6.1: members on the sending host get a copy; so do its own listeners to a broadcast. */
  #loop(now: Instant, packet: Packet, iface: Interface): void {
    const { pool, drops, interfaces } = this.#shared;
    const dst = ipv4.dst(packet.view, packet.l3);
    // The loopback device brings back the datagram itself.
    if ((packet.flags & PacketFlag.NoLoop) !== 0 || iface.index === LOOPBACK_INDEX) return;
    if (isMulticast4(dst) && !iface.isMember(dst)) return;
    const copy = pool.take();
    if (copy === null) {
      drops.count(Drop.NoSlot);
      return;
    }
    packet.copyTo(copy);
    copy.head = copy.l3;
    copy.device = iface.index;
    interfaces[LOOPBACK_INDEX]?.output4(now, copy, dst);
  }

  #firstInterface(): number {
    const { addresses, interfaces } = this.#shared;
    for (let index = LOOPBACK_INDEX + 1; index < interfaces.length; index++) {
      const iface = interfaces[index];
      if (iface?.device.isUp && addresses.of(index).length > 0) return index;
    }
    return 0;
  }
}

/** The loopback device is the first of every stack. */
export const LOOPBACK_INDEX = 1;

function isTakenWhole(iface: Interface, packet: Packet, mtu: number): boolean {
  return takesSegments(iface.device.features, packet) && pieceLength(packet) <= mtu;
}

function isRefusal(type: NextHop['route']['type']): boolean {
  return type === 'blackhole' || type === 'unreachable' || type === 'prohibit' || type === 'throw';
}

function refusalOf(type: NextHop['route']['type']): Drop {
  if (type === 'blackhole') return Drop.RouteBlackhole;
  if (type === 'unreachable') return Drop.RouteUnreachable;
  return type === 'prohibit' ? Drop.RouteProhibit : Drop.NoRoute;
}
