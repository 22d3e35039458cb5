/**
 * What ICMP counts: the names of RFC 4293 and RFC 2011 as `/proc/net/snmp` prints them, in camelCase.
 */
import { Type } from '../../wire/icmp4.ts';

export interface IcmpCounters {
  inMsgs: number;
  inErrors: number;
  inCsumErrors: number;
  inDestUnreachs: number;
  inTimeExcds: number;
  inParmProbs: number;
  inSrcQuenchs: number;
  inRedirects: number;
  inEchos: number;
  inEchoReps: number;
  inTimestamps: number;
  inTimestampReps: number;
  inAddrMasks: number;
  inAddrMaskReps: number;
  /** Types that have no counter of their own. */
  inOthers: number;
  outMsgs: number;
  /** Errors that were not sent, because RFC 1122 §3.2.2 forbids it or because there was no slot or source. */
  outSuppressed: number;
  outRateLimitGlobal: number;
  outRateLimitHost: number;
  outDestUnreachs: number;
  outTimeExcds: number;
  outParmProbs: number;
  outRedirects: number;
  outEchoReps: number;
  outTimestampReps: number;
}

export const icmpCounters = (): IcmpCounters => ({
  inMsgs: 0,
  inErrors: 0,
  inCsumErrors: 0,
  inDestUnreachs: 0,
  inTimeExcds: 0,
  inParmProbs: 0,
  inSrcQuenchs: 0,
  inRedirects: 0,
  inEchos: 0,
  inEchoReps: 0,
  inTimestamps: 0,
  inTimestampReps: 0,
  inAddrMasks: 0,
  inAddrMaskReps: 0,
  inOthers: 0,
  outMsgs: 0,
  outSuppressed: 0,
  outRateLimitGlobal: 0,
  outRateLimitHost: 0,
  outDestUnreachs: 0,
  outTimeExcds: 0,
  outParmProbs: 0,
  outRedirects: 0,
  outEchoReps: 0,
  outTimestampReps: 0,
});

export function countIn(counters: IcmpCounters, type: number): void {
  switch (type) {
    case Type.EchoReply:
      counters.inEchoReps++;
      break;
    case Type.Unreachable:
      counters.inDestUnreachs++;
      break;
    case Type.SourceQuench:
      counters.inSrcQuenchs++;
      break;
    case Type.Redirect:
      counters.inRedirects++;
      break;
    case Type.Echo:
      counters.inEchos++;
      break;
    case Type.TimeExceeded:
      counters.inTimeExcds++;
      break;
    case Type.ParameterProblem:
      counters.inParmProbs++;
      break;
    case Type.Timestamp:
      counters.inTimestamps++;
      break;
    case Type.TimestampReply:
      counters.inTimestampReps++;
      break;
    case Type.AddressMask:
      counters.inAddrMasks++;
      break;
    case Type.AddressMaskReply:
      counters.inAddrMaskReps++;
      break;
    default:
      counters.inOthers++;
  }
}

/** For the types that we send. */
export function countOut(counters: IcmpCounters, type: number): void {
  counters.outMsgs++;
  switch (type) {
    case Type.EchoReply:
      counters.outEchoReps++;
      break;
    case Type.Unreachable:
      counters.outDestUnreachs++;
      break;
    case Type.Redirect:
      counters.outRedirects++;
      break;
    case Type.TimeExceeded:
      counters.outTimeExcds++;
      break;
    case Type.ParameterProblem:
      counters.outParmProbs++;
      break;
    case Type.TimestampReply:
      counters.outTimestampReps++;
      break;
    default:
  }
}
