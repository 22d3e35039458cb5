import * as fc from 'fast-check';
import type { Test } from 'tap';
import t from 'tap';
import { Drop } from '../../../src/base/drop.ts';
import { rng } from '../../../src/base/rng.ts';
import type { Instant } from '../../../src/base/time.ts';
import { after, NEVER, START, sec } from '../../../src/base/time.ts';
import { FragmentMap } from '../../../src/ip/fragment/fragment-map.ts';
import type { ReassemblyLimits } from '../../../src/ip/fragment/reassemble.ts';
import { DEFAULT_LIMITS, Reassembler } from '../../../src/ip/fragment/reassemble.ts';
import type { Packet } from '../../../src/packet/packet.ts';
import { PacketFlag } from '../../../src/packet/packet.ts';
import * as ipv4 from '../../../src/wire/ipv4.ts';
import { cut, dataOf, type Ip4Fields, isHeaderRight, Lab, label, pattern } from '../fixture.ts';

t.test('the map of what has arrived', (t) => {
  const SIZE = 2_048;
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(SIZE / 8 - 1), fc.integer({ min: 1, max: 400 })), { maxLength: 40 }),
      (list) => {
        const map = new FragmentMap();
        const blocks = new Set<number>();
        for (const [block, length] of list) {
          const start = block * 8;
          const end = Math.min(start + length, SIZE);
          const touched: number[] = [];
          for (let b = block; b * 8 < end; b++) touched.push(b);
          const there = touched.filter((b) => blocks.has(b)).length;
          let want = 'some';
          if (there === 0) want = 'none';
          else if (there === touched.length) want = 'all';
          if (map.presence(start, end) !== want) return false;
          if (want !== 'none') continue;
          map.add(start, end);
          for (const b of touched) blocks.add(b);
        }
        if (map.blocks !== blocks.size) return false;
        map.clear();
        return map.presence(0, 65_536) === 'none' && map.blocks === 0;
      },
    ),
    { seed: 20_251_120 },
  );
  t.end();
});

/** A lab with a reassembler, fed with fragments by offset. */
class Mill extends Lab {
  readonly reassembler: Reassembler;
  now: Instant = START;

  constructor(limits: Partial<ReassemblyLimits> = {}, slots = 64) {
    super(slots);
    this.reassembler = new Reassembler(this.drops, this.rng, { ...DEFAULT_LIMITS, ...limits });
  }

  /** A fragment of `pattern(65_536)`. */
  feed(offset: number, length: number, mf: boolean, fields: Ip4Fields = {}): Packet | null {
    const data = pattern(offset + length).slice(offset);
    return this.reassembler.handleFragment(this.now, this.datagram({ data, offset, mf, ...fields }));
  }

  expectEmpty(t: Test): void {
    t.equal(this.reassembler.count, 0);
    t.equal(this.reassembler.bytes, 0);
    t.equal(this.reassembler.nextTimeout(), NEVER);
    this.expectWhole(t);
  }
}

function expectDatagram(t: Test, packet: Packet | null, length: number): void {
  if (packet === null) {
    t.fail('the datagram is whole');
    return;
  }
  t.ok(isHeaderRight(packet));
  t.equal(packet.head, packet.l3);
  t.strictSame(dataOf(packet), pattern(length));
  t.equal(ipv4.flagsAndOffset(packet.view, packet.l3), 0);
  t.ok((packet.flags & PacketFlag.Reassembled) !== 0);
  packet.release();
}

