/**
 * What ICMP says about a segment of ours: RFC 5927 (who cannot name a sequence number in flight is not
 * believed, and a connection that exists is not ended by it), RFC 1191 and 8201 (a smaller MTU), RFC 5461 (soft
 * errors while opening).
 */
import { gt, leq } from '../../base/seq32.ts';
import type { Instant } from '../../base/time.ts';
import { codeOf } from '../errno-code.ts';
import type { TcpPathError } from '../host.ts';
import { finish, loadPath, updateMss } from '../records.ts';
import type { TcpShared } from '../shared.ts';
import { TIME_WAIT_BIT } from '../shared.ts';
import { State } from '../state.ts';
import type { Tcb } from '../tcb.ts';

/** RFC 1191 §3, RFC 8200 §5: nothing smaller is believed. */
const MTU_MIN_4 = 552;
const MTU_MIN_6 = 1_280;
const IPV4_HEADER_BYTES = 20;

export function handlePathError(now: Instant, tcp: TcpShared, error: TcpPathError): boolean {
  const found = tcp.lookup(tcp.words.ofLeaving(error.sent));
  if (found < 0 || found >= TIME_WAIT_BIT) return false;
  const tcb = tcp.tcb.at(found);
  // RFC 5927 §4.1: SND.UNA <= SEG.SEQ < SND.NXT; a SYN has the number before.
  if (gt(tcb.sndUna, error.seq) || leq(tcb.sndNxt, error.seq)) return true;
  if (error.isTooLong) {
    if (shrink(now, tcp, tcb, error.info)) shrinkOthers(now, tcp, tcb);
    return true;
  }
  const code = codeOf(error.errno);
  const isOpening = tcb.state === State.SynSent || tcb.state === State.SynReceived;
  if (error.isHard && isOpening) {
    tcp.counters.tcp.attemptFails++;
    finish(tcp, tcb, code);
  } else {
    tcb.softError = code;
  }
  return true;
}

/** What the path takes may have changed: it is asked for anew. */
export function reloadPath(now: Instant, tcp: TcpShared, tcb: Tcb): void {
  const before = tcb.pathMtu;
  const { advMss } = tcb;
  loadPath(tcp, tcb);
  // The peer was told what it was told.
  tcb.advMss = advMss;
  if (tcb.pathMtu !== before) applyMtu(now, tcp, tcb);
}

/** The path carries `mtu` bytes only: what was too long goes out again in smaller pieces, at once. */
export function shrink(now: Instant, tcp: TcpShared, tcb: Tcb, mtu: number): boolean {
  const least = tcb.ipHeaderBytes === IPV4_HEADER_BYTES ? MTU_MIN_4 : MTU_MIN_6;
  const next = Math.max(mtu, least);
  if (next >= tcb.pathMtu) return false;
  tcb.pathMtu = next;
  applyMtu(now, tcp, tcb);
  return true;
}

/** RFC 1191 §6.4: all connections to the same host hear of it. */
function shrinkOthers(now: Instant, tcp: TcpShared, tcb: Tcb): void {
  const { id, pathMtu, remoteA, remoteB, remoteC, remoteD } = tcb;
  for (let other = 0; other < tcp.table.end; other++) {
    if (other === id || !tcp.table.has(other)) continue;
    tcb.at(other);
    if (tcb.remoteD !== remoteD || tcb.remoteC !== remoteC) continue;
    if (tcb.remoteB !== remoteB || tcb.remoteA !== remoteA) continue;
    if (tcb.state !== State.Closed && tcb.state !== State.TimeWait) shrink(now, tcp, tcb, pathMtu);
  }
  tcb.at(id);
}

function applyMtu(now: Instant, tcp: TcpShared, tcb: Tcb): void {
  updateMss(tcp, tcb);
  const recovery = tcp.recoveries[tcb.id];
  if (recovery === null || recovery === undefined) return;
  recovery.handleMtu(now, tcb);
  tcp.queueOutput(tcb);
}
