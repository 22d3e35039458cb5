import t from 'tap';
import { Drop } from '../../src/base/drop.ts';
import { sec } from '../../src/base/time.ts';
import { FULL_OFFLOAD } from '../../src/device/net-device.ts';
import { ACCEPT, HookPoint, STOLEN } from '../../src/filter/hook.ts';
import type { Packet } from '../../src/packet/packet.ts';
import type { RouteType } from '../../src/route/nexthop.ts';
import type { SimHost } from '../../src/sim/host.ts';
import * as icmp4 from '../../src/wire/icmp4.ts';
import * as ipv4 from '../../src/wire/ipv4.ts';
import type { DatagramFields, Routed } from '../support/hosts.ts';
import {
  A,
  address,
  B,
  bytes,
  datagram,
  dropped,
  Net,
  ROUTER_LEFT,
  ROUTER_RIGHT,
  receiveAll,
  routed,
  send,
  udpBytes,
} from '../support/hosts.ts';
import type { Frame } from '../support/packets.ts';
import { expectPacket, icmp, ipv4 as ip, isIcmp, isIp4, isUdp, quoted, udp } from '../support/packets.ts';

const PORT = 5000;
const drop = (): Drop => Drop.HookDropped;

/** From `a` to `b` by hand, through the router's left side. */
function arrive(net: Routed, fields: DatagramFields): void {
  const { src = A, dst = B } = fields;
  const payload = fields.payload ?? udpBytes(src, dst, 9, PORT, bytes(4));
  net.left.inject(
    datagram({ to: net.router.iface(net.left).mac, from: net.a.iface().mac, ...fields, payload }),
  );
  net.run();
}

/** What the router put on the right wire. */
const forwarded = (net: Routed): Frame[] => net.seen.of('router/eth1', 'out', isUdp);
/** What it answered to the left. */
const answered = (net: Routed): Frame[] => net.seen.of('router/eth0', 'out', isIcmp);

t.test('one less of TTL, a checksum that fits, and nothing else (RFC 1812 §5.3.1, RFC 1624)', (t) => {
  const net = routed();
  for (const ttl of [2, 64, 255]) {
    arrive(net, { ttl, id: 0xffff, tos: 0xb8 });
    expectPacket(
      t,
      net.seen.last('b/eth0', 'in', isUdp),
      ip({ src: A, dst: B, ttl: ttl - 1, id: 0xffff, tos: 0xb8 }),
      udp({ dstPort: PORT, isRight: true, data: bytes(4) }),
    );
  }
  t.equal(net.router.stack.ip.counters.forwDatagrams, 6, 'three, and three answers of the closed port');
  net.end(t);
  t.end();
});

t.test('a TTL that is used up: time exceeded, quoting what came (RFC 1812 §5.3.1, §4.3.2.3)', (t) => {
  for (const ttl of [1, 0]) {
    const net = routed();
    arrive(net, { ttl, payload: udpBytes(A, B, 9, PORT, bytes(1_000)) });
    t.equal(dropped(net.router, Drop.TtlExceeded), 1);
    t.equal(forwarded(net).length, 0);
    expectPacket(
      t,
      net.seen.last('a/eth0', 'in'),
      ip({ src: ROUTER_LEFT, dst: A, length: 576, tos: 0xc0, ttl: 64 }),
      icmp({ type: icmp4.Type.TimeExceeded, code: 0 }),
      quoted({ src: A, dst: B, ttl, length: 1_028 }),
      udp({ dstPort: PORT }),
    );
    net.end(t);
  }
  t.end();
});

t.test('too big and not to be fragmented: the next hop’s MTU (RFC 1191 §4)', (t) => {
  const net = routed({ right: { mtu: 1_000 } });
  arrive(net, { fragment: ipv4.Flag.Df, payload: udpBytes(A, B, 9, PORT, bytes(1_200)) });
  t.equal(dropped(net.router, Drop.FragmentationNeeded), 1);
  t.equal(net.router.stack.ip.counters.fragFails, 1);
  expectPacket(
    t,
    net.seen.last('a/eth0', 'in'),
    ip({ src: ROUTER_LEFT }),
    icmp({ type: 3, code: 4, mtu: 1_000 }),
    quoted({ isDf: true }),
  );
  arrive(net, { fragment: ipv4.Flag.Df, payload: udpBytes(A, B, 9, PORT, bytes(972)) });
  t.equal(forwarded(net).length, 1, 'what just fits passes');
  net.end(t);
  t.end();
});

