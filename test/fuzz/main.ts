/** What `scripts/fuzz` runs: one case after the other until the time is up, or one that breaks a rule. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Target } from './target.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    frames: { type: 'string', default: '20000' },
    seconds: { type: 'string', default: '60' },
    'keep-going': { type: 'boolean', default: false },
  },
});

function number(name: 'seed' | 'frames' | 'seconds'): number {
  const value = Number(values[name]);
  if (values[name] === '' || !Number.isInteger(value) || value < 0) {
    console.error(`fuzz: --${name} takes a whole number, not '${values[name]}'`);
    process.exit(2);
  }
  return value;
}

/** The rules that a case broke; with it, if asked for, the frames that came last. */
function run(seed: number, frames: number, keepsHistory: boolean): { broken: string[]; history: string[] } {
  const target = new Target(seed, keepsHistory);
  const broken: string[] = [];
  try {
    target.run(frames);
    target.close();
  } catch (thrown) {
    const what = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
    broken.push(`at frame ${target.frames}: ${what}`);
  }
  broken.push(...target.violations);
  return { broken, history: [...target.history] };
}

function explain(seed: number, frames: number, broken: readonly string[]): void {
  console.log(`seed ${seed}: ${broken.length} rules broken`);
  for (const line of broken) console.log(`  ${line}`);
  const { history } = run(seed, frames, true);
  mkdirSync('build', { recursive: true });
  const path = `build/fuzz-${seed}.txt`;
  writeFileSync(path, `${[...broken, 'number, microseconds, wire, frame:', ...history].join('\n')}\n`);
  console.log(
    `  the last frames are in ${path}; again: scripts/fuzz --seed ${seed} --frames ${frames} --seconds 0`,
  );
}

const frames = number('frames');
const milliseconds = number('seconds') * 1_000;
const began = performance.now();
let seed = number('seed');
let cases = 0;
let failures = 0;
do {
  const { broken } = run(seed, frames, false);
  cases++;
  if (broken.length > 0) {
    failures++;
    explain(seed, frames, broken);
    if (!values['keep-going']) break;
  }
  seed++;
} while (performance.now() - began < milliseconds);
const seconds = (performance.now() - began) / 1_000;
const heapMb = (process.memoryUsage().heapUsed / 1e6).toFixed(0);
console.log(
  `${cases} cases, ${failures} broken; ${cases * frames} frames, ` +
    `${Math.round((cases * frames) / seconds)} frames per second, heap ${heapMb} MB`,
);
process.exitCode = failures > 0 ? 1 : 0;
