/**
 * The neighbour table of one interface: resolution, waiting packets, limits, floods, administration.
 */
import t from 'tap';
import { Ip, parseIp } from '../../src/addr/ip.ts';
import { Mac } from '../../src/addr/mac.ts';
import { Drop } from '../../src/base/drop.ts';
import { rng } from '../../src/base/rng.ts';
import type { Instant } from '../../src/base/time.ts';
import { after, ms, NEVER, sec } from '../../src/base/time.ts';
import { Deadlines } from '../../src/neighbor/deadlines.ts';
import { NeighborEntry, NudTiming } from '../../src/neighbor/entry.ts';
import { EntryList } from '../../src/neighbor/entry-list.ts';
import {
  EXPENDABLE_MAX,
  GC_THRESH1,
  GC_THRESH2,
  GC_THRESH3,
  INCOMPLETE_MAX,
  PENDING_MAX,
  PENDING_PER_ENTRY,
  PERMANENT_MAX,
} from '../../src/neighbor/table.ts';
import { mac, OTHER_MAC, OWN, onHost, PEER, PEER_MAC } from './fixture.ts';

const ASK = `all: who-has ${PEER} tell ${OWN} 02:00:00:00:00:02`;
const ASK_PEER = `02:00:00:00:00:01: who-has ${PEER} tell ${OWN} 02:00:00:00:00:02`;
const packet = (id: number, to = PEER): string => `${OWN} > ${to} #${id}`;
const toPeer = (id: number): string => `02:00:00:00:00:01: ${packet(id)}`;
const ip = (text: string): Ip => parseIp(text) as Ip;
/** The `i`-th of 65,536 neighbours. */
const host = (i: number): string => `10.77.${(i >> 8) & 255}.${i & 255}`;

// ---- resolution

onHost(t, 'resolution: asks, waits, and sends what waited in order (RFC 4861 §7.2.2)', (t, h) => {
  h.send(PEER, 1);
  h.send(PEER, 2);
  t.same(h.sent(), [ASK], 'one question for two packets');
  t.equal(h.state(), 'incomplete');
  h.pass(ms(10));
  h.receive({ op: 'reply' });
  t.same(h.sent(), [toPeer(1), toPeer(2)]);
  t.equal(h.state(), 'reachable');
  h.send(PEER, 3);
  t.same(h.sent(), [toPeer(3)]);
  t.equal(h.table.pendingLength, 0);
});

onHost(
  t,
  'resolution: refuses what waited when nobody answers, and then at once (RFC 1122 §2.3.2.2)',
  (t, h) => {
    h.send(PEER, 1);
    h.send(PEER, 2);
    h.pass(ms(2_999));
    t.same(h.sent(), [ASK, ASK, ASK]);
    t.same(h.refused(), []);
    h.pass(ms(1));
    t.same(h.refused(), [packet(1), packet(2)]);
    t.equal(h.state(), 'failed');
    h.send(PEER, 3);
    t.same(h.refused(), [packet(3)], 'negative answers are kept');
    t.equal(h.table.counters.negativeHits, 1);
    t.equal(h.table.counters.resFailed, 1);
    h.pass(sec(3));
    h.send(PEER, 4);
    t.same(h.sent(), [ASK]);
    t.equal(h.state(), 'incomplete');
  },
);

onHost(
  t,
  'resolution: asks one neighbour at most once a second, however much is sent (RFC 1122 §2.3.2.1)',
  (t, h) => {
    for (let i = 0; i < 1_000; i++) {
      h.send(PEER, i);
      h.pass(ms(10));
    }
    t.ok(h.sent().length <= 10, 'ten seconds');
    h.refused();
  },
);

onHost(t, 'resolution: what is refused may send again at once, to the same neighbour', (t, h) => {
  let answers = 0;
  h.whenUnreachable = () => {
    if (answers < 4) h.send(answers++ % 2 === 0 ? PEER : '10.77.0.9', 90 + answers);
  };
  h.send(PEER, 1);
  h.send('10.77.0.7', 2);
  h.pass(sec(3));
  t.same(h.refused(), [packet(1), packet(91), packet(2, '10.77.0.7'), packet(93)]);
  t.equal(h.table.pendingLength, 2);
  t.equal(h.state('10.77.0.9'), 'incomplete');
});

