/**
 * A raw socket: datagrams of one IP protocol, or of all, as raw(7) has them. It receives copies, whoever else the
 * datagram is for, IPv4 header included; it sends what follows the IP header, or with `headerIncluded` all of it.
 *
 * Left out: the checksum that Linux fills in for ICMPv6, which comes with IPv6.
 */
import type { FlowKey } from '../addr/flow-key.ts';
import type { Ip } from '../addr/ip.ts';
import { ANY4, ANY6 } from '../addr/ip.ts';
import { copyBytes } from '../base/bytes.ts';
import type { Errno } from '../base/errno.ts';
import type { Packet } from '../packet/packet.ts';
import { HEADROOM, PacketFlag } from '../packet/packet.ts';
import { isPacket4 } from '../udp/packet-flow.ts';
import type { PathError } from '../udp/path-error.ts';
import * as icmp4 from '../wire/icmp4.ts';
import * as ipv4 from '../wire/ipv4.ts';
import type { SocketContext } from './context.ts';
import type { DatagramInfo } from './datagram-info.ts';
import { ReceiveFlag } from './datagram-info.ts';
import { DatagramSocket } from './datagram-socket.ts';
import { TRANSPORT_AT } from './host.ts';

/** Receives every protocol; sends only with `headerIncluded`. */
export const PROTOCOL_ALL = 0;

const DATAGRAM_MAX = 65_535;
const PAYLOAD_MAX: number = DATAGRAM_MAX - ipv4.MIN_HEADER_BYTES;

/** Where raw sockets are found; `raw-table.ts` is it. */
export interface RawRegistry {
  add(socket: RawSocket): void;
  remove(socket: RawSocket): void;
}

export class RawSocket extends DatagramSocket {
  readonly protocol: number;
  local: Ip;
  remote: Ip | null = null;
  /** ICMP_FILTER: one bit for each of the ICMP types 0 to 31, set where they are not wanted. */
  icmpFilter = 0;
  readonly #registry: RawRegistry;

  constructor(context: SocketContext, registry: RawRegistry, protocol: number, family: 4 | 6) {
    super(context, family);
    this.protocol = protocol;
    this.local = family === 4 ? ANY4 : ANY6;
    this.options.headerIncluded = protocol === ipv4.Protocol.Raw;
    this.#registry = registry;
    registry.add(this);
  }

  get isConnected(): boolean {
    return this.remote !== null;
  }

  bind(address: Ip): Errno | null {
    if (this.isClosed) return 'EBADF';
    if (address.isV4 !== (this.family === 4)) return 'EAFNOSUPPORT';
    const { host } = this.context;
    const isGroup = address.isMulticast || host.isBroadcast(address);
    if (!address.isUnspecified && !isGroup && !host.isLocal(address)) return 'EADDRNOTAVAIL';
    this.local = address;
    return null;
  }

  /** Receives from `address` only; null forgets it. */
  connect(address: Ip | null): Errno | null {
    if (this.isClosed) return 'EBADF';
    if (address !== null) {
      if (address.isV4 !== (this.family === 4)) return 'EAFNOSUPPORT';
      const source = this.context.host.sourceFor(address, this.options);
      if (typeof source === 'string') return source;
    }
    this.remote = address;
    return null;
  }

  send(bytes: Uint8Array, start = 0, end: number = bytes.length): number | Errno {
    if (this.remote === null) return this.isClosed ? 'EBADF' : 'EDESTADDRREQ';
    return this.sendTo(bytes, start, end, this.remote);
  }

  /** Copies `start` to `end` of `bytes`: what follows the IP header, or with `headerIncluded` the header too. */
  sendTo(bytes: Uint8Array, start: number, end: number, address: Ip): number | Errno {
    const length = end - start;
    const refusal = this.sendRefusal() ?? this.#refusal(bytes, start, length, address);
    if (refusal !== null) return refusal;
    const packet = this.takeSlot(length);
    if (packet === null) return 'EAGAIN';
    const { flow, host } = this.context;
    flow.setDestination(address);
    flow.setSource(this.local.isMulticast || host.isBroadcast(this.local) ? ANY4 : this.local);
    flow.srcPort = 0;
    flow.dstPort = 0;
    this.#fill(packet, bytes, start, length);
    flow.protocol = this.options.headerIncluded ? ipv4.protocol(packet.view, packet.l3) : this.protocol;
    const answer = host.send(packet, flow, this.options);
    if (answer === null) return length;
    if (answer === 'EMSGSIZE') this.noteRefusal(answer, host.mtuFor(address));
    return answer;
  }

