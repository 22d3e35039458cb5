/** Daemons on devices of every kind and size: TAP and TUN, with offload and without, made by us or handed over. */
import t from 'tap';
import { loadAddon } from '../../src/link/addon.ts';
import { LinkFailure } from '../../src/link/failure.ts';
import { inNetns } from '../../src/link/netns.ts';
import type { Daemon } from './support/daemon.ts';
import { DEVICE, daemon, READ_AHEAD_SLOTS, refused, STACK, temporaryDirectory } from './support/daemon.ts';
import type { Namespace } from './support/namespace.ts';
import { namespace, reasonToSkip, until } from './support/namespace.ts';
import { fromAddress, sniff } from './support/sniffer.ts';
import { answersPing, ping } from './support/tools.ts';

// Each has a namespace of its own, and waits for processes more than it computes.
t.jobs = 2;
const buffered = true;

const IFF_TUN = 1;
const IFF_TAP = 2;
const IFF_NO_PI = 0x1000;
const IFF_VNET_HDR = 0x4000;

/** Datagrams of these sizes go to the echo service and come back as they were. */
async function echoes(space: Namespace, ...sizes: number[]): Promise<string> {
  const script = `
    const s = require('dgram').createSocket({ type: 'udp4', recvBufferSize: 4e6 });
    const sizes = [${sizes.join(', ')}]; const right = [];
    const fill = (n) => Buffer.from(Uint8Array.from({ length: n }, (_, i) => i * 7 + (i >> 8)));
    const next = () => { if (sizes.length === 0) { console.log(right.join(' ')); process.exit(); }
      s.send(fill(sizes[0]), 7, '${STACK}'); };
    s.on('message', (m) => { const n = sizes.shift(); if (m.equals(fill(n))) right.push(n); next(); });
    setTimeout(() => { console.log(right.join(' '), 'and no', sizes[0]); process.exit(); }, 8000);
    next();`;
  return (await space.must(process.execPath, '-e', script)).trim();
}

/** Whether sizes around the MTU and the largest ones of all come back, one way and the other. */
async function carries(host: Daemon, space: Namespace, mtu: number): Promise<Record<string, unknown>> {
  // In the smallest fragments of all the kernel itself cannot send more: each counts as a whole page against a socket.
  const most = mtu < 576 ? 200 : 65_507;
  const data = [0, 1, mtu - 29, mtu - 28, mtu - 27, 2 * mtu, most].filter((size) => size <= most);
  const pings: number[] = [];
  for (const size of data)
    if ((await ping(space, '-c', '1', '-W', '5', '-s', String(size), STACK)).received === 1) pings.push(size);
  const whole = await ping(
    space,
    '-c',
    '1',
    '-W',
    '5',
    '-M',
    'do',
    '-s',
    String(Math.min(mtu, 65_535) - 28),
    STACK,
  );
  const back = await host.cli(
    'ping',
    '-c',
    '2',
    '-i',
    '0.2',
    '-s',
    String(Math.min(2 * mtu, 65_507)),
    '10.77.0.1',
  );
  return {
    pings: pings.join(' ') === data.join(' ') ? 'all' : pings,
    unfragmented: whole.received,
    echoes: (await echoes(space, ...data)) === data.join(' ') ? 'all' : await echoes(space, ...data),
    back: back.status,
    // Of larger ones no more than three wait in the buffer of ping's socket.
    many: (await ping(space, '-q', '-A', '-c', '300', '-s', String(Math.min(mtu - 28, 4_000)), STACK))
      .received,
  };
}

const ALL = { pings: 'all', unfragmented: 1, echoes: 'all', back: 0, many: 300 };

