/** What commands do to a stack, and what it reports of itself. */
import t from 'tap';
import type { Ip } from '../../src/addr/ip.ts';
import { formatMac, parseMac } from '../../src/addr/mac.ts';
import type { Prefix } from '../../src/addr/prefix.ts';
import { parsePrefix } from '../../src/addr/prefix.ts';
import type { Instant } from '../../src/base/time.ts';
import { ms } from '../../src/base/time.ts';
import type { RouteChange, RouteFilter, RuleChange } from '../../src/control/host.ts';
import { Refusal } from '../../src/control/host.ts';
import type { RouteReport } from '../../src/control/report.ts';
import * as links from '../../src/daemon/host/links.ts';
import * as neighbors from '../../src/daemon/host/neighbors.ts';
import * as routes from '../../src/daemon/host/routes.ts';
import { stableMac } from '../../src/daemon/link.ts';
import { errorMark, errorText } from '../../src/daemon/stream/icmp-text.ts';
import { address, joined } from '../support/hosts.ts';

const net = joined();
const { stack } = net.a;
const dev = net.a.iface().name;
const now = (): Instant => net.world.now;
t.teardown(() => net.world.close());

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (parsed === null) throw new Error(text);
  return parsed;
}

const HOP = { via: undefined, dev: undefined, weight: undefined, onlink: false };

function route(to: string, change: Partial<RouteChange> & { via?: Ip } = {}): RouteChange {
  const { via, ...rest } = change;
  return {
    type: undefined,
    prefix: prefix(to),
    hop: via === undefined ? HOP : { ...HOP, via },
    hops: [],
    src: undefined,
    metric: undefined,
    mtu: undefined,
    table: undefined,
    protocol: undefined,
    scope: undefined,
    ...rest,
  };
}

const ALL: RouteFilter = {
  table: 254,
  dev: undefined,
  prefix: undefined,
  type: undefined,
  protocol: undefined,
};
const RULE: RuleChange = {
  isInverted: false,
  from: undefined,
  to: undefined,
  tos: undefined,
  mark: undefined,
  markMask: undefined,
  iif: undefined,
  oif: undefined,
  protocol: undefined,
  sourcePorts: undefined,
  destinationPorts: undefined,
  priority: undefined,
  action: 254,
};

function text(answer: unknown): string {
  return answer instanceof Refusal ? `${answer.code} ${answer.text}` : JSON.stringify(answer);
}

t.test('links are reported as `ip -j` has them', (t) => {
  const [lo, eth] = links.links(stack, undefined) as ReturnType<typeof links.linkReport>[];
  t.match(lo, {
    ifindex: 1,
    ifname: 'lo',
    flags: ['LOOPBACK', 'UP', 'LOWER_UP'],
    operstate: 'UNKNOWN',
    link_type: 'loopback',
    address: '00:00:00:00:00:00',
    addr_info: [{ family: 'inet', local: '127.0.0.1', prefixlen: 8, scope: 'host', label: 'lo' }],
  });
  t.notOk('broadcast' in (lo?.addr_info[0] ?? {}), 'the loopback network has no broadcast address');
  t.match(eth, {
    ifindex: 2,
    ifname: dev,
    flags: ['BROADCAST', 'MULTICAST', 'UP', 'LOWER_UP'],
    operstate: 'UP',
    link_type: 'ether',
    broadcast: 'ff:ff:ff:ff:ff:ff',
    addr_info: [
      {
        local: '10.1.0.2',
        prefixlen: 24,
        broadcast: '10.1.0.255',
        scope: 'global',
        label: dev,
        valid_life_time: 4_294_967_295,
      },
    ],
  });
  t.equal((eth?.stats64.tx.packets ?? 0) > 0, true, 'it has announced its address');
  t.match(
    text(links.links(stack, 'nosuch')),
    /^ENODEV nosuch: the stack has no such device; `tapstack link`/,
  );
  t.end();
});

