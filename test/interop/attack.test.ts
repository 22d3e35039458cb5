/**
 * What scanners and old attacks do to a daemon: right answers or counted drops, and in the end it is as it was.
 */
import t from 'tap';
import type { Daemon } from './support/daemon.ts';
import { DEVICE, daemon, READ_AHEAD_SLOTS, STACK } from './support/daemon.ts';
import { namespace, reasonToSkip, until } from './support/namespace.ts';
import type { DatagramFields } from './support/raw.ts';
import {
  bytes,
  datagram,
  ethernet,
  Flag,
  icmpPayload,
  Protocol,
  rawLink,
  udpPayload,
} from './support/raw.ts';
import { answersPing, nmap, ping } from './support/tools.ts';

const EVERYBODY = 'ff:ff:ff:ff:ff:ff';
const ATTACKER = '02:00:5e:00:53:01';
/** What a flood may cost for good. Code that gets compiled and the heap that it runs in cost some of it anyhow. */
const GROWTH_MAX_KB = 48 * 1024;
const FLOOD_SECONDS = 1;

/** How often each reason was counted since `before`. */
async function since(
  host: Daemon,
  before: Readonly<Record<string, number>>,
): Promise<Record<string, number>> {
  const now = Object.entries(await host.drops()).map(
    ([name, count]) => [name, count - (before[name] ?? 0)] as const,
  );
  return Object.fromEntries(now.filter(([, count]) => count > 0));
}

t.test('nmap', { skip: reasonToSkip('nmap') }, async (t) => {
  const netns = namespace(t);
  await daemon(t, { netns });

  t.test('finds the host, by ARP and by ICMP', async (t) => {
    t.match(await netns.must('nmap', '-n', '-sn', STACK), /1 host up/);
    for (const how of ['-PE', '-PP']) {
      const text = await netns.must('nmap', '-n', '-sn', '--disable-arp-ping', how, '--reason', STACK);
      t.match(text, /1 host up/, how);
    }
    t.match(
      await netns.must('nmap', '-n', '-sn', '--max-retries', '1', '10.77.0.0/29'),
      /2 hosts up/,
      'and only it',
    );
  });

  t.test('tells open UDP ports from closed ones', async (t) => {
    t.same(
      [...(await nmap(netns, '-sU', '-p', '7,9,13,53', '--max-retries', '3', STACK))],
      [
        ['7/udp', 'open'],
        ['9/udp', 'open|filtered'],
        ['13/udp', 'open'],
        ['53/udp', 'closed'],
      ],
    );
  });

  t.test('sees which protocols are spoken', async (t) => {
    // After the burst of six, errors to one host come once in a second: three closed ones are within it.
    const found = await nmap(netns, '-sO', '-p', '1,2,17,47,132,253', '--max-retries', '2', STACK);
    t.same(
      [...found],
      [
        ['1', 'open'],
        ['2', 'open|filtered'],
        ['17', 'open'],
        ['47', 'closed'],
        ['132', 'closed'],
        ['253', 'closed'],
      ],
    );
  });
});

const from = '10.77.0.66';
const fragmentOf = (
  fields: Partial<DatagramFields>,
  offset: number,
  length: number,
  more: boolean,
): Uint8Array =>
  datagram({
    src: from,
    dst: STACK,
    fragment: (offset >> 3) | (more ? Flag.Mf : 0),
    payload: bytes(length),
    ...fields,
  });

const ECHO = icmpPayload(8, 0, 1, bytes(8));

