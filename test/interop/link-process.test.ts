/** What needs a process of its own: descriptors handed over, privileges dropped, watches, workers. */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Test } from 'tap';
import t from 'tap';
import { loadAddon } from '../../src/link/addon.ts';
import { addAddress, deleteLink, setUp } from '../../src/link/host-config.ts';
import { inNetns } from '../../src/link/netns.ts';
import { openPacketSocket } from '../../src/link/packet-socket.ts';
import { openTunTap } from '../../src/link/tun-tap.ts';
import { watchReadable } from '../../src/link/watch.ts';
import { Pool } from '../../src/packet/pool.ts';
import { udpFrame } from '../device/frames.ts';
import { bytesOf, ip, mac, must, namespace, prefix, readUntil, reasonToSkip } from './link-namespace.ts';

const skip = reasonToSkip();
const NOBODY = 65_534;
const IFF_TAP = 2;
const IFF_NO_PI = 0x1000;
const IFF_VNET_HDR = 0x4000;

/** What every child begins with. `echo` sends the first IPv4 or ARP frame back. */
const PRELUDE = `
  const at = (path) => import(new URL('../../src/' + path, '${import.meta.url}'));
  const { openTunTap, takeTunTap } = await at('link/tun-tap.js');
  const { watchReadable } = await at('link/watch.js');
  const { Pool } = await at('packet/pool.js');
  const { Mac } = await at('addr/mac.js');
  const mac = new Mac(0x0200, 7);
  const must = (value) => { if (value?.text) { console.log(String(value)); process.exit(1); } return value; };
  const say = (value) => process.stdout.write(JSON.stringify(value) + '\\n');
  const echo = (link) => {
    const pool = new Pool(80), out = [];
    // With the device what waits for the parent would go too: the parent says when.
    const wait = setInterval(() => {}, 1000);
    process.once('SIGUSR2', () => {
      clearInterval(wait);
      link.close();
      say({ free: pool.available });
    });
    const watch = must(watchReadable(link.fd, (status) => {
      const count = link.readBatch(pool, out, 64);
      if (count > 0) say({ status, wrote: link.writeBatch(out, count), count });
      else say({ status, count });
      for (let i = 0; i < count; i++) out[i].release();
      watch.close();
    }));
  };
`;

/** Starts a child on `script`; its output comes as lines of JSON. */
function child(
  t: Test,
  script: string,
  more: { uid?: number; gid?: number; fd?: number; command?: string[] } = {},
): { lines: AsyncIterator<unknown>; process: ChildProcess; errors: () => string } {
  const stdio: ('ignore' | 'pipe' | number)[] = ['ignore', 'pipe', 'pipe'];
  if (more.fd !== undefined) stdio.push(more.fd);
  const user = more.uid === undefined ? {} : { uid: more.uid, gid: more.gid ?? more.uid };
  const [command = process.execPath, ...words] = more.command ?? [];
  const started = spawn(command, [...words, '--input-type=module', '-e', PRELUDE + script], {
    stdio,
    ...user,
  });
  t.teardown(() => started.kill('SIGKILL'));
  let errors = '';
  started.stderr?.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  return { lines: linesOf(started), process: started, errors: () => errors };
}

async function* linesOf(started: ChildProcess): AsyncGenerator {
  let rest = '';
  for await (const chunk of started.stdout ?? []) {
    rest += String(chunk);
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) yield line.startsWith('{') ? (JSON.parse(line) as unknown) : line;
  }
}

const next = async ({ lines }: { lines: AsyncIterator<unknown> }): Promise<unknown> =>
  (await lines.next()).value;

t.test('an unprivileged process takes an open descriptor', { skip }, async (t) => {
  const addon = loadAddon();
  if (addon === null) throw new Error('there is an addon here');
  const kinds = [
    { title: 'with a virtio header', flags: IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, uso: true },
    { title: 'without', flags: IFF_TAP | IFF_NO_PI, uso: false },
    { title: 'with packet information', flags: IFF_TAP, uso: false },
    { title: 'a TUN with both', flags: 1 | IFF_VNET_HDR, uso: true },
  ];
  for (const { title, flags, uso } of kinds) {
    const netns = namespace(t);
    const medium = (flags & IFF_TAP) === 0 ? 'ip' : 'ethernet';
    const fd = must(inNetns(netns, () => addon.tunOpen('/dev/net/tun', 'tt0', flags)));
    const taker = child(
      t,
      `const link = must(takeTunTap(3, { mac }));
       say({ name: link.name, mode: link.mode, mtu: link.mtu, tso: link.features.tso4, uid: process.getuid() });
       echo(link);`,
      { uid: NOBODY, fd },
    );
    // The name is read from the descriptor; the MTU is that of a namespace which the child does not see.
    const mode = medium === 'ip' ? 'tun' : 'tap';
    t.same(await next(taker), { name: 'tt0', mode, mtu: 1_500, tso: uso, uid: NOBODY }, title);
    must(inNetns(netns, () => must(setUp('tt0', true))));
    const socket = must(openPacketSocket({ interfaceName: 'tt0', netns }));
    const pool = new Pool(80);
    const frame = udpFrame(pool, medium, 100, 7);
    socket.writeBatch([frame], 1);
    t.same(await next(taker), { status: 0, wrote: 1, count: 1 });
    t.same(readUntil(socket, pool, (frames) => frames.length === 1).map(bytesOf), [bytesOf(frame)]);
    taker.process.kill('SIGUSR2');
    t.same(await next(taker), { free: 80 });
    socket.close();
    addon.close(fd);
  }
});

