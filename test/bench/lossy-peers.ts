/**
 * Two servers, each behind a relay of its own that is as bad as the other: one on kernel sockets, one a daemon of ours.
 */
import type { ChildProcess } from 'node:child_process';
import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { buildPrograms, program } from './load.ts';

export type Side = 'ours' | 'kernel';

const TAPSTACK = 'bin/tapstack';
const CLIENT_ADDRESS = '10.79.0.1';
const SERVER_ADDRESS = '10.79.0.2';
const READY_TRIES = 100;
/** A client that cannot even connect, at 3 % of loss, tries again in 1, 3 and 7 seconds. */
const CLIENT_TIMEOUT_MS = 120_000;
const SIGNALS = ['SIGINT', 'SIGTERM'] as const;
const SIDES: readonly Side[] = ['ours', 'kernel'];

const run = promisify(execFile);
const ip = (...args: string[]): string => execFileSync('ip', args, { encoding: 'utf8' });
const clientOf = (side: Side): string => `tsb-loss-client-${side}`;
const serverOf = (side: Side): string => `tsb-loss-${side}`;

function freshNetns(name: string): void {
  try {
    execFileSync('ip', ['netns', 'del', name], { stdio: 'ignore' });
  } catch {
    // There was none: that is what is wanted.
  }
  ip('netns', 'add', name);
  ip('-n', name, 'link', 'set', 'lo', 'up');
  ip('netns', 'exec', name, 'sysctl', '-qw', 'net.ipv6.conf.default.disable_ipv6=1');
  // What is learnt of one path is not for the next.
  ip('netns', 'exec', name, 'sysctl', '-qw', 'net.ipv4.tcp_no_metrics_save=1');
}

async function stopProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await ended;
}

export class LossyPeers {
  readonly #servers: readonly ChildProcess[];
  #relays: ChildProcess[] = [];

  readonly #onInterrupt = (): void => {
    for (const child of [...this.#relays, ...this.#servers]) child.kill('SIGTERM');
    removeAll();
    process.exit(1);
  };

  private constructor(servers: readonly ChildProcess[]) {
    this.#servers = servers;
    for (const signal of SIGNALS) process.on(signal, this.#onInterrupt);
  }

  /** Both with the same congestion control. */
  static async start(congestion: string): Promise<LossyPeers> {
    buildPrograms();
    for (const side of SIDES) {
      freshNetns(clientOf(side));
      freshNetns(serverOf(side));
    }
    const kernel = serverOf('kernel');
    const serve = ['netns', 'exec', kernel, program('kernel-server'), '0.0.0.0', congestion];
    const server = spawn('ip', serve, { stdio: 'inherit' });
    const flags = ['--no-offload', '--host-address', 'none', '--congestion', congestion];
    const where = ['--name', 'loss', '--dev', 'tap0', '--netns', serverOf('ours')];
    const up = [
      TAPSTACK,
      'up',
      ...where,
      '--address',
      `${SERVER_ADDRESS}/24`,
      ...flags,
      '--log-level',
      'warn',
    ];
    const daemon = spawn(process.execPath, up, { stdio: ['ignore', 'ignore', 'inherit'] });
    const peers = new LossyPeers([server, daemon]);
    try {
      await until(() => ip('-n', serverOf('ours'), 'link').includes('tap0'));
      return peers;
    } catch (error) {
      await peers.stop();
      throw error;
    }
  }

  /** From now on through relays with these flags. */
  async relay(flags: readonly string[]): Promise<void> {
    await this.#stopRelays();
    for (const side of SIDES) {
      const far = side === 'ours' ? 'if:tap0' : 'tap:right';
      const ends = [`tap:left@${clientOf(side)}`, `${far}@${serverOf(side)}`];
      const words = [TAPSTACK, 'relay', ...ends, ...flags];
      this.#relays.push(spawn(process.execPath, words, { stdio: ['ignore', 'ignore', 'inherit'] }));
    }
    await until(() => ip('-n', clientOf('ours'), 'link').includes('left'));
    await until(() => ip('-n', serverOf('kernel'), 'link').includes('right'));
    ip('-n', serverOf('kernel'), 'addr', 'add', `${SERVER_ADDRESS}/24`, 'dev', 'right');
    for (const side of SIDES) {
      const space = clientOf(side);
      // The neighbour that the daemon has known all the time.
      ip('-n', space, 'link', 'set', 'left', 'address', '02:00:00:00:4f:01');
      ip('-n', space, 'addr', 'add', `${CLIENT_ADDRESS}/24`, 'dev', 'left');
      await until(() => answers(space));
    }
  }

  /** Mbit/s that the program `bulk` says, with these flags. */
  async bulk(side: Side, flags: readonly string[]): Promise<number> {
    const words = ['netns', 'exec', clientOf(side), program('bulk'), '-H', SERVER_ADDRESS, ...flags];
    const { stdout } = await run('ip', words, { timeout: CLIENT_TIMEOUT_MS });
    return (JSON.parse(stdout) as { readonly gbps: number }).gbps * 1_000;
  }

  async stop(): Promise<void> {
    await this.#stopRelays();
    for (const server of this.#servers) await stopProcess(server);
    for (const signal of SIGNALS) process.off(signal, this.#onInterrupt);
    removeAll();
  }

  async #stopRelays(): Promise<void> {
    const relays = this.#relays;
    this.#relays = [];
    await Promise.all(relays.map(stopProcess));
  }
}

function removeAll(): void {
  for (const side of SIDES) {
    ip('netns', 'del', clientOf(side));
    ip('netns', 'del', serverOf(side));
  }
}

function answers(space: string): boolean {
  try {
    ip('netns', 'exec', space, 'ping', '-q', '-c', '1', '-W', '1', SERVER_ADDRESS);
    return true;
  } catch {
    return false;
  }
}

async function until(isSo: () => boolean): Promise<void> {
  for (let i = 0; i < READY_TRIES; i++) {
    if (isSo()) return;
    await sleep(50);
  }
  throw new Error('the servers and the relays do not come up');
}
