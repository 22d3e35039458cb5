/** The report that `scripts/test` ends with: what counts as a test, and that nothing can fail in silence. */
import t from 'tap';
import { describe, TapReport } from './tap-report.ts';

function report(tap: string): { totals: string; lines: string[] } {
  const lines: string[] = [];
  const reader = new TapReport((line) => lines.push(line));
  for (const line of tap.split('\n')) reader.line(line);
  return { totals: describe(reader.totals), lines };
}

/** A file that ended with `end`, and in it `body`. */
function file(end: string, body: string): string {
  const inner = body.replace(/^(?=.)/gm, '    ');
  return `TAP version 14\n# Subtest: dist/test/a.test.js\n${inner}\n${end} 1 - dist/test/a.test.js # time=1500ms\n`;
}

t.test('counts subtests without subtests, and assertions directly in a file', (t) => {
  const body = `# Subtest: group
    ok 1 - checked along the way
    # Subtest: one
        ok 1 - a
        ok 2 - b
        1..2
    ok 2 - one # time=1ms
    # Subtest: two
        1..0
    ok 3 - two # time=1ms
    1..3
ok 1 - group # time=3ms
ok 2 - alone
1..2`;
  const { totals, lines } = report(file('ok', body));
  t.equal(totals, '3 passed, 0 failed, 0 skipped');
  t.same(lines, ['ok     test/a.test.ts  3 passed, 0 failed, 0 skipped  1.5 s']);
  t.end();
});

t.test('shows a failure once, with its path and diagnostics', (t) => {
  const body = `# Subtest: group
    # Subtest: one
        not ok 1 - should be equal
          ---
          diff: |
            -2
            +1
          ...
        1..1
    not ok 1 - one # time=1ms
      ---
      at: nowhere
      ...
    1..1
not ok 1 - group # time=3ms`;
  const { totals, lines } = report(file('not ok', body));
  t.equal(totals, '0 passed, 1 failed, 0 skipped');
  t.same(lines.slice(1), [
    '  not ok: group / one / should be equal',
    '      diff: |',
    '        -2',
    '        +1',
  ]);
  t.end();
});

t.test('counts what was skipped, whole or inside', (t) => {
  const body = `ok 1 - needs root # SKIP no root
# Subtest: inside
    ok 1 - because # SKIP
    1..1
ok 2 - inside # time=1ms
# Subtest: half
    ok 1 - because # SKIP
    ok 2 - done
    1..2
ok 3 - half # time=1ms`;
  t.equal(report(file('ok', body)).totals, '1 passed, 0 failed, 2 skipped');
  t.end();
});

t.test('a file that ends badly after good tests is a failure', (t) => {
  const { totals, lines } = report(file('not ok', '# Subtest: x\n    ok 1 - a\nok 1 - x # time=1ms'));
  t.equal(totals, '1 passed, 1 failed, 0 skipped');
  t.match(lines[1], 'crashed');
  t.end();
});

t.test('a file without tests is a failure', (t) => {
  const empty =
    '# Subtest: dist/test/a.test.js\n    1..0\nok 1 - dist/test/a.test.js # SKIP no tests found\n';
  t.equal(report(empty).totals, '0 passed, 1 failed, 0 skipped');
  t.end();
});

t.test('a group that fails by itself is a failure', (t) => {
  const body = `# Subtest: group
    # Subtest: one
        ok 1 - a
        1..1
    ok 1 - one # time=1ms
    not ok 2 - timeout!
    1..2
not ok 1 - group # time=3ms`;
  t.equal(report(file('not ok', body)).totals, '1 passed, 1 failed, 0 skipped');
  t.end();
});
