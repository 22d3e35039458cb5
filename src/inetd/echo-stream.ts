/**
 * Echo over TCP: RFC 862. What comes goes back, until the peer says that nothing more will come. Bytes move from one
 * ring to the other; while the peer does not read its answers, nothing more is read from it.
 */
import type { Errno } from '../base/errno.ts';
import type { Instant } from '../base/time.ts';
import type { ByteReader } from '../socket/tcp/stream.ts';
import type { TcpSocket } from '../socket/tcp-socket.ts';
import type { StreamCounters } from './stream-server.ts';
import { StreamServer } from './stream-server.ts';

export class EchoStreamServer extends StreamServer {
  readonly name = 'echo';

  protected handleConnection(_now: Instant, stream: TcpSocket): void {
    // An answer is not to wait for more that might follow it (RFC 9293 §3.7.4).
    stream.setOption('noDelay', 1);
    const echo = new Echo(stream, this.counters);
    stream.onReady = (): void => {
      const answer = echo.run();
      if (answer !== 'EAGAIN') this.finish(stream);
    };
  }
}

class Echo implements ByteReader {
  readonly #stream: TcpSocket;
  readonly #counters: StreamCounters;
  #refusal: Errno | null = null;

  constructor(stream: TcpSocket, counters: StreamCounters) {
    this.#stream = stream;
    this.#counters = counters;
  }

  /** EAGAIN while there may be more; anything else is the end. */
  run(): Errno | 'end' {
    this.#refusal = null;
    for (;;) {
      const count = this.#stream.readChunks(this);
      if (this.#refusal !== null) return this.#refusal;
      if (typeof count === 'string') return count;
      if (count === 0) return 'end';
    }
  }

  handleChunk(bytes: Uint8Array, start: number, end: number): number {
    const count = this.#stream.write(bytes, start, end);
    if (typeof count === 'string') {
      this.#refusal = count;
      return 0;
    }
    this.#counters.bytesIn += count;
    this.#counters.bytesOut += count;
    return count;
  }
}
