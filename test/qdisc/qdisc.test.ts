import type { Test } from 'tap';
import t from 'tap';
import { Drop } from '../../src/base/drop.ts';
import { NEVER, START } from '../../src/base/time.ts';
import { Drops } from '../../src/packet/drops.ts';
import type { Packet } from '../../src/packet/packet.ts';
import { Pool } from '../../src/packet/pool.ts';
import { Bfifo, Pfifo } from '../../src/qdisc/fifo.ts';
import { PfifoFast } from '../../src/qdisc/pfifo-fast.ts';
import type { Qdisc } from '../../src/qdisc/qdisc.ts';

interface Fixture {
  readonly pool: Pool;
  readonly drops: Drops;
  readonly qdisc: Qdisc;
  /** A packet of `length` bytes whose first two are `word`. */
  readonly add: (length: number, word?: number) => Drop;
  /** The lengths of all that leaves. */
  readonly drain: () => number[];
}

function fixture(make: (drops: Drops) => Qdisc): Fixture {
  const pool = new Pool(64);
  const drops = new Drops();
  const qdisc = make(drops);
  return {
    pool,
    drops,
    qdisc,
    add: (length, word = 0x4500) => {
      const packet = pool.take() as Packet;
      packet.view.setUint16(packet.l3, word);
      packet.tail = packet.head + length;
      return qdisc.enqueue(START, packet);
    },
    drain: () => {
      const lengths: number[] = [];
      for (let packet = qdisc.dequeue(START); packet !== null; packet = qdisc.dequeue(START)) {
        lengths.push(packet.length);
        packet.release();
      }
      return lengths;
    },
  };
}

/** What every qdisc must do. */
function conform(t: Test, make: (drops: Drops) => Qdisc): void {
  const { kind } = make(new Drops());

  t.test(`${kind}: frames of one kind leave in order, and are counted`, (t) => {
    const { qdisc, pool, add, drain } = fixture(make);
    t.equal(qdisc.nextTimeout(), NEVER);
    t.equal(qdisc.dequeue(START), null);
    for (const length of [100, 200, 300]) t.equal(add(length), Drop.None);
    t.equal(qdisc.nextTimeout(), START);
    t.same([qdisc.length, qdisc.backlogBytes], [3, 600]);
    t.same(drain(), [100, 200, 300]);
    t.same([qdisc.length, qdisc.backlogBytes], [0, 0]);
    t.same(qdisc.counters, { sentPackets: 3, sentBytes: 600, dropped: 0 });
    t.equal(qdisc.nextTimeout(), NEVER);
    t.equal(pool.available, pool.capacity);
    t.end();
  });

  t.test(`${kind}: purging drops all that waits`, (t) => {
    const { qdisc, pool, drops, add, drain } = fixture(make);
    add(100);
    add(100, 0x4508);
    qdisc.purge();
    t.same([qdisc.length, qdisc.backlogBytes, qdisc.counters.dropped], [0, 0, 2]);
    t.equal(drops.counts[Drop.LinkDown], 2);
    t.same(drain(), []);
    t.equal(add(100), Drop.None, 'and it goes on');
    t.same(drain(), [100]);
    t.equal(pool.available, pool.capacity);
    t.end();
  });

  t.test(`${kind}: is bounded, and wraps around`, (t) => {
    const { qdisc, pool, drops, add, drain } = fixture(make);
    let accepted = 0;
    for (let round = 0; round < 5; round++) {
      for (let i = 0; i < 20; i++) if (add(300) === Drop.None) accepted++;
      drain();
    }
    t.ok(accepted < 100);
    t.equal(drops.counts[Drop.QdiscFull], 100 - accepted);
    t.equal(qdisc.counters.dropped, 100 - accepted);
    t.equal(qdisc.counters.sentPackets, accepted);
    t.equal(pool.available, pool.capacity);
    t.end();
  });
}

conform(t, (drops) => new Pfifo(drops, 7));
conform(t, (drops) => new Bfifo(drops, 2_000));
conform(t, (drops) => new PfifoFast(drops, 7));

t.test('pfifo counts packets, not bytes', (t) => {
  const { add, drops } = fixture((drops) => new Pfifo(drops, 2));
  t.same([add(9_000), add(1), add(1)], [Drop.None, Drop.None, Drop.QdiscFull]);
  t.equal(drops.counts[Drop.QdiscFull], 1);
  t.end();
});

t.test('bfifo counts bytes: a small frame fits where a large one does not', (t) => {
  const { add, drain } = fixture((drops) => new Bfifo(drops, 1_000));
  t.same([add(600), add(401), add(400), add(60)], [Drop.None, Drop.QdiscFull, Drop.None, Drop.QdiscFull]);
  t.same(drain(), [600, 400]);
  t.end();
});

t.test('pfifo_fast serves low delay, then the rest, then bulk (RFC 1349 §4)', (t) => {
  const { add, drain } = fixture((drops) => new PfifoFast(drops, 10));
  add(101, 0x4508); // throughput
  add(102, 0x4500);
  add(103, 0x4510); // delay
  add(104, 0x0001); // ARP
  add(105, 0x6100); // IPv6, traffic class 0x10
  add(106, 0x4518); // both
  t.same(drain(), [103, 105, 102, 104, 106, 101]);
  t.end();
});

t.test('pfifo_fast: one full band does not fill another', (t) => {
  const { add } = fixture((drops) => new PfifoFast(drops, 1));
  t.same([add(100), add(100), add(100, 0x4510)], [Drop.None, Drop.QdiscFull, Drop.None]);
  t.end();
});
