import type { Test } from 'tap';
import t from 'tap';
import { Drop } from '../../src/base/drop.ts';
import { rng } from '../../src/base/rng.ts';
import type { Instant } from '../../src/base/time.ts';
import { ms, NEVER, START } from '../../src/base/time.ts';
import { NetemLane } from '../../src/device/netem/lane.ts';
import type { NetemProfile } from '../../src/device/netem/profile.ts';
import { Drops } from '../../src/packet/drops.ts';
import type { Packet } from '../../src/packet/packet.ts';
import { PacketFlag } from '../../src/packet/packet.ts';
import { Pool } from '../../src/packet/pool.ts';
import { isIntact, markOf, partialFrame, udpFrame } from './frames.ts';

const SEED = 20;

interface Fixture {
  readonly lane: NetemLane;
  readonly pool: Pool;
  readonly drops: Drops;
}

function fixture(profile: NetemProfile, seed = SEED, slots = 64): Fixture {
  const pool = new Pool(slots);
  const drops = new Drops();
  return { lane: new NetemLane(pool, drops, rng(seed), profile), pool, drops };
}

/** The marks of all that has arrived by `now`. */
function arrived(lane: NetemLane, now: Instant): number[] {
  const marks: number[] = [];
  for (let packet = lane.poll(now); packet !== null; packet = lane.poll(now)) {
    marks.push(markOf(packet, 'ip'));
    packet.release();
  }
  return marks;
}

/** Offers frames one after the other at one time, and says of each whether it was lost. */
function losses(profile: NetemProfile, count: number, seed = SEED): boolean[] {
  const { lane, pool } = fixture(profile, seed, 4);
  const result: boolean[] = [];
  for (let i = 0; i < count; i++) {
    lane.offer(START, udpFrame(pool, 'ip', 60, i));
    result.push(arrived(lane, START).length === 0);
  }
  return result;
}