onHost(t, 'resolution: a stale neighbour is used at once, and asked after 5 s (RFC 4861 §7.3.3)', (t, h) => {
  h.receive();
  h.sent();
  t.equal(h.state(), 'stale');
  h.send(PEER, 1);
  t.same(h.sent(), [toPeer(1)]);
  t.equal(h.state(), 'delay');
  h.pass(sec(5));
  t.same(h.sent(), [ASK_PEER]);
  t.equal(h.state(), 'probe');
  h.send(PEER, 2);
  t.same(h.sent(), [toPeer(2)], 'and used meanwhile');
  h.receive({ op: 'reply' });
  t.equal(h.state(), 'reachable');
});

onHost(t, 'resolution: a silent neighbour is given up after three questions of its own', (t, h) => {
  h.receive();
  h.send(PEER, 1);
  h.sent();
  h.pass(sec(8));
  t.same(h.sent(), [ASK_PEER, ASK_PEER, ASK_PEER]);
  t.equal(h.state(), 'failed');
  h.send(PEER, 2);
  t.same(h.sent(), [ASK], 'then everyone is asked, without delay');
});

onHost(
  t,
  'resolution: upper layers keep a neighbour reachable without any question (RFC 4861 §7.3.1)',
  (t, h) => {
    h.meet();
    for (let i = 0; i < 300; i++) {
      h.pass(sec(1));
      h.send(PEER, i);
      h.confirm();
      h.sent();
    }
    t.equal(h.state(), 'reachable');
    t.equal(h.table.counters.solicitsUnicast, 0);
    t.equal(h.table.counters.solicitsMulticast, 1);
    h.pass(sec(45));
    t.equal(h.state(), 'stale');
    h.confirm();
    t.equal(h.state(), 'reachable');
    h.confirm('10.77.0.99');
    t.equal(h.state('10.77.0.99'), 'absent');
  },
);

onHost(t, 'resolution: a neighbour that speaks first gets what waited, and is then asked', (t, h) => {
  h.send(PEER, 1);
  h.sent();
  h.receive({ target: '10.77.0.50' });
  t.same(h.sent(), [toPeer(1)]);
  t.equal(h.state(), 'delay', 'its address is known, that it hears us is not');
});

onHost(t, 'resolution: no address to ask from: nothing is sent, and the packet is refused', (t, h) => {
  h.addresses = [];
  h.send(PEER, 1);
  h.pass(sec(3));
  t.same(h.sent(), []);
  t.same(h.refused(), [packet(1)]);
  t.equal(h.arp.counters.noSource, 3);
});

onHost(t, 'resolution: a family that nobody asks for is dropped', (t, h) => {
  const packet = h.pool.take();
  t.ok(packet !== null);
  if (packet !== null) h.table.resolve(h.now, 0xfe800000 | 0, 0, 0, 1, packet);
  t.equal(h.dropped(Drop.NeighborTableFull), 1);
});

// ---- waiting packets are bounded

onHost(
  t,
  'waiting packets are bounded: per neighbour: the oldest goes first (RFC 4861 §7.2.2)',
  (t, h) => {
    for (let i = 1; i <= PENDING_PER_ENTRY + 2; i++) h.send(PEER, i);
    t.equal(h.dropped(Drop.NeighborPendingFull), 2);
    t.equal(h.table.counters.unresolvedDiscards, 2);
    h.sent();
    h.receive({ op: 'reply' });
    const sent = h.sent();
    t.equal(sent.length, PENDING_PER_ENTRY);
    t.equal(sent[0], toPeer(3));
    t.equal(sent.at(-1), toPeer(PENDING_PER_ENTRY + 2));
  },
  { slots: 512 },
);

onHost(
  t,
  'waiting packets are bounded: in all: the oldest of any neighbour goes first',
  (t, h) => {
    h.keepsText = false;
    for (let i = 0; i < PENDING_MAX + 10; i++) h.send(host(i + 10), i);
    h.keepsText = true;
    t.equal(h.table.pendingLength, PENDING_MAX);
    t.equal(h.dropped(Drop.NeighborPendingFull), 10);
    h.receive({ op: 'reply', sender: host(19) });
    t.same(h.sent(), [], 'the tenth is gone');
    h.receive({ op: 'reply', sender: host(20) });
    t.same(h.sent(), [`02:00:00:00:00:01: ${OWN} > ${host(20)} #10`]);
  },
  { slots: 1_200 },
);

onHost(t, 'waiting packets are bounded: and never more than a quarter of the pool', (t, h) => {
  for (let i = 0; i < 40; i++) h.send(PEER, i);
  t.equal(h.table.pendingLength, 16);
  t.equal(h.pool.available, 48);
});

