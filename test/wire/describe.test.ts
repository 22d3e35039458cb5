import * as fc from 'fast-check';
import t from 'tap';
import { describe, describeEthernet, describeIp } from '../../src/wire/describe.ts';
import * as ipv4 from '../../src/wire/ipv4.ts';
import { AT, ip, SEED, view, viewOf } from './bytes.ts';
import { FRAMES } from './frames.ts';

const FRAME_TEXTS: Record<keyof typeof FRAMES, string> = {
  arpRequest: 'ARP, Request who-has 10.77.0.2 tell 10.77.0.1, length 28',
  arpReply: 'ARP, Reply 10.77.0.2 is-at 02:00:00:00:00:02, length 28',
  echo: 'IP 10.77.0.1 > 10.77.0.2: ICMP echo request, id 13096, seq 1, length 24',
  echoReply: 'IP 10.77.0.2 > 10.77.0.1: ICMP echo reply, id 13096, seq 1, length 24',
  recordRoute: 'IP 10.77.0.1 > 10.77.0.2: ICMP echo request, id 13097, seq 1, length 16 [options NOP,RR]',
  timestamp: 'IP 10.77.0.1 > 10.77.0.2: ICMP echo request, id 13098, seq 1, length 16 [options TS]',
  udp: 'IP 10.77.0.1.5353 > 10.77.0.2.53: UDP, length 5',
  portUnreachable: 'IP 10.77.0.2 > 10.77.0.1: ICMP 10.77.0.2 udp port 53 unreachable, length 41',
  igmpV3Report:
    'IP 10.77.0.1 > 224.0.0.22: igmp v3 report, 2 group record(s) ' +
    '[gaddr 225.1.2.4 allow, 1 source(s)] [gaddr 225.1.2.3 to_ex, 0 source(s)] [options RA]',
  igmpV2Report: 'IP 10.77.0.1 > 225.1.2.5: igmp v2 report 225.1.2.5 [options RA]',
  igmpLeave: 'IP 10.77.0.1 > 224.0.0.2: igmp leave 225.1.2.5 [options RA]',
  syn:
    'IP 10.77.0.1.49308 > 10.77.0.2.80: Flags [S], seq 975019358, win 64240, ' +
    'options [mss 1460,sackOK,TS val 922615952 ecr 0,nop,wscale 10], length 0',
  synAck:
    'IP 10.77.0.2.80 > 10.77.0.1.49308: Flags [S.], seq 2445180171, ack 975019359, win 65160, ' +
    'options [mss 1460,sackOK,TS val 2529255434 ecr 922615952,nop,wscale 10], length 0',
  data:
    'IP 10.77.0.1.49308 > 10.77.0.2.80: Flags [P.], seq 975019359:975019367, ack 2445180172, win 63, ' +
    'options [nop,nop,TS val 922615952 ecr 2529255434], length 8',
  echo6: 'IP6 fe80::ff:fe00:1 > fe80::ff:fe00:2: ICMP6, echo request, id 13224, seq 1, length 16',
  listenerReport6: 'IP6 fe80::ff:fe00:1 > ff02::16: HBH ICMP6, multicast listener report v2, length 28',
};

t.test('frames of a foreign host, as tcpdump shows them', (t) => {
  for (const [name, want] of Object.entries(FRAME_TEXTS)) {
    const frame = view(FRAMES[name as keyof typeof FRAMES]);
    t.equal(describe(frame, AT, frame.byteLength, 'ethernet'), want, name);
    if (want.startsWith('IP'))
      t.equal(describe(frame, AT + 14, frame.byteLength, 'ip'), want, `${name} on tun`);
  }
  t.end();
});

const MACS = '020000000002 020000000001';

