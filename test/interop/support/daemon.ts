/**
 * The daemon under test: `tapstack up` in a namespace, as a user starts it, and its command line to look into it.
 */
import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import type { StatusReport } from '../../../src/control/report.ts';
import type { Namespace, Output } from './namespace.ts';
import { run, Started, until } from './namespace.ts';

const PROGRAM = fileURLToPath(new URL('../../../../bin/tapstack', import.meta.url));

/** The stack's side, in every test that does not say otherwise. */
export const STACK = '10.77.0.2';
/** The kernel's. */
export const KERNEL = '10.77.0.1';
/** Of the device and of the instance. */
export const DEVICE = 'tap0';
/** Slots that a link keeps ready for the next batch of frames: the rest of a pool is free when nothing goes on. */
export const READ_AHEAD_SLOTS = 64;

/** `sysconf(_SC_CLK_TCK)`, which Linux has never changed for programs. */
const TICKS_PER_SEC = 100;

export interface DaemonOptions {
  /** Where the device shall be; null: the flags say. */
  readonly netns: Namespace | null;
  readonly flags?: readonly string[];
  /** What runs the daemon in place of this user: a program and its arguments. */
  readonly wrapper?: readonly string[];
  /** Handed over as descriptor 3. */
  readonly fd?: number;
  /** For its socket; one of its own, if not given. */
  readonly directory?: string;
}

export class Daemon {
  readonly netns: Namespace | null;
  readonly #started: Started;
  readonly #directory: string;

  constructor(netns: Namespace | null, started: Started, directory: string) {
    this.netns = netns;
    this.#started = started;
    this.#directory = directory;
  }

  get isRunning(): boolean {
    return this.#started.isRunning;
  }

  /** What it has written. */
  get log(): string {
    return this.#started.stdout + this.#started.stderr;
  }

  /** `tapstack --name … COMMAND`. */
  cli(...words: string[]): Promise<Output> {
    return run([process.execPath, PROGRAM, '--name', DEVICE, ...words], {
      env: environment(this.#directory),
    });
  }

  async json<T>(...words: string[]): Promise<T> {
    const { status, stdout, stderr } = await this.cli(...words, '--json');
    if (status !== 0) throw new Error(`tapstack ${words.join(' ')} → ${status}\n${stdout}\n${stderr}`);
    return JSON.parse(stdout) as T;
  }

  status(): Promise<StatusReport> {
    return this.json<StatusReport>('status');
  }

  /** Drops by reason. */
  async drops(): Promise<Readonly<Record<string, number>>> {
    return (await this.status()).drops;
  }

  /** The memory that it has in use. */
  async rssKb(): Promise<number> {
    const { pid } = await this.status();
    const rss = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    if (rss === undefined) throw new Error(`process ${pid} has no memory`);
    return Number(rss);
  }

  /** Processor time that it has used, in seconds. */
  async cpuSec(): Promise<number> {
    const { pid } = await this.status();
    // What follows the name, which may hold anything but ends with the last parenthesis: proc(5).
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ');
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SEC;
  }

  stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | NodeJS.Signals | null> {
    return this.#started.stop(signal);
  }
}

/** Starts a daemon and waits until it answers. It ends with the test. */
export async function daemon(t: Test, options: DaemonOptions): Promise<Daemon> {
  const { netns, flags = [], wrapper = [], fd } = options;
  const directory = options.directory ?? temporaryDirectory(t);
  const where = netns === null ? [] : ['--netns', netns.name];
  const command = [...wrapper, process.execPath, PROGRAM, 'up', '--name', DEVICE, ...where, ...flags];
  const [file = '', ...words] = command;
  const child = spawn(file, words, {
    stdio: ['ignore', 'pipe', 'pipe', ...(fd === undefined ? [] : [fd])],
    env: { ...process.env, ...environment(directory) },
  });
  const started = new Started('tapstack up', child);
  t.teardown(() => started.stop());
  const made = new Daemon(netns, started, directory);
  await until('the daemon answers', async () => {
    if (!made.isRunning) throw new Error(`the daemon ended:\n${made.log}`);
    return (await made.cli('status', '--json')).status === 0;
  });
  return made;
}

/** Starts one that shall refuse to; answers what it said. */
export function refused(...flags: string[]): Promise<Output> {
  return run([process.execPath, PROGRAM, 'up', '--name', DEVICE, ...flags], { timeoutMs: 15_000 });
}

/** One that anybody may use, since a daemon need not be root. */
export function temporaryDirectory(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'tapstack-it-'));
  chmodSync(directory, 0o777);
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

function environment(directory: string): Record<string, string> {
  return { TAPSTACK_RUNTIME_DIR: directory };
}
