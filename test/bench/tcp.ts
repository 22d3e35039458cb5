/**
 * How fast TCP is, beside the kernel behind a veth: bulk both ways, request and response, short connections, HTTP;
 * then bulk again with all offloads off. The two peers take turns. Run by `scripts/bench tcp`.
 */
import { buildPrograms, bulk, opens, program, turns, wrk } from './load.ts';
import type { Options } from './options.ts';
import { parseOptions } from './options.ts';
import type { Peer, Pinning } from './peers.ts';
import { CONGESTION, kernelPeer, ourPeer, SOURCES } from './peers.ts';
import { Report } from './report.ts';

const TWO_CORES: Pinning = { client: '0', server: '1' };
const ONE_CORE: Pinning = { client: '0', server: '0' };
const MANY = 64;

function measureBulk(peer: Peer, label: string, options: Options, report: Report): void {
  for (const [way, flag] of [
    ['in', 'send'],
    ['out', 'recv'],
  ] as const) {
    for (const count of [1, 8]) {
      const flags = ['-d', flag, '-P', String(count), '-C', CONGESTION, '-t', String(options.seconds)];
      const result = bulk(peer, TWO_CORES, flags);
      const title = `bulk ${way}, ${count} ${count === 1 ? 'connection' : 'connections'}${label}`;
      report.add(title, 'Gbit/s', peer.name, result.gbps);
      if (count > 1) continue;
      const gigabytes = result.bytes / 1e9;
      report.add(`${title}: machine`, 'CPU s/GB', peer.name, result.machine_busy / gigabytes);
      report.add(`${title}: server`, 'CPU s/GB', peer.name, result.stk_cpu_s_per_GB);
      report.add(`${title}: sent again`, 'segments', peer.name, result.retrans);
    }
  }
}

function measureTurns(peer: Peer, pinning: Pinning, options: Options, report: Report): void {
  const label = pinning === ONE_CORE ? 'one core for both' : 'a core each';
  const { tps, lat_us: latency } = turns(peer, pinning, ['-t', String(options.seconds)]);
  report.add(`request and response, ${label}`, '/s', peer.name, tps);
  report.add(`request and response, ${label}: p50`, 'µs', peer.name, latency.p50);
  report.add(`request and response, ${label}: p99`, 'µs', peer.name, latency.p99);
}

function measureOpens(peer: Peer, options: Options, report: Report): void {
  for (const count of [1, MANY]) {
    const from = ['-S', peer.source, '-N', String(SOURCES)];
    const flags = ['-P', String(count), ...from, '-t', String(options.seconds)];
    const { cps, errors, connect_errors: refused, timeouts } = opens(peer, TWO_CORES, flags);
    const title = `connect, byte, close; ${count} at a time`;
    report.add(title, '/s', peer.name, cps);
    report.add(`${title}: failed`, '', peer.name, errors + refused + timeouts);
  }
}

function measureHttp(peer: Peer, options: Options, report: Report): void {
  const { rate, failed } = wrk(peer, TWO_CORES, MANY, options.seconds);
  report.add(`HTTP, ${MANY} connections`, 'answers/s', peer.name, rate);
  report.add(`HTTP, ${MANY} connections: failed`, '', peer.name, failed);
}

type Part = (peer: Peer, options: Options) => void;

/** Both peers in turns, round by round. */
async function compare(pinning: Pinning, hasOffload: boolean, options: Options, part: Part): Promise<void> {
  const kernel = await kernelPeer(program('kernel-server'), pinning, hasOffload);
  const flags = hasOffload ? options.flags : [...options.flags, '--no-offload'];
  const ours = await ourPeer(flags, pinning);
  try {
    for (let round = 0; round < options.rounds; round++) {
      for (const peer of [ours, kernel]) part(peer, options);
    }
  } finally {
    await ours.stop();
    await kernel.stop();
  }
}

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2));
  buildPrograms();
  const report = new Report('tcp', options);
  await compare(TWO_CORES, true, options, (peer) => {
    measureBulk(peer, '', options, report);
    measureTurns(peer, TWO_CORES, options, report);
    measureOpens(peer, options, report);
    measureHttp(peer, options, report);
  });
  await compare(ONE_CORE, true, options, (peer) => measureTurns(peer, ONE_CORE, options, report));
  await compare(TWO_CORES, false, options, (peer) => measureBulk(peer, ', offload off', options, report));
  report.print();
}

await main();
