/**
 * Addresses, prefixes and flow keys, and their text: RFC 4291 §2.2 in, RFC 5952 out.
 */
import * as fc from 'fast-check';
import t from 'tap';
import { FlowKey } from '../../src/addr/flow-key.ts';
import {
  ANY4,
  ANY6,
  BROADCAST4,
  formatIp,
  formatIp4,
  Ip,
  isLoopback4,
  isMulticast4,
  LOOPBACK4,
  LOOPBACK6,
  parseIp,
} from '../../src/addr/ip.ts';
import { BROADCAST_MAC, formatMac, Mac, parseMac, ZERO_MAC } from '../../src/addr/mac.ts';
import type { Prefix } from '../../src/addr/prefix.ts';
import { formatPrefix, Prefix as PrefixOf, parsePrefix } from '../../src/addr/prefix.ts';

const ip = (text: string): Ip => parseIp(text) as Ip;
const prefix = (text: string): Prefix => parsePrefix(text) as Prefix;
const word = fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff });
/** Addresses with runs of zeros, and of both families. */
const someIp = fc.oneof(
  word.map((d) => Ip.v4(d)),
  fc
    .array(fc.constantFrom(0, 0, 1, 0xffff, 0x20010db8 | 0, 0x0000ff00), { minLength: 4, maxLength: 4 })
    .map(([a, b, c, d]) => new Ip(a as number, b as number, c as number, d as number)),
  fc.tuple(word, word, word, word).map((words) => new Ip(...words)),
);

function isStable(one: string): boolean {
  const first = parseIp(one);
  return first === null || parseIp(formatIp(first))?.equals(first) === true;
}

const kinds = (one: Ip): string =>
  (['isV4', 'isUnspecified', 'isLoopback', 'isMulticast', 'isLinkLocal', 'isLimitedBroadcast'] as const)
    .filter((kind) => one[kind])
    .join(' ');

function comesBack(hi: number, lo: number): boolean {
  const mac = new Mac(hi, lo);
  return parseMac(formatMac(mac))?.equals(mac) === true;
}

const bitsOf = (one: Ip): string =>
  [one.a, one.b, one.c, one.d].map((part) => (part >>> 0).toString(2).padStart(32, '0')).join('');

function agrees(a: Ip, b: Ip, bits: number): boolean {
  const length = bits % (a.isV4 ? 33 : 129);
  const own = new PrefixOf(a, length);
  const isShared = bitsOf(a).slice(0, own.mappedLength) === bitsOf(b).slice(0, own.mappedLength);
  return own.contains(b) === (isShared && a.isV4 === b.isV4) && own.network.contains(b) === own.contains(b);
}

