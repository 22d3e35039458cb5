import * as fc from 'fast-check';
import t from 'tap';
import { parseIp } from '../../../src/addr/ip.ts';
import { Drop } from '../../../src/base/drop.ts';
import { rng } from '../../../src/base/rng.ts';
import { completeChecksum, Segmenter } from '../../../src/ip/fragment/segment.ts';
import { ATOMIC_ID, IpId } from '../../../src/ip/ip-id.ts';
import type { Packet } from '../../../src/packet/packet.ts';
import { GsoType, PacketFlag } from '../../../src/packet/packet.ts';
import { fold, pseudo4 } from '../../../src/wire/checksum.ts';
import * as ipv4 from '../../../src/wire/ipv4.ts';
import * as ipv6 from '../../../src/wire/ipv6.ts';
import * as tcp from '../../../src/wire/tcp.ts';
import * as udp from '../../../src/wire/udp.ts';
import { dataOf, ip, isHeaderRight, isSumRight, Lab, pattern } from '../fixture.ts';

const { Fin, Psh, Ack, Cwr, Ece } = tcp.Flag;
const SRC = ip('10.77.0.1');
const DST = ip('10.77.0.2');
const TIMESTAMPS = [1, 1, 8, 10, 0, 0, 0, 7, 0, 0, 0, 9];

interface SuperFields {
  length?: number;
  gsoSize?: number;
  flags?: number;
  seq?: number;
  options?: readonly number[];
  l3?: number;
}

/** A TCP super-segment as a connection makes it: its checksum partial. */
function superSegment(lab: Lab, fields: SuperFields = {}): Packet {
  const options = fields.options ?? TIMESTAMPS;
  const header = 20 + options.length;
  const data = new Uint8Array(header + (fields.length ?? 4_000));
  data.set(options, 20);
  data.set(pattern(data.length - header), header);
  const packet = lab.datagram({
    data,
    protocol: ipv4.Protocol.Tcp,
    df: true,
    id: 0xfffe,
    l3: fields.l3 ?? 272,
  });
  const { view, l4 } = packet;
  tcp.write(view, l4, 80, 4_000, fields.seq ?? 0x7ffffff0, 99, header, fields.flags ?? Ack, 500, 0);
  tcp.setPartialChecksum(view, l4, pseudo4(SRC, DST, ipv4.Protocol.Tcp, data.length));
  offload(packet, GsoType.Tcp4, fields.gsoSize ?? 1_448, tcp.CHECKSUM_OFFSET);
  return packet;
}

function offload(packet: Packet, gsoType: number, gsoSize: number, csumOffset: number): void {
  packet.gsoType = gsoType;
  packet.gsoSize = gsoSize;
  packet.flags |= PacketFlag.ChecksumPartial;
  packet.csumStart = packet.l4;
  packet.csumOffset = csumOffset;
}

function cutSuper(lab: Lab, packet: Packet, isComplete: boolean): Packet[] {
  const segmenter = new Segmenter(lab.pool, lab.drops);
  segmenter.start(packet, isComplete);
  const pieces: Packet[] = [];
  for (let p = segmenter.next(); p !== null; p = segmenter.next()) pieces.push(p);
  return pieces;
}

const pseudoOf = (packet: Packet): number =>
  pseudo4(SRC, DST, ipv4.protocol(packet.view, packet.l3), packet.tail - packet.l4);

function release(packets: readonly Packet[]): void {
  for (const packet of packets) packet.release();
}

