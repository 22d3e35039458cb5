/** Routers between the kernel and us: the kernel's in front of a daemon, and one of our own between two kernels. */
import type { Test } from 'tap';
import t from 'tap';
import { daemon, READ_AHEAD_SLOTS, STACK } from './support/daemon.ts';
import type { Namespace } from './support/namespace.ts';
import { namespace, reasonToSkip, until, veth } from './support/namespace.ts';
import { sniff } from './support/sniffer.ts';
import type { Program } from './support/start-program.ts';
import { program } from './support/start-program.ts';
import { ping, traceroute } from './support/tools.ts';

/** A datagram of `bytes` to the echo service of `host`, again and again until it comes back; answers how often. */
async function triesUntilEcho(space: Namespace, host: string, bytes: number): Promise<number> {
  const script = `
    const s = require('dgram').createSocket('udp4'); let n = 0;
    const data = Buffer.alloc(${bytes}, 'x');
    s.on('message', (m) => { console.log(m.equals(data) ? n : -1); process.exit(); });
    const send = () => { if (++n > 20) process.exit(1); s.send(data, 7, '${host}'); setTimeout(send, 300); };
    send();`;
  return Number(await space.must(process.execPath, '-e', script));
}

/** client 10.88.0.2 — 10.88.0.1 router 10.77.0.1 — 10.77.0.2 daemon, its gateway being the router. */
async function behindRouter(t: Test): Promise<{ client: Namespace; router: Namespace }> {
  const router = namespace(t, 'r');
  const client = namespace(t, 'c');
  veth(router, 'c0', client, 'r0');
  router.ip('address', 'add', '10.88.0.1/24', 'dev', 'c0');
  client.ip('address', 'add', '10.88.0.2/24', 'dev', 'r0');
  client.ip('route', 'add', 'default', 'via', '10.88.0.1');
  router.exec('sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv4.icmp_ratelimit=0');
  return { client, router };
}

t.test(
  'a kernel router between',
  { skip: reasonToSkip('traceroute', 'mtr', 'ethtool', 'tracepath') },
  async (t) => {
    const { client, router } = await behindRouter(t);
    const host = await daemon(t, { netns: router });
    const sniffer = await sniff(t, client, 'r0');

    t.test('traceroute, by UDP and by ICMP, finds both hops', async (t) => {
      for (const how of [[], ['-I'], ['-U', '-p', '40000'], ['-P', '253']]) {
        // One probe at a time: we send an error to one host once in a second, after a burst of six.
        const hops = await traceroute(client, ...how, '-q', '1', '-N', '1', '-w', '2', '-m', '4', STACK);
        t.same(
          hops.map(({ address }) => address),
          ['10.88.0.1', STACK],
          `traceroute ${how.join(' ')}`,
        );
      }
    });

    t.test('mtr finds them too', async (t) => {
      const text = await client.must('mtr', '-n', '-r', '-c', '3', '-i', '0.3', STACK);
      t.match(text, /1\.\|-- 10\.88\.0\.1 +0\.0%/);
      t.match(text, /2\.\|-- 10\.77\.0\.2 +0\.0%/);
      t.notMatch(text, /3\.\|--/);
    });

    t.test('the daemon traces and pings the other way', async (t) => {
      const ttls = await host.cli('traceroute', '10.88.0.2');
      t.match(ttls.stdout, /1 +.*10\.77\.0\.1.*\n *2 +.*10\.88\.0\.2/);
      t.equal((await host.cli('ping', '-c', '2', '-i', '0.2', '10.88.0.2')).status, 0);
      t.not(
        (await host.cli('ping', '-c', '1', '-W', '2', '10.99.0.1')).status,
        0,
        'where the router knows no way',
      );
    });

    t.test('what we send is whole on the other wire, where no device completes a checksum', async (t) => {
      for (const bytes of [1, 1_000, 4_000]) await triesUntilEcho(client, STACK, bytes);
      await sniffer.stop();
      t.same(await sniffer.complaints({ pcap: `src ${STACK}`, wireshark: `ip.src == ${STACK}` }), []);
      const ttls = await sniffer.fields(`ip.src == ${STACK} && udp.srcport == 7`, 'ip.ttl');
      t.same(new Set(ttls.flat()), new Set(['63']));
    });

    t.test('we believe the router that says that our datagrams are too long (RFC 1191)', async (t) => {
      for (const [space, name] of [
        [router, 'c0'],
        [client, 'r0'],
      ] as const)
        space.ip('link', 'set', name, 'mtu', '600');
      const tries = await triesUntilEcho(client, STACK, 1_400);
      t.ok(tries >= 1 && tries <= 3, `answered at try ${tries}`);
      t.equal(await triesUntilEcho(client, STACK, 1_400), 1, 'and then at once');
      t.match((await host.cli('route', 'get', '10.88.0.2')).stdout, /\bmtu 600\b/);
      t.equal((await ping(client, '-c', '3', '-i', '0.1', '-s', '3000', STACK)).received, 3, 'in fragments');
    });

    t.test('no slot stays in use', async (t) => {
      const { pool } = await host.status();
      t.ok(pool.slots - pool.free <= READ_AHEAD_SLOTS);
    });
  },
);

