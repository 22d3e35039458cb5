import t from 'tap';
import { ANY4, ANY6, LOOPBACK4 } from '../../src/addr/ip.ts';
import { Drop } from '../../src/base/drop.ts';
import type { Packet } from '../../src/packet/packet.ts';
import { PacketFlag } from '../../src/packet/packet.ts';
import { DatagramInfo, ReceiveFlag } from '../../src/socket/datagram-info.ts';
import { PathMtu } from '../../src/socket/host.ts';
import type { PingSocket } from '../../src/socket/ping-socket.ts';
import { PROTOCOL_ALL } from '../../src/socket/raw-socket.ts';
import { PathError } from '../../src/udp/path-error.ts';
import * as icmp4 from '../../src/wire/icmp4.ts';
import * as ipv4 from '../../src/wire/ipv4.ts';
import { bytes, FakeNet, ip, quote, text } from './fake-host.ts';

const into = new Uint8Array(70_000);
const view = new DataView(into.buffer);
const info = new DatagramInfo();

/** An error that quotes an echo of `socket` on host a to `dst`. */
function report(
  net: FakeNet,
  socket: PingSocket,
  seq: number,
  type: number,
  code: number,
  id = socket.id,
): boolean {
  const packet = net.a.pool.take() as Packet;
  packet.tail = icmp4.write(packet.view, packet.l4, icmp4.Type.Echo, 0, icmp4.idSeq(id, seq));
  const { a, b } = net;
  const from = ip('10.77.0.254').d;
  const fields = { type, code, from, src: a.address.d, dst: b.address.d, protocol: ipv4.Protocol.Icmp };
  const isFound = a.sockets.handleQuote(net.now, quote(packet, fields));
  packet.release();
  return isFound;
}

t.test('ping: the reply comes back from the ICMP header on (RFC 792)', (t) => {
  const net = new FakeNet();
  const socket = net.a.ping();
  t.equal(socket.sendEcho(net.b.address, 7, bytes('abc')), 3);
  t.not(socket.id, 0);
  net.run();
  t.equal(socket.receive(into, info), 11);
  t.equal(icmp4.type(view, 0), icmp4.Type.EchoReply);
  t.equal(icmp4.id(view, 0), socket.id);
  t.equal(icmp4.seq(view, 0), 7);
  t.equal(text(into.slice(8), 3), 'abc');
  t.ok(info.address.equals(net.b.address));
  t.equal(info.ttl, 64);
  t.equal(info.receivedAt, net.now - 1_000);
  t.equal(socket.receive(into, info), 'EAGAIN');
  t.ok(net.close());
  t.end();
});

t.test('ping: each socket hears its own identifier, address and peer only', (t) => {
  const net = new FakeNet();
  const one = net.a.ping();
  const two = net.a.ping();
  t.equal(one.bind(net.a.address, 77), null);
  t.equal(two.bind(ANY4, 77), 'EADDRINUSE');
  t.equal(two.bind(ip('10.9.9.9'), 78), 'EADDRNOTAVAIL');
  t.equal(two.bind(ANY6, 78), 'EAFNOSUPPORT');
  t.equal(two.bind(ANY4, 78), null);
  t.equal(two.bind(ANY4, 79), 'EINVAL');
  t.equal(two.connect(net.b.address), null);
  one.sendEcho(net.b.address, 1, bytes(''));
  two.sendEcho(net.b.address, 2, bytes(''));
  net.run();
  t.equal(one.queuedCount, 1);
  t.equal(two.queuedCount, 1);
  t.equal(two.connect(ip('10.77.0.9')), null);
  two.sendEcho(net.b.address, 3, bytes(''));
  net.run();
  t.equal(two.queuedCount, 1, 'not from its peer');
  t.equal(net.a.drops.counts[Drop.IcmpNoSocket], 1);
  t.equal(two.connect(null), null);
  one.close();
  t.equal(net.a.ping().bind(ANY4, 77), null, 'the identifier is free again');
  t.ok(net.close());
  t.end();
});

t.test('ping: the Linux form takes a whole message and corrects its identifier (ping_sendmsg)', (t) => {
  const net = new FakeNet();
  const socket = net.a.ping();
  const message = Uint8Array.of(8, 0, 0xff, 0xff, 0x12, 0x34, 0, 9, 65);
  t.equal(socket.sendTo(message, 0, 9, net.b.address), 9);
  net.run();
  t.equal(socket.receive(into, info, ReceiveFlag.Peek), 9);
  t.equal(socket.receive(into, info), 9);
  t.equal(icmp4.seq(view, 0), 9);
  t.equal(icmp4.id(view, 0), socket.id);
  t.equal(socket.sendTo(message, 0, 7, net.b.address), 'EINVAL');
  message[0] = icmp4.Type.Redirect;
  t.equal(socket.sendTo(message, 0, 9, net.b.address), 'EINVAL', 'nothing but echo');
  t.equal(socket.sendEcho(net.b.address, 1, into, 0, 65_508), 'EMSGSIZE');
  t.ok(net.close());
  t.end();
});

