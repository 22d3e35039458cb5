/** Starts `tapstack relay`, as a user does, and gives its two ends addresses. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import type { Namespace } from '../support/namespace.ts';
import { Started } from '../support/namespace.ts';

const PROGRAM = fileURLToPath(new URL('../../../../bin/tapstack', import.meta.url));

export const command = (words: readonly string[]): string[] => [process.execPath, PROGRAM, 'relay', ...words];

export class RelayProcess {
  readonly #started: Started;

  constructor(started: Started) {
    this.#started = started;
  }

  says(pattern: RegExp): Promise<void> {
    return this.#started.says(pattern);
  }

  /** Answers what it says it has done. */
  async stop(): Promise<string> {
    const status = await this.#started.stop('SIGINT');
    if (status !== 0) throw new Error(`the relay ended with ${status}: ${this.#started.stderr}`);
    return this.#started.stdout;
  }
}

/** Starts a relay and waits until it has joined its devices. It ends with the test. */
export async function relay(t: Test, words: readonly string[]): Promise<RelayProcess> {
  const [file = '', ...rest] = command(words);
  const started = new Started('tapstack relay', spawn(file, rest, { stdio: ['ignore', 'pipe', 'pipe'] }));
  t.teardown(() => started.stop());
  await started.says(/are joined/);
  return new RelayProcess(started);
}

/** 10.5.0.1 on the device `left`, 10.5.0.2 on `right`. */
export function twoHosts(left: Namespace, right: Namespace): void {
  left.ip('addr', 'add', '10.5.0.1/24', 'dev', 'left');
  right.ip('addr', 'add', '10.5.0.2/24', 'dev', 'right');
}