t.test('the MTU of a route counts as that of a link', (t) => {
  const net = routed();
  net.router.stack.ip.fib.replace({
    prefix: net.b.stack.ip.fib.list()[1]?.prefix ?? (t.fail() as never),
    oif: net.router.iface(net.right).index,
    mtu: 700,
    protocol: 'kernel',
  });
  arrive(net, { fragment: ipv4.Flag.Df, payload: udpBytes(A, B, 9, PORT, bytes(800)) });
  expectPacket(t, net.seen.last('a/eth0', 'in'), ip(), icmp({ type: 3, code: 4, mtu: 700 }));
  net.end(t);
  t.end();
});

t.test('too big without DF: fragments, and fragments of fragments (RFC 1812 §5.3.3)', (t) => {
  const net = routed({ right: { mtu: 600 } });
  const socket = net.b.udp(PORT);
  send(t, net.a.udp(), bytes(4_000), B, PORT);
  net.run();
  t.strictSame(receiveAll(socket)[0]?.data, bytes(4_000));
  const pieces = forwarded(net);
  t.ok(pieces.length > 6);
  const ids = new Set(pieces.map(({ view, l3 }) => ipv4.id(view, l3)));
  t.equal(ids.size, 1, 'all with one identification');
  t.ok(pieces.every(({ bytes: frame, l3 }) => frame.length - l3 <= 600));
  net.end(t);
  t.end();
});

t.test('routes that lead nowhere say why, or nothing (RFC 1812 §5.2.7.1)', (t) => {
  const refusals: [RouteType, code: number | null, Drop][] = [
    ['unreachable', icmp4.UnreachableCode.Host, Drop.RouteUnreachable],
    ['prohibit', icmp4.UnreachableCode.AdminProhibited, Drop.RouteProhibit],
    ['blackhole', null, Drop.RouteBlackhole],
    ['throw', icmp4.UnreachableCode.Net, Drop.NoRoute],
  ];
  for (const [type, code, reason] of refusals) {
    const net = routed();
    net.router.route('10.9.0.0/16', { type });
    arrive(net, { dst: '10.9.1.1' });
    t.equal(dropped(net.router, reason), 1, type);
    if (code === null) t.equal(answered(net).length, 0, 'silence');
    else expectPacket(t, net.seen.last('a/eth0', 'in'), ip({ src: ROUTER_LEFT }), icmp({ type: 3, code }));
    net.end(t);
  }
  t.end();
});

t.test('no route: net unreachable (RFC 1812 §5.2.7.1)', (t) => {
  const net = routed();
  arrive(net, { dst: '192.0.2.1' });
  t.equal(dropped(net.router, Drop.NoRoute), 1);
  t.equal(net.router.stack.ip.counters.inNoRoutes, 1);
  expectPacket(t, net.seen.last('a/eth0', 'in'), ip({ src: ROUTER_LEFT }), icmp({ type: 3, code: 0 }));
  net.end(t);
  t.end();
});

t.test('a neighbour that does not answer: host unreachable for each that waited (RFC 1812 §5.2.7.1)', (t) => {
  const net = routed();
  arrive(net, { dst: '10.2.0.77' });
  net.run(sec(5));
  t.equal(dropped(net.router, Drop.NeighborUnreachable), 1);
  expectPacket(
    t,
    net.seen.last('a/eth0', 'in'),
    ip({ src: ROUTER_LEFT }),
    icmp({ type: 3, code: 1 }),
    quoted({ dst: '10.2.0.77' }),
  );
  net.end(t);
  t.end();
});

t.test('what stays on its link (RFC 3927 §7, RFC 2644, RFC 1812 §5.3.4, §4.2.2.11)', (t) => {
  const net = routed();
  const local: [DatagramFields, Drop][] = [
    [{ src: '169.254.1.1' }, Drop.ForwardLinkLocal],
    [{ dst: '169.254.1.1' }, Drop.ForwardLinkLocal],
    [{ dst: B, to: 'ff:ff:ff:ff:ff:ff' }, Drop.Ip4BroadcastUnicastFrame],
    [{ dst: '239.1.1.1', to: '01:00:5e:01:01:01' }, Drop.Ip4MulticastNotMember],
  ];
  for (const [fields, reason] of local) {
    arrive(net, fields);
    t.equal(
      dropped(net.router, reason),
      reason === Drop.ForwardLinkLocal && fields.dst !== undefined ? 2 : 1,
    );
  }
  arrive(net, { dst: '255.255.255.255', to: 'ff:ff:ff:ff:ff:ff' });
  arrive(net, { dst: '10.2.0.255' });
  t.equal(
    forwarded(net).length,
    0,
    'a broadcast on the other network is for the router, not for the network',
  );
  t.equal(answered(net).length, 0);
  net.end(t);
  t.end();
});

