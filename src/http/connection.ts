/**
 * One connection of an HTTP/1.1 server: requests in, answers out in the same order (RFC 9112 §9.3.2, pipelining), kept
 * open between them (§9.3), closed so that the last answer arrives (§9.6).
 *
 *     open ──answered with close, or refused──> draining ──the peer's end, or too much──> closed
 *
 * Sans-I/O but for its stream. What was read or is to be written is kept here only when it is incomplete: a connection
 * that waits for the next request holds no buffer.
 */
import { copyBytes } from '../base/bytes.ts';
import type { Instant } from '../base/time.ts';
import type { ByteStream } from '../socket/tcp/stream.ts';
import { Method, parseRequest, Request } from './request.ts';
import type { Response } from './response.ts';

/** A body that nobody wants is read over, up to this. */
const SKIP_MAX = 1 << 20;
const SCRATCH_BYTES = 64 * 1_024;

/** What a connection asks its server. */
export interface Answering {
  /** The answer to a request; positions in `request` are in `bytes`. */
  respond(now: Instant, request: Request, bytes: Uint8Array): Response;
  /** The answer to what is no request, by status code. */
  refuse(now: Instant, status: number): Response;
  /** Bytes that the stream has taken. */
  handleWritten(bytes: number): void;
  handleClosed(connection: HttpConnection): void;
}

type State = 'open' | 'draining' | 'closed';

// Filled and emptied within one call, so all connections share them.
const scratch = new Uint8Array(SCRATCH_BYTES);
const output = new Uint8Array(SCRATCH_BYTES);
const request = new Request();

export class HttpConnection {
  readonly stream: ByteStream;
  /** When something came or went last. */
  activeAt: Instant;
  state: State = 'open';
  readonly #server: Answering;
  /** Received, but not yet a whole request. */
  #partial: Uint8Array | null = null;
  /** Answers that the stream has not taken. */
  #pending: Uint8Array | null = null;
  /** Of a body, still to come. */
  #skip = 0;
  #drained = 0;
  #outputLength = 0;
  /** In place of `output`, for an answer that is larger. */
  #large: Uint8Array | null = null;
  /** After the answers that wait the connection is closed. */
  #isEnding = false;
  /** The peer has said that nothing more will come. */
  #hasEnded = false;

  constructor(now: Instant, stream: ByteStream, server: Answering) {
    this.stream = stream;
    this.activeAt = now;
    this.#server = server;
    stream.onReady = (time): void => this.handleReady(time);
  }

  /** Between requests: it may be closed without loss. */
  get isIdle(): boolean {
    return this.#partial === null && this.#pending === null && this.#skip === 0;
  }

  handleReady(now: Instant): void {
    if (this.state === 'closed') return;
    this.activeAt = now;
    if (!this.#flushPending()) return;
    if (this.state === 'draining') this.#drain();
    else this.#serve(now);
  }

  /** Gives it up: politely where nothing is under way. */
  close(): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.#partial = null;
    this.#pending = null;
    this.stream.onReady = null;
    this.stream.close();
    this.#server.handleClosed(this);
  }

  /** The peer was too slow: what it began is answered, then it is closed. */
  handleTimeout(now: Instant): void {
    if (this.state !== 'open' || this.isIdle || this.#pending !== null) {
      this.close();
      return;
    }
    this.#add(this.#server.refuse(now, 408), false, false, 1);
    this.#isEnding = true;
    this.#flush();
  }

  #serve(now: Instant): void {
    for (;;) {
      const held = this.#takePartial();
      const count = this.#hasEnded ? 0 : this.stream.read(scratch, held, SCRATCH_BYTES);
      if (typeof count === 'string' && count !== 'EAGAIN') {
        this.close();
        return;
      }
      if (count === 0) this.#hasEnded = true;
      const length = typeof count === 'string' ? held : held + count;
      const isWhole = this.#handleBytes(now, length);
      if (!this.#flush() || this.state !== 'open') return;
      // What is left of the bytes was held back for want of room: now there is some.
      if (!isWhole) continue;
      if (this.#hasEnded) {
        this.close();
        return;
      }
      if (typeof count === 'string' || count < SCRATCH_BYTES - held) return;
    }
  }

