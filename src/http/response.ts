/**
 * Answers as bytes: RFC 9112 §4 (status line), RFC 9110 §6.6.1 (Date), §8.3 (Content-Type), §8.6 (Content-Length).
 *
 * An answer is made once and copied for everybody who asks in the same second, head and body in one piece.
 */
import { copyBytes } from '../base/bytes.ts';

const REASONS: Readonly<Record<number, string>> = {
  200: 'OK',
  304: 'Not Modified',
  400: 'Bad Request',
  404: 'Not Found',
  405: 'Method Not Allowed',
  406: 'Not Acceptable',
  408: 'Request Timeout',
  413: 'Content Too Large',
  414: 'URI Too Long',
  431: 'Request Header Fields Too Large',
  501: 'Not Implemented',
  503: 'Service Unavailable',
  505: 'HTTP Version Not Supported',
};

const encoder = new TextEncoder();

/** Immutable: head with everything but `Connection`, and body. */
export class Response {
  readonly status: number;
  readonly bytes: Uint8Array;
  /** Of `bytes`: where the last line of the head begins, the empty one. */
  readonly headEnd: number;

  /** `fields` are further lines of the head, without line ends. */
  constructor(status: number, type: string, body: string, date: string, fields: readonly string[] = []) {
    this.status = status;
    const text = encoder.encode(body);
    const lines = [
      `HTTP/1.1 ${status} ${reasonOf(status)}`,
      `Date: ${date}`,
      'Server: tapstack',
      `Content-Type: ${type}`,
      `Content-Length: ${text.length}`,
      ...fields,
    ];
    const head = encoder.encode(`${lines.join('\r\n')}\r\n`);
    this.bytes = new Uint8Array(head.length + 2 + text.length);
    this.bytes.set(head);
    this.headEnd = head.length;
    this.bytes[head.length] = 13;
    this.bytes[head.length + 1] = 10;
    this.bytes.set(text, head.length + 2);
  }

  /** Bytes that `write` takes at most. */
  get room(): number {
    return this.bytes.length + CONNECTION_BYTES_MAX;
  }

  /** Copies it to `into` at `at`; answers the end. HTTP/1.0 is told that the connection stays, if it does. */
  write(into: Uint8Array, at: number, isHead: boolean, isKept: boolean, minor: number): number {
    const { bytes, headEnd } = this;
    const bodyEnd = isHead ? headEnd + 2 : bytes.length;
    if (isKept && minor >= 1) {
      copyBytes(into, at, bytes, 0, bodyEnd);
      return at + bodyEnd;
    }
    copyBytes(into, at, bytes, 0, headEnd);
    const field = isKept ? KEEP_ALIVE : CLOSE;
    into.set(field, at + headEnd);
    const next = at + headEnd + field.length;
    copyBytes(into, next, bytes, headEnd, bodyEnd - headEnd);
    return next + bodyEnd - headEnd;
  }
}

const KEEP_ALIVE: Uint8Array = encoder.encode('Connection: keep-alive\r\n');
const CLOSE: Uint8Array = encoder.encode('Connection: close\r\n');
const CONNECTION_BYTES_MAX = 24;

export function reasonOf(status: number): string {
  return REASONS[status] ?? 'Unknown';
}
