/** What people see: line for line what iproute2, iputils and traceroute print of the same. */
import t from 'tap';
import type { Instant } from '../../src/base/time.ts';
import type { RawArgs } from '../../src/control/command.ts';
import { COMMANDS } from '../../src/control/commands/list.ts';
import type {
  LinkReport,
  PingEnd,
  PingItem,
  RouteReport,
  RuleReport,
  StatusReport,
  TraceItem,
} from '../../src/control/report.ts';
import { FakeHost } from './fake-host.ts';

function render(name: string, result: unknown, args: RawArgs = {}): string {
  const command = COMMANDS.find((one) => one.name === name);
  if (command === undefined || command.kind === 'local') throw new Error(`${name} renders nothing`);
  return command.render(result, { args });
}

function renderEnd(name: string, end: unknown): string {
  const command = COMMANDS.find((one) => one.name === name);
  if (command?.kind !== 'stream') throw new Error(`${name} is no stream`);
  return command.renderEnd(end, { args: {} });
}

const EMPTY = { bytes: 0, packets: 0, errors: 0, dropped: 0 };
const FOREVER = 0xffff_ffff;

const LOOPBACK: LinkReport = {
  ifindex: 1,
  ifname: 'lo',
  flags: ['LOOPBACK', 'UP', 'LOWER_UP'],
  mtu: 65_536,
  qdisc: 'noqueue',
  operstate: 'UNKNOWN',
  group: 'default',
  txqlen: 1_000,
  link_type: 'loopback',
  address: '00:00:00:00:00:00',
  broadcast: '00:00:00:00:00:00',
  stats64: {
    rx: { ...EMPTY, over_errors: 0, multicast: 0 },
    tx: { ...EMPTY, carrier_errors: 0, collisions: 0 },
  },
  addr_info: [
    {
      family: 'inet',
      local: '127.0.0.1',
      prefixlen: 8,
      scope: 'host',
      label: 'lo',
      valid_life_time: FOREVER,
      preferred_life_time: FOREVER,
    },
  ],
};

const TAP: LinkReport = {
  ...LOOPBACK,
  ifindex: 2,
  ifname: 'v1',
  flags: ['BROADCAST', 'MULTICAST', 'UP', 'LOWER_UP'],
  mtu: 1_500,
  operstate: 'UP',
  link_type: 'ether',
  address: 'aa:5a:2a:ae:f4:74',
  broadcast: 'ff:ff:ff:ff:ff:ff',
  stats64: {
    rx: { ...EMPTY, bytes: 90, packets: 1, over_errors: 0, multicast: 0 },
    tx: { ...EMPTY, bytes: 123_456_789, packets: 2, carrier_errors: 0, collisions: 0 },
  },
  addr_info: [
    {
      family: 'inet',
      local: '10.1.0.1',
      prefixlen: 24,
      broadcast: '10.1.0.255',
      scope: 'global',
      tentative: true,
      label: 'v1',
      valid_life_time: FOREVER,
      preferred_life_time: 20,
    },
  ],
};

/** What the command answers for these links, then rendered. */
function shown(name: string, args: RawArgs): { json: unknown; text: string } {
  const command = COMMANDS.find((one) => one.name === name);
  if (command?.kind !== 'query') throw new Error(`${name} is no query`);
  const host = new FakeHost();
  host.linkReports = [LOOPBACK, TAP];
  const json = command.run(0 as Instant, host, args);
  return { json, text: command.render(json, { args }) };
}

t.test('link: as `ip link`', (t) => {
  const { json, text } = shown('link show', {});
  t.equal(
    text,
    `1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN mode DEFAULT group default qlen 1000
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
2: v1: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP mode DEFAULT group default qlen 1000
    link/ether aa:5a:2a:ae:f4:74 brd ff:ff:ff:ff:ff:ff
`,
  );
  t.same(Object.keys((json as object[])[0] ?? {}), [
    'ifindex',
    'ifname',
    'flags',
    'mtu',
    'qdisc',
    'operstate',
    'linkmode',
    'group',
    'txqlen',
    'link_type',
    'address',
    'broadcast',
  ]);
  t.end();
});

