import t from 'tap';

import type { Prefix } from '../../src/addr/prefix.ts';
import { parsePrefix } from '../../src/addr/prefix.ts';
import type { Instant } from '../../src/base/time.ts';
import { after, ms, NEVER, sec } from '../../src/base/time.ts';
import type { DeviceFeatures } from '../../src/device/net-device.ts';
import { FULL_OFFLOAD, NO_OFFLOAD } from '../../src/device/net-device.ts';
import { PathMtuCache, PMTU_MAX } from '../../src/ip/pmtu.ts';
import { REDIRECTS_MAX, Redirects } from '../../src/ip/redirects.ts';
import { PathMtu } from '../../src/socket/host.ts';
import { address, B, bytes, joined, receiveAll, routed, send } from '../support/hosts.ts';
import { expectPacket, ipv4 as ip, isIcmp, isUdp, udp } from '../support/packets.ts';

const PORT = 5000;
const PEER = '10.1.0.3';

t.test('path MTU discovery through a narrow router (RFC 1191)', (t) => {
  const net = routed({ right: { mtu: 1_000 } });
  const socket = net.b.udp(PORT);
  const from = net.a.udp();
  from.connect(address(B), PORT);
  t.equal(from.send(bytes(1_200)), 1_200, 'fits the first link, so it goes with DF');
  net.run();
  t.equal(net.seen.of('a/eth0', 'in', isIcmp).length, 1);
  t.equal(net.a.stack.paths.mtu4(address(B).d), 1_000);
  t.equal(from.send(bytes(1_200)), 'EMSGSIZE', 'and was lost, which is told once');
  t.equal(from.send(bytes(1_200)), 1_200, 'the next goes in fragments of the path’s size');
  net.run();
  t.equal(receiveAll(socket).length, 1);
  const fragments = net.seen.of('a/eth0', 'out', isUdp).slice(1);
  t.strictSame(
    fragments.map(({ bytes: frame, l3 }) => frame.length - l3),
    [996, 252],
  );
  from.options.pathMtu = PathMtu.Do;
  t.equal(from.send(bytes(1_200)), 'EMSGSIZE', 'IP_PMTUDISC_DO never fragments');
  t.equal(from.send(bytes(972)), 972);
  from.options.pathMtu = PathMtu.Probe;
  t.equal(from.send(bytes(1_200)), 1_200, 'a probe only minds the device');
  t.equal(from.send(bytes(1_473)), 'EMSGSIZE');
  net.run(sec(601));
  t.equal(net.a.stack.paths.mtu4(address(B).d), 0, 'forgotten after ten minutes (RFC 1191 §6.3)');
  net.end(t);
  t.end();
});

t.test('a report of a path’s size is believed only about what a socket sent (RFC 5927 §7)', (t) => {
  const net = routed({ right: { mtu: 1_000 } });
  const from = net.a.udp();
  send(t, from, bytes(1_200), B, PORT);
  from.close();
  net.run();
  t.equal(net.seen.of('a/eth0', 'in', isIcmp).length, 1);
  t.equal(net.a.stack.paths.size, 0);
  net.end(t);
  t.end();
});

t.test('every MTU from the smallest to the largest (RFC 791 §3.2)', (t) => {
  for (const mtu of [68, 576, 1_280, 1_500, 9_000, 65_535]) {
    const net = joined({ link: { mtu } });
    const socket = net.b.udp(PORT);
    const from = net.a.udp();
    // From nothing to what fills a few packets; the largest one too, where that is not a thousand fragments.
    const lengths = [0, 1, mtu - 29, mtu - 28, mtu - 27, 3 * mtu].filter(
      (length) => length >= 0 && length <= 65_507,
    );
    if (mtu >= 1_280) lengths.push(65_507);
    for (const length of lengths) {
      send(t, from, bytes(length, 5), PEER, PORT);
      net.run(ms(500));
      t.equal(
        Buffer.compare(receiveAll(socket)[0]?.data ?? bytes(1), bytes(length, 5)),
        0,
        `MTU ${mtu}, ${length} bytes`,
      );
    }
    t.ok(
      net.seen.of('a/eth0', 'out', isUdp).every(({ bytes: frame, l3 }) => frame.length - l3 <= mtu),
      'no frame is longer',
    );
    net.end(t);
  }
  t.end();
});

t.test('a super-datagram sent back on a narrower path: cut, then fragmented', (t) => {
  const net = joined({ link: { features: FULL_OFFLOAD } });
  const prefix = parsePrefix('10.1.0.2/32') as Prefix;
  net.b.stack.ip.fib.add({ prefix, oif: net.b.iface().index, mtu: 1_000 });
  const echo = net.b.udp(PORT);
  const from = net.a.udp();
  from.segmentBytes = 1_400;
  send(t, from, bytes(5_000), PEER, PORT);
  net.run();
  const packet = echo.receivePacket();
  if (packet === null) throw new Error('the super-datagram arrives');
  t.equal(packet.gsoSize, 1_400);
  t.equal(echo.reply(packet), null);
  net.run();
  t.strictSame(
    receiveAll(from).map(({ data }) => data.length),
    [1_400, 1_400, 1_400, 800],
  );
  const { fragOKs, fragCreates } = net.b.stack.ip.counters;
  t.strictSame([fragOKs, fragCreates], [3, 6]);
  net.end(t);
  t.end();
});

