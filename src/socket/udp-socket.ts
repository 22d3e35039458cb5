/**
 * A UDP socket: RFC 768, RFC 1122 §4.1.4 (what an application must be able to do), udp(7) for the rest.
 *
 *     copying:   receive(into, info)      send(bytes)             sendTo(bytes, …, address, port)
 *     zero copy: receivePacket()          sendPacket(packet, …)   reply(packet): the very packet, turned around
 *
 * A call answers a count or an errno; none waits. A super-datagram is cut when it is read by copying; `receivePacket`
 * gives it whole, and `reply` sends it whole.
 */
import type { FlowKey } from '../addr/flow-key.ts';
import type { Ip } from '../addr/ip.ts';
import { ANY4, ANY6, LOOPBACK4, LOOPBACK6 } from '../addr/ip.ts';
import { copyBytes } from '../base/bytes.ts';
import { Drop } from '../base/drop.ts';
import type { Errno } from '../base/errno.ts';
import type { Instant } from '../base/time.ts';
import type { Packet } from '../packet/packet.ts';
import { GsoType, PacketFlag } from '../packet/packet.ts';
import type { UdpEndpoint } from '../udp/endpoint.ts';
import { fillAddresses } from '../udp/packet-flow.ts';
import type { PathError } from '../udp/path-error.ts';
import type { Udp } from '../udp/udp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as ipv6 from '../wire/ipv6.ts';
import * as udp from '../wire/udp.ts';
import type { SocketContext } from './context.ts';
import type { DatagramInfo } from './datagram-info.ts';
import { ReceiveFlag } from './datagram-info.ts';
import { DatagramSocket, isToMany } from './datagram-socket.ts';
import { TRANSPORT_AT } from './host.ts';
import type { Ports, PortUser } from './ports.ts';

const PAYLOAD_MAX_4 = 65_535 - ipv4.MIN_HEADER_BYTES - udp.HEADER_BYTES;
const PAYLOAD_MAX_6 = 65_535 - udp.HEADER_BYTES;
/** As Linux's `UDP_MAX_SEGMENTS`. */
const PIECES_MAX = 128;

export class UdpSocket extends DatagramSocket implements UdpEndpoint, PortUser {
  local: Ip;
  localPort = 0;
  remote: Ip | null = null;
  remotePort = 0;
  reuseAddress = false;
  reusePort = false;
  ipv6Only = false;
  /** UDP_SEGMENT: `send` makes one super-datagram, whose pieces have so many bytes of data; 0 for none. */
  segmentBytes = 0;
  readonly #udp: Udp;
  readonly #ports: Ports;
  /** Source of what it sends; unspecified: as the route says. */
  #source: Ip;
  /** Named by `bind`, and so kept by `disconnect`. */
  #isAddressFixed = false;
  #isPortFixed = false;
  /** Bytes of the oldest datagram that have been read: it is a super-datagram. */
  #consumed = 0;

  constructor(context: SocketContext, udp: Udp, ports: Ports, family: 4 | 6) {
    super(context, family);
    this.#udp = udp;
    this.#ports = ports;
    this.local = this.#any;
    this.#source = this.#any;
  }

  get isConnected(): boolean {
    return this.remote !== null;
  }

  /** SO_BINDTODEVICE, by interface index. */
  get device(): number {
    return this.options.oif;
  }

  /** SO_BINDTODEVICE: also what it sends leaves there. 0: no more. */
  bindToDevice(ifindex: number): Errno | null {
    if (this.isClosed) return 'EBADF';
    // Which interface is not part of any key in the table.
    this.options.oif = ifindex;
    return null;
  }

