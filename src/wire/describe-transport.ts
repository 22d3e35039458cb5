/**
 * The part of `describe.ts` above IP: TCP, UDP, ICMP, IGMP. As there, any bytes will do, and nothing is read at or
 * past `end`, which is the end of the datagram as far as it was captured.
 */
import { formatIp, formatIp4, Ip } from '../addr/ip.ts';
import { Drop } from '../base/drop.ts';
import { unsigned } from '../base/seq32.ts';
import * as icmp4 from './icmp4.ts';
import { Type, UnreachableCode } from './icmp4.ts';
import * as igmp from './igmp.ts';
import * as ipv4 from './ipv4.ts';
import { Protocol } from './ipv4.ts';
import * as tcp from './tcp.ts';
import { Flag } from './tcp.ts';
import * as tcpOptions from './tcp-options.ts';
import { Kind } from './tcp-options.ts';
import * as udp from './udp.ts';

/** Ports that carry DNS are left to whoever reads the payload: here a datagram is a datagram. */
export function describeUdp(view: DataView, at: number, end: number, src: string, dst: string): string {
  const bad = udp.check(view, at, end);
  if (bad === Drop.UdpTruncated) return `${src} > ${dst}: UDP [truncated, ${end - at} bytes]`;
  const ends = `${src}.${udp.srcPort(view, at)} > ${dst}.${udp.dstPort(view, at)}`;
  if (bad !== Drop.None) return `${ends}: UDP, bad length ${udp.length(view, at)} > ${end - at}`;
  return `${ends}: UDP, length ${udp.length(view, at) - udp.HEADER_BYTES}`;
}

export function describeTcp(view: DataView, at: number, end: number, src: string, dst: string): string {
  const bad = tcp.check(view, at, end);
  if (bad === Drop.TcpTruncated) return `${src} > ${dst}: TCP [truncated, ${end - at} bytes]`;
  const ends = `${src}.${tcp.srcPort(view, at)} > ${dst}.${tcp.dstPort(view, at)}`;
  if (bad !== Drop.None) return `${ends}: TCP, bad header length ${tcp.dataOffset(view, at)}`;
  const bits = tcp.flags(view, at);
  const bytes = end - at - tcp.dataOffset(view, at);
  const seq = tcp.seq(view, at);
  const range = bytes > 0 ? `:${unsigned(seq + bytes)}` : '';
  const isControl = (bits & (Flag.Syn | Flag.Fin | Flag.Rst)) !== 0;
  const parts = [`Flags [${flagLetters(bits)}]`];
  // As tcpdump: a bare ACK shows no sequence number.
  if (bytes > 0 || isControl) parts.push(`seq ${unsigned(seq)}${range}`);
  if ((bits & Flag.Ack) !== 0) parts.push(`ack ${unsigned(tcp.ack(view, at))}`);
  parts.push(`win ${tcp.window(view, at)}`);
  if ((bits & Flag.Urg) !== 0) parts.push(`urg ${tcp.urgentPointer(view, at)}`);
  const options = describeTcpOptions(view, at);
  if (options !== '') parts.push(`options [${options}]`);
  return `${ends}: ${parts.join(', ')}, length ${bytes}`;
}

function flagLetters(bits: number): string {
  let text = '';
  for (const [bit, letter] of FLAG_LETTERS) if ((bits & bit) !== 0) text += letter;
  return text === '' ? 'none' : text;
}

const FLAG_LETTERS: readonly (readonly [number, string])[] = [
  [Flag.Fin, 'F'],
  [Flag.Syn, 'S'],
  [Flag.Rst, 'R'],
  [Flag.Psh, 'P'],
  [Flag.Ack, '.'],
  [Flag.Urg, 'U'],
  [Flag.Ece, 'E'],
  [Flag.Cwr, 'W'],
];

function describeTcpOptions(view: DataView, at: number): string {
  const end = at + tcp.dataOffset(view, at);
  const bad = tcpOptions.check(view, at, end);
  const stop = bad < 0 ? end : bad - 1;
  const texts: string[] = [];
  for (let option = tcpOptions.first(at); option < stop; option += tcpOptions.length(view, option)) {
    texts.push(describeTcpOption(view, option, tcpOptions.length(view, option)));
    if (tcpOptions.kind(view, option) === Kind.End) break;
  }
  if (bad >= 0) texts.push('bad opt');
  return texts.join(',');
}