  /** Copies one datagram to `into`, from the IPv4 header on, as raw(7) does. */
  receive(
    into: Uint8Array,
    info: DatagramInfo,
    flags = 0,
    start = 0,
    end: number = into.length,
  ): number | Errno {
    const error = this.takeError();
    if (error !== null) return error;
    const packet = this.queue.peek();
    if (packet === null) return this.emptyAnswer;
    const at = this.family === 4 ? packet.l3 : packet.l4;
    const length = packet.tail - at;
    const count = Math.min(length, end - start);
    copyBytes(into, start, packet.bytes, at, count);
    info.fill(packet, length, end - start);
    if ((flags & ReceiveFlag.Peek) === 0) this.shift()?.release();
    return (flags & ReceiveFlag.Truncate) === 0 ? count : length;
  }

  /** Whether it wants a copy of a datagram from and to these addresses. */
  wants(packet: Packet, flow: FlowKey): boolean {
    const { local, remote, options } = this;
    if (options.oif !== 0 && options.oif !== packet.device) return false;
    if (isPacket4(packet) !== (this.family === 4)) return false;
    if (remote !== null && !isWords(remote, flow.srcA, flow.srcB, flow.srcC, flow.srcD)) return false;
    const { dstA, dstB, dstC, dstD } = flow;
    if (!local.isUnspecified && !isWords(local, dstA, dstB, dstC, dstD)) return false;
    const isGroup = (packet.flags & PacketFlag.IpMulticast) !== 0;
    if (isGroup && !this.wantsGroup(dstA, dstB, dstC, dstD, packet.device)) return false;
    return flow.protocol !== ipv4.Protocol.Icmp || !this.#filters(packet);
  }

  /** Whether one more fits; the table drops what does not. */
  hasRoom(packet: Packet): boolean {
    return this.hasRoomFor(packet);
  }

  /** Takes ownership of a copy for which there is room. */
  handleCopy(packet: Packet): void {
    this.accept(packet);
  }

  handleError(error: PathError): void {
    this.noteError(error);
  }

  protected unbind(): void {
    this.#registry.remove(this);
  }

  #refusal(bytes: Uint8Array, start: number, length: number, address: Ip): Errno | null {
    if (address.isV4 !== (this.family === 4)) return 'EAFNOSUPPORT';
    if (!this.options.headerIncluded) {
      if (this.protocol === PROTOCOL_ALL) return 'EINVAL';
      return length > PAYLOAD_MAX ? 'EMSGSIZE' : null;
    }
    if (length > DATAGRAM_MAX) return 'EMSGSIZE';
    if (length < ipv4.MIN_HEADER_BYTES) return 'EINVAL';
    const first = bytes[start] as number;
    const header = (first & 15) << 2;
    return first >>> 4 === 4 && header >= ipv4.MIN_HEADER_BYTES && header <= length ? null : 'EINVAL';
  }

  #filters(packet: Packet): boolean {
    const type = packet.tail > packet.l4 ? icmp4.type(packet.view, packet.l4) : 0xff;
    return type < 32 && (this.icmpFilter & (1 << type)) !== 0;
  }

  #fill(packet: Packet, bytes: Uint8Array, start: number, length: number): void {
    if (this.options.headerIncluded) {
      packet.l3 = HEADROOM;
      packet.l4 = HEADROOM + (((bytes[start] as number) & 15) << 2);
      packet.tail = HEADROOM + length;
      copyBytes(packet.bytes, HEADROOM, bytes, start, length);
      return;
    }
    packet.l4 = TRANSPORT_AT;
    packet.tail = TRANSPORT_AT + length;
    copyBytes(packet.bytes, TRANSPORT_AT, bytes, start, length);
  }
}

function isWords(ip: Ip, a: number, b: number, c: number, d: number): boolean {
  return ip.d === d && ip.c === c && ip.b === b && ip.a === a;
}