t.test(
  'the better first hop: sent by a router, believed by a host (RFC 1812 §5.2.7.2, RFC 1122 §3.2.2.2)',
  (t) => {
    const net = threeOnALink();
    const socket = net.far.udp(PORT);
    const from = net.host.udp();
    for (let i = 0; i < 3; i++) {
      send(t, from, bytes(9, i), '10.9.0.9', PORT);
      net.run();
    }
    t.equal(receiveAll(socket).length, 3, 'nothing is lost on the way');
    const redirects = net.seen.of('host/eth0', 'in', isIcmp);
    t.equal(redirects.length, 1);
    expectPacket(
      t,
      redirects[0] as Frame,
      ip({ src: '10.1.0.1', dst: '10.1.0.9' }),
      icmp({ type: 5, code: 1, gateway: '10.1.0.2' }),
      quoted({ dst: '10.9.0.9', ttl: 64 }),
    );
    const gateway = (): string | undefined =>
      net.host.stack.ip.fib
        .list()
        .find(({ prefix }) => prefix.length === 32)
        ?.nextHops[0]?.via?.toString();
    t.equal(gateway(), '10.1.0.2');
    t.equal(net.first.stack.ip.counters.forwDatagrams, 1, 'the first router had the first datagram only');
    net.run(sec(301));
    t.equal(gateway(), undefined, 'and forgotten in time');
    net.end(t);
    t.end();
  },
);

t.test(
  'a redirect stands in front of a route that somebody made, and leaves it behind (RFC 1122 §3.3.1.2)',
  (t) => {
    const net = threeOnALink();
    net.host.route('10.9.0.9/32', { via: address('10.1.0.1'), protocol: 'static' });
    send(t, net.host.udp(), bytes(9), '10.9.0.9', PORT);
    net.run();
    const gateways = (): string[] =>
      net.host.stack.ip.fib
        .list()
        .filter(({ prefix }) => prefix.length === 32)
        .map(({ nextHops, protocol }) => `${protocol} ${nextHops[0]?.via}`);
    t.strictSame(gateways(), ['redirect 10.1.0.2', 'static 10.1.0.1']);
    net.run(sec(301));
    t.strictSame(gateways(), ['static 10.1.0.1']);
    net.end(t);
    t.end();
  },
);

t.test('no redirects where they are switched off', (t) => {
  const net = threeOnALink(false);
  send(t, net.host.udp(), bytes(9), '10.9.0.9', PORT);
  net.run();
  t.equal(net.seen.of('host/eth0', 'in', (f) => isIcmp(f) && f.view.getUint8(34) === 5).length, 0);
  net.end(t);
  t.end();
});

/** A host whose default gateway is `first`, while what it looks for is behind `second` on the same link. */
function threeOnALink(sendRedirects = true): Net & { host: SimHost; first: SimHost; far: SimHost } {
  const net = new Net();
  const { world } = net;
  const host = world.host('host');
  const first = world.router('first', { ip: { sendRedirects } });
  const second = world.router('second');
  const far = world.host('far');
  const link = world.segment([host, first, second]);
  const behind = world.link(second, far);
  host.address('10.1.0.9/24').route('default', { via: address('10.1.0.1') });
  first.address('10.1.0.1/24').route('10.9.0.0/24', { via: address('10.1.0.2') });
  second.address('10.1.0.2/24', link).address('10.9.0.1/24', behind);
  far.address('10.9.0.9/24').route('default', { via: address('10.9.0.1') });
  net.run(sec(5));
  net.seen.clear();
  return Object.assign(net, { host, first, far });
}

t.test('a datagram in a circle of routes dies of its TTL, and its sender hears of it', (t) => {
  const net = new Net();
  const { world } = net;
  const a = world.host('a');
  const left = world.router('left');
  const right = world.router('right');
  const near = world.link(a, left);
  const between = world.link(left, right);
  a.address('10.1.0.2/24').route('default', { via: address('10.1.0.1') });
  left.address('10.1.0.1/24', near).address('10.3.0.1/24', between);
  left.route('default', { via: address('10.3.0.2') });
  right.address('10.3.0.2/24').route('default', { via: address('10.3.0.1') });
  const ping = a.stack.sockets.openPing();
  if (typeof ping === 'string') throw new Error(ping);
  ping.receivesErrors = true;
  ping.sendEcho(address('192.0.2.1'), 1, bytes(8));
  net.run(sec(2));
  const { forwDatagrams: ofLeft } = left.stack.ip.counters;
  const { forwDatagrams: ofRight } = right.stack.ip.counters;
  t.equal(ofLeft + ofRight, 64, '63 times the request, and the error once');
  t.equal(ping.errorCount, 1);
  net.end(t);
  t.end();
});

