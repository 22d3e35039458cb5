import t from 'tap';
import { Mac } from '../../src/addr/mac.ts';
import { Drop } from '../../src/base/drop.ts';
import { sec } from '../../src/base/time.ts';
import { PacketFlag } from '../../src/packet/packet.ts';
import type { HostOptions } from '../../src/sim/host.ts';
import * as icmp4 from '../../src/wire/icmp4.ts';
import * as ipv4 from '../../src/wire/ipv4.ts';
import type { DatagramFields, Joined } from '../support/hosts.ts';
import {
  address,
  bytes,
  datagram,
  dropped,
  icmpBytes,
  joined,
  receiveAll,
  routed,
  send,
  udpBytes,
} from '../support/hosts.ts';
import { expectPacket, icmp, ipv4 as ip, isIcmp, isIgmp, quoted } from '../support/packets.ts';

const OWN = '10.1.0.3';
const PEER = '10.1.0.2';
const PORT = 5000;

/** Two hosts on a link, and `b` with a socket at `PORT`. */
function listening(options: { b?: HostOptions } = {}) {
  const net = joined(options);
  const socket = net.b.udp(PORT);
  const mac = net.b.iface().mac;
  /** Puts a datagram of UDP from a stranger on the wire, for the link address of `b` unless said otherwise. */
  const arrive = (fields: DatagramFields, data: Uint8Array = bytes(4)): number => {
    const { src = '10.1.0.99', dst = OWN } = fields;
    const payload = fields.payload ?? udpBytes(src, dst, 9, PORT, data);
    net.link.inject(datagram({ to: mac, ...fields, src, dst, payload }));
    net.run();
    return receiveAll(socket).length;
  };
  return Object.assign(net, { socket, mac, arrive });
}

const icmpFrom = (net: Joined): string[] => net.seen.lines('b/eth0', 'out', isIcmp);

t.test('a datagram for us is delivered whatever its TTL (RFC 1122 §3.2.1.7)', (t) => {
  const net = listening();
  for (const ttl of [0, 1, 64, 255]) t.equal(net.arrive({ ttl }), 1, `TTL ${ttl}`);
  net.end(t);
  t.end();
});

t.test('what follows the total length is padding (RFC 894)', (t) => {
  const net = listening();
  const fill = datagram({
    to: net.mac,
    src: PEER,
    dst: OWN,
    payload: udpBytes(PEER, OWN, 9, PORT, bytes(1)),
  });
  net.link.inject((packet) => {
    fill(packet);
    packet.bytes.fill(0xee, packet.tail, packet.head + 60);
    packet.tail = packet.head + 60;
  });
  net.run();
  t.strictSame(
    receiveAll(net.socket).map(({ data }) => data.length),
    [1],
  );
  net.end(t);
  t.end();
});

t.test('broken headers are counted and answered with silence (RFC 1122 §3.2.1)', (t) => {
  const broken: [string, (view: DataView, l3: number) => void, Drop][] = [
    ['version', (view, l3) => view.setUint8(l3, 0x65), Drop.Ip4Version],
    ['header length', (view, l3) => view.setUint8(l3, 0x44), Drop.Ip4HeaderLength],
    ['total length', (view, l3) => view.setUint16(l3 + 2, 2_000), Drop.Ip4TotalLength],
    ['checksum', (view, l3) => view.setUint16(l3 + 10, 0x1234), Drop.Ip4Checksum],
  ];
  for (const [what, damage, reason] of broken) {
    const net = listening();
    const fill = datagram({
      to: net.mac,
      src: PEER,
      dst: OWN,
      payload: udpBytes(PEER, OWN, 9, PORT, bytes(9)),
    });
    net.link.inject((packet) => {
      fill(packet);
      damage(packet.view, packet.l3);
    });
    net.run();
    t.equal(dropped(net.b, reason), 1, what);
    t.equal(net.b.stack.ip.counters.inHdrErrors, 1, `${what} is counted`);
    t.strictSame(icmpFrom(net), [], `${what} is not answered`);
    net.end(t);
  }
  t.end();
});