const OTHERS: readonly (readonly [hex: string, want: string])[] = [
  ['020000000002 0200', 'Ethernet [truncated, 8 bytes]'],
  [`${MACS} 88cc 0000`, '02:00:00:00:00:01 > 02:00:00:00:00:02 ethertype 0x88cc, length 2'],
  [`${MACS} 0026 4242`, '02:00:00:00:00:01 > 02:00:00:00:00:02 802.3, length 2'],
  [`${MACS} 0800`, 'empty'],
  [`${MACS} 0800 55`, 'IP version 5, length 1'],
  [`${MACS} 0800 45000014`, 'IP [truncated, 4 bytes]'],
  [`${MACS} 86dd 60000000`, 'IP6 [truncated, 4 bytes]'],
  [`${MACS} 8100 70`, 'vlan [truncated, 3 bytes]'],
  [`${MACS} 8100 6005 88cc`, 'vlan 5, p 3, 02:00:00:00:00:01 > 02:00:00:00:00:02 ethertype 0x88cc, length 0'],
  [`${MACS} 88a8 1064 8100 0005 0806`, 'vlan 100, p 0, DEI, vlan 5, p 0, ARP [truncated, 0 bytes]'],
  [
    `${MACS} 0806 0001 0800 06 04 0001 020000000001 00000000 000000000000 0a4d0002`,
    'ARP, Probe 10.77.0.2, length 28',
  ],
  [
    `${MACS} 0806 0001 0800 06 04 0001 020000000001 0a4d0001 000000000000 0a4d0001`,
    'ARP, Announcement 10.77.0.1, length 28',
  ],
  [
    `${MACS} 0806 0001 0800 06 04 0008 020000000001 0a4d0001 000000000000 0a4d0001`,
    'ARP, operation 8, length 28',
  ],
  [
    `${MACS} 0806 0006 0800 06 04 0001 020000000001 0a4d0001 000000000000 0a4d0001`,
    'ARP, hardware 6, protocol 0x0800, length 28',
  ],
];

t.test('frames that are cut short, unknown or rare', (t) => {
  for (const [hex, want] of OTHERS) {
    const frame = view(hex);
    t.equal(describeEthernet(frame, AT, frame.byteLength), want, want);
  }
  t.end();
});

/** An IPv4 packet with this payload, from 10.77.0.1 to 10.77.0.2. */
function packet4(protocol: number, payload: string, flagsAndOffset = 0): DataView {
  const packet = view('00'.repeat(20) + payload);
  const length = packet.byteLength - AT;
  ipv4.write(packet, AT, length, 0, 7, flagsAndOffset, 64, protocol, ip('10.77.0.1'), ip('10.77.0.2'));
  return packet;
}

const QUOTE = '4500001c00010000401100000a4d00010a4d0909 03e8829a 00080000';

/** What stands behind `IP 10.77.0.1 > 10.77.0.2: `. */
const PAYLOADS: readonly (readonly [protocol: number, payload: string, want: string])[] = [
  [1, '08000000', 'ICMP [truncated, 4 bytes]'],
  [1, `0300000000000000${QUOTE}`, 'ICMP net 10.77.9.9 unreachable, length 36'],
  [1, `0301000000000000${QUOTE}`, 'ICMP host 10.77.9.9 unreachable, length 36'],
  [1, `0302000000000000${QUOTE}`, 'ICMP 10.77.9.9 protocol 17 unreachable, length 36'],
  [1, `0303000000000000${QUOTE}`, 'ICMP 10.77.9.9 udp port 33434 unreachable, length 36'],
  [1, `0304000000000578${QUOTE}`, 'ICMP 10.77.9.9 unreachable - need to frag (mtu 1400), length 36'],
  [1, `030d000000000000${QUOTE}`, 'ICMP 10.77.9.9 unreachable - admin prohibited filter, length 36'],
  [1, `0363000000000000${QUOTE}`, 'ICMP 10.77.9.9 unreachable - code 99, length 36'],
  [1, '0303000000000000', 'ICMP ? port ? unreachable, length 8'],
  [1, `050100000a4d00fd${QUOTE}`, 'ICMP redirect 10.77.9.9 to host 10.77.0.253, length 36'],
  [1, `0b00000000000000${QUOTE}`, 'ICMP time exceeded in-transit, length 36'],
  [1, `0b01000000000000${QUOTE}`, 'ICMP ip reassembly time exceeded, length 36'],
  [1, `0c00000014000000${QUOTE}`, 'ICMP parameter problem - octet 20, length 36'],
  [1, '0d00000000030004 000003e80000000000000000', 'ICMP time stamp query, id 3, seq 4, length 20'],
  [
    1,
    '0e00000000030004 000003e8000007d000000bb8',
    'ICMP time stamp reply, id 3, seq 4, org 1000, recv 2000, xmit 3000, length 20',
  ],
  [1, '0a00000000000000', 'ICMP router solicitation, length 8'],
  [1, '6307000000000000', 'ICMP type-99 code-7, length 8'],
  [2, '1100eeff00000000', 'igmp query v1'],
  [2, '1164ee9b00000000', 'igmp query v2 [max resp time 10s]'],
  [2, '1164d617 00000000 027d0002 0a010101 0a010102', 'igmp query v3 [max resp time 10s]'],
  [2, '1600ffffe1010205', 'igmp v2 report 225.1.2.5 [bad checksum]'],
  [2, '2200ddfe00000001', 'igmp v3 report, 1 group record(s) [bad length]'],
  [89, '0201', 'ospf, length 2'],
  [200, '0201', 'ip-proto-200, length 2'],
];

