import t from 'tap';
import { after, ms, START } from '../../../src/base/time.ts';
import type { Packet } from '../../../src/packet/packet.ts';
import { PacketFlag } from '../../../src/packet/packet.ts';
import * as icmp4 from '../../../src/wire/icmp4.ts';
import * as ipv4 from '../../../src/wire/ipv4.ts';
import * as options4 from '../../../src/wire/ipv4-options.ts';
import { dataOf, type Ip4Fields, ip, isHeaderRight, isSumRight, pattern } from '../fixture.ts';
import { IcmpLab, OTHER_OWN, OWN, PEER } from '../icmp-fixture.ts';

const { Type, UnreachableCode } = icmp4;
const NOTHING = new Uint8Array(0);

t.test('echo (RFC 1122 §3.2.2.6)', (t) => {
  t.test('is answered in the same packet, addresses swapped, data kept', (t) => {
    for (const length of [0, 1, 56, 1_472, 65_507]) {
      const lab = new IcmpLab();
      const data = pattern(length);
      const echo = lab.message(Type.Echo, 0, icmp4.idSeq(77, 5), data, { ttl: 3, tos: 0x2b, df: true });
      echo.mark = 9;
      echo.vlan = 4;
      echo.flags = PacketFlag.Reassembled;
      lab.icmp.handlePacket(lab.now, echo);
      const reply = lab.sentOne();
      const { view, l3, l4 } = reply;
      t.equal(reply, echo);
      t.ok(isHeaderRight(reply) && isSumRight(reply, l4, 0));
      t.equal(ipv4.src(view, l3), ip(OWN));
      t.equal(ipv4.dst(view, l3), ip(PEER));
      t.equal(ipv4.ttl(view, l3), 64);
      t.equal(ipv4.tos(view, l3), 0x28, 'the type of service, without ECN');
      t.equal(ipv4.flagsAndOffset(view, l3), 0, 'may be fragmented');
      t.equal(icmp4.type(view, l4), Type.EchoReply);
      t.equal(icmp4.word(view, l4), icmp4.idSeq(77, 5));
      t.strictSame(dataOf(reply).slice(8), data);
      t.strictSame([reply.device, reply.mark, reply.vlan, reply.flags], [0, 0, -1, 0]);
      t.equal(lab.icmp.counters.inEchos, 1);
      t.equal(lab.icmp.counters.outEchoReps, 1);
      reply.release();
      lab.expectWhole(t);
    }
    t.end();
  });

  t.test('comes back from the address that was asked', (t) => {
    const lab = new IcmpLab();
    lab.icmp.handlePacket(lab.now, lab.message(Type.Echo, 0, 0, NOTHING, { dst: OTHER_OWN }));
    const reply = lab.sentOne();
    t.equal(ipv4.src(reply.view, reply.l3), ip(OTHER_OWN));
    reply.release();
    lab.expectWhole(t);
    t.end();
  });

  const GROUPS: [string, Ip4Fields, number][] = [
    ['the limited broadcast address', { dst: '255.255.255.255' }, 0],
    ['a directed broadcast address', { dst: '10.77.0.255' }, 0],
    ['a group', { dst: '224.0.0.1' }, 0],
    ['what the input says is a broadcast', {}, PacketFlag.IpBroadcast],
    ['a link broadcast', {}, PacketFlag.LinkBroadcast],
  ];
  for (const [name, fields, flags] of GROUPS) {
    t.test(`to ${name} is not answered, unless wanted`, (t) => {
      for (const answerBroadcast of [false, true]) {
        const lab = new IcmpLab({ answerBroadcast });
        for (const type of [Type.Echo, Type.Timestamp]) {
          const packet = lab.message(type, 0, 0, new Uint8Array(12), fields);
          packet.flags |= flags;
          lab.icmp.handlePacket(lab.now, packet);
        }
        for (const reply of lab.host.sent) {
          t.equal(ipv4.src(reply.view, reply.l3), ip(OWN), 'not from a group address');
          reply.release();
        }
        t.equal(lab.host.sent.length, answerBroadcast ? 2 : 0);
        t.strictSame(
          lab.counted(),
          answerBroadcast ? {} : { IcmpEchoBroadcast: 1, IcmpTimestampBroadcast: 1 },
        );
        lab.expectWhole(t);
      }
      t.end();
    });
  }

  t.test('from a source that is no single host is not answered', (t) => {
    const lab = new IcmpLab();
    for (const src of ['0.0.0.0', '255.255.255.255', '10.77.0.255', '224.0.0.5', '240.0.0.1']) {
      lab.icmp.handlePacket(lab.now, lab.message(Type.Echo, 0, 0, NOTHING, { src }));
    }
    t.equal(lab.host.sent.length, 0);
    t.strictSame(lab.counted(), { Ip4SourceMartian: 5 });
    lab.expectWhole(t);
    t.end();
  });

  t.test('is never limited', (t) => {
    const lab = new IcmpLab();
    for (let i = 0; i < 5_000; i++) {
      lab.icmp.handlePacket(lab.now, lab.message(Type.Echo, 0, i, NOTHING));
      lab.sentOne().release();
    }
    t.equal(lab.icmp.counters.outEchoReps, 5_000);
    lab.expectWhole(t);
    t.end();
  });

  t.test('a wrong checksum, and a message that is too short, are dropped', (t) => {
    const lab = new IcmpLab();
    const bad = lab.message(Type.Echo, 0, 0, pattern(10));
    bad.view.setUint8(bad.l4 + 9, 0xff);
    lab.icmp.handlePacket(lab.now, bad);
    const short = lab.message(Type.Echo, 0, 0, NOTHING);
    short.tail -= 1;
    lab.icmp.handlePacket(lab.now, short);
    t.strictSame(lab.counted(), { IcmpTruncated: 1, IcmpChecksum: 1 });
    t.equal(lab.icmp.counters.inErrors, 2);
    t.equal(lab.icmp.counters.inCsumErrors, 1);
    lab.expectWhole(t);
    t.end();
  });

  t.test('a checksum that a neighbour in memory left open is completed', (t) => {
    const lab = new IcmpLab();
    const echo = lab.message(Type.Echo, 0, 0, pattern(10));
    echo.view.setUint16(echo.l4 + 2, 0);
    echo.flags = PacketFlag.ChecksumPartial | PacketFlag.ChecksumValid;
    echo.csumStart = echo.l4;
    echo.csumOffset = 2;
    lab.icmp.handlePacket(lab.now, echo);
    const reply = lab.sentOne();
    t.ok(isSumRight(reply, reply.l4, 0));
    reply.release();
    lab.expectWhole(t);
    t.end();
  });

  t.test('route and timestamp options come back with us in them, others do not', (t) => {
    const lab = new IcmpLab({ wallClock: () => 86_400_123 });
    const route = [7, 11, 8, 10, 77, 0, 1, 0, 0, 0, 0];
    const stamp = [68, 12, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    const options = [...route, ...stamp, 148, 4, 0, 0, 130, 4, 1, 2, 0];
    lab.icmp.handlePacket(lab.now, lab.message(Type.Echo, 0, 0, pattern(8), { options }));
    const reply = lab.sentOne();
    const { l3, l4 } = reply;
    t.ok(isHeaderRight(reply) && isSumRight(reply, l4, 0));
    const back = Array.from(reply.bytes.slice(l3 + 20, l4));
    t.strictSame(back.slice(0, 11), [7, 11, 12, 10, 77, 0, 1, 10, 77, 0, 2]);
    t.strictSame(back.slice(11, 23), [68, 12, 13, 1, 10, 77, 0, 2, 0, 0, 0, 123]);
    t.strictSame(back.slice(23), [1, 1, 1, 1, 130, 4, 1, 2, 0]);
    reply.release();
    lab.expectWhole(t);
    t.end();
  });

  t.test('a full route comes back as it is; a full timestamp counts us', (t) => {
    const lab = new IcmpLab();
    const options = [7, 7, 8, 10, 77, 0, 1, 68, 8, 9, 0, 0, 0, 0, 1, 0];
    lab.icmp.handlePacket(lab.now, lab.message(Type.Echo, 0, 0, NOTHING, { options }));
    const reply = lab.sentOne();
    const back = Array.from(reply.bytes.slice(reply.l3 + 20, reply.l4));
    t.strictSame(back, [7, 7, 8, 10, 77, 0, 1, 68, 8, 9, 0x10, 0, 0, 0, 1, 0]);
    t.ok(isHeaderRight(reply));
    reply.release();
    lab.expectWhole(t);
    t.end();
  });

  t.test('with prespecified addresses only ours is stamped (RFC 791 §3.1)', (t) => {
    for (const [address, stamped] of [
      [[10, 77, 0, 2], true],
      [[10, 77, 0, 9], false],
    ] as const) {
      const lab = new IcmpLab();
      const options = [68, 12, 5, 3, ...address, 0, 0, 0, 0];
      lab.icmp.handlePacket(lab.now, lab.message(Type.Echo, 0, 0, NOTHING, { options }));
      const reply = lab.sentOne();
      const option = options4.find(reply.view, reply.l3, reply.l4, options4.Option.Timestamp);
      t.equal(options4.isFull(reply.view, option), stamped);
      reply.release();
      lab.expectWhole(t);
    }
    t.end();
  });

  t.test('a source route is refused (RFC 7126 §4.3)', (t) => {
    const lab = new IcmpLab();
    const options = [131, 7, 8, 10, 77, 0, 1, 0];
    lab.icmp.handlePacket(lab.now, lab.message(Type.Echo, 0, 0, NOTHING, { options }));
    t.strictSame(lab.counted(), { Ip4SourceRoute: 1 });
    lab.expectWhole(t);
    t.end();
  });
  t.end();
});

t.test('timestamp (RFC 1122 §3.2.2.8)', (t) => {
  t.test('is answered with milliseconds since midnight UT', (t) => {
    const lab = new IcmpLab({ wallClock: (now) => now / 1_000 + 5 });
    lab.now = after(START, ms(1_000));
    const data = Uint8Array.of(0, 0, 0, 42, 9, 9, 9, 9, 9, 9, 9, 9);
    lab.icmp.handlePacket(lab.now, lab.message(Type.Timestamp, 0, icmp4.idSeq(1, 2), data));
    const reply = lab.sentOne();
    const { view, l4 } = reply;
    t.ok(isHeaderRight(reply) && isSumRight(reply, l4, 0));
    t.equal(icmp4.type(view, l4), Type.TimestampReply);
    t.equal(icmp4.word(view, l4), icmp4.idSeq(1, 2));
    t.equal(icmp4.originateTimestamp(view, l4), 42);
    t.equal(icmp4.receiveTimestamp(view, l4), 1_005);
    t.equal(icmp4.transmitTimestamp(view, l4), 1_005);
    reply.release();
    lab.expectWhole(t);
    t.end();
  });

  t.test('without a clock the time is marked as not standard (RFC 792)', (t) => {
    const lab = new IcmpLab();
    lab.now = after(START, ms(7));
    lab.icmp.handlePacket(lab.now, lab.message(Type.Timestamp, 0, 0, new Uint8Array(12)));
    const reply = lab.sentOne();
    t.equal(icmp4.receiveTimestamp(reply.view, reply.l4) >>> 0, 0x80000007);
    reply.release();
    lab.expectWhole(t);
    t.end();
  });

  t.test('too short is dropped', (t) => {
    const lab = new IcmpLab();
    lab.icmp.handlePacket(lab.now, lab.message(Type.Timestamp, 0, 0, new Uint8Array(11)));
    t.strictSame(lab.counted(), { IcmpTruncated: 1 });
    lab.expectWhole(t);
    t.end();
  });
  t.end();
});

t.test('what is not for us', (t) => {
  const IGNORED: [number, Record<string, number>][] = [
    [Type.SourceQuench, { IcmpIgnored: 1 }],
    [Type.RouterAdvertisement, { IcmpIgnored: 1 }],
    [Type.InformationRequest, { IcmpIgnored: 1 }],
    [Type.AddressMask, { IcmpIgnored: 1 }],
    [1, { IcmpTypeUnknown: 1 }],
    [42, { IcmpTypeUnknown: 1 }],
    [255, { IcmpTypeUnknown: 1 }],
  ];
  for (const [type, want] of IGNORED) {
    t.test(`type ${type} is counted and dropped (RFC 6633, RFC 6918)`, (t) => {
      const lab = new IcmpLab();
      lab.icmp.handlePacket(lab.now, lab.message(type, 0, 0, lab.quoted()));
      t.strictSame(lab.counted(), want);
      t.equal(lab.host.sent.length, 0);
      lab.expectWhole(t);
      t.end();
    });
  }

  t.test('replies go to ping sockets; without one they are dropped', (t) => {
    const lab = new IcmpLab();
    for (const type of [Type.EchoReply, Type.TimestampReply]) {
      lab.icmp.handlePacket(lab.now, lab.message(type, 0, 0, NOTHING));
    }
    t.equal(lab.host.replies.length, 2);
    for (const reply of lab.host.replies) reply.release();
    lab.host.hasSocket = false;
    lab.icmp.handlePacket(lab.now, lab.message(Type.EchoReply, 0, 0, NOTHING));
    t.strictSame(lab.counted(), { IcmpNoSocket: 1 });
    lab.expectWhole(t);
    t.end();
  });
  t.end();
});

/** A quote with one byte changed. */
const patched = (lab: IcmpLab, at: number, value: number): Uint8Array => {
  const bytes = lab.quoted();
  bytes[at] = value;
  return bytes;
};

t.test('errors that arrive (RFC 1122 §3.2.2.1, §3.2.2.4, §3.2.2.5)', (t) => {
  t.test('go to the transport whose datagram they quote', (t) => {
    const cases: [type: number, code: number, word: number, info: number][] = [
      [Type.Unreachable, UnreachableCode.Port, 0, 0],
      [Type.Unreachable, UnreachableCode.FragmentationNeeded, 1_400, 1_400],
      [Type.Unreachable, UnreachableCode.PrecedenceCutoff, 1_400, 0],
      [Type.TimeExceeded, 0, 0, 0],
      [Type.TimeExceeded, 1, 0, 0],
      [Type.ParameterProblem, 0, 20 << 24, 20],
      [Type.ParameterProblem, 2, 20 << 24, 0],
    ];
    for (const [type, code, word, info] of cases) {
      const lab = new IcmpLab();
      const packet = lab.message(type, code, word, lab.quoted(), { src: '203.0.113.9' });
      const l4 = packet.l4 + 8 + 20;
      const end = packet.tail;
      lab.icmp.handlePacket(lab.now, packet);
      const [quote] = lab.host.quotes;
      t.match(quote, { type, code, info, from: ip('203.0.113.9'), device: 2, src: ip(OWN), l4, end });
      t.match(quote, { dst: ip('198.51.100.1'), protocol: ipv4.Protocol.Udp, totalLength: 36 });
      t.strictSame(lab.counted(), {});
      lab.expectWhole(t);
    }
    t.end();
  });

  t.test('that no socket caused are dropped', (t) => {
    const lab = new IcmpLab();
    lab.host.hasSocket = false;
    lab.icmp.handlePacket(lab.now, lab.message(Type.Unreachable, 3, 0, lab.quoted()));
    t.strictSame(lab.counted(), { IcmpNoSocket: 1 });
    lab.expectWhole(t);
    t.end();
  });

  t.test('the least quote is a header and 8 bytes (RFC 792); padding behind it is not quoted', (t) => {
    const lab = new IcmpLab();
    lab.icmp.handlePacket(lab.now, lab.message(Type.Unreachable, 3, 0, lab.quoted().slice(0, 28)));
    const padded = new Uint8Array(128);
    padded.set(lab.quoted());
    lab.icmp.handlePacket(lab.now, lab.message(Type.Unreachable, 3, 0, padded));
    t.strictSame(
      lab.host.quotes.map(({ l4, end }) => end - l4),
      [8, 16],
    );
    lab.expectWhole(t);
    t.end();
  });

  const BAD: [string, (lab: IcmpLab) => Packet, string][] = [
    ['no quote', (lab) => lab.message(3, 3, 0, NOTHING), 'IcmpQuoteBad'],
    ['half a quoted header', (lab) => lab.message(3, 3, 0, lab.quoted().slice(0, 19)), 'IcmpQuoteBad'],
    ['7 bytes of transport', (lab) => lab.message(3, 3, 0, lab.quoted().slice(0, 27)), 'IcmpQuoteBad'],
    ['another version', (lab) => lab.message(3, 3, 0, patched(lab, 0, 0x65)), 'IcmpQuoteBad'],
    ['a header length below 20', (lab) => lab.message(3, 3, 0, patched(lab, 0, 0x44)), 'IcmpQuoteBad'],
    [
      'a header length beyond the quote',
      (lab) => lab.message(3, 3, 0, patched(lab, 0, 0x4f)),
      'IcmpQuoteBad',
    ],
    ['a total length of nothing', (lab) => lab.message(3, 3, 0, patched(lab, 3, 20)), 'IcmpQuoteBad'],
    ['a later fragment', (lab) => lab.message(3, 3, 0, patched(lab, 7, 1)), 'IcmpQuoteBad'],
    ['another host’s datagram', (lab) => lab.message(3, 3, 0, lab.quoted({ src: PEER })), 'IcmpQuoteBad'],
    [
      'another address of ours',
      (lab) => lab.message(3, 3, 0, lab.quoted({ src: OTHER_OWN })),
      'IcmpQuoteBad',
    ],
    [
      'our broadcast address',
      (lab) => lab.message(3, 3, 0, lab.quoted({ src: '10.77.0.255' }), { dst: '10.77.0.255' }),
      'IcmpQuoteBad',
    ],
    ['an unknown code (16)', (lab) => lab.message(3, 16, 0, lab.quoted()), 'IcmpCodeUnknown'],
    ['an unknown code of time exceeded', (lab) => lab.message(11, 2, 0, lab.quoted()), 'IcmpCodeUnknown'],
    ['an unknown code of parameter problem', (lab) => lab.message(12, 3, 0, lab.quoted()), 'IcmpCodeUnknown'],
  ];
  for (const [name, make, want] of BAD) {
    t.test(`refused: ${name}`, (t) => {
      const lab = new IcmpLab();
      lab.icmp.handlePacket(lab.now, make(lab));
      t.strictSame(lab.counted(), { [want]: 1 });
      t.equal(lab.host.quotes.length, 0);
      lab.expectWhole(t);
      t.end();
    });
  }
  t.end();
});

function fromNobody(packet: Packet): Packet {
  ipv4.setSrc(packet.view, packet.l3, 0);
  return packet;
}

t.test('redirects (RFC 1122 §3.2.2.2)', (t) => {
  const BETTER = '10.77.0.3';
  const make = (lab: IcmpLab, gateway = BETTER, fields: Ip4Fields = {}, code = 1): Packet =>
    lab.message(Type.Redirect, code, ip(gateway), lab.quoted(fields));

  t.test('are followed, for the one destination, whatever the code (RFC 1122 §3.3.1.2)', (t) => {
    for (const code of [0, 1, 2, 3]) {
      const lab = new IcmpLab();
      lab.icmp.handlePacket(lab.now, make(lab, BETTER, {}, code));
      t.strictSame(lab.host.redirects, [[ip('198.51.100.1'), ip(BETTER), 2]]);
      t.strictSame(lab.counted(), {});
      lab.expectWhole(t);
    }
    t.end();
  });

  const IGNORED: [string, (lab: IcmpLab) => Packet, string][] = [
    ['from another than the gateway in use', (lab) => ((lab.host.gateway = ip('10.77.0.9')), make(lab)), ''],
    ['about a host on the same network', (lab) => make(lab, BETTER, { dst: '10.77.0.7' }), ''],
    ['about such a host, from nobody', (lab) => fromNobody(make(lab, BETTER, { dst: '10.77.0.7' })), ''],
    ['to a gateway on another network', (lab) => make(lab, '203.0.113.1'), ''],
    ['to ourselves', (lab) => make(lab, OWN), ''],
    ['to a broadcast address', (lab) => make(lab, '10.77.0.255'), ''],
    ['to nobody', (lab) => make(lab, '0.0.0.0'), ''],
    ['to a group', (lab) => make(lab, '224.0.0.1'), ''],
    ['about a group', (lab) => make(lab, BETTER, { dst: '224.1.1.1' }), ''],
    ['to a router (RFC 1812 §5.2.7.2)', (lab) => ((lab.host.isForwarding = true), make(lab)), ''],
    ['about what we did not send', (lab) => make(lab, BETTER, { src: PEER }), 'IcmpQuoteBad'],
    ['with an unknown code', (lab) => make(lab, BETTER, {}, 4), 'IcmpCodeUnknown'],
  ];
  for (const [name, arrange, want] of IGNORED) {
    t.test(`ignored: ${name}`, (t) => {
      const lab = new IcmpLab();
      lab.icmp.handlePacket(lab.now, arrange(lab));
      t.strictSame(lab.host.redirects, []);
      t.strictSame(lab.counted(), { [want || 'IcmpRedirectIgnored']: 1 });
      lab.expectWhole(t);
      t.end();
    });
  }

  t.test('ignored when the option says so', (t) => {
    const lab = new IcmpLab({ acceptRedirects: false });
    lab.icmp.handlePacket(lab.now, make(lab));
    t.strictSame(lab.counted(), { IcmpRedirectIgnored: 1 });
    lab.expectWhole(t);
    t.end();
  });
  t.end();
});
