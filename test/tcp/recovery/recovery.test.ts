import t from 'tap';
import type { Instant } from '../../../src/base/time.ts';
import type { CongestionName } from '../../../src/tcp/congestion/control.ts';
import type { RecoveryCounters } from '../../../src/tcp/recovery/recovery-shared.ts';
import { TcbFlag } from '../../../src/tcp/tcb.ts';
import type { BulkFlow, FlowOptions, PathOptions } from '../congestion/path-model.ts';
import { MSS, PathModel } from '../congestion/path-model.ts';

const CONTROLS: readonly CongestionName[] = ['reno', 'cubic', 'bbr'];

/** A flow alone on a path, for so many seconds or until it has sent all. */
function alone(
  path: PathOptions,
  flow: Partial<FlowOptions>,
  seconds = 20,
): { flow: BulkFlow; path: PathModel } {
  const model = new PathModel(path);
  const made = model.flow({ congestion: 'cubic', ...flow });
  model.run(seconds, () => made.finishedAt >= 0);
  return { flow: made, path: model };
}

/** The counters that are not zero. */
function counts(flow: BulkFlow): Partial<RecoveryCounters> {
  return Object.fromEntries(Object.entries(flow.shared.counters).filter(([, count]) => count !== 0));
}

const segments = (flow: BulkFlow): number => Math.round(flow.retransmittedBytes / MSS);

t.test('one lost segment is sent again, once, within a round trip and a half (RFC 6675 §5)', async (t) => {
  const { flow } = alone({ rate: 100e6, isLost: (index) => index === 3 }, { bytes: 20 * MSS });
  t.equal(segments(flow), 1);
  t.equal(flow.timeouts, 0);
  t.same(counts(flow), { tcpSackRecovery: 1 });
  t.ok(flow.finishedAt < 3.4 * 40_000, `${flow.finishedAt} µs`);
  t.equal(flow.recovery.state.phase, 'open');
  t.equal(flow.recovery.inFlight, 0);
});

const isSeventh = (index: number): boolean => index % 7 === 3 && index < 200;
const isOneOfThree = (index: number): boolean => index === 20 || index === 24 || index === 29;

t.test('exactly what was lost is sent again, however much it was (RFC 6675 §5)', async (t) => {
  for (const congestion of CONTROLS) {
    const { flow, path } = alone(
      { rate: 50e6, buffer: 1e6, isLost: isSeventh },
      { congestion, bytes: 400 * MSS },
    );
    t.equal(segments(flow), path.randomDrops, congestion);
    t.equal(flow.timeouts, 0);
  }
});

t.test('a retransmission that is lost is sent again without a timeout (RFC 8985 §3.1)', async (t) => {
  let lost = 0;
  const isLost = (_index: number, _flow: number, seq: number): boolean => {
    if (((seq - 0x7fff_0000) | 0) !== 5 * MSS || lost >= 3) return false;
    lost++;
    return true;
  };
  const { flow } = alone({ rate: 100e6, isLost }, { bytes: 300 * MSS });
  t.equal(flow.timeouts, 0);
  t.equal(segments(flow), 3);
  t.equal(flow.shared.counters.tcpLostRetransmit, 2);
});

t.test('what waited behind a hole has no round trip (RFC 6298 §3, Karn)', async (t) => {
  let lost = 0;
  const isLost = (_index: number, _flow: number, seq: number): boolean => {
    if (((seq - 0x7fff_0000) | 0) !== 5 * MSS || lost >= 4) return false;
    lost++;
    return true;
  };
  for (const sack of [true, false]) {
    lost = 0;
    const options = { sack, timestamps: false, bytes: 40 * MSS };
    const { flow } = alone({ rate: 100e6, isLost }, options);
    t.equal(flow.received, 40 * MSS);
    t.ok(flow.tcb.srtt < 60_000, `srtt ${flow.tcb.srtt} µs ${sack ? 'with' : 'without'} SACK`);
  }
});

t.test('a lost tail is repaired by a probe and RACK, without a timeout (RFC 8985 §7)', async (t) => {
  const { flow } = alone({ rate: 100e6, isLost: (index) => index >= 7 && index <= 9 }, { bytes: 10 * MSS });
  t.equal(flow.timeouts, 0);
  t.same(counts(flow), { tcpSackRecovery: 1, tcpLossProbes: 1 });
  // 1 RTT to the last answer, 2 of silence, 1 for the probe's, 1 for the rest.
  t.ok(flow.finishedAt < 6.5 * 40_000, `${flow.finishedAt} µs`);
});

