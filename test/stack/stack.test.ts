import t from 'tap';
import { parsePrefix } from '../../src/addr/prefix.ts';
import { Drop } from '../../src/base/drop.ts';
import { rng } from '../../src/base/rng.ts';
import type { Instant } from '../../src/base/time.ts';
import { ms, NEVER, sec } from '../../src/base/time.ts';
import { pair } from '../../src/device/pair.ts';
import type { Interface } from '../../src/ip/interface.ts';
import { Drops } from '../../src/packet/drops.ts';
import { Pool } from '../../src/packet/pool.ts';
import type { SimHost } from '../../src/sim/host.ts';
import { RECEIVE_BUDGET } from '../../src/stack/options.ts';
import { Stack } from '../../src/stack/stack.ts';
import * as ipv4 from '../../src/wire/ipv4.ts';
import { udpFrame } from '../device/frames.ts';
import {
  address,
  B,
  bytes,
  datagram,
  dropped,
  joined,
  Net,
  receiveAll,
  routed,
  send,
} from '../support/hosts.ts';
import { isArp, isUdp, text } from '../support/packets.ts';

const PORT = 5000;
const PEER = '10.1.0.3';
const NOW = 1_000_000 as Instant;
const prefix = (given: string): never => parsePrefix(given) as never;

t.test('a fresh stack has lo with 127.0.0.1/8, and nothing to do', (t) => {
  const stack = new Stack({ rng: rng(1), now: NOW, poolSlots: 8 });
  t.equal(stack.findInterface('lo'), stack.loopback);
  t.equal(stack.loopback.index, 1);
  t.ok(stack.ip.addresses.find(address('127.0.0.1')));
  t.equal(stack.turn(NOW), NEVER);
  stack.close(NOW);
  t.equal(stack.pool.available, 8);
  t.end();
});

t.test('devices: one to a name, and gone with all that depended on them', (t) => {
  const stack = new Stack({ rng: rng(1), now: NOW, poolSlots: 8 });
  const [end, far] = pair('eth0', 'far');
  const iface = stack.addDevice(NOW, end) as Interface;
  t.equal(iface.index, 2);
  t.equal(stack.addDevice(NOW, pair('eth0', 'x')[0]), 'EEXIST');
  t.equal(stack.addAddress(NOW, iface, prefix('10.0.0.1/24')), null);
  stack.ip.fib.add({ prefix: prefix('10.9.0.0/16'), via: address('10.0.0.9') });
  t.ok(stack.turn(NOW) > NOW);
  stack.removeDevice(iface);
  t.equal(stack.findInterface('eth0'), null);
  t.equal(stack.ip.addresses.find(address('10.0.0.1')), null);
  t.strictSame(stack.ip.fib.list(), []);
  t.equal(stack.turn(NOW), NEVER, 'none of its deadlines is left');
  const again = stack.addDevice(NOW, pair('eth0', 'far')[0]) as Interface;
  t.equal(again.index, 3, 'an index is not used again');
  stack.close(NOW);
  far.close();
  t.equal(stack.pool.available, 8);
  t.end();
});

t.test('addresses that no host can have', (t) => {
  const stack = new Stack({ rng: rng(1), now: NOW, poolSlots: 8 });
  const iface = stack.addDevice(NOW, pair('eth0', 'far')[0]) as Interface;
  const add = (given: string): unknown => stack.addAddress(NOW, iface, prefix(given));
  t.equal(add('fd00::1/64'), 'EAFNOSUPPORT');
  for (const bad of ['224.0.0.1/4', '0.0.0.0/8', '255.255.255.255/32']) t.equal(add(bad), 'EINVAL', bad);
  t.equal(add('10.0.0.1/24'), null);
  t.equal(add('10.0.0.1/16'), 'EEXIST');
  t.equal(stack.removeAddress(address('10.0.0.2')), 'EADDRNOTAVAIL');
  t.equal(stack.removeAddress(address('10.0.0.1')), null);
  stack.close(NOW);
  t.end();
});

