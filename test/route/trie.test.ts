/**
 * Longest-prefix match against a search of all prefixes.
 */
import * as fc from 'fast-check';
import t from 'tap';
import { Ip } from '../../src/addr/ip.ts';
import type { Prefix } from '../../src/addr/prefix.ts';
import { Prefix as PrefixOf, parsePrefix } from '../../src/addr/prefix.ts';
import type { Rng } from '../../src/base/rng.ts';
import { rng } from '../../src/base/rng.ts';
import { Trie } from '../../src/route/trie.ts';

const prefix = (text: string): Prefix => parsePrefix(text) as Prefix;

function insert(trie: Trie, { address, mappedLength }: Prefix, value: number): void {
  trie.insert(address.a, address.b, address.c, address.d, mappedLength, value);
}

function remove(trie: Trie, { address, mappedLength }: Prefix): number {
  return trie.remove(address.a, address.b, address.c, address.d, mappedLength);
}

const find = (trie: Trie, { address, mappedLength }: Prefix): number =>
  trie.find(address.a, address.b, address.c, address.d, mappedLength);

const lookup = (trie: Trie, ip: Ip): number => trie.lookup(ip.a, ip.b, ip.c, ip.d);

function trieOf(...texts: string[]): Trie {
  const trie = new Trie();
  for (const [value, text] of texts.entries()) insert(trie, prefix(text), value);
  return trie;
}

function valuesOf(trie: Trie): number[] {
  const values: number[] = [];
  trie.visit((value) => values.push(value));
  return values;
}

t.test('the longest prefix wins, whatever the order of entry', (t) => {
  const texts = ['0.0.0.0/0', '10.0.0.0/8', '10.64.0.0/10', '10.77.0.0/16', '10.77.0.0/17', '10.77.0.2/32'];
  for (const order of [texts, texts.toReversed()]) {
    const trie = trieOf(...order);
    const best = (text: string): string | undefined => order[lookup(trie, prefix(text).address)];
    t.equal(best('10.77.0.2'), '10.77.0.2/32');
    t.equal(best('10.77.0.3'), '10.77.0.0/17');
    t.equal(best('10.77.128.1'), '10.77.0.0/16');
    t.equal(best('10.127.255.255'), '10.64.0.0/10');
    t.equal(best('10.128.0.0'), '10.0.0.0/8');
    t.equal(best('11.0.0.0'), '0.0.0.0/0');
  }
  t.end();
});

t.test('a path that was left out does not match an address that differs in it', (t) => {
  const trie = trieOf('10.77.0.0/24', '10.77.0.128/25', '2001:db8:1:2::/64', '2001:db8:1:2:8000::/65');
  for (const other of [
    '10.78.0.0',
    '10.13.0.200',
    '2001:db9:1:2::',
    '2001:db8:1:2::',
    '2001:db8:1:3:8000::1',
  ]) {
    const want = other === '2001:db8:1:2::' ? 2 : -1;
    t.equal(lookup(trie, prefix(other).address), want, other);
  }
  t.end();
});

t.test('the families do not see each other', (t) => {
  t.equal(lookup(trieOf('::/0'), Ip.v4(0x0a000001)), -1);
  t.equal(lookup(trieOf('0.0.0.0/0'), new Ip(0, 0, 0, 1)), -1);
  t.equal(lookup(trieOf('0.0.0.0/0', '::/0'), new Ip(0, 0, 0, 1)), 1);
  t.equal(lookup(trieOf('0.0.0.0/0', '::/0'), Ip.v4(0)), 0);
  t.end();
});

t.test('entering a prefix again replaces its value', (t) => {
  const trie = trieOf('10.0.0.0/8', '10.0.0.0/8', '0.0.0.0/0', '0.0.0.0/0');
  t.equal(trie.size, 2);
  t.equal(lookup(trie, Ip.v4(0x0a000001)), 1);
  t.equal(find(trie, prefix('0.0.0.0/0')), 3);
  t.equal(remove(trie, prefix('10.0.0.0/9')), -1);
  t.equal(remove(trie, prefix('0.0.0.0/0')), 3);
  t.equal(lookup(trie, Ip.v4(0x0b000001)), -1);
  t.throws(() => insert(trie, prefix('1.0.0.0/8'), -1), /negative/);
  t.end();
});

