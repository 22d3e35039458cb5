/**
 * Reads the TAP that one test file prints and says what a person wants to know: each failure with its diagnostics and
 * the path of names that leads to it, and the totals.
 *
 * What counts as one test is a subtest without subtests, or an assertion directly in the file. A file that ends badly
 * although all its tests passed (it crashed, or left something running) is one failure more, and so is one without
 * any test: a file that runs nothing must not look like success.
 *
 *     # Subtest: checks the length               begins at level 0
 *         not ok 1 - should be equal             an assertion at level 1
 *           --- … ...                            its diagnostics
 *     not ok 1 - checks the length # time=3ms    the end of that subtest
 *     1..1                                       the plan: the file ran to its end
 */

export interface Totals {
  passed: number;
  failed: number;
  skipped: number;
}

export interface FileResult extends Totals {
  /** What failed, as lines to print. */
  readonly failures: readonly string[];
}

interface Level extends Totals {
  readonly name: string;
  /** Has seen subtests of its own. The file as a whole always counts as one that has. */
  isGroup: boolean;
  assertions: number;
  skippedAssertions: number;
  failedAssertions: number;
}

const POINT =
  /^(?<not>not )?ok\b(?: \d+)?(?: - (?<name>.*?))?(?: # time=[\d.]+ms)?(?: # (?<skip>SKIP|TOD[O])\b.*)?$/;
const INDENT = 4;

export class TapReport {
  /** The file, then the subtests that are open. */
  readonly #levels: Level[] = [newLevel('', true)];
  readonly #failures: string[] = [];
  #hasPlan = false;
  /** The indentation of the diagnostics being read, or -1. */
  #diagnosticsIndent = -1;
  #isFailure = false;

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
    if (level === 0 && /^1\.\.\d+/.test(trimmed)) this.#hasPlan = true;
    const begin = /^# Subtest: (?<name>.*)$/.exec(trimmed);
    if (begin !== null) this.#begin(level, begin.groups?.name ?? '');
    const point = POINT.exec(trimmed);
    if (point !== null) this.#point(level, point.groups ?? {});
  }

  /** The process has ended; `isOk` when it did so by itself and with status 0. */
  end(isOk: boolean): FileResult {
    const file = this.#levels[0] as Level;
    if ((!isOk || !this.#hasPlan) && file.failed === 0) {
      file.failed++;
      this.#failures.push('  not ok: the file itself: it crashed, timed out, or left something running');
    } else if (file.passed + file.failed + file.skipped === 0) {
      file.failed++;
      this.#failures.push('  not ok: the file itself: it ran no test');
    }
    return { passed: file.passed, failed: file.failed, skipped: file.skipped, failures: this.#failures };
  }

  #begin(level: number, name: string): void {
    this.#levels.length = Math.min(this.#levels.length, level + 1);
    (this.#levels.at(-1) as Level).isGroup = true;
    this.#levels.push(newLevel(name, false));
  }

  #point(level: number, groups: Record<string, string | undefined>): void {
    const isOk = groups.not === undefined;
    const name = groups.name ?? '';
    const isSkipped = groups.skip !== undefined;
    // A point ends the subtest of its name; any other one is an assertion, or a test skipped before it began.
    const ends = this.#levels[level + 1]?.name === name;
    this.#isFailure = !isOk && !isSkipped && !ends;
    if (ends) this.#end(level, isOk, isSkipped);
    else if (level < this.#levels.length) this.#assertion(level, isOk, isSkipped, name);
  }

  #assertion(level: number, isOk: boolean, isSkipped: boolean, name: string): void {
    this.#levels.length = level + 1;
    const own = this.#levels[level] as Level;
    own.assertions++;
    if (isSkipped) own.skippedAssertions++;
    else if (!isOk) {
      own.failedAssertions++;
      this.#failures.push(`  not ok: ${this.#path(name)}`);
    }
    // Directly in the file, an assertion is a test.
    if (level !== 0) return;
    if (isSkipped) own.skipped++;
    else if (isOk) own.passed++;
    else own.failed++;
  }

  #end(level: number, isOk: boolean, isSkipped: boolean): void {
    this.#levels.length = level + 2;
    const own = this.#levels.pop() as Level;
    if (own.isGroup) {
      // Its tests were counted one by one; a failure outside of them is one more.
      if (!isOk && own.failed === 0) own.failed++;
    } else if (isSkipped || (own.assertions > 0 && own.assertions === own.skippedAssertions)) own.skipped++;
    else if (isOk) own.passed++;
    else {
      own.failed++;
      if (own.failedAssertions === 0) this.#failures.push(`  not ok: ${this.#path(own.name)}`);
    }
    addTotals(this.#levels[level] as Level, own);
  }

  #path(name: string): string {
    const names = this.#levels.slice(1).map((level) => level.name);
    return [...names, name].join(' / ').replaceAll('\\#', '#');
  }
}

function newLevel(name: string, isGroup: boolean): Level {
  const totals = { passed: 0, failed: 0, skipped: 0 };
  return { name, isGroup, assertions: 0, skippedAssertions: 0, failedAssertions: 0, ...totals };
}

export function addTotals(to: Totals, from: Totals): void {
  to.passed += from.passed;
  to.failed += from.failed;
  to.skipped += from.skipped;
}

export function formatTotals({ passed, failed, skipped }: Totals): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}
