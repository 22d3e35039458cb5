import t from 'tap';
import { ANY4, ANY6, type Ip, parseIp } from '../../src/addr/ip.ts';
import { Drop } from '../../src/base/drop.ts';
import { rng } from '../../src/base/rng.ts';
import { START } from '../../src/base/time.ts';
import { Drops } from '../../src/packet/drops.ts';
import type { Packet } from '../../src/packet/packet.ts';
import { GsoType, HEADROOM, PacketFlag } from '../../src/packet/packet.ts';
import { Pool } from '../../src/packet/pool.ts';
import type { UdpEndpoint } from '../../src/udp/endpoint.ts';
import type { Quote4 } from '../../src/udp/path-error.ts';
import { PathError } from '../../src/udp/path-error.ts';
import { Udp } from '../../src/udp/udp.ts';
import { pseudo4, pseudo6 } from '../../src/wire/checksum.ts';
import * as icmp4 from '../../src/wire/icmp4.ts';
import * as ipv4 from '../../src/wire/ipv4.ts';
import * as udp from '../../src/wire/udp.ts';

const ip = (text: string): Ip => parseIp(text) as Ip;

class Fixture {
  readonly pool: Pool = new Pool(8);
  readonly drops: Drops = new Drops();
  readonly rng = rng(1);
  readonly udp: Udp;
  readonly rejected: Packet[] = [];
  readonly received: Packet[] = [];
  readonly errors: string[] = [];

  constructor() {
    this.udp = new Udp(this);
  }

  rejectPort(_now: unknown, packet: Packet): void {
    this.rejected.push(packet);
  }

  listen(fields: Partial<UdpEndpoint> = {}): UdpEndpoint {
    const one: UdpEndpoint = {
      family: 4,
      local: ANY4,
      localPort: 53,
      remote: null,
      remotePort: 0,
      device: 0,
      ipv6Only: false,
      reuseAddress: false,
      reusePort: false,
      wantsGroup: () => true,
      handleDatagram: (_now, packet) => this.received.push(packet),
      handleError: (_now, error) => this.errors.push(error.errno),
      ...fields,
    };
    this.udp.table.add(one);
    return one;
  }

  /** A datagram from 10.0.0.9:1000 to 10.0.0.1:53 with four bytes of data and a right checksum. */
  packet(fields: { src?: string; dst?: string; srcPort?: number; dstPort?: number } = {}): Packet {
    const packet = this.pool.take() as Packet;
    const { view } = packet;
    const src = ip(fields.src ?? '10.0.0.9').d;
    const dst = ip(fields.dst ?? '10.0.0.1').d;
    packet.l4 = ipv4.write(view, HEADROOM, 32, 0, 0, 0, 64, 17, src, dst);
    packet.tail = packet.l4 + 12;
    udp.write(view, packet.l4, fields.srcPort ?? 1_000, fields.dstPort ?? 53, 12);
    view.setInt32(packet.l4 + 8, 0x01020304);
    udp.fillChecksum(view, packet.l4, 12, pseudo4(src, dst, 17, 12));
    return packet;
  }

  /** Hands it in, and answers the reason for which it was dropped. */
  handle(packet: Packet): Drop {
    this.drops.counts.fill(0);
    this.udp.handlePacket(START, packet);
    return this.drops.counts.findIndex((count) => count > 0) as Drop;
  }

  isWhole(): boolean {
    for (const packet of [...this.received, ...this.rejected]) packet.release();
    return this.pool.available === this.pool.capacity;
  }
}

t.test('delivers a good datagram (RFC 768)', (t) => {
  const f = new Fixture();
  f.listen();
  const packet = f.packet();
  f.handle(packet);
  t.strictSame(f.received, [packet]);
  t.ok(f.isWhole());
  t.end();
});

