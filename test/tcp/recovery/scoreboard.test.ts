import t from 'tap';
import { rng } from '../../../src/base/rng.ts';
import type { Instant } from '../../../src/base/time.ts';
import { RateState } from '../../../src/tcp/congestion/rate-sample.ts';
import type { DeliverySink } from '../../../src/tcp/recovery/scoreboard.ts';
import { RangeFlag, Scoreboard } from '../../../src/tcp/recovery/scoreboard.ts';
import { SentRows } from '../../../src/tcp/recovery/sent-rows.ts';

const at = (n: number): Instant => n as Instant;

/** Notes what it is told. */
class Sink implements DeliverySink {
  readonly arrived: string[] = [];
  bytes = 0;

  handleDelivered(_now: Instant, board: Scoreboard, id: number, bytes: number, isSack: boolean): void {
    this.arrived.push(`${isSack ? 'sack' : 'ack'} ${board.start(id) >>> 0}+${bytes}`);
    this.bytes += bytes;
  }
}

/** `count` ranges of 100 bytes, a microsecond apart, from `start` on. */
function filled(count: number, start = 0): Scoreboard {
  const board = new Scoreboard(new SentRows());
  const rate = new RateState();
  for (let i = 0; i < count; i++) {
    const from = (start + 100 * i) | 0;
    board.push(at(i + 1), from, (from + 100) | 0, rate, false);
  }
  return board;
}

const MARKS = ['S', 'L', 'r', 'R'];

/** `start-end` and its flags, in sequence order. */
function show(board: Scoreboard): string {
  const ranges: string[] = [];
  for (let index = 0; index < board.count; index++) {
    const id = board.id(index);
    const marks = MARKS.filter((_, bit) => board.has(id, 1 << bit)).join('');
    ranges.push(`${board.start(id) >>> 0}-${board.end(id) >>> 0}${marks}`);
  }
  return ranges.join(' ');
}

function byTime(board: Scoreboard): number[] {
  const starts: number[] = [];
  for (let id = board.oldest; id >= 0; id = board.newer(id)) starts.push(board.start(id) >>> 0);
  return starts;
}

t.test('a cumulative acknowledgement takes ranges off, and cuts one (RFC 9293 §3.10.7.4)', async (t) => {
  const board = filled(4);
  const sink = new Sink();
  board.handleAck(at(10), 250, sink);
  t.same(sink.arrived, ['ack 0+100', 'ack 100+100', 'ack 200+50']);
  t.equal(show(board), '250-300 300-400');
  t.equal(board.inFlight, 150);
  board.handleAck(at(11), 400, sink);
  t.equal(board.count, 0);
  t.equal(board.bytes, 0);
  t.same(byTime(board), []);
});

t.test('SACK blocks cut ranges at their edges and join with neighbours (RFC 2018 §5)', async (t) => {
  const board = filled(5);
  const sink = new Sink();
  board.handleSack(at(10), 150, 300, sink);
  t.same(sink.arrived, ['sack 150+50', 'sack 200+100']);
  t.equal(show(board), '0-100 100-150 150-300S 300-400 400-500');
  t.equal(board.sackedBytes, 150);
  t.equal(board.inFlight, 350);
  t.equal(board.highestSacked, 300);
  board.handleSack(at(11), 150, 400, sink);
  t.same(sink.arrived.slice(2), ['sack 300+100'], 'only what is new');
  t.equal(show(board), '0-100 100-150 150-400S 400-500');
  board.handleSack(at(12), 100, 150, sink);
  t.equal(show(board), '0-100 100-400S 400-500');
  t.same(byTime(board), [0, 400], 'what has arrived cannot be lost any more');
});

t.test('pipe counts lost ranges out and their retransmissions in (RFC 6675 §4)', async (t) => {
  const board = filled(4);
  board.markLost(board.id(0));
  t.equal(board.inFlight, 300);
  board.retransmit(at(20), board.id(0), new RateState(), false);
  t.equal(show(board), '0-100LrR 100-200 200-300 300-400');
  t.equal(board.inFlight, 400);
  t.same(byTime(board), [100, 200, 300, 0], 'sent last (RFC 8985 §6.1)');
  board.markLost(board.id(0));
  t.equal(board.inFlight, 300, 'the retransmission is lost as well');
  t.equal(board.lostBytes, 100);
  board.handleAck(at(30), 400, new Sink());
  t.equal(board.lostBytes + board.retransmittedBytes + board.sackedBytes, 0);
});

