/**
 * Recovery without SACK: RFC 6582 (NewReno) and RFC 3042 (limited transmit).
 *
 * Each duplicate acknowledgement says that one segment has arrived, but not which: `renoSacked` counts them
 * as if they were SACKed, so that the window lets one new segment out for each, and the third begins
 * recovery. An acknowledgement of a part names the next hole.
 */
import { gt } from '../../base/seq32.ts';
import type { Tcb } from '../tcb.ts';
import { DUP_THRESHOLD } from './rack.ts';
import type { RecoveryState } from './recovery-state.ts';
import { RangeFlag } from './scoreboard.ts';

/** A duplicate acknowledgement (RFC 5681 §2). Answers the bytes it stands for. */
export function handleDupAck(state: RecoveryState, tcb: Tcb, mss: number): number {
  tcb.dupAcks++;
  const { board } = state;
  // One segment at least is missing, or it would have been acknowledged.
  const most = Math.max(board.bytes - mss, 0);
  const bytes = Math.max(Math.min(mss, most - state.renoSacked), 0);
  state.renoSacked += bytes;
  return bytes;
}

/** SND.UNA advanced by `acked`. Answers how many of these bytes duplicates had announced. */
export function handleAdvance(state: RecoveryState, tcb: Tcb, acked: number, mss: number): number {
  tcb.dupAcks = 0;
  // What was missing has come, and behind it what had come before.
  const announced = Math.min(state.renoSacked, Math.max(acked - mss, 0));
  state.renoSacked = Math.min(state.renoSacked - announced, Math.max(state.board.bytes - mss, 0));
  return announced;
}

/** RFC 6582 §3.2 (2): three duplicates, and for data that the last recovery did not cover. */
export function isFastRetransmitDue(state: RecoveryState, tcb: Tcb): boolean {
  return (
    state.phase !== 'recovery' &&
    state.phase !== 'loss' &&
    tcb.dupAcks >= DUP_THRESHOLD &&
    mayEnter(state, tcb)
  );
}

function mayEnter(state: RecoveryState, tcb: Tcb): boolean {
  return state.phase === 'cwr' || gt(tcb.sndUna, state.recover);
}

/** The segment at SND.UNA is lost. Answers its range, or -1 when it is known to be, or sent again already. */
export function headSegment(state: RecoveryState, mss: number): number {
  const { board } = state;
  if (board.count === 0) return -1;
  const head = board.id(0);
  if (board.has(head, RangeFlag.Lost)) return -1;
  if (board.length(head) > mss) board.split(0, (board.start(head) + mss) | 0);
  return head;
}
