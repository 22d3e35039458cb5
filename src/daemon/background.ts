/**
 * `tapstack up --detach`: the daemon in a session of its own, and who starts it waiting until it is ready.
 *
 *     parent ── spawn, flags as JSON ──> child, in this file again
 *            <── ready, or why not ────  over the channel of Node, which closes then
 *
 * What the daemon says goes to a file beside its control socket, unless the standard error is a file already.
 */
import { spawn } from 'node:child_process';
import { fstatSync, openSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import type { RawArgs } from '../control/command.ts';
import { readUp } from '../control/commands/up.ts';
import { logPath } from '../control/paths.ts';
import { ConfigError } from '../control/schema.ts';
import type { UpConfig } from '../control/up-config.ts';
import { DaemonError, runDaemon, userOf } from './main.ts';
import { makeRuntimeDir, ownRuntimeDir } from './runtime-dir.ts';

const STDERR = 2;

export interface Ready {
  readonly kind: 'ready';
  readonly pid: number;
  readonly tries: readonly string[];
}

type Message = Ready | { readonly kind: 'failed'; readonly text: string };

interface Job {
  readonly raw: RawArgs;
  readonly version: string;
}

/** Starts it and answers what it said once it was ready. Throws a `DaemonError` when it could not be started. */
export function startInBackground(raw: RawArgs, config: UpConfig, version: string): Promise<Ready> {
  const { fd } = config;
  const errors = isLedElsewhere() ? STDERR : openLog(config);
  const stdio: ('ignore' | 'ipc' | number)[] = ['ignore', 'ignore', errors];
  if (fd !== null) {
    while (stdio.length <= fd) stdio.push('ignore');
    stdio[fd] = fd;
  }
  stdio.push('ipc');
  const job: Job = { raw, version };
  const child = spawn(
    process.execPath,
    [...process.execArgv, fileURLToPath(import.meta.url), JSON.stringify(job)],
    {
      detached: true,
      stdio,
    },
  );
  return new Promise((resolve, reject) => {
    let isAnswered = false;
    child.once('message', (message: Message) => {
      isAnswered = true;
      child.disconnect();
      child.unref();
      if (message.kind === 'ready') resolve(message);
      else reject(new DaemonError(message.text));
    });
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      if (!isAnswered)
        reject(new DaemonError(`the daemon ended before it was ready (${signal ?? `code ${code}`})`));
    });
  });
}

/** A file, that is: whoever reads from a pipe waits for its end, which a daemon would put off for ever. */
function isLedElsewhere(): boolean {
  return fstatSync(STDERR).isFile();
}

function openLog(config: UpConfig): number {
  const directory = ownRuntimeDir();
  makeRuntimeDir(directory, userOf(config));
  return openSync(logPath(directory, config.name), 'w', 0o600);
}

/** The child: tells its parent how it went, then goes on alone. */
async function runDetached({ raw, version }: Job): Promise<void> {
  const config = readUp(raw, process.getuid?.() === 0);
  if (config instanceof ConfigError) throw new DaemonError(config.text);
  await runDaemon(config, {
    version,
    onReady: (tries) => {
      process.chdir('/');
      tell({ kind: 'ready', pid: process.pid, tries });
    },
  });
}

function tell(message: Message): void {
  // The parent closes the channel when it has heard, and when it is gone nobody has to be told.
  if (process.connected) process.send?.(message);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    await runDetached(JSON.parse(process.argv[2] ?? '{}') as Job);
  } catch (error) {
    tell({ kind: 'failed', text: error instanceof DaemonError ? error.message : String(error) });
    process.exitCode = 1;
  }
}