t.test(
  'losses that were none are in flight as before, in the order of their times (RFC 4015 §3.2)',
  async (t) => {
    const board = filled(4);
    board.markLost(board.id(2));
    board.markLost(board.id(0));
    board.unmarkLost();
    t.equal(board.inFlight, 400);
    t.same(byTime(board), [0, 100, 200, 300]);
  },
);

t.test('reports that were taken back are lost, not arrived (RFC 2018 §8)', async (t) => {
  const board = filled(3);
  board.handleSack(at(9), 0, 200, new Sink());
  board.forgetSacks();
  t.equal(board.sackedBytes, 0);
  t.equal(board.inFlight, 300);
  t.ok(board.has(board.id(0), RangeFlag.EverRetransmitted), 'its round trip is ambiguous');
});

t.test('what one turn sends is one range', async (t) => {
  const board = new Scoreboard(new SentRows());
  const rate = new RateState();
  board.push(at(5), 0, 1000, rate, false);
  board.push(at(5), 1000, 3000, rate, false);
  board.push(at(6), 3000, 4000, rate, false);
  t.equal(show(board), '0-3000 3000-4000');
  t.equal(board.txInFlight(board.id(0)), 3000);
});

t.test('ranges are bounded: neighbours are joined, no byte is forgotten', async (t) => {
  const board = filled(9_000);
  t.equal(board.count, 8_192);
  t.equal(board.bytes, 900_000);
  const sink = new Sink();
  board.handleSack(at(10_000), 150, 250, sink);
  t.same(sink.arrived, [], 'no row is left to cut one');
  board.handleAck(at(10_001), 900_000, sink);
  t.equal(sink.bytes, 900_000);
  t.equal(board.count, 0);
});

t.test('whatever comes, bytes are counted once (compared with a byte map, across the wrap)', async (t) => {
  for (let seed = 1; seed <= 15; seed++) t.equal(randomRun(seed), '', `seed ${seed}`);
});

/** A byte map beside the board: 0 in flight, 1 SACKed, 2 lost, 3 retransmitted. */
function randomRun(seed: number): string {
  const random = rng(seed);
  const base = 0x7fff_ff00;
  const board = new Scoreboard(new SentRows());
  const rate = new RateState();
  const sink = new Sink();
  const map: number[] = [];
  let una = 0;
  for (let step = 1; step < 200; step++) {
    const now = at(step);
    const choice = random.below(10);
    const seq = (n: number): number => (base + n) | 0;
    if (choice < 4) {
      const bytes = 1 + random.below(300);
      board.push(now, seq(map.length), seq(map.length + bytes), rate, false);
      for (let i = 0; i < bytes; i++) map.push(0);
    } else if (choice < 7 && map.length > una) {
      const from = una + random.below(map.length - una);
      const to = from + 1 + random.below(map.length - from);
      board.handleSack(now, seq(from), seq(to), sink);
      for (let i = from; i < to; i++) map[i] = 1;
    } else if (choice === 7 && board.oldest >= 0) {
      const id = board.oldest;
      for (let i = 0; i < board.length(id); i++) map[((board.start(id) - base) | 0) + i] = 2;
      board.markLost(id);
    } else if (choice === 8 && board.count > 0) {
      const id = board.id(random.below(board.count));
      if ((board.flags(id) & (RangeFlag.Lost | RangeFlag.Retransmitted)) !== RangeFlag.Lost) continue;
      for (let i = 0; i < board.length(id); i++) map[((board.start(id) - base) | 0) + i] = 3;
      board.retransmit(now, id, rate, false);
    } else if (map.length > una) {
      una += random.below(Math.min(400, map.length - una) + 1);
      board.handleAck(now, seq(una), sink);
    }
    const rest = map.slice(una);
    const count = (state: number): number => rest.filter((s) => s === state).length;
    const wanted = [rest.length, count(1), count(2) + count(3), count(3), count(0) + count(3)].join();
    const got = [
      board.bytes,
      board.sackedBytes,
      board.lostBytes,
      board.retransmittedBytes,
      board.inFlight,
    ].join();
    if (wanted !== got) return `step ${step}: wanted ${wanted}, got ${got}`;
  }
  return '';
}
