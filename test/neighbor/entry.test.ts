/**
 * One neighbour: every event in every state against a file, and the numbers of RFC 4861 §10.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { rng } from '../../src/base/rng.ts';
import type { Instant } from '../../src/base/time.ts';
import { after, between, NEVER, sec, toSec } from '../../src/base/time.ts';
import type { State } from '../../src/neighbor/entry.ts';
import { NeighborEntry, NudTiming } from '../../src/neighbor/entry.ts';
import { OTHER_MAC, PEER_MAC } from './fixture.ts';

const SEED = 4861;
const NOW = 1_000_000_000 as Instant;

const STATES: readonly State[] = [
  'none',
  'incomplete',
  'reachable',
  'stale',
  'delay',
  'probe',
  'failed',
  'permanent',
  'noarp',
];

type Event = readonly [name: string, apply: (entry: NeighborEntry) => void];

const EVENTS: readonly Event[] = [
  ['packet to send', (entry) => entry.handleUse(NOW)],
  ['timer', (entry) => timeout(entry, 1)],
  ['timer, all solicitations sent', (entry) => timeout(entry, 3)],
  ['confirmation from above', (entry) => entry.handleConfirm(NOW)],
  ['heard, same address', (entry) => entry.handleHeard(NOW, PEER_MAC)],
  ['heard, other address', (entry) => entry.handleHeard(NOW, OTHER_MAC)],
  ...[false, true].flatMap((isSolicited) =>
    [false, true].flatMap((isOverride): Event[] => {
      const name = `advertisement, S=${Number(isSolicited)} O=${Number(isOverride)}`;
      return [
        [
          `${name}, same address`,
          (entry) => entry.handleAdvertisement(NOW, PEER_MAC, isSolicited, isOverride),
        ],
        [
          `${name}, other address`,
          (entry) => entry.handleAdvertisement(NOW, OTHER_MAC, isSolicited, isOverride),
        ],
        [`${name}, no address`, (entry) => entry.handleAdvertisement(NOW, null, isSolicited, isOverride)],
      ];
    }),
  ),
];

/** The template: in `state`, known for long, due for nothing. */
function inState(state: State): NeighborEntry {
  const entry = new NeighborEntry(new NudTiming(rng(SEED)), 0, 0, 0xffff, 0x0a4d0001, 0x0800);
  entry.state = state;
  entry.confirmedAt = after(NOW, sec(-3600));
  entry.updatedAt = after(NOW, sec(-3600));
  entry.retryAt = NOW;
  if (!['none', 'incomplete', 'failed'].includes(state)) entry.mac = PEER_MAC;
  return entry;
}

function timeout(entry: NeighborEntry, probes: number): void {
  entry.probes = probes;
  entry.deadline = NOW;
  entry.handleTimeout(NOW);
}

function cell(state: State, [, apply]: Event): string {
  const entry = inState(state);
  apply(entry);
  const solicitation = entry.pollSolicit();
  const parts = [entry.state === state ? '-' : entry.state];
  if (solicitation !== null) parts.push(`send ${solicitation}`);
  if (entry.mac === OTHER_MAC) parts.push('takes it');
  return parts.join(', ');
}

function matrix(): string {
  const lines = ['What becomes of a neighbour (RFC 4861 appendix C). «-»: no change of state.', ''];
  for (const event of EVENTS) {
    lines.push(event[0]);
    for (const state of STATES) lines.push(`  ${state.padEnd(10)}  ${cell(state, event)}`);
    lines.push('');
  }
  return lines.join('\n');
}

t.test('every event in every state (RFC 4861 §7.3.3, appendix C)', (t) => {
  const file = new URL('../../../test/neighbor/entry-matrix.txt', import.meta.url);
  const now = matrix();
  if (process.env['TAPSTACK_UPDATE'] === '1') writeFileSync(file, now);
  t.equal(now, readFileSync(file, 'utf8'));
  t.end();
});

