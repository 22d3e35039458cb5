/**
 * The window that we announce: RFC 9293 §3.8.6, silly windows avoided as in §3.8.6.2.2, scaled as in RFC 7323
 * §2, and the tuning of the receive buffer behind it.
 */
import type { Instant } from '../../base/time.ts';
import { RING_BYTES_MAX } from '../buffer/ring-pool.ts';
import type { TcpShared } from '../shared.ts';
import type { Tcb } from '../tcb.ts';
import { TcbFlag } from '../tcb.ts';

const FIELD_MAX = 0xffff;
const WSCALE_MAX = 14;
/** Linux: what is shorter costs more than it brings. */
const GROWING_BYTES_MIN = 128;
/** Of tuning: what is read in a round trip, twice, and so many segments more. */
const SLACK_SEGMENTS = 16;

/** The smallest shift with which a window of `bytes` fits into its field (RFC 7323 §2.3). */
export function wscaleFor(bytes: number): number {
  let shift = 0;
  while (shift < WSCALE_MAX && bytes >> shift > FIELD_MAX) shift++;
  return shift;
}

/**
 * The window of a SYN, which is never scaled (RFC 7323 §2.2): whole segments, as many as fit. It is also where the
 * window begins, as Linux has it, and from which it grows with what arrives.
 */
export function initialWindow(tcb: Tcb): number {
  const limit = tcb.windowClamp > 0 ? Math.min(tcb.rcvLimit, tcb.windowClamp) : tcb.rcvLimit;
  const free = Math.min(limit, FIELD_MAX);
  return free > tcb.advMss ? free - (free % tcb.advMss) : free;
}

/** A segment with `length` bytes has come: the peer may use twice as much more, up to the buffer. */
export function growWindow(tcb: Tcb, length: number): void {
  if (length < GROWING_BYTES_MIN) return;
  const room = tcb.rcvLimit - tcb.rcvSsthresh;
  if (room > 0) tcb.rcvSsthresh += Math.min(room, 2 * Math.max(length, tcb.advMss));
}

/** RCV.WND: what is left of what was announced. */
export function rcvWnd(tcb: Tcb): number {
  const left = (tcb.rcvAdv - tcb.rcvNxt) | 0;
  return left > 0 ? left : 0;
}

/**
 * The window to announce now, in bytes: a multiple of the scale, and never less than what is announced already.
 */
export function selectWindow(tcp: TcpShared, tcb: Tcb): number {
  const unit = (1 << tcb.rcvWscale) - 1;
  // RFC 7323 §2.4: rounding up, for rounding down would shrink what was announced before.
  const announced = Math.min((rcvWnd(tcb) + unit) & ~unit, FIELD_MAX << tcb.rcvWscale);
  const free = freeSpace(tcp, tcb);
  const { rcvMss } = tcb;
  // §3.8.6.2.2: the right edge stays until it can move by a segment or half the buffer.
  if (free - announced < Math.min(rcvMss, fullSpace(tcb) >> 1)) return announced;
  let window = Math.min(free & ~unit, FIELD_MAX << tcb.rcvWscale);
  if (tcb.rcvWscale === 0 && window > rcvMss) window -= window % rcvMss;
  return Math.max(announced, window);
}

/** The receive buffer, or what the user lets of it be seen: RCV.BUFF of §3.8.6.2.2. */
function fullSpace(tcb: Tcb): number {
  const limit = Math.min(tcb.rcvLimit, RING_BYTES_MAX);
  return tcb.windowClamp > 0 && tcb.windowClamp < limit ? tcb.windowClamp : limit;
}

/** Room in the receive buffer; what lies beyond a gap is inside the window already. */
function freeSpace(tcp: TcpShared, tcb: Tcb): number {
  let free = Math.min(fullSpace(tcb) - ((tcb.rcvNxt - tcb.rcvRead) | 0), tcb.rcvSsthresh);
  if (tcp.rings.isUnderPressure) free = Math.min(free, 4 * tcb.rcvMss);
  return free > 0 ? free : 0;
}

/**
 * After the application has read: whether the window opened enough to say so unasked, which is when it at least
 * doubles, or half the buffer became free.
 */
export function isUpdateDue(tcp: TcpShared, tcb: Tcb): boolean {
  const left = rcvWnd(tcb);
  const gain = selectWindow(tcp, tcb) - left;
  return gain > 0 && (gain >= fullSpace(tcb) >> 1 || (gain >= left && gain >= tcb.rcvMss));
}

/** The receiver's round trip, without timestamps: how long the peer takes to fill a window. */
export function measureReceiver(now: Instant, tcb: Tcb, tsElapsedUs: number): void {
  if (tsElapsedUs >= 0) {
    addReceiverSample(tcb, Math.max(tsElapsedUs, 1_000), false);
    return;
  }
  if (tcb.rcvRttAt !== 0 && ((tcb.rcvNxt - tcb.rcvRttSeq) | 0) < 0) return;
  if (tcb.rcvRttAt !== 0) addReceiverSample(tcb, now - tcb.rcvRttAt, true);
  tcb.rcvRttSeq = (tcb.rcvNxt + rcvWnd(tcb)) | 0;
  tcb.rcvRttAt = now;
}

/** A window that took long may have been a slow application's: then the shortest counts. */
function addReceiverSample(tcb: Tcb, us: number, isBound: boolean): void {
  if (tcb.rcvRtt === 0) tcb.rcvRtt = us;
  else if (!isBound) tcb.rcvRtt += (us - tcb.rcvRtt) / 8;
  else if (us < tcb.rcvRtt) tcb.rcvRtt = us;
}

/**
 * Dynamic right-sizing (Fisk and Feng, 2001): when the application took more in a round trip than in the one
 * before, the sender could have sent more, had it been allowed to.
 */
export function tuneReceiver(now: Instant, tcp: TcpShared, tcb: Tcb): void {
  const rtt = tcb.rcvRtt === 0 ? tcb.srtt : tcb.rcvRtt;
  if (tcb.rcvSpaceAt === 0) {
    tcb.rcvSpaceAt = now;
    tcb.rcvSpaceSeq = tcb.rcvRead;
    return;
  }
  if (rtt === 0 || now - tcb.rcvSpaceAt < rtt) return;
  const taken = (tcb.rcvRead - tcb.rcvSpaceSeq) | 0;
  if (taken > tcb.rcvSpace) {
    const { config } = tcp;
    if (config.moderateRcvbuf && !tcb.has(TcbFlag.RcvLimitFixed) && !tcp.rings.isUnderPressure) {
      const growth = tcb.rcvSpace === 0 ? 1 : Math.min((taken - tcb.rcvSpace) / tcb.rcvSpace, 1);
      const wanted = (2 * taken + SLACK_SEGMENTS * tcb.rcvMss) * (1 + growth);
      const max = Math.min(config.rmemMax, FIELD_MAX << tcb.rcvWscale);
      tcb.rcvLimit = Math.max(tcb.rcvLimit, Math.min(wanted, max));
    }
    tcb.rcvSpace = taken;
  }
  tcb.rcvSpaceAt = now;
  tcb.rcvSpaceSeq = tcb.rcvRead;
}
