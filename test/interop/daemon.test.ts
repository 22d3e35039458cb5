/**
 * The life of a daemon on a real device: how it comes up, what it keeps of root's powers, what is left of it when it
 * ends in whatever way.
 */
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import t from 'tap';
import type { StatusReport } from '../../src/control/report.ts';
import type { Namespace, Output } from './support/namespace.ts';
import { namespace, reasonToSkip, run, Started, until } from './support/namespace.ts';
import { answersPing } from './support/tools.ts';

const PROGRAM =
  process.env['TAPSTACK_BIN'] ?? fileURLToPath(new URL('../../../bin/tapstack', import.meta.url));
const NAME = 'dut0';
const STACK = '10.77.0.2';
const NOBODY = 65_534;

/** One place for sockets and logs, and what is started there. */
class Bench {
  readonly netns: Namespace;
  readonly directory: string;
  readonly #t: Test;
  readonly #top: string;

  constructor(t: Test) {
    this.#t = t;
    this.netns = namespace(t);
    this.#top = mkdtempSync(join(tmpdir(), 'tapstack-daemon-'));
    // Whoever the daemon becomes must be able to pass through.
    chmodSync(this.#top, 0o755);
    this.directory = join(this.#top, 'run');
    t.teardown(() => rmSync(this.#top, { recursive: true, force: true }));
  }

  get env(): Record<string, string> {
    return { TAPSTACK_RUNTIME_DIR: this.directory };
  }

  file(name: string): string {
    return join(this.#top, name);
  }

  /** `tapstack up` in the namespace, once it is ready. */
  async up(...flags: string[]): Promise<Started> {
    const started = this.start(...flags);
    await started.says(/is up\. Try:/);
    return started;
  }

  start(...flags: string[]): Started {
    const words = [PROGRAM, 'up', '--name', NAME, '--netns', this.netns.name, ...flags];
    const child = spawn(process.execPath, words, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...this.env },
    });
    const started = new Started('tapstack up', child);
    this.#t.teardown(() => started.stop());
    return started;
  }

  /** A command, or an `up` that is to fail. */
  cli(...words: string[]): Promise<Output> {
    return run([process.execPath, PROGRAM, ...words], { env: this.env });
  }

  async status(): Promise<StatusReport> {
    return JSON.parse((await this.cli('--name', NAME, 'status', '--json')).stdout) as StatusReport;
  }

  hasDevice(name: string = NAME): boolean {
    return this.netns.json('link').some(({ ifname }) => ifname === name);
  }

  get sockets(): string[] {
    return existsSync(this.directory)
      ? readdirSync(this.directory).filter((name) => name.endsWith('.sock'))
      : [];
  }
}

const SKIP = { skip: reasonToSkip('ping') };

t.test(
  'up with no flags but a namespace: both sides have their addresses, and three things to try',
  SKIP,
  async (t) => {
    const bench = new Bench(t);
    const daemon = await bench.up();
    t.match(daemon.stdout, `ip netns exec ${bench.netns.name} ping ${STACK}\n`);
    t.match(daemon.stdout, `curl http://${STACK}/\n`);
    t.match(daemon.stdout, /tapstack --name dut0 status\n$/);
    const [link] = bench.netns.json('addr', 'show', 'dev', NAME);
    t.match(link, { mtu: 1_500, flags: ['BROADCAST', 'MULTICAST', 'UP', 'LOWER_UP'], txqlen: 1_000 });
    t.match(link, { addr_info: [{ local: '10.77.0.1', prefixlen: 24, broadcast: '10.77.0.255' }] });
    t.ok(await answersPing(bench.netns, STACK));
    const [neighbor] = bench.netns.json('neigh', 'show', STACK);
    const { device, addresses, gateway } = await bench.status();
    t.equal(neighbor?.['lladdr'], device.mac);
    t.same([device.mode, addresses, gateway], ['tap', ['10.77.0.2/24'], '10.77.0.1']);
    t.equal(await daemon.stop('SIGINT'), 0);
    t.notOk(bench.hasDevice(), 'the device is gone');
    t.same(bench.sockets, [], 'the control socket is gone');
    const again = await bench.up();
    t.equal((await bench.status()).device.mac, device.mac, 'the MAC is the same the next time');
    t.equal(await again.stop('SIGTERM'), 0);
  },
);

t.test('root is given up once the device is open', SKIP, async (t) => {
  const bench = new Bench(t);
  const daemon = await bench.up();
  const { pid, user } = await bench.status();
  t.equal(user, 'nobody');
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  t.match(status, /^Uid:\t65534\t65534\t65534\t65534$/m);
  t.match(status, /^Gid:\t65534\t65534\t65534\t65534$/m);
  for (const set of ['CapPrm', 'CapEff', 'CapInh', 'CapAmb', 'CapBnd'])
    t.match(status, new RegExp(`^${set}:\\t0+$`, 'm'), set);
  t.match(status, /^NoNewPrivs:\t1$/m);
  const socket = statSync(join(bench.directory, `${NAME}.sock`));
  t.equal(socket.mode & 0o777, 0o600, 'the socket is for its owner only');
  t.equal(socket.uid, NOBODY);
  t.equal(statSync(bench.directory).mode & 0o7777, 0o1775, 'and its directory is sticky');
  t.ok(await answersPing(bench.netns, STACK), 'and it works');
  t.equal(await daemon.stop(), 0);
  const kept = await bench.up('--user', 'root');
  t.equal((await bench.status()).user, 'root', 'unless one insists');
  t.equal(await kept.stop(), 0);
  const unknown = await bench.cli('up', '--name', NAME, '--netns', bench.netns.name, '--user', 'nosuch');
  t.equal(unknown.status, 1);
  t.match(unknown.stderr, /^tapstack up: nosuch: there is no such user/);
  t.notOk(bench.hasDevice());
});

t.test('a second daemon of the same name is refused in one sentence', SKIP, async (t) => {
  const bench = new Bench(t);
  const daemon = await bench.up();
  const second = await bench.cli('up', '--name', NAME, '--netns', bench.netns.name, '--dev', 'other0');
  t.equal(second.status, 1);
  t.match(
    second.stderr,
    /^tapstack up: an instance named dut0 is running already; end it with `tapstack down --name dut0`/,
  );
  t.notOk(bench.hasDevice('other0'));
  const busy = await bench.cli('up', '--name', 'dut1', '--netns', bench.netns.name, '--dev', NAME);
  t.equal(busy.status, 1);
  t.match(busy.stderr, /^tapstack up: dut0: another process has this device open/);
  t.same(bench.sockets, [`${NAME}.sock`], 'what failed leaves nothing');
  t.ok(await answersPing(bench.netns, STACK), 'the first goes on');
  t.equal(await daemon.stop(), 0);
});

t.test('a daemon that was killed leaves nothing that stops the next one', SKIP, async (t) => {
  const bench = new Bench(t);
  const daemon = await bench.up();
  await daemon.stop('SIGKILL');
  t.same(bench.sockets, [`${NAME}.sock`], 'its socket is left');
  t.notOk(bench.hasDevice(), 'its device is not');
  const dead = await bench.cli('--name', NAME, 'status');
  t.equal(dead.status, 1);
  t.match(dead.stderr, /no instance named dut0 is running/);
  const next = await bench.up();
  t.ok(await answersPing(bench.netns, STACK));
  t.equal(await next.stop(), 0);
  t.same(bench.sockets, []);
});

t.test('down ends it and waits until it is gone; a hang-up does not', SKIP, async (t) => {
  const bench = new Bench(t);
  const daemon = await bench.up();
  daemon.process.kill('SIGHUP');
  t.ok(await answersPing(bench.netns, STACK), 'SIGHUP is ignored');
  const down = await bench.cli('--name', NAME, 'down');
  t.same([down.status, down.stdout, down.stderr], [0, '', '']);
  t.notOk(bench.hasDevice(), 'the device is gone when the command returns');
  await until('the daemon has ended', () => !daemon.isRunning);
  t.equal(daemon.process.exitCode, 0);
  t.same(bench.sockets, []);
});

t.test('detached it answers once it is ready, and goes on alone', SKIP, async (t) => {
  const bench = new Bench(t);
  const up = (...flags: string[]): Promise<Output> =>
    bench.cli('up', '--name', NAME, '--netns', bench.netns.name, '--detach', ...flags);
  const { status, stdout } = await up();
  t.equal(status, 0);
  const pid = Number(/^pid (\d+)$/m.exec(stdout)?.[1]);
  t.equal((await bench.status()).pid, pid);
  t.ok(await answersPing(bench.netns, STACK));
  t.match(
    readFileSync(`/proc/${pid}/stat`, 'utf8'),
    new RegExp(`^${pid} .* ${pid} ${pid} 0 `),
    'in a session of its own',
  );
  const second = await up();
  t.equal(second.status, 1, 'what is wrong is said to who started it');
  t.match(second.stderr, /^tapstack up: an instance named dut0 is running already/);
  t.equal((await bench.cli('--name', NAME, 'down')).status, 0);
  await until('the process is gone', () => !existsSync(`/proc/${pid}`));
  t.notOk(bench.hasDevice());
  t.same(bench.sockets, []);
  const failed = await up('--mac', '02:00:00:00:00:01', '--dev', 'lo');
  t.equal(failed.status, 1);
  t.match(failed.stderr, /^tapstack up: lo: /);
});

t.test('a device that is deleted under it ends it, with the reason', SKIP, async (t) => {
  const bench = new Bench(t);
  const daemon = await bench.up();
  bench.netns.ip('link', 'delete', NAME);
  await until('the daemon has ended', () => !daemon.isRunning);
  t.equal(daemon.process.exitCode, 1);
  t.match(daemon.stderr, /tapstack up: dut0: the device was deleted/);
  t.same(bench.sockets, []);
});

t.test('what cannot be made is one sentence', SKIP, async (t) => {
  const bench = new Bench(t);
  const cases: [string[], number, RegExp][] = [
    [
      ['--netns', 'no-such-namespace'],
      1,
      /^tapstack up: no-such-namespace: there is no such network namespace/,
    ],
    [
      ['--netns', bench.netns.name, '--capture', '/no/such/file'],
      1,
      /^tapstack up: \/no\/such\/file: the capture cannot/,
    ],
    [['--fd', '77'], 1, /^tapstack up: descriptor 77: no such descriptor is open/],
    [['--fd', '1'], 1, /^tapstack up: descriptor 1: the descriptor is no TUN or TAP device/],
    [['--netns', bench.netns.name, '--mtu', '65535'], 1, /^tapstack up: dut0: MTU 65535: /],
    [['--mtu', '10'], 2, /^tapstack up: --mtu: "10" is no whole number from 68 to 65535/],
  ];
  for (const [flags, code, want] of cases) {
    const { status, stderr } = await bench.cli('up', '--name', NAME, ...flags);
    t.equal(status, code, flags.join(' '));
    t.match(stderr, want);
  }
  t.same(bench.sockets, []);
  t.notOk(bench.hasDevice());
});

t.test(
  'captures: a file from the start, one taken live, and lines',
  { skip: reasonToSkip('ping', 'tshark') },
  async (t) => {
    const bench = new Bench(t);
    const file = bench.file('whole.pcapng');
    const live = bench.file('live.pcapng');
    const daemon = await bench.up('--capture', file);
    const capture = bench.cli('--name', NAME, 'capture', '-w', live, '-c', '4');
    const lines = bench.cli('--name', NAME, 'capture', '-c', '2');
    await until('the frames grow', async () => {
      await answersPing(bench.netns, STACK);
      return existsSync(live) && statSync(live).size > 0;
    });
    t.match(await capture, { status: 0, stdout: '', stderr: '4 frames captured\n' });
    const text = await lines;
    t.match(text.stdout, /^\d\d:\d\d:\d\d\.\d{6} [<>] .*\n\d\d:\d\d:\d\d\.\d{6} [<>] .*\n$/);
    t.match((await bench.status()).captures, [{ target: file, left: 0 }]);
    t.equal(await daemon.stop(), 0);
    t.equal(statSync(file).mode & 0o777, 0o600, 'what passed by is nobody else’s');
    for (const path of [file, live]) {
      const { status, stdout, stderr } = await run([
        'tshark',
        '-r',
        path,
        '-T',
        'fields',
        '-e',
        'frame.interface_name',
        '-e',
        '_ws.col.Protocol',
      ]);
      t.equal(status, 0, stderr);
      const frames = stdout.trim().split('\n');
      t.ok(
        frames.every((frame) => frame.startsWith(`${NAME}\t`)),
        'with the name of the device',
      );
      t.ok(
        frames.some((frame) => frame.endsWith('ICMP')),
        'with what was sent',
      );
      if (path === file) t.match(frames[0], /ARP$/, 'from the announcement on');
    }
    const expert = await run(['tshark', '-r', file, '-Y', '_ws.malformed || ip.checksum.status == 0']);
    t.equal(expert.stdout, '');
  },
);

t.test('logs: JSON where nobody reads along, as quiet as asked', SKIP, async (t) => {
  const bench = new Bench(t);
  const loud = await bench.up();
  await loud.stop();
  const messages = loud.stderr
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  t.match(messages[0], { level: 30, msg: 'dut0 is up', device: NAME, mode: 'tap', user: 'nobody' });
  t.match(messages.at(-1), { msg: 'ending', reason: 'SIGTERM' });
  const quiet = await bench.up('--log-level', 'silent');
  await quiet.stop();
  t.equal(quiet.stderr, '');
});

t.test('TUN: point to point, without link addresses', SKIP, async (t) => {
  const bench = new Bench(t);
  const daemon = await bench.up(
    '--tun',
    '--address',
    '192.0.2.2/32',
    '--host-address',
    '192.0.2.1/32',
    '--mtu',
    '9000',
  );
  t.ok(await answersPing(bench.netns, '192.0.2.2'));
  const { device, gateway } = await bench.status();
  t.match(device, { mode: 'tun', mac: null, mtu: 9_000 });
  t.equal(gateway, '192.0.2.1');
  const ping = await bench.cli('--name', NAME, 'ping', '-c', '1', '-s', '8000', '192.0.2.1');
  t.equal(ping.status, 0, ping.stdout + ping.stderr);
  t.same((await bench.cli('--name', NAME, 'neigh')).stdout, '');
  t.equal(await daemon.stop(), 0);
});
