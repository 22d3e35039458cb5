/**
 * What we write, judged by tshark: no malformed packet, no wrong checksum, and the fields that we meant. Needs tshark
 * but no root, and no network: the packets go into a capture file.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { Ip } from '../../src/addr/ip.ts';
import { parseIp } from '../../src/addr/ip.ts';
import { BROADCAST_MAC, Mac, ZERO_MAC } from '../../src/addr/mac.ts';
import * as arp from '../../src/wire/arp.ts';
import * as checksum from '../../src/wire/checksum.ts';
import * as ethernet from '../../src/wire/ethernet.ts';
import { EtherType } from '../../src/wire/ethernet.ts';
import * as icmp4 from '../../src/wire/icmp4.ts';
import * as igmp from '../../src/wire/igmp.ts';
import * as ipv4 from '../../src/wire/ipv4.ts';
import { Protocol } from '../../src/wire/ipv4.ts';
import * as options4 from '../../src/wire/ipv4-options.ts';
import * as ipv6 from '../../src/wire/ipv6.ts';
import * as tcp from '../../src/wire/tcp.ts';
import { Flag } from '../../src/wire/tcp.ts';
import * as tcpOptions from '../../src/wire/tcp-options.ts';
import * as udp from '../../src/wire/udp.ts';
import * as vlan from '../../src/wire/vlan.ts';

const MAC_A = new Mac(0x0200, 1);
const MAC_B = new Mac(0x0200, 2);
const ip4 = (text: string): number => (parseIp(text) as Ip).d;
const A = ip4('10.77.0.1');
const B = ip4('10.77.0.2');
const A6 = parseIp('fd77::1') as Ip;
const B6 = parseIp('fd77::2') as Ip;
const L3 = 14;
const COOKIE = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);

type Fill = (view: DataView, at: number) => number;
/** The fields that tshark must report, by its names for them. */
type Want = Record<string, string>;

/** A frame in which `fill` wrote what follows the Ethernet header. */
function frame(etherType: number, fill: Fill): Uint8Array {
  const bytes = new Uint8Array(2000);
  const view = new DataView(bytes.buffer);
  const end = fill(view, ethernet.write(view, 0, MAC_B, MAC_A, etherType));
  return bytes.subarray(0, end);
}

/** IPv4 around what `fill` writes. `fillOptions` writes options and answers the header's end. */
function frame4(protocol: number, dst: number, fill: Fill, fillOptions?: Fill): Uint8Array {
  return frame(EtherType.Ip4, (view, at) => {
    const isGroup = dst >>> 28 === 0xe;
    const body = fillOptions === undefined ? at + 20 : fillOptions(view, at + 20);
    const end = fill(view, body);
    ipv4.write(view, at, end - at, 0, 7, ipv4.Flag.Df, isGroup ? 1 : 64, protocol, A, dst);
    if (body > at + 20) ipv4.setHeaderLength(view, at, body - at);
    return end;
  });
}

function data(view: DataView, at: number, length: number): number {
  for (let i = 0; i < length; i++) view.setUint8(at + i, 0x41 + (i % 26));
  return at + length;
}

function echo(view: DataView, at: number): number {
  const end = data(view, icmp4.write(view, at, icmp4.Type.Echo, 0, icmp4.idSeq(7, 1)), 33);
  icmp4.fillChecksum(view, at, end);
  return end;
}

/** An ICMP error about a datagram from B to A. */
function error(type: number, code: number, word: number): Fill {
  return (view, at) => {
    const quote = icmp4.write(view, at, type, code, word);
    const l4 = ipv4.write(view, quote, 28, 0, 1, 0, 60, Protocol.Udp, B, A);
    const end = udp.write(view, l4, 1000, 33_434, 8);
    udp.fillChecksum(view, l4, 8, checksum.pseudo4(B, A, Protocol.Udp, 8));
    icmp4.fillChecksum(view, at, end);
    return end;
  };
}

