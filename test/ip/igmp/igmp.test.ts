import t from 'tap';
import { after, NEVER, START, sec } from '../../../src/base/time.ts';
import * as igmp from '../../../src/wire/igmp.ts';
import { ip } from '../fixture.ts';
import { GROUP, IgmpLab, OTHER, report3, S1, S2, S3 } from '../igmp-fixture.ts';

t.test('version 3: joining and leaving (RFC 9776 §5.1)', (t) => {
  t.test('a join is told at once and again within a second; so is leaving', (t) => {
    const lab = new IgmpLab();
    t.equal(lab.igmp.nextTimeout(), NEVER);
    lab.join();
    t.equal(lab.igmp.nextTimeout(), START, 'due at once, though a socket has no clock');
    t.ok(lab.igmp.isMember(ip(GROUP)));
    lab.run(after(START, sec(5)));
    t.equal(lab.times[0], 0);
    t.ok((lab.times[1] as number) > 0 && (lab.times[1] as number) <= 1_000);
    t.strictSame(lab.read(), [report3(GROUP, 'to_ex'), report3(GROUP, 'to_ex')]);
    lab.leave();
    t.notOk(lab.igmp.isMember(ip(GROUP)));
    t.strictSame(lab.within(5), [report3(GROUP, 'to_in'), report3(GROUP, 'to_in')]);
    t.equal(lab.igmp.nextTimeout(), NEVER);
    t.strictSame(lab.igmp.groups(), []);
    lab.expectDone(t);
    t.end();
  });

  t.test('only the first join and the last leave are told', (t) => {
    const lab = new IgmpLab();
    lab.join();
    lab.within(5);
    lab.join();
    lab.leave();
    t.strictSame(lab.within(5), []);
    t.ok(lab.igmp.isMember(ip(GROUP)));
    lab.leave();
    t.equal(lab.within(5).length, 2);
    t.equal(lab.igmp.leave(ip(GROUP)), false, 'there is nothing left to take back');
    lab.expectDone(t);
    t.end();
  });

  t.test('several joins at once share a report', (t) => {
    const lab = new IgmpLab();
    lab.join(GROUP);
    lab.join(OTHER);
    t.strictSame(lab.within(0), [
      `224.0.0.22: v3 report, 2 group record(s) [gaddr ${GROUP} to_ex, 0 source(s)] ` +
        `[gaddr ${OTHER} to_ex, 0 source(s)]`,
    ]);
    lab.expectDone(t);
    t.end();
  });

  t.test('224.0.0.1 is everybody’s and never reported (RFC 9776 §5)', (t) => {
    const lab = new IgmpLab();
    t.ok(lab.igmp.isMember(igmp.ALL_SYSTEMS));
    t.ok(lab.igmp.join(igmp.ALL_SYSTEMS));
    t.ok(lab.igmp.leave(igmp.ALL_SYSTEMS));
    lab.query3('0.0.0.0', 10);
    t.strictSame(lab.within(5), []);
    lab.expectDone(t);
    t.end();
  });

  t.test('what is no group is refused, and so is one too many', (t) => {
    const lab = new IgmpLab();
    t.equal(lab.igmp.join(ip('10.0.0.1')), false);
    for (let i = 0; i < 1_024; i++) lab.igmp.join((0xe1000000 + i) | 0);
    t.equal(lab.igmp.groups().length, 1_024);
    t.equal(lab.igmp.join(ip(GROUP)), false);
    t.equal(lab.igmp.counters.refused, 2);
    const reports = lab.within(0);
    t.equal(reports.length, Math.ceil(1_024 / 68), 'as many records as 576 bytes hold');
    lab.expectDone(t);
    t.end();
  });
  t.end();
});

/** A member of one group for any source, of another for two. */
const joined = (): IgmpLab => {
  const lab = new IgmpLab();
  lab.join(GROUP);
  lab.listen({}, 'include', [S1, S2], OTHER);
  lab.within(5);
  return lab;
};

