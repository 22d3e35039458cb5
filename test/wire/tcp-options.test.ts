import * as fc from 'fast-check';
import t from 'tap';
import * as tcp from '../../src/wire/tcp.ts';
import { Flag } from '../../src/wire/tcp.ts';
import * as options from '../../src/wire/tcp-options.ts';
import { TcpOptions } from '../../src/wire/tcp-options.ts';
import { AT, blank, fromHex, SEED, toHex, view } from './bytes.ts';
import { FRAMES, L3 } from './frames.ts';

const TCP = AT + L3 + 20;
const LIST = AT + 20;

/** A header with these options, padded with 0. The view ends where the header does. */
function header(hex: string, flags: number): DataView {
  const list = fromHex(hex);
  const bytes = 20 + ((list.length + 3) & ~3);
  const packet = view('00'.repeat(bytes));
  tcp.write(packet, AT, 1, 2, 3, 4, bytes, flags, 5, 0);
  list.forEach((value, i) => {
    packet.setUint8(LIST + i, value);
  });
  return packet;
}

/** Only what differs from an empty object. */
function parsed(hex: string, flags: number = Flag.Syn): Record<string, unknown> {
  const into = new TcpOptions();
  const isGood = options.parse(header(hex, flags), AT, into);
  const empty = new TcpOptions();
  const result: Record<string, unknown> = isGood ? {} : { bad: true };
  for (const key of Object.keys(empty) as (keyof TcpOptions)[]) {
    if (key !== 'sack' && into[key] !== empty[key]) result[key] = into[key];
  }
  if (into.sackCount > 0) result['sack'] = [...into.sack.subarray(0, 2 * into.sackCount)];
  return result;
}

t.test('the options of a foreign SYN', (t) => {
  const into = new TcpOptions();
  t.equal(options.parse(view(FRAMES.syn), TCP, into), true);
  t.same([into.mss, into.wscale, into.sackPermitted], [1460, 10, true]);
  t.same([into.hasTs, into.tsVal, into.tsEcr], [true, 922_615_952, 0]);
  t.same([into.sackCount, into.fastOpenLength, into.hasMd5, into.hasAo], [0, -1, false, false]);
  options.parse(view(FRAMES.data), TCP, into);
  t.same([into.mss, into.wscale, into.sackPermitted], [0, -1, false], 'nothing remains of the last segment');
  t.same([into.hasTs, into.tsVal, into.tsEcr], [true, 922_615_952, 2_529_255_434 | 0]);
  t.end();
});

const TS = { hasTs: true, tsVal: 1, tsEcr: 2 };

const LISTS: readonly (readonly [name: string, hex: string, flags: number, want: object])[] = [
  ['none', '', Flag.Syn, {}],
  ['only the end', '00', Flag.Syn, {}],
  ['nothing counts behind the end', '00 020405b4', Flag.Syn, {}],
  ['maximum segment size', '020405b4', Flag.Syn, { mss: 1460 }],
  ['… of another length is passed over', '020505b400 0402', Flag.Syn, { sackPermitted: true }],
  ['… outside a SYN is ignored (RFC 9293 §3.7.1)', '020405b4', Flag.Ack, {}],
  ['window scale', '03030e', Flag.Syn, { wscale: 14 }],
  ['window scale 0 is not none', '030300', Flag.Syn, { wscale: 0 }],
  ['window scale above 14 is 14 (RFC 7323 §2.3)', '0303ff', Flag.Syn, { wscale: 14 }],
  ['window scale outside a SYN', '030307', Flag.Ack, {}],
  ['unaligned timestamps', '01 080a0000000100000002 00', Flag.Ack, TS],
  ['aligned timestamps (RFC 7323 appendix A)', '0101 080a0000000100000002', Flag.Ack, TS],
  ['timestamps above 2^31', '01 080afffffffefffffffd 00', Flag.Ack, { hasTs: true, tsVal: -2, tsEcr: -3 }],
  ['timestamps of another length', '08090000000100000002'.slice(0, 18), Flag.Ack, {}],
  ['unknown kinds are ignored (RFC 9293 MUST-6)', 'fd04beef 6302 0402', Flag.Syn, { sackPermitted: true }],
  ['one block', '0101 050a 00000001 00000002', Flag.Ack, { sackCount: 1, sack: [1, 2] }],
  [
    'four blocks across the wrap',
    '0101 0522 fffffff0 00000001 00000003 00000004 00000005 00000006 00000007 00000008',
    Flag.Ack,
    { sackCount: 4, sack: [-16, 1, 3, 4, 5, 6, 7, 8] },
  ],
  ['half a block is passed over', '050e 00000001 00000002 00000003', Flag.Ack, {}],
  ['no block', '0502', Flag.Ack, {}],
  [
    'fast open asks for a cookie (RFC 7413 §4.1.1)',
    '2202',
    Flag.Syn,
    { fastOpenAt: LIST + 2, fastOpenLength: 0 },
  ],
  ['fast open with a cookie', '220a 0102030405060708', Flag.Syn, { fastOpenAt: LIST + 2, fastOpenLength: 8 }],
  ['the longest cookie', `2212 ${'01'.repeat(16)}`, Flag.Syn, { fastOpenAt: LIST + 2, fastOpenLength: 16 }],
  ['a longer odd cookie', `2213 ${'01'.repeat(17)}`, Flag.Syn, {}],
  ['an odd cookie', '2207 0102030405', Flag.Syn, {}],
  ['a short cookie', '2204 0102', Flag.Syn, {}],
  ['a long cookie', `2214 ${'01'.repeat(18)}`, Flag.Syn, {}],
  ['MD5 (RFC 2385)', `1312 ${'01'.repeat(16)}`, Flag.Ack, { hasMd5: true }],
  ['TCP-AO (RFC 5925)', `1d10 ${'01'.repeat(14)}`, Flag.Ack, { hasAo: true }],
  ['length 0 (RFC 9293 MUST-7)', '020405b4 0300', Flag.Syn, { mss: 1460, bad: true }],
  ['length 1', '0301', Flag.Syn, { bad: true }],
  ['longer than the header', '010101010101 0204', Flag.Syn, { bad: true }],
  ['no room for a length', '010101 08', Flag.Ack, { bad: true }],
];

