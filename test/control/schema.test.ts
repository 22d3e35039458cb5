/** Values from text and JSON: what is taken, and the sentence about what is not. */
import t from 'tap';
import { formatIp } from '../../src/addr/ip.ts';
import type { Prefix } from '../../src/addr/prefix.ts';
import { formatPrefix } from '../../src/addr/prefix.ts';
import type { Type } from '../../src/control/schema.ts';
import { ConfigError, choice, decimal, flag, integer } from '../../src/control/schema.ts';
import * as types from '../../src/control/types.ts';

function problem(type: Type<unknown>, value: unknown): string {
  const read = type.read(value);
  return read instanceof ConfigError ? read.problem : `took ${JSON.stringify(read)}`;
}

/** The value as it prints. */
function text(type: Type<{ toString(): string } | number>, value: unknown): string {
  const read = type.read(value);
  return read instanceof ConfigError ? read.text : read.toString();
}

function network(value: string): string {
  return formatPrefix(types.network.read(value) as Prefix);
}

t.test('numbers are decimal or hexadecimal, whole, and within bounds', (t) => {
  const type = integer('N', 1, 300);
  for (const [value, want] of [
    ['1', 1],
    ['300', 300],
    ['0x10', 16],
    [7, 7],
  ] as const)
    t.equal(type.read(value), want, String(value));
  for (const bad of ['0', '301', '-1', '1.5', '', ' 1', '1 ', '1e2', '0x', 'ten', null, {}, [1], true, 1.5])
    t.equal(problem(type, bad), `${JSON.stringify(bad)} is no whole number from 1 to 300`);
  t.equal(integer('N', -5, 5).read('-3'), -3);
  t.equal(integer('N', -5, 5).read(0), 0, 'zero is a value, not a missing one');
  t.end();
});

t.test('decimals have a fraction', (t) => {
  const type = decimal('SECONDS', 0.002, 10);
  t.equal(type.read('0.2'), 0.2);
  t.equal(type.read('3.'), 3);
  t.equal(type.read(2), 2);
  for (const bad of ['0.001', '11', '.5', 'Infinity', 'NaN', '1e1', ''])
    t.match(problem(type, bad), 'is no number from 0.002 to 10', bad);
  t.end();
});

t.test('a choice is one of its words', (t) => {
  const type = choice('STATE', ['up', 'down', 'left']);
  t.equal(type.read('down'), 'down');
  t.equal(problem(type, 'Up'), '"Up" is not up, down or left');
  t.equal(problem(choice('X', ['on']), 1), '1 is not on');
  t.same(type.choices, ['up', 'down', 'left']);
  t.equal(flag.read(true), true);
  t.equal(problem(flag, 'yes'), '"yes" is neither true nor false');
  t.end();
});

t.test('a long value is cut in the sentence about it', (t) => {
  t.equal(problem(types.address, 'x'.repeat(1_000)).length < 160, true);
  t.end();
});

t.test('addresses and prefixes', (t) => {
  t.equal(text(types.address, '10.77.0.1'), '10.77.0.1');
  t.match(problem(types.address, '10.77.0'), 'is no IP address; write one such as 10.77.0.1');
  t.match(problem(types.host, 'example.org'), 'names cannot be resolved yet');
  t.equal(text(types.interfaceAddress, '10.77.0.2/24'), '10.77.0.2/24');
  t.match(problem(types.interfaceAddress, '10.77.0.2/33'), 'is no address with the length of its network');
  t.equal(network('10.0.0.0/8'), '10.0.0.0/8');
  t.equal(network('10.0.0.1'), '10.0.0.1/32');
  t.equal(network('default'), '0.0.0.0/0');
  t.equal(
    problem(types.network, '10.0.0.1/8'),
    '"10.0.0.1/8" has bits behind its length; the network is 10.0.0.0/8',
  );
  t.end();
});

t.test('link addresses are those of one station where one is meant', (t) => {
  t.equal(text(types.stationMac, '2:0:0:0:0:1'), '02:00:00:00:00:01');
  for (const bad of ['01:00:5e:00:00:01', 'ff:ff:ff:ff:ff:ff', '00:00:00:00:00:00'])
    t.match(problem(types.stationMac, bad), 'is not the address of one station', bad);
  t.match(problem(types.stationMac, '02:00'), 'is no MAC address');
  t.end();
});

t.test('names of devices are those that the kernel takes, names of instances those of files', (t) => {
  for (const good of ['tapstack0', 'a', 'eth0.5', '123456789012345'])
    t.equal(types.deviceName.read(good), good);
  for (const bad of ['', '1234567890123456', 'a b', 'a/b', 'tap%d', '.', '..', 'ä'.repeat(8), 'a:1'])
    t.match(problem(types.deviceName, bad), 'is no name for a device', bad);
  for (const good of ['lab0', 'a.b-c_d']) t.equal(types.instanceName.read(good), good);
  for (const bad of ['', '../x', 'a/b', '.hidden', '-x', 'x'.repeat(65)])
    t.match(problem(types.instanceName, bad), 'is no name for an instance', bad);
  t.match(problem(types.path, 'a\0b'), 'is no path');
  t.end();
});

t.test('tables have names', (t) => {
  for (const [text, want] of [
    ['main', 254],
    ['local', 255],
    ['default', 253],
    ['100', 100],
    ['4294967295', 4_294_967_295],
  ] as const) {
    t.equal(types.table.read(text), want, text);
    t.equal(types.tableName(want), text);
  }
  for (const bad of ['0', '4294967296', 'all', 'toString', '-1', '0x64'])
    t.match(problem(types.table, bad), 'is no routing table', bad);
  t.equal(types.tableOrAll.read('all'), 0);
  t.end();
});

t.test('marks, ports and protocols', (t) => {
  t.same(types.mark.read('0x1/0xff'), { mark: 1, mask: 255 });
  t.same(types.mark.read('4294967295'), { mark: -1, mask: null });
  for (const bad of ['', '/', '1/', '1/2/3', '0x1ffffffff', '-1', 'x'])
    t.match(problem(types.mark, bad), 'is no mark', bad);
  t.same(types.portRange.read('53'), [53, 53]);
  t.same(types.portRange.read('1024-65535'), [1_024, 65_535]);
  for (const bad of ['65536', '2-1', '-', 'dns']) t.match(problem(types.portRange, bad), 'is no port', bad);
  t.equal(types.ipProtocol.read('udp'), 17);
  t.equal(types.ipProtocol.read('0'), 0);
  t.equal(types.protocolName(17), 'udp');
  t.equal(types.protocolName(200), '200');
  for (const bad of ['256', 'constructor']) t.match(problem(types.ipProtocol, bad), 'is no IP protocol', bad);
  t.end();
});

t.test('an error carries the path to what is wrong', (t) => {
  const error = new ConfigError('', '"x" is no number').under('weight').under('2').under('nexthop');
  t.equal(error.path, 'nexthop.2.weight');
  t.equal(error.text, 'nexthop.2.weight: "x" is no number');
  t.equal(new ConfigError('', 'nothing').text, 'nothing');
  t.equal(formatIp(types.address.read('::1') as never), '::1');
  t.end();
});
