/**
 * The small pieces: sequence numbers, time, chance, bytes, names of drops, rings, orders, heaps, rates, counters
 * and the keyed hash.
 */
import * as fc from 'fast-check';
import t from 'tap';
import { assert, unreachable } from '../../src/base/assert.ts';
import { copyBytes, equalBytes } from '../../src/base/bytes.ts';
import { countersToJson, listCounters } from '../../src/base/counters.ts';
import { DROP_LIMIT, Drop, dropName } from '../../src/base/drop.ts';
import { isErrno } from '../../src/base/errno.ts';
import { Heap } from '../../src/base/heap.ts';
import { Lru } from '../../src/base/lru.ts';
import { Ring } from '../../src/base/ring.ts';
import { rng } from '../../src/base/rng.ts';
import * as seq32 from '../../src/base/seq32.ts';
import { SipHash } from '../../src/base/siphash.ts';
import type { Instant } from '../../src/base/time.ts';
import { after, between, earliest, ms, NEVER, START, sec, toMs, toSec, us } from '../../src/base/time.ts';
import { TokenBucket } from '../../src/base/token-bucket.ts';

t.test('assertions say what cannot be', (t) => {
  assert(true, 'nothing');
  t.throws(() => assert(false, 'water flows up'), { message: 'assertion failed: water flows up' });
  t.throws(() => unreachable('x' as never), /unexpected value x/);
  t.ok(isErrno('EAGAIN'));
  t.notOk(isErrno(0));
  t.end();
});

t.test('sequence numbers wrap (RFC 9293 §3.4)', (t) => {
  const last = 0xffff_ffff | 0;
  t.equal(seq32.add(last, 1), 0);
  t.equal(seq32.add(0x7fff_ffff, 1), -0x8000_0000);
  t.ok(seq32.lt(last, 0));
  t.ok(seq32.gt(5, last));
  t.ok(seq32.leq(7, 7) && seq32.geq(7, 7) && !seq32.lt(7, 7) && !seq32.gt(7, 7));
  t.equal(seq32.distance(last, 9), 10);
  t.equal(seq32.distance(9, last), -10);
  t.ok(seq32.within(2, last, 4));
  t.notOk(seq32.within(3, last, 4));
  t.notOk(seq32.within(last - 1, last, 4));
  t.notOk(seq32.within(last, last, 0));
  t.equal(seq32.max(last, 3), 3);
  t.equal(seq32.min(last, 3), last);
  t.equal(seq32.unsigned(last), 0xffff_ffff);
  t.end();
});

t.test('time is microseconds', (t) => {
  t.equal(after(START, sec(2)), 2_000_000);
  t.equal(between(after(START, ms(1)), after(START, us(1))), -999);
  t.equal(earliest(NEVER, after(START, us(3))), 3);
  t.equal(toSec(ms(1_500)), 1.5);
  t.equal(toMs(us(500)), 0.5);
  t.end();
});

t.test('chance', (t) => {
  t.test('the generator is xoshiro128**: two equal seeds, one sequence', (t) => {
    const [a, b] = [rng(42), rng(42)];
    for (let i = 0; i < 100; i++) t.equal(a.u32(), b.u32());
    t.not(rng(43).u32(), rng(42).u32());
    t.not(rng(2 ** 32).u32(), rng(0).u32(), 'the upper half of a seed counts');
    t.end();
  });

  t.test('a fork depends on seed and label only, not on what was drawn', (t) => {
    const [a, b] = [rng(1), rng(1)];
    b.u32();
    t.equal(a.fork('netem').u32(), b.fork('netem').u32());
    t.not(a.fork('netem').u32(), a.fork('isn').u32());
    t.not(rng(1).fork('netem').u32(), rng(2).fork('netem').u32());
    t.end();
  });

  t.test('below, unit and fill stay in range and reach all of it', (t) => {
    const random = rng(6);
    const seen = new Set<number>();
    for (let i = 0; i < 1_000; i++) {
      seen.add(random.below(10));
      const unit = random.unit();
      if (unit < 0 || unit >= 1) t.fail(`unit ${unit}`);
    }
    t.same(
      [...seen].toSorted((a, b) => a - b),
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    );
    t.equal(random.below(1), 0);
    t.ok(random.below(2 ** 32) >= 0);
    t.throws(() => random.below(0), /at least one outcome/);
    const bytes = new Uint8Array(64);
    // oxlint-disable-next-line unicorn/no-array-fill-with-reference-type -- this is Rng.fill
    random.fill(bytes, 3, 60);
    t.same([...bytes.subarray(0, 3), ...bytes.subarray(60)], [0, 0, 0, 0, 0, 0, 0]);
    t.ok(new Set(bytes.subarray(3, 60)).size > 40);
    t.end();
  });

  t.test('is even enough: chi-square over 256 values of each byte', (t) => {
    const random = rng(9);
    for (const shift of [0, 8, 16, 24]) {
      const counts = new Float64Array(256);
      for (let i = 0; i < 65_536; i++) {
        const value = (random.u32() >>> shift) & 255;
        counts[value] = (counts[value] as number) + 1;
      }
      const chi = counts.reduce((sum, count) => sum + (count - 256) ** 2 / 256, 0);
      // 255 degrees of freedom: 99.99 % of all sequences lie between these.
      t.ok(chi > 177 && chi < 350, `shift ${shift}: ${chi}`);
    }
    t.end();
  });
  t.end();
});