/** How long each frame took. */
function delays(profile: NetemProfile, count: number): number[] {
  const { lane, pool } = fixture(profile, SEED, 4);
  const result: number[] = [];
  for (let i = 0; i < count; i++) {
    const now = (i * 10_000_000) as Instant;
    lane.offer(now, udpFrame(pool, 'ip', 60));
    const due = lane.nextTimeout();
    if (due > now) lane.poll((due - 1) as Instant)?.release();
    lane.poll(due)?.release();
    result.push(due - now);
  }
  return result;
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
const fractionOf = (events: readonly boolean[]): number => mean(events.map(Number));

function deviation(values: readonly number[]): number {
  const middle = mean(values);
  return Math.sqrt(mean(values.map((value) => (value - middle) ** 2)));
}

/** Of each value with the next. */
function correlation(values: readonly number[]): number {
  const middle = mean(values);
  const products = values.slice(1).map((value, i) => (value - middle) * ((values[i] as number) - middle));
  return mean(products) / deviation(values) ** 2;
}

/** The lengths of runs of losses. */
function bursts(events: readonly boolean[]): number[] {
  const lengths: number[] = [];
  let length = 0;
  for (const isLost of [...events, false]) {
    if (isLost) length++;
    else if (length > 0) {
      lengths.push(length);
      length = 0;
    }
  }
  return lengths;
}

function near(t: Test, value: number, wanted: number, tolerance: number, what: string): void {
  t.ok(
    Math.abs(value - wanted) <= tolerance,
    `${what}: ${value}, wanted ${wanted} ± ${tolerance} (seed ${SEED})`,
  );
}

t.test('loss', (t) => {
  t.test('random loss is as frequent as asked for, and independent', (t) => {
    const events = losses({ loss: 0.1 }, 20_000);
    near(t, fractionOf(events), 0.1, 0.008, 'fraction lost');
    near(t, correlation(events.map(Number)), 0, 0.03, 'correlation');
    t.end();
  });

  t.test('correlated loss is still as frequent, and comes in runs', (t) => {
    const events = losses({ loss: { model: 'random', probability: 0.1, correlation: 0.5 } }, 40_000);
    near(t, fractionOf(events), 0.1, 0.01, 'fraction lost');
    near(t, correlation(events.map(Number)), 0.5, 0.05, 'correlation');
    t.end();
  });

  t.test('no loss and total loss are exact', (t) => {
    t.equal(fractionOf(losses({ loss: 0 }, 1_000)), 0);
    t.equal(fractionOf(losses({ loss: 1 }, 1_000)), 1);
    t.end();
  });

  t.test('Gilbert–Elliott: p / (p + r) is lost, in runs of 1 / r', (t) => {
    const events = losses({ loss: { model: 'gilbert-elliott', p: 0.02, r: 0.25 } }, 40_000);
    near(t, fractionOf(events), 0.02 / 0.27, 0.01, 'fraction lost');
    near(t, mean(bursts(events)), 4, 0.3, 'mean run');
    t.end();
  });

  t.test('Gilbert–Elliott: each state has its own loss', (t) => {
    const model = { model: 'gilbert-elliott', p: 0.1, r: 0.1, lossBad: 0.6, lossGood: 0.1 } as const;
    near(t, fractionOf(losses({ loss: model }, 40_000)), 0.35, 0.02, 'fraction lost');
    t.end();
  });

  t.test('four states: isolated losses never meet, bursts do', (t) => {
    const isolated = losses({ loss: { model: 'state', p13: 0, p14: 0.1 } }, 20_000);
    t.same([...new Set(bursts(isolated))], [1]);
    // Every second frame at most: a stay in state 4 ends with the next frame.
    near(t, fractionOf(isolated), 0.1 / 1.1, 0.01, 'isolated');
    // From the gap 0.3 go to a single loss and 0.1 to a burst, of which 0.9 return with the next frame.
    const both = losses({ loss: { model: 'state', p13: 0.1, p14: 0.3, p31: 0.9 } }, 40_000);
    const stays = [1, 0.3, 0.1 / 0.9] as const;
    const wanted = (stays[1] + stays[2]) / (stays[0] + stays[1] + stays[2]);
    near(t, fractionOf(both), wanted, 0.01, 'isolated and in bursts');
    const burst = losses({ loss: { model: 'state', p13: 0.05, p31: 0.2 } }, 40_000);
    near(t, mean(bursts(burst)), 5, 0.4, 'mean run');
    const holes = losses({ loss: { model: 'state', p13: 0.05, p31: 0.1, p32: 0.3, p23: 0.5 } }, 40_000);
    near(t, mean(bursts(holes)), 1 / 0.4, 0.3, 'mean run between holes');
    t.end();
  });

  t.test('a seed gives one run, another seed another', (t) => {
    const profile = { loss: 0.3 };
    t.same(losses(profile, 500, 1), losses(profile, 500, 1));
    t.notSame(losses(profile, 500, 1), losses(profile, 500, 2));
    const withDelay = { loss: 0.3, delay: ms(0), corrupt: 0.5, duplicate: 0 };
    t.same(
      losses(withDelay, 500, 1),
      losses(profile, 500, 1),
      'and does not depend on the other impairments',
    );
    t.end();
  });

  t.test('is counted by reason, and no packet is missing', (t) => {
    const { lane, pool, drops } = fixture({ loss: 1 });
    for (let i = 0; i < 10; i++) lane.offer(START, udpFrame(pool, 'ip', 60));
    t.equal(lane.counters.lost, 10);
    t.equal(drops.counts[Drop.NetemLoss], 10);
    t.equal(pool.available, pool.capacity);
    t.end();
  });
  t.end();
});

t.test('delay', (t) => {
  t.test('frames arrive exactly so much later, in order', (t) => {
    const { lane, pool } = fixture({ delay: ms(50) });
    for (let i = 0; i < 5; i++) lane.offer((i * 100) as Instant, udpFrame(pool, 'ip', 60, i));
    t.equal(lane.nextTimeout(), 50_000);
    t.same(arrived(lane, 49_999 as Instant), []);
    t.same(arrived(lane, 50_000 as Instant), [0]);
    t.same(arrived(lane, 50_300 as Instant), [1, 2, 3]);
    t.equal(lane.nextTimeout(), 50_400);
    t.same(arrived(lane, 60_000 as Instant), [4]);
    t.equal(lane.nextTimeout(), NEVER);
    t.equal(pool.available, pool.capacity);
    t.end();
  });

  t.test('frames of one time keep their order', (t) => {
    const { lane, pool } = fixture({ delay: ms(1) });
    for (let i = 0; i < 40; i++) lane.offer(START, udpFrame(pool, 'ip', 60, i));
    t.same(
      arrived(lane, 1_000 as Instant),
      Array.from({ length: 40 }, (_, i) => i),
    );
    t.end();
  });

  t.test('uniform jitter stays within its bounds', (t) => {
    const values = delays({ delay: ms(50), jitter: ms(10) }, 5_000);
    near(t, mean(values), 50_000, 300, 'mean');
    near(t, deviation(values), 10_000 / Math.sqrt(3), 200, 'standard deviation');
    t.ok(Math.min(...values) >= 40_000 && Math.max(...values) <= 60_000);
    t.ok(values.every(Number.isInteger));
    t.end();
  });

  t.test('normal jitter has its standard deviation', (t) => {
    const values = delays({ delay: ms(50), jitter: ms(10), distribution: 'normal' }, 5_000);
    near(t, mean(values), 50_000, 500, 'mean');
    near(t, deviation(values), 10_000, 400, 'standard deviation');
    t.end();
  });

  t.test('correlated jitter keeps its distribution', (t) => {
    const even = delays({ delay: ms(50), jitter: ms(10), delayCorrelation: 0.8 }, 10_000);
    near(t, deviation(even), 10_000 / Math.sqrt(3), 400, 'standard deviation');
    near(t, correlation(even), 0.79, 0.03, 'correlation');
    const normal = delays(
      { delay: ms(50), jitter: ms(10), distribution: 'normal', delayCorrelation: 0.8 },
      10_000,
    );
    near(t, deviation(normal), 10_000, 600, 'standard deviation');
    near(t, correlation(normal), 0.8, 0.03, 'correlation');
    t.end();
  });

  t.test('jitter reorders, and never makes a delay negative', (t) => {
    const values = delays({ delay: ms(1), jitter: ms(10), distribution: 'normal' }, 1_000);
    t.equal(Math.min(...values), 0);
    const { lane, pool } = fixture({ delay: ms(50), jitter: ms(50) });
    for (let i = 0; i < 30; i++) lane.offer((i * 1_000) as Instant, udpFrame(pool, 'ip', 60, i));
    const order = arrived(lane, 1_000_000 as Instant);
    t.equal(order.length, 30);
    t.notSame(
      order,
      order.toSorted((a, b) => a - b),
    );
    t.end();
  });
  t.end();
});

t.test('reorder', (t) => {
  t.test('each gap-th frame overtakes those under way', (t) => {
    const { lane, pool } = fixture({ delay: ms(10), reorder: { probability: 1, gap: 5 } });
    for (let i = 0; i < 10; i++) lane.offer(i as Instant, udpFrame(pool, 'ip', 60, i));
    t.same(arrived(lane, 9 as Instant), [4, 9]);
    t.same(arrived(lane, ms(20) as number as Instant), [0, 1, 2, 3, 5, 6, 7, 8]);
    t.equal(lane.counters.reordered, 2);
    t.end();
  });

  t.test('is as frequent as asked for', (t) => {
    const early = delays({ delay: ms(10), reorder: 0.25 }, 8_000).filter((delay) => delay === 0);
    near(t, early.length / 8_000, 0.25, 0.02, 'fraction');
    t.end();
  });
  t.end();
});

t.test('duplicate', (t) => {
  t.test('both arrive, the copy with the same bytes and metadata', (t) => {
    const { lane, pool } = fixture({ duplicate: 1 });
    lane.offer(START, partialFrame(pool, 'ip', 60));
    const first = lane.poll(START) as Packet;
    const second = lane.poll(START) as Packet;
    t.same(second.bytes.subarray(second.head, second.tail), first.bytes.subarray(first.head, first.tail));
    t.same(
      [second.flags, second.csumStart, second.csumOffset],
      [first.flags, first.csumStart, first.csumOffset],
    );
    first.release();
    second.release();
    t.equal(lane.poll(START), null, 'and a copy is not copied again');
    t.equal(pool.available, pool.capacity);
    t.end();
  });

  t.test('without a slot there is no copy, which is counted', (t) => {
    const { lane, pool, drops } = fixture({ duplicate: 1 }, SEED, 1);
    lane.offer(START, udpFrame(pool, 'ip', 60, 3));
    t.same(arrived(lane, START), [3]);
    t.equal(drops.counts[Drop.NoSlot], 1);
    t.end();
  });

  t.test('of a doubled frame that is lost, one arrives', (t) => {
    const { lane, pool } = fixture({ duplicate: 1, loss: 1 });
    lane.offer(START, udpFrame(pool, 'ip', 60, 3));
    t.same(arrived(lane, START), [3]);
    t.same([lane.counters.lost, lane.counters.duplicated], [1, 1]);
    t.end();
  });
  t.end();
});

t.test('corrupt', (t) => {
  t.test('inverts one bit, anywhere in the frame, and takes all trust away', (t) => {
    const { lane, pool } = fixture({ corrupt: 1 });
    const places = new Set<number>();
    for (let i = 0; i < 300; i++) {
      const packet = udpFrame(pool, 'ip', 60);
      const before = packet.bytes.slice(packet.head, packet.tail);
      packet.flags |= PacketFlag.ChecksumValid;
      lane.offer(START, packet);
      const after = lane.poll(START) as Packet;
      let inverted = 0;
      for (const [at, byte] of before.entries()) {
        const difference = byte ^ (after.bytes[after.head + at] as number);
        if (difference === 0) continue;
        places.add(at);
        inverted += difference.toString(2).replaceAll('0', '').length;
      }
      t.equal(inverted, 1);
      t.equal(after.flags & PacketFlag.ChecksumValid, 0);
      after.release();
    }
    t.ok(places.size > 50, `bytes hit: ${places.size}`);
    t.end();
  });

  t.test('a partial checksum is completed before, so that the receiver notices', (t) => {
    const { lane, pool } = fixture({ corrupt: 1 });
    let noticed = 0;
    for (let i = 0; i < 100; i++) {
      lane.offer(START, partialFrame(pool, 'ip', 1_000));
      const packet = lane.poll(START) as Packet;
      t.equal(packet.flags & PacketFlag.ChecksumPartial, 0);
      if (!isIntact(packet, 'ip')) noticed++;
      packet.release();
    }
    // The 20 bytes of the IP header have a checksum of their own, but for the addresses.
    t.ok(noticed >= 95, `noticed ${noticed} of 100 (seed ${SEED})`);
    t.end();
  });
  t.end();
});

t.test('rate', (t) => {
  /** When each of `count` frames of `length` bytes arrives that were offered at once. */
  const departures = (profile: NetemProfile, count: number, length: number): number[] => {
    const { lane, pool } = fixture(profile, SEED, count + 1);
    for (let i = 0; i < count; i++) lane.offer(START, udpFrame(pool, 'ip', length, i));
    const times: number[] = [];
    for (let due = lane.nextTimeout(); due !== NEVER; due = lane.nextTimeout()) {
      t.same(arrived(lane, (due - 1) as Instant), []);
      for (const mark of arrived(lane, due)) {
        t.equal(mark, times.length, 'in order');
        times.push(due);
      }
    }
    return times;
  };

  t.test('a frame takes its bits divided by the rate, exactly', (t) => {
    t.same(departures({ rate: { bitsPerSecond: 10_000_000 } }, 4, 1_250), [1_000, 2_000, 3_000, 4_000]);
    t.same(departures({ rate: { bitsPerSecond: 10_000_000 }, delay: ms(5) }, 2, 1_250), [6_000, 7_000]);
    t.same(departures({ rate: { bitsPerSecond: 8_000_000, overheadBytes: 24 } }, 2, 1_000), [1_024, 2_048]);
    t.end();
  });

  t.test('fractions of a microsecond add up to no error', (t) => {
    // 100 bytes at 3 Mbit/s: 266 2/3 µs.
    const times = departures({ rate: { bitsPerSecond: 3_000_000 } }, 300, 100);
    t.equal(times[2], 800);
    t.equal(times[299], 80_000);
    t.end();
  });

  t.test('an idle link starts at once', (t) => {
    const { lane, pool } = fixture({ rate: { bitsPerSecond: 8_000_000 } });
    lane.offer(START, udpFrame(pool, 'ip', 1_000));
    lane.poll(1_000 as Instant)?.release();
    lane.offer(5_000 as Instant, udpFrame(pool, 'ip', 1_000));
    t.equal(lane.nextTimeout(), 6_000);
    lane.purge(Drop.LinkDown);
    t.end();
  });

  t.test('the queue in front of it is bounded in packets', (t) => {
    const { lane, pool, drops } = fixture({ rate: { bitsPerSecond: 8_000_000, queueMaxPackets: 3 } });
    for (let i = 0; i < 5; i++) lane.offer(START, udpFrame(pool, 'ip', 1_000, i));
    t.equal(drops.counts[Drop.NetemRateQueueFull], 2);
    lane.offer(1_000 as Instant, udpFrame(pool, 'ip', 1_000, 9));
    t.same(arrived(lane, 10_000 as Instant), [0, 1, 2, 9]);
    t.equal(lane.counters.rateDropped, 2);
    t.equal(pool.available, pool.capacity);
    t.end();
  });

  t.test('and in bytes, but a frame that finds it idle is taken', (t) => {
    const { lane, pool, drops } = fixture({ rate: { bitsPerSecond: 8_000_000, queueMaxBytes: 2_500 } });
    for (let i = 0; i < 4; i++) lane.offer(START, udpFrame(pool, 'ip', 1_000, i));
    t.equal(drops.counts[Drop.NetemRateQueueFull], 2);
    lane.offer(500 as Instant, udpFrame(pool, 'ip', 1_000, 4));
    t.equal(drops.counts[Drop.NetemRateQueueFull], 2, 'half a frame has left: 1,500 bytes wait');
    lane.offer(10_000 as Instant, udpFrame(pool, 'ip', 5_000, 5));
    t.same(arrived(lane, 20_000 as Instant), [0, 1, 4, 5]);
    t.end();
  });
  t.end();
});

t.test('what is under way is bounded', (t) => {
  const { lane, pool, drops } = fixture({ delay: ms(10), limitPackets: 4 });
  for (let i = 0; i < 6; i++) lane.offer(START, udpFrame(pool, 'ip', 60, i));
  t.equal(drops.counts[Drop.NetemQueueFull], 2);
  t.equal(lane.counters.limitDropped, 2);
  t.same(arrived(lane, 10_000 as Instant), [0, 1, 2, 3]);
  t.end();
});

t.test('a profile may change while frames are under way', (t) => {
  const { lane, pool } = fixture({ delay: ms(10), rate: { bitsPerSecond: 8_000_000 } });
  lane.offer(START, udpFrame(pool, 'ip', 1_000, 1));
  lane.configure({ rate: { bitsPerSecond: 80_000_000 } });
  lane.offer(START, udpFrame(pool, 'ip', 1_000, 2));
  t.equal(lane.nextTimeout(), 1_100, 'the link was busy until 1,000 µs');
  t.same(arrived(lane, 1_100 as Instant), [2]);
  t.same(arrived(lane, 11_000 as Instant), [1]);
  lane.configure({ loss: 1 });
  lane.offer(START, udpFrame(pool, 'ip', 60));
  t.equal(lane.length, 0);
  t.equal(lane.counters.offered, 3);
  t.end();
});
