/**
 * What the small servers over TCP have in common: a listener, and something that serves each connection.
 *
 * They share no state between connections and hold none while nothing happens: an idle one costs a socket.
 */
import type { Instant } from '../base/time.ts';
import type { TcpSocket } from '../socket/tcp-socket.ts';

export interface StreamCounters {
  /** Connections accepted, and those that are open. */
  connections: number;
  open: number;
  bytesIn: number;
  bytesOut: number;
}

export abstract class StreamServer {
  abstract readonly name: string;
  readonly socket: TcpSocket;
  readonly counters: StreamCounters = { connections: 0, open: 0, bytesIn: 0, bytesOut: 0 };
  readonly #streams = new Set<TcpSocket>();

  /** Takes over a socket that listens. */
  constructor(socket: TcpSocket) {
    this.socket = socket;
    socket.onReady = (now): void => this.#acceptAll(now);
  }

  /** Ends all connections. */
  close(): void {
    this.socket.close();
    for (const stream of this.#streams) this.finish(stream);
  }

  /** A connection has come; sets its `onReady`. */
  protected abstract handleConnection(now: Instant, stream: TcpSocket): void;

  protected finish(stream: TcpSocket): void {
    if (!this.#streams.delete(stream)) return;
    stream.close();
    this.counters.open--;
  }

  #acceptAll(now: Instant): void {
    for (let stream = this.socket.accept(); typeof stream !== 'string'; stream = this.socket.accept()) {
      this.counters.connections++;
      this.counters.open++;
      this.#streams.add(stream);
      this.handleConnection(now, stream);
    }
  }
}
