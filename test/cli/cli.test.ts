/**
 * The command as it is typed: what it prints, where, and its exit code. The daemon behind it is a control server with
 * a stack that a test makes up, so that no root is needed.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { Instant } from '../../src/base/time.ts';
import { expandNames } from '../../src/cli/names.ts';
import { COMMANDS } from '../../src/control/commands/list.ts';
import { Refusal } from '../../src/control/host.ts';
import { PROTOCOL } from '../../src/control/protocol.ts';
import { ControlServer } from '../../src/daemon/control-server.ts';
import type { FakeStream } from '../control/fake-host.ts';
import { FakeHost } from '../control/fake-host.ts';

const PROGRAM = fileURLToPath(new URL('../../../bin/tapstack', import.meta.url));

const directory = mkdtempSync(join(tmpdir(), 'tapstack-cli-'));
const host = new FakeHost();
const server = new ControlServer(
  {
    path: join(directory, 'tapstack0.sock'),
    commands: COMMANDS,
    hello: { tapstack: PROTOCOL, version: '1', name: 'tapstack0', pid: 1 },
    clock: () => 0 as Instant,
    wake: () => server.handleTurn(0 as Instant),
  },
  host,
);
t.before(() => server.listen());
t.teardown(async () => {
  await server.close();
  rmSync(directory, { recursive: true });
});

interface Output {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** `onStream` may feed the stream that the command opens. */
function tapstack(
  words: readonly string[],
  onStream?: (stream: FakeStream, kill: () => void) => void,
): Promise<Output> {
  const before = host.streams.length;
  const child = spawn(process.execPath, [PROGRAM, ...words], {
    env: { ...process.env, TAPSTACK_RUNTIME_DIR: directory, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('latin1').on('data', (text: string) => (output.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
  const interval = setInterval(() => {
    const stream = host.streams[before];
    if (stream === undefined) return;
    onStream?.(stream, () => child.kill('SIGINT'));
    server.handleTurn(0 as Instant);
  }, 10);
  return new Promise((resolve) => {
    child.on('close', (status) => {
      clearInterval(interval);
      resolve({ status, ...output });
    });
  });
}

function split(words: string): string[] {
  return words === '' ? [] : words.split(' ');
}

t.test('names in short, as `ip` takes them', (t) => {
  const cases: [string, string][] = [
    ['a', 'addr'],
    ['address', 'addr'],
    ['a s', 'addr show'],
    ['a ls', 'addr show'],
    ['r', 'route'],
    ['r g 10.0.0.1', 'route get 10.0.0.1'],
    ['ro a 10.0.0.0/8', 'route add 10.0.0.0/8'],
    ['ru', 'rule'],
    ['n', 'neigh'],
    ['neighbour flush', 'neigh flush'],
    ['l', 'link'],
    ['link set lo up', 'link set lo up'],
    ['link lo', 'link lo'],
    ['route dev x', 'route dev x'],
    ['route to 10.0.0.0/8', 'route to 10.0.0.0/8'],
    ['addr delete 10.0.0.1', 'addr del 10.0.0.1'],
    ['-s link', 'link -s'],
    ['-j -s l show', '-j link show -s'],
    ['-br a', 'addr -b'],
    ['--name lab0 r s', '--name lab0 route show'],
    ['s', 'status'],
    ['c', 'c'],
    ['toString', 'toString'],
    ['', ''],
  ];
  for (const [words, want] of cases) {
    t.same(expandNames(COMMANDS, split(words)), split(want), words);
  }
  t.end();
});

t.test('help and version', async (t) => {
  const help = await tapstack(['--help']);
  t.equal(help.status, 0);
  for (const word of ['up', 'status', 'route', 'traceroute', 'completion'])
    t.match(help.stdout, `  ${word} `);
  t.equal(help.stderr, '');
  const route = await tapstack(['help', 'route']);
  t.match(route.stdout, /add\b.*make a route/);
  const add = await tapstack(['route', 'add', '--help']);
  t.match(add.stdout, /^Usage: tapstack route add .*\[via ADDRESS\]/);
  t.match(add.stdout, 'tapstack route add blackhole 10.9.0.0/16 table 100');
  const version = await tapstack(['--version']);
  t.match(version.stdout, /^\d+\.\d+\.\d+\n$/);
  const nothing = await tapstack([]);
  t.equal(nothing.status, 2);
  t.match(nothing.stdout, 'Usage: tapstack');
});

t.test('a wrong command line is one sentence and exit code 2', async (t) => {
  const cases: [string, RegExp][] = [
    [
      'rute',
      /^tapstack: there is no command "rute" \(Did you mean one of route, rule\?\); `tapstack help` lists them\n$/,
    ],
    [
      'up --nmae x',
      /^tapstack up: unknown option '--nmae' \(Did you mean --name\?\); see `tapstack up --help`\n$/,
    ],
    ['up --mtu ten', /^tapstack up: --mtu: "ten" is no whole number from 68 to 65535\n$/],
    ['up --mtu', /^tapstack up: option '--mtu <BYTES>' argument missing; see/],
    ['up --tun --tap', /^tapstack up: --tun: a device is tun or tap; leave out one\n$/],
    ['up now', /^tapstack up: "now" is not expected here; see `tapstack up --help`\n$/],
    ['--name a/b status', /^tapstack: --name: "a\/b" is no name for an instance/],
    ['ping', /^tapstack ping: HOST: is missing\n$/],
    ['link set lo', /^tapstack link set: nothing is to be changed; say up, down or mtu BYTES\n$/],
  ];
  const check = async ([line, want]: [string, RegExp]): Promise<void> => {
    const { status, stdout, stderr } = await tapstack(line.split(' '));
    t.equal(status, 2, line);
    t.match(stderr, want);
    t.equal(stdout, '');
  };
  await Promise.all(cases.map(check));
});

t.test('without a daemon it says how to start one', async (t) => {
  const { status, stderr } = await tapstack(['--name', 'lab7', 'status']);
  t.equal(status, 1);
  t.match(stderr, /^tapstack status: no instance named lab7 is running .* `sudo tapstack up --name lab7`\n$/);
});

t.test('what listens there may be no daemon', async (t) => {
  const stranger = createServer((socket) => socket.resume().end('220 mail ready\r\n'));
  await new Promise<void>((resolve) => stranger.listen(join(directory, 'mail.sock'), resolve));
  const { status, stderr } = await tapstack(['--name', 'mail', 'status']);
  t.equal(status, 1);
  t.match(stderr, 'no tapstack daemon');
  await new Promise((resolve) => stranger.close(resolve));
});

t.test('an answer is text or JSON; what cannot be done is a sentence and exit code 1', async (t) => {
  const asText = await tapstack(['counters']);
  t.same(asText, { status: 0, stdout: 'drops\n  NoRoute  2\n', stderr: '' });
  t.equal((await tapstack(['counters', '--json'])).stdout, '{"drops":{"NoRoute":2}}\n');
  t.equal((await tapstack(['-j', 'counters'])).stdout, '{"drops":{"NoRoute":2}}\n');
  t.same(await tapstack(['addr', 'add', '10.0.0.1/8']), { status: 0, stdout: '', stderr: '' });
  t.same(host.calls.at(-1), ['addAddress', undefined, '10.0.0.1/8']);
  host.refusal = new Refusal('EEXIST', '10.0.0.1/8: it is there already');
  t.same(await tapstack(['addr', 'add', '10.0.0.1/8']), {
    status: 1,
    stdout: '',
    stderr: 'tapstack addr add: 10.0.0.1/8: it is there already\n',
  });
  t.equal((await tapstack(['ping', '10.0.0.1'])).status, 2, "ping's own code");
  host.refusal = null;
});

const REPLY = {
  type: 'reply',
  from: '10.0.0.1',
  bytes: 64,
  seq: 1,
  ttl: 64,
  timeMs: 1,
  isDuplicate: false,
  isDamaged: false,
};
const END = {
  destination: '10.0.0.1',
  transmitted: 1,
  received: 1,
  duplicates: 0,
  errors: 0,
  damaged: 0,
  timeMs: 0,
  rttMs: null,
  wanted: 1,
};

t.test('a stream is printed as it comes; Ctrl-C asks for its end and prints that too', async (t) => {
  let isFed = false;
  let isAsked = false;
  const { status, stdout } = await tapstack(['ping', '10.0.0.1'], (stream, kill) => {
    if (isFed && stream.items.length === 0 && !isAsked) {
      isAsked = true;
      kill();
    }
    if (!isFed) stream.items.push(REPLY);
    isFed = true;
    stream.cancelledEnd = END;
  });
  t.equal(status, 0);
  t.match(stdout, /^64 bytes from 10\.0\.0\.1: icmp_seq=1 .*\n\n--- 10\.0\.0\.1 ping statistics ---\n/);
});

t.test('a capture goes to a file or to standard output, what was counted to standard error', async (t) => {
  const bytes = Buffer.from([0, 10, 255, 13]);
  const feed = (stream: FakeStream): void => {
    if (stream.end === null) stream.items.push({ chunk: bytes.toString('base64') });
    stream.end = { frames: 3, left: 1 };
  };
  const file = join(directory, 'trace.pcapng');
  const toFile = await tapstack(['capture', '-w', file], feed);
  t.same([toFile.status, toFile.stdout], [0, '']);
  t.match(toFile.stderr, /^3 frames captured, 1 left out/);
  t.same(readFileSync(file), bytes);
  const toOutput = await tapstack(['capture', '-w', '-'], feed);
  t.same(Buffer.from(toOutput.stdout, 'latin1'), bytes);
  const lost = await tapstack(['capture', '-w', join(directory, 'no', 'such')], (stream) => {
    if (stream.isCancelled) stream.end = { frames: 0, left: 0 };
    else stream.items.push({ chunk: bytes.toString('base64') });
  });
  t.equal(lost.status, 1);
  t.match(lost.stderr, /tapstack capture: .*ENOENT/);
});

t.test('completion prints a script', async (t) => {
  t.match((await tapstack(['completion', 'bash'])).stdout, 'complete -F _tapstack tapstack');
  t.match((await tapstack(['completion', 'fish'])).stderr, '"fish" is not bash or zsh');
});
