import t from 'tap';
import { ANY4, ANY6, Ip, LOOPBACK4 } from '../../src/addr/ip.ts';
import type { Packet } from '../../src/packet/packet.ts';
import { GsoType } from '../../src/packet/packet.ts';
import { DatagramInfo, ReceiveFlag } from '../../src/socket/datagram-info.ts';
import { Ready } from '../../src/socket/datagram-socket.ts';
import { PathMtu } from '../../src/socket/host.ts';
import type { UdpSocket } from '../../src/socket/udp-socket.ts';
import { payloadAt } from '../../src/socket/udp-socket.ts';
import { PathError } from '../../src/udp/path-error.ts';
import { bytes, FakeNet, ip, text } from './fake-host.ts';

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

t.test('a datagram goes there and its answer comes back (RFC 768)', (t) => {
  const net = new FakeNet();
  const server = net.b.bound(53);
  const client = net.a.udp();
  t.equal(sendText(client, 'hello', net.b.address, 53), 5);
  t.ok(client.localPort >= 32_768, 'sending gives it a port');
  net.run();
  t.equal(read(server), 'hello');
  t.ok(info.address.equals(net.a.address));
  t.equal(info.port, client.localPort);
  t.ok(info.localAddress.equals(net.b.address), 'IP_PKTINFO');
  t.equal(info.ttl, 64);
  t.equal(info.iif, 2);
  t.ok(info.receivedAt > 0);
  sendText(server, 'world', info.address, info.port);
  net.run();
  t.equal(read(client), 'world');
  t.equal(read(client), 'EAGAIN');
  const { counters } = net.a.sockets.udp;
  t.equal(counters.outDatagrams, 1);
  t.equal(counters.inDatagrams, 1);
  t.ok(net.close());
  t.end();
});

t.test('bind answers as bind(2) and ip(7) say', (t) => {
  const net = new FakeNet();
  const one = net.a.udp();
  t.equal(one.bind(ip('10.9.9.9'), 53), 'EADDRNOTAVAIL');
  t.equal(one.bind(ANY6, 53), 'EAFNOSUPPORT');
  t.equal(one.bind(ANY4, 65_536), 'EINVAL');
  t.equal(one.bind(net.a.address, 53), null);
  t.equal(one.bind(net.a.address, 54), 'EINVAL', 'bound already');
  t.equal(net.a.udp().bind(ANY4, 53), 'EADDRINUSE');
  t.equal(net.a.udp().bind(LOOPBACK4, 53), null, 'another address');
  t.equal(net.a.udp().bind(ip('239.1.1.1'), 53), null, 'a group');
  t.equal(net.a.udp().bind(ip('10.77.0.255'), 53), null, 'a broadcast address');
  const six = net.a.udp(6);
  t.equal(six.bind(ANY6, 53), 'EADDRINUSE', ':: covers IPv4');
  six.ipv6Only = true;
  t.equal(six.bind(ANY6, 53), null);
  const any = net.a.udp();
  t.equal(any.bind(ANY4, 0), null);
  t.ok(any.localPort >= 32_768 && any.localPort <= 60_999);
  one.close();
  t.equal(one.bind(ANY4, 1), 'EBADF');
  t.ok(net.close());
  t.end();
});

t.test('connected, it hears its peer only; disconnected, it forgets what it did not bind', (t) => {
  const net = new FakeNet();
  const peer = net.b.bound(7);
  const other = net.b.bound(8);
  const client = net.a.udp();
  t.equal(client.connect(net.b.address, 0), 'EINVAL');
  t.equal(client.send(bytes('x')), 'EDESTADDRREQ');
  t.equal(client.connect(net.b.address, 7), null);
  t.ok(client.local.equals(net.a.address), 'the route says which address');
  const port = client.localPort;
  t.equal(client.send(bytes('x')), 1);
  sendText(other, 'no', net.a.address, port);
  sendText(peer, 'yes', net.a.address, port);
  net.run();
  t.equal(read(client), 'yes');
  t.equal(read(client), 'EAGAIN');
  t.equal(net.a.rejected, 1, 'for others the port is closed');
  t.equal(client.connect(net.b.address, 8), null, 'connect again');
  t.equal(client.localPort, port);
  sendText(other, 'now', net.a.address, port);
  net.run();
  t.equal(read(client), 'now');
  t.equal(client.disconnect(), null);
  t.equal(client.localPort, 0);
  t.ok(client.local.isUnspecified);
  t.equal(net.a.sockets.status().udp, 0);
  const bound = net.a.bound(99);
  bound.connect(net.b.address, 7);
  bound.disconnect();
  t.equal(bound.localPort, 99);
  t.ok(bound.local.isUnspecified);
  t.equal(net.a.sockets.status().udp, 1);
  sendText(other, 'anybody', net.a.address, 99);
  net.run();
  t.equal(read(bound), 'anybody');
  t.ok(net.close());
  t.end();
});

