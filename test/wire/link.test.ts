import * as fc from 'fast-check';
import t from 'tap';
import { BROADCAST_MAC, Mac, ZERO_MAC } from '../../src/addr/mac.ts';
import { Drop, dropName } from '../../src/base/drop.ts';
import * as arp from '../../src/wire/arp.ts';
import * as ethernet from '../../src/wire/ethernet.ts';
import { EtherType } from '../../src/wire/ethernet.ts';
import * as vlan from '../../src/wire/vlan.ts';
import { AT, blank, ip, SEED, toHex, view, viewOf } from './bytes.ts';
import { FRAMES, L3 } from './frames.ts';

const A = new Mac(0x0200, 1);
const B = new Mac(0x0200, 2);

t.test('Ethernet header of a foreign frame (RFC 894)', (t) => {
  const frame = view(FRAMES.echo);
  t.equal(ethernet.check(frame, AT, frame.byteLength), Drop.None);
  t.equal(ethernet.type(frame, AT), EtherType.Ip4);
  t.same([ethernet.dstHi(frame, AT), ethernet.dstLo(frame, AT)], [B.hi, B.lo]);
  t.same([ethernet.srcHi(frame, AT), ethernet.srcLo(frame, AT)], [A.hi, A.lo]);
  const copy = blank(ethernet.HEADER_BYTES);
  t.equal(ethernet.write(copy, AT, B, A, EtherType.Ip4), AT + 14);
  t.equal(toHex(copy), toHex(frame, AT, AT + 14));
  t.end();
});

t.test('Ethernet frames that are refused', (t) => {
  t.equal(ethernet.check(view('02000000000202000000000108'), AT, AT + 13), Drop.FrameTruncated);
  const group = view('020000000002 030000000001 0800');
  t.equal(ethernet.check(group, AT, AT + 14), Drop.EthernetSourceGroup, 'IEEE 802.3 §3.2.3');
  t.end();
});

t.test('ARP packets of a foreign host (RFC 826)', (t) => {
  const request = view(FRAMES.arpRequest);
  const at = AT + L3;
  t.equal(arp.check(request, at, request.byteLength), Drop.None);
  t.equal(arp.operation(request, at), arp.Operation.Request);
  t.same([arp.senderMacHi(request, at), arp.senderMacLo(request, at)], [A.hi, A.lo]);
  t.same([arp.targetMacHi(request, at), arp.targetMacLo(request, at)], [0, 0]);
  t.same([arp.senderIp(request, at), arp.targetIp(request, at)], [ip('10.77.0.1'), ip('10.77.0.2')]);
  t.end();
});

t.test('ARP packets are written as a foreign host writes them', (t) => {
  const frame = blank(42);
  const body = ethernet.write(frame, AT, BROADCAST_MAC, A, EtherType.Arp);
  const end = arp.write(frame, body, arp.Operation.Request, A, ip('10.77.0.1'), ZERO_MAC, ip('10.77.0.2'));
  t.equal(end, AT + 42);
  t.equal(toHex(frame), toHex(view(FRAMES.arpRequest)));
  ethernet.write(frame, AT, A, B, EtherType.Arp);
  arp.write(frame, body, arp.Operation.Reply, B, ip('10.77.0.2'), A, ip('10.77.0.1'));
  t.equal(toHex(frame), toHex(view(FRAMES.arpReply)));
  t.end();
});

t.test(
  'fields with their high bits set: the parts of addresses compare with those of `Mac` and `Ip`',
  (t) => {
    const mac = new Mac(0xfedc, -2);
    const [high, highest] = [ip('192.168.0.1'), ip('223.255.255.254')];
    const packet = blank(28);
    arp.write(packet, AT, arp.Operation.Reply, mac, high, BROADCAST_MAC, highest);
    t.same(
      [arp.senderMacHi(packet, AT), arp.senderMacLo(packet, AT), arp.senderIp(packet, AT)],
      [mac.hi, mac.lo, high],
    );
    t.same(
      [arp.targetMacHi(packet, AT), arp.targetMacLo(packet, AT), arp.targetIp(packet, AT)],
      [0xffff, -1, highest],
    );
    const frame = blank(14);
    ethernet.write(frame, AT, BROADCAST_MAC, mac, EtherType.VlanService);
    t.same([ethernet.dstHi(frame, AT), ethernet.dstLo(frame, AT)], [0xffff, -1]);
    t.same([ethernet.srcHi(frame, AT), ethernet.srcLo(frame, AT)], [mac.hi, mac.lo]);
    t.equal(ethernet.type(frame, AT), 0x88a8);
    t.end();
  },
);