t.test('a turn takes a share of what waits, and asks for another one', (t) => {
  const stack = new Stack({ rng: rng(1), now: NOW, poolSlots: 256 });
  const [near, far] = pair('eth0', 'far');
  stack.addDevice(NOW, near);
  const pool = new Pool(RECEIVE_BUDGET + 1);
  for (let i = 0; i <= RECEIVE_BUDGET; i++) far.transmit(NOW, udpFrame(pool, 'ethernet', 60));
  t.equal(stack.turn(NOW), NOW);
  t.equal(near.counters.rxPackets, RECEIVE_BUDGET);
  t.ok(stack.turn(NOW) > NOW);
  t.equal(near.counters.rxPackets, RECEIVE_BUDGET + 1);
  stack.close(NOW);
  t.equal(pool.available, pool.capacity);
  t.end();
});

t.test('whoever writes to a socket, joins a group or changes an address asks for a turn', (t) => {
  const net = joined();
  let woken = 0;
  const { stack } = net.a;
  stack.onWake = (): void => {
    woken++;
  };
  const wakes = (action: () => void): boolean => {
    const before = woken;
    action();
    return woken > before;
  };
  const socket = net.a.udp();
  t.ok(wakes(() => socket.sendTo(bytes(1), 0, 1, address(PEER), PORT)));
  t.ok(wakes(() => socket.joinGroup(address('239.1.1.1'))));
  t.ok(wakes(() => socket.leaveGroup(address('239.1.1.1'))));
  t.ok(wakes(() => stack.addAddress(net.world.now, net.a.iface(), prefix('10.7.0.1/24'))));
  t.ok(wakes(() => stack.setInterfaceUp(net.a.iface(), false)));
  net.end(t);
  t.end();
});

t.test('a link that goes down takes its routes along, and brings them back', (t) => {
  const net = routed();
  const socket = net.b.udp(PORT);
  const from = net.a.udp();
  send(t, from, bytes(1), B, PORT);
  net.run();
  const iface = net.a.iface();
  net.a.stack.setInterfaceUp(iface, false);
  net.run();
  t.equal(from.sendTo(bytes(1), 0, 1, address(B), PORT), 'ENETUNREACH');
  t.equal(net.a.stack.ip.fib.list().length, 2, 'the routes are there, and dead');
  t.equal(iface.neighbors?.size, 0, 'neighbours are forgotten');
  net.a.stack.setInterfaceUp(iface, true);
  send(t, from, bytes(1), B, PORT);
  net.run();
  t.equal(receiveAll(socket).length, 2);
  net.end(t);
  t.end();
});

t.test('while a link is down nothing comes in, and what is sent to it is lost', (t) => {
  const net = joined();
  const socket = net.b.udp(PORT);
  const from = net.a.udp();
  send(t, from, bytes(1), PEER, PORT);
  net.run();
  net.b.stack.setInterfaceUp(net.b.iface(), false);
  for (let i = 0; i < 3; i++) send(t, from, bytes(1), PEER, PORT);
  net.run();
  t.equal(receiveAll(socket).length, 1);
  t.ok(dropped(net.b, Drop.LinkDown) >= 3);
  net.end(t);
  t.end();
});

t.test('addresses come and go while traffic flows', (t) => {
  const net = joined();
  const socket = net.b.udp(PORT);
  const from = net.a.udp();
  const reaches = (dst: string): number => {
    send(t, from, bytes(1), dst, PORT);
    net.run(sec(4));
    return receiveAll(socket).length;
  };
  t.equal(reaches(PEER), 1);
  net.b.address('10.1.0.33/24');
  t.equal(reaches('10.1.0.33'), 1);
  const bound = net.b.udp();
  t.equal(bound.bind(address('10.1.0.33'), PORT + 1), null);
  t.equal(net.b.stack.removeAddress(address('10.1.0.33')), null);
  t.equal(reaches('10.1.0.33'), 0);
  t.equal(bound.sendTo(bytes(1), 0, 1, address('10.1.0.2'), PORT), 1, 'a socket keeps its address');
  t.equal(reaches(PEER), 1, 'the first address is still there, and its network');
  t.equal(net.b.stack.removeAddress(address(PEER)), null);
  t.equal(reaches(PEER), 0);
  t.equal(net.b.udp().sendTo(bytes(1), 0, 1, address('10.1.0.2'), PORT), 'ENETUNREACH');
  net.end(t);
  t.end();
});

