import t from 'tap';
import { Drop } from '../../src/base/drop.ts';
import { rng } from '../../src/base/rng.ts';
import type { Instant } from '../../src/base/time.ts';
import { ms, sec, us } from '../../src/base/time.ts';
import { HookPoint, STOLEN } from '../../src/filter/hook.ts';
import { Drops } from '../../src/packet/drops.ts';
import { Pool } from '../../src/packet/pool.ts';
import type { Faults } from '../../src/sim/faults.ts';
import { Inspector } from '../../src/sim/inspector.ts';
import { counterViolations, tcpLeftovers } from '../../src/sim/invariants.ts';
import { Ledger } from '../../src/sim/ledger.ts';
import { runScenario } from '../../src/sim/scenario.ts';
import { Segment } from '../../src/sim/segment.ts';
import type { StreamEnd } from '../../src/sim/stream/stream-end.ts';
import { Streams } from '../../src/sim/stream/streams.ts';
import type { Member } from '../../src/sim/topology.ts';
import { buildTopology } from '../../src/sim/topology.ts';
import { World } from '../../src/sim/world.ts';
import { pseudo4 } from '../../src/wire/checksum.ts';
import * as ethernet from '../../src/wire/ethernet.ts';
import * as icmp4 from '../../src/wire/icmp4.ts';
import * as ipv4 from '../../src/wire/ipv4.ts';
import * as tcp from '../../src/wire/tcp.ts';
import type { Bench } from '../device/conformance.ts';
import { conform } from '../device/conformance.ts';
import { MAC_A, MAC_B, udpFrame } from '../device/frames.ts';
import { address, bytes, datagram, icmpBytes, Net, receiveAll, udpBytes } from '../support/hosts.ts';

const SEEDS = 16;

t.test(`no rule is broken by any of the seeds 1 to ${SEEDS}`, (t) => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { violations } = runScenario({ seed, duration: sec(4), actions: 60 });
    t.strictSame(violations, [], `scripts/sim --seed ${seed} --time 4 --actions 60`);
  }
  t.end();
});

t.test('two runs of a seed are the same, frame by frame', (t) => {
  for (const seed of [3, 28]) {
    const options = { seed, duration: sec(3), actions: 60 };
    t.equal(runScenario(options).digest, runScenario(options).digest, `seed ${seed}`);
  }
  t.not(runScenario({ seed: 1 }).digest, runScenario({ seed: 2 }).digest);
  t.end();
});

// ---- the rules see what they are there to see

t.test('the ledger knows its payloads from everything else', (t) => {
  const ledger = new Ledger();
  const payload = new Uint8Array(300);
  const entry = ledger.write(payload, 300, 'a', 1, 2);
  t.equal(ledger.read(payload, 0, 300), entry);
  t.equal(ledger.delivered, 1);
  payload[100] = (payload[100] as number) ^ 4;
  t.match(ledger.read(payload, 0, 300), 'damaged at byte 100');
  ledger.excuses = 1;
  t.equal(ledger.read(payload, 0, 300), null, 'where links flip bits, one may be bad luck');
  t.match(ledger.read(payload, 0, 300), 'damaged at byte 100', 'but not many');
  t.match(ledger.read(payload, 0, 299), 'was sent with 300');
  t.match(ledger.read(payload, 0, 4), 'nobody sends');
  t.match(ledger.read(bytes(300), 0, 300), 'nobody has sent');
  t.end();
});

/** What the inspector says of a datagram that host `a` is made to send. */
function inspected(make: Parameters<typeof datagram>[0]): string[] {
  const inspector = new Inspector();
  const world = new World({ seed: 1, sink: inspector });
  const a = world.host('a');
  const b = world.host('b');
  world.link(a, b);
  a.address('10.1.0.2/24');
  world.run(sec(5));
  const packet = world.pool.take();
  if (packet === null) throw new Error('a slot is free');
  const { iface } = a.attachments[0] ?? {};
  datagram({
    from: iface?.mac as never,
    src: '10.1.0.2',
    dst: '10.1.0.3',
    ...make,
  })(packet);
  iface?.device.transmit(world.now, packet);
  world.close();
  return inspector.violations.map((line) => line.replace(/^.* sends ([^:]*):.*$/, '$1'));
}