t.test('version 3: answers to queries (RFC 9776 §5.2)', (t) => {
  t.test('a general query is answered for all groups, once, within the time it gives', (t) => {
    const lab = joined();
    const from = lab.now;
    lab.query3('0.0.0.0', 100);
    lab.query3('0.0.0.0', 100);
    lab.run(after(lab.now, sec(20)));
    t.equal(lab.times.length, 1);
    const delay = (lab.times[0] as number) - from / 1_000;
    t.ok(delay > 0 && delay <= 10_000, `${delay}`);
    t.strictSame(lab.read(), [
      `224.0.0.22: v3 report, 2 group record(s) [gaddr ${GROUP} is_ex, 0 source(s)] ` +
        `[gaddr ${OTHER} is_in, 2 source(s)] {1 2}`,
    ]);
    lab.expectDone(t);
    t.end();
  });

  t.test('a further general query never puts the answer off (rule 1)', (t) => {
    const lab = joined();
    lab.query3('0.0.0.0', 100);
    let due = lab.igmp.nextTimeout();
    let isSooner = true;
    for (let i = 0; i < 20; i++) {
      lab.query3('0.0.0.0', 100);
      isSooner &&= lab.igmp.nextTimeout() <= due;
      due = lab.igmp.nextTimeout();
    }
    t.ok(isSooner);
    t.equal(lab.within(10).length, 1);
    lab.expectDone(t);
    t.end();
  });

  t.test('the delay is random, and spread over the whole time', (t) => {
    const delays: number[] = [];
    for (let seed = 1; seed <= 50; seed++) {
      const lab = new IgmpLab(3, seed);
      lab.join();
      lab.within(5);
      const from = lab.now;
      lab.query3('0.0.0.0', 100);
      delays.push(lab.igmp.nextTimeout() - from);
    }
    t.ok(Math.min(...delays) < sec(1) && Math.max(...delays) > sec(9) && Math.max(...delays) <= sec(10));
    t.end();
  });

  const SPECIFIC: [string, string, readonly string[], string[]][] = [
    ['a group', GROUP, [], [report3(GROUP, 'is_ex')]],
    ['a group with sources', OTHER, [], [report3(OTHER, 'is_in', [1, 2])]],
    ['sources of an INCLUDE: those in both', OTHER, [S2, S3], [report3(OTHER, 'is_in', [2])]],
    ['sources of an EXCLUDE: those not excluded', GROUP, [S3], [report3(GROUP, 'is_in', [3])]],
    ['sources that nobody wants', OTHER, [S3], []],
    ['a group that nobody joined', '239.0.0.1', [], []],
  ];
  for (const [name, group, sources, want] of SPECIFIC) {
    t.test(`a query about ${name}`, (t) => {
      const lab = joined();
      lab.query3(group, 10, sources);
      t.strictSame(lab.within(1), want);
      lab.expectDone(t);
      t.end();
    });
  }

  t.test('queries that overlap are merged', (t) => {
    const lab = joined();
    lab.query3(OTHER, 10, [S1]);
    lab.query3(OTHER, 10, [S2]);
    t.strictSame(lab.within(1), [report3(OTHER, 'is_in', [1, 2])]);
    lab.query3(OTHER, 10, [S1]);
    lab.query3(OTHER, 10);
    t.strictSame(lab.within(1), [report3(OTHER, 'is_in', [1, 2])]);
    lab.query3('0.0.0.0', 1);
    lab.query3(GROUP, 255);
    t.equal(lab.within(20).length, 1, 'the general answer says it all');
    lab.expectDone(t);
    t.end();
  });

  t.test('a query with very many sources counts as one about the group', (t) => {
    const lab = joined();
    const many = Array.from({ length: 100 }, (_, i) => `198.51.100.${i}`);
    lab.query3(GROUP, 10, many);
    t.strictSame(lab.within(1), [report3(GROUP, 'is_ex')]);
    lab.expectDone(t);
    t.end();
  });

  t.test('reports of others suppress nothing', (t) => {
    const lab = joined();
    lab.query3(GROUP, 10);
    lab.heardReport(igmp.Type.ReportV2, GROUP);
    t.strictSame(lab.within(1), [report3(GROUP, 'is_ex')]);
    lab.expectDone(t);
    t.end();
  });

  t.test('the querier’s robustness is ours (RFC 9776 §4.1.6)', (t) => {
    const lab = new IgmpLab();
    lab.message(({ view, l4 }) => igmp.writeQuery3(view, l4, 10, 0, false, 4, 125), { dst: '224.0.0.1' });
    lab.join();
    t.equal(lab.within(10).filter((line) => line.includes('to_ex')).length, 4);
    lab.expectDone(t);
    t.end();
  });
  t.end();
});

/** A query of a length that no version has. */
const nine = (view: DataView, at: number): number => {
  igmp.write(view, at, igmp.Type.Query, 10, 0);
  view.setUint8(at + 8, 0);
  return at + 9;
};

const wrong = (view: DataView, at: number): number => {
  const end = igmp.write(view, at, igmp.Type.Query, 10, 0);
  view.setUint8(at + 1, 11);
  return end;
};