t.test('what IPv4 carries', (t) => {
  for (const [protocol, payload, want] of PAYLOADS) {
    const packet = packet4(protocol, payload);
    t.equal(describeIp(packet, AT, packet.byteLength), `IP 10.77.0.1 > 10.77.0.2: ${want}`, want);
  }
  t.end();
});

/** What stands behind `IP 10.77.0.1`. */
const TRANSPORTS: readonly (readonly [protocol: number, payload: string, want: string])[] = [
  [17, '0001000200', ' > 10.77.0.2: UDP [truncated, 5 bytes]'],
  [17, '0001000200640000', '.1 > 10.77.0.2.2: UDP, bad length 100 > 8'],
  [6, '0001000200', ' > 10.77.0.2: TCP [truncated, 5 bytes]'],
  [6, '0001000200000003000000046010000500000000', '.1 > 10.77.0.2.2: TCP, bad header length 24'],
  [6, '0001000200000003000000045000000500000000', '.1 > 10.77.0.2.2: Flags [none], win 5, length 0'],
  [6, '0001000200000003000000045010000500000000', '.1 > 10.77.0.2.2: Flags [.], ack 4, win 5, length 0'],
  [6, '00010002ffffffff0000000450140005000000', ' > 10.77.0.2: TCP [truncated, 19 bytes]'],
  [
    6,
    '00010002ffffffff000000045014000500000000',
    '.1 > 10.77.0.2.2: Flags [R.], seq 4294967295, ack 4, win 5, length 0',
  ],
  [
    6,
    '00010002ffffffff0000000450f1000500000009 4142',
    '.1 > 10.77.0.2.2: Flags [F.UEW], seq 4294967295:1, ack 4, win 5, urg 9, length 2',
  ],
  [
    6,
    '00010002000000030000000490100005 00000000 0101050a0000000100000002 22020000',
    '.1 > 10.77.0.2.2: Flags [.], ack 4, win 5, options [nop,nop,sack 1 {1:2},tfo cookiereq,eol], length 0',
  ],
  [
    6,
    '00010002000000030000000480100005 00000000 fd04beef 020305 0301 000000',
    '.1 > 10.77.0.2.2: Flags [.], ack 4, win 5, options [unknown-253,mss [bad length 3],bad opt], length 0',
  ],
];

t.test('what UDP and TCP say', (t) => {
  for (const [protocol, payload, want] of TRANSPORTS) {
    const packet = packet4(protocol, payload);
    t.equal(describeIp(packet, AT, packet.byteLength), `IP 10.77.0.1${want}`, want);
  }
  t.end();
});

t.test('fragments show their place, and only the first its ports', (t) => {
  const first = packet4(17, '0001000200180000 0000000000000000', ipv4.Flag.Mf);
  t.equal(
    describeIp(first, AT, first.byteLength),
    'IP 10.77.0.1.1 > 10.77.0.2.2: UDP, bad length 24 > 16 (frag 7:16@0+)',
  );
  const last = packet4(17, '0001000200180000', 2);
  t.equal(describeIp(last, AT, last.byteLength), 'IP 10.77.0.1 > 10.77.0.2: udp (frag 7:8@16)');
  t.end();
});

