/**
 * One run of one load program against one peer.
 */
import { execFileSync } from 'node:child_process';
import type { Peer, Pinning } from './peers.ts';

const PROGRAMS = 'build/bench';

/** What `udp` prints, as far as it is used here. */
export interface UdpResult {
  readonly pps: number;
  readonly tx_pps: number;
  readonly lost: number;
  readonly lat_us: { readonly p50: number; readonly p99: number };
}

/** Compiles the load programs. */
export function buildPrograms(): void {
  execFileSync('make', ['-s', '-C', 'test/bench/load', `BIN=${process.cwd()}/${PROGRAMS}`], {
    stdio: 'inherit',
  });
}

export const program = (name: string): string => `${PROGRAMS}/${name}`;

function inClient(peer: Peer, pinning: Pinning, command: readonly string[]): string {
  const args = ['netns', 'exec', peer.netns, 'taskset', '-c', pinning.client, ...command];
  return execFileSync('ip', args, { encoding: 'utf8' });
}

/** UDP to `peer`: what the flags of the program say. */
export function udp(peer: Peer, pinning: Pinning, flags: readonly string[]): UdpResult {
  return JSON.parse(inClient(peer, pinning, [program('udp'), '-H', peer.address, ...flags])) as UdpResult;
}

/** What `bulk` prints, as far as it is used here. */
export interface BulkResult {
  readonly gbps: number;
  readonly bytes: number;
  readonly secs: number;
  readonly stk_cpu_s_per_GB: number;
  /** Processor seconds of the whole machine. */
  readonly machine_busy: number;
  readonly retrans: number;
}

/** What `rr` prints. */
export interface TurnResult {
  readonly tps: number;
  readonly lat_us: { readonly p50: number; readonly p99: number };
}

/** What `crr` prints. */
export interface OpenResult {
  readonly cps: number;
  readonly errors: number;
  readonly connect_errors: number;
  readonly timeouts: number;
  readonly lat_us: { readonly p50: number; readonly p99: number };
}

/** One of the TCP programs to `peer`, which tells the processor time of the peer too. */
function tcp(peer: Peer, pinning: Pinning, name: string, flags: readonly string[]): string {
  const command = [program(name), '-H', peer.address, '-Z', String(peer.pid), ...flags];
  return inClient(peer, pinning, command);
}

export function bulk(peer: Peer, pinning: Pinning, flags: readonly string[]): BulkResult {
  return JSON.parse(tcp(peer, pinning, 'bulk', flags)) as BulkResult;
}

export function turns(peer: Peer, pinning: Pinning, flags: readonly string[]): TurnResult {
  return JSON.parse(tcp(peer, pinning, 'rr', flags)) as TurnResult;
}

export function opens(peer: Peer, pinning: Pinning, flags: readonly string[]): OpenResult {
  return JSON.parse(tcp(peer, pinning, 'crr', flags)) as OpenResult;
}

/** `wrk` with one thread. Answers a second, and those that failed. */
export function wrk(
  peer: Peer,
  pinning: Pinning,
  connections: number,
  seconds: number,
): { readonly rate: number; readonly failed: number } {
  const where = `http://${peer.address}/hello`;
  const flags = ['-t', '1', '-c', String(connections), '-d', `${Math.ceil(seconds)}s`];
  const text = inClient(peer, pinning, ['wrk', ...flags, where]);
  const bad = /Non-2xx or 3xx responses: (\d+)/.exec(text)?.[1] ?? '0';
  const broken = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(text) ?? [];
  const failed = broken.slice(1).reduce((sum, count) => sum + Number(count), Number(bad));
  return { rate: Number(/Requests\/sec: +([\d.]+)/.exec(text)?.[1]), failed };
}

export interface PingResult {
  readonly perSecond: number;
  readonly lost: number;
  readonly avgUs: number;
}

/** A flood of `count` echo requests, each sent when the one before was answered. */
export function pingFlood(peer: Peer, pinning: Pinning, count: number): PingResult {
  const text = inClient(peer, pinning, ['ping', '-f', '-q', '-c', String(count), peer.address]);
  const [, sent, received, time] = /(\d+) packets transmitted, (\d+) received.*time (\d+)ms/.exec(text) ?? [];
  const average = /rtt min\/avg\/max\/mdev = [\d.]+\/([\d.]+)/.exec(text)?.[1];
  return {
    perSecond: Number(received) / (Number(time) / 1_000),
    lost: Number(sent) - Number(received),
    avgUs: Number(average) * 1_000,
  };
}
