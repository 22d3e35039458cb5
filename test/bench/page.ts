/**
 * The page of measurements: what each says of the machine, and the place of its table.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';

const FILE = 'docs/benchmarks.md';

/** The line above a table: when, where, how. */
export function heading(command: string, how: string): string {
  const day = new Date().toISOString().slice(0, 10);
  const processor = os.cpus()[0]?.model.trim();
  const machine = `${os.cpus().length} cores (${processor}), Linux ${os.release()}, Node ${process.version}`;
  return `${day}, ${machine}; \`${command}\`: ${how}.`;
}

/** Prints the text, and puts it between the marks of the benchmark `name` if it is to be kept. */
export function publish(name: string, text: string, isWritten: boolean): void {
  process.stdout.write(text);
  if (!isWritten) return;
  const page = readFileSync(FILE, 'utf8');
  const mark = `<!-- ${name} -->`;
  const begin = page.indexOf(mark);
  const end = page.indexOf(`<!-- /${name} -->`);
  if (begin < 0 || end < begin) throw new Error(`${FILE} has lost the marks between which the table goes`);
  writeFileSync(FILE, `${page.slice(0, begin)}${mark}\n${text}${page.slice(end)}`);
}
