/**
 * Packets, their pool, and the one place where they are dropped.
 */
import t from 'tap';
import { Drop } from '../../src/base/drop.ts';
import type { Instant } from '../../src/base/time.ts';
import { Drops } from '../../src/packet/drops.ts';
import { GsoType, HEADROOM, Packet, PacketFlag, SLOT_BYTES } from '../../src/packet/packet.ts';
import { Pool } from '../../src/packet/pool.ts';

t.test('a slot holds the headroom and the largest IP packet, aligned', (t) => {
  t.ok(HEADROOM + 65_535 <= SLOT_BYTES);
  t.equal(HEADROOM % 16, 0);
  t.equal(SLOT_BYTES % 16, 0);
  const pool = new Pool(3);
  for (const packet of pool.packets) {
    t.equal(packet.bytes.byteOffset, packet.slot * SLOT_BYTES);
    t.equal(packet.view.byteOffset, packet.slot * SLOT_BYTES);
    t.same([packet.bytes.length, packet.view.byteLength], [SLOT_BYTES, SLOT_BYTES]);
  }
  t.end();
});

t.test('the pool gives what was released last, and says when it has none', (t) => {
  const pool = new Pool(2);
  const [first, second] = [pool.take() as Packet, pool.take() as Packet];
  t.not(first, second);
  t.equal(pool.take(), null);
  t.same([pool.available, pool.lowWater, pool.exhausted], [0, 0, 1]);
  first.release();
  t.equal(pool.take(), first);
  second.release();
  first.release();
  t.equal(pool.available, pool.capacity);
  t.end();
});

t.test('a packet is released once', (t) => {
  const packet = new Pool(1).take() as Packet;
  t.notOk(packet.isFree);
  packet.release();
  t.ok(packet.isFree);
  t.throws(() => packet.release(), /released once/);
  t.end();
});

/** A packet whose every number differs from that of an empty one. */
function used(packet: Packet): Packet {
  packet.receivedAt = 77 as Instant;
  packet.flags = PacketFlag.ChecksumPartial | PacketFlag.GsoEcn;
  packet.gsoType = GsoType.Tcp4;
  let number = 300;
  for (const [field, value] of Object.entries(packet)) {
    if (typeof value === 'number' && field !== 'slot') Object.assign(packet, { [field]: number++ });
  }
  return packet;
}

const numbersOf = (packet: Packet): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(packet).filter(([field, value]) => typeof value === 'number' && field !== 'slot'),
  );

t.test('a packet that is taken again remembers nothing', (t) => {
  const pool = new Pool(1);
  const packet = pool.take() as Packet;
  const fresh = numbersOf(packet);
  used(packet).release();
  t.same(numbersOf(pool.take() as Packet), fresh);
  t.end();
});

t.test('push and pull move the head, within the headroom and the bytes', (t) => {
  const packet = new Pool(1).take() as Packet;
  packet.tail += 20;
  t.equal(packet.length, 20);
  t.equal(packet.push(14), HEADROOM - 14);
  t.equal(packet.length, 34);
  t.equal(packet.pull(34), packet.tail);
  t.equal(packet.length, 0);
  t.throws(() => packet.pull(1), /before a header was taken off/);
  packet.push(packet.head);
  t.throws(() => packet.push(1), /headroom/);
  t.end();
});

t.test('a copy has the bytes, short or long, and all metadata', (t) => {
  for (const length of [0, 60, 1_500, 65_535]) {
    const pool = new Pool(2);
    const [packet, copy] = [pool.take() as Packet, pool.take() as Packet];
    used(packet);
    packet.head = HEADROOM;
    packet.tail = HEADROOM + length;
    for (let at = packet.head; at < packet.tail; at++) packet.bytes[at] = at * 31;
    packet.copyTo(copy);
    t.same(numbersOf(copy), numbersOf(packet));
    t.same(copy.bytes.subarray(copy.head, copy.tail), packet.bytes.subarray(packet.head, packet.tail));
    t.equal(copy.bytes[copy.tail], 0);
    t.notOk(copy.isFree);
  }
  t.end();
});

t.test('a drop is counted by reason, shown, and released', (t) => {
  const pool = new Pool(1);
  const drops = new Drops();
  const seen: [boolean, number][] = [];
  drops.watcher = (packet, reason) => seen.push([packet.isFree, reason]);
  t.equal(drops.drop(pool.take() as Packet, Drop.TtlExceeded), Drop.TtlExceeded);
  t.equal(drops.count(Drop.NoSlot), Drop.NoSlot);
  drops.watcher = null;
  drops.drop(pool.take() as Packet, Drop.TtlExceeded);
  t.same(seen, [[false, Drop.TtlExceeded]]);
  t.same(drops.status(), { NoSlot: 1, TtlExceeded: 2 });
  t.equal(pool.available, 1);
  t.end();
});
