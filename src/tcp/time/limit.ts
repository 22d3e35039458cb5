/**
 * What holds a connection's sending up, and for how long: tcpi_busy_time, tcpi_rwnd_limited and tcpi_sndbuf_limited of
 * tcp_info. Only one holds it up at a time.
 *
 *     nothing to send: none     the peer's window: rwnd     everything sent, the writer waits for room: sndbuf
 *     else: busy, which is the network
 */
import type { Instant } from '../../base/time.ts';
import type { Recovery } from '../recovery-port.ts';
import type { Tcb } from '../tcb.ts';
import { TcbFlag } from '../tcb.ts';

export const Limit = { None: 0, Busy: 1, Rwnd: 2, Sndbuf: 3 } as const;

/** To be called when something was acknowledged or had its chance to be sent. */
export function noteLimit(now: Instant, tcb: Tcb, recovery: Recovery | null): void {
  const limit = limitOf(tcb, recovery);
  if (limit === tcb.limit) return;
  settle(now, tcb);
  tcb.limit = limit;
}

/** Adds the time until now to what it was for. */
export function settle(now: Instant, tcb: Tcb): void {
  const elapsed = now - tcb.limitAt;
  tcb.limitAt = now;
  if (tcb.limit === Limit.None) return;
  // Linux's busy time is all of it.
  tcb.busyUs += elapsed;
  if (tcb.limit === Limit.Rwnd) tcb.rwndLimitedUs += elapsed;
  else if (tcb.limit === Limit.Sndbuf) tcb.sndbufLimitedUs += elapsed;
}

function limitOf(tcb: Tcb, recovery: Recovery | null): number {
  const pending = (tcb.sndEnd - tcb.sndNxt) | 0;
  if (pending <= 0 && tcb.sndUna === tcb.sndNxt) return Limit.None;
  const isCwndFull = recovery !== null && recovery.cwnd - recovery.inFlight < tcb.sndMss;
  if (isCwndFull) return Limit.Busy;
  if (pending <= 0) return tcb.has(TcbFlag.WriteBlocked) ? Limit.Sndbuf : Limit.Busy;
  const usable = (tcb.sndUna + tcb.sndWnd - tcb.sndNxt) | 0;
  return usable < Math.min(pending, tcb.sndMss) ? Limit.Rwnd : Limit.Busy;
}
