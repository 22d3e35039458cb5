import t from 'tap';
import { after, ms, sec } from '../../../src/base/time.ts';
import { GsoType, PacketFlag } from '../../../src/packet/packet.ts';
import { checksum } from '../../../src/wire/checksum.ts';
import * as icmp4 from '../../../src/wire/icmp4.ts';
import * as ipv4 from '../../../src/wire/ipv4.ts';
import { type Ip4Fields, ip, isHeaderRight, isSumRight, pattern } from '../fixture.ts';
import { IcmpLab, OTHER_OWN, OWN, PEER } from '../icmp-fixture.ts';

const { Type, UnreachableCode } = icmp4;
const NOTHING = new Uint8Array(0);

const icmpData = (type: number): Uint8Array => Uint8Array.of(type, 0, 0, 0, 0, 0, 0, 0);

t.test('errors that are sent (RFC 1812 §4.3.2)', (t) => {
  t.test('quote the offender as it came, with precedence 6 and its type of service', (t) => {
    const lab = new IcmpLab();
    const offender = lab.datagram({ data: pattern(20), ttl: 1, tos: 0x1f, dst: '198.51.100.1' });
    offender.device = 2;
    t.equal(lab.icmp.sendError(lab.now, offender, Type.TimeExceeded, 0, 0), true);
    const error = lab.sentOne();
    const { view, l3, l4 } = error;
    t.ok(isHeaderRight(error) && isSumRight(error, l4, 0));
    t.equal(ipv4.src(view, l3), ip(OWN));
    t.equal(ipv4.dst(view, l3), ip(PEER));
    t.equal(ipv4.tos(view, l3), 0xdc);
    t.equal(icmp4.type(view, l4), Type.TimeExceeded);
    t.strictSame(error.bytes.slice(l4 + 8, error.tail), offender.bytes.slice(offender.l3, offender.tail));
    t.equal(lab.icmp.counters.outTimeExcds, 1);
    error.release();
    offender.release();
    lab.expectWhole(t);
    t.end();
  });

  t.test('as much of it as 576 bytes hold (RFC 1812 §4.3.2.3), and no padding', (t) => {
    const lab = new IcmpLab();
    const long = lab.datagram({ data: pattern(1_400) });
    lab.icmp.sendError(lab.now, long, Type.Unreachable, UnreachableCode.Port, 0);
    const error = lab.sentOne();
    t.equal(error.tail - error.l3, 576);
    t.ok(isHeaderRight(error));
    const short = lab.datagram({ data: pattern(3) });
    short.tail += 20;
    lab.icmp.sendError(lab.now, short, Type.Unreachable, UnreachableCode.Port, 0);
    const second = lab.sentOne();
    t.equal(second.tail - second.l4 - 8, 23);
    for (const packet of [error, second, long, short]) packet.release();
    lab.expectWhole(t);
    t.end();
  });

  t.test('complete in the quote what the sender left to its device, and only there', (t) => {
    for (const [name, data, gsoType, csumOffset, isCompleted] of [
      ['a whole one', pattern(60), GsoType.None, 6, true],
      ['one that is cut off in the quote', pattern(1_401), GsoType.None, 6, true],
      ['a super-segment', pattern(60), GsoType.Udp, 6, false],
      ['a field that is not quoted', pattern(1_400), GsoType.None, 600, false],
      ['a field that is not in the datagram', pattern(60), GsoType.None, 60_000, false],
    ] as const) {
      const lab = new IcmpLab();
      const offender = lab.datagram({ data });
      const { l3, l4, tail, view } = offender;
      offender.flags |= PacketFlag.ChecksumPartial;
      offender.gsoType = gsoType;
      offender.csumStart = l4;
      offender.csumOffset = csumOffset;
      const came = offender.bytes.slice(l3, tail);
      lab.icmp.sendError(lab.now, offender, Type.Unreachable, UnreachableCode.Port, 0);
      const error = lab.sentOne();
      const quoteAt = error.l4 + 8;
      const expected = came.slice(0, error.tail - quoteAt);
      if (isCompleted) new DataView(expected.buffer).setUint16(26, checksum(view, l4, tail - l4));
      t.strictSame(error.bytes.slice(quoteAt, error.tail), expected, name);
      t.strictSame(offender.bytes.slice(l3, tail), came, 'the offender itself is only peeked at');
      t.ok(isSumRight(error, error.l4, 0));
      error.release();
      offender.release();
      lab.expectWhole(t);
    }
    t.end();
  });

  t.test('carry the MTU, the pointer or the gateway; other words are zero (RFC 4884 §4)', (t) => {
    for (const [type, code, word] of [
      [Type.Unreachable, UnreachableCode.FragmentationNeeded, 1_400],
      [Type.ParameterProblem, 0, 20 << 24],
      [Type.Redirect, 1, ip('10.77.0.3')],
      [Type.Unreachable, UnreachableCode.AdminProhibited, 0],
    ] as const) {
      const lab = new IcmpLab();
      const offender = lab.datagram({ data: pattern(8) });
      lab.icmp.sendError(lab.now, offender, type, code, word);
      const error = lab.sentOne();
      t.strictSame([icmp4.code(error.view, error.l4), icmp4.word(error.view, error.l4)], [code, word]);
      t.ok(isSumRight(error, error.l4, 0));
      error.release();
      offender.release();
      lab.expectWhole(t);
    }
    t.end();
  });

  t.test('come from the address that was asked, or else from the interface it came in by', (t) => {
    for (const [dst, device, want] of [
      [OTHER_OWN, 2, OTHER_OWN],
      ['198.51.100.1', 3, OTHER_OWN],
      ['198.51.100.1', 2, OWN],
    ] as const) {
      const lab = new IcmpLab();
      const offender = lab.datagram({ data: pattern(8), dst });
      offender.device = device;
      lab.icmp.sendError(lab.now, offender, Type.Unreachable, 0, 0);
      const error = lab.sentOne();
      t.equal(ipv4.src(error.view, error.l3), ip(want));
      error.release();
      offender.release();
      lab.expectWhole(t);
    }
    t.end();
  });

  t.test('without an address or a slot nothing is sent', (t) => {
    const lab = new IcmpLab({}, 1);
    const offender = lab.datagram({ data: pattern(8), dst: '198.51.100.1' });
    t.equal(lab.icmp.sendError(lab.now, offender, Type.Unreachable, 0, 0), false);
    t.strictSame(lab.counted(), { NoSlot: 1 });
    lab.host.hasSource = false;
    t.equal(lab.icmp.sendError(lab.now, offender, Type.Unreachable, 0, 0), false);
    t.equal(lab.icmp.counters.outSuppressed, 2);
    offender.release();
    lab.expectWhole(t);
    t.end();
  });

  const MATRIX: [string, Ip4Fields, number, boolean][] = [
    ['an ordinary datagram', {}, 0, true],
    ['a first fragment', { mf: true }, 0, true],
    ['a later fragment', { offset: 8 }, 0, false],
    ['a datagram to the limited broadcast address', { dst: '255.255.255.255' }, 0, false],
    ['a datagram to a directed broadcast address', { dst: '10.77.0.255' }, 0, false],
    ['a datagram to a group', { dst: '224.0.0.251' }, 0, false],
    ['a link broadcast', {}, PacketFlag.LinkBroadcast, false],
    ['a link multicast', {}, PacketFlag.LinkMulticast, false],
    ['what the input says is a broadcast', {}, PacketFlag.IpBroadcast, false],
    ['a datagram from 0.0.0.0', { src: '0.0.0.0' }, 0, false],
    ['a datagram from network 0', { src: '0.1.2.3' }, 0, false],
    ['a datagram from loopback, on a wire', { src: '127.0.0.1' }, 0, false],
    ['a datagram from loopback, on loopback', { src: '127.0.0.1' }, PacketFlag.Loopback, true],
    ['a datagram from a group', { src: '224.0.0.1' }, 0, false],
    ['a datagram from class E', { src: '240.0.0.1' }, 0, false],
    ['a datagram from the limited broadcast address', { src: '255.255.255.255' }, 0, false],
    ['a datagram from a directed broadcast address', { src: '10.77.0.255' }, 0, false],
    ['an echo', { protocol: 1, data: icmpData(8) }, 0, true],
    ['an echo reply', { protocol: 1, data: icmpData(0) }, 0, true],
    ['a timestamp', { protocol: 1, data: icmpData(13) }, 0, true],
    ['an unreachable', { protocol: 1, data: icmpData(3) }, 0, false],
    ['a source quench', { protocol: 1, data: icmpData(4) }, 0, false],
    ['a redirect', { protocol: 1, data: icmpData(5) }, 0, false],
    ['a time exceeded', { protocol: 1, data: icmpData(11) }, 0, false],
    ['a parameter problem', { protocol: 1, data: icmpData(12) }, 0, false],
    ['an unknown ICMP type', { protocol: 1, data: icmpData(99) }, 0, false],
    ['ICMP without a type', { protocol: 1, data: NOTHING }, 0, false],
  ];
  for (const [name, fields, flags, isSent] of MATRIX) {
    t.test(`${isSent ? 'about' : 'never about'} ${name} (RFC 1122 §3.2.2, RFC 1812 §4.3.2.7)`, (t) => {
      const lab = new IcmpLab();
      const offender = lab.datagram({ data: pattern(8), ...fields });
      offender.flags |= flags;
      t.equal(lab.icmp.sendError(lab.now, offender, Type.Unreachable, 1, 0), isSent);
      t.equal(lab.host.sent.length, isSent ? 1 : 0);
      t.equal(lab.icmp.counters.outSuppressed, isSent ? 0 : 1);
      for (const packet of [offender, ...lab.host.sent]) packet.release();
      lab.expectWhole(t);
      t.end();
    });
  }
  t.end();
});

