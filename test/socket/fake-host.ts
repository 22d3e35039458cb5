/**
 * Two hosts without a network layer, for tests of sockets: what one sends is, after `net.run()`, what the other
 * received, with real headers and real checksums. Each answers pings and refuses closed ports.
 */
import type { FlowKey } from '../../src/addr/flow-key.ts';
import { Ip, LOOPBACK4, parseIp } from '../../src/addr/ip.ts';
import { Drop } from '../../src/base/drop.ts';
import type { Errno } from '../../src/base/errno.ts';
import type { Rng } from '../../src/base/rng.ts';
import { rng } from '../../src/base/rng.ts';
import type { Instant } from '../../src/base/time.ts';
import { ms, START } from '../../src/base/time.ts';
import { Drops } from '../../src/packet/drops.ts';
import type { Packet } from '../../src/packet/packet.ts';
import { GsoType, PacketFlag } from '../../src/packet/packet.ts';
import { Pool } from '../../src/packet/pool.ts';
import type { SocketLimits } from '../../src/socket/context.ts';
import type { SendOptions, SocketHost } from '../../src/socket/host.ts';
import { IP_HEADER_RESERVE, PathMtu } from '../../src/socket/host.ts';
import type { PingSocket } from '../../src/socket/ping-socket.ts';
import type { RawSocket } from '../../src/socket/raw-socket.ts';
import { SocketTable } from '../../src/socket/socket-table.ts';
import type { UdpSocket } from '../../src/socket/udp-socket.ts';
import type { Quote4 } from '../../src/udp/path-error.ts';
import { checksum, fold, pseudo4 } from '../../src/wire/checksum.ts';
import * as icmp4 from '../../src/wire/icmp4.ts';
import * as ipv4 from '../../src/wire/ipv4.ts';

export const ip = (text: string): Ip => {
  const parsed = parseIp(text);
  if (parsed === null) throw new Error(`${text} is no address`);
  return parsed;
};

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
export const text = (data: Uint8Array, length: number): string =>
  new TextDecoder().decode(data.slice(0, length));

const BROADCAST = ip('10.77.0.255');
const MTU = 1_500;
const IFINDEX = 2;

export class FakeHost implements SocketHost {
  readonly pool: Pool;
  readonly drops: Drops = new Drops();
  readonly rng: Rng;
  readonly address: Ip;
  readonly sockets: SocketTable;
  readonly members: Map<string, number> = new Map<string, number>();
  /** Refuse what is sent with this. */
  refusal: Errno | null = null;
  wakes = 0;
  sent: Packet[] = [];
  peer: FakeHost = this;
  /** Unicast datagrams that found no port. */
  rejected = 0;

  constructor(address: Ip, seed: number, slots: number, limits: Partial<SocketLimits>) {
    this.address = address;
    this.pool = new Pool(slots);
    this.rng = rng(seed);
    this.sockets = new SocketTable(this, limits);
  }

  udp(family: 4 | 6 = 4): UdpSocket {
    return opened(this.sockets.openUdp(family));
  }

  /** A socket bound to `port` of every address. */
  bound(port: number): UdpSocket {
    const socket = this.udp();
    const refusal = socket.bind(Ip.v4(0), port);
    if (refusal !== null) throw new Error(refusal);
    return socket;
  }

  ping(): PingSocket {
    return opened(this.sockets.openPing());
  }

  raw(protocol: number): RawSocket {
    return opened(this.sockets.openRaw(protocol));
  }

  send(packet: Packet, flow: FlowKey, options: SendOptions): Errno | null {
    const refusal = this.refusal ?? this.#route(packet, flow, options);
    if (refusal !== null) packet.release();
    else this.sent.push(packet);
    return refusal;
  }

  sourceFor(dst: Ip, options: SendOptions): Ip | Errno {
    if (this.refusal !== null) return this.refusal;
    if (this.isBroadcast(dst) && !options.broadcast) return 'EACCES';
    if (!dst.isV4) return 'ENETUNREACH';
    return dst.isLoopback ? LOOPBACK4 : this.address;
  }

  isLocal(one: Ip): boolean {
    return one.equals(this.address) || one.isLoopback;
  }

  isBroadcast(one: Ip): boolean {
    return one.equals(BROADCAST) || one.isLimitedBroadcast;
  }

  mtuFor(dst: Ip): number {
    return dst.isLoopback ? 65_536 : MTU;
  }

  join(group: Ip, oif: number): number | Errno {
    if (oif !== 0 && oif !== IFINDEX) return 'ENODEV';
    this.members.set(group.toString(), (this.members.get(group.toString()) ?? 0) + 1);
    return IFINDEX;
  }

  leave(group: Ip, _oif: number): void {
    const count = (this.members.get(group.toString()) ?? 0) - 1;
    if (count > 0) this.members.set(group.toString(), count);
    else this.members.delete(group.toString());
  }

  rejectPort(now: Instant, packet: Packet): void {
    this.rejected++;
    const { view, l3, l4 } = packet;
    this.peer.sockets.handleQuote(
      now,
      quote(packet, {
        from: this.address.d,
        src: ipv4.src(view, l3),
        dst: ipv4.dst(view, l3),
        protocol: ipv4.protocol(view, l3),
        l4,
      }),
    );
    this.drops.drop(packet, Drop.UdpNoPort);
  }

  wake(): void {
    this.wakes++;
  }

