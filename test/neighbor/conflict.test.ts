/**
 * Address conflict detection, RFC 5227: the table as a file, and its times on a wire.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { Drop } from '../../src/base/drop.ts';
import type { Instant } from '../../src/base/time.ts';
import { between, ms, NEVER, sec, toSec } from '../../src/base/time.ts';
import { CLAIM_INPUTS, CLAIM_STATES, TRANSITIONS } from '../../src/neighbor/conflict.ts';
import { Host, OTHER_MAC, OWN, onHost, word } from './fixture.ts';

const PROBE = `all: who-has ${OWN} tell 0.0.0.0 02:00:00:00:00:02`;
const ANNOUNCEMENT = `all: who-has ${OWN} tell ${OWN} 02:00:00:00:00:02`;
const BOUND = `bound ${OWN}`;
const RIVAL = OTHER_MAC.toString();
const SEED = 5227;
/** Nobody has the address yet. */
const FRESH = { addresses: [], seed: SEED };

/** The address is used from the event on, as an interface does it. */
function follow(h: Host): string[] {
  const events = h.events();
  for (const event of events) {
    if (event.startsWith('bound')) h.addresses = [word(OWN)];
    if (event.startsWith('lost')) h.addresses = [];
  }
  return events;
}

/** Every frame with the second it was sent in, until nothing is due. */
function timeline(h: Host): (readonly [at: number, frame: string])[] {
  const from = h.now;
  const frames: [number, string][] = [];
  for (;;) {
    for (const frame of h.sent()) frames.push([toSec(between(from, h.now)), frame]);
    follow(h);
    const next: Instant = h.nextTimeout();
    if (next === NEVER) return frames;
    h.pass(between(h.now, next));
  }
}

/** Through probing, so that the address is ours, and past the announcements. */
function bind(h: Host, policy: 'yield' | 'defend' | 'insist' = 'defend'): void {
  h.arp.claim(h.now, word(OWN), policy);
  timeline(h);
  h.pass(sec(60));
  h.sent();
}

const claim = (h: Host): void => h.receive({ sender: OWN, from: OTHER_MAC, target: '10.77.0.9' });

t.test('every input in every state (RFC 5227 §2)', (t) => {
  const lines = ['What becomes of an address (RFC 5227 §2). «-»: nothing.', ''];
  for (const input of CLAIM_INPUTS) {
    lines.push(input);
    for (const state of CLAIM_STATES) {
      const transition = TRANSITIONS[state][input];
      const send = transition?.send === undefined ? '' : `, send ${transition.send}`;
      const event = transition?.event === undefined ? '' : `, tell ${transition.event}`;
      lines.push(
        `  ${state.padEnd(8)}  ${transition === undefined ? '-' : `${transition.next}${send}${event}`}`,
      );
    }
    lines.push('');
  }
  const file = new URL('../../../test/neighbor/conflict-matrix.txt', import.meta.url);
  const now = lines.join('\n');
  if (process.env['TAPSTACK_UPDATE'] === '1') writeFileSync(file, now);
  t.equal(now, readFileSync(file, 'utf8'));
  t.end();
});

// ---- probing (RFC 5227 §2.1.1)

onHost(
  t,
  'probing: three probes, then two announcements, in the times of §1.1',
  (t, h) => {
    h.arp.claim(h.now, word(OWN), 'defend');
    t.same(h.sent(), [], 'not before a random wait');
    const frames = timeline(h);
    t.same(
      frames.map(([, frame]) => frame),
      [PROBE, PROBE, PROBE, ANNOUNCEMENT, ANNOUNCEMENT],
    );
    const at = frames.map(([seconds]) => seconds) as [number, number, number, number, number];
    t.ok(at[0] > 0 && at[0] <= 1, 'PROBE_WAIT');
    t.ok(at[1] - at[0] >= 1 && at[1] - at[0] <= 2, 'PROBE_MIN, PROBE_MAX');
    t.ok(at[2] - at[1] >= 1 && at[2] - at[1] <= 2, 'PROBE_MIN, PROBE_MAX');
    t.equal(Math.round((at[3] - at[2]) * 1e6), 2e6, 'ANNOUNCE_WAIT');
    t.equal(Math.round((at[4] - at[3]) * 1e6), 2e6, 'ANNOUNCE_INTERVAL');
    t.equal(h.arp.claimState(word(OWN)), 'bound');
    t.match(h.arp.counters, { probesOut: 3, announcementsOut: 2, requestsOut: 0 });
  },
  FRESH,
);