t.test('privileges are dropped after the device is open', { skip }, async (t) => {
  const netns = namespace(t);
  const dropper = child(
    t,
    `import { readFileSync, readdirSync } from 'node:fs';
     import { execFileSync } from 'node:child_process';
     const { dropPrivileges, resolveUser } = await at('link/privilege.js');
     const { setUp, addAddress, setMtu } = await at('link/host-config.js');
     const link = must(openTunTap({ mode: 'tap', name: 'tt0', mac }));
     must(setUp('tt0', true));
     process.setgroups([4, 24]);
     // So that threads exist which did not call.
     await (await import('node:fs/promises')).readFile('/etc/passwd');
     must(dropPrivileges(must(resolveUser('nobody'))));
     const lines = (path) => readFileSync(path, 'utf8').split('\\n');
     const words = (path) => Object.fromEntries(lines(path).map((line) => line.split(':\\t')));
     const tasks = readdirSync('/proc/self/task').map((task) => words('/proc/self/task/' + task + '/status'));
     const own = words('/proc/thread-self/status');
     say({
       threads: tasks.length > 1,
       capabilities: [...new Set(tasks.flatMap((task) => [task.CapEff, task.CapPrm, task.CapInh, task.CapAmb]))],
       users: [...new Set(tasks.map((task) => task.Uid + ' ' + task.Gid + ' ' + task.Groups))],
       bounding: own.CapBnd, locked: own.NoNewPrivs,
     });
     let isRoot = true;
     try { process.setuid(0); } catch { isRoot = false; }
     say({
       isRoot, mtu: setMtu('tt0', 1400).code, tun: openTunTap({ mode: 'tap', name: 'tt1', mac }).code,
       again: dropPrivileges({ name: 'nobody', uid: process.getuid(), gid: process.getgid() }),
       other: dropPrivileges({ name: 'daemon', uid: 1, gid: 1 }).code,
     });
     echo(link);`,
    { command: ['ip', 'netns', 'exec', netns, process.execPath] },
  );
  const none = '0'.repeat(16);
  const ids = Array.from({ length: 4 }, () => NOBODY).join('\t');
  const facts = (await next(dropper)) as { users: string[] };
  t.match(facts, { threads: true, capabilities: [none], bounding: none, locked: '1' }, dropper.errors());
  t.same(
    facts.users.map((user) => user.trimEnd()),
    [`${ids} ${ids}`],
    'all threads, no groups',
  );
  // Where the device file is root's alone, opening it fails first.
  const tun = /^(?:EPERM|EACCES)$/;
  t.match(await next(dropper), { isRoot: false, mtu: 'EPERM', tun, again: null, other: 'EPERM' });
  const socket = must(openPacketSocket({ interfaceName: 'tt0', netns }));
  t.teardown(() => socket.close());
  const pool = new Pool(80);
  const frame = udpFrame(pool, 'ethernet', 100, 7);
  socket.writeBatch([frame], 1);
  t.same(await next(dropper), { status: 0, wrote: 1, count: 1 }, 'the descriptor still works');
  t.same(readUntil(socket, pool, (frames) => frames.length === 1).map(bytesOf), [bytesOf(frame)]);
});

function script(after: string): string {
  return `
    const link = must(openTunTap({ mode: 'tap', name: 'tt%d', mac }));
    ${after}`;
}

/** In a namespace of its own. */
function here(t: Test): { command: string[] } {
  return { command: ['ip', 'netns', 'exec', namespace(t), process.execPath] };
}

