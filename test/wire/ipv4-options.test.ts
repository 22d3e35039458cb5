import * as fc from 'fast-check';
import t from 'tap';
import { Drop } from '../../src/base/drop.ts';
import * as ipv4 from '../../src/wire/ipv4.ts';
import * as options from '../../src/wire/ipv4-options.ts';
import { Option, StampFlag } from '../../src/wire/ipv4-options.ts';
import { AT, blank, ip, SEED, toHex, view, viewOf } from './bytes.ts';
import { FRAMES, L3 } from './frames.ts';

const IP = AT + L3;
const LIST = AT + 20;
const A = ip('10.77.0.1');
const B = ip('10.77.0.2');

/** A header with these options; its end is the end of the view. */
function header(hex: string): DataView {
  const list = view(hex);
  const packet = blank(20 + list.byteLength - AT);
  ipv4.write(packet, AT, packet.byteLength - AT, 0, 1, 0, 64, 1, A, B);
  for (let i = AT; i < list.byteLength; i++) packet.setUint8(LIST + i - AT, list.getUint8(i));
  ipv4.setHeaderLength(packet, AT, packet.byteLength - AT);
  return packet;
}

/** `want` counts from the first option; -1 is a good list. */
const LISTS: readonly (readonly [name: string, hex: string, want: number])[] = [
  ['only padding', '00000000', -1],
  ['no operations', '01010101', -1],
  ['after the end anything may stand', '00 ff 01 00', -1],
  ['unknown but well formed (RFC 1122 §3.2.1.8)', '5e 04 1234', -1],
  ['unknown ones may come again', '5e025e02', -1],
  ['router alert (RFC 2113)', '94040000', -1],
  ['router alert of another length', '94030000', 1],
  ['no room for a length', '010101 07', 3],
  ['length 0', '5e 00 0000', 1],
  ['length 1', '5e 01 0000', 1],
  ['longer than the header', '01 5e 04 00', 2],
  ['record route, empty and full', '07 07 04 00000000 00', -1],
  ['record route used up', '07 07 08 0a4d0001 00', -1],
  ['record route without a pointer', '07 02 0000', 1],
  ['record route, pointer below the first entry', '07 07 03 00000000 00', 2],
  ['record route, room for half an address', '07 06 04 000000 0000', 2],
  ['loose source route', '83 07 04 0a4d0003 00', -1],
  ['two source routes', '83 07 04 0a4d0003 89 07 04 0a4d0003 0000', 7],
  ['two record routes', '07 07 04 00000000 07 07 04 00000000 0000', 7],
  ['timestamps only', '44 08 05 00 00000000', -1],
  ['timestamp without flags', '44 03 05 00', 1],
  ['timestamp, pointer below the first', '44 08 04 00 00000000', 2],
  ['timestamp, no room for address and time', '44 08 05 01 00000000', 2],
  ['timestamp, flag 2', '44 08 05 02 00000000', 3],
  ['timestamp, full with overflow 15', '44 08 09 f0 00000000', -1],
];

t.test('lists of options: where they go wrong (RFC 791 §3.1, RFC 1122 §3.2.1.8)', (t) => {
  for (const [name, hex, want] of LISTS) {
    const packet = header(hex);
    const found = options.check(packet, AT, packet.byteLength);
    t.equal(found, want < 0 ? -1 : LIST + want, name);
  }
  t.end();
});

t.test('an option is found by its type', (t) => {
  const packet = header('01 94040000 83 07 04 0a4d0003');
  const end = packet.byteLength;
  t.equal(options.find(packet, AT, end, Option.RouterAlert), LIST + 1);
  t.equal(options.find(packet, AT, end, Option.LooseRoute), LIST + 5);
  t.equal(options.find(packet, AT, end, Option.RecordRoute), -1);
  t.equal(options.hasSourceRoute(packet, AT, end), true);
  t.equal(options.hasSourceRoute(header('89 03 04 00'), AT, AT + 24), true, 'strict');
  const ended = header('94040000 00 83 03 04');
  t.equal(options.hasSourceRoute(ended, AT, ended.byteLength), false, 'not behind the end of the list');
  t.equal(options.hasOptions(packet, AT), true);
  t.equal(options.hasOptions(view(FRAMES.udp), IP), false);
  t.ok(options.isSourceRoute(Option.StrictRoute) && !options.isSourceRoute(Option.Security));
  t.end();
});

t.test('the route is recorded as Linux records it (RFC 1812 §5.3.13.5)', (t) => {
  const frame = view(FRAMES.recordRoute);
  const option = options.find(frame, IP, IP + 60, Option.RecordRoute);
  t.equal(options.pointer(frame, option), 8);
  options.recordRoute(frame, IP, option, B);
  t.equal(toHex(frame, option, option + 11), '07270c0a4d00010a4d0002');
  t.equal(ipv4.check(frame, IP, frame.byteLength), Drop.None);
  t.end();
});

t.test('a full route stays as it is', (t) => {
  const packet = header('07 07 08 0a4d0001 00');
  const before = toHex(packet);
  t.ok(options.isFull(packet, LIST));
  options.recordRoute(packet, AT, LIST, B);
  t.equal(toHex(packet), before);
  t.end();
});

