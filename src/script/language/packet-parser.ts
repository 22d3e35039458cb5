/**
 * Packets, in the notation that packetdrill took from tcpdump:
 *
 *     [ect0] P. 1:1001(1000) ack 1 win 257 <nop,nop,TS val 100 ecr 200>
 *     udp (1472)
 *     icmp unreachable frag_needed mtu 1200 [1:1461(1460)]
 */

import { Flag } from '../../wire/tcp.ts';
import { unsupported } from '../fault.ts';
import { flagsOf, icmpCode, icmpType } from '../packet/names.ts';
import type {
  Ecn,
  IcmpSpec,
  IpSpec,
  PacketSpec,
  Quoted,
  TcpOption,
  TcpSpec,
  UdpSpec,
} from '../packet/spec.ts';
import { AE, NO_IP } from '../packet/spec.ts';
import type { Cursor } from './cursor.ts';

const U8 = 0xff;
const U16 = 0xffff;
const U32 = 0xffff_ffff;
const FLOW_LABEL_MAX = 0xf_ffff;
/** RFC 7413 §4.1.1. */
const COOKIE_BYTES_MAX = 16;

const ECN: readonly string[] = ['noecn', 'ect0', 'ect1', 'ce', 'ect01'];
const QUOTED_KINDS = ['udp', 'raw'] as const;
const ENCAPSULATIONS: readonly string[] = ['ipv4', 'ipv6', 'gre', 'GREv0', 'mpls'];

/** After the `<` or `>` of its direction. */
export function parsePacket(cursor: Cursor, isInbound: boolean): PacketSpec {
  const { line } = cursor;
  const word = cursor.peek().text;
  if (ENCAPSULATIONS.includes(word)) unsupported(line, `encapsulated packets (${word})`);
  const ip = parseIp(cursor);
  if (isInbound && ip.ecn === 'ect01') unsupported(line, '[ect01] of a packet that we send to the stack');
  if (cursor.skip('udp')) return parseUdp(cursor, ip);
  if (cursor.skip('icmp')) return parseIcmp(cursor, ip);
  const packet = parseTcp(cursor, ip);
  if (!isInbound) return packet;
  if (packet.options === null) unsupported(line, '<...> in a packet that we send to the stack');
  if (packet.options.some((option) => option.kind === 'wscale' && option.value < 0))
    unsupported(line, 'wscale * in a packet that we send to the stack');
  return packet;
}

function parseIp(cursor: Cursor): IpSpec {
  const close = cursor.is('[') ? ']' : ')';
  if (!cursor.is('[') && !cursor.is('(')) return NO_IP;
  cursor.take();
  const ip = {
    ecn: null as Ecn | null,
    tos: null as number | null,
    flowLabel: null as number | null,
    ttl: null as number | null,
  };
  do {
    const { text } = cursor.expectKind('word', 'noecn, ect0, ect1, ect01, ce, tos, ttl or flowlabel');
    if (ECN.includes(text)) ip.ecn = text as Ecn;
    else if (text === 'tos') ip.tos = number(cursor, 'tos', U8);
    else if (text === 'ttl') ip.ttl = number(cursor, 'ttl', U8);
    else if (text === 'flowlabel') ip.flowLabel = number(cursor, 'flow label', FLOW_LABEL_MAX);
    else unsupported(cursor.line, `"${text}" of an IP header`);
  } while (cursor.skip(','));
  cursor.expect(close);
  return ip;
}

/** Decimal or hexadecimal. */
function number(cursor: Cursor, what: string, max: number): number {
  if (!cursor.isKind('hex')) return cursor.integer(what, 0, max);
  const value = Number(cursor.take().text);
  if (value > max) unsupported(cursor.line, `${what} is more than ${max}`);
  return value;
}

interface PortPair {
  readonly src: number;
  readonly dst: number;
}

/** `4321 > 80` in front of flags or of the length. */
function parsePorts(cursor: Cursor): PortPair {
  if (!cursor.isKind('integer') || !cursor.is('>', 1)) return { src: 0, dst: 0 };
  const src = cursor.integer('source port', 0, U16);
  cursor.expect('>');
  return { src, dst: cursor.integer('destination port', 0, U16) };
}

function parseUdp(cursor: Cursor, ip: IpSpec): UdpSpec {
  const { src, dst } = parsePorts(cursor);
  cursor.expect('(');
  const length = cursor.integer('UDP payload', 0, U16);
  cursor.expect(')');
  return { kind: 'udp', ip, srcPort: src, dstPort: dst, length };
}

function parseIcmp(cursor: Cursor, ip: IpSpec): IcmpSpec {
  const name = cursor.expectKind('word', 'an ICMP type').text;
  const type = icmpType(name);
  if (type < 0) unsupported(cursor.line, `the ICMP type ${name}`);
  let code = 0;
  if (cursor.isKind('word') && !cursor.is('mtu') && !cursor.is('id')) {
    const codeName = cursor.take().text;
    code = icmpCode(type, codeName);
    if (code < 0) unsupported(cursor.line, `the code ${codeName} of ICMP ${name}`);
  }
  const mtu = cursor.skip('mtu') ? cursor.integer('mtu', 0, U16) : null;
  const id = cursor.skip('id') ? cursor.integer('id', 0, U16) : 0;
  return { kind: 'icmp', ip, type, code, mtu, id, quoted: parseQuoted(cursor) };
}

