/**
 * `tapstack counters`: everything that is counted, drops by reason first.
 */
import type { QueryCommand } from '../command.ts';
import { isRecord, query, toggle } from '../command.ts';
import type { CountersReport } from '../report.ts';

type Prometheus = { readonly prometheus: string };

const counters: QueryCommand = query({
  name: 'counters',
  summary: 'show what was counted: drops by reason, packets, errors',
  details: 'Counters that are zero are left out unless asked for. docs/drops.md says what each reason is.',
  examples: ['tapstack counters', 'tapstack counters --json', 'tapstack counters --prometheus'],
  params: {
    all: toggle('-a, --all', 'those that are zero too'),
    prometheus: toggle('--prometheus', 'in the text format of Prometheus'),
  },
  run: (_now, host, { prometheus }): CountersReport | Prometheus =>
    prometheus === true ? { prometheus: host.metrics() } : host.counters(),
  render: (result: CountersReport | Prometheus, { args }) =>
    typeof result.prometheus === 'string'
      ? result.prometheus
      : formatCounters(result as CountersReport, args.all === true),
});

export const counterCommands: readonly QueryCommand[] = [counters];

export function formatCounters(report: CountersReport, withZeros: boolean): string {
  const lines: string[] = [];
  for (const [name, value] of Object.entries(report)) {
    const parts: unknown[] = Array.isArray(value) ? value : [value];
    for (const part of parts) {
      if (!isRecord(part)) continue;
      const labels = Object.values(part).filter((field) => typeof field === 'string');
      const rows = numbersOf(part, '').filter(([, count]) => withZeros || count !== 0);
      if (rows.length === 0) continue;
      const width = Math.max(...rows.map(([path]) => path.length));
      lines.push([name, ...labels].join(' '));
      for (const [path, count] of rows) lines.push(`  ${path.padEnd(width)}  ${count}`);
    }
  }
  return lines.length === 0 ? 'nothing was counted yet\n' : `${lines.join('\n')}\n`;
}

function numbersOf(tree: Record<string, unknown>, prefix: string): [string, number][] {
  const list: [string, number][] = [];
  for (const [name, value] of Object.entries(tree)) {
    const path = prefix === '' ? name : `${prefix}.${name}`;
    if (typeof value === 'number') list.push([path, value]);
    else if (isRecord(value)) list.push(...numbersOf(value, path));
  }
  return list;
}