onHost(
  t,
  'waiting packets are bounded: no slot for the question: it is asked again a second later',
  (t, h) => {
    h.send(PEER, 1);
    h.sent();
    const taken = Array.from({ length: h.pool.available }, () => h.pool.take());
    h.pass(sec(1));
    t.equal(h.dropped(Drop.NoSlot), 1);
    for (const packet of taken) packet?.release();
    h.pass(sec(1));
    t.same(h.sent(), [ASK]);
  },
);

onHost(
  t,
  'waiting packets are bounded: the link goes down: what waits is dropped, what a person set stays',
  (t, h) => {
    t.equal(h.table.add(h.now, ip('10.77.0.9'), OTHER_MAC), null);
    h.meet('10.77.0.8');
    h.send(PEER, 1);
    h.table.handleLinkDown();
    t.equal(h.dropped(Drop.LinkDown), 1);
    t.same(h.list(), ['10.77.0.9 dev tapstack0 lladdr 02:00:00:00:00:99 PERMANENT']);
    t.equal(h.nextTimeout(), NEVER);
  },
);

// ---- limits

onHost(t, 'limits: a flood of 100,000 spoofed requests (seed 826) displaces only itself', (t, h) => {
  h.meet();
  h.receive({ sender: '10.77.0.5', from: mac('02:00:00:00:00:05') });
  h.send('10.77.0.5');
  h.sent();
  h.keepsText = false;
  const random = rng(826);
  for (let i = 0; i < 100_000; i++) {
    const sender = host(random.below(60_000) + 256);
    h.receive({ sender, from: new Mac(0x0200, random.u32() | 1) });
    if (i % 1_000 === 0) h.pass(ms(1));
  }
  h.keepsText = true;
  t.ok(h.table.size <= EXPENDABLE_MAX + 2, `${h.table.size} entries`);
  t.equal(h.state(), 'reachable');
  t.equal(h.state('10.77.0.5'), 'delay');
  t.equal(h.arp.counters.repliesOut, 100_001, 'everyone was answered all the same');
  h.send(PEER, 7);
  t.same(h.sent(), [toPeer(7)]);
});

onHost(
  t,
  'limits: a scan through us displaces only what is asked for, and idle neighbours last',
  (t, h) => {
    h.meet();
    h.keepsText = false;
    for (let i = 0; i < 20_000; i++) h.send(host(i + 256), i);
    h.keepsText = true;
    t.equal(h.state(), 'reachable');
    t.equal(h.table.size, INCOMPLETE_MAX + 1);
    t.ok(h.dropped(Drop.NeighborPendingFull) + h.dropped(Drop.NeighborTableFull) >= 20_000 - PENDING_MAX);
    h.send('10.77.0.9', 9);
    h.receive({ op: 'reply', sender: '10.77.0.9' });
    t.equal(h.state('10.77.0.9'), 'reachable', 'who answers is resolved even then');
    h.keepsText = false;
    h.pass(sec(4));
    h.refused();
    t.ok(h.table.size <= EXPENDABLE_MAX + 2, 'the failed ones are as expendable');
  },
  { slots: 1_200 },
);

onHost(
  t,
  'limits: a table full of reachable neighbours refuses newcomers',
  (t, h) => {
    h.table.timing.baseReachableTime = sec(3_600);
    for (let i = 0; i < GC_THRESH3; i++) h.meet(host(i + 256));
    t.equal(h.table.size, GC_THRESH3);
    h.send(PEER, 1);
    t.equal(h.dropped(Drop.NeighborTableFull), 1);
    t.equal(h.table.counters.tableFulls, 1);
    h.receive();
    t.equal(h.state(), 'absent', 'nor are they learnt');
    t.equal(h.sent().length, 1, 'but answered');
    t.equal(h.table.add(h.now, ip(PEER), PEER_MAC, 'stale'), 'ENOBUFS');
    t.equal(h.table.add(h.now, ip(PEER), PEER_MAC), null, 'what a person sets has its own room');
    t.equal(h.table.size, GC_THRESH3 + 1);
  },
  { slots: 64 },
);

onHost(t, 'limits: of idle neighbours the one idle for longest goes first', (t, h) => {
  for (let i = 0; i < GC_THRESH2; i++) {
    h.meet(host(i + 256));
    h.pass(ms(1));
  }
  h.pass(sec(45));
  t.equal(h.state(host(256)), 'stale');
  h.pass(sec(5));
  h.send(host(256));
  h.meet(PEER);
  t.equal(h.state(host(256)), 'delay', 'in use');
  t.equal(h.state(host(257)), 'absent', 'beyond the second threshold, after 5 s');
  t.equal(h.state(host(258)), 'stale');
  t.equal(h.table.counters.evictions, 1);
});

