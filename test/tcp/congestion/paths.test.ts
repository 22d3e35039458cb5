import t from 'tap';
import { Bbr } from '../../../src/tcp/congestion/bbr.ts';
import type { CongestionName } from '../../../src/tcp/congestion/control.ts';
import { SSTHRESH_INFINITE } from '../../../src/tcp/congestion/control.ts';
import type { BulkFlow } from './path-model.ts';
import { jain, MSS, PathModel } from './path-model.ts';

const CONTROLS: readonly CongestionName[] = ['reno', 'cubic', 'bbr'];
/** What of the rate on the wire is left for data. */
const PAYLOAD = MSS / (MSS + 66);

t.test('each fills a path with a buffer of one round trip, without timeouts', async (t) => {
  for (const congestion of CONTROLS) {
    for (const rttMs of [1, 40]) {
      const path = new PathModel({ rate: 20e6, rttMs, buffer: Math.max(50_000, (20e6 / 8) * rttMs * 1e-3) });
      const flow = path.flow({ congestion });
      path.run(10);
      const share = flow.goodput(10) / (20e6 * PAYLOAD);
      t.ok(share > 0.96, `${congestion}, ${rttMs} ms: ${share.toFixed(3)} of the rate`);
      t.equal(flow.timeouts, 0);
      t.equal(Math.round(flow.retransmittedBytes / MSS), path.drops, 'nothing is sent twice for nothing');
    }
  }
});

t.test('HyStart++ leaves slow start before a loss where the buffer is deep (RFC 9406)', async (t) => {
  for (const congestion of ['reno', 'cubic'] as const) {
    const path = new PathModel({ rate: 20e6, rttMs: 100, buffer: 10e6 });
    const flow = path.flow({ congestion });
    path.run(6);
    t.equal(path.drops, 0, congestion);
    t.ok(flow.recovery.ssthresh < SSTHRESH_INFINITE, 'slow start is over');
    t.ok(flow.goodput(6) > 0.8 * 20e6);
  }
});

/** The longest queue while 60 segments leave. */
function queue(pacing: boolean): number {
  const path = new PathModel({ rate: 50e6, rttMs: 100, buffer: 10e6 });
  path.flow({ congestion: 'cubic', bytes: 60 * MSS, pacing });
  path.run(0.38);
  return path.maxQueue;
}

t.test('pacing: a flow that starts does not burst its window into the buffer', async (t) => {
  t.ok(queue(true) < (2 / 3) * queue(false), `${queue(true)} bytes, not ${queue(false)}`);
});

t.test('two flows share fairly after 30 s, though one came later (Jain ≥ 0.95)', async (t) => {
  for (const congestion of CONTROLS) {
    const path = new PathModel({ rate: 10e6, rttMs: 40, buffer: 50_000 });
    path.flow({ congestion });
    path.flow({ congestion, startMs: 3_000 });
    path.run(30);
    const at30 = path.flows.map(({ received }) => received);
    path.run(70);
    const rates = path.flows.map(({ received }, i) => received - (at30[i] as number));
    const index = jain(rates);
    t.ok(index >= 0.95, `${congestion}: ${index.toFixed(3)}`);
  }
});

t.test(
  'BBR finds bandwidth and round trip, and keeps the queue short (draft-ietf-ccwg-bbr §3)',
  async (t) => {
    const path = new PathModel({ rate: 20e6, rttMs: 40, buffer: 2e6 });
    const flow = path.flow({ congestion: 'bbr' });
    let longest = 0;
    flow.onAck = (now) => {
      if (now > 2e6) longest = Math.max(longest, path.queue);
    };
    path.run(12);
    const bbr = flow.recovery.state.control as Bbr;
    t.ok(bbr instanceof Bbr);
    const bandwidth = (20e6 / 8) * PAYLOAD;
    t.ok(Math.abs(bbr.model.maxBw - bandwidth) < 0.02 * bandwidth, `${bbr.model.maxBw} of ${bandwidth}`);
    t.ok(Math.abs(bbr.model.minRttUs - 40_600) < 700, `${bbr.model.minRttUs} µs`);
    t.equal(path.drops, 0);
    t.ok(longest < 1.5 * 100_000, `${longest} bytes at most in a buffer of two megabytes`);
  },
);

/** The states that a BBR flow passes through, without repetitions. */
function states(flow: BulkFlow, path: PathModel, seconds: number): string[] {
  const bbr = flow.recovery.state.control as Bbr;
  const seen: string[] = [];
  flow.onAck = () => {
    if (seen.at(-1) !== bbr.state) seen.push(bbr.state);
  };
  path.run(seconds);
  return seen;
}

t.test('BBR passes through its states in order (draft-ietf-ccwg-bbr §5.3)', async (t) => {
  const path = new PathModel({ rate: 20e6, rttMs: 40, buffer: 2e6 });
  const seen = states(path.flow({ congestion: 'bbr' }), path, 12);
  t.same(seen.slice(0, 7), ['startup', 'drain', 'cruise', 'refill', 'up', 'down', 'cruise']);
});

t.test('BBR follows a path that changes: a longer one is found after ten seconds (§5.5.7)', async (t) => {
  const path = new PathModel({
    rate: 20e6,
    rttMs: 40,
    buffer: 2e6,
    extraDelay: (_index, now) => (now > 3e6 ? 30_000 : 0),
  });
  const flow = path.flow({ congestion: 'bbr' });
  const seen = states(flow, path, 20);
  const probe = seen.indexOf('probe-rtt');
  t.ok(probe > 0, 'after five seconds without a shorter round trip it looks for one (§5.3.4)');
  t.equal(seen[probe + 1], 'cruise');
  const bbr = flow.recovery.state.control as Bbr;
  t.ok(Math.abs(bbr.model.minRttUs - 70_600) < 2_000, `${bbr.model.minRttUs} µs`);
  t.ok(flow.goodput(20) > 0.9 * 20e6 * PAYLOAD);
});

/** Mbit/s with one segment of a hundred lost. */
function lossy(congestion: CongestionName): number {
  const path = new PathModel({ rate: 20e6, rttMs: 40, loss: 0.01, seed: 7 });
  const flow = path.flow({ congestion });
  path.run(10);
  return flow.goodput(10) / 1e6;
}

t.test('BBR bears random loss that starves the others (§3.3)', async (t) => {
  const bbr = lossy('bbr');
  t.ok(bbr > 15, `${bbr.toFixed(1)} Mbit/s`);
  t.ok(lossy('cubic') < bbr / 2);
});

t.test('BBR bounds its losses in a shallow buffer (§5.5.10)', async (t) => {
  const path = new PathModel({ rate: 20e6, rttMs: 40, buffer: 20_000 });
  const flow = path.flow({ congestion: 'bbr' });
  path.run(15);
  const share = flow.retransmittedBytes / flow.received;
  t.ok(share < 0.03, `${(share * 100).toFixed(2)} % sent again`);
  t.ok(flow.goodput(15) > 0.85 * 20e6 * PAYLOAD, `${flow.goodput(15)}`);
});
