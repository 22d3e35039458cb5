import t from 'tap';
import { rng } from '../../../src/base/rng.ts';
import type { Instant } from '../../../src/base/time.ts';
import { Bbr } from '../../../src/tcp/congestion/bbr.ts';
import type { CongestionControl } from '../../../src/tcp/congestion/control.ts';
import {
  AckSample,
  CWND_MAX,
  initialWindow,
  SSTHRESH_INFINITE,
} from '../../../src/tcp/congestion/control.ts';
import { Cubic } from '../../../src/tcp/congestion/cubic.ts';
import { Hystart } from '../../../src/tcp/congestion/hystart.ts';
import { RateSample, RateState } from '../../../src/tcp/congestion/rate-sample.ts';
import { Reno } from '../../../src/tcp/congestion/reno.ts';
import {
  CONGESTION_NAMES,
  changeControl,
  isCongestionName,
  startControl,
} from '../../../src/tcp/congestion/select.ts';
import { afterIdle, isValidated } from '../../../src/tcp/congestion/validation.ts';
import { WindowedMax } from '../../../src/tcp/congestion/windowed-max.ts';

const MSS = 1_000;
const RTT_US = 100_000;
const at = (n: number): Instant => n as Instant;

function sample(delivered: number, fields: Partial<AckSample> = {}): AckSample {
  const made = new AckSample(new RateSample());
  return Object.assign(
    made,
    { mss: MSS, acked: delivered, delivered, srttUs: RTT_US, isCwndLimited: true },
    fields,
  );
}

/** A window of acknowledgements, one per segment, spread over the round trip. Answers when it ended. */
function round(control: CongestionControl, now: number, ackBytes = MSS): number {
  const acks = Math.max(1, Math.floor(control.cwnd / ackBytes));
  for (let i = 1; i <= acks; i++) control.onAck(at(now + (RTT_US * i) / acks), sample(ackBytes));
  return now + RTT_US;
}

t.test('the initial window is ten segments, or 14,600 bytes of large ones (RFC 6928 §2)', async (t) => {
  t.equal(initialWindow(1_460), 14_600);
  t.equal(initialWindow(536), 5_360);
  t.equal(initialWindow(4_000), 14_600);
  t.equal(initialWindow(9_000), 18_000);
});

t.test(
  'Reno doubles in slow start and adds a segment per window afterwards (RFC 5681 §3.1, RFC 3465)',
  async (t) => {
    const reno = new Reno(MSS);
    t.equal(reno.cwnd, 10 * MSS);
    let now = round(reno, 0);
    t.equal(reno.cwnd, 20 * MSS);
    reno.onLoss(at(now), sample(0));
    t.equal(reno.ssthresh, 10 * MSS);
    reno.onRecovered(at(now), sample(0));
    t.equal(reno.cwnd, 10 * MSS);
    now = round(reno, now);
    t.equal(reno.cwnd, 11 * MSS);
    round(reno, now, 4 * MSS);
    t.equal(reno.cwnd, 11 * MSS, 'by bytes, not by acknowledgements: eight of eleven so far');
    round(reno, now, 4 * MSS);
    t.equal(reno.cwnd, 12 * MSS);
  },
);

t.test('Reno after a timeout: one segment, the threshold moves once (RFC 5681 §3.1)', async (t) => {
  const reno = new Reno(MSS);
  reno.cwnd = 40 * MSS;
  reno.onRto(at(0), sample(0), true);
  reno.onRto(at(1), sample(0), false);
  t.equal(reno.cwnd, MSS);
  t.equal(reno.ssthresh, 20 * MSS);
  reno.onSpuriousLoss();
  t.equal(reno.cwnd, 40 * MSS, 'RFC 4015 §3.2');
  t.equal(reno.ssthresh, SSTHRESH_INFINITE);
  reno.cwnd = 3 * MSS;
  reno.onLoss(at(2), sample(0));
  t.equal(reno.ssthresh, 2 * MSS, 'never below two segments');
});