t.test('routers write into record route and timestamp options (RFC 1812 §5.3.13.5, §5.3.13.6)', (t) => {
  const net = routed();
  const route = [7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 1];
  arrive(net, { options: route });
  let got = net.seen.last('b/eth0', 'in', isUdp);
  expectPacket(t, got, ip({ ttl: 63, headerLength: 32 }), udp({ dstPort: PORT }));
  t.strictSame(
    Array.from(got.bytes.slice(34, 46)),
    [7, 11, 8, 10, 2, 0, 1, 0, 0, 0, 0, 1],
    'of the side it leaves by',
  );
  arrive(net, { options: [7, 7, 8, 1, 2, 3, 4, 0] });
  got = net.seen.last('b/eth0', 'in', isUdp);
  t.strictSame(Array.from(got.bytes.slice(34, 42)), [7, 7, 8, 1, 2, 3, 4, 0], 'a full one goes on as it is');
  arrive(net, { options: [68, 12, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0] });
  got = net.seen.last('b/eth0', 'in', isUdp);
  t.strictSame(Array.from(got.bytes.slice(34, 42)), [68, 12, 13, 1, 10, 2, 0, 1]);
  t.ok((got.bytes[42] as number) >= 0x80, 'a time that is no time of day says so');
  arrive(net, { options: [68, 12, 5, 3, 10, 2, 0, 1, 0, 0, 0, 0] });
  got = net.seen.last('b/eth0', 'in', isUdp);
  t.strictSame(Array.from(got.bytes.slice(34, 42)), [68, 12, 13, 3, 10, 2, 0, 1], 'asked for by address');
  arrive(net, { options: [68, 12, 5, 3, 10, 2, 0, 9, 0, 0, 0, 0] });
  got = net.seen.last('b/eth0', 'in', isUdp);
  t.strictSame(Array.from(got.bytes.slice(34, 42)), [68, 12, 5, 3, 10, 2, 0, 9], 'another was asked');
  arrive(net, { options: [68, 8, 9, 0xe0, 0, 0, 0, 0] });
  got = net.seen.last('b/eth0', 'in', isUdp);
  t.equal(got.bytes[37], 0xf0, 'no room: counted');
  expectPacket(t, got, ip());
  net.end(t);
  t.end();
});

t.test('the hooks of a router, in order, with the interfaces that each may know', (t) => {
  const net = routed();
  const { hooks } = net.router.stack.ip;
  const left = net.router.iface(net.left).index;
  const right = net.router.iface(net.right).index;
  const calls: string[] = [];
  for (const [name, point] of Object.entries(HookPoint)) {
    hooks.register(point, 0, (_now, packet, { iif, oif }) => {
      calls.push(`${name} ${iif} ${oif} ttl ${ipv4.ttl(packet.view, packet.l3)}`);
      return ACCEPT;
    });
  }
  arrive(net, { dst: B });
  t.strictSame(calls.slice(0, 3), [
    `Prerouting ${left} 0 ttl 64`,
    `Forward ${left} ${right} ttl 63`,
    `Postrouting ${left} ${right} ttl 63`,
  ]);
  net.end(t);
  t.end();
});

t.test('what a hook drops is counted and gone; what it steals is its own', (t) => {
  for (const point of [HookPoint.Prerouting, HookPoint.Forward, HookPoint.Postrouting]) {
    const net = routed();
    const { hooks } = net.router.stack.ip;
    hooks.register(point, 0, drop);
    arrive(net, {});
    t.equal(dropped(net.router, Drop.HookDropped), 1);
    t.equal(forwarded(net).length, 0);
    hooks.unregister(point, drop);
    const stolen: Packet[] = [];
    hooks.register(point, 0, (_now, packet) => {
      stolen.push(packet);
      return STOLEN;
    });
    arrive(net, {});
    t.equal(stolen.length, 1);
    t.equal(forwarded(net).length, 0);
    for (const packet of stolen) packet.release();
    net.end(t);
  }
  t.end();
});

