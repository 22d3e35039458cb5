import t from 'tap';
import { ANY4, Ip } from '../../src/addr/ip.ts';
import { Drop } from '../../src/base/drop.ts';
import type { Packet } from '../../src/packet/packet.ts';
import { DatagramInfo } from '../../src/socket/datagram-info.ts';
import { Ready } from '../../src/socket/datagram-socket.ts';
import { PathMtu } from '../../src/socket/host.ts';
import type { UdpSocket } from '../../src/socket/udp-socket.ts';
import { PathError } from '../../src/udp/path-error.ts';
import * as icmp4 from '../../src/wire/icmp4.ts';
import { bytes, FakeNet, ip, quote, text } from './fake-host.ts';

const into = new Uint8Array(70_000);
const info = new DatagramInfo();

/** The text of the next datagram, or the errno. */
function read(socket: UdpSocket): string {
  const answer = socket.receive(into, info);
  return typeof answer === 'string' ? answer : text(into, answer);
}

function sendText(socket: UdpSocket, data: string, address: Ip, port: number): unknown {
  return socket.sendTo(bytes(data), 0, data.length, address, port);
}

/** An error about a datagram from `socket` of host a to host b, port `port`. */
function report(
  net: FakeNet,
  socket: UdpSocket,
  port: number,
  type: number,
  code: number,
  info = 0,
): boolean {
  const packet = net.a.pool.take() as Packet;
  packet.tail = packet.l4 + 8;
  packet.view.setUint16(packet.l4, socket.localPort);
  packet.view.setUint16(packet.l4 + 2, port);
  const { a, b } = net;
  const fields = { type, code, info, from: ip('10.77.0.254').d, src: a.address.d, dst: b.address.d };
  const isFound = a.sockets.handleQuote(net.now, quote(packet, fields));
  packet.release();
  return isFound;
}

t.test('with IP_RECVERR errors are kept with who sent what about which datagram (ip(7))', (t) => {
  const net = new FakeNet();
  const client = net.a.bound(5_000);
  client.receivesErrors = true;
  t.ok(report(net, client, 33_434, icmp4.Type.TimeExceeded, 0));
  t.ok(report(net, client, 33_435, icmp4.Type.Unreachable, icmp4.UnreachableCode.FragmentationNeeded, 1_400));
  t.equal(client.errorCount, 2);
  t.equal(read(client), 'EMSGSIZE', 'the last one is pending, too');
  const edges: number[] = [];
  client.onReady = (_now, bits) => edges.push(bits);
  report(net, client, 33_436, icmp4.Type.TimeExceeded, 0);
  net.run();
  t.strictSame(edges, [Ready.Error]);
  const error = new PathError();
  t.ok(client.receiveError(error));
  t.equal(`${error.from} ${error.type}/${error.code} ${error.sent.dstPort}`, '10.77.0.254 11/0 33434');
  t.equal(error.errno, 'EHOSTUNREACH');
  t.ok(client.receiveError(error));
  t.equal(`${error.errno} ${error.info} ${error.sent.dstPort}`, 'EMSGSIZE 1400 33435');
  t.equal(client.readiness & Ready.Error, Ready.Error, 'one is left');
  t.ok(client.receiveError(error));
  t.notOk(client.receiveError(error));
  t.equal(client.takeError(), null, 'read, an error is no longer pending');
  t.equal(client.readiness & Ready.Error, 0);
  for (let i = 0; i < 100; i++) report(net, client, i, icmp4.Type.TimeExceeded, 0);
  t.equal(client.errorCount, 64, 'as many as anybody may make it keep');
  t.ok(net.close());
  t.end();
});

t.test('soft errors and forged quotes do not disturb a connected socket', (t) => {
  const net = new FakeNet();
  const client = net.a.udp();
  client.connect(net.b.address, 7);
  t.ok(report(net, client, 7, icmp4.Type.Unreachable, icmp4.UnreachableCode.Host));
  t.ok(report(net, client, 7, icmp4.Type.TimeExceeded, 0));
  t.equal(client.takeError(), null, 'soft: RFC 1122 §4.2.3.9');
  t.notOk(report(net, client, 8, icmp4.Type.Unreachable, 3), 'nothing was sent to that port');
  t.equal(client.takeError(), null);
  t.ok(report(net, client, 7, icmp4.Type.Unreachable, icmp4.UnreachableCode.FragmentationNeeded, 576));
  t.equal(client.takeError(), 'EMSGSIZE');
  client.options.pathMtu = PathMtu.Dont;
  report(net, client, 7, icmp4.Type.Unreachable, icmp4.UnreachableCode.FragmentationNeeded, 576);
  t.equal(client.takeError(), null, 'who does not set DF is not told of sizes');
  t.ok(net.close());
  t.end();
});

