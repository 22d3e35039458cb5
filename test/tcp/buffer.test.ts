import t from 'tap';
import { rng } from '../../src/base/rng.ts';
import { START } from '../../src/base/time.ts';
import { Ranges } from '../../src/tcp/buffer/ranges.ts';
import {
  RING_BYTES_MAX,
  RING_BYTES_MIN,
  RingPool,
  readRing,
  writeRing,
} from '../../src/tcp/buffer/ring-pool.ts';
import { TimeWaitTable } from '../../src/tcp/close/time-wait-table.ts';
import { FlowWords } from '../../src/tcp/flow-words.ts';
import { IdQueue } from '../../src/tcp/id-queue.ts';
import { encodeClock, NO_WSCALE, SynCookies, wscaleOf } from '../../src/tcp/open/syn-cookie.ts';
import { stateName } from '../../src/tcp/state.ts';
import { TCB_BYTES, TcbFlag, TcbTable, tcbCursor } from '../../src/tcp/tcb.ts';
import { noise } from './bytes.ts';

t.test('ranges are as a set of numbers says (RFC 2018 §4)', async (t) => {
  const chance = rng(7);
  for (const base of [0, 0x7fff_ff00, -200]) {
    const ranges = new Ranges();
    const known = new Set<number>();
    for (let i = 0; i < 400; i++) {
      const start = chance.below(1000);
      const end = start + 1 + chance.below(20);
      const before = new Set(known);
      ranges.add((base + start) | 0, (base + end) | 0);
      for (let n = start; n < end; n++) known.add(n);
      let firstKnown = -1;
      for (let n = end - 1; n >= start; n--) if (before.has(n)) firstKnown = n;
      if (ranges.hasDuplicate !== firstKnown >= 0) t.fail(`duplicate of ${start}`);
      if (ranges.hasDuplicate && ranges.duplicateStart !== ((base + firstKnown) | 0))
        t.fail(`duplicate starts ${start}`);
    }
    const listed = new Set<number>();
    for (let i = 0; i < ranges.count; i++) {
      for (let n = ranges.start(i); n !== ranges.end(i); n = (n + 1) | 0) listed.add((n - base) | 0);
      if (i > 0) t.ok(((ranges.start(i) - ranges.end(i - 1)) | 0) > 0, 'apart');
    }
    t.same(
      [...listed].sort((a, b) => a - b),
      [...known].sort((a, b) => a - b),
    );
    const first = ranges.end(0);
    t.equal(ranges.take(ranges.start(0)), first, 'what continues the stream is taken out');
    t.equal(ranges.take(first), first);
  }
});

t.test('too many gaps are refused', async (t) => {
  const ranges = new Ranges();
  for (let i = 0; i < 1024; i++) ranges.add(i * 10, i * 10 + 5);
  t.equal(ranges.count, 1024);
  t.notOk(ranges.add(99_999, 99_999 + 1));
  t.equal(ranges.count, 1024);
  t.ok(ranges.add(0, 20), 'what closes some is welcome');
  t.equal(ranges.count, 1022, 'it touches the third');
});

t.test('rings: bytes keep their places when they grow, and memory is counted', async (t) => {
  const pool = new RingPool(1 << 20, 1 << 16);
  for (const base of [0, 5000, 0x7fff_fc00, -1000]) {
    let ring = pool.take(3000)!;
    t.equal(ring.length, 4096);
    const data = noise(4000);
    writeRing(ring, base, data, 0, 4000);
    ring = pool.grow(ring, 9000, base, (base + 4000) | 0)!;
    t.equal(ring.length, 16_384);
    const out = new Uint8Array(4000);
    readRing(ring, base, out, 0, 4000);
    t.ok(Buffer.from(out).equals(data));
    pool.give(ring);
    t.equal(pool.used, 0);
  }
  t.equal(pool.take(1)!.length, RING_BYTES_MIN);
  t.equal(pool.take(RING_BYTES_MAX + 1), null);
  t.equal(pool.take(1 << 20), null, 'the limit');
});