t.test('frames that carry no datagram of ours', (t) => {
  const net = listening();
  t.equal(net.arrive({ to: '02:00:00:00:00:77' }), 0);
  t.equal(dropped(net.b, Drop.NotForUs), 1, 'for another link address');
  t.equal(net.arrive({ etherType: 0x88cc }), 0);
  t.equal(dropped(net.b, Drop.EtherTypeUnknown), 1, 'another protocol');
  t.equal(net.arrive({ etherType: 0x86dd }), 0);
  t.equal(dropped(net.b, Drop.Ip6Unsupported), 1, 'IPv6');
  net.link.inject((packet) => {
    packet.tail = packet.head + 13;
  });
  net.run();
  t.equal(dropped(net.b, Drop.FrameTruncated), 1, 'no whole Ethernet header');
  net.end(t);
  t.end();
});

t.test('a checksum to be completed inside of the IP header is nobody’s (virtio 1.2 §5.1.6.4.1)', (t) => {
  const net = listening();
  const fill = datagram({
    to: net.mac,
    src: PEER,
    dst: OWN,
    payload: udpBytes(PEER, OWN, 9, PORT, bytes(9)),
  });
  for (const start of [-14, 0, 12, 19]) {
    net.link.inject((packet) => {
      fill(packet);
      packet.flags |= PacketFlag.ChecksumPartial;
      packet.csumStart = packet.l3 + start;
      packet.csumOffset = 6;
    });
  }
  net.run();
  t.equal(dropped(net.b, Drop.OffloadBad), 4);
  t.equal(receiveAll(net.socket).length, 0);
  net.end(t);
  t.end();
});

t.test('addresses that no datagram on a wire has (RFC 1122 §3.2.1.3, RFC 1812 §5.3.7)', (t) => {
  const martians: [src: string, dst: string, Drop][] = [
    ['127.0.0.1', OWN, Drop.Ip4SourceMartian],
    ['224.0.0.5', OWN, Drop.Ip4SourceMartian],
    ['240.0.0.1', OWN, Drop.Ip4SourceMartian],
    ['255.255.255.255', OWN, Drop.Ip4SourceMartian],
    ['0.0.0.0', OWN, Drop.Ip4SourceMartian],
    ['0.1.2.3', '255.255.255.255', Drop.Ip4SourceMartian],
    ['10.1.0.255', OWN, Drop.Ip4SourceMartian],
    [PEER, '127.0.0.1', Drop.Ip4DestinationMartian],
    [PEER, '127.255.255.255', Drop.Ip4DestinationMartian],
    [PEER, '0.0.0.0', Drop.Ip4DestinationMartian],
    [PEER, '240.1.2.3', Drop.Ip4DestinationMartian],
  ];
  const net = listening();
  for (const [src, dst, reason] of martians) {
    const before = dropped(net.b, reason);
    t.equal(net.arrive({ src, dst }), 0, `${src} > ${dst}`);
    t.equal(dropped(net.b, reason) - before, 1, `${src} > ${dst} is counted`);
  }
  t.equal(net.b.stack.ip.counters.inAddrErrors, martians.length);
  t.strictSame(icmpFrom(net), []);
  net.end(t);
  t.end();
});

t.test('LAND: our own address as source comes from no wire (CERT CA-1997-28)', (t) => {
  const net = listening();
  t.equal(net.arrive({ src: OWN }), 0);
  t.equal(dropped(net.b, Drop.Ip4SourceOwn), 1);
  net.end(t);
  t.end();
});

t.test('0.0.0.0 is the source of those who broadcast for an address (RFC 1122 §3.2.1.3 (a))', (t) => {
  const net = listening();
  t.equal(net.arrive({ src: '0.0.0.0', dst: '255.255.255.255' }), 1);
  net.end(t);
  t.end();
});