t.test('connect and send answer what the route says', (t) => {
  const net = new FakeNet();
  const one = net.a.udp();
  net.a.refusal = 'ENETUNREACH';
  t.equal(one.connect(net.b.address, 7), 'ENETUNREACH');
  t.notOk(one.isConnected);
  t.equal(one.localPort, 0);
  t.equal(sendText(one, 'x', net.b.address, 7), 'ENETUNREACH');
  net.a.refusal = 'ENOBUFS';
  t.equal(sendText(one, 'x', net.b.address, 7), 1, 'a full queue is loss (udp(7))');
  t.equal(net.a.sockets.udp.counters.sndbufErrors, 1);
  one.receivesErrors = true;
  t.equal(sendText(one, 'x', net.b.address, 7), 'ENOBUFS', 'unless errors are wanted');
  net.a.refusal = null;
  t.equal(sendText(one, 'x', ip('10.77.0.255'), 7), 'EACCES');
  t.equal(one.connect(ip('255.255.255.255'), 7), 'EACCES');
  one.options.broadcast = true;
  t.equal(sendText(one, 'x', ip('10.77.0.255'), 7), 1);
  t.equal(sendText(one, 'x', net.b.address, 0), 'EINVAL');
  t.equal(sendText(one, 'x', ANY6, 7), 'EAFNOSUPPORT');
  t.ok(net.close());
  t.end();
});

t.test('EMSGSIZE: beyond 65,507 bytes, and beyond the path with DF (ip(7), IP_MTU_DISCOVER)', (t) => {
  const net = new FakeNet();
  const server = net.b.bound(53);
  const client = net.a.udp();
  const data = new Uint8Array(65_508).fill(7);
  t.equal(client.sendTo(data, 0, 65_508, net.b.address, 53), 'EMSGSIZE');
  t.equal(client.sendTo(data, 0, 65_507, net.b.address, 53), 65_507);
  t.equal(client.sendTo(data, 0, 0, net.b.address, 53), 0, 'an empty datagram is one too');
  client.options.pathMtu = PathMtu.Do;
  client.receivesErrors = true;
  t.equal(client.sendTo(data, 0, 1_473, net.b.address, 53), 'EMSGSIZE');
  const error = new PathError();
  t.ok(client.receiveError(error));
  t.equal(`${error.origin} ${error.errno} ${error.info} ${error.sent.dstPort}`, 'local EMSGSIZE 1500 53');
  t.equal(client.sendTo(data, 0, 1_472, net.b.address, 53), 1_472);
  net.run();
  t.equal(server.receive(into, info), 65_507);
  t.equal(server.receive(into, info), 0);
  t.equal(info.isTruncated, false);
  t.equal(server.receive(into, info), 1_472);
  t.ok(net.close());
  t.end();
});

t.test('0.0.0.0 as a destination is this host, as on Linux', (t) => {
  const net = new FakeNet();
  const server = net.a.bound(53);
  const bound = net.a.udp();
  bound.bind(net.a.address, 0);
  sendText(bound, 'other', net.a.address, 53);
  sendText(net.a.udp(), 'self', ANY4, 53);
  net.run();
  t.equal(read(server), 'other');
  t.ok(info.address.equals(net.a.address), 'from the address it is bound to');
  t.equal(read(server), 'self');
  t.ok(info.address.isLoopback, 'from the address that the route says');
  t.ok(net.close());
  t.end();
});