t.test('records: rows are clean, ids are used again, and growing moves nothing', async (t) => {
  const table = new TcbTable(5000);
  const tcb = tcbCursor(table);
  const ids = Array.from({ length: 5000 }, () => table.allocate());
  t.equal(table.allocate(), -1);
  t.same(new Set(ids).size, 5000);
  for (const id of ids) {
    tcb.at(id);
    tcb.state = 1;
    tcb.sndUna = id;
    tcb.srtt = id + 0.5;
  }
  for (const id of ids) if (tcb.at(id).sndUna !== id || tcb.srtt !== id + 0.5) t.fail(`row ${id}`);
  table.free(7);
  t.notOk(table.has(7));
  t.throws(() => table.free(7), /freed once/);
  t.equal(table.allocate(), 7);
  tcb.at(7);
  t.equal(tcb.sndUna, 0);
  t.equal(tcb.rtoAt, Number.POSITIVE_INFINITY);
  tcb.set(TcbFlag.RcvLimitFixed);
  t.ok(tcb.has(TcbFlag.RcvLimitFixed));
  tcb.clear(TcbFlag.RcvLimitFixed);
  t.notOk(tcb.has(TcbFlag.RcvLimitFixed));
  t.ok(TCB_BYTES < 700, `${TCB_BYTES} bytes`);
});

t.test('a queue of ids grows and keeps its order', async (t) => {
  const queue = new IdQueue(4);
  for (let i = 0; i < 3; i++) queue.push(i);
  queue.shift();
  for (let i = 3; i < 20; i++) queue.push(i);
  t.ok(queue.remove(10));
  t.notOk(queue.remove(10));
  const out: number[] = [];
  for (let id = queue.shift(); id >= 0; id = queue.shift()) out.push(id);
  t.same(out, [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
});

t.test('TIME-WAIT rows keep what they were given, and grow', async (t) => {
  const table = new TimeWaitTable(START);
  const words = new FlowWords();
  for (let i = 0; i < 200; i++) {
    words.words[8] = i;
    const row = table.allocate(words, (1000 * (200 - i)) as never);
    table.setSequence(row, i, -i, 5, 2);
    table.setTimestamps(row, true, i * 2, i * 3, i * 4);
  }
  const into = new Int32Array(9);
  table.loadFlow(150, into);
  t.same(
    [into[8], table.sndNxt(150), table.rcvNxt(150), table.tsRecent(150), table.tsRecentAt(150)],
    [150, 150, -150, 300, 450],
  );
  t.equal(table.next(), 1000);
  t.equal(table.expire(999 as never), -1);
  t.equal(table.expire(1000 as never), 199);
});

t.test('cookies: ours are known, others are not (RFC 4987 §3.6)', async (t) => {
  const cookies = new SynCookies(rng(1));
  const words = new FlowWords();
  const cookie = cookies.make(START, words, 77, 1460);
  t.equal(cookies.check(START, words, 77, cookie), 1460);
  t.equal(cookies.check(START, words, 78, cookie), 0);
  t.equal(cookies.check(START, words, 77, cookie ^ 1), 0);
  t.equal(cookies.check(START, words, 77, cookie ^ (1 << 24)), 0, 'the MSS is covered');
  words.words[8] = 1;
  t.equal(cookies.check(START, words, 77, cookie), 0);
  for (const clock of [0, 63, 64, 1_000_000, 0x7fff_ffff, -1]) {
    for (const wscale of [-1, 0, 14]) {
      const encoded = encodeClock(clock, wscale, true, false);
      t.ok(((encoded - clock) | 0) <= 0 && ((encoded - clock) | 0) > -128, `${clock} ${wscale}`);
      t.equal(wscaleOf(encoded), wscale);
    }
  }
  t.equal(NO_WSCALE, 15);
});

t.test('states have the names of RFC 9293 §3.3.2', async (t) => {
  t.same(
    ([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] as const).map((state) => stateName(state)),
    [
      'ESTABLISHED',
      'SYN-SENT',
      'SYN-RECEIVED',
      'FIN-WAIT-1',
      'FIN-WAIT-2',
      'TIME-WAIT',
      'CLOSED',
      'CLOSE-WAIT',
      'LAST-ACK',
      'LISTEN',
      'CLOSING',
    ],
  );
});