/** Host unreachable, about a datagram of this protocol. */
function quote(protocol: number, src = '10.1.0.3', fragment = 0): Uint8Array {
  const quoted = new Uint8Array(40);
  const view = new DataView(quoted.buffer);
  ipv4.write(view, 0, 40, 0, 1, fragment, 9, protocol, address(src).d, address('10.1.0.2').d);
  quoted[20] = icmp4.Type.TimeExceeded;
  return icmpBytes(3, 1, 0, quoted);
}

function segment(flags: number, data = 0): Uint8Array {
  const made = new Uint8Array(tcp.MIN_HEADER_BYTES + data);
  const view = new DataView(made.buffer);
  tcp.write(view, 0, 1, 2, 3, 4, tcp.MIN_HEADER_BYTES, flags, 5, 0);
  const pseudo = pseudo4(address('10.1.0.2').d, address('10.1.0.3').d, ipv4.Protocol.Tcp, made.length);
  tcp.fillChecksum(view, 0, made.length, pseudo);
  return made;
}

t.test('the inspector finds what no host may send', (t) => {
  const good = udpBytes('10.1.0.2', '10.1.0.3', 1, 2, bytes(20));
  const icmp = { protocol: 1 };
  t.strictSame(inspected({ payload: good }), []);
  t.strictSame(inspected({ ...icmp, payload: quote(17) }), []);
  t.strictSame(inspected({ protocol: 6, payload: segment(tcp.Flag.Ack, 9) }), []);
  t.strictSame(inspected({ protocol: 6, payload: segment(tcp.Flag.Rst) }), []);
  const cases: [Parameters<typeof datagram>[0], string][] = [
    [{ payload: good.with(9, 99) }, 'a wrong UDP checksum'],
    [{ protocol: 6, payload: segment(tcp.Flag.Ack).with(9, 99) }, 'a wrong TCP checksum'],
    [{ protocol: 6, payload: segment(tcp.Flag.Ack).subarray(0, 19) }, 'a broken TCP header'],
    [{ protocol: 6, payload: segment(tcp.Flag.Syn | tcp.Flag.Fin) }, 'SYN with an end'],
    [{ protocol: 6, payload: segment(tcp.Flag.Psh) }, 'a segment that acknowledges nothing'],
    [{ protocol: 6, payload: segment(tcp.Flag.Rst | tcp.Flag.Fin) }, 'FIN with RST'],
    [{ protocol: 6, payload: segment(tcp.Flag.Syn, 1) }, 'SYN with data'],
    [{ payload: bytes(1_481) }, 'more than the MTU'],
    [{ payload: good, src: '10.1.0.9' }, 'from an address that is not its own'],
    [{ payload: good, src: '127.0.0.1' }, 'a loopback address'],
    [{ payload: good, ttl: 0 }, 'a datagram without any time to live'],
    [{ payload: good, from: '02:00:00:00:00:77' }, 'with the link address of another'],
    [{ payload: good, etherType: 0x86dd }, 'what is neither IPv4 nor ARP'],
    [{ payload: good, etherType: ethernet.EtherType.Arp }, 'a broken ARP packet'],
    [{ ...icmp, payload: quote(17).with(12, 1) }, 'a wrong checksum'],
    [{ ...icmp, payload: quote(1) }, 'an error about an error'],
    [{ ...icmp, payload: quote(17, '10.1.0.8') }, 'an error to somebody else than who caused it'],
    [{ ...icmp, payload: quote(17, '10.1.0.3', 7) }, 'an error about a later fragment'],
  ];
  for (const [fields, want] of cases) t.strictSame(inspected(fields), [want]);
  t.end();
});

/** A world with one link, and streams on it; `meddle` has the probing end and, once it is there, the accepting one. */
function streams(meddle: (near: StreamEnd, far: StreamEnd, all: Streams) => void): string[] {
  const inspector = new Inspector();
  const world = new World({ seed: 1, sink: inspector });
  const topology = buildTopology(world, rng(1), { hosts: 2, subnets: 1 }, () => ({ delay: ms(5) }));
  const faults = { kinds: new Set() } as unknown as Faults;
  const all = new Streams(world, rng(2), topology, inspector, faults);
  world.run(sec(5));
  const [first, second] = topology.subnets[0]?.members ?? [];
  const { host: from } = first as Member;
  const { address: to } = second as Member;
  const near = all.probe(from, to) as StreamEnd;
  for (let i = 0; i < 100 && all.peerOf(near) === null; i++) world.run(us(500));
  meddle(near, all.peerOf(near) as StreamEnd, all);
  world.run(sec(70));
  const left = world.hosts.flatMap(({ name, stack }) => tcpLeftovers(name, stack.tcp));
  const found = [...inspector.violations, ...all.unfinished(), ...left];
  t.strictSame(world.close(), []);
  return found.map((line) => line.replace(/^\d+ us: /, '').replaceAll(/ \(.*?\)/g, ''));
}