t.test('IP addresses', (t) => {
  t.test('IPv6 text is the recommended one (RFC 5952 §4, §5)', (t) => {
    const table: [string, string][] = [
      ['2001:0db8::0001', '2001:db8::1'],
      ['2001:DB8::ABCD', '2001:db8::abcd'],
      ['2001:db8:0:0:0:0:2:1', '2001:db8::2:1'],
      ['2001:db8::0:1', '2001:db8::1'],
      ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
      ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
      ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
      ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
      ['::2:3:4:5:6:7:8', '0:2:3:4:5:6:7:8'],
      ['0:0:0:0:0:0:0:0', '::'],
      ['0:0:0:0:0:0:0:1', '::1'],
      ['fe80:0:0:0:0:0:0:0', 'fe80::'],
      ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
      ['::ffff:192.0.2.1', '192.0.2.1'],
      ['::ffff:c000:0201', '192.0.2.1'],
    ];
    for (const [text, want] of table) t.equal(parseIp(text)?.toString(), want, text);
    t.end();
  });

  t.test('what is no address is none (RFC 4291 §2.2, RFC 6943 §3.1.1)', (t) => {
    const bad = [
      '1 1.2.3 1.2.3.4.5 1.2.3.256 01.2.3.4 1.2.3.-4 0x1.2.3.4 1.2.3.4/8 : ::: 1:2:3:4:5:6:7',
      '1:2:3:4:5:6:7:8:9 1:2:3:4:5:6:7:8:: ::1:2:3:4:5:6:7:8 1::2::3 12345:: g:: ::1.2.3',
      '::1.2.3.256 1.2.3.4:: ::1.2.3.4:5 1:2:3:4:5:6:7:1.2.3.4 :1:2:3:4:5:6:7 1:2:3:4:5:6:7:',
      'fe80::1%eth0 [::1]',
    ].flatMap((line) => line.split(' '));
    bad.push('', ' ', '1.2.3.4 ', `${':'.repeat(10_000)}1.2.3.4`);
    for (const text of bad) t.equal(parseIp(text), null, text.slice(0, 40));
    t.end();
  });

  t.test('every address comes back from its text', (t) => {
    fc.assert(
      fc.property(someIp, (one) => parseIp(formatIp(one))?.equals(one) === true),
      { seed: 1, numRuns: 1_000 },
    );
    t.end();
  });

  t.test('any text is an address or null', (t) => {
    const someText = fc.string({
      unit: fc.constantFrom(...'0123456789abcdefg:./% '.split('')),
      maxLength: 50,
    });
    fc.assert(fc.property(someText, isStable), { seed: 1, numRuns: 2_000 });
    t.end();
  });

  t.test('kinds', (t) => {
    const table: [Ip, string][] = [
      [ANY4, 'isV4 isUnspecified'],
      [ANY6, 'isUnspecified'],
      [LOOPBACK4, 'isV4 isLoopback'],
      [LOOPBACK6, 'isLoopback'],
      [BROADCAST4, 'isV4 isLimitedBroadcast'],
      [ip('127.255.0.1'), 'isV4 isLoopback'],
      [ip('224.0.0.1'), 'isV4 isMulticast'],
      [ip('239.255.255.255'), 'isV4 isMulticast'],
      [ip('240.0.0.1'), 'isV4'],
      [ip('223.255.255.255'), 'isV4'],
      [ip('169.254.1.1'), 'isV4 isLinkLocal'],
      [ip('fe80::1'), 'isLinkLocal'],
      [ip('febf::1'), 'isLinkLocal'],
      [ip('fec0::1'), ''],
      [ip('ff02::1'), 'isMulticast'],
      [ip('::2'), ''],
    ];
    for (const [one, want] of table) t.equal(kinds(one), want, one.toString());
    t.same([LOOPBACK4.family, LOOPBACK6.family], [4, 6]);
    t.ok(isMulticast4(ip('224.0.0.251').d) && !isMulticast4(ip('240.0.0.0').d));
    t.ok(isLoopback4(LOOPBACK4.d) && !isLoopback4(ip('128.0.0.1').d));
    t.equal(formatIp4(-1), '255.255.255.255');
    t.end();
  });

  t.test('words are int32, and equality is of all four', (t) => {
    const one = new Ip(0xffff_ffff, 2 ** 31, 0, 7);
    t.same([one.a, one.b], [-1, -(2 ** 31)]);
    t.ok(one.equals(new Ip(-1, -(2 ** 31), 0, 7)));
    for (const other of [new Ip(0, -(2 ** 31), 0, 7), new Ip(-1, 0, 0, 7), new Ip(-1, -(2 ** 31), 1, 7)]) {
      t.notOk(one.equals(other));
    }
    t.notOk(one.equals(new Ip(-1, -(2 ** 31), 0, 8)));
    t.end();
  });
  t.end();
});