t.test('times are recorded as Linux records them (RFC 1812 §5.3.13.6)', (t) => {
  const frame = view(FRAMES.timestamp);
  const option = options.find(frame, IP, IP + 56, Option.Timestamp);
  t.equal(options.stampFlag(frame, option), StampFlag.WithAddress);
  t.equal(options.recordTimestamp(frame, IP, option, B, 0x0333a6fe), -1);
  t.equal(toHex(frame, option, option + 20), '442415010a4d00010333a6fe0a4d00020333a6fe');
  t.equal(ipv4.check(frame, IP, frame.byteLength), Drop.None);
  t.end();
});

t.test('times without addresses, and the count of those who found no room (RFC 791 §3.1)', (t) => {
  const packet = header('44 08 05 00 00000000');
  t.equal(options.recordTimestamp(packet, AT, LIST, A, 0x01020304), -1);
  t.equal(toHex(packet, LIST), '4408090001020304');
  t.equal(options.recordTimestamp(packet, AT, LIST, A, 5), -1);
  t.equal(toHex(packet, LIST), '4408091001020304');
  t.equal(options.overflow(packet, LIST), 1);
  packet.setUint8(LIST + 3, 0xf0);
  t.equal(options.recordTimestamp(packet, AT, LIST, A, 5), LIST + 3, 'the sixteenth is an error');
  t.end();
});

t.test('prespecified addresses: each has its turn, nobody overflows', (t) => {
  const packet = header('44 14 05 03 0a4d0001 00000000 0a4d0002 00000000');
  t.equal(options.stampAddress(packet, LIST), A);
  options.recordTimestamp(packet, AT, LIST, A, 7);
  t.equal(options.stampAddress(packet, LIST), B);
  options.recordTimestamp(packet, AT, LIST, B, 8);
  t.equal(toHex(packet, LIST), '44141503 0a4d0001 00000007 0a4d0002 00000008'.replaceAll(' ', ''));
  t.equal(options.stampAddress(packet, LIST), 0);
  t.equal(options.recordTimestamp(packet, AT, LIST, A, 9), -1);
  t.equal(options.overflow(packet, LIST), 0);
  t.end();
});

t.test('options are written', (t) => {
  const packet = blank(60);
  t.equal(options.writeRouterAlert(packet, LIST), LIST + 4);
  t.equal(toHex(packet, LIST, LIST + 4), '94040000');
  t.equal(options.writeRecordRoute(packet, LIST, 2), LIST + 11);
  t.equal(toHex(packet, LIST, LIST + 11), '070b040000000000000000');
  t.equal(options.writeTimestamp(packet, LIST, StampFlag.WithAddress, 1), LIST + 12);
  t.equal(toHex(packet, LIST, LIST + 12), '440c05010000000000000000');
  t.equal(options.pad(packet, LIST, LIST + 5), LIST + 8);
  t.equal(toHex(packet, LIST + 4, LIST + 8), '00000000');
  t.equal(options.pad(packet, LIST, LIST + 8), LIST + 8);
  t.same(
    [1, 2, 3, 4].map((length) => options.pad(packet, LIST, LIST + length)).map((end) => end - LIST),
    [4, 4, 4, 4],
  );
  t.end();
});

t.test('later fragments carry the copied options only (RFC 791 §3.2)', (t) => {
  const packet = header('07 07 04 00000000 01 94040000 83 07 04 0a4d0003 00');
  t.same([Option.RouterAlert, Option.LooseRoute, Option.RecordRoute].map(options.isCopied), [
    true,
    true,
    false,
  ]);
  const fragment = blank(60);
  ipv4.write(fragment, AT, 60, 0, 1, 0, 64, 1, A, B);
  const end = options.copyForFragment(packet, AT, packet.byteLength, fragment, AT);
  t.equal(toHex(fragment, LIST, end), '940400008307040a4d000300');
  ipv4.setHeaderLength(fragment, AT, end - AT);
  t.equal(ipv4.check(fragment, AT, fragment.byteLength), Drop.None);
  t.equal(options.check(fragment, AT, end), -1);
  t.end();
});

t.test('fragments of a packet without an end of its list', (t) => {
  const packet = header('01010101 94040000');
  const fragment = blank(24);
  ipv4.write(fragment, AT, 24, 0, 1, 0, 64, 1, A, B);
  t.equal(options.copyForFragment(packet, AT, packet.byteLength, fragment, AT), AT + 24);
  t.equal(toHex(fragment, LIST), '94040000');
  t.end();
});

t.test('any list gets a verdict, and a good one can be walked and changed within its header', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const list = bytes.slice(0, bytes.length & ~3);
      const packet = header('00'.repeat(list.length));
      const end = packet.byteLength;
      list.forEach((value, i) => {
        packet.setUint8(LIST + i, value);
      });
      const bad = options.check(packet, AT, end);
      if (bad >= 0) return bad >= LIST && bad < end;
      const route = options.find(packet, AT, end, Option.RecordRoute);
      if (route >= 0) options.recordRoute(packet, AT, route, -1);
      const stamp = options.find(packet, AT, end, Option.Timestamp);
      if (stamp >= 0) options.recordTimestamp(packet, AT, stamp, -1, -1);
      return options.check(packet, AT, end) === -1;
    }),
    { ...SEED, numRuns: 3000 },
  );
  t.ok(options.MAX_OPTION_BYTES === 40);
  t.equal(options.check(viewOf(new Uint8Array(20)), AT, AT + 20), -1, 'no list is a good list');
  t.end();
});