/** Datagrams that nothing may come of but drops: name, the reason, and what to send. */
const BAD: readonly (readonly [name: string, reason: string, ...datagrams: Uint8Array[]])[] = [
  [
    'LAND: from ourselves',
    'Ip4SourceOwn',
    datagram({ src: STACK, dst: STACK, payload: udpPayload(STACK, STACK, [7, 7], bytes(8)) }),
  ],
  [
    'from a group',
    'Ip4SourceMartian',
    datagram({ src: '224.0.0.5', dst: STACK, protocol: Protocol.Icmp, payload: ECHO }),
  ],
  [
    "from the network's broadcast address",
    'Ip4SourceMartian',
    datagram({ src: '10.77.0.255', dst: STACK, protocol: Protocol.Icmp, payload: ECHO }),
  ],
  [
    'from 255.255.255.255',
    'Ip4SourceMartian',
    datagram({ src: '255.255.255.255', dst: STACK, protocol: Protocol.Icmp, payload: ECHO }),
  ],
  [
    'from 127.0.0.1',
    'Ip4SourceMartian',
    datagram({ src: '127.0.0.1', dst: STACK, protocol: Protocol.Icmp, payload: ECHO }),
  ],
  [
    'to 127.0.0.1',
    'Ip4DestinationMartian',
    datagram({ src: from, dst: '127.0.0.1', protocol: Protocol.Icmp, payload: ECHO }),
  ],
  [
    'to another host',
    'Ip4NotForwarding',
    datagram({ src: from, dst: '192.0.2.9', protocol: Protocol.Icmp, payload: ECHO }),
  ],
  [
    'a wrong header checksum',
    'Ip4Checksum',
    datagram({ src: from, dst: STACK, protocol: Protocol.Icmp, payload: ECHO, wrong: { checksum: 0x1234 } }),
  ],
  ['version 5', 'Ip4Version', datagram({ src: from, dst: STACK, wrong: { version: 5 }, payload: bytes(8) })],
  [
    'a header shorter than one',
    'Ip4HeaderLength',
    datagram({ src: from, dst: STACK, wrong: { ihl: 4 }, payload: bytes(8) }),
  ],
  [
    'a header longer than the datagram',
    'Ip4HeaderLength',
    datagram({ src: from, dst: STACK, wrong: { ihl: 15 }, payload: bytes(8) }),
  ],
  [
    'longer than the frame',
    'Ip4TotalLength',
    datagram({ src: from, dst: STACK, wrong: { total: 1_500 }, payload: bytes(60) }),
  ],
  ['half a header', 'Ip4Truncated', datagram({ src: from, dst: STACK }).slice(0, 10)],
  [
    'a source route',
    'Ip4SourceRoute',
    datagram({ src: from, dst: STACK, options: [131, 7, 4, 10, 77, 0, 1, 0], payload: bytes(8) }),
  ],
  [
    'a wrong ICMP checksum',
    'IcmpChecksum',
    datagram({ src: from, dst: STACK, protocol: Protocol.Icmp, payload: ECHO.with(2, 0x77).with(3, 0x77) }),
  ],
  [
    'a wrong UDP checksum',
    'UdpChecksum',
    datagram({
      src: from,
      dst: STACK,
      payload: udpPayload(from, STACK, [4_000, 7], bytes(8), { checksum: 0x1111 }),
    }),
  ],
  [
    'UDP longer than its datagram',
    'UdpLength',
    datagram({
      src: from,
      dst: STACK,
      payload: udpPayload(from, STACK, [4_000, 7], bytes(8), { length: 400 }),
    }),
  ],
  ['half a UDP header', 'UdpTruncated', datagram({ src: from, dst: STACK, payload: bytes(4) })],
  [
    'half an ICMP header',
    'IcmpTruncated',
    datagram({ src: from, dst: STACK, protocol: Protocol.Icmp, payload: bytes(4) }),
  ],
  [
    'an error that quotes nothing of ours',
    'IcmpQuoteBad',
    datagram({
      src: from,
      dst: STACK,
      protocol: Protocol.Icmp,
      payload: icmpPayload(3, 1, 0, datagram({ src: from, dst: STACK, payload: bytes(8) })),
    }),
  ],
  [
    'a fragment twice',
    'FragmentDuplicate',
    fragmentOf({ id: 9 }, 8, 40, true),
    fragmentOf({ id: 9 }, 8, 40, true),
  ],
  [
    'teardrop: the last one ends within the first one',
    'FragmentLengthBad',
    fragmentOf({ id: 10 }, 0, 40, true),
    fragmentOf({ id: 10 }, 24, 8, false),
  ],
  [
    'a fragment over the end of another',
    'FragmentOverlap',
    fragmentOf({ id: 11 }, 0, 40, true),
    fragmentOf({ id: 11 }, 32, 40, true),
  ],
  [
    'bonk: one before another that overlaps it',
    'FragmentOverlap',
    fragmentOf({ id: 12 }, 32, 40, true),
    fragmentOf({ id: 12 }, 0, 40, true),
  ],
  [
    'jolt, ping of death: beyond 65,535 bytes',
    'FragmentTooLong',
    fragmentOf({ id: 13, protocol: Protocol.Icmp }, 65_528, 64, false),
  ],
  ['nothing in a fragment', 'FragmentLengthBad', fragmentOf({ id: 14 }, 0, 0, true)],
  ['a fragment of 9 bytes that is not the last', 'FragmentLengthBad', fragmentOf({ id: 15 }, 0, 9, true)],
  [
    'a tiny fragment that splits a TCP header',
    'FragmentTiny',
    fragmentOf({ id: 16, protocol: Protocol.Tcp }, 0, 8, true),
  ],
  [
    'a fragment that overwrites TCP flags',
    'FragmentTiny',
    fragmentOf({ id: 17, protocol: Protocol.Tcp }, 8, 64, true),
  ],
  [
    'rose: ends in two places',
    'FragmentLengthBad',
    fragmentOf({ id: 18 }, 80, 8, false),
    fragmentOf({ id: 18 }, 40, 8, false),
  ],
];

