/**
 * Network namespaces of a test's own, and programs that run in them.
 *
 * A namespace goes when the test ends, however it ends: at the end of the test, at the exit of the process, or, after
 * a death without any, at the beginning of the next run. What runs in it goes with it.
 */
import type { ChildProcess } from 'node:child_process';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Test } from 'tap';
import { addonProblem } from '../../../src/link/addon.ts';

const PREFIX = 'tapstack-it';
const RUN_TIMEOUT_MS = 60_000;
const END_TIMEOUT_MS = 5_000;

/**
 * Why a test that needs these programs cannot run here, or false. Under CI nothing is an excuse: the test runs, and
 * fails by what it misses.
 */
export function reasonToSkip(...programs: string[]): string | false {
  if (process.env['CI'] === 'true') return false;
  if (process.getuid?.() !== 0) return 'needs root';
  if (addonProblem() !== '') return addonProblem();
  const missing = ['ip', ...programs].filter((program) => !isInstalled(program));
  return missing.length === 0 ? false : `needs ${missing.join(', ')}`;
}

function isInstalled(program: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;
}

export interface Output {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string | Uint8Array;
  readonly timeoutMs?: number;
  readonly env?: Readonly<Record<string, string>>;
}

const running = new Set<ChildProcess>();

/** A program that goes on until it is stopped. */
export class Started {
  readonly process: ChildProcess;
  readonly #name: string;
  stdout = '';
  stderr = '';

  constructor(name: string, process: ChildProcess) {
    this.#name = name;
    this.process = process;
    running.add(process);
    process.on('close', () => running.delete(process));
    process.stdout?.on('data', (chunk: Buffer) => (this.stdout += chunk.toString('latin1')));
    process.stderr?.on('data', (chunk: Buffer) => (this.stderr += chunk.toString('latin1')));
  }

  get isRunning(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  /** Waits until its output, of either kind, matches. */
  async says(pattern: RegExp, timeoutMs = 15_000): Promise<void> {
    await until(
      `${this.#name} says ${pattern}`,
      () => {
        if (pattern.test(this.stdout) || pattern.test(this.stderr)) return true;
        if (!this.isRunning) throw new Error(`${this.#name} ended early:\n${this.stdout}\n${this.stderr}`);
        return false;
      },
      timeoutMs,
    );
  }

  /** Answers the exit code, or the signal that ended it. What does not end when asked is killed. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | NodeJS.Signals | null> {
    if (this.isRunning) {
      const closed = once(this.process, 'close');
      this.process.kill(signal);
      const kill = setTimeout(() => this.process.kill('SIGKILL'), END_TIMEOUT_MS);
      await closed;
      clearTimeout(kill);
    }
    return this.process.exitCode ?? this.process.signalCode;
  }
}

/** Runs a program to its end. */
export async function run(command: readonly string[], options: RunOptions = {}): Promise<Output> {
  const [file = '', ...words] = command;
  const child = spawn(file, words, {
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: options.timeoutMs ?? RUN_TIMEOUT_MS,
    killSignal: 'SIGKILL',
    env: { ...process.env, LC_ALL: 'C', ...options.env },
  });
  const started = new Started(command.join(' '), child);
  // A program may end without having read what it is given.
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.input ?? '');
  const [status] = (await once(child, 'close')) as [number | null];
  return { status, stdout: started.stdout, stderr: started.stderr };
}

const live = new Set<Namespace>();

export class Namespace {
  readonly name: string;

  constructor(label: string) {
    this.name = `${PREFIX}-${process.pid}-${label}${randomBytes(3).toString('hex')}`;
    execFileSync('ip', ['netns', 'add', this.name]);
    live.add(this);
    // So that the kernel does not say hello to every new device; and everything is up that needs no decision.
    this.exec('sysctl', '-qw', 'net.ipv6.conf.all.disable_ipv6=1', 'net.ipv6.conf.default.disable_ipv6=1');
    this.ip('link', 'set', 'lo', 'up');
  }

  /** `ip -n THIS …`. */
  ip(...words: string[]): string {
    return execFileSync('ip', ['-n', this.name, ...words], { encoding: 'utf8' });
  }

  /** `ip -j -n THIS …`. */
  json(...words: string[]): Record<string, unknown>[] {
    const text = this.ip('-j', '-d', ...words);
    return text.trim() === '' ? [] : (JSON.parse(text) as Record<string, unknown>[]);
  }

  /** For what is done at once; throws when it fails. */
  exec(...command: string[]): string {
    return execFileSync('ip', ['netns', 'exec', this.name, ...command], { encoding: 'utf8' });
  }

  /** Runs a program in here to its end, whatever that is. */
  run(command: readonly string[], options: RunOptions = {}): Promise<Output> {
    return run(['ip', 'netns', 'exec', this.name, ...command], options);
  }

  /** The same, where only success is right; answers what it wrote. */
  async must(...command: string[]): Promise<string> {
    const output = await this.run(command);
    if (output.status === 0) return output.stdout;
    throw new Error(`${command.join(' ')} → ${output.status}\n${output.stdout}\n${output.stderr}`);
  }

  /** Starts a program in here. It ends with the namespace, if not before. */
  start(...command: string[]): Started {
    const child = spawn('ip', ['netns', 'exec', this.name, ...command], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, LC_ALL: 'C' },
    });
    return new Started(command[0] ?? '', child);
  }

  remove(): void {
    if (live.delete(this)) removeNamespace(this.name);
  }
}

/** A namespace for `t`. */
export function namespace(t: Test, label = ''): Namespace {
  sweep();
  const made = new Namespace(label);
  t.teardown(() => made.remove());
  return made;
}

/** A pair of devices between two namespaces, up, with no addresses; without offload, as a wire has none. */
export function veth(a: Namespace, nameA: string, b: Namespace, nameB: string): void {
  a.ip('link', 'add', nameA, 'type', 'veth', 'peer', 'name', nameB, 'netns', b.name);
  for (const [space, name] of [
    [a, nameA],
    [b, nameB],
  ] as const) {
    space.exec('ethtool', '-K', name, 'tx', 'off', 'tso', 'off', 'gso', 'off');
    space.ip('link', 'set', name, 'up');
  }
}

function removeNamespace(name: string): void {
  // Only programs of ours can be in there.
  const pids = spawnSync('ip', ['netns', 'pids', name], { encoding: 'utf8' }).stdout.split(/\s+/);
  for (const pid of pids) if (pid !== '') spawnSync('kill', ['-KILL', pid]);
  spawnSync('ip', ['netns', 'delete', name]);
}

let isSwept = false;

/** Has everything go with this process, and takes away what a run left that was killed: its pid is in the names. */
function sweep(): void {
  if (isSwept) return;
  isSwept = true;
  process.on('exit', () => {
    // A daemon stands outside of the namespace that its device is in.
    for (const child of running) child.kill('SIGKILL');
    for (const space of live) space.remove();
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1));
  const list = execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' });
  for (const [name, pid] of list.matchAll(new RegExp(`^${PREFIX}-(\\d+)-\\w+`, 'gm')))
    if (spawnSync('kill', ['-0', pid as string]).status !== 0) removeNamespace(name);
}

/** Asks again and again until it is so; other work on the machine may delay everything, so the limit is generous. */
export async function until(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  timeoutMs = 15_000,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain until ${what}`);
    await sleep(20);
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
