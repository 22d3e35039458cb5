import t from 'tap';
import { daemon, STACK } from '../support/daemon.ts';
import type { Namespace } from '../support/namespace.ts';
import { namespace, reasonToSkip, run } from '../support/namespace.ts';
import { ping } from '../support/tools.ts';
import { command, relay, twoHosts } from './start-relay.ts';

const skip = reasonToSkip('ping', 'ethtool');

/** The round trips of `count` echoes, ten in a hundred milliseconds. */
async function roundTripsMs(space: Namespace, address: string, count: number): Promise<number[]> {
  const { text } = await ping(space, '-i', '0.01', '-c', String(count), address);
  return [...text.matchAll(/ time=([\d.]+) ms/g)].map((match) => Number(match[1]));
}

t.test('joins two kernels: everything arrives, and later', { skip }, async (t) => {
  const [left, right] = [namespace(t, 'l'), namespace(t, 'r')];
  const link = await relay(t, [`tap:left@${left.name}`, `tap:right@${right.name}`, '--delay', '10ms']);
  twoHosts(left, right);
  const times = await roundTripsMs(left, '10.5.0.2', 20);
  t.equal(times.length, 20);
  t.ok(Math.min(...times) >= 20, `the fastest of ${times.join(' ')} takes both delays`);
  const text = await link.stop();
  t.match(text, /^left to right: (\d+) frames, \1 delivered, 0 lost,.*$/m);
  t.match(text, /^right to left: (\d+) frames, \1 delivered, 0 lost,.*$/m);
});

t.test('a short delay is kept to a fraction of a millisecond', { skip }, async (t) => {
  const [left, right] = [namespace(t, 'l'), namespace(t, 'r')];
  await relay(t, [`tap:left@${left.name}`, `tap:right@${right.name}`, '--delay', '500us']);
  twoHosts(left, right);
  const fastest = Math.min(...(await roundTripsMs(left, '10.5.0.2', 50)));
  t.ok(fastest >= 1 && fastest < 2.5, `the fastest takes ${fastest} ms`);
});

t.test('loses, doubles and damages as many as it is told, one way', { skip }, async (t) => {
  const [left, right] = [namespace(t, 'l'), namespace(t, 'r')];
  const impairments = ['--loss', '20%', '--duplicate', '10%', '--corrupt', '10%', '--one-way', '--seed', '7'];
  const link = await relay(t, [`tap:left@${left.name}`, `tap:right@${right.name}`, ...impairments]);
  twoHosts(left, right);
  await ping(left, '-f', '-c', '500', '10.5.0.2');
  const text = await link.stop();
  const [, frames, lost, twice, bad] = (
    /^left to right: (\d+) frames, \d+ delivered, (\d+) lost, (\d+) duplicated, (\d+) corrupted/m.exec(
      text,
    ) ?? []
  ).map(Number) as [number, number, number, number, number];
  t.ok(frames >= 500, text);
  for (const [count, share] of [
    [lost, 0.2],
    [twice, 0.1],
    [bad, 0.1],
  ] as const)
    t.ok(Math.abs(count / frames - share) < 0.05, `${count} of ${frames} are ${share * 100} %`);
  t.match(text, /^right to left: (\d+) frames, \1 delivered, 0 lost, 0 duplicated, 0 corrupted/m);
});

t.test('carries IP packets between TUN devices', { skip }, async (t) => {
  const [left, right] = [namespace(t, 'l'), namespace(t, 'r')];
  await relay(t, [`tun:left@${left.name}`, `tun:right@${right.name}`, '--rate', '10mbit']);
  twoHosts(left, right);
  t.equal((await roundTripsMs(left, '10.5.0.2', 5)).length, 5);
});

t.test('stands between a kernel and a daemon of ours', { skip }, async (t) => {
  const [left, right] = [namespace(t, 'l'), namespace(t, 'r')];
  await daemon(t, { netns: right, flags: ['--no-offload', '--host-address', 'none'] });
  await relay(t, [`tap:left@${left.name}`, `if:tap0@${right.name}`, '--delay', '5ms']);
  left.ip('addr', 'add', '10.77.0.1/24', 'dev', 'left');
  const times = await roundTripsMs(left, STACK, 20);
  t.equal(times.length, 20);
  t.ok(Math.min(...times) >= 10, `the fastest of ${times.join(' ')} takes both delays`);
});

t.test('says what it cannot join, and leaves nothing', { skip }, async (t) => {
  const [left, right] = [namespace(t, 'l'), namespace(t, 'r')];
  right.ip('tuntap', 'add', 'there', 'mode', 'tun');
  const mixed = await run(command([`tap:left@${left.name}`, `if:there@${right.name}`]));
  t.equal(mixed.status, 1);
  t.match(mixed.stderr, 'left and there cannot be joined: one carries frames and the other IP packets');
  const missing = await run(command([`tap:left@${left.name}`, `if:gone@${right.name}`]));
  t.equal(missing.status, 1);
  t.match(missing.stderr, 'gone');
  t.same(
    left.json('link').map((link) => link['ifname']),
    ['lo'],
  );
  t.equal((await run(command(['tap:left', 'tap:right', '--loss', '1']))).status, 2);
});

t.test('ends with a sentence when a device is deleted', { skip }, async (t) => {
  const [left, right] = [namespace(t, 'l'), namespace(t, 'r')];
  const link = await relay(t, [`tap:left@${left.name}`, `tap:right@${right.name}`]);
  right.ip('link', 'delete', 'right');
  await link.says(/right: the device was deleted/);
});