t.test('link -s: as `ip -s link`', (t) => {
  const { text } = shown('link show', { statistics: true });
  t.equal(
    text.split('\n').slice(8, 12).join('\n'),
    `    RX:     bytes packets errors dropped  missed   mcast
               90       1      0       0       0       0
    TX:     bytes packets errors dropped carrier collsns
        123456789       2      0       0       0       0`,
  );
  t.match(
    text,
    '    RX:  bytes packets errors dropped  missed   mcast\n             0       0      0       0       0       0\n',
  );
  t.end();
});

t.test('addr: as `ip addr`', (t) => {
  t.equal(
    shown('addr show', {}).text,
    `1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN group default qlen 1000
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
    inet 127.0.0.1/8 scope host lo
       valid_lft forever preferred_lft forever
2: v1: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default qlen 1000
    link/ether aa:5a:2a:ae:f4:74 brd ff:ff:ff:ff:ff:ff
    inet 10.1.0.1/24 brd 10.1.0.255 scope global tentative v1
       valid_lft forever preferred_lft 20sec
`,
  );
  t.equal(
    shown('addr show', { brief: true }).text,
    'lo               UNKNOWN        127.0.0.1/8\nv1               UP             10.1.0.1/24\n',
  );
  t.end();
});

t.test('route: as `ip route`', (t) => {
  const routes: RouteReport[] = [
    { dst: 'default', gateway: '10.1.0.2', dev: 'v0', flags: [] },
    { dst: '10.1.0.0/24', dev: 'v0', protocol: 'kernel', scope: 'link', prefsrc: '10.1.0.1', flags: [] },
    {
      dst: '10.7.0.0/16',
      gateway: '10.1.0.2',
      dev: 'v0',
      table: '100',
      metric: 7,
      flags: [],
      metrics: [{ mtu: 1400 }],
    },
    {
      dst: '10.8.0.0/16',
      flags: [],
      nexthops: [
        { gateway: '10.1.0.3', dev: 'v0', weight: 2, flags: [] },
        { gateway: '10.1.0.4', dev: 'v0', weight: 1, flags: ['dead', 'linkdown'] },
      ],
    },
    { type: 'blackhole', dst: '10.9.0.0/16', flags: [] },
    { dst: '10.6.0.0/16', gateway: '10.1.0.2', dev: 'v0', flags: ['onlink'] },
  ];
  t.equal(
    render('route show', routes),
    `default via 10.1.0.2 dev v0
10.1.0.0/24 dev v0 proto kernel scope link src 10.1.0.1
10.7.0.0/16 via 10.1.0.2 dev v0 table 100 metric 7 mtu 1400
10.8.0.0/16
\tnexthop via 10.1.0.3 dev v0 weight 2
\tnexthop via 10.1.0.4 dev v0 weight 1 dead linkdown
blackhole 10.9.0.0/16
10.6.0.0/16 via 10.1.0.2 dev v0 onlink
`,
  );
  const local = { type: 'local', dst: '10.1.0.1', dev: 'lo', table: 'local', prefsrc: '10.1.0.1', flags: [] };
  t.equal(
    render('route get', [{ ...local, cache: ['local'] }]),
    'local 10.1.0.1 dev lo table local src 10.1.0.1\n    cache <local>\n',
  );
  t.equal(
    render('route get', [{ dst: '10.1.0.7', dev: 'v0', flags: [], cache: [] }]),
    '10.1.0.7 dev v0\n    cache\n',
  );
  t.equal(
    render('route get', [{ dst: '10.1.0.7', dev: 'v0', flags: [], metrics: [{ mtu: 600 }], cache: [] }]),
    '10.1.0.7 dev v0\n    cache mtu 600\n',
    'a learned MTU is in the cache',
  );
  t.equal(render('route flush', { flushed: 1 }), '1 route deleted\n');
  t.equal(render('route add', {}), '', 'what was done says nothing');
  t.end();
});

t.test('rule: as `ip rule`', (t) => {
  const rules: RuleReport[] = [
    { priority: 0, src: 'all', table: 'local' },
    { priority: 32_763, not: null, src: 'all', tos: '0x10', ipproto: 'udp', dport: 53, action: 'prohibit' },
    { priority: 32_764, src: 'all', dst: '10.3.0.0', dstlen: 16, action: 'blackhole' },
    { priority: 32_765, src: '10.1.0.0', srclen: 24, fwmark: '0x1', fwmask: '0x3', iif: 'v0', table: '100' },
    { priority: 32_766, src: '10.1.0.9', oif: 'v1', sport_start: 1, sport_end: 9, table: 'main' },
  ];
  t.equal(
    render('rule show', rules),
    `0:\tfrom all lookup local
32763:\tnot from all tos 0x10 ipproto udp dport 53 prohibit
32764:\tfrom all to 10.3.0.0/16 blackhole
32765:\tfrom 10.1.0.0/24 fwmark 0x1/0x3 iif v0 lookup 100
32766:\tfrom 10.1.0.9 oif v1 sport 1-9 lookup main
`,
  );
  t.end();
});