t.test(
  'a lone last segment that a probe repairs costs the window what a loss costs (RFC 8985 §7.4.2)',
  async (t) => {
    const { flow } = alone({ rate: 100e6, isLost: (index) => index === 9 }, { bytes: 10 * MSS });
    t.equal(flow.shared.counters.tcpLossProbes, 1);
    t.equal(flow.timeouts, 0);
    t.equal(segments(flow), 1);
  },
);

t.test(
  'everything lost: the timeout begins again with one segment (RFC 6298 §5, RFC 5681 §3.1)',
  async (t) => {
    const { flow } = alone({ rate: 20e6, isLost: (index) => index < 5 }, { bytes: 3 * MSS });
    t.ok(flow.timeouts > 0);
    t.equal(flow.received, 3 * MSS);
  },
);

t.test('reordering within a quarter of a round trip is no loss (RFC 8985 §4)', async (t) => {
  const { flow, path } = alone(
    { rate: 20e6, buffer: 4e6, extraDelay: (index) => (index % 10 === 3 ? 8_000 : 0) },
    { bytes: 2_000 * MSS },
  );
  t.equal(path.drops, 0);
  t.ok(segments(flow) <= 10, `${segments(flow)} of 2000 segments were sent twice`);
  t.equal(flow.timeouts, 0);
  t.ok(flow.recovery.reorderingBytes > 0);
  t.ok(flow.recovery.cwnd > 100_000, 'what was wrong at first was undone');
});

t.test('reordering by more than that widens the window by DSACKs (RFC 8985 §6.2 step 4)', async (t) => {
  const { flow } = alone(
    { rate: 20e6, buffer: 4e6, extraDelay: (index) => (index % 40 === 3 ? 25_000 : 0) },
    { bytes: 4_000 * MSS },
    60,
  );
  t.ok(segments(flow) < 60, `${segments(flow)} of about 100 late segments were sent twice`);
  t.ok(flow.recovery.state.rack.reoWndMult > 1);
});

/** The path stands still from the first second to the second. */
function stalled(flow: Partial<FlowOptions>): { before: number; after: number; flow: BulkFlow } {
  const model = new PathModel({
    rate: 20e6,
    extraDelay: (_index, now) => (now > 1e6 && now < 2e6 ? 2e6 - now : 0),
  });
  const made = model.flow({ congestion: 'cubic', ...flow });
  model.run(1.02);
  const before = made.recovery.cwnd;
  model.run(2.2);
  return { before, after: made.recovery.cwnd, flow: made };
}

t.test('a spurious timeout is undone, by timestamps (RFC 3522) or by F-RTO (RFC 5682)', async (t) => {
  for (const congestion of CONTROLS) {
    for (const timestamps of [true, false]) {
      const { before, after, flow } = stalled({ congestion, timestamps });
      const name = `${congestion}, ${timestamps ? 'Eifel' : 'F-RTO'}`;
      t.ok(flow.timeouts > 0, `${name}: it did time out`);
      t.ok(after >= 0.95 * before, `${name}: window ${after} after ${before}`);
      const { tcpFullUndo, tcpSpuriousRtos } = flow.shared.counters;
      t.equal(timestamps ? tcpFullUndo : tcpSpuriousRtos, 1, name);
    }
  }
});

t.test('a timeout that was none sends hardly anything twice (RFC 5682 §2.1)', async (t) => {
  const { flow } = stalled({ timestamps: false });
  t.ok(flow.shared.counters.tcpDsackRecv <= 4, `${flow.shared.counters.tcpDsackRecv} duplicates`);
});

t.test('a fast retransmission that was none is undone by DSACK (RFC 3708)', async (t) => {
  const model = new PathModel({
    rate: 20e6,
    buffer: 4e6,
    extraDelay: (index) => (index === 500 ? 70_000 : 0),
  });
  const flow = model.flow({ congestion: 'reno', timestamps: false, window: 150_000 });
  let least = Number.POSITIVE_INFINITY;
  let before = 0;
  flow.onAck = (now) => {
    if (flow.recovery.state.phase === 'recovery') least = Math.min(least, flow.recovery.ssthresh);
    else if (flow.shared.counters.tcpSackRecovery === 0 && now > 0) before = flow.recovery.cwnd;
  };
  model.run(3);
  t.ok(least < before, 'it was reduced');
  t.same(counts(flow), { tcpSackRecovery: 1, tcpDsackUndo: 1, tcpDsackRecv: 1 });
  t.ok(flow.recovery.cwnd >= before, `${flow.recovery.cwnd} after ${before}`);
});

