/**
 * A window that was not used says nothing about the path (RFC 2861, RFC 7661, RFC 5681 §4.1).
 *
 * Growth: only while the window is what keeps data back, or in slow start while at least half of it is used
 * (RFC 7661 §4.4: otherwise cwnd is not validated). Idle: for every timeout without data the window is
 * halved, down to the restart window; ssthresh keeps three quarters of it, so that it comes back by slow
 * start (RFC 2861 §3.1).
 */
import { initialWindow } from './control.ts';

/** Whether growth is allowed: `mostInFlight` is the most that was in flight in the last round trip. */
export function isValidated(
  cwnd: number,
  ssthresh: number,
  mostInFlight: number,
  isCwndLimited: boolean,
): boolean {
  if (isCwndLimited) return true;
  return cwnd < ssthresh && cwnd < 2 * mostInFlight;
}

/** The window after `idleUs`. */
export function afterIdle(cwnd: number, idleUs: number, rtoUs: number, mss: number): number {
  // RFC 5681 §4.1: RW = min(IW, cwnd).
  const restart = Math.min(initialWindow(mss), cwnd);
  let window = cwnd;
  for (let left = idleUs - rtoUs; left > 0 && window > restart; left -= rtoUs) window /= 2;
  return Math.max(Math.floor(window), restart);
}
