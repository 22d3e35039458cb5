/**
 * What sockets see of their stack: routes, sources, sizes, and the way out (ip(7) for the rules Linux adds).
 */
import type { FlowKey } from '../addr/flow-key.ts';
import { FlowKey as Key } from '../addr/flow-key.ts';
import { Ip, isLoopback4, isMulticast4, LOOPBACK4 } from '../addr/ip.ts';
import { Drop } from '../base/drop.ts';
import type { Errno } from '../base/errno.ts';
import type { Rng } from '../base/rng.ts';
import type { Instant } from '../base/time.ts';
import type { Icmp } from '../ip/icmp/icmp.ts';
import type { IpId } from '../ip/ip-id.ts';
import { ATOMIC_ID } from '../ip/ip-id.ts';
import type { Ip4Output } from '../ip/output.ts';
import { LOOPBACK_INDEX } from '../ip/output.ts';
import type { PathMtuCache } from '../ip/pmtu.ts';
import type { IpShared } from '../ip/shared.ts';
import { pieceLength } from '../ip/size.ts';
import type { Drops } from '../packet/drops.ts';
import type { Packet } from '../packet/packet.ts';
import { PacketFlag } from '../packet/packet.ts';
import type { Pool } from '../packet/pool.ts';
import type { NextHop } from '../route/nexthop.ts';
import type { SendOptions, SocketHost } from '../socket/host.ts';
import { PathMtu } from '../socket/host.ts';
import { fold, pseudo4 } from '../wire/checksum.ts';
import * as icmp4 from '../wire/icmp4.ts';
import * as ipv4 from '../wire/ipv4.ts';
import type { Outbox } from './outbox.ts';

const LIMITED_BROADCAST = -1;
const DATAGRAM_MAX = 65_535;

export interface SocketPortParts {
  readonly shared: IpShared;
  readonly output: Ip4Output;
  readonly outbox: Outbox;
  readonly paths: PathMtuCache;
  readonly ids: IpId;
  readonly icmp: Icmp;
  readonly rng: Rng;
}

export class SocketPort implements SocketHost {
  readonly pool: Pool;
  readonly drops: Drops;
  readonly rng: Rng;
  /** Set by the shell: a turn is wanted soon. */
  onWake: (() => void) | null = null;
  readonly #shared: IpShared;
  readonly #output: Ip4Output;
  readonly #outbox: Outbox;
  readonly #paths: PathMtuCache;
  readonly #ids: IpId;
  readonly #icmp: Icmp;
  readonly #key = new Key();

  constructor(parts: SocketPortParts) {
    const { shared } = parts;
    this.pool = shared.pool;
    this.drops = shared.drops;
    this.rng = parts.rng;
    this.#shared = shared;
    this.#output = parts.output;
    this.#outbox = parts.outbox;
    this.#paths = parts.paths;
    this.#ids = parts.ids;
    this.#icmp = parts.icmp;
  }

  send(packet: Packet, flow: FlowKey, options: SendOptions): Errno | null {
    const refusal = options.headerIncluded
      ? this.#sendWhole(packet, flow, options)
      : this.#sendPayload(packet, flow, options);
    if (refusal !== null) {
      this.#shared.counters.outDiscards++;
      packet.release();
      return refusal;
    }
    this.wake();
    return null;
  }

  sourceFor(dst: Ip, options: SendOptions): Ip | Errno {
    if (!dst.isV4) return 'EAFNOSUPPORT';
    const key = this.#key;
    key.setAddresses4(0, dst.d);
    this.#select(key, options);
    const hop = this.#output.route(key);
    const refusal = refuse(hop, options);
    if (refusal !== null) return refusal;
    const word = this.#sourceOf(hop as NextHop, dst.d);
    return word === 0 ? 'EADDRNOTAVAIL' : Ip.v4(word);
  }

  isLocal(ip: Ip): boolean {
    return ip.isLoopback || this.#shared.addresses.find(ip)?.state === 'permanent';
  }

