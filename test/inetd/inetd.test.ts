import t from 'tap';
import { ANY4 } from '../../src/addr/ip.ts';
import { formatDaytime } from '../../src/inetd/daytime.ts';
import type { InetdStatus } from '../../src/inetd/inetd.ts';
import { Inetd } from '../../src/inetd/inetd.ts';
import { DatagramInfo } from '../../src/socket/datagram-info.ts';
import type { UdpSocket } from '../../src/socket/udp-socket.ts';
import { bytes, FakeNet, ip, text } from '../socket/fake-host.ts';

const into = new Uint8Array(70_000);
const info = new DatagramInfo();
/** 20 November 2026, 14:51:26 UTC. */
const MOMENT = 1_795_186_286;

function read(socket: UdpSocket): string {
  const answer = socket.receive(into, info);
  return typeof answer === 'string' ? answer : text(into, answer);
}

/** Host b runs the servers. */
function served(): { net: FakeNet; inetd: Inetd; client: UdpSocket; of: (name: string) => InetdStatus } {
  const net = new FakeNet({}, 256);
  const inetd = new Inetd(net.b.sockets, (now) => MOMENT * 1_000 + now / 1_000);
  const refusal = inetd.start();
  if (refusal !== null) throw new Error(refusal);
  const of = (name: string): InetdStatus => inetd.status().find((one) => one.name === name) as InetdStatus;
  return { net, inetd, client: net.a.udp(), of };
}

t.test('echo returns what came (RFC 862), in the packet that it came in', (t) => {
  const { net, client, of } = served();
  for (const data of ['one', '', 'x'.repeat(65_507)]) {
    client.sendTo(bytes(data), 0, data.length, net.b.address, 7);
    const free = net.b.pool.lowWater;
    net.run();
    t.equal(read(client), data);
    t.ok(info.address.equals(net.b.address));
    t.equal(info.port, 7);
    t.ok(net.b.pool.lowWater >= free - 1, 'one slot for both ways');
  }
  t.equal(of('echo').counters.answered, 3);
  t.ok(net.close());
  t.end();
});

t.test('echo returns a super-datagram as one', (t) => {
  const { net, client, of } = served();
  client.segmentBytes = 100;
  client.sendTo(into.fill(9), 0, 250, net.b.address, 7);
  net.run();
  t.equal(client.queuedCount, 1);
  t.strictSame(
    [100, 100, 50].map(() => client.receive(into, info)),
    [100, 100, 50],
  );
  t.equal(of('echo').counters.answered, 3);
  t.ok(net.close());
  t.end();
});

t.test('discard answers nothing (RFC 863)', (t) => {
  const { net, client, of } = served();
  client.sendTo(bytes('x'), 0, 1, net.b.address, 9);
  net.run();
  t.equal(read(client), 'EAGAIN');
  t.equal(of('discard').counters.received, 1);
  t.ok(net.close());
  t.end();
});

t.test('daytime tells the time of the clock that it was handed (RFC 867)', (t) => {
  const { net, client } = served();
  client.sendTo(bytes('?'), 0, 1, net.b.address, 13);
  net.run();
  t.equal(read(client), 'Friday, November 20, 2026 14:51:26-UTC\r\n');
  client.segmentBytes = 1;
  client.sendTo(bytes('???'), 0, 3, net.b.address, 13);
  net.run(1_000);
  net.now = 2_000_000 as typeof net.now;
  client.sendTo(bytes('?'), 0, 1, net.b.address, 13);
  net.run();
  t.match(read(client), /:26-UTC/, 'one answer to what was one call');
  t.match(read(client), /:28-UTC/);
  t.equal(read(client), 'EAGAIN');
  t.ok(net.close());
  t.end();
});

t.test('the calendar agrees with ECMA-262 over four centuries', (t) => {
  const names = { weekday: 'long', month: 'long', day: 'numeric', year: 'numeric', timeZone: 'UTC' } as const;
  const format = new Intl.DateTimeFormat('en-US', names);
  for (let day = 0; day < 146_097; day += 13) {
    const second = day * 86_400 + ((day * 7_919) % 86_400);
    const date = new Date(second * 1_000);
    const want = `${format.format(date)} ${date.toISOString().slice(11, 19)}-UTC`;
    if (formatDaytime(second) !== want) return t.fail(`${formatDaytime(second)} should be ${want}`);
  }
  t.equal(formatDaytime(951_782_400), 'Tuesday, February 29, 2000 00:00:00-UTC');
  t.equal(formatDaytime(0), 'Thursday, January 1, 1970 00:00:00-UTC');
  return t.end();
});

t.test('two servers cannot be made to talk to each other: reserved source ports are not answered', (t) => {
  const { net, of } = served();
  for (const port of [1, 7, 13, 19, 1_023]) {
    const forged = net.a.bound(port);
    for (const service of [7, 13]) forged.sendTo(bytes('x'), 0, 1, net.b.address, service);
    net.run();
    t.equal(read(forged), 'EAGAIN', `port ${port}`);
  }
  t.equal(of('echo').counters.refusedPort, 5);
  t.equal(of('daytime').counters.refusedPort, 5);
  const client = net.a.bound(1_024);
  client.sendTo(bytes('x'), 0, 1, net.b.address, 7);
  net.run();
  t.equal(read(client), 'x');
  t.ok(net.close());
  t.end();
});

t.test('what was sent to many is not answered (RFC 1122 §4.1.3.6)', (t) => {
  const { net, client, of } = served();
  const group = ip('239.1.2.3');
  net.b.udp().joinGroup(group);
  client.options.broadcast = true;
  for (const address of [group, ip('10.77.0.255'), ip('255.255.255.255')]) {
    client.sendTo(bytes('x'), 0, 1, address, 7);
    client.sendTo(bytes('x'), 0, 1, address, 13);
  }
  net.run();
  t.equal(read(client), 'EAGAIN');
  t.equal(of('echo').counters.refusedGroup, 3);
  t.equal(of('daytime').counters.refusedGroup, 3);
  t.ok(net.close());
  t.end();
});

t.test('an answer that cannot be sent is counted and gone', (t) => {
  const { net, client, of } = served();
  client.sendTo(bytes('x'), 0, 1, net.b.address, 7);
  net.b.refusal = 'ENETUNREACH';
  net.run();
  t.equal(of('echo').counters.failed, 1);
  t.ok(net.close());
  t.end();
});

t.test('starts whole or not at all, and gives its ports back', (t) => {
  const net = new FakeNet();
  const other = net.b.bound(9);
  const inetd = new Inetd(net.b.sockets, null);
  t.equal(inetd.start(), 'EADDRINUSE');
  t.equal(net.b.udp().bind(ANY4, 7), null, 'echo was closed again');
  net.b.sockets.closeAll();
  t.ok(other.isClosed);
  t.equal(inetd.start(), null);
  t.strictSame(
    inetd.status().map(({ name, port }) => `${name} ${port}`),
    ['echo 7', 'discard 9'],
    'no clock, no daytime',
  );
  inetd.close();
  t.equal(net.b.sockets.count, 0);
  t.ok(net.close());
  t.end();
});
