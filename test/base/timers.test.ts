/**
 * The timing wheel against a list that is searched from end to end, and the queue of machines on top of it.
 */
import * as fc from 'fast-check';
import t from 'tap';
import { rng } from '../../src/base/rng.ts';
import type { Instant } from '../../src/base/time.ts';
import { NEVER, START } from '../../src/base/time.ts';
import type { Timed } from '../../src/base/timers.ts';
import { TimerQueue, TimerWheel } from '../../src/base/timers.ts';

const at = (us: number): Instant => us as Instant;
const SECOND = 1_000_000;
const DAY = 86_400 * SECOND;

function expireAll(wheel: TimerWheel, now: Instant): number[] {
  const ids: number[] = [];
  for (let id = wheel.expire(now); id >= 0; id = wheel.expire(now)) ids.push(id);
  return ids;
}

function agreesWithList(steps: { kind: string; id: number; reach: number; share: number }[]): boolean {
  let now = 1_000_000_000;
  const wheel = new TimerWheel(at(now), 4);
  const model = new Map<number, number>();
  for (const { kind, id, reach, share } of steps) {
    const time = now + Math.round(reach * share * 8) / 8;
    if (kind === 'set') {
      wheel.set(id, at(time));
      model.set(id, time);
    } else if (kind === 'clear') {
      wheel.clear(id);
      model.delete(id);
    } else {
      now = time;
      const due = [...model].filter(([, deadline]) => deadline <= now).map(([due]) => due);
      const got = expireAll(wheel, at(now));
      const deadlines = got.map((due) => model.get(due) as number);
      if (due.length !== got.length || !due.every((due) => got.includes(due))) return false;
      if (!deadlines.every((deadline, i) => i === 0 || deadline >= (deadlines[i - 1] as number)))
        return false;
      for (const due of got) model.delete(due);
    }
    const earliest = Math.min(...model.values(), NEVER);
    if (wheel.next() > earliest || wheel.count !== model.size) return false;
    const first = wheel.first();
    if (first >= 0 && model.get(first) !== earliest) return false;
  }
  return true;
}

t.test('the wheel', (t) => {
  t.test('answers a timer at its exact deadline, not a microsecond before', (t) => {
    for (const deadline of [
      0,
      1,
      127,
      128,
      129,
      32_767,
      32_768,
      8_388_608,
      10 * SECOND,
      3 * DAY,
      100 * DAY,
    ]) {
      const wheel = new TimerWheel(START);
      wheel.set(0, at(deadline));
      if (deadline > 0) t.equal(wheel.expire(at(deadline - 1)), -1, `${deadline} before`);
      t.equal(wheel.expire(at(deadline)), 0, `${deadline}`);
      t.equal(wheel.expire(at(deadline)), -1, `${deadline} once`);
    }
    t.end();
  });

  t.test('holds fractions of a microsecond and instants before the origin', (t) => {
    const wheel = new TimerWheel(at(-1_000.5));
    wheel.set(1, at(-0.25));
    wheel.set(2, at(-0.5));
    t.equal(wheel.next(), -0.5);
    t.same(expireAll(wheel, at(-0.5)), [2]);
    t.same(expireAll(wheel, at(-0.25)), [1]);
    t.end();
  });

  t.test('answers in order of deadlines, equal ones as they were set', (t) => {
    const wheel = new TimerWheel(START);
    [50, 20, 70, 20, 90_000, 20, 10, 80_000].forEach((us, id) => {
      wheel.set(id, at(us));
    });
    t.same(expireAll(wheel, at(SECOND)), [6, 1, 3, 5, 0, 2, 7, 4]);
    t.end();
  });

  t.test('sorts a slot with a hundred thousand timers in good time', (t) => {
    const wheel = new TimerWheel(START);
    for (let id = 0; id < 100_000; id++) wheel.set(id, at(SECOND + 127 - id / 1_000));
    t.equal(wheel.expire(at(2 * SECOND)), 99_999);
    t.equal(expireAll(wheel, at(2 * SECOND)).at(-1), 0);
    t.equal(wheel.count, 0);
    t.end();
  });

  t.test('a timer that was found due can still be cleared or moved', (t) => {
    const wheel = new TimerWheel(START);
    for (let id = 0; id < 4; id++) wheel.set(id, at(10 + id));
    t.equal(wheel.expire(at(20)), 0);
    wheel.clear(1);
    wheel.set(2, at(500));
    t.equal(wheel.next(), 13);
    t.same(expireAll(wheel, at(20)), [3]);
    t.equal(wheel.next(), 500);
    t.end();
  });

  t.test('NEVER clears', (t) => {
    const wheel = new TimerWheel(START);
    wheel.set(3, at(10));
    wheel.set(3, NEVER);
    wheel.set(900, NEVER);
    t.equal(wheel.count, 0);
    t.equal(wheel.next(), NEVER);
    t.equal(wheel.deadline(3), NEVER);
    t.end();
  });

  t.test('a deadline in the past is due at once', (t) => {
    const wheel = new TimerWheel(at(DAY));
    wheel.set(0, at(5));
    t.equal(wheel.next(), 5);
    t.equal(wheel.expire(at(DAY)), 0);
    t.end();
  });

  t.test('a far timer does not hide an earlier one that was set later', (t) => {
    const wheel = new TimerWheel(START);
    wheel.set(0, at(1_000 * DAY));
    wheel.set(3, at(2 * DAY));
    t.same(expireAll(wheel, at(2 * DAY)), [3]);
    wheel.set(1, at(4 * DAY));
    wheel.set(2, at(3 * DAY));
    wheel.clear(2);
    t.ok(wheel.next() <= 4 * DAY);
    t.same(expireAll(wheel, at(4 * DAY)), [1]);
    t.same(expireAll(wheel, at(1_000 * DAY)), [0]);
    t.end();
  });

  t.test('agrees with a list, whatever is set, cleared and skipped', (t) => {
    const reach = fc.constantFrom(100, 5_000, 100_000, 20 * SECOND, 3_600 * SECOND, 10 * DAY);
    const step = fc.record({
      kind: fc.constantFrom('set', 'set', 'set', 'clear', 'pass'),
      id: fc.nat(60),
      reach,
      share: fc.double({ min: 0, max: 1, noNaN: true }),
    });
    fc.assert(fc.property(fc.array(step, { maxLength: 120 }), agreesWithList), { seed: 7, numRuns: 400 });
    t.end();
  });

  t.test('following next() from one call to the next meets every deadline exactly, in few steps', (t) => {
    const random = rng(11);
    const wheel = new TimerWheel(START);
    const deadlines: number[] = [];
    for (let id = 0; id < 2_000; id++) {
      deadlines[id] = random.below(20 * SECOND);
      wheel.set(id, at(deadlines[id] as number));
    }
    let calls = 0;
    let late = 0;
    for (let now = wheel.next(); now !== NEVER; now = wheel.next()) {
      calls++;
      for (const id of expireAll(wheel, now)) if (deadlines[id] !== now) late++;
    }
    t.equal(late, 0);
    t.ok(calls < 2_000 + 500, `${calls} calls for 2000 timers`);
    t.end();
  });
  t.end();
});

