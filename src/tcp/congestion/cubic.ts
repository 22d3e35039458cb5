/**
 * CUBIC (RFC 9438): after a loss the window returns to where it was along a cubic function of time, not of
 * round trips.
 *
 *     W_cubic(t) = C (t − K)³ + W_max                          wMax  ----------.--------'   convex: probing
 *     K = cbrt((W_max − cwnd_epoch) / C)                              .  '     K
 *                                                             epoch .'   concave: back to where it was
 *
 * Where Reno would be faster (short round trips) the window is Reno's, `wEst` (§4.3). Windows are computed in
 * segments as in the RFC, kept in bytes. Slow start ends by HyStart++ (§4.10, RFC 9406). With ECN the
 * reduction is smaller (RFC 8511).
 */
import type { Instant } from '../../base/time.ts';
import type { AckSample, CongestionControl, LostRange, Metrics } from './control.ts';
import { CWND_MAX, initialWindow, SSTHRESH_INFINITE } from './control.ts';
import { Hystart } from './hystart.ts';
import { burstBytes, windowRate } from './pacing.ts';
import { afterIdle } from './validation.ts';

// RFC 9438 §4.1, §4.6; RFC 8511 §3.1.
const C = 0.4;
const BETA = 0.7;
const BETA_ECN = 0.85;
/** §4.3: what gives Reno's throughput with this beta. */
const ALPHA = (3 * (1 - BETA)) / (1 + BETA);
/** §4.4: the target is at most this much above the window. */
const TARGET_MAX = 1.5;
const CWND_MIN_SEGMENTS = 2;
const US_PER_SEC = 1_000_000;

/** What a congestion event changes, kept for §4.9: it may have been none. */
class Epoch {
  cwnd = 0;
  ssthresh: number = SSTHRESH_INFINITE;
  wMax = 0;
  k = 0;
  startAt = -1;
  wEst = 0;
}

export class Cubic implements CongestionControl {
  readonly name = 'cubic';
  readonly usesPrr = true;
  cwnd: number;
  ssthresh: number = SSTHRESH_INFINITE;
  pacingRate = 0;
  sendQuantum: number;
  /** Segments: window before the last reduction; before an epoch, where the function is to lead. */
  wMax = 0;
  /** Seconds from the beginning of the epoch to `wMax`. */
  k = 0;
  /** When this congestion avoidance began, the time not used for sending left out; -1: not begun. */
  startAt = -1;
  /** Segments: what Reno's window would be (W_est). */
  wEst = 0;
  readonly #hystart: Hystart = new Hystart();
  readonly #prior: Epoch = new Epoch();
  #mss: number;
  /** Segments: the window just before the last reduction (cwnd_prior). */
  #cwndPrior = 0;
  #isAfterTimeout = false;
  #ackedAt = 0;

  constructor(mss: number) {
    this.#mss = mss;
    this.cwnd = initialWindow(mss);
    this.sendQuantum = burstBytes(0, mss);
  }

  onSent(): void {}

  onLost(_now: Instant, _lost: LostRange, _ack: AckSample): void {}

  onAck(now: Instant, ack: AckSample): void {
    const isSlowStart = this.cwnd < this.ssthresh;
    if (isSlowStart) this.#hystart.onAck(ack);
    if (!ack.isInRecovery && ack.delivered > 0) {
      if (ack.isCwndLimited) {
        if (isSlowStart) this.#slowStart(ack);
        else this.#avoid(now, ack);
      } else if (this.startAt >= 0) {
        // §4.2: time in which the window was not used does not count.
        this.startAt += now - this.#ackedAt;
      }
    }
    this.#ackedAt = now;
    this.#pace(ack.srttUs);
  }

  #slowStart(ack: AckSample): void {
    const grown = this.cwnd + this.#hystart.growth(Math.min(ack.delivered, ack.abcLimit));
    if (this.#hystart.isDone) this.ssthresh = Math.min(this.ssthresh, grown);
    this.cwnd = Math.min(grown, this.ssthresh, CWND_MAX);
  }