t.test('neigh: as `ip neigh`', (t) => {
  const known = { dst: '10.1.0.9', dev: 'v0', lladdr: '02:00:00:00:00:01', state: ['PERMANENT'] };
  const unknown = { dst: '10.1.0.8', dev: 'v0', state: ['FAILED'] };
  t.equal(
    render('neigh show', [known, unknown]),
    '10.1.0.9 dev v0 lladdr 02:00:00:00:00:01 PERMANENT\n10.1.0.8 dev v0 FAILED\n',
  );
  t.equal(
    render('neigh show', [{ ...known, used: 3, updated: 5, probes: 2 }]),
    '10.1.0.9 dev v0 lladdr 02:00:00:00:00:01 used 3/-/5 probes 2 PERMANENT\n',
  );
  t.equal(render('neigh flush', { flushed: 2 }), '2 neighbours forgotten\n');
  t.end();
});

t.test('ping: as iputils', (t) => {
  const items: [PingItem, string][] = [
    [
      { type: 'start', destination: '10.77.0.1', source: null, data: 56, datagram: 84 },
      'PING 10.77.0.1 (10.77.0.1) 56(84) bytes of data.\n',
    ],
    [
      { type: 'start', destination: '10.77.0.1', source: '10.77.0.3', data: 56, datagram: 84 },
      'PING 10.77.0.1 (10.77.0.1) from 10.77.0.3 : 56(84) bytes of data.\n',
    ],
    [reply(0.0412), '64 bytes from 10.77.0.1: icmp_seq=1 ttl=64 time=0.041 ms\n'],
    [reply(1.234), '64 bytes from 10.77.0.1: icmp_seq=1 ttl=64 time=1.23 ms\n'],
    [reply(12.34), '64 bytes from 10.77.0.1: icmp_seq=1 ttl=64 time=12.3 ms\n'],
    [reply(123.4), '64 bytes from 10.77.0.1: icmp_seq=1 ttl=64 time=123 ms\n'],
    [{ ...reply(1), isDuplicate: true }, '64 bytes from 10.77.0.1: icmp_seq=1 ttl=64 time=1.00 ms (DUP!)\n'],
    [
      { type: 'error', from: '10.77.0.2', seq: 3, text: 'Destination Host Unreachable' },
      'From 10.77.0.2 icmp_seq=3 Destination Host Unreachable\n',
    ],
    [{ type: 'error', from: null, seq: 0, text: 'local error: x' }, 'ping: local error: x\n'],
  ];
  for (const [item, want] of items) t.equal(render('ping', item), want);
  t.equal(render('ping', reply(1), { quiet: true }), '');
  const end: PingEnd = {
    destination: '10.77.0.1',
    transmitted: 3,
    received: 2,
    duplicates: 0,
    errors: 1,
    damaged: 0,
    timeMs: 2_001.6,
    rttMs: { min: 0.01, avg: 0.02, max: 0.03, mdev: 0.005 },
    wanted: 1,
  };
  t.equal(
    renderEnd('ping', end),
    `
--- 10.77.0.1 ping statistics ---
3 packets transmitted, 2 received, +1 errors, 33.3333% packet loss, time 2002ms
rtt min/avg/max/mdev = 0.010/0.020/0.030/0.005 ms
`,
  );
  t.match(renderEnd('ping', { ...end, received: 0, rttMs: null }), /100% packet loss, time 2002ms\n$/);
  const ping = COMMANDS.find(({ name }) => name === 'ping');
  if (ping?.kind !== 'stream') throw new Error('ping is a stream');
  t.equal(ping.exitCode(end), 0);
  t.equal(ping.exitCode({ ...end, received: 0 }), 1);
  t.equal(ping.exitCode({ ...end, wanted: 3 }), 1, 'fewer than -c within -w');
  t.end();
});