t.test('TCP super-segments', (t) => {
  t.test('sequence numbers, identifications and flags of each piece', (t) => {
    const lab = new Lab();
    const pieces = cutSuper(lab, superSegment(lab, { flags: Ack | Psh | Fin | Cwr | Ece }), true);
    const rows = pieces.map(({ view, l3, l4, tail }) => ({
      bytes: tail - l4 - tcp.dataOffset(view, l4),
      seq: tcp.seq(view, l4),
      id: ipv4.id(view, l3),
      flags: tcp.flags(view, l4),
    }));
    t.strictSame(rows, [
      { bytes: 1_448, seq: 0x7ffffff0, id: 0xfffe, flags: Ack | Ece | Cwr },
      { bytes: 1_448, seq: (0x7ffffff0 + 1_448) | 0, id: 0xffff, flags: Ack | Ece },
      { bytes: 1_104, seq: (0x7ffffff0 + 2_896) | 0, id: 0, flags: Ack | Ece | Psh | Fin },
    ]);
    for (const piece of pieces) {
      const { view, l3, l4 } = piece;
      t.ok(isHeaderRight(piece));
      t.ok(isSumRight(piece, l4, pseudoOf(piece)));
      t.ok(ipv4.isDf(view, l3));
      t.equal(tcp.ack(view, l4), 99);
      t.equal(tcp.window(view, l4), 500);
      t.strictSame(Array.from(piece.bytes.slice(l4 + 20, l4 + 32)), TIMESTAMPS);
      t.equal(piece.gsoType, GsoType.None);
      t.equal(piece.flags, 0);
    }
    release(pieces);
    lab.expectWhole(t);
    t.end();
  });

  t.test('any size: the pieces are what a connection without offload would have sent', (t) => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 65_000 }),
        fc.integer({ min: 536, max: 9_000 }),
        fc.integer(),
        fc.boolean(),
        (length, gsoSize, seq, isComplete) => {
          const lab = new Lab(128);
          const want = pattern(length);
          const pieces = cutSuper(lab, superSegment(lab, { length, gsoSize, seq }), isComplete);
          let isRight = pieces.length === Math.ceil(length / gsoSize);
          let at = 0;
          for (const piece of pieces) {
            const { view, l4 } = piece;
            if (!isComplete) isRight &&= completeChecksum(piece) === Drop.None;
            const data = piece.bytes.slice(l4 + tcp.dataOffset(view, l4), piece.tail);
            isRight &&= isHeaderRight(piece) && isSumRight(piece, l4, pseudoOf(piece));
            isRight &&= tcp.seq(view, l4) === ((seq + at) | 0);
            isRight &&= Buffer.compare(data, want.subarray(at, at + gsoSize)) === 0;
            at += data.length;
          }
          release(pieces);
          return isRight && at === length && lab.pool.available === lab.pool.capacity;
        },
      ),
      { seed: 20_251_120, numRuns: 60 },
    );
    t.end();
  });

  t.test('on request the checksums stay partial, each with its own length', (t) => {
    const lab = new Lab();
    const pieces = cutSuper(lab, superSegment(lab), false);
    for (const piece of pieces) {
      t.equal(piece.flags, PacketFlag.ChecksumPartial);
      t.equal(piece.csumStart, piece.l4);
      t.equal(piece.csumOffset, tcp.CHECKSUM_OFFSET);
      t.equal(tcp.checksum(piece.view, piece.l4), fold(pseudoOf(piece)));
    }
    release(pieces);
    lab.expectWhole(t);
    t.end();
  });

  t.test('a link header in front is repeated', (t) => {
    const lab = new Lab();
    const packet = superSegment(lab);
    packet.push(14);
    packet.bytes.fill(0xee, packet.head, packet.l3);
    const pieces = cutSuper(lab, packet, true);
    t.ok(pieces.every((p) => p.head === p.l3 - 14 && p.bytes[p.head] === 0xee && p.bytes[p.l3 - 1] === 0xee));
    t.ok(pieces.every(isHeaderRight));
    release(pieces);
    lab.expectWhole(t);
    t.end();
  });

  t.test('over IPv6', (t) => {
    const lab = new Lab();
    const packet = lab.take();
    const { view, bytes } = packet;
    const src = parseIp('2001:db8::1');
    const dst = parseIp('2001:db8::2');
    if (src === null || dst === null) throw new Error('no address');
    packet.l4 = packet.l3 + ipv6.HEADER_BYTES;
    packet.tail = packet.l4 + 20 + 3_000;
    ipv6.write(view, packet.l3, 0, 0, 3_020, ipv4.Protocol.Tcp, 64, src, dst);
    tcp.write(view, packet.l4, 1, 2, 3, 4, 20, Ack, 5, 0);
    bytes.set(pattern(3_000), packet.l4 + 20);
    offload(packet, GsoType.Tcp6, 1_220, tcp.CHECKSUM_OFFSET);
    const pieces = cutSuper(lab, packet, true);
    t.strictSame(
      pieces.map((p) => ipv6.payloadLength(p.view, p.l3)),
      [1_240, 1_240, 580],
    );
    for (const p of pieces) {
      t.ok(isSumRight(p, p.l4, ipv6.pseudo(p.view, p.l3, ipv4.Protocol.Tcp, p.tail - p.l4)));
    }
    release(pieces);
    lab.expectWhole(t);
    t.end();
  });

  t.test('an empty pool: the rest is dropped and counted', (t) => {
    const lab = new Lab(2);
    const pieces = cutSuper(lab, superSegment(lab), true);
    t.equal(pieces.length, 1);
    t.strictSame(lab.counted(), { NoSlot: 1 });
    release(pieces);
    lab.expectWhole(t);
    t.end();
  });

  t.test('what is no super-segment is refused: a virtio header may lie', (t) => {
    const LIES: [string, (packet: Packet) => Partial<Packet>][] = [
      ['no size', () => ({ gsoSize: 0 })],
      ['another family', () => ({ gsoType: GsoType.Tcp6 })],
      ['an unknown type', () => ({ gsoType: 3 })],
      ['no data', ({ l4 }) => ({ tail: l4 + 32 })],
      ['no room for the header', ({ l4 }) => ({ tail: l4 + 12 })],
      ['no room for its options', ({ l4 }) => ({ tail: l4 + 24 })],
      ['a transport elsewhere', ({ l4 }) => ({ l4: l4 + 4 })],
    ];
    for (const [name, lie] of LIES) {
      const lab = new Lab();
      const packet = superSegment(lab);
      Object.assign(packet, lie(packet));
      const segmenter = new Segmenter(lab.pool, lab.drops);
      t.equal(segmenter.start(packet), Drop.OffloadBad, name);
      t.equal(segmenter.next(), null);
      lab.expectWhole(t);
    }
    t.end();
  });
  t.end();
});

