/**
 * Rules as `ip rule` treats them.
 */
import t from 'tap';
import { Fib, LOCAL_TABLE } from '../../src/route/fib.ts';
import { formatRule, parseTable, tableName } from '../../src/route/format.ts';
import { add, ETH0, ETH1, get, host, ip, LO, nameOf, prefix } from './host.ts';

t.test('ip rule', (t) => {
  t.test('local, main and default are there at first', (t) => {
    t.same(
      new Fib().rules.map((rule) => formatRule(rule, nameOf)),
      ['0:\tfrom all lookup local', '32766:\tfrom all lookup main', '32767:\tfrom all lookup default'],
    );
    t.end();
  });

  t.test('every selector selects', (t) => {
    const selectors = {
      from: prefix('10.0.0.0/24'),
      to: prefix('9.0.0.0/8'),
      tos: 0x10,
      mark: 0x81,
      markMask: 0xf0,
      iif: LO,
      oif: ETH0,
      protocol: 6,
      sourcePorts: [100, 200],
      destinationPorts: [80, 80],
    } as const;
    const good = { tos: 0x10, mark: 0x8f, iif: LO, oif: ETH0, protocol: 6, srcPort: 200, dstPort: 80 };
    const fib = host();
    t.equal(fib.addRule({ ...selectors, priority: 5, action: 'prohibit' }), null);
    t.equal(get(fib, '9.9.9.9', good, '10.0.0.7'), 'prohibit');
    const wrong = { tos: 0, mark: 0x7f, iif: ETH1, oif: ETH1, protocol: 17, srcPort: 99, dstPort: 81 };
    for (const [field, value] of Object.entries(wrong)) {
      t.equal(get(fib, '9.9.9.9', { ...good, [field]: value }, '10.0.0.7'), 'none', field);
    }
    t.equal(get(fib, '9.9.9.9', good, '10.0.1.7'), 'none', 'from');
    t.equal(get(fib, '8.9.9.9', good, '10.0.0.7'), 'none', 'to');
    t.equal(get(fib, '2001:db8::1', good, '10.0.0.7'), 'none', 'family');
    const [, rule] = fib.rules;
    t.equal(
      rule === undefined ? '' : formatRule(rule, nameOf),
      '5:\tfrom 10.0.0.0/24 to 9.0.0.0/8 tos 0x10 fwmark 0x81/0xf0 iif lo oif eth0 ipproto tcp ' +
        'sport 100-200 dport 80 prohibit',
    );
    t.end();
  });

  t.test('a source has its own table', (t) => {
    const fib = host();
    add(fib, '0.0.0.0/0', { via: ip('10.0.0.1') });
    add(fib, '0.0.0.0/0', { via: ip('10.0.1.1'), table: 100 });
    t.equal(fib.addRule({ from: prefix('10.0.1.2/32'), action: 100 }), null);
    t.equal(get(fib, '8.8.8.8', {}, '10.0.1.2'), 'via 10.0.1.1 eth1');
    t.equal(get(fib, '8.8.8.8', {}, '10.0.0.2'), 'via 10.0.0.1 eth0');
    t.equal(get(fib, '10.0.0.2', {}, '10.0.1.2'), 'local eth0', 'after the table local');
    t.equal(fib.rules[1]?.priority, 32_765);
    t.end();
  });

  t.test('not inverts, and ::/0 holds no IPv4', (t) => {
    const fib = host();
    fib.addRule({ to: prefix('10.0.0.0/8'), isInverted: true, priority: 1, action: 'blackhole' });
    fib.addRule({ to: prefix('::/0'), priority: 2, action: 'unreachable' });
    t.equal(get(fib, '9.9.9.9'), 'blackhole');
    t.equal(get(fib, '10.0.0.9'), 'eth0');
    t.equal(
      fib.rules[1] === undefined ? '' : formatRule(fib.rules[1], nameOf),
      '1:\tnot from all to 10.0.0.0/8 blackhole',
    );
    t.end();
  });

  t.test('is ordered by priority, refuses doubles, and is deleted by what it selects', (t) => {
    const fib = new Fib();
    t.equal(fib.addRule({ priority: 10, mark: 1, action: 7 }), null);
    t.equal(fib.addRule({ priority: 10, mark: 1, action: 7 }), 'EEXIST');
    t.equal(fib.addRule({ priority: 10, mark: 2, action: 7 }), null);
    t.equal(fib.addRule({ priority: 9, mark: 3, action: 'unreachable' }), null);
    t.same(
      fib.rules.map(({ priority, selectors }) => [priority, selectors.mark]),
      [
        [0, undefined],
        [9, 3],
        [10, 1],
        [10, 2],
        [32_766, undefined],
        [32_767, undefined],
      ],
    );
    t.equal(fib.delRule({ mark: 2, action: 8 }), 'ENOENT');
    t.equal(fib.delRule({ mark: 2, action: 7, priority: 11 }), 'ENOENT');
    t.equal(fib.delRule({ mark: 2, action: 7 }), null);
    t.equal(fib.delRule({ mark: 3, action: 'unreachable', priority: 9 }), null);
    t.equal(fib.delRule({ action: LOCAL_TABLE }), null, 'even the first may go');
    t.same(
      fib.rules.map(({ priority }) => priority),
      [10, 32_766, 32_767],
    );
    t.equal(fib.addRule({ action: 0 }), 'EINVAL');
    t.equal(fib.addRule({ action: 7, from: prefix('10.0.0.1/8') }), 'EINVAL');
    t.end();
  });

  t.test('tables have names', (t) => {
    for (const name of ['local', 'main', 'default', '7'])
      t.equal(tableName(parseTable(name) as number), name);
    for (const bad of ['0', '-1', '4294967296', 'x', '']) t.equal(parseTable(bad), null);
    t.end();
  });
  t.end();
});