function reply(timeMs: number): PingItem & { type: 'reply' } {
  const rest = { bytes: 64, seq: 1, ttl: 64, isDuplicate: false, isDamaged: false };
  return { type: 'reply', from: '10.77.0.1', timeMs, ...rest };
}

t.test('traceroute: as traceroute -n', (t) => {
  const items: [unknown, string][] = [
    [
      { type: 'start', destination: '10.9.0.2', hopsMax: 30, bytes: 60 } satisfies TraceItem,
      'traceroute to 10.9.0.2 (10.9.0.2), 30 hops max, 60 byte packets\n',
    ],
    [
      {
        type: 'hop',
        ttl: 1,
        probes: [probe('10.77.0.1', 0.0471), probe('10.77.0.1', 0.0141), probe('10.77.0.1', 1)],
      },
      ' 1  10.77.0.1  0.047 ms  0.014 ms  1.000 ms\n',
    ],
    [
      { type: 'hop', ttl: 2, probes: [probe(null, null), probe(null, null), probe(null, null)] },
      ' 2  * * *\n',
    ],
    [
      { type: 'hop', ttl: 12, probes: [probe('10.1.0.1', 1, '!H'), probe(null, null), probe('10.1.0.2', 2)] },
      '12  10.1.0.1  1.000 ms !H * 10.1.0.2  2.000 ms\n',
    ],
  ];
  for (const [item, want] of items) t.equal(render('traceroute', item), want);
  t.end();
});

t.test('counters: zeros only when asked for', (t) => {
  const report = {
    drops: { NoRoute: 2 },
    ip: { inReceives: 0, out: { sent: 12 } },
    device: [{ dev: 'tap0', rxPackets: 3 }],
  };
  t.equal(
    render('counters', report),
    'drops\n  NoRoute  2\nip\n  out.sent  12\ndevice tap0\n  rxPackets  3\n',
  );
  t.match(render('counters', report, { all: true }), 'ip\n  inReceives  0\n  out.sent    12\n');
  t.equal(render('counters', { ip: { inReceives: 0 } }), 'nothing was counted yet\n');
  t.equal(render('counters', { prometheus: 'x 1\n' }), 'x 1\n');
  t.end();
});

t.test('status: a page for a person', (t) => {
  const status: StatusReport = {
    name: 'tapstack0',
    version: '0.1.0',
    pid: 7,
    user: 'nobody',
    uptimeSec: 3_725.5,
    device: {
      name: 'tap0',
      mode: 'tap',
      isUp: true,
      mtu: 1_500,
      mac: '02:00:00:00:00:01',
      offload: ['checksum'],
      error: 'EIO',
    },
    netns: 'lab',
    addresses: ['10.77.0.2/24'],
    gateway: null,
    services: [
      { name: 'echo', protocol: 'udp', port: 7, received: 3, answered: 2 },
      { name: 'http', protocol: 'tcp', port: 80, received: 1, answered: 200 },
    ],
    sockets: { udp: 1, raw: 0 },
    pool: { slots: 512, free: 448, lowWater: 440 },
    drops: { NoRoute: 2, Ip6Unsupported: 9 },
    captures: [{ target: '/tmp/x', frames: 5, left: 1 }],
    loop: { runs: 4, turns: 6 },
  };
  t.equal(
    render('status', status),
    `tapstack0: up for 1 h 2 min, pid 7, user nobody, netns lab
  device     tap0 tap up mtu 1500 lladdr 02:00:00:00:00:01; last error EIO
  offload    checksum
  addresses  10.77.0.2/24
  gateway    none
  services   echo 7/udp (3 in, 2 out), http 80/tcp (1 connections, 200 bytes out)
  sockets    1 udp, 0 raw
  packets    448 of 512 slots free, never fewer than 440
  turns      6 in 4 runs of the loop
  drops      Ip6Unsupported 9, NoRoute 2
  capture    /tmp/x: 5 frames, 1 left out
`,
  );
  for (const [uptimeSec, want] of [
    [5, 'up for 5 s'],
    [65, 'up for 1 min 5 s'],
    [90_061, 'up for 1 d 1 h'],
  ] as const)
    t.match(render('status', { ...status, uptimeSec }), want);
  t.end();
});

function probe(from: string | null, timeMs: number | null, mark = ''): object {
  return { from, timeMs, mark };
}
