/**
 * Round trips and the retransmission timeout: RFC 6298, with Linux's reading of its minimum (the timeout is
 * never less than `rtoMin` above the smoothed round trip, rather than never less than a second).
 *
 * Deviates from RFC 6298 §2.4: one second is a thousand round trips of a data centre.
 */
import type { TcpConfig } from '../config.ts';
import type { Tcb } from '../tcb.ts';

/** The largest power of two by which a timeout is backed off. */
const BACKOFF_MAX = 16;

/** RFC 6298 §2.2 and §2.3. */
export function addRttSample(tcb: Tcb, config: TcpConfig, rttUs: number): void {
  const sample = rttUs < 1 ? 1 : rttUs;
  tcb.latestRtt = sample;
  if (tcb.minRtt === 0 || sample < tcb.minRtt) tcb.minRtt = sample;
  if (tcb.srtt === 0) {
    tcb.srtt = sample;
    tcb.rttvar = sample / 2;
  } else {
    const error = Math.abs(tcb.srtt - sample);
    tcb.rttvar += (error - tcb.rttvar) / 4;
    tcb.srtt += (sample - tcb.srtt) / 8;
  }
  updateRto(tcb, config);
}

/** Without back-off: what RFC 6298 §2 computes. */
export function updateRto(tcb: Tcb, config: TcpConfig): void {
  if (tcb.srtt === 0) {
    tcb.rto = config.rtoInitialMs * 1_000;
    return;
  }
  const rto = tcb.srtt + Math.max(4 * tcb.rttvar, config.rtoMinMs * 1_000);
  tcb.rto = Math.min(rto, config.rtoMaxMs * 1_000);
}

/** RFC 6298 §5.5: with the back-off of `count` timeouts in a row. */
export function backedOff(tcb: Tcb, config: TcpConfig, count: number): number {
  const max = config.rtoMaxMs * 1_000;
  if (count > BACKOFF_MAX) return max;
  return Math.min(tcb.rto * 2 ** count, max);
}

/**
 * How long `retries` retransmissions last that begin with the minimal timeout and double: R2 of RFC 9293 §3.8.3
 * as a time, so that a long round trip does not stretch it (924.6 s for 15 and 200 ms, as tcp(7) says).
 */
export function patience(config: TcpConfig, retries: number): number {
  const base = config.rtoMinMs * 1_000;
  const max = config.rtoMaxMs * 1_000;
  let total = 0;
  for (let i = 0; i <= retries; i++) total += Math.min(base * 2 ** i, max);
  return total;
}
