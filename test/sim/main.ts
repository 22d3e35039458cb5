/** What `scripts/sim` runs: seeds, one after the other, and a report of the first that breaks a rule. */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { sec } from '../../src/base/time.ts';
import type { Report, ScenarioOptions } from '../../src/sim/scenario.ts';
import { runScenario } from '../../src/sim/scenario.ts';
import { Capture } from './capture.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string', default: '1' },
    hosts: { type: 'string' },
    subnets: { type: 'string' },
    time: { type: 'string' },
    actions: { type: 'string' },
    pcap: { type: 'string' },
    twice: { type: 'boolean', default: false },
    'keep-going': { type: 'boolean', default: false },
  },
});

function number(name: 'seed' | 'seeds' | 'hosts' | 'subnets' | 'time' | 'actions'): number | undefined {
  const text = values[name];
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text === '' || !Number.isInteger(value) || value < 0) {
    console.error(`sim: --${name} takes a whole number, not '${text}'`);
    process.exit(2);
  }
  return value;
}

function optionsOf(seed: number): ScenarioOptions {
  const hosts = number('hosts');
  const subnets = number('subnets');
  const time = number('time');
  const actions = number('actions');
  return {
    seed,
    ...(hosts === undefined ? {} : { hosts }),
    ...(subnets === undefined ? {} : { subnets }),
    ...(time === undefined ? {} : { duration: sec(time) }),
    ...(actions === undefined ? {} : { actions }),
  };
}

/** Runs one seed with all of its frames written down. Also a run that ends with an assertion leaves its file. */
function record(seed: number, path: string): Report {
  mkdirSync(dirname(path), { recursive: true });
  const capture = new Capture(path);
  try {
    return runScenario({ ...optionsOf(seed), sink: capture });
  } finally {
    capture.close();
  }
}

/** What broke, a line each. */
function run(seed: number): { report: Report | null; broken: string[] } {
  try {
    const report = values.pcap === undefined ? runScenario(optionsOf(seed)) : record(seed, values.pcap);
    const broken = [...report.violations];
    if (values.twice) {
      const { digest } = runScenario(optionsOf(seed));
      if (digest !== report.digest) broken.push(`two runs differ: ${report.digest} and ${digest}`);
    }
    return { report, broken };
  } catch (thrown) {
    return {
      report: null,
      broken: [thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)],
    };
  }
}

function again(seed: number): string {
  const words = ['hosts', 'subnets', 'time', 'actions'] as const;
  const given = words.flatMap((word) => (values[word] === undefined ? [] : [`--${word} ${values[word]}`]));
  return [`scripts/sim --seed ${seed}`, ...given].join(' ');
}

function explain(seed: number, broken: readonly string[]): void {
  console.log(`seed ${seed}: ${broken.length} rules broken`);
  for (const line of broken) console.log(`  ${line}`);
  const path = values.pcap ?? `build/sim-${seed}.pcapng`;
  if (values.pcap === undefined) {
    try {
      record(seed, path);
    } catch {
      // It ended with the assertion that was shown already; the frames up to there are in the file.
    }
  }
  console.log(`  every frame is in ${path}; again: ${again(seed)}`);
}

const first = number('seed') ?? 1;
const count = number('seeds') ?? 1;
const began = process.hrtime.bigint();
const totals = {
  frames: 0,
  sent: 0,
  delivered: 0,
  garbage: 0,
  streams: 0,
  bytes: 0,
  broken: 0,
};
let done = 0;
for (let seed = first; seed < first + count; seed++) {
  const { report, broken } = run(seed);
  done++;
  if (report !== null) {
    totals.frames += report.frames;
    totals.sent += report.sent;
    totals.delivered += report.delivered;
    totals.garbage += report.garbage;
    totals.streams += report.streams;
    totals.bytes += report.bytes;
    if (count === 1) {
      console.log(`seed ${seed}: ${report.hosts} hosts, faults: ${report.faults.join(' ')}`);
      console.log(`digest ${report.digest}`);
    }
  }
  if (broken.length === 0) continue;
  totals.broken++;
  explain(seed, broken);
  if (!values['keep-going']) break;
}
const seconds = Number(process.hrtime.bigint() - began) / 1e9;
console.log(
  `${done} seeds, ${totals.broken} broken; ${totals.frames} frames, ${totals.sent} sent, ${totals.delivered} ` +
    `delivered, ${totals.garbage} of garbage, ${totals.streams} streams with ` +
    `${totals.bytes} bytes; ${(done / seconds).toFixed(1)} seeds per second`,
);
process.exitCode = totals.broken > 0 ? 1 : 0;
