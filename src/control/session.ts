/**
 * One client at the daemon's end: requests in, answers out, streams in between. Knows no socket.
 *
 *     handleText(now, text) → commands → pollOutput(now): what is to be sent next
 *
 * Streams are polled only as far as their answers are taken, so that a slow client holds up its own capture and
 * nothing else.
 */
import type { Instant } from '../base/time.ts';
import type { Command } from './command.ts';
import type { ControlHost, ResultStream } from './host.ts';
import { Refusal } from './host.ts';
import type { Hello, Response } from './protocol.ts';
import { formatLine, LineReader, REQUEST_MAX_CHARS, readRequest } from './protocol.ts';
import { ConfigError } from './schema.ts';

/** Streams that one client may have at a time. */
export const STREAMS_MAX = 8;
/** Lines that `pollOutput` takes from one stream before the next has its turn. */
const ITEMS_PER_POLL = 64;

export class Session {
  /** The client said something that is not the protocol: send what is left and hang up. */
  isBroken = false;
  readonly #commands: ReadonlyMap<string, Command>;
  readonly #host: ControlHost;
  readonly #reader = new LineReader(REQUEST_MAX_CHARS);
  readonly #streams = new Map<number, ResultStream>();
  #output: string[] = [];

  constructor(commands: readonly Command[], host: ControlHost, hello: Hello) {
    this.#commands = new Map(commands.map((command) => [command.name, command]));
    this.#host = host;
    this.#output.push(formatLine(hello));
  }

  get streamCount(): number {
    return this.#streams.size;
  }

  handleText(now: Instant, text: string): void {
    if (this.isBroken) return;
    for (const line of this.#reader.handleText(text)) if (line.trim() !== '') this.#handleLine(now, line);
    if (this.#reader.isBroken) this.#break(`a request has at most ${REQUEST_MAX_CHARS} characters`);
  }

  /** What is to be sent now; empty when there is nothing. */
  pollOutput(now: Instant): string {
    for (const [id, stream] of this.#streams) this.#pollStream(now, id, stream);
    const text = this.#output.join('');
    this.#output = [];
    return text;
  }

  /** The client is gone. */
  close(): void {
    for (const stream of this.#streams.values()) stream.close();
    this.#streams.clear();
    this.#output = [];
  }

  #pollStream(now: Instant, id: number, stream: ResultStream): void {
    for (let count = 0; count < ITEMS_PER_POLL; count++) {
      const item = stream.pollItem(now);
      if (item === null) break;
      this.#send({ id, item });
    }
    const end = stream.pollEnd(now);
    if (end === null) return;
    this.#streams.delete(id);
    stream.close();
    this.#send({ id, end });
  }

  #handleLine(now: Instant, line: string): void {
    if (this.isBroken) return;
    const request = readRequest(line);
    if (typeof request === 'string') {
      this.#break(request);
    } else if ('cancel' in request) {
      // One that has ended already needs no ending: the two messages crossed.
      this.#streams.get(request.cancel)?.cancel(now);
    } else {
      this.#run(now, request.id, request.command, request.args);
    }
  }

  #run(now: Instant, id: number, name: string, args: Record<string, unknown>): void {
    const command = this.#commands.get(name);
    if (command === undefined || command.kind === 'local') {
      this.#refuse(id, 'ENOSYS', `this daemon knows no command "${name}"`);
      return;
    }
    if (this.#streams.has(id)) {
      this.#refuse(id, 'EINVAL', 'the id is that of a stream which has not ended');
      return;
    }
    if (command.kind === 'query') {
      const result = command.run(now, this.#host, args);
      if (result instanceof ConfigError) this.#refuse(id, 'EINVAL', result.text);
      else if (result instanceof Refusal) this.#refuse(id, result.code, result.text);
      else this.#send({ id, result });
      return;
    }
    if (this.#streams.size >= STREAMS_MAX) {
      this.#refuse(id, 'EMFILE', `a client has at most ${STREAMS_MAX} streams at a time`);
      return;
    }
    const stream = command.run(now, this.#host, args);
    if (stream instanceof ConfigError) this.#refuse(id, 'EINVAL', stream.text);
    else if (stream instanceof Refusal) this.#refuse(id, stream.code, stream.text);
    else this.#streams.set(id, stream);
  }

  #refuse(id: number, code: string, text: string): void {
    this.#send({ id, error: { code, text } });
  }

  #send(response: Response): void {
    this.#output.push(formatLine(response));
  }

  #break(text: string): void {
    this.#refuse(-1, 'EPROTO', text);
    this.isBroken = true;
  }
}
