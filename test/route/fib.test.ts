/**
 * Routes as `ip route` treats them, and the choice between next hops.
 */
import t from 'tap';
import { FlowKey } from '../../src/addr/flow-key.ts';
import { Fib } from '../../src/route/fib.ts';
import { formatRoute } from '../../src/route/format.ts';
import { linkHop } from '../../src/route/nexthop.ts';
import { add, ETH0, ETH1, ETH2, get, host, ip, nameOf, prefix, show } from './host.ts';

t.test('ip route', (t) => {
  t.test('add refuses a second route of the same prefix and metric', (t) => {
    const fib = host();
    t.equal(add(fib, '0.0.0.0/0', { via: ip('10.0.0.1') }), null);
    t.equal(add(fib, '0.0.0.0/0', { via: ip('10.0.1.1') }), 'EEXIST');
    t.equal(add(fib, '0.0.0.0/0', { via: ip('10.0.1.1'), metric: 100 }), null);
    t.same(show(fib).slice(0, 2), [
      'default via 10.0.0.1 dev eth0',
      'default via 10.0.1.1 dev eth1 metric 100',
    ]);
    t.equal(get(fib, '8.8.8.8'), 'via 10.0.0.1 eth0');
    t.end();
  });

  t.test('replace takes the place of the one with this metric, append and prepend go beside it', (t) => {
    const fib = host();
    const net = prefix('9.0.0.0/8');
    t.equal(fib.replace({ prefix: net, via: ip('10.0.0.1') }), null);
    t.equal(fib.replace({ prefix: net, via: ip('10.0.0.9') }), null);
    t.equal(fib.append({ prefix: net, via: ip('10.0.1.1') }), null);
    t.equal(fib.append({ prefix: net, via: ip('10.0.1.1') }), 'EEXIST');
    t.equal(fib.prepend({ prefix: net, via: ip('10.0.1.9') }), null);
    t.same(show(fib).slice(0, 3), [
      '9.0.0.0/8 via 10.0.1.9 dev eth1',
      '9.0.0.0/8 via 10.0.0.9 dev eth0',
      '9.0.0.0/8 via 10.0.1.1 dev eth1',
    ]);
    t.end();
  });

  t.test('del takes the first that matches what is said', (t) => {
    const fib = host();
    const net = prefix('9.0.0.0/8');
    for (const metric of [5, 1, 9]) fib.add({ prefix: net, via: ip('10.0.0.1'), metric, protocol: 'static' });
    t.equal(fib.del({ prefix: net, via: ip('10.0.0.2') }), 'ESRCH');
    t.equal(fib.del({ prefix: net, oif: ETH1 }), 'ESRCH');
    t.equal(fib.del({ prefix: net, protocol: 'boot' }), 'ESRCH');
    t.equal(fib.del({ prefix: net, type: 'blackhole' }), 'ESRCH');
    t.equal(fib.del({ prefix: net, scope: 'link' }), 'ESRCH');
    t.equal(fib.del({ prefix: net, source: ip('10.0.0.2') }), 'ESRCH');
    t.equal(fib.del({ prefix: net, table: 7 }), 'ESRCH');
    t.equal(fib.del({ prefix: net, metric: 5 }), null);
    t.equal(fib.del({ prefix: net }), null);
    t.same(show(fib)[0], '9.0.0.0/8 via 10.0.0.1 dev eth0 proto static metric 9');
    t.equal(fib.del({ prefix: net, via: ip('10.0.0.1'), oif: ETH0, scope: 'global' }), null);
    t.equal(fib.del({ prefix: net }), 'ESRCH');
    t.equal(get(fib, '9.1.1.1'), 'none');
    t.end();
  });

  t.test('a gateway must be on a link', (t) => {
    const fib = host();
    add(fib, '0.0.0.0/0', { via: ip('10.0.0.1') });
    t.equal(
      add(fib, '9.0.0.0/8', { via: ip('11.0.0.1') }),
      'ENETUNREACH',
      'only by way of the default route',
    );
    t.equal(add(fib, '9.0.0.0/8', { via: ip('10.0.0.1'), oif: ETH1 }), 'ENETUNREACH');
    t.equal(add(fib, '9.0.0.0/8', { via: ip('10.0.0.2') }), 'EINVAL', 'an address of our own');
    t.equal(add(fib, '9.0.0.0/8', { via: ip('10.0.0.255') }), 'EINVAL', 'a broadcast address');
    t.equal(add(fib, '9.0.0.0/8', { via: ip('11.0.0.1'), oif: ETH1, onlink: true }), null);
    t.equal(get(fib, '9.0.0.1'), 'via 11.0.0.1 eth1');
    t.equal(show(fib)[1], '9.0.0.0/8 via 11.0.0.1 dev eth1 onlink');
    t.end();
  });

  t.test('what makes no sense is refused', (t) => {
    const fib = host();
    const gateway = ip('10.0.0.1');
    t.equal(add(fib, '10.0.0.1/8', { oif: ETH0 }), 'EINVAL', 'host bits');
    t.equal(add(fib, '9.0.0.0/8', {}), 'EINVAL', 'no next hop');
    t.equal(add(fib, '9.0.0.0/8', { type: 'blackhole', oif: ETH0 }), 'EINVAL');
    t.equal(add(fib, '9.0.0.0/8', { oif: ETH0, nextHops: [{ oif: ETH1 }] }), 'EINVAL');
    t.equal(add(fib, '9.0.0.0/8', { nextHops: [{ oif: ETH0, weight: 0 }] }), 'EINVAL');
    t.equal(add(fib, '9.0.0.0/8', { nextHops: [{ oif: ETH0, weight: 257 }] }), 'EINVAL');
    t.equal(add(fib, '9.0.0.0/8', { via: gateway, onlink: true }), 'EINVAL', 'onlink, but on which?');
    t.equal(add(fib, '9.0.0.0/8', { oif: ETH0, onlink: true }), 'EINVAL', 'onlink without a gateway');
    t.equal(add(fib, '9.0.0.0/8', { via: ip('224.0.0.1'), oif: ETH0, onlink: true }), 'EINVAL');
    t.equal(add(fib, '9.0.0.0/8', { oif: ETH0, source: ip('::1') }), 'EINVAL');
    t.equal(add(fib, '9.0.0.0/8', { oif: ETH0, table: 0 }), 'EINVAL');
    t.equal(add(fib, '2001:db8::/32', { via: gateway }), 'EINVAL', 'an IPv4 gateway for IPv6');
    t.equal(fib.generation, host().generation, 'nothing changed');
    t.end();
  });

  t.test('an IPv4 network may have an IPv6 gateway (RFC 8950)', (t) => {
    const fib = host();
    t.equal(add(fib, 'fe80::/64', { oif: ETH0 }), null);
    t.equal(add(fib, '9.0.0.0/8', { via: ip('fe80::1'), oif: ETH0 }), null);
    t.equal(show(fib)[0], '9.0.0.0/8 via inet6 fe80::1 dev eth0');
    t.end();
  });

  t.test('refusals are answered, whatever interface is wanted; throw goes on', (t) => {
    const fib = host();
    add(fib, '0.0.0.0/0', { via: ip('10.0.0.1'), table: 253 });
    add(fib, '9.1.0.0/16', { type: 'blackhole' });
    add(fib, '9.2.0.0/16', { type: 'unreachable', metric: 3 });
    add(fib, '9.3.0.0/16', { type: 'prohibit' });
    add(fib, '9.4.0.0/16', { type: 'throw' });
    add(fib, '9.0.0.0/8', { oif: ETH1 });
    t.equal(get(fib, '9.1.0.1'), 'blackhole');
    t.equal(get(fib, '9.2.0.1', { oif: ETH0 }), 'unreachable');
    t.equal(get(fib, '9.3.0.1'), 'prohibit');
    t.equal(get(fib, '9.4.0.1'), 'via 10.0.0.1 eth0', 'from the table default');
    t.equal(get(fib, '9.5.0.1'), 'eth1');
    t.equal(show(fib)[2], 'unreachable 9.2.0.0/16 metric 3');
    t.equal(show(fib, 253)[0], 'default via 10.0.0.1 dev eth0');
    t.same(
      fib.tables.toSorted((a, b) => a - b),
      [253, 254, 255],
    );
    t.end();
  });

  t.test('with a wanted interface a shorter prefix may win', (t) => {
    const fib = host();
    add(fib, '0.0.0.0/0', { via: ip('10.0.1.1') });
    add(fib, '9.0.0.0/8', { via: ip('10.0.0.1') });
    add(fib, '9.0.0.0/9', { via: ip('10.0.0.1') });
    t.equal(get(fib, '9.0.0.1'), 'via 10.0.0.1 eth0');
    t.equal(get(fib, '9.0.0.1', { oif: ETH1 }), 'via 10.0.1.1 eth1');
    t.equal(get(fib, '9.0.0.1', { oif: ETH2 }), 'none');
    t.end();
  });

  t.test('mtu, table and several next hops are shown', (t) => {
    const fib = host();
    const nextHops = [{ via: ip('10.0.0.1') }, { via: ip('10.0.1.1'), weight: 3 }];
    add(fib, '0.0.0.0/0', { nextHops, protocol: 'static', metric: 10 });
    add(fib, '9.0.0.0/8', { oif: ETH0, mtu: 1_400, table: 100, protocol: 'dhcp' });
    t.equal(
      show(fib)[0],
      [
        'default proto static metric 10',
        '\tnexthop via 10.0.0.1 dev eth0 weight 1',
        '\tnexthop via 10.0.1.1 dev eth1 weight 3',
      ].join('\n'),
    );
    const [route] = fib.list(100);
    t.ok(route);
    if (route !== undefined) {
      t.equal(
        formatRoute(route, nameOf, true),
        '9.0.0.0/8 dev eth0 table 100 proto dhcp scope link mtu 1400',
      );
    }
    t.end();
  });

  t.test('flush deletes what it is told, and everything else stays', (t) => {
    const fib = host();
    for (let n = 0; n < 20; n++)
      add(fib, `9.${n}.0.0/16`, { oif: ETH0, protocol: n < 5 ? 'ospf' : 'static' });
    t.equal(
      fib.flush(({ protocol }) => protocol === 'ospf'),
      5,
    );
    t.equal(fib.list().length, 17);
    t.equal(
      fib.flush(() => false),
      0,
    );
    t.end();
  });

  t.test('every change counts as a new generation', (t) => {
    const fib = host();
    let last = fib.generation;
    const changes: (() => unknown)[] = [
      () => add(fib, '9.0.0.0/8', { oif: ETH0 }),
      () => fib.replace({ prefix: prefix('9.0.0.0/8'), oif: ETH1 }),
      () => fib.append({ prefix: prefix('9.0.0.0/8'), oif: ETH2 }),
      () => fib.del({ prefix: prefix('9.0.0.0/8') }),
      () => fib.addRule({ action: 7 }),
      () => fib.delRule({ action: 7 }),
      () => fib.setInterfaceState(ETH0, false),
      () => fib.removeInterface(ETH0),
      () => {
        fib.hashPolicy = 'l4';
      },
    ];
    for (const change of changes) {
      change();
      t.ok(fib.generation > last);
      last = fib.generation;
    }
    fib.setInterfaceState(ETH1, true);
    t.equal(fib.generation, last, 'it was up');
    t.end();
  });
  t.end();
});