t.test('the receive queue is bounded by SO_RCVBUF, overhead included', (t) => {
  const net = new FakeNet({}, 1_024);
  const server = net.b.bound(53);
  server.setReceiveBuffer(5_000);
  t.equal(server.receiveBuffer, 10_000, 'socket(7): twice what was asked for');
  const client = net.a.udp();
  for (let i = 0; i < 40; i++) sendText(client, 'x'.repeat(100), net.b.address, 53);
  net.run();
  t.equal(server.queuedCount, 13);
  const { counters } = net.b.sockets.udp;
  t.equal(counters.rcvbufErrors, 27);
  t.equal(counters.inErrors, 27);
  t.equal(counters.inDatagrams, 13);
  t.equal(net.b.drops.counts[Drop.UdpBufferFull], 27);
  read(server);
  sendText(client, 'y', net.b.address, 53);
  net.run();
  t.equal(server.queuedCount, 13, 'what is read makes room');
  t.ok(net.close());
  t.end();
});

t.test('nobody can take all slots: each new one is left a share (dynamic thresholds)', (t) => {
  const net = new FakeNet({ slotsMax: 32 }, 128);
  const servers = [1, 2, 3].map((port) => net.b.bound(port));
  const client = net.a.udp();
  for (const port of [1, 2, 3]) {
    for (let i = 0; i < 40; i++) sendText(client, 'x', net.b.address, port);
    net.run();
  }
  t.strictSame(
    servers.map((server) => server.queuedCount),
    [16, 8, 4],
  );
  t.equal(net.b.sockets.status().slots, 28);
  t.ok(net.close());
  t.end();
});

t.test('all queues together are bounded in bytes, and sockets in number', (t) => {
  const net = new FakeNet({ memoryMaxBytes: 10_000, socketsMax: 2 }, 128);
  const server = net.b.bound(1);
  const client = net.a.udp();
  for (let i = 0; i < 30; i++) sendText(client, 'x'.repeat(288), net.b.address, 1);
  net.run();
  t.equal(server.queuedCount, 10);
  t.equal(net.b.sockets.status().memoryBytes, 10_000);
  net.b.udp();
  t.equal(net.b.sockets.openUdp(), 'ENOBUFS');
  server.close();
  t.equal(net.b.sockets.status().memoryBytes, 0);
  t.not(net.b.sockets.openUdp(), 'ENOBUFS');
  t.ok(net.close());
  t.end();
});

t.test('a sender is stopped by its send buffer until the next turn, and then told', (t) => {
  const net = new FakeNet({}, 1_024);
  net.b.bound(53);
  const client = net.a.udp();
  client.setSendBuffer(0);
  const edges: number[] = [];
  client.onReady = (_now, bits) => edges.push(bits);
  let sent = 0;
  while (client.sendTo(into, 0, 1_000, net.b.address, 53) === 1_000) sent++;
  t.equal(sent, 3);
  t.equal(client.readiness & Ready.Writable, 0);
  t.equal(client.sendTo(into, 0, 1_000, net.b.address, 53), 'EAGAIN');
  t.equal(net.a.sockets.udp.counters.sndbufErrors, 2);
  net.run();
  t.strictSame(edges, [Ready.Writable]);
  t.equal(client.sendTo(into, 0, 1_000, net.b.address, 53), 1_000);
  t.ok(net.close());
  t.end();
});

t.test('senders leave slots for what arrives', (t) => {
  const net = new FakeNet({}, 64);
  const client = net.a.udp();
  let sent = 0;
  while (sendText(client, 'x', net.b.address, 53) === 1) sent++;
  t.equal(net.a.pool.available, 8);
  t.equal(sent, 56);
  net.run();
  t.equal(sendText(client, 'x', net.b.address, 53), 1);
  t.ok(net.close());
  t.end();
});

t.test('readiness: level at any time, edges once per turn', (t) => {
  const net = new FakeNet();
  const server = net.b.bound(53);
  const calls: number[] = [];
  server.onReady = (now, edges) => {
    t.equal(now, net.now);
    calls.push(edges);
  };
  const client = net.a.udp();
  t.equal(server.readiness, Ready.Writable);
  for (let i = 0; i < 3; i++) sendText(client, 'x', net.b.address, 53);
  net.run();
  t.strictSame(calls, [Ready.Readable]);
  t.equal(server.readiness, Ready.Readable | Ready.Writable);
  net.run();
  t.equal(calls.length, 1, 'nothing new');
  sendText(client, 'x', net.b.address, 53);
  net.run();
  t.equal(calls.length, 2, 'as edge-triggered epoll: again with each arrival');
  for (let i = 0; i < 4; i++) read(server);
  t.equal(server.readiness, Ready.Writable);
  t.equal(net.b.wakes, 2, 'a turn was asked for');
  t.ok(net.close());
  t.end();
});