/** A datagram from us, or a question for whom it should go to; not one that asks if the kernel is still there. */
function isAnswer(frame: Uint8Array, mac: string): boolean {
  if (Buffer.from(frame.slice(6, 12)).toString('hex') !== mac.replaceAll(':', '')) return false;
  return frame[12] === 8 && (frame[13] === 0 || frame[41] === 66);
}

t.test('datagrams that are wrong', { skip: reasonToSkip('ping') }, async (t) => {
  const netns = namespace(t);
  const host = await daemon(t, { netns });
  const mac = (await host.status()).device.mac as string;
  const link = rawLink(t, netns, DEVICE);
  for (const [name, reason, ...datagrams] of BAD) {
    await t.test(`${name}: ${reason}`, async (t) => {
      const before = await host.drops();
      link.drain();
      for (const one of datagrams) await link.send(ethernet(mac, ATTACKER, 0x0800, one));
      await until(`${reason} is counted`, async () => ((await since(host, before))[reason] ?? 0) > 0, 5_000);
      const answers = link.drain().filter((frame) => isAnswer(frame, mac));
      t.same(
        answers.map((frame) => Buffer.from(frame).toString('hex')),
        [],
        'nobody is answered',
      );
    });
  }

  t.test('frames that are none', async (t) => {
    const before = await host.drops();
    await link.send(ethernet(mac, ATTACKER, 0x88b5, bytes(50)));
    await link.send(
      ethernet('02:00:5e:00:53:99', ATTACKER, 0x0800, datagram({ src: from, dst: STACK, payload: bytes(8) })),
    );
    await link.send(
      ethernet(
        EVERYBODY,
        ATTACKER,
        0x0800,
        datagram({ src: from, dst: STACK, protocol: Protocol.Icmp, payload: ECHO }),
      ),
    );
    await link.send(ethernet(EVERYBODY, ATTACKER, 0x0806, bytes(28)));
    await link.send(ethernet(EVERYBODY, ATTACKER, 0x0806, bytes(4)));
    t.match(await since(host, before), {
      EtherTypeUnknown: 1,
      NotForUs: 1,
      Ip4BroadcastUnicastFrame: 1,
      ArpHardwareType: 1,
      ArpTruncated: 1,
    });
  });

  t.test('the counters say the same as the status', async (t) => {
    const { drops } = await host.json<{ drops: Record<string, number> }>('counters');
    for (const [, reason] of BAD) t.ok((drops[reason] ?? 0) > 0, reason);
  });

  t.test('and after all that it answers', async (t) => {
    t.ok(await answersPing(netns, STACK));
    const { pool } = await host.status();
    // Fragments that wait for their others keep a slot each, for half a minute.
    t.ok(pool.slots - pool.free <= READ_AHEAD_SLOTS + 16, `${pool.free} of ${pool.slots}`);
  });
});