t.test('interfaces that go down', (t) => {
  t.test('their routes are not chosen and come back; their addresses stay ours', (t) => {
    const fib = host();
    add(fib, '0.0.0.0/0', { via: ip('10.0.0.1') });
    add(fib, '0.0.0.0/0', { via: ip('10.0.1.1'), metric: 100 });
    fib.setInterfaceState(ETH0, false);
    t.equal(get(fib, '8.8.8.8'), 'via 10.0.1.1 eth1');
    t.equal(get(fib, '10.0.0.9'), 'via 10.0.1.1 eth1');
    t.equal(get(fib, '10.0.0.2'), 'local eth0');
    t.equal(show(fib)[0], 'default via 10.0.0.1 dev eth0 dead linkdown');
    add(fib, '9.0.0.0/8', { oif: ETH0 });
    t.equal(get(fib, '9.0.0.1'), 'via 10.0.1.1 eth1', 'entered while it is down');
    add(fib, '10.0.0.3/32', { type: 'local', oif: ETH0 });
    t.equal(get(fib, '10.0.0.3'), 'local eth0', 'so was this, but it is ours');
    fib.setInterfaceState(ETH0, true);
    t.equal(get(fib, '8.8.8.8'), 'via 10.0.0.1 eth0');
    t.equal(get(fib, '9.0.0.1'), 'eth0');
    t.end();
  });

  t.test('one that is removed takes its routes along, of several next hops only its own', (t) => {
    const fib = host();
    add(fib, '9.0.0.0/8', { nextHops: [{ oif: ETH0 }, { oif: ETH1 }], metric: 7 });
    fib.removeInterface(ETH0);
    t.same(show(fib), [
      '9.0.0.0/8 dev eth1 metric 7',
      '10.0.1.0/24 dev eth1 proto kernel scope link src 10.0.1.2',
    ]);
    t.equal(get(fib, '10.0.0.2'), 'none');
    t.end();
  });
  t.end();
});

