import t from 'tap';
import type { Instant } from '../../../src/base/time.ts';
import { burstBytes, Pacer, windowRate } from '../../../src/tcp/congestion/pacing.ts';
import { RateState } from '../../../src/tcp/congestion/rate-sample.ts';
import { EcnSender } from '../../../src/tcp/recovery/ecn.ts';
import { Prr } from '../../../src/tcp/recovery/prr.ts';
import type { LossSink } from '../../../src/tcp/recovery/rack.ts';
import { Rack } from '../../../src/tcp/recovery/rack.ts';
import { DsackRange, sortBlocks, takeDsack } from '../../../src/tcp/recovery/sack-option.ts';
import type { DeliverySink } from '../../../src/tcp/recovery/scoreboard.ts';
import { Scoreboard } from '../../../src/tcp/recovery/scoreboard.ts';
import { SentRows } from '../../../src/tcp/recovery/sent-rows.ts';
import { Tlp } from '../../../src/tcp/recovery/tlp.ts';
import { Undo } from '../../../src/tcp/recovery/undo.ts';
import { TcpOptions } from '../../../src/wire/tcp-options.ts';

const MSS = 1_000;
const at = (n: number): Instant => n as Instant;

t.test(
  'PRR sends one segment for every two when the window is halved (RFC 9937 §9, first example)',
  async (t) => {
    // 20 segments in flight, the first of them lost, ssthresh 10; each acknowledgement delivers one.
    const prr = new Prr();
    prr.enter(10 * MSS, 20 * MSS, 0, 0);
    let inFlight = 19 * MSS;
    const sent: number[] = [];
    const pipe: number[] = [];
    for (let ack = 0; ack < 18; ack++) {
      inFlight -= MSS;
      const segments = Math.floor(prr.quota(MSS, inFlight, false, MSS) / MSS);
      prr.handleSent(segments * MSS);
      inFlight += segments * MSS;
      sent.push(segments);
      pipe.push(inFlight / MSS);
    }
    // Half a segment is not sent: after the first, each waits for the second acknowledgement.
    t.same(sent, [1, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 0, 1, 1]);
    t.equal(pipe.at(-1), 10, 'pipe ends at ssthresh');
  },
);

t.test(
  'PRR replaces what was delivered below ssthresh, and one more when that is safe (RFC 9937 §6.2)',
  async (t) => {
    // 15 of 20 lost at once: pipe is far below ssthresh.
    const prr = new Prr();
    prr.enter(10 * MSS, 20 * MSS, 0, 0);
    t.equal(prr.quota(MSS, 4 * MSS, false, MSS), MSS, 'PRR-CRB: as much as was delivered');
    prr.handleSent(MSS);
    t.equal(prr.quota(MSS, 4 * MSS, true, MSS), 2 * MSS, 'PRR-SSRB: SafeACK');
    prr.handleSent(2 * MSS);
    t.equal(prr.quota(MSS, 4 * MSS, false, MSS), MSS);
    t.equal(prr.quota(9 * MSS, 8 * MSS, true, MSS), 2 * MSS, 'never beyond ssthresh');
  },
);

t.test('PRR counts what the acknowledgement that begins it has brought (RFC 9937 §6.1)', async (t) => {
  const prr = new Prr();
  prr.enter(10 * MSS, 20 * MSS, 3 * MSS, 2 * MSS);
  t.equal(prr.recoverFs, 19 * MSS);
  prr.handleSent(5 * MSS);
  t.equal(prr.quota(0, 15 * MSS, false, MSS), 0, 'never negative');
  const other = new Prr();
  other.enter(10 * MSS, 20 * MSS, 0, 0);
  t.equal(other.quota(0, 15 * MSS, false, MSS), MSS, 'the retransmission that begins it always leaves');
});

class Lost implements LossSink, DeliverySink {
  readonly starts: number[] = [];

  handleLost(_now: Instant, board: Scoreboard, id: number): void {
    this.starts.push(board.start(id));
    board.markLost(id);
  }

  handleDelivered(): void {}
}