t.test('a mark costs less than a loss (RFC 8511 §3.1)', async (t) => {
  const reno = new Reno(MSS);
  reno.onEcn(at(0), sample(0));
  t.equal(reno.ssthresh, 8 * MSS);
  const cubic = new Cubic(MSS);
  cubic.onEcn(at(0), sample(0));
  t.equal(cubic.ssthresh, 8.5 * MSS);
});

t.test('a window that is not used does not grow (RFC 7661 §4.4)', async (t) => {
  for (const control of [new Reno(MSS), new Cubic(MSS)]) {
    const { cwnd } = control;
    control.onAck(at(0), sample(5 * MSS, { isCwndLimited: false }));
    t.equal(control.cwnd, cwnd);
    control.onAck(at(0), sample(5 * MSS, { isInRecovery: true }));
    t.equal(control.cwnd, cwnd, 'nor in recovery');
    control.onAck(at(0), sample(5 * MSS, { abcLimit: MSS }));
    t.equal(control.cwnd, cwnd + MSS, 'RFC 3465 §2.3: L');
  }
  t.ok(isValidated(10, 100, 0, true));
  t.ok(isValidated(10, 100, 6, false), 'slow start: half of it suffices');
  t.notOk(isValidated(10, 100, 5, false));
  t.notOk(isValidated(10, 5, 9, false));
  t.equal(afterIdle(80 * MSS, 3.5 * RTT_US, RTT_US, MSS), 10 * MSS);
  t.equal(afterIdle(80 * MSS, 1.5 * RTT_US, RTT_US, MSS), 40 * MSS);
  t.equal(afterIdle(4 * MSS, 1e9, RTT_US, MSS), 4 * MSS, 'RFC 5681 §4.1: RW is not more than cwnd');
});

t.test('CUBIC follows its function after a loss (RFC 9438 §4.2)', async (t) => {
  const cubic = new Cubic(MSS);
  cubic.cwnd = 1_000 * MSS;
  cubic.ssthresh = 0;
  cubic.onLoss(at(0), sample(0));
  cubic.onRecovered(at(0), sample(0));
  t.equal(cubic.cwnd, 700 * MSS, 'beta 0.7 (§4.6)');
  const k = Math.cbrt((1_000 * 0.3) / 0.4);
  let now = 0;
  let worst = 0;
  while (now < 2 * k * 1e6) {
    now = round(cubic, now);
    const seconds = now / 1e6;
    const wanted = 0.4 * (seconds - k) ** 3 + 1_000;
    worst = Math.max(worst, Math.abs(cubic.cwnd / MSS - wanted) / wanted);
  }
  t.ok(Math.abs(cubic.k - k) < 0.01, `K is ${cubic.k}, ${k} by the formula`);
  t.ok(worst < 0.02, `at most ${(worst * 100).toFixed(2)} % from W_cubic(t)`);
});

t.test('CUBIC is not slower than Reno on short paths (RFC 9438 §4.3)', async (t) => {
  const cubic = new Cubic(MSS);
  cubic.cwnd = 20 * MSS;
  cubic.ssthresh = 0;
  cubic.onLoss(at(0), sample(0));
  cubic.onRecovered(at(0), sample(0));
  let now = 0;
  const alpha = (3 * 0.3) / 1.7;
  const start = cubic.cwnd / MSS;
  // A millisecond each: the cubic function has hardly moved.
  for (let i = 0; i < 10; i++) {
    const acks = Math.floor(cubic.cwnd / MSS);
    for (let j = 0; j < acks; j++) cubic.onAck(at(now), sample(MSS, { srttUs: 1_000 }));
    now += 1_000;
  }
  t.ok(cubic.cwnd / MSS > start + 9 * alpha, `${cubic.cwnd / MSS} from ${start}`);
  t.ok(cubic.cwnd / MSS < start + 10.5 * alpha);
});

t.test('CUBIC gives way to newcomers: fast convergence (RFC 9438 §4.7)', async (t) => {
  const cubic = new Cubic(MSS);
  cubic.cwnd = 100 * MSS;
  cubic.onLoss(at(0), sample(0));
  t.equal(cubic.wMax, 100);
  cubic.cwnd = 80 * MSS;
  cubic.onLoss(at(1), sample(0));
  t.equal(cubic.wMax, 80 * 0.85);
  cubic.onSpuriousLoss();
  t.equal(cubic.wMax, 100, '§4.9: all as it was');
  t.equal(cubic.cwnd, 80 * MSS);
});

