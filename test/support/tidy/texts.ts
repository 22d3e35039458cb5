/** What no text of the repository may say: unfinished work, somebody's machine, a registry; and the top level. */
import type { SourceFile } from './source.ts';

/** Everything that may stand at the top: it should look like a network stack, not like a tool's home. */
const TOP_ENTRIES = new Set(
  `src native bin test scripts docs examples package.json package-lock.json tsconfig.json binding.gyp
   README.md LICENSE .ci .gitignore .gitattributes`.split(/\s+/),
);

// The letters in brackets keep this file from finding itself.
const FORBIDDEN: readonly (readonly [pattern: RegExp, message: string])[] = [
  [/\b(?:TO[D]O|FIX[M]E|X[X]X|HA[C]K)\b/, 'unfinished work belongs into an issue, not into a text'],
  [/(?<![\w.])\/(?:work|home|root|Users)\/[\w.]/, 'a path of one machine'],
  [/registry\.\w+\.\w+|\bnpmmirror\b|\bartifactory\b/, 'the address of a package registry'],
];
const SPARED = /^LICENSE$/;

export function textViolations(files: readonly SourceFile[]): string[] {
  const found: string[] = [];
  for (const file of files) {
    if (SPARED.test(file.path)) continue;
    for (const [index, line] of file.lines.entries()) {
      for (const [pattern, message] of FORBIDDEN) {
        const match = pattern.exec(line);
        if (match !== null) found.push(`${file.path}:${index + 1}: "${match[0]}": ${message}`);
      }
    }
  }
  return found;
}

/** `Math.random` cannot be replayed from a seed: nobody may use it, tests and shells included. */
export function randomViolations(files: readonly SourceFile[]): string[] {
  const found: string[] = [];
  for (const file of files) {
    for (const [index, line] of file.code.split('\n').entries()) {
      if (/\bMath\s*\.\s*random\b/.test(line)) {
        found.push(`${file.path}:${index + 1}: Math.random; take an Rng, so that a seed replays the run`);
      }
    }
  }
  return found;
}

/** A lockfile that names hosts cannot be installed where another registry is used. */
export function lockfileViolations(files: readonly SourceFile[]): string[] {
  const file = files.find(({ path }) => path === 'package-lock.json');
  if (file === undefined) return ['package-lock.json: is missing'];
  const found: string[] = [];
  for (const [index, line] of file.lines.entries()) {
    if (!line.includes('"resolved"')) continue;
    found.push(
      `package-lock.json:${index + 1}: names a host; run npm with --omit-lockfile-registry-resolved`,
    );
  }
  return found;
}

export function topViolations(files: readonly SourceFile[]): string[] {
  const tops = new Set(files.map(({ path }) => path.split('/')[0] as string));
  return [...tops]
    .filter((entry) => !TOP_ENTRIES.has(entry))
    .map((entry) => `${entry}: does not belong at the top level`);
}
