/**
 * The least that RFC 9293 asks of loss recovery: slow start and congestion avoidance (RFC 5681 §3.1), fast retransmit and
 * NewReno (RFC 6582), the retransmission timeout. For peers without SACK, and for tests of everything else.
 */
import { geq, gt, lt, min } from '../base/seq32.ts';
import type { Instant } from '../base/time.ts';
import type { Recovery } from './recovery-port.ts';
import type { Segment } from './segment.ts';
import type { Tcb } from './tcb.ts';

const DUP_ACKS = 3;
const SSTHRESH_FIRST = 0x3fff_ffff;

export class PlainRecovery implements Recovery {
  start = 0;
  end = 0;
  readonly rttUs = -1;
  cwnd: number;
  ssthresh: number = SSTHRESH_FIRST;
  readonly pacingRate = 0;
  inFlight = 0;
  #isRecovering = false;
  /** After a timeout: everything below `recover` goes out again, from here on. */
  #next = 0;
  #isLoss = false;
  #isHoleDue = false;

  constructor(tcb: Tcb) {
    const mss = tcb.sndMss;
    this.cwnd = Math.min(10 * mss, Math.max(2 * mss, 14_600));
    tcb.recover = tcb.sndUna;
  }

  handleAck(_now: Instant, tcb: Tcb, segment: Segment, priorUna: number, isWindowUpdate: boolean): void {
    if (tcb.sndUna !== priorUna) this.#handleNew(tcb, (tcb.sndUna - priorUna) | 0);
    else if (this.#isDuplicate(tcb, segment, isWindowUpdate)) this.#handleDuplicate(tcb);
    this.inFlight = (tcb.sndNxt - tcb.sndUna) | 0;
  }

  sendQuota(_now: Instant, tcb: Tcb): number {
    return this.cwnd - this.#flight(tcb);
  }

  pollRetransmit(_now: Instant, tcb: Tcb, maxBytes: number): boolean {
    const limit = Math.min(maxBytes, tcb.sndMss);
    if (this.#isHoleDue) {
      this.start = tcb.sndUna;
    } else if (this.#isLoss && lt(this.#next, tcb.recover)) {
      if (lt(this.#next, tcb.sndUna)) this.#next = tcb.sndUna;
      if (((this.#next - tcb.sndUna) | 0) >= this.cwnd) return false;
      this.start = this.#next;
    } else {
      return false;
    }
    this.end = min((this.start + limit) | 0, tcb.sndNxt);
    return gt(this.end, this.start);
  }

  handleSent(_now: Instant, tcb: Tcb, start: number, end: number, isRetransmission: boolean): void {
    if (isRetransmission) {
      if (this.#isHoleDue && start === tcb.sndUna) this.#isHoleDue = false;
      if (this.#isLoss && geq(end, this.#next)) this.#next = end;
    }
    this.inFlight = (tcb.sndNxt - tcb.sndUna) | 0;
  }

  handleTimeout(): void {}

  handleRto(_now: Instant, tcb: Tcb): void {
    const { sndMss } = tcb;
    if (tcb.retransmits === 1) this.ssthresh = Math.max(((tcb.sndNxt - tcb.sndUna) | 0) >> 1, 2 * sndMss);
    this.cwnd = sndMss;
    this.#isRecovering = false;
    this.#isHoleDue = false;
    this.#isLoss = true;
    this.#next = tcb.sndUna;
    tcb.recover = tcb.sndNxt;
    tcb.dupAcks = 0;
  }

  handleMtu(now: Instant, tcb: Tcb): void {
    const { cwnd, ssthresh } = this;
    this.handleRto(now, tcb);
    this.cwnd = Math.max(cwnd, tcb.sndMss);
    this.ssthresh = ssthresh;
  }

  handleIdle(_now: Instant, tcb: Tcb): void {
    const { sndMss } = tcb;
    this.cwnd = Math.min(this.cwnd, Math.min(10 * sndMss, Math.max(2 * sndMss, 14_600)));
  }

  handleAppLimited(): void {}

  /** What counts against the window: after a timeout only what went out again. */
  #flight(tcb: Tcb): number {
    if (this.#isLoss && lt(this.#next, tcb.recover)) return this.cwnd;
    return (tcb.sndNxt - tcb.sndUna) | 0;
  }

  /** RFC 5681 §2. */
  #isDuplicate(tcb: Tcb, segment: Segment, isWindowUpdate: boolean): boolean {
    return segment.length === 0 && !isWindowUpdate && segment.ack === tcb.sndUna && tcb.sndNxt !== tcb.sndUna;
  }

  #handleNew(tcb: Tcb, acked: number): void {
    const { sndMss } = tcb;
    tcb.dupAcks = 0;
    if (this.#isLoss && geq(tcb.sndUna, tcb.recover)) this.#isLoss = false;
    if (this.#isRecovering) {
      if (geq(tcb.sndUna, tcb.recover)) {
        this.#isRecovering = false;
        this.cwnd = this.ssthresh;
        return;
      }
      // RFC 6582 §3.2, step 3: a partial acknowledgement names the next hole.
      this.#isHoleDue = true;
      this.cwnd = Math.max(this.cwnd - acked + sndMss, sndMss);
      return;
    }
    if (this.cwnd < this.ssthresh) this.cwnd += Math.min(acked, this.#isLoss ? sndMss : 2 * sndMss);
    else this.cwnd += Math.max(1, Math.floor((sndMss * Math.min(acked, sndMss)) / this.cwnd));
  }

  #handleDuplicate(tcb: Tcb): void {
    tcb.dupAcks++;
    if (this.#isRecovering) {
      this.cwnd += tcb.sndMss;
      return;
    }
    if (tcb.dupAcks !== DUP_ACKS || lt(tcb.sndUna, tcb.recover)) return;
    this.ssthresh = Math.max(((tcb.sndNxt - tcb.sndUna) | 0) >> 1, 2 * tcb.sndMss);
    this.cwnd = this.ssthresh + DUP_ACKS * tcb.sndMss;
    this.#isRecovering = true;
    this.#isHoleDue = true;
    tcb.recover = tcb.sndNxt;
  }
}