/** Segments of 1,000 bytes sent a millisecond apart; segment `arrived` is SACKed `rtt` later. */
function overtaken(count: number, arrived: number): { board: Scoreboard; rack: Rack; now: Instant } {
  const board = new Scoreboard(new SentRows());
  const rate = new RateState();
  for (let i = 0; i < count; i++) board.push(at(1_000 * i), i * MSS, (i + 1) * MSS, rate, false);
  const rack = new Rack(0);
  const id = board.id(arrived);
  const now = at(1_000 * arrived + 40_000);
  rack.handleDelivered(now, board, id, board.end(id), 40_000, false);
  rack.noteOrder(board.start(id), board.end(id), false);
  board.handleSack(now, arrived * MSS, (arrived + 1) * MSS, new Lost());
  return { board, rack, now };
}

t.test(
  'RACK waits a quarter of the shortest round trip before it takes a gap for a loss (RFC 8985 §6.2)',
  async (t) => {
    const { board, rack, now } = overtaken(4, 2);
    const lost = new Lost();
    rack.updateReoWnd(40_000, 40_000, false, MSS, MSS);
    t.equal(rack.reoWndUs, 10_000);
    const timeoutUs = rack.detectLoss(now, board, lost);
    t.same(lost.starts, []);
    t.equal(timeoutUs, 9_000, 'until the second one is due: the timer waits for the last');
    t.equal(rack.detectLoss(at(now + 8_000), board, lost), 1_000);
    t.same(lost.starts, [0]);
    t.equal(rack.detectLoss(at(now + 9_000), board, lost), 0);
    t.same(lost.starts, [0, MSS], 'the last was sent later than what arrived');
  },
);

t.test(
  'three segments of evidence, or a recovery, close the reordering window (RFC 8985 §6.2 step 4)',
  async (t) => {
    const { rack } = overtaken(6, 2);
    rack.updateReoWnd(40_000, 40_000, false, 3 * MSS, MSS);
    t.equal(rack.reoWndUs, 0, 'DupThresh');
    rack.updateReoWnd(40_000, 40_000, true, MSS, MSS);
    t.equal(rack.reoWndUs, 0, 'in recovery');
    rack.noteOrder(0, MSS, true);
    t.notOk(rack.isReorderingSeen, 'a retransmission that arrives late is no reordering');
    rack.noteOrder(0, MSS, false);
    t.ok(rack.isReorderingSeen, 'an original is');
    t.equal(rack.reorderingBytes, 3 * MSS);
    rack.updateReoWnd(40_000, 40_000, true, 3 * MSS, MSS);
    t.equal(rack.reoWndUs, 10_000, 'and the window stays open');
  },
);

t.test(
  'each round with a DSACK widens the window, sixteen recoveries narrow it (RFC 8985 §6.2 step 4)',
  async (t) => {
    const rack = new Rack(0);
    rack.isReorderingSeen = true;
    rack.handleDsack(0, 10 * MSS);
    rack.handleDsack(5 * MSS, 12 * MSS);
    t.equal(rack.reoWndMult, 2, 'once per round');
    rack.handleDsack(10 * MSS, 20 * MSS);
    t.equal(rack.reoWndMult, 3);
    rack.updateReoWnd(40_000, 40_000, false, 0, MSS);
    t.equal(rack.reoWndUs, 30_000);
    rack.updateReoWnd(40_000, 20_000, false, 0, MSS);
    t.equal(rack.reoWndUs, 20_000, 'at most a smoothed round trip');
    for (let i = 0; i < 15; i++) rack.handleRecovered();
    t.equal(rack.reoWndMult, 3);
    rack.handleRecovered();
    t.equal(rack.reoWndMult, 1);
  },
);