t.test('a hook may change the packet: a mark, by which nobody routes any more', (t) => {
  const net = routed();
  net.router.stack.ip.hooks.register(HookPoint.Prerouting, 0, (_now, packet) => {
    packet.mark = 7;
    return ACCEPT;
  });
  net.router.stack.ip.fib.addRule({ mark: 7, action: 'prohibit' });
  arrive(net, {});
  expectPacket(t, net.seen.last('a/eth0', 'in'), ip(), icmp({ type: 3, code: 13 }));
  net.end(t);
  t.end();
});

t.test('offload on one side, none on the other: whole checksums and cut super-datagrams leave', (t) => {
  const net = routed({ left: { features: FULL_OFFLOAD, mtu: 1_500 } });
  const socket = net.b.udp(PORT);
  const from = net.a.udp();
  send(t, from, bytes(100), B, PORT);
  net.run();
  t.equal(
    net.seen.last('router/eth0', 'in', isUdp).isPartial,
    true,
    'in memory the checksum stays to be done',
  );
  expectPacket(t, net.seen.last('b/eth0', 'in', isUdp), ip({ ttl: 63 }), udp({ isRight: true }));
  t.equal(receiveAll(socket).length, 1);
  net.seen.clear();

  from.segmentBytes = 1_000;
  send(t, from, bytes(3_500), B, PORT);
  net.run();
  t.equal(net.seen.of('a/eth0', 'out', isUdp).length, 1, 'one super-datagram');
  const pieces = net.seen.of('b/eth0', 'in', isUdp);
  t.equal(pieces.length, 4);
  for (const piece of pieces) expectPacket(t, piece, ip({ ttl: 63, dst: B }), udp({ isRight: true }));
  const got = receiveAll(socket).map(({ data }) => data);
  t.strictSame(
    got.map(({ length }) => length),
    [1_000, 1_000, 1_000, 500],
  );
  t.strictSame(Uint8Array.from(got.flatMap((data) => [...data])), bytes(3_500));
  net.end(t);
  t.end();
});

t.test('a super-datagram stays whole where both sides take it', (t) => {
  const net = routed({ left: { features: FULL_OFFLOAD }, right: { features: FULL_OFFLOAD } });
  const socket = net.b.udp(PORT);
  const from = net.a.udp();
  from.segmentBytes = 1_000;
  send(t, from, bytes(3_500), B, PORT);
  net.run();
  t.equal(net.seen.of('b/eth0', 'in', isUdp).length, 1);
  t.equal(net.seen.last('b/eth0', 'in', isUdp).gsoSize, 1_000);
  t.equal(receiveAll(socket).length, 4);
  net.end(t);
  t.end();
});

t.test('a super-datagram whose pieces do not fit is too big (RFC 1191)', (t) => {
  const net = routed({ left: { features: FULL_OFFLOAD }, right: { features: FULL_OFFLOAD, mtu: 900 } });
  const from = net.a.udp();
  from.segmentBytes = 1_000;
  send(t, from, bytes(3_500), B, PORT);
  net.run();
  expectPacket(
    t,
    net.seen.last('a/eth0', 'in'),
    ip({ src: ROUTER_LEFT }),
    icmp({ type: 3, code: 4, mtu: 900 }),
  );
  net.end(t);
  t.end();
});

t.test('traceroute: each router on the way, then the port that nobody has', (t) => {
  const net = routed();
  const socket = net.a.udp();
  const hops: string[] = [];
  for (let ttl = 1; ttl <= 2; ttl++) {
    socket.setTtl(ttl);
    send(t, socket, bytes(12), B, 33_434 + ttl);
    net.run();
    const frame = net.seen.last('a/eth0', 'in', isIcmp);
    hops.push(`${ipv4.src(frame.view, frame.l3) >>> 0} ${icmp4.type(frame.view, 34)}`);
  }
  t.strictSame(hops, [`${address(ROUTER_LEFT).d >>> 0} 11`, `${address(B).d >>> 0} 3`]);
  net.end(t);
  t.end();
});

t.test('between the router’s own sides nothing is forwarded: the far address is its own', (t) => {
  const net = routed();
  arrive(net, { dst: ROUTER_RIGHT, payload: udpBytes(A, ROUTER_RIGHT, 9, PORT, bytes(4)) });
  expectPacket(
    t,
    net.seen.last('a/eth0', 'in', isIp4),
    ip({ src: ROUTER_RIGHT }),
    icmp({ type: 3, code: 3 }),
  );
  net.end(t);
  t.end();
});
