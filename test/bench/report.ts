/**
 * The measurements of one benchmark as a table, a row a workload, ours beside the reference.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import type { Options } from './options.ts';
import { formatSpread, spread, three } from './stats.ts';

const FILE = 'docs/benchmarks.md';
const OURS = 'tapstack';
const REFERENCE = 'kernel over veth';

interface Row {
  readonly workload: string;
  readonly unit: string;
  readonly values: Map<string, number[]>;
}

export class Report {
  readonly #name: string;
  readonly #options: Options;
  readonly #rows: Row[] = [];

  /** `name` is that of the benchmark, and of the place of its table in the document. */
  constructor(name: string, options: Options) {
    this.#name = name;
    this.#options = options;
  }

  add(workload: string, unit: string, peer: string, value: number): void {
    let row = this.#rows.find((one) => one.workload === workload);
    if (row === undefined) {
      row = { workload, unit, values: new Map() };
      this.#rows.push(row);
    }
    const values = row.values.get(peer);
    if (values === undefined) row.values.set(peer, [value]);
    else values.push(value);
  }

  print(): void {
    const text = this.#table();
    process.stdout.write(text);
    if (!this.#options.isWritten) return;
    const page = readFileSync(FILE, 'utf8');
    const mark = `<!-- ${this.#name} -->`;
    const begin = page.indexOf(mark);
    const end = page.indexOf(`<!-- /${this.#name} -->`);
    if (begin < 0 || end < begin) throw new Error(`${FILE} has lost the marks between which the table goes`);
    writeFileSync(FILE, `${page.slice(0, begin)}${mark}\n${text}${page.slice(end)}`);
  }

  #table(): string {
    const { rounds, seconds, flags } = this.#options;
    const day = new Date().toISOString().slice(0, 10);
    const processor = os.cpus()[0]?.model.trim();
    const machine = `${os.cpus().length} cores (${processor}), Linux ${os.release()}, Node ${process.version}`;
    const command = [`scripts/bench ${this.#name}`, `--rounds ${rounds} --seconds ${seconds}`, ...flags].join(
      ' ',
    );
    const lines = [
      `${day}, ${machine}; \`${command}\`: medians of ${rounds} interleaved rounds (smallest–largest).`,
      '',
      `| workload | unit | ${OURS} | ${REFERENCE} | ratio |`,
      '|---|---|---|---|---|',
      ...this.#rows.map((row) => formatRow(row)),
    ];
    return `${lines.join('\n')}\n`;
  }
}

function formatRow({ workload, unit, values }: Row): string {
  const ours = spread(values.get(OURS) ?? []);
  const reference = values.get(REFERENCE);
  const kernel = reference === undefined ? null : spread(reference);
  const ratio = kernel === null || kernel.median === 0 ? '' : three(ours.median / kernel.median);
  const beside = kernel === null ? '' : formatSpread(kernel);
  return `| ${workload} | ${unit} | ${formatSpread(ours)} | ${beside} | ${ratio} |`;
}