t.test(
  'an acknowledgement of a retransmission that came too soon is of the original (RFC 8985 §6.2 step 2)',
  async (t) => {
    const board = new Scoreboard(new SentRows());
    const rate = new RateState();
    board.push(at(0), 0, MSS, rate, false);
    const rack = new Rack(0);
    const id = board.id(0);
    board.markLost(id);
    board.retransmit(at(100_000), id, rate, false);
    rack.handleDelivered(at(110_000), board, id, MSS, 40_000, false);
    t.equal(rack.xmitTs, Number.NEGATIVE_INFINITY, 'quicker than any round trip');
    rack.handleDelivered(at(150_000), board, id, MSS, 40_000, true);
    t.equal(rack.xmitTs, Number.NEGATIVE_INFINITY, 'the echo is older than the retransmission');
    rack.handleDelivered(at(150_000), board, id, MSS, 40_000, false);
    t.equal(rack.xmitTs, 100_000);
    t.equal(rack.rttUs, 50_000);
  },
);

t.test('a round trip of no time does not stall RACK', async (t) => {
  const board = new Scoreboard(new SentRows());
  const rate = new RateState();
  board.push(at(7), 0, MSS, rate, false);
  board.push(at(7), MSS, 2 * MSS, rate, true);
  const rack = new Rack(0);
  rack.handleDelivered(at(7), board, board.id(1), 2 * MSS, 1, false);
  board.handleSack(at(7), MSS, 2 * MSS, new Lost());
  rack.updateReoWnd(1, 1, false, 3 * MSS, MSS);
  const lost = new Lost();
  rack.detectLoss(at(7), board, lost);
  t.same(lost.starts, [0], 'same time, lower sequence number: sent before (§5.1)');
});

t.test('on a timeout the first segment is lost, and what is overdue (RFC 8985 §6.3)', async (t) => {
  const { board, rack } = overtaken(4, 1);
  const lost = new Lost();
  rack.reoWndUs = 10_000;
  rack.markLossesOnRto(at(52_500), board, 0, lost);
  t.same(lost.starts, [0, 2 * MSS], 'the last one may still arrive');
});

t.test(
  'a probe is due after two round trips, later for a lone segment, not behind the timeout (RFC 8985 §7.2)',
  async (t) => {
    const tlp = new Tlp();
    t.equal(tlp.ptoUs(40_000, false, 1e9), 80_000);
    t.equal(tlp.ptoUs(40_000, true, 1e9), 280_000);
    t.equal(tlp.ptoUs(40_000, true, 150_000), 150_000);
    t.equal(tlp.ptoUs(0, false, 1e9), 1_000_000, 'without a round trip');
    t.equal(tlp.ptoUs(1, false, 1e9), 2_000, 'a round trip of nothing');
  },
);

/** A probe of the data up to 5,000 is out. */
function probe(isRetransmission: boolean): Tlp {
  const tlp = new Tlp();
  tlp.handleProbe(5_000, isRetransmission);
  return tlp;
}

t.test('what the answer to a probe says (RFC 8985 §7.4.2)', async (t) => {
  t.equal(probe(true).handleAck(4_000, false, 0, false, false), 'none');
  t.equal(probe(false).handleAck(5_000, false, 0, false, false), 'done', 'new data arrived');
  t.equal(probe(true).handleAck(5_000, true, 5_000, false, true), 'done', 'a DSACK: both arrived');
  t.equal(probe(true).handleAck(5_000, false, 0, true, false), 'done', 'a duplicate: both arrived');
  t.equal(probe(true).handleAck(5_000, false, 0, false, false), 'none', 'one of them arrived: which?');
  t.equal(probe(true).handleAck(6_000, false, 0, false, false), 'repaired', 'only one of them did');
});

t.test('Eifel: an echo from before the first retransmission (RFC 3522 §3.2)', async (t) => {
  const undo = new Undo();
  t.notOk(undo.isEifel(true, 1));
  undo.enter(0, 10 * MSS);
  undo.handleRetransmitted(MSS, 500);
  undo.handleRetransmitted(MSS, 600);
  t.ok(undo.isEifel(true, 499));
  t.notOk(undo.isEifel(true, 500), 'the same tick may be the retransmission');
  t.notOk(undo.isEifel(false, 499));
});

