/**
 * What both sides can do: the options of a SYN (RFC 9293 §3.2, RFC 7323 §1.3, RFC 2018 §2, RFC 3168 §6.1.1).
 */
import type { Instant } from '../../base/time.ts';
import { Flag } from '../../wire/tcp.ts';
import { defaultMss, updateMss } from '../records.ts';
import type { Segment } from '../segment.ts';
import type { TcpShared } from '../shared.ts';
import type { Tcb } from '../tcb.ts';
import { TcbFlag } from '../tcb.ts';

const ECN_SETUP = Flag.Ece | Flag.Cwr;

/** What our SYN will offer. */
export function offer(tcp: TcpShared, tcb: Tcb): void {
  const { config } = tcp;
  if (config.sack) tcb.set(TcbFlag.Sack);
  if (config.timestamps) tcb.set(TcbFlag.Timestamps);
  if (config.windowScaling) tcb.set(TcbFlag.WindowScale);
  else tcb.rcvWscale = 0;
  if (config.ecn === 1) tcb.set(TcbFlag.EcnAsked);
}

/** The peer's SYN, with ACK or without: what it does not offer is off. `tcb` has the flags of what we offer. */
export function agree(now: Instant, tcp: TcpShared, tcb: Tcb, segment: Segment): void {
  const { options } = segment;
  tcb.peerMss = options.mss > 0 ? Math.max(options.mss, tcp.config.minSndMss) : defaultMss(tcp, tcb);
  if (!options.sackPermitted) tcb.clear(TcbFlag.Sack);
  if (options.wscale < 0) tcb.clear(TcbFlag.WindowScale);
  if (tcb.has(TcbFlag.WindowScale)) {
    tcb.sndWscale = options.wscale;
  } else {
    tcb.sndWscale = 0;
    tcb.rcvWscale = 0;
  }
  if (!options.hasTs) tcb.clear(TcbFlag.Timestamps);
  if (tcb.has(TcbFlag.Timestamps)) {
    tcb.tsRecent = options.tsVal;
    tcb.tsRecentAt = now;
    tcb.set(TcbFlag.TsRecentValid);
  }
  agreeEcn(tcp, tcb, segment);
  updateMss(tcp, tcb);
}

/** RFC 3168 §6.1.1: a SYN asks with ECE and CWR, a SYN-ACK says yes with ECE alone. */
function agreeEcn(tcp: TcpShared, tcb: Tcb, segment: Segment): void {
  const bits = segment.flags & ECN_SETUP;
  const wasAsked = tcb.has(TcbFlag.EcnAsked);
  tcb.clear(TcbFlag.EcnAsked);
  if (segment.has(Flag.Ack)) {
    if (wasAsked && bits === Flag.Ece) tcb.set(TcbFlag.Ecn);
    return;
  }
  // A mark on a SYN is no mark: somebody on the way misuses the bits (RFC 3168 §6.1.1, as Linux judges).
  if (tcp.config.ecn === 0 || bits !== ECN_SETUP || segment.isCe) return;
  tcb.set(TcbFlag.EcnAsked | TcbFlag.Ecn);
}
