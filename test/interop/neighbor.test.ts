/**
 * Neighbours on a link with other hosts: a bridge of the kernel, with the daemon's TAP and a host behind a veth.
 *
 *     daemon — tap0 ─┐
 *                    br0 (10.77.0.1) in `hub`
 *     host eth0 — v0 ┘
 */
import type { Test } from 'tap';
import t from 'tap';
import type { Daemon } from './support/daemon.ts';
import { DEVICE, daemon, STACK } from './support/daemon.ts';
import type { Namespace } from './support/namespace.ts';
import { namespace, reasonToSkip, sleep, until, veth } from './support/namespace.ts';
import { bytes, ethernet, rawLink } from './support/raw.ts';
import { fromMac, sniff } from './support/sniffer.ts';
import { program } from './support/start-program.ts';
import { answersPing, ping } from './support/tools.ts';

// Each has namespaces of its own, and mostly waits for time to pass.
t.jobs = 3;
const buffered = true;

const skip = reasonToSkip('arping', 'ping', 'tcpdump', 'tshark', 'ethtool', 'socat');
const MAC = '02:00:5e:00:53:02';

/** The bridge and the host, which has no address yet; tap0 is there and waits for a daemon. */
function link(t: Test): { hub: Namespace; host: Namespace } {
  const hub = namespace(t, 'h');
  const host = namespace(t, 'x');
  hub.ip('link', 'add', 'br0', 'type', 'bridge', 'forward_delay', '0', 'mcast_snooping', '0');
  hub.ip('address', 'add', '10.77.0.1/24', 'dev', 'br0');
  hub.ip('link', 'set', 'br0', 'up');
  hub.ip('tuntap', 'add', DEVICE, 'mode', 'tap');
  veth(hub, 'v0', host, 'eth0');
  for (const name of [DEVICE, 'v0']) hub.ip('link', 'set', name, 'master', 'br0', 'up');
  return { hub, host };
}

function start(t: Test, hub: Namespace, ...flags: string[]): Promise<Daemon> {
  const common = ['--mac', MAC, '--host-address', 'none', '--gateway', '10.77.0.1'];
  return daemon(t, { netns: hub, flags: [...common, ...flags] });
}

t.test('a host that starts', { buffered, skip }, async (t) => {
  const { hub, host } = link(t);
  host.ip('address', 'add', '10.77.0.9/24', 'dev', 'eth0');
  const sniffer = await sniff(t, host, 'eth0');
  // It knew somebody else at our address, and is told.
  host.ip('neigh', 'replace', STACK, 'lladdr', '02:00:5e:00:53:77', 'dev', 'eth0', 'nud', 'stale');
  const us = await start(t, hub);

  t.test('announces its address twice (RFC 5227 §2.3)', async (t) => {
    await until('the neighbour is told', () => host.json('neigh', 'show', STACK)[0]?.['lladdr'] === MAC);
    await sleep(2_500);
    t.ok(await answersPing(host, STACK));
  });

  t.test('is one neighbour among others', async (t) => {
    t.equal((await us.cli('ping', '-c', '2', '-i', '0.1', '10.77.0.9')).status, 0);
    t.match(await us.json('neigh', 'show'), [{ dst: '10.77.0.9' }]);
    const text = await host.must('arping', '-i', 'eth0', '-d', '-c', '2', '-W', '0.2', STACK);
    t.match(text, / 0% unanswered/);
  });

  t.test('notices that a neighbour has another link address now', async (t) => {
    host.ip('link', 'set', 'eth0', 'address', '02:00:5e:00:53:09');
    await sleep(1_100);
    await host.must('arping', '-U', '-i', 'eth0', '-c', '1', '-W', '0.1', '10.77.0.9').catch(() => '');
    t.equal((await us.cli('ping', '-c', '2', '-i', '0.1', '10.77.0.9')).status, 0);
    const list = await us.json<{ dst: string; lladdr?: string }[]>('neigh', 'show');
    t.equal(list.find(({ dst }) => dst === '10.77.0.9')?.lladdr, '02:00:5e:00:53:09');
  });

  t.test('hears that a neighbour is not there', async (t) => {
    const { status, stdout } = await us.cli('ping', '-c', '1', '-W', '6', '10.77.0.44');
    t.equal(status, 1);
    t.match(stdout, /Destination Host Unreachable/);
    const list = await us.json<{ dst: string; state: string[] }[]>('neigh', 'show');
    t.same(list.find(({ dst }) => dst === '10.77.0.44')?.state, ['FAILED']);
  });

  t.test('asks again once a neighbour has gone silent', async (t) => {
    host.ip('link', 'set', 'eth0', 'down');
    const { status } = await us.cli('ping', '-c', '1', '-W', '1', '10.77.0.9');
    t.not(status, 0);
    host.ip('link', 'set', 'eth0', 'up');
    await until(
      'it is back',
      async () => (await us.cli('ping', '-c', '1', '-W', '2', '10.77.0.9')).status === 0,
      30_000,
    );
  });

  t.test('no frame that we sent is at fault', async (t) => {
    await sniffer.stop();
    t.same(await sniffer.complaints(fromMac(MAC)), []);
    const announced = await sniffer.fields(
      `eth.src == ${MAC} && arp.isannouncement == 1`,
      'frame.time_relative',
    );
    t.equal(announced.length, 2);
    const [first, second] = announced.map(([at]) => Number(at));
    t.ok(Math.abs((second ?? 0) - (first ?? 0) - 2) < 0.5, 'two seconds apart');
  });
});