onHost(t, 'limits: above the first threshold neighbours idle for a minute are forgotten', (t, h) => {
  for (let i = 0; i < GC_THRESH1 + 10; i++) h.meet(host(i + 256));
  t.equal(h.table.size, GC_THRESH1 + 10);
  h.pass(sec(45 + 60 + 30));
  t.equal(h.table.size, GC_THRESH1);
  t.ok(h.table.counters.periodicGcRuns > 0);
  t.equal(h.table.nextTimeout(), NEVER, 'and then nothing is due');
  h.pass(sec(3_600));
  t.equal(h.table.size, GC_THRESH1, 'those that remain cost nothing');
});

onHost(t, 'limits: permanent neighbours have a limit', (t, h) => {
  for (let i = 0; i < PERMANENT_MAX; i++) t.equal(h.table.add(h.now, ip(host(i + 256)), PEER_MAC), null);
  t.equal(h.table.add(h.now, ip(PEER), PEER_MAC), 'ENOBUFS');
  t.equal(h.table.replace(h.now, ip(host(256)), OTHER_MAC, 'noarp'), null, 'a replacement is none more');
  t.ok(h.table.delete(ip(host(256))));
  t.equal(h.table.add(h.now, ip(PEER), PEER_MAC), null);
  h.meet('10.77.0.8');
  t.equal(h.state('10.77.0.8'), 'reachable', 'and leave room for the others');
});

// ---- administration, as ip neigh

onHost(t, 'administration: add, replace, delete', (t, h) => {
  t.equal(h.table.add(h.now, ip(PEER), OTHER_MAC), null);
  t.equal(h.table.add(h.now, ip(PEER), OTHER_MAC), 'EEXIST');
  t.same(h.list(), [`${PEER} dev tapstack0 lladdr 02:00:00:00:00:99 PERMANENT`]);
  h.receive();
  h.receive({ op: 'reply' });
  h.receive({ op: 'reply', target: PEER, isBroadcast: true });
  h.pass(sec(3_600));
  h.sent();
  h.send(PEER, 1);
  t.same(h.sent(), [`02:00:00:00:00:99: ${packet(1)}`], 'nothing that arrives changes it');
  t.equal(h.table.replace(h.now, ip(PEER), PEER_MAC, 'reachable'), null);
  t.equal(h.state(), 'reachable');
  h.pass(sec(45));
  t.equal(h.state(), 'stale');
  t.ok(h.table.delete(ip(PEER)));
  t.notOk(h.table.delete(ip(PEER)));
  t.same(h.list(), []);
});

onHost(t, 'administration: setting a neighbour that is being asked for sends what waits', (t, h) => {
  h.send(PEER, 1);
  h.sent();
  t.equal(h.table.replace(h.now, ip(PEER), PEER_MAC, 'permanent'), null);
  t.same(h.sent(), [toPeer(1)]);
  t.equal(h.table.nextTimeout(), NEVER);
});

onHost(t, 'administration: deleting a neighbour drops what waits', (t, h) => {
  h.send(PEER, 1);
  t.ok(h.table.delete(ip(PEER)));
  t.equal(h.dropped(Drop.NeighborUnreachable), 1);
  t.equal(h.table.nextTimeout(), NEVER);
});

onHost(t, 'administration: addresses that no neighbour can have are refused', (t, h) => {
  for (const bad of ['224.0.0.1', '255.255.255.255', '0.0.0.0', 'ff02::1', '::']) {
    t.equal(h.table.add(h.now, ip(bad), PEER_MAC), 'EINVAL', bad);
  }
  t.equal(h.table.add(h.now, ip(PEER), mac('ff:ff:ff:ff:ff:ff')), 'EINVAL');
  t.equal(h.table.add(h.now, ip(PEER), mac('01:00:5e:00:00:01')), 'EINVAL');
  t.equal(h.table.add(h.now, ip(PEER), mac('0:0:0:0:0:0')), 'EINVAL');
  t.equal(h.table.add(h.now, ip('fe80::1'), PEER_MAC), 'EAFNOSUPPORT', 'until neighbour discovery is there');
});