t.test('asks everyone three times, a second apart, then fails (RFC 4861 §7.2.2)', (t) => {
  const entry = inState('none');
  const asked: string[] = [];
  entry.handleUse(NOW);
  let now = NOW;
  for (let due = entry.pollSolicit(); due !== null; due = entry.pollSolicit()) {
    asked.push(`${due} ${toSec(between(NOW, now))}`);
    now = entry.nextTimeout();
    entry.handleTimeout(now);
  }
  t.same(asked, ['multicast 0', 'multicast 1', 'multicast 2']);
  t.equal(toSec(between(NOW, now)), 3);
  t.equal(entry.state, 'failed');
  t.equal(entry.nextTimeout(), NEVER);
  t.end();
});

t.test('waits 5 s for a confirmation, then asks the neighbour itself three times (RFC 4861 §7.3.3)', (t) => {
  const entry = inState('stale');
  entry.handleUse(NOW);
  const asked: string[] = [];
  let now = NOW;
  while (entry.nextTimeout() !== NEVER) {
    now = entry.nextTimeout();
    entry.handleTimeout(now);
    const due = entry.pollSolicit();
    if (due !== null) asked.push(`${due} ${toSec(between(NOW, now))}`);
  }
  t.same(asked, ['unicast 5', 'unicast 6', 'unicast 7']);
  t.equal(toSec(between(NOW, now)), 8);
  t.equal(entry.state, 'failed');
  t.equal(entry.mac, null);
  entry.handleUse(now);
  t.equal(entry.pollSolicit(), 'multicast', 'who does not answer at one address is asked for at once at all');
  t.end();
});

t.test('who never answered is asked for again after 3 s only (RFC 1122 §2.3.2.1)', (t) => {
  const entry = inState('incomplete');
  timeout(entry, 3);
  entry.handleUse(after(NOW, sec(2)));
  t.equal(entry.state, 'failed');
  t.equal(entry.pollSolicit(), null);
  entry.handleUse(after(NOW, sec(3)));
  t.equal(entry.state, 'incomplete');
  t.end();
});

t.test(`reachable time is 15 to 45 s and differs by interface (RFC 4861 §6.3.2, seed ${SEED})`, (t) => {
  const times: number[] = [];
  for (let seed = SEED; seed < SEED + 200; seed++)
    times.push(toSec(new NudTiming(rng(seed)).reachableTime(NOW)));
  t.ok(Math.min(...times) >= 15 && Math.min(...times) < 17, `from ${Math.min(...times)}`);
  t.ok(Math.max(...times) <= 45 && Math.max(...times) > 43, `to ${Math.max(...times)}`);
  t.ok(new Set(times).size > 190);
  const timing = new NudTiming(rng(SEED));
  const first = timing.reachableTime(NOW);
  t.equal(timing.reachableTime(after(NOW, sec(7199))), first, 'stays for two hours');
  t.not(timing.reachableTime(after(NOW, sec(7200))), first, 'then is drawn anew');
  timing.baseReachableTime = sec(10);
  const short = toSec(timing.reachableTime(after(NOW, sec(7201))));
  t.ok(short >= 5 && short <= 15, 'follows the base at once');
  t.end();
});

t.test('a confirmation extends reachability from when it came (RFC 4861 §7.3.1)', (t) => {
  const entry = inState('stale');
  entry.handleConfirm(NOW);
  const first = entry.nextTimeout();
  const reachableTime = between(NOW, first);
  const later = after(NOW, sec(10));
  entry.handleConfirm(later);
  entry.handleTimeout(first);
  t.equal(entry.state, 'reachable');
  t.equal(entry.nextTimeout(), after(later, reachableTime));
  entry.handleTimeout(entry.nextTimeout());
  t.equal(entry.state, 'stale');
  t.equal(entry.nextTimeout(), NEVER);
  t.end();
});

t.test('changes are counted', (t) => {
  const entry = inState('stale');
  entry.handleHeard(NOW, PEER_MAC);
  t.equal(entry.version, 0, 'hearing what is known is none');
  entry.handleHeard(NOW, OTHER_MAC);
  t.ok(entry.version > 0, 'another link address is one, even in the same state');
  t.end();
});
