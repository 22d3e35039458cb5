/**
 * Controllers by name, and the change from one to another while a connection runs.
 */
import { unreachable } from '../../base/assert.ts';
import type { Rng } from '../../base/rng.ts';
import type { Instant } from '../../base/time.ts';
import { Bbr } from './bbr.ts';
import type { CongestionControl, CongestionName } from './control.ts';
import { initialWindow, SSTHRESH_INFINITE } from './control.ts';
import { Cubic } from './cubic.ts';
import { Reno } from './reno.ts';

/** As `net.ipv4.tcp_available_congestion_control` lists them. */
export const CONGESTION_NAMES: readonly CongestionName[] = ['cubic', 'reno', 'bbr'];

export function isCongestionName(text: string): text is CongestionName {
  return (CONGESTION_NAMES as readonly string[]).includes(text);
}

/** A controller for a connection that begins to send. `srttUs` 0: no round trip is known. */
export function startControl(
  now: Instant,
  name: CongestionName,
  mss: number,
  srttUs: number,
  rng: Rng,
): CongestionControl {
  return create(now, name, mss, srttUs, rng, initialWindow(mss));
}

/** Puts another in the place of `previous`: window and threshold go on where they were. */
export function changeControl(
  now: Instant,
  previous: CongestionControl,
  name: CongestionName,
  mss: number,
  srttUs: number,
  rng: Rng,
): CongestionControl {
  const next = create(now, name, mss, srttUs, rng, previous.cwnd);
  next.cwnd = previous.cwnd;
  // From BBR nothing is known of a threshold: the window it had is what the path was good for.
  const ssthresh = previous.usesPrr ? previous.ssthresh : previous.cwnd;
  if (next instanceof Reno || next instanceof Cubic) {
    next.ssthresh = Math.min(ssthresh, SSTHRESH_INFINITE);
    next.pacingRate = previous.pacingRate;
    next.sendQuantum = previous.sendQuantum;
  }
  return next;
}

function create(
  now: Instant,
  name: CongestionName,
  mss: number,
  srttUs: number,
  rng: Rng,
  cwnd: number,
): CongestionControl {
  switch (name) {
    case 'reno':
      return new Reno(mss);
    case 'cubic':
      return new Cubic(mss);
    case 'bbr':
      return new Bbr(now, mss, rng, cwnd, srttUs);
    default:
      return unreachable(name);
  }
}
