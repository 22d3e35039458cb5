/** Starts `program.ts`, a host of our own with several devices, and asks it how it is. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { Started, until } from './namespace.ts';
import type { ProgramConfig, ProgramStatus } from './program.ts';

const PATH = fileURLToPath(new URL('./program.js', import.meta.url));

export class Program {
  readonly #started: Started;

  constructor(started: Started) {
    this.#started = started;
  }

  async status(): Promise<ProgramStatus> {
    const before = this.#started.stdout.length;
    this.#started.process.stdin?.write('\n');
    await until(
      'the program answers',
      () => this.#started.stdout.endsWith('}\n') && this.#started.stdout.length > before,
    );
    return JSON.parse(this.#started.stdout.slice(before)) as ProgramStatus;
  }

  /** Leaves the group. */
  leave(): void {
    this.#started.process.kill('SIGUSR2');
  }
}

export async function program(t: Test, config: ProgramConfig): Promise<Program> {
  const child = spawn(process.execPath, ['--enable-source-maps', PATH, JSON.stringify(config)], {
    stdio: 'pipe',
  });
  const started = new Started('program', child);
  t.teardown(() => started.stop());
  await started.says(/^ready/);
  return new Program(started);
}