  isBroadcast(ip: Ip): boolean {
    if (!ip.isV4) return false;
    if (ip.d === LIMITED_BROADCAST) return true;
    // A route may say so of an address that no interface has.
    if (this.#output.route(this.#plainKey(ip.d))?.route.type === 'broadcast') return true;
    return this.#shared.interfaces.some((iface) => iface?.isBroadcast4(ip.d) === true);
  }

  mtuFor(dst: Ip): number {
    const hop = this.#output.route(this.#plainKey(dst.d));
    return hop === null ? ipv4.MIN_MTU : this.#pathMtu(hop, dst.d);
  }

  /** Whether the path to an IPv4 address carries less than is believed of any path: then nothing goes with DF. */
  isNarrow(dst: number): boolean {
    return this.#paths.isNarrower4(dst);
  }

  /** Both sizes of the path to the destination of `flow`, with the IP header; untouched without a route. */
  fillPath(flow: FlowKey, options: SendOptions, into: { mtu: number; deviceMtu: number }): void {
    this.#select(flow, options);
    const hop = this.#output.route(flow);
    if (hop === null) return;
    into.mtu = this.#pathMtu(hop, flow.dstD);
    into.deviceMtu = this.#output.mtuOf(hop);
  }

  join(group: Ip, oif: number): number | Errno {
    const index = oif === 0 ? this.#groupInterface(group) : oif;
    const iface = this.#shared.interfaces[index];
    if (iface === undefined) return 'ENODEV';
    if (!iface.igmp.join(group.d)) return 'ENOBUFS';
    // The report is due.
    this.wake();
    return index;
  }

  leave(group: Ip, oif: number): void {
    this.#shared.interfaces[oif]?.igmp.leave(group.d);
    this.wake();
  }

  rejectPort(now: Instant, packet: Packet): void {
    this.#icmp.sendError(now, packet, icmp4.Type.Unreachable, icmp4.UnreachableCode.Port, 0);
    this.drops.drop(packet, Drop.UdpNoPort);
  }

  wake(): void {
    if (this.onWake !== null) this.onWake();
  }

  #sendPayload(packet: Packet, flow: FlowKey, options: SendOptions): Errno | null {
    const dst = flow.dstD;
    this.#select(flow, options);
    const hop = this.#output.route(flow);
    const refusal = refuse(hop, options);
    if (refusal !== null) return refusal;
    const route = hop as NextHop;
    const src = flow.srcD === 0 ? this.#sourceOf(route, dst) : flow.srcD;
    if (src === 0) return 'EADDRNOTAVAIL';
    if (isEscaping(route, src, dst)) return 'EINVAL';
    flow.setAddresses4(src, dst);

    packet.l3 = packet.l4 - ipv4.MIN_HEADER_BYTES;
    packet.head = packet.l3;
    packet.device = 0;
    packet.mark = options.mark;
    if (packet.tail - packet.l3 > DATAGRAM_MAX) return 'EMSGSIZE';
    const mtu = options.pathMtu === PathMtu.Probe ? this.#output.mtuOf(route) : this.#pathMtu(route, dst);
    const fits = pieceLength(packet) <= mtu;
    if (!fits && options.pathMtu >= PathMtu.Do) return 'EMSGSIZE';
    this.#writeHeader(packet, flow, options, fits && this.#wantsDf(dst, options));
    this.#outbox.push(packet, route, mtu);
    return null;
  }