  /** Puts what was left of the last time to the front of `scratch`. */
  #takePartial(): number {
    const partial = this.#partial;
    if (partial === null) return 0;
    copyBytes(scratch, 0, partial, 0, partial.length);
    this.#partial = null;
    return partial.length;
  }

  /** Answers the requests in the first `length` bytes of `scratch`. False when there was no room for an answer. */
  #handleBytes(now: Instant, length: number): boolean {
    let at = 0;
    while (at < length && !this.#isEnding) {
      if (this.#skip > 0) {
        const skipped = Math.min(this.#skip, length - at);
        this.#skip -= skipped;
        at += skipped;
        continue;
      }
      const head = parseRequest(scratch, at, length, request);
      if (head === 0) break;
      if (head < 0) {
        this.#refuse(now, -head);
        return true;
      }
      const response = this.#server.respond(now, request, scratch);
      if (this.#outputLength > 0 && this.#outputLength + response.room > SCRATCH_BYTES) {
        this.#keep(at, length);
        return false;
      }
      at += head;
      this.#answer(now, response);
    }
    if (at < length && !this.#isEnding) this.#keep(at, length);
    return true;
  }

  #answer(now: Instant, response: Response): void {
    const isBodyLong = request.isChunked || request.contentLength > SKIP_MAX;
    if (isBodyLong && !request.isChunked) {
      this.#refuse(now, 413);
      return;
    }
    // RFC 9110 §10.1.1: one that waits for 100 gets the final answer instead, and need not send its body.
    const isKept = request.isKeepAlive && !isBodyLong && !request.expectsContinue && response.status !== 503;
    this.#skip = isKept ? request.contentLength : 0;
    this.#add(response, request.method === Method.Head, isKept, request.minor);
    if (!isKept) this.#isEnding = true;
  }

  #refuse(now: Instant, status: number): void {
    this.#add(this.#server.refuse(now, status), false, false, 1);
    this.#isEnding = true;
  }

  #add(response: Response, isHead: boolean, isKept: boolean, minor: number): void {
    this.#outputLength = response.write(
      this.#outputRoom(response.room),
      this.#outputLength,
      isHead,
      isKept,
      minor,
    );
  }

  /** Where the next answer goes. One that is larger than all of `output` has it for itself. */
  #outputRoom(bytes: number): Uint8Array {
    if (this.#outputLength + bytes <= SCRATCH_BYTES) return output;
    this.#large = new Uint8Array(this.#outputLength + bytes);
    copyBytes(this.#large, 0, output, 0, this.#outputLength);
    return this.#large;
  }

  #keep(from: number, to: number): void {
    this.#partial = scratch.slice(from, to);
  }

  /** Gives the answers to the stream. False when it did not take them all, or the connection is over. */
  #flush(): boolean {
    const length = this.#outputLength;
    const source = this.#large ?? output;
    this.#outputLength = 0;
    this.#large = null;
    if (length > 0) {
      const taken = this.stream.write(source, 0, length);
      if (typeof taken === 'string' && taken !== 'EAGAIN') {
        this.close();
        return false;
      }
      const written = typeof taken === 'string' ? 0 : taken;
      this.#server.handleWritten(written);
      if (written < length) {
        this.#pending = source.slice(written, length);
        return false;
      }
    }
    return this.#finish();
  }

  /** Goes on with answers that were held back. */
  #flushPending(): boolean {
    const pending = this.#pending;
    if (pending === null) return true;
    const taken = this.stream.write(pending, 0, pending.length);
    if (typeof taken === 'string') {
      if (taken !== 'EAGAIN') this.close();
      return false;
    }
    this.#server.handleWritten(taken);
    this.#pending = taken === pending.length ? null : pending.slice(taken);
    return this.#pending === null && this.#finish();
  }

  /** RFC 9112 §9.6: half a close, so that what the peer still sends does not cost it the last answer. */
  #finish(): boolean {
    if (!this.#isEnding || this.state !== 'open') return true;
    this.state = 'draining';
    this.#partial = null;
    this.stream.shutdown('write');
    this.#drain();
    return false;
  }

  #drain(): void {
    for (;;) {
      const count = this.stream.read(scratch, 0, SCRATCH_BYTES);
      if (count === 'EAGAIN') return;
      if (typeof count === 'string' || count === 0) break;
      this.#drained += count;
      if (this.#drained > SKIP_MAX) break;
    }
    this.close();
  }
}
