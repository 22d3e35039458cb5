/** ping, traceroute and captures as the daemon runs them, in virtual time. */
import t from 'tap';
import { parsePrefix } from '../../src/addr/prefix.ts';
import { Drop } from '../../src/base/drop.ts';
import { ms, sec } from '../../src/base/time.ts';
import type { CaptureRequest, PingRequest, ResultStream, TraceRequest } from '../../src/control/host.ts';
import type { CaptureItem, PingEnd, PingItem, TraceEnd, TraceItem } from '../../src/control/report.ts';
import { FrameTee, SINKS_MAX } from '../../src/daemon/stream/frame-tee.ts';
import { Items } from '../../src/daemon/stream/items.ts';
import { PcapngCapture, TextCapture } from '../../src/daemon/stream/live-capture.ts';
import { Pinger } from '../../src/daemon/stream/pinger.ts';
import { EchoProbes, UdpProbes } from '../../src/daemon/stream/probe-socket.ts';
import { runOn } from '../../src/daemon/stream/timed-stream.ts';
import { Tracer } from '../../src/daemon/stream/tracer.ts';
import { Monitor } from '../../src/device/monitor.ts';
import { pair } from '../../src/device/pair.ts';
import { Drops } from '../../src/packet/drops.ts';
import { Pool } from '../../src/packet/pool.ts';
import type { SimHost } from '../../src/sim/host.ts';
import type { PingSocket } from '../../src/socket/ping-socket.ts';
import { address, B, ROUTER_LEFT, routed } from '../support/hosts.ts';

const PING: PingRequest = {
  destination: address(B),
  source: undefined,
  count: undefined,
  intervalMs: 1_000,
  dataBytes: 56,
  timeoutMs: undefined,
  deadlineMs: undefined,
  ttl: undefined,
  tos: undefined,
  pathMtu: undefined,
};

const TRACE: TraceRequest = {
  destination: address(B),
  source: undefined,
  method: 'udp',
  firstTtl: 1,
  lastTtl: 30,
  probesPerHop: 3,
  waitMs: 5_000,
  bytes: 60,
  port: 33_434,
};

const EMPTY_CAPTURE: CaptureRequest = {
  format: 'text',
  dev: undefined,
  count: undefined,
  snaplen: undefined,
};

function ping(host: SimHost, request: Partial<PingRequest> = {}): ResultStream<PingItem, PingEnd> {
  const socket = host.stack.sockets.openPing() as PingSocket;
  const whole = { ...PING, ...request };
  socket.connect(whole.destination);
  const stream = runOn(host.stack, socket, new Pinger(host.world.now, socket, whole));
  host.wakeAt = host.world.now;
  return stream;
}

function trace(host: SimHost, request: Partial<TraceRequest> = {}): ResultStream<TraceItem, TraceEnd> {
  const whole = { ...TRACE, ...request };
  const { sockets } = host.stack;
  const socket = whole.method === 'icmp' ? sockets.openPing() : sockets.openUdp();
  if (typeof socket === 'string') throw new Error(socket);
  const probes = 'sendEcho' in socket ? new EchoProbes(socket, whole) : new UdpProbes(socket, whole);
  const stream = runOn(host.stack, socket, new Tracer(probes, whole));
  host.wakeAt = host.world.now;
  return stream;
}

function take<Item extends object>(host: SimHost, stream: ResultStream<Item>): Item[] {
  const items: Item[] = [];
  for (let item = stream.pollItem(host.world.now); item !== null; item = stream.pollItem(host.world.now))
    items.push(item);
  return items;
}

const SLOW = { profile: { delay: ms(5) } };

t.test('ping sends one a second and says what came back, as iputils', (t) => {
  const net = routed({ left: SLOW, right: SLOW });
  const stream = ping(net.a, { count: 3 });
  net.run(ms(2_500));
  t.equal(stream.pollEnd(net.world.now), null, 'not before the third');
  net.run(ms(600));
  const items = take(net.a, stream);
  t.match(items[0], { type: 'start', destination: B, source: null, data: 56, datagram: 84 });
  t.match(items[1], {
    type: 'reply',
    from: B,
    bytes: 64,
    seq: 1,
    ttl: 63,
    isDuplicate: false,
    isDamaged: false,
  });
  // The first had to wait for ARP on both links.
  t.same(
    items.slice(2).map((item) => ('timeMs' in item ? [item.seq, Math.round(item.timeMs)] : [])),
    [
      [2, 20],
      [3, 20],
    ],
  );
  const end = stream.pollEnd(net.world.now);
  t.match(end, { transmitted: 3, received: 3, errors: 0, duplicates: 0, wanted: 1 });
  t.equal(Math.round(end?.rttMs?.min ?? 0), 20);
  t.equal(stream.pollEnd(net.world.now), null, 'it ends once');
  stream.close();
  net.end(t);
  t.end();
});

