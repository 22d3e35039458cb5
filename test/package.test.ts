/**
 * The published package: what `npm pack` makes installs into an empty project with no network, no npm cache, no
 * compiler and no install script, and then works: the library, its types, the command, the addon.
 */
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { TOP } from './support/tidy/repository.ts';

const folder = mkdtempSync(join(tmpdir(), 'tapstack-package-'));
const project = join(folder, 'project');
const installed = join(project, 'node_modules', 'tapstack');
const addon = `native/prebuild/linux-${process.arch}/tapstack.node`;
t.teardown(() => rmSync(folder, { recursive: true }));

/** Runs a program in the project and returns what it prints; a failure throws with all it said. */
function run(program: string, args: readonly string[], cwd: string = project): string {
  // npm hands its own settings on to what it starts; the inner npm must not know that there is an outer one.
  const kept = Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name));
  const env = { ...Object.fromEntries(kept), npm_config_cache: join(folder, 'empty-cache') };
  return execFileSync(program, args, { cwd, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Whether a namespace without any network can be had; then the proof is that of the kernel. */
function withoutNetwork(program: string, args: readonly string[]): string {
  if (process.getuid?.() !== 0) return run(program, args);
  return run('unshare', ['--net', program, ...args]);
}

const packed = JSON.parse(run('npm', ['pack', '--json', '--pack-destination', folder], TOP)) as {
  filename: string;
  files: { path: string }[];
}[];
const tarball = packed[0];
if (tarball === undefined) throw new Error('npm pack made nothing');
const own = tarball.files.map(({ path }) => path).filter((path) => !path.startsWith('node_modules/'));

t.test('the tarball holds the compiled library, the command and the addon, and no sources', (t) => {
  for (const path of [
    'dist/src/index.js',
    'dist/src/index.d.ts',
    'bin/tapstack',
    addon,
    'README.md',
    'LICENSE',
  ]) {
    t.ok(own.includes(path), path);
  }
  const allowed = /^(?:dist\/src\/.*\.(?:js|d\.ts)|bin\/tapstack|native\/prebuild\/.*\.node|[^/]*)$/;
  t.same(
    own.filter((path) => !allowed.test(path)),
    [],
    'nothing else',
  );
  t.notOk(own.includes('binding.gyp'), 'no binding.gyp: npm would try to build it');
  t.end();
});

t.test('what was compiled from a source that is gone is not published', (t) => {
  const sources = readdirSync(join(TOP, 'src'), { recursive: true, encoding: 'utf8' });
  const expected = new Set(sources.map((path) => `dist/src/${path.replace(/\.ts$/, '.js')}`));
  t.same(
    own.filter((path) => path.startsWith('dist/') && path.endsWith('.js') && !expected.has(path)),
    [],
  );
  t.end();
});

t.test('installs into an empty project without network, npm cache or install script', (t) => {
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), '{ "private": true, "type": "module" }\n');
  const path = join(folder, tarball.filename);
  withoutNetwork('npm', ['install', '--offline', '--no-audit', '--no-fund', path]);
  const manifest = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as {
    scripts?: Record<string, string>;
    gypfile?: boolean;
  };
  for (const script of ['preinstall', 'install', 'postinstall', 'prepare']) {
    t.equal(manifest.scripts?.[script], undefined, `no ${script}`);
  }
  t.equal(manifest.gypfile, false);
  t.notOk(existsSync(join(installed, 'build')), 'nothing was built');
  t.end();
});

t.test('the installed library can be imported, and exports only what index.ts exports', (t) => {
  const script = "import('tapstack').then((all) => console.log(JSON.stringify(Object.keys(all).sort())))";
  const names = JSON.parse(run(process.execPath, ['-e', script])) as string[];
  t.ok(names.length > 0, 'exports something');
  const here =
    "import('./dist/src/index.js').then((all) => console.log(JSON.stringify(Object.keys(all).sort())))";
  t.same(names, JSON.parse(run(process.execPath, ['-e', here], TOP)));
  const inner = "import('tapstack/dist/src/index.js').catch((error) => console.log(error.code))";
  t.equal(
    run(process.execPath, ['-e', inner]).trim(),
    'ERR_PACKAGE_PATH_NOT_EXPORTED',
    'inner files are private',
  );
  t.end();
});

t.test('the types are found by a project that uses them', (t) => {
  writeFileSync(
    join(project, 'use.ts'),
    "import * as tapstack from 'tapstack';\nexport const all: object = tapstack;\n",
  );
  const tsc = join(TOP, 'node_modules', '.bin', 'tsc');
  const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2023', '--types', ''];
  t.doesNotThrow(() => run(tsc, [...options, 'use.ts']));
  t.end();
});

t.test('the addon inside loads, under the name the library looks for', (t) => {
  const native = createRequire(import.meta.url)(join(installed, addon)) as object;
  t.ok(Object.keys(native).length > 0, 'exports functions');
  t.end();
});

t.test('the command answers', (t) => {
  const command = join(project, 'node_modules', '.bin', 'tapstack');
  t.match(run(command, ['--help']), /\bup\b/);
  t.match(run(command, ['--version']), /^\d+\.\d+\.\d+/);
  t.end();
});
