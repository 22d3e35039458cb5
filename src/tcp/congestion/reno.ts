/**
 * NewReno: slow start and congestion avoidance of RFC 5681 §3.1, counted in bytes (RFC 3465).
 *
 *     cwnd < ssthresh   cwnd += bytes delivered             HyStart++ (RFC 9406) may end it before a loss does
 *     otherwise         cwnd += SMSS per cwnd of bytes
 *     loss              ssthresh = cwnd / 2                  ECN: 0.8 cwnd (RFC 8511)
 *     timeout           cwnd = SMSS
 *
 * The window also depends on having been used: it neither grows while the application sends less, nor
 * outlives an idle time (`validation.ts`).
 */
import type { Instant } from '../../base/time.ts';
import type { AckSample, CongestionControl, LostRange, Metrics } from './control.ts';
import { CWND_MAX, initialWindow, SSTHRESH_INFINITE } from './control.ts';
import { Hystart } from './hystart.ts';
import { burstBytes, windowRate } from './pacing.ts';
import { afterIdle } from './validation.ts';

const BETA = 0.5;
// RFC 8511 §3.1: a mark comes from a short queue, so that half would leave the link idle.
const BETA_ECN = 0.8;
const CWND_MIN_SEGMENTS = 2;

export class Reno implements CongestionControl {
  readonly name = 'reno';
  readonly usesPrr = true;
  cwnd: number;
  ssthresh: number = SSTHRESH_INFINITE;
  pacingRate = 0;
  sendQuantum: number;
  readonly #hystart: Hystart = new Hystart();
  #mss: number;
  /** Bytes delivered towards the next segment of growth (RFC 3465 §2.1: bytes_acked). */
  #counted = 0;
  #priorCwnd = 0;
  #priorSsthresh: number = SSTHRESH_INFINITE;

  constructor(mss: number) {
    this.#mss = mss;
    this.cwnd = initialWindow(mss);
    this.sendQuantum = burstBytes(0, mss);
  }

  onSent(): void {}

  onLost(_now: Instant, _lost: LostRange, _ack: AckSample): void {}

  onAck(_now: Instant, ack: AckSample): void {
    const isSlowStart = this.cwnd < this.ssthresh;
    if (isSlowStart) this.#hystart.onAck(ack);
    if (!ack.isInRecovery && ack.delivered > 0 && ack.isCwndLimited) {
      if (isSlowStart) this.#slowStart(ack);
      else this.#avoid(ack.delivered, ack.mss);
    }
    this.#pace(ack.srttUs);
  }

  #slowStart(ack: AckSample): void {
    const grown = this.cwnd + this.#hystart.growth(Math.min(ack.delivered, ack.abcLimit));
    if (this.#hystart.isDone) this.ssthresh = Math.min(this.ssthresh, grown);
    this.cwnd = Math.min(grown, this.ssthresh, CWND_MAX);
  }

  #avoid(delivered: number, mss: number): void {
    // What is left of the window beyond whole segments is never in flight, so a round trip does not deliver it.
    const full = this.cwnd - (this.cwnd % mss);
    this.#counted += delivered;
    if (this.#counted < full) return;
    this.#counted -= full;
    this.cwnd = Math.min(this.cwnd + mss, CWND_MAX);
  }

  #pace(srttUs: number): void {
    this.pacingRate = windowRate(this.cwnd, this.ssthresh, srttUs);
    this.sendQuantum = burstBytes(this.pacingRate, this.#mss);
  }

  onLoss(_now: Instant, ack: AckSample): void {
    this.#reduce(BETA, ack.mss);
  }

  onEcn(_now: Instant, ack: AckSample): void {
    this.#reduce(BETA_ECN, ack.mss);
  }

  onRto(_now: Instant, ack: AckSample, isFirst: boolean): void {
    if (isFirst) this.#reduce(BETA, ack.mss);
    // RFC 5681 §3.1's loss window, for what is still taken to be in flight does not go out again.
    this.cwnd = ack.inFlight + ack.mss;
    this.#counted = 0;
  }

  onRecovered(_now: Instant, ack: AckSample): void {
    if (ack.isInLoss) return;
    this.cwnd = Math.max(this.ssthresh, CWND_MIN_SEGMENTS * ack.mss);
    this.#counted = 0;
  }

  onSpuriousLoss(): void {
    this.cwnd = Math.max(this.cwnd, this.#priorCwnd);
    this.ssthresh = Math.max(this.ssthresh, this.#priorSsthresh);
    if (this.#priorSsthresh === SSTHRESH_INFINITE) this.#hystart.onSpuriousLoss();
  }

  onIdle(_now: Instant, idleUs: number, rtoUs: number, mss: number): void {
    this.ssthresh = Math.max(this.ssthresh, 0.75 * this.cwnd);
    this.cwnd = afterIdle(this.cwnd, idleUs, rtoUs, mss);
  }

  onMtu(mss: number): void {
    this.#mss = mss;
    this.cwnd = Math.max(this.cwnd, CWND_MIN_SEGMENTS * mss);
  }

  metrics(): Metrics {
    return { cwnd: this.cwnd, ssthresh: this.ssthresh, hystart: this.#hystart.phase };
  }

  #reduce(beta: number, mss: number): void {
    this.#priorCwnd = this.cwnd;
    this.#priorSsthresh = this.ssthresh;
    this.ssthresh = Math.max(Math.floor(this.cwnd * beta), CWND_MIN_SEGMENTS * mss);
    this.#hystart.onCongestion();
  }
}