t.test(
  'ping waits for the last reply: twice the longest round trip, or the timeout when nothing ever came',
  (t) => {
    const net = routed();
    const lost = ping(net.a, { count: 1, destination: address('10.2.0.99'), timeoutMs: 1_000 });
    net.run(ms(999));
    t.equal(lost.pollEnd(net.world.now), null);
    net.run(ms(2));
    take(net.a, lost);
    t.match(lost.pollEnd(net.world.now), { transmitted: 1, received: 0, rttMs: null });
    lost.close();
    const late = ping(net.a, { count: 2, intervalMs: 100 });
    net.run(ms(150));
    net.b.iface().device.isUp = false;
    take(net.a, late);
    net.run(ms(1_000));
    t.match(late.pollEnd(net.world.now), { transmitted: 2, received: 2 });
    late.close();
    net.end(t);
    t.end();
  },
);

t.test('ping shows who says that it cannot be', (t) => {
  const net = routed();
  const stream = ping(net.a, { count: 1, destination: address('10.2.0.99') });
  net.run(sec(5));
  t.match(take(net.a, stream)[1], {
    type: 'error',
    from: ROUTER_LEFT,
    seq: 1,
    text: 'Destination Host Unreachable',
  });
  t.match(stream.pollEnd(net.world.now), { received: 0, errors: 1 }, 'an error answers a request too');
  stream.close();
  const short = ping(net.a, { count: 1, ttl: 1 });
  net.run(ms(100));
  t.match(take(net.a, short)[1], { from: ROUTER_LEFT, text: 'Time to live exceeded' });
  short.close();
  const long = ping(net.a, { count: 1, dataBytes: 2_000, pathMtu: 'do' });
  net.run(ms(100));
  t.match(take(net.a, long)[1], { from: null, text: 'local error: message too long, mtu: 1500' });
  long.close();
  net.end(t);
  t.end();
});

t.test('ping ends at its deadline, and when it is told to', (t) => {
  const net = routed();
  const dated = ping(net.a, { deadlineMs: 2_500, count: 100 });
  net.run(ms(2_501));
  take(net.a, dated);
  t.match(dated.pollEnd(net.world.now), { transmitted: 3, received: 3, wanted: 100 });
  dated.close();
  const stream = ping(net.a);
  net.run(ms(1_500));
  stream.cancel(net.world.now);
  t.equal(stream.pollEnd(net.world.now), null, 'not before the items were taken');
  take(net.a, stream);
  t.match(stream.pollEnd(net.world.now), { transmitted: 2, received: 2, wanted: 1 });
  net.run(sec(5));
  t.same(take(net.a, stream), [], 'nothing is sent afterwards');
  stream.close();
  net.end(t);
  t.end();
});

t.test('ping counts duplicates and damage', (t) => {
  const net = routed({ right: { profile: { duplicate: { probability: 1 } } } });
  const stream = ping(net.a, { count: 2, intervalMs: 100 });
  net.run(sec(1));
  const items = take(net.a, stream);
  t.ok(items.some((item) => item.type === 'reply' && item.isDuplicate));
  const end = stream.pollEnd(net.world.now);
  t.equal(end?.received, 2, 'a duplicate is no second reply');
  t.ok((end?.duplicates ?? 0) > 0);
  stream.close();
  net.end(t);
  t.end();
});

for (const method of ['udp', 'icmp'] as const) {
  t.test(`traceroute over ${method} names the router and the destination`, (t) => {
    const net = routed({ left: SLOW, right: SLOW });
    const stream = trace(net.a, { method });
    net.run(sec(10));
    const [start, first, second, ...rest] = take(net.a, stream);
    t.match(start, { type: 'start', destination: B, hopsMax: 30, bytes: 60 });
    t.match(first, {
      type: 'hop',
      ttl: 1,
      probes: [{ from: ROUTER_LEFT }, { from: ROUTER_LEFT }, { from: ROUTER_LEFT }],
    });
    t.match(second, { type: 'hop', ttl: 2, probes: [{ from: B, mark: '' }, { from: B }, { from: B }] });
    t.same(rest, []);
    t.match(stream.pollEnd(net.world.now), { isReached: true, hops: 2 });
    stream.close();
    net.end(t);
    t.end();
  });
}