/** What `read` answers is not what has come. */
function misread(end: StreamEnd, lie: (count: number, into: Uint8Array) => number): void {
  const { socket } = end;
  const read = socket.read.bind(socket);
  socket.read = (into, start, stop) => {
    const count = read(into, start, stop);
    if (typeof count === 'string') return count;
    return lie(count, into);
  };
}

t.test(
  'ends of a stream find what they may not read, and those who judge what nobody may do to them',
  (t) => {
    t.strictSame(
      streams(() => {}),
      [],
    );
    const wrong = streams((near) =>
      misread(near, (count, into) => {
        into[7] = ~(into[7] as number);
        return count;
      }),
    );
    t.match(wrong[0], /^stream 1 of h0 reads a wrong byte at 7, from stream 2 of h1/);
    const more = streams((near, far) => {
      far.written -= 100;
      misread(near, (count) => count);
    });
    t.ok(more.includes('stream 1 of h0 reads an end that is none, from stream 2 of h1'), String(more));
    const early = streams((near) => misread(near, () => 0));
    t.match(early[0], 'stream 1 of h0 reads an end that is none, from stream 2 of h1');
    const reset = streams((near, _far, all) => all.noteError(near, 'ECONNRESET'));
    t.match(reset[0], 'stream 1 of h0 is told ECONNRESET, but stream 2 of h1 has not reset it');
    const stuck = streams((near) => {
      near.socket.onReady = null;
    });
    t.strictSame(stuck.slice(0, 2), ['stream 1 of h0 never ends', 'h0 has 1 connections left']);
    t.end();
  },
);

t.test('counters that do not add up are found', (t) => {
  const net = new Net();
  const a = net.world.host('a');
  const b = net.world.host('b');
  const link = net.world.link(a, b);
  a.address('10.1.0.2/24');
  b.address('10.1.0.3/24');
  net.run(sec(5));
  link.inject(datagram({ to: b.iface().mac, src: '10.1.0.2', dst: '10.1.0.3' }));
  net.run();
  t.strictSame(counterViolations('b', b.stack), []);
  b.stack.ip.hooks.register(HookPoint.Input, 0, () => Drop.HookDropped);
  link.inject(datagram({ to: b.iface().mac, src: '10.1.0.2', dst: '10.1.0.3' }));
  net.run();
  t.equal(counterViolations('b', b.stack).length, 1);
  net.end(t);
  t.end();
});

t.test('a packet that somebody keeps is missed', (t) => {
  const world = new World({ seed: 1 });
  const a = world.host('a');
  const b = world.host('b');
  world.link(a, b);
  a.address('10.1.0.2/24');
  b.address('10.1.0.3/24');
  b.stack.ip.hooks.register(HookPoint.Input, 0, () => STOLEN);
  a.udp().sendTo(bytes(1), 0, 1, address('10.1.0.3'), 7);
  world.run(sec(1));
  t.strictSame(world.close(), ['a: 1 packets of 160 did not come back']);
  t.end();
});

// ---- worlds

t.test('a random topology reaches from everywhere to everywhere', (t) => {
  for (let seed = 1; seed <= 5; seed++) {
    const world = new World({ seed });
    const { hosts, routers, subnets } = buildTopology(world, rng(seed), { hosts: 6, subnets: 5 }, () => ({}));
    t.ok(routers.length >= 4 && hosts.length === 6);
    world.run(sec(5));
    const from = hosts[0];
    for (const { members } of subnets) {
      for (const { host, address: to } of members) {
        if (host === from) continue;
        const socket = host.udp(7);
        from?.udp().sendTo(bytes(1), 0, 1, to, 7);
        world.run(ms(100));
        t.equal(receiveAll(socket).length, 1, `seed ${seed}: ${to}`);
        socket.close();
      }
    }
    t.strictSame(world.close(), []);
  }
  t.end();
});

t.test('events happen at their time, in their order, and never in the past', (t) => {
  const world = new World({ seed: 1 });
  const begin = world.now;
  const log: string[] = [];
  const note = (what: string) => (): void => {
    log.push(`${what} ${world.now - begin}`);
  };
  world.after(us(20), note('b'));
  world.after(us(10), () => {
    note('a')();
    world.after(us(0), note('a2'));
  });
  world.after(us(20), note('c'));
  world.run(us(15));
  t.equal(world.now - begin, 15);
  world.run(us(15));
  t.strictSame(log, ['a 10', 'a2 10', 'b 20', 'c 20']);
  t.throws(() => world.at(begin, () => {}), /nothing happens in the past/);
  t.end();
});

