/**
 * The command line as commander understands it, built from the declarations of the commands.
 */
import process from 'node:process';
import { styleText } from 'node:util';
import { Command as Program } from 'commander';
import type { Command, Param, RawArgs } from '../control/command.ts';
import { OBJECTS } from '../control/commands/list.ts';
import { actionOf, isOption, objectOf, paramSyntax, usage } from '../control/usage.ts';

/** What is common to all commands. */
export interface CommonOptions {
  readonly json: boolean;
  readonly name: string | undefined;
}

/** A command line as far as it was understood: the command, its options, and the words that are its own to read. */
export interface Invocation {
  readonly command: Command;
  readonly args: RawArgs;
  readonly words: readonly string[];
  readonly common: CommonOptions;
}

const INTRODUCTION =
  'A TCP/IP stack of its own, as a program on a TUN or TAP device. Start it with `sudo tapstack up`, then look at it ' +
  'and change it with the commands that `ip` has.';

export function buildProgram(
  commands: readonly Command[],
  version: string,
  onInvocation: (invocation: Invocation) => void,
): Program {
  const program = setUp(new Program('tapstack'))
    .description(INTRODUCTION)
    .usage('[options] COMMAND …')
    .version(version, '-V, --version', 'print the version')
    .helpCommand('help [command]', 'show help')
    .addHelpText('after', `\n${title('Try:')}\n  sudo tapstack up\n  tapstack help route\n`);
  addCommonOptions(program);
  const objects = new Map<string, Program>();
  for (const command of commands) {
    const action = actionOf(command);
    if (action === '') {
      addCommand(program, command, command.name, onInvocation);
      continue;
    }
    const object = objectOf(command);
    let parent = objects.get(object);
    if (parent === undefined) {
      parent = setUp(program.command(object))
        .description(OBJECTS[object] ?? '')
        .usage('[ACTION] …')
        .helpCommand(false);
      addCommonOptions(parent);
      objects.set(object, parent);
    }
    addCommand(parent, command, action, onInvocation);
  }
  return program;
}

function addCommand(
  parent: Program,
  command: Command,
  name: string,
  onInvocation: (invocation: Invocation) => void,
): void {
  const own = setUp(parent.command(name, { isDefault: command.isDefault }))
    .summary(command.summary)
    .description(describe(command))
    .usage(
      usage(command)
        .split(' ')
        .slice(command.name.split(' ').length + 1)
        .join(' '),
    )
    .argument('[words...]')
    .aliases([...command.aliases]);
  for (const param of Object.values(command.params)) if (isOption(param)) addOption(own, param);
  if (command.kind !== 'local') addCommonOptions(own);
  own.addHelpText('after', afterHelp(command));
  own.action((words: string[]) => {
    const { json, name: instance } = own.optsWithGlobals<{ json?: boolean; name?: string }>();
    const args: RawArgs = {};
    for (const [key, param] of Object.entries(command.params)) {
      const value = isOption(param) ? optionValue(own, param) : undefined;
      if (value !== undefined) args[key] = value;
    }
    // Before the name of the command it is commander's, behind it `up`'s own.
    if (command.kind === 'local' && 'name' in command.params && instance !== undefined) args.name = instance;
    onInvocation({ command, args, words, common: { json: json === true, name: instance } });
  });
}

function addOption(program: Program, param: Param): void {
  const flags = optionFlags(param);
  if (param.need === 'repeated') {
    program.option(flags, param.summary, (value: string, list: string[] | undefined) => [
      ...(list ?? []),
      value,
    ]);
  } else {
    program.option(flags, param.summary);
  }
}

function optionFlags(param: Param): string {
  const flags = (param.syntax.options ?? []).join(', ');
  return param.type.name === '' ? flags : `${flags} <${param.type.name}>`;
}

/** Commander makes `offload`, which is false when given, of `--no-offload`. */
function optionValue(program: Program, param: Param): unknown {
  const long = (param.syntax.options ?? []).at(-1) as string;
  const isNegative = long.startsWith('--no-');
  const name = long
    .replace(/^--no-|^-+/, '')
    .replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
  const value: unknown = program.getOptionValue(name);
  if (!isNegative) return value;
  return value === false ? true : undefined;
}

function addCommonOptions(program: Program): void {
  program.option('-j, --json', 'answer in JSON, in the shape of `ip -j`');
  program.option('--name <NAME>', 'the instance, where several run; tapstack0, if not given');
}

/** Errors and help are ours to print, and the end of the process is ours to decide. */
function setUp(program: Program): Program {
  return program
    .exitOverride()
    .configureOutput({ writeErr: () => undefined })
    .configureHelp({
      sortSubcommands: false,
      showGlobalOptions: false,
      styleTitle: title,
      styleCommandText: (text) => styled('bold', text),
      styleSubcommandTerm: (text) => styled('cyan', text),
      styleOptionTerm: (text) => styled('cyan', text),
      visibleArguments: () => [],
      subcommandTerm: (command) => command.name(),
    });
}

function describe(command: Command): string {
  const { summary, details } = command;
  const sentence = `${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`;
  return details === '' ? sentence : `${sentence}\n\n${details}`;
}

function afterHelp(command: Command): string {
  const parts: string[] = [];
  const words = Object.values(command.params).filter((param) => !isOption(param));
  if (words.length > 0) {
    const rows = words.map((param) => [shortSyntax(param), param.summary] as const);
    const width = Math.max(...rows.map(([syntax]) => syntax.length));
    parts.push(title('Words:'));
    for (const [syntax, summary] of rows) parts.push(`  ${styled('cyan', syntax.padEnd(width))}  ${summary}`);
  }
  if (command.examples.length > 0) {
    if (parts.length > 0) parts.push('');
    parts.push(title('Examples:'), ...command.examples.map((example) => `  ${example}`));
  }
  return parts.length === 0 ? '' : `\n${parts.join('\n')}\n`;
}

/** A long list of choices would push the column of explanations out of sight. */
function shortSyntax(param: Param): string {
  const syntax = paramSyntax(param);
  return syntax.length > 40 ? `${syntax.slice(0, 39)}…` : syntax;
}

function title(text: string): string {
  return styled('bold', text);
}

/** Commander takes the colours out again where the output is no terminal. */
function styled(style: 'bold' | 'cyan', text: string): string {
  const isWanted = process.stdout.isTTY && process.env.NO_COLOR === undefined;
  return isWanted ? styleText(style, text) : text;
}