t.test('ping: errors say who sent what about which echo, for traceroute', (t) => {
  const net = new FakeNet();
  const socket = net.a.ping();
  socket.receivesErrors = true;
  socket.sendEcho(net.b.address, 1, bytes(''));
  t.ok(report(net, socket, 5, icmp4.Type.TimeExceeded, 0));
  t.notOk(report(net, socket, 5, icmp4.Type.TimeExceeded, 0, (socket.id + 1) & 0xffff), 'a forged quote');
  const error = new PathError();
  t.ok(socket.receiveError(error));
  t.equal(`${error.from} ${error.type}/${error.code} seq ${error.seq}`, '10.77.0.254 11/0 seq 5');
  t.equal(error.receivedAt, net.now);
  t.notOk(socket.receiveError(error));
  socket.receivesErrors = false;
  report(net, socket, 6, icmp4.Type.Unreachable, 3);
  t.equal(socket.takeError(), null, 'Linux: not without IP_RECVERR');
  socket.connect(net.b.address);
  report(net, socket, 6, icmp4.Type.Unreachable, icmp4.UnreachableCode.Protocol);
  t.equal(socket.receive(into, info), 'ENOPROTOOPT');
  t.ok(net.close());
  t.end();
});

t.test('ping: bounded like every socket', (t) => {
  const net = new FakeNet({ slotsMax: 8 });
  const socket = net.a.ping();
  for (let i = 0; i < 6; i++) socket.sendEcho(net.b.address, i, bytes(''));
  net.run();
  t.equal(socket.queuedCount, 4);
  t.equal(net.a.drops.counts[Drop.PingBufferFull], 2);
  t.ok(net.close());
  t.end();
});

t.test('raw: sees copies of one protocol, IPv4 header included, and disturbs nobody (raw(7))', (t) => {
  const net = new FakeNet();
  const server = net.b.bound(53);
  const udp = net.b.raw(ipv4.Protocol.Udp);
  const icmp = net.b.raw(ipv4.Protocol.Icmp);
  const all = net.b.raw(PROTOCOL_ALL);
  net.a.udp().sendTo(bytes('hi'), 0, 2, net.b.address, 53);
  net.run();
  t.equal(server.queuedCount, 1);
  t.equal(icmp.queuedCount, 0);
  t.equal(all.queuedCount, 1);
  t.equal(udp.receive(into, info), 30);
  t.equal(ipv4.totalLength(view, 0), 30);
  t.equal(ipv4.src(view, 0), net.a.address.d);
  t.equal(text(into.slice(28), 2), 'hi');
  t.equal(info.port, 0);
  t.equal(udp.receive(into, info), 'EAGAIN');
  const second = net.b.raw(ipv4.Protocol.Udp);
  udp.close();
  net.a.udp().sendTo(bytes('hi'), 0, 2, net.b.address, 53);
  net.run();
  t.equal(second.queuedCount, 1, 'the one that closed did not take the other with it');
  t.equal(net.b.sockets.raw.count, 3);
  t.ok(net.close());
  t.end();
});

t.test('raw: bound, connected and filtered', (t) => {
  const net = new FakeNet();
  const socket = net.b.raw(ipv4.Protocol.Icmp);
  t.equal(socket.bind(ip('10.9.9.9')), 'EADDRNOTAVAIL');
  t.equal(socket.bind(ANY6), 'EAFNOSUPPORT');
  t.equal(socket.bind(LOOPBACK4), null);
  const ping = net.a.ping();
  const echo = (): number => {
    ping.sendEcho(net.b.address, 1, bytes(''));
    net.run();
    const count = socket.queuedCount;
    while (socket.receive(into, info) !== 'EAGAIN');
    return count;
  };
  t.equal(echo(), 0, 'to another address');
  socket.bind(net.b.address);
  t.equal(echo(), 1);
  socket.connect(ip('10.77.0.9'));
  t.equal(echo(), 0, 'from another address');
  socket.connect(net.a.address);
  t.equal(echo(), 1);
  socket.options.oif = 9;
  t.equal(echo(), 0, 'by another interface');
  socket.options.oif = 0;
  socket.icmpFilter = 1 << icmp4.Type.Echo;
  t.equal(echo(), 0, 'ICMP_FILTER');
  socket.icmpFilter = ~(1 << icmp4.Type.Echo);
  t.equal(echo(), 1);
  t.ok(net.close());
  t.end();
});

