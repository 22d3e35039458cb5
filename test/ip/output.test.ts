import t from 'tap';
import { Ip } from '../../src/addr/ip.ts';
import { parsePrefix } from '../../src/addr/prefix.ts';
import { Drop } from '../../src/base/drop.ts';
import { sec } from '../../src/base/time.ts';
import { ACCEPT, HookPoint, STOLEN } from '../../src/filter/hook.ts';
import type { Packet } from '../../src/packet/packet.ts';
import type { RouteType } from '../../src/route/nexthop.ts';
import type { Link } from '../../src/sim/link.ts';
import { PathMtu } from '../../src/socket/host.ts';
import * as ipv4 from '../../src/wire/ipv4.ts';
import {
  A,
  address,
  B,
  bytes,
  datagram,
  dropped,
  icmpBytes,
  joined,
  Net,
  ROUTER_LEFT,
  receiveAll,
  routed,
  send,
} from '../support/hosts.ts';
import { expectPacket, ipv4 as ip, isToAll, isUdp, udp } from '../support/packets.ts';

const PORT = 5000;
const drop = (): Drop => Drop.HookDropped;
const PEER = '10.1.0.3';

t.test('what a socket sends has the defaults of its host', (t) => {
  const net = joined({ a: { ip: { ipDefaultTtl: 40 } } });
  const socket = net.a.udp();
  send(t, socket, bytes(10), PEER, PORT);
  net.run();
  expectPacket(
    t,
    net.seen.last('a/eth0', 'out', isUdp),
    ip({ src: '10.1.0.2', dst: PEER, ttl: 40, tos: 0, isDf: true, length: 38 }),
    udp({ dstPort: PORT, isRight: true, data: bytes(10) }),
  );
  socket.setTtl(7);
  socket.setTos(0xb8);
  send(t, socket, bytes(10), PEER, PORT);
  net.run();
  expectPacket(t, net.seen.last('a/eth0', 'out', isUdp), ip({ ttl: 7, tos: 0xb8 }));
  net.end(t);
  t.end();
});

t.test('an atomic datagram needs no identification, another one does (RFC 6864 §4)', (t) => {
  const net = joined();
  const socket = net.a.udp();
  socket.options.pathMtu = PathMtu.Dont;
  const ids = new Set<number>();
  for (let i = 0; i < 5; i++) {
    send(t, socket, bytes(10), PEER, PORT);
    net.run();
    const { view, l3 } = net.seen.last('a/eth0', 'out', isUdp);
    t.notOk(ipv4.isDf(view, l3));
    ids.add(ipv4.id(view, l3));
  }
  t.equal(ids.size, 5);
  net.end(t);
  t.end();
});

t.test('routes that lead nowhere, and what the socket is told (ip(7))', (t) => {
  const refusals: [RouteType | null, string][] = [
    [null, 'ENETUNREACH'],
    ['unreachable', 'EHOSTUNREACH'],
    ['prohibit', 'EACCES'],
    ['blackhole', 'EINVAL'],
    ['throw', 'ENETUNREACH'],
  ];
  for (const [type, errno] of refusals) {
    const net = joined();
    if (type !== null) net.a.route('10.9.0.0/16', { type });
    const socket = net.a.udp();
    t.equal(socket.sendTo(bytes(4), 0, 4, address('10.9.1.1'), PORT), errno, String(type));
    t.equal(socket.connect(address('10.9.1.1'), PORT), errno, `${String(type)}: connect`);
    t.equal(net.a.stack.ip.counters.outDiscards, 1);
    net.end(t);
  }
  t.end();
});

t.test(
  'a neighbour that does not answer: EHOSTUNREACH at a socket that asked for errors (RFC 1122 §2.3.2.2)',
  (t) => {
    const net = joined();
    const socket = net.a.udp();
    socket.receivesErrors = true;
    t.equal(socket.connect(address('10.1.0.77'), PORT), null);
    t.equal(socket.send(bytes(4)), 4);
    net.run(sec(5));
    t.equal(dropped(net.a, Drop.NeighborUnreachable), 1);
    t.equal(socket.send(bytes(4)), 'EHOSTUNREACH');
    net.end(t);
    t.end();
  },
);

