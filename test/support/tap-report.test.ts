/** The report of `scripts/test`: what counts as a test, and that nothing can fail in silence. */
import t from 'tap';
import type { FileResult } from './tap-report.ts';
import { formatTotals, TapReport } from './tap-report.ts';

function report(tap: string, isOk: boolean): FileResult {
  const reader = new TapReport();
  for (const line of tap.split('\n')) reader.line(line);
  return reader.end(isOk);
}

t.test('counts subtests without subtests, and assertions directly in a file', (t) => {
  const tap = `TAP version 14
# Subtest: group
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
  t.equal(formatTotals(report(tap, true)), '3 passed, 0 failed, 0 skipped');
  t.end();
});

t.test('shows a failure once, with its path and diagnostics', (t) => {
  const tap = `# Subtest: group
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
not ok 1 - group # time=3ms
1..1`;
  const result = report(tap, false);
  t.equal(formatTotals(result), '0 passed, 1 failed, 0 skipped');
  t.same(result.failures, [
    '  not ok: group / one / should be equal',
    '      diff: |',
    '        -2',
    '        +1',
  ]);
  t.end();
});

t.test('counts what was skipped, whole or inside', (t) => {
  const tap = `ok 1 - needs root # SKIP no root
# Subtest: inside
    ok 1 - because # SKIP
    1..1
ok 2 - inside # time=1ms
# Subtest: half
    ok 1 - because # SKIP
    ok 2 - done
    1..2
ok 3 - half # time=1ms
1..3`;
  t.equal(formatTotals(report(tap, true)), '1 passed, 0 failed, 2 skipped');
  t.end();
});

t.test('a file that ends badly after good tests is a failure', (t) => {
  const tap = '# Subtest: x\n    ok 1 - a\n    1..1\nok 1 - x # time=1ms\n1..1';
  const result = report(tap, false);
  t.equal(formatTotals(result), '1 passed, 1 failed, 0 skipped');
  t.match(result.failures[0], 'crashed');
  t.end();
});

t.test('a file that stops before its plan is a failure, whatever its status', (t) => {
  t.equal(formatTotals(report('ok 1 - a', true)), '1 passed, 1 failed, 0 skipped');
  t.end();
});

t.test('a file without tests is a failure', (t) => {
  t.equal(formatTotals(report('TAP version 14\n1..0', true)), '0 passed, 1 failed, 0 skipped');
  t.end();
});

t.test('a group that fails by itself is a failure', (t) => {
  const tap = `# Subtest: group
    # Subtest: one
        ok 1 - a
        1..1
    ok 1 - one # time=1ms
    not ok 2 - timeout!
    1..2
not ok 1 - group # time=3ms
1..1`;
  t.equal(formatTotals(report(tap, false)), '1 passed, 1 failed, 0 skipped');
  t.end();
});
