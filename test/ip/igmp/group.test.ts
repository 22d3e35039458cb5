import t from 'tap';
import { NEVER } from '../../../src/base/time.ts';
import { ip } from '../fixture.ts';
import { GROUP, IgmpLab, OTHER, report3, S1, S2, S3 } from '../igmp-fixture.ts';

const many = (net: number, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `192.0.${net}.${i + 1}`);

t.test('version 3: sources (RFC 9776 §3.2, §5.1)', (t) => {
  const [a, b] = [{}, {}];

  t.test('what listeners want comes together as the RFC says', (t) => {
    const lab = new IgmpLab();
    const steps: [string, () => void, string[]][] = [
      ['include S1 S2', () => lab.listen(a, 'include', [S1, S2]), [report3(GROUP, 'allow', [1, 2])]],
      ['another includes S2 S3', () => lab.listen(b, 'include', [S2, S3]), [report3(GROUP, 'allow', [3])]],
      ['the first no longer S1', () => lab.listen(a, 'include', [S2]), [report3(GROUP, 'block', [1])]],
      ['it excludes S1 S3', () => lab.listen(a, 'exclude', [S1, S3]), [report3(GROUP, 'to_ex', [1])]],
      ['the other includes S1', () => lab.listen(b, 'include', [S1]), [report3(GROUP, 'mixed')]],
      ['a plain join', () => lab.join(), [report3(GROUP, 'allow', [3])]],
      ['and its end', () => lab.leave(), [report3(GROUP, 'block', [3])]],
      ['the first leaves', () => lab.listen(a, 'include', []), [report3(GROUP, 'to_in', [1])]],
      ['the other leaves', () => lab.listen(b, 'include', []), [report3(GROUP, 'block', [1])]],
    ];
    for (const [name, step, want] of steps) {
      step();
      const got = lab.within(5);
      if (name === 'the other includes S1') {
        const both = `[gaddr ${GROUP} allow, 1 source(s)] [gaddr ${GROUP} block, 1 source(s)] {1 3}`;
        t.strictSame(got, new Array(2).fill(`224.0.0.22: v3 report, 2 group record(s) ${both}`), name);
      } else {
        t.strictSame(got, [...want, ...want], name);
      }
    }
    t.equal(lab.igmp.nextTimeout(), NEVER);
    t.strictSame(lab.igmp.groups(), []);
    lab.expectDone(t);
    t.end();
  });

  t.test('datagrams are accepted for the interface and for each listener', (t) => {
    const lab = new IgmpLab();
    lab.listen(a, 'include', [S1]);
    const group = ip(GROUP);
    t.strictSame([lab.igmp.accepts(group, ip(S1)), lab.igmp.accepts(group, ip(S2))], [true, false]);
    lab.listen(b, 'exclude', [S2]);
    t.strictSame([lab.igmp.accepts(group, ip(S2)), lab.igmp.accepts(group, ip(S3))], [false, true]);
    t.equal(lab.igmp.listenerAccepts(a, group, ip(S3)), false);
    t.equal(lab.igmp.listenerAccepts(b, group, ip(S3)), true);
    t.equal(lab.igmp.listenerAccepts({}, group, ip(S3)), false);
    t.equal(lab.igmp.accepts(ip(OTHER), ip(S1)), false);
    lab.expectDone(t);
    t.end();
  });

  t.test('a change while another is still being told is merged into it', (t) => {
    const lab = new IgmpLab();
    lab.join();
    t.strictSame(lab.within(0), [report3(GROUP, 'to_ex')]);
    lab.leave();
    t.strictSame(lab.within(5), [report3(GROUP, 'to_in'), report3(GROUP, 'to_in')]);
    lab.listen(a, 'include', [S1]);
    t.strictSame(lab.within(0), [report3(GROUP, 'allow', [1])]);
    lab.listen(a, 'include', [S1, S2]);
    t.strictSame(lab.within(0), [report3(GROUP, 'allow', [1, 2])], 'the repetition goes along');
    t.strictSame(lab.within(5), [report3(GROUP, 'allow', [2])]);
    lab.expectDone(t);
    t.end();
  });

  t.test('too many sources are refused; many of several listeners take several reports', (t) => {
    const lab = new IgmpLab();
    t.equal(lab.listen(a, 'include', many(1, 65)), false);
    t.ok(lab.listen({}, 'include', many(1, 64)));
    t.ok(lab.listen({}, 'include', many(2, 64)));
    t.ok(lab.listen({}, 'include', many(3, 64)));
    const counts = lab.within(0).map((line) => Number(/(\d+) source/.exec(line)?.[1]));
    t.strictSame(counts, [134, 58]);
    lab.expectDone(t);
    t.end();
  });
  t.end();
});
