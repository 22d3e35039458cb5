/**
 * Discard over TCP: RFC 863. What comes is taken from the stream, looked at by nobody, and counted.
 */
import type { Instant } from '../base/time.ts';
import type { ByteReader } from '../socket/tcp/stream.ts';
import type { TcpSocket } from '../socket/tcp-socket.ts';
import { StreamServer } from './stream-server.ts';

export class DiscardStreamServer extends StreamServer implements ByteReader {
  readonly name = 'discard';

  readonly #onReady = (_now: Instant, _edges: number, stream: TcpSocket): void => {
    let count = stream.readChunks(this);
    while (typeof count === 'number' && count > 0) count = stream.readChunks(this);
    if (count !== 'EAGAIN') this.finish(stream);
  };

  protected handleConnection(_now: Instant, stream: TcpSocket): void {
    stream.onReady = this.#onReady;
  }

  handleChunk(_bytes: Uint8Array, start: number, end: number): number {
    this.counters.bytesIn += end - start;
    return end - start;
  }
}
