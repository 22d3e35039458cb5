/**
 * Commands in words: usage lines, lists of parameters, sentences about what was wrong.
 */
import type { Command, Param, Params } from './command.ts';
import type { ConfigError } from './schema.ts';

/** The part before the first space: `route`. */
export function objectOf(command: Command): string {
  return command.name.split(' ')[0] as string;
}

/** What follows it: `add`, or nothing. */
export function actionOf(command: Command): string {
  return command.name.split(' ')[1] ?? '';
}

export function isOption(param: Param): boolean {
  return param.syntax.options !== undefined;
}

/** How a person calls a parameter: `--count`, `via`, `PREFIX`. */
export function paramName(key: string, param: Param): string {
  const { options, keywords, isWord } = param.syntax;
  if (options !== undefined) return options.at(-1) as string;
  if (isWord === true) return param.type.name;
  return keywords?.[0] ?? key;
}

/** How one is written: `via ADDRESS`, `-c, --count N`, `{up|down}`. */
export function paramSyntax(param: Param): string {
  const { options, keywords = [], isBare, isWord, group } = param.syntax;
  const { name, choices } = param.type;
  if (options !== undefined) return name === '' ? options.join(', ') : `${options.join(', ')} ${name}`;
  if (group !== undefined) return [keywords[0], ...Object.values(group).map(usageOf)].join(' ');
  if (isBare === true) return choices?.length === 1 ? (choices[0] as string) : (choices ?? []).join('|');
  if (isWord === true) return keywords.length === 0 ? name : `[${keywords[0]}] ${name}`;
  return `${keywords[0]} ${name}`;
}

/** `tapstack route add PREFIX [via ADDRESS] …` */
export function usage(command: Command): string {
  const params = Object.values(command.params);
  const words = ['tapstack', command.name, ...params.filter((param) => !isOption(param)).map(usageOf)];
  if (params.some(isOption)) words.push('[options]');
  return words.join(' ');
}

function usageOf(param: Param): string {
  const text = paramSyntax(param);
  if (param.need === 'required') return param.syntax.isBare === true ? `{${text}}` : text;
  return param.need === 'repeated' ? `[${text}]…` : `[${text}]`;
}

/** One sentence: what, where, what is wrong. */
export function describeError(command: Command, error: ConfigError): string {
  const [first = '', ...rest] = error.path.split('.');
  const param = Object.hasOwn(command.params, first) ? command.params[first] : undefined;
  const name = param === undefined ? first : paramName(first, param);
  // `1.via` of `nexthop`: the first one.
  const inner = innerName(param, rest);
  const where = [name, inner].filter((part) => part !== '').join(' ');
  return `tapstack ${command.name}: ${where === '' ? '' : `${where}: `}${error.problem}`;
}

function innerName(param: Param | undefined, path: readonly string[]): string {
  const [index, key = ''] = path;
  if (index === undefined) return '';
  const group: Params = param?.syntax.group ?? {};
  const inner = Object.hasOwn(group, key) ? group[key] : undefined;
  return inner === undefined ? '' : `${index} ${paramName(key, inner)}`;
}
