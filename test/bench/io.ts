/**
 * How fast frames go in and out, beside the kernel behind a veth: UDP echo, its latency, ping, and a flood in.
 *
 * The two peers take turns, round by round, so that a machine that slows down slows both. Run by `scripts/bench io`.
 */

import { buildPrograms, pingFlood, program, udp } from './load.ts';
import type { Options } from './options.ts';
import { parseOptions } from './options.ts';
import type { OurPeer, Peer, Pinning } from './peers.ts';
import { kernelPeer, ourPeer } from './peers.ts';
import { Report } from './report.ts';

/** Far more than either peer takes: the sender is the limit. */
const FLOOD_PPS = 3_000_000;
const PINGS = 20_000;

interface Placement {
  readonly label: string;
  readonly pinning: Pinning;
}

const TWO_CORES: Placement = { label: 'a core each', pinning: { client: '0', server: '1' } };
const ONE_CORE: Placement = { label: 'one core for both', pinning: { client: '0', server: '0' } };

function measure(peer: Peer, { label, pinning }: Placement, options: Options, report: Report): void {
  const time = ['-t', String(options.seconds)];
  const many = udp(peer, pinning, ['-W', '64', ...time]);
  report.add(`UDP echo 64 B, 64 in flight, ${label}`, 'datagrams/s', peer.name, many.pps);
  report.add(`UDP echo 64 B, 64 in flight, ${label}: lost`, 'datagrams', peer.name, many.lost);
  const single = udp(peer, pinning, ['-W', '1', ...time]);
  report.add(`UDP echo 64 B, one in flight, ${label}: p50`, 'µs', peer.name, single.lat_us.p50);
  report.add(`UDP echo 64 B, one in flight, ${label}: p99`, 'µs', peer.name, single.lat_us.p99);
  const ping = pingFlood(peer, pinning, PINGS);
  report.add(`ping -f -c ${PINGS}, ${label}`, 'echoes/s', peer.name, ping.perSecond);
  report.add(`ping -f -c ${PINGS}, ${label}: rtt`, 'µs', peer.name, ping.avgUs);
  report.add(`ping -f -c ${PINGS}, ${label}: lost`, 'echoes', peer.name, ping.lost);
}

function flood(peer: Peer, { label, pinning }: Placement, options: Options, report: Report): void {
  const before = peer.datagramsIn();
  udp(peer, pinning, ['-p', '9', '-r', String(FLOOD_PPS), '-w', '0', '-t', String(options.seconds)]);
  const taken = (peer.datagramsIn() - before) / options.seconds;
  report.add(`UDP 64 B in, flooded, ${label}`, 'datagrams/s', peer.name, taken);
}

/** System calls and collections of garbage per thousand frames, over one echo run of ours. */
function cost(peer: OurPeer, { pinning }: Placement, options: Options, report: Report): void {
  const calls = peer.systemCalls();
  const collections = peer.collections();
  const echoed =
    udp(peer, pinning, ['-W', '64', '-w', '0', '-t', String(options.seconds)]).pps * options.seconds;
  const thousands = (2 * echoed) / 1_000;
  report.add(
    'system calls on the device per 1,000 frames',
    '',
    peer.name,
    (peer.systemCalls() - calls) / thousands,
  );
  report.add(
    'garbage collections per 1,000,000 frames',
    '',
    peer.name,
    (peer.collections() - collections) * (1_000 / thousands),
  );
}

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2));
  buildPrograms();
  const report = new Report('io', options);
  for (const placement of [TWO_CORES, ONE_CORE]) {
    const kernel = await kernelPeer(program('kernel-server'), placement.pinning);
    const ours = await ourPeer(options.flags, placement.pinning);
    try {
      for (let round = 0; round < options.rounds; round++) {
        for (const peer of [ours, kernel]) {
          measure(peer, placement, options, report);
          flood(peer, placement, options, report);
        }
        if (placement === TWO_CORES) cost(ours, placement, options, report);
      }
    } finally {
      await ours.stop();
      await kernel.stop();
    }
  }
  report.print();
}

await main();