t.test('a short buffer loses the rest; MSG_TRUNC tells the length, MSG_PEEK leaves the datagram', (t) => {
  const net = new FakeNet();
  const server = net.b.bound(53);
  const client = net.a.udp();
  sendText(client, 'abcdef', net.b.address, 53);
  sendText(client, 'next', net.b.address, 53);
  net.run();
  t.equal(server.receive(into, info, ReceiveFlag.Peek, 10, 13), 3);
  t.equal(text(into.slice(10), 3), 'abc');
  t.ok(info.isTruncated);
  t.equal(info.length, 6);
  t.equal(server.receive(into, info, ReceiveFlag.Peek | ReceiveFlag.Truncate, 0, 2), 6);
  t.equal(server.receive(into, info, 0, 0, 2), 2);
  t.equal(read(server), 'next');
  t.notOk(info.isTruncated);
  t.ok(net.close());
  t.end();
});

t.test('a closed port is ECONNREFUSED for who is connected to it, once (RFC 1122 §4.1.3.3)', (t) => {
  const net = new FakeNet();
  const client = net.a.udp();
  client.connect(net.b.address, 9);
  client.send(bytes('x'));
  net.run();
  t.equal(client.readiness & Ready.Error, Ready.Error);
  t.equal(read(client), 'ECONNREFUSED');
  t.equal(read(client), 'EAGAIN');
  client.send(bytes('x'));
  net.run();
  t.equal(client.send(bytes('x')), 'ECONNREFUSED', 'sending tells too');
  t.equal(client.send(bytes('x')), 1);
  const unconnected = net.a.udp();
  sendText(unconnected, 'x', net.b.address, 9);
  net.run();
  t.equal(read(unconnected), 'EAGAIN', 'Linux: not without IP_RECVERR');
  t.ok(net.close());
  t.end();
});

t.test('SO_REUSEPORT spreads the flows over sockets and takes a closed one out', (t) => {
  const net = new FakeNet({}, 1_024);
  const group = Array.from({ length: 3 }, () => {
    const socket = net.b.udp();
    socket.reusePort = true;
    t.equal(socket.bind(ANY4, 53), null);
    return socket;
  });
  t.equal(net.b.udp().bind(ANY4, 53), 'EADDRINUSE');
  for (let i = 0; i < 120; i++) sendText(net.a.bound(1_000 + i), 'x', net.b.address, 53);
  net.run();
  t.ok(group.every((socket) => socket.queuedCount > 20));
  group.pop()?.close();
  for (let i = 0; i < 120; i++) sendText(net.a.bound(2_000 + i), 'x', net.b.address, 53);
  net.run();
  t.equal(net.b.rejected, 0);
  t.ok(net.close());
  t.end();
});

t.test('zero copy: the very packet goes back, from the address it was sent to', (t) => {
  const net = new FakeNet();
  const server = net.b.bound(7);
  const client = net.a.udp();
  sendText(client, 'ping', net.b.address, 7);
  net.run();
  t.equal(client.sendTo(bytes('..part..'), 2, 6, net.b.address, 7), 4, 'a range of the bytes');
  net.run();
  const packet = server.receivePacket() as Packet;
  packet.bytes[payloadAt(packet)] = 'P'.charCodeAt(0);
  packet.tail -= 1;
  t.equal(server.reply(packet), null);
  t.equal(net.b.sent[0], packet);
  net.run();
  t.equal(read(client), 'Pin');
  t.ok(info.address.equals(net.b.address));
  t.equal(info.port, 7);
  t.equal(read(server), 'part');
  sendText(client, 'x', net.b.address, 7);
  net.run();
  net.b.refusal = 'ENETUNREACH';
  t.equal(server.reply(server.receivePacket() as Packet), 'ENETUNREACH', 'and is gone all the same');
  const fresh = client.newPacket() as Packet;
  fresh.bytes[fresh.tail++] = 'n'.charCodeAt(0);
  t.equal(client.sendPacket(fresh, net.b.address, 7), null);
  t.equal(client.sendPacket(client.newPacket() as Packet, net.b.address, 0), 'EINVAL');
  net.run();
  t.equal(read(server), 'n');
  t.equal(server.receivePacket(), null);
  t.ok(net.close());
  t.end();
});

