/**
 * HyStart++: leaves slow start when round trips become longer, before the buffer overflows (RFC 9406).
 *
 *     slow start -- RTT up by 1/8 (4..16 ms) --> CSS, a quarter of the growth -- 5 rounds --> congestion avoidance
 *         ^------------------ RTT down again -----------'
 *
 * L of §4.3 is infinite because the sender paces («L = infinity if paced»). For the first slow start only
 * (§4.3).
 */
import { geq } from '../../base/seq32.ts';
import type { AckSample } from './control.ts';

// RFC 9406 §4.3.
const MIN_RTT_THRESH_US = 4_000;
const MAX_RTT_THRESH_US = 16_000;
const MIN_RTT_DIVISOR = 8;
const N_RTT_SAMPLE = 8;
const CSS_GROWTH_DIVISOR = 4;
const CSS_ROUNDS = 5;

/** `off`: a congestion event has ended the first slow start. */
export type HystartPhase = 'slow-start' | 'css' | 'done' | 'off';

export class Hystart {
  phase: HystartPhase = 'slow-start';
  #windowEnd = 0;
  #hasRound = false;
  #lastRoundMinRtt: number = Number.POSITIVE_INFINITY;
  #currentRoundMinRtt: number = Number.POSITIVE_INFINITY;
  #cssBaselineMinRtt: number = Number.POSITIVE_INFINITY;
  #samples = 0;
  #cssRounds = 0;

  #phaseBefore: HystartPhase = 'slow-start';

  /** It has found the end of slow start. */
  get isDone(): boolean {
    return this.phase === 'done';
  }

  /** By how much `delivered` bytes grow the window. */
  growth(delivered: number): number {
    return this.phase === 'css' ? delivered / CSS_GROWTH_DIVISOR : delivered;
  }

  /** §4.2, for every acknowledgement in slow start. */
  onAck(ack: AckSample): void {
    if (this.phase === 'done' || this.phase === 'off') return;
    if (!this.#hasRound) {
      this.#hasRound = true;
      this.#windowEnd = ack.nxt;
    } else if (geq(ack.una, this.#windowEnd)) {
      this.#beginRound(ack.nxt);
    }
    if (ack.rttUs < 0) return;
    this.#currentRoundMinRtt = Math.min(this.#currentRoundMinRtt, ack.rttUs);
    this.#samples++;
    if (this.#samples < N_RTT_SAMPLE) return;
    if (this.phase === 'css') {
      // It was a passing queue.
      if (this.#currentRoundMinRtt < this.#cssBaselineMinRtt) {
        this.phase = 'slow-start';
        this.#cssBaselineMinRtt = Number.POSITIVE_INFINITY;
      }
      return;
    }
    const last = this.#lastRoundMinRtt;
    if (last === Number.POSITIVE_INFINITY) return;
    const threshold = Math.max(MIN_RTT_THRESH_US, Math.min(last / MIN_RTT_DIVISOR, MAX_RTT_THRESH_US));
    if (this.#currentRoundMinRtt < last + threshold) return;
    this.#cssBaselineMinRtt = this.#currentRoundMinRtt;
    this.#cssRounds = 0;
    this.phase = 'css';
  }

  onCongestion(): void {
    if (this.phase !== 'off') this.#phaseBefore = this.phase;
    this.phase = 'off';
  }

  onSpuriousLoss(): void {
    this.phase = this.#phaseBefore;
  }

  #beginRound(nxt: number): void {
    this.#windowEnd = nxt;
    this.#lastRoundMinRtt = this.#currentRoundMinRtt;
    this.#currentRoundMinRtt = Number.POSITIVE_INFINITY;
    this.#samples = 0;
    if (this.phase !== 'css') return;
    this.#cssRounds++;
    if (this.#cssRounds >= CSS_ROUNDS) this.phase = 'done';
  }
}