onHost(
  t,
  'administration: flush keeps what a person set, list is in order and in the vocabulary of ip',
  (t, h) => {
    h.table.add(h.now, ip('10.77.0.200'), OTHER_MAC, 'noarp');
    h.table.add(h.now, ip('10.77.0.3'), OTHER_MAC);
    h.meet();
    h.receive({ sender: '10.77.0.20' });
    h.send('10.77.0.100');
    t.same(h.list(), [
      '10.77.0.1 dev tapstack0 lladdr 02:00:00:00:00:01 REACHABLE',
      '10.77.0.3 dev tapstack0 lladdr 02:00:00:00:00:99 PERMANENT',
      '10.77.0.20 dev tapstack0 lladdr 02:00:00:00:00:01 STALE',
      '10.77.0.100 dev tapstack0 INCOMPLETE',
      '10.77.0.200 dev tapstack0 lladdr 02:00:00:00:00:99 NOARP',
    ]);
    h.pass(ms(2_500));
    const [first] = h.table.list(h.now);
    t.match(first, { used: 2, confirmed: 2, updated: 2, probes: 0, dst: PEER, lladdr: '02:00:00:00:00:01' });
    t.equal(h.table.flush(), 3);
    t.equal(h.table.size, 2);
    t.equal(h.table.flush(true), 2);
    t.same(h.list(), []);
  },
);

onHost(t, 'administration: who watches sees by a counter that something changed', (t, h) => {
  const { counters } = h.table;
  h.send(PEER, 1);
  let before = counters.changes;
  h.receive({ op: 'reply' });
  t.ok(counters.changes > before);
  before = counters.changes;
  for (let i = 0; i < 100; i++) h.send(PEER, i);
  h.confirm();
  t.equal(counters.changes, before, 'traffic is no change');
  h.table.delete(ip(PEER));
  t.equal(counters.changes, before + 1);
  t.equal(counters.allocs - counters.destroys, h.table.size);
});

// ---- both families in one table (design: IPv6 needs no rewrite)

onHost(t, 'both families in one table: a solicitor of its own gets the words and the EtherType', (t, h) => {
  const asked: string[] = [];
  h.table.setSolicitor(6, {
    etherType: 0x86dd,
    solicit: (_now, entry, isUnicast) => {
      asked.push(`${new Ip(entry.a, entry.b, entry.c, entry.d)} ${isUnicast}`);
    },
  });
  const packet = h.pool.take();
  if (packet === null) throw new Error('a fresh pool is not empty');
  packet.tail = packet.l3 + 40;
  const { a, b, c, d } = ip('fe80::1');
  h.table.resolve(h.now, a, b, c, d, packet);
  t.same(asked, ['fe80::1 false']);
  const entry = h.table.find(a, b, c, d);
  t.ok(entry !== null);
  if (entry !== null) h.table.handleAdvertisement(h.now, entry, PEER_MAC, true, true);
  t.same(h.sent(), ['02:00:00:00:00:01: ?']);
  t.same(h.list(), ['fe80::1 dev tapstack0 lladdr 02:00:00:00:00:01 REACHABLE']);
});

t.test('deadlines come in order through 20,000 random changes (seed 7)', (t) => {
  const random = rng(7);
  const timing = new NudTiming(rng(7));
  const entries = Array.from({ length: 300 }, (_, i) => new NeighborEntry(timing, 0, 0, 0xffff, i, 0x0800));
  const deadlines = new Deadlines();
  let wrong = 0;
  for (let i = 0; i < 20_000; i++) {
    const entry = entries[random.below(entries.length)] as NeighborEntry;
    entry.deadline = random.below(4) === 0 ? NEVER : after(0 as Instant, ms(random.below(1_000)));
    deadlines.update(entry);
    let first: Instant = NEVER;
    for (const { deadline } of entries) if (deadline < first) first = deadline;
    if ((deadlines.first?.deadline ?? NEVER) !== first) wrong++;
  }
  t.equal(wrong, 0);
  for (const entry of entries) deadlines.remove(entry);
  t.equal(deadlines.length, 0);
  t.equal(deadlines.first, null);
  t.end();
});

t.test('an age list keeps its order whoever leaves', (t) => {
  const timing = new NudTiming(rng(7));
  const list = new EntryList<NeighborEntry>(9);
  const entries = [1, 2, 3, 4].map((i) => new NeighborEntry(timing, 0, 0, 0xffff, i, 0x0800));
  for (const entry of entries) list.append(0 as Instant, entry);
  const order = (): number[] => {
    const found: number[] = [];
    for (let entry = list.oldest; entry !== null; entry = entry.newer) found.push(entry.d);
    return found;
  };
  list.remove(entries[1] as NeighborEntry);
  t.same(order(), [1, 3, 4]);
  list.remove(entries[0] as NeighborEntry);
  list.remove(entries[3] as NeighborEntry);
  t.same(order(), [3]);
  t.equal(list.newest, entries[2]);
  list.append(0 as Instant, entries[0] as NeighborEntry);
  t.same(order(), [3, 1]);
  t.equal(list.length, 2);
  t.end();
});
