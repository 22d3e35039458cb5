/**
 * What became of a script, for people and for programs.
 */
export type Outcome = 'pass' | 'fail' | 'unsupported';

export interface ScriptResult {
  readonly file: string;
  readonly outcome: Outcome;
  /** Of the script, where it ended; 0 when it passed. */
  readonly line: number;
  readonly message: string;
  /** What its code printed, and what was wrong but not to be fatal. */
  readonly notes: readonly string[];
  /** Events that were run. */
  readonly events: number;
  /** Of virtual time, in seconds. */
  readonly seconds: number;
}

export function resultText(result: ScriptResult): string {
  const { file, outcome, line, message, notes } = result;
  const place = line > 0 ? `${file}:${line}` : file;
  const lines = notes.map((note) => `${file}: ${note}`);
  if (outcome === 'pass') lines.push(`ok ${file}`);
  else if (outcome === 'fail') lines.push(`FAIL ${place}: ${message}`);
  else lines.push(`unsupported: ${place}: ${message}`);
  return lines.join('\n');
}

export function summaryText(results: readonly ScriptResult[]): string {
  const count = (outcome: Outcome): number => results.filter((result) => result.outcome === outcome).length;
  const counts = `${count('pass')} passed, ${count('fail')} failed, ${count('unsupported')} unsupported`;
  return `${results.length} scripts: ${counts}`;
}

/** 1 when one failed, else 2 when one was not understood, else 0. */
export function exitCode(results: readonly ScriptResult[]): number {
  if (results.some(({ outcome }) => outcome === 'fail')) return 1;
  return results.some(({ outcome }) => outcome === 'unsupported') ? 2 : 0;
}