t.test('conflicts of addresses (RFC 5227)', { buffered, skip }, async (t) => {
  await t.test('--probe: an address that the kernel has is not taken', async (t) => {
    const { hub, host } = link(t);
    host.ip('address', 'add', `${STACK}/24`, 'dev', 'eth0');
    const sniffer = await sniff(t, host, 'eth0');
    const us = await start(t, hub, '--probe');
    await until('the address is refused', async () => {
      const [shown] = await us.json<{ addr_info: { dadfailed?: boolean }[] }[]>(
        'addr',
        'show',
        'dev',
        DEVICE,
      );
      return shown?.addr_info[0]?.dadfailed === true;
    });
    t.ok(await answersPing(hub, STACK), 'the kernel still answers there');
    t.match(hub.json('neigh', 'show', STACK), [
      { lladdr: host.json('link', 'show', 'eth0')[0]?.['address'] },
    ]);
    await sniffer.stop();
    t.ok((await sniffer.fields(`eth.src == ${MAC} && arp.isprobe == 1`, 'frame.number')).length >= 1);
    t.same(await sniffer.fields(`eth.src == ${MAC} && arp.src.proto_ipv4 == ${STACK}`, 'frame.number'), []);
  });

  await t.test('--probe: an address that nobody has is ours after a few seconds', async (t) => {
    const { hub, host } = link(t);
    host.ip('address', 'add', '10.77.0.9/24', 'dev', 'eth0');
    const sniffer = await sniff(t, host, 'eth0');
    const us = await start(t, hub, '--probe');
    t.match(await us.json('addr', 'show', 'dev', DEVICE), [
      { addr_info: [{ local: STACK, tentative: true }] },
    ]);
    t.equal((await ping(host, '-c', '1', '-W', '1', STACK)).received, 0, 'not yet');
    await until('it is there', () => answersPing(host, STACK), 20_000);
    await sniffer.stop();
    t.equal((await sniffer.fields(`eth.src == ${MAC} && arp.isprobe == 1`, 'frame.number')).length, 3);
  });

  await t.test('the kernel takes our address later: we defend it, and keep working', async (t) => {
    const { hub, host } = link(t);
    const us = await start(t, hub);
    await until('we are there', () => answersPing(hub, STACK));
    const sniffer = await sniff(t, host, 'eth0');
    host.ip('address', 'add', `${STACK}/24`, 'dev', 'eth0');
    await host.run(['arping', '-U', '-i', 'eth0', '-c', '1', '-W', '0.1', STACK]);
    await until('the conflict is counted', async () => ((await us.drops())['ArpConflict'] ?? 0) > 0);
    await sniffer.stop();
    t.ok((await sniffer.fields(`eth.src == ${MAC} && arp.isannouncement == 1`, 'frame.number')).length > 0);
    host.ip('address', 'del', `${STACK}/24`, 'dev', 'eth0');
    hub.ip('neigh', 'flush', 'all');
    t.ok(await answersPing(hub, STACK));
  });

  await t.test('a flood of claims is answered once in ten seconds (RFC 5227 §2.4 (c))', async (t) => {
    const { hub, host } = link(t);
    const us = await start(t, hub);
    await until('we are there', () => answersPing(hub, STACK));
    const raw = rawLink(t, host, 'eth0');
    const sniffer = await sniff(t, host, 'eth0');
    const rival = '02:00:5e:00:53:66';
    const claim = Uint8Array.of(
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
      0,
      0x53,
      0x66,
      10,
      77,
      0,
      2,
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
    for (let i = 0; i < 500; i++) await raw.send(ethernet('ff:ff:ff:ff:ff:ff', rival, 0x0806, claim));
    await until('all are counted', async () => ((await us.drops())['ArpConflict'] ?? 0) === 500);
    await sniffer.stop();
    const defended = await sniffer.fields(`eth.src == ${MAC} && arp.isannouncement == 1`, 'frame.number');
    t.ok(defended.length <= 2, `${defended.length} answers`);
    await raw.send(ethernet(MAC, rival, 0x0806, bytes(10)));
    hub.ip('neigh', 'flush', 'all');
    t.ok(await answersPing(hub, STACK));
  });
});

t.test('groups', { buffered, skip }, async (t) => {
  const GROUP = '239.1.2.3';
  const hub = namespace(t, 'g');
  hub.ip(
    'link',
    'add',
    'br0',
    'type',
    'bridge',
    'forward_delay',
    '0',
    'mcast_snooping',
    '1',
    'mcast_querier',
    '1',
    'mcast_igmp_version',
    '3',
    'mcast_query_interval',
    '300',
    'mcast_query_response_interval',
    '50',
    'mcast_startup_query_interval',
    '100',
    'mcast_query_use_ifaddr',
    '1',
  );
  hub.ip('address', 'add', '10.77.0.1/24', 'dev', 'br0');
  hub.ip('link', 'set', 'br0', 'up');
  hub.ip('route', 'add', '224.0.0.0/4', 'dev', 'br0');
  hub.ip('tuntap', 'add', DEVICE, 'mode', 'tap');
  hub.ip('link', 'set', DEVICE, 'master', 'br0', 'up');
  const sniffer = await sniff(t, hub, DEVICE);
  const us = await program(t, {
    ports: [
      {
        name: DEVICE,
        netns: hub.name,
        mac: MAC,
        address: '10.77.0.2/24',
        hostAddress: '10.99.0.1/32',
        mtu: 1_500,
      },
    ],
    group: { address: GROUP, port: 6_000 },
  });
  const isMember = (): boolean => JSON.stringify(hub.exec('bridge', '-j', 'mdb', 'show')).includes(GROUP);

  await t.test('joining is reported, and the bridge of the kernel learns it (RFC 9776 §5.1)', async () => {
    await until('the bridge knows the member', isMember);
  });

  await t.test('what is sent to the group arrives', async (t) => {
    const { stdout } = await hub.run(
      ['socat', '-T', '1', 'STDIO', `UDP4-DATAGRAM:${GROUP}:6000,ip-multicast-if=10.77.0.1`],
      {
        input: 'to all',
      },
    );
    t.equal(stdout, 'to all');
  });

  await t.test('what we send to the group is received by a member of the kernel', async (t) => {
    const listener = hub.start('socat', '-u', `UDP4-RECVFROM:6001,ip-add-membership=${GROUP}:br0`, 'STDOUT');
    await listener.says(/to the group/);
    t.equal(await listener.stop(), 0);
  });

  await t.test('queries are answered in time', async () => {
    // The membership runs out when reports do not come: it is still there after several queries.
    await sleep(8_000);
    if (!isMember()) throw new Error('the bridge has forgotten the member');
  });

  await t.test('leaving is reported', async () => {
    us.leave();
    await until('the bridge has forgotten the member', () => !isMember());
  });

  await t.test('as Wireshark reads it', async (t) => {
    await sniffer.stop();
    t.same(await sniffer.complaints(fromMac(MAC)), []);
    const reports = await sniffer.fields(
      `eth.src == ${MAC} && igmp.type == 0x22`,
      'igmp.record_type',
      'ip.ttl',
      'ip.dst',
    );
    t.ok(reports.every(([, ttl, dst]) => ttl === '1' && dst === '224.0.0.22'));
    const types = new Set(reports.flatMap(([type]) => (type as string).split(',')));
    t.ok(types.has('4'), 'joined: CHANGE_TO_EXCLUDE_MODE');
    t.ok(types.has('2'), 'is a member: MODE_IS_EXCLUDE');
    t.ok(types.has('3'), 'left: CHANGE_TO_INCLUDE_MODE');
    t.ok(
      (
        await sniffer.fields(
          `eth.src == ${MAC} && ip.dst == ${GROUP} && eth.dst == 01:00:5e:01:02:03`,
          'ip.ttl',
        )
      ).every(([ttl]) => ttl === '1'),
    );
    t.equal(
      (await sniffer.fields(`eth.src == ${MAC} && igmp.type == 0x22 && ip.opt.ra`, 'frame.number')).length,
      reports.length,
    );
  });
});