for (const mode of ['--tap', '--tun']) {
  for (const mtu of mode === '--tap' ? [68, 576, 1_500, 9_000, 65_520] : [576, 1_500, 65_520]) {
    for (const offload of mtu === 576 || mtu === 65_520 ? ['', '--no-offload'] : ['']) {
      const title = [mode, '--mtu', mtu, offload].join(' ').trim();
      t.test(title, { buffered, skip: reasonToSkip('ping', 'tcpdump', 'tshark') }, async (t) => {
        const netns = namespace(t);
        const host = await daemon(t, {
          netns,
          flags: [mode, '--mtu', String(mtu), ...(offload === '' ? [] : [offload])],
        });
        t.match(netns.json('link', 'show', DEVICE), [{ mtu }]);
        const { device } = await host.status();
        t.match(device, { mode: mode.slice(2), mtu, error: null });
        t.equal(device.offload.length === 0, offload !== '');
        const sniffer = await sniff(t, netns, DEVICE);
        t.same(await carries(host, netns, mtu), ALL);
        await sniffer.stop();
        const isWhole = offload !== '' || mtu <= 1_500;
        if (isWhole) t.same(await sniffer.complaints(fromAddress(STACK)), [], 'no frame is at fault');
        t.same(await sniffer.lines(`ip src ${STACK} and ip[2:2] > ${mtu}`), [], 'none is too long');
        const { pool, drops } = await host.status();
        t.ok(pool.slots - pool.free <= READ_AHEAD_SLOTS, `${pool.free} of ${pool.slots} are free`);
        t.same(drops, {}, 'nothing was dropped');
        t.equal(await host.stop(), 0);
        t.same(
          netns.json('link', 'show').map(({ ifname }) => ifname),
          ['lo'],
          'the device is gone',
        );
      });
    }
  }
}

for (const [title, kind] of [
  ['a TAP with offload', IFF_TAP | IFF_NO_PI | IFF_VNET_HDR],
  ['a TAP without', IFF_TAP | IFF_NO_PI],
  ['a TUN with offload', IFF_TUN | IFF_NO_PI | IFF_VNET_HDR],
  ['a TUN without', IFF_TUN | IFF_NO_PI],
] as const) {
  t.test(
    `--fd: ${title}, handed to nobody`,
    { buffered, skip: reasonToSkip('setpriv', 'ping') },
    async (t) => {
      const addon = loadAddon();
      if (addon === null) throw new Error('there is an addon here');
      const netns = namespace(t);
      const fd = inNetns(netns.name, () => addon.tunOpen('/dev/net/tun', DEVICE, kind));
      if (fd instanceof LinkFailure || fd < 0) throw new Error(`opening a device: ${fd}`);
      t.teardown(() => addon.close(fd));
      netns.ip('address', 'add', '10.77.0.1/24', 'dev', DEVICE);
      netns.ip('link', 'set', DEVICE, 'up');
      const host = await daemon(t, {
        netns: null,
        fd,
        wrapper: [
          'setpriv',
          '--reuid=65534',
          '--regid=65534',
          '--clear-groups',
          '--no-new-privs',
          '--bounding-set=-all',
        ],
        flags: ['--fd', '3', '--gateway', '10.77.0.1'],
      });
      t.match(await host.status(), {
        user: /^(nobody|65534)$/,
        device: { name: DEVICE, mode: title.includes('TUN') ? 'tun' : 'tap' },
      });
      t.same(await carries(host, netns, 1_500), ALL);
      t.equal(await host.stop(), 0);
    },
  );
}

