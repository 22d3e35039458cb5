/**
 * The hosts that a benchmark loads, each seen from a client's namespace of its own: the kernel behind a veth, and
 * a daemon of ours behind its TAP. Both make all they need, and take it away again.
 */
import type { ChildProcess } from 'node:child_process';
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Peer {
  readonly name: string;
  /** Of the client: `SOURCES` addresses from this one on, so that connections that are over do not use up its ports. */
  readonly source: string;
  /** Where clients run. */
  readonly netns: string;
  readonly address: string;
  /** The process that serves. */
  readonly pid: number;
  /** UDP datagrams that reached a socket, ever. */
  datagramsIn(): number;
  stop(): Promise<void>;
}

/** Processors for the client and for the server. */
export interface Pinning {
  readonly client: string;
  readonly server: string;
}

export const SOURCES = 64;
const SOURCE_FIRST = 100;

function addSources(netns: string, network: string, device: string): string {
  for (let host = SOURCE_FIRST; host < SOURCE_FIRST + SOURCES; host++) {
    ip('-n', netns, 'addr', 'add', `${network}.${host}/24`, 'dev', device);
  }
  return `${network}.${SOURCE_FIRST}`;
}

const KERNEL_CLIENT = 'tsb-client';
const KERNEL_SERVER = 'tsb-kernel';
const OURS = 'tsb-ours';
/** Of everybody's: what a kernel has by default is its own affair. */
export const CONGESTION = 'cubic';
const LOG_FOLDER = 'build/bench';

const ip = (...args: string[]): string => execFileSync('ip', args, { encoding: 'utf8' });

function freshNetns(name: string): void {
  try {
    execFileSync('ip', ['netns', 'del', name], { stdio: 'ignore' });
  } catch {
    // There was none: that is what is wanted.
  }
  ip('netns', 'add', name);
  ip('-n', name, 'link', 'set', 'lo', 'up');
}

async function stopProcess(child: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => child.once('exit', resolve));
  if (child.exitCode !== null || !child.kill('SIGTERM')) return;
  await ended;
}

/** A C server on kernel sockets, behind a veth with all offloads, or with none. */
export async function kernelPeer(program: string, pinning: Pinning, hasOffload = true): Promise<Peer> {
  freshNetns(KERNEL_CLIENT);
  freshNetns(KERNEL_SERVER);
  ip(
    '-n',
    KERNEL_CLIENT,
    'link',
    'add',
    'veth0',
    'type',
    'veth',
    'peer',
    'name',
    'veth1',
    'netns',
    KERNEL_SERVER,
  );
  ip('-n', KERNEL_CLIENT, 'addr', 'add', '10.78.0.1/24', 'dev', 'veth0');
  ip('-n', KERNEL_SERVER, 'addr', 'add', '10.78.0.2/24', 'dev', 'veth1');
  ip('-n', KERNEL_CLIENT, 'link', 'set', 'veth0', 'up');
  ip('-n', KERNEL_SERVER, 'link', 'set', 'veth1', 'up');
  if (!hasOffload) {
    const off = ['tx', 'off', 'sg', 'off', 'tso', 'off', 'gso', 'off', 'gro', 'off'];
    ip('netns', 'exec', KERNEL_CLIENT, 'ethtool', '-K', 'veth0', ...off);
    ip('netns', 'exec', KERNEL_SERVER, 'ethtool', '-K', 'veth1', ...off);
  }
  const server = [program, '10.78.0.2', CONGESTION];
  const args = ['netns', 'exec', KERNEL_SERVER, 'taskset', '-c', pinning.server, ...server];
  const child = spawn('ip', args, { stdio: 'inherit' });
  await sleep(300);
  return {
    name: 'kernel over veth',
    source: addSources(KERNEL_CLIENT, '10.78.0', 'veth0'),
    netns: KERNEL_CLIENT,
    address: '10.78.0.2',
    // `ip netns exec` and `taskset` become the program.
    pid: child.pid ?? 0,
    datagramsIn: () => {
      const text = ip('netns', 'exec', KERNEL_SERVER, 'cat', '/proc/net/snmp');
      return Number(/^Udp: (\d+)/m.exec(text)?.[1] ?? 0);
    },
    stop: async () => {
      await stopProcess(child);
      ip('netns', 'del', KERNEL_CLIENT);
      ip('netns', 'del', KERNEL_SERVER);
    },
  };
}

export interface OurPeer extends Peer {
  /** Collections of garbage since the start. */
  collections(): number;
  /** System calls on the device since the start. */
  systemCalls(): number;
}

const COMMAND = 'bin/tapstack';
const INSTANCE = 'bench';

/** A daemon of this checkout, with the flags given. */
export async function ourPeer(flags: readonly string[], pinning: Pinning): Promise<OurPeer> {
  freshNetns(OURS);
  mkdirSync(LOG_FOLDER, { recursive: true });
  const log = `${LOG_FOLDER}/daemon.log`;
  rmSync(log, { force: true });
  const output = openSync(log, 'w');
  const up = ['up', '--name', INSTANCE, '--netns', OURS, '--log-level', 'warn', ...flags];
  const args = ['-c', pinning.server, process.execPath, '--trace-gc', COMMAND, ...up];
  const child = spawn('taskset', args, { stdio: ['ignore', output, output] });
  await ready(child);
  return {
    name: 'tapstack',
    source: addSources(OURS, '10.77.0', INSTANCE),
    netns: OURS,
    address: '10.77.0.2',
    pid: child.pid ?? 0,
    datagramsIn: () => counters().udp.inDatagrams,
    collections: () => readFileSync(log, 'utf8').match(/Scavenge|Mark-Compact/g)?.length ?? 0,
    systemCalls: () => counters().link.reduce((sum, link) => sum + link.readCalls + link.writeCalls, 0),
    stop: async () => {
      await stopProcess(child);
      ip('netns', 'del', OURS);
    },
  };
}

const READY_TRIES = 50;

async function ready(child: ChildProcess): Promise<void> {
  for (let i = 0; i < READY_TRIES; i++) {
    await sleep(100);
    if (child.exitCode !== null)
      throw new Error(`the daemon ended with ${child.exitCode}; see ${LOG_FOLDER}`);
    try {
      const ping = ['netns', 'exec', OURS, 'ping', '-c', '1', '-W', '1', '10.77.0.2'];
      execFileSync('ip', ping, { stdio: 'ignore' });
      return;
    } catch {
      // Not yet.
    }
  }
  throw new Error(`the daemon does not answer ping; see ${LOG_FOLDER}`);
}

interface Counters {
  readonly udp: { readonly inDatagrams: number };
  readonly link: readonly { readonly readCalls: number; readonly writeCalls: number }[];
}

function counters(): Counters {
  const args = [COMMAND, 'counters', '--name', INSTANCE, '--json'];
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as Counters;
}
