/**
 * The script that completes command lines: bash's, which zsh runs too.
 *
 * A table in the script maps what was typed before to the words that may follow; it is made from the declarations,
 * so it never asks a daemon.
 */
import type { Command, Params } from './command.ts';
import { actionOf, objectOf } from './usage.ts';

/** Of every command. */
const COMMON_OPTIONS = ['--help', '--json', '--name'];

export function completionScript(commands: readonly Command[], shell: 'bash' | 'zsh'): string {
  const objects = [...new Set(commands.map(objectOf))];
  const cases = objects.flatMap((object) =>
    casesOf(
      object,
      commands.filter((one) => objectOf(one) === object),
    ),
  );
  const values = [...valuesByKeyword(commands)].map(
    ([keyword, words]) => `    ${keyword}) words='${words.join(' ')}' ;;`,
  );
  const lines = [
    `# Completion of tapstack for ${shell}. Made by \`tapstack completion ${shell}\`.`,
    ...(shell === 'zsh' ? ['autoload -U +X bashcompinit && bashcompinit'] : []),
    '_tapstack() {',
    '  local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}',
    '  local words=',
    '  case "$previous" in',
    ...values,
    '    -w | --write | --capture) COMPREPLY=($(compgen -f -- "$word")); return ;;',
    '  esac',
    '  if [ -z "$words" ]; then',
    '    local object= action= at',
    '    for ((at = 1; at < COMP_CWORD; at++)); do',
    '      case "${COMP_WORDS[at]}" in',
    '        --name) ((at++)) ;;',
    '        -*) ;;',
    '        *)',
    '          if [ -z "$object" ]; then object=${COMP_WORDS[at]}',
    '          elif [ -z "$action" ]; then action=${COMP_WORDS[at]}; fi ;;',
    '      esac',
    '    done',
    '    case "$object $action" in',
    `      ' ') words='${[...objects, 'help', ...COMMON_OPTIONS, '--version'].join(' ')}' ;;`,
    ...cases,
    '    esac',
    '  fi',
    '  COMPREPLY=($(compgen -W "$words" -- "$word"))',
    '}',
    'complete -F _tapstack tapstack',
  ];
  return `${lines.join('\n')}\n`;
}

/** First what may follow the action, as the first pattern that matches counts, then what may follow the object. */
function casesOf(object: string, commands: readonly Command[]): string[] {
  const lines: string[] = [];
  const actions = commands.filter((command) => actionOf(command) !== '');
  for (const command of actions) {
    const names = [actionOf(command), ...command.aliases].map((name) => `'${object} ${name}'`);
    lines.push(
      `      ${names.join(' | ')}) words='${[...wordsOf(command.params), ...COMMON_OPTIONS].join(' ')}' ;;`,
    );
  }
  const alone = commands.find((command) => command.isDefault || actionOf(command) === '');
  const following = [
    ...actions.map(actionOf),
    ...(alone === undefined ? [] : wordsOf(alone.params)),
    ...COMMON_OPTIONS,
  ];
  lines.push(`      '${object} '*) words='${following.join(' ')}' ;;`);
  return lines;
}

/** Keywords, words that stand for themselves, and options; and what groups hold. */
function wordsOf(params: Params): string[] {
  const words: string[] = [];
  for (const { syntax, type } of Object.values(params)) {
    if (syntax.options !== undefined) words.push(...syntax.options);
    if (syntax.keywords?.[0] !== undefined) words.push(syntax.keywords[0]);
    if (syntax.isBare === true || (syntax.isWord === true && type.choices !== undefined))
      words.push(...(type.choices ?? []));
    if (syntax.group !== undefined) words.push(...wordsOf(syntax.group));
  }
  return [...new Set(words)];
}

/** What may follow a keyword or an option, where the choices are few. */
function valuesByKeyword(commands: readonly Command[]): Map<string, readonly string[]> {
  const values = new Map<string, readonly string[]>();
  for (const { params } of commands) {
    for (const { syntax, type } of Object.values(params)) {
      if (type.choices === undefined || syntax.isBare === true) continue;
      for (const name of syntax.options ?? syntax.keywords ?? []) values.set(name, type.choices);
    }
  }
  return values;
}