function describeTcpOption(view: DataView, option: number, bytes: number): string {
  const kind = tcpOptions.kind(view, option);
  switch (kind) {
    case Kind.End:
      return 'eol';
    case Kind.Nop:
      return 'nop';
    case Kind.Mss:
      return bytes === 4 ? `mss ${view.getUint16(option + 2)}` : `mss [bad length ${bytes}]`;
    case Kind.WindowScale:
      return bytes === 3 ? `wscale ${view.getUint8(option + 2)}` : `wscale [bad length ${bytes}]`;
    case Kind.SackPermitted:
      return bytes === 2 ? 'sackOK' : `sackOK [bad length ${bytes}]`;
    case Kind.Sack:
      return describeSack(view, option, bytes);
    case Kind.Timestamps:
      if (bytes !== 10) return `TS [bad length ${bytes}]`;
      return `TS val ${view.getUint32(option + 2)} ecr ${view.getUint32(option + 6)}`;
    case Kind.Md5:
      return 'md5';
    case Kind.Ao:
      return 'ao';
    case Kind.FastOpen:
      return bytes === 2 ? 'tfo cookiereq' : `tfo cookie ${hex(view, option + 2, bytes - 2)}`;
    default:
      return `unknown-${kind}`;
  }
}

function describeSack(view: DataView, option: number, bytes: number): string {
  const blocks = (bytes - 2) >>> 3;
  if (bytes !== 2 + 8 * blocks || blocks === 0) return `sack [bad length ${bytes}]`;
  let text = `sack ${blocks} `;
  for (let i = option + 2; i < option + bytes; i += 8)
    text += `{${view.getUint32(i)}:${view.getUint32(i + 4)}}`;
  return text;
}

export function describeIcmp4(view: DataView, at: number, end: number): string {
  const bytes = end - at;
  if (bytes < icmp4.HEADER_BYTES) return `[truncated, ${bytes} bytes]`;
  return `${icmp4Text(view, at, end)}, length ${bytes}`;
}

function icmp4Text(view: DataView, at: number, end: number): string {
  const type = icmp4.type(view, at);
  const code = icmp4.code(view, at);
  const idSeq = `id ${icmp4.id(view, at)}, seq ${icmp4.seq(view, at)}`;
  switch (type) {
    case Type.EchoReply:
      return `echo reply, ${idSeq}`;
    case Type.Echo:
      return `echo request, ${idSeq}`;
    case Type.Unreachable:
      return unreachableText(view, at, end, code);
    case Type.Redirect: {
      const kind = REDIRECT_NAMES[code] ?? `code-${code}`;
      const dst = quotedAddress(view, at, end);
      return `redirect ${dst} to ${kind} ${formatIp4(icmp4.gateway(view, at))}`;
    }
    case Type.TimeExceeded:
      return TIME_EXCEEDED_NAMES[code] ?? `time exceeded code-${code}`;
    case Type.ParameterProblem:
      return code === 0
        ? `parameter problem - octet ${icmp4.pointer(view, at)}`
        : `parameter problem - code ${code}`;
    case Type.Timestamp:
      return `time stamp query, ${idSeq}`;
    case Type.TimestampReply:
      if (end - at < icmp4.TIMESTAMP_BYTES) return `time stamp reply, ${idSeq}`;
      return (
        `time stamp reply, ${idSeq}, org ${unsigned(icmp4.originateTimestamp(view, at))}, ` +
        `recv ${unsigned(icmp4.receiveTimestamp(view, at))}, xmit ${unsigned(icmp4.transmitTimestamp(view, at))}`
      );
    default:
      return ICMP4_NAMES[type] ?? `type-${type} code-${code}`;
  }
}

