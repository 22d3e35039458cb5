/** What the kernel's `ping` and `arping` see of a daemon. */
import t from 'tap';
import { DEVICE, daemon, KERNEL, READ_AHEAD_SLOTS, STACK } from './support/daemon.ts';
import { namespace, reasonToSkip } from './support/namespace.ts';
import { fromMac, sniff } from './support/sniffer.ts';
import { answersPing, ping } from './support/tools.ts';

const FLOOD = 20_000;

t.test('ping', { skip: reasonToSkip('ping', 'tcpdump', 'tshark', 'hping3') }, async (t) => {
  const netns = namespace(t);
  const host = await daemon(t, { netns });
  const { mac } = (await host.status()).device;
  const sniffer = await sniff(t, netns, DEVICE);

  t.test('five of five come back, once each, with a TTL of 64', async (t) => {
    const { transmitted, received, others, text } = await ping(netns, '-c', '5', '-i', '0.2', STACK);
    t.same({ transmitted, received, others }, { transmitted: 5, received: 5, others: '' });
    t.equal(text.match(/^64 bytes from 10\.77\.0\.2: icmp_seq=\d ttl=64 /gm)?.length, 5);
  });

  t.test('from no data at all to the most that a datagram holds (RFC 1122 §3.2.2.6)', async (t) => {
    for (const size of [0, 1, 7, 8, 1_471, 1_472, 1_473, 2_953, 65_506, 65_507]) {
      const { received, text } = await ping(
        netns,
        '-c',
        '2',
        '-i',
        '0.1',
        '-p',
        'a55a',
        '-s',
        String(size),
        STACK,
      );
      t.equal(received, 2, `${size} bytes`);
      t.notMatch(text, /wrong data byte|truncated/, 'and bring back what was sent');
    }
  });

  t.test('one that shall not be fragmented comes back when it fits', async (t) => {
    t.equal((await ping(netns, '-c', '1', '-M', 'do', '-s', '1472', STACK)).received, 1);
  });

  t.test('the route that both ways took is recorded (RFC 791 §3.1, RFC 1122 §3.2.2.6)', async (t) => {
    const { received, text } = await ping(netns, '-c', '1', '-R', STACK);
    t.equal(received, 1);
    t.match(text, /RR: +\t10\.77\.0\.1\n\t10\.77\.0\.2\n\t10\.77\.0\.1\n/);
  });

  t.test('timestamps on the way (RFC 791 §3.1)', async (t) => {
    const only = await ping(netns, '-c', '1', '-T', 'tsonly', STACK);
    // Milliseconds of the day, then how much later the next ones were: the clock is the same one.
    t.match(only.text, /TS: \t\d+ absolute\n\t-?\d{1,3}\n\t-?\d{1,3}\n/);
    const both = await ping(netns, '-c', '1', '-T', 'tsandaddr', STACK);
    t.match(
      both.text,
      /TS: \t10\.77\.0\.1\t\d+ absolute\n\t10\.77\.0\.2\t-?\d{1,3}\n\t10\.77\.0\.1\t-?\d{1,3}\n/,
    );
    const named = await ping(netns, '-c', '1', '-T', 'tsprespec', STACK, '10.9.9.9', STACK);
    t.match(named.text, /TS: \t10\.77\.0\.2\t\d+ absolute\n/);
    t.equal(only.received + both.received + named.received, 3);
  });

  t.test('a TTL of 1 is enough for a host on the link', async (t) => {
    t.equal((await ping(netns, '-c', '1', '-t', '1', STACK)).received, 1);
  });

  t.test('the type of service comes back (RFC 1122 §3.2.1.6)', async () => {
    await ping(netns, '-c', '1', '-Q', '0xb8', '-s', '77', STACK);
  });

  t.test('what is sent to everybody is not answered, but counted', async (t) => {
    for (const address of ['10.77.0.255', '255.255.255.255', '224.0.0.1']) {
      const sent = await ping(netns, '-b', '-c', '2', '-i', '0.1', '-W', '1', '-I', DEVICE, address);
      t.equal(sent.received, 0, address);
    }
    t.equal((await host.drops())['IcmpEchoBroadcast'], 6);
  });

  t.test('a timestamp request is answered with the time of day (RFC 792)', async (t) => {
    const { stdout } = await netns.run(['hping3', '-1', '--icmp-ts', '-c', '1', STACK]);
    const originate = Number(/Originate=(\d+)/.exec(stdout)?.[1]);
    const receive = Number(/Receive=(\d+)/.exec(stdout)?.[1]);
    t.ok(Math.abs(receive - originate) < 5_000, stdout);
  });

  t.test('no frame that we sent is at fault', async (t) => {
    await sniffer.stop();
    t.same(await sniffer.complaints(fromMac(mac as string)), []);
    t.same(await sniffer.fields(`ip.src == ${STACK} && icmp.type == 0 && data.len == 69`, 'ip.dsfield'), [
      ['0xb8'],
    ]);
    const ids = (await sniffer.fields(`ip.src == ${STACK} && ip.flags.mf == 1`, 'ip.id')).map(([id]) => id);
    t.equal(new Set(ids).size, 8, 'datagrams in fragments have identifications of their own');
  });

  t.test(`a flood of ${FLOOD}, none of which is lost`, async (t) => {
    const { transmitted, received, others } = await ping(netns, '-q', '-f', '-c', String(FLOOD), STACK);
    t.same({ transmitted, received, others }, { transmitted: FLOOD, received: FLOOD, others: '' });
    const many = await ping(netns, '-q', '-f', '-l', '64', '-c', '5000', '-s', '1400', STACK);
    t.equal(many.received, 5_000, '64 at a time');
  });

  t.test('what the daemon has counted', async (t) => {
    const { drops, pool, device } = await host.status();
    t.same(Object.keys(drops), ['IcmpEchoBroadcast'], 'nothing else was dropped');
    t.ok(pool.slots - pool.free <= READ_AHEAD_SLOTS, 'no slot is in use but those that wait for frames');
    t.equal(device.error, null);
  });

  t.test('the daemon goes, and its device with it', async (t) => {
    t.equal(await host.stop(), 0);
    t.same(
      netns.json('link', 'show').map(({ ifname }) => ifname),
      ['lo'],
    );
  });
});

