/**
 * The command behind `scripts/packet`: files and options in, a line per script and an exit status out.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Option } from '../../src/script/language/ast.ts';
import type { ScriptResult } from '../../src/script/run/report.ts';
import { exitCode, resultText, summaryText } from '../../src/script/run/report.ts';
import { runScript } from '../../src/script/run/run.ts';

export interface CommandLine {
  readonly files: readonly string[];
  readonly options: readonly Option[];
  readonly isJson: boolean;
  readonly isVerbose: boolean;
}

/** `--name=value`, `--name`, `-D NAME=value`, `-v`; everything else is a file. */
export function parseCommandLine(args: readonly string[]): CommandLine {
  const files: string[] = [];
  const options: Option[] = [];
  let isJson = false;
  let isVerbose = false;
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] as string;
    const equals = arg.indexOf('=');
    if (arg === '--json') isJson = true;
    else if (arg === '-v' || arg === '--verbose') isVerbose = true;
    else if (arg === '-D') options.push({ name: 'define', value: args[++i] ?? null, line: 0 });
    else if (arg.startsWith('-D')) options.push({ name: 'define', value: arg.slice(2), line: 0 });
    else if (!arg.startsWith('--')) files.push(arg);
    else if (equals < 0) options.push({ name: arg.slice(2), value: null, line: 0 });
    else options.push({ name: arg.slice(2, equals), value: arg.slice(equals + 1), line: 0 });
  }
  return { files, options, isJson, isVerbose };
}

/** A folder stands for all scripts below it. */
export function scriptFiles(paths: readonly string[]): string[] {
  const found: string[] = [];
  for (const path of paths) {
    if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) {
      found.push(path);
      continue;
    }
    const entries = readdirSync(path, { recursive: true, encoding: 'utf8' });
    for (const entry of entries.sort()) if (entry.endsWith('.pkt')) found.push(join(path, entry));
  }
  return found;
}

function readText(path: string): string | null {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true ? readFileSync(path, 'latin1') : null;
}

/** One file; a fault of ours is a failure, with where it happened. */
export function runFile(file: string, line: Pick<CommandLine, 'options' | 'isVerbose'>): ScriptResult {
  const failed = { file, line: 0, notes: [], events: 0, seconds: 0 };
  const text = readText(file);
  if (text === null) return { ...failed, outcome: 'unsupported', message: 'there is no such file' };
  try {
    const folder = dirname(file);
    return runScript(text, {
      file,
      options: line.options,
      isVerbose: line.isVerbose,
      readFile: (path) => readText(path.startsWith('/') ? path : join(folder, path)),
    });
  } catch (error) {
    // An assertion of the stack: the other scripts are run all the same, and this one has failed.
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { ...failed, outcome: 'fail', message };
  }
}

export function main(args: readonly string[], print: (text: string) => void): number {
  const line = parseCommandLine(args);
  const files = scriptFiles(line.files);
  if (files.length === 0) {
    print('packet: no scripts given; see scripts/packet -h');
    return 2;
  }
  const results: ScriptResult[] = [];
  for (const file of files) {
    const result = runFile(file, line);
    results.push(result);
    print(line.isJson ? JSON.stringify(result) : resultText(result));
  }
  if (!line.isJson) print(summaryText(results));
  return exitCode(results);
}

if (process.argv[1] === import.meta.filename) {
  process.exitCode = main(process.argv.slice(2), (text) => process.stdout.write(`${text}\n`));
}