  /** §4.2–4.5. */
  #avoid(now: Instant, ack: AckSample): void {
    const cwnd = this.cwnd / ack.mss;
    if (this.startAt < 0) this.#beginEpoch(now, cwnd);
    const segments = ack.delivered / ack.mss;
    // §4.3: once W_est has reached cwnd_prior, Reno's own increase.
    const alpha = this.wEst >= this.#cwndPrior ? 1 : ALPHA;
    this.wEst += (alpha * segments) / cwnd;
    const t = (now - this.startAt) / US_PER_SEC;
    if (this.wCubic(t) < this.wEst) {
      this.#setCwnd(Math.max(this.wEst, cwnd), ack.mss);
      return;
    }
    const target = Math.min(this.wCubic(t + ack.srttUs / US_PER_SEC), TARGET_MAX * cwnd);
    if (target <= cwnd) return;
    // Per acknowledged segment (target − cwnd) / cwnd; an acknowledgement of more than a window adds no more
    // than all.
    this.#setCwnd(cwnd + (target - cwnd) * Math.min(1, segments / cwnd), ack.mss);
  }

  /** Figure 1 of §4.2: segments at `t` seconds of the epoch. */
  wCubic(t: number): number {
    const x = t - this.k;
    return C * x * x * x + this.wMax;
  }

  #beginEpoch(now: Instant, cwnd: number): void {
    this.startAt = now;
    this.wEst = cwnd;
    // §4.8: after a timeout, and §4.10 after a slow start that no loss has ended, the function starts at its
    // plateau.
    if (this.#isAfterTimeout || this.wMax <= cwnd) {
      this.k = 0;
      this.wMax = cwnd;
    } else {
      this.k = Math.cbrt((this.wMax - cwnd) / C);
    }
    this.#isAfterTimeout = false;
  }

  #setCwnd(segments: number, mss: number): void {
    this.cwnd = Math.min(segments * mss, CWND_MAX);
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
    this.#isAfterTimeout = true;
    // RFC 5681 §3.1's loss window, for what is still taken to be in flight does not go out again.
    this.cwnd = ack.inFlight + ack.mss;
  }

  onRecovered(_now: Instant, ack: AckSample): void {
    if (ack.isInLoss) return;
    this.cwnd = Math.max(this.ssthresh, CWND_MIN_SEGMENTS * ack.mss);
  }

  /** §4.9: all as it was. */
  onSpuriousLoss(): void {
    const prior = this.#prior;
    if (prior.cwnd < this.cwnd) return;
    this.cwnd = prior.cwnd;
    this.ssthresh = prior.ssthresh;
    this.wMax = prior.wMax;
    this.k = prior.k;
    this.startAt = prior.startAt;
    this.wEst = prior.wEst;
    this.#isAfterTimeout = false;
    if (prior.ssthresh === SSTHRESH_INFINITE) this.#hystart.onSpuriousLoss();
  }

  onIdle(now: Instant, idleUs: number, rtoUs: number, mss: number): void {
    if (this.startAt >= 0) this.startAt = Math.min(now, this.startAt + idleUs);
    this.#ackedAt = now;
    this.ssthresh = Math.max(this.ssthresh, 0.75 * this.cwnd);
    this.cwnd = afterIdle(this.cwnd, idleUs, rtoUs, mss);
  }

  onMtu(mss: number): void {
    this.#mss = mss;
    this.cwnd = Math.max(this.cwnd, CWND_MIN_SEGMENTS * mss);
  }

  metrics(): Metrics {
    return {
      cwnd: this.cwnd,
      ssthresh: this.ssthresh,
      wMax: this.wMax * this.#mss,
      wEst: this.wEst * this.#mss,
      kMs: this.k * 1_000,
      hystart: this.#hystart.phase,
    };
  }

  /** §4.6, and fast convergence of §4.7. */
  #reduce(beta: number, mss: number): void {
    const prior = this.#prior;
    prior.cwnd = this.cwnd;
    prior.ssthresh = this.ssthresh;
    prior.wMax = this.wMax;
    prior.k = this.k;
    prior.startAt = this.startAt;
    prior.wEst = this.wEst;
    const cwnd = this.cwnd / mss;
    this.#cwndPrior = cwnd;
    // Less than last time: others have come, give way beyond what the loss asks for.
    this.wMax = cwnd < this.wMax ? (cwnd * (1 + BETA)) / 2 : cwnd;
    this.startAt = -1;
    this.ssthresh = Math.max(Math.floor(this.cwnd * beta), CWND_MIN_SEGMENTS * mss);
    this.#hystart.onCongestion();
  }
}