  /** Takes ownership of what arrived, at this host's IP layer. */
  handlePacket(now: Instant, packet: Packet): void {
    const { view, l3 } = packet;
    packet.device = IFINDEX;
    packet.receivedAt = now;
    packet.l4 = l3 + ipv4.headerLength(view, l3);
    const dst = Ip.v4(ipv4.dst(view, l3));
    if (this.isBroadcast(dst)) packet.flags |= PacketFlag.IpBroadcast;
    if (dst.isMulticast) packet.flags |= PacketFlag.IpMulticast;
    this.sockets.raw.peekPacket(now, packet);
    const protocol = ipv4.protocol(view, l3);
    if (protocol === ipv4.Protocol.Udp) this.sockets.udp.handlePacket(now, packet);
    else if (protocol === ipv4.Protocol.Icmp) this.#handleIcmp(now, packet);
    else packet.release();
  }

  #handleIcmp(now: Instant, packet: Packet): void {
    const { view, l3, l4 } = packet;
    if (icmp4.type(view, l4) !== icmp4.Type.Echo) {
      if (!this.sockets.deliverEchoReply(now, packet)) this.drops.drop(packet, Drop.IcmpNoSocket);
      return;
    }
    icmp4.setType(view, l4, icmp4.Type.EchoReply);
    const src = ipv4.src(view, l3);
    ipv4.setSrc(view, l3, this.address.d);
    ipv4.setDst(view, l3, src);
    this.sent.push(packet);
  }

  #route(packet: Packet, flow: FlowKey, options: SendOptions): Errno | null {
    const dst = Ip.v4(flow.dstD);
    const source = this.sourceFor(dst, options);
    if (typeof source === 'string') return source;
    if (flow.srcD === 0) flow.setSource(source);
    const { view } = packet;
    if (!options.headerIncluded) {
      if (packet.l4 < IP_HEADER_RESERVE) throw new Error('no room for the IP header');
      packet.l3 = packet.l4 - ipv4.MIN_HEADER_BYTES;
      const isTooLong = packet.gsoType === GsoType.None && packet.tail - packet.l3 > this.mtuFor(dst);
      if (isTooLong && options.pathMtu >= PathMtu.Do) return 'EMSGSIZE';
      const ttl = options.ttl === 0 ? 64 : options.ttl;
      ipv4.write(
        view,
        packet.l3,
        packet.tail - packet.l3,
        options.tos,
        0,
        0,
        ttl,
        flow.protocol,
        flow.srcD,
        flow.dstD,
      );
    } else {
      ipv4.fillChecksum(view, packet.l3);
    }
    packet.head = packet.l3;
    if ((packet.flags & PacketFlag.ChecksumPartial) === 0) return null;
    const length = packet.tail - packet.csumStart;
    const field = packet.csumStart + packet.csumOffset;
    view.setUint16(field, fold(pseudo4(flow.srcD, flow.dstD, flow.protocol, length)));
    if (packet.gsoType !== GsoType.None) return null;
    view.setUint16(field, checksum(view, packet.csumStart, length) || 0xffff);
    packet.flags &= ~PacketFlag.ChecksumPartial;
    return null;
  }
}

function opened<T>(socket: T | Errno): T {
  if (typeof socket === 'string') throw new Error(socket);
  return socket;
}

/** An error about `packet`, as the network layer hands it to sockets: port unreachable unless told otherwise. */
export function quote(packet: Packet, fields: Partial<Quote4>): Quote4 {
  return {
    type: icmp4.Type.Unreachable,
    code: icmp4.UnreachableCode.Port,
    info: 0,
    from: 0,
    device: IFINDEX,
    src: 0,
    dst: 0,
    protocol: ipv4.Protocol.Udp,
    packet,
    l4: packet.l4,
    ...fields,
  };
}

export class FakeNet {
  readonly a: FakeHost;
  readonly b: FakeHost;
  now: Instant = START;

  constructor(limits: Partial<SocketLimits> = {}, slots = 64) {
    this.a = new FakeHost(ip('10.77.0.1'), 1, slots, limits);
    this.b = new FakeHost(ip('10.77.0.2'), 2, slots, limits);
    this.a.peer = this.b;
    this.b.peer = this.a;
  }

  /** Turns of both hosts, a millisecond each, until nothing is on the way; at most `turns`. */
  run(turns = 10): void {
    for (let i = 0; i < turns; i++) {
      this.now = (this.now + ms(1)) as Instant;
      const isMore = this.a.sent.length + this.b.sent.length > 0;
      this.#carry(this.a);
      this.#carry(this.b);
      this.a.sockets.report(this.now);
      this.b.sockets.report(this.now);
      if (!isMore && this.a.sent.length + this.b.sent.length === 0) return;
    }
  }

  /** Whether every slot of both pools is free, once all sockets are closed. */
  close(): boolean {
    for (const host of [this.a, this.b]) {
      host.sockets.closeAll();
      for (const packet of host.sent) packet.release();
      host.sent = [];
    }
    const { a, b } = this;
    const isWhole = a.pool.available === a.pool.capacity && b.pool.available === b.pool.capacity;
    return isWhole && a.members.size + b.members.size === 0 && a.sockets.status().slots === 0;
  }

  #carry(from: FakeHost): void {
    const packets = from.sent;
    from.sent = [];
    for (const packet of packets) {
      const dst = Ip.v4(ipv4.dst(packet.view, packet.l3));
      const isGroup = from.isBroadcast(dst) || dst.isMulticast;
      if (isGroup || !from.isLocal(dst)) this.#deliver(packet, from.peer);
      if (isGroup || from.isLocal(dst)) this.#deliver(packet, from);
      packet.release();
    }
  }

  #deliver(packet: Packet, to: FakeHost): void {
    const dst = Ip.v4(ipv4.dst(packet.view, packet.l3));
    if (dst.isMulticast && !to.members.has(dst.toString())) return;
    const copy = to.pool.take();
    if (copy === null) {
      to.drops.count(Drop.NoSlot);
      return;
    }
    packet.copyTo(copy);
    to.handlePacket(this.now, copy);
  }
}