t.test('super-datagrams: whole to a device that cuts them, in pieces to one that does not', (t) => {
  const cases: [string, DeviceFeatures | undefined, frames: number][] = [
    ['full offload', FULL_OFFLOAD, 1],
    ['checksums only', { ...NO_OFFLOAD, checksum: true }, 4],
    ['none', undefined, 4],
  ];
  for (const [what, features, frames] of cases) {
    const net = joined({ link: features === undefined ? {} : { features } });
    const socket = net.b.udp(PORT);
    const from = net.a.udp();
    from.segmentBytes = 1_400;
    send(t, from, bytes(5_000), PEER, PORT);
    net.run();
    const sent = net.seen.of('a/eth0', 'out', isUdp);
    t.equal(sent.length, frames, what);
    if (frames > 1) {
      for (const frame of sent) expectPacket(t, frame, ip({ dst: PEER }), udp({ isRight: true }));
    }
    t.strictSame(
      receiveAll(socket).map(({ data }) => data.length),
      [1_400, 1_400, 1_400, 800],
      what,
    );
    net.end(t);
  }
  t.end();
});

t.test('redirects: a renewed one lives anew, and the oldest makes way', (t) => {
  const log: string[] = [];
  const redirects = new Redirects({
    addRedirect: (destination, gateway) => log.push(`+${destination} ${gateway}`),
    removeRedirect: (destination) => log.push(`-${destination}`),
  });
  const now = sec(1) as number as Instant;
  redirects.handleRedirect(now, 1, 100, 2);
  redirects.handleRedirect(after(now, sec(10)), 2, 100, 2);
  redirects.handleRedirect(after(now, sec(20)), 1, 101, 2);
  t.strictSame(log.splice(0), [
    '+0.0.0.1/32 0.0.0.100',
    '+0.0.0.2/32 0.0.0.100',
    '-0.0.0.1/32',
    '+0.0.0.1/32 0.0.0.101',
  ]);
  t.equal(redirects.nextTimeout(), after(now, sec(310)));
  redirects.handleTimeout(after(now, sec(310)));
  t.strictSame(log.splice(0), ['-0.0.0.2/32']);
  for (let i = 0; i < REDIRECTS_MAX; i++) redirects.handleRedirect(after(now, sec(400)), 1_000 + i, 100, 2);
  t.equal(log[0], '+0.0.3.232/32 0.0.0.100');
  t.ok(log.includes('-0.0.0.1/32'));
  t.end();
});

t.test(
  'a path narrower than can be believed: without DF, so that somebody may cut (Linux’s min_pmtu)',
  (t) => {
    const net = routed({ right: { mtu: 296 } });
    const socket = net.b.udp(PORT);
    const from = net.a.udp();
    for (let i = 0; i < 4; i++) {
      send(t, from, bytes(500), B, PORT);
      net.run();
    }
    t.equal(net.a.stack.paths.mtu4(address(B).d), 552);
    t.equal(receiveAll(socket).length, 3, 'all but the first');
    send(t, from, bytes(1_400), B, PORT);
    net.run();
    t.equal(receiveAll(socket).length, 1);
    net.end(t);
    t.end();
  },
);

t.test(
  'sizes of paths: steps where none is named, never up, and no more than fit the table (RFC 1191 §5, §6.3, §7.1)',
  (t) => {
    const paths = new PathMtuCache();
    const now = sec(1) as number as Instant;
    t.equal(paths.nextTimeout(), NEVER);
    t.equal(paths.handleTooBig(now, 1, 0, 1_500), 1_492, 'an old router names no size');
    t.equal(paths.handleTooBig(now, 1, 0, 1_492), 1_006);
    t.equal(paths.handleTooBig(now, 1, 1_400, 1_500), 1_006, 'a report never raises it');
    t.equal(paths.isNarrower4(1), false);
    t.equal(paths.handleTooBig(now, 1, 68, 1_006), 552);
    t.equal(paths.isNarrower4(1), true);
    t.equal(paths.handleTooBig(now, 1, 552, 1_006), 552);
    t.equal(paths.isNarrower4(1), true, 'and stays so until it is forgotten');
    t.equal(paths.isNarrower4(2), false);
    for (let dst = 2; dst <= PMTU_MAX + 1; dst++) paths.handleTooBig(after(now, sec(dst)), dst, 1_000, 1_500);
    t.equal(paths.size, PMTU_MAX);
    t.equal(paths.mtu4(1), 0, 'the oldest made way');
    t.equal(paths.nextTimeout(), after(now, sec(602)));
    paths.handleTimeout(after(now, sec(603)));
    t.strictSame([paths.mtu4(2), paths.mtu4(3), paths.mtu4(4)], [0, 0, 1_000]);
    t.end();
  },
);
