import t from 'tap';
import { rng } from '../../src/base/rng.ts';
import { Pool } from '../../src/packet/pool.ts';
import { describe } from '../../src/wire/describe.ts';
import { fromHex } from '../wire/bytes.ts';
import { FRAMES } from '../wire/frames.ts';
import { mutate, place } from './mutate.ts';
import { Target } from './target.ts';

const CASES = 6;
const FRAMES_EACH = 8_000;

t.test(`nothing breaks under ${CASES} times ${FRAMES_EACH} frames; more with scripts/fuzz`, (t) => {
  for (let seed = 1; seed <= CASES; seed++) {
    const target = new Target(seed);
    target.run(FRAMES_EACH);
    target.close();
    t.strictSame(target.violations, [], `scripts/fuzz --seed ${seed} --frames ${FRAMES_EACH} --seconds 0`);
    const reasons = Object.keys(target.stack.drops.status()).length;
    t.ok(reasons > 30, `seed ${seed}: the frames come far, ${reasons} reasons to drop them were found`);
    t.ok(target.stack.ip.counters.inDelivers > 500, `seed ${seed}: and many of them all the way`);
  }
  t.end();
});

/** What a short case did. */
function fingerprint(seed: number): string {
  const target = new Target(seed);
  target.run(2_000);
  target.close();
  return `${target.inspector.digest} ${JSON.stringify(target.stack.drops.status())}`;
}

t.test('a case is its seed', (t) => {
  t.equal(fingerprint(5), fingerprint(5));
  t.not(fingerprint(5), fingerprint(6));
  t.end();
});

t.test('mutation stays inside of its frame', (t) => {
  const pool = new Pool(1);
  const chance = rng(9);
  const corpus = Object.values(FRAMES).map(fromHex);
  for (let i = 0; i < 5_000; i++) {
    const packet = pool.take();
    if (packet === null) throw new Error('the slot is free');
    place(packet, corpus[i % corpus.length] as Uint8Array);
    mutate(chance, packet, corpus[chance.below(corpus.length)] as Uint8Array);
    if (packet.tail < packet.head || packet.length > 3_000) t.fail(`frame ${i}`);
    describe(packet.view, packet.head, packet.tail, 'ethernet');
    packet.release();
  }
  t.pass();
  t.end();
});
