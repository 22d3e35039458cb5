/**
 * Runs test files, each in a process of its own, and prints a line per file, its failures, and nothing else.
 *
 *     node dist/test/support/run.js --jobs=2 --timeout=60 --totals=FILE dist/test/wire/udp.test.js …
 *
 * The command of `tap` could do it, but it puts its instrumentation into every process that a test starts: the daemon
 * under test would run with foreign module hooks. The test files themselves print TAP.
 */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import type { FileResult, Totals } from './tap-report.ts';
import { addTotals, formatTotals, TapReport } from './tap-report.ts';

/** Between the request to say what hangs and the end; and for what a dead process leaves in its pipes. */
const GRACE_MS = 3_000;
const ERROR_LINES_MAX = 60;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    jobs: { type: 'string', default: '1' },
    timeout: { type: 'string', default: '60' },
    totals: { type: 'string' },
  },
});
const timeoutSec = Number(values.timeout);
const running = new Set<ChildProcess>();

/** Each file leads a process group, so that what it has started ends with it. */
function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    // Everybody in the group has ended already.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    for (const child of running) signalGroup(child, 'SIGTERM');
    process.exit(130);
  });
}

function runFile(path: string): Promise<FileResult & { errors: string[] }> {
  const report = new TapReport();
  const errors: string[] = [];
  const child = spawn(process.execPath, ['--enable-source-maps', path], {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TAP_TIMEOUT: values.timeout },
  });
  running.add(child);
  createInterface({ input: child.stdout }).on('line', (line) => report.line(line));
  createInterface({ input: child.stderr }).on('line', (line) => errors.push(line));
  return new Promise((resolve, reject) => {
    // On SIGALRM tap says which test it is in, and ends.
    const alarm = setTimeout(() => signalGroup(child, 'SIGALRM'), timeoutSec * 1_000);
    const kill = setTimeout(() => signalGroup(child, 'SIGKILL'), timeoutSec * 1_000 + GRACE_MS);
    child.on('error', reject);
    child.on('exit', () => {
      clearTimeout(alarm);
      clearTimeout(kill);
      // A daemon that the test forgot would keep the pipes open.
      setTimeout(() => signalGroup(child, 'SIGKILL'), GRACE_MS).unref();
    });
    child.on('close', (status) => {
      running.delete(child);
      signalGroup(child, 'SIGKILL');
      resolve({ ...report.end(status === 0), errors });
    });
  });
}

async function runAll(paths: readonly string[], jobs: number): Promise<Totals> {
  const totals: Totals = { passed: 0, failed: 0, skipped: 0 };
  const queue = [...paths];
  const worker = async (): Promise<void> => {
    for (let path = queue.shift(); path !== undefined; path = queue.shift()) {
      const began = performance.now();
      const result = await runFile(path);
      const seconds = ((performance.now() - began) / 1_000).toFixed(1);
      const name = path.replace(/^dist\//, '').replace(/\.js$/, '.ts');
      const isOk = result.failed === 0;
      console.log(`${isOk ? 'ok    ' : 'FAILED'} ${name}  ${formatTotals(result)}  ${seconds} s`);
      if (!isOk) console.log([...result.failures, ...result.errors.slice(-ERROR_LINES_MAX)].join('\n'));
      addTotals(totals, result);
    }
  };
  await Promise.all(Array.from({ length: jobs }, worker));
  return totals;
}

const { passed, failed, skipped } = await runAll(positionals, Number(values.jobs));
if (values.totals !== undefined) appendFileSync(values.totals, `${passed} ${failed} ${skipped}\n`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
