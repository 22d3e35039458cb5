/**
 * Words in short, as `ip` takes them: `tapstack a` is `addr`, `tapstack r s` is `route show`.
 */
import type { Command } from '../control/command.ts';
import { OBJECT_ALIASES } from '../control/commands/list.ts';
import { actionOf, objectOf } from '../control/usage.ts';

/** Options that may stand before the command, and take a value. */
const WITH_VALUE = ['--name'];
/** Options of `ip` that stand in front of its commands. */
const MOVABLE = ['-s', '--statistics', '-b', '-br', '--brief'];

/** `args` with the first word, and the action behind it, written out. What is not known is left for the parser. */
export function expandNames(commands: readonly Command[], args: readonly string[]): string[] {
  const expanded = moveForward(args);
  const first = nextWord(expanded, 0);
  const object = first < 0 ? null : findObject(commands, expanded[first] as string);
  if (object === null) return expanded;
  expanded[first] = object;
  const own = commands.filter((command) => objectOf(command) === object);
  const second = nextWord(expanded, first + 1);
  if (second < 0 || own.length < 2) return expanded;
  const action = findAction(own, expanded[second] as string);
  if (action !== null) expanded[second] = action;
  return expanded;
}

/** `ip -s link` is `link -s`: what belongs to the command may stand in front of it. */
function moveForward(args: readonly string[]): string[] {
  const first = nextWord(args, 0);
  if (first < 0) return [...args];
  const front = args.slice(0, first).filter((arg) => !MOVABLE.includes(arg));
  const moved = args.slice(0, first).filter((arg) => MOVABLE.includes(arg));
  return [...front, ...args.slice(first), ...moved.map((arg) => (arg === '-br' ? '-b' : arg))];
}

function nextWord(args: readonly string[], from: number): number {
  for (let at = from; at < args.length; at++) {
    const arg = args[at] as string;
    if (!arg.startsWith('-')) return at;
    if (WITH_VALUE.includes(arg)) at++;
  }
  return -1;
}

function findObject(commands: readonly Command[], text: string): string | null {
  const objects = [...new Set(commands.map(objectOf))];
  if (objects.includes(text)) return text;
  const alias = Object.hasOwn(OBJECT_ALIASES, text) ? OBJECT_ALIASES[text] : undefined;
  if (alias !== undefined) return alias;
  const found = objects.filter((object) => object.startsWith(text));
  return found.length === 1 ? (found[0] as string) : null;
}

/** The first that begins so, in the order of declaration, as `ip` does it. */
function findAction(commands: readonly Command[], text: string): string | null {
  const exact = commands.find((command) => actionOf(command) === text || command.aliases.includes(text));
  if (exact !== undefined) return actionOf(exact);
  const shown = commands.find(({ isDefault }) => isDefault);
  const isKeyword = Object.values(shown?.params ?? {}).some(
    ({ syntax, type }) =>
      syntax.keywords?.includes(text) === true ||
      (syntax.isBare === true && type.choices?.includes(text) === true),
  );
  if (isKeyword) return null;
  const begun = commands.find((command) => actionOf(command).startsWith(text));
  return begun === undefined ? null : actionOf(begun);
}
