/**
 * Congestion control: how much may be in flight, and how fast it may leave.
 *
 * A controller never looks at segments. Loss recovery tells it what happened, once each, in the order
 *
 *     onSent                         bytes go out
 *     onLost*                        an acknowledgement or a timer uncovers lost ranges
 *     onLoss | onEcn | onRto         a congestion event begins: at most once per window of data
 *     onRecovered | onSpuriousLoss   it is over, or was none
 *     onAck                          the acknowledgement is digested: rates, round trips
 *
 * and reads `cwnd`, `ssthresh` and `pacingRate`. All are bytes (per second), all times microseconds, and the
 * sample is one object that is filled anew: nothing is allocated per acknowledgement.
 */
import type { Instant } from '../../base/time.ts';
import type { RateSample } from './rate-sample.ts';
import { RateState } from './rate-sample.ts';

export type CongestionName = 'reno' | 'cubic' | 'bbr';

/** `ssthresh` before the first congestion event (RFC 5681 §3.1: arbitrarily high). */
export const SSTHRESH_INFINITE = 0x7fff_ffff;
/** No window is larger: what 32-bit sequence numbers and RFC 7323 §2.3 allow. */
export const CWND_MAX = 0x3fff_c000;

/** RFC 6928 §2: min (10*MSS, max (2*MSS, 14600)). */
export function initialWindow(mss: number): number {
  return Math.min(10 * mss, Math.max(2 * mss, 14_600));
}

/** What one acknowledgement, or one timer, has brought. */
export class AckSample {
  /** Payload bytes of a full segment (SMSS). */
  mss = 536;
  /** Bytes by which SND.UNA advanced. */
  acked = 0;
  /** Bytes that are known to have arrived only since now: acknowledged for the first time, or SACKed. */
  delivered = 0;
  /** Bytes that are taken for lost only since now. */
  lost = 0;
  /** In flight before this acknowledgement, and after it and its losses. */
  priorInFlight = 0;
  inFlight = 0;
  /** The newest round trip that is certain, or -1. */
  rttUs = -1;
  /** Smoothed; 0 before the first sample. */
  srttUs = 0;
  /** Of the last ten seconds or more; Infinity before the first sample. */
  minRttUs: number = Number.POSITIVE_INFINITY;
  /** SND.UNA after it, and SND.NXT. */
  una = 0;
  nxt = 0;
  /** The congestion window, not the application or the peer, kept data back in this window of data. */
  isCwndLimited = false;
  /** While a fast recovery or the reduction for ECN goes on, the window is not the controller's to grow. */
  isInRecovery = false;
  /** After a timeout, until everything that was in flight then is acknowledged. */
  isInLoss = false;
  /** The peer reports congestion marks (RFC 3168 §6.1.3); with accurate ECN also how many bytes. */
  hasEce = false;
  markedBytes = 0;
  /** How much one acknowledgement may grow the window in slow start: L of RFC 3465 §2.3. */
  abcLimit: number = Number.POSITIVE_INFINITY;
  /** What the connection has delivered and lost in all. */
  total: RateState = new RateState();
  /** Delivery rate over the flight of the newest segment that it acknowledges. */
  readonly rate: RateSample;

  constructor(rate: RateSample) {
    this.rate = rate;
  }
}

/** A range of data that was taken for lost. */
export class LostRange {
  bytes = 0;
  /** In flight when it was sent, itself included. */
  txInFlight = 0;
  /** `delivered` and `lost` of the connection when it was sent. */
  delivered = 0;
  lost = 0;
  isAppLimited = false;
  /** The first of the losses that this acknowledgement has uncovered, or far from the one before it. */
  isDiscontiguous = false;
}

export type Metrics = Readonly<Record<string, number | string | boolean>>;

export interface CongestionControl {
  readonly name: CongestionName;
  /** Bytes that may be in flight. Recovery narrows it by PRR where `usesPrr`. */
  cwnd: number;
  readonly ssthresh: number;
  /** Bytes per second; 0: not known yet, send at once. */
  readonly pacingRate: number;
  /** Most bytes that should leave back to back: the size of a super-segment. */
  readonly sendQuantum: number;
  /**
   * Whether a reduction is spread over a round trip by RFC 9937; otherwise the controller sets `cwnd` itself.
   */
  readonly usesPrr: boolean;

  /** `bytes` leave; `inFlight` is without them. */
  onSent(now: Instant, bytes: number, inFlight: number, isAppLimited: boolean): void;
  /** For every range that this acknowledgement or timer uncovered as lost. */
  onLost(now: Instant, lost: LostRange, ack: AckSample): void;
  onAck(now: Instant, ack: AckSample): void;
  /** A fast recovery begins. */
  onLoss(now: Instant, ack: AckSample): void;
  /** The peer echoes a mark, for the first time in this window of data. */
  onEcn(now: Instant, ack: AckSample): void;
  /** The retransmission timer went off. `isFirst`: for these data, so that the threshold moves once. */
  onRto(now: Instant, ack: AckSample, isFirst: boolean): void;
  /** What followed `onLoss`, `onEcn` or `onRto` is over. */
  onRecovered(now: Instant, ack: AckSample): void;
  /** It was none: packets were late (RFC 4015, RFC 5682, DSACK). */
  onSpuriousLoss(now: Instant, ack: AckSample): void;
  /** Idle for `idleUs`, longer than the retransmission timeout (RFC 5681 §4.1, RFC 7661). */
  onIdle(now: Instant, idleUs: number, rtoUs: number, mss: number): void;
  onMtu(mss: number): void;
  /** For `ss -i` and the trace: names as Linux prints them. */
  metrics(): Metrics;
}
