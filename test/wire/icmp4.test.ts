import * as fc from 'fast-check';
import t from 'tap';
import { Drop, dropName } from '../../src/base/drop.ts';
import * as icmp4 from '../../src/wire/icmp4.ts';
import { Type, UnreachableCode } from '../../src/wire/icmp4.ts';
import { AT, blank, ip, SEED, toHex, view, viewOf } from './bytes.ts';
import { FRAMES, L3 } from './frames.ts';

const ICMP = AT + L3 + 20;

t.test('an echo of a foreign host (RFC 792)', (t) => {
  const frame = view(FRAMES.echo);
  t.equal(icmp4.check(frame, ICMP, frame.byteLength), Drop.None);
  t.same([icmp4.type(frame, ICMP), icmp4.code(frame, ICMP)], [Type.Echo, 0]);
  t.equal(icmp4.checksum(frame, ICMP), 0xa7ef);
  t.same([icmp4.id(frame, ICMP), icmp4.seq(frame, ICMP)], [0x3328, 1]);
  t.equal(icmp4.word(frame, ICMP), icmp4.idSeq(0x3328, 1));
  t.equal(icmp4.isError(frame, ICMP), false);
  t.end();
});

t.test('an echo becomes the reply that Linux sent (RFC 1122 §3.2.2.6)', (t) => {
  const frame = view(FRAMES.echo);
  icmp4.setType(frame, ICMP, Type.EchoReply);
  t.equal(toHex(frame, ICMP), toHex(view(FRAMES.echoReply), ICMP));
  t.end();
});

t.test('a port unreachable is written as Linux wrote it (RFC 1812 §4.3.2.3)', (t) => {
  const want = view(FRAMES.portUnreachable);
  const quote = view(FRAMES.udp);
  const packet = blank(8 + 33);
  let end = icmp4.write(packet, AT, Type.Unreachable, UnreachableCode.Port, 0);
  for (let i = AT + L3; i < quote.byteLength; i++) packet.setUint8(end++, quote.getUint8(i));
  icmp4.fillChecksum(packet, AT, end);
  t.equal(toHex(packet), toHex(want, ICMP));
  t.ok(icmp4.isError(packet, AT));
  t.end();
});

t.test('what the rest of the header says, by type', (t) => {
  const packet = blank(8);
  icmp4.write(packet, AT, Type.Unreachable, UnreachableCode.FragmentationNeeded, 1400);
  t.equal(icmp4.nextHopMtu(packet, AT), 1400, 'RFC 1191 §4');
  icmp4.write(packet, AT, Type.ParameterProblem, icmp4.ParameterProblemCode.Pointer, 20 << 24);
  t.equal(icmp4.pointer(packet, AT), 20);
  icmp4.write(packet, AT, Type.Redirect, icmp4.RedirectCode.Host, ip('10.77.0.254'));
  t.equal(icmp4.gateway(packet, AT), ip('10.77.0.254'));
  icmp4.write(packet, AT, Type.TimeExceeded, icmp4.TimeExceededCode.Reassembly, 0);
  t.same([icmp4.type(packet, AT), icmp4.code(packet, AT), icmp4.word(packet, AT)], [11, 1, 0]);
  t.end();
});

t.test('timestamps (RFC 792)', (t) => {
  const packet = blank(20);
  icmp4.write(packet, AT, Type.TimestampReply, 0, icmp4.idSeq(3, 4));
  t.equal(icmp4.writeTimestamps(packet, AT, 1000, -1, 3000), AT + 20);
  t.equal(icmp4.TIMESTAMP_BYTES, 20);
  icmp4.fillChecksum(packet, AT, AT + 20);
  t.equal(icmp4.check(packet, AT, AT + 20), Drop.None);
  t.equal(icmp4.originateTimestamp(packet, AT), 1000);
  t.equal(icmp4.receiveTimestamp(packet, AT), -1);
  t.equal(icmp4.transmitTimestamp(packet, AT), 3000);
  t.end();
});

t.test('numbers of types and codes (RFC 792, RFC 1122 §3.2.2.1, RFC 1812 §5.2.7)', (t) => {
  t.same(Object.values(Type), [0, 3, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18]);
  t.same(Object.values(UnreachableCode), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
  t.same(Object.values(icmp4.RedirectCode), [0, 1, 2, 3]);
  t.same(Object.values(icmp4.TimeExceededCode), [0, 1]);
  t.same(Object.values(icmp4.ParameterProblemCode), [0, 1, 2]);
  const high = view('fffe fffd fffc fffb');
  t.same([icmp4.type(high, AT), icmp4.code(high, AT), icmp4.checksum(high, AT)], [255, 254, 0xfffd]);
  t.same([icmp4.id(high, AT), icmp4.seq(high, AT), icmp4.pointer(high, AT)], [0xfffc, 0xfffb, 255]);
  t.end();
});

t.test('errors are those that must not be answered by errors (RFC 1122 §3.2.2)', (t) => {
  const errors = Object.entries(Type).filter(([, type]) => icmp4.isErrorType(type));
  t.same(
    errors.map(([name]) => name),
    ['Unreachable', 'SourceQuench', 'Redirect', 'TimeExceeded', 'ParameterProblem'],
  );
  t.end();
});

const FAULTS: readonly (readonly [name: string, hex: string, want: Drop])[] = [
  ['7 octets', '0800f7ff000000', Drop.IcmpTruncated],
  ['checksum off by one', '0800f7fe00000000', Drop.IcmpChecksum],
  ['an octet of data not summed', '0800f7ff00000000 01', Drop.IcmpChecksum],
  ['good', '0800f7ff00000000', Drop.None],
  ['good, odd', '0800f6ff00000000 01', Drop.None],
];

t.test('messages that are refused', (t) => {
  for (const [name, hex, want] of FAULTS) {
    const packet = view(hex);
    t.equal(dropName(icmp4.check(packet, AT, packet.byteLength)), dropName(want), name);
  }
  t.end();
});

t.test('setters keep the checksum right (RFC 1624)', (t) => {
  const word16 = fc.integer({ min: 0, max: 0xffff });
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 8, maxLength: 30 }),
      word16,
      word16,
      fc.nat(17),
      (bytes, id, seq, type) => {
        const packet = viewOf(bytes);
        const end = packet.byteLength;
        // Of nothing but zeros the sum has two forms, of which 0xffff is never written.
        packet.setUint8(AT, Type.Echo);
        icmp4.fillChecksum(packet, AT, end);
        icmp4.setWord(packet, AT, icmp4.idSeq(seq, id));
        icmp4.setId(packet, AT, id);
        icmp4.setSeq(packet, AT, seq);
        icmp4.setType(packet, AT, type + 1);
        icmp4.setCode(packet, AT, 3);
        const got = toHex(packet);
        icmp4.fillChecksum(packet, AT, end);
        return got === toHex(packet) && icmp4.id(packet, AT) === id && icmp4.seq(packet, AT) === seq;
      },
    ),
    SEED,
  );
  t.end();
});