const anywhere = (i: number): string => `10.${i >> 8}.${i & 255}.1`;

/** How many of `count` errors to each of `destinations` are sent at once. */
const flood = (
  lab: IcmpLab,
  count: number,
  source: (i: number) => string,
  code: number = UnreachableCode.Port,
): number => {
  let sent = 0;
  for (let i = 0; i < count; i++) {
    const offender = lab.datagram({ data: pattern(8), src: source(i) });
    if (lab.icmp.sendError(lab.now, offender, Type.Unreachable, code, 0)) {
      sent++;
      lab.sentOne().release();
    }
    offender.release();
  }
  return sent;
};

t.test('limits on errors (RFC 1812 §4.3.2.8)', (t) => {
  t.test('to one destination: a burst of six, then one a second', (t) => {
    const lab = new IcmpLab();
    t.equal(
      flood(lab, 100, () => PEER),
      6,
    );
    t.equal(lab.icmp.counters.outRateLimitHost, 94);
    t.strictSame(lab.counted(), { IcmpRateLimited: 94 });
    lab.now = after(lab.now, sec(1));
    t.equal(
      flood(lab, 100, () => PEER),
      1,
    );
    t.equal(
      flood(lab, 100, () => '10.77.0.77'),
      6,
      'others are not affected',
    );
    lab.expectWhole(t);
    t.end();
  });

  t.test('in all: a burst of fifty or so, then a thousand a second', (t) => {
    const lab = new IcmpLab();
    const burst = flood(lab, 500, anywhere);
    t.ok(burst >= 40 && burst <= 60, `${burst}`);
    let sent = 0;
    for (let step = 0; step < 100; step++) {
      lab.now = after(lab.now, ms(10));
      sent += flood(lab, 50, (i) => anywhere(1_000 + step * 50 + i));
    }
    t.ok(sent > 900 && sent < 1_100, `${sent}`);
    t.ok(lab.icmp.counters.outRateLimitGlobal > 0);
    lab.expectWhole(t);
    t.end();
  });

  t.test('path MTU discovery has only the limit in all', (t) => {
    const lab = new IcmpLab();
    const sent = flood(lab, 500, () => PEER, UnreachableCode.FragmentationNeeded);
    t.ok(sent >= 40 && sent <= 60, `${sent}`);
    lab.expectWhole(t);
    t.end();
  });

  t.test('our own sockets hear of everything', (t) => {
    const lab = new IcmpLab();
    t.equal(
      flood(lab, 500, () => OWN),
      500,
    );
    lab.expectWhole(t);
    t.end();
  });
  t.end();
});
