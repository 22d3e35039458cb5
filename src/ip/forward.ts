/**
 * A datagram for somebody else: RFC 1812 §5.2 and §5.3. TTL, size, redirect, hook; then out.
 */
import type { FlowKey } from '../addr/flow-key.ts';
import { Ip } from '../addr/ip.ts';
import { Drop } from '../base/drop.ts';
import type { Instant } from '../base/time.ts';
import { ACCEPT, HookContext, HookPoint } from '../filter/hook.ts';
import type { Packet } from '../packet/packet.ts';
import { GsoType } from '../packet/packet.ts';
import type { NextHop } from '../route/nexthop.ts';
import * as icmp4 from '../wire/icmp4.ts';
import * as ipv4 from '../wire/ipv4.ts';
import { hasOptions, recordRouter } from './forward-options.ts';
import type { Icmp } from './icmp/icmp.ts';
import type { Interface } from './interface.ts';
import type { Ip4Output } from './output.ts';
import type { IpShared } from './shared.ts';
import { pieceLength } from './size.ts';

const { Unreachable, Redirect, TimeExceeded } = icmp4.Type;
const Code = icmp4.UnreachableCode;
/** Redirect for the host; for the network is obsolete (RFC 1812 §4.3.3.2). */
const REDIRECT_HOST = 1;

export class Ip4Forward {
  readonly #shared: IpShared;
  readonly #output: Ip4Output;
  readonly #icmp: Icmp;
  readonly #context = new HookContext();

  constructor(shared: IpShared, output: Ip4Output, icmp: Icmp) {
    this.#shared = shared;
    this.#output = output;
    this.#icmp = icmp;
  }

  /** Takes ownership of a datagram that came in by `iface` and whose destination `key` routes to `hop`. */
  handlePacket(now: Instant, packet: Packet, iface: Interface, hop: NextHop | null, key: FlowKey): void {
    const { counters, drops, hooks, options } = this.#shared;
    const { view, l3 } = packet;
    if (!options.ipForward) {
      counters.inAddrErrors++;
      drops.drop(packet, Drop.Ip4NotForwarding);
      return;
    }
    // RFC 3927 §7: these addresses mean something on their link only.
    if (isLinkLocal4(ipv4.src(view, l3)) || isLinkLocal4(ipv4.dst(view, l3))) {
      counters.inAddrErrors++;
      drops.drop(packet, Drop.ForwardLinkLocal);
      return;
    }
    if (hop === null || hop.route.type !== 'unicast') {
      this.#refuse(now, packet, hop);
      return;
    }
    if (ipv4.ttl(view, l3) <= 1) {
      counters.inHdrErrors++;
      this.#icmp.sendError(now, packet, TimeExceeded, 0, 0);
      drops.drop(packet, Drop.TtlExceeded);
      return;
    }
    const mtu = this.#output.mtuOf(hop);
    if (pieceLength(packet) > mtu && (ipv4.isDf(view, l3) || packet.gsoType !== GsoType.None)) {
      counters.fragFails++;
      this.#icmp.sendError(now, packet, Unreachable, Code.FragmentationNeeded, mtu);
      drops.drop(packet, Drop.FragmentationNeeded);
      return;
    }
    if (hop.oif === iface.index && options.sendRedirects) this.#redirect(now, packet, hop, key);
    ipv4.setTtl(view, l3, ipv4.ttl(view, l3) - 1);
    if (hasOptions(packet)) this.#recordPassage(now, packet, hop);
    if (hooks.isActive(HookPoint.Forward)) {
      this.#context.iif = iface.index;
      this.#context.oif = hop.oif;
      if (hooks.run(HookPoint.Forward, now, packet, this.#context) !== ACCEPT) return;
    }
    counters.forwDatagrams++;
    this.#output.transmit(now, packet, hop, mtu);
  }

  #refuse(now: Instant, packet: Packet, hop: NextHop | null): void {
    const { counters, drops } = this.#shared;
    if (hop === null) {
      counters.inNoRoutes++;
      this.#icmp.sendError(now, packet, Unreachable, Code.Net, 0);
      drops.drop(packet, Drop.NoRoute);
      return;
    }
    counters.inDiscards++;
    if (hop.route.type === 'prohibit') {
      this.#icmp.sendError(now, packet, Unreachable, Code.AdminProhibited, 0);
      drops.drop(packet, Drop.RouteProhibit);
    } else if (hop.route.type === 'unreachable') {
      this.#icmp.sendError(now, packet, Unreachable, Code.Host, 0);
      drops.drop(packet, Drop.RouteUnreachable);
    } else {
      drops.drop(packet, Drop.RouteBlackhole);
    }
  }

  #recordPassage(now: Instant, packet: Packet, hop: NextHop): void {
    const { addresses } = this.#shared;
    const next = hop.via ?? Ip.v4(ipv4.dst(packet.view, packet.l3));
    const own = addresses.primary4(hop.oif, next);
    recordRouter(packet, addresses, own === null ? 0 : own.d, this.#icmp.timestamp(now));
  }

  /** RFC 1812 §5.2.7.2: the source could have sent this to the next hop itself, being on the same network. */
  #redirect(now: Instant, packet: Packet, hop: NextHop, key: FlowKey): void {
    const gateway = hop.via === null ? key.dstD : hop.via.d;
    if (!this.#output.isOnLink(key.srcD, hop.oif)) return;
    this.#icmp.sendError(now, packet, Redirect, REDIRECT_HOST, gateway);
  }
}

const isLinkLocal4 = (address: number): boolean => address >>> 16 === 0xa9fe;
