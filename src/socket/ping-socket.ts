/**
 * A ping socket: ICMP echo requests out, their replies and the errors about them in, and nothing else, as Linux's
 * `SOCK_DGRAM` with `IPPROTO_ICMP`. The echo identifier (RFC 792) is its local port.
 *
 * A reply is received from the ICMP header on, so that sequence number and data are there; `info.receivedAt` says
 * when it came. With `receivesErrors` a traceroute reads from `receiveError` who sent what about which `seq`.
 */
import type { Ip } from '../addr/ip.ts';
import { ANY4 } from '../addr/ip.ts';
import { copyBytes } from '../base/bytes.ts';
import { Drop } from '../base/drop.ts';
import type { Errno } from '../base/errno.ts';
import type { Packet } from '../packet/packet.ts';
import type { PathError } from '../udp/path-error.ts';
import * as icmp4 from '../wire/icmp4.ts';
import * as ipv4 from '../wire/ipv4.ts';
import type { SocketContext } from './context.ts';
import type { DatagramInfo } from './datagram-info.ts';
import { ReceiveFlag } from './datagram-info.ts';
import { DatagramSocket } from './datagram-socket.ts';
import { TRANSPORT_AT } from './host.ts';

const DATA_MAX = 65_535 - ipv4.MIN_HEADER_BYTES - icmp4.HEADER_BYTES;

/** Where ping sockets are found; `ping-table.ts` is it. */
export interface PingRegistry {
  /** False when somebody has `socket.id`. */
  add(socket: PingSocket): boolean;
  remove(socket: PingSocket): void;
  /** An identifier that nobody has, or 0. */
  allocate(): number;
}

export class PingSocket extends DatagramSocket {
  /** The echo identifier; 0 before the first use. */
  id = 0;
  local: Ip = ANY4;
  remote: Ip | null = null;
  readonly #registry: PingRegistry;

  constructor(context: SocketContext, registry: PingRegistry) {
    super(context, 4);
    this.#registry = registry;
  }

  get isConnected(): boolean {
    return this.remote !== null;
  }

  /** Identifier 0 takes a random one. */
  bind(address: Ip, id: number): Errno | null {
    if (this.isClosed) return 'EBADF';
    if (this.id !== 0 || !(id >= 0 && id <= 0xffff)) return 'EINVAL';
    if (!address.isV4) return 'EAFNOSUPPORT';
    if (!address.isUnspecified && !this.context.host.isLocal(address)) return 'EADDRNOTAVAIL';
    this.id = id === 0 ? this.#registry.allocate() : id;
    if (this.id === 0 || !this.#registry.add(this)) {
      this.id = 0;
      return 'EADDRINUSE';
    }
    this.local = address;
    return null;
  }

  /** Hears only of what `address` answers; null forgets it. */
  connect(address: Ip | null): Errno | null {
    if (this.isClosed) return 'EBADF';
    if (address !== null) {
      if (!address.isV4) return 'EAFNOSUPPORT';
      const source = this.context.host.sourceFor(address, this.options);
      if (typeof source === 'string') return source;
    }
    this.remote = address;
    return null;
  }

  /** Sends an echo request with `start` to `end` of `data`; answers how many bytes of data that was. */
  sendEcho(address: Ip, seq: number, data: Uint8Array, start = 0, end: number = data.length): number | Errno {
    const length = end - start;
    const refusal = this.sendRefusal() ?? this.#prepare(address, length);
    if (refusal !== null) return refusal;
    const packet = this.takeSlot(length);
    if (packet === null) return 'EAGAIN';
    const { view } = packet;
    packet.l4 = TRANSPORT_AT;
    const at = icmp4.write(view, TRANSPORT_AT, icmp4.Type.Echo, 0, icmp4.idSeq(this.id, seq));
    packet.tail = at + length;
    copyBytes(packet.bytes, at, data, start, length);
    icmp4.fillChecksum(view, TRANSPORT_AT, packet.tail);
    return this.#emit(packet, address) ?? length;
  }

  /** As Linux has it: the bytes begin with an ICMP header, of which the sequence number counts. */
  sendTo(bytes: Uint8Array, start: number, end: number, address: Ip): number | Errno {
    if (end - start < icmp4.HEADER_BYTES) return this.isClosed ? 'EBADF' : 'EINVAL';
    if (bytes[start] !== icmp4.Type.Echo || bytes[start + 1] !== 0) return 'EINVAL';
    const seq = ((bytes[start + 6] as number) << 8) | (bytes[start + 7] as number);
    const sent = this.sendEcho(address, seq, bytes, start + icmp4.HEADER_BYTES, end);
    return typeof sent === 'string' ? sent : sent + icmp4.HEADER_BYTES;
  }

  /** Copies one reply to `into`, from the ICMP header on. */
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
    const length = packet.tail - packet.l4;
    const count = Math.min(length, end - start);
    copyBytes(into, start, packet.bytes, packet.l4, count);
    info.fill(packet, length, end - start);
    if ((flags & ReceiveFlag.Peek) === 0) this.shift()?.release();
    return (flags & ReceiveFlag.Truncate) === 0 ? count : length;
  }

  /** Takes ownership of a reply with our identifier. */
  handleReply(packet: Packet): void {
    if (this.hasRoomFor(packet)) this.accept(packet);
    else this.context.host.drops.drop(packet, Drop.PingBufferFull);
  }

  handleError(error: PathError): void {
    this.noteError(error);
  }

  protected unbind(): void {
    if (this.id !== 0) this.#registry.remove(this);
    this.id = 0;
  }

  #prepare(address: Ip, length: number): Errno | null {
    if (!address.isV4) return 'EAFNOSUPPORT';
    if (length > DATA_MAX) return 'EMSGSIZE';
    if (this.id !== 0) return null;
    const refusal = this.bind(this.local, 0);
    return refusal === 'EADDRINUSE' ? 'EAGAIN' : refusal;
  }

  #emit(packet: Packet, address: Ip): Errno | null {
    const { flow, host } = this.context;
    flow.setDestination(address);
    flow.setSource(this.local);
    flow.protocol = ipv4.Protocol.Icmp;
    flow.srcPort = 0;
    flow.dstPort = 0;
    const refusal = host.send(packet, flow, this.options);
    if (refusal === 'EMSGSIZE') this.noteRefusal(refusal, host.mtuFor(address));
    return refusal;
  }
}