t.test('a link is set up and down, and its MTU', (t) => {
  t.equal(links.changeLink(stack, dev, { isUp: false, mtu: 1_400 }), null);
  const [down] = links.links(stack, dev) as ReturnType<typeof links.linkReport>[];
  t.match(down, { flags: ['BROADCAST', 'MULTICAST'], operstate: 'DOWN', mtu: 1_400 });
  const [dead] = routes.routes(stack, { ...ALL, dev }) as object[];
  t.match(dead, { flags: ['dead', 'linkdown'] });
  t.equal(links.changeLink(stack, dev, { isUp: true, mtu: 1_500 }), null);
  t.match(text(links.changeLink(stack, 'nosuch', { isUp: true })), /^ENODEV/);
  t.end();
});

t.test('addresses come and go', (t) => {
  t.equal(links.addAddress(stack, now(), undefined, prefix('10.5.0.1/16')), null, 'the first device but lo');
  t.match(
    text(links.addAddress(stack, now(), dev, prefix('10.5.0.1/24'))),
    /^EEXIST 10\.5\.0\.1\/24: the stack has/,
  );
  t.match(text(links.addAddress(stack, now(), dev, prefix('224.0.0.1/24'))), /^EINVAL 224/);
  t.match(text(links.addAddress(stack, now(), dev, prefix('::1/64'))), /^EAFNOSUPPORT .* IPv4 only/);
  t.match(
    text(links.deleteAddress(stack, 'lo', prefix('10.5.0.1/16'))),
    /^EADDRNOTAVAIL 10\.5\.0\.1\/16 on lo/,
  );
  t.match(text(links.deleteAddress(stack, dev, prefix('10.5.0.1/24'))), /^EADDRNOTAVAIL/, 'another network');
  t.equal(links.deleteAddress(stack, dev, prefix('10.5.0.1/32')), null, 'the length may be left out');
  t.match(text(links.deleteAddress(stack, undefined, prefix('10.5.0.1/32'))), /^EADDRNOTAVAIL/);
  t.end();
});

t.test('routes are made, shown, replaced and deleted', (t) => {
  const via = address('10.1.0.3');
  t.equal(routes.changeRoute(stack, 'add', route('10.8.0.0/16', { via, metric: 5, mtu: 1_400 })), null);
  t.match(
    text(routes.changeRoute(stack, 'add', route('10.8.0.0/16', { via, metric: 5 }))),
    /^EEXIST .*replace it/,
  );
  t.match(
    text(routes.changeRoute(stack, 'add', route('10.9.0.0/16'))),
    /^EINVAL .*it leads nowhere; say via/,
  );
  t.match(
    text(routes.changeRoute(stack, 'add', route('10.9.0.0/16', { via: address('192.0.2.1') }))),
    /^ENETUNREACH route 10\.9\.0\.0\/16: the gateway is on no network of the stack/,
  );
  t.match(
    text(routes.changeRoute(stack, 'add', route('10.9.0.0/16', { hop: { ...HOP, dev: 'x' } }))),
    /^ENODEV x/,
  );
  t.equal(routes.changeRoute(stack, 'replace', route('10.8.0.0/16', { via, metric: 5, table: 254 })), null);
  const two = [
    { ...HOP, via, weight: 2 },
    { ...HOP, via: address('10.1.0.4') },
  ];
  t.equal(routes.changeRoute(stack, 'add', route('0.0.0.0/0', { hops: two, protocol: 'static' })), null);
  t.equal(routes.changeRoute(stack, 'add', route('10.9.0.0/16', { type: 'blackhole', table: 100 })), null);
  t.same(routes.routes(stack, ALL), [
    {
      dst: 'default',
      protocol: 'static',
      flags: [],
      nexthops: [
        { gateway: '10.1.0.3', dev, weight: 2, flags: [] },
        { gateway: '10.1.0.4', dev, weight: 1, flags: [] },
      ],
    },
    { dst: '10.1.0.0/24', dev, protocol: 'kernel', scope: 'link', prefsrc: '10.1.0.2', flags: [] },
    { dst: '10.8.0.0/16', gateway: '10.1.0.3', dev, metric: 5, flags: [] },
  ]);
  const everything = routes.routes(stack, { ...ALL, table: 0 }) as RouteReport[];
  t.match(everything.at(3), { type: 'blackhole', dst: '10.9.0.0/16', table: '100' });
  t.equal(everything.at(-1)?.table, 'local', 'local comes last');
  t.equal((routes.routes(stack, { ...ALL, protocol: 'static' }) as object[]).length, 1);
  t.equal((routes.routes(stack, { ...ALL, prefix: prefix('10.8.0.0/16') }) as object[]).length, 1);
  t.match(
    text(routes.changeRoute(stack, 'del', route('10.8.0.0/16', { metric: 6 }))),
    /^ESRCH .*no route agrees/,
  );
  t.equal(routes.changeRoute(stack, 'del', route('10.8.0.0/16', { via })), null);
  t.end();
});