t.test('source routes are refused in silence (RFC 7126 §4.3, §4.4)', (t) => {
  const net = listening();
  for (const type of [131, 137]) {
    t.equal(net.arrive({ options: [type, 7, 4, 10, 1, 0, 9, 0] }), 0, `option ${type}`);
  }
  t.equal(dropped(net.b, Drop.Ip4SourceRoute), 2);
  t.strictSame(icmpFrom(net), []);
  net.end(t);
  t.end();
});

t.test('options that are none of ours are ignored (RFC 1122 §3.2.1.8)', (t) => {
  const net = listening();
  t.equal(net.arrive({ options: [1, 1, 1, 1] }), 1, 'no operation');
  t.equal(net.arrive({ options: [0x5e, 4, 9, 9] }), 1, 'an unknown one');
  t.equal(net.arrive({ options: [148, 4, 0, 0] }), 1, 'router alert');
  t.equal(net.arrive({ options: [7, 7, 4, 0, 0, 0, 0, 0] }), 1, 'record route');
  net.end(t);
  t.end();
});

t.test('a broken option is answered with a parameter problem that points at it (RFC 1122 §3.2.2.5)', (t) => {
  const broken: [options: number[], pointer: number][] = [
    [[7, 40, 4, 0], 21],
    [[1, 7, 0, 0], 22],
    [[7, 7, 3, 0, 0, 0, 0, 0], 22],
    [[68, 4, 5, 2], 23],
  ];
  for (const [options, pointer] of broken) {
    const net = listening();
    // From the peer, so that the answer finds its way.
    t.equal(net.arrive({ src: PEER, options }), 0);
    t.equal(dropped(net.b, Drop.Ip4OptionBad), 1);
    expectPacket(
      t,
      net.seen.last('a/eth0', 'in'),
      ip({ src: OWN, dst: PEER, protocol: 1 }),
      icmp({ type: icmp4.Type.ParameterProblem, code: 0, pointer }),
      quoted({ src: PEER, dst: OWN, headerLength: 20 + options.length }),
    );
    net.end(t);
  }
  t.end();
});

t.test('broadcasts are delivered, to everybody who listens, and never answered (RFC 1122 §3.3.6)', (t) => {
  const net = listening();
  for (const dst of ['255.255.255.255', '10.1.0.255']) {
    t.equal(net.arrive({ dst, to: 'ff:ff:ff:ff:ff:ff' }), 1, dst);
    const payload = udpBytes('10.1.0.99', dst, 9, 9_999, bytes(4));
    t.equal(net.arrive({ dst, to: 'ff:ff:ff:ff:ff:ff', payload }), 0, `${dst}, a port that nobody has`);
  }
  t.equal(net.b.stack.ip.counters.inBcastPkts, 4);
  t.strictSame(icmpFrom(net), []);
  net.end(t);
  t.end();
});

t.test('a datagram for one host in a frame for many is dropped (RFC 1122 §3.3.6)', (t) => {
  const net = listening();
  t.equal(net.arrive({ to: 'ff:ff:ff:ff:ff:ff' }), 0);
  t.equal(net.arrive({ to: '01:00:5e:00:00:01' }), 0);
  t.equal(dropped(net.b, Drop.Ip4BroadcastUnicastFrame), 2);
  net.end(t);
  t.end();
});

t.test('groups: what a socket joined, on the interface where it did (RFC 1112 §7)', (t) => {
  const net = listening();
  const group = { dst: '239.1.2.3', to: '01:00:5e:01:02:03' };
  t.equal(net.arrive(group), 0);
  t.equal(dropped(net.b, Drop.Ip4MulticastNotMember), 1);
  t.equal(net.socket.joinGroup(address('239.1.2.3'), net.b.iface().index), null);
  t.equal(net.arrive(group), 1);
  t.equal(
    net.arrive({ dst: '239.129.2.3', to: '01:00:5e:01:02:03' }),
    0,
    'another group, the same link address',
  );
  t.equal(net.socket.leaveGroup(address('239.1.2.3')), null);
  t.equal(net.arrive(group), 0);
  t.equal(dropped(net.b, Drop.Ip4MulticastNotMember), 3);
  t.equal(net.arrive({ dst: '224.0.0.1', to: '01:00:5e:00:00:01' }), 1, 'all hosts, without joining');
  t.equal(net.b.stack.ip.counters.inMcastPkts, 5);
  net.end(t);
  t.end();
});

