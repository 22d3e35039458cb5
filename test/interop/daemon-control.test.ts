/**
 * A running daemon, looked at and changed from the command line: what the commands say is what the kernel then sees,
 * and what they print is what `ip`, `ping` and `traceroute` print.
 */
import t from 'tap';
import { DEVICE, daemon, KERNEL, STACK } from './support/daemon.ts';
import { namespace, reasonToSkip, until, veth } from './support/namespace.ts';
import { answersPing } from './support/tools.ts';

const SKIP = { skip: reasonToSkip('ping', 'ethtool') };

t.test('addresses, links and neighbours', SKIP, async (t) => {
  const kernel = namespace(t);
  const stack = await daemon(t, { netns: kernel });

  t.test('addr: prints as `ip addr`, and what is added answers', async (t) => {
    const shown = await stack.cli('addr', 'show', DEVICE);
    const mac = /lladdr (\S+)/.exec((await stack.cli('status')).stdout)?.[1];
    t.equal(
      shown.stdout.replace(/qdisc \w+/, 'qdisc …'),
      `2: tap0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc … state UP group default qlen 1000
    link/ether ${mac} brd ff:ff:ff:ff:ff:ff
    inet 10.77.0.2/24 brd 10.77.0.255 scope global tap0
       valid_lft forever preferred_lft forever
`,
    );
    t.equal((await stack.cli('addr', 'add', '10.77.0.3/24', 'dev', DEVICE)).status, 0);
    t.ok(await answersPing(kernel, '10.77.0.3'));
    t.equal((await stack.cli('a', 'del', '10.77.0.3/24')).status, 0);
    t.notOk(await answersPing(kernel, '10.77.0.3').catch(() => false));
    const twice = await stack.cli('addr', 'add', `${STACK}/24`);
    t.same(
      [twice.status, twice.stderr],
      [1, `tapstack addr add: ${STACK}/24: the stack has this address already\n`],
    );
    // The same fields as the kernel's own.
    const [own] = await stack.json<Record<string, unknown>[]>('addr', 'show', 'dev', DEVICE);
    const [theirs] = JSON.parse(kernel.ip('-j', 'addr', 'show', 'dev', DEVICE)) as Record<string, unknown>[];
    t.same(Object.keys(own ?? {}).sort(), Object.keys(theirs ?? {}).sort());
  });

  t.test('link: down is deaf, up again is not; the MTU of the stack', async (t) => {
    t.equal((await stack.cli('link', 'set', DEVICE, 'down')).status, 0);
    t.match(
      (await stack.cli('link', 'show', DEVICE)).stdout,
      /<BROADCAST,MULTICAST> mtu 1500 .* state DOWN /,
    );
    kernel.ip('neigh', 'flush', 'all');
    const { stdout } = await kernel.run(['ping', '-c', '1', '-W', '0.3', STACK]);
    t.match(stdout, '0 received');
    t.equal((await stack.cli('link', 'set', 'dev', DEVICE, 'up', 'mtu', '1000')).status, 0);
    t.ok(await answersPing(kernel, STACK));
    const [link] = await stack.json<{ mtu: number }[]>('link', 'show', DEVICE);
    t.equal(link?.mtu, 1_000);
    const long = await stack.cli('ping', '-c', '1', '-s', '1200', '-M', 'do', KERNEL);
    t.equal(long.status, 1);
    t.match(long.stdout, 'ping: local error: message too long, mtu: 1000\n');
    t.equal((await stack.cli('link', 'set', DEVICE, 'mtu', '1500')).status, 0);
    const statistics = await stack.cli('-s', 'link', 'show', DEVICE);
    t.match(statistics.stdout, /\n {4}RX: +bytes packets errors dropped +missed +mcast\n +\d+ +\d+ /);
  });

  t.test('neigh: prints as `ip neigh`; a permanent entry is used and stays', async (t) => {
    t.equal((await stack.cli('ping', '-c', '1', '-q', KERNEL)).status, 0);
    const own = (await stack.cli('neigh')).stdout;
    const [link] = kernel.json('link', 'show', 'dev', DEVICE);
    t.match(
      own,
      new RegExp(
        `^${KERNEL} dev ${DEVICE} lladdr ${String(link?.['address'])} (?:REACHABLE|DELAY|STALE)$`,
        'm',
      ),
    );
    const add = ['neigh', 'add', '10.77.0.9', 'lladdr', '02:00:00:00:00:09', 'dev', DEVICE];
    t.equal((await stack.cli(...add)).status, 0);
    t.match((await stack.cli(...add)).stderr, /^tapstack neigh add: 10\.77\.0\.9: there is an entry/);
    t.match((await stack.cli('neigh', 'flush')).stdout, /^\d+ neighbours? forgotten\n$/);
    t.equal(
      (await stack.cli('neigh')).stdout,
      `10.77.0.9 dev ${DEVICE} lladdr 02:00:00:00:00:09 PERMANENT\n`,
    );
    t.equal((await stack.cli('neigh', 'del', '10.77.0.9')).status, 0);
    t.equal((await stack.cli('neigh')).stdout, '');
  });

  t.test('counters and status', async (t) => {
    const before = await stack.json<{ icmp: { inEchos: number } }>('counters');
    t.ok(await answersPing(kernel, STACK));
    const after = await stack.json<{ icmp: { inEchos: number } }>('counters');
    t.equal(after.icmp.inEchos, before.icmp.inEchos + 1);
    const prometheus = (await stack.cli('counters', '--prometheus')).stdout;
    t.match(prometheus, `tapstack_icmp_in_echos_total ${after.icmp.inEchos}\n`);
    t.match(prometheus, /^tapstack_device_rx_packets_total\{dev="tap0"\} \d+$/m);
    t.match((await stack.cli('status')).stdout, /^tap0: up for .*\n {2}device +tap0 tap up mtu 1500 lladdr /);
  });

  t.test('many clients at a time', async (t) => {
    const outputs = await Promise.all(
      Array.from({ length: 8 }, () => stack.cli('ping', '-c', '2', '-i', '0.1', KERNEL)),
    );
    for (const { status, stdout } of outputs) t.equal(status, 0, stdout);
    await until('their sockets are closed', async () => (await stack.status()).sockets['ping'] === 0);
  });
});