t.test('counts and drops what is malformed', (t) => {
  const cases: [name: string, spoil: (packet: Packet) => void, want: Drop, checksums: number][] = [
    ['shorter than a header', (p) => (p.tail = p.l4 + 7), Drop.UdpTruncated, 0],
    ['length below the header', (p) => p.view.setUint16(p.l4 + 4, 7), Drop.UdpLength, 0],
    ['length beyond the packet', (p) => p.view.setUint16(p.l4 + 4, 13), Drop.UdpLength, 0],
    ['a flipped bit', (p) => p.view.setUint8(p.l4 + 9, 0xff), Drop.UdpChecksum, 1],
    [
      'a checksum over other addresses (RFC 768 pseudo header)',
      (p) => p.view.setInt32(p.l3 + 12, 0x0a000008),
      Drop.UdpChecksum,
      1,
    ],
    [
      'a super-datagram without a size',
      (p) => {
        p.gsoType = GsoType.Udp;
      },
      Drop.OffloadBad,
      0,
    ],
  ];
  for (const [name, spoil, want, checksums] of cases) {
    const f = new Fixture();
    f.listen();
    const packet = f.packet();
    spoil(packet);
    t.equal(f.handle(packet), want, name);
    t.equal(f.udp.counters.inErrors, 1, name);
    t.equal(f.udp.counters.inCsumErrors, checksums, name);
    t.ok(f.isWhole(), name);
  }
  t.end();
});

t.test('no checksum is allowed over IPv4 (RFC 768), and none is computed when the device did', (t) => {
  for (const flags of [0, PacketFlag.ChecksumValid, PacketFlag.ChecksumPartial]) {
    const f = new Fixture();
    f.listen();
    const packet = f.packet();
    packet.view.setUint16(packet.l4 + 6, flags === 0 ? 0 : 0x1234);
    packet.flags = flags;
    f.handle(packet);
    t.equal(f.received.length, 1);
  }
  t.end();
});

t.test('bytes after the datagram are cut off', (t) => {
  const f = new Fixture();
  f.listen();
  const packet = f.packet();
  packet.tail += 5;
  f.handle(packet);
  t.equal(packet.tail, packet.l4 + 12);
  t.end();
});

t.test('over IPv6 the checksum covers the long pseudo header and is not optional (RFC 8200 §8.1)', (t) => {
  const make = (f: Fixture, isSummed: boolean): Packet => {
    const packet = f.pool.take() as Packet;
    const { view } = packet;
    const src = ip('2001:db8::9');
    const dst = ip('2001:db8::1');
    view.setUint8(HEADROOM, 0x60);
    view.setUint16(HEADROOM + 4, 8);
    view.setUint8(HEADROOM + 6, 17);
    for (const [i, word] of [src.a, src.b, src.c, src.d, dst.a, dst.b, dst.c, dst.d].entries()) {
      view.setInt32(HEADROOM + 8 + i * 4, word);
    }
    packet.l4 = HEADROOM + 40;
    packet.tail = udp.write(view, packet.l4, 1_000, 53, 8);
    const pseudo = pseudo6(src.a, src.b, src.c, src.d, dst.a, dst.b, dst.c, dst.d, 17, 8);
    if (isSummed) udp.fillChecksum(view, packet.l4, 8, pseudo);
    return packet;
  };
  const f = new Fixture();
  f.listen({ family: 6, local: ANY6 });
  f.handle(make(f, true));
  t.equal(f.received.length, 1);
  t.equal(f.handle(make(f, false)), Drop.UdpChecksum);
  t.end();
});

t.test('port 0 is nobody, and a group is no source (RFC 1122 §4.1.3.6)', (t) => {
  const f = new Fixture();
  f.listen();
  t.equal(f.handle(f.packet({ dstPort: 0 })), Drop.UdpPortZero);
  t.equal(f.handle(f.packet({ src: '239.0.0.1' })), Drop.UdpSourceBad);
  t.equal(f.handle(f.packet({ src: '255.255.255.255' })), Drop.UdpSourceBad);
  t.equal(
    f.handle(f.packet({ srcPort: 0 })),
    -1,
    'RFC 768: a source port of 0 says only that no answer is wanted',
  );
  t.equal(f.handle(f.packet({ src: '0.0.0.0' })), -1, 'a DHCP client has no address yet');
  t.equal(f.received.length, 2);
  t.ok(f.isWhole());
  t.end();
});

t.test(
  'a port without a socket is refused for unicast, never for broadcast or multicast (RFC 1122 §3.2.2)',
  (t) => {
    const f = new Fixture();
    f.handle(f.packet());
    t.equal(f.rejected.length, 1);
    t.equal(f.udp.counters.noPorts, 1);
    for (const flag of [PacketFlag.IpBroadcast, PacketFlag.IpMulticast]) {
      const packet = f.packet({ dst: '239.1.2.3' });
      packet.flags |= flag;
      t.equal(f.handle(packet), Drop.UdpNoPort);
    }
    t.equal(f.rejected.length, 1);
    t.equal(f.udp.counters.ignoredMulti, 2);
    t.ok(f.isWhole());
    t.end();
  },
);