onHost(
  t,
  'probing: the waits are random',
  (t, h) => {
    const first = new Set<number>();
    for (let seed = SEED; seed < SEED + 20; seed++) {
      const other = new Host({ addresses: [], seed });
      other.arp.claim(other.now, word(OWN), 'defend');
      first.add(between(other.now, other.nextTimeout()));
    }
    t.ok(first.size > 15);
    t.equal(h.nextTimeout(), NEVER);
  },
  FRESH,
);

onHost(
  t,
  'probing: `bound` comes with the first announcement, not before',
  (t, h) => {
    h.arp.claim(h.now, word(OWN), 'defend');
    const from = h.now;
    while (h.arp.claimState(word(OWN)) !== 'announce') {
      t.same(h.events(), []);
      h.pass(between(h.now, h.nextTimeout()));
    }
    t.same(h.events(), [BOUND]);
    t.ok(toSec(between(from, h.now)) >= 4);
  },
  FRESH,
);

const rivals: readonly (readonly [name: string, arrive: (h: Host) => void])[] = [
  ['a request from it', claim],
  ['a reply from it', (h) => h.receive({ op: 'reply', sender: OWN, from: OTHER_MAC, target: '10.77.0.9' })],
  ['an announcement', (h) => h.receive({ sender: OWN, from: OTHER_MAC, target: OWN })],
  ['another probe for it', (h) => h.receive({ sender: '0.0.0.0', from: OTHER_MAC, target: OWN })],
];
for (const [name, arrive] of rivals) {
  for (const [when, delay] of [
    ['before the first probe', ms(0)],
    ['while probing', ms(1_500)],
    ['just before ANNOUNCE_WAIT ends', null],
  ] as const) {
    onHost(
      t,
      `probing: ${name} ${when} is a conflict`,
      (t, h) => {
        h.arp.claim(h.now, word(OWN), 'defend');
        if (delay === null) while (h.arp.claimState(word(OWN)) !== 'settle') h.pass(ms(1));
        h.pass(delay ?? ms(1_999));
        const before = h.sent().length;
        arrive(h);
        t.same(h.events(), [`conflict ${OWN} ${RIVAL}`]);
        t.equal(h.arp.claimState(word(OWN)), 'conflict');
        h.pass(sec(60));
        t.same(h.sent(), [], 'nothing more is sent');
        t.ok(before <= 3);
        t.equal(h.table.size, 0, 'and nothing was learnt from it');
      },
      FRESH,
    );
  }
}

onHost(
  t,
  'probing: our own probe that comes back, and probes for other addresses, are none',
  (t, h) => {
    h.arp.claim(h.now, word(OWN), 'defend');
    h.receive({ sender: '0.0.0.0', from: h.mac, target: OWN });
    h.receive({ sender: '0.0.0.0', from: OTHER_MAC, target: '10.77.0.3' });
    h.receive({ sender: '10.77.0.3', from: OTHER_MAC, target: OWN });
    timeline(h);
    t.equal(h.arp.claimState(word(OWN)), 'bound');
  },
  FRESH,
);

onHost(
  t,
  'probing: requests for an address that is only being probed for are not answered',
  (t, h) => {
    h.arp.claim(h.now, word(OWN), 'defend');
    h.receive();
    t.same(h.sent(), []);
    t.equal(h.dropped(Drop.ArpNotForUs), 1);
  },
  FRESH,
);

onHost(
  t,
  'probing: after ten conflicts one attempt per minute (MAX_CONFLICTS, RATE_LIMIT_INTERVAL)',
  (t, h) => {
    const waits: number[] = [];
    for (let i = 0; i < 13; i++) {
      const from = h.now;
      h.arp.claim(h.now, word(OWN), 'defend');
      while (h.sent().length === 0) h.pass(between(h.now, h.nextTimeout()));
      waits.push(toSec(between(from, h.now)));
      claim(h);
      t.equal(h.events().length, 1);
    }
    t.ok(
      waits.slice(0, 10).every((wait) => wait <= 1),
      `${waits}`,
    );
    t.same(waits.slice(11), [60, 60]);
    h.arp.claim(h.now, word(OWN), 'defend');
    timeline(h);
    claim(h);
    h.pass(sec(11));
    claim(h);
    h.pass(sec(1));
    h.sent();
    claim(h);
    h.arp.claim(h.now, word(OWN), 'defend');
    h.pass(sec(1));
    t.same(h.sent(), [PROBE], 'success ends the limit');
  },
  FRESH,
);

// ---- use without probing

