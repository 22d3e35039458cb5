/**
 * A small HTTP/1.1 server over TCP sockets: who may connect, which resource a target names (RFC 9112 §3.2), in which
 * form it is wanted (RFC 9110 §12), and who has been silent for too long.
 *
 * Only what is read is served: GET and HEAD.
 */
import type { Instant } from '../base/time.ts';
import { after, NEVER, sec } from '../base/time.ts';
import type { TcpSocket } from '../socket/tcp-socket.ts';
import type { Answering } from './connection.ts';
import { HttpConnection } from './connection.ts';
import type { Request } from './request.ts';
import { isExactly, isText, Method, quality } from './request.ts';
import { Response, reasonOf } from './response.ts';

export const HTTP_PORT = 80;
/** More wait to be accepted. */
const CONNECTIONS_MAX = 4_096;
/** Between two requests, as most servers have it; and for a request to arrive, or an answer to be taken. */
const IDLE_TIMEOUT = sec(75);
const REQUEST_TIMEOUT = sec(20);
/** Timeouts are looked for so often: none is needed to the second. */
const SWEEP_INTERVAL = sec(5);
/** An answer is made anew after so long. */
const FRESH_TIME = sec(1);

const SLASH = 47;
const QUESTION = 63;
const SCHEME = 'http://';

/** One form of a resource. */
export interface Representation {
  /** `text`, `html`; and the whole field with its parameters. */
  readonly type: string;
  readonly subtype: string;
  readonly contentType: string;
  body(now: Instant): string;
}

export interface Resource {
  readonly path: string;
  /** The first one that is wanted most is served. */
  readonly representations: readonly Representation[];
}

export interface HttpCounters {
  connections: number;
  open: number;
  requests: number;
  /** Answers by the hundreds of their status, and connections that were closed for silence. */
  ok: number;
  clientErrors: number;
  serverErrors: number;
  timeouts: number;
  bytesOut: number;
}

/** The time of day as RFC 9110 §5.6.7 writes it: `Fri, 20 Nov 2026 15:04:05 GMT`. */
export type HttpDate = (now: Instant) => string;

export class HttpServer implements Answering {
  readonly counters: HttpCounters = {
    connections: 0,
    open: 0,
    requests: 0,
    ok: 0,
    clientErrors: 0,
    serverErrors: 0,
    timeouts: 0,
    bytesOut: 0,
  };
  readonly #date: HttpDate;
  readonly #resources: readonly Resource[];
  readonly #connections = new Set<HttpConnection>();
  #socket: TcpSocket | null = null;
  #sweepAt: Instant = NEVER;
  /** Answers that are still fresh, by resource and representation, and refusals by status. */
  #answers: (Response | undefined)[][];
  #refusals: (Response | undefined)[] = [];
  #freshUntil: Instant = Number.NEGATIVE_INFINITY as Instant;

  constructor(date: HttpDate, resources: readonly Resource[]) {
    this.#date = date;
    this.#resources = resources;
    this.#answers = resources.map(() => []);
  }

  /** Takes over a socket that listens. */
  serve(socket: TcpSocket): void {
    this.#socket = socket;
    socket.onReady = (now): void => this.#acceptAll(now);
  }