t.test('IGMP: joining is reported with TTL 1 and router alert, and so is leaving (RFC 9776 §4)', (t) => {
  const net = listening();
  net.socket.joinGroup(address('239.1.2.3'), net.b.iface().index);
  net.run();
  expectPacket(
    t,
    net.seen.last('b/eth0', 'out', isIgmp),
    ip({ src: OWN, dst: '224.0.0.22', ttl: 1, tos: 0xc0, headerLength: 24 }),
  );
  const reports = net.seen.of('b/eth0', 'out', isIgmp).length;
  net.socket.close();
  net.run();
  t.ok(net.seen.of('b/eth0', 'out', isIgmp).length > reports);
  net.end(t);
  t.end();
});

t.test('a protocol that nobody speaks is unreachable (RFC 1122 §3.2.2.1)', (t) => {
  const net = listening();
  net.arrive({ src: PEER, protocol: 99, payload: bytes(20) });
  t.equal(dropped(net.b, Drop.Ip4ProtocolUnknown), 1);
  t.equal(net.b.stack.ip.counters.inUnknownProtos, 1);
  expectPacket(
    t,
    net.seen.last('a/eth0', 'in'),
    ip({ src: OWN, dst: PEER, tos: 0xc0 }),
    icmp({ type: 3, code: 2 }),
    quoted({ protocol: 99, ttl: 64 }),
  );
  net.end(t);
  t.end();
});

t.test('a raw socket speaks a protocol that nobody else does (RFC 1122 §3.2.2.1)', (t) => {
  const net = listening();
  const raw = net.b.stack.sockets.openRaw(99);
  if (typeof raw === 'string') throw new Error(raw);
  net.arrive({ src: PEER, protocol: 99, payload: bytes(20) });
  t.equal(raw.queuedCount, 1);
  t.equal(net.b.stack.ip.counters.inDelivers, 1);
  t.strictSame(icmpFrom(net), []);
  raw.close();
  net.end(t);
  t.end();
});

t.test('a port that nobody has is unreachable (RFC 1122 §4.1.3.1)', (t) => {
  const net = listening();
  net.arrive({ src: PEER, payload: udpBytes(PEER, OWN, 9, 4_444, bytes(4)) });
  expectPacket(t, net.seen.last('a/eth0', 'in'), ip({ src: OWN, dst: PEER }), icmp({ type: 3, code: 3 }));
  net.end(t);
  t.end();
});

t.test('a host that does not forward drops what is for others in silence (RFC 1122 §3.3.1.2)', (t) => {
  const net = listening();
  net.arrive({ src: PEER, dst: '192.0.2.1' });
  t.equal(dropped(net.b, Drop.Ip4NotForwarding), 1);
  t.strictSame(icmpFrom(net), []);
  net.end(t);
  t.end();
});

t.test('an address that is still being probed for is not ours yet (RFC 5227 §2.1)', (t) => {
  const net = listening();
  net.b.address('10.1.0.77/24', undefined, { probe: true });
  t.equal(net.arrive({ dst: '10.1.0.77' }), 0);
  t.equal(dropped(net.b, Drop.Ip4NotForwarding), 1);
  net.run(sec(10));
  t.equal(net.arrive({ dst: '10.1.0.77' }), 1);
  net.end(t);
  t.end();
});

t.test('an address of ours is ours on every interface (RFC 1122 §3.3.4.2, the weak model)', (t) => {
  const net = routed();
  const socket = net.router.udp(PORT);
  send(t, net.a.udp(), bytes(3), '10.2.0.1', PORT);
  net.run();
  t.equal(receiveAll(socket).length, 1);
  net.end(t);
  t.end();
});

