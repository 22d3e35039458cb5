/**
 * `tapstack up` at the command line: the flags, and what a person sees when it is ready or cannot be.
 *
 * The daemon is a program of its own and is loaded here only, so that `tapstack status` does not load a network stack
 * to ask a question. What is used of it is written down below; nothing else of it is known here.
 */
import { basename, delimiter, dirname, isAbsolute, relative } from 'node:path';
import process from 'node:process';
import type { Command, RawArgs } from '../control/command.ts';
import { readUp } from '../control/commands/up.ts';
import { ConfigError } from '../control/schema.ts';
import type { UpConfig } from '../control/up-config.ts';
import { describeError } from '../control/usage.ts';
import { packageVersion } from './version.ts';

interface DaemonModule {
  readonly DaemonError: new (message: string) => Error;
  runDaemon(
    config: UpConfig,
    options: { readonly version: string; readonly onReady: (tries: readonly string[]) => void },
  ): Promise<void>;
}

interface BackgroundModule {
  startInBackground(
    raw: RawArgs,
    config: UpConfig,
    version: string,
  ): Promise<{ readonly pid: number; readonly tries: readonly string[] }>;
}

export async function startUp(command: Command, raw: RawArgs): Promise<number> {
  const isRoot = process.getuid?.() === 0;
  const config = readUp(raw, isRoot);
  if (config instanceof ConfigError) {
    process.stderr.write(`${describeError(command, config)}\n`);
    return 2;
  }
  const daemon = (await import(new URL('../daemon/main.js', import.meta.url).href)) as DaemonModule;
  const version = packageVersion();
  try {
    if (config.detach) {
      const { pid, tries } = await startDetached(raw, config, version);
      process.stdout.write(`${readyText(config, tries, isRoot)}pid ${pid}\n`);
      return 0;
    }
    await daemon.runDaemon(config, {
      version,
      onReady: (tries) => process.stdout.write(readyText(config, tries, isRoot)),
    });
    return 0;
  } catch (error) {
    if (!(error instanceof daemon.DaemonError)) throw error;
    process.stderr.write(`tapstack up: ${error.message}\n`);
    return 1;
  }
}

async function startDetached(
  raw: RawArgs,
  config: UpConfig,
  version: string,
): ReturnType<BackgroundModule['startInBackground']> {
  const background = (await import(
    new URL('../daemon/background.js', import.meta.url).href
  )) as BackgroundModule;
  const { detach: _, ...rest } = raw;
  return background.startInBackground(rest, config, version);
}

/** Three things to try, as they can be typed here. */
function readyText(config: UpConfig, tries: readonly string[], isRoot: boolean): string {
  const program = `${isRoot ? 'sudo ' : ''}${ownName()}`;
  const lines = tries.map((line) => `  ${line.replace(/^tapstack\b/, program)}\n`);
  return `${config.name} is up. Try:\n${lines.join('')}`;
}

/** How this program was called: by its name if the shell finds it so, else by its path from here. */
function ownName(): string {
  const path = process.argv[1] ?? '';
  const folders = (process.env.PATH ?? '').split(delimiter);
  if (basename(path) !== 'tapstack' || folders.includes(dirname(path))) return 'tapstack';
  const near = relative(process.cwd(), path);
  return near.startsWith('..') || isAbsolute(near) ? path : near;
}