onHost(
  t,
  'use without probing: announces twice and is bound at once',
  (t, h) => {
    h.arp.assume(h.now, word(OWN), 'defend');
    t.same(h.events(), [BOUND]);
    t.same(timeline(h), [
      [0, ANNOUNCEMENT],
      [2, ANNOUNCEMENT],
    ]);
    t.equal(h.arp.claimState(word(OWN)), 'bound');
  },
  FRESH,
);

onHost(
  t,
  'use without probing: an address that is not wanted any more is not defended',
  (t, h) => {
    h.arp.assume(h.now, word(OWN), 'defend');
    h.sent();
    h.arp.unclaim(word(OWN));
    t.equal(h.nextTimeout(), NEVER);
    t.equal(h.arp.claimState(word(OWN)), null);
    claim(h);
    t.same(h.sent(), []);
  },
  FRESH,
);

// ---- defence (RFC 5227 §2.4)

onHost(
  t,
  'defence: (a) yield: gives the address up at the first claim',
  (t, h) => {
    bind(h, 'yield');
    claim(h);
    t.same(follow(h), [`lost ${OWN} ${RIVAL}`]);
    t.same(h.sent(), []);
  },
  FRESH,
);

onHost(
  t,
  'defence: (b) defend: announces once, and gives up when claimed again within DEFEND_INTERVAL',
  (t, h) => {
    bind(h);
    claim(h);
    t.same(h.sent(), [ANNOUNCEMENT]);
    t.same(follow(h), [`defended ${OWN} ${RIVAL}`]);
    h.pass(ms(9_999));
    claim(h);
    t.same(h.sent(), []);
    t.same(follow(h), [`lost ${OWN} ${RIVAL}`]);
    t.equal(h.arp.counters.conflicts, 2);
    t.equal(h.dropped(Drop.ArpConflict), 2);
    claim(h);
    t.same(follow(h), [], 'it is told once');
  },
  FRESH,
);

onHost(
  t,
  'defence: (b) defend: a claim after DEFEND_INTERVAL is the first one again',
  (t, h) => {
    bind(h);
    for (let i = 0; i < 5; i++) {
      claim(h);
      t.same(h.sent(), [ANNOUNCEMENT]);
      t.same(follow(h), [`defended ${OWN} ${RIVAL}`]);
      h.pass(sec(10));
    }
    t.equal(h.arp.claimState(word(OWN)), 'bound');
  },
  FRESH,
);

onHost(
  t,
  'defence: (c) insist: never gives up, and announces at most once in DEFEND_INTERVAL',
  (t, h) => {
    bind(h, 'insist');
    let announced = 0;
    for (let i = 0; i < 100; i++) {
      claim(h);
      announced += h.sent().length;
      t.notMatch(follow(h).join(), /lost/);
      h.pass(ms(500));
    }
    t.equal(announced, 5, '50 seconds');
    t.equal(h.arp.counters.conflicts, 100);
  },
  FRESH,
);

onHost(
  t,
  'defence: between the announcements too, without moving them',
  (t, h) => {
    h.arp.assume(h.now, word(OWN), 'defend');
    h.sent();
    follow(h);
    h.pass(sec(1));
    claim(h);
    t.same(h.sent(), [ANNOUNCEMENT]);
    h.pass(sec(1));
    t.same(h.sent(), [ANNOUNCEMENT]);
    t.equal(h.arp.claimState(word(OWN)), 'bound');
  },
  FRESH,
);

onHost(
  t,
  'defence: a probe for our address is answered, not fought',
  (t, h) => {
    bind(h);
    h.receive({ sender: '0.0.0.0', from: OTHER_MAC });
    t.same(h.sent(), [`${RIVAL}: ${OWN} is-at 02:00:00:00:00:02 for 0.0.0.0 ${RIVAL}`]);
    t.same(h.events(), []);
  },
  FRESH,
);

onHost(
  t,
  'defence: once lost, the other host is a neighbour like any',
  (t, h) => {
    bind(h, 'yield');
    h.addresses.push(word('10.77.0.3'));
    claim(h);
    follow(h);
    h.addresses = [word('10.77.0.3')];
    h.receive({ sender: OWN, from: OTHER_MAC, target: '10.77.0.3' });
    t.same(h.list(), [`${OWN} dev tapstack0 lladdr ${RIVAL} STALE`]);
    h.arp.claim(h.now, word(OWN), 'yield');
    t.equal(h.arp.claimState(word(OWN)), 'wait', 'and the claim may begin anew');
    h.arp.assume(h.now, word(OWN), 'defend');
    follow(h);
    claim(h);
    t.same(follow(h), [`defended ${OWN} ${RIVAL}`], 'with its right to defend');
  },
  FRESH,
);
