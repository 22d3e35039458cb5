/**
 * How fast data arrive: delivery rate estimation (draft-cheng-iccrg-delivery-rate-estimation §3, now part of
 * draft-ietf-ccwg-bbr §4.1).
 *
 * `RateState` is what the connection counts (C.* of the draft); every sent range keeps a copy of it (P.*);
 * and when the range is acknowledged, the difference of the two over the longer of the send and the ACK phase
 * is the rate (RS.*). Of several ranges that one acknowledgement covers the one sent last counts: its sample
 * is the freshest.
 */

import { geq } from '../../base/seq32.ts';
import type { Instant } from '../../base/time.ts';

const US_PER_SEC = 1_000_000;

/** C.*: what a connection counts. */
export class RateState {
  /** Bytes that have arrived, retransmissions and the first time counted once. */
  delivered = 0;
  deliveredAt = 0;
  /** When the flight of the newest acknowledged range began to be sent. */
  firstSentAt = 0;
  /** Bytes that were taken for lost. */
  lost = 0;
  /** `delivered` at which a bubble of too little data will have left the path; 0: there is none. */
  appLimitedUntil = 0;

  /** Data leave: an empty pipe begins a new flight. */
  handleSent(now: Instant, inFlight: number): void {
    if (inFlight > 0) return;
    this.firstSentAt = now;
    this.deliveredAt = now;
  }

  /** §3.4: the application had less than the window allowed. */
  handleAppLimited(inFlight: number): void {
    this.appLimitedUntil = Math.max(this.delivered + inFlight, 1);
  }
}

/** RS.*: one sample. */
export class RateSample {
  /** Bytes per second; 0: this acknowledgement says nothing. */
  deliveryRate = 0;
  /** Bytes delivered over the interval. */
  delivered = 0;
  intervalUs = 0;
  isAppLimited = false;
  /** `delivered` and `lost` of the connection, in flight, when the sampled range was sent; -1: no sample. */
  priorDelivered = -1;
  priorLost = 0;
  txInFlight = 0;
  /** Bytes lost while the sampled range was on its way. */
  lost = 0;
  #priorAt = 0;
  #sendElapsedUs = 0;
  #ackElapsedUs = 0;
  #sentAt = 0;
  #end = 0;

  reset(): void {
    this.deliveryRate = 0;
    this.delivered = 0;
    this.intervalUs = 0;
    this.isAppLimited = false;
    this.priorDelivered = -1;
    this.priorLost = 0;
    this.txInFlight = 0;
    this.lost = 0;
    this.#priorAt = 0;
  }

  get hasSample(): boolean {
    return this.priorDelivered >= 0;
  }

  /**
   * A range of `bytes` that ends at `end` was acknowledged or SACKed just now (UpdateRateSample of §3.3). The
   * rest is the P.* that it was sent with.
   */
  handleDelivered(
    now: Instant,
    state: RateState,
    bytes: number,
    end: number,
    sentAt: number,
    delivered: number,
    deliveredAt: number,
    firstSentAt: number,
    lost: number,
    txInFlight: number,
    isAppLimited: boolean,
  ): void {
    state.delivered += bytes;
    state.deliveredAt = now;
    const isNewest =
      this.priorDelivered < 0 || sentAt > this.#sentAt || (sentAt === this.#sentAt && geq(end, this.#end));
    if (!isNewest) return;
    this.priorDelivered = delivered;
    this.priorLost = lost;
    this.#priorAt = deliveredAt;
    this.txInFlight = txInFlight;
    this.isAppLimited = isAppLimited;
    this.#sentAt = sentAt;
    this.#end = end;
    this.#sendElapsedUs = sentAt - firstSentAt;
    this.#ackElapsedUs = now - deliveredAt;
    state.firstSentAt = sentAt;
  }

  /** GenerateRateSample of §3.3, after all ranges. Answers whether there is a rate. */
  finish(state: RateState, minRttUs: number): boolean {
    if (state.appLimitedUntil > 0 && state.delivered > state.appLimitedUntil) state.appLimitedUntil = 0;
    if (this.priorDelivered < 0 || this.#priorAt < 0) return false;
    this.intervalUs = Math.max(this.#sendElapsedUs, this.#ackElapsedUs);
    this.delivered = state.delivered - this.priorDelivered;
    this.lost = state.lost - this.priorLost;
    // Shorter than the shortest round trip: acknowledgements were compressed, or all happened in one instant.
    if (this.intervalUs <= 0 || (Number.isFinite(minRttUs) && this.intervalUs < minRttUs)) {
      this.intervalUs = 0;
      return false;
    }
    this.deliveryRate = (this.delivered * US_PER_SEC) / this.intervalUs;
    return true;
  }
}
