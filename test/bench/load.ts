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
