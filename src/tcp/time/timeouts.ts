/**
 * What happens when a deadline of a connection has come: retransmission (RFC 6298 §5.4–5.7, R2 of RFC 9293
 * §3.8.3, the user timeout of RFC 5482), window probes (§3.8.6.1), delayed acknowledgements, keepalive
 * (§3.8.4), the loss recovery's own, and the end of FIN-WAIT-2.
 */
import { gt } from '../../base/seq32.ts';
import type { Instant } from '../../base/time.ts';
import { NEVER } from '../../base/time.ts';
import { abort } from '../close/close.ts';
import { codeOf } from '../errno-code.ts';
import { shrink } from '../input/path-error.ts';
import { handleAckTimeout } from '../output/acknowledging.ts';
import { recoveryOf, sendProbe, sendWindowProbe } from '../output/output.ts';
import { finish } from '../records.ts';
import type { TcpShared } from '../shared.ts';
import { State } from '../state.ts';
import type { Tcb } from '../tcb.ts';
import { TcbFlag } from '../tcb.ts';
import { arm, earliestOf } from './deadlines.ts';
import { backedOff, patience } from './rtt.ts';

const US_PER_MS = 1_000;

/** Does what is due and sets the wheel to what comes next. The record may be gone afterwards. */
export function handleTimeouts(now: Instant, tcp: TcpShared, tcb: Tcb): void {
  const { id } = tcb;
  if (tcb.ackAt <= now) handleAckTimeout(tcp, tcb);
  if (tcb.recoveryAt <= now) {
    tcb.recoveryAt = NEVER;
    tcp.recoveries[id]?.handleTimeout(now, tcb);
    tcp.queueOutput(tcb);
  }
  if (tcb.paceAt > 0 && tcb.paceAt <= now) {
    tcb.paceAt = 0;
    tcp.queueOutput(tcb);
  }
  if (tcb.rtoAt <= now) handleRto(now, tcp, tcb);
  if (isOpen(tcp, id, tcb) && tcb.persistAt <= now) handlePersist(now, tcp, tcb);
  if (isOpen(tcp, id, tcb) && tcb.keepAt <= now) handleKeep(now, tcp, tcb);
  if (!tcp.table.has(id)) return;
  const next = earliestOf(tcb);
  if (next !== NEVER) arm(tcp.wheel, tcb, next);
}

function isOpen(tcp: TcpShared, id: number, tcb: Tcb): boolean {
  return tcp.table.has(id) && tcb.state !== State.Closed && tcb.state !== State.TimeWait;
}

function handleRto(now: Instant, tcp: TcpShared, tcb: Tcb): void {
  if (!tcb.has(TcbFlag.RtoRunning) && tcb.state !== State.SynSent && tcb.state !== State.SynReceived) {
    trim(tcp, tcb);
    return;
  }
  if (tcb.troubleAt === 0) tcb.troubleAt = now;
  if (tcb.state === State.SynSent || tcb.state === State.SynReceived) {
    handleSynTimeout(now, tcp, tcb);
    return;
  }
  if (isHopeless(now, tcp, tcb)) {
    giveUp(tcp, tcb);
    return;
  }
  tcp.counters.tcpExt.tcpTimeouts++;
  tcb.retransmits++;
  tcb.clear(TcbFlag.RttTiming);
  tcb.rtoAt = now + backedOff(tcb, tcp.config, tcb.retransmits);
  const recovery = recoveryOf(now, tcp, tcb);
  recovery.handleRto(now, tcb);
  const mtu = tcp.config.mtuProbing ? recovery.blackHoleMtu(now, tcb) : 0;
  if (mtu > 0) shrink(now, tcp, tcb, mtu);
  tcp.queueOutput(tcb);
}

/** Idle for long: what only a busy connection needs is given up. */
function trim(tcp: TcpShared, tcb: Tcb): void {
  tcb.rtoAt = NEVER;
  if (hasMore(tcb)) return;
  tcp.dropRecovery(tcb.id);
  tcb.recoveryAt = NEVER;
}

/** Something is in flight or will be. FIN, once it is acknowledged, leaves `sndNxt` one beyond `sndEnd`. */
function hasMore(tcb: Tcb): boolean {
  return tcb.sndUna !== tcb.sndNxt || gt(tcb.sndEnd, tcb.sndNxt);
}

