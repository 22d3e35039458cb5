import * as fc from 'fast-check';
import t from 'tap';
import { Drop, dropName } from '../../src/base/drop.ts';
import { fold, pseudo4 } from '../../src/wire/checksum.ts';
import { Protocol } from '../../src/wire/ipv4.ts';
import * as udp from '../../src/wire/udp.ts';
import { AT, blank, ip, SEED, toHex, view, viewOf } from './bytes.ts';
import { FRAMES, L3 } from './frames.ts';

const UDP = AT + L3 + 20;
const A = ip('10.77.0.1');
const B = ip('10.77.0.2');

const pseudo = (length: number, src: number = A): number => pseudo4(src, B, Protocol.Udp, length);

t.test('a datagram of a foreign host (RFC 768)', (t) => {
  const frame = view(FRAMES.udp);
  t.equal(udp.check(frame, UDP, frame.byteLength), Drop.None);
  t.same([udp.srcPort(frame, UDP), udp.dstPort(frame, UDP)], [5353, 53]);
  t.same([udp.length(frame, UDP), udp.checksum(frame, UDP)], [13, 0x9247]);
  t.ok(udp.verify(frame, UDP, 13, pseudo(13)));
  t.notOk(udp.verify(frame, UDP, 13, pseudo(13, B)), 'the addresses are covered');
  t.end();
});

t.test('a datagram is written as a foreign host writes it', (t) => {
  const packet = view('0000000000000000 68656c6c6f');
  t.equal(udp.write(packet, AT, 5353, 53, 13), AT + 8);
  udp.fillChecksum(packet, AT, 13, pseudo(13));
  t.equal(toHex(packet), toHex(view(FRAMES.udp), UDP));
  t.end();
});

const FAULTS: readonly (readonly [name: string, hex: string, want: Drop])[] = [
  ['7 octets', '00010002000800', Drop.UdpTruncated],
  ['length 7', '0001000200070000', Drop.UdpLength],
  ['length 0, which only jumbograms have', '0001000200000000', Drop.UdpLength],
  ['one more than is there', '0001000200090000', Drop.UdpLength],
  ['no data', '0001000200080000', Drop.None],
  ['more there than it says (RFC 1122 §3.3.2: not an error)', '0001000200080000 ff', Drop.None],
];

t.test('datagrams that are refused', (t) => {
  for (const [name, hex, want] of FAULTS) {
    const packet = view(hex);
    t.equal(dropName(udp.check(packet, AT, packet.byteLength)), dropName(want), name);
  }
  t.end();
});

t.test('no checksum passes, a computed zero is sent as all ones (RFC 768)', (t) => {
  const packet = view('0001000200080000');
  t.ok(udp.verify(packet, AT, 8, pseudo(8)));
  // The source port makes the sum come out as all ones.
  udp.write(packet, AT, 0, 0, 8);
  const port = 0xffff - fold(pseudo(8) + 8);
  udp.write(packet, AT, port, 0, 8);
  udp.fillChecksum(packet, AT, 8, pseudo(8));
  t.equal(udp.checksum(packet, AT), 0xffff);
  t.ok(udp.verify(packet, AT, 8, pseudo(8)));
  t.end();
});

t.test('translation keeps the checksum right, and none stays none (RFC 3022 §4.1)', (t) => {
  const word16 = fc.integer({ min: 0, max: 0xffff });
  const word32 = fc.integer({ min: -0x80000000, max: 0x7fffffff });
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 8, maxLength: 30 }),
      word16,
      word16,
      word32,
      (bytes, a, b, src) => {
        const packet = viewOf(bytes);
        udp.fillChecksum(packet, AT, bytes.length, pseudo(bytes.length));
        udp.setSrcPort(packet, AT, a);
        udp.setDstPort(packet, AT, b);
        udp.adjustChecksum32(packet, AT, A, src);
        if (udp.checksum(packet, AT) === 0 || udp.srcPort(packet, AT) !== a || udp.dstPort(packet, AT) !== b)
          return false;
        return udp.verify(packet, AT, bytes.length, pseudo(bytes.length, src));
      },
    ),
    SEED,
  );
  const none = view('0001000200080000');
  udp.setSrcPort(none, AT, 9);
  udp.adjustChecksum32(none, AT, A, B);
  t.equal(udp.checksum(none, AT), 0);
  t.end();
});

t.test('a partial checksum is the folded sum of the pseudo header', (t) => {
  const packet = blank(8);
  udp.write(packet, AT, 1, 2, 8);
  udp.setPartialChecksum(packet, AT, pseudo(8));
  t.equal(udp.checksum(packet, AT), fold(pseudo(8)));
  t.equal(udp.CHECKSUM_OFFSET, 6);
  t.end();
});
