/**
 * Congestion episodes: how one begins, ends, and is taken back. RFC 5681 §3.2, RFC 6675 §5, RFC 3168 §6.1.2, RFC 6298
 * §5, with the window spread by RFC 9937.
 */
import type { Instant } from '../../base/time.ts';
import type { AckSample } from '../congestion/control.ts';
import type { Tcb } from '../tcb.ts';
import { TcbFlag } from '../tcb.ts';
import type { RecoveryState } from './recovery-state.ts';
import { RangeFlag } from './scoreboard.ts';

/** Losses were found: fast recovery. `sackedBefore`: SACKed before the acknowledgement in hand. */
export function enterRecovery(
  now: Instant,
  state: RecoveryState,
  tcb: Tcb,
  sample: AckSample,
  sackedBefore: number,
): void {
  const { counters } = state.shared;
  if (tcb.has(TcbFlag.Sack)) counters.tcpSackRecovery++;
  else counters.tcpRenoRecovery++;
  state.undo.enter(tcb.sndUna, tcb.sndNxt);
  state.recover = tcb.sndNxt;
  // A reduction for ECN is under way: one for each window of data is enough.
  if (state.phase !== 'cwr') {
    state.control.onLoss(now, sample);
    beginReduction(state, tcb, sample, sackedBefore);
  }
  state.phase = 'recovery';
}

/** RFC 3168 §6.1.2: the peer has echoed a mark. */
export function enterCwr(now: Instant, state: RecoveryState, tcb: Tcb, sample: AckSample): void {
  state.shared.counters.tcpEceReductions++;
  state.recover = tcb.sndNxt;
  state.control.onEcn(now, sample);
  beginReduction(state, tcb, sample, state.board.sackedBytes);
  state.phase = 'cwr';
}

function beginReduction(state: RecoveryState, tcb: Tcb, sample: AckSample, sackedBefore: number): void {
  const flight = (tcb.sndNxt - tcb.sndUna) | 0;
  state.prr.enter(state.control.ssthresh, flight, sackedBefore, sample.acked);
  state.prrCwnd = state.control.cwnd;
  noteReduced(state, tcb);
}

function noteReduced(state: RecoveryState, tcb: Tcb): void {
  state.ecn.handleReduced(tcb.sndNxt);
  if (tcb.has(TcbFlag.Ecn)) tcb.set(TcbFlag.EcnCwr);
}

/** The retransmission timer went off; what is lost is marked already. */
export function enterLoss(
  now: Instant,
  state: RecoveryState,
  tcb: Tcb,
  sample: AckSample,
  isFirst: boolean,
): void {
  const wasOpen = state.phase === 'open' || state.phase === 'cwr';
  state.shared.counters.tcpTimeouts++;
  if (isFirst) state.undo.enter(tcb.sndUna, tcb.sndNxt);
  state.control.onRto(now, sample, isFirst);
  // RFC 5682 §2.1 (1): not for a timeout within a recovery that has retransmitted already.
  state.undo.beginFrto(wasOpen || tcb.retransmits > 1);
  state.phase = 'loss';
  state.recover = tcb.sndNxt;
  state.lostFrom = tcb.sndUna;
  state.renoSacked = 0;
  state.tlp.handleRto();
  noteReduced(state, tcb);
}

/** Everything that was in flight when the episode began is acknowledged. */
export function leaveEpisode(now: Instant, state: RecoveryState, tcb: Tcb, sample: AckSample): void {
  sample.isInLoss = state.phase === 'loss';
  sample.isInRecovery = false;
  if (state.phase !== 'cwr') state.rack.handleRecovered();
  state.control.onRecovered(now, sample);
  state.phase = 'open';
  state.undo.frto = 'off';
  if (!tcb.has(TcbFlag.Sack)) state.renoSacked = 0;
}

/** It was none: the window is given back, and what was not lost is in flight. */
export function undoEpisode(now: Instant, state: RecoveryState, sample: AckSample): void {
  const wasLoss = state.phase === 'loss';
  state.board.unmarkLost();
  state.control.onSpuriousLoss(now, sample);
  state.undo.disarm();
  if (state.phase !== 'open') {
    state.phase = 'open';
    sample.isInLoss = wasLoss;
    state.rack.handleRecovered();
  }
  sample.isInRecovery = false;
  sample.isInLoss = false;
}

/** F-RTO (RFC 5682 §3.1, by SACK where there is one). Answers whether the timeout was spurious. */
export function processFrto(
  state: RecoveryState,
  tcb: Tcb,
  hasAdvanced: boolean,
  hasNewSack: boolean,
  isOriginal: boolean,
): boolean {
  const { undo } = state;
  if (undo.frto === 'off') return false;
  // (3b): data that were never sent again have arrived.
  if (isOriginal) return true;
  if (undo.frto === 'second') {
    // (3a)
    if (hasNewSack || !hasAdvanced) undo.frto = 'off';
    return false;
  }
  if (!hasAdvanced) {
    // (2a)
    undo.frto = 'off';
    return false;
  }
  // (2b): new data, if there are any and the peer takes them; what is lost waits for the answer.
  const hasNew = ((tcb.sndEnd - tcb.sndNxt) | 0) > 0;
  const hasRoom = ((tcb.sndUna + tcb.sndWnd - tcb.sndNxt) | 0) > 0;
  undo.frto = hasNew && hasRoom ? 'second' : 'off';
  if (undo.frto === 'second') state.recover = tcb.sndNxt;
  return false;
}

/** RFC 2018 §8: the first range was reported as arrived and SND.UNA has not passed it: the peer has dropped it. */
export function hasReneged(state: RecoveryState): boolean {
  const { board } = state;
  return board.count > 0 && board.has(board.id(0), RangeFlag.Sacked);
}
