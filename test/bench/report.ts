/**
 * The measurements of one benchmark as a table, a row a workload, ours beside the reference.
 */
import type { Options } from './options.ts';
import { heading, publish } from './page.ts';
import { formatSpread, spread, three } from './stats.ts';

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
    publish(this.#name, this.#table(), this.#options.isWritten);
  }

  #table(): string {
    const { rounds, seconds, flags } = this.#options;
    const settings = `--rounds ${rounds} --seconds ${seconds}`;
    const command = [`scripts/bench ${this.#name}`, settings, ...flags].join(' ');
    const lines = [
      heading(command, `medians of ${rounds} interleaved rounds (smallest–largest)`),
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
