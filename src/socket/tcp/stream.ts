/**
 * A stream of bytes in both directions, as services see it: `tcp-socket.ts` is one, and tests have another.
 */
import type { Errno } from '../../base/errno.ts';
import type { Instant } from '../../base/time.ts';

/** Takes bytes where they lie. */
export interface ByteReader {
  /** Answers how many of `[start, end)` it took, from `start` on. What it keeps, it copies. */
  handleChunk(bytes: Uint8Array, start: number, end: number): number;
}

export interface ByteStream {
  /**
   * Told once per turn which of `Ready` came since the last time, and by whom, so that one function may serve many
   * streams: the third is the stream itself, of whatever class it is. May do anything to the stream.
   */
  onReady: ((now: Instant, edges: number, stream: never) => void) | null;
  /** Copies to `[start, end)` of `into`. How many bytes; 0 at the end of the stream; EAGAIN while there is nothing. */
  read(into: Uint8Array, start?: number, end?: number): number | Errno;
  /** The same without a copy. Answers how many bytes were taken. */
  readChunks(reader: ByteReader): number | Errno;
  /** How many bytes were taken, perhaps fewer than there are; then, as after EAGAIN, `Writable` follows. */
  write(bytes: Uint8Array, start?: number, end?: number): number | Errno;
  shutdown(side: 'read' | 'write' | 'both'): Errno | null;
  /** What was written is still delivered. */
  close(): void;
  /** Ends it at once, for both. */
  abort(): void;
}
