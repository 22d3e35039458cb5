/**
 * Who may import whom in `src/`: the table of the architecture as data, and the checks that follow from it.
 *
 * A folder may always import itself. Arrows go down only, so there can be no cycle between folders; between files of
 * one folder the cycle rule looks. To add a folder, add its line here in the same commit.
 */
import type { Import, SourceFile } from './source.ts';
import { imports } from './source.ts';

/** The shells: the only folders that may use Node, packages, timers, the wall clock and `async`. */
const SHELLS = ['link', 'node', 'daemon', 'cli'];

/** Protocol services: machines with a thin runner each. They reach a host only through its sockets and `HostPort`. */
const SERVICES = ['tunnel', 'dhcp', 'dns', 'http', 'routing', 'inetd'];
const SERVICE_MAY_IMPORT = ['base', 'addr', 'wire', 'packet', 'device', 'socket'];

const BELOW_DEVICE = ['base', 'addr', 'packet', 'wire', 'observe', 'qdisc'];
const BELOW_STACK = [...BELOW_DEVICE, 'device', 'neighbor', 'filter', 'route', 'ip', 'udp', 'tcp', 'socket'];
const BELOW_SHELLS = [...BELOW_STACK, 'stack', ...SERVICES, 'control', 'sim'];

const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  base: [],
  addr: ['base'],
  packet: ['base'],
  wire: ['base', 'addr'],
  observe: ['base', 'addr', 'packet', 'wire'],
  qdisc: ['base', 'addr', 'packet', 'wire'],
  device: BELOW_DEVICE,
  link: ['base', 'addr', 'packet', 'observe', 'device'],
  neighbor: ['base', 'addr', 'packet', 'wire', 'device'],
  filter: ['base', 'addr', 'packet', 'wire'],
  route: ['base', 'addr'],
  // An interface is a device with a queue in front of it: the network layer owns that queue.
  ip: ['base', 'addr', 'packet', 'wire', 'qdisc', 'device', 'neighbor', 'route', 'filter'],
  udp: ['base', 'addr', 'packet', 'wire'],
  tcp: ['base', 'addr', 'packet', 'wire'],
  socket: ['base', 'addr', 'packet', 'wire', 'udp', 'tcp'],
  stack: BELOW_STACK,
  ...Object.fromEntries(SERVICES.map((service) => [service, SERVICE_MAY_IMPORT])),
  control: ['base', 'addr'],
  sim: BELOW_SHELLS,
  // Programs' calls and packets from scripts, over one stack in virtual time.
  script: BELOW_SHELLS,
  lab: [...BELOW_SHELLS, 'link', 'node', 'daemon'],
  node: [...BELOW_SHELLS, 'lab', 'link', 'daemon'],
  daemon: [...BELOW_SHELLS, 'lab', 'link', 'node'],
  cli: ['base', 'addr', 'control'],
};

/** What `control` may know of a service is the type of its status and of its configuration. */
const MAY_IMPORT_TYPES: Readonly<Record<string, readonly string[]>> = { control: SERVICES };

/** Words that bring in the outside world, chance, or a second thread of control; with what to do instead. */
const BANS: readonly (readonly [name: string, pattern: RegExp, instead: string])[] = [
  ['async', /\b(?:async|await)\b|\bPromise\b/g, 'machines are told and polled; only shells wait'],
  [
    'timer',
    /\b(?:setTimeout|setInterval|setImmediate|queueMicrotask)\b/g,
    'answer `nextTimeout()` and be called',
  ],
  ['clock', /(?<![.\w])(?:Date\b|performance\.)/g, 'take `now: Instant` as the first parameter'],
  ['Buffer', /(?<![.\w])Buffer\b/g, 'use the view and the bytes of the packet'],
  ['EventEmitter', /\bEventEmitter\b/g, 'answer `pollEvent()`'],
  ['process', /(?<![.\w])(?:process|console)\./g, 'return it, count it, or let the shell say it'],
];

export function isShell(path: string): boolean {
  return SHELLS.includes(folderOf(path));
}

/** `src/ip/input.ts` is in `ip`, `src/index.ts` in ''. */
function folderOf(path: string): string {
  const parts = path.split('/');
  return parts.length > 2 ? (parts[1] as string) : '';
}

/** `../base/drop.ts` seen from `src/ip/input.ts` is `src/base/drop.ts`. */
function resolve(from: string, specifier: string): string {
  const parts = from.split('/').slice(0, -1);
  for (const part of specifier.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '.') parts.push(part);
  }
  return parts.join('/');
}

function folderViolation(path: string, imported: Import): string {
  const { specifier } = imported;
  const at = `${path}:${imported.line}`;
  const own = folderOf(path);
  if (!specifier.startsWith('.')) {
    if (isShell(path)) return '';
    return `${at}: imports ${specifier}, but only the shells (${SHELLS.join(', ')}) may use Node or packages`;
  }
  const target = resolve(path, specifier);
  if (!target.endsWith('.ts')) return `${at}: write the import of ${specifier} with its extension .ts`;
  if (!target.startsWith('src/')) return `${at}: imports ${target}, outside src/`;
  if (target === 'src/index.ts') return `${at}: imports index.ts, which is for users and imported by nothing`;
  const folder = folderOf(target);
  if (own === '' || folder === own || MAY_IMPORT[own]?.includes(folder)) return '';
  if (imported.isType && MAY_IMPORT_TYPES[own]?.includes(folder)) return '';
  const allowed = MAY_IMPORT[own]?.join(', ') || 'nothing';
  return `${at}: ${own} may not import ${folder} (${target}); it may import ${allowed}`;
}

export function importViolations(files: readonly SourceFile[]): string[] {
  const found: string[] = [];
  for (const file of files) {
    const own = folderOf(file.path);
    if (own !== '' && !(own in MAY_IMPORT))
      found.push(`${file.path}: folder ${own} is not in the table of folders.ts`);
    for (const imported of imports(file)) {
      const violation = folderViolation(file.path, imported);
      if (violation !== '') found.push(violation);
      if (imported.isExport && file.path !== 'src/index.ts') {
        found.push(
          `${file.path}:${imported.line}: re-exports ${imported.specifier}; only src/index.ts is a barrel`,
        );
      }
    }
  }
  return found;
}

export function banViolations(files: readonly SourceFile[]): string[] {
  const found: string[] = [];
  for (const file of files) {
    if (isShell(file.path)) continue;
    for (const [index, line] of file.code.split('\n').entries()) {
      for (const [name, pattern, instead] of BANS) {
        if (line.search(pattern) >= 0)
          found.push(`${file.path}:${index + 1}: ${name} below the shells; ${instead}`);
      }
    }
  }
  return found;
}

/** Cycles between files, `import type` included: two files that need each other are one idea or three. */
export function cycleViolations(files: readonly SourceFile[]): string[] {
  const targets = new Map<string, string[]>();
  for (const file of files) {
    const own = imports(file).filter((imported) => imported.specifier.startsWith('.'));
    targets.set(
      file.path,
      own.map((imported) => resolve(file.path, imported.specifier)),
    );
  }
  const done = new Set<string>();
  const found: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path);
    if (start >= 0) {
      found.push(`import cycle: ${[...trail.slice(start), path].join(' -> ')}`);
      return;
    }
    if (done.has(path)) return;
    for (const target of targets.get(path) ?? []) visit(target, [...trail, path]);
    done.add(path);
  };
  for (const path of targets.keys()) visit(path, []);
  return found;
}