t.test('what cannot be is refused, and nothing is left', { buffered, skip: reasonToSkip() }, async (t) => {
  const netns = namespace(t);
  for (const [name, flags, status, text] of [
    ['a namespace that is not there', ['--netns', 'tapstack-nowhere'], 1, /tapstack-nowhere/],
    ['a descriptor that is none', ['--fd', '77'], 1, /77/],
    ['a descriptor that is no device', ['--fd', '0'], 1, /0/],
    ['an MTU that no device has', ['--mtu', '70000'], 2, /--mtu/],
    [
      "the host's own address",
      ['--address', '10.77.0.1/24', '--host-address', '10.77.0.1/24'],
      2,
      /10\.77\.0\.1/,
    ],
    ['IPv6, for now', ['--address', '2001:db8::1/64'], 2, /IPv6/],
  ] as const) {
    const output = await refused(...flags);
    t.equal(output.status, status, name);
    t.match(output.stderr, text);
    t.notMatch(output.stderr, /\n +at /, 'a sentence, not a stack trace');
  }
  netns.ip('tuntap', 'add', DEVICE, 'mode', 'tun');
  const other = await refused('--tap', '--netns', netns.name);
  t.equal(other.status, 1, 'a TUN where a TAP should be');
  t.match(other.stderr, /tap0/);
});

t.test(
  'a daemon that is killed leaves nothing that stops the next one',
  { buffered, skip: reasonToSkip('ping') },
  async (t) => {
    const netns = namespace(t);
    const directory = temporaryDirectory(t);
    for (let round = 0; round < 3; round++) {
      const host = await daemon(t, { netns, directory });
      t.ok(await answersPing(netns, STACK));
      await host.stop('SIGKILL');
      await until('the device is gone', () => netns.json('link', 'show').length === 1);
    }
  },
);

t.test('the device changes under us', { buffered, skip: reasonToSkip('ping', 'nc') }, async (t) => {
  const netns = namespace(t);
  const host = await daemon(t, { netns });
  t.ok(await answersPing(netns, STACK));

  await t.test("down and up again, on the kernel's side", async (t) => {
    netns.ip('link', 'set', DEVICE, 'down');
    await host.cli('ping', '-c', '2', '-i', '0.1', '-W', '1', '10.77.0.1');
    t.ok((await host.drops())['LinkDown'], 'what cannot be sent is counted');
    netns.ip('link', 'set', DEVICE, 'up');
    t.ok(await answersPing(netns, STACK));
    t.equal((await host.cli('ping', '-c', '2', '-i', '0.1', '10.77.0.1')).status, 0);
    t.equal((await host.status()).device.error, null);
  });

  await t.test('down and up again, on ours', async (t) => {
    t.equal((await host.cli('link', 'set', DEVICE, 'down')).status, 0);
    t.equal((await ping(netns, '-c', '2', '-i', '0.1', '-W', '1', STACK)).received, 0);
    t.match(await host.json('link', 'show', DEVICE), [{ operstate: 'DOWN' }]);
    t.equal((await host.cli('link', 'set', DEVICE, 'up')).status, 0);
    t.ok(await answersPing(netns, STACK));
    t.equal((await host.cli('ping', '-c', '1', '10.77.0.1')).status, 0, 'its routes are there again');
  });

  await t.test('smaller and larger', async (t) => {
    for (const mtu of [600, 1_500, 4_000]) {
      netns.ip('link', 'set', DEVICE, 'mtu', String(mtu));
      t.equal((await host.cli('link', 'set', DEVICE, 'mtu', String(mtu))).status, 0);
      t.same(await carries(host, netns, mtu), ALL, `MTU ${mtu}`);
    }
  });

  await t.test('other addresses', async (t) => {
    t.equal((await host.cli('addr', 'add', '10.77.0.3/24', 'dev', DEVICE)).status, 0);
    t.ok(await answersPing(netns, '10.77.0.3'));
    t.equal((await host.cli('addr', 'del', '10.77.0.2/24', 'dev', DEVICE)).status, 0);
    t.ok(await answersPing(netns, '10.77.0.3'));
    t.equal((await ping(netns, '-c', '1', '-W', '1', STACK)).received, 0);
  });

  await t.test('deleted: the daemon says so and ends', async (t) => {
    netns.ip('link', 'delete', DEVICE);
    await until('it ends', () => !host.isRunning);
    t.match(host.log, /deleted/);
    t.not(await host.stop(), 0);
  });
});
