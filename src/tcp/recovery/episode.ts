/**
 * Congestion episodes: how one begins, ends, and is taken back. RFC 5681 §3.2, RFC 6675 §5, RFC 3168 §6.1.2,
 * RFC 6298 §5, with the window spread by RFC 9937.
 */
import { geq, gt } from '../../base/seq32.ts';
import type { Instant } from '../../base/time.ts';
import { Flag } from '../../wire/tcp.ts';
import type { AckSample } from '../congestion/control.ts';
import { isValidated } from '../congestion/validation.ts';
import type { Segment } from '../segment.ts';
import type { Tcb } from '../tcb.ts';
import { TcbFlag } from '../tcb.ts';
import type { AckDigest } from './ack-digest.ts';
import { headSegment, isFastRetransmitDue } from './newreno.ts';
import type { RecoveryState } from './recovery-state.ts';
import { RangeFlag } from './scoreboard.ts';

/** For `info`: what the application held back says less than what came before it. */
export function noteRate(state: RecoveryState, sample: AckSample): void {
  const { deliveryRate, isAppLimited } = sample.rate;
  if (!isAppLimited || deliveryRate > state.deliveryRate) state.deliveryRate = deliveryRate;
}

/** Whether the window was used, and so may grow (RFC 7661). */
export function validate(state: RecoveryState, tcb: Tcb, sample: AckSample): void {
  const { control } = state;
  sample.isCwndLimited = isValidated(control.cwnd, control.ssthresh, state.mostInFlight, state.isCwndLimited);
  if (!geq(tcb.sndUna, state.usageSeq)) return;
  state.isCwndLimited = false;
  state.mostInFlight = 0;
  state.usageSeq = tcb.sndNxt;
}

export function handleEce(
  now: Instant,
  state: RecoveryState,
  tcb: Tcb,
  sample: AckSample,
  segment: Segment,
): void {
  state.ecn.handleAck(tcb.sndUna);
  if (!tcb.has(TcbFlag.Ecn) || !segment.has(Flag.Ece)) return;
  sample.hasEce = true;
  if (state.phase === 'open' && state.ecn.handleEce(tcb.sndUna, tcb.sndNxt))
    enterCwr(now, state, tcb, sample);
}

/** RFC 8985 §7.4.2: one loss that a probe has repaired before anyone noticed is congestion all the same. */
export function handleTlpAnswer(
  now: Instant,
  state: RecoveryState,
  tcb: Tcb,
  digest: AckDigest,
  segment: Segment,
): void {
  const { isPresent, to } = digest.dsack;
  const hasSack = segment.options.sackCount > 0;
  const verdict = state.tlp.handleAck(segment.ack, isPresent, to, digest.isDupAck, hasSack);
  if (verdict !== 'repaired') return;
  state.shared.counters.tcpLossProbeRecovery++;
  if (state.phase !== 'open') return;
  state.control.onLoss(now, digest.sample);
  noteReduced(state, tcb);
  state.control.onRecovered(now, digest.sample);
}

/** RFC 6675 §5: begins and ends episodes, and finds out whether one was none. */
export function advanceEpisode(now: Instant, state: RecoveryState, tcb: Tcb, digest: AckDigest): void {
  const { undo, shared } = state;
  const { sample, dsack } = digest;
  if (dsack.isPresent && undo.handleDsack(dsack.from, dsack.to)) {
    shared.counters.tcpDsackUndo++;
    undoEpisode(now, state, sample);
  }
  if (isRecovering(state) && sample.acked > 0 && undo.isEifel(digest.hasEcho, digest.echo)) {
    shared.counters.tcpFullUndo++;
    undoEpisode(now, state, sample);
  }
  if (state.phase === 'loss' && digest.hasProgress && isSpuriousByFrto(state, tcb, digest)) {
    shared.counters.tcpSpuriousRtos++;
    undoEpisode(now, state, sample);
  }
  if (state.phase !== 'open' && geq(tcb.sndUna, state.recover)) leaveEpisode(now, state, tcb, sample);
  if (!isRecovering(state) && sample.lost > 0) enterRecovery(now, state, tcb, sample, digest.sackedBefore);
  sample.isInRecovery = state.isReducing;
  sample.isInLoss = state.phase === 'loss';
}