function handleSynTimeout(now: Instant, tcp: TcpShared, tcb: Tcb): void {
  const isUserTimeout = tcb.userTimeoutMs > 0 && now - tcb.troubleAt >= tcb.userTimeoutMs * US_PER_MS;
  if (tcb.retransmits >= tcb.synRetriesMax || isUserTimeout) {
    tcp.counters.tcp.attemptFails++;
    tcp.counters.tcpExt.tcpTimeouts++;
    finish(tcp, tcb, tcb.softError === 0 ? codeOf('ETIMEDOUT') : tcb.softError);
    return;
  }
  tcp.counters.tcpExt.tcpTimeouts++;
  tcb.retransmits++;
  tcb.set(TcbFlag.SynDue);
  tcb.rtoAt = now + backedOff(tcb, tcp.config, tcb.retransmits);
  tcp.queueOutput(tcb);
}

/** R2, or the user timeout: since the first timeout that nothing has answered. */
function isHopeless(now: Instant, tcp: TcpShared, tcb: Tcb): boolean {
  const { config } = tcp;
  const elapsed = now - tcb.troubleAt + tcb.rto;
  if (tcb.userTimeoutMs > 0) return elapsed >= tcb.userTimeoutMs * US_PER_MS;
  const retries = tcb.has(TcbFlag.Orphan) ? config.orphanRetries : config.retries2;
  return elapsed >= patience(config, retries);
}

function giveUp(tcp: TcpShared, tcb: Tcb): void {
  tcp.counters.tcpExt.tcpAbortOnTimeout++;
  // RFC 5461 §4: what ICMP said meanwhile is the better reason.
  finish(tcp, tcb, tcb.softError === 0 ? codeOf('ETIMEDOUT') : tcb.softError);
}

/** A window may stay closed as long as the peer says so (§3.8.6.1); it may not be silent. */
function handlePersist(now: Instant, tcp: TcpShared, tcb: Tcb): void {
  const { config } = tcp;
  tcb.persistAt = NEVER;
  if (tcb.sndUna !== tcb.sndNxt) return;
  const elapsed = now - tcb.persistSince;
  const isOrphan = tcb.has(TcbFlag.Orphan);
  const isLate = tcb.userTimeoutMs > 0 && elapsed >= tcb.userTimeoutMs * US_PER_MS;
  const isSilent = tcb.keepProbesSent > (isOrphan ? config.orphanRetries : config.retries2);
  if (isLate || isSilent) {
    giveUp(tcp, tcb);
    return;
  }
  tcp.counters.tcpExt.tcpWinProbe++;
  if (sendWindowProbe(now, tcp, tcb)) {
    tcb.persistProbes++;
    tcb.keepProbesSent++;
  }
  // With a segment in flight it is the retransmission timer's turn.
  if (tcb.sndUna !== tcb.sndNxt) return;
  tcb.persistAt = now + backedOff(tcb, config, tcb.persistProbes);
}

function handleKeep(now: Instant, tcp: TcpShared, tcb: Tcb): void {
  tcb.keepAt = NEVER;
  if (tcb.has(TcbFlag.Orphan) && tcb.state === State.FinWait2) {
    finish(tcp, tcb, 0);
    return;
  }
  if (!tcb.has(TcbFlag.KeepAlive)) return;
  const idleUs = tcb.keepIdleMs * US_PER_MS;
  const elapsed = now - tcb.lastReceivedAt;
  // What is in flight is probe enough.
  if (hasMore(tcb) || elapsed < idleUs) {
    tcb.keepAt = elapsed < idleUs ? tcb.lastReceivedAt + idleUs : now + idleUs;
    return;
  }
  const isLate = tcb.userTimeoutMs > 0 && elapsed >= tcb.userTimeoutMs * US_PER_MS && tcb.keepProbesSent > 0;
  const isSilent = tcb.userTimeoutMs === 0 && tcb.keepProbesSent >= tcb.keepProbesMax;
  if (isLate || isSilent) {
    tcp.counters.tcpExt.tcpAbortOnTimeout++;
    abort(tcp, tcb, codeOf('ETIMEDOUT'));
    return;
  }
  if (sendProbe(now, tcp, tcb)) {
    tcp.counters.tcpExt.tcpKeepAlive++;
    tcb.keepProbesSent++;
  }
  tcb.keepAt = now + tcb.keepIntervalMs * US_PER_MS;
}
