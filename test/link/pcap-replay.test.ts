import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { Mac } from '../../src/addr/mac.ts';
import { Drop } from '../../src/base/drop.ts';
import type { Instant } from '../../src/base/time.ts';
import { NEVER, START } from '../../src/base/time.ts';
import { Nic } from '../../src/device/nic.ts';
import type { ReplayOptions } from '../../src/link/pcap-replay.ts';
import { openReplay, PcapReplay } from '../../src/link/pcap-replay.ts';
import { LinkType } from '../../src/observe/frame-sink.ts';
import { PcapngWriter } from '../../src/observe/pcapng.ts';
import { Drops } from '../../src/packet/drops.ts';
import type { Packet } from '../../src/packet/packet.ts';
import { HEADROOM, PacketFlag } from '../../src/packet/packet.ts';
import { Pool } from '../../src/packet/pool.ts';
import { isIntact, markOf, udpFrame } from '../device/frames.ts';
import type { FileFrame } from '../observe/capture-file.ts';
import { pcapFile } from '../observe/capture-file.ts';

/** A pcap file of frames as they are on the wire, one per 100 ms. */
function fileOf(linkType: number, frames: readonly Uint8Array[], cut = 0): Uint8Array {
  const spaced = frames.map(
    (frame, i): FileFrame => ({
      seconds: 1_700_000_000,
      fraction: 900_000 + i * 100_000,
      bytes: [...frame.subarray(0, frame.length - cut)],
      originalLength: frame.length,
    }),
  );
  // Past a second the fraction carries, as it does in files.
  const carried = spaced.map((frame) => ({
    ...frame,
    seconds: frame.seconds + Math.floor(frame.fraction / 1_000_000),
    fraction: frame.fraction % 1_000_000,
  }));
  return pcapFile(true, false, linkType, carried);
}

function udpBytes(medium: 'ethernet' | 'ip', length: number, mark = 0): Uint8Array {
  const packet = udpFrame(new Pool(1), medium, length, mark);
  return packet.bytes.slice(packet.head, packet.tail);
}

function replayOf(bytes: Uint8Array, options: Partial<ReplayOptions> = {}) {
  const drops = new Drops();
  const pool = new Pool(16);
  const replay = new PcapReplay(bytes, { drops, ...options });
  const out = new Array<Packet>(16);
  const read = (max = 16): Packet[] => out.slice(0, replay.readBatch(pool, out, max));
  return { drops, pool, replay, read };
}

t.test('frames arrive as fast as they are read, whole and in order', (t) => {
  const { pool, replay, read } = replayOf(
    fileOf(
      1,
      [0, 1, 2].map((mark) => udpBytes('ethernet', 61 + mark, mark)),
    ),
  );
  t.same([replay.medium, replay.fd, replay.nextTimeout()], ['ethernet', -1, START]);
  const first = read(2);
  t.same(
    first.map((packet) => [packet.length, markOf(packet, 'ethernet'), packet.l3]),
    [
      [61, 0, HEADROOM],
      [62, 1, HEADROOM],
    ],
  );
  t.ok(first.every((packet) => isIntact(packet, 'ethernet')));
  const rest = read();
  t.equal(rest.length, 1);
  t.same([replay.isEmpty, replay.nextTimeout(), read().length], [true, NEVER, 0]);
  for (const packet of [...first, ...rest]) packet.release();
  t.equal(pool.available, pool.capacity);
  t.end();
});

t.test('without a free slot the frame waits in the file', (t) => {
  const { pool, read } = replayOf(
    fileOf(
      101,
      [0, 1].map((mark) => udpBytes('ip', 60, mark)),
    ),
  );
  const held = Array.from({ length: 15 }, () => pool.take());
  t.equal(read().length, 1);
  t.equal(read().length, 0);
  held[0]?.release();
  t.same(
    read().map((packet) => markOf(packet, 'ip')),
    [1],
  );
  t.end();
});

t.test('with a clock frames arrive at the pace of their time stamps', (t) => {
  let now = 5_000_000 as Instant;
  const frames = [0, 1, 2].map((mark) => udpBytes('ip', 60, mark));
  const { replay, read } = replayOf(fileOf(101, frames), { clock: () => now });
  t.equal(replay.nextTimeout(), START, 'the first one gives the start');
  t.equal(read().length, 1);
  t.equal(replay.nextTimeout(), 5_100_000);
  now = 5_099_999 as Instant;
  t.equal(read().length, 0);
  now = 5_200_000 as Instant;
  t.equal(read().length, 2, 'also across the second');

  const fast = replayOf(fileOf(101, frames), { clock: () => now, speed: 10 });
  fast.read();
  t.equal(fast.replay.nextTimeout(), 5_210_000);
  t.end();
});

