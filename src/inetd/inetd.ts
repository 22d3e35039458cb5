/**
 * The small servers of a host, for people to poke at: opens their sockets, closes them, counts.
 *
 * A thin runner: it knows of its host only how to open a UDP socket.
 */
import { ANY4 } from '../addr/ip.ts';
import type { Errno } from '../base/errno.ts';
import type { UdpSocket } from '../socket/udp-socket.ts';
import type { WallClock } from './daytime.ts';
import { DAYTIME_PORT, DaytimeServer } from './daytime.ts';
import { DISCARD_PORT, DiscardServer } from './discard.ts';
import { ECHO_PORT, EchoServer } from './echo.ts';
import type { ServerCounters, SmallServer } from './small-server.ts';

/** `socket/socket-table.ts` is one. */
export interface InetdHost {
  openUdp(): UdpSocket | Errno;
}

export interface InetdStatus {
  readonly name: string;
  readonly port: number;
  readonly counters: Readonly<ServerCounters>;
}

export class Inetd {
  readonly #host: InetdHost;
  readonly #wallClock: WallClock | null;
  #servers: SmallServer[] = [];

  /** Without a clock there is no daytime. */
  constructor(host: InetdHost, wallClock: WallClock | null) {
    this.#host = host;
    this.#wallClock = wallClock;
  }

  /** Opens all servers, or answers why one could not be, and opens none. */
  start(): Errno | null {
    const clock = this.#wallClock;
    const refusal =
      this.#open(ECHO_PORT, (socket) => new EchoServer(socket)) ??
      this.#open(DISCARD_PORT, (socket) => new DiscardServer(socket)) ??
      (clock === null ? null : this.#open(DAYTIME_PORT, (socket) => new DaytimeServer(socket, clock)));
    if (refusal !== null) this.close();
    return refusal;
  }

  close(): void {
    for (const { socket } of this.#servers) socket.close();
    this.#servers = [];
  }

  status(): InetdStatus[] {
    return this.#servers.map(({ name, socket, counters }) => ({ name, port: socket.localPort, counters }));
  }

  #open(port: number, serve: (socket: UdpSocket) => SmallServer): Errno | null {
    const socket = this.#host.openUdp();
    if (typeof socket === 'string') return socket;
    const refusal = socket.bind(ANY4, port);
    if (refusal === null) this.#servers.push(serve(socket));
    else socket.close();
    return refusal;
  }
}
