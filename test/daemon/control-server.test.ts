/** The control socket: whose it is, what is left of it, and clients that misbehave. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import t from 'tap';
import type { Instant } from '../../src/base/time.ts';
import { COMMANDS } from '../../src/control/commands/list.ts';
import { PROTOCOL } from '../../src/control/protocol.ts';
import { ControlServer, prepareSocket } from '../../src/daemon/control-server.ts';
import { FakeHost } from '../control/fake-host.ts';

const directory = mkdtempSync(join(tmpdir(), 'tapstack-control-'));
t.teardown(() => rmSync(directory, { recursive: true }));

interface Running {
  readonly server: ControlServer;
  readonly host: FakeHost;
  readonly path: string;
}

async function running(name: string): Promise<Running> {
  const path = join(directory, `${name}.sock`);
  const host = new FakeHost();
  const hello = { tapstack: PROTOCOL, version: '1', name, pid: 1 };
  const server = new ControlServer(
    { path, commands: COMMANDS, hello, clock: () => 0 as Instant, wake: () => undefined },
    host,
  );
  await server.listen();
  return { server, host, path };
}

/** A client, once it was greeted. */
function client(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.setEncoding('utf8');
    socket.once('error', reject);
    socket.once('data', () => resolve(socket));
  });
}

function next(socket: Socket, event: 'data' | 'close'): Promise<unknown> {
  return new Promise((resolve) => socket.once(event, resolve));
}

t.test('only its owner may use the socket, and it is gone with the server', async (t) => {
  const { server, path } = await running('own');
  t.equal(statSync(path).mode & 0o777, 0o600);
  t.notSame(process.umask(), 0o177, 'the umask of the process is what it was');
  await server.close();
  t.notOk(existsSync(path));
});

t.test('the socket of a daemon that was killed is replaced, that of a running one is not', async (t) => {
  const path = join(directory, 'stale.sock');
  const end = "process.kill(process.pid, 'SIGKILL')";
  const script = `require('node:net').createServer().listen(process.argv[1], () => ${end})`;
  spawnSync(process.execPath, ['-e', script, path]);
  t.ok(existsSync(path), 'it was left behind');
  t.equal(await prepareSocket(path, 'stale', null), null);
  t.notOk(existsSync(path));
  const { server } = await running('stale');
  t.match(
    await prepareSocket(path, 'stale', null),
    /^an instance named stale is running already; end it with `tapstack down --name stale`, or choose another --name$/,
  );
  t.ok(existsSync(path));
  await server.close();
  t.equal(await prepareSocket(join(directory, 'new', 'x.sock'), 'x', null), null);
  t.ok(existsSync(join(directory, 'new')), 'the directory is made');
});

t.test('a client that hangs up in the middle of a stream closes the stream', async (t) => {
  const { server, host, path } = await running('gone');
  const socket = await client(path);
  socket.write('{"id":1,"command":"capture"}\n');
  while (host.streams.length === 0) await new Promise((resolve) => setImmediate(resolve));
  socket.destroy();
  while (server.clientCount > 0) await new Promise((resolve) => setImmediate(resolve));
  t.equal(host.streams[0]?.closeCount, 1);
  await server.close();
});

t.test('a client that does not read holds up nobody but itself', async (t) => {
  const { server, host, path } = await running('slow');
  const socket = await client(path);
  socket.pause();
  socket.write('{"id":1,"command":"capture"}\n');
  while (host.streams.length === 0) await new Promise((resolve) => setImmediate(resolve));
  const stream = host.streams[0];
  const chunk = 'x'.repeat(65_536);
  let taken = 0;
  for (let turn = 0; turn < 2_000; turn++) {
    if (stream?.items.length === 0) {
      stream.items.push({ chunk });
      taken++;
    }
    server.handleTurn(0 as Instant);
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.ok(taken < 100, `${taken} pieces were taken, not thousands`);
  const other = await client(path);
  other.write('{"id":1,"command":"rule show"}\n');
  t.match(await next(other, 'data'), '"result":[]');
  socket.destroy();
  other.destroy();
  await server.close();
});

t.test('there is a limit of clients', async (t) => {
  const { server, path } = await running('many');
  const clients: Socket[] = [];
  for (let i = 0; i < 32; i++) clients.push(await client(path));
  const socket = connect(path);
  socket.setEncoding('utf8');
  t.match(await next(socket, 'data'), 'EMFILE');
  for (const one of [...clients, socket]) one.destroy();
  await server.close();
});

t.test('whoever speaks another language is hung up on', async (t) => {
  const { server, path } = await running('http');
  const socket = await client(path);
  const answer = next(socket, 'data');
  const closed = next(socket, 'close');
  socket.write('GET / HTTP/1.1\r\n\r\n');
  t.match(await answer, 'EPROTO');
  await closed;
  await server.close();
});