t.test('cut and heal: two hosts of a segment do not hear each other, a third hears both', (t) => {
  const net = new Net();
  const [a, b, c] = ['a', 'b', 'c'].map((name) => net.world.host(name)) as [never, never, never];
  const hosts = [a, b, c] as ReturnType<typeof net.world.host>[];
  const link = net.world.segment(hosts, { isLearning: true });
  for (const [i, host] of hosts.entries()) host.address(`10.1.0.${i + 1}/24`);
  net.run(sec(5));
  const reaches = (from: number, to: number): boolean => {
    const socket = hosts[to]?.udp(7);
    hosts[from]?.udp().sendTo(bytes(1), 0, 1, address(`10.1.0.${to + 1}`), 7);
    net.run();
    const count = receiveAll(socket as never).length;
    socket?.close();
    return count === 1;
  };
  t.ok(reaches(0, 1));
  net.world.cut(a, b);
  t.notOk(reaches(0, 1));
  t.ok(reaches(0, 2));
  t.ok(reaches(2, 1));
  net.world.heal(a, b);
  t.ok(reaches(0, 1));
  link.shape({ loss: 1 }, a);
  t.notOk(reaches(0, 1));
  t.ok(reaches(1, 2), 'only what one of them sends is lost');
  net.end(t);
  t.end();
});

t.test('a link has the times, sizes and losses of its profile, also when that changes', (t) => {
  const net = new Net();
  const a = net.world.host('a');
  const b = net.world.host('b');
  const link = net.world.link(a, b, { profile: { delay: ms(7) } });
  a.address('10.1.0.2/24');
  b.address('10.1.0.3/24');
  net.run(sec(5));
  const socket = b.udp(7);
  const time = (): number => {
    const sentAt = net.world.now;
    a.udp().sendTo(bytes(1), 0, 1, address('10.1.0.3'), 7);
    net.run();
    return (receiveAll(socket)[0]?.info.receivedAt ?? sentAt) - sentAt;
  };
  time();
  t.equal(time(), 7_000);
  link.shape({ delay: ms(20) });
  t.equal(time(), 20_000);
  net.end(t);
  t.end();
});

// ---- the segment is a device like any other

conform(t, 'segment', (): Bench => {
  const pool = new Pool(512);
  const drops = new Drops();
  const segment = new Segment({ pool, drops });
  const device = segment.attach('eth0', MAC_A, drops);
  const far = segment.attach('far', MAC_B, drops);
  const sent: ReturnType<Bench['takeSent']> = [];
  far.receiver = { handleFrame: (_now, packet) => sent.push(packet) };
  return {
    device,
    pool,
    drops,
    inject: (now, packet) => far.transmit(now, packet),
    takeSent: (now) => {
      far.receive(now, 4_096);
      return sent.splice(0);
    },
  };
});

t.test('a hub carries everything to everybody, a switch learns', (t) => {
  const NOW = 1_000 as Instant;
  for (const isLearning of [false, true]) {
    const pool = new Pool(16);
    const segment = new Segment({ pool, drops: new Drops(), isLearning });
    const ports = [MAC_A, MAC_B, null].map((mac, i) => segment.attach(`p${i}`, mac, new Drops()));
    const [a, b, c] = ports as [never, never, never];
    const waiting = (): number[] => (ports as { length: number }[]).map(({ length }) => length);
    const send = (from: { transmit(now: Instant, packet: unknown): unknown }, isBack: boolean): void => {
      const packet = udpFrame(pool, 'ethernet', 60);
      if (isBack) ethernet.write(packet.view, packet.head, MAC_A, MAC_B, ethernet.EtherType.Ip4);
      from.transmit(NOW, packet);
    };
    send(a, false);
    t.strictSame(waiting(), [0, 1, 1], 'an unknown address: everywhere');
    send(b, true);
    t.strictSame(waiting(), isLearning ? [1, 1, 1] : [1, 1, 2]);
    send(c, true);
    t.strictSame(waiting(), isLearning ? [2, 1, 1] : [2, 2, 2]);
    for (const port of segment.ports.slice()) port.close();
    t.equal(pool.available, 16);
    t.equal(segment.ports.length, 0);
  }
  t.end();
});