t.test('watching', { skip }, async (t) => {
  await t.test('calls back while frames wait, and not afterwards', async (t) => {
    const netns = namespace(t);
    const link = must(openTunTap({ mode: 'tap', name: 'tt0', mac, netns }));
    must(inNetns(netns, () => must(setUp('tt0', true)) ?? must(addAddress('tt0', prefix('10.77.0.1/24')))));
    const socket = must(openPacketSocket({ interfaceName: 'tt0', netns }));
    const pool = new Pool(200);
    const out: never[] = [];
    let calls = 0;
    let count = 0;
    await new Promise<void>((resolve) => {
      const watch = must(
        watchReadable(link.fd, (status) => {
          t.equal(status, 0);
          calls++;
          count += link.readBatch(pool, out, 2);
          if (count < 5) return;
          watch.close();
          watch.close();
          watch.ref();
          resolve();
        }),
      );
      socket.writeBatch(
        Array.from({ length: 5 }, () => udpFrame(pool, 'ethernet', 60)),
        5,
      );
    });
    t.same([calls, count], [3, 5], 'level-triggered: two, two, one');
    t.match(
      watchReadable(-1, () => undefined),
      { code: 'EBADF' },
    );
    socket.close();
    const again = must(watchReadable(link.fd, () => undefined));
    again.close();
    link.close();
  });

  await t.test('says when the device was deleted', async (t) => {
    const netns = namespace(t);
    const link = must(openTunTap({ mode: 'tap', name: 'tt0', mac, netns }));
    const gone = new Promise<number>((resolve) => {
      const watch = must(
        watchReadable(link.fd, (status) => {
          resolve(status);
          watch.close();
        }),
      );
    });
    must(inNetns(netns, () => must(deleteLink('tt0'))));
    t.equal(await gone, -9, 'EBADF');
    t.equal(link.readBatch(new Pool(80), [], 1), -77);
    link.close();
  });

  await t.test('keeps the process alive unless it is unreferenced', async (t) => {
    const loose = child(
      t,
      script(`must(watchReadable(link.fd, () => {})).unref(); say({ ready: 1 });`),
      here(t),
    );
    t.same(await next(loose), { ready: 1 });
    const [code] = (await once(loose.process, 'exit')) as [number | null];
    t.equal(code, 0, loose.errors());
    const firm = child(
      t,
      script(`const watch = must(watchReadable(link.fd, () => {})); watch.unref(); watch.ref();
        setTimeout(() => { say({ alive: 1 }); watch.close(); }, 50).unref();`),
      here(t),
    );
    t.same(await next(firm), { alive: 1 });
    t.equal(((await once(firm.process, 'exit')) as [number | null])[0], 0, firm.errors());
  });

  await t.test('an exception in the callback is an uncaught one, and promises run', async (t) => {
    const thrower = child(
      t,
      `const { setUp } = await at('link/host-config.js');
       ${script(`
         process.on('uncaughtException', (error) => { say({ error: error.message }); process.exit(0); });
         const watch = must(watchReadable(link.fd, () => {
           watch.close();
           Promise.resolve().then(() => say({ promise: 1 }));
           setImmediate(() => say({ immediate: 1 }));
           throw new Error('thrown on purpose');
         }));
         const { openPacketSocket } = await at('link/packet-socket.js');
         must(setUp('tt0', true));
         const socket = must(openPacketSocket({ interfaceName: 'tt0' }));
         const packet = new Pool(1).take();
         packet.tail += 60;
         socket.writeBatch([packet], 1);`)}`,
      here(t),
    );
    const said = [await next(thrower), await next(thrower)];
    t.match(
      said.find((line) => JSON.stringify(line).includes('error')),
      { error: 'thrown on purpose' },
      thrower.errors(),
    );
    t.equal(((await once(thrower.process, 'exit')) as [number | null])[0], 0);
  });

  await t.test('a worker may be stopped while it watches', async (t) => {
    const owner = child(
      t,
      `import { Worker } from 'node:worker_threads';
       const source = ${JSON.stringify(`${PRELUDE}
         const link = must(openTunTap({ mode: 'tap', name: 'tw%d', mac }));
         const { parentPort } = await import('node:worker_threads');
         must(watchReadable(link.fd, () => {}));
         link.readBatch(new Pool(80), [], 1);
         parentPort.postMessage('ready');`)};
       for (let i = 0; i < 3; i++) {
         const worker = new Worker(new URL('data:text/javascript,' + encodeURIComponent(source)));
         await new Promise((resolve, reject) => { worker.once('message', resolve); worker.once('error', reject); });
         await worker.terminate();
       }
       say({ stopped: 3 });`,
      here(t),
    );
    t.same(await next(owner), { stopped: 3 }, owner.errors());
    const [code, signal] =
      owner.process.exitCode === null ? ((await once(owner.process, 'exit')) as unknown[]) : [0];
    t.same([code, signal ?? null], [0, null], owner.errors());
  });
});

t.test('this process is in no other namespace after all of that', { skip }, (t) => {
  t.notMatch(ip('link'), /\btt0\b/);
  t.end();
});