  /** Port 0 takes a random one (RFC 6056, RFC 5452 §9.2). */
  bind(address: Ip, port: number): Errno | null {
    if (this.isClosed) return 'EBADF';
    if (this.localPort !== 0 || !(port >= 0 && port <= 0xffff)) return 'EINVAL';
    const refusal = this.#familyRefusal(address);
    if (refusal !== null) return refusal;
    const { host } = this.context;
    const isGroup = address.isMulticast || host.isBroadcast(address);
    if (!address.isUnspecified && !isGroup && !host.isLocal(address)) return 'EADDRNOTAVAIL';
    const chosen = port === 0 ? this.#ports.allocate(this, address) : port;
    if (chosen === 0 || this.#ports.isTaken(this, address, chosen)) return 'EADDRINUSE';
    this.local = address;
    this.#source = isGroup ? this.#any : address;
    this.localPort = chosen;
    this.#isAddressFixed = !address.isUnspecified;
    this.#isPortFixed = port !== 0;
    this.#udp.table.add(this);
    return null;
  }

  /** Only datagrams of this peer are received from now on, and errors about what is sent to it are told. */
  connect(address: Ip, port: number): Errno | null {
    if (this.isClosed) return 'EBADF';
    // Deviates: Linux lets port 0 be connected to, which no datagram can be sent to.
    if (!(port > 0 && port <= 0xffff)) return 'EINVAL';
    const refusal = this.#familyRefusal(address);
    if (refusal !== null) return refusal;
    const remote = reachable(address);
    const source = this.context.host.sourceFor(remote, this.options);
    if (typeof source === 'string') return source;
    const local = this.local.isUnspecified ? source : this.local;
    if (this.localPort === 0) {
      const chosen = this.#ports.allocateFor(this, local, remote, port);
      if (chosen === 0) return 'EAGAIN';
      this.localPort = chosen;
    } else {
      this.#udp.table.remove(this);
    }
    this.local = local;
    if (this.#source.isUnspecified) this.#source = source;
    this.remote = remote;
    this.remotePort = port;
    this.#udp.table.add(this);
    return null;
  }

  /** connect(2) with AF_UNSPEC: forgets the peer, and what `bind` did not name. */
  disconnect(): Errno | null {
    if (this.isClosed) return 'EBADF';
    if (this.localPort !== 0) this.#udp.table.remove(this);
    this.remote = null;
    this.remotePort = 0;
    if (!this.#isAddressFixed) {
      this.local = this.#any;
      this.#source = this.#any;
    }
    if (!this.#isPortFixed) this.localPort = 0;
    if (this.localPort !== 0) this.#udp.table.add(this);
    return null;
  }

  /** To the peer that it is connected to. */
  send(bytes: Uint8Array, start = 0, end: number = bytes.length): number | Errno {
    if (this.remote === null) return this.isClosed ? 'EBADF' : 'EDESTADDRREQ';
    return this.sendTo(bytes, start, end, this.remote, this.remotePort);
  }

  /** Copies `start` to `end` of `bytes` into a datagram. `source` (`IP_PKTINFO`) stands in for the bound address. */
  sendTo(
    bytes: Uint8Array,
    start: number,
    end: number,
    address: Ip,
    port: number,
    source: Ip | null = null,
  ): number | Errno {
    const length = end - start;
    const refusal = this.#prepare(address, port, length);
    if (refusal !== null) return refusal;
    if (source !== null && !this.context.host.isLocal(source)) return 'EINVAL';
    const packet = this.takeSlot(length);
    if (packet === null) {
      this.#udp.counters.sndbufErrors++;
      return 'EAGAIN';
    }
    packet.l4 = TRANSPORT_AT;
    const at = TRANSPORT_AT + udp.HEADER_BYTES;
    packet.tail = at + length;
    copyBytes(packet.bytes, at, bytes, start, length);
    if (this.segmentBytes > 0) {
      packet.gsoType = GsoType.Udp;
      packet.gsoSize = this.segmentBytes;
    }
    return this.#emit(packet, address, port, source ?? this.#source) ?? length;
  }

  /**
   * The oldest datagram as it came, or null; the caller owns it. Its data are `payloadAt(packet)` to `tail`; headers
   * and metadata are still there for `reply`. With `gsoSize` it is a super-datagram, to be cut every so many bytes.
   */
  receivePacket(): Packet | null {
    const packet = this.shift();
    if (packet === null || this.#consumed === 0) return packet;
    // Some of its pieces have been read: the headers move up to what is left.
    packet.bytes.copyWithin(packet.l3 + this.#consumed, packet.l3, payloadAt(packet));
    packet.l3 += this.#consumed;
    packet.l4 += this.#consumed;
    packet.head = packet.l3;
    this.#consumed = 0;
    return packet;
  }

  /** An empty datagram to be filled from `payloadAt(packet)` on, `tail` moved, and given to `sendPacket`; or null. */
  newPacket(): Packet | null {
    const packet = this.isClosed ? null : this.takeSlot(0);
    if (packet === null) return null;
    packet.l4 = TRANSPORT_AT;
    packet.tail = TRANSPORT_AT + udp.HEADER_BYTES;
    return packet;
  }

  /** Takes ownership, whatever it answers. `packet` is one of `newPacket` or `receivePacket`. */
  sendPacket(packet: Packet, address: Ip, port: number): Errno | null {
    const refusal = this.#prepare(address, port, packet.tail - payloadAt(packet));
    if (refusal === null) return this.#emit(packet, address, port, this.#source);
    packet.release();
    return refusal;
  }

  /**
   * Takes ownership of a received packet, whatever it answers, and sends it back to where it came from: data, `tail`
   * and `gsoSize` as the caller left them. What was sent to many is answered from this host's own address.
   */
  reply(packet: Packet): Errno | null {
    const { flow } = this.context;
    const refusal = this.sendRefusal() ?? this.#turnAround(packet, flow);
    if (refusal === null) return this.#transmit(packet, flow);
    packet.release();
    return refusal;
  }

  /** Copies one datagram to `into`, from `start` on; what does not fit is lost. Answers how many bytes were copied. */
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
    const at = payloadAt(packet) + this.#consumed;
    const left = packet.tail - at;
    const isCut = packet.gsoType === GsoType.Udp && packet.gsoSize < left;
    const length = isCut ? packet.gsoSize : left;
    const count = Math.min(length, end - start);
    copyBytes(into, start, packet.bytes, at, count);
    info.fill(packet, length, end - start);
    info.flow.srcPort = udp.srcPort(packet.view, packet.l4);
    info.flow.dstPort = udp.dstPort(packet.view, packet.l4);
    if ((flags & ReceiveFlag.Peek) === 0) {
      this.#consumed = isCut ? this.#consumed + length : 0;
      if (!isCut) this.shift()?.release();
    }
    return (flags & ReceiveFlag.Truncate) === 0 ? count : length;
  }

  handleDatagram(_now: Instant, packet: Packet): void {
    const { counters } = this.#udp;
    if (!this.hasRoomFor(packet)) {
      counters.inErrors++;
      counters.rcvbufErrors++;
      this.context.host.drops.drop(packet, Drop.UdpBufferFull);
      return;
    }
    counters.inDatagrams += packet.gsoSize === 0 ? 1 : pieces(packet);
    this.accept(packet);
  }

  handleError(_now: Instant, error: PathError): void {
    this.noteError(error);
  }

  override close(): void {
    super.close();
    this.#consumed = 0;
  }

  protected unbind(): void {
    if (this.localPort === 0) return;
    this.#udp.table.remove(this);
    this.localPort = 0;
  }

  get #any(): Ip {
    return this.family === 4 ? ANY4 : ANY6;
  }

  #familyRefusal(address: Ip): Errno | null {
    if (this.family === 4) return address.isV4 ? null : 'EAFNOSUPPORT';
    return address.isV4 && this.ipv6Only ? 'EINVAL' : null;
  }

  /** Whether `length` bytes may go to `address`; the first of them gives the socket a port. */
  #prepare(address: Ip, port: number, length: number): Errno | null {
    const refusal = this.sendRefusal();
    if (refusal !== null) return refusal;
    if (!(port > 0 && port <= 0xffff)) return 'EINVAL';
    const family = this.#familyRefusal(address);
    if (family !== null) return family;
    if (length > (address.isV4 ? PAYLOAD_MAX_4 : PAYLOAD_MAX_6)) return 'EMSGSIZE';
    if (this.segmentBytes > 0) {
      if (length > this.segmentBytes * PIECES_MAX) return 'EINVAL';
      const header = address.isV4 ? ipv4.MIN_HEADER_BYTES : ipv6.HEADER_BYTES;
      const piece = header + udp.HEADER_BYTES + Math.min(length, this.segmentBytes);
      if (piece > this.context.host.mtuFor(reachable(address))) return 'EMSGSIZE';
    }
    if (this.localPort !== 0) return null;
    const chosen = this.#ports.allocate(this, this.local);
    if (chosen === 0) return 'EAGAIN';
    this.localPort = chosen;
    this.#udp.table.add(this);
    return null;
  }

  #emit(packet: Packet, address: Ip, port: number, source: Ip): Errno | null {
    const { flow, host } = this.context;
    const dst = reachable(address);
    flow.setDestination(dst);
    flow.setSource(source.isUnspecified && dst.isV4 ? ANY4 : source);
    flow.srcPort = this.localPort;
    flow.dstPort = port;
    const refusal = this.#transmit(packet, flow);
    if (refusal === 'EMSGSIZE') this.noteRefusal(refusal, host.mtuFor(dst));
    return refusal;
  }