t.test('a nic over it wakes by its time stamps, and hands the frames up', (t) => {
  let now = START;
  const drops = new Drops();
  const pool = new Pool(4);
  const replay = new PcapReplay(fileOf(1, [udpBytes('ethernet', 60), udpBytes('ethernet', 60)]), {
    drops,
    clock: () => now,
    keepMax: 1,
  });
  const nic = new Nic(replay, pool, drops);
  nic.receiver = { handleFrame: (time, packet) => void nic.transmit(time, packet) };
  t.equal(nic.nextTimeout(), START);
  t.equal(nic.receive(now, 64), 1);
  t.equal(nic.nextTimeout(), 100_000);
  now = 100_000 as Instant;
  t.equal(nic.receive(now, 64), 1);
  nic.flush(now);
  t.equal(nic.nextTimeout(), NEVER);
  t.equal(nic.counters.txPackets, 2);
  t.same(replay.written, [udpBytes('ethernet', 60)], 'keeps what it was asked to keep of what was written');
  t.equal(pool.available, pool.capacity);
  t.end();
});

t.test('the medium follows from the link type; cooked headers are taken off', (t) => {
  const ip = udpBytes('ip', 60, 7);
  const cooked = (length: number, protocolAt: number, protocol: number): Uint8Array => {
    const bytes = new Uint8Array(length + ip.length);
    bytes.set(ip, length);
    bytes[protocolAt] = protocol >>> 8;
    bytes[protocolAt + 1] = protocol & 0xff;
    return bytes;
  };
  for (const [linkType, frame] of [
    [LinkType.Raw, ip],
    [LinkType.Ip4, ip],
    [LinkType.Null, cooked(4, 0, 2)],
    [LinkType.LinuxSll, cooked(16, 14, 0x0800)],
    [LinkType.LinuxSll2, cooked(20, 0, 0x0800)],
  ] as const) {
    const { replay, read } = replayOf(fileOf(linkType, [frame]));
    t.equal(replay.medium, 'ip');
    t.equal(replay.mac, null);
    t.same(
      read().map((packet) => [packet.length, markOf(packet, 'ip'), isIntact(packet, 'ip'), packet.head]),
      [[60, 7, true, HEADROOM]],
      `link type ${linkType}`,
    );
  }
  const arp = replayOf(fileOf(LinkType.LinuxSll, [cooked(16, 14, 0x0806), cooked(16, 14, 0x0800)]));
  t.equal(arp.read().length, 1);
  t.equal(arp.drops.counts[Drop.EtherTypeUnknown], 1);
  t.end();
});

t.test('what cannot be replayed is counted, and the rest is', (t) => {
  const cut = replayOf(fileOf(1, [udpBytes('ethernet', 100)], 1));
  t.equal(cut.read().length, 0);
  t.equal(cut.drops.counts[Drop.FrameTruncated], 1);

  const long = replayOf(fileOf(101, [new Uint8Array(70_000), udpBytes('ip', 60)]));
  t.equal(long.read().length, 1);
  t.equal(long.drops.counts[Drop.FrameTooLong], 1);

  const file = fileOf(101, [udpBytes('ip', 60), udpBytes('ip', 60)]);
  const short = replayOf(file.slice(0, -1));
  t.equal(short.read().length, 1);
  t.equal(short.drops.counts[Drop.CaptureTruncated], 1);

  const other = replayOf(fileOf(147, [udpBytes('ip', 60)]));
  t.equal(other.read().length, 0);
  t.equal(other.drops.counts[Drop.EtherTypeUnknown], 1);
  t.end();
});

t.test('replays our own captures, by direction', (t) => {
  const writer = new PcapngWriter({ epochUs: 0 });
  const id = writer.addInterface({ name: 'tap0', linkType: LinkType.Ethernet });
  const pool = new Pool(1);
  for (const [mark, direction] of [
    [1, 'in'],
    [2, 'out'],
    [3, 'in'],
  ] as const) {
    const packet = udpFrame(pool, 'ethernet', 60, mark);
    writer.peekFrame(START, id, packet, direction);
    packet.release();
  }
  const bytes = writer.pollChunk() as Uint8Array;
  const marks = (options: Partial<ReplayOptions>): number[] =>
    replayOf(bytes, options)
      .read()
      .map((packet) => markOf(packet, 'ethernet'));
  t.same(marks({}), [1, 2, 3]);
  t.same(marks({ direction: 'in' }), [1, 3]);
  t.same(marks({ direction: 'out' }), [2]);
  t.end();
});

t.test('options: address, MTU, name, trusted checksums', (t) => {
  const mac = new Mac(0x0200, 9);
  const { replay, read } = replayOf(fileOf(1, [udpBytes('ethernet', 60)]), {
    mac,
    mtu: 9_000,
    name: 'file0',
    trustChecksums: true,
  });
  t.same([replay.mac, replay.mtu, replay.name], [mac, 9_000, 'file0']);
  t.equal((read()[0] as Packet).flags, PacketFlag.ChecksumValid);
  replay.close();
  t.equal(replay.nextTimeout(), NEVER);
  t.end();
});

t.test('opening a file', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'replay-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const good = join(directory, 'good.pcap');
  const bad = join(directory, 'bad.pcap');
  writeFileSync(good, fileOf(101, [udpBytes('ip', 60)]));
  writeFileSync(bad, 'this is no capture, but some text');
  const drops = new Drops();
  t.equal(openReplay(good, { drops }).isEmpty, false);
  t.throws(() => openReplay(bad, { drops }), /bad\.pcap holds no frame that can be replayed/);
  t.throws(() => openReplay(join(directory, 'none.pcap'), { drops }), { code: 'ENOENT' });
  t.end();
});