/** A machine that wants to be called at given times and writes down when it was. */
class Alarm implements Timed {
  wants: number[];
  readonly calls: number[] = [];
  asked = 0;

  constructor(...wants: number[]) {
    this.wants = wants;
  }

  nextTimeout(): Instant {
    this.asked++;
    return (this.wants[0] ?? NEVER) as Instant;
  }

  handleTimeout(now: Instant): void {
    this.calls.push(now);
    this.wants = this.wants.filter((want) => want > now);
  }
}

t.test('the queue', (t) => {
  t.test('calls a machine at each of its deadlines', (t) => {
    const queue = new TimerQueue(START);
    const alarm = new Alarm(100, 250, 90_000);
    queue.watch(alarm);
    for (let now = queue.next(); now !== NEVER; now = queue.next()) queue.run(now, 10);
    t.same(alarm.calls, [100, 250, 90_000]);
    t.end();
  });

  t.test('a deadline that moved later, earlier or away is followed', (t) => {
    const queue = new TimerQueue(START);
    const alarm = new Alarm(100);
    const id = queue.watch(alarm);
    for (const want of [5_000, 300, 70_000]) {
      alarm.wants = [want];
      queue.update(id);
      t.equal(queue.next(), want);
    }
    t.equal(queue.run(at(69_999), 10), 0);
    alarm.wants = [];
    queue.update(id);
    t.equal(queue.next(), NEVER);
    t.equal(queue.run(at(DAY), 10), 0);
    t.end();
  });

  t.test('a later deadline that the wheel has not heard of does not fire early', (t) => {
    const queue = new TimerQueue(START);
    const alarm = new Alarm(100);
    const id = queue.watch(alarm);
    alarm.wants = [200];
    queue.update(id);
    t.equal(queue.run(at(150), 10), 0);
    t.equal(queue.run(at(200), 10), 1);
    t.same(alarm.calls, [200]);
    t.end();
  });

  t.test('a machine that is always due starves nobody', (t) => {
    const queue = new TimerQueue(START);
    const eager: Timed & { calls: number } = {
      calls: 0,
      nextTimeout: () => START,
      handleTimeout() {
        this.calls++;
      },
    };
    const alarms = Array.from({ length: 5 }, () => new Alarm(10));
    queue.watch(eager);
    for (const alarm of alarms) queue.watch(alarm);
    t.equal(queue.run(at(10), 8), 8);
    t.same(
      alarms.map((alarm) => alarm.calls),
      alarms.map(() => [10]),
    );
    t.equal(eager.calls, 3);
    t.end();
  });

  t.test('what is unwatched, even from within a call, is not called again', (t) => {
    const queue = new TimerQueue(START);
    const victim = new Alarm(10);
    const victimId = queue.watch(victim);
    const self = { id: 0, calls: 0 };
    self.id = queue.watch({
      nextTimeout: () => at(5),
      handleTimeout: () => {
        self.calls++;
        queue.unwatch(victimId);
        queue.unwatch(self.id);
      },
    });
    t.equal(queue.run(at(20), 10), 1);
    t.same([self.calls, victim.calls, queue.length, queue.next()], [1, [], 0, NEVER]);
    t.throws(() => queue.update(victimId), /only what is watched/);
    t.throws(() => queue.unwatch(victimId), /once/);
    t.end();
  });

  t.test('ids are reused, and a thousand machines are kept apart', (t) => {
    const queue = new TimerQueue(START);
    const random = rng(3);
    const alarms = Array.from(
      { length: 1_000 },
      () => new Alarm(random.below(SECOND), SECOND + random.below(SECOND)),
    );
    const ids = alarms.map((alarm) => queue.watch(alarm));
    for (const id of ids.slice(0, 500)) queue.unwatch(id);
    const again = alarms.slice(0, 500).map((alarm) => queue.watch(alarm));
    t.same(
      again.toSorted((a, b) => a - b),
      ids.slice(0, 500),
    );
    const wants = alarms.map((alarm) => alarm.wants);
    for (let now = queue.next(); now !== NEVER; now = queue.next()) while (queue.run(now, 3) > 0);
    t.same(
      alarms.map((alarm) => alarm.calls),
      wants,
    );
    t.end();
  });
  t.end();
});