/** RFC 6582 §3.2, without SACK: the third duplicate, or an acknowledgement of a part, names a hole. */
export function findHole(now: Instant, state: RecoveryState, tcb: Tcb, digest: AckDigest): void {
  const { sample } = digest;
  const isFirst = digest.isDupAck && isFastRetransmitDue(state, tcb);
  const isPartial = sample.acked > 0 && state.phase === 'recovery';
  if (!isFirst && !isPartial) return;
  const head = headSegment(state, sample.mss);
  if (head < 0) return;
  digest.handleLost(now, state.board, head);
  if (isFirst) enterRecovery(now, state, tcb, sample, digest.sackedBefore);
  sample.inFlight = state.inFlight;
  sample.isInRecovery = true;
}

export function moveWindow(now: Instant, state: RecoveryState, sample: AckSample): void {
  state.control.onAck(now, sample);
  if (!state.isReducing || !state.control.usesPrr) return;
  // RFC 9937 §6.2: a window update, or an old acknowledgement, lets nothing out.
  if (sample.delivered <= 0 && state.prr.prrOut > 0) return;
  const isSafeAck = sample.acked > 0 && sample.lost === 0;
  const quota = state.prr.quota(Math.max(sample.delivered, 0), sample.inFlight, isSafeAck, sample.mss);
  state.prrCwnd = sample.inFlight + quota;
}

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
function enterCwr(now: Instant, state: RecoveryState, tcb: Tcb, sample: AckSample): void {
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
function leaveEpisode(now: Instant, state: RecoveryState, tcb: Tcb, sample: AckSample): void {
  sample.isInLoss = state.phase === 'loss';
  sample.isInRecovery = false;
  if (state.phase !== 'cwr') state.rack.handleRecovered();
  state.control.onRecovered(now, sample);
  state.phase = 'open';
  state.undo.frto = 'off';
  if (!tcb.has(TcbFlag.Sack)) state.renoSacked = 0;
}

/** It was none: the window is given back, and what was not lost is in flight. */
function undoEpisode(now: Instant, state: RecoveryState, sample: AckSample): void {
  const wasLoss = state.phase === 'loss';
  // Not lost, but late: RACK would take the next one for lost as well.
  if (!wasLoss && gt(state.rack.fack, state.undo.marker)) state.rack.noteOvertaken(state.undo.marker);
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

/** F-RTO (RFC 5682 §3.1, by SACK where there is one): whether the timeout was spurious. */
function isSpuriousByFrto(state: RecoveryState, tcb: Tcb, digest: AckDigest): boolean {
  const { undo } = state;
  if (undo.frto === 'off') return false;
  // (3b): data that were never sent again have arrived.
  if (digest.isOriginal) return true;
  const hasAdvanced = digest.sample.acked > 0;
  // (2a) and (3a): the losses were real.
  const isReal = !hasAdvanced || (undo.frto === 'second' && digest.newlySacked > 0);
  // (2b): new data, if there are any and the peer takes them; what is lost waits for the answer.
  const hasNew = ((tcb.sndEnd - tcb.sndNxt) | 0) > 0;
  const hasRoom = ((tcb.sndUna + tcb.sndWnd - tcb.sndNxt) | 0) > 0;
  if (isReal || !hasNew || !hasRoom) {
    undo.frto = 'off';
  } else if (undo.frto === 'first') {
    undo.frto = 'second';
    state.recover = tcb.sndNxt;
  }
  return false;
}

/**
 * RFC 2018 §8: the first range was reported as arrived and SND.UNA has not passed it: the peer has dropped
 * it.
 */
export function hasReneged(state: RecoveryState): boolean {
  const { board } = state;
  return board.count > 0 && board.has(board.id(0), RangeFlag.Sacked);
}

export function isRecovering(state: RecoveryState): boolean {
  return state.phase === 'recovery' || state.phase === 'loss';
}
