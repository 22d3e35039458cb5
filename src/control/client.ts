/**
 * One request at the client's end. Knows no socket.
 *
 *     handleText(text) → pollEvent(): hello, item, result, end, error
 */
import type { RawArgs } from './command.ts';
import type { ErrorReport, Hello } from './protocol.ts';
import { ANSWER_MAX_CHARS, formatLine, LineReader, PROTOCOL, readHello, readResponse } from './protocol.ts';

const ID = 1;

export type ClientEvent =
  | { readonly kind: 'hello'; readonly hello: Hello }
  | { readonly kind: 'item' | 'result' | 'end'; readonly value: unknown }
  | { readonly kind: 'error'; readonly error: ErrorReport };

export class ClientSession {
  readonly request: string;
  readonly #reader = new LineReader(ANSWER_MAX_CHARS);
  readonly #events: ClientEvent[] = [];
  #hasHello = false;
  #isDone = false;

  constructor(command: string, args: RawArgs) {
    this.request = formatLine({ id: ID, command, args });
  }

  /** It was answered, one way or the other. */
  get isDone(): boolean {
    return this.#isDone;
  }

  /** What to send to have a stream end. */
  get cancellation(): string {
    return formatLine({ id: ID + 1, cancel: ID });
  }

  handleText(text: string): void {
    for (const line of this.#reader.handleText(text)) if (!this.#isDone) this.#handleLine(line);
    if (this.#reader.isBroken && !this.#isDone) this.#fail('the answer is longer than any answer should be');
  }

  /** The connection is closed. */
  handleEnd(): void {
    if (!this.#isDone) this.#fail('the daemon went away before it answered');
  }

  pollEvent(): ClientEvent | null {
    return this.#events.shift() ?? null;
  }

  #handleLine(line: string): void {
    if (!this.#hasHello) {
      const hello = readHello(line);
      if (hello === null) this.#fail('what listens there is no tapstack daemon');
      else if (hello.tapstack !== PROTOCOL)
        this.#fail(`the daemon is of version ${hello.version} and speaks another protocol; restart it`);
      else this.#events.push({ kind: 'hello', hello });
      this.#hasHello = true;
      return;
    }
    const response = readResponse(line);
    if (response === null) {
      this.#fail('the daemon answered something that is no answer');
    } else if ('error' in response) {
      this.#isDone = true;
      this.#events.push({ kind: 'error', error: response.error });
    } else if ('item' in response) {
      this.#events.push({ kind: 'item', value: response.item });
    } else {
      this.#isDone = true;
      if ('end' in response) this.#events.push({ kind: 'end', value: response.end });
      else this.#events.push({ kind: 'result', value: response.result });
    }
  }

  #fail(text: string): void {
    this.#isDone = true;
    this.#events.push({ kind: 'error', error: { code: 'EPROTO', text } });
  }
}