t.test('traceroute gives up a probe after its time, and goes on to the last hop', (t) => {
  const net = routed();
  net.router.stack.ip.fib.add({ prefix: prefixOf('10.9.0.0/16'), type: 'blackhole' });
  const stream = trace(net.a, {
    destination: address('10.9.0.1'),
    lastTtl: 3,
    waitMs: 1_000,
    probesPerHop: 2,
  });
  net.run(ms(900));
  t.same(
    take(net.a, stream).map((item) => item.type),
    ['start'],
    'the first hop is as silent as the others: nothing is known yet',
  );
  net.run(sec(3));
  const silent = { from: null, timeMs: null };
  t.match(take(net.a, stream), [
    { ttl: 1, probes: [silent, silent] },
    { ttl: 2, probes: [silent, silent] },
    { ttl: 3, probes: [silent, silent] },
  ]);
  t.match(stream.pollEnd(net.world.now), { isReached: false, hops: 3 });
  stream.close();
  net.end(t);
  t.end();
});

t.test('traceroute marks what refuses, and does not wait for a lost probe when others were answered', (t) => {
  const net = routed();
  net.router.stack.ip.fib.add({ prefix: prefixOf('10.9.0.0/16'), type: 'prohibit' });
  const stream = trace(net.a, { destination: address('10.9.0.1'), firstTtl: 2 });
  net.run(ms(200));
  const hop = take(net.a, stream)[1];
  t.match(hop, { type: 'hop', ttl: 2, probes: [{ from: ROUTER_LEFT, mark: '!X' }] });
  t.match(stream.pollEnd(net.world.now), { isReached: true }, 'well before the five seconds');
  stream.close();
  net.end(t);
  t.end();
});

t.test('a client that takes nothing costs a bounded list', (t) => {
  const items = new Items<{ n: number }>();
  for (let n = 0; n < 5_000; n++) items.push({ n });
  t.equal(items.length, 1_024);
  t.equal(items.left, 5_000 - 1_024);
  t.same(items.shift(), { n: 0 }, 'the oldest are kept');
  t.end();
});

t.test('captures share a device, each with its own drops; the last one to go leaves it alone', (t) => {
  const drops = new Drops();
  const pool = new Pool(8);
  const [near, far] = pair('near', 'far');
  const monitor = new Monitor(near, drops);
  const tee = new FrameTee(monitor);
  const device = { name: 'near', medium: 'ethernet' } as const;
  const remove = (sink: Parameters<FrameTee['remove']>[0]): void => tee.remove(sink);
  const text = new TextCapture(device, { ...EMPTY_CAPTURE, count: 2 }, remove);
  const file = new PcapngCapture(device, { ...EMPTY_CAPTURE, format: 'pcapng' }, remove);
  t.ok(tee.add(file));
  t.ok(monitor.isWatching);
  t.ok(tee.add(text));
  const now = ms(1_000) as never;
  const frame = (): void => {
    const packet = pool.take();
    if (packet === null) throw new Error('no slot');
    packet.tail = packet.head + 60;
    packet.bytes.fill(0, packet.head, packet.tail);
    monitor.receiver = { handleFrame: (_, one) => void drops.drop(one, Drop.NoRoute) };
    monitor.handleFrame(now, packet);
  };
  frame();
  t.match(text.pollItem(now), { line: /^\d\d:\d\d:\d\d\.\d{6} < .*\[NoRoute\]$/ });
  t.equal(text.pollEnd(now), null);
  frame();
  frame();
  t.match(text.pollItem(now), { line: / < / });
  t.same(text.pollEnd(now), { frames: 2, left: 0 }, 'ended after two');
  text.close();
  t.ok(monitor.isWatching, 'the other one goes on');
  file.cancel(now);
  const bytes = Buffer.concat(chunks(file, now));
  t.equal(bytes.readUInt32LE(0), 0x0a0d0d0a, 'a pcapng section');
  t.equal(bytes.toString('latin1').split('drop: NoRoute').length - 1, 3);
  t.same(file.pollEnd(now), { frames: 3, left: 0 });
  file.close();
  t.notOk(monitor.isWatching);
  for (let i = 0; i < SINKS_MAX; i++) t.ok(tee.add(new TextCapture(device, EMPTY_CAPTURE, remove)));
  t.notOk(tee.add(text), 'there is a limit');
  near.close();
  far.close();
  t.equal(pool.available, pool.capacity);
  t.end();
});

function chunks(capture: PcapngCapture, now: never): Buffer[] {
  const list: Buffer[] = [];
  for (let item: CaptureItem | null = capture.pollItem(now); item !== null; item = capture.pollItem(now))
    if ('chunk' in item) list.push(Buffer.from(item.chunk, 'base64'));
  return list;
}

function prefixOf(text: string): NonNullable<ReturnType<typeof parsePrefix>> {
  const prefix = parsePrefix(text);
  if (prefix === null) throw new Error(text);
  return prefix;
}
