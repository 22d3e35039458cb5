import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import t from 'tap';
import { daemon } from '../support/daemon.ts';
import type { Namespace } from '../support/namespace.ts';
import { namespace, reasonToSkip, until } from '../support/namespace.ts';
import type { Host, Tally } from './host.ts';
import { host } from './host.ts';
import { relay } from './start-relay.ts';

const skip = reasonToSkip('python3', 'tc');
const EXCHANGE = fileURLToPath(new URL('../../../../test/interop/relay/exchange.py', import.meta.url));

const KERNEL = '10.5.0.1';
const OURS = '10.5.0.2';
/** Of the kernel's side, so that a relay that is started anew is the same neighbour. */
const KERNEL_MAC = '02:00:00:00:05:01';
const OUR_MAC = '02:00:00:00:05:02';
const K = 1_000;

/** How bad the link is, and how much is sent each way over it. */
const LINKS: readonly (readonly [flags: string, bytes: number])[] = [
  ['', 3_000 * K],
  ['--loss 1%', 1_000 * K],
  ['--loss 10% --delay 5ms', 150 * K],
  ['--loss-gemodel 1%,30% --delay 5ms', 300 * K],
  ['--delay 10ms --reorder 25%', 500 * K],
  ['--delay 10ms --jitter 8ms', 300 * K],
  ['--duplicate 20%', 1_000 * K],
  ['--corrupt 2% --delay 1ms', 500 * K],
  ['--delay 100ms', 400 * K],
  ['--rate 10mbit --queue 20 --delay 5ms', 600 * K],
  ['--rate 50mbit --queue 5', 600 * K],
  ['--loss 3% --delay 20ms --jitter 5ms --duplicate 3% --corrupt 1% --rate 20mbit', 150 * K],
];

const words = (flags: string): string[] => flags.split(' ').filter((word) => word !== '');

/** The kernel's side of a relay that was just started. */
function addKernel(space: Namespace): void {
  space.ip('link', 'set', 'left', 'address', KERNEL_MAC);
  space.ip('addr', 'add', `${KERNEL}/24`, 'dev', 'left');
}

/** The kernel's end of a connection. */
async function kernelEnd(
  space: Namespace,
  mode: 'serve' | 'call',
  port: number,
  bytes: number,
  onListening: () => void = (): void => undefined,
): Promise<Tally> {
  const address = mode === 'serve' ? KERNEL : OURS;
  const started = space.start('python3', EXCHANGE, mode, address, String(port), String(bytes), 'cubic');
  if (mode === 'serve') await started.says(/listening/);
  onListening();
  await until(`${mode} at port ${port} ends`, () => !started.isRunning, 60_000);
  const line = started.stdout.split('\n').find((one) => one.startsWith('{'));
  if (line === undefined) throw new Error(`${mode}: ${started.stdout}${started.stderr}`);
  return JSON.parse(line) as Tally;
}

function expectSame(t: Test, what: string, one: Tally, other: Tally): void {
  t.equal(one.error + other.error, '', `${what}: no end meets an error`);
  t.equal(one.receivedBytes, other.sentBytes, `${what}: all bytes of one`);
  t.equal(one.received, other.sent, `${what}: the very bytes`);
  t.equal(other.receivedBytes, one.sentBytes, `${what}: all bytes of the other`);
  t.equal(other.received, one.sent, `${what}: the very bytes back`);
}

/** No connection and none of their bytes, once the last FIN is acknowledged and TIME-WAIT is over. */
async function expectNothingLeft(t: Test, { stack }: Host): Promise<void> {
  const { table, timeWait, rings } = stack.tcp.shared;
  const left = (): unknown => ({ connections: table.count, waiting: timeWait.count, bytes: rings.used });
  const nothing = { connections: 0, waiting: 0, bytes: 0 };
  await until('all is given back', () => JSON.stringify(left()) === JSON.stringify(nothing), 5_000);
  t.same(left(), nothing);
}

/** Three connections at once: each way alone, and one both ways. */
async function transferAll(
  t: Test,
  space: Namespace,
  ours: Host,
  bytes: number,
  seed: number,
): Promise<void> {
  const called: Promise<Tally>[] = [];
  const [sent, received, both] = await Promise.all([
    kernelEnd(space, 'serve', 5_001, 0, () => called.push(ours.call(KERNEL, 5_001, seed, bytes))),
    Promise.all([ours.serve(5_002, seed + 1, 0), kernelEnd(space, 'call', 5_002, bytes)]),
    Promise.all([ours.serve(5_003, seed + 2, bytes), kernelEnd(space, 'call', 5_003, bytes)]),
  ]);
  expectSame(t, 'from us', sent, (await called[0]) as Tally);
  expectSame(t, 'to us', ...received);
  expectSame(t, 'both ways', ...both);
}

