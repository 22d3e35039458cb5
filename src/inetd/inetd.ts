/**
 * The small servers of a host, for people to poke at: opens their sockets, closes them, counts.
 *
 * A thin runner: it knows of its host only how to open sockets.
 */
import { ANY4 } from '../addr/ip.ts';
import type { Errno } from '../base/errno.ts';
import type { TcpSocket } from '../socket/tcp-socket.ts';
import type { UdpSocket } from '../socket/udp-socket.ts';
import { CHARGEN_PORT, ChargenStreamServer } from './chargen-stream.ts';
import type { WallClock } from './daytime.ts';
import { DAYTIME_PORT, DaytimeServer } from './daytime.ts';
import { DaytimeStreamServer } from './daytime-stream.ts';
import { DISCARD_PORT, DiscardServer } from './discard.ts';
import { DiscardStreamServer } from './discard-stream.ts';
import { ECHO_PORT, EchoServer } from './echo.ts';
import { EchoStreamServer } from './echo-stream.ts';
import type { ServerCounters, SmallServer } from './small-server.ts';
import type { StreamCounters, StreamServer } from './stream-server.ts';

/** Connections that wait to be accepted. */
const BACKLOG = 1_024;

/** `socket/socket-table.ts` is one. */
export interface InetdHost {
  openUdp(): UdpSocket | Errno;
  /** EOPNOTSUPP on a host without TCP, which has the servers over UDP then. */
  openTcp(): TcpSocket | Errno;
}

export interface InetdStatus {
  readonly name: string;
  readonly port: number;
  readonly counters: Readonly<ServerCounters>;
}

export interface InetdStreamStatus {
  readonly name: string;
  readonly port: number;
  readonly counters: Readonly<StreamCounters>;
}

export class Inetd {
  readonly #host: InetdHost;
  readonly #wallClock: WallClock | null;
  #servers: SmallServer[] = [];
  #streamServers: StreamServer[] = [];

  /** Without a clock there is no daytime. */
  constructor(host: InetdHost, wallClock: WallClock | null) {
    this.#host = host;
    this.#wallClock = wallClock;
  }

  /** Opens all servers, or answers why one could not be, and opens none. */
  start(): Errno | null {
    const refusal = this.#startDatagrams() ?? this.#startStreams();
    if (refusal !== null) this.close();
    return refusal;
  }

  close(): void {
    for (const { socket } of this.#servers) socket.close();
    this.#servers = [];
    for (const server of this.#streamServers) server.close();
    this.#streamServers = [];
  }

  status(): InetdStatus[] {
    return this.#servers.map(({ name, socket, counters }) => ({ name, port: socket.localPort, counters }));
  }

  streamStatus(): InetdStreamStatus[] {
    return this.#streamServers.map(({ name, socket, counters }) => ({
      name,
      port: socket.localPort,
      counters,
    }));
  }

  #startDatagrams(): Errno | null {
    const clock = this.#wallClock;
    return (
      this.#open(ECHO_PORT, (socket) => new EchoServer(socket)) ??
      this.#open(DISCARD_PORT, (socket) => new DiscardServer(socket)) ??
      (clock === null ? null : this.#open(DAYTIME_PORT, (socket) => new DaytimeServer(socket, clock)))
    );
  }

  #startStreams(): Errno | null {
    const clock = this.#wallClock;
    const refusal =
      this.#listen(ECHO_PORT, (socket) => new EchoStreamServer(socket)) ??
      this.#listen(DISCARD_PORT, (socket) => new DiscardStreamServer(socket)) ??
      this.#listen(CHARGEN_PORT, (socket) => new ChargenStreamServer(socket)) ??
      (clock === null
        ? null
        : this.#listen(DAYTIME_PORT, (socket) => new DaytimeStreamServer(socket, clock)));
    return refusal === 'EOPNOTSUPP' ? null : refusal;
  }

  #open(port: number, serve: (socket: UdpSocket) => SmallServer): Errno | null {
    const socket = this.#host.openUdp();
    if (typeof socket === 'string') return socket;
    const refusal = socket.bind(ANY4, port);
    if (refusal === null) this.#servers.push(serve(socket));
    else socket.close();
    return refusal;
  }

  #listen(port: number, serve: (socket: TcpSocket) => StreamServer): Errno | null {
    const socket = this.#host.openTcp();
    if (typeof socket === 'string') return socket;
    // A server that was just ended has left connections in TIME-WAIT.
    socket.reuseAddress = true;
    const refusal = socket.bind(ANY4, port) ?? socket.listen(BACKLOG);
    if (refusal === null) this.#streamServers.push(serve(socket));
    else socket.close();
    return refusal;
  }
}