t.test('lists of options: what they say', (t) => {
  for (const [name, hex, flags, want] of LISTS) {
    t.same(parsed(hex, flags), want, name);
  }
  t.end();
});

/** Where `check` finds a fault, counted from the first option. */
function place(hex: string): number {
  const packet = header(hex, Flag.Syn);
  const found = options.check(packet, AT, packet.byteLength);
  return found < 0 ? found : found - LIST;
}

t.test('the octet that makes a list wrong', (t) => {
  t.equal(place('0204 05b4 0402'), -1);
  t.equal(place('fd04beef'), -1);
  t.equal(place('01 0200 00'), 2);
  t.equal(place('020405b4 0404 0000'), -1, 'a length that is wrong for its kind only is no fault');
  t.equal(place('010101 08'), 4);
  t.end();
});

t.test('a SYN has its options where Linux has them', (t) => {
  const frame = view(FRAMES.syn);
  const packet = blank(40);
  const end = options.writeSyn(packet, LIST, 1460, 10, true, true, 922_615_952, 0);
  t.equal(toHex(packet, LIST, end), toHex(frame, TCP + 20));
  const write = (mss: number, wscale: number, sack: boolean, ts: boolean): string =>
    toHex(packet, LIST, options.writeSyn(packet, LIST, mss, wscale, sack, ts, 1, 2));
  t.equal(write(1460, -1, false, false), '020405b4');
  t.equal(write(1460, 7, true, false), '020405b40101040201030307');
  t.equal(write(1460, -1, false, true), '020405b40101080a0000000100000002');
  t.equal(write(0, 0, false, false), '01030300');
  t.end();
});

t.test('later segments have timestamps, then blocks', (t) => {
  const packet = blank(60);
  const end = options.writeTimestamps(packet, LIST, -1, 2);
  t.equal(end, LIST + options.TIMESTAMPS_BYTES);
  const sackEnd = options.writeSack(packet, end, Int32Array.of(1, 2, -2, -1, 9, 9), 2);
  t.equal(sackEnd, end + options.SACK_HEAD_BYTES + 16);
  t.equal(toHex(packet, LIST, sackEnd), '0101080affffffff00000002010105120000000100000002fffffffeffffffff');
  t.end();
});

t.test('fast-open cookies are written aligned', (t) => {
  const packet = blank(40);
  const cookie = fromHex('0102030405060708');
  const write = (bytes: number): string =>
    toHex(packet, LIST, options.writeFastOpen(packet, LIST, cookie, bytes));
  t.equal(write(0), '01012202');
  t.equal(write(8), '0101220a0102030405060708');
  t.equal(write(6), '2208010203040506');
  t.end();
});

t.test('any list is read within its header, and check agrees with parse', (t) => {
  const into = new TcpOptions();
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.constantFrom(Flag.Syn, Flag.Ack), (bytes, flags) => {
      const packet = header('00'.repeat(bytes.length & ~3), flags);
      for (let i = LIST; i < packet.byteLength; i++) packet.setUint8(i, (bytes[i - LIST] as number) % 36);
      const bad = options.check(packet, AT, packet.byteLength);
      return options.parse(packet, AT, into) === bad < 0;
    }),
    { ...SEED, numRuns: 3000 },
  );
  t.end();
});