t.test('kernel and us over bad links', { skip }, async (t) => {
  const [left, right] = [namespace(t, 'l'), namespace(t, 'r')];
  const ours = host(t, right, { device: 'ours', mac: OUR_MAC, address: `${OURS}/24` });
  for (const [index, [flags, bytes]] of LINKS.entries()) {
    await t.test(`bytes are never wrong: ${flags === '' ? 'a good link' : flags}`, async (t) => {
      await relay(t, [`tap:left@${left.name}`, `if:ours@${right.name}`, ...words(flags), '--seed', '7']);
      addKernel(left);
      await transferAll(t, left, ours, bytes, index * 10);
      await expectNothingLeft(t, ours);
    });
  }
});

t.test('us and us over bad links', { skip }, async (t) => {
  const [left, right] = [namespace(t, 'l'), namespace(t, 'r')];
  const one = host(t, left, { device: 'left', mac: KERNEL_MAC, address: `${KERNEL}/24` });
  const other = host(t, right, { device: 'right', mac: OUR_MAC, address: `${OURS}/24` });
  for (const [index, [flags, bytes]] of LINKS.entries()) {
    await t.test(`bytes are never wrong: ${flags === '' ? 'a good link' : flags}`, async (t) => {
      await relay(t, [`if:left@${left.name}`, `if:right@${right.name}`, ...words(flags), '--seed', '7']);
      const seed = index * 10;
      const pairs = await Promise.all([
        Promise.all([one.serve(5_001, seed, bytes), other.call(KERNEL, 5_001, seed + 1, bytes)]),
        Promise.all([other.serve(5_002, seed + 2, bytes), one.call(OURS, 5_002, seed + 3, 0)]),
      ]);
      for (const [served, called] of pairs) expectSame(t, 'between us', served, called);
      await expectNothingLeft(t, one);
      await expectNothingLeft(t, other);
    });
  }
});

t.test('a daemon sends back what comes over a bad link', { skip }, async (t) => {
  const [left, right] = [namespace(t, 'l'), namespace(t, 'r')];
  const flags = ['--no-offload', '--host-address', 'none', '--address', `${OURS}/24`];
  const ours = await daemon(t, { netns: right, flags });
  const bad = '--loss 2% --delay 5ms --reorder 5% --duplicate 2% --corrupt 1%';
  await relay(t, [`tap:left@${left.name}`, `if:tap0@${right.name}`, ...words(bad), '--seed', '7']);
  addKernel(left);
  const ends = await Promise.all([1, 2, 3].map(() => kernelEnd(left, 'call', 7, 200 * K)));
  for (const end of ends) expectSame(t, 'echo', end, end);
  t.ok((await ours.drops())['TcpChecksum'] ?? 0, 'damaged segments were noticed');
});

t.test('the path takes smaller packets in the middle of a transfer (RFC 1191)', { skip }, async (t) => {
  const [left, right] = [namespace(t, 'l'), namespace(t, 'r')];
  const gateway = '10.6.0.1';
  const ours = host(t, right, {
    device: 'ours',
    mac: OUR_MAC,
    address: '10.6.0.2/24',
    kernel: `${gateway}/24`,
  });
  const link = words('--delay 5ms --rate 10mbit --queue 50');
  await relay(t, [`tap:left@${left.name}`, `tap:right@${right.name}`, ...link]);
  addKernel(left);
  left.ip('route', 'add', '10.6.0.0/24', 'via', '10.5.0.254');
  right.ip('addr', 'add', '10.5.0.254/24', 'dev', 'right');
  right.exec('sysctl', '-qw', 'net.ipv4.ip_forward=1');
  const called: Promise<Tally>[] = [];
  const kernel = kernelEnd(left, 'serve', 5_001, 0, () =>
    called.push(ours.call(KERNEL, 5_001, 1, 1_000 * K)),
  );
  await until('the transfer is under way', () => ours.stack.tcp.counters.tcp.outSegs > 150);
  right.ip('link', 'set', 'right', 'mtu', '1000');
  expectSame(t, 'from us', await kernel, (await called[0]) as Tally);
  const icmp = right.exec(
    'awk',
    '/^Icmp:/ && $1 != last { n++ } /^Icmp: [0-9]/ { print $20 }',
    '/proc/net/snmp',
  );
  t.ok(Number(icmp) > 0, 'the router has said so');
});