t.test('link addresses', (t) => {
  t.test('text', (t) => {
    t.equal(formatMac(new Mac(0x0200, 0x0000_0a01)), '02:00:00:00:0a:01');
    t.equal(parseMac('02-00-00-00-0A-01')?.toString(), '02:00:00:00:0a:01');
    t.equal(parseMac('2:0:0:0:a:1')?.toString(), '02:00:00:00:0a:01');
    t.equal(parseMac('ff:ff:ff:ff:ff:ff')?.isBroadcast, true);
    for (const bad of [
      '',
      '1:2:3:4:5',
      '1:2:3:4:5:6:7',
      '1:2:3:4:5:',
      '1:2:3:4:5:g',
      '1:2-3:4:5:6',
      '001:2:3:4:5:6',
    ]) {
      t.equal(parseMac(bad), null, bad);
    }
    fc.assert(fc.property(fc.nat(0xffff), word, comesBack), { seed: 1 });
    t.end();
  });

  t.test('kinds', (t) => {
    t.ok(BROADCAST_MAC.isGroup && BROADCAST_MAC.isBroadcast);
    t.ok(parseMac('01:00:5e:00:00:01')?.isGroup);
    t.notOk(parseMac('02:00:5e:00:00:01')?.isGroup);
    t.ok(ZERO_MAC.isZero && !ZERO_MAC.isGroup && !BROADCAST_MAC.isZero);
    t.notOk(new Mac(1, 2).equals(new Mac(1, 3)) || new Mac(1, 2).equals(new Mac(0, 2)));
    t.end();
  });
  t.end();
});

t.test('prefixes (RFC 4632)', (t) => {
  t.test('text', (t) => {
    for (const text of ['10.77.0.2/24', '0.0.0.0/0', '::/0', '2001:db8::1/64', '::1/128']) {
      t.equal(formatPrefix(prefix(text)), text);
    }
    t.equal(prefix('10.0.0.1').toString(), '10.0.0.1/32');
    t.equal(prefix('::1').toString(), '::1/128');
    for (const bad of [
      '',
      '/8',
      '10.0.0.0/',
      '10.0.0.0/33',
      '::/129',
      '10.0.0.0/-1',
      '10.0.0.0/8/8',
      '10/8',
      '::/1x',
    ]) {
      t.equal(parsePrefix(bad), null, bad);
    }
    t.end();
  });

  t.test('network, membership and broadcast', (t) => {
    const one = prefix('10.77.3.2/22');
    t.equal(one.network.toString(), '10.77.0.0/22');
    t.equal(one.broadcast?.toString(), '10.77.3.255');
    t.ok(one.contains(ip('10.77.0.0')) && one.contains(ip('10.77.3.255')) && !one.contains(ip('10.77.4.0')));
    t.notOk(one.equals(one.network));
    t.ok(one.equals(prefix('10.77.3.2/22')));
    t.notOk(one.equals(prefix('10.77.3.2/21')));
    t.equal(prefix('0.0.0.0/0').broadcast?.toString(), '255.255.255.255');
    t.end();
  });

  t.test('/31 and /32 have no broadcast address (RFC 3021), nor has IPv6', (t) => {
    t.equal(prefix('10.0.0.0/30').broadcast?.toString(), '10.0.0.3');
    for (const text of ['10.0.0.0/31', '10.0.0.0/32', '2001:db8::/64']) t.equal(prefix(text).broadcast, null);
    t.end();
  });

  t.test('the families do not contain each other', (t) => {
    t.notOk(prefix('::/0').contains(LOOPBACK4));
    t.notOk(prefix('0.0.0.0/0').contains(LOOPBACK6));
    t.ok(prefix('::/0').contains(ip('ffff::')) && prefix('0.0.0.0/0').contains(BROADCAST4));
    t.end();
  });

  t.test('a network contains exactly the addresses that share its bits', (t) => {
    fc.assert(fc.property(someIp, someIp, fc.nat(128), agrees), { seed: 1, numRuns: 1_000 });
    t.end();
  });
  t.end();
});

t.test('a flow key takes addresses from objects and from header words', (t) => {
  const [one, other] = [new FlowKey(), new FlowKey()];
  one.setSource(ip('10.0.0.1'));
  one.setDestination(ip('10.0.0.2'));
  other.setSource(ip('2001:db8::1'));
  other.setDestination(ip('2001:db8::2'));
  other.setAddresses4(0x0a00_0001, 0x0a00_0002);
  t.same(one, other);
  t.end();
});