function segment(flags: number, bytes: number, fillOptions: Fill): Uint8Array {
  return frame4(Protocol.Tcp, B, (view, at) => {
    const body = fillOptions(view, at + 20);
    const end = data(view, body, bytes);
    tcp.write(view, at, 40_000, 7777, -16, flags & Flag.Ack ? 5 : 0, body - at, flags, 502, 0);
    tcp.fillChecksum(view, at, end - at, checksum.pseudo4(A, B, Protocol.Tcp, end - at));
    return end;
  });
}

const ARP_FRAMES: readonly (readonly [name: string, bytes: Uint8Array, want: Want])[] = [
  [
    'ARP request',
    frame(EtherType.Arp, (view, at) => {
      ethernet.write(view, 0, BROADCAST_MAC, MAC_A, EtherType.Arp);
      return arp.write(view, at, arp.Operation.Request, MAC_A, A, ZERO_MAC, B);
    }),
    { 'arp.opcode': '1', 'arp.src.proto_ipv4': '10.77.0.1', 'arp.dst.proto_ipv4': '10.77.0.2' },
  ],
  [
    'ARP reply',
    frame(EtherType.Arp, (view, at) => arp.write(view, at, arp.Operation.Reply, MAC_A, A, MAC_B, B)),
    { 'arp.opcode': '2', 'arp.src.hw_mac': '02:00:00:00:00:01', 'arp.dst.hw_mac': '02:00:00:00:00:02' },
  ],
];

const ICMP_FRAMES: readonly (readonly [name: string, bytes: Uint8Array, want: Want])[] = [
  ['ICMP echo', frame4(Protocol.Icmp, B, echo), { 'icmp.type': '8', 'icmp.ident': '7', 'icmp.seq': '1' }],
  [
    'ICMP echo whose setters ran',
    frame4(Protocol.Icmp, B, (view, at) => {
      const end = echo(view, at);
      icmp4.setType(view, at, icmp4.Type.EchoReply);
      icmp4.setSeq(view, at, 9);
      return end;
    }),
    { 'icmp.type': '0', 'icmp.seq': '9' },
  ],
  [
    'ICMP fragmentation needed',
    frame4(Protocol.Icmp, B, error(icmp4.Type.Unreachable, icmp4.UnreachableCode.FragmentationNeeded, 1400)),
    { 'icmp.type': '3', 'icmp.code': '4', 'icmp.mtu': '1400' },
  ],
  [
    'ICMP redirect',
    frame4(Protocol.Icmp, B, error(icmp4.Type.Redirect, icmp4.RedirectCode.Host, ip4('10.77.0.254'))),
    { 'icmp.type': '5', 'icmp.code': '1', 'icmp.redir_gw': '10.77.0.254' },
  ],
  [
    'ICMP parameter problem',
    frame4(Protocol.Icmp, B, error(icmp4.Type.ParameterProblem, 0, 21 << 24)),
    { 'icmp.type': '12', 'icmp.pointer': '21' },
  ],
  [
    'ICMP timestamp reply',
    frame4(Protocol.Icmp, B, (view, at) => {
      icmp4.write(view, at, icmp4.Type.TimestampReply, 0, icmp4.idSeq(3, 4));
      const end = icmp4.writeTimestamps(view, at, 1000, 2000, 3000);
      icmp4.fillChecksum(view, at, end);
      return end;
    }),
    { 'icmp.type': '14', 'icmp.originate_timestamp': '1000', 'icmp.transmit_timestamp': '3000' },
  ],
];