t.test('queries that are refused (RFC 9776 §4, §9.1)', (t) => {
  const BAD: [string, (lab: IgmpLab) => void, string][] = [
    ['with another TTL', (lab) => lab.query3('0.0.0.0', 10, [], { ttl: 2 }), 'IgmpTtl'],
    ['without Router Alert', (lab) => lab.query3('0.0.0.0', 10, [], { options: [] }), 'IgmpNoRouterAlert'],
    [
      'of version 2 without Router Alert',
      (lab) => lab.query2('0.0.0.0', 10, { options: [] }),
      'IgmpNoRouterAlert',
    ],
    ['from a group', (lab) => lab.query3('0.0.0.0', 10, [], { src: '224.0.0.9' }), 'IgmpSourceBad'],
    ['general, to a group', (lab) => lab.query3('0.0.0.0', 10, [], { dst: GROUP }), 'IgmpDestinationBad'],
    ['about a group, to another', (lab) => lab.query3(GROUP, 10, [], { dst: OTHER }), 'IgmpDestinationBad'],
    [
      'of nine bytes',
      (lab) => lab.message(({ view, l4 }) => nine(view, l4), { dst: '224.0.0.1' }),
      'IgmpTruncated',
    ],
    ['with a wrong checksum', (lab) => lab.message(({ view, l4 }) => wrong(view, l4), {}), 'IgmpChecksum'],
    [
      'of an unknown type',
      (lab) => lab.message(({ view, l4 }) => igmp.write(view, l4, 0x99, 0, 0), {}),
      'IgmpTypeUnknown',
    ],
  ];
  for (const [name, send, want] of BAD) {
    t.test(name, (t) => {
      const lab = new IgmpLab();
      lab.join();
      lab.within(5);
      send(lab);
      t.equal(lab.igmp.nextTimeout(), NEVER);
      t.strictSame(lab.counted(), { [want]: 1 });
      t.equal(lab.igmp.counters.inErrors, 1);
      lab.expectDone(t);
      t.end();
    });
  }

  t.test('but a snooping switch may ask from 0.0.0.0 (RFC 4541 §2.1.1), a router may ask us alone', (t) => {
    const lab = new IgmpLab();
    lab.join();
    lab.within(5);
    lab.query3('0.0.0.0', 10, [], { src: '0.0.0.0' });
    t.equal(lab.within(1).length, 1);
    lab.query3(GROUP, 10, [], { dst: '10.77.0.2' });
    t.equal(lab.within(1).length, 1);
    lab.expectDone(t);
    t.end();
  });
  t.end();
});

t.test('version 2 (RFC 2236)', (t) => {
  const report = `${GROUP}: v2 report ${GROUP}`;
  const leave = `224.0.0.2: leave ${GROUP}`;

  t.test('a join is reported twice, within ten seconds; leaving once', (t) => {
    const lab = new IgmpLab(2);
    lab.join();
    lab.run(after(START, sec(60)));
    t.equal(lab.times[0], 0);
    t.ok((lab.times[1] as number) <= 10_000);
    t.strictSame(lab.read(), [report, report]);
    lab.leave();
    t.strictSame(lab.within(60), [leave]);
    t.equal(lab.igmp.nextTimeout(), NEVER);
    lab.expectDone(t);
    t.end();
  });

  t.test('each group answers a general query in its own time', (t) => {
    const lab = new IgmpLab(2);
    lab.join(GROUP);
    lab.join(OTHER);
    lab.within(60);
    lab.query2('0.0.0.0', 100);
    lab.run(after(lab.now, sec(10)));
    const [first, second] = lab.times as [number, number];
    t.not(first, second);
    t.strictSame(lab.read().sort(), [report, `${OTHER}: v2 report ${OTHER}`].sort());
    lab.expectDone(t);
    t.end();
  });

  t.test('a timer that runs is only ever shortened (RFC 2236 §3)', (t) => {
    const lab = new IgmpLab(2);
    lab.join();
    lab.within(60);
    lab.query2('0.0.0.0', 1);
    const due = lab.igmp.nextTimeout();
    lab.query2('0.0.0.0', 100);
    t.equal(lab.igmp.nextTimeout(), due);
    lab.within(1);
    lab.query2('0.0.0.0', 255);
    lab.query2(GROUP, 1);
    t.strictSame(lab.within(0.1), [report]);
    lab.expectDone(t);
    t.end();
  });

  t.test('another host’s report makes ours needless, and its leave is not ours (RFC 2236 §3)', (t) => {
    const lab = new IgmpLab(2);
    lab.join();
    t.strictSame(lab.within(0), [report]);
    lab.heardReport(igmp.Type.ReportV2, GROUP);
    t.strictSame(lab.within(60), [], 'no repetition');
    lab.query2('0.0.0.0', 100);
    lab.heardReport(igmp.Type.ReportV2, GROUP);
    t.strictSame(lab.within(60), []);
    lab.leave();
    t.strictSame(lab.within(60), []);
    lab.expectDone(t);
    t.end();
  });

  t.test('a join that was never told is told, whatever is heard', (t) => {
    const lab = new IgmpLab(2);
    lab.join();
    lab.heardReport(igmp.Type.ReportV2, GROUP);
    t.equal(lab.within(0).length, 1);
    lab.expectDone(t);
    t.end();
  });

  t.test('a report to another address than its group’s is refused', (t) => {
    const lab = new IgmpLab(2);
    lab.message(({ view, l4 }) => igmp.write(view, l4, igmp.Type.ReportV2, 0, ip(GROUP)), { dst: OTHER });
    t.strictSame(lab.counted(), { IgmpDestinationBad: 1 });
    lab.expectDone(t);
    t.end();
  });

  t.test('a group joined for single sources is a group', (t) => {
    const lab = new IgmpLab(2);
    const listener = {};
    lab.listen(listener, 'include', [S1]);
    t.strictSame(lab.within(60), [report, report]);
    lab.listen(listener, 'include', []);
    t.strictSame(lab.within(60), [leave]);
    lab.expectDone(t);
    t.end();
  });
  t.end();
});