t.test('source validation (RFC 3704)', (t) => {
  // From the left, with a source that lies to the right: a router that asks for the way back says no.
  const spoofed = { src: '10.2.0.99', dst: '10.2.0.1' };
  const unknown = { src: '203.0.113.9', dst: '10.2.0.1' };
  for (const [rpFilter, spoofedPass, unknownPass] of [
    [0, 1, 1],
    [1, 0, 0],
    [2, 1, 0],
  ] as const) {
    const net = routed({ router: { ip: { rpFilter } } });
    const socket = net.router.udp(PORT);
    const to = net.router.iface(net.left).mac;
    const passes = ({ src, dst }: { src: string; dst: string }): number => {
      net.left.inject(datagram({ to, src, dst, payload: udpBytes(src, dst, 9, PORT, bytes(2)) }));
      net.run();
      return receiveAll(socket).length;
    };
    t.equal(passes(spoofed), spoofedPass, `rp_filter ${rpFilter}: a source from the other side`);
    t.equal(passes(unknown), unknownPass, `rp_filter ${rpFilter}: a source without a route`);
    t.equal(passes({ src: '10.1.0.99', dst: '10.2.0.1' }), 1, `rp_filter ${rpFilter}: an honest one`);
    t.equal(dropped(net.router, Drop.Ip4SourceMartian), 2 - spoofedPass - unknownPass);
    net.end(t);
  }
  t.end();
});

t.test('fragments that came through a router are one datagram again (RFC 791 §3.2)', (t) => {
  const net = routed({ right: { mtu: 576 } });
  const socket = net.b.udp(PORT);
  send(t, net.a.udp(), bytes(9_000), '10.2.0.2', PORT);
  net.run();
  t.strictSame(receiveAll(socket)[0]?.data, bytes(9_000));
  const { counters } = net.b.stack.ip;
  t.equal(counters.reasmOKs, 1);
  t.ok(counters.reasmReqds > 16);
  net.end(t);
  t.end();
});

t.test('a datagram of which a part never comes: time exceeded from whoever waited (RFC 792)', (t) => {
  const net = listening();
  const payload = udpBytes(PEER, OWN, 9, PORT, bytes(64)).slice(0, 32);
  net.link.inject(datagram({ to: net.mac, src: PEER, dst: OWN, fragment: ipv4.Flag.Mf, payload }));
  net.run(sec(31));
  t.equal(dropped(net.b, Drop.FragmentTimeout), 1);
  expectPacket(
    t,
    net.seen.last('a/eth0', 'in'),
    ip({ src: OWN, dst: PEER }),
    icmp({ type: 11, code: 1 }),
    quoted({ isMf: true }),
  );
  net.end(t);
  t.end();
});

t.test('echo is answered from the address that was asked, and never to many (RFC 1122 §3.2.2.6)', (t) => {
  const net = listening();
  const echo = icmpBytes(8, 0, 0x12340001, bytes(10));
  const ask = (dst: string, to: Mac | string): void => {
    net.link.inject(datagram({ to, src: PEER, dst, protocol: 1, payload: echo, from: net.a.iface().mac }));
    net.run();
  };
  ask(OWN, net.mac);
  expectPacket(
    t,
    net.seen.last('a/eth0', 'in'),
    ip({ src: OWN, dst: PEER, ttl: 64, isDf: false }),
    icmp({ type: 0, word: 0x12340001 }),
  );
  const nothing = icmpBytes(8, 0, 0, new Uint8Array(4));
  const zeros = { to: net.mac, src: PEER, dst: OWN, protocol: 1, payload: nothing, from: net.a.iface().mac };
  net.link.inject(datagram(zeros));
  net.run();
  expectPacket(t, net.seen.last('a/eth0', 'in'), ip({ length: 32 }), icmp({ type: 0, word: 0 }));
  ask('10.1.0.255', 'ff:ff:ff:ff:ff:ff');
  ask('224.0.0.1', '01:00:5e:00:00:01');
  t.equal(dropped(net.b, Drop.IcmpEchoBroadcast), 2);
  t.equal(icmpFrom(net).length, 2);
  net.end(t);
  t.end();
});
