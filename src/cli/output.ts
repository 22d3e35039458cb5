/**
 * Where results go: standard output, as text or as JSON, and for captures a file.
 */
import type { WriteStream } from 'node:fs';
import { createWriteStream } from 'node:fs';
import process from 'node:process';
import type { Command, RenderOptions } from '../control/command.ts';
import { isRecord } from '../control/command.ts';

/** Writes and waits until there is room for more. Errors are for whoever made the stream. */
export async function writeTo(stream: NodeJS.WritableStream, data: string | Uint8Array): Promise<void> {
  if (stream.write(data)) return;
  await new Promise<void>((resolve) => stream.once('drain', resolve));
}

export class Output {
  readonly #command: Command;
  readonly #options: RenderOptions;
  readonly #isJson: boolean;
  /** For captures: where their bytes go; null where lines are printed. */
  readonly #file: WriteStream | NodeJS.WriteStream | null;
  #fileError: Error | null = null;
  /** Of a stream that ended; 0 before. */
  exitCode = 0;

  constructor(command: Command, options: RenderOptions, isJson: boolean) {
    this.#command = command;
    this.#options = options;
    this.#isJson = isJson;
    const path = command.name === 'capture' ? options.args.write : undefined;
    this.#file = typeof path === 'string' ? this.#open(path) : null;
  }

  get fileError(): Error | null {
    return this.#fileError;
  }

  async result(result: unknown): Promise<void> {
    if (this.#command.kind !== 'query') return;
    await this.#print(result, () =>
      this.#command.kind === 'query' ? this.#command.render(result, this.#options) : '',
    );
  }

  async item(item: unknown): Promise<void> {
    const { kind } = this.#command;
    if (kind !== 'stream') return;
    if (this.#file !== null && isRecord(item) && typeof item.chunk === 'string') {
      if (this.#fileError === null) await writeTo(this.#file, Buffer.from(item.chunk, 'base64'));
      return;
    }
    await this.#print(item, () =>
      this.#command.kind === 'stream' ? this.#command.render(item, this.#options) : '',
    );
  }

  async end(end: unknown): Promise<void> {
    const command = this.#command;
    if (command.kind !== 'stream') return;
    this.exitCode = command.exitCode(end);
    // The output of a capture is its frames, so what was counted is said beside it.
    if (command.name === 'capture') await writeTo(process.stderr, command.renderEnd(end, this.#options));
    else await this.#print(end, () => command.renderEnd(end, this.#options));
  }

  /** Waits until everything is in the file. */
  async close(): Promise<void> {
    const file = this.#file;
    if (file === null || file === process.stdout || this.#fileError !== null) return;
    await new Promise<void>((resolve) => file.end(resolve));
  }

  async #print(value: unknown, render: () => string): Promise<void> {
    const text = this.#isJson ? `${JSON.stringify(value)}\n` : render();
    if (text !== '') await writeTo(process.stdout, text);
  }

  #open(path: string): WriteStream | NodeJS.WriteStream {
    if (path === '-') return process.stdout;
    const file = createWriteStream(path, { mode: 0o600 });
    file.on('error', (error) => {
      this.#fileError = error;
    });
    return file;
  }
}
