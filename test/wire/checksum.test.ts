import * as fc from 'fast-check';
import t from 'tap';
import * as checksum from '../../src/wire/checksum.ts';
import { AT, blank, SEED, view, viewOf } from './bytes.ts';

/** The definition, word by word: what the fast one must equal. */
function plainSum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) {
    sum += ((bytes[i] as number) << 8) | (bytes[i + 1] ?? 0);
    if (sum > 0xffff) sum -= 0xffff;
  }
  return sum;
}

const word16 = fc.integer({ min: 0, max: 0xffff });
const word32 = fc.integer({ min: -0x80000000, max: 0x7fffffff });

t.test('the example of RFC 1071 §3', (t) => {
  const example = view('0001 f203 f4f5 f6f7');
  t.equal(checksum.fold(checksum.sum(example, AT, 8)), 0xddf2);
  t.equal(checksum.checksum(example, AT, 8), 0x220d);
  t.end();
});

t.test('a carry out of the fold is folded again (RFC 1071 §2)', (t) => {
  t.same(
    [0, 0xffff, 0x10000, 0x1fffe, 0x1ffff, 0x7fffffff].map(checksum.fold),
    [0, 0xffff, 1, 0xffff, 1, 0x7fff],
  );
  t.end();
});

t.test('edges: nothing, one octet, all ones, the longest packet', (t) => {
  t.equal(checksum.checksum(view(''), AT, 0), 0xffff);
  t.equal(
    checksum.fold(checksum.sum(view('12'), AT, 1)),
    0x1200,
    'an odd octet is padded on its right (§4.1)',
  );
  const ones = viewOf(new Uint8Array(65_535).fill(0xff));
  t.equal(checksum.fold(checksum.sum(ones, AT, 65_534)), 0xffff);
  t.equal(checksum.fold(checksum.sum(ones, AT, 65_535)), 0xff00, 'no overflow at 64 KB');
  t.ok(checksum.sum(ones, AT, 65_535) >= 0);
  t.end();
});

t.test('equals the definition at any length and place', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const folded = checksum.fold(checksum.sum(viewOf(bytes), AT, bytes.length));
      return folded === plainSum(bytes);
    }),
    SEED,
  );
  t.end();
});

t.test('sums chain through their start (RFC 1071 §2, associative)', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 150 }), fc.nat(75), (bytes, half) => {
      const cut = Math.min(2 * half, bytes.length & ~1);
      const whole = viewOf(bytes);
      const head = checksum.sum(whole, AT, cut);
      return checksum.fold(checksum.sum(whole, AT + cut, bytes.length - cut, head)) === plainSum(bytes);
    }),
    SEED,
  );
  t.end();
});

t.test('pseudo headers are the sum of their octets (RFC 9293 §3.1, RFC 8200 §8.1)', (t) => {
  fc.assert(
    fc.property(
      fc.array(word32, { minLength: 8, maxLength: 8 }),
      word16,
      fc.nat(255),
      (words, length, protocol) => {
        const [a, b, c, d, e, f, g, h] = words as [
          number,
          number,
          number,
          number,
          number,
          number,
          number,
          number,
        ];
        const bytes = blank(40);
        bytes.setInt32(AT, a);
        bytes.setInt32(AT + 4, b);
        bytes.setInt32(AT + 8, protocol);
        bytes.setInt32(AT + 12, length);
        const four = checksum.fold(checksum.sum(bytes, AT, 16));
        words.forEach((word, i) => {
          bytes.setInt32(AT + 4 * i, word);
        });
        bytes.setInt32(AT + 32, length);
        bytes.setInt32(AT + 36, protocol);
        const six = checksum.fold(checksum.sum(bytes, AT, 40));
        return (
          checksum.fold(checksum.pseudo4(a, b, protocol, length)) === four &&
          checksum.fold(checksum.pseudo6(a, b, c, d, e, f, g, h, protocol, length)) === six
        );
      },
    ),
    SEED,
  );
  t.end();
});

t.test('an update gives what recomputation gives (RFC 1624 §3)', (t) => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 20, maxLength: 20 }),
      fc.nat(7),
      word16,
      word32,
      (bytes, i, short, long) => {
        // Some word is not zero, as in every IP header: of nothing but zeros the sum has two forms.
        bytes[0] = 0x45;
        const data = viewOf(bytes);
        const before = checksum.checksum(data, AT, 20);
        const at = AT + 2 + 2 * i;
        const after16 = checksum.update16(before, data.getUint16(at), short);
        data.setUint16(at, short);
        if (after16 !== checksum.checksum(data, AT, 20)) return false;
        const after32 = checksum.update32(after16, data.getInt32(at), long);
        data.setInt32(at, long);
        return after32 === checksum.checksum(data, AT, 20);
      },
    ),
    SEED,
  );
  t.end();
});

t.test('the example of RFC 1624 §4: 0x0000, not 0xffff', (t) => {
  t.equal(checksum.update16(0xdd2f, 0x5555, 0x3285), 0x0000);
  t.equal(checksum.update16(0x0000, 0x3285, 0x5555), 0xdd2f, 'and back');
  t.equal(checksum.update16(0x1234, 0xabcd, 0xabcd), 0x1234, 'no change changes nothing');
  t.equal(checksum.update16(0x0000, 0x0000, 0xffff), 0x0000, 'both zeros are one number');
  t.equal(checksum.update32(0x1234, 0, 0), 0x1234);
  t.end();
});