const ARP_FAULTS: readonly (readonly [name: string, hex: string, want: Drop])[] = [
  ['27 octets', '0001 0800 06 04 0001 020000000001 0a4d0001 000000000000 0a4d00', Drop.ArpTruncated],
  ['hardware', '0006 0800 06 04 0001 020000000001 0a4d0001 000000000000 0a4d0002', Drop.ArpHardwareType],
  ['protocol', '0001 86dd 06 04 0001 020000000001 0a4d0001 000000000000 0a4d0002', Drop.ArpProtocolType],
  ['hardware length', '0001 0800 08 04 0001 020000000001 0a4d0001 000000000000 0a4d0002', Drop.ArpLength],
  ['protocol length', '0001 0800 06 10 0001 020000000001 0a4d0001 000000000000 0a4d0002', Drop.ArpLength],
  ['opcode 0', '0001 0800 06 04 0000 020000000001 0a4d0001 000000000000 0a4d0002', Drop.ArpOpcode],
  ['reverse ARP', '0001 0800 06 04 0003 020000000001 0a4d0001 000000000000 0a4d0002', Drop.ArpOpcode],
  ['padding', '0001 0800 06 04 0002 020000000001 0a4d0001 000000000000 0a4d0002 0000', Drop.None],
];

t.test('ARP packets that are refused, each for its own reason', (t) => {
  for (const [name, hex, want] of ARP_FAULTS) {
    const packet = view(hex);
    t.equal(dropName(arp.check(packet, AT, packet.byteLength)), dropName(want), name);
  }
  t.end();
});

t.test('VLAN tags (IEEE 802.1Q §9)', (t) => {
  const tag = view('8100 7005 0800');
  t.equal(vlan.check(AT, AT + 6), Drop.None);
  t.equal(vlan.check(AT, AT + 5), Drop.FrameTruncated);
  t.same([vlan.tpid(tag, AT), vlan.tci(tag, AT), vlan.type(tag, AT)], [0x8100, 0x7005, 0x0800]);
  t.same([vlan.pcp(tag, AT), vlan.isDei(tag, AT), vlan.vid(tag, AT)], [3, true, 5]);
  const other = view('88a8 efff 86dd');
  t.same([vlan.pcp(other, AT), vlan.isDei(other, AT), vlan.vid(other, AT)], [7, false, 4095]);
  t.same([vlan.tpid(other, AT), vlan.tci(other, AT), vlan.type(other, AT)], [0x88a8, 0xefff, 0x86dd]);
  t.ok(vlan.isTag(EtherType.Vlan) && vlan.isTag(EtherType.VlanService) && !vlan.isTag(EtherType.Ip4));
  t.end();
});

t.test('a tag is put into a frame and taken out of it', (t) => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 18, maxLength: 40 }),
      fc.integer({ min: 0, max: 0xffff }),
      (bytes, tci) => {
        const frame = viewOf(bytes);
        const whole = toHex(frame, AT + 4);
        const tagged = vlan.insert(frame, AT + 4, EtherType.Vlan, tci);
        const text = toHex(frame, tagged);
        const tag = `8100${tci.toString(16).padStart(4, '0')}`;
        if (text !== whole.slice(0, 24) + tag + whole.slice(24)) return false;
        return vlan.remove(frame, tagged) === AT + 4 && toHex(frame, AT + 4) === whole;
      },
    ),
    SEED,
  );
  t.end();
});
