import t from 'tap';
import { rng } from '../../src/base/rng.ts';
import type { Packet } from '../../src/packet/packet.ts';
import { Pool } from '../../src/packet/pool.ts';
import { parseScript } from '../../src/script/language/parser.ts';
import type { Endpoints } from '../../src/script/packet/build.ts';
import { buildPacket } from '../../src/script/packet/build.ts';
import { difference } from '../../src/script/packet/match.ts';
import { readOptions, writeOptions } from '../../src/script/packet/options.ts';
import type { LivePacket } from '../../src/script/packet/read.ts';
import { readPacket } from '../../src/script/packet/read.ts';
import type { PacketSpec } from '../../src/script/packet/spec.ts';
import { packetText } from '../../src/script/packet/text.ts';
import { Connection } from '../../src/script/run/mapping.ts';

const ENDS: Endpoints = { src: 0xc0000201 | 0, dst: 0xc0a80002 | 0, srcPort: 45_001, dstPort: 8_080 };
const pool = new Pool(1);

function parse(text: string): PacketSpec {
  const action = parseScript(`0 ${text}`).events[0]?.action;
  if (action?.kind !== 'packet') throw new Error(`not a packet: ${text}`);
  return action.packet;
}

/** As it would be on the wire. */
function wire(text: string): LivePacket {
  const packet = pool.take() as Packet;
  const refusal = buildPacket(packet, parse(text), ENDS);
  const bytes = packet.bytes.slice(packet.l3, packet.tail);
  packet.release();
  if (refusal !== null) throw new Error(refusal);
  return readPacket(bytes) as LivePacket;
}

t.test('what is built is what is read, checksums included', (t) => {
  const texts = [
    '< S 0:0(0) win 32792 <mss 1000,sackOK,TS val 1 ecr 0,nop,wscale 7>',
    '< [ce, tos 0x3, ttl 9] FPEWU. 1:1001(1000) ack 7 win 257 urg 3 <nop,nop,sack 1:2 3:4>',
    '< A. 4294967295:9(10) ack 4294967295 win 0 <FO 0011223344556677,nop,nop>',
    '< . 1:1(0) ack 1 win 9 <FOEXP 00112233,nop,nop,nop,nop>',
    '< udp (0)',
    '< [ect0] udp (1472)',
    '< icmp unreachable frag_needed mtu 1200 [1:1461(1460)]',
    '< icmp unreachable port_unreachable [udp (8)]',
    '< icmp echo_request id 9 [raw (60)]',
    '< icmp time_exceeded code_1 [5:5(0)]',
  ];
  for (const text of texts) {
    const spec = parse(text);
    const live = wire(text);
    t.equal(live.fault, '', text);
    t.equal(difference(spec, live.spec), null, `${text}: ${packetText(live.spec)}`);
  }
  t.same([wire(texts[4] as string).srcPort, wire(texts[4] as string).dstPort], [45_001, 8_080]);
  t.end();
});

t.test('what cannot be built is refused with a reason', (t) => {
  t.throws(() => wire('< S 0:0(0) win 1 <mss 1,nop>'), { message: /5 bytes, not a multiple of four/ });
  t.throws(() => wire('< . 0:0(0) win 1 <sack 1:2 3:4 5:6 7:8 9:10,nop,nop>'), {
    message: /44 bytes, more than 40/,
  });
  t.throws(() => wire('< udp (65535)'), { message: /a datagram of 65563 bytes/ });
  t.end();
});

t.test('damage on the wire is seen', (t) => {
  for (const text of ['< . 1:11(10) ack 1 win 1', '< udp (10)', '< icmp echo_request id 1']) {
    const { bytes } = wire(text);
    bytes[bytes.length - 1] = (bytes[bytes.length - 1] ?? 0) ^ 1;
    t.match(readPacket(bytes)?.fault, /^bad (TCP|UDP|ICMP)/, text);
    bytes[8] = 1;
    t.match(readPacket(bytes)?.fault, /IP header/, text);
  }
  t.equal(readPacket(new Uint8Array(10)), null);
  t.equal(readPacket(Uint8Array.of(0x60, ...new Uint8Array(60))), null, 'no IPv6 yet');
  t.end();
});