/** a 10.1.0.1 — 10.1.0.254 our router 10.2.0.254 — 10.2.0.1 b; the way to b is the narrow one. */
async function ourRouter(t: Test, mtuB: number): Promise<{ a: Namespace; b: Namespace; router: Program }> {
  const [a, b] = [namespace(t, 'a'), namespace(t, 'b')];
  const router = await program(t, {
    ipForward: true,
    ports: [
      {
        name: 'ta',
        netns: a.name,
        mac: '02:00:5e:00:01:fe',
        address: '10.1.0.254/24',
        hostAddress: '10.1.0.1/24',
        mtu: 1_500,
      },
      {
        name: 'tb',
        netns: b.name,
        mac: '02:00:5e:00:02:fe',
        address: '10.2.0.254/24',
        hostAddress: '10.2.0.1/24',
        mtu: mtuB,
      },
    ],
  });
  a.ip('route', 'add', 'default', 'via', '10.1.0.254');
  b.ip('route', 'add', 'default', 'via', '10.2.0.254');
  return { a, b, router };
}

t.test(
  'our router between two kernels',
  { skip: reasonToSkip('traceroute', 'tracepath', 'nc') },
  async (t) => {
    const { a, b, router } = await ourRouter(t, 600);
    const sniffer = await sniff(t, b, 'tb');

    t.test('traceroute shows us as the first hop, by either protocol', async (t) => {
      for (const how of [[], ['-I'], ['-T', '-p', '80']]) {
        const hops = await traceroute(a, ...how, '-q', '1', '-N', '1', '-w', '2', '-m', '4', '10.2.0.1');
        t.same(
          hops.map(({ address }) => address),
          ['10.1.0.254', '10.2.0.1'],
          `traceroute ${how.join(' ')}`,
        );
      }
    });

    t.test('the kernel finds the path MTU that we tell (RFC 1191 §4)', async (t) => {
      const { received, text } = await ping(a, '-c', '2', '-i', '0.3', '-M', 'do', '-s', '1000', '10.2.0.1');
      t.equal(received, 0);
      t.match(text, /From 10\.1\.0\.254 icmp_seq=1 Frag needed and DF set \(mtu = 600\)/);
      t.match(a.ip('route', 'get', '10.2.0.1'), /mtu 600/);

      t.match(await a.must('tracepath', '-n', '-m', '4', '10.2.0.1'), /pmtu 600/);
      t.equal((await ping(a, '-c', '1', '-M', 'do', '-s', '572', '10.2.0.1')).received, 1);
    });

    t.test('what may be fragmented is', async (t) => {
      const { received } = await ping(a, '-c', '3', '-i', '0.1', '-M', 'dont', '-s', '1400', '10.2.0.1');
      t.equal(received, 3);
      t.equal((await ping(a, '-c', '3', '-i', '0.1', '-M', 'dont', '-s', '20000', '10.2.0.1')).received, 3);
    });

    t.test('networks and hosts that are not there', async (t) => {
      const nowhere = await ping(a, '-c', '1', '-W', '2', '10.3.0.1');
      t.match(nowhere.text, /From 10\.1\.0\.254 icmp_seq=1 Destination Net Unreachable/);
      const nobody = await ping(a, '-c', '1', '-W', '5', '10.2.0.99');
      t.match(nobody.text, /From 10\.1\.0\.254 icmp_seq=1 Destination Host Unreachable/);
      const dying = await ping(a, '-c', '1', '-W', '2', '-t', '1', '10.2.0.1');
      t.match(dying.text, /From 10\.1\.0\.254 icmp_seq=1 Time to live exceeded/);
    });

    t.test('TCP of the kernels passes, super-segments and all', async (t) => {
      const server = b.start('nc', '-l', '-p', '5000', '-q', '1');
      await until('nc listens', () => /:5000/.test(b.exec('ss', '-Hltn')));
      const text = 'Sphinx of black quartz, judge my vow. '.repeat(50_000);
      await a.run(['nc', '-q', '1', '10.2.0.1', '5000'], { input: text });
      await until('everything is there', () => server.stdout.length >= text.length);
      t.ok(server.stdout === text);
    });

    t.test('a flood passes without loss, and no slot stays in use', async (t) => {
      t.equal((await ping(a, '-q', '-f', '-c', '5000', '10.2.0.1')).received, 5_000);
      const { slots, free } = await router.status();
      t.ok(slots - free <= 2 * READ_AHEAD_SLOTS, `${free} of ${slots} are free`);
    });

    t.test('no frame that we sent is at fault', async (t) => {
      await sniffer.stop();
      const forwarded = 'eth.src == 02:00:5e:00:02:fe';
      t.same(
        await sniffer.fields(
          `${forwarded} && (_ws.malformed || ip.checksum.status == 0 || icmp.checksum.status == 0)`,
          'frame.number',
        ),
        [],
      );
      t.same(await sniffer.fields(`${forwarded} && ip.len > 600 && !tcp`, 'frame.number'), []);
    });
  },
);
