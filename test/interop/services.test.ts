/** UDP between the kernel and a daemon: the small services, errors, segmentation offload. */
import t from 'tap';
import { compile } from './support/compile.ts';
import type { Daemon } from './support/daemon.ts';
import { DEVICE, daemon, READ_AHEAD_SLOTS, STACK } from './support/daemon.ts';
import type { Namespace } from './support/namespace.ts';
import { namespace, reasonToSkip } from './support/namespace.ts';
import { fromMac, sniff } from './support/sniffer.ts';

// Each has a namespace of its own, and mostly waits for time to pass.
t.jobs = 3;
const buffered = true;

/** A datagram for each line of `input` to `port`; what comes back within a second. */
async function nc(netns: Namespace, port: number, input: string | Uint8Array): Promise<string> {
  return (await netns.run(['nc', '-u', '-w', '1', STACK, String(port)], { input })).stdout;
}

/** The same by socat: as one datagram, however long, and the answer of the same length. */
async function socat(netns: Namespace, input: Uint8Array, options = ''): Promise<Uint8Array> {
  const to = `UDP4:${STACK}:7${options}`;
  const { stdout } = await netns.run(['socat', '-b', '65536', '-T', '2', '-t', '0.5', 'STDIO', to], {
    input,
  });
  return Buffer.from(stdout, 'latin1');
}

function pattern(bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, at) => (at * 7 + (at >> 8)) & 0xff);
}

for (const flag of ['', '--no-offload']) {
  const title = `the small services${flag === '' ? '' : `, ${flag}`}`;
  t.test(title, { buffered, skip: reasonToSkip('nc', 'socat', 'tcpdump', 'tshark') }, async (t) => {
    const netns = namespace(t);
    const host = await daemon(t, { netns, flags: flag === '' ? [] : [flag] });
    const mac = (await host.status()).device.mac as string;
    const sniffer = await sniff(t, netns, DEVICE);

    t.test('echo says what it is told (RFC 862)', async (t) => {
      t.equal(await nc(netns, 7, 'hello\n'), 'hello\n');
      for (const bytes of [1, 1_472, 1_473, 9_000, 65_507]) {
        const text = pattern(bytes);
        t.ok(Buffer.compare(await socat(netns, text), text) === 0, `${bytes} bytes`);
      }
    });

    t.test('an empty datagram is echoed as one', async (t) => {
      const script = `
        const s = require('dgram').createSocket('udp4');
        s.on('message', (m) => { console.log(m.length); s.close(); });
        s.send('', 7, '${STACK}');`;
      t.equal(await netns.must(process.execPath, '-e', script), '0\n');
    });

    t.test('a datagram without a checksum is taken (RFC 1122 §4.1.3.4)', async (t) => {
      // SO_NO_CHECK is option 11 at SOL_SOCKET.
      const text = new TextEncoder().encode('unchecked');
      t.same(await socat(netns, text, ',setsockopt-int=1:11:1'), Buffer.from(text));
    });

    t.test('discard says nothing (RFC 863)', async (t) => {
      t.equal(await nc(netns, 9, 'hello\n'), '');
    });

    t.test('daytime says what day it is (RFC 867)', async (t) => {
      const text = await nc(netns, 13, 'x');
      t.match(text, new RegExp(`${new Date().getUTCFullYear()}`));
    });

    t.test('broadcast and multicast are not echoed (RFC 1122 §4.1.3.6)', async (t) => {
      for (const address of ['10.77.0.255', '255.255.255.255', '224.0.0.1']) {
        const to = `UDP4-DATAGRAM:${address}:7,broadcast,so-bindtodevice=${DEVICE}`;
        const { stdout } = await netns.run(['socat', '-T', '0.3', '-t', '0.3', 'STDIO', to], {
          input: 'anybody?',
        });
        t.equal(stdout, '', address);
      }
    });

    t.test('a closed port refuses a kernel socket (RFC 1122 §4.1.3.1)', async (t) => {
      const script = `
        const s = require('dgram').createSocket('udp4');
        s.on('error', (e) => { console.log(e.code); process.exit(); });
        s.connect(54321, '${STACK}', () => { s.send('x'); setTimeout(process.exit, 5000); });`;
      t.equal(await netns.must(process.execPath, '-e', script), 'ECONNREFUSED\n');
      t.ok((await host.drops())['UdpNoPort']);
    });

    t.test('no frame that we sent is at fault', async (t) => {
      await sniffer.stop();
      t.same(await sniffer.complaints(fromMac(mac)), []);
    });

    t.test('no slot stays in use', async (t) => {
      const { pool } = await host.status();
      t.ok(pool.slots - pool.free <= READ_AHEAD_SLOTS);
    });
  });
}

async function receivedFrames(host: Daemon): Promise<number> {
  const [link] = await host.json<{ stats64: { rx: { packets: number } } }[]>('link', 'show', DEVICE, '-s');
  return link?.stats64.rx.packets ?? 0;
}

t.test('UDP segmentation offload', { buffered, skip: reasonToSkip('cc') }, async (t) => {
  const program = await compile(t, 'udp-segment');
  for (const flag of ['', '--no-offload']) {
    await t.test(flag === '' ? 'with offload' : flag, async (t) => {
      const netns = namespace(t);
      const host = await daemon(t, { netns, flags: flag === '' ? [] : [flag] });
      const before = await receivedFrames(host);
      let rounds = 0;
      for (const [bytes, pieces, how] of [
        [1_000, 20, 'gro'],
        [1_000, 20, 'single'],
        [1_472, 44, 'gro'],
        [1, 60, 'single'],
        [700, 3, 'gro'],
      ] as const) {
        const words = [STACK, '7', String(bytes), String(pieces), '20', how];
        const { stdout } = await netns.run([program, ...words]);
        rounds += 20;
        t.match(stdout, new RegExp(`^${pieces * 20} back, 0 wrong`), `${pieces} of ${bytes}, ${how}`);
      }
      const frames = (await receivedFrames(host)) - before;
      if (flag === '') t.ok(frames <= rounds + 10, `super-datagrams came whole: ${frames} for ${rounds}`);
      else t.ok(frames > rounds * 10, `${frames} single datagrams`);
      const { pool } = await host.status();
      t.ok(pool.slots - pool.free <= READ_AHEAD_SLOTS);
    });
  }
});