t.test('any bytes are read as something or nothing', (t) => {
  const random = rng(8);
  for (let i = 0; i < 2_000; i++) {
    const { bytes } = wire('< icmp unreachable frag_needed mtu 1200 [1:1461(1460)]');
    const text = i % 2 === 0 ? bytes : wire('< S 0:0(0) win 1 <mss 1,sackOK,TS val 1 ecr 2>').bytes;
    for (let j = 0; j < 4; j++) text[random.below(text.length)] = random.below(256);
    const live = readPacket(text.slice(0, random.below(text.length + 1)));
    if (live !== null) packetText(live.spec);
  }
  t.pass('nothing thrown');
  t.end();
});

t.test('options out of order, unknown, and broken', (t) => {
  const view = new DataView(new ArrayBuffer(64));
  const end = writeOptions(view, 0, [
    { kind: 'nop' },
    { kind: 'other', number: 99, hex: 'abcdef' },
    { kind: 'eol' },
  ]);
  t.same(readOptions(view, 0, end), [
    { kind: 'nop' },
    { kind: 'other', number: 99, hex: 'abcdef' },
    { kind: 'eol' },
  ]);
  view.setUint8(0, 2);
  view.setUint8(1, 40);
  t.same(readOptions(view, 0, 4).length, 1, 'a length beyond the end takes all');
  view.setUint8(1, 0);
  t.same(readOptions(view, 0, 4).length, 1, 'so does one that is too small');
  t.end();
});

t.test('the first difference is named', (t) => {
  const cases: readonly (readonly [want: string, got: string, difference: string | null])[] = [
    ['. 1:1(0) ack 1', '. 1:1(0) ack 1 win 500', null],
    ['. 1:1(0) ack 1 win 501', '. 1:1(0) ack 1 win 500', 'win is 500, not 501'],
    ['. 1:1(0) ack 1 <...>', '. 1:1(0) ack 1 <nop,nop,TS val 1 ecr 2>', null],
    ['. 1:1(0) ack 1', '. 1:1(0) ack 1 <nop,nop,TS val 1 ecr 2>', 'option 1 is nop, not there'],
    ['. 1:1(0) <mss 1>', '. 1:1(0)', 'option 1 is missing, not mss 1'],
    ['P. 1:2(1) ack 1', '. 1:2(1) ack 1', 'PSH is not set'],
    ['. 1:2(1) ack 1', 'F. 1:2(1) ack 1', 'FIN is set'],
    ['. 1:2(1) ack 1', '. 2:3(1) ack 1', 'sequence number is 2, not 1'],
    ['. 1:2(1) ack 1', '. 1:3(2) ack 1', 'length of the data is 2, not 1'],
    ['. 1:2(1) ack 1', '. 1:2(1) ack 2', 'ack is 2, not 1'],
    ['U. 1:2(1) ack 1 urg 4', 'U. 1:2(1) ack 1 urg 5', 'urg is 5, not 4'],
    ['[ect0] . 1:1(0)', '[ce] . 1:1(0)', 'ECN is ce, not ect0'],
    ['[ect01] . 1:1(0)', '[ect1] . 1:1(0)', null],
    ['[ect01] . 1:1(0)', '[noecn] . 1:1(0)', 'ECN is noecn, not ect0 or ect1'],
    ['[ttl 64] udp (5)', '[ttl 63] udp (5)', 'TTL is 63, not 64'],
    ['[tos 0x4] udp (5)', '[tos 0x8] udp (5)', 'TOS is 8, not 4'],
    ['udp (5)', 'udp (6)', 'length of the data is 6, not 5'],
    ['udp (5)', '. 1:1(0)', 'it is tcp, not udp'],
    ['icmp unreachable', 'icmp redirect', 'ICMP type is 5, not 3'],
    ['icmp unreachable port_unreachable', 'icmp unreachable net_unknown', 'ICMP code is 6, not 3'],
    ['icmp unreachable frag_needed mtu 5', 'icmp unreachable frag_needed mtu 6', 'mtu is 6, not 5'],
    ['icmp echo_reply id 5', 'icmp echo_reply id 6', 'id is 6, not 5'],
    ['icmp unreachable [1:2(1)]', 'icmp unreachable [2:3(1)]', 'quoted sequence number is 2, not 1'],
    ['icmp unreachable [udp (1)]', 'icmp unreachable [1:2(1)]', 'it quotes tcp, not udp'],
    ['S 0:0(0) <wscale *,nop>', 'S 0:0(0) <wscale 9,nop>', null],
    ['S 0:0(0) <wscale 8,nop>', 'S 0:0(0) <wscale 9,nop>', 'option 1 is wscale 9, not wscale 8'],
    ['. 0:0(0) <TS val 9 ecr 8>', '. 0:0(0) <TS val 1 ecr 2>', null],
  ];
  for (const [want, got, expected] of cases) {
    t.equal(difference(parse(`> ${want}`), parse(`> ${got}`)), expected, `${want} / ${got}`);
  }
  const a = parse('> . 0:0(0) <TS val 9 ecr 8>');
  const b = parse('> . 0:0(0) <TS val 12 ecr 8>');
  t.equal(difference(a, b, { ticks: 3, isEcrChecked: false }), null, 'within the tolerance');
  t.match(difference(a, b, { ticks: 2, isEcrChecked: false }), /option 1 is TS val 12/);
  const c = parse('> . 0:0(0) <TS val 9 ecr 7>');
  t.equal(difference(a, c, { ticks: 2, isEcrChecked: false }), null);
  t.match(difference(a, c, { ticks: 2, isEcrChecked: true }), /option 1 is TS val 9 ecr 7/);
  t.end();
});