function parseQuoted(cursor: Cursor): Quoted {
  if (!cursor.skip('[')) return { kind: 'none' };
  const kind = QUOTED_KINDS.find((one) => cursor.is(one)) ?? 'tcp';
  if (kind !== 'tcp') cursor.take();
  const seq = kind === 'tcp' ? parseSequence(cursor) : { start: 0, length: parseLength(cursor) };
  cursor.expect(']');
  return kind === 'tcp' ? { kind, seq: seq.start, length: seq.length } : { kind, length: seq.length };
}

function parseLength(cursor: Cursor): number {
  cursor.expect('(');
  const length = cursor.integer('payload', 0, U16);
  cursor.expect(')');
  return length;
}

interface Sequence {
  readonly start: number;
  readonly length: number;
}

/** `1:1001(1000)`. */
function parseSequence(cursor: Cursor): Sequence {
  const start = cursor.integer('sequence number', 0, U32);
  cursor.expect(':');
  const end = cursor.integer('sequence number', 0, U32);
  const length = parseLength(cursor);
  if (end !== (start + length) % (U32 + 1))
    unsupported(cursor.line, `the sequence numbers ${start}:${end}(${length}), of which one is wrong`);
  return { start, length };
}

function parseTcp(cursor: Cursor, ip: IpSpec): TcpSpec {
  const { src, dst } = parsePorts(cursor);
  const { flags, hasAce } = parseFlags(cursor);
  const { start, length } = parseSequence(cursor);
  const ack = cursor.skip('ack') ? cursor.integer('ack', 0, U32) : 0;
  const window = cursor.skip('win') ? cursor.integer('win', 0, U16) : null;
  const urgent = cursor.skip('urg') ? cursor.integer('urg', 0, U16) : 0;
  const options = parseOptions(cursor);
  if (cursor.is('{')) unsupported(cursor.line, 'changed packets ({mut …})');
  return {
    kind: 'tcp',
    ip,
    srcPort: src,
    dstPort: dst,
    flags,
    hasAce,
    seq: start,
    length,
    ack,
    window,
    urgent,
    options,
  };
}

/** `S`, `P.`, `.`, `-` for none; with accurate ECN `S.5`: the number of the three bits stands behind the point. */
function parseFlags(cursor: Cursor): { readonly flags: number; readonly hasAce: boolean } {
  const { line } = cursor;
  if (cursor.skip('-')) return { flags: 0, hasAce: false };
  let letters = '';
  if (cursor.isKind('word')) letters = cursor.take().text;
  const isGlued = letters === '' || cursor.peek().isGlued;
  let ace = -1;
  if (isGlued && cursor.is('.')) {
    cursor.take();
    letters += '.';
  } else if (isGlued && cursor.isKind('float') && /^\.[0-7]$/.test(cursor.peek().text)) {
    ace = Number(cursor.take().text.slice(1));
    letters += '.';
  }
  if (letters === '') cursor.fail('TCP flags');
  const flags = flagsOf(letters);
  if (flags < 0) unsupported(line, `the TCP flags ${letters}`);
  if (ace < 0) return { flags, hasAce: false };
  const bits =
    ((ace & 4) !== 0 ? AE : 0) | ((ace & 2) !== 0 ? Flag.Cwr : 0) | ((ace & 1) !== 0 ? Flag.Ece : 0);
  return { flags: flags | bits, hasAce: true };
}

function parseOptions(cursor: Cursor): TcpOption[] | null {
  if (!cursor.skip('<')) return [];
  if (cursor.skip('...')) {
    cursor.expect('>');
    return null;
  }
  const options: TcpOption[] = [];
  do options.push(parseOption(cursor));
  while (cursor.skip(','));
  cursor.expect('>');
  return options;
}

function parseOption(cursor: Cursor): TcpOption {
  const { text, line } = cursor.expectKind('word', 'a TCP option');
  switch (text) {
    case 'nop':
    case 'eol':
    case 'sackOK':
      return { kind: text };
    case 'mss':
      return { kind: 'mss', value: cursor.integer('mss', 0, U16) };
    case 'wscale':
      return { kind: 'wscale', value: cursor.skip('*') ? -1 : cursor.integer('wscale', 0, U8) };
    case 'sack':
      return { kind: 'sack', edges: parseEdges(cursor) };
    case 'TS': {
      cursor.expect('val');
      const val = cursor.integer('TS val', 0, U32);
      cursor.expect('ecr');
      return { kind: 'TS', val, ecr: cursor.integer('TS ecr', 0, U32) };
    }
    case 'FO':
    case 'FOEXP':
      return { kind: text, hex: parseCookie(cursor) };
    default:
      return unsupported(line, `the TCP option ${text}`);
  }
}

function parseEdges(cursor: Cursor): number[] {
  const edges: number[] = [];
  do {
    edges.push(cursor.integer('edge of a SACK block', 0, U32));
    cursor.expect(':');
    edges.push(cursor.integer('edge of a SACK block', 0, U32));
  } while (cursor.isKind('integer'));
  return edges;
}

/** Hexadecimal digits, which the lexer may have taken for a word, a number, or both in a row. */
function parseCookie(cursor: Cursor): string {
  let hex = '';
  while (cursor.isKind('word') || cursor.isKind('integer')) hex += cursor.take().text;
  if (!/^(?:[0-9a-fA-F]{2})*$/.test(hex) || hex.length > 2 * COOKIE_BYTES_MAX)
    unsupported(cursor.line, `the fast open cookie ${hex}`);
  return hex.toLowerCase();
}
