/**
 * The rules of the house as a test: who may import whom, what is banned below the shells, sizes, headers, READMEs.
 *
 * Each rule is a function from files to sentences. It is run over the repository, where it must find nothing, and over
 * a small bad example, where it must find something.
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';
import { staleDocuments } from './support/tidy/documents.ts';
import { banViolations, cycleViolations, importViolations } from './support/tidy/folders.ts';
import {
  folderViolations,
  headerViolations,
  readmeViolations,
  sizeViolations,
} from './support/tidy/limits.ts';
import { repositoryFiles, TOP } from './support/tidy/repository.ts';
import { citations } from './support/tidy/rfc-index.ts';
import type { SourceFile } from './support/tidy/source.ts';
import { cFunctions, functions, imports, sourceFile } from './support/tidy/source.ts';
import { lockfileViolations, randomViolations, textViolations, topViolations } from './support/tidy/texts.ts';

type Rule = (files: readonly SourceFile[]) => string[];

/** Budgets are to notice, not to game: what goes beyond one says here why. A line that spares nothing must go. */
const EXCEPTIONS: readonly (readonly [violation: string, reason: string])[] = [];

const all = repositoryFiles();
const source = all.filter(({ path }) => path.startsWith('src/') && path.endsWith('.ts'));

const RULES: readonly (readonly [
  name: string,
  rule: Rule,
  files: readonly SourceFile[],
  bad: Record<string, string>,
])[] = [
  [
    'folders import only what the table allows',
    importViolations,
    source,
    { 'src/tcp/a.ts': "import '../ip/b.ts';" },
  ],
  [
    'no import cycles between files',
    cycleViolations,
    source,
    {
      'src/ip/a.ts': "import type { B } from './b.ts';",
      'src/ip/b.ts': "import { A } from './a.ts';",
    },
  ],
  [
    'no clock, timer, async or Buffer below the shells',
    banViolations,
    source,
    { 'src/ip/a.ts': 'a = Date.now();' },
  ],
  ['no chance without a seed', randomViolations, all, { 'test/a.ts': 'Math.random()' }],
  ['files, functions and lines keep their budgets', sizeViolations, all, { 'src/ip/a.ts': '\n'.repeat(502) }],
  ['folders keep their budget', folderViolations, all, manyFiles(16)],
  ['files begin by saying what they are', headerViolations, all, { 'src/ip/a.ts': 'export {};' }],
  [
    'each folder of src/ has a README that names its files',
    readmeViolations,
    all,
    {
      'src/ip/README.md': 'input-filter.ts only',
      'src/ip/input.ts': '',
    },
  ],
  [
    'texts name no machine, no registry and nothing unfinished',
    textViolations,
    all,
    { a: ['// TO', 'DO: all'].join('') },
  ],
  ['the lockfile names no host', lockfileViolations, all, { 'package-lock.json': '"resolved": ""' }],
  ['generated documents are up to date', staleDocuments, all, { 'src/ip/a.ts': '// RFC 791 §3.1' }],
  ['the top level holds only what belongs there', topViolations, all, { 'biome.json': '{}' }],
];

function manyFiles(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`src/ip/f${index}.ts`, '']));
}

function example(texts: Record<string, string>): SourceFile[] {
  return Object.entries(texts).map(([path, text]) => sourceFile(path, text));
}

const spared = new Set<string>();
for (const [name, rule, files, bad] of RULES) {
  t.test(name, (t) => {
    for (const violation of rule(files)) {
      const exception = EXCEPTIONS.find(([begin]) => violation.startsWith(begin));
      if (exception === undefined) t.fail(violation, { at: null, stack: '' });
      else spared.add(exception[0]);
    }
    t.ok(rule(example(bad)).length > 0, 'finds the bad example');
    t.end();
  });
}

t.test('every exception still spares something', (t) => {
  for (const [violation] of EXCEPTIONS) t.ok(spared.has(violation), violation);
  t.end();
});

t.test('every script says with -h what it is for', (t) => {
  for (const { path, text } of all) {
    if (!/^scripts\/[^/]+$/.test(path) || !text.startsWith('#!')) continue;
    const help = execFileSync(join(TOP, path), ['-h'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    t.match(help, path, `${path} names itself`);
  }
  t.end();
});

t.test('the scanner under these rules', (t) => {
  t.test('sees imports of every form, and none in comments or strings', (t) => {
    const file = sourceFile(
      'a.ts',
      [
        "import a from 'a'; // import x from 'x';",
        "import type {\n  B,\n} from './b.ts';",
        "export * from 'c';",
        "export interface D { from: 'x' | 'y' }",
        'const e = `import x from "x" ${await import(\'e\')}`;',
        "/* import x from 'x' */ import 'f';".replace('/* ', '/*\n').replace('*/ ', '*/\n'),
      ].join('\n'),
    );
    t.same(
      imports(file).map(({ specifier }) => specifier),
      ['a', './b.ts', 'f', 'c', 'e'],
    );
    t.same(
      imports(file).map(({ line }) => line),
      [1, 2, 10, 5, 7],
    );
    t.end();
  });

  t.test('measures functions, methods and arrows, past return types and regular expressions', (t) => {
    const file = sourceFile(
      'a.ts',
      [
        'export function first(a: { b: 1 }): { c: 2 } {\n  return a.b / 1 ? /[/}]/ : "}";\n}',
        'class A {\n  #two(a: string,\n    b: string): void {\n    if (a) {\n    }\n  }\n  sign(): void;\n}',
        'const three = (a: number): number => {\n  call(a);\n};',
        'const value = `{${`}`}`;',
      ].join('\n'),
    );
    t.same(
      functions(file).map(({ name, line, lineCount }) => [name, line, lineCount]),
      [
        ['first', 1, 3],
        ['#two', 5, 5],
        ['three', 12, 3],
      ],
    );
    t.end();
  });

  t.test('finds citations of sections, by paragraph and by file', (t) => {
    const text = [
      '/** RFC 5227 §2.4: once.',
      ' *',
      ' * (§2.1.1), IEEE 802.3 §3.2, RFC 826 and',
      ' * RFC 1122 §3.2.1.3',
      ' * (b) and §3.2.2. */',
    ];
    const file = sourceFile('src/a.ts', text.join('\n'));
    t.same(
      citations(file).map(({ rfc, section, place }) => [rfc, section, place]),
      [
        [5227, '2.4', 'src/a.ts:1'],
        [5227, '2.1.1', 'src/a.ts:3'],
        [826, '', 'src/a.ts:3'],
        [1122, '3.2.1.3', 'src/a.ts:4'],
        [1122, '3.2.2', 'src/a.ts:5'],
      ],
    );
    t.end();
  });

  t.test('measures C functions', (t) => {
    const file = sourceFile(
      'native/a.c',
      'static int f(int a,\n  int b) {\n  return a;\n}\nstruct s {\n  int x;\n};\n',
    );
    t.same(
      cFunctions(file).map(({ name, lineCount }) => [name, lineCount]),
      [['f', 4]],
    );
    t.end();
  });
  t.end();
});