t.test(
  'without SACK: the third duplicate, then one hole per partial acknowledgement (RFC 6582)',
  async (t) => {
    const { flow } = alone({ rate: 100e6, isLost: isOneOfThree }, { sack: false, bytes: 100 * MSS });
    t.equal(flow.timeouts, 0);
    t.equal(segments(flow), 3);
    t.same(counts(flow), { tcpRenoRecovery: 1 });
  },
);

t.test('without SACK: duplicates of three segments suffice by limited transmit (RFC 3042)', async (t) => {
  // Four segments, the first lost: two duplicates would not do, new data bring the third.
  const { flow } = alone(
    { rate: 100e6, isLost: (index) => index === 0 },
    { sack: false, bytes: 30 * MSS, window: 8 * MSS },
  );
  t.equal(flow.timeouts, 0);
  t.equal(segments(flow), 1);
});

t.test(
  'a mark reduces the window as a loss, with nothing sent again (RFC 3168 §6.1.2, RFC 8511)',
  async (t) => {
    for (const congestion of CONTROLS) {
      const { flow, path } = alone(
        { rate: 20e6, markAbove: 50_000, buffer: 400_000 },
        { congestion, ecn: true },
        20,
      );
      t.equal(path.drops, 0, congestion);
      t.equal(segments(flow), 0);
      t.ok(flow.shared.counters.tcpEceReductions > 5);
      t.ok(flow.goodput(20) > 0.9 * 20e6, `${congestion}: ${flow.goodput(20)}`);
      t.ok(path.maxQueue < 200_000, `${congestion}: ${path.maxQueue} bytes waited at most`);
    }
  },
);

t.test('echoes within one window of data reduce once (RFC 3168 §6.1.2)', async (t) => {
  const model = new PathModel({ rate: 20e6, markAbove: 0, buffer: 400_000 });
  const flow = model.flow({ congestion: 'reno', ecn: true });
  model.run(0.41);
  // Ten round trips, everything marked.
  t.ok(flow.shared.counters.tcpEceReductions <= 10, `${flow.shared.counters.tcpEceReductions}`);
  t.ok(flow.tcb.has(TcbFlag.Ecn));
});

t.test('the peer takes its reports back: after a timeout they count for nothing (RFC 2018 §8)', async (t) => {
  const { flow, path } = alone({ rate: 100e6 }, { bytes: 10 * MSS }, 0.001);
  const { tcb, recovery } = flow;
  const { board } = recovery.state;
  board.handleSack(path.now, tcb.sndUna, (tcb.sndUna + 4 * MSS) | 0, { handleDelivered: () => {} });
  tcb.retransmits = 1;
  recovery.handleRto(path.now, tcb);
  t.equal(flow.shared.counters.tcpSackReneging, 1);
  t.equal(board.sackedBytes, 0);
  t.equal(board.lostBytes, 10 * MSS);
  t.ok(recovery.pollRetransmit(path.now, tcb, 65_535));
  t.equal(recovery.start, tcb.sndUna);
});

t.test('too large for the path: sent again at once, and no congestion (RFC 8201 §5.4)', async (t) => {
  const { flow, path } = alone({ rate: 100e6 }, { bytes: 10 * MSS }, 0.001);
  const { tcb, recovery } = flow;
  const { cwnd } = recovery;
  tcb.sndMss = 1_000;
  recovery.handleMtu(path.now, tcb);
  t.ok(recovery.pollRetransmit(path.now, tcb, 1_000));
  t.equal(recovery.end, (tcb.sndUna + 1_000) | 0);
  t.equal(recovery.cwnd, cwnd);
  t.equal(recovery.state.phase, 'open');
});

t.test(
  'blocks beyond what was sent, below what is acknowledged, or inside out are ignored (RFC 2018 §3)',
  async (t) => {
    const { flow, path } = alone({ rate: 100e6 }, { bytes: 10 * MSS }, 0.001);
    const { tcb, recovery } = flow;
    const { segment } = flow;
    segment.ack = tcb.sndUna;
    segment.options.reset();
    segment.options.sackCount = 3;
    segment.options.sack.set([
      tcb.sndNxt,
      tcb.sndNxt + 500,
      tcb.sndUna - 900,
      tcb.sndUna - 100,
      tcb.sndNxt,
      tcb.sndUna,
    ]);
    recovery.handleAck(path.now, tcb, segment, tcb.sndUna, false);
    t.equal(recovery.sackedBytes, 0);
    t.equal(recovery.lostBytes, 0);
    t.equal(recovery.inFlight, 10 * MSS);
  },
);

