/** Batched I/O over an addon that is played by the test. */
import t from 'tap';
import type { Medium } from '../../src/device/net-device.ts';
import type { Addon } from '../../src/link/addon.ts';
import { Channel, ChannelKind } from '../../src/link/channel.ts';
import {
  BATCH,
  Count,
  Field,
  RECEIVE,
  RECORD_WORDS,
  TRANSMIT,
  VNET_GSO_ECN,
  VnetFlag,
} from '../../src/link/frame-table.ts';
import { Drops } from '../../src/packet/drops.ts';
import type { Packet } from '../../src/packet/packet.ts';
import { GsoType, HEADROOM, PacketFlag, SLOT_BYTES } from '../../src/packet/packet.ts';
import { Pool } from '../../src/packet/pool.ts';
import { partialFrame, superSegment, udpFrame } from '../device/frames.ts';

type Words = Partial<Record<keyof typeof Field, number>>;

/** The addon's side of one channel: `incoming` is what the next receive finds, `taken` what was transmitted. */
class FakeAddon {
  table: Int32Array = new Int32Array(0);
  arenas: ArrayBuffer[] = [];
  incoming: Words[] = [];
  taken: Words[] = [];
  asked: number[] = [];
  /** What transmit answers, call by call; the whole count when there is none left. */
  answers: number[] = [];
  isClosed = false;

  channelOpen(_fd: number, _kind: number, _hasInfo: number, _vnetBytes: number, table: Int32Array): number {
    this.table = table;
    return 7;
  }

  channelArena(_channel: number, arena: ArrayBuffer): number {
    return this.arenas.push(arena) - 1;
  }

  receive(_channel: number, max: number): number {
    this.asked.push(max);
    const frames = this.incoming.splice(0, max);
    for (const [i, words] of frames.entries()) this.#write(RECEIVE + i * RECORD_WORDS, words);
    this.table[Count.Reads] = (this.table[Count.Reads] as number) + frames.length;
    return frames.length;
  }

  transmit(_channel: number, count: number): number {
    const answer = this.answers.shift() ?? count;
    for (let i = 0; i < answer; i++) this.taken.push(this.#read(TRANSMIT + i * RECORD_WORDS));
    return answer;
  }

  channelClose(): number {
    this.isClosed = true;
    return 0;
  }

  #write(record: number, words: Words): void {
    for (const name of ['Length', 'Flags', 'GsoType', 'GsoSize', 'CsumStart', 'CsumOffset'] as const) {
      this.table[record + Field[name]] = words[name] ?? 0;
    }
  }

  #read(record: number): Words {
    const names = Object.keys(Field) as (keyof typeof Field)[];
    return Object.fromEntries(names.map((name) => [name, this.table[record + Field[name]] as number]));
  }
}

function fixture(
  medium: Medium = 'ethernet',
  vnetBytes = 10,
): { fake: FakeAddon; channel: Channel; drops: Drops } {
  const fake = new FakeAddon();
  const drops = new Drops();
  const layout = { kind: ChannelKind.Tap, medium, hasInfo: false, vnetBytes };
  const channel = Channel.open(fake as unknown as Addon, 3, layout, drops);
  if (typeof channel === 'number') throw new Error(`the fake answered ${channel}`);
  return { fake, channel, drops };
}

const out: Packet[] = [];
const release = (count: number): void => out.slice(0, count).forEach((packet) => packet.release());

