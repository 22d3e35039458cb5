/**
 * The names that scripts have for ICMP types and codes (RFC 792, RFC 1122 §3.2.2.1), and letters for TCP flags.
 */
import { Type, UnreachableCode } from '../../wire/icmp4.ts';
import { Flag } from '../../wire/tcp.ts';
import { AE } from './spec.ts';

const TYPES: Readonly<Record<string, number>> = {
  echo_reply: Type.EchoReply,
  unreachable: Type.Unreachable,
  source_quench: 4,
  redirect: Type.Redirect,
  echo_request: Type.Echo,
  time_exceeded: Type.TimeExceeded,
  parameter_problem: Type.ParameterProblem,
  timestamp_request: Type.Timestamp,
  timestamp_reply: Type.TimestampReply,
  information_request: 15,
  information_reply: 16,
  address_mask_request: 17,
  address_mask_reply: 18,
};

const CODES: Readonly<Record<string, number>> = {
  net_unreachable: UnreachableCode.Net,
  host_unreachable: UnreachableCode.Host,
  protocol_unreachable: UnreachableCode.Protocol,
  port_unreachable: UnreachableCode.Port,
  frag_needed: UnreachableCode.FragmentationNeeded,
  source_route_failed: UnreachableCode.SourceRouteFailed,
  net_unknown: UnreachableCode.NetUnknown,
  host_unknown: UnreachableCode.HostUnknown,
  source_host_isolated: UnreachableCode.SourceIsolated,
  net_prohibited: UnreachableCode.NetProhibited,
  host_prohibited: UnreachableCode.HostProhibited,
  net_unreachable_for_tos: UnreachableCode.NetTos,
  host_unreachable_for_tos: UnreachableCode.HostTos,
  packet_filtered: UnreachableCode.AdminProhibited,
  precedence_violation: UnreachableCode.PrecedenceViolation,
  precedence_cutoff: UnreachableCode.PrecedenceCutoff,
};

/** `unreachable`, or `type_3`; -1 when there is none of that name. */
export function icmpType(name: string): number {
  return TYPES[name] ?? numbered(name, 'type_');
}

/** `port_unreachable`, or `code_3`; -1 when the type has none of that name. */
export function icmpCode(type: number, name: string): number {
  const known = type === Type.Unreachable ? CODES[name] : undefined;
  return known ?? numbered(name, 'code_');
}

export function icmpTypeName(type: number): string {
  return nameOf(TYPES, type) ?? `type_${type}`;
}

/** Empty for code 0 of types whose codes have no names. */
export function icmpCodeName(type: number, code: number): string {
  const name = type === Type.Unreachable ? nameOf(CODES, code) : null;
  if (name !== null) return name;
  return code === 0 ? '' : `code_${code}`;
}

function numbered(name: string, prefix: string): number {
  const digits = name.startsWith(prefix) ? name.slice(prefix.length) : '';
  return /^\d{1,3}$/.test(digits) && Number(digits) <= 255 ? Number(digits) : -1;
}

function nameOf(names: Readonly<Record<string, number>>, value: number): string | null {
  for (const [name, number] of Object.entries(names)) if (number === value) return name;
  return null;
}

/** In the order in which they are printed; `.` is ACK. */
const LETTERS: readonly (readonly [letter: string, flag: number])[] = [
  ['F', Flag.Fin],
  ['S', Flag.Syn],
  ['R', Flag.Rst],
  ['P', Flag.Psh],
  ['E', Flag.Ece],
  ['W', Flag.Cwr],
  ['A', AE],
  ['U', Flag.Urg],
  ['.', Flag.Ack],
];

/** -1 when one of the letters is none. */
export function flagsOf(letters: string): number {
  let flags = 0;
  for (const letter of letters) {
    const found = LETTERS.find(([one]) => one === letter);
    if (found === undefined) return -1;
    flags |= found[1];
  }
  return flags;
}

export function flagLetters(flags: number): string {
  const letters = LETTERS.filter(([, flag]) => (flags & flag) !== 0).map(([letter]) => letter);
  return letters.length === 0 ? '-' : letters.join('');
}