t.test('arping', { skip: reasonToSkip('arping', 'tcpdump', 'tshark') }, async (t) => {
  const netns = namespace(t);
  const host = await daemon(t, { netns });
  const mac = (await host.status()).device.mac as string;
  const sniffer = await sniff(t, netns, DEVICE);

  t.test('every question has one answer', async (t) => {
    const text = await netns.must('arping', '-i', DEVICE, '-c', '3', '-W', '0.2', STACK);
    t.equal(text.match(new RegExp(`bytes from ${mac} \\(${STACK}\\)`, 'g'))?.length, 3);
    t.match(text, /3 packets transmitted, 3 packets received, +0% unanswered \(0 extra\)/);
  });

  t.test('the address is there once', async (t) => {
    t.match(await netns.must('arping', '-d', '-i', DEVICE, '-c', '3', '-W', '0.2', STACK), / 0% unanswered/);
  });

  t.test('a question from 0.0.0.0, as before taking an address, is answered (RFC 5227 §2.1.1)', async (t) => {
    t.match(await netns.must('arping', '-0', '-i', DEVICE, '-c', '1', STACK), /1 packets received/);
  });

  t.test('nobody answers for an address that nobody has', async (t) => {
    const { status, stdout } = await netns.run([
      'arping',
      '-i',
      DEVICE,
      '-c',
      '2',
      '-W',
      '0.2',
      '10.77.0.77',
    ]);
    t.not(status, 0);
    t.match(stdout, / 0 packets received/);
  });

  t.test('a question to our link address with the wrong target is not answered', async (t) => {
    const { stdout } = await netns.run([
      'arping',
      '-i',
      DEVICE,
      '-c',
      '1',
      '-W',
      '0.5',
      '-t',
      mac,
      '10.77.0.78',
    ]);
    t.match(stdout, / 0 packets received/);
  });

  t.test('the kernel knows our link address, and finds that we are still there', async (t) => {
    t.ok(await answersPing(netns, STACK));
    t.match(netns.json('neigh', 'show', STACK), [{ dst: STACK, lladdr: mac, state: ['REACHABLE'] }]);
  });

  t.test(
    'an announcement of the kernel, which we did not ask for, changes nothing (RFC 5227 §3)',
    async (t) => {
      await netns.run(['arping', '-U', '-i', DEVICE, '-c', '2', '-W', '0.2', '10.77.0.79']);
      await netns.run(['arping', '-P', '-U', '-i', DEVICE, '-c', '2', '-W', '0.2', '10.77.0.80']);
      t.ok(await answersPing(netns, STACK));
    },
  );

  t.test('no frame that we sent is at fault', async (t) => {
    await sniffer.stop();
    t.same(await sniffer.complaints(fromMac(mac)), []);
    t.same(
      await sniffer.fields(
        `eth.src == ${mac} && arp.opcode == 2 && eth.dst == ff:ff:ff:ff:ff:ff`,
        'frame.number',
      ),
      [],
    );
  });

  t.test('the stack knows the kernel', async (t) => {
    const list = await host.json<{ dst: string; lladdr?: string }[]>('neigh');
    const [{ address }] = netns.json('link', 'show', DEVICE) as [{ address: string }];
    t.match(list, [{ dst: KERNEL, lladdr: address }]);
    t.equal(list.length, 1, 'and nobody else');
  });
});