t.test('receive', (t) => {
  t.test('a frame lies in its slot so that the network header begins at HEADROOM', (t) => {
    for (const [medium, head] of [
      ['ethernet', HEADROOM - 14],
      ['ip', HEADROOM],
    ] as const) {
      const { fake, channel } = fixture(medium);
      fake.incoming = [{ Length: 60 }];
      t.equal(channel.readBatch(new Pool(4), out, 4), 1);
      const { slot, l3, tail } = out[0] as Packet;
      t.same([out[0]?.head, l3, tail], [head, HEADROOM, head + 60], medium);
      t.equal(fake.table[RECEIVE + Field.Offset], slot * SLOT_BYTES + head);
      t.equal(fake.table[RECEIVE + Field.Room], SLOT_BYTES - head);
    }
    t.end();
  });

  t.test('asks for no more than it was asked for', (t) => {
    const { fake, channel } = fixture();
    const pool = new Pool(128);
    channel.readBatch(pool, out, 1);
    channel.readBatch(pool, out, 20);
    channel.readBatch(pool, out, 1_000);
    t.same(fake.asked, [1, 20, BATCH]);
    channel.close();
    t.equal(pool.available, 128);
    t.end();
  });

  t.test('slots that were not used wait for the next frame; only used ones are replaced', (t) => {
    const { fake, channel } = fixture();
    const pool = new Pool(16);
    fake.incoming = [{ Length: 60 }, { Length: 61 }];
    t.equal(channel.readBatch(pool, out, 8), 2);
    t.equal(pool.available, 8);
    fake.incoming = [{ Length: 62 }];
    t.equal(channel.readBatch(pool, out, 8), 1);
    t.equal(out[0]?.length, 62);
    t.equal(pool.available, 6, 'two were replaced');
    t.end();
  });

  t.test('an empty pool shortens the stage, and each frame still has a slot of its own', (t) => {
    const { fake, channel } = fixture();
    const pool = new Pool(4);
    const held: Packet[] = [];
    for (const length of [60, 61, 62, 63]) {
      fake.incoming = [{ Length: length }];
      t.equal(channel.readBatch(pool, out, 4), 1, `${length}`);
      held.push(out[0] as Packet);
    }
    fake.incoming = [{ Length: 64 }];
    t.equal(channel.readBatch(pool, out, 4), 0, 'no slot, so the frame stays in the kernel');
    t.equal(fake.incoming.length, 1);
    t.same(
      held.map(({ length }) => length),
      [60, 61, 62, 63],
    );
    t.equal(new Set(held.map(({ slot }) => slot)).size, 4);
    held.forEach((packet) => packet.release());
    t.equal(channel.readBatch(pool, out, 4), 1);
    release(1);
    channel.close();
    t.equal(pool.available, 4, 'the pool is whole');
    t.end();
  });

  t.test('another pool takes the place of the first', (t) => {
    const { fake, channel } = fixture();
    const [first, second] = [new Pool(4), new Pool(4)];
    channel.readBatch(first, out, 4);
    fake.incoming = [{ Length: 60 }];
    t.equal(channel.readBatch(second, out, 4), 1);
    t.equal(first.available, 4);
    t.equal(out[0], second.packets[out[0]?.slot as number]);
    t.equal(fake.table[RECEIVE + Field.Arena], 1);
    t.same(fake.arenas, [first.arena, second.arena]);
    t.end();
  });

  t.test('offload metadata becomes that of the packet (VIRTIO 1.2 §5.1.6)', (t) => {
    const { fake, channel } = fixture();
    const tcp = { Flags: VnetFlag.NeedsCsum, CsumStart: 34, CsumOffset: 16 };
    fake.incoming = [
      { Length: 60 },
      { Length: 60, Flags: VnetFlag.DataValid },
      { Length: 60, ...tcp },
      { Length: 9_000, ...tcp, GsoType: GsoType.Tcp4, GsoSize: 1_460 },
      { Length: 9_000, ...tcp, GsoType: GsoType.Tcp6 | VNET_GSO_ECN, GsoSize: 1_440 },
      { Length: 9_000, ...tcp, CsumOffset: 6, GsoType: GsoType.Udp, GsoSize: 1_200 },
    ];
    t.equal(channel.readBatch(new Pool(8), out, 8), 6);
    const start = HEADROOM - 14 + 34;
    const { ChecksumPartial, ChecksumValid, GsoEcn } = PacketFlag;
    t.same(
      out.slice(0, 6).map((p) => [p.flags, p.csumStart, p.csumOffset, p.gsoType, p.gsoSize]),
      [
        [0, 0, 0, 0, 0],
        [ChecksumValid, 0, 0, 0, 0],
        [ChecksumPartial, start, 16, 0, 0],
        [ChecksumPartial, start, 16, GsoType.Tcp4, 1_460],
        [ChecksumPartial | GsoEcn, start, 16, GsoType.Tcp6, 1_440],
        [ChecksumPartial, start, 6, GsoType.Udp, 1_200],
      ],
    );
    t.end();
  });

  t.test('what cannot be used is counted and given back', (t) => {
    const { fake, channel, drops } = fixture();
    const pool = new Pool(8);
    fake.incoming = [
      { Length: 60, Flags: VnetFlag.NeedsCsum, CsumStart: 50, CsumOffset: 16 },
      { Length: 60, GsoType: 3, GsoSize: 1_460 },
      { Length: 60, GsoType: GsoType.Tcp4 },
      { Length: 65_000, Flags: VnetFlag.Truncated },
      { Length: 60 },
    ];
    t.equal(channel.readBatch(pool, out, 8), 1);
    t.same(drops.status(), { OffloadBad: 3, FrameTooLong: 1 });
    release(1);
    channel.close();
    t.equal(pool.available, 8);
    t.end();
  });

  t.test('an error comes through', (t) => {
    const { fake, channel } = fixture();
    fake.receive = () => -77;
    const pool = new Pool(4);
    t.equal(channel.readBatch(pool, out, 4), -77);
    channel.close();
    t.equal(pool.available, 4);
    t.end();
  });
  t.end();
});