t.test('CUBIC after a timeout begins at its plateau (RFC 9438 §4.8)', async (t) => {
  const cubic = new Cubic(MSS);
  cubic.cwnd = 100 * MSS;
  cubic.onRto(at(0), sample(0), true);
  t.equal(cubic.cwnd, MSS);
  t.equal(cubic.ssthresh, 70 * MSS);
  cubic.cwnd = 70 * MSS;
  cubic.onAck(at(1_000_000), sample(MSS));
  t.equal(cubic.k, 0);
  t.equal(cubic.wMax, 70);
});

t.test('time that the application did not use is not time for CUBIC (RFC 9438 §4.2)', async (t) => {
  const cubic = new Cubic(MSS);
  cubic.cwnd = 100 * MSS;
  cubic.onLoss(at(0), sample(0));
  cubic.onRecovered(at(0), sample(0));
  cubic.onAck(at(10_000), sample(MSS));
  const { startAt } = cubic;
  cubic.onAck(at(60_000), sample(MSS, { isCwndLimited: false }));
  t.equal(cubic.startAt, startAt + 50_000);
});

/** Feeds a round of samples with one round trip time. */
function hystartRound(hystart: Hystart, index: number, rttUs: number, count = 8): void {
  for (let i = 0; i < count; i++) {
    hystart.onAck(sample(MSS, { una: index * 100, nxt: (index + 1) * 100, rttUs }));
  }
}

t.test(
  'HyStart++ slows down when round trips grow, and ends slow start after five rounds (RFC 9406 §4.2)',
  async (t) => {
    const hystart = new Hystart();
    hystartRound(hystart, 0, 40_000);
    hystartRound(hystart, 1, 44_000);
    t.equal(hystart.phase, 'slow-start', 'less than an eighth');
    t.equal(hystart.growth(MSS), MSS);
    hystartRound(hystart, 2, 49_500, 7);
    t.equal(hystart.phase, 'slow-start', 'eight samples');
    hystartRound(hystart, 2, 49_500, 1);
    t.equal(hystart.phase, 'css');
    t.equal(hystart.growth(MSS), MSS / 4);
    for (let i = 3; i < 7; i++) hystartRound(hystart, i, 50_000);
    t.equal(hystart.phase, 'css');
    hystartRound(hystart, 7, 50_000);
    t.equal(hystart.phase, 'done');
  },
);

t.test('HyStart++ goes on when it was a passing queue (RFC 9406 §4.2)', async (t) => {
  const hystart = new Hystart();
  hystartRound(hystart, 0, 10_000);
  hystartRound(hystart, 1, 14_000);
  t.equal(hystart.phase, 'css', 'four milliseconds at least');
  hystartRound(hystart, 2, 13_000);
  t.equal(hystart.phase, 'slow-start');
  hystart.onCongestion();
  t.equal(hystart.phase, 'off');
  hystart.onSpuriousLoss();
  t.equal(hystart.phase, 'slow-start');
});

t.test(
  'the rate is what was delivered over the longer of sending and acknowledging (delivery rate estimation §3.3)',
  async (t) => {
    const state = new RateState();
    const rate = new RateSample();
    // Four segments in 30 ms, acknowledged one round trip later within 60 ms.
    const sent: { delivered: number; deliveredAt: number; firstSentAt: number; at: number }[] = [];
    for (let i = 0; i < 4; i++) {
      state.handleSent(at(10_000 * i), i * MSS);
      sent.push({
        delivered: state.delivered,
        deliveredAt: state.deliveredAt,
        firstSentAt: state.firstSentAt,
        at: 10_000 * i,
      });
    }
    for (const [i, p] of sent.entries()) {
      const now = at(100_000 + 20_000 * i);
      rate.reset();
      rate.handleDelivered(
        now,
        state,
        MSS,
        (i + 1) * MSS,
        p.at,
        p.delivered,
        p.deliveredAt,
        p.firstSentAt,
        0,
        MSS,
        false,
      );
      rate.finish(state, 1);
    }
    t.equal(rate.delivered, 4 * MSS);
    t.equal(rate.intervalUs, 160_000);
    t.equal(rate.deliveryRate, (4 * MSS * 1e6) / 160_000);
  },
);