t.test('the controller may change at any time, and the window stays (TCP_CONGESTION)', async (t) => {
  for (const from of CONTROLS) {
    for (const to of CONTROLS) {
      const model = new PathModel({ rate: 20e6, loss: 0.001, seed: 3 });
      const flow = model.flow({ congestion: from });
      model.run(2);
      const { cwnd } = flow.recovery.state.control;
      flow.recovery.setCongestion(model.now, flow.tcb, to);
      t.equal(flow.recovery.congestion, to);
      t.equal(flow.recovery.state.control.cwnd, cwnd, `${from} to ${to}`);
      const before = flow.received;
      model.run(8);
      const rate = ((flow.received - before) * 8) / 6;
      t.ok(rate > 8e6, `${from} to ${to}: ${rate} bit/s`);
    }
  }
});

t.test(
  'an idle window shrinks to the restart window, by halves (RFC 2861 §3.1, RFC 5681 §4.1)',
  async (t) => {
    const { flow, path } = alone({ rate: 100e6 }, { congestion: 'reno', bytes: 200 * MSS });
    const { tcb, recovery } = flow;
    const { cwnd } = recovery;
    tcb.lastDataSentAt = path.now;
    recovery.handleIdle((path.now + 1.5 * tcb.rto) as Instant, tcb);
    t.equal(recovery.cwnd, Math.floor(cwnd / 2));
    t.ok(recovery.ssthresh >= 0.75 * cwnd);
    recovery.handleIdle((path.now + 100 * tcb.rto) as Instant, tcb);
    t.equal(recovery.cwnd, 10 * MSS);
  },
);

t.test(
  'what a probe has repaired unnoticed shrinks the window when more is acknowledged (RFC 8985 §7.4.2)',
  async (t) => {
    const { flow, path } = alone({ rate: 100e6, isLost: (index) => index === 9 }, { bytes: 10 * MSS });
    t.equal(flow.shared.counters.tcpLossProbeRecovery, 0, 'one of the two has arrived: which, nobody knows');
    const before = flow.recovery.cwnd;
    flow.tcb.sndEnd = (flow.tcb.sndEnd + 5 * MSS) | 0;
    flow.begin(path.now);
    path.run(1);
    t.equal(flow.shared.counters.tcpLossProbeRecovery, 1);
    t.ok(flow.recovery.ssthresh < before);
  },
);

/** Ten segments are in flight; the acknowledgement brings these blocks, in segments. */
function reported(...edges: number[]): BulkFlow {
  const { flow, path } = alone({ rate: 100e6 }, { bytes: 10 * MSS }, 0.001);
  const { tcb, recovery, segment } = flow;
  segment.ack = tcb.sndUna;
  segment.options.reset();
  segment.options.sackCount = edges.length / 2;
  segment.options.sack.set(edges.map((edge) => (tcb.sndUna + edge * MSS) | 0));
  recovery.handleAck(path.now, tcb, segment, tcb.sndUna, false);
  return flow;
}

t.test(
  'several new blocks in one acknowledgement are no reordering (RFC 2018 §4, RFC 8985 §6.2 step 3)',
  async (t) => {
    const flow = reported(8, 9, 3, 4, 5, 6);
    t.equal(flow.recovery.sackedBytes, 3 * MSS);
    t.notOk(flow.recovery.state.rack.isReorderingSeen);
  },
);

t.test('a block that ends behind what was sent counts for nothing (RFC 2018 §3)', async (t) => {
  t.equal(reported(5, 11).recovery.sackedBytes, 0);
  t.equal(reported(5, 10).recovery.sackedBytes, 5 * MSS);
});

t.test(
  'without SACK: duplicates of what the last recovery covered begin none (RFC 6582 §3.2 step 2)',
  async (t) => {
    for (const isCovered of [true, false]) {
      const { flow, path } = alone({ rate: 100e6 }, { sack: false, bytes: 10 * MSS }, 0.001);
      const { tcb, recovery, segment } = flow;
      if (isCovered) recovery.state.recover = tcb.sndUna;
      segment.ack = tcb.sndUna;
      segment.options.reset();
      for (let i = 0; i < 3; i++) recovery.handleAck(path.now, tcb, segment, tcb.sndUna, false);
      t.equal(recovery.state.phase, isCovered ? 'open' : 'recovery');
      t.equal(recovery.sackedBytes, 3 * MSS, 'they say that three segments have arrived (RFC 3042)');
    }
  },
);