t.test('reassembly (RFC 791 §3.2, RFC 1122 §3.3.2)', (t) => {
  t.test('in any order, in one slot', (t) => {
    const orders: number[][] = [
      [0, 1, 2],
      [0, 2, 1],
      [1, 0, 2],
      [1, 2, 0],
      [2, 0, 1],
      [2, 1, 0],
    ];
    const parts: [number, number, boolean][] = [
      [0, 1_480, true],
      [1_480, 1_480, true],
      [2_960, 1_041, false],
    ];
    for (const order of orders) {
      const mill = new Mill();
      let whole: Packet | null = null;
      for (const i of order) {
        t.equal(whole, null);
        whole = mill.feed(...(parts[i] as [number, number, boolean]), { l3: 272 + (i === 1 ? 14 : 0) });
        t.equal(mill.pool.available, mill.pool.capacity - 1, 'no more than one slot');
      }
      expectDatagram(t, whole, 4_001);
      mill.expectEmpty(t);
    }
    t.end();
  });

  t.test('the header is that of the first fragment, with its options and metadata', (t) => {
    const mill = new Mill();
    mill.feed(80, 40, false, { ttl: 3, tos: 0x20 });
    const first = mill.datagram({
      data: pattern(80),
      mf: true,
      ttl: 9,
      tos: 0x40,
      options: [7, 7, 4, 0, 0, 0, 0, 0],
    });
    first.device = 5;
    first.mark = 77;
    first.flags = PacketFlag.ChecksumValid;
    const whole = mill.reassembler.handleFragment(mill.now, first);
    if (whole === null) throw new Error('not whole');
    t.equal(ipv4.ttl(whole.view, whole.l3), 9);
    t.equal(ipv4.tos(whole.view, whole.l3), 0x40);
    t.equal(ipv4.headerLength(whole.view, whole.l3), 28);
    t.equal(whole.bytes[whole.l3 + 20], 7);
    t.equal(whole.device, 5);
    t.equal(whole.mark, 77);
    t.equal(
      whole.flags,
      PacketFlag.Reassembled,
      'a device that verified a fragment verified nothing of the whole',
    );
    expectDatagram(t, whole, 120);
    mill.expectEmpty(t);
    t.end();
  });

  t.test('fragment, shuffle, reassemble is the identity (any size, any MTU from 68)', (t) => {
    const lab = new Lab(2_048);
    const reassembler = new Reassembler(lab.drops, lab.rng, { ...DEFAULT_LIMITS, fragmentsMax: 8_192 });
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 65_475 }),
        fc.oneof(fc.integer({ min: 68, max: 600 }), fc.integer({ min: 68, max: 65_535 })),
        fc.constantFrom<readonly number[]>([], [1, 1, 1, 0], [130, 4, 1, 2, 7, 7, 4, 0, 0, 0, 0, 0]),
        fc.integer(),
        (length, mtu, options, seed) => {
          const shuffle = rng(seed);
          const data = pattern(length);
          const fragments = cut(lab, lab.datagram({ data, options }), mtu);
          for (let i = fragments.length - 1; i > 0; i--) {
            const j = shuffle.below(i + 1);
            const swapped = fragments[i] as Packet;
            fragments[i] = fragments[j] as Packet;
            fragments[j] = swapped;
          }
          let whole: Packet | null = null;
          if (fragments.length === 1) whole = fragments[0] as Packet;
          else for (const fragment of fragments) whole = reassembler.handleFragment(START, fragment);
          if (whole === null) return false;
          const isSame = isHeaderRight(whole) && Buffer.compare(dataOf(whole), data) === 0;
          const hasOptions =
            Buffer.compare(whole.bytes.slice(whole.l3 + 20, whole.l4), Buffer.from(options)) === 0;
          whole.release();
          return isSame && hasOptions && lab.pool.available === lab.pool.capacity && reassembler.count === 0;
        },
      ),
      { seed: 20_251_120, numRuns: 60 },
    );
    t.end();
  });

  t.test('datagrams are told apart by source, destination, identification and protocol', (t) => {
    const mill = new Mill();
    const others: Ip4Fields[] = [
      { src: '10.77.0.3' },
      { dst: '10.77.0.4' },
      { id: 0x1235 },
      { protocol: ipv4.Protocol.Icmp },
    ];
    t.equal(mill.feed(0, 80, true), null);
    for (const fields of others) t.equal(mill.feed(80, 8, false, fields), null);
    t.equal(mill.reassembler.count, 5);
    expectDatagram(t, mill.feed(80, 8, false), 88);
    for (const fields of others) expectDatagram(t, mill.feed(0, 80, true, fields), 88);
    mill.expectEmpty(t);
    t.end();
  });

  t.test('a duplicate is ignored, at any point', (t) => {
    const mill = new Mill();
    t.equal(mill.feed(1_480, 1_480, true), null);
    t.equal(mill.feed(1_480, 1_480, true), null);
    t.equal(mill.feed(1_480, 8, true), null, 'also a part of what is there');
    t.equal(mill.feed(2_960, 3, false), null);
    t.equal(mill.feed(2_960, 3, false), null);
    expectDatagram(t, mill.feed(0, 1_480, true), 2_963);
    t.strictSame(mill.counted(), { FragmentDuplicate: 3 });
    mill.expectEmpty(t);
    t.end();
  });

  t.test('a duplicate does not change what came first', (t) => {
    const mill = new Mill();
    mill.feed(0, 16, true);
    mill.feed(0, 16, true, { data: new Uint8Array(16) });
    expectDatagram(t, mill.feed(16, 8, false), 24);
    mill.expectEmpty(t);
    t.end();
  });

  t.test('congestion marks are kept (RFC 3168 §5.3)', (t) => {
    const cases: [number, number, number | null][] = [
      [0, 0, 0],
      [2, 2, 2],
      [2, 3, 3],
      [3, 1, 3],
      [3, 3, 3],
      [2, 1, 2],
      [2, 0, 0],
      [0, 3, null],
      [3, 0, null],
    ];
    for (const [first, second, want] of cases) {
      const mill = new Mill();
      mill.feed(0, 8, true, { tos: 0x48 | first });
      const whole = mill.feed(8, 8, false, { tos: second });
      t.equal(whole === null ? null : ipv4.tos(whole.view, whole.l3), want === null ? null : 0x48 | want);
      if (whole === null) t.strictSame(mill.counted(), { FragmentEcn: 1 });
      else expectDatagram(t, whole, 16);
      mill.expectEmpty(t);
    }
    t.end();
  });
  t.end();
});