  #turnAround(packet: Packet, flow: FlowKey): Errno | null {
    const { view, l4 } = packet;
    fillAddresses(flow, packet);
    const { dstA, dstB, dstC, dstD } = flow;
    flow.dstA = flow.srcA;
    flow.dstB = flow.srcB;
    flow.dstC = flow.srcC;
    flow.dstD = flow.srcD;
    if (isToMany(packet)) {
      flow.setSource(this.#source.isUnspecified && dstC === 0xffff ? ANY4 : this.#source);
    } else {
      flow.srcA = dstA;
      flow.srcB = dstB;
      flow.srcC = dstC;
      flow.srcD = dstD;
    }
    flow.srcPort = this.localPort;
    flow.dstPort = udp.srcPort(view, l4);
    if (flow.dstPort === 0) return 'EINVAL';
    return packet.tail - payloadAt(packet) > PAYLOAD_MAX_4 ? 'EMSGSIZE' : null;
  }

  /** Writes the header and gives the packet to the host; the checksum is the host's or the device's to finish. */
  #transmit(packet: Packet, flow: FlowKey): Errno | null {
    const { counters } = this.#udp;
    const { l4 } = packet;
    const length = packet.tail - l4;
    if (packet.gsoSize >= length - udp.HEADER_BYTES) {
      packet.gsoType = GsoType.None;
      packet.gsoSize = 0;
    }
    const count = packet.gsoSize === 0 ? 1 : pieces(packet);
    packet.flags = PacketFlag.ChecksumPartial;
    packet.csumStart = l4;
    packet.csumOffset = udp.CHECKSUM_OFFSET;
    packet.hash = 0;
    packet.vlan = -1;
    packet.conn = 0;
    udp.write(packet.view, l4, flow.srcPort, flow.dstPort, length);
    flow.protocol = ipv4.Protocol.Udp;
    const refusal = this.context.host.send(packet, flow, this.options);
    if (refusal === null) {
      counters.outDatagrams += count;
      return null;
    }
    if (refusal !== 'ENOBUFS') return refusal;
    // A full queue is loss like any other, as udp(7) has it, unless the program asked for errors.
    counters.sndbufErrors++;
    return this.receivesErrors ? refusal : null;
  }
}

/** Where the data of a UDP packet begin. */
export function payloadAt(packet: Packet): number {
  return packet.l4 + udp.HEADER_BYTES;
}

/** How many datagrams a super-datagram is. */
export function pieces(packet: Packet): number {
  return Math.ceil((packet.tail - payloadAt(packet)) / packet.gsoSize);
}

/** The unspecified address as a destination is this host (RFC 1122 §3.2.1.3 (a) forbids it; Linux means loopback). */
function reachable(address: Ip): Ip {
  if (!address.isUnspecified) return address;
  return address.isV4 ? LOOPBACK4 : LOOPBACK6;
}
