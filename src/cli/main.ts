/**
 * The command `tapstack`: understands a command line, asks the daemon or becomes one, prints what comes of it.
 *
 * Exit codes: 0 done, 1 failed, 2 the command line is wrong (and, for ping, what iputils says).
 */
import process from 'node:process';
import { CommanderError } from 'commander';
import type { ClientEvent } from '../control/client.ts';
import type { Command } from '../control/command.ts';
import { readArgs } from '../control/command.ts';
import { COMMANDS } from '../control/commands/list.ts';
import { DEFAULT_NAME } from '../control/commands/up.ts';
import { completionScript } from '../control/completion.ts';
import { ConfigError, quote } from '../control/schema.ts';
import { instanceName } from '../control/types.ts';
import { describeError } from '../control/usage.ts';
import { parseWords } from '../control/words.ts';
import { exchange, NoDaemon } from './connection.ts';
import { expandNames } from './names.ts';
import { Output, writeTo } from './output.ts';
import type { Invocation } from './program.ts';
import { buildProgram } from './program.ts';
import { startRelay } from './relay.ts';
import { startUp } from './up.ts';
import { packageVersion } from './version.ts';

export const ExitCode = { Done: 0, Failed: 1, Usage: 2 } as const;

export async function main(args: readonly string[]): Promise<number> {
  process.stdout.on('error', onOutputError);
  try {
    const invocation = parse(args);
    return typeof invocation === 'number' ? invocation : await run(invocation);
  } finally {
    process.stdout.off('error', onOutputError);
  }
}

/** Whoever read the output has read enough: `tapstack counters | head`. */
function onOutputError(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
  process.exit(ExitCode.Done);
}

/** The invocation, or the exit code of what parsing did by itself: help, version, a wrong command line. */
function parse(args: readonly string[]): Invocation | number {
  let invocation: Invocation | null = null;
  const program = buildProgram(COMMANDS, packageVersion(), (one) => {
    invocation = one;
  });
  if (args.length === 0) {
    process.stdout.write(program.helpInformation());
    return ExitCode.Usage;
  }
  try {
    program.parse(expandNames(COMMANDS, args), { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return ExitCode.Done;
    return complain(commanderSentence(error, args));
  }
  return invocation ?? ExitCode.Usage;
}

async function run(invocation: Invocation): Promise<number> {
  const { command, args, words, common } = invocation;
  const wrong = parseWords(command.params, words, args) ?? check(command, args);
  if (wrong !== null) {
    const advice = wrong.path === '' ? `; see \`tapstack ${command.name} --help\`` : '';
    return complain(`${describeError(command, wrong)}${advice}`);
  }
  switch (command.name) {
    case 'up':
      return startUp(command, args);
    case 'relay':
      return startRelay(command, args);
    case 'completion':
      await writeTo(process.stdout, completionScript(COMMANDS, args.shell === 'zsh' ? 'zsh' : 'bash'));
      return ExitCode.Done;
    default:
      return ask(invocation, common.name ?? DEFAULT_NAME);
  }
}

function check(command: Command, args: Invocation['args']): ConfigError | null {
  const read = readArgs(command.params, args);
  return read instanceof ConfigError ? read : null;
}

async function ask({ command, args, common }: Invocation, name: string): Promise<number> {
  const checked = instanceName.read(name);
  if (checked instanceof ConfigError) return complain(`tapstack: --name: ${checked.problem}`);
  const { write: _, quiet: __, ...rest } = args;
  const output = new Output(command, { args }, common.json);
  const interruption = new AbortController();
  const onSignal = (): void => {
    // Whoever insists does not want to wait for the summary.
    if (interruption.signal.aborted) process.exit(130);
    interruption.abort();
  };
  if (command.kind === 'stream')
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, onSignal);
  let failure: string | null = null;
  let failureCode: number = command.name === 'ping' ? ExitCode.Usage : ExitCode.Failed;
  const onEvent = async (event: ClientEvent): Promise<void> => {
    if (event.kind === 'result') await output.result(event.value);
    else if (event.kind === 'item') await output.item(event.value);
    else if (event.kind === 'end') await output.end(event.value);
    else if (event.kind === 'error') {
      failure = event.error.text;
      // What makes no sense to the daemon is as wrong as what makes none here.
      if (event.error.code === 'EINVAL') failureCode = ExitCode.Usage;
    }
    if (output.fileError !== null && !interruption.signal.aborted) interruption.abort();
  };
  // The file of a capture is opened here, by whoever called, not by the daemon.
  const sent = command.name === 'capture' ? args : rest;
  try {
    const untilClosed = command.name === 'down';
    await exchange(name, command.name, sent, { onEvent, signal: interruption.signal, untilClosed });
    await output.close();
  } catch (error) {
    if (!(error instanceof NoDaemon)) throw error;
    failure = error.message;
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, onSignal);
  }
  failure ??= output.fileError?.message ?? null;
  if (failure === null) return output.exitCode;
  complain(`tapstack ${command.name}: ${failure}`);
  return failureCode;
}

/** Commander's message as a sentence that says where. */
function commanderSentence(error: CommanderError, args: readonly string[]): string {
  const where = expandNames(COMMANDS, args).filter((arg) => !arg.startsWith('-'));
  const known = COMMANDS.find(({ name }) => name === where.slice(0, 2).join(' ') || name === where[0]);
  const text = error.message.replace(/^error: /, '').replace(/\s*\n\s*/g, ' ');
  if (error.code === 'commander.help') return 'tapstack: which command? `tapstack help` lists them';
  if (error.code === 'commander.unknownCommand' || (known === undefined && where[0] !== undefined)) {
    const hint = /\(Did you mean .*\)/.exec(text)?.[0];
    const rest = hint === undefined ? '' : ` ${hint}`;
    return `tapstack: there is no command ${quote(where[0])}${rest}; \`tapstack help\` lists them`;
  }
  const name = known?.name ?? '';
  return `tapstack ${name}${name === '' ? '' : ': '}${text}; see \`tapstack ${name}${name === '' ? '' : ' '}--help\``;
}

function complain(sentence: string): number {
  process.stderr.write(`${sentence}\n`);
  return ExitCode.Usage;
}
