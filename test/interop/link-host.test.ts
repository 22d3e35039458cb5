/** The kernel's side of a device, and namespaces: what we set is what `ip` says. */
import { execFileSync, spawn } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import t from 'tap';
import { Mac } from '../../src/addr/mac.ts';
import type { LinkFailure } from '../../src/link/failure.ts';
import {
  addAddress,
  addRoute,
  deleteAddress,
  deleteRoute,
  readLink,
  setMac,
  setMtu,
  setQueueLength,
  setUp,
} from '../../src/link/host-config.ts';
import { inNetns } from '../../src/link/netns.ts';
import { Pool } from '../../src/packet/pool.ts';
import { udpFrame } from '../device/frames.ts';
import {
  codeOf,
  device,
  inHost,
  ip,
  ipJson,
  must,
  namespace,
  prefix,
  readUntil,
  reasonToSkip,
  socketOn,
} from './link-namespace.ts';

const skip = reasonToSkip();

t.test("the kernel's side", { skip }, (t) => {
  t.test('is what `ip` says it is', (t) => {
    const netns = namespace(t);
    must(inNetns(netns, () => must(setUp('lo', true))));
    execFileSync('ip', ['netns', 'exec', netns, 'sysctl', '-qw', 'net.ipv6.conf.default.disable_ipv6=0']);
    device(t, netns);
    const route = {
      destination: prefix('10.99.0.0/16'),
      via: prefix('10.77.0.9').address,
      device: 'tt0',
      metric: 7,
    };
    const host = { destination: prefix('192.0.2.7/32'), via: null, device: 'tt0' };
    const anywhere = { destination: prefix('0.0.0.0/0'), via: prefix('10.77.0.2').address, device: 'tt0' };
    const six = { destination: prefix('fd99::/32'), via: prefix('fd77::9').address, device: 'tt0' };
    inHost(
      netns,
      () => setMac('tt0', new Mac(0x0200, 0x0102_0304)),
      () => setMtu('tt0', 9_000),
      () => setQueueLength('tt0', 2_000),
      () => addAddress('tt0', prefix('10.77.0.1/24')),
      () => addAddress('tt0', prefix('fd77::1/64')),
      () => addRoute(route),
      () => addRoute(host),
      () => addRoute(anywhere),
      () => addRoute(six),
    );
    t.match(ipJson('-n', netns, 'addr', 'show', 'tt0'), [
      {
        address: '02:00:01:02:03:04',
        mtu: 9_000,
        txqlen: 2_000,
        flags: /UP/,
        addr_info: [
          { family: 'inet', local: '10.77.0.1', prefixlen: 24, broadcast: '10.77.0.255' },
          { family: 'inet6', local: 'fd77::1', prefixlen: 64, nodad: true },
        ],
      },
    ]);
    const routes = (): unknown[] =>
      [...ipJson('-n', netns, 'route'), ...ipJson('-n', netns, '-6', 'route')].map(({ dst }) => dst);
    t.match(ipJson('-n', netns, 'route', 'show', '10.99.0.0/16'), [
      { gateway: '10.77.0.9', dev: 'tt0', metric: 7 },
    ]);
    for (const wanted of ['default', '192.0.2.7', 'fd99::/32']) t.ok(routes().includes(wanted), wanted);
    t.match(
      inNetns(netns, () => readLink('tt0')),
      { name: 'tt0', mtu: 9_000, queueLength: 2_000, isUp: true, hardwareType: 1 },
    );
    t.equal(codeOf(inNetns(netns, () => addRoute(route))), 'EEXIST');
    inHost(
      netns,
      () => deleteRoute(route),
      () => deleteRoute(host),
      () => deleteRoute(anywhere),
      () => deleteRoute(six),
    );
    for (const gone of ['default', '192.0.2.7', 'fd99::/32', '10.99.0.0/16'])
      t.notOk(routes().includes(gone), gone);
    inHost(
      netns,
      () => deleteAddress('tt0', prefix('10.77.0.1/24')),
      () => setUp('tt0', false),
    );
    t.match(
      inNetns(netns, () => readLink('tt0')),
      { isUp: false },
    );
    t.notMatch(ip('-n', netns, 'addr', 'show', 'tt0'), /10\.77/);
    t.end();
  });

  t.test('what the kernel refuses is said', (t) => {
    const netns = namespace(t);
    device(t, netns);
    const answer = (action: () => unknown): unknown => codeOf(inNetns(netns, action));
    const unreachable = {
      destination: prefix('10.99.0.0/16'),
      via: prefix('10.98.0.1').address,
      device: 'tt0',
    };
    t.equal(
      answer(() => setMtu('tt0', 1)),
      'EINVAL',
    );
    t.equal(
      answer(() => setMtu('nonesuch', 1_500)),
      'ENODEV',
    );
    t.equal(
      answer(() => setMac('tt0', new Mac(0x0100, 1))),
      'EADDRNOTAVAIL',
      'a group address',
    );
    t.equal(
      answer(() => addAddress('nonesuch', prefix('10.0.0.1/8'))),
      'ENODEV',
    );
    t.equal(
      answer(() => deleteAddress('tt0', prefix('10.0.0.1/8'))),
      'EADDRNOTAVAIL',
    );
    t.equal(
      answer(() => addRoute(unreachable)),
      'ENETUNREACH',
    );
    t.equal(
      answer(() => deleteRoute(unreachable)),
      'ESRCH',
    );
    t.match(
      (inNetns(netns, () => addRoute(unreachable)) as LinkFailure).text,
      /not on a network.*The kernel says: .*gateway/,
    );
    t.end();
  });

  t.test('MTU from 576 to 65520 carries frames of that size', (t) => {
    const netns = namespace(t);
    const tap = device(t, netns);
    const socket = socketOn(t, netns);
    const pool = new Pool(200);
    for (const mtu of [576, 9_000, 65_520]) {
      inHost(netns, () => setMtu('tt0', mtu));
      const frame = udpFrame(pool, 'ethernet', mtu + 14, mtu);
      for (const [from, to] of [
        [tap, socket],
        [socket, tap],
      ] as const) {
        t.equal(from.writeBatch([frame], 1), 1);
        t.same(
          readUntil(to, pool, (frames) => frames.length === 1).map(({ length }) => length),
          [mtu + 14],
        );
      }
    }
    t.end();
  });
  t.end();
});

