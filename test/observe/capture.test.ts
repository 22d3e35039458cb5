import * as fc from 'fast-check';
import t from 'tap';
import { Drop } from '../../src/base/drop.ts';
import type { Instant } from '../../src/base/time.ts';
import { START } from '../../src/base/time.ts';
import { LinkType } from '../../src/observe/frame-sink.ts';
import type { CaptureRecord } from '../../src/observe/pcap-reader.ts';
import { captureRecord, PcapReader } from '../../src/observe/pcap-reader.ts';
import type { PcapngOptions } from '../../src/observe/pcapng.ts';
import { PcapngWriter } from '../../src/observe/pcapng.ts';
import { writeDecimal, writeUtf8 } from '../../src/observe/text.ts';
import { Pool } from '../../src/packet/pool.ts';
import { isIntact, partialFrame, superSegment, udpFrame } from '../device/frames.ts';
import { Bytes, block, joined, pcapFile, section } from './capture-file.ts';

const EPOCH_US = 1_700_000_000_123_456;

function records(bytes: Uint8Array): CaptureRecord[] {
  const reader = new PcapReader(bytes);
  const found: CaptureRecord[] = [];
  for (let record = captureRecord(); reader.next(record); record = captureRecord()) found.push(record);
  return found;
}

/** All that a writer has to say, as text; comments and names stand in it as they are. */
function textOf(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

function writerWith(options: Partial<PcapngOptions> = {}): { writer: PcapngWriter; pool: Pool; id: number } {
  const writer = new PcapngWriter({ epochUs: EPOCH_US, ...options });
  const id = writer.addInterface({ name: 'tap0', description: 'a tap', linkType: LinkType.Ethernet });
  return { writer, pool: new Pool(4), id };
}

function drain(writer: PcapngWriter): Uint8Array {
  const chunk = writer.pollChunk()?.slice() ?? new Uint8Array(0);
  if (chunk.length > 0) writer.handleChunkWritten();
  return chunk;
}

/** An interface block. */
function described(isLittle: boolean, linkType: number, options: Bytes = new Bytes(isLittle)): Uint8Array {
  return block(isLittle, 1, new Bytes(isLittle).u16(linkType, 0).u32(96).raw(options.done()).done());
}

/** An enhanced packet block of three bytes out of five. */
function frame(isLittle: boolean, id: number, time: readonly [number, number], options?: Bytes): Uint8Array {
  const body = new Bytes(isLittle)
    .u32(id, ...time, 3, 5)
    .raw([7, 8, 9])
    .pad();
  if (options !== undefined) body.raw(options.done());
  return block(isLittle, 6, body.done());
}

/** Reads all there is. */
function check(bytes: Uint8Array): void {
  const reader = new PcapReader(bytes);
  const record = captureRecord();
  let count = 0;
  while (reader.next(record)) {
    count++;
    if (record.at + record.length > bytes.length) throw new Error('a record lies outside of the file');
    if (record.originalLength < record.length) throw new Error('a record is longer than its frame');
    if (count > bytes.length) throw new Error('the reader does not advance');
  }
}

t.test('reading pcap', (t) => {
  for (const isLittle of [true, false]) {
    for (const isNano of [true, false]) {
      t.test(`${isLittle ? 'little' : 'big'}-endian, ${isNano ? 'nano' : 'micro'}seconds`, (t) => {
        const file = pcapFile(isLittle, isNano, 1, [
          { seconds: 1_700_000_000, fraction: 123_456, bytes: [1, 2, 3] },
          { seconds: 1_700_000_001, fraction: 0, bytes: [4], originalLength: 9 },
        ]);
        t.match(records(file), [
          {
            seconds: 1_700_000_000,
            nanoseconds: isNano ? 123_456 : 123_456_000,
            at: 40,
            length: 3,
            originalLength: 3,
            linkType: 1,
            direction: 'unknown',
          },
          { seconds: 1_700_000_001, nanoseconds: 0, at: 59, length: 1, originalLength: 9 },
        ]);
        t.end();
      });
    }
  }

  t.test('a file that is cut off gives what is whole, and says so', (t) => {
    const file = pcapFile(true, false, 1, [
      { seconds: 1, fraction: 0, bytes: [1, 2, 3] },
      { seconds: 2, fraction: 0, bytes: [4, 5, 6] },
    ]);
    for (const [length, count, problem] of [
      [file.length, 2, Drop.None],
      [file.length - 1, 1, Drop.CaptureTruncated],
      [file.length - 4, 1, Drop.CaptureTruncated],
      [24, 0, Drop.None],
      [10, 0, Drop.CaptureTruncated],
      [0, 0, Drop.CaptureTruncated],
    ] as const) {
      const reader = new PcapReader(file.slice(0, length));
      const record = captureRecord();
      let seen = 0;
      while (reader.next(record)) seen++;
      t.same([seen, reader.problem], [count, problem], `${length} bytes`);
    }
    t.end();
  });
  t.end();
});

t.test('reading pcapng', (t) => {
  for (const isLittle of [true, false]) {
    t.test(
      `${isLittle ? 'little' : 'big'}-endian, several interfaces and resolutions, unknown blocks`,
      (t) => {
        const nano = new Bytes(isLittle).u16(9, 1).raw([9, 0, 0, 0]).u16(14, 8);
        if (isLittle) nano.u32(10, 0);
        else nano.u32(0, 10);
        const binary = new Bytes(isLittle).u16(9, 1).raw([0x81, 0, 0, 0]).u16(0, 0);
        const inbound = new Bytes(isLittle).u16(1, 2).raw([65, 66, 0, 0]).u16(2, 4).u32(1).u16(0, 0);
        const file = joined(
          section(isLittle),
          described(isLittle, 1),
          block(isLittle, 0xbad, Uint8Array.of(1, 2, 3, 4)),
          described(isLittle, 101, nano),
          described(isLittle, 113, binary),
          frame(isLittle, 0, [0, 1_500_000], inbound),
          frame(isLittle, 1, [1, 5]),
          frame(isLittle, 2, [0, 7]),
        );
        t.match(records(file), [
          {
            seconds: 1,
            nanoseconds: 500_000_000,
            linkType: 1,
            direction: 'in',
            length: 3,
            originalLength: 5,
          },
          { seconds: 14, nanoseconds: 294_967_301, linkType: 101, direction: 'unknown' },
          { seconds: 3, nanoseconds: 500_000_000, linkType: 113 },
        ]);
        t.end();
      },
    );
  }

  t.test('simple and old packet blocks', (t) => {
    const simple = new Bytes(true).u32(3).raw([1, 2, 3]).pad();
    const old = new Bytes(true).u16(0, 5).u32(0, 2_000_000, 2, 2).raw([1, 2]).pad();
    const file = joined(
      section(true),
      described(true, 1),
      block(true, 3, simple.done()),
      block(true, 2, old.done()),
    );
    t.match(records(file), [
      { length: 3, seconds: 0, linkType: 1 },
      { length: 2, seconds: 2 },
    ]);
    t.end();
  });

  t.test('a new section numbers its interfaces anew, in its own byte order', (t) => {
    const file = joined(
      section(true),
      described(true, 1),
      frame(true, 0, [0, 0]),
      section(false),
      described(false, 101),
      frame(false, 0, [0, 0]),
    );
    t.same(
      records(file).map(({ linkType }) => linkType),
      [1, 101],
    );
    t.end();
  });

  t.test('a damaged record is skipped and counted, damaged lengths end the file', (t) => {
    const wrongInterface = joined(
      section(true),
      described(true, 1),
      frame(true, 5, [0, 0]),
      frame(true, 0, [0, 0]),
    );
    const reader = new PcapReader(wrongInterface);
    t.equal(reader.next(captureRecord()), true);
    t.equal(reader.skipped, 1);
    const wrongLength = frame(true, 0, [0, 0]);
    wrongLength[wrongLength.length - 4] = 200;
    const cut = new PcapReader(joined(section(true), described(true, 1), wrongLength));
    t.equal(cut.next(captureRecord()), false);
    t.equal(cut.problem, Drop.CaptureTruncated);
    cut.rewind();
    t.equal(cut.problem, Drop.None);
    t.end();
  });
  t.end();
});

t.test('reading any bytes never throws and never answers what is not there', (t) => {
  const valid = joined(
    section(true),
    block(true, 1, new Bytes(true).u16(1, 0).u32(0).u16(9, 1).raw([9, 0, 0, 0]).u16(0, 0).done()),
    block(true, 6, new Bytes(true).u32(0, 0, 0, 4, 4).raw([1, 2, 3, 4]).u16(2, 4).u32(1).u16(0, 0).done()),
    block(true, 3, new Bytes(true).u32(4).raw([1, 2, 3, 4]).done()),
  );
  const pcap = pcapFile(true, true, 1, [{ seconds: 1, fraction: 2, bytes: [1, 2, 3, 4, 5] }]);
  const damage = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 6 });
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), check), { seed: 7 });
  fc.assert(
    fc.property(fc.constantFrom(valid, pcap), damage, fc.nat(), (file, changes, cut) => {
      const bytes = file.slice(0, file.length - (cut % 40));
      for (const [at, value] of changes) bytes[at % bytes.length] = value;
      check(bytes);
    }),
    { seed: 7, numRuns: 3_000 },
  );
  t.end();
});

