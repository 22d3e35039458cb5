/**
 * Echo over TCP: RFC 862. What comes goes back, until the peer says that nothing more will come. Bytes move from one
 * ring to the other; while the peer does not read its answers, nothing more is read from it.
 */
import type { Errno } from '../base/errno.ts';
import type { Instant } from '../base/time.ts';
import type { ByteReader } from '../socket/tcp/stream.ts';
import type { TcpSocket } from '../socket/tcp-socket.ts';
import { StreamServer } from './stream-server.ts';

export class EchoStreamServer extends StreamServer implements ByteReader {
  readonly name = 'echo';
  /** The one that is served: only while it is. */
  #stream: TcpSocket | null = null;
  #refusal: Errno | null = null;
  /** One for all, so that an idle connection costs nothing but its socket. */
  readonly #onReady = (_now: Instant, _edges: number, stream: TcpSocket): void => {
    if (this.#serve(stream) !== 'EAGAIN') this.finish(stream);
  };

  protected handleConnection(_now: Instant, stream: TcpSocket): void {
    // An answer is not to wait for more that might follow it (RFC 9293 §3.7.4).
    stream.setOption('noDelay', 1);
    stream.onReady = this.#onReady;
  }

  handleChunk(bytes: Uint8Array, start: number, end: number): number {
    const count = (this.#stream as TcpSocket).write(bytes, start, end);
    if (typeof count === 'string') {
      this.#refusal = count;
      return 0;
    }
    this.counters.bytesIn += count;
    this.counters.bytesOut += count;
    return count;
  }

  /** EAGAIN while there may be more; anything else is the end. */
  #serve(stream: TcpSocket): Errno | 'end' {
    this.#stream = stream;
    this.#refusal = null;
    for (;;) {
      const count = stream.readChunks(this);
      if (this.#refusal !== null) return this.#refusal;
      if (typeof count === 'string') return count;
      if (count === 0) return 'end';
    }
  }
}
