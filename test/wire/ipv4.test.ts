import * as fc from 'fast-check';
import t from 'tap';
import { Drop, dropName } from '../../src/base/drop.ts';
import * as ipv4 from '../../src/wire/ipv4.ts';
import { Flag, Protocol } from '../../src/wire/ipv4.ts';
import { AT, blank, ip, SEED, toHex, view, viewOf } from './bytes.ts';
import { FRAMES, L3 } from './frames.ts';

const IP = AT + L3;
const word16 = fc.integer({ min: 0, max: 0xffff });
const byte = fc.integer({ min: 0, max: 0xff });
const word32 = fc.integer({ min: -0x80000000, max: 0x7fffffff });

t.test('IPv4 header of a foreign packet (RFC 791 §3.1)', (t) => {
  const frame = view(FRAMES.igmpV3Report);
  t.equal(ipv4.check(frame, IP, frame.byteLength), Drop.None);
  t.equal(ipv4.version(frame, IP), 4);
  t.equal(ipv4.headerLength(frame, IP), 24);
  t.same([ipv4.tos(frame, IP), ipv4.dscp(frame, IP), ipv4.ecn(frame, IP)], [0xc0, 48, ipv4.Ecn.NotEct]);
  t.equal(ipv4.totalLength(frame, IP), 52);
  t.equal(ipv4.id(frame, IP), 0);
  t.same([ipv4.isDf(frame, IP), ipv4.isMf(frame, IP), ipv4.isFragment(frame, IP)], [true, false, false]);
  t.equal(ipv4.flagsAndOffset(frame, IP), Flag.Df);
  t.same([ipv4.ttl(frame, IP), ipv4.protocol(frame, IP)], [1, Protocol.Igmp]);
  t.equal(ipv4.headerChecksum(frame, IP), 0xf99f);
  t.same([ipv4.src(frame, IP), ipv4.dst(frame, IP)], [ip('10.77.0.1'), ip('224.0.0.22')]);
  t.end();
});

t.test('a fragment says where it belongs', (t) => {
  const frame = view('45000224 31d500b9 400131af 0a4d0001 0a4d0002');
  t.equal(ipv4.fragmentOffset(frame, AT), 1480);
  t.same([ipv4.isMf(frame, AT), ipv4.isFragment(frame, AT)], [false, true]);
  const first = view('45000224 31d52000 400131af 0a4d0001 0a4d0002');
  t.same([ipv4.fragmentOffset(first, AT), ipv4.isMf(first, AT), ipv4.isFragment(first, AT)], [0, true, true]);
  t.end();
});

t.test('fields with their high bits set: addresses are int32, all else is unsigned', (t) => {
  const packet = view('f5ff ffff ffff ffff ff fe ffff c0a80001 ffffffff');
  t.same([ipv4.version(packet, AT), ipv4.headerLength(packet, AT), ipv4.tos(packet, AT)], [15, 20, 255]);
  t.same(
    [ipv4.totalLength(packet, AT), ipv4.id(packet, AT), ipv4.fragmentOffset(packet, AT)],
    [65_535, 65_535, 65_528],
  );
  t.same([ipv4.isDf(packet, AT), ipv4.isMf(packet, AT)], [true, true]);
  t.same(
    [ipv4.ttl(packet, AT), ipv4.protocol(packet, AT), ipv4.headerChecksum(packet, AT)],
    [255, 254, 0xffff],
  );
  t.same([ipv4.src(packet, AT), ipv4.dst(packet, AT)], [ip('192.168.0.1'), -1]);
  t.equal(ip('192.168.0.1'), 0xc0a80001 | 0);
  t.equal(ipv4.isDf(view(FRAMES.recordRoute.replace('4000', '2000')), IP), false);
  t.end();
});

t.test('numbers that IANA and RFC 791 gave', (t) => {
  const { Icmp, Igmp, IpIp, Tcp, Udp, Ip6, Gre, Esp, Ah, Icmp6, Ospf, Raw } = Protocol;
  t.same([Icmp, Igmp, IpIp, Tcp, Udp, Ip6, Gre], [1, 2, 4, 6, 17, 41, 47]);
  t.same([Esp, Ah, Icmp6, Ospf, Raw], [50, 51, 58, 89, 255]);
  t.same([ipv4.MIN_MTU, ipv4.MAX_HEADER_BYTES, ipv4.MAX_PACKET_BYTES], [68, 60, 65_535]);
  t.end();
});

t.test('a header is written as a foreign host writes it', (t) => {
  const frame = view(FRAMES.udp);
  const copy = blank(20);
  const [src, dst] = [ip('10.77.0.1'), ip('10.77.0.2')];
  const end = ipv4.write(copy, AT, 33, 0, 0xd842, Flag.Df, 64, Protocol.Udp, src, dst);
  t.equal(end, AT + 20);
  t.equal(toHex(copy), toHex(frame, IP, IP + 20));
  t.end();
});

