import * as fc from 'fast-check';
import t from 'tap';
import { Drop, dropName } from '../../src/base/drop.ts';
import { fold, pseudo4 } from '../../src/wire/checksum.ts';
import { Protocol } from '../../src/wire/ipv4.ts';
import * as tcp from '../../src/wire/tcp.ts';
import { Flag } from '../../src/wire/tcp.ts';
import { AT, blank, ip, SEED, toHex, view, viewOf } from './bytes.ts';
import { FRAMES, L3 } from './frames.ts';

const TCP = AT + L3 + 20;
const A = ip('10.77.0.1');
const B = ip('10.77.0.2');

const pseudo = (length: number, src: number = A): number => pseudo4(src, B, Protocol.Tcp, length);

t.test('a segment of a foreign host (RFC 9293 §3.1)', (t) => {
  const frame = view(FRAMES.data);
  const end = frame.byteLength;
  t.equal(tcp.check(frame, TCP, end), Drop.None);
  t.same([tcp.srcPort(frame, TCP), tcp.dstPort(frame, TCP)], [49_308, 80]);
  t.same([tcp.seq(frame, TCP), tcp.ack(frame, TCP)], [975_019_359, 2_445_180_172 | 0]);
  t.same([tcp.dataOffset(frame, TCP), tcp.flags(frame, TCP)], [32, Flag.Psh | Flag.Ack]);
  t.same([tcp.window(frame, TCP), tcp.urgentPointer(frame, TCP)], [63, 0]);
  t.equal(tcp.checksum(frame, TCP), 0xd182);
  t.ok(tcp.verify(frame, TCP, end - TCP, pseudo(end - TCP)));
  t.notOk(tcp.verify(frame, TCP, end - TCP, pseudo(end - TCP, B)));
  t.end();
});

t.test('SEG.LEN counts SYN and FIN (RFC 9293 §3.3.1)', (t) => {
  const frame = view(FRAMES.data);
  t.equal(tcp.segmentLength(frame, TCP, frame.byteLength), 8);
  const syn = view(FRAMES.syn);
  t.equal(tcp.segmentLength(syn, TCP, syn.byteLength), 1);
  const both = blank(25);
  tcp.write(both, AT, 1, 2, 3, 4, 20, Flag.Syn | Flag.Fin | Flag.Ack, 5, 0);
  t.equal(tcp.segmentLength(both, AT, AT + 25), 7);
  t.end();
});

const FAULTS: readonly (readonly [name: string, hex: string, want: Drop])[] = [
  ['19 octets', '0001000200000000000000005010ffff000000', Drop.TcpTruncated],
  ['data offset 4', '0001000200000000000000004010ffff00000000', Drop.TcpDataOffset],
  ['data offset beyond the end', '0001000200000000000000006010ffff00000000', Drop.TcpDataOffset],
  ['no options', '0001000200000000000000005010ffff00000000', Drop.None],
  ['reserved bits set', '0001000200000000000000005f10ffff00000000', Drop.None],
];

t.test('segments that are refused', (t) => {
  for (const [name, hex, want] of FAULTS) {
    const packet = view(hex);
    t.equal(dropName(tcp.check(packet, AT, packet.byteLength)), dropName(want), name);
  }
  t.end();
});

t.test('what is written reads back and its checksum holds', (t) => {
  const word16 = fc.integer({ min: 0, max: 0xffff });
  const word32 = fc.integer({ min: -0x80000000, max: 0x7fffffff });
  const fields = fc.tuple(word16, word16, word32, word32, fc.nat(10), fc.nat(255), word16, word16);
  fc.assert(
    fc.property(fields, fc.nat(30), ([src, dst, seq, ack, options, flags, window, urgent], data) => {
      const headerBytes = 20 + 4 * options;
      const packet = blank(headerBytes + data);
      const length = headerBytes + data;
      const end = tcp.write(packet, AT, src, dst, seq, ack, headerBytes, flags, window, urgent);
      tcp.fillChecksum(packet, AT, length, pseudo(length));
      const written = [src, dst, seq, ack, headerBytes, flags, window, urgent];
      const read = [
        tcp.srcPort(packet, AT),
        tcp.dstPort(packet, AT),
        tcp.seq(packet, AT),
        tcp.ack(packet, AT),
        tcp.dataOffset(packet, AT),
        tcp.flags(packet, AT),
        tcp.window(packet, AT),
        tcp.urgentPointer(packet, AT),
      ];
      const isRight = tcp.verify(packet, AT, length, pseudo(length));
      return end === AT + 20 && isRight && read.join() === written.join();
    }),
    SEED,
  );
  t.end();
});

t.test('setters keep the checksum right (RFC 1624)', (t) => {
  const word16 = fc.integer({ min: 0, max: 0xffff });
  const word32 = fc.integer({ min: -0x80000000, max: 0x7fffffff });
  const fields = fc.tuple(word16, word16, word32, word32, fc.nat(255), word16, word32);
  fc.assert(
    fc.property(fields, ([src, dst, seq, ack, flags, window, address]) => {
      const packet = view(FRAMES.data);
      const length = packet.byteLength - TCP;
      tcp.setSrcPort(packet, TCP, src);
      tcp.setDstPort(packet, TCP, dst);
      tcp.setSeq(packet, TCP, seq);
      tcp.setAck(packet, TCP, ack);
      tcp.setFlags(packet, TCP, flags);
      tcp.setWindow(packet, TCP, window);
      tcp.adjustChecksum32(packet, TCP, A, address);
      const got = toHex(packet);
      const kept = tcp.dataOffset(packet, TCP) === 32 && tcp.flags(packet, TCP) === flags;
      tcp.fillChecksum(packet, TCP, length, pseudo(length, address));
      return kept && got === toHex(packet);
    }),
    SEED,
  );
  t.end();
});

t.test('a partial checksum is the folded sum of the pseudo header', (t) => {
  const packet = viewOf(new Uint8Array(20));
  tcp.setPartialChecksum(packet, AT, pseudo(1000));
  t.equal(packet.getUint16(AT + tcp.CHECKSUM_OFFSET), fold(pseudo(1000)));
  t.end();
});
