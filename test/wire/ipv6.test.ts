import * as fc from 'fast-check';
import t from 'tap';
import type { Ip } from '../../src/addr/ip.ts';
import { parseIp } from '../../src/addr/ip.ts';
import { Drop, dropName } from '../../src/base/drop.ts';
import { fold, pseudo6, sum } from '../../src/wire/checksum.ts';
import { Protocol } from '../../src/wire/ipv4.ts';
import * as ipv6 from '../../src/wire/ipv6.ts';
import { NextHeader } from '../../src/wire/ipv6.ts';
import { AT, blank, SEED, toHex, view } from './bytes.ts';
import { FRAMES, L3 } from './frames.ts';

const IP = AT + L3;
const A = parseIp('fe80::ff:fe00:1') as Ip;
const B = parseIp('fe80::ff:fe00:2') as Ip;

t.test('IPv6 header of a foreign packet (RFC 8200 §3)', (t) => {
  const frame = view(FRAMES.echo6);
  t.equal(ipv6.check(frame, IP, frame.byteLength), Drop.None);
  t.same([ipv6.version(frame, IP), ipv6.trafficClass(frame, IP), ipv6.flowLabel(frame, IP)], [6, 0, 0x69b41]);
  t.same([ipv6.payloadLength(frame, IP), ipv6.nextHeader(frame, IP), ipv6.hopLimit(frame, IP)], [16, 58, 64]);
  const src = [ipv6.srcA(frame, IP), ipv6.srcB(frame, IP), ipv6.srcC(frame, IP), ipv6.srcD(frame, IP)];
  const dst = [ipv6.dstA(frame, IP), ipv6.dstB(frame, IP), ipv6.dstC(frame, IP), ipv6.dstD(frame, IP)];
  t.same(src, [A.a, A.b, A.c, A.d]);
  t.same(dst, [B.a, B.b, B.c, B.d]);
  const pseudo = ipv6.pseudo(frame, IP, Protocol.Icmp6, 16);
  t.equal(fold(sum(frame, IP + 40, 16, pseudo)), 0xffff, 'the pseudo header of RFC 8200 §8.1');
  t.equal(fold(pseudo), fold(pseudo6(A.a, A.b, A.c, A.d, B.a, B.b, B.c, B.d, Protocol.Icmp6, 16)));
  t.end();
});

t.test('a header is written as a foreign host writes it', (t) => {
  const packet = blank(40);
  t.equal(ipv6.write(packet, AT, 0, 0x69b41, 16, Protocol.Icmp6, 64, A, B), AT + 40);
  t.equal(toHex(packet), toHex(view(FRAMES.echo6), IP, IP + 40));
  t.end();
});

t.test('headers that are refused', (t) => {
  const frame = view(FRAMES.echo6);
  const name = (end: number): string => dropName(ipv6.check(frame, IP, end));
  t.equal(name(IP + 39), 'Ip6Truncated');
  t.equal(name(frame.byteLength - 1), 'Ip6Truncated', 'the payload is not all there');
  frame.setUint8(IP, 0x40);
  t.equal(name(frame.byteLength), 'Ip6Version');
  t.end();
});

t.test('fields with their high bits set', (t) => {
  const packet = view(
    `fff54321 fedc fdfc ffffffff f2000000 f3000000 f4000000 f5000000 f6000000 f7000000 f8000000`,
  );
  t.same(
    [ipv6.version(packet, AT), ipv6.trafficClass(packet, AT), ipv6.flowLabel(packet, AT)],
    [15, 0xff, 0x54321],
  );
  t.same([ipv6.dscp(packet, AT), ipv6.ecn(packet, AT), ipv6.payloadLength(packet, AT)], [63, 3, 0xfedc]);
  t.same([ipv6.nextHeader(packet, AT), ipv6.hopLimit(packet, AT), ipv6.srcA(packet, AT)], [0xfd, 0xfc, -1]);
  const words = [ipv6.srcB, ipv6.srcC, ipv6.srcD, ipv6.dstA, ipv6.dstB, ipv6.dstC, ipv6.dstD];
  t.same(
    words.map((word) => word(packet, AT) >> 24),
    [-14, -13, -12, -11, -10, -9, -8],
  );
  t.end();
});

t.test('what is written reads back, and setters leave the rest alone', (t) => {
  const fields = fc.tuple(fc.nat(255), fc.nat(0xfffff), fc.nat(255), fc.nat(255), fc.nat(255));
  fc.assert(
    fc.property(fields, ([trafficClass, label, next, hops, otherClass]) => {
      const packet = blank(48);
      ipv6.write(packet, AT, otherClass, label, 0, next, 1, B, A);
      ipv6.setTrafficClass(packet, AT, trafficClass);
      ipv6.setHopLimit(packet, AT, hops);
      ipv6.setPayloadLength(packet, AT, 8);
      const want = blank(48);
      ipv6.write(want, AT, trafficClass, label, 8, next, hops, B, A);
      const isRead =
        ipv6.trafficClass(packet, AT) === trafficClass &&
        ipv6.flowLabel(packet, AT) === label &&
        ipv6.nextHeader(packet, AT) === next &&
        ipv6.dscp(packet, AT) === trafficClass >>> 2 &&
        ipv6.ecn(packet, AT) === (trafficClass & 3);
      return isRead && toHex(packet) === toHex(want) && ipv6.check(packet, AT, AT + 48) === Drop.None;
    }),
    SEED,
  );
  t.end();
});

t.test('extension headers are those between IPv6 and a transport (RFC 7045 §4)', (t) => {
  t.ok([NextHeader.HopByHop, NextHeader.Routing, NextHeader.Fragment].every(ipv6.isExtension));
  t.notOk([Protocol.Tcp, Protocol.Udp, Protocol.Icmp6, NextHeader.None].some(ipv6.isExtension));
  t.equal(ipv6.MIN_MTU, 1280);
  t.same(Object.values(NextHeader), [0, 43, 44, 50, 51, 59, 60, 135]);
  t.end();
});
