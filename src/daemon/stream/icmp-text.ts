/**
 * ICMP errors in the words of ping, and in the marks of traceroute.
 */
import * as icmp4 from '../../wire/icmp4.ts';

export interface ErrorKind {
  readonly type: number;
  readonly code: number;
  /** Next-hop MTU, or pointer. */
  readonly info: number;
}

const Code = icmp4.UnreachableCode;

const UNREACHABLE: Readonly<Record<number, string>> = {
  [Code.Net]: 'Destination Net Unreachable',
  [Code.Host]: 'Destination Host Unreachable',
  [Code.Protocol]: 'Destination Protocol Unreachable',
  [Code.Port]: 'Destination Port Unreachable',
  [Code.SourceRouteFailed]: 'Source Route Failed',
  [Code.NetUnknown]: 'Destination Net Unknown',
  [Code.HostUnknown]: 'Destination Host Unknown',
  [Code.SourceIsolated]: 'Source Host Isolated',
  [Code.NetProhibited]: 'Destination Net Prohibited',
  [Code.HostProhibited]: 'Destination Host Prohibited',
  [Code.NetTos]: 'Destination Net Unreachable for Type of Service',
  [Code.HostTos]: 'Destination Host Unreachable for Type of Service',
  [Code.AdminProhibited]: 'Packet filtered',
  [Code.PrecedenceViolation]: 'Precedence Violation',
  [Code.PrecedenceCutoff]: 'Precedence Cutoff',
};

/** As iputils. */
export function errorText({ type, code, info }: ErrorKind): string {
  switch (type) {
    case icmp4.Type.Unreachable:
      if (code === Code.FragmentationNeeded) return `Frag needed and DF set (mtu = ${info})`;
      return UNREACHABLE[code] ?? `Dest Unreachable, Bad Code: ${code}`;
    case icmp4.Type.TimeExceeded:
      return code === 0 ? 'Time to live exceeded' : 'Frag reassembly time exceeded';
    case icmp4.Type.ParameterProblem:
      return `Parameter problem: pointer = ${info}`;
    default:
      return `Bad ICMP type: ${type}`;
  }
}

const MARKS: Readonly<Record<number, string>> = {
  [Code.Net]: '!N',
  [Code.Host]: '!H',
  [Code.Protocol]: '!P',
  [Code.Port]: '',
  [Code.SourceRouteFailed]: '!S',
  [Code.NetProhibited]: '!X',
  [Code.HostProhibited]: '!X',
  [Code.AdminProhibited]: '!X',
  [Code.PrecedenceViolation]: '!V',
  [Code.PrecedenceCutoff]: '!C',
};

/** As Linux's traceroute; empty where there is nothing to say. */
export function errorMark({ type, code, info }: ErrorKind): string {
  if (type === icmp4.Type.TimeExceeded) return code === 0 ? '' : `!T<${code}>`;
  if (type !== icmp4.Type.Unreachable) return `!<${type}-${code}>`;
  return code === Code.FragmentationNeeded ? `!F-${info}` : (MARKS[code] ?? `!<${code}>`);
}