t.test(
  'a rate over less than a round trip is none; one that the application limited says so (§3.3, §3.4)',
  async (t) => {
    const state = new RateState();
    const rate = new RateSample();
    state.handleSent(at(0), 0);
    state.handleAppLimited(5 * MSS);
    rate.reset();
    t.notOk(rate.finish(state, 1), 'nothing was delivered');
    rate.handleDelivered(at(5_000), state, MSS, MSS, 0, 0, 0, 0, 0, MSS, true);
    t.notOk(rate.finish(state, 10_000));
    t.equal(rate.deliveryRate, 0);
    t.ok(rate.isAppLimited);
    t.equal(state.appLimitedUntil, 5 * MSS);
    rate.handleDelivered(at(9_000), state, 5 * MSS, 6 * MSS, 1, 0, 0, 0, 0, MSS, false);
    rate.finish(state, 1);
    t.equal(state.appLimitedUntil, 0, 'the bubble has left');
    t.notOk(rate.isAppLimited, 'the sample of the newest counts');
  },
);

t.test('a sliding maximum forgets what is older than its window', async (t) => {
  const filter = new WindowedMax();
  const seen: [number, number][] = [];
  const random = rng(4);
  for (let now = 0; now < 2_000; now += 1 + random.below(9)) {
    const value = random.below(1_000);
    seen.push([now, value]);
    const got = filter.update(now, value, 100);
    const exact = Math.max(...seen.filter(([then]) => now - then <= 100).map(([, v]) => v));
    if (got > exact || got < 0.6 * exact) t.fail(`at ${now}: ${got}, exactly ${exact}`);
  }
  t.equal(filter.update(3_000, 5, 100), 5);
});

t.test('controllers are chosen by name, and know theirs', async (t) => {
  for (const name of CONGESTION_NAMES) {
    const control = startControl(at(0), name, MSS, RTT_US, rng(1));
    t.equal(control.name, name);
    t.equal(control.cwnd, 10 * MSS);
    t.ok(Object.keys(control.metrics()).length > 2);
    t.ok(isCongestionName(name));
  }
  t.notOk(isCongestionName('vegas'));
  const bbr = startControl(at(0), 'bbr', MSS, RTT_US, rng(1));
  bbr.cwnd = 50 * MSS;
  const reno = changeControl(at(0), bbr, 'reno', MSS, RTT_US, rng(1));
  t.equal(reno.cwnd, 50 * MSS);
  t.equal(reno.ssthresh, 50 * MSS, 'no slow start from where BBR was');
  const cubic = changeControl(at(0), reno, 'cubic', MSS, RTT_US, rng(1));
  t.equal(cubic.ssthresh, 50 * MSS);
});

t.test('no window is larger than TCP can say (RFC 7323 §2.3)', async (t) => {
  const reno = new Reno(MSS);
  reno.cwnd = CWND_MAX - 10;
  reno.onAck(at(0), sample(50 * MSS));
  t.equal(reno.cwnd, CWND_MAX);
});

t.test(
  'BBR starts at 2.77 windows per round trip, resumes at its rate (draft-ietf-ccwg-bbr §5.2, §5.4)',
  async (t) => {
    const bbr = new Bbr(at(0), MSS, rng(1), 10 * MSS, RTT_US);
    t.ok(Math.abs(bbr.pacingRate - 2.77 * 100_000) < 1);
    const unknown = new Bbr(at(0), MSS, rng(1), 10 * MSS, 0);
    t.ok(Math.abs(unknown.pacingRate - 2.77 * 10_000_000) < 1, 'a millisecond without a round trip');
    bbr.state = 'cruise';
    bbr.isFullBwReached = true;
    bbr.model.bw = 1_000_000;
    bbr.onSent(at(5), MSS, 0, true);
    t.ok(Math.abs(bbr.pacingRate - 990_000) < 1, 'one per cent below the bandwidth');
  },
);
