/**
 * The sockets of one stack: opens them, brings them what arrives, and closes them all at the end.
 *
 *     ip → udp.handlePacket, tcp         ┐
 *          raw.peekPacket                ├→ socket → report(now), once per turn → onReady → application
 *     icmp → handleQuote, deliverEchoReply ┘
 */
import type { Errno } from '../base/errno.ts';
import type { Instant } from '../base/time.ts';
import type { Packet } from '../packet/packet.ts';
import type { Tcp } from '../tcp/tcp.ts';
import type { Quote4 } from '../udp/path-error.ts';
import { PathError } from '../udp/path-error.ts';
import { Udp } from '../udp/udp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import type { Reporter, SocketLimits } from './context.ts';
import { SocketContext } from './context.ts';
import type { SocketHost } from './host.ts';
import { PingSocket } from './ping-socket.ts';
import { PingTable } from './ping-table.ts';
import { Ports } from './ports.ts';
import { RawSocket } from './raw-socket.ts';
import { RawTable } from './raw-table.ts';
import { TcpSpace } from './tcp/tcp-space.ts';
import { TcpSocket } from './tcp-socket.ts';
import { UdpSocket } from './udp-socket.ts';

/** As `/proc/net/sockstat` has it. */
export interface SocketStatus {
  readonly used: number;
  readonly udp: number;
  /** Connections, those that nobody has accepted yet and those that are being closed included; and TIME-WAIT. */
  readonly tcp: number;
  readonly tcpTw: number;
  readonly raw: number;
  readonly ping: number;
  readonly memoryBytes: number;
  readonly slots: number;
}

export class SocketTable {
  readonly udp: Udp;
  readonly raw: RawTable;
  readonly ping: PingTable;
  readonly #context: SocketContext;
  readonly #udpPorts: Ports;
  #tcp: TcpSpace | null = null;
  readonly #error = new PathError();

  constructor(host: SocketHost, limits: Partial<SocketLimits> = {}) {
    this.#context = new SocketContext(host, limits);
    this.udp = new Udp(host);
    this.raw = new RawTable(host);
    this.ping = new PingTable(host.rng.fork('echo identifiers'));
    this.#udpPorts = new Ports(this.udp.table, host.rng.fork('udp ports'));
  }

  get count(): number {
    return this.#context.sockets.size;
  }

  /** From now on there are TCP sockets: over `tcp`, which its owner feeds and drives. */
  attachTcp(tcp: Tcp): void {
    this.#tcp = new TcpSpace(this.#context, tcp, this.#context.host.rng.fork('tcp ports'));
  }

  /** ENOBUFS when there are too many sockets already; those that are accepted are limited by TCP itself. */
  openTcp(family: 4 | 6 = 4): TcpSocket | Errno {
    if (this.#tcp === null) return 'EOPNOTSUPP';
    return this.#isFull ? 'ENOBUFS' : new TcpSocket(this.#tcp, family);
  }

  /** All that are open, for lists. */
  get all(): ReadonlySet<Reporter> {
    return this.#context.sockets;
  }

  /** ENOBUFS when there are too many sockets already. */
  openUdp(family: 4 | 6 = 4): UdpSocket | Errno {
    return this.#isFull ? 'ENOBUFS' : new UdpSocket(this.#context, this.udp, this.#udpPorts, family);
  }

  /** For one IP protocol, or `PROTOCOL_ALL`. It receives from now on. */
  openRaw(protocol: number, family: 4 | 6 = 4): RawSocket | Errno {
    if (!(protocol >= 0 && protocol <= 0xff)) return 'EINVAL';
    return this.#isFull ? 'ENOBUFS' : new RawSocket(this.#context, this.raw, protocol, family);
  }

  openPing(): PingSocket | Errno {
    return this.#isFull ? 'ENOBUFS' : new PingSocket(this.#context, this.ping);
  }

  /** An ICMP error about a datagram of ours; peeks. Answers whether a socket was found that may have sent it. */
  handleQuote(now: Instant, quote: Quote4): boolean {
    const error = this.#error;
    if (!error.fillFromQuote4(now, quote)) return false;
    const isRaw = this.raw.isEmpty ? false : this.raw.handleError(error);
    switch (quote.protocol) {
      case ipv4.Protocol.Udp:
        return this.udp.handleError(now, error) || isRaw;
      case ipv4.Protocol.Tcp:
        return this.#tcp?.tcp.handleError(now, error) === true || isRaw;
      case ipv4.Protocol.Icmp:
        return this.ping.handleError(error) || isRaw;
      default:
        return isRaw;
    }
  }

  /** Takes ownership of a checked echo reply if it answers true, and only then. */
  deliverEchoReply(_now: Instant, packet: Packet): boolean {
    return this.ping.deliverReply(packet);
  }

  /** Step 5 of the turn: each socket that something came for is told once. */
  report(now: Instant): void {
    this.#context.report(now);
  }

  /** Whether `report` has something to say again already. */
  get isDue(): boolean {
    return this.#context.isDue;
  }

  /** Connections are reset: nobody will be there to see their end. */
  closeAll(): void {
    for (const socket of this.#context.sockets) {
      if (socket instanceof TcpSocket) socket.abort();
      else socket.close();
    }
    this.#tcp?.tcp.closeAll();
  }

  status(): SocketStatus {
    const { memoryUsed, slotsUsed } = this.#context;
    return {
      used: this.count,
      udp: this.udp.table.count,
      tcp: this.#tcp?.tcp.shared.table.count ?? 0,
      tcpTw: this.#tcp?.tcp.shared.timeWait.count ?? 0,
      raw: this.raw.count,
      ping: this.ping.count,
      memoryBytes: memoryUsed,
      slots: slotsUsed,
    };
  }

  get #isFull(): boolean {
    return this.count - (this.#tcp?.acceptedCount ?? 0) >= this.#context.limits.socketsMax;
  }
}
