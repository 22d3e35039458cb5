/**
 * The page of reference, docs/commands.md, from the declarations.
 */
import type { Command, Param } from './command.ts';
import { actionOf, isOption, objectOf, paramSyntax, usage } from './usage.ts';

const HEAD = `# Commands

Made by \`scripts/generate\` from the declarations in \`src/control/commands/\`.

\`tapstack COMMAND --help\` says the same. Of every command:

| option | |
|---|---|
| \`-j\`, \`--json\` | answer in JSON, in the shape of \`ip -j\` where \`ip\` has one |
| \`--name NAME\` | the instance, where several run; \`tapstack0\`, if not given |

Words may be shortened as with \`ip\`: \`tapstack a\`, \`tapstack r s\`. The exit code is 0, 1 when something failed,
and 2 when what is asked for is wrong.
`;

export function referencePage(commands: readonly Command[]): string {
  const parts = [HEAD];
  let object = '';
  for (const command of commands) {
    if (objectOf(command) !== object) {
      object = objectOf(command);
      parts.push(`## tapstack ${object}\n`);
    }
    parts.push(section(command));
  }
  return parts.join('\n');
}

function section(command: Command): string {
  const lines: string[] = [];
  if (actionOf(command) !== '') lines.push(`### ${command.name}`, '');
  lines.push(
    `${sentence(command.summary)}${command.isDefault ? ' Meant when no other action is named.' : ''}`,
    '',
  );
  if (command.details !== '') lines.push(command.details, '');
  lines.push('```', usage(command), '```', '');
  if (command.aliases.length > 0)
    lines.push(`Also: ${command.aliases.map((name) => `\`${name}\``).join(', ')}.`, '');
  const params = Object.values(command.params);
  if (params.length > 0) {
    lines.push('| parameter | |', '|---|---|');
    for (const param of [...params.filter((one) => !isOption(one)), ...params.filter(isOption)])
      lines.push(row(param));
    lines.push('');
  }
  if (command.examples.length > 0) lines.push('```', ...command.examples, '```', '');
  return lines.join('\n');
}

function row(param: Param): string {
  const names = (param.syntax.keywords ?? []).slice(1);
  const also = names.length === 0 ? '' : `; also ${names.map((name) => `\`${name}\``).join(', ')}`;
  const need = param.need === 'required' ? ' (required)' : '';
  return `| \`${paramSyntax(param).replaceAll('|', '\\|')}\` | ${param.summary}${also}${need} |`;
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
