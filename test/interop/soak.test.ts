/** A daemon under everything at once, for a while; then nothing of it is left. */
import t from 'tap';
import { compile } from './support/compile.ts';
import type { Daemon } from './support/daemon.ts';
import { DEVICE, daemon, READ_AHEAD_SLOTS, STACK } from './support/daemon.ts';
import type { Namespace } from './support/namespace.ts';
import { namespace, reasonToSkip, sleep, until } from './support/namespace.ts';
import { ping } from './support/tools.ts';

const HALF_MS = 10_000;
/** How much more memory the second half may need than the first one. */
const GROWTH_MAX_KB = 24 * 1024;
/** An idle daemon has neighbours to look after, and nothing else. */
const IDLE_MS = 3_000;
const IDLE_TURNS_MAX = 60;
const IDLE_CPU_SEC_MAX = 0.3;

/** Runs a program again and again until the time is over; answers how often it failed, and what it said then. */
async function again(space: Namespace, deadline: number, ...command: string[]): Promise<string[]> {
  const failures: string[] = [];
  while (performance.now() < deadline) {
    const { status, stdout, stderr } = await space.run(command);
    if (status !== 0) failures.push(`${command.join(' ')} → ${status}: ${stdout} ${stderr}`);
    await sleep(20);
  }
  return failures;
}

async function load(space: Namespace, client: string, hasFragments: boolean): Promise<string[]> {
  const deadline = performance.now() + HALF_MS;
  const all = await Promise.all([
    again(space, deadline, 'ping', '-q', '-f', '-c', '2000', STACK),
    again(space, deadline, 'ping', '-q', '-i', '0.01', '-c', '50', '-s', '20000', STACK),
    again(space, deadline, client, STACK, '7', '1000', '40', '50', 'gro'),
    again(space, deadline, client, STACK, '7', '300', '8', '50', 'single'),
    // These have no answers that could fail: a closed port, strangers with wrong checksums, fragments without an end.
    again(space, deadline, ...hping('-i', 'u500', '-2', '-p', '33333')).then(ignore),
    again(space, deadline, ...hping('-i', 'u500', '-1', '-b', '--rand-source')).then(ignore),
    // Not to the end, because what waits for the rest of a datagram waits for half a minute.
    hasFragments ? again(space, deadline, ...hping('-i', 'u2000', '-2', '-x', '-d', '64')).then(ignore) : [],
    again(space, deadline, 'arping', '-q', '-i', DEVICE, '-c', '3', '-W', '0.1', STACK),
  ]);
  return all.flat();
}

const ignore = (): string[] => [];

const hping = (...words: string[]): string[] => ['timeout', '1', 'hping3', '-q', ...words, STACK];

/** The slots that are in use once those of unfinished datagrams have come back, after half a minute at most. */
async function slotsInUse(host: Daemon): Promise<number> {
  let inUse = 0;
  const read = async (): Promise<boolean> => {
    const { pool } = await host.status();
    inUse = pool.slots - pool.free;
    return inUse <= READ_AHEAD_SLOTS;
  };
  await until('slots come back', read, 45_000).catch(() => undefined);
  return inUse;
}

t.test(
  'twenty seconds of everything',
  { skip: reasonToSkip('ping', 'hping3', 'arping', 'cc') },
  async (t) => {
    const netns = namespace(t);
    const host = await daemon(t, { netns });
    const client = await compile(t, 'udp-segment');
    const failures = await load(netns, client, true);
    const halfKb = await host.rssKb();
    failures.push(...(await load(netns, client, false)));
    const grownKb = (await host.rssKb()) - halfKb;

    t.same(failures, [], 'nobody was left without an answer');
    t.ok(grownKb < GROWTH_MAX_KB, `grown by ${grownKb} kB from ${halfKb} kB`);
    const status = await host.status();
    const expected = [
      'UdpNoPort',
      'IcmpRateLimited',
      'IcmpChecksum',
      'FragmentTooMany',
      'FragmentTimeout',
      'FragmentMemory',
    ];
    // Answers to strangers find no neighbour, for their addresses are made up; or find the queue for one full.
    expected.push(
      'NeighborUnreachable',
      'NeighborPendingFull',
      'NeighborTableFull',
      'Ip4SourceMartian',
      'FragmentDuplicate',
    );
    t.same(
      Object.keys(status.drops).filter((reason) => !expected.includes(reason)),
      [],
      JSON.stringify(status.drops),
    );
    t.equal(status.device.error, null);

    t.ok((await slotsInUse(host)) <= READ_AHEAD_SLOTS, 'every slot came back');
    const cpuSec = await host.cpuSec();
    const { turns } = (await host.status()).loop;
    await sleep(IDLE_MS);
    const idleTurns = (await host.status()).loop.turns - turns;
    t.ok(idleTurns <= IDLE_TURNS_MAX, `${idleTurns} turns in ${IDLE_MS} ms of nothing`);
    const idleSec = (await host.cpuSec()) - cpuSec;
    t.ok(idleSec <= IDLE_CPU_SEC_MAX, `${idleSec} s of processor time`);
    t.equal((await ping(netns, '-q', '-f', '-c', '2000', STACK)).received, 2_000);
    t.equal(await host.stop(), 0);
  },
);
