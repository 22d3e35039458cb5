/**
 * Daytime over TCP: RFC 867. A connection is answered with the time of day as a line of text, and closed.
 */
import type { Instant } from '../base/time.ts';
import type { TcpSocket } from '../socket/tcp-socket.ts';
import type { WallClock } from './daytime.ts';
import { formatDaytime } from './daytime.ts';
import { StreamServer } from './stream-server.ts';

const encoder = new TextEncoder();

export class DaytimeStreamServer extends StreamServer {
  readonly name = 'daytime';
  readonly #wallClock: WallClock;

  constructor(socket: TcpSocket, wallClock: WallClock) {
    super(socket);
    this.#wallClock = wallClock;
  }

  protected handleConnection(now: Instant, stream: TcpSocket): void {
    const line = encoder.encode(`${formatDaytime(Math.floor(this.#wallClock(now) / 1_000))}\r\n`);
    const written = stream.write(line);
    if (typeof written === 'number') this.counters.bytesOut += written;
    this.finish(stream);
  }
}