t.test('every retransmission was reported as a duplicate (RFC 3708 §3)', async (t) => {
  const undo = new Undo();
  undo.enter(0, 10 * MSS);
  undo.handleRetransmitted(2 * MSS, 0);
  t.notOk(undo.handleDsack(0, MSS));
  t.notOk(undo.handleDsack(20 * MSS, 21 * MSS), 'of another episode');
  t.ok(undo.handleDsack(MSS, 2 * MSS));
  undo.disarm();
  t.notOk(undo.handleDsack(0, MSS));
});

function options(...edges: number[]): TcpOptions {
  const made = new TcpOptions();
  made.sackCount = edges.length / 2;
  made.sack.set(edges);
  return made;
}

function found(made: TcpOptions, ack: number): string {
  const range = new DsackRange();
  takeDsack(made, ack, range);
  return range.isPresent ? `${range.from}-${range.to}` : 'none';
}

t.test(
  'the first block tells of a duplicate below the acknowledgement, or within the second (RFC 2883 §4)',
  async (t) => {
    t.equal(found(options(100, 200), 200), '100-200');
    t.equal(found(options(300, 400), 200), 'none');
    t.equal(found(options(300, 400, 250, 500), 200), '300-400');
    t.equal(found(options(300, 400, 350, 500), 200), 'none');
    t.equal(found(options(200, 100), 200), 'none', 'no range at all');
  },
);

t.test('blocks are read from left to right', async (t) => {
  const made = options(500, 600, -100, 50, 300, 400);
  sortBlocks(made);
  t.same(Array.from(made.sack.slice(0, 6)), [-100, 50, 300, 400, 500, 600]);
});

t.test('an echo counts once per window of data (RFC 3168 §6.1.2)', async (t) => {
  const ecn = new EcnSender();
  t.ok(ecn.handleEce(0, 10));
  t.notOk(ecn.handleEce(5, 12));
  t.notOk(ecn.handleEce(10, 20));
  t.ok(ecn.handleEce(11, 30));
  ecn.handleReduced(40);
  t.notOk(ecn.handleEce(35, 50), 'a loss has said so already');
  ecn.handleAck(41);
  t.ok(ecn.handleEce((41 + 0x7fff_ffff) | 0, 0), 'half the sequence space later it is not confused');
});

t.test('the pacer keeps to its rate, and catches up with what a late turn has missed', async (t) => {
  const pacer = new Pacer();
  const rate = 1_000_000;
  t.equal(pacer.quota(at(0), 0, MSS), Number.POSITIVE_INFINITY, 'no rate: no pacing');
  pacer.nextAt = 0;
  let sent = 0;
  let now = 0;
  for (; now < 1_000_000; now += 777) {
    for (
      let quota = pacer.quota(at(now), rate, 2 * MSS);
      quota >= MSS;
      quota = pacer.quota(at(now), rate, 2 * MSS)
    ) {
      const bytes = Math.min(quota, 2 * MSS);
      pacer.handleSent(at(now), bytes, rate);
      sent += bytes;
    }
  }
  t.ok(Math.abs(sent - now) < 5 * MSS, `${sent} bytes in ${now} µs at a byte per µs`);
  pacer.nextAt = 0;
  const late = pacer.quota(at(50_000), rate, 2 * MSS);
  t.equal(late, 2 * MSS + 2_000, 'the credit of two milliseconds, not of fifty');
});

t.test('bursts are what the rate yields in a millisecond', async (t) => {
  t.equal(burstBytes(0, MSS), 65_535, 'no rate is known');
  t.equal(burstBytes(100_000, MSS), 2 * MSS);
  t.equal(burstBytes(10_500_000, MSS), 10 * MSS);
  t.equal(burstBytes(1e12, MSS), 65 * MSS);
  t.equal(windowRate(10_000, 1e9, 10_000), 2_000_000, 'twice the window in slow start');
  t.equal(windowRate(10_000, 10_000, 10_000), 1_200_000, '1.2 times afterwards');
  t.equal(windowRate(10_000, 10_000, 0), 0);
});