t.test('time (RFC 1122 §3.3.2, RFC 792)', (t) => {
  t.test('after 30 s the first fragment is handed out, as it came, for time exceeded', (t) => {
    const mill = new Mill();
    mill.feed(1_480, 1_480, true, { ttl: 3 });
    mill.now = after(START, sec(1));
    mill.feed(0, 1_480, true, { ttl: 7, options: [1, 1, 1, 0] });
    t.equal(mill.reassembler.nextTimeout(), sec(30), 'counted from the fragment that came first');
    mill.reassembler.handleTimeout(after(START, sec(29)));
    t.equal(mill.reassembler.pollExpired(), null);
    mill.reassembler.handleTimeout(after(START, sec(30)));
    const first = mill.reassembler.pollExpired();
    if (first === null) throw new Error('nothing expired');
    t.ok(isHeaderRight(first));
    t.equal(label(first), '0+1480+');
    t.equal(ipv4.ttl(first.view, first.l3), 7);
    t.strictSame(dataOf(first), pattern(1_480));
    first.release();
    t.equal(mill.reassembler.pollExpired(), null);
    t.strictSame(mill.counted(), { FragmentTimeout: 1 });
    mill.expectEmpty(t);
    t.end();
  });

  t.test('without fragment zero there is nobody to tell', (t) => {
    const mill = new Mill();
    mill.feed(8, 8, true);
    mill.feed(8, 8, true, { id: 2 });
    mill.reassembler.handleTimeout(after(START, sec(31)));
    t.equal(mill.reassembler.pollExpired(), null);
    t.strictSame(mill.counted(), { FragmentTimeout: 2 });
    mill.expectEmpty(t);
    t.end();
  });

  t.test('a fragment that comes later begins anew', (t) => {
    const mill = new Mill();
    mill.feed(0, 8, true);
    mill.now = after(START, sec(31));
    mill.reassembler.handleTimeout(mill.now);
    mill.reassembler.pollExpired()?.release();
    t.equal(mill.feed(8, 8, false), null);
    expectDatagram(t, mill.feed(0, 8, true), 16);
    mill.expectEmpty(t);
    t.end();
  });
  t.end();
});