t.test('routes, and beyond a router', { skip: reasonToSkip('ping', 'ethtool') }, async (t) => {
  const router = namespace(t, 'router');
  const far = namespace(t, 'far');
  const stack = await daemon(t, { netns: router });
  veth(router, 'out', far, 'in');
  router.ip('addr', 'add', '10.78.0.1/24', 'dev', 'out');
  router.exec('sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv4.icmp_ratelimit=0');
  far.exec('sysctl', '-qw', 'net.ipv4.icmp_ratelimit=0');
  far.ip('addr', 'add', '10.78.0.2/24', 'dev', 'in');
  far.ip('route', 'add', 'default', 'via', '10.78.0.1');

  t.test('ping, across it', async (t) => {
    const { status, stdout } = await stack.cli('ping', '-c', '3', '-i', '0.1', '-t', '9', '10.78.0.2');
    t.equal(status, 0);
    t.match(stdout, /^PING 10\.78\.0\.2 \(10\.78\.0\.2\) 56\(84\) bytes of data\.\n/);
    t.match(stdout, /\n64 bytes from 10\.78\.0\.2: icmp_seq=3 ttl=63 time=[\d.]+ ms\n/);
    t.match(
      stdout,
      /\n3 packets transmitted, 3 received, 0% packet loss, time \d+ms\nrtt min\/avg\/max\/mdev = /,
    );
    const short = await stack.cli('ping', '-c', '1', '-t', '1', '10.78.0.2');
    t.equal(short.status, 1);
    t.match(short.stdout, `From ${KERNEL} icmp_seq=1 Time to live exceeded\n`);
  });

  for (const flag of [[], ['-I']])
    t.test(`traceroute ${flag.join(' ')}`, async (t) => {
      const { status, stdout } = await stack.cli('traceroute', ...flag, '10.78.0.2');
      t.equal(status, 0);
      t.match(
        stdout,
        new RegExp(
          [
            '^traceroute to 10\\.78\\.0\\.2 \\(10\\.78\\.0\\.2\\), 30 hops max, 60 byte packets',
            ` 1  10\\.77\\.0\\.1${'  [\\d.]+ ms'.repeat(3)}`,
            ` 2  10\\.78\\.0\\.2${'  [\\d.]+ ms'.repeat(3)}\n$`,
          ].join('\n'),
        ),
      );
    });

  t.test('route: what is printed as `ip route` is where packets go', async (t) => {
    t.equal(
      (await stack.cli('route')).stdout,
      `default via ${KERNEL} dev ${DEVICE}\n10.77.0.0/24 dev ${DEVICE} proto kernel scope link src ${STACK}\n`,
    );
    t.equal((await stack.cli('route', 'add', 'prohibit', '10.78.0.0/24')).status, 0);
    const refused = await stack.cli('ping', '-c', '1', '10.78.0.2');
    t.equal(refused.status, 2);
    t.match(
      refused.stderr,
      /^tapstack ping: 10\.78\.0\.2: it is a broadcast address, or a route prohibits it\n$/,
    );
    t.equal((await stack.cli('route', 'replace', '10.78.0.0/24', 'via', KERNEL, 'mtu', '900')).status, 0);
    t.match((await stack.cli('route')).stdout, `10.78.0.0/24 via ${KERNEL} dev ${DEVICE} mtu 900\n`);
    const long = await stack.cli('ping', '-c', '1', '-s', '1000', '-M', 'do', '10.78.0.2');
    t.match(long.stdout, 'message too long, mtu: 900');
    t.equal((await stack.cli('route', 'del', '10.78.0.0/24')).status, 0);
    t.match(
      (await stack.cli('route', 'get', '10.78.0.2')).stdout,
      `10.78.0.2 via ${KERNEL} dev ${DEVICE} src ${STACK}\n`,
    );
  });

  t.test('rule: another table for another source', async (t) => {
    t.equal((await stack.cli('addr', 'add', '10.77.0.3/24')).status, 0);
    t.equal((await stack.cli('rule', 'add', 'from', '10.77.0.3', 'lookup', '100')).status, 0);
    t.equal((await stack.cli('route', 'add', 'blackhole', '10.78.0.0/24', 'table', '100')).status, 0);
    t.match((await stack.cli('rule')).stdout, '32765:\tfrom 10.77.0.3 lookup 100\n');
    t.equal(
      (await stack.cli('ping', '-c', '1', '-I', '10.77.0.3', '-W', '0.5', '10.78.0.2')).status !== 0,
      true,
    );
    t.equal((await stack.cli('ping', '-c', '1', '10.78.0.2')).status, 0, 'the other source is as before');
    t.equal((await stack.cli('rule', 'del', 'from', '10.77.0.3', 'table', '100')).status, 0);
    t.equal((await stack.cli('ping', '-c', '1', '-I', '10.77.0.3', '10.78.0.2')).status, 0);
  });
});
