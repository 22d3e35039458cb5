import t from 'tap';
import { ms, us } from '../../src/base/time.ts';
import type { RawArgs } from '../../src/control/command.ts';
import { readRelay, relay } from '../../src/control/relay/command.ts';
import { chance, duration, gilbertElliott, rate } from '../../src/control/relay/units.ts';
import { ConfigError } from '../../src/control/schema.ts';
import { describeError } from '../../src/control/usage.ts';

const ends = { first: 'tap:left@a', second: 'if:eth0' };

t.test('times, shares and rates are written with their unit', (t) => {
  t.equal(duration.read('20ms'), 20_000);
  t.equal(duration.read('1.5s'), 1_500_000);
  t.equal(duration.read('500us'), 500);
  for (const text of ['20', 'ms', '-1ms', '2h', '4000s', '1.ms'])
    t.match(duration.read(text), ConfigError, text);
  t.same(chance.read('1%'), { probability: 0.01 });
  t.same(chance.read('10%,25%'), { probability: 0.1, correlation: 0.25 });
  for (const text of ['1', '101%', '1%,', '1%,2%,3%', '%', '']) t.match(chance.read(text), ConfigError, text);
  t.same(gilbertElliott.read('1%,30%,90%,0.1%'), {
    model: 'gilbert-elliott',
    p: 0.01,
    r: 0.3,
    lossBad: 0.9,
    lossGood: 0.001,
  });
  t.match(gilbertElliott.read('1%,2%,3%,4%,5%'), ConfigError);
  t.equal(rate.read('100mbit'), 1e8);
  t.equal(rate.read('1.5Gbit'), 1.5e9);
  t.equal(rate.read('9600bit'), 9_600);
  for (const text of ['100', '100mbps', '0bit', '2tbit']) t.match(rate.read(text), ConfigError, text);
  t.end();
});

t.test('a relay impairs both directions alike, or one of them', (t) => {
  const both = readRelay(
    { ...ends, delay: '10ms', loss: '1%', rate: '20mbit', queue: '50', seed: '7' },
    true,
  );
  const there = {
    delay: ms(10),
    loss: { model: 'random', probability: 0.01 },
    rate: { bitsPerSecond: 2e7, queueMaxPackets: 50 },
    limitPackets: 4_096,
  };
  t.same(both, {
    ends: [
      { kind: 'tap', device: 'left', netns: 'a' },
      { kind: 'if', device: 'eth0', netns: null },
    ],
    there,
    back: there,
    mtu: 1_500,
    seed: 7,
    user: 'nobody',
  });
  const one = readRelay(
    { ...ends, delay: '1ms', reorder: '25%', gap: '5', limit: '100', oneWay: true },
    false,
  );
  t.match(one, {
    there: { delay: ms(1), reorder: { probability: 0.25, gap: 5 }, limitPackets: 100 },
    back: { limitPackets: 100 },
    seed: null,
    user: null,
  });
  t.match(readRelay({ ...ends, delay: '1ms', jitter: '300us', gemodel: '1%' }, false), {
    there: { jitter: us(300), loss: { model: 'gilbert-elliott', p: 0.01 } },
  });
  t.end();
});

t.test('what makes no sense is refused in a sentence', (t) => {
  const wrong: readonly [RawArgs, string][] = [
    [{ first: 'left', second: 'tap:b' }, 'tap|tun|if:DEVICE[@NETNS]: "left" is no device: write tap:NAME'],
    [{ first: 'tap:a/b', second: 'tap:b' }, 'is no device'],
    [{ first: 'tap:a', second: 'tun:b' }, 'must be of one kind'],
    [{ first: 'tap:a@x', second: 'tap:a@x' }, 'is the first one again'],
    [{ ...ends, loss: '1%', gemodel: '1%' }, '--loss-gemodel: is a model of loss as --loss is one'],
    [{ ...ends, jitter: '1ms' }, '--jitter: varies a delay; give --delay too'],
    [{ ...ends, reorder: '1%' }, '--reorder: frames overtake by skipping the delay'],
    [{ ...ends, delay: '1ms', gap: '2' }, '--gap: is about frames that overtake'],
    [{ ...ends, queue: '10' }, '--queue: stands in front of a rate'],
    [{ ...ends, limit: '0' }, '--limit: "0" is no whole number'],
  ];
  for (const [raw, sentence] of wrong) {
    const error = readRelay(raw, false);
    if (!(error instanceof ConfigError)) t.fail(`${JSON.stringify(raw)} is taken`);
    else t.match(describeError(relay, error), sentence);
  }
  t.end();
});