function unreachableText(view: DataView, at: number, end: number, code: number): string {
  const quote = at + icmp4.HEADER_BYTES;
  const dst = quotedAddress(view, at, end);
  switch (code) {
    case UnreachableCode.Protocol: {
      const protocol = end - quote < ipv4.MIN_HEADER_BYTES ? '?' : ipv4.protocol(view, quote);
      return `${dst} protocol ${protocol} unreachable`;
    }
    case UnreachableCode.Port:
      return `${dst} ${quotedPort(view, quote, end)} unreachable`;
    case UnreachableCode.FragmentationNeeded:
      return `${dst} unreachable - need to frag (mtu ${icmp4.nextHopMtu(view, at)})`;
    default: {
      const name = UNREACHABLE_NAMES[code];
      return name === undefined ? `${dst} unreachable - code ${code}` : name.replace('%', dst);
    }
  }
}

/** Whom the packet was for that an error quotes. */
function quotedAddress(view: DataView, at: number, end: number): string {
  const quote = at + icmp4.HEADER_BYTES;
  return end - quote < ipv4.MIN_HEADER_BYTES ? '?' : formatIp4(ipv4.dst(view, quote));
}

function quotedPort(view: DataView, quote: number, end: number): string {
  if (end - quote < ipv4.MIN_HEADER_BYTES) return 'port ?';
  const l4 = quote + ipv4.headerLength(view, quote);
  const protocol = ipv4.protocol(view, quote);
  // UDP and TCP both begin with their ports.
  const port = end - l4 < 4 ? '?' : udp.dstPort(view, l4);
  if (protocol === Protocol.Udp) return `udp port ${port}`;
  return protocol === Protocol.Tcp ? `tcp port ${port}` : `protocol ${protocol} port ${port}`;
}

const UNREACHABLE_NAMES: Record<number, string> = {
  [UnreachableCode.Net]: 'net % unreachable',
  [UnreachableCode.Host]: 'host % unreachable',
  [UnreachableCode.SourceRouteFailed]: '% unreachable - source route failed',
  [UnreachableCode.NetUnknown]: 'net % unreachable - unknown',
  [UnreachableCode.HostUnknown]: 'host % unreachable - unknown',
  [UnreachableCode.SourceIsolated]: '% unreachable - source host isolated',
  [UnreachableCode.NetProhibited]: 'net % unreachable - admin prohibited',
  [UnreachableCode.HostProhibited]: 'host % unreachable - admin prohibited',
  [UnreachableCode.NetTos]: 'net % unreachable - tos prohibited',
  [UnreachableCode.HostTos]: 'host % unreachable - tos prohibited',
  [UnreachableCode.AdminProhibited]: '% unreachable - admin prohibited filter',
  [UnreachableCode.PrecedenceViolation]: 'host % unreachable - host precedence violation',
  [UnreachableCode.PrecedenceCutoff]: 'host % unreachable - precedence cutoff',
};

const REDIRECT_NAMES: readonly string[] = ['net', 'host', 'net-tos', 'host-tos'];
const TIME_EXCEEDED_NAMES: readonly string[] = ['time exceeded in-transit', 'ip reassembly time exceeded'];

const ICMP4_NAMES: Record<number, string> = {
  [Type.SourceQuench]: 'source quench',
  [Type.RouterAdvertisement]: 'router advertisement',
  [Type.RouterSolicitation]: 'router solicitation',
  [Type.InformationRequest]: 'information request',
  [Type.InformationReply]: 'information reply',
  [Type.AddressMask]: 'address mask request',
  [Type.AddressMaskReply]: 'address mask reply',
};

/** Names only: the codec comes with IPv6. Numbers of RFC 4443, 4861, 2710 and 3810. */
export function describeIcmp6(view: DataView, at: number, end: number): string {
  const bytes = end - at;
  if (bytes < icmp4.HEADER_BYTES) return `[truncated, ${bytes} bytes]`;
  const type = view.getUint8(at);
  const name = ICMP6_NAMES[type] ?? `type-${type} code-${view.getUint8(at + 1)}`;
  return `${name}${icmp6Detail(view, at, end, type)}, length ${bytes}`;
}

