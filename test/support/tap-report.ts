/**
 * Reads the TAP that `tap` writes and says what a person wants to know: a line per file, each failure with its
 * diagnostics and the path of names that leads to it, and the totals.
 *
 * What counts as one test is a subtest without subtests, or an assertion directly in a file. A file that ends badly
 * although all its tests passed (it crashed, or left something running) is one failure more, and so is one without
 * any test: a file that runs nothing must not look like success.
 *
 *     # Subtest: dist/test/wire/udp.test.js          level 0, a file
 *         # Subtest: checks the length               level 1
 *             not ok 1 - should be equal             level 2, an assertion
 *               --- … ...                            its diagnostics
 *         not ok 1 - checks the length # time=3ms    the end of that subtest
 *     not ok 1 - dist/test/wire/udp.test.js          the end of the file
 */
import { appendFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

export interface Totals {
  passed: number;
  failed: number;
  skipped: number;
}

interface Level extends Totals {
  readonly name: string;
  /** Has seen subtests of its own. */
  isGroup: boolean;
  assertions: number;
  skippedAssertions: number;
  failedAssertions: number;
}

const POINT =
  /^(?<not>not )?ok\b(?: \d+)?(?: - (?<name>.*?))?(?: # time=(?<time>[\d.]+)ms)?(?: # (?<skip>SKIP|TOD[O])\b.*)?$/;
const INDENT = 4;

export class TapReport {
  readonly totals: Totals = { passed: 0, failed: 0, skipped: 0 };
  readonly #print: (line: string) => void;
  readonly #levels: Level[] = [];
  #failures: string[] = [];
  /** The indentation of the diagnostics being read, or -1. */
  #diagnosticsIndent = -1;
  #isFailure = false;

  constructor(print: (line: string) => void) {
    this.#print = print;
  }

  line(text: string): void {
    const indent = text.search(/\S/);
    const trimmed = text.trim();
    if (this.#diagnosticsIndent >= 0) {
      if (indent === this.#diagnosticsIndent && trimmed === '...') this.#diagnosticsIndent = -1;
      else if (this.#isFailure) this.#failures.push(`      ${text.slice(this.#diagnosticsIndent)}`);
      return;
    }
    if (trimmed === '---' && indent % INDENT === 2) {
      this.#diagnosticsIndent = indent;
      return;
    }
    if (indent < 0 || indent % INDENT !== 0) return;
    const level = indent / INDENT;
    const begin = /^# Subtest: (?<name>.*)$/.exec(trimmed);
    if (begin !== null) this.#begin(level, begin.groups?.name ?? '');
    const point = POINT.exec(trimmed);
    if (point !== null) this.#point(level, point.groups ?? {});
  }

  #begin(level: number, name: string): void {
    this.#levels.length = Math.min(this.#levels.length, level);
    const parent = this.#levels.at(-1);
    if (parent !== undefined) parent.isGroup = true;
    this.#levels.push({
      name,
      isGroup: level === 0,
      assertions: 0,
      skippedAssertions: 0,
      failedAssertions: 0,
      passed: 0,
      failed: 0,
      skipped: 0,
    });
  }

  #point(level: number, groups: Record<string, string | undefined>): void {
    const isOk = groups.not === undefined;
    const name = groups.name ?? '';
    const isSkipped = groups.skip !== undefined;
    // A point ends the subtest of its name; any other one is an assertion, or a test skipped before it began.
    const ends = this.#levels.length > level && this.#levels[level]?.name === name;
    this.#isFailure = !isOk && !isSkipped && !ends;
    if (ends) this.#end(level, isOk, isSkipped, groups);
    else if (level > 0 && level <= this.#levels.length) this.#assertion(level, isOk, isSkipped, name);
  }

  #assertion(level: number, isOk: boolean, isSkipped: boolean, name: string): void {
    this.#levels.length = level;
    const own = this.#levels[level - 1] as Level;
    own.assertions++;
    if (isSkipped) own.skippedAssertions++;
    else if (!isOk) {
      own.failedAssertions++;
      this.#failures.push(`  not ok: ${this.#path(name)}`);
    }
    // Directly in a file, an assertion is a test.
    if (level !== 1) return;
    if (isSkipped) own.skipped++;
    else if (isOk) own.passed++;
    else own.failed++;
  }

  #path(name: string): string {
    const names = this.#levels.slice(1).map((level) => level.name);
    return [...names, name].join(' / ').replaceAll('\\#', '#');
  }

  #end(level: number, isOk: boolean, isSkipped: boolean, groups: Record<string, string | undefined>): void {
    this.#levels.length = level + 1;
    const own = this.#levels.pop() as Level;
    if (level === 0) return this.#endFile(own, isOk, groups);
    const parent = this.#levels[level - 1] as Level;
    if (own.isGroup) {
      // Its tests were counted one by one; a failure outside of them is one more.
      if (!isOk && own.failed === 0) own.failed++;
    } else if (isSkipped || (own.assertions > 0 && own.assertions === own.skippedAssertions)) own.skipped++;
    else if (isOk) own.passed++;
    else own.failed++;
    if (!isOk && own.failed > 0 && own.failedAssertions === 0 && !own.isGroup) {
      this.#failures.push(`  not ok: ${this.#path(own.name)}`);
    }
    add(parent, own);
  }

  #endFile(own: Level, isOk: boolean, groups: Record<string, string | undefined>): void {
    const path = own.name.replace(/^dist\//, '').replace(/\.js$/, '.ts');
    if (!isOk && own.failed === 0) {
      own.failed++;
      this.#failures.push('  not ok: the file itself: it crashed, timed out, or left something running');
    } else if (own.passed + own.failed + own.skipped === 0) {
      own.failed++;
      this.#failures.push('  not ok: the file itself: it ran no test');
    }
    add(this.totals, own);
    const seconds = (Number(groups.time ?? 0) / 1_000).toFixed(1);
    this.#print(`${own.failed === 0 ? 'ok    ' : 'FAILED'} ${path}  ${describe(own)}  ${seconds} s`);
    for (const line of this.#failures) this.#print(line);
    this.#failures = [];
  }
}

function add(to: Totals, from: Totals): void {
  to.passed += from.passed;
  to.failed += from.failed;
  to.skipped += from.skipped;
}

export function describe({ passed, failed, skipped }: Totals): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

/** Run by `scripts/test`: TAP on standard input; the totals are appended to the file that the argument names. */
async function main(totalsFile: string): Promise<void> {
  const report = new TapReport((line) => console.log(line));
  for await (const line of createInterface({ input: process.stdin })) report.line(line);
  const { passed, failed, skipped } = report.totals;
  appendFileSync(totalsFile, `${passed} ${failed} ${skipped}\n`);
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
}

if (process.argv[1] === import.meta.filename) await main(process.argv[2] as string);