const FAULTS: readonly (readonly [name: string, hex: string, want: Drop])[] = [
  ['nothing', '', Drop.Ip4Truncated],
  ['19 octets', '45000013000040004011 26cb0a4d0001 0a4d00', Drop.Ip4Truncated],
  ['version 6', '65000014000040004011 263d0a4d0001 0a4d0002', Drop.Ip4Version],
  ['version 0', '05000014000040004011 263d0a4d0001 0a4d0002', Drop.Ip4Version],
  ['header of 16', '44000014000040004011 263d0a4d0001 0a4d0002', Drop.Ip4HeaderLength],
  ['header longer than what is there', '46000014000040004011 263d0a4d0001 0a4d0002', Drop.Ip4HeaderLength],
  ['total less than the header', '45000013000040004011 263e0a4d0001 0a4d0002', Drop.Ip4TotalLength],
  ['total 0', '45000000000040004011 26510a4d0001 0a4d0002', Drop.Ip4TotalLength],
  ['total of one more than is there', '45000015000040004011 263c0a4d0001 0a4d0002', Drop.Ip4TotalLength],
  ['checksum off by one', '45000014000040004011 263e0a4d0001 0a4d0002', Drop.Ip4Checksum],
  ['checksum zero', '45000014000040004011 00000a4d0001 0a4d0002', Drop.Ip4Checksum],
  ['good', '45000014000040004011 263d0a4d0001 0a4d0002', Drop.None],
  ['good and padded', '45000014000040004011 263d0a4d0001 0a4d0002 0000 0000', Drop.None],
];

t.test('headers that are refused (RFC 1122 §3.2.1.1-2, RFC 1812 §5.2.2)', (t) => {
  for (const [name, hex, want] of FAULTS) {
    const packet = view(hex);
    t.equal(dropName(ipv4.check(packet, AT, packet.byteLength)), dropName(want), name);
  }
  t.end();
});

t.test('what is written passes the check and reads back', (t) => {
  const fields = fc.tuple(word16, byte, word16, word16, byte, byte, word32, word32);
  fc.assert(
    fc.property(fields, ([length, tos, id, flags, ttl, protocol, src, dst]) => {
      const total = 20 + (length % 100);
      const packet = blank(120);
      const end = ipv4.write(packet, AT, total, tos, id, flags, ttl, protocol, src, dst);
      t.equal(end, AT + 20);
      const written = [total, tos, id, flags, ttl, protocol, src, dst];
      const read = [
        ipv4.totalLength(packet, AT),
        ipv4.tos(packet, AT),
        ipv4.id(packet, AT),
        ipv4.flagsAndOffset(packet, AT),
        ipv4.ttl(packet, AT),
        ipv4.protocol(packet, AT),
        ipv4.src(packet, AT),
        ipv4.dst(packet, AT),
      ];
      return ipv4.check(packet, AT, packet.byteLength) === Drop.None && read.join() === written.join();
    }),
    SEED,
  );
  t.end();
});

t.test('setters change their field and keep the checksum right (RFC 1624)', (t) => {
  const fields = fc.tuple(byte, byte, word16, word16, word32, word32);
  fc.assert(
    fc.property(fields, ([tos, ttl, id, flags, src, dst]) => {
      const packet = blank(40);
      ipv4.write(packet, AT, 30, 0, 1, Flag.Df, 64, Protocol.Tcp, ip('10.0.0.1'), ip('10.0.0.2'));
      ipv4.setTos(packet, AT, tos);
      ipv4.setTtl(packet, AT, ttl);
      ipv4.setId(packet, AT, id);
      ipv4.setFlagsAndOffset(packet, AT, flags);
      ipv4.setTotalLength(packet, AT, 40);
      ipv4.setSrc(packet, AT, src);
      ipv4.setDst(packet, AT, dst);
      const want = blank(40);
      ipv4.write(want, AT, 40, tos, id, flags, ttl, Protocol.Tcp, src, dst);
      return toHex(packet) === toHex(want);
    }),
    SEED,
  );
  t.end();
});

t.test('a checksum is filled over whatever header there is', (t) => {
  const frame = view(FRAMES.recordRoute);
  frame.setUint16(IP + 10, 0x1234);
  ipv4.fillChecksum(frame, IP);
  t.equal(toHex(frame), toHex(view(FRAMES.recordRoute)));
  ipv4.setHeaderLength(frame, IP, 24);
  t.equal(ipv4.headerLength(frame, IP), 24);
  t.equal(ipv4.check(frame, IP, frame.byteLength), Drop.None);
  t.end();
});

t.test('any bytes get a verdict, and nothing past them is read', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70 }), fc.boolean(), (bytes, isLikely) => {
      if (isLikely && bytes.length > 0) bytes[0] = 0x40 | ((bytes[0] as number) & 15);
      const packet = viewOf(bytes);
      return dropName(ipv4.check(packet, AT, packet.byteLength)) !== '';
    }),
    SEED,
  );
  t.end();
});