t.test('shutdown and close (shutdown(2), close(2))', (t) => {
  const net = new FakeNet();
  const server = net.b.bound(53);
  const client = net.a.udp();
  t.equal(client.shutdown('write'), 'ENOTCONN', 'which it is all the same');
  t.equal(sendText(client, 'x', net.b.address, 53), 'EPIPE');
  const other = net.a.udp();
  other.connect(net.b.address, 53);
  const edges: number[] = [];
  other.onReady = (_now, bits) => edges.push(bits);
  other.send(bytes('last'));
  net.run();
  t.equal(server.shutdown('read'), 'ENOTCONN');
  t.equal(read(server), 'last', 'what waits is still read');
  t.equal(server.receive(into, info), 0, 'then the end');
  t.equal(other.shutdown('both'), null);
  t.equal(other.readiness & Ready.Hangup, Ready.Hangup);
  net.run();
  t.strictSame(edges, [Ready.Readable | Ready.Hangup], 'who waits for data is told of the end');
  other.close();
  other.close();
  t.equal(other.send(bytes('x')), 'EBADF');
  t.equal(sendText(other, 'x', net.b.address, 53), 'EBADF');
  t.equal(other.receive(into, info), 'EBADF');
  t.equal(other.shutdown('both'), 'EBADF');
  t.ok(net.close());
  t.end();
});

t.test('groups: joined and left once each, received once per socket (ip(7), RFC 1112 §7.1)', (t) => {
  const net = new FakeNet();
  const group = ip('239.1.2.3');
  const member = net.b.udp();
  const bystander = net.b.udp();
  const strict = net.b.udp();
  for (const socket of [member, bystander, strict]) {
    socket.reuseAddress = true;
    socket.bind(ANY4, 53);
  }
  strict.multicastAll = false;
  t.equal(member.joinGroup(net.b.address), 'EINVAL');
  t.equal(member.joinGroup(group, 9), 'ENODEV');
  t.equal(member.joinGroup(group), null);
  t.equal(member.joinGroup(group, 2), 'EADDRINUSE');
  t.equal(net.b.members.get('239.1.2.3'), 1);
  sendText(net.a.udp(), 'all', group, 53);
  net.run();
  t.equal(read(member), 'all');
  t.ok(info.localAddress.equals(group));
  t.equal(read(bystander), 'all', 'IP_MULTICAST_ALL is on by default');
  t.equal(strict.joinGroup(ip('239.1.2.4')), null);
  sendText(net.a.udp(), 'all', group, 53);
  net.run();
  t.equal(read(strict), 'EAGAIN', 'a member of another group only');
  t.equal(strict.joinGroup(group), null);
  t.equal(member.leaveGroup(group), null);
  t.equal(member.leaveGroup(group), 'EADDRNOTAVAIL');
  sendText(net.a.udp(), 'again', group, 53);
  net.run();
  t.equal(read(strict), 'again');
  const broadcaster = net.a.udp();
  broadcaster.options.broadcast = true;
  strict.leaveGroup(group);
  sendText(broadcaster, 'hear ye', ip('10.77.0.255'), 53);
  net.run();
  t.equal(read(strict), 'hear ye', 'membership says nothing about broadcasts');
  for (let i = 0; i < 20; i++) member.joinGroup(Ip.v4(0xef000001 + i));
  t.equal(member.joinGroup(ip('239.9.9.9')), 'ENOBUFS');
  t.ok(net.close(), 'closing leaves all groups');
  t.end();
});

t.test('options are checked as setsockopt does', (t) => {
  const net = new FakeNet();
  const server = net.b.bound(53);
  const client = net.a.udp();
  t.equal(client.setTtl(0), 'EINVAL');
  t.equal(client.setTtl(256), 'EINVAL');
  t.equal(client.setTtl(7), null);
  t.equal(client.setTos(0x100), 'EINVAL');
  t.equal(client.setTos(0xb8), null);
  t.equal(client.setMulticastTtl(256), 'EINVAL');
  t.equal(client.setMulticastTtl(-1), null);
  t.equal(client.options.multicastTtl, 1);
  sendText(client, 'x', net.b.address, 53);
  net.run();
  read(server);
  t.equal(info.ttl, 7);
  t.equal(info.tos, 0xb8);
  t.equal(client.setTtl(-1), null);
  t.equal(client.options.ttl, 0, "the stack's default");
  t.equal(
    client.sendTo(bytes('x'), 0, 1, net.b.address, 53, ip('10.9.9.9')),
    'EINVAL',
    'IP_PKTINFO: not ours',
  );
  t.equal(client.sendTo(bytes('x'), 0, 1, net.b.address, 53, net.a.address), 1);
  t.ok(net.close());
  t.end();
});

t.test('datagrams keep their order while the queue grows and turns over', (t) => {
  const net = new FakeNet({}, 256);
  const server = net.b.bound(53);
  const client = net.a.udp();
  let next = 0;
  let expected = 0;
  for (const [sent, taken] of [
    [6, 5],
    [20, 9],
    [30, 42],
  ] as const) {
    for (let i = 0; i < sent; i++) sendText(client, `${next++}`, net.b.address, 53);
    net.run();
    for (let i = 0; i < taken; i++) t.equal(read(server), `${expected++}`);
  }
  t.equal(read(server), 'EAGAIN');
  t.ok(net.close());
  t.end();
});