t.test(
  'broadcasts: only for whom asked, to all on the link, and to our own listeners (RFC 1122 §4.1.3.2)',
  (t) => {
    const net = joined();
    const near = net.a.udp(PORT);
    const far = net.b.udp(PORT);
    const socket = net.a.udp();
    for (const dst of ['255.255.255.255', '10.1.0.255']) {
      socket.options.broadcast = false;
      t.equal(socket.sendTo(bytes(4), 0, 4, address(dst), PORT), 'EACCES', dst);
      socket.options.broadcast = true;
      send(t, socket, bytes(4), dst, PORT);
      net.run();
      const frame = net.seen.last('a/eth0', 'out', isUdp);
      expectPacket(t, frame, ip({ src: '10.1.0.2', dst, ttl: 64 }), udp({ isRight: true }));
      t.ok(isToAll(frame));
      t.equal(receiveAll(far).length, 1, `${dst} at the other host`);
      t.equal(receiveAll(near).length, 1, `${dst} at our own`);
    }
    net.end(t);
    t.end();
  },
);

t.test('groups: TTL 1, the link address of the group, and a copy for members here (RFC 1112 §6)', (t) => {
  const net = joined();
  const group = address('239.1.2.3');
  const near = net.a.udp(PORT);
  const far = net.b.udp(PORT);
  t.equal(near.joinGroup(group), null);
  t.equal(far.joinGroup(group), null);
  const socket = net.a.udp();
  send(t, socket, bytes(4), '239.1.2.3', PORT);
  net.run();
  const frame = net.seen.last('a/eth0', 'out', isUdp);
  expectPacket(t, frame, ip({ ttl: 1, dst: '239.1.2.3' }), udp({ isRight: true }));
  t.strictSame(Array.from(frame.bytes.slice(0, 6)), [1, 0, 0x5e, 1, 2, 3]);
  t.equal(receiveAll(far).length, 1);
  const [own] = receiveAll(near);
  t.equal(own?.from, `10.1.0.2:${socket.localPort}`);
  t.equal(own?.info.iif, net.a.iface().index, 'as if it had come from the link (ip(7), IP_PKTINFO)');
  socket.options.multicastLoop = false;
  send(t, socket, bytes(4), '239.1.2.3', PORT);
  net.run();
  t.equal(receiveAll(far).length, 1);
  t.equal(receiveAll(near).length, 0, 'IP_MULTICAST_LOOP off');
  net.end(t);
  t.end();
});

t.test('the limited broadcast address leaves by the first interface that is up and has an address', (t) => {
  const net = new Net();
  const a = net.world.host('a');
  const b = net.world.host('b');
  const [bare, down, good] = [0, 1, 2].map(() => net.world.link(a, b)) as [Link, Link, Link];
  a.address('10.2.0.2/24', down).address('10.3.0.2/24', good);
  b.address('10.3.0.3/24', good);
  a.stack.setInterfaceUp(a.iface(down), false);
  net.run(sec(5));
  net.seen.clear();
  const socket = a.udp();
  socket.options.broadcast = true;
  send(t, socket, bytes(1), '255.255.255.255', PORT);
  net.run();
  t.equal(net.seen.of(`a/${a.iface(good).name}`, 'out', isUdp).length, 1);
  t.equal(net.seen.of(`a/${a.iface(bare).name}`, 'out').length, 0);
  net.end(t);
  t.end();
});

t.test('a group that nobody here has joined is not looped back (RFC 1112 §6.1)', (t) => {
  const net = joined();
  const socket = net.a.udp(PORT);
  send(t, net.a.udp(), bytes(1), '239.1.2.3', PORT);
  net.run();
  t.equal(receiveAll(socket).length, 0);
  t.equal(net.a.stack.ip.counters.inReceives, 0);
  net.end(t);
  t.end();
});

t.test('a copy for members here is for their interface only', (t) => {
  const net = new Net();
  const a = net.world.host('a');
  const b = net.world.host('b');
  const first = net.world.link(a, b);
  const second = net.world.link(a, b);
  a.address('10.1.0.2/24', first).address('10.2.0.2/24', second);
  const socket = a.udp(PORT);
  socket.multicastAll = false;
  socket.joinGroup(address('239.1.2.3'), a.iface(second).index);
  const from = a.udp();
  from.options.multicastOif = a.iface(first).index;
  send(t, from, bytes(4), '239.1.2.3', PORT);
  net.run();
  t.equal(receiveAll(socket).length, 0);
  from.options.multicastOif = a.iface(second).index;
  send(t, from, bytes(4), '239.1.2.3', PORT);
  net.run();
  t.equal(receiveAll(socket).length, 1);
  net.end(t);
  t.end();
});

