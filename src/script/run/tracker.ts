/**
 * What a script's calls and packets say about its one connection, and its numbers for descriptors.
 *
 * As in packetdrill, packets are about the socket that was made last, or about the child that its SYN made; there is
 * one at a time.
 */
import { Flag } from '../../wire/tcp.ts';
import { Linux } from '../constants.ts';
import type { LivePacket } from '../packet/read.ts';
import type { PacketSpec } from '../packet/spec.ts';
import type { Config } from './config.ts';
import type { MappedProtocol } from './mapping.ts';
import { Connection } from './mapping.ts';

/** The peer's ports, one for each connection that it opens. */
const FIRST_REMOTE_PORT = 45_001;

export class Tracker {
  /** The connection that packets are about. */
  current: Connection | null = null;
  readonly #config: Config;
  readonly #connections: Connection[] = [];
  /** By the script's number, the host's. */
  readonly #descriptors = new Map<number, number>();
  #nextRemotePort = FIRST_REMOTE_PORT;

  constructor(config: Config) {
    this.#config = config;
  }

  /** -1 for what the script has not opened. */
  descriptor(script: number): number {
    return this.#descriptors.get(script) ?? -1;
  }

  /** False when the script has this number already. */
  addDescriptor(script: number, live: number): boolean {
    if (this.#descriptors.has(script)) return false;
    this.#descriptors.set(script, live);
    return true;
  }

  handleSocket(fd: number, type: number, protocol: number): void {
    const connection = this.#add(protocolOf(type & 0xf, protocol));
    connection.fd = fd;
  }

  handleBind(fd: number): void {
    const connection = this.#of(fd);
    if (connection === null) return;
    connection.localPort = this.#config.bindPort;
    if (connection.protocol !== 'tcp') connection.remotePort = this.#config.connectPort;
  }

  handleListen(fd: number): void {
    const connection = this.#of(fd);
    if (connection !== null) connection.phase = 'listening';
  }

  /** A call that names a peer: connect, sendto, sendmsg. */
  handleConnect(fd: number, family: number, port: number): void {
    const connection = this.#of(fd);
    if (connection === null) return;
    if (family === Linux.AF_UNSPEC) {
      connection.phase = 'new';
      return;
    }
    if (connection.phase !== 'new') return;
    connection.remotePort = port;
    connection.phase = connection.protocol === 'tcp' ? 'connecting' : 'open';
    // Its SYN says which one the stack has chosen.
    if (connection.protocol === 'tcp') connection.localPort = 0;
  }

  /** The port that the stack has chosen. */
  handlePort(fd: number, port: number): void {
    const connection = this.#of(fd);
    if (connection !== null && connection.protocol !== 'tcp') connection.localPort = port;
  }

  handleAccept(fd: number): void {
    const child = this.#connections.find(
      (one) => one.fd === -1 && one.phase === 'open' && one.protocol === 'tcp',
    );
    const arriving = child ?? this.#connections.find((one) => one.fd === -1 && one.phase === 'arriving');
    if (arriving !== undefined) arriving.fd = fd;
  }

  handleClose(fd: number): void {
    this.#descriptors.delete(fd);
    const connection = this.#of(fd);
    // Its packets may still come; its number may be used again.
    if (connection !== null) connection.fd = -2;
  }

  /** Who a packet that the script sends is from: the connection, or a new one that its SYN asks for. */
  forInbound(spec: PacketSpec): Connection {
    const { current } = this;
    if (spec.kind !== 'tcp') return current ?? this.#peer(spec.kind);
    const isNew = current === null || current.phase === 'listening';
    const connection = isNew ? this.#peer('tcp') : current;
    if (connection.phase === 'arriving' && (spec.flags & (Flag.Ack | Flag.Syn)) === Flag.Ack)
      connection.phase = 'open';
    if (connection.phase === 'opening' && (spec.flags & Flag.Syn) !== 0) connection.phase = 'open';
    return connection;
  }

  /** Whom a packet that the script expects is of. */
  forOutbound(spec: PacketSpec): Connection {
    const connection = this.current ?? this.#peer(spec.kind);
    const isSyn = spec.kind === 'tcp' && (spec.flags & (Flag.Syn | Flag.Ack)) === Flag.Syn;
    if (connection.phase === 'connecting' && isSyn) connection.phase = 'opening';
    return connection;
  }

  /** Whether a packet that the stack has sent is of this connection, so that the script must expect it. */
  belongs(connection: Connection, want: PacketSpec, live: LivePacket): boolean {
    const { localIp, remoteIp } = this.#config;
    if (live.src !== localIp.d || live.dst !== remoteIp.d) return false;
    if (live.spec.kind === 'icmp') return want.kind === 'icmp' || connection.protocol === 'icmp';
    if (live.spec.kind !== connection.protocol) return false;
    const { srcPort, dstPort } = want.kind === 'icmp' ? { srcPort: 0, dstPort: 0 } : want;
    if (srcPort !== 0 || dstPort !== 0)
      return (
        live.srcPort === (srcPort || connection.localPort) &&
        live.dstPort === (dstPort || connection.remotePort)
      );
    if (connection.localPort === 0) {
      const isFirst = live.spec.kind !== 'tcp' || (live.spec.flags & Flag.Syn) !== 0;
      return isFirst && live.dstPort === connection.remotePort;
    }
    return live.srcPort === connection.localPort && live.dstPort === connection.remotePort;
  }

  /** Learns from a packet of the connection what only the stack could choose. */
  learn(connection: Connection, want: PacketSpec, live: LivePacket): void {
    if (connection.localPort === 0 && live.spec.kind !== 'icmp') connection.localPort = live.srcPort;
    if (want.kind !== 'tcp' || live.spec.kind !== 'tcp') return;
    if ((live.spec.flags & Flag.Syn) === 0 || (want.flags & Flag.Syn) === 0) return;
    connection.learnIsn(live.spec.seq, want.seq);
  }

  #of(fd: number): Connection | null {
    return this.#connections.find((connection) => connection.fd === fd) ?? null;
  }

  #add(protocol: MappedProtocol): Connection {
    const connection = new Connection(protocol);
    this.#connections.push(connection);
    this.current = connection;
    return connection;
  }

  /** Somebody out there begins to speak with a port of this host. */
  #peer(protocol: MappedProtocol): Connection {
    const connection = this.#add(protocol);
    connection.phase = protocol === 'tcp' ? 'arriving' : 'open';
    connection.localPort = this.#config.bindPort;
    connection.remotePort = protocol === 'tcp' ? this.#nextRemotePort++ : this.#config.connectPort;
    return connection;
  }
}

function protocolOf(type: number, protocol: number): MappedProtocol {
  if (type === Linux.SOCK_STREAM) return 'tcp';
  return protocol === Linux.IPPROTO_ICMP ? 'icmp' : 'udp';
}
