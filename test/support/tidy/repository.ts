/** The files of the repository, tracked or about to be, as the tidy rules see them. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { SourceFile } from './source.ts';
import { sourceFile } from './source.ts';

/** The top of the checkout: the first folder above this file, compiled or not, that has a `package-lock.json`. */
export const TOP: string = findTop(import.meta.dirname);

function findTop(folder: string): string {
  if (existsSync(join(folder, 'package-lock.json'))) return folder;
  const parent = dirname(folder);
  if (parent === folder) throw new Error('the tidy test must run inside a checkout of the repository');
  return findTop(parent);
}

/** Every text file that git tracks or would track, read whole. */
export function repositoryFiles(): SourceFile[] {
  // A checkout may belong to somebody else than who runs the tests (root in a container): git must read it still.
  const options = [
    '-c',
    `safe.directory=${TOP}`,
    'ls-files',
    '-z',
    '--cached',
    '--others',
    '--exclude-standard',
  ];
  const paths = execFileSync('git', options, { cwd: TOP, encoding: 'utf8', maxBuffer: 1 << 26 }).split('\0');
  const files: SourceFile[] = [];
  for (const path of new Set(paths)) {
    if (path === '' || !existsSync(join(TOP, path))) continue;
    const bytes = readFileSync(join(TOP, path));
    if (!bytes.includes(0)) files.push(sourceFile(path, bytes.toString('utf8')));
  }
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}