  #writeHeader(packet: Packet, flow: FlowKey, options: SendOptions, isDf: boolean): void {
    const { view, l3, tail } = packet;
    const { srcD: src, dstD: dst, protocol } = flow;
    let ttl = options.ttl === 0 ? this.#shared.options.ipDefaultTtl : options.ttl;
    if (isMulticast4(dst)) {
      ttl = options.multicastTtl;
      if (!options.multicastLoop) packet.flags |= PacketFlag.NoLoop;
    }
    const id = isDf ? ATOMIC_ID : this.#ids.next(src, dst, protocol);
    ipv4.write(view, l3, tail - l3, options.tos, id, isDf ? ipv4.Flag.Df : 0, ttl, protocol, src, dst);
    if ((packet.flags & PacketFlag.ChecksumPartial) === 0) return;
    const pseudo = pseudo4(src, dst, protocol, tail - packet.csumStart);
    view.setUint16(packet.csumStart + packet.csumOffset, fold(pseudo));
  }

  /** raw(7), `IP_HDRINCL`: the header is the sender's; only what must be right is filled in. */
  #sendWhole(packet: Packet, flow: FlowKey, options: SendOptions): Errno | null {
    const { view, l3 } = packet;
    if (packet.tail - l3 < ipv4.MIN_HEADER_BYTES) return 'EINVAL';
    const headerLength = ipv4.headerLength(view, l3);
    if (headerLength < ipv4.MIN_HEADER_BYTES || headerLength > packet.tail - l3) return 'EINVAL';
    if (packet.tail - l3 > DATAGRAM_MAX) return 'EMSGSIZE';
    packet.l4 = l3 + headerLength;
    packet.head = l3;
    packet.device = 0;
    packet.mark = options.mark;
    this.#select(flow, options);
    const hop = this.#output.route(flow);
    const refusal = refuse(hop, options);
    if (refusal !== null) return refusal;
    const route = hop as NextHop;
    const src = ipv4.src(view, l3) === 0 ? this.#sourceOf(route, flow.dstD) : ipv4.src(view, l3);
    view.setInt32(l3 + 12, src);
    view.setUint16(l3 + 2, packet.tail - l3);
    const isAtomic = ipv4.isDf(view, l3);
    if (ipv4.id(view, l3) === 0 && !isAtomic)
      view.setUint16(l3 + 4, this.#ids.next(src, flow.dstD, flow.protocol));
    ipv4.fillChecksum(view, l3);
    const mtu = this.#output.mtuOf(route);
    if (packet.tail - l3 > mtu && isAtomic) return 'EMSGSIZE';
    this.#outbox.push(packet, route, mtu);
    return null;
  }

  #select(key: FlowKey, options: SendOptions): void {
    key.iif = 0;
    key.oif = isMulticast4(key.dstD) && options.multicastOif !== 0 ? options.multicastOif : options.oif;
    key.mark = options.mark;
    key.tos = options.tos;
  }

  /** RFC 1122 §3.3.4.3: the address that the route names, else one of the interface it leaves by. */
  #sourceOf(hop: NextHop, dst: number): number {
    if (hop.route.type === 'local') return dst;
    if (hop.route.source !== null) return hop.route.source.d;
    if (hop.oif === LOOPBACK_INDEX) return LOOPBACK4.d;
    const target = hop.via === null ? Ip.v4(dst) : hop.via;
    return this.#shared.addresses.primary4(hop.oif, target)?.d ?? this.#anyAddress();
  }

  #anyAddress(): number {
    for (const { prefix, state, ifindex } of this.#shared.addresses) {
      if (state === 'permanent' && ifindex !== LOOPBACK_INDEX) return prefix.address.d;
    }
    return 0;
  }

  #wantsDf(dst: number, { pathMtu }: SendOptions): boolean {
    if (pathMtu === PathMtu.Want) return !this.#paths.isNarrower4(dst);
    return pathMtu !== PathMtu.Dont;
  }

  #pathMtu(hop: NextHop, dst: number): number {
    const mtu = this.#output.mtuOf(hop);
    const path = this.#paths.mtu4(dst);
    return path > 0 && path < mtu ? path : mtu;
  }

  #groupInterface(group: Ip): number {
    return this.#output.route(this.#plainKey(group.d))?.oif ?? 0;
  }

  /** A destination, and nothing else that a rule could select. */
  #plainKey(dst: number): Key {
    const key = this.#key;
    key.setAddresses4(0, dst);
    key.iif = 0;
    key.oif = 0;
    key.mark = 0;
    key.tos = 0;
    return key;
  }
}

/** RFC 1122 §3.2.1.3 (g): loopback addresses «MUST NOT appear outside a host». */
function isEscaping(hop: NextHop, src: number, dst: number): boolean {
  if (!isLoopback4(src) && !isLoopback4(dst)) return false;
  return hop.oif !== LOOPBACK_INDEX && hop.route.type !== 'local';
}

/** What a socket is told about a route that is none. */
function refuse(hop: NextHop | null, options: SendOptions): Errno | null {
  if (hop === null) return 'ENETUNREACH';
  const { type } = hop.route;
  if (type === 'broadcast') return options.broadcast ? null : 'EACCES';
  if (type === 'unreachable') return 'EHOSTUNREACH';
  if (type === 'prohibit') return 'EACCES';
  if (type === 'blackhole') return 'EINVAL';
  return type === 'throw' ? 'ENETUNREACH' : null;
}
