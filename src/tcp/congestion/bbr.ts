/**
 * BBR version 3 (draft-ietf-ccwg-bbr): sends at the bandwidth that it measures, with as much in flight as a
 * path without a queue holds, and probes for more and for less.
 *
 *     Startup ---> Drain ---> ProbeBW: DOWN ---> CRUISE ---> REFILL ---> UP ---> DOWN …
 *       2.77       0.5          0.9        1           1        1.25
 *
 *     any ---- no shorter round trip for 5 s ----> ProbeRTT: half a BDP for 200 ms ---> CRUISE or Startup
 *
 * §§ are the draft's, and so are the names, in camelCase. What the path is like is in `bbr-model.ts`. The
 * draft leaves ECN open: an echo (RFC 3168) is taken as losses above the threshold, once per window of data.
 */
import type { Rng } from '../../base/rng.ts';
import type { Instant } from '../../base/time.ts';
import { BbrModel, BETA, LOSS_THRESH } from './bbr-model.ts';
import type { AckSample, CongestionControl, LostRange, Metrics } from './control.ts';
import { CWND_MAX, initialWindow, SSTHRESH_INFINITE } from './control.ts';

const US_PER_SEC = 1_000_000;
// §2.4–2.8.
const STARTUP_PACING_GAIN = 2.77;
const DRAIN_PACING_GAIN = 0.5;
const DEFAULT_CWND_GAIN = 2;
const PROBE_UP_CWND_GAIN = 2.25;
const PROBE_RTT_CWND_GAIN = 0.5;
const PACING_MARGIN = 0.99;
const STARTUP_FULL_BW_COUNT = 3;
const STARTUP_FULL_LOSS_COUNT = 6;
const FULL_BW_GROWTH = 1.25;
const PROBE_RTT_DURATION_US = 200_000;
const BW_PROBE_BASE_US = 2 * US_PER_SEC;
const BW_PROBE_RANDOM_US = US_PER_SEC;
/** §5.3.3.5.3: so that Reno and CUBIC on the path have their turn. */
const RENO_ROUNDS_MAX = 63;
const PROBE_UP_ROUNDS_MAX = 30;
const QUANTUM_MAX = 64 * 1_024;
const QUANTUM_US = 1_000;
const OFFLOAD_QUANTA = 3;
/** Before there is a round trip the initial window is taken to last this long. */
const INITIAL_RTT_US = 1_000;

export type BbrState = 'startup' | 'drain' | 'down' | 'cruise' | 'refill' | 'up' | 'probe-rtt';
type AckPhase = 'init' | 'refilling' | 'starting' | 'feedback' | 'stopping';

const PACING_GAIN: Readonly<Record<BbrState, number>> = {
  startup: STARTUP_PACING_GAIN,
  drain: DRAIN_PACING_GAIN,
  down: 0.9,
  cruise: 1,
  refill: 1,
  up: 1.25,
  'probe-rtt': 1,
};

/** What is taken back when losses were none. */
class UndoState {
  state: BbrState = 'startup';
  bwShortterm: number = Number.POSITIVE_INFINITY;
  inflightShortterm: number = Number.POSITIVE_INFINITY;
  inflightLongterm: number = Number.POSITIVE_INFINITY;
}

export class Bbr implements CongestionControl {
  readonly name = 'bbr';
  readonly usesPrr = false;
  readonly ssthresh: number = SSTHRESH_INFINITE;
  readonly model: BbrModel;
  cwnd: number;
  pacingRate = 0;
  sendQuantum = 0;
  state: BbrState = 'startup';
  isFullBwReached = false;

  readonly #rng: Rng;
  readonly #undo: UndoState = new UndoState();
  #ackPhase: AckPhase = 'init';
  #isFullBwNow = false;
  #fullBw = 0;
  #fullBwCount = 0;
  #isIdleRestart = false;
  #priorCwnd = 0;
  #isInRecovery = false;
  /** Samples of a probe for more bandwidth are still coming (bw_probe_samples). */
  #hasProbeSamples = false;
  #roundsSinceBwProbe = 0;
  #bwProbeWaitUs = 0;
  #bwProbeUpRounds = 0;
  #bwProbeUpAcks = 0;
  #probeUpBytes: number = Number.POSITIVE_INFINITY;
  #cycleStamp = 0;
  /** When ProbeRTT may end; 0: the flight is still too large. */
  #probeRttDoneStamp = 0;
  #isProbeRttRoundDone = false;

