/** TCP between the kernel and a daemon: what people try first, and what is left afterwards. */
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import t from 'tap';
import type { SocketReport } from '../../src/control/report.ts';
import { chargenText } from '../../src/inetd/chargen-stream.ts';
import type { Daemon } from './support/daemon.ts';
import { daemon, READ_AHEAD_SLOTS, STACK } from './support/daemon.ts';
import type { Namespace, Output } from './support/namespace.ts';
import { namespace, reasonToSkip, run, until } from './support/namespace.ts';
import { nmap } from './support/tools.ts';

const LOADS = fileURLToPath(new URL('../../../test/bench/load', import.meta.url));
const URL_OF_PAGE = `http://${STACK}/`;

interface Host {
  readonly netns: Namespace;
  readonly host: Daemon;
}

async function started(t: Test, ...flags: string[]): Promise<Host> {
  const netns = namespace(t);
  return { netns, host: await daemon(t, { netns, flags }) };
}

function noise(bytes: number): Uint8Array {
  // Numbers of a linear congruence: nothing that repeats itself within a segment.
  let state = 1;
  return Uint8Array.from({ length: bytes }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    return state >>> 24;
  });
}

const hash = (data: Uint8Array | string): string =>
  createHash('sha256')
    .update(typeof data === 'string' ? Buffer.from(data, 'latin1') : data)
    .digest('hex');

/** `nc -N`: sends `input`, shuts its side, and reads to the end. */
function nc(netns: Namespace, port: number, input: string | Uint8Array): Promise<Output> {
  return netns.run(['nc', '-N', '-w', '20', STACK, String(port)], { input });
}

async function connections(host: Daemon, ...filter: string[]): Promise<SocketReport[]> {
  return host.json<SocketReport[]>('ss', '-t', ...filter);
}

/** Nothing is under way any more: packets are back, and no connection holds memory. */
async function expectQuiet(t: Test, host: Daemon): Promise<void> {
  await until('connections have ended', async () => (await connections(host)).length === 0);
  const { pool } = await host.status();
  t.equal(pool.free, pool.slots - READ_AHEAD_SLOTS, 'every slot is back');
  const { tcpMem } = await host.json<{ tcpMem: { bufferBytes: number } }>('counters', '-a');
  t.equal(tcpMem.bufferBytes, 0, 'and all memory of buffers');
}

for (const flag of ['', '--no-offload']) {
  const title = `streams between the kernel and us${flag === '' ? '' : `, ${flag}`}`;
  t.test(title, { skip: reasonToSkip('nc', 'curl') }, async (t) => {
    const { netns, host } = await started(t, ...(flag === '' ? [] : [flag]));

    t.test('echo returns all bytes and the end (RFC 862)', async (t) => {
      for (const bytes of [0, 1, 1_448, 1_449, 100_000, 3_000_000]) {
        const data = noise(bytes);
        const { stdout, status } = await nc(netns, 7, data);
        t.equal(hash(stdout), hash(data), `${bytes} bytes`);
        t.equal(status, 0);
      }
    });

    t.test('many at a time', async (t) => {
      const data = noise(300_000);
      const all = await Promise.all(Array.from({ length: 12 }, () => nc(netns, 7, data)));
      t.ok(all.every(({ stdout }) => hash(stdout) === hash(data)));
    });

    t.test('discard takes what comes (RFC 863), chargen gives what is wanted (RFC 864)', async (t) => {
      t.equal((await nc(netns, 9, noise(5_000_000))).stdout, '');
      const { stdout } = await netns.run(['sh', '-c', `nc ${STACK} 19 </dev/null | head -c 3000000`]);
      t.equal(hash(stdout), hash(chargenText(3_000_000)));
    });

    t.test('daytime closes first (RFC 867)', async (t) => {
      t.match((await nc(netns, 13, '')).stdout, /^\w+, \w+ \d+, \d{4} \d\d:\d\d:\d\d-UTC\r\n$/);
    });

    t.test('nothing is left', (t) => expectQuiet(t, host));
  });
}

