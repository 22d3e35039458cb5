/**
 * The routes that come and go with addresses.
 */
import t from 'tap';
import { addAddressRoutes, removeAddressRoutes } from '../../src/route/address-routes.ts';
import { Fib, LOCAL_TABLE } from '../../src/route/fib.ts';
import { add, ETH0, ETH2, get, host, ip, prefix, show } from './host.ts';

t.test('are those of Linux', (t) => {
  const fib = host();
  t.same(show(fib), [
    '10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.2',
    '10.0.1.0/24 dev eth1 proto kernel scope link src 10.0.1.2',
  ]);
  t.same(show(fib, LOCAL_TABLE), [
    'local 10.0.0.2 dev eth0 proto kernel scope host src 10.0.0.2',
    'broadcast 10.0.0.255 dev eth0 proto kernel scope link src 10.0.0.2',
    'local 10.0.1.2 dev eth1 proto kernel scope host src 10.0.1.2',
    'broadcast 10.0.1.255 dev eth1 proto kernel scope link src 10.0.1.2',
    'local 127.0.0.0/8 dev lo proto kernel scope host src 127.0.0.1',
    'local 127.0.0.1 dev lo proto kernel scope host src 127.0.0.1',
    'broadcast 127.255.255.255 dev lo proto kernel scope link src 127.0.0.1',
  ]);
  t.equal(get(fib, '10.0.0.2'), 'local eth0');
  t.equal(get(fib, '10.0.0.255'), 'broadcast eth0');
  t.equal(get(fib, '10.0.0.0'), 'eth0', 'the lowest address is an ordinary one');
  t.equal(get(fib, '127.3.2.1'), 'local lo');
  t.equal(get(fib, '8.8.8.8'), 'none');
  t.end();
});

t.test('a point-to-point network has no broadcast address (RFC 3021), a single address no network', (t) => {
  const fib = new Fib();
  addAddressRoutes(fib, prefix('10.9.0.0/31'), ETH0);
  addAddressRoutes(fib, prefix('10.9.1.1/32'), ETH0);
  t.same(show(fib), ['10.9.0.0/31 dev eth0 proto kernel scope link src 10.9.0.0']);
  t.equal(show(fib, LOCAL_TABLE).length, 2);
  t.end();
});

t.test('IPv6 has a metric of 256, no scope and no source', (t) => {
  const fib = new Fib();
  addAddressRoutes(fib, prefix('2001:db8::2/64'), ETH0);
  t.same(show(fib), ['2001:db8::/64 dev eth0 proto kernel metric 256']);
  t.same(show(fib, LOCAL_TABLE), ['local 2001:db8::2 dev eth0 proto kernel']);
  removeAddressRoutes(fib, prefix('2001:db8::2/64'), ETH0);
  t.same([...show(fib), ...show(fib, LOCAL_TABLE)], []);
  t.end();
});

t.test('a second address shares the network, and inherits it', (t) => {
  const fib = host();
  const before = show(fib);
  addAddressRoutes(fib, prefix('10.0.0.3/24'), ETH0);
  t.same(show(fib), before);
  removeAddressRoutes(fib, prefix('10.0.0.2/24'), ETH0, [prefix('10.0.0.3/24')]);
  t.equal(show(fib)[0], '10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.3');
  t.equal(get(fib, '10.0.0.2'), 'eth0');
  t.equal(get(fib, '10.0.0.255'), 'broadcast eth0');
  t.end();
});

t.test('go with the address, and so does what prefers it as its source', (t) => {
  const fib = host();
  t.equal(add(fib, '0.0.0.0/0', { via: ip('10.0.1.1'), source: ip('10.0.0.2') }), null);
  t.equal(add(fib, '9.0.0.0/8', { via: ip('10.0.1.1') }), null);
  removeAddressRoutes(fib, prefix('10.0.0.2/24'), ETH0);
  t.same(show(fib), [
    '9.0.0.0/8 via 10.0.1.1 dev eth1',
    '10.0.1.0/24 dev eth1 proto kernel scope link src 10.0.1.2',
  ]);
  t.equal(get(fib, '10.0.0.255'), 'none');
  t.end();
});

t.test('of two interfaces in one network both are kept', (t) => {
  const fib = host();
  addAddressRoutes(fib, prefix('10.0.0.9/24'), ETH2);
  t.equal(get(fib, '10.0.0.7'), 'eth0');
  t.equal(get(fib, '10.0.0.7', { oif: ETH2 }), 'eth2');
  removeAddressRoutes(fib, prefix('10.0.0.2/24'), ETH0);
  t.equal(get(fib, '10.0.0.7'), 'eth2');
  t.end();
});