  /** `cwnd` of whoever controlled before, or of the beginning; `srttUs` 0: not known. */
  constructor(now: Instant, mss: number, rng: Rng, cwnd: number, srttUs: number) {
    this.#rng = rng;
    this.model = new BbrModel(mss);
    this.cwnd = cwnd;
    this.#cycleStamp = now;
    this.model.probeRttMinStamp = now;
    this.model.restartAckAggregation(now);
    const nominal = (cwnd * US_PER_SEC) / (srttUs > 0 ? srttUs : INITIAL_RTT_US);
    this.pacingRate = STARTUP_PACING_GAIN * nominal;
    this.#setSendQuantum();
  }

  /** §5.4.1, BBRHandleRestartFromIdle. */
  onSent(now: Instant, _bytes: number, inFlight: number, isAppLimited: boolean): void {
    if (inFlight > 0 || !isAppLimited) return;
    this.#isIdleRestart = true;
    this.model.restartAckAggregation(now);
    if (this.#isProbingBwCycle()) this.#setPacingRate(1);
    else if (this.state === 'probe-rtt') this.#checkProbeRttDone(now, null);
  }

  /** §5.5.10.2, BBRHandleLostPacket. */
  onLost(now: Instant, lost: LostRange, ack: AckSample): void {
    const { model } = this;
    if (!model.isLossInRound) this.#saveStateUponLoss();
    model.noteLoss(ack.total.delivered);
    if (lost.isDiscontiguous) model.lossEventsInRound++;
    if (!this.#hasProbeSamples) return;
    const lostSince = ack.total.lost - lost.lost;
    if (lostSince <= lost.txInFlight * LOSS_THRESH) return;
    this.#handleInflightTooHigh(now, ack, inflightAtLoss(lost, lostSince), lost.isAppLimited);
  }

  /** §5.2.3, BBRUpdateOnACK. */
  onAck(now: Instant, ack: AckSample): void {
    const { model } = this;
    if (ack.rate.hasSample) {
      model.updateLatestDeliverySignals(ack);
      if (model.updateRound(ack)) this.#roundsSinceBwProbe++;
      model.updateMaxBw(ack);
      this.#endLossRound(ack);
      model.updateAckAggregation(now, ack, this.cwnd, this.isFullBwReached);
      this.#checkFullBwReached(ack);
      this.#checkStartupDone(ack);
      if (this.state === 'drain' && ack.inFlight <= this.#inflight(model.maxBw, 1)) this.#startDown(now, ack);
      this.#updateProbeBwCycle(now, ack);
    }
    model.updateMinRtt(now, ack.rttUs);
    this.#checkProbeRtt(now, ack);
    if (ack.rate.hasSample) model.advanceLatestDeliverySignals(ack);
    model.boundBwForModel();
    this.#setPacingRate(PACING_GAIN[this.state]);
    this.#setSendQuantum();
    this.#setCwnd(ack);
  }

  onLoss(): void {
    this.#saveCwnd();
    this.#isInRecovery = true;
  }

  onEcn(now: Instant, ack: AckSample): void {
    if (!this.model.isLossInRound) this.#saveStateUponLoss();
    this.model.noteLoss(ack.total.delivered);
    if (this.state === 'startup') this.#endStartup();
    if (this.#hasProbeSamples) this.#handleInflightTooHigh(now, ack, ack.priorInFlight, false);
  }

  /** §5.6.4.4: everything may be lost; the clock of acknowledgements has stopped. */
  onRto(_now: Instant, ack: AckSample): void {
    this.#saveCwnd();
    this.#isInRecovery = true;
    this.cwnd = ack.inFlight + ack.mss;
  }

  onRecovered(): void {
    this.#isInRecovery = false;
    this.#restoreCwnd();
  }

  /** §5.5.10.3, BBRHandleSpuriousLossDetection. */
  onSpuriousLoss(_now: Instant, ack: AckSample): void {
    const { model } = this;
    const undo = this.#undo;
    this.#isInRecovery = false;
    this.#restoreCwnd();
    model.isLossInRound = false;
    this.#resetFullBw(0);
    model.bwShortterm = Math.max(model.bwShortterm, undo.bwShortterm);
    model.inflightShortterm = Math.max(model.inflightShortterm, undo.inflightShortterm);
    model.inflightLongterm = Math.max(model.inflightLongterm, undo.inflightLongterm);
    if (this.state === 'probe-rtt' || this.state === undo.state) return;
    if (undo.state === 'startup') this.state = 'startup';
    else if (undo.state === 'up') this.#startUp(ack);
  }

  /** The model outlives an idle time; `onSent` restarts at its rate. */
  onIdle(): void {}

  onMtu(mss: number): void {
    this.model.mss = mss;
  }

  metrics(): Metrics {
    const { model } = this;
    return {
      state: this.state,
      bw: model.bw,
      maxBw: model.maxBw,
      minRttUs: model.minRttUs,
      pacingGain: PACING_GAIN[this.state],
      cwndGain: this.#cwndGain(),
      inflightLongterm: model.inflightLongterm,
      inflightShortterm: model.inflightShortterm,
      extraAcked: model.extraAcked,
      rounds: model.roundCount,
    };
  }

  // Startup and Drain, §5.3.1–5.3.2.

  #resetFullBw(fullBw: number): void {
    this.#fullBw = fullBw;
    this.#fullBwCount = 0;
    this.#isFullBwNow = false;
  }

  #checkFullBwReached(ack: AckSample): void {
    if (this.#isFullBwNow || !this.model.isRoundStart || ack.rate.isAppLimited) return;
    if (ack.rate.deliveryRate >= this.#fullBw * FULL_BW_GROWTH) {
      this.#resetFullBw(ack.rate.deliveryRate);
      return;
    }
    this.#fullBwCount++;
    this.#isFullBwNow = this.#fullBwCount >= STARTUP_FULL_BW_COUNT;
    if (this.#isFullBwNow) this.isFullBwReached = true;
  }

  #checkStartupDone(ack: AckSample): void {
    if (this.state !== 'startup') return;
    const { model } = this;
    // §5.3.1.3: many losses all over a round that recovery has lasted for.
    const isLossy = ack.rate.lost > ack.rate.txInFlight * LOSS_THRESH;
    const isMany = model.lossEventsInRound >= STARTUP_FULL_LOSS_COUNT;
    if (model.isLossRoundStart && this.#isInRecovery && isLossy && isMany) this.#endStartup();
    if (model.isLossRoundStart) model.lossEventsInRound = 0;
    if (this.isFullBwReached) this.state = 'drain';
  }

  #endStartup(): void {
    const { model } = this;
    this.isFullBwReached = true;
    model.inflightLongterm = Math.max(model.bdp(model.maxBw, 1, this.cwnd), model.inflightLatest);
  }

  // ProbeBW, §5.3.3.

  #isProbingBwCycle(): boolean {
    return this.state === 'down' || this.state === 'cruise' || this.state === 'refill' || this.state === 'up';
  }

  #startDown(now: Instant, ack: AckSample): void {
    this.model.resetCongestionSignals();
    this.#probeUpBytes = Number.POSITIVE_INFINITY;
    this.#roundsSinceBwProbe = this.#rng.below(2);
    this.#bwProbeWaitUs = BW_PROBE_BASE_US + this.#rng.below(BW_PROBE_RANDOM_US);
    this.#cycleStamp = now;
    this.#ackPhase = 'stopping';
    this.model.startRound(ack.total.delivered);
    this.state = 'down';
  }

  #startRefill(ack: AckSample): void {
    this.model.resetShortTermModel();
    this.#bwProbeUpRounds = 0;
    this.#bwProbeUpAcks = 0;
    this.#ackPhase = 'refilling';
    this.model.startRound(ack.total.delivered);
    this.state = 'refill';
  }

