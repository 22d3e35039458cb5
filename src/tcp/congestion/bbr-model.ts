/**
 * What BBR knows of the path (draft-ietf-ccwg-bbr §5.5): the bandwidth and the round trip it has without a
 * queue, how acknowledgements are bunched, and how much in flight was too much.
 *
 *     maxBw      most that arrived per second, of the last two probing cycles
 *     minRttUs   least round trip of ten seconds
 *     …Longterm  bounds found by probing until losses       …Shortterm  bounds by losses since the last probe
 *
 * The names are those of the draft; bandwidths are bytes per second, volumes bytes.
 */
import type { Instant } from '../../base/time.ts';
import type { AckSample } from './control.ts';
import { WindowedMax } from './windowed-max.ts';

const US_PER_SEC = 1_000_000;
/** §2.7: losses above this part of what was in flight are too many. */
export const LOSS_THRESH = 0.02;
/** §2.7: what is left after losses that were too many. */
export const BETA = 0.7;
const HEADROOM = 0.15;
export const MIN_PIPE_SEGMENTS = 4;
const EXTRA_ACKED_FILTER_ROUNDS = 10;
const MIN_RTT_FILTER_US = 10 * US_PER_SEC;
export const PROBE_RTT_INTERVAL_US: number = 5 * US_PER_SEC;
const NO_BOUND: number = Number.POSITIVE_INFINITY;

export class BbrModel {
  mss: number;

  // Bandwidth.
  maxBw = 0;
  /** What to send by: `maxBw`, unless recent losses say less. */
  bw = 0;
  bwShortterm: number = NO_BOUND;
  bwLatest = 0;
  cycleCount = 0;

  // Volume.
  inflightLongterm: number = NO_BOUND;
  inflightShortterm: number = NO_BOUND;
  inflightLatest = 0;
  extraAcked = 0;

  // Round trips.
  minRttUs: number = NO_BOUND;
  probeRttMinDelayUs: number = NO_BOUND;
  probeRttMinStamp: number = Number.NEGATIVE_INFINITY;
  isProbeRttExpired = false;

  // Rounds of packets (§5.5.1), and rounds for losses (§5.5.10).
  roundCount = 0;
  isRoundStart = false;
  isLossRoundStart = false;
  isLossInRound = false;
  lossEventsInRound = 0;
  #nextRoundDelivered = 0;
  #lossRoundDelivered = 0;

  readonly #maxBwOfCycle: Float64Array = new Float64Array(2);
  readonly #extraAckedFilter: WindowedMax = new WindowedMax();
  #extraAckedIntervalStart = 0;
  #extraAckedDelivered = 0;
  #minRttStamp: number = Number.NEGATIVE_INFINITY;

  constructor(mss: number) {
    this.mss = mss;
  }

  get minPipeCwnd(): number {
    return MIN_PIPE_SEGMENTS * this.mss;
  }

  /** BBRBDPMultiple of §5.6.4.2, by `bandwidth`; `fallback` while there is no round trip. */
  bdp(bandwidth: number, gain: number, fallback: number): number {
    if (this.minRttUs === NO_BOUND) return fallback;
    return (gain * bandwidth * this.minRttUs) / US_PER_SEC;
  }

  /** BBRInflightWithHeadroom of §5.5.9. */
  inflightWithHeadroom(): number {
    if (this.inflightLongterm === NO_BOUND) return NO_BOUND;
    const headroom = Math.max(this.mss, HEADROOM * this.inflightLongterm);
    return Math.max(this.inflightLongterm - headroom, this.minPipeCwnd);
  }

  startRound(delivered: number): void {
    this.#nextRoundDelivered = delivered;
  }

