/**
 * The control protocol: lines of JSON over a stream, answered in the order in which they can be.
 *
 *     → {"id":1,"command":"route add","args":{"prefix":"10.0.0.0/8","via":"10.77.0.1"}}
 *     ← {"id":1,"result":{}}                  or {"id":1,"error":{"code":"EEXIST","text":"…"}}
 *
 *     → {"id":2,"command":"ping","args":{"destination":"10.77.0.1"}}
 *     ← {"id":2,"item":{…}}  {"id":2,"item":{…}}  …                   until it ends, or is asked to:
 *     → {"id":3,"cancel":2}
 *     ← {"id":2,"end":{…}}
 *
 * Whoever connects gets the first word: `{"tapstack":1,"version":"0.1.0","name":"tapstack0","pid":7}`.
 */
import { isRecord } from './command.ts';

/** Goes up when an old client would misread a new daemon. */
export const PROTOCOL = 1;
/** Of a request: the longest that makes sense is a route with hundreds of next hops. */
export const REQUEST_MAX_CHARS = 65_536;
/** Of an answer: a table of 100,000 routes. */
export const ANSWER_MAX_CHARS: number = 64 << 20;

export interface Hello {
  readonly tapstack: number;
  readonly version: string;
  readonly name: string;
  readonly pid: number;
}

export type Request =
  | { readonly id: number; readonly command: string; readonly args: Record<string, unknown> }
  | { readonly id: number; readonly cancel: number };

export interface ErrorReport {
  readonly code: string;
  readonly text: string;
}

export type Response =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: ErrorReport }
  | { readonly id: number; readonly item: unknown }
  | { readonly id: number; readonly end: unknown };

/** Cuts what arrives into lines. A line that is too long ends it: nothing after it can be trusted. */
export class LineReader {
  readonly #maxChars: number;
  #rest: string[] = [];
  #restChars = 0;
  #isBroken = false;

  constructor(maxChars: number) {
    this.#maxChars = maxChars;
  }

  get isBroken(): boolean {
    return this.#isBroken;
  }

  /** The lines that `text` completes. */
  handleText(text: string): string[] {
    const lines: string[] = [];
    let start = 0;
    while (!this.#isBroken) {
      const end = text.indexOf('\n', start);
      const piece = text.slice(start, end < 0 ? text.length : end);
      this.#restChars += piece.length;
      if (this.#restChars > this.#maxChars) {
        this.#isBroken = true;
        this.#rest = [];
        break;
      }
      // A long line comes in many pieces: joined once, not once for each.
      this.#rest.push(piece);
      if (end < 0) break;
      lines.push(this.#rest.join(''));
      this.#rest = [];
      this.#restChars = 0;
      start = end + 1;
    }
    return lines;
  }
}

/** What a line says, or null when it is no JSON. */
export function parseLine(line: string): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch {
    // Answered as such: the sender made a mistake, we did not.
    return null;
  }
}

/** A request, or what is wrong with it. */
export function readRequest(line: string): Request | string {
  const message = parseLine(line);
  if (!isRecord(message)) return 'a request is one line of JSON, an object';
  const { id, command, cancel } = message;
  if (!Number.isSafeInteger(id)) return 'a request has a whole number "id"';
  if (cancel !== undefined) {
    return Number.isSafeInteger(cancel)
      ? { id: id as number, cancel: cancel as number }
      : '"cancel" is the id of the request that shall end';
  }
  if (typeof command !== 'string') return 'a request has the name of a "command"';
  const args = message.args ?? {};
  return isRecord(args) ? { id: id as number, command, args } : '"args" is an object';
}

/** A response, or null where it is none. */
export function readResponse(line: string): Response | null {
  const message = parseLine(line);
  if (!isRecord(message) || typeof message.id !== 'number') return null;
  const kinds = ['result', 'error', 'item', 'end'].filter((kind) => Object.hasOwn(message, kind));
  return kinds.length === 1 ? (message as unknown as Response) : null;
}

export function readHello(line: string): Hello | null {
  const message = parseLine(line);
  return isRecord(message) && typeof message.tapstack === 'number' ? (message as unknown as Hello) : null;
}

export function formatLine(message: object): string {
  return `${JSON.stringify(message)}\n`;
}