function icmp6Detail(view: DataView, at: number, end: number, type: number): string {
  switch (type) {
    case 1:
    case 3:
      return `, code ${view.getUint8(at + 1)}`;
    case 2:
      return `, mtu ${view.getUint32(at + 4)}`;
    case 128:
    case 129:
      return `, id ${view.getUint16(at + 4)}, seq ${view.getUint16(at + 6)}`;
    case 135:
    case 136: {
      if (end - at < 24) return '';
      const word = (i: number): number => view.getInt32(at + 8 + 4 * i);
      const target = formatIp(new Ip(word(0), word(1), word(2), word(3)));
      return type === 135 ? `, who has ${target}` : `, tgt is ${target}`;
    }
    default:
      return '';
  }
}

const ICMP6_NAMES: Record<number, string> = {
  1: 'destination unreachable',
  2: 'packet too big',
  3: 'time exceeded',
  4: 'parameter problem',
  128: 'echo request',
  129: 'echo reply',
  130: 'multicast listener query',
  131: 'multicast listener report',
  132: 'multicast listener done',
  133: 'router solicitation',
  134: 'router advertisement',
  135: 'neighbor solicitation',
  136: 'neighbor advertisement',
  137: 'redirect',
  143: 'multicast listener report v2',
};

export function describeIgmp(view: DataView, at: number, end: number): string {
  const bytes = end - at;
  const bad = igmp.check(view, at, end);
  if (bytes < igmp.HEADER_BYTES) return `[truncated, ${bytes} bytes]`;
  const note = IGMP_FAULTS[bad] ?? '';
  const group = formatIp4(igmp.group(view, at));
  switch (igmp.type(view, at)) {
    case igmp.Type.Query:
      return `${igmpQuery(view, at, end)}${note}`;
    case igmp.Type.ReportV1:
      return `v1 report ${group}${note}`;
    case igmp.Type.ReportV2:
      return `v2 report ${group}${note}`;
    case igmp.Type.Leave:
      return `leave ${group}${note}`;
    case igmp.Type.ReportV3:
      return `v3 report, ${igmp.recordCount(view, at)} group record(s)${note}${igmpRecords(view, at, bad)}`;
    default:
      return `type 0x${igmp.type(view, at).toString(16)}${note}, length ${bytes}`;
  }
}

const IGMP_FAULTS: Partial<Record<Drop, string>> = {
  [Drop.IgmpChecksum]: ' [bad checksum]',
  [Drop.IgmpTruncated]: ' [bad length]',
};

function igmpQuery(view: DataView, at: number, end: number): string {
  const version = igmp.queryVersion(view, at, end);
  const maxResp = version === 1 ? '' : ` [max resp time ${igmp.maxRespTenths(view, at, end) / 10}s]`;
  const group = igmp.group(view, at) === 0 ? '' : ` [gaddr ${formatIp4(igmp.group(view, at))}]`;
  return `query v${version}${maxResp}${group}`;
}

/** Nothing unless `igmp.check` found no fault. */
function igmpRecords(view: DataView, at: number, bad: Drop): string {
  if (bad !== Drop.None) return '';
  let text = '';
  let record = igmp.firstRecord(at);
  for (let i = igmp.recordCount(view, at); i > 0; i--) {
    const type = igmp.recordType(view, record);
    const name = RECORD_NAMES[type] ?? `type-${type}`;
    const group = formatIp4(igmp.recordGroup(view, record));
    text += ` [gaddr ${group} ${name}, ${igmp.recordSourceCount(view, record)} source(s)]`;
    record = igmp.nextRecord(view, record);
  }
  return text;
}

const RECORD_NAMES: Record<number, string> = {
  [igmp.RecordType.ModeIsInclude]: 'is_in',
  [igmp.RecordType.ModeIsExclude]: 'is_ex',
  [igmp.RecordType.ChangeToInclude]: 'to_in',
  [igmp.RecordType.ChangeToExclude]: 'to_ex',
  [igmp.RecordType.AllowNewSources]: 'allow',
  [igmp.RecordType.BlockOldSources]: 'block',
};

function hex(view: DataView, at: number, bytes: number): string {
  let text = '';
  for (let i = 0; i < bytes; i++)
    text += view
      .getUint8(at + i)
      .toString(16)
      .padStart(2, '0');
  return text;
}