t.test('a header that is wrong is described all the same', (t) => {
  const packet = packet4(200, '0102');
  packet.setUint16(AT + 10, 0x1234);
  t.equal(
    describeIp(packet, AT, AT + 22),
    'IP 10.77.0.1 > 10.77.0.2: ip-proto-200, length 2 [bad header checksum 0x1234]',
  );
  packet.setUint16(AT + 2, 100);
  t.equal(
    describeIp(packet, AT, AT + 22),
    'IP 10.77.0.1 > 10.77.0.2: ip-proto-200, length 2 [total length 100, 22 there]',
  );
  packet.setUint8(AT, 0x44);
  t.equal(describeIp(packet, AT, AT + 22), 'IP bad header length 16');
  t.end();
});

t.test('padding is not described', (t) => {
  const packet = packet4(200, '0102 0000 0000');
  ipv4.setTotalLength(packet, AT, 22);
  t.equal(describeIp(packet, AT, packet.byteLength), 'IP 10.77.0.1 > 10.77.0.2: ip-proto-200, length 2');
  t.end();
});

const HEADER6 = 'fe800000000000000000000000000001 fe800000000000000000000000000002';

const PACKETS6: readonly (readonly [hex: string, want: string])[] = [
  [`60000000 0008 11 40 ${HEADER6} 0001000200080000`, '.1 > fe80::2.2: UDP, length 0'],
  [`60000000 0000 3b 40 ${HEADER6}`, ' > fe80::2: no next header'],
  [
    `60000000 0008 3a 40 ${HEADER6} 0200000000000500`,
    ' > fe80::2: ICMP6, packet too big, mtu 1280, length 8',
  ],
  [
    `60000000 0018 3a 40 ${HEADER6} 8700000000000000 fe800000000000000000000000000003`,
    ' > fe80::2: ICMP6, neighbor solicitation, who has fe80::3, length 24',
  ],
  [`60000000 0004 00 40 ${HEADER6} 3a000000`, ' > fe80::2: HBH [truncated, 4 bytes]'],
  [`60000000 0008 00 40 ${HEADER6} 3a05000000000000`, ' > fe80::2: HBH truncated'],
  [`60000000 000a 2c 40 ${HEADER6} 11000011 0000beef 0102`, ' > fe80::2: frag (0xbeef:16+) length 2'],
  [
    `60000000 0010 2c 40 ${HEADER6} 11000001 0000beef 0001000200080000`,
    '.1 > fe80::2.2: frag (0xbeef:0+) UDP, length 0',
  ],
  [`60000000 0009 c8 40 ${HEADER6} 01`, ' > fe80::2: ip-proto-200, length 1 [payload length 9, 1 there]'],
];

t.test('what IPv6 carries', (t) => {
  for (const [hex, want] of PACKETS6) {
    const packet = view(hex);
    t.equal(describeIp(packet, AT, packet.byteLength), `IP6 fe80::1${want}`, want);
  }
  t.end();
});

t.test('any bytes are described, and nothing past them is read', (t) => {
  const medium = fc.constantFrom('ethernet' as const, 'ip' as const);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), medium, (bytes, kind) => {
      const frame = viewOf(bytes);
      return describe(frame, AT, frame.byteLength, kind).length > 0;
    }),
    { ...SEED, numRuns: 2000 },
  );
  t.end();
});

t.test('foreign frames, cut anywhere and with some octets changed, are described', (t) => {
  const frame = fc.constantFrom(...Object.values(FRAMES));
  const change = fc.tuple(fc.nat(120), fc.nat(255));
  fc.assert(
    fc.property(frame, fc.nat(120), fc.array(change, { maxLength: 4 }), (hex, cut, changes) => {
      const whole = view(hex);
      const length = Math.min(cut, whole.byteLength - AT);
      const packet = viewOf(new Uint8Array(whole.buffer, whole.byteOffset + AT, length));
      for (const [at, value] of changes) if (at < length) packet.setUint8(AT + at, value);
      const text = describe(packet, AT, AT + length, 'ethernet');
      return text.length > 0 && !/undefined|NaN/.test(text);
    }),
    { ...SEED, numRuns: 5000 },
  );
  t.end();
});
