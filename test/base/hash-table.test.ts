/**
 * The flow table against a Map, through growth and removal, and its hash.
 */
import * as fc from 'fast-check';
import t from 'tap';
import { HashTable } from '../../src/base/hash-table.ts';
import { rng } from '../../src/base/rng.ts';

function put(table: HashTable, ...words: number[]): HashTable {
  table.key.set(words);
  return table;
}

t.test('a key of eleven words is told from one that differs in any of them', (t) => {
  const table = new HashTable(rng(1), 11);
  const words = Array.from({ length: 11 }, (_, i) => -i * 77_777_777);
  t.ok(put(table, ...words).insert(5));
  for (let i = 0; i < 11; i++) t.equal(put(table, ...words.with(i, 1)).lookup(), -1);
  t.equal(put(table, ...words).lookup(), 5);
  t.end();
});

t.test('a second value for a key is refused', (t) => {
  const table = new HashTable(rng(1), 1);
  t.ok(put(table, 9).insert(0));
  t.notOk(put(table, 9).insert(1));
  t.equal(table.lookup(), 0);
  t.equal(table.remove(), 0);
  t.equal(table.remove(), -1);
  t.equal(table.count, 0);
  t.throws(() => table.insert(-1), /negative/);
  t.end();
});

function agreesWithMap(steps: { kind: string; key: number; value: number }[], seed: number): boolean {
  const table = new HashTable(rng(seed), 2);
  const model = new Map<number, number>();
  for (const { kind, key, value } of steps) {
    put(table, key & 7, key >> 3);
    if (kind === 'insert') {
      if (table.insert(value) === model.has(key)) return false;
      if (!model.has(key)) model.set(key, value);
    } else if (kind === 'remove') {
      if (table.remove() !== (model.get(key) ?? -1)) return false;
      model.delete(key);
    } else if (table.lookup() !== (model.get(key) ?? -1)) {
      return false;
    }
    if (table.count !== model.size) return false;
  }
  const visited = new Map<number, number>();
  for (let at = table.next(-1); at >= 0; at = table.next(at)) {
    table.loadKeyAt(at);
    visited.set((table.key[0] as number) | ((table.key[1] as number) << 3), table.valueAt(at));
  }
  return visited.size === model.size && [...model].every(([key, value]) => visited.get(key) === value);
}

t.test('agrees with a Map, whatever is entered, removed and visited while it grows', (t) => {
  const step = fc.record({
    kind: fc.constantFrom('insert', 'insert', 'remove', 'lookup'),
    key: fc.nat(400),
    value: fc.nat(),
  });
  fc.assert(fc.property(fc.array(step, { maxLength: 900, size: 'max' }), fc.nat(), agreesWithMap), {
    seed: 5,
    numRuns: 200,
  });
  t.end();
});

t.test('every entry is found at every moment of growing, and after others are removed', (t) => {
  const table = new HashTable(rng(2), 1);
  let lost = 0;
  for (let n = 0; n < 3_000; n++) {
    put(table, n).insert(n);
    for (let i = n % 7; i <= n; i += 7) if (put(table, i).lookup() !== i) lost++;
  }
  for (let n = 0; n < 3_000; n += 2) put(table, n).remove();
  for (let n = 0; n < 3_000; n++) if (put(table, n).lookup() !== (n % 2 === 0 ? -1 : n)) lost++;
  t.equal(lost, 0);
  t.equal(table.count, 1_500);
  table.clear();
  t.equal(put(table, 1).lookup(), -1);
  t.equal(table.next(-1), -1);
  t.end();
});

t.test('room asked for at the start is there', (t) => {
  const table = new HashTable(rng(2), 1, 1_000);
  for (let n = 0; n < 1_000; n++) put(table, n).insert(n);
  let visited = 0;
  for (let at = table.next(-1); at >= 0; at = table.next(at)) visited++;
  t.equal(visited, 1_000);
  t.end();
});

t.test('the hash depends on the secret, and spreads neighbouring keys evenly', (t) => {
  const one = put(new HashTable(rng(1), 2), 1, 2).hash();
  t.not(put(new HashTable(rng(2), 2), 1, 2).hash(), one);
  t.equal(put(new HashTable(rng(1), 2), 1, 2).hash(), one);
  const table = new HashTable(rng(3), 2);
  const buckets = new Int32Array(256);
  for (let n = 0; n < 25_600; n++) {
    const bucket = put(table, n << 8, n).hash() & 255;
    buckets[bucket] = (buckets[bucket] as number) + 1;
  }
  // 100 each are expected, with a standard deviation of ten.
  t.ok(Math.max(...buckets) < 150 && Math.min(...buckets) > 50);
  t.end();
});