t.test('loopback addresses stay inside (RFC 1122 §3.2.1.3 (g))', (t) => {
  const net = joined();
  const inside = net.a.udp();
  t.equal(inside.bind(address('127.0.0.1'), 0), null);
  t.equal(inside.sendTo(bytes(1), 0, 1, address(PEER), PORT), 'EINVAL', 'from one');
  const bound = net.a.udp();
  bound.bindToDevice(net.a.iface().index);
  net.a.route('default', { via: address(PEER) });
  t.equal(bound.sendTo(bytes(1), 0, 1, address('127.0.0.1'), PORT), 'EINVAL', 'to one');
  net.run();
  t.equal(net.seen.of('a/eth0', 'out').length, 0);
  net.end(t);
  t.end();
});

t.test('a group by way of the loopback device: once to each member', (t) => {
  const net = joined();
  const lo = net.a.stack.loopback.index;
  const socket = net.a.udp(PORT);
  t.equal(socket.joinGroup(address('239.1.2.3'), lo), null);
  const from = net.a.udp();
  from.options.multicastOif = lo;
  send(t, from, bytes(4), '239.1.2.3', PORT);
  net.run();
  t.equal(receiveAll(socket).length, 1);
  t.equal(net.seen.of('a/eth0', 'out', isUdp).length, 0);
  net.end(t);
  t.end();
});

t.test('to an address of our own: through the loopback device, with the checksum left undone', (t) => {
  const net = joined();
  const socket = net.a.udp(PORT);
  for (const dst of ['10.1.0.2', '127.0.0.1', '127.1.2.3']) {
    send(t, net.a.udp(), bytes(9_000), dst, PORT);
    net.run();
    const [got] = receiveAll(socket);
    t.strictSame(got?.data, bytes(9_000), dst);
    t.equal(got?.info.iif, net.a.stack.loopback.index);
    t.match(got?.from, dst === '10.1.0.2' ? /^10\.1\.0\.2:/ : /^127\./);
  }
  t.equal(net.seen.of('a/eth0', 'out').length, 0, 'never on a wire (RFC 1122 §3.2.1.3 (g))');
  const largest = bytes(65_507);
  send(t, net.a.udp(), largest, '127.0.0.1', PORT);
  net.run();
  t.strictSame(receiveAll(socket)[0]?.data.length, largest.length);
  net.end(t);
  t.end();
});

t.test('a device without link addresses: no ARP, no header (TUN)', (t) => {
  const net = joined({ link: { medium: 'ip' } });
  const socket = net.b.udp(PORT);
  send(t, net.a.udp(), bytes(4_000), PEER, PORT);
  net.run();
  t.strictSame(receiveAll(socket)[0]?.data, bytes(4_000));
  t.equal(net.a.iface().neighbors, null);
  const { view, l3 } = net.seen.last('a/eth0', 'out', isUdp);
  t.equal(l3, 0);
  t.equal(ipv4.version(view, 0), 4);
  t.equal(net.a.iface().isBroadcast4(address('10.1.0.255').d), false, 'and no broadcasts');
  const group = net.b.udp(PORT + 1);
  t.equal(group.joinGroup(address('239.1.1.1'), net.b.iface().index), null);
  const from = net.a.udp();
  from.options.multicastOif = net.a.iface().index;
  send(t, from, bytes(3), '239.1.1.1', PORT + 1);
  net.run();
  t.equal(receiveAll(group).length, 1, 'but groups');
  group.leaveGroup(address('239.1.1.1'));
  send(t, from, bytes(3), '239.1.1.1', PORT + 1);
  net.run();
  t.equal(dropped(net.b, Drop.Ip4MulticastNotMember), 1, 'only those that were joined');
  net.end(t);
  t.end();
});