  close(): void {
    this.#socket?.close();
    this.#socket = null;
    for (const connection of this.#connections) connection.close();
    this.#sweepAt = NEVER;
  }

  // ---- timed

  nextTimeout(): Instant {
    return this.#sweepAt;
  }

  handleTurn(now: Instant): void {
    if (now >= this.#sweepAt) this.handleTimeout(now);
  }

  handleTimeout(now: Instant): void {
    if (now < this.#sweepAt) return;
    for (const connection of this.#connections) {
      const limit = connection.state === 'open' && connection.isIdle ? IDLE_TIMEOUT : REQUEST_TIMEOUT;
      if (now < connection.activeAt + limit) continue;
      if (connection.state === 'open') this.counters.timeouts++;
      connection.handleTimeout(now);
    }
    this.#sweepAt = this.#connections.size === 0 ? NEVER : after(now, SWEEP_INTERVAL);
  }

  // ---- answers

  respond(now: Instant, request: Request, bytes: Uint8Array): Response {
    this.counters.requests++;
    if (request.method === Method.Other) return this.#refusal(now, 405);
    const index = this.#find(request, bytes);
    if (index < 0) return this.#refusal(now, index === MALFORMED ? 400 : 404);
    const resource = this.#resources[index] as Resource;
    const chosen = choose(resource, request, bytes);
    if (chosen < 0) return this.#refusal(now, 406);
    this.counters.ok++;
    this.#refresh(now);
    const answers = this.#answers[index] as (Response | undefined)[];
    const known = answers[chosen];
    if (known !== undefined) return known;
    const form = resource.representations[chosen] as Representation;
    const vary = resource.representations.length > 1 ? ['Vary: Accept'] : [];
    const made = new Response(200, form.contentType, form.body(now), this.#date(now), vary);
    answers[chosen] = made;
    return made;
  }

  refuse(now: Instant, status: number): Response {
    return this.#refusal(now, status);
  }

  handleWritten(bytes: number): void {
    this.counters.bytesOut += bytes;
  }

  handleClosed(connection: HttpConnection): void {
    const wasFull = this.#connections.size >= CONNECTIONS_MAX;
    if (this.#connections.delete(connection)) this.counters.open--;
    if (wasFull) this.#acceptAll(connection.activeAt);
  }

  #acceptAll(now: Instant): void {
    const socket = this.#socket;
    if (socket === null) return;
    while (this.#connections.size < CONNECTIONS_MAX) {
      const stream = socket.accept();
      if (typeof stream === 'string') return;
      // An answer leaves at once: there is nothing that could still be put behind it.
      stream.setOption('noDelay', 1);
      this.counters.connections++;
      this.counters.open++;
      this.#connections.add(new HttpConnection(now, stream, this));
      if (this.#sweepAt === NEVER) this.#sweepAt = after(now, SWEEP_INTERVAL);
    }
  }

  #refusal(now: Instant, status: number): Response {
    if (status >= 500) this.counters.serverErrors++;
    else this.counters.clientErrors++;
    this.#refresh(now);
    const known = this.#refusals[status];
    if (known !== undefined) return known;
    // RFC 9110 §15.5.6: 405 says what is allowed.
    const fields = status === 405 ? ['Allow: GET, HEAD'] : [];
    const text = `${status} ${reasonOf(status)}\n`;
    const made = new Response(status, 'text/plain; charset=utf-8', text, this.#date(now), fields);
    this.#refusals[status] = made;
    return made;
  }

  #refresh(now: Instant): void {
    if (now < this.#freshUntil) return;
    this.#freshUntil = after(now, FRESH_TIME);
    for (const answers of this.#answers) answers.length = 0;
    this.#refusals.length = 0;
  }

  /** Which resource the target names: an index, `MISSING` or `MALFORMED`. */
  #find(request: Request, bytes: Uint8Array): number {
    let { targetStart: start } = request;
    const { targetEnd: end } = request;
    if (bytes[start] !== SLASH) {
      // RFC 9112 §3.2.2: the absolute form, as proxies are sent it, is understood by everybody.
      if (!isText(bytes, start, Math.min(end, start + SCHEME.length), SCHEME)) return MALFORMED;
      start += SCHEME.length;
      while (start < end && bytes[start] !== SLASH && bytes[start] !== QUESTION) start++;
      if (start === end || bytes[start] === QUESTION) return this.#indexOf(bytes, 0, 0);
    }
    let pathEnd = start;
    while (pathEnd < end && bytes[pathEnd] !== QUESTION) pathEnd++;
    return this.#indexOf(bytes, start, pathEnd);
  }

  /** An empty path is `/` (RFC 9110 §4.2.3). */
  #indexOf(bytes: Uint8Array, start: number, end: number): number {
    for (let i = 0; i < this.#resources.length; i++) {
      const { path } = this.#resources[i] as Resource;
      if (start === end ? path === '/' : isExactly(bytes, start, end, path)) return i;
    }
    return MISSING;
  }
}

const MISSING = -1;
const MALFORMED = -2;

/** The representation that is wanted most, or -1 when none is. */
function choose(
  { representations }: Resource,
  { acceptStart, acceptEnd }: Request,
  bytes: Uint8Array,
): number {
  if (acceptStart === acceptEnd) return 0;
  let chosen = -1;
  let best = 0;
  for (let i = 0; i < representations.length; i++) {
    const { type, subtype } = representations[i] as Representation;
    const own = quality(bytes, acceptStart, acceptEnd, type, subtype);
    if (own <= best) continue;
    best = own;
    chosen = i;
  }
  return chosen;
}