t.test('is visited in order: by family, address, length', (t) => {
  const texts = [
    '0.0.0.0/0',
    '10.0.0.0/8',
    '10.0.0.0/9',
    '10.0.0.0/32',
    '10.64.0.0/10',
    '10.77.1.0/24',
    '200.0.0.0/5',
  ];
  const texts6 = ['::/0', '::1/128', '2001:db8::/32', '2001:db8::/33', '2001:db8::/48', 'fe80::/10'];
  const order = [...texts, ...texts6];
  t.same(valuesOf(trieOf(...order)), [...order.keys()]);
  const reversed = valuesOf(trieOf(...order.toReversed()));
  t.same(reversed, [...order.keys()].toReversed());
  t.end();
});

/** Near each other, so that they nest and part at every depth. */
function randomPrefix(random: Rng): Prefix {
  const word = (): number => random.u32() & random.u32() & random.u32() & 0x8421_8421;
  const isV4 = random.below(2) === 0;
  const address = isV4 ? Ip.v4(word()) : new Ip(word() | 0x2000_0000, random.below(2), word(), word());
  return new PrefixOf(address, random.below(isV4 ? 33 : 129)).network;
}

const keyOf = ({ address, mappedLength }: Prefix): string => `${address.toString()} ${mappedLength}`;

function agreesWithSearch(seed: number, steps: number): boolean {
  const random = rng(seed);
  const trie = new Trie();
  const model = new Map<string, { prefix: Prefix; value: number }>();
  for (let value = 0; value < steps; value++) {
    const one = randomPrefix(random);
    const known = [...model.values()];
    const old = random.below(3) === 0 ? known[random.below(known.length + 1)] : undefined;
    if (old !== undefined) {
      if (remove(trie, old.prefix) !== old.value) return false;
      model.delete(keyOf(old.prefix));
    } else {
      insert(trie, one, value);
      model.set(keyOf(one), { prefix: one, value });
    }
    const { address } = old?.prefix ?? randomPrefix(random);
    const matches = [...model.values()]
      .filter(({ prefix }) => prefix.contains(address))
      .sort((a, b) => b.prefix.length - a.prefix.length);
    if (lookup(trie, address) !== (matches[0]?.value ?? -1)) return false;
    for (const [i, match] of matches.entries()) {
      const { a, b, c, d } = address;
      const shorter = trie.lookupShorter(a, b, c, d, match.prefix.mappedLength);
      if (shorter !== (matches[i + 1]?.value ?? -1)) return false;
    }
    if (trie.size !== model.size || trie.nodeCount > Math.max(0, trie.size - 1)) return false;
  }
  const all = valuesOf(trie);
  for (const { prefix, value } of model.values()) {
    if (find(trie, prefix) !== value || !all.includes(value) || remove(trie, prefix) !== value) return false;
  }
  return all.length === model.size && trie.size === 0 && trie.nodeCount === 0 && valuesOf(trie).length === 0;
}

t.test('agrees with a search of all prefixes, whatever is entered and removed', (t) => {
  fc.assert(
    fc.property(fc.integer(), (seed) => agreesWithSearch(seed, 150)),
    { seed: 3, numRuns: 120 },
  );
  t.end();
});

t.test('holds ten thousand host routes and lets them go', (t) => {
  const random = rng(8);
  const trie = new Trie();
  const all = Array.from({ length: 10_000 }, () => Ip.v4(random.u32()));
  for (const [value, ip] of all.entries()) insert(trie, new PrefixOf(ip, 32), value);
  t.ok(all.every((ip) => all[lookup(trie, ip)]?.equals(ip)));
  const values = valuesOf(trie).map((value) => (all[value] as Ip).d >>> 0);
  t.same(
    values,
    values.toSorted((a, b) => a - b),
  );
  for (const ip of all) remove(trie, new PrefixOf(ip, 32));
  t.equal(trie.size, 0);
  t.ok(all.every((ip) => lookup(trie, ip) === -1));
  t.end();
});