  /** BBRUpdateLatestDeliverySignals of §5.5.10.3. */
  updateLatestDeliverySignals(ack: AckSample): void {
    const { rate } = ack;
    this.isLossRoundStart = false;
    this.bwLatest = Math.max(this.bwLatest, rate.deliveryRate);
    this.inflightLatest = Math.max(this.inflightLatest, rate.delivered);
    if (rate.priorDelivered < this.#lossRoundDelivered) return;
    this.#lossRoundDelivered = ack.total.delivered;
    this.isLossRoundStart = true;
  }

  advanceLatestDeliverySignals(ack: AckSample): void {
    if (!this.isLossRoundStart) return;
    this.bwLatest = ack.rate.deliveryRate;
    this.inflightLatest = ack.rate.delivered;
  }

  /** BBRUpdateRound of §5.5.1. Answers whether one has begun. */
  updateRound(ack: AckSample): boolean {
    this.isRoundStart = ack.rate.priorDelivered >= this.#nextRoundDelivered;
    if (!this.isRoundStart) return false;
    this.#nextRoundDelivered = ack.total.delivered;
    this.roundCount++;
    return true;
  }

  /** BBRUpdateMaxBw of §5.5.5: a sample limited by the application counts only if it is higher. */
  updateMaxBw(ack: AckSample): void {
    const { deliveryRate, isAppLimited } = ack.rate;
    if (deliveryRate <= 0 || (isAppLimited && deliveryRate < this.maxBw)) return;
    const cycles = this.#maxBwOfCycle;
    const slot = this.cycleCount & 1;
    if (deliveryRate > (cycles[slot] as number)) cycles[slot] = deliveryRate;
    this.maxBw = Math.max(cycles[0] as number, cycles[1] as number);
  }

  /** BBRAdvanceMaxBwFilter of §5.5.6. */
  advanceMaxBwFilter(): void {
    this.cycleCount++;
    // A cycle in which nothing was measured would forget the path.
    const previous = this.#maxBwOfCycle[(this.cycleCount & 1) ^ 1] as number;
    if (previous === 0) return;
    this.#maxBwOfCycle[this.cycleCount & 1] = 0;
    this.maxBw = previous;
  }

  /** BBRAdaptLowerBoundsFromCongestion of §5.5.10.3, at the end of a round. */
  adaptLowerBounds(cwnd: number): void {
    if (!this.isLossInRound) return;
    if (this.bwShortterm === NO_BOUND) this.bwShortterm = this.maxBw;
    if (this.inflightShortterm === NO_BOUND) this.inflightShortterm = cwnd;
    this.bwShortterm = Math.max(this.bwLatest, BETA * this.bwShortterm);
    this.inflightShortterm = Math.max(this.inflightLatest, BETA * this.inflightShortterm);
  }

  resetCongestionSignals(): void {
    this.isLossInRound = false;
    this.lossEventsInRound = 0;
    this.bwLatest = 0;
    this.inflightLatest = 0;
  }

  resetShortTermModel(): void {
    this.bwShortterm = NO_BOUND;
    this.inflightShortterm = NO_BOUND;
  }

  /** BBRNoteLoss of §5.5.10.2. */
  noteLoss(delivered: number): void {
    if (!this.isLossInRound) this.#lossRoundDelivered = delivered;
    this.isLossInRound = true;
  }

  boundBwForModel(): void {
    this.bw = Math.min(this.maxBw, this.bwShortterm);
  }

  /** BBRUpdateACKAggregation of §5.5.9: by how much acknowledgements come ahead of the bandwidth. */
  updateAckAggregation(now: Instant, ack: AckSample, cwnd: number, isFullBwReached: boolean): void {
    let expected = (this.bw * (now - this.#extraAckedIntervalStart)) / US_PER_SEC;
    if (this.#extraAckedDelivered <= expected) {
      this.#extraAckedDelivered = 0;
      this.#extraAckedIntervalStart = now;
      expected = 0;
    }
    this.#extraAckedDelivered += ack.delivered;
    const extra = Math.min(this.#extraAckedDelivered - expected, cwnd);
    const rounds = isFullBwReached ? EXTRA_ACKED_FILTER_ROUNDS : 1;
    this.extraAcked = this.#extraAckedFilter.update(this.roundCount, extra, rounds);
  }

  restartAckAggregation(now: Instant): void {
    this.#extraAckedIntervalStart = now;
    this.#extraAckedDelivered = 0;
  }

  /** BBRUpdateMinRTT of §5.5.7. */
  updateMinRtt(now: Instant, rttUs: number): void {
    this.isProbeRttExpired = now > this.probeRttMinStamp + PROBE_RTT_INTERVAL_US;
    if (rttUs >= 0 && (rttUs < this.probeRttMinDelayUs || this.isProbeRttExpired)) {
      this.probeRttMinDelayUs = Math.max(rttUs, 1);
      this.probeRttMinStamp = now;
    }
    const isExpired = now > this.#minRttStamp + MIN_RTT_FILTER_US;
    if (this.probeRttMinDelayUs < this.minRttUs || isExpired) {
      this.minRttUs = this.probeRttMinDelayUs;
      this.#minRttStamp = this.probeRttMinStamp;
    }
  }
}