t.test('floods', { skip: reasonToSkip('ping', 'hping3') }, async (t) => {
  const netns = namespace(t);
  const host = await daemon(t, { netns });
  const mac = (await host.status()).device.mac as string;
  const link = rawLink(t, netns, DEVICE);
  // So that what grows afterwards is not what every daemon needs once it is at work.
  await ping(netns, '-q', '-f', '-l', '32', '-c', '5000', STACK);
  await ping(netns, '-q', '-f', '-c', '500', '-s', '65507', STACK);
  const rssKb = await host.rssKb();

  /** By hping3, for a while; then all is as before. */
  const flood = (name: string, words: readonly string[], ...reasons: string[]): Promise<unknown> =>
    t.test(name, async (t) => {
      const before = await host.drops();
      await netns.run(['timeout', '-s', 'INT', String(FLOOD_SECONDS), 'hping3', '-q', '-i', 'u30', ...words]);
      t.ok(await answersPing(netns, STACK), 'it answers at once');
      const drops = await since(host, before);
      for (const reason of reasons) t.ok((drops[reason] ?? 0) > 0, `${reason}, of ${JSON.stringify(drops)}`);
    });

  // These first: what waits for the rest of a datagram waits for half a minute (RFC 1122 §3.3.2).
  await flood('fragments', ['-1', '-f', '-d', '3000', '-C', '8', STACK]);
  await flood(
    'first fragments only, from everywhere',
    ['-2', '-x', '-d', '64', '--rand-source', STACK],
    'FragmentMemory',
  );
  await t.test('one source that begins datagrams and never ends them', async (t) => {
    const before = await host.drops();
    for (let id = 0; id < 2_000; id++)
      await link.send(ethernet(mac, ATTACKER, 0x0800, fragmentOf({ id }, 0, 1_400, true)));
    t.ok(((await since(host, before))['FragmentTooMany'] ?? 0) > 1_500);
    t.equal(
      (await ping(netns, '-c', '3', '-i', '0.1', '-s', '9000', STACK)).received,
      3,
      'others are not concerned',
    );
  });

  await flood(
    'UDP to a closed port',
    ['-2', '-p', '33333', '-d', '100', STACK],
    'UdpNoPort',
    'IcmpRateLimited',
  );
  await flood(
    'UDP from everywhere',
    ['-2', '-p', '33333', '--rand-source', STACK],
    'UdpNoPort',
    'IcmpRateLimited',
  );
  await flood('UDP echo, from everywhere', ['-2', '-p', '7', '-d', '1000', '--rand-source', STACK]);
  await flood('echo requests from everywhere', ['-1', '--rand-source', STACK]);
  await flood('wrong checksums', ['-2', '-p', '7', '-b', STACK], 'UdpChecksum');
  await flood('wrong checksums, TCP', ['-S', '-p', '80', '-b', STACK]);
  await flood('SYN from everywhere', ['-S', '-p', '80', '--rand-source', STACK]);
  await flood('LAND', ['-2', '-p', '7', '-s', '7', '-a', STACK, STACK], 'Ip4SourceOwn');
  await flood('echo between two echo servers', ['-2', '-p', '7', '-s', '7', '-k', STACK]);
  await flood('an unknown protocol', ['-0', '-H', '200', STACK], 'Ip4ProtocolUnknown', 'IcmpRateLimited');
  await flood('timestamp requests', ['-1', '--icmp-ts', STACK]);

  await t.test('ARP requests of thousands of hosts', async (t) => {
    for (let i = 0; i < 5_000; i++) {
      const [hi, lo] = [i >> 8, i & 0xff];
      const request = Uint8Array.of(
        0,
        1,
        8,
        0,
        6,
        4,
        0,
        1,
        2,
        0,
        0x5e,
        1,
        hi,
        lo,
        10,
        77,
        hi + 1,
        lo,
        0,
        0,
        0,
        0,
        0,
        0,
        10,
        77,
        0,
        2,
      );
      await link.send(
        ethernet(
          EVERYBODY,
          `02:00:5e:01:${hi.toString(16).padStart(2, '0')}:${lo.toString(16).padStart(2, '0')}`,
          0x0806,
          request,
        ),
      );
    }
    const list = await host.json<unknown[]>('neigh');
    t.ok(list.length <= 1_024, `${list.length} neighbours`);
    t.ok(await answersPing(netns, STACK));
  });

  await t.test('in the end it is as it was', async (t) => {
    const status = await host.status();
    const { pool } = status;
    // Unfinished datagrams and packets for neighbours that do not answer may wait; no flood may use all there is.
    await until(
      'slots come back',
      async () => {
        const now = (await host.status()).pool;
        return now.slots - now.free <= READ_AHEAD_SLOTS + 16;
      },
      45_000,
    );
    t.ok(pool.free > pool.slots / 4, `${pool.free} of ${pool.slots} free right after`);
    const grownKb = (await host.rssKb()) - rssKb;
    t.ok(grownKb < GROWTH_MAX_KB, `grown by ${grownKb} kB from ${rssKb} kB`);
    t.equal((await ping(netns, '-q', '-f', '-c', '2000', STACK)).received, 2_000);
    t.equal(await host.stop(), 0);
  });
});
