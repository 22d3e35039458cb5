/**
 * The character generator: RFC 864, over TCP only; over UDP it would answer forged datagrams with more than they had.
 * Lines of 72 characters, each beginning one further in the alphabet of the 95 that print, as fast as the peer reads.
 * What the peer sends is thrown away.
 */
import type { Instant } from '../base/time.ts';
import type { ByteReader } from '../socket/tcp/stream.ts';
import type { TcpSocket } from '../socket/tcp-socket.ts';
import { StreamServer } from './stream-server.ts';

export const CHARGEN_PORT = 19;

const FIRST = 0x20;
const ALPHABET = 95;
const LINE_CHARS = 72;
const LINE_BYTES = LINE_CHARS + 2;
/** The text repeats itself after so many bytes. */
const PERIOD = ALPHABET * LINE_BYTES;
/** Long enough for one write, from any place of a period on. */
const TEXT_BYTES = PERIOD * 38;

export class ChargenStreamServer extends StreamServer implements ByteReader {
  readonly name = 'chargen';
  readonly #text = chargenText(TEXT_BYTES);

  protected handleConnection(_now: Instant, stream: TcpSocket): void {
    let at = 0;
    stream.onReady = (): void => {
      const read = stream.readChunks(this);
      if (read !== 'EAGAIN' && (typeof read === 'string' || read === 0)) {
        this.finish(stream);
        return;
      }
      for (;;) {
        const written = stream.write(this.#text, at);
        if (written === 'EAGAIN') return;
        if (typeof written === 'string') break;
        this.counters.bytesOut += written;
        at = (at + written) % PERIOD;
      }
      this.finish(stream);
    };
  }

  handleChunk(_bytes: Uint8Array, start: number, end: number): number {
    this.counters.bytesIn += end - start;
    return end - start;
  }
}

/** The first `length` bytes of what it says. */
export function chargenText(length: number): Uint8Array {
  const text = new Uint8Array(length);
  for (let at = 0; at < length; at++) {
    const line = Math.floor(at / LINE_BYTES);
    const column = at % LINE_BYTES;
    if (column === LINE_CHARS) text[at] = 13;
    else if (column > LINE_CHARS) text[at] = 10;
    else text[at] = FIRST + ((line + column) % ALPHABET);
  }
  return text;
}