t.test('attacks', (t) => {
  const IN_FLIGHT: [string, [number, number, boolean][], Record<string, number>][] = [
    [
      'teardrop: the second fragment ends inside the first',
      [
        [0, 40, true],
        [24, 8, false],
      ],
      { FragmentLengthBad: 2 },
    ],
    [
      'newtear: it begins inside the first and goes on',
      [
        [0, 40, true],
        [24, 40, false],
      ],
      { FragmentOverlap: 2 },
    ],
    [
      'overlap of the end',
      [
        [0, 40, true],
        [32, 40, true],
      ],
      { FragmentOverlap: 2 },
    ],
    [
      'overlap of the beginning',
      [
        [32, 40, true],
        [0, 40, true],
      ],
      { FragmentOverlap: 2 },
    ],
    [
      'an envelope around what is there',
      [
        [16, 8, true],
        [8, 24, true],
      ],
      { FragmentOverlap: 2 },
    ],
    [
      'syndrop: data behind the end',
      [
        [40, 8, false],
        [48, 8, true],
      ],
      { FragmentLengthBad: 2 },
    ],
    [
      'a second last fragment, longer',
      [
        [40, 8, false],
        [40, 16, false],
      ],
      { FragmentLengthBad: 2 },
    ],
    [
      'a second last fragment, shorter',
      [
        [40, 16, false],
        [40, 8, false],
      ],
      { FragmentLengthBad: 2 },
    ],
    [
      'a last fragment before what is there',
      [
        [80, 8, true],
        [40, 8, false],
      ],
      { FragmentLengthBad: 2 },
    ],
    [
      'jolt: a ping of death',
      [
        [0, 1_480, true],
        [65_512, 1_480, false],
      ],
      { FragmentTooLong: 2 },
    ],
  ];
  for (const [name, fragments, want] of IN_FLIGHT) {
    t.test(`${name}: the whole datagram is dropped (RFC 5722 §4)`, (t) => {
      const mill = new Mill();
      for (const [offset, length, mf] of fragments) t.equal(mill.feed(offset, length, mf), null);
      t.strictSame(mill.counted(), want);
      mill.expectEmpty(t);
      t.end();
    });
  }

  const ALONE: [string, number, number, boolean, Ip4Fields, Drop][] = [
    [
      'TCP whose first fragment lacks its flags (RFC 1858 §3)',
      0,
      8,
      true,
      { protocol: 6 },
      Drop.FragmentTiny,
    ],
    ['TCP whose first fragment lacks its end (RFC 1858 §3)', 0, 16, true, { protocol: 6 }, Drop.FragmentTiny],
    ['TCP at offset 8 (RFC 3128)', 8, 800, false, { protocol: 6 }, Drop.FragmentTiny],
    ['a length that is no multiple of 8, with MF', 0, 1_481, true, {}, Drop.FragmentLengthBad],
    ['nothing, with MF', 0, 0, true, {}, Drop.FragmentLengthBad],
    ['nothing, at the end', 800, 0, false, {}, Drop.FragmentLengthBad],
    ['one byte too many (65,536)', 65_512, 4, false, {}, Drop.FragmentTooLong],
    ['one byte too many with options', 65_504, 8, false, { options: [1, 1, 1, 0] }, Drop.FragmentTooLong],
  ];
  for (const [name, offset, length, mf, fields, want] of ALONE) {
    t.test(`refused alone: ${name}`, (t) => {
      const mill = new Mill();
      t.equal(mill.feed(offset, length, mf, fields), null);
      t.equal(mill.drops.counts[want], 1);
      mill.expectEmpty(t);
      t.end();
    });
  }

  t.test('the longest datagram of all is taken, one too long only with the first header is not', (t) => {
    const mill = new Mill();
    mill.feed(0, 65_504, true, { protocol: 1 });
    expectDatagram(t, mill.feed(65_504, 11, false, { protocol: 1 }), 65_515);
    mill.feed(65_504, 11, false);
    t.equal(mill.feed(0, 65_504, true, { options: [1, 1, 1, 0] }), null);
    t.strictSame(mill.counted(), { FragmentTooLong: 1 });
    mill.expectEmpty(t);
    t.end();
  });

  t.test(
    'a flood of first fragments: memory is bounded, the oldest make way, an honest datagram gets through',
    (t) => {
      const mill = new Mill({ datagramsMax: 16 });
      let most = 0;
      for (let i = 0; i < 10_000; i++) {
        mill.feed(0, 1_480, true, { src: `10.${i & 255}.${i >> 8}.1`, id: i & 0xffff });
        most = Math.max(most, mill.reassembler.count, mill.pool.capacity - mill.pool.available);
      }
      t.equal(most, 16);
      t.equal(mill.drops.counts[Drop.FragmentMemory], 10_000 - 16);
      mill.feed(0, 1_480, true, { src: '192.0.2.1' });
      expectDatagram(t, mill.feed(1_480, 100, false, { src: '192.0.2.1' }), 1_580);
      mill.reassembler.purge();
      mill.expectEmpty(t);
      t.end();
    },
  );

  t.test('one source cannot take it all', (t) => {
    const mill = new Mill({ datagramsMax: 16, datagramsPerSourceMax: 4 });
    mill.feed(0, 1_480, true, { src: '192.0.2.1' });
    for (let id = 0; id < 100; id++) mill.feed(0, 1_480, true, { src: '198.51.100.1', id });
    t.equal(mill.reassembler.count, 5);
    t.strictSame(mill.counted(), { FragmentTooMany: 96 });
    expectDatagram(t, mill.feed(1_480, 100, false, { src: '192.0.2.1' }), 1_580);
    mill.reassembler.purge();
    mill.expectEmpty(t);
    t.end();
  });

  t.test('bytes are bounded', (t) => {
    const mill = new Mill({ bytesMax: 10_000 });
    for (let id = 0; id < 10; id++) mill.feed(0, 1_480, true, { id, src: `10.0.0.${id + 1}` });
    t.equal(mill.reassembler.bytes, 6 * 1_480);
    t.strictSame(mill.counted(), { FragmentMemory: 4 });
    mill.reassembler.purge();
    mill.expectEmpty(t);
    t.end();
  });

  t.test('fragments of one datagram are bounded', (t) => {
    const mill = new Mill({ fragmentsMax: 3 });
    for (let i = 0; i < 4; i++) mill.feed(i * 16, 8, true);
    t.strictSame(mill.counted(), { FragmentTooMany: 2 });
    mill.expectEmpty(t);
    t.end();
  });

  t.test('any fragments whatever: what comes out is what the first ones said, and nothing leaks', (t) => {
    const fragment = fc.tuple(fc.nat(12), fc.nat(40), fc.boolean(), fc.nat(1));
    fc.assert(
      fc.property(fc.array(fragment, { maxLength: 40 }), (list) => {
        const mill = new Mill({ datagramsMax: 2 });
        let isRight = true;
        for (const [block, length, mf, id] of list) {
          const whole = mill.feed(block * 8, length, mf, { id });
          if (whole === null) continue;
          const data = dataOf(whole);
          isRight &&= isHeaderRight(whole) && Buffer.compare(data, pattern(data.length)) === 0;
          whole.release();
        }
        mill.reassembler.purge();
        return isRight && mill.pool.available === mill.pool.capacity && mill.reassembler.bytes === 0;
      }),
      { seed: 20_251_120, numRuns: 1_000 },
    );
    t.end();
  });
  t.end();
});