const IGMP_FRAMES: readonly (readonly [name: string, bytes: Uint8Array, want: Want])[] = [
  [
    'IGMP version 2 report with a router alert',
    frame4(
      Protocol.Igmp,
      ip4('225.1.2.3'),
      (view, at) => igmp.write(view, at, igmp.Type.ReportV2, 0, ip4('225.1.2.3')),
      options4.writeRouterAlert,
    ),
    { 'igmp.version': '2', 'igmp.type': '0x16', 'igmp.maddr': '225.1.2.3', 'ip.opt.type': '148' },
  ],
  [
    'IGMP leave',
    frame4(Protocol.Igmp, igmp.ALL_ROUTERS, (view, at) =>
      igmp.write(view, at, igmp.Type.Leave, 0, ip4('225.1.2.3')),
    ),
    { 'igmp.type': '0x17', 'ip.dst': '224.0.0.2' },
  ],
  [
    'IGMP version 3 query with sources',
    frame4(Protocol.Igmp, igmp.ALL_SYSTEMS, (view, at) => {
      igmp.writeQuery3(view, at, 200, ip4('225.1.2.3'), true, 2, 300);
      igmp.appendSource(view, at, ip4('10.1.1.1'));
      const end = igmp.appendSource(view, at, ip4('10.1.1.2'));
      igmp.fillChecksum(view, at, end);
      return end;
    }),
    {
      'igmp.version': '3',
      'igmp.type': '0x11',
      'igmp.num_src': '2',
      'igmp.qrv': '2',
      'igmp.max_resp': '200',
    },
  ],
  [
    'IGMP version 3 report with two records',
    frame4(Protocol.Igmp, igmp.ALL_V3_ROUTERS, (view, at) => {
      let end = igmp.writeReport3(view, at);
      const record = end;
      end = igmp.appendRecord(view, at, record, igmp.RecordType.ModeIsInclude, ip4('225.1.2.4'));
      end = igmp.appendRecordSource(view, record, end, ip4('10.1.1.1'));
      end = igmp.appendRecord(view, at, end, igmp.RecordType.ChangeToExclude, ip4('225.1.2.3'));
      igmp.fillChecksum(view, at, end);
      return end;
    }),
    { 'igmp.num_grp_recs': '2', 'igmp.record_type': '1,4', 'igmp.maddr': '225.1.2.4,225.1.2.3' },
  ],
];

const IP_FRAMES: readonly (readonly [name: string, bytes: Uint8Array, want: Want])[] = [
  [
    'IPv4 whose every setter ran',
    frame(EtherType.Ip4, (view, at) => {
      const end = data(view, ipv4.write(view, at, 0, 0, 0, 0, 0, 253, 0, 0), 8);
      ipv4.setTos(view, at, 0xb8);
      ipv4.setTtl(view, at, 63);
      ipv4.setId(view, at, 0xbeef);
      ipv4.setFlagsAndOffset(view, at, ipv4.Flag.Mf);
      ipv4.setTotalLength(view, at, 28);
      ipv4.setSrc(view, at, A);
      ipv4.setDst(view, at, B);
      return end;
    }),
    { 'ip.ttl': '63', 'ip.id': '0xbeef', 'ip.dsfield.dscp': '46', 'ip.src': '10.77.0.1', 'ip.len': '28' },
  ],
  [
    'IPv4 with a route recorded',
    frame4(Protocol.Icmp, B, echo, (view, at) => {
      const end = options4.pad(view, at, options4.writeRecordRoute(view, at, 3));
      // The option is recorded into before the header is, whose checksum comes last.
      view.setUint8(at - 20, 0x40 | ((end - at + 20) >>> 2));
      options4.recordRoute(view, at - 20, at, A);
      return end;
    }),
    { 'ip.opt.type': '7,0', 'ip.opt.ptr': '8', 'ip.rec_rt': '10.77.0.1' },
  ],
  [
    'IPv4 with a time recorded',
    frame4(Protocol.Icmp, B, echo, (view, at) => {
      const end = options4.writeTimestamp(view, at, options4.StampFlag.WithAddress, 2);
      view.setUint8(at - 20, 0x40 | ((end - at + 20) >>> 2));
      options4.recordTimestamp(view, at - 20, at, A, 12_345);
      return end;
    }),
    { 'ip.opt.type': '68', 'ip.opt.ptr': '13', 'ip.opt.flag': '0x01', 'ip.opt.time_stamp': '12345,0' },
  ],
  [
    'VLAN in VLAN',
    (() => {
      const bytes = new Uint8Array(100);
      const view = new DataView(bytes.buffer);
      const inner = frame4(Protocol.Icmp, B, echo);
      bytes.set(inner, 8);
      const tagged = vlan.insert(view, 8, EtherType.Vlan, (3 << 13) | 5);
      return bytes.slice(vlan.insert(view, tagged, EtherType.VlanService, 100), 8 + inner.length);
    })(),
    { 'vlan.id': '5', 'vlan.priority': '3', 'ieee8021ad.id': '100', 'ip.dst': '10.77.0.2' },
  ],
  [
    'IPv6 with UDP',
    frame(EtherType.Ip6, (view, at) => {
      const body = at + ipv6.HEADER_BYTES;
      const end = data(view, udp.write(view, body, 40_001, 7777, 20), 12);
      ipv6.write(view, at, 0xb8, 0x12345, end - body, Protocol.Udp, 63, A6, B6);
      udp.fillChecksum(view, body, end - body, ipv6.pseudo(view, at, Protocol.Udp, end - body));
      return end;
    }),
    { 'ipv6.hlim': '63', 'ipv6.flow': '0x012345', 'ipv6.src': 'fd77::1', 'udp.length': '20' },
  ],
];