t.test('UDP_SEGMENT: one super-datagram out, cut when it is read, echoed whole (udp(7))', (t) => {
  const net = new FakeNet();
  const server = net.b.bound(7);
  const client = net.a.udp();
  const data = Uint8Array.from({ length: 2_500 }, (_, i) => i);
  client.segmentBytes = 1_000;
  t.equal(client.sendTo(data, 0, 2_500, net.b.address, 7), 2_500);
  t.equal(net.a.sent.length, 1);
  t.equal(net.a.sent[0]?.gsoType, GsoType.Udp);
  t.equal(net.a.sockets.udp.counters.outDatagrams, 3);
  net.run();
  t.equal(server.queuedCount, 1);
  t.equal(net.b.sockets.udp.counters.inDatagrams, 3);
  t.equal(server.receive(into, info, ReceiveFlag.Peek), 1_000);
  t.equal(server.receive(into, info), 1_000);
  const rest = server.receivePacket() as Packet;
  t.equal(rest.tail - payloadAt(rest), 1_500, 'what is left of it');
  t.equal(server.reply(rest), null);
  net.run();
  t.equal(client.receive(into, info), 1_000);
  t.strictSame(into.slice(0, 1_000), data.slice(1_000, 2_000));
  t.equal(client.receive(into, info), 500);
  t.strictSame(into.slice(0, 500), data.slice(2_000));
  t.equal(client.receive(into, info), 'EAGAIN');
  t.equal(client.sendTo(data, 0, 900, net.b.address, 7), 900);
  t.equal(net.a.sent[0]?.gsoType, GsoType.None, 'one piece needs no cutting');
  client.segmentBytes = 1_473;
  t.equal(client.sendTo(data, 0, 2_500, net.b.address, 7), 'EMSGSIZE', 'a piece must fit the path');
  client.segmentBytes = 10;
  t.equal(client.sendTo(data, 0, 1_281, net.b.address, 7), 'EINVAL', 'UDP_MAX_SEGMENTS');
  t.ok(net.close());
  t.end();
});

t.test('an IPv6 socket speaks IPv4 unless it is IPv6 only (RFC 3493 §3.7)', (t) => {
  const net = new FakeNet();
  const server = net.b.udp(6);
  t.equal(server.bind(ANY6, 53), null);
  const client = net.a.udp(6);
  t.equal(sendText(client, 'v4', net.b.address, 53), 2);
  net.run();
  t.equal(read(server), 'v4');
  t.ok(info.address.equals(net.a.address));
  sendText(client, 'again', net.b.address, 53);
  net.run();
  server.reply(server.receivePacket() as Packet);
  net.run();
  t.equal(read(client), 'again');
  client.ipv6Only = true;
  t.equal(sendText(client, 'v4', net.b.address, 53), 'EINVAL');
  t.ok(net.close());
  t.end();
});

t.test('an answer to what was sent to many comes from a single address (RFC 1122 §4.1.3.5)', (t) => {
  const net = new FakeNet();
  const server = net.b.bound(53);
  const client = net.a.udp();
  client.options.broadcast = true;
  sendText(client, 'who?', ip('10.77.0.255'), 53);
  net.run();
  t.equal(server.reply(server.receivePacket() as Packet), null);
  net.run();
  t.equal(read(client), 'who?');
  t.ok(info.address.equals(net.b.address));
  const six = net.b.udp(6);
  six.bind(ANY6, 54);
  sendText(client, 'and you?', ip('10.77.0.255'), 54);
  net.run();
  t.equal(six.reply(six.receivePacket() as Packet), null);
  net.run();
  t.equal(read(client), 'and you?');
  t.ok(info.address.equals(net.b.address));
  t.ok(net.close());
  t.end();
});

t.test('the highest port is one', (t) => {
  const net = new FakeNet();
  const server = net.b.bound(65_535);
  const client = net.a.udp();
  t.equal(client.connect(net.b.address, 65_536), 'EINVAL');
  t.equal(client.connect(net.b.address, 65_535), null);
  t.equal(client.send(bytes('x')), 1);
  net.run();
  t.equal(read(server), 'x');
  t.ok(net.close());
  t.end();
});
