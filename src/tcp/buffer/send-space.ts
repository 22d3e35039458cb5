/**
 * How much may be written, counted as Linux counts it (tcp_sendmsg, sk_stream_is_writeable), for programs that rely on
 * partial writes and on when they are woken. Our rings know bytes only; there the queue is of buffers of several
 * segments, each with what surrounds it:
 *
 *     - a buffer is begun while the queue is shorter than SO_SNDBUF, and then it is filled
 *     - the first leaves when it is full, as far as it may, and what is left of it is filled again
 *     - a writer is woken when a third of SO_SNDBUF is free
 */
import { initialWindow } from '../congestion/control.ts';
import type { Recovery } from '../recovery-port.ts';
import type { Tcb } from '../tcb.ts';
import { TcbFlag } from '../tcb.ts';

/** What surrounds the data of a buffer: `SKB_TRUESIZE` of its headers. */
const OVERHEAD_BYTES = 1_280;
/** SO_SNDBUF is twice what the user asked for. */
const USER_SHARE = 2;
/** The longest buffer (`GSO_MAX_SIZE`), and TCP_MSS_DEFAULT. */
const GOAL_MAX = 65_535;
const SMALL_WINDOW = 536;

/** SO_SNDBUF as Linux has it. */
function sndbuf(tcb: Tcb): number {
  return tcb.has(TcbFlag.SndLimitFixed) ? USER_SHARE * tcb.sndLimit : tcb.sndLimit;
}

/** Payload of a full buffer: whole segments, and no more than half the largest window seen. */
function sizeGoal(tcb: Tcb): number {
  const { sndMss: mss, maxSndWnd, gsoMaxBytes } = tcb;
  const most = Math.min(GOAL_MAX, Math.max(gsoMaxBytes, mss));
  const cutoff = maxSndWnd > SMALL_WINDOW ? maxSndWnd >> 1 : maxSndWnd;
  const goal = cutoff > 0 ? Math.min(most, cutoff) : most;
  return Math.max(goal - (goal % mss), mss);
}

const occupied = (used: number, goal: number): number => used + OVERHEAD_BYTES * Math.ceil(used / goal);

/** How many bytes more may be written behind `used` that nobody has acknowledged. */
export function sendSpace(tcb: Tcb, used: number, recovery: Recovery | null): number {
  const goal = sizeGoal(tcb);
  const unsent = (tcb.sndEnd - tcb.sndNxt) | 0;
  const leaving = sendableNow(tcb, recovery);
  const waiting = Math.max(0, unsent - leaving);
  // The buffer that waits last is filled in any case; after a refusal it is full.
  const isFull = waiting % goal === 0 || tcb.has(TcbFlag.WriteBlocked);
  const filled = isFull ? 0 : goal - (waiting % goal);
  const free = sndbuf(tcb) - occupied(used + filled, goal);
  if (free <= 0) return filled;
  const unheld = spaceByLowWater(tcb, goal, waiting + filled, Math.max(0, leaving - unsent)) + filled;
  // Of those that leave while they are written, the last may leave in part, and is filled again.
  const refilled = waiting > 0 ? 0 : Math.max(0, leaving - unsent) % goal;
  const rest = free - (refilled === 0 ? 0 : refilled + OVERHEAD_BYTES);
  const begun = rest <= 0 ? 0 : Math.ceil(rest / (goal + OVERHEAD_BYTES));
  return Math.min(filled + refilled + begun * goal, unheld);
}

/** TCP_NOTSENT_LOWAT: a buffer is begun only while less than that waits behind what leaves at once. */
function spaceByLowWater(tcb: Tcb, goal: number, waiting: number, leaving: number): number {
  const { notSentLowWater } = tcb;
  if (notSentLowWater === 0) return Number.POSITIVE_INFINITY;
  const part = leaving % goal;
  const first = waiting === 0 && part > 0 ? goal : 0;
  const begun = Math.ceil(Math.max(0, notSentLowWater - waiting - first) / goal);
  return leaving + first + begun * goal;
}

/** Whether a writer is woken, and poll(2) says POLLOUT. */
export function isWriteable(tcb: Tcb, used: number): boolean {
  const queued = occupied(used, sizeGoal(tcb));
  // Half of what would let a writer go on.
  const unsent = (tcb.sndEnd - tcb.sndNxt) | 0;
  if (tcb.notSentLowWater > 0 && 2 * unsent >= tcb.notSentLowWater) return false;
  return sndbuf(tcb) - queued >= queued >> 1;
}

/** Whole segments that both windows would let out now. */
function sendableNow(tcb: Tcb, recovery: Recovery | null): number {
  const { sndMss: mss } = tcb;
  const inFlight = recovery === null ? (tcb.sndNxt - tcb.sndUna) | 0 : recovery.inFlight;
  const cwnd = recovery === null ? initialWindow(mss) : recovery.cwnd;
  const usable = (tcb.sndUna + tcb.sndWnd - tcb.sndNxt) | 0;
  const sendable = Math.max(0, Math.min(cwnd - inFlight, usable));
  return sendable - (sendable % mss);
}