t.test('bytes are copied and compared, short and long, onto themselves as well', (t) => {
  for (const length of [0, 1, 54, 96, 97, 1_500]) {
    const source = new Uint8Array(1_600).map((_, i) => i * 7);
    const target = new Uint8Array(1_600);
    copyBytes(target, 9, source, 5, length);
    t.ok(equalBytes(target, 9, source, 5, length));
    t.same([target[8], target[9 + length]], [0, 0]);
    copyBytes(source, 6, source, 5, length);
    t.ok(equalBytes(source, 6, target, 9, length), `${length} overlapping`);
  }
  t.notOk(equalBytes(Uint8Array.of(1, 2), 0, Uint8Array.of(1, 3), 0, 2));
  t.end();
});

t.test('reasons of drops are distinct, below the limit, and have their own names', (t) => {
  const reasons = Object.values(Drop);
  t.equal(new Set(reasons).size, reasons.length);
  t.ok(Math.max(...reasons) < DROP_LIMIT);
  for (const [name, reason] of Object.entries(Drop)) t.equal(dropName(reason), name);
  t.equal(dropName(255 as Drop), 'Drop255');
  t.end();
});

t.test('a ring is first in, first out, and full at its capacity', (t) => {
  const ring = new Ring<number>(3);
  t.equal(ring.shift(), undefined);
  for (let round = 0; round < 5; round++) {
    t.ok(ring.push(1) && ring.push(2) && ring.push(3));
    t.ok(ring.isFull);
    t.notOk(ring.push(4));
    t.equal(ring.peek(), 1);
    t.same([ring.shift(), ring.shift(), ring.shift(), ring.shift()], [1, 2, 3, undefined]);
    ring.push(9);
    t.equal(ring.shift(), 9);
  }
  t.equal(ring.peek(), undefined);
  t.equal(ring.length, 0);
  t.end();
});

function agreesWithArray(steps: [boolean, number][]): boolean {
  const lru = new Lru(8);
  let model: number[] = [];
  for (const [isTouch, id] of steps) {
    model = model.filter((other) => other !== id);
    if (isTouch) {
      lru.touch(id);
      model.push(id);
    } else {
      lru.remove(id);
    }
    const order: number[] = [];
    for (let at = lru.oldest(); at >= 0; at = lru.newerThan(at)) order.push(at);
    if (order.join() !== model.join() || lru.length !== model.length || lru.has(id) !== isTouch) return false;
  }
  return true;
}

t.test('an LRU gives the one that was not touched for the longest time', (t) => {
  fc.assert(fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(7))), agreesWithArray), { seed: 1 });
  t.throws(() => new Lru(2).touch(2), /below its capacity/);
  t.end();
});

function agreesWithSort(times: number[], popEvery: number): boolean {
  const heap = new Heap<number>();
  const model: { at: number; item: number }[] = [];
  const pop = (): boolean => {
    model.sort((a, b) => a.at - b.at || a.item - b.item);
    const want = model.shift();
    return heap.next() === (want?.at ?? NEVER) && heap.peek() === want?.item && heap.pop() === want?.item;
  };
  for (const [item, at] of times.entries()) {
    heap.push(at as Instant, item);
    model.push({ at, item });
    if (item % popEvery === 0 && !pop()) return false;
  }
  while (model.length > 0) if (!pop()) return false;
  return heap.length === 0 && pop();
}

t.test('a heap gives the earliest, equal ones as they went in', (t) => {
  fc.assert(
    fc.property(fc.array(fc.nat(20), { maxLength: 100 }), fc.integer({ min: 1, max: 9 }), agreesWithSort),
    {
      seed: 1,
    },
  );
  t.end();
});

t.test('a token bucket lets a burst through, then the rate', (t) => {
  const bucket = new TokenBucket(1_000, 50);
  const passed = (now: number, tries: number): number => {
    let count = 0;
    for (let i = 0; i < tries; i++) if (bucket.take(now as Instant)) count++;
    return count;
  };
  t.equal(passed(0, 100), 50);
  t.equal(passed(999, 10), 0);
  t.equal(passed(1_000, 10), 1, 'what came in before a whole token was there is not lost');
  t.equal(passed(11_000, 100), 10);
  t.equal(passed(60_000_000, 100), 50, 'never more than the burst');
  t.notOk(new TokenBucket(1, 5).take(START, 6));
  t.ok(new TokenBucket(1, 5).take(START, 5));
  t.end();
});

t.test('counters are walked by name', (t) => {
  class Opaque {
    hidden = 1;
  }
  const tree = {
    in: 1,
    tcp: { resets: 2, deep: { most: 3 } },
    name: 'x',
    other: new Opaque(),
    none: null,
    out: 4,
  };
  t.same(listCounters(tree), [
    ['in', 1],
    ['tcp.resets', 2],
    ['tcp.deep.most', 3],
    ['out', 4],
  ]);
  t.same(countersToJson(tree), { in: 1, 'tcp.resets': 2, 'tcp.deep.most': 3, out: 4 });
  t.end();
});

t.test('SipHash-2-4 gives the reference values (Aumasson and Bernstein, appendix A)', (t) => {
  // Key 00 01 … 0f, message 00 01 … of 0, 4, 8 and 12 bytes.
  const hash = new SipHash(Int32Array.of(0x03020100, 0x07060504, 0x0b0a0908, 0x0f0e0d0c), 4);
  hash.message.set([0x03020100, 0x07060504, 0x0b0a0908, 0x0f0e0d0c]);
  const results = [0, 1, 2, 3].map((words) => {
    const low = hash.hash(words) >>> 0;
    return (hash.hi >>> 0).toString(16).padStart(8, '0') + low.toString(16).padStart(8, '0');
  });
  t.same(results, ['726fdb47dd0e0e31', 'cf2794e0277187b7', '93f5f5799a932462', '751e8fbc860ee5fb']);
  t.not(SipHash.keyed(rng(1), 2).hash(), SipHash.keyed(rng(2), 2).hash());
  t.equal(SipHash.keyed(rng(1), 2).hash(), SipHash.keyed(rng(1), 2).hash());
  t.end();
});