const TRANSPORT_FRAMES: readonly (readonly [name: string, bytes: Uint8Array, want: Want])[] = [
  [
    'UDP',
    frame4(Protocol.Udp, B, (view, at) => {
      const end = data(view, udp.write(view, at, 40_001, 7777, 19), 11);
      udp.fillChecksum(view, at, 19, checksum.pseudo4(A, B, Protocol.Udp, 19));
      return end;
    }),
    { 'udp.srcport': '40001', 'udp.dstport': '7777', 'udp.length': '19' },
  ],
  [
    'TCP SYN',
    segment(Flag.Syn, 0, (view, at) => tcpOptions.writeSyn(view, at, 1460, 7, true, true, 1000, 0)),
    {
      'tcp.flags.str': '··········S·',
      'tcp.options.mss_val': '1460',
      'tcp.options.wscale.shift': '7',
      'tcp.option_kind': '2,4,8,1,3',
      'tcp.options.timestamp.tsval': '1000',
    },
  ],
  [
    'TCP SYN with a cookie',
    segment(Flag.Syn, 5, (view, at) =>
      tcpOptions.writeFastOpen(view, tcpOptions.writeSyn(view, at, 1460, -1, false, false, 0, 0), COOKIE, 8),
    ),
    { 'tcp.options.tfo.cookie': '0102030405060708', 'tcp.len': '5' },
  ],
  [
    'TCP data with timestamps and blocks',
    segment(Flag.Psh | Flag.Ack, 1000, (view, at) => {
      const end = tcpOptions.writeTimestamps(view, at, 4, 5);
      return tcpOptions.writeSack(view, end, Int32Array.of(100, 200, 300, 400), 2);
    }),
    {
      'tcp.option_kind': '1,1,8,1,1,5',
      'tcp.options.sack_le': '100,300',
      'tcp.len': '1000',
      'tcp.window_size_value': '502',
    },
  ],
];

const GOOD = [...ARP_FRAMES, ...ICMP_FRAMES, ...IGMP_FRAMES, ...IP_FRAMES, ...TRANSPORT_FRAMES];

/** The same capture has one frame for each checksum with a bit of it turned: the judge must see those. */
function broken(name: string, offset: number): Uint8Array {
  const found = GOOD.find(([own]) => own === name);
  if (found === undefined) throw new Error(`no frame is called ${name}`);
  const bytes = found[1].slice();
  bytes[offset] = (bytes[offset] as number) ^ 1;
  return bytes;
}

const STATUS = ['ip', 'icmp', 'igmp', 'udp', 'tcp'].map((name) => `${name}.checksum.status`);

