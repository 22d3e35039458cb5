import t from 'tap';
import { Drop } from '../../../src/base/drop.ts';
import { Fragmenter } from '../../../src/ip/fragment/fragment.ts';
import type { Packet } from '../../../src/packet/packet.ts';
import { PacketFlag } from '../../../src/packet/packet.ts';
import { fold, pseudo4 } from '../../../src/wire/checksum.ts';
import * as ipv4 from '../../../src/wire/ipv4.ts';
import * as udp from '../../../src/wire/udp.ts';
import { cut, dataOf, ip, isHeaderRight, Lab, label, pattern, release } from '../fixture.ts';

t.test('fragmentation (RFC 791 §3.2)', (t) => {
  t.test('lengths fit the MTU, offsets are multiples of eight, all but the last have MF', (t) => {
    const lab = new Lab();
    const data = pattern(4_000);
    const fragments = cut(lab, lab.datagram({ data, ttl: 17, tos: 0x28, id: 0xbeef }), 1_500);
    t.strictSame(fragments.map(label), ['0+1480+', '1480+1480+', '2960+1040']);
    for (const f of fragments) {
      t.ok(isHeaderRight(f));
      t.equal(f.l3 & 3, 0, 'aligned');
      t.equal(ipv4.id(f.view, f.l3), 0xbeef);
      t.equal(ipv4.ttl(f.view, f.l3), 17);
      t.equal(ipv4.tos(f.view, f.l3), 0x28);
      const from = ipv4.fragmentOffset(f.view, f.l3);
      t.strictSame(dataOf(f), data.slice(from, from + f.tail - f.l4));
    }
    release(fragments);
    lab.expectWhole(t);
    t.end();
  });

  t.test('a datagram that fits is its own only fragment', (t) => {
    const lab = new Lab();
    const packet = lab.datagram({ data: pattern(48) });
    const fragments = cut(lab, packet, 68);
    t.equal(fragments.length, 1);
    t.equal(fragments[0], packet);
    t.equal(ipv4.flagsAndOffset(packet.view, packet.l3), 0);
    t.ok(isHeaderRight(packet));
    release(fragments);
    lab.expectWhole(t);
    t.end();
  });

  t.test('to the byte: what is one too long is cut, at a multiple of eight', (t) => {
    const lab = new Lab();
    const fragments = cut(lab, lab.datagram({ data: pattern(1_480) }), 1_499);
    t.strictSame(fragments.map(label), ['0+1472+', '1472+8']);
    release(fragments);
    lab.expectWhole(t);
    t.end();
  });

  t.test('65,535 bytes through the smallest MTU, 68', (t) => {
    const lab = new Lab(2_048);
    const data = pattern(65_515);
    const fragments = cut(lab, lab.datagram({ data }), 68);
    t.equal(fragments.length, Math.ceil(65_515 / 48));
    t.ok(fragments.every((f) => isHeaderRight(f) && f.tail - f.l3 <= 68));
    t.equal(label(fragments[fragments.length - 1] as Packet), '65472+43');
    release(fragments);
    lab.expectWhole(t);
    t.end();
  });

  t.test('only options with the copied bit are in the later fragments (RFC 791 §3.1)', (t) => {
    const lab = new Lab();
    // Record route with room for one (not copied), security-like option 130 (copied), no operation.
    const options = [7, 7, 4, 0, 0, 0, 0, 130, 4, 0xab, 0xcd, 1];
    const fragments = cut(lab, lab.datagram({ data: pattern(120), options }), 96);
    t.strictSame(fragments.map(label), ['0+64+', '64+56']);
    const [first, second] = fragments as [Packet, Packet];
    t.strictSame(Array.from(first.bytes.slice(first.l3 + 20, first.l4)), options);
    t.strictSame(Array.from(second.bytes.slice(second.l3 + 20, second.l4)), [130, 4, 0xab, 0xcd]);
    t.ok(isHeaderRight(first));
    t.ok(isHeaderRight(second));
    release(fragments);
    lab.expectWhole(t);
    t.end();
  });

  t.test('a broken list of options, from a raw socket, is left behind after the first fragment', (t) => {
    const lab = new Lab();
    const fragments = cut(lab, lab.datagram({ data: pattern(120), options: [131, 0, 0, 0] }), 96);
    t.strictSame(fragments.map(label), ['0+72+', '72+48']);
    t.equal((fragments[1] as Packet).l4 - (fragments[1] as Packet).l3, 20);
    t.ok(fragments.every(isHeaderRight));
    release(fragments);
    lab.expectWhole(t);
    t.end();
  });

  t.test('a fragment may be fragmented again: offset and MF of the last part stay', (t) => {
    const lab = new Lab();
    const middle = lab.datagram({ data: pattern(1_480), offset: 2_960, mf: true });
    const fragments = cut(lab, middle, 596);
    t.strictSame(fragments.map(label), ['2960+576+', '3536+576+', '4112+328+']);
    release(fragments);
    const last = cut(lab, lab.datagram({ data: pattern(1_000), offset: 65_512 - 1_000 }), 596);
    t.strictSame(last.map(label), ['64512+576+', '65088+424']);
    t.ok(last.every(isHeaderRight));
    release(last);
    lab.expectWhole(t);
    t.end();
  });

  t.test('padding behind the total length, and a link header in front, are left behind', (t) => {
    const lab = new Lab();
    const packet = lab.datagram({ data: pattern(100), l3: 286 });
    packet.head = 272;
    packet.tail += 6;
    const fragments = cut(lab, packet, 68);
    t.strictSame(fragments.map(label), ['0+48+', '48+48+', '96+4']);
    t.ok(fragments.every((f) => f.head === f.l3 && isHeaderRight(f)));
    release(fragments);
    lab.expectWhole(t);
    t.end();
  });

  t.test('a partial transport checksum is completed over the whole datagram first', (t) => {
    const lab = new Lab();
    const data = pattern(2_008);
    const packet = lab.datagram({ data });
    const pseudo = pseudo4(ip('10.77.0.1'), ip('10.77.0.2'), 17, data.length);
    udp.write(packet.view, packet.l4, 1, 2, data.length);
    udp.setPartialChecksum(packet.view, packet.l4, pseudo);
    packet.csumStart = packet.l4;
    packet.csumOffset = 6;
    packet.flags |= PacketFlag.ChecksumPartial;
    const fragments = cut(lab, packet, 1_500);
    t.ok(fragments.every((f) => (f.flags & PacketFlag.ChecksumPartial) === 0));
    const whole = new Uint8Array(data.length);
    for (const f of fragments) whole.set(dataOf(f), ipv4.fragmentOffset(f.view, f.l3));
    t.ok(udp.verify(new DataView(whole.buffer), 0, whole.length, pseudo));
    t.not(udp.checksum(new DataView(whole.buffer), 0), fold(pseudo));
    release(fragments);
    lab.expectWhole(t);
    t.end();
  });

  t.test('an empty pool: the rest is dropped and counted', (t) => {
    const lab = new Lab(2);
    const fragments = cut(lab, lab.datagram({ data: pattern(4_000) }), 1_500);
    t.strictSame(fragments.map(label), ['0+1480+']);
    t.strictSame(lab.counted(), { NoSlot: 1 });
    release(fragments);
    lab.expectWhole(t);
    t.end();
  });

  t.test('a datagram that comes while another is being cut is dropped, and the other goes on', (t) => {
    const lab = new Lab();
    const fragmenter = new Fragmenter(lab.pool, lab.drops);
    fragmenter.start(lab.datagram({ data: pattern(2_000) }), 1_500);
    const first = fragmenter.next();
    t.equal(fragmenter.start(lab.datagram({ data: pattern(3_000) }), 1_500), Drop.FragmentNested);
    const second = fragmenter.next();
    t.strictSame(
      [first, second].map((f) => (f === null ? '' : label(f))),
      ['0+1480+', '1480+520'],
    );
    t.equal(fragmenter.next(), null);
    for (const f of [first, second]) f?.release();
    lab.expectWhole(t);
    t.end();
  });

  t.test('a checksum field outside of the packet is refused', (t) => {
    const lab = new Lab();
    const packet = lab.datagram({ data: pattern(400) });
    packet.flags |= PacketFlag.ChecksumPartial;
    packet.csumStart = packet.tail;
    const fragmenter = new Fragmenter(lab.pool, lab.drops);
    t.equal(fragmenter.start(packet, 100), Drop.OffloadBad);
    t.equal(fragmenter.next(), null);
    lab.expectWhole(t);
    t.end();
  });
  t.end();
});