t.test(
  'route flush deletes what is selected, never everything by mistake, and leaves connected routes',
  (t) => {
    t.match(text(routes.flushRoutes(stack, ALL)), /^EINVAL flush deletes what is selected/);
    t.equal(routes.flushRoutes(stack, { ...ALL, table: 100 }), 1);
    t.equal(routes.flushRoutes(stack, { ...ALL, dev }), 1, 'the default route');
    t.equal((routes.routes(stack, ALL) as object[]).length, 1, 'the network of the address stays');
    t.end();
  },
);

function get(to: string): unknown {
  const open = { from: undefined, iif: undefined, oif: undefined, tos: undefined, mark: undefined };
  return routes.routeTo(stack, { ...open, to: address(to) });
}

t.test('route get answers as the data path would', (t) => {
  t.same(get('10.1.0.3'), { dst: '10.1.0.3', dev, prefsrc: '10.1.0.2', flags: [], cache: [] });
  t.same(get('10.1.0.2'), {
    type: 'local',
    dst: '10.1.0.2',
    dev: 'lo',
    table: 'local',
    prefsrc: '10.1.0.2',
    flags: [],
    cache: ['local'],
  });
  t.match(text(get('192.0.2.1')), /^ENETUNREACH 192\.0\.2\.1: no route leads there/);
  for (const [type, want] of [
    ['blackhole', /^EINVAL .*swallows/],
    ['prohibit', /^EACCES .*prohibits/],
    ['unreachable', /^EHOSTUNREACH .*unreachable/],
  ] as const) {
    routes.changeRoute(stack, 'add', route('192.0.2.0/24', { type }));
    t.match(text(get('192.0.2.1')), want);
    routes.changeRoute(stack, 'del', route('192.0.2.0/24'));
  }
  t.end();
});

t.test('rules', (t) => {
  const change: RuleChange = {
    ...RULE,
    from: prefix('10.1.0.0/24'),
    mark: 1,
    markMask: 3,
    iif: dev,
    protocol: 17,
    destinationPorts: [53, 53],
    sourcePorts: [1_024, 65_535],
    isInverted: true,
    action: 100,
  };
  t.equal(routes.addRule(stack, change), null);
  t.match(
    text(routes.addRule(stack, { ...change, priority: 32_765 })),
    /^EEXIST rule: there is the very same/,
  );
  t.equal(
    routes.addRule(stack, { ...RULE, to: prefix('10.3.0.1/32'), action: 'blackhole', priority: 7 }),
    null,
  );
  t.same(routes.rules(stack), [
    { priority: 0, src: 'all', table: 'local' },
    { priority: 7, src: 'all', dst: '10.3.0.1', action: 'blackhole' },
    {
      priority: 32_765,
      not: null,
      src: '10.1.0.0',
      srclen: 24,
      fwmark: '0x1',
      fwmask: '0x3',
      iif: dev,
      ipproto: 'udp',
      sport_start: 1_024,
      sport_end: 65_535,
      dport: 53,
      table: '100',
    },
    { priority: 32_766, src: 'all', table: 'main' },
    { priority: 32_767, src: 'all', table: 'default' },
  ]);
  t.match(text(routes.addRule(stack, { ...RULE, iif: 'x' })), /^ENODEV/);
  t.equal(routes.deleteRule(stack, change), null);
  t.match(text(routes.deleteRule(stack, change)), /^ENOENT rule: no rule agrees/);
  t.equal(routes.deleteRule(stack, { ...RULE, to: prefix('10.3.0.1/32'), action: 'blackhole' }), null);
  t.end();
});