t.test('older queriers (RFC 9776 §7.2.1)', (t) => {
  t.test('a version 2 query makes us speak version 2, for 260 seconds', (t) => {
    const lab = new IgmpLab();
    lab.join();
    lab.within(5);
    lab.query2('0.0.0.0', 100);
    t.equal(lab.igmp.mode, 2);
    t.strictSame(lab.within(10), [`${GROUP}: v2 report ${GROUP}`]);
    lab.query3(GROUP, 10);
    t.strictSame(lab.within(1), [`${GROUP}: v2 report ${GROUP}`], 'whatever version others ask in');
    lab.within(240);
    lab.join(OTHER);
    t.match(lab.within(0)[0], /v2 report/);
    lab.within(10);
    lab.query3('0.0.0.0', 10);
    t.equal(lab.igmp.mode, 3);
    t.match(lab.within(1)[0], /v3 report, 2 group/);
    lab.expectDone(t);
    t.end();
  });

  t.test('a version 1 query makes us speak version 1: answers within ten seconds, no leaving', (t) => {
    const lab = new IgmpLab();
    lab.join();
    lab.within(5);
    lab.query2('0.0.0.0', 0, { options: [] });
    t.equal(lab.igmp.mode, 1);
    t.strictSame(lab.within(10), [`${GROUP}: v1 report ${GROUP}`]);
    lab.query2('0.0.0.0', 0);
    lab.heardReport(igmp.Type.ReportV1, GROUP);
    t.strictSame(lab.within(10), [], 'suppressed by another host’s');
    lab.query2('0.0.0.0', 100);
    t.equal(lab.igmp.mode, 1, 'the oldest one heard counts');
    lab.within(10);
    lab.leave();
    t.strictSame(lab.within(10), []);
    lab.expectDone(t);
    t.end();
  });

  t.test(
    'what is pending for the other version is forgotten, but a join that was never told is told',
    (t) => {
      const lab = new IgmpLab();
      lab.join(OTHER);
      t.equal(lab.within(0).length, 1);
      lab.join(GROUP);
      lab.query2('239.0.0.1', 10);
      t.strictSame(lab.within(0), [`${GROUP}: v2 report ${GROUP}`]);
      lab.expectDone(t);
      t.end();
    },
  );
  t.end();
});

t.test('an interface without an address reports from 0.0.0.0 (RFC 9776 §4.2.13)', (t) => {
  const lab = new IgmpLab();
  lab.source = 0;
  lab.join();
  t.equal(lab.within(0).length, 1);
  lab.expectDone(t);
  t.end();
});

t.test('without a slot a report is lost, and repeated as after a loss on the wire', (t) => {
  const lab = new IgmpLab();
  const taken = Array.from({ length: lab.pool.capacity }, () => lab.take());
  lab.join();
  t.strictSame(lab.within(0), []);
  for (const packet of taken) packet.release();
  t.strictSame(lab.within(1), [report3(GROUP, 'to_ex')]);
  t.strictSame(lab.counted(), { NoSlot: 1 });
  lab.expectDone(t);
  t.end();
});
