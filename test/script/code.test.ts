import t from 'tap';
import { Fault } from '../../src/script/fault.ts';
import type { CodeValue } from '../../src/script/run/code-expr.ts';
import { runCode, textOf } from '../../src/script/run/code-expr.ts';

const KNOWN: Readonly<Record<string, number>> = { tcpi_snd_cwnd: 10, tcpi_rtt: 20_500, TCP_CA_Open: 0 };

/** What code prints, or why it ends. */
function run(text: string, line = 1): string {
  const printed: string[] = [];
  const assigned = new Map<string, CodeValue>();
  try {
    runCode(text, line, {
      lookup: (name) => assigned.get(name) ?? KNOWN[name],
      assign: (name, value) => void assigned.set(name, value),
      print: (words) => void printed.push(words),
    });
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return `${error.kind} ${error.line}: ${error.message}`;
  }
  return printed.join('\n');
}

const value = (expression: string): string => run(`print(${expression})`);

t.test('expressions as Python has them', (t) => {
  const cases: readonly (readonly [expression: string, result: string])[] = [
    ['1 + 2 * 3', '7'],
    ['(1 + 2) * 3', '9'],
    ['2 ** 3 ** 2', '512'],
    ['-2 ** 2', '-4'],
    ['7 // 2', '3'],
    ['-7 // 2', '-4'],
    ['-7 % 3', '2'],
    ['7 / 2', '3.5'],
    ['0x10 | 3', '19'],
    ['6 & 3 ^ 1', '3'],
    ['1 << 40', '1099511627776'],
    ['~5', '-6'],
    ['1 < 2 <= 2 != 3', 'True'],
    ['3 > 2 > 2', 'False'],
    ['not 0 and 5', '5'],
    ['0 or "x"', 'x'],
    ['1 if 0 else 2', '2'],
    ['2 in (1, 2)', 'True'],
    ['2 not in [1, 2]', 'False'],
    ['"b" in "abc"', 'True'],
    ['min(3, 1, 2) + max([4, 5])', '6'],
    ['abs(-3), int(2.7), len("abc"), len([1, 2])', '3 2 3 2'],
    ['"%d of %s, %x%%" % (1, "two", 255)', '1 of two, ff%'],
    ['"a" + \'b\'', 'ab'],
    ['str(5) + "!"', '5!'],
    ['()', '()'],
    ['(1,)', '(1)'],
    ['True == 1', 'True'],
    ['(1, 2) == (1, 2)', 'True'],
    ['1.5e3', '1500'],
    ['tcpi_rtt / 1000.0 < 21 and tcpi_snd_cwnd == 10', 'True'],
  ];
  for (const [expression, result] of cases) t.equal(value(expression), result, expression);
  t.equal(textOf(null), 'None');
  t.end();
});

t.test('statements on lines, between semicolons, over lines in brackets', (t) => {
  t.equal(run('a = 1; b = a + 1\nprint(b) # two\n\nprint(max(1,\n  5))\nprint a, b'), '2\n5\n1 2');
  t.equal(run('a = 1 + \\\n 2\nprint(a)'), '3');
  t.equal(run(''), '');
  t.end();
});

t.test('an assertion that fails says what its names were, and where', (t) => {
  t.equal(run('assert tcpi_snd_cwnd == 10'), '');
  t.equal(
    run('\nassert tcpi_snd_cwnd == 12', 7),
    'mismatch 8: assert tcpi_snd_cwnd == 12 (tcpi_snd_cwnd = 10)',
  );
  t.equal(
    run('assert tcpi_snd_cwnd > 12, "cwnd %d" % tcpi_snd_cwnd'),
    'mismatch 1: assert tcpi_snd_cwnd > 12: cwnd 10 (tcpi_snd_cwnd = 10)',
  );
  t.equal(run('assert 1 == 2'), 'mismatch 1: assert 1 == 2');
  t.equal(run('assert(tcpi_snd_cwnd == 10)'), '');
  t.end();
});

t.test('the rest of Python is unsupported, never passed over', (t) => {
  const cases = [
    'for i in range(3): print(i)',
    'import os',
    'if tcpi_rtt > 3: print(1)',
    'print(tcpi_nonsense)',
    'nonsense()',
    'a.b',
    'x = [i for i in (1, 2)]',
    'print("a" - 1)',
    'print({1: 2})',
    'assert 1 == 1 2',
    'assert',
    'lambda x: x',
    'print(1',
    '$',
  ];
  for (const text of cases) t.match(run(text), /^unsupported 1: /, text);
  t.end();
});