t.test('neighbours', (t) => {
  const mac = parseMac('02:00:00:00:00:09') ?? stableMac('x', 'y');
  const change = { address: address('10.1.0.9'), dev: undefined, mac, state: 'permanent' } as const;
  const list = (filter: object = {}): unknown =>
    neighbors.neighbors(stack, now(), { dev: undefined, to: undefined, state: undefined, ...filter });
  t.equal(neighbors.setNeighbor(stack, now(), 'add', change), null);
  t.match(text(neighbors.setNeighbor(stack, now(), 'add', change)), /^EEXIST 10\.1\.0\.9: .*`neigh replace`/);
  t.match(text(neighbors.setNeighbor(stack, now(), 'add', { ...change, dev: 'lo' })), /^EOPNOTSUPP lo/);
  t.equal(neighbors.setNeighbor(stack, now(), 'replace', { ...change, state: 'stale' }), null);
  t.match(list(), [{ dst: '10.1.0.9', dev, lladdr: '02:00:00:00:00:09', state: ['STALE'] }]);
  t.same(list({ state: 'reachable' }), []);
  t.equal((list({ to: prefix('10.1.0.8/29') }) as object[]).length, 1);
  t.same(list({ to: prefix('10.2.0.0/16') }), []);
  t.equal(neighbors.flushNeighbors(stack, dev), 1);
  t.match(
    text(neighbors.deleteNeighbor(stack, address('10.1.0.9'), dev)),
    /^ENOENT 10\.1\.0\.9: there is no such/,
  );
  neighbors.setNeighbor(stack, now(), 'add', { ...change, state: 'noarp' });
  t.same(list(), [], 'as with `ip neigh`, those that need no finding are not shown');
  t.equal((list({ state: 'all' }) as object[]).length, 1);
  t.equal(neighbors.deleteNeighbor(stack, address('10.1.0.9'), undefined), null);
  t.end();
});

t.test('what changed is used by packets at once', (t) => {
  const socket = stack.sockets.openUdp();
  if (typeof socket === 'string') throw new Error(socket);
  t.equal(socket.sendTo(new Uint8Array(1), 0, 1, address('10.8.0.1'), 9), 'ENETUNREACH');
  routes.changeRoute(stack, 'add', route('10.8.0.0/16', { via: address('10.1.0.3') }));
  t.equal(socket.sendTo(new Uint8Array(1), 0, 1, address('10.8.0.1'), 9), 1);
  net.run(ms(100));
  socket.close();
  t.end();
});

t.test('the MAC is local, of one station, and stays the same from start to start', (t) => {
  const mac = stableMac('tapstack0', 'host');
  t.equal(formatMac(mac), formatMac(stableMac('tapstack0', 'host')));
  t.not(formatMac(mac), formatMac(stableMac('tapstack1', 'host')));
  t.not(formatMac(mac), formatMac(stableMac('tapstack0', 'other')));
  for (let i = 0; i < 64; i++) {
    const { hi, isGroup } = stableMac(`n${i}`, 'host');
    t.equal(hi & 0x0300, 0x0200, 'locally administered, not a group');
    t.notOk(isGroup);
  }
  t.end();
});

t.test('ICMP errors in the words of ping and the marks of traceroute', (t) => {
  const cases: [number, number, number, string, string][] = [
    [3, 0, 0, 'Destination Net Unreachable', '!N'],
    [3, 1, 0, 'Destination Host Unreachable', '!H'],
    [3, 2, 0, 'Destination Protocol Unreachable', '!P'],
    [3, 3, 0, 'Destination Port Unreachable', ''],
    [3, 4, 1_400, 'Frag needed and DF set (mtu = 1400)', '!F-1400'],
    [3, 5, 0, 'Source Route Failed', '!S'],
    [3, 13, 0, 'Packet filtered', '!X'],
    [3, 99, 0, 'Dest Unreachable, Bad Code: 99', '!<99>'],
    [11, 0, 0, 'Time to live exceeded', ''],
    [11, 1, 0, 'Frag reassembly time exceeded', '!T<1>'],
    [12, 0, 20, 'Parameter problem: pointer = 20', '!<12-0>'],
    [4, 0, 0, 'Bad ICMP type: 4', '!<4-0>'],
  ];
  for (const [type, code, info, words, mark] of cases) {
    t.equal(errorText({ type, code, info }), words);
    t.equal(errorMark({ type, code, info }), mark);
  }
  t.end();
});