const BAD: readonly (readonly [status: string, bytes: Uint8Array])[] = [
  ['ip.checksum.status', broken('ICMP echo', L3 + 10)],
  ['icmp.checksum.status', broken('ICMP echo', L3 + 20 + 2)],
  ['igmp.checksum.status', broken('IGMP leave', L3 + 20 + 2)],
  ['udp.checksum.status', broken('UDP', L3 + 20 + 6)],
  ['tcp.checksum.status', broken('TCP SYN', L3 + 20 + 16)],
];

/** A classic capture file: a header of 24 octets, and 16 before each frame. */
function captureFile(frames: readonly Uint8Array[]): Uint8Array {
  const file = new Uint8Array(frames.reduce((sum, { length }) => sum + 16 + length, 24));
  const view = new DataView(file.buffer);
  view.setUint32(0, 0xa1b2c3d4);
  view.setUint16(4, 2);
  view.setUint16(6, 4);
  view.setUint32(16, 65_535);
  view.setUint32(20, 1);
  let at = 24;
  for (const [index, bytes] of frames.entries()) {
    view.setUint32(at, index);
    view.setUint32(at + 8, bytes.length);
    view.setUint32(at + 12, bytes.length);
    file.set(bytes, at + 16);
    at += 16 + bytes.length;
  }
  return file;
}

const FIELDS = [
  ...new Set([
    '_ws.malformed',
    '_ws.expert.severity',
    ...STATUS,
    ...GOOD.flatMap((good) => Object.keys(good[2])),
  ]),
];

/** What tshark says of each frame, by field. */
function dissect(frames: readonly Uint8Array[]): Want[] {
  const folder = mkdtempSync(join(tmpdir(), 'wire-'));
  const path = join(folder, 'frames.pcap');
  writeFileSync(path, captureFile(frames));
  const checks = ['ip', 'udp', 'tcp'].flatMap((name) => ['-o', `${name}.check_checksum:TRUE`]);
  checks.push('-o', 'tcp.relative_sequence_numbers:FALSE');
  const fields = FIELDS.flatMap((field) => ['-e', field]);
  const result = spawnSync('tshark', ['-n', '-r', path, ...checks, '-T', 'fields', ...fields], {
    encoding: 'utf8',
  });
  rmSync(folder, { recursive: true });
  if (result.status !== 0) throw new Error(`tshark failed: ${result.stderr}`);
  return result.stdout
    .trimEnd()
    .split('\n')
    .map((line) => Object.fromEntries(line.split('\t').map((value, i) => [FIELDS[i] as string, value])));
}

const hasTshark = spawnSync('tshark', ['-v']).status === 0;
const skip = hasTshark || process.env['CI'] === 'true' ? false : 'tshark is not installed';

/** tshark's numbers for an expert's severity: warnings and errors are at least this. */
const SEVERITY_WARN = 0x600000;

t.test('tshark finds nothing wrong with what we write', { skip }, (t) => {
  const seen = dissect([...GOOD.map(([, bytes]) => bytes), ...BAD.map(([, bytes]) => bytes)]);
  t.equal(seen.length, GOOD.length + BAD.length);
  for (const [i, [name, , want]] of GOOD.entries()) {
    const row = seen[i] as Want;
    t.has(row, want, `${name}: fields`);
    t.equal(row['_ws.malformed'], '', `${name}: not malformed`);
    const severities = (row['_ws.expert.severity'] ?? '').split(',').map(Number);
    t.ok(Math.max(...severities) < SEVERITY_WARN, `${name}: no warning`);
    for (const status of STATUS) t.notMatch(row[status], /[02]/, `${name}: ${status}`);
  }
  t.end();
});

t.test('and it does see a wrong checksum', { skip }, (t) => {
  const seen = dissect(BAD.map(([, bytes]) => bytes));
  for (const [i, [status]] of BAD.entries()) t.equal((seen[i] as Want)[status], '0', status);
  t.end();
});