  #startUp(ack: AckSample): void {
    this.#ackPhase = 'starting';
    this.model.startRound(ack.total.delivered);
    this.#resetFullBw(ack.rate.deliveryRate);
    this.state = 'up';
    this.#raiseInflightSlope();
  }

  #updateProbeBwCycle(now: Instant, ack: AckSample): void {
    if (!this.isFullBwReached) return;
    this.#adaptLongTermModel(ack);
    const { state } = this;
    if (state === 'down' || state === 'cruise') {
      if (this.#isTimeToProbeBw(now)) this.#startRefill(ack);
      else if (state === 'down' && this.#isTimeToCruise(ack)) this.state = 'cruise';
    } else if (state === 'refill' && this.model.isRoundStart) {
      this.#hasProbeSamples = true;
      this.#startUp(ack);
    } else if (state === 'up' && this.#isTimeToGoDown(ack)) {
      this.#startDown(now, ack);
    }
  }

  #isTimeToProbeBw(now: Instant): boolean {
    if (now > this.#cycleStamp + this.#bwProbeWaitUs) return true;
    const renoRounds = this.#targetInflight() / this.model.mss;
    return this.#roundsSinceBwProbe >= Math.min(renoRounds, RENO_ROUNDS_MAX);
  }

  #isTimeToCruise(ack: AckSample): boolean {
    if (ack.inFlight > this.model.inflightWithHeadroom()) return false;
    return ack.inFlight <= this.#inflight(this.model.maxBw, 1);
  }

  #isTimeToGoDown(ack: AckSample): boolean {
    if (ack.isCwndLimited && this.cwnd >= this.model.inflightLongterm) {
      // The bound, not the path, holds the bandwidth down.
      this.#resetFullBw(ack.rate.deliveryRate);
      return false;
    }
    return this.#isFullBwNow;
  }

  /** BBRAdaptLongTermModel of §5.5.10.2. */
  #adaptLongTermModel(ack: AckSample): void {
    const { model } = this;
    if (this.#ackPhase === 'starting' && model.isRoundStart) this.#ackPhase = 'feedback';
    if (this.#ackPhase === 'stopping' && model.isRoundStart) {
      this.#hasProbeSamples = false;
      this.#ackPhase = 'init';
      if (this.#isProbingBwCycle() && !ack.rate.isAppLimited) model.advanceMaxBwFilter();
    }
    if (ack.rate.lost > ack.rate.txInFlight * LOSS_THRESH) return;
    if (model.inflightLongterm === Number.POSITIVE_INFINITY) return;
    model.inflightLongterm = Math.max(model.inflightLongterm, ack.rate.txInFlight);
    if (this.state === 'up') this.#probeInflightUpward(ack);
  }

  #raiseInflightSlope(): void {
    const growth = this.model.mss * 2 ** this.#bwProbeUpRounds;
    this.#bwProbeUpRounds = Math.min(this.#bwProbeUpRounds + 1, PROBE_UP_ROUNDS_MAX);
    this.#probeUpBytes = Math.max((this.cwnd / growth) * this.model.mss, this.model.mss);
  }

  #probeInflightUpward(ack: AckSample): void {
    const { model } = this;
    if (!ack.isCwndLimited || this.cwnd < model.inflightLongterm) return;
    this.#bwProbeUpAcks += ack.delivered;
    if (this.#bwProbeUpAcks >= this.#probeUpBytes) {
      const segments = Math.floor(this.#bwProbeUpAcks / this.#probeUpBytes);
      this.#bwProbeUpAcks -= segments * this.#probeUpBytes;
      model.inflightLongterm += segments * model.mss;
    }
    if (model.isRoundStart) this.#raiseInflightSlope();
  }

  #handleInflightTooHigh(now: Instant, ack: AckSample, inFlight: number, isAppLimited: boolean): void {
    this.#hasProbeSamples = false;
    if (!isAppLimited) {
      this.model.inflightLongterm = Math.max(inFlight, this.#targetInflight() * BETA);
    }
    if (this.state === 'up') this.#startDown(now, ack);
  }

  // Losses.

  #endLossRound(ack: AckSample): void {
    const { model } = this;
    if (!model.isLossRoundStart) return;
    // §5.5.10.3: while probing, losses are what is looked for.
    if (this.state !== 'startup' && this.state !== 'refill' && this.state !== 'up') {
      model.adaptLowerBounds(this.cwnd);
    }
    if (ack.lost === 0) model.isLossInRound = false;
  }

  #saveStateUponLoss(): void {
    const undo = this.#undo;
    undo.state = this.state;
    undo.bwShortterm = this.model.bwShortterm;
    undo.inflightShortterm = this.model.inflightShortterm;
    undo.inflightLongterm = this.model.inflightLongterm;
  }

  #saveCwnd(): void {
    const isSaved = this.#isInRecovery || this.state === 'probe-rtt';
    this.#priorCwnd = isSaved ? Math.max(this.#priorCwnd, this.cwnd) : this.cwnd;
  }

  #restoreCwnd(): void {
    this.cwnd = Math.max(this.cwnd, this.#priorCwnd);
  }

  // ProbeRTT, §5.3.4.

  #checkProbeRtt(now: Instant, ack: AckSample): void {
    const { model } = this;
    if (this.state !== 'probe-rtt' && model.isProbeRttExpired && !this.#isIdleRestart) {
      this.#saveCwnd();
      this.state = 'probe-rtt';
      this.#probeRttDoneStamp = 0;
      this.#ackPhase = 'stopping';
      model.startRound(ack.total.delivered);
    }
    if (this.state === 'probe-rtt') this.#handleProbeRtt(now, ack);
    if (ack.rate.delivered > 0) this.#isIdleRestart = false;
  }

  #handleProbeRtt(now: Instant, ack: AckSample): void {
    // So small a flight says nothing of the bandwidth.
    ack.total.handleAppLimited(ack.inFlight);
    if (this.#probeRttDoneStamp === 0) {
      if (ack.inFlight > this.#probeRttCwnd()) return;
      this.#probeRttDoneStamp = now + PROBE_RTT_DURATION_US;
      this.#isProbeRttRoundDone = false;
      this.model.startRound(ack.total.delivered);
      return;
    }
    if (this.model.isRoundStart) this.#isProbeRttRoundDone = true;
    if (this.#isProbeRttRoundDone) this.#checkProbeRttDone(now, ack);
  }

  #checkProbeRttDone(now: Instant, ack: AckSample | null): void {
    if (this.#probeRttDoneStamp === 0 || now <= this.#probeRttDoneStamp) return;
    this.model.probeRttMinStamp = now;
    this.#restoreCwnd();
    this.model.resetShortTermModel();
    if (!this.isFullBwReached) {
      this.state = 'startup';
      return;
    }
    if (ack !== null) this.#startDown(now, ack);
    this.state = 'cruise';
  }

  #probeRttCwnd(): number {
    return Math.max(this.model.bdp(this.model.bw, PROBE_RTT_CWND_GAIN, this.cwnd), this.model.minPipeCwnd);
  }

  // What follows from it all, §5.6.

  #setPacingRate(gain: number): void {
    const rate = gain * this.model.bw * PACING_MARGIN;
    if (rate > 0 && (this.isFullBwReached || rate > this.pacingRate)) this.pacingRate = rate;
  }

  #setSendQuantum(): void {
    const bytes = Math.min((this.pacingRate * QUANTUM_US) / US_PER_SEC, QUANTUM_MAX);
    this.sendQuantum = Math.max(bytes, 2 * this.model.mss);
  }

  #cwndGain(): number {
    if (this.state === 'up') return PROBE_UP_CWND_GAIN;
    return this.state === 'probe-rtt' ? PROBE_RTT_CWND_GAIN : DEFAULT_CWND_GAIN;
  }

  #targetInflight(): number {
    return Math.min(this.model.bdp(this.model.bw, 1, this.cwnd), this.cwnd);
  }

  /** BBRQuantizationBudget of §5.6.4.2: super-segments leave and are acknowledged whole. */
  #quantized(inFlight: number): number {
    const budget = Math.max(inFlight, OFFLOAD_QUANTA * this.sendQuantum, this.model.minPipeCwnd);
    return this.state === 'up' ? budget + 2 * this.model.mss : budget;
  }

  #inflight(bw: number, gain: number): number {
    return this.#quantized(this.model.bdp(bw, gain, initialWindow(this.model.mss)));
  }

  /** BBRSetCwnd of §5.6.4.6. */
  #setCwnd(ack: AckSample): void {
    const { model } = this;
    const initial = initialWindow(model.mss);
    const cap = model.bdp(model.bw, this.#cwndGain(), initial) + model.extraAcked;
    const maxInflight = this.#quantized(cap);
    let { cwnd } = this;
    if (this.isFullBwReached) cwnd = Math.min(cwnd + ack.delivered, maxInflight);
    else if (cwnd < maxInflight || ack.total.delivered < initial) cwnd += ack.delivered;
    cwnd = Math.max(cwnd, model.minPipeCwnd);
    if (this.state === 'probe-rtt') cwnd = Math.min(cwnd, this.#probeRttCwnd());
    this.cwnd = Math.min(cwnd, this.#modelBound(), CWND_MAX);
  }

  /** BBRBoundCwndForModel of §5.6.4.7. */
  #modelBound(): number {
    const { model } = this;
    let bound = Number.POSITIVE_INFINITY;
    if (this.state === 'cruise' || this.state === 'probe-rtt') bound = model.inflightWithHeadroom();
    else if (this.#isProbingBwCycle()) bound = model.inflightLongterm;
    return Math.max(Math.min(bound, model.inflightShortterm), model.minPipeCwnd);
  }
}

/** BBRInflightAtLoss of §5.5.10.2: what was in flight when the losses became too many. */
function inflightAtLoss(lost: LostRange, lostSince: number): number {
  const inflightPrev = lost.txInFlight - lost.bytes;
  const lostPrev = lostSince - lost.bytes;
  const lostPrefix = (LOSS_THRESH * inflightPrev - lostPrev) / (1 - LOSS_THRESH);
  return inflightPrev + Math.max(lostPrefix, 0);
}