/** A UDP super-datagram, its checksum partial. */
const superDatagram = (lab: Lab, length: number, gsoSize: number): Packet => {
  const data = new Uint8Array(8 + length);
  data.set(pattern(length), 8);
  const packet = lab.datagram({ data, id: 7 });
  udp.write(packet.view, packet.l4, 53, 54, data.length);
  udp.setPartialChecksum(packet.view, packet.l4, pseudo4(SRC, DST, ipv4.Protocol.Udp, data.length));
  offload(packet, GsoType.Udp, gsoSize, udp.CHECKSUM_OFFSET);
  return packet;
};

t.test('UDP super-datagrams', (t) => {
  t.test('each piece is a datagram with its own length and checksum', (t) => {
    const lab = new Lab();
    const pieces = cutSuper(lab, superDatagram(lab, 2_500, 1_000), true);
    t.strictSame(
      pieces.map(({ view, l3, l4 }) => [udp.length(view, l4), ipv4.id(view, l3), udp.dstPort(view, l4)]),
      [
        [1_008, 7, 54],
        [1_008, 8, 54],
        [508, 9, 54],
      ],
    );
    const data = Buffer.concat(pieces.map((p) => dataOf(p).subarray(8)));
    t.strictSame(new Uint8Array(data), pattern(2_500));
    t.ok(pieces.every((p) => isHeaderRight(p) && isSumRight(p, p.l4, pseudoOf(p))));
    release(pieces);
    lab.expectWhole(t);
    t.end();
  });

  t.test('a checksum that comes out as zero is sent as all ones (RFC 768)', (t) => {
    const lab = new Lab();
    const packet = superDatagram(lab, 4, 2);
    // The first piece's data is whatever makes its sum all ones.
    const { view, l4 } = packet;
    view.setInt32(l4 + 8, 0);
    const rest = fold(pseudo4(SRC, DST, 17, 10) + 53 + 54 + 10);
    view.setUint16(l4 + 8, 0xffff - rest);
    const pieces = cutSuper(lab, packet, true);
    const first = pieces[0] as Packet;
    t.equal(udp.checksum(first.view, first.l4), 0xffff);
    t.ok(isSumRight(first, first.l4, pseudoOf(first)));
    release(pieces);
    lab.expectWhole(t);
    t.end();
  });

  t.test('without a checksum the pieces have none either', (t) => {
    const lab = new Lab();
    const packet = superDatagram(lab, 20, 10);
    packet.flags = 0;
    packet.view.setUint16(packet.l4 + 6, 0);
    const pieces = cutSuper(lab, packet, true);
    t.strictSame(
      pieces.map((p) => udp.checksum(p.view, p.l4)),
      [0, 0],
    );
    release(pieces);
    lab.expectWhole(t);
    t.end();
  });
  t.end();
});

t.test('identifications (RFC 6864, RFC 7739 §5.3)', (t) => {
  t.test('count up for each pair of addresses and protocol, from unlike starts', (t) => {
    const ids = new IpId(rng(7));
    const first = ids.next(SRC, DST, 17);
    t.equal(ids.next(SRC, DST, 17), (first + 1) & 0xffff);
    t.equal(ids.next(SRC, DST, 17, 10), (first + 2) & 0xffff);
    t.equal(ids.next(SRC, DST, 17), (first + 12) & 0xffff, 'as many as were asked for');
    const others = [ids.next(DST, SRC, 17), ids.next(SRC, DST, 1), ids.next(SRC, ip('10.77.0.3'), 17)];
    t.equal(new Set([...others, (first + 13) & 0xffff]).size, 4);
    t.equal(ids.next(SRC, DST, 17), (first + 13) & 0xffff, 'whatever others were given meanwhile');
    t.end();
  });

  t.test('do not repeat within 65,536', (t) => {
    const ids = new IpId(rng(7));
    const seen = new Set<number>();
    for (let i = 0; i < 65_536; i++) seen.add(ids.next(SRC, DST, 17));
    t.equal(seen.size, 65_536);
    t.end();
  });

  t.test('depend on a secret', (t) => {
    t.not(new IpId(rng(7)).next(SRC, DST, 17), new IpId(rng(8)).next(SRC, DST, 17));
    t.equal(ATOMIC_ID, 0);
    t.end();
  });
  t.end();
});
