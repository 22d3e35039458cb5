/**
 * The documents that are made from the code and never by hand, by path: `scripts/generate` writes them, and the tidy
 * test says when they are out of date.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryFiles, TOP } from './repository.ts';
import { rfcIndex } from './rfc-index.ts';
import type { SourceFile } from './source.ts';

const DROPS = 'src/base/drop.ts';

export function documents(files: readonly SourceFile[]): ReadonlyMap<string, string> {
  return new Map([
    ['docs/drops.md', dropList(files)],
    ['docs/rfc-index.md', rfcIndex(files)],
  ]);
}

/** Every reason for a drop, in the groups of its table, with what the table says of it and the files that use it. */
function dropList(files: readonly SourceFile[]): string {
  const users = files.filter(({ path }) => /^src\/.*\.ts$/.test(path) && path !== DROPS);
  const lines = [
    '# Why a packet was dropped',
    '',
    'Every drop is counted under one of these names (`tapstack counters`), and a capture shows it as the comment of',
    `the packet. Made by \`scripts/generate\` from \`${DROPS}\`.`,
  ];
  const table = files.find(({ path }) => path === DROPS)?.text ?? '';
  for (const line of table.slice(table.indexOf('{'), table.indexOf('} as const')).split('\n')) {
    const group = /^ {2}\/\/ (.+)$/.exec(line)?.[1];
    if (group !== undefined) {
      lines.push('', `## ${group.charAt(0).toUpperCase()}${group.slice(1)}`, '', '| reason | |', '|---|---|');
    }
    const reason = /^ {2}(\w+): \d+,(?: \/\/ (.*))?$/.exec(line);
    if (reason === null || reason[1] === 'None') continue;
    const uses = new RegExp(`\\bDrop\\.${reason[1]}\\b`);
    const where = users.filter(({ code }) => uses.test(code)).map(({ path }) => `\`${path}\``);
    const what = [reason[2], where.join(', ') || 'not used yet'].filter((text) => text !== undefined);
    lines.push(`| \`${reason[1]}\` | ${what.join('; ')} |`);
  }
  return `${lines.join('\n')}\n`;
}

/** What is out of date. The index is compared without its line numbers: those may lag behind until the next run. */
export function staleDocuments(files: readonly SourceFile[]): string[] {
  const found: string[] = [];
  for (const [path, text] of documents(files)) {
    const stored = files.find((file) => file.path === path)?.text ?? '';
    if (withoutLines(stored) !== withoutLines(text))
      found.push(`${path}: is out of date; run scripts/generate`);
  }
  return found;
}

function withoutLines(text: string): string {
  return text.replace(/`(\S+):\d+`(?:, `\1:\d+`)*/g, '`$1`');
}

if (process.argv[1] === import.meta.filename) {
  for (const [path, text] of documents(repositoryFiles())) writeFileSync(join(TOP, path), text);
}