t.test('namespaces', { skip }, (t) => {
  t.test('by name, by path and by process; this process stays where it is', (t) => {
    const netns = namespace(t);
    const own = readlinkSync('/proc/thread-self/ns/net');
    const sleeper = spawn('ip', ['netns', 'exec', netns, 'sleep', '60'], { stdio: 'ignore' });
    t.teardown(() => sleeper.kill());
    const there = must(inNetns(netns, () => readlinkSync('/proc/thread-self/ns/net')));
    const deadline = process.hrtime.bigint() + 2_000_000_000n;
    const where = (): string => readlinkSync(`/proc/${sleeper.pid}/ns/net`);
    while (where() !== there && process.hrtime.bigint() < deadline);
    for (const [i, target] of [netns, `/run/netns/${netns}`, String(sleeper.pid)].entries()) {
      device(t, target, { name: `by${i}` });
      t.equal(readlinkSync('/proc/thread-self/ns/net'), own);
    }
    t.match(
      ipJson('-n', netns, 'link').map(({ ifname }) => ifname),
      ['lo', 'by0', 'by1', 'by2'],
    );
    t.throws(() => inNetns(netns, () => JSON.parse('x') as unknown), SyntaxError);
    t.equal(readlinkSync('/proc/thread-self/ns/net'), own, 'back after an exception, too');
    t.end();
  });
  t.end();
});