t.test('transmit', (t) => {
  t.test('describes the frame, the room before it, and its offload metadata', (t) => {
    const { fake, channel } = fixture();
    const pool = new Pool(8);
    channel.readBatch(pool, out, 2);
    const packets = [
      udpFrame(pool, 'ethernet', 60),
      partialFrame(pool, 'ethernet', 90),
      superSegment(pool, 'ethernet', 1_000, 12),
    ];
    (packets[2] as Packet).flags |= PacketFlag.GsoEcn;
    t.equal(channel.writeBatch(packets, 3), 3);
    const at = (i: number): number => (packets[i] as Packet).slot * SLOT_BYTES + HEADROOM - 14;
    const plain = { Arena: 0, Room: HEADROOM - 14, MoreArena: 0, MoreOffset: 0, MoreLength: 0 };
    const none = { Flags: 0, GsoType: 0, GsoSize: 0, Headers: 0, CsumStart: 0, CsumOffset: 0 };
    t.same(fake.taken, [
      { ...plain, ...none, Offset: at(0), Length: 60 },
      {
        ...plain,
        ...none,
        Offset: at(1),
        Length: 90,
        Flags: VnetFlag.NeedsCsum,
        CsumStart: 34,
        CsumOffset: 6,
      },
      {
        ...plain,
        Offset: at(2),
        Length: 14 + 40 + 12_000,
        Flags: VnetFlag.NeedsCsum,
        GsoType: GsoType.Tcp4 | VNET_GSO_ECN,
        GsoSize: 1_000,
        Headers: 54,
        CsumStart: 34,
        CsumOffset: 16,
      },
    ]);
    t.end();
  });

  t.test('packets of other pools are found by their arena, which is made known once', (t) => {
    const { fake, channel } = fixture();
    const [own, other] = [new Pool(4), new Pool(4)];
    channel.readBatch(own, out, 1);
    for (let i = 0; i < 2; i++)
      channel.writeBatch([udpFrame(own, 'ethernet', 60), udpFrame(other, 'ethernet', 60)], 2);
    t.same(
      fake.taken.map(({ Arena }) => Arena),
      [0, 1, 0, 1],
    );
    t.same(fake.arenas, [own.arena, other.arena]);
    t.end();
  });

  t.test('more than one batch goes in several calls', (t) => {
    const { fake, channel } = fixture();
    const pool = new Pool(200);
    const packets = Array.from({ length: 150 }, () => udpFrame(pool, 'ethernet', 60));
    t.equal(channel.writeBatch(packets, 150), 150);
    t.same(
      fake.taken.map(({ Offset = 0 }) => Math.floor(Offset / SLOT_BYTES)),
      packets.map(({ slot }) => slot),
    );
    t.end();
  });

  t.test('says how many were taken; an error only when it was the first', (t) => {
    const { fake, channel } = fixture();
    const pool = new Pool(200);
    const packets = Array.from({ length: 150 }, () => udpFrame(pool, 'ethernet', 60));
    fake.answers = [BATCH, 10];
    t.equal(channel.writeBatch(packets, 150), BATCH + 10);
    fake.answers = [BATCH, -22];
    t.equal(channel.writeBatch(packets, 150), BATCH);
    fake.answers = [-22];
    t.equal(channel.writeBatch(packets, 150), -22);
    fake.answers = [0];
    t.equal(channel.writeBatch(packets, 150), 0);
    t.end();
  });

  t.test('a partial checksum on a link without a virtio header is our bug', (t) => {
    const { channel } = fixture('ethernet', 0);
    t.throws(() => channel.writeBatch([partialFrame(new Pool(1), 'ethernet', 60)], 1), /virtio header/);
    t.end();
  });
  t.end();
});

t.test('counters are unsigned', (t) => {
  const { fake, channel } = fixture();
  fake.table[Count.Writes] = -1;
  t.same(channel.counters(), { readCalls: 0, writeCalls: 0xffff_ffff, emptyReads: 0, truncated: 0 });
  channel.close();
  t.ok(fake.isClosed);
  t.end();
});