t.test('numbers of the stack and of the script', (t) => {
  const connection = new Connection('tcp');
  connection.learnIsn(0xffff_fff0, 0);

  t.test('sequence numbers wrap on their way', (t) => {
    t.match(connection.toScript(parse('> . 5:6(1) ack 9'), parse('> . 1:2(1) ack 9')), { seq: 21, ack: 9 });
    t.match(connection.toLive(parse('< . 9:9(0) ack 21 win 1 <nop,nop,sack 22:30>')), {
      seq: 9,
      ack: 5,
      options: [{ kind: 'nop' }, { kind: 'nop' }, { kind: 'sack', edges: [6, 14] }],
    });
    t.match(connection.toLive(parse('< R 9:9(0) win 1')), { ack: 0 }, 'without ACK there is nothing to map');
    t.match(connection.toLive(parse('< icmp unreachable [21:22(1)]')), { quoted: { seq: 5 } });
    t.end();
  });

  t.test('timestamps: those that were sent, and between them by distance', (t) => {
    const wants = '> . 1:1(0) ack 1 <nop,nop,TS val 100 ecr 0>';
    t.equal(typeof connection.toLive(parse('< . 1:1(0) ack 1 win 1 <nop,nop,TS val 1 ecr 100>')), 'string');
    t.match(connection.toScript(parse('> . 1:1(0) ack 1 <nop,nop,TS val 5000 ecr 0>'), parse(wants)), {
      options: [{}, {}, { val: 100 }],
    });
    t.match(connection.toScript(parse('> . 1:1(0) ack 1 <nop,nop,TS val 5007 ecr 0>'), parse(wants)), {
      options: [{}, {}, { val: 107 }],
    });
    const echo = (ecr: number): unknown =>
      connection.toLive(parse(`< . 1:1(0) ack 1 win 1 <nop,nop,TS val 1 ecr ${ecr}>`));
    t.match(echo(100), { options: [{}, {}, { ecr: 5007 }] }, 'the last that the script called so');
    t.match(echo(105), { options: [{}, {}, { ecr: 5005 }] });
    t.end();
  });
  t.end();
});