t.test('the source is that of the route, else one of the way out (RFC 1122 §3.3.4.3)', (t) => {
  const net = joined();
  net.a.address('10.1.0.50/24').address('10.8.0.1/32');
  net.a.route('10.9.0.0/16', { via: address(PEER), source: address('10.8.0.1') });
  const source = (dst: string): string => {
    const socket = net.a.udp();
    socket.connect(address(dst), PORT);
    return socket.local.toString();
  };
  t.equal(source(PEER), '10.1.0.2', 'the first of the network');
  t.equal(source('10.9.0.1'), '10.8.0.1', 'as the route says');
  t.equal(source('10.1.0.50'), '10.1.0.50', 'to ourselves: the same address');
  const bound = net.a.udp();
  t.equal(bound.bind(address('10.1.0.50'), 0), null);
  send(t, bound, bytes(1), PEER, PORT);
  net.run();
  expectPacket(t, net.seen.last('a/eth0', 'out', isUdp), ip({ src: '10.1.0.50' }));
  t.equal(net.a.udp().bind(address('10.1.0.51'), 0), 'EADDRNOTAVAIL');
  net.end(t);
  t.end();
});

t.test('weighted next hops share the flows, each flow on one (RFC 2992)', (t) => {
  const net = new Net();
  const a = net.world.host('a');
  const routers = [net.world.router('r1'), net.world.router('r2')];
  const link = net.world.segment([a, ...routers], { isLearning: true });
  a.address('10.1.0.9/24');
  for (const [i, router] of routers.entries()) router.address(`10.1.0.${i + 1}/24`, link);
  a.route('default', {
    nextHops: [
      { via: address('10.1.0.1'), weight: 3 },
      { via: address('10.1.0.2'), weight: 1 },
    ],
  });
  net.run(sec(5));
  const socket = a.udp();
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < 400; i++) {
      socket.sendTo(bytes(1), 0, 1, Ip.v4(address('172.16.0.0').d + i * 257), PORT);
      if (i % 20 === 19) net.run();
    }
  }
  const [first = 0, second = 0] = routers.map(({ stack }) => stack.ip.counters.inReceives);
  t.equal(first + second, 800);
  t.equal(first % 2, 0, 'the second round took the same ways');
  t.ok(first > 520 && first < 680, `three quarters: ${first} of 800`);
  net.end(t);
  t.end();
});

t.test('policy rules by source, type of service, mark and interface (ip-rule(8))', (t) => {
  const net = new Net();
  const a = net.world.host('a');
  const routers = ['plain', 'source', 'tos', 'mark'].map((name) => net.world.router(name));
  const link = net.world.segment([a, ...routers], { isLearning: true });
  a.address('10.1.0.9/24').address('10.1.0.10/24');
  const { fib } = a.stack.ip;
  for (const [i, router] of routers.entries()) {
    router.address(`10.1.0.${i + 1}/24`, link);
    a.route('default', { via: address(`10.1.0.${i + 1}`), ...(i === 0 ? {} : { table: 100 + i }) });
  }
  fib.addRule({ from: parsePrefix('10.1.0.10/32') as never, action: 101 });
  fib.addRule({ tos: 0x10, action: 102 });
  fib.addRule({ mark: 0x40, markMask: 0xf0, action: 103 });
  net.run(sec(5));
  const before = routers.map(({ stack }) => stack.ip.counters.inReceives);
  const way = (prepare: (socket: ReturnType<typeof a.udp>) => void): string => {
    const socket = a.udp();
    prepare(socket);
    send(t, socket, bytes(1), '192.0.2.1', PORT);
    net.run();
    const at = routers.findIndex(({ stack }, i) => stack.ip.counters.inReceives > (before[i] as number));
    before[at] = (before[at] as number) + 1;
    return routers[at]?.name ?? 'nowhere';
  };
  t.equal(
    way(() => {}),
    'plain',
  );
  t.equal(
    way((socket) => socket.bind(address('10.1.0.10'), 0)),
    'source',
  );
  t.equal(
    way((socket) => socket.setTos(0x10)),
    'tos',
  );
  t.equal(
    way((socket) => {
      socket.options.mark = 0x4f;
    }),
    'mark',
  );
  t.equal(
    way((socket) => {
      socket.options.mark = 0x5f;
    }),
    'plain',
  );
  net.end(t);
  t.end();
});