t.test('writing pcapng', (t) => {
  t.test('what is written is read back: bytes, nanoseconds, interface, direction', (t) => {
    const { writer, pool, id } = writerWith();
    const second = writer.addInterface({ name: 'lo', linkType: LinkType.Raw });
    const frame = udpFrame(pool, 'ethernet', 101);
    const raw = udpFrame(pool, 'ip', 60);
    writer.peekFrame(START, id, frame, 'in');
    writer.peekFrame(1_500_000.25 as Instant, second, raw, 'out');
    const bytes = drain(writer);
    const found = records(bytes);
    t.match(found, [
      {
        seconds: 1_700_000_000,
        nanoseconds: 123_456_000,
        interfaceId: 0,
        linkType: 1,
        direction: 'in',
        length: 101,
      },
      {
        seconds: 1_700_000_001,
        nanoseconds: 623_456_250,
        interfaceId: 1,
        linkType: 101,
        direction: 'out',
        length: 60,
      },
    ]);
    const { at, length } = found[0] as CaptureRecord;
    t.same(bytes.slice(at, at + length), frame.bytes.slice(frame.head, frame.tail));
    t.match(textOf(bytes), /tap0.*a tap/s);
    frame.release();
    raw.release();
    t.end();
  });

  t.test('a longer frame is cut at the snap length', (t) => {
    const { writer, pool, id } = writerWith({ snaplen: 64 });
    writer.peekFrame(START, id, udpFrame(pool, 'ethernet', 1_000), 'in');
    t.match(records(drain(writer)), [{ length: 64, originalLength: 1_000 }]);
    t.end();
  });

  t.test('the reason of a drop becomes a comment, though other frames were written since', (t) => {
    const { writer, pool, id } = writerWith();
    const frame = udpFrame(pool, 'ethernet', 61);
    const first = writer.peekFrame(START, id, frame, 'in');
    const second = writer.peekFrame(START, id, frame, 'out');
    writer.noteDrop(first, Drop.UdpNoPort);
    writer.noteDrop(second, Drop.TxTooLong);
    const third = writer.peekFrame(START, id, frame, 'out');
    writer.noteDrop(third, Drop.LinkQueueFull);
    const bytes = drain(writer);
    t.equal(records(bytes).length, 3);
    t.match(textOf(bytes), /drop: UdpNoPort.*drop: TxTooLong.*drop: LinkQueueFull/s);
    const old = writer.peekFrame(START, id, frame, 'in');
    for (let i = 0; i < 64; i++) writer.peekFrame(START, id, frame, 'out');
    writer.noteDrop(old, Drop.TtlExceeded);
    t.notMatch(textOf(drain(writer)), /TtlExceeded/, 'a frame with so many behind it is forgotten');
    const taken = writer.peekFrame(START, id, frame, 'in');
    drain(writer);
    writer.noteDrop(taken, Drop.NoRoute);
    writer.noteDrop(-1, Drop.NoRoute);
    t.equal(writer.pendingBytes, 0, 'nor can what is on disk be changed');
    t.end();
  });

  t.test('a partial checksum is filled in in the copy, and said', (t) => {
    for (const fillChecksums of [true, false]) {
      const { writer, pool, id } = writerWith({ fillChecksums });
      const frame = partialFrame(pool, 'ethernet', 100);
      const before = frame.bytes.slice(frame.head, frame.tail);
      writer.peekFrame(START, id, frame, 'out');
      t.same(frame.bytes.slice(frame.head, frame.tail), before, 'the frame itself is left alone');
      const bytes = drain(writer);
      t.match(textOf(bytes), /checksum partial/);
      const { at, length } = records(bytes)[0] as CaptureRecord;
      frame.bytes.set(bytes.subarray(at, at + length), frame.head);
      t.equal(isIntact(frame, 'ethernet'), fillChecksums);
    }
    t.end();
  });

  t.test('a checksum that is said to lie outside of the frame is left alone', (t) => {
    const { writer, pool, id } = writerWith();
    const frame = partialFrame(pool, 'ethernet', 100);
    frame.csumOffset = 65_535;
    writer.peekFrame(START, id, frame, 'out');
    t.equal(records(drain(writer)).length, 1);
    t.end();
  });

  t.test('a super-segment says into how many it will be cut', (t) => {
    const { writer, pool, id } = writerWith();
    writer.peekFrame(START, id, superSegment(pool, 'ethernet', 1_448, 12), 'out');
    t.match(textOf(drain(writer)), /gso tcp4 1448 x 12, checksum partial/);
    t.end();
  });

  t.test('a slow shell loses frames of the capture, never of the stack, and learns how many', (t) => {
    const { writer, pool, id } = writerWith({ bufferBytes: 8_192 });
    const frame = udpFrame(pool, 'ethernet', 1_000);
    for (let i = 0; i < 20; i++) writer.peekFrame(START, id, frame, 'in');
    const chunk = writer.pollChunk();
    t.ok(chunk !== null && chunk.length <= 8_192);
    const copy = chunk?.slice();
    for (let i = 0; i < 20; i++) writer.peekFrame(START, id, frame, 'in');
    t.equal(writer.pollChunk(), null, 'one at a time');
    t.same(chunk, copy, 'what was handed out stays as it is');
    const { frames, left } = writer.counters(id);
    t.equal(frames, 40);
    t.ok(left > 20 && left < 40);
    writer.handleChunkWritten();
    const second = drain(writer);
    t.equal(records(joined(copy ?? Uint8Array.of(), second)).length, 40 - left);
    writer.finish(START);
    const all = joined(copy ?? Uint8Array.of(), second, drain(writer));
    t.equal(new PcapReader(all).problem, Drop.None);
    frame.release();
    t.end();
  });

  t.test('statistics always find room, whatever frames and notes do', (t) => {
    const { writer, pool, id } = writerWith({ bufferBytes: 4_096 });
    const frame = udpFrame(pool, 'ethernet', 60);
    for (let i = 0; i < 10; i++) writer.noteDrop(writer.peekFrame(START, id, frame, 'in'), Drop.Ip4Checksum);
    const tickets = Array.from({ length: 100 }, () => writer.peekFrame(START, id, frame, 'in'));
    for (const ticket of tickets.toReversed()) writer.noteDrop(ticket, Drop.NeighborUnreachable);
    const before = writer.pendingBytes;
    writer.finish(START);
    const after = writer.pendingBytes;
    t.ok(after > before && after <= 4_096, `${before} then ${after}`);
    const { problem } = new PcapReader(drain(writer));
    t.equal(problem, Drop.None);
    t.end();
  });
  t.end();
});

t.test('text into bytes', (t) => {
  const bytes = new Uint8Array(16);
  t.equal(writeDecimal(bytes, 0, 1_448), 4);
  t.equal(textOf(bytes.subarray(0, 4)), '1448');
  t.equal(writeDecimal(bytes, 0, 0), 1);
  t.equal(textOf(bytes.subarray(0, 1)), '0');
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const room = new Uint8Array(200);
      const end = writeUtf8(room, 0, 200, text);
      const wanted = new TextEncoder().encode(text);
      return (
        wanted.length > 200 ||
        new TextDecoder().decode(room.subarray(0, end)) === new TextDecoder().decode(wanted)
      );
    }),
    { seed: 7 },
  );
  t.equal(writeUtf8(bytes, 0, 4, 'aä€'), 3, 'a character is not cut');
  t.equal(writeUtf8(bytes, 0, 16, '\ud800'), 3, 'half of a pair is the replacement character');
  t.end();
});