const share = (all: string[], text: string): number => all.filter((one) => one === text).length / all.length;

t.test('several next hops (RFC 2992)', (t) => {
  const nextHops = [
    { via: ip('10.0.0.1'), oif: ETH0 },
    { via: ip('10.0.1.1'), oif: ETH1, weight: 2 },
    { oif: ETH2, weight: 1 },
  ];
  const flows = Array.from({ length: 4_000 }, (_, n) => `9.${n >> 8}.${n & 255}.1`);
  const choices = (fib: Fib, fields: Partial<FlowKey> = {}): string[] =>
    flows.map((to) => get(fib, to, fields));
  t.test('share the flows by weight', (t) => {
    const fib = host();
    add(fib, '0.0.0.0/0', { nextHops });
    const all = choices(fib);
    t.ok(Math.abs(share(all, 'via 10.0.0.1 eth0') - 0.25) < 0.03);
    t.ok(Math.abs(share(all, 'via 10.0.1.1 eth1') - 0.5) < 0.03);
    t.same(choices(fib), all, 'a flow keeps its next hop');
    t.not(share(all, 'eth2'), 0);
    t.end();
  });

  t.test('when one dies only its flows move, evenly, and come back', (t) => {
    const fib = host();
    add(fib, '0.0.0.0/0', { nextHops });
    const before = choices(fib);
    fib.setInterfaceState(ETH1, false);
    const meanwhile = choices(fib);
    t.ok(meanwhile.every((hop, i) => hop === before[i] || before[i] === 'via 10.0.1.1 eth1'));
    t.equal(share(meanwhile, 'via 10.0.1.1 eth1'), 0);
    t.ok(Math.abs(share(meanwhile, 'eth2') - 0.5) < 0.04);
    fib.setInterfaceState(ETH1, true);
    t.same(choices(fib), before);
    t.end();
  });

  t.test('a wanted interface has all; when none is usable there is no route', (t) => {
    const fib = host();
    add(fib, '0.0.0.0/0', { nextHops });
    t.equal(share(choices(fib, { oif: ETH2 }), 'eth2'), 1);
    for (const oif of [ETH0, ETH1, ETH2]) fib.setInterfaceState(oif, false);
    t.equal(share(choices(fib), 'none'), 1);
    t.end();
  });

  t.test('ports count only with the policy that says so', (t) => {
    const fib = host();
    add(fib, '0.0.0.0/0', { nextHops });
    const spread = (): number =>
      new Set(Array.from({ length: 64 }, (_, n) => get(fib, '9.9.9.9', { srcPort: 1_000 + n, protocol: 6 })))
        .size;
    t.equal(spread(), 1);
    fib.hashPolicy = 'l4';
    t.equal(spread(), 3);
    t.end();
  });

  t.test('the seed decides, so that routers on a path do not choose alike', (t) => {
    const [one, other] = [new Fib(1), new Fib(2)];
    for (const fib of [one, other]) add(fib, '0.0.0.0/0', { nextHops: [{ oif: ETH0 }, { oif: ETH1 }] });
    t.notSame(choices(one), choices(other));
    t.end();
  });
  t.end();
});

t.test('a look-up allocates nothing', (t) => {
  const fib = host();
  for (let n = 0; n < 50; n++) add(fib, `9.${n}.0.0/16`, { via: ip('10.0.0.1') });
  fib.addRule({ from: prefix('11.0.0.0/8'), action: 100 });
  const key = new FlowKey();
  let found = 0;
  const run = (): void => {
    for (let n = 0; n < 100_000; n++) {
      key.setAddresses4(n, 0x0900_0000 + ((n % 60) << 16));
      if (fib.lookup(key) !== null) found++;
    }
  };
  run();
  const before = process.memoryUsage().heapUsed;
  run();
  const grown = process.memoryUsage().heapUsed - before;
  // An object for each look-up would be megabytes.
  t.ok(grown < 400_000, `${grown} bytes in 100000 look-ups`);
  t.ok(found > 0);
  t.end();
});

t.test('a next hop outside all tables says how a link is used', (t) => {
  const hop = linkHop('multicast', ETH1);
  t.same(
    [hop.oif, hop.via, hop.route.type, hop.route.mtu, hop.route.source],
    [ETH1, null, 'multicast', 0, null],
  );
  t.end();
});