t.test(
  'the kernel and we agree on window scale, SACK and timestamps',
  { skip: reasonToSkip('ss', 'python3') },
  async (t) => {
    const { netns, host } = await started(t);
    const script = `
import socket, subprocess
s = socket.create_connection(('${STACK}', 7))
s.sendall(b'x' * 100000)
left = 100000
while left: left -= len(s.recv(65536))
print(subprocess.run(['ss', '-tinoO', 'dst', '${STACK}'], capture_output=True, text=True).stdout)
input()`;
    const peer = netns.start('python3', '-u', '-c', script);
    await peer.says(/ESTAB.*\n/);
    t.match(peer.stdout, /ts sack .*wscale:\d+,\d+/);
    const [socket] = await connections(host, '-i', '-o', '-m');
    t.match(socket, { state: 'ESTAB', local: STACK, localPort: 7, tcp: { congestion: 'cubic' } });
    t.equal((socket?.tcp?.info['tcpi_options'] ?? 0) & 7, 7);
    t.equal(socket?.tcp?.info['tcpi_bytes_received'], 100_000);
    const text = (await host.cli('ss', '-tino', 'sport', '=', ':7')).stdout;
    t.match(text, /ESTAB +0 +0 +10\.77\.0\.2:7 +10\.77\.0\.1:\d+.*\n\t ts sack cubic wscale:\d+,\d+ rto:/);
    t.strictSame(await connections(host, 'sport', '=', ':80'), []);
    const wrong = await host.cli('ss', 'sport', '=', ':nowhere');
    t.equal(wrong.status, 2);
    t.match(wrong.stderr, 'no port; write one such as :80');
    peer.process.stdin?.end('\n');
  },
);

t.test('the page', { skip: reasonToSkip('curl', 'wget') }, async (t) => {
  const { netns, host } = await started(t);
  const html = await netns.must('curl', '-sSi', URL_OF_PAGE);
  t.match(html, /^HTTP\/1.1 200 OK\r\n/);
  t.match(html, /content-type: text\/html/i);
  t.match(html, 'ESTAB');
  const json = JSON.parse(await netns.must('curl', '-sS', '-H', 'Accept: application/json', URL_OF_PAGE)) as {
    addresses: string[];
  };
  t.strictSame(json.addresses, [`${STACK}/24`]);
  t.match(await netns.must('curl', '-sSI', `${URL_OF_PAGE}hello`), 'Content-Length: 13');
  t.equal(await netns.must('wget', '-qO-', `${URL_OF_PAGE}hello`), 'Hello, World!');
  const two = await netns.must('curl', '-sSv', '--stderr', '-', `${URL_OF_PAGE}hello`, `${URL_OF_PAGE}hello`);
  t.match(two, /Re-using existing connection/i, 'it is kept');
  t.equal((await netns.run(['curl', '-s', `http://${STACK}:81/`])).status, 7, 'refused');
  t.equal((await netns.run(['curl', '-sf', '-d', 'x', URL_OF_PAGE])).status, 22);
  await expectQuiet(t, host);
});

t.test('scans see a host like others', { skip: reasonToSkip('nmap') }, async (t) => {
  const { netns } = await started(t);
  const ports = ['-Pn', '-p', '7,9,13,19,22,80', STACK];
  const open = ['7/tcp', '9/tcp', '13/tcp', '19/tcp', '80/tcp'];
  for (const [scan, atOpen, atClosed] of [
    ['-sS', 'open', 'closed'],
    ['-sT', 'open', 'closed'],
    ['-sA', 'unfiltered', 'unfiltered'],
    ['-sF', 'open|filtered', 'closed'],
    ['-sN', 'open|filtered', 'closed'],
    ['-sX', 'open|filtered', 'closed'],
    ['-sM', 'closed', 'closed'],
  ] as const) {
    const seen = await nmap(netns, scan, ...ports);
    t.strictSame([...new Set(open.map((port) => seen.get(port)))], [atOpen], `${scan} at open ports`);
    t.equal(seen.get('22/tcp'), atClosed, `${scan} at a closed one`);
  }
});

t.test(
  'load: short connections, requests and responses, bulk',
  { skip: reasonToSkip('make', 'gcc', 'wrk') },
  async (t) => {
    const { netns, host } = await started(t);
    const programs = t.testdir();
    const made = await run(['make', '-s', '-C', LOADS, `BIN=${programs}`]);
    t.equal(made.status, 0, made.stderr);
    const load = async (name: string, ...flags: string[]): Promise<Record<string, number>> => {
      const text = await netns.must(`${programs}/${name}`, '-H', STACK, '-t', '1', ...flags);
      return JSON.parse(text) as Record<string, number>;
    };
    for (const flags of [
      ['-P', '1'],
      ['-P', '32'],
      ['-P', '8', '-R'],
    ]) {
      const opened = await load('crr', ...flags);
      t.ok((opened['n'] ?? 0) > 50, `${opened['n']} connections, ${flags.join(' ')}`);
      t.strictSame([opened['errors'], opened['connect_errors'], opened['timeouts']], [0, 0, 0]);
    }
    t.ok(((await load('rr'))['n'] ?? 0) > 100);
    for (const way of ['send', 'recv']) {
      const moved = await load('bulk', '-d', way, '-P', '4');
      t.ok((moved['bytes'] ?? 0) > 10e6, `${way} ${moved['gbps']} Gbit/s`);
      t.equal(moved['dead'], 0);
    }
    const text = await netns.must('wrk', '-c', '32', '-t', '1', '-d', '1s', `${URL_OF_PAGE}hello`);
    t.notMatch(text, /Non-2xx|Socket errors/);
    await expectQuiet(t, host);
  },
);