t.test('probing before use: an address that somebody has is a duplicate (RFC 5227 §2.1.1)', (t) => {
  const net = joined();
  net.b.address('10.1.0.2/24', undefined, { probe: true });
  t.equal(net.b.stack.ip.addresses.find(address('10.1.0.2'))?.state, 'tentative');
  net.run(sec(10));
  t.equal(net.b.stack.ip.addresses.find(address('10.1.0.2'))?.state, 'duplicate');
  t.notOk(net.b.stack.ip.addresses.isLocal4(address('10.1.0.2').d));
  t.equal(net.b.udp().bind(address('10.1.0.2'), 0), 'EADDRNOTAVAIL');
  net.b.address('10.1.0.44/24', undefined, { probe: true });
  net.run(sec(10));
  t.equal(net.b.stack.ip.addresses.find(address('10.1.0.44'))?.state, 'permanent', 'a free one is not');
  const probes = net.seen.lines('b/eth0', 'out', isArp).filter((line) => line.includes('10.1.0.44'));
  t.equal(probes.length, 5, 'three probes, two announcements');
  net.end(t);
  t.end();
});

t.test('two hosts with one address: who yields loses it, who insists defends it (RFC 5227 §2.4)', (t) => {
  const net = new Net();
  const a = net.world.host('a');
  const b = net.world.host('b');
  const c = net.world.host('c');
  net.world.segment([a, b, c]);
  a.address('10.1.0.9/24', undefined, { policy: 'insist' });
  c.address('10.1.0.1/24');
  net.run(sec(5));
  b.address('10.1.0.9/24', undefined, { policy: 'yield' });
  net.run(sec(5));
  t.equal(a.stack.ip.addresses.find(address('10.1.0.9'))?.state, 'permanent');
  t.equal(b.stack.ip.addresses.find(address('10.1.0.9'))?.state, 'duplicate');
  t.equal(b.stack.ip.fib.list().length, 0, 'and with the address its routes');
  const socket = a.udp(PORT);
  send(t, c.udp(), bytes(1), '10.1.0.9', PORT);
  net.run();
  t.equal(receiveAll(socket).length, 1, 'the others find the one that has it');
  net.end(t);
  t.end();
});

t.test('a host that was exchanged for another is found at its new link address (RFC 5227 §3)', (t) => {
  const net = new Net();
  const a = net.world.host('a');
  const old = net.world.host('old');
  const fresh = net.world.host('fresh');
  net.world.segment([a, old, fresh], { isLearning: true });
  a.address('10.1.0.1/24');
  old.address('10.1.0.9/24');
  net.run(sec(5));
  const from = a.udp();
  send(t, from, bytes(1), '10.1.0.9', PORT);
  net.run(sec(2));
  old.crash();
  fresh.address('10.1.0.9/24');
  net.run(sec(5));
  const socket = fresh.udp(PORT);
  send(t, from, bytes(1), '10.1.0.9', PORT);
  net.run();
  t.equal(receiveAll(socket).length, 1);
  net.end(t);
  t.end();
});

t.test('a crash and a return: addresses and routes are there again, sockets are not', (t) => {
  const net = routed();
  net.router.crash();
  const socket = net.b.udp(PORT);
  const from = net.a.udp();
  send(t, from, bytes(1), B, PORT);
  net.run(sec(5));
  net.router.restart();
  net.run(sec(30));
  send(t, from, bytes(1), B, PORT);
  net.run(sec(5));
  t.equal(receiveAll(socket).length, 1);
  net.b.crash();
  net.b.restart();
  t.equal(net.b.stack.sockets.count, 0);
  t.equal(socket.isClosed, true);
  net.end(t);
  t.end();
});