t.test('raw: sends what follows the header, or with IP_HDRINCL all of it', (t) => {
  const net = new FakeNet();
  const receiver = net.b.raw(89);
  const sender = net.a.raw(89);
  t.equal(sender.send(bytes('x')), 'EDESTADDRREQ');
  t.equal(sender.sendTo(bytes('ospf'), 0, 4, net.b.address), 4);
  net.run();
  t.equal(receiver.receive(into, info), 24);
  t.equal(text(into.slice(20), 4), 'ospf');
  sender.options.headerIncluded = true;
  t.equal(sender.sendTo(bytes('ospf'), 0, 4, net.b.address), 'EINVAL', 'no header');
  const whole = new Uint8Array(21);
  ipv4.write(new DataView(whole.buffer), 0, 21, 0, 1, 0, 9, 89, net.a.address.d, net.b.address.d);
  t.equal(sender.connect(net.b.address), null);
  t.equal(sender.send(whole), 21);
  net.run();
  t.equal(receiver.receive(into, info), 21);
  t.equal(info.ttl, 9, 'the header of the program');
  whole[0] = 0x4f;
  t.equal(sender.send(whole), 'EINVAL', 'a header longer than the packet');
  t.equal(net.a.raw(ipv4.Protocol.Raw).options.headerIncluded, true, 'IPPROTO_RAW implies it');
  t.equal(net.a.raw(PROTOCOL_ALL).sendTo(bytes('x'), 0, 1, net.b.address), 'EINVAL');
  t.equal(net.a.sockets.openRaw(256), 'EINVAL');
  sender.options.headerIncluded = false;
  sender.options.pathMtu = PathMtu.Do;
  t.equal(sender.sendTo(into, 0, 1_481, net.b.address), 'EMSGSIZE');
  t.equal(sender.sendTo(into, 0, 65_516, net.b.address), 'EMSGSIZE');
  t.ok(net.close());
  t.end();
});

t.test('raw: errors about its protocol reach it when it is connected or asked for them', (t) => {
  const net = new FakeNet();
  const socket = net.a.raw(ipv4.Protocol.Icmp);
  const ping = net.a.ping();
  ping.bind(ANY4, 77);
  report(net, ping, 1, icmp4.Type.Unreachable, 3);
  t.equal(socket.takeError(), null);
  socket.connect(net.b.address);
  t.ok(report(net, ping, 1, icmp4.Type.Unreachable, 3, 78), 'whatever the identifier');
  t.equal(socket.takeError(), 'ECONNREFUSED');
  socket.connect(ip('10.77.0.9'));
  report(net, ping, 1, icmp4.Type.Unreachable, 3);
  t.equal(socket.takeError(), null, 'about another peer');
  socket.connect(net.b.address);
  socket.bind(LOOPBACK4);
  report(net, ping, 1, icmp4.Type.Unreachable, 3);
  t.equal(socket.takeError(), null, 'about what was sent from another address');
  socket.bind(net.a.address);
  report(net, ping, 1, icmp4.Type.Unreachable, 3);
  t.equal(socket.takeError(), 'ECONNREFUSED');
  t.ok(net.close());
  t.end();
});

t.test('raw: bounded, and copies only while there are slots', (t) => {
  const net = new FakeNet({ slotsMax: 8 }, 16);
  const server = net.b.bound(53);
  const socket = net.b.raw(ipv4.Protocol.Udp);
  const client = net.a.udp();
  for (let i = 0; i < 6; i++) client.sendTo(bytes('x'), 0, 1, net.b.address, 53);
  net.run();
  t.equal(server.queuedCount + socket.queuedCount, net.b.sockets.status().slots);
  t.ok((net.b.drops.counts[Drop.RawBufferFull] as number) > 0);
  server.receivePacket()?.release();
  socket.receive(into, info);
  const hoard: Packet[] = [];
  while (net.b.pool.available > 1) hoard.push(net.b.pool.take() as Packet);
  client.sendTo(bytes('x'), 0, 1, net.b.address, 53);
  net.run();
  t.equal(net.b.drops.counts[Drop.NoSlot], 1, 'the datagram itself arrived');
  for (const packet of hoard) packet.release();
  t.ok(net.close());
  t.end();
});

t.test('raw: tells whether its protocol has a socket, and keeps to its groups', (t) => {
  const net = new FakeNet();
  const packet = net.b.pool.take() as Packet;
  packet.l4 = ipv4.write(packet.view, packet.l3, 20, 0, 0, 0, 1, 89, net.a.address.d, ip('224.0.0.5').d);
  packet.tail = packet.l4;
  packet.device = 2;
  packet.flags = PacketFlag.IpMulticast;
  const { raw } = net.b.sockets;
  t.notOk(raw.peekPacket(net.now, packet));
  net.b.raw(PROTOCOL_ALL);
  t.notOk(raw.peekPacket(net.now, packet), 'one that sees all speaks none (RFC 1122 §3.2.2.1)');
  const ospf = net.b.raw(89);
  t.ok(raw.peekPacket(net.now, packet));
  ospf.multicastAll = false;
  t.notOk(raw.peekPacket(net.now, packet));
  ospf.joinGroup(ip('224.0.0.5'));
  t.ok(raw.peekPacket(net.now, packet));
  t.equal(ospf.queuedCount, 2);
  packet.release();
  t.ok(net.close());
  t.end();
});