t.test('every receiver of a multicast has a packet of its own; without slots the last one has it', (t) => {
  const f = new Fixture();
  for (let i = 0; i < 3; i++) f.listen();
  const packet = f.packet({ dst: '239.1.2.3' });
  packet.flags |= PacketFlag.IpMulticast;
  f.handle(packet);
  t.equal(new Set(f.received).size, 3);
  t.ok(f.received.every((one) => one.view.getInt32(one.l4 + 8) === 0x01020304));
  t.ok(f.isWhole());
  f.received.length = 0;
  const again = f.packet({ dst: '239.1.2.3' });
  again.flags |= PacketFlag.IpMulticast;
  const hoard: Packet[] = [];
  for (let one = f.pool.take(); one !== null; one = f.pool.take()) hoard.push(one);
  t.equal(f.handle(again), Drop.NoSlot);
  t.strictSame(f.received, [again]);
  t.equal(f.udp.counters.rcvbufErrors, 2);
  for (const one of hoard) one.release();
  t.ok(f.isWhole());
  t.end();
});

t.test('ICMP errors have the errno of Linux (icmp_err_convert), soft or hard (RFC 1122 §4.2.3.9)', (t) => {
  const f = new Fixture();
  const packet = f.packet();
  const judge = (type: number, code: number): string => {
    const error = new PathError();
    const quote: Quote4 = {
      type,
      code,
      info: 0,
      from: 1,
      device: 2,
      src: 3,
      dst: 4,
      protocol: 17,
      packet,
      l4: packet.l4,
    };
    if (!error.fillFromQuote4(START, quote)) return 'none';
    return `${error.errno}${error.isHard ? '!' : ''}`;
  };
  const codes = Array.from({ length: 17 }, (_, code) => judge(icmp4.Type.Unreachable, code));
  t.strictSame(codes, [
    'ENETUNREACH',
    'EHOSTUNREACH',
    'ENOPROTOOPT!',
    'ECONNREFUSED!',
    'EMSGSIZE',
    'EOPNOTSUPP',
    'ENETUNREACH!',
    'EHOSTDOWN!',
    'ENETUNREACH!',
    'ENETUNREACH!',
    'EHOSTUNREACH!',
    'ENETUNREACH',
    'EHOSTUNREACH',
    'EHOSTUNREACH!',
    'EHOSTUNREACH!',
    'EHOSTUNREACH!',
    'EHOSTUNREACH',
  ]);
  t.equal(judge(icmp4.Type.TimeExceeded, 0), 'EHOSTUNREACH');
  t.equal(judge(icmp4.Type.ParameterProblem, 0), 'EPROTO!');
  t.equal(judge(icmp4.Type.SourceQuench, 0), 'none', 'RFC 6633 §3');
  t.end();
});

t.test(
  'an error finds the socket whose datagram it quotes, and a forged quote nobody (RFC 1122 §4.1.3.3)',
  (t) => {
    const f = new Fixture();
    f.listen({ local: ip('10.0.0.1'), remote: ip('10.0.0.9'), remotePort: 7 });
    const sent = (src: string, srcPort: number, dst: string, dstPort: number): boolean => {
      const packet = f.packet({ src, srcPort, dst, dstPort });
      const error = new PathError();
      error.fillFromQuote4(START, {
        type: icmp4.Type.Unreachable,
        code: 3,
        info: 0,
        from: 0,
        device: 2,
        src: ip(src).d,
        dst: ip(dst).d,
        protocol: 17,
        packet,
        l4: packet.l4,
      });
      packet.release();
      return f.udp.handleError(START, error);
    };
    t.ok(sent('10.0.0.1', 53, '10.0.0.9', 7));
    t.strictSame(f.errors, ['ECONNREFUSED']);
    t.notOk(sent('10.0.0.1', 53, '10.0.0.9', 8), 'another port of the peer');
    t.notOk(sent('10.0.0.1', 53, '10.0.0.8', 7), 'another peer');
    t.notOk(sent('10.0.0.1', 54, '10.0.0.9', 7), 'another port of ours');
    t.notOk(sent('10.0.0.2', 53, '10.0.0.9', 7), 'another address of ours');
    t.equal(f.errors.length, 1);
    t.end();
  },
);