t.test('closing gives back what waits anywhere', (t) => {
  const places: [string, (host: SimHost, net: ReturnType<typeof joined>) => void][] = [
    ['in a socket', (host) => host.udp(PORT)],
    ['for a link address', (host) => host.udp().sendTo(bytes(1), 0, 1, address('10.1.0.77'), PORT)],
    ['on the way out of a socket', (host) => host.udp().sendTo(bytes(1), 0, 1, address('10.1.0.2'), PORT)],
    ['in the loopback device', (host) => host.udp().sendTo(bytes(1), 0, 1, address('127.0.0.1'), PORT)],
    [
      'for the rest of a datagram',
      (host, net) => {
        const fragment = ipv4.Flag.Mf;
        const to = host.iface().mac;
        net.link.inject(datagram({ to, src: '10.1.0.2', dst: PEER, fragment, payload: bytes(800) }));
      },
    ],
    [
      'on a slow wire',
      (host, net) => {
        net.link.shape({ delay: sec(1) });
        host.udp().sendTo(bytes(9_000), 0, 9_000, address('10.1.0.2'), PORT);
      },
    ],
    ['in a raw socket', (host) => host.stack.sockets.openRaw(17)],
  ];
  for (const [where, prepare] of places) {
    const net = joined();
    prepare(net.b, net);
    send(t, net.a.udp(), bytes(10), PEER, PORT);
    net.run(ms(10));
    const { pool } = net.b.stack;
    net.b.crash();
    net.a.crash();
    t.equal(pool.available, pool.capacity, where);
    net.end(t);
  }
  t.end();
});

t.test('closing before the first turn after a send loses nothing but the datagram', (t) => {
  const pools = [new Pool(16), new Pool(16)];
  const drops = new Drops();
  const [near, far] = pair('eth0', 'eth0', { drops: [drops, drops] });
  const stacks = [near, far].map((end, i) => {
    const stack = new Stack({ rng: rng(i), now: NOW, pool: pools[i] as Pool });
    const iface = stack.addDevice(NOW, end) as Interface;
    stack.addAddress(NOW, iface, prefix(`10.0.0.${i + 1}/24`));
    return stack;
  });
  const [a, b] = stacks as [Stack, Stack];
  const socket = a.sockets.openUdp();
  if (typeof socket === 'string') throw new Error(socket);
  for (let i = 0; i < 4; i++) {
    a.turn(NOW);
    b.turn(NOW);
  }
  socket.sendTo(bytes(10), 0, 10, address('10.0.0.2'), PORT);
  a.turn(NOW);
  socket.sendTo(bytes(10), 0, 10, address('10.0.0.2'), PORT);
  a.close(NOW);
  b.close(NOW);
  t.strictSame(
    pools.map((pool) => pool.available),
    [16, 16],
  );
  t.end();
});

t.test('a removed interface: what waited for it is dropped, what was routed by it finds nothing', (t) => {
  const net = routed();
  const from = net.a.udp();
  send(t, from, bytes(1), B, PORT);
  net.run();
  net.router.stack.removeDevice(net.router.iface(net.right));
  send(t, from, bytes(1), B, PORT);
  net.run();
  t.equal(dropped(net.router, Drop.NoRoute), 1);
  net.end(t);
  t.end();
});

t.test('a hundred hosts on a switch, each asking the next', (t) => {
  const net = new Net();
  const hosts = Array.from({ length: 100 }, (_, i) => net.world.host(`h${i}`, { poolSlots: 24 }));
  net.world.segment(hosts, { isLearning: true });
  for (const [i, host] of hosts.entries()) host.address(`10.1.0.${i + 1}/24`);
  net.run(sec(5));
  net.seen.clear();
  const sockets = hosts.map((host) => host.udp(PORT));
  for (const [i, host] of hosts.entries()) {
    send(t, host.udp(), bytes(100, i), `10.1.0.${((i + 1) % 100) + 1}`, PORT);
    net.run(ms(1));
  }
  t.equal(sockets.filter((socket) => receiveAll(socket).length === 1).length, 100);
  t.equal(net.seen.frames.filter((frame) => isUdp(frame) && frame.direction === 'in').length, 100);
  net.end(t);
  t.end();
});

t.test('the same seed is the same run, another one is not', (t) => {
  const run = (seed: number): string => {
    const net = routed({ seed, left: { profile: { loss: 0.3, delay: ms(3), jitter: ms(2) } } });
    const from = net.a.udp();
    for (let i = 0; i < 20; i++) send(t, from, bytes(10), B, PORT);
    net.run(sec(3));
    const lines = net.seen.frames.map((frame) => `${frame.at} ${frame.port} ${text(frame)}`).join('\n');
    net.end(t);
    return lines;
  };
  const first = run(7);
  t.equal(run(7), first, 'seed 7');
  t.not(run(8), first, 'seed 8');
  t.end();
});