t.test('the hooks on the way out, and in', (t) => {
  const net = joined();
  const calls: string[] = [];
  for (const host of [net.a, net.b]) {
    for (const [name, point] of Object.entries(HookPoint)) {
      host.stack.ip.hooks.register(point, 0, (_now, _packet, { iif, oif }) => {
        calls.push(`${host.name} ${name} ${iif} ${oif}`);
        return ACCEPT;
      });
    }
  }
  net.b.udp(PORT);
  send(t, net.a.udp(), bytes(3), PEER, PORT);
  net.run();
  t.strictSame(calls, ['a Output 0 2', 'a Postrouting 0 2', 'b Prerouting 2 0', 'b Input 2 0']);
  calls.length = 0;
  send(t, net.a.udp(), bytes(4_000), PEER, PORT);
  net.run();
  t.equal(calls.filter((call) => call === 'a Postrouting 0 2').length, 1, 'before it is cut into fragments');
  t.equal(calls.filter((call) => call === 'b Input 2 0').length, 1, 'after it is whole again');
  net.end(t);
  t.end();
});

t.test('what hooks of a host drop or steal', (t) => {
  for (const [point, side] of [
    [HookPoint.Output, 'a'],
    [HookPoint.Postrouting, 'a'],
    [HookPoint.Prerouting, 'b'],
    [HookPoint.Input, 'b'],
  ] as const) {
    const net = joined();
    const socket = net.b.udp(PORT);
    const { hooks } = net[side].stack.ip;
    hooks.register(point, 0, drop);
    send(t, net.a.udp(), bytes(3), PEER, PORT);
    net.run();
    t.equal(dropped(net[side], Drop.HookDropped), 1);
    hooks.unregister(point, drop);
    const stolen: Packet[] = [];
    hooks.register(point, 0, (_now, packet) => {
      stolen.push(packet);
      return STOLEN;
    });
    send(t, net.a.udp(), bytes(3), PEER, PORT);
    net.run();
    t.equal(stolen.length, 1);
    t.equal(receiveAll(socket).length, 0);
    for (const packet of stolen) packet.release();
    net.end(t);
  }
  t.end();
});

t.test('a socket bound to an interface sends there only', (t) => {
  const net = routed();
  const socket = net.router.udp();
  socket.bindToDevice(net.router.iface(net.left).index);
  t.equal(socket.sendTo(bytes(1), 0, 1, address(B), PORT), 'ENETUNREACH');
  send(t, socket, bytes(1), A, PORT);
  net.run();
  expectPacket(t, net.seen.last('a/eth0', 'in', isUdp), ip({ src: ROUTER_LEFT }));
  net.end(t);
  t.end();
});

t.test('answers that find no way back are counted (RFC 4293, ipSystemStatsOutNoRoutes)', (t) => {
  const net = joined();
  net.b.route('203.0.113.0/24', { type: 'unreachable' });
  net.b.route('198.51.100.0/24', { type: 'prohibit' });
  net.b.route('100.64.0.0/10', { type: 'blackhole' });
  const echo = icmpBytes(8, 0, 1, bytes(8));
  for (const src of ['192.0.2.1', '203.0.113.1', '198.51.100.1', '100.64.0.1']) {
    net.link.inject(datagram({ to: net.b.iface().mac, src, dst: PEER, protocol: 1, payload: echo }));
  }
  net.run();
  const { counters } = net.b.stack.ip;
  t.equal(dropped(net.b, Drop.NoRoute), 1);
  t.equal(counters.outNoRoutes, 1);
  for (const reason of [Drop.RouteUnreachable, Drop.RouteProhibit, Drop.RouteBlackhole])
    t.equal(dropped(net.b, reason), 1);
  t.equal(counters.outDiscards, 3);
  t.equal(counters.outRequests, 3);
  net.end(t);
  t.end();
});

t.test('what was routed by an interface that is gone meanwhile is dropped', (t) => {
  const net = joined();
  const socket = net.a.udp();
  socket.options.multicastOif = 99;
  t.equal(socket.sendTo(bytes(1), 0, 1, address('239.1.1.1'), PORT), 'ENETUNREACH');
  send(t, socket, bytes(1), PEER, PORT);
  net.a.stack.removeDevice(net.a.iface());
  net.run();
  t.equal(dropped(net.a, Drop.NoRoute), 1);
  net.end(t);
  t.end();
});
