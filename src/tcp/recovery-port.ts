/**
 * Between the connection and its loss recovery: what the recovery (scoreboard, RACK, PRR, congestion control,
 * pacing) is told, and what it is asked. One object per connection, made with the first data and given up when
 * idle.
 *
 *     ACK      handleAck ──> marks, cwnd, an RTT sample
 *     output   pollRetransmit ──> [start, end) from the ring          sendQuota ──> new data     handleSent
 *     clock    handleTimeout at tcb.recoveryAt (RACK, TLP)            handleRto at tcb.rtoAt
 *
 * The core moves sndUna and sndNxt, keeps the ring, the RTO and its timer, obeys the peer's window, Nagle and
 * silly-window avoidance; the recovery decides what was lost and how much may be in flight. FIN counts as one
 * byte at sndEnd and may be retransmitted like data; SYN is the core's.
 */
import type { Instant } from '../base/time.ts';
import type { CongestionName, Metrics } from './congestion/control.ts';
import type { Segment } from './segment.ts';
import type { Tcb } from './tcb.ts';

export interface Recovery {
  /** After `pollRetransmit` said yes. */
  readonly start: number;
  readonly end: number;
  /**
   * After `handleAck`: a round trip in microseconds, of a segment sent once (Karn) or by timestamps; -1: none.
   */
  readonly rttUs: number;

  // For `info`, in bytes where Linux counts packets times MSS.
  readonly cwnd: number;
  readonly ssthresh: number;
  /** Sent, not acknowledged, not lost. */
  readonly inFlight: number;
  /** Bytes per second; 0: no pacing. */
  readonly pacingRate: number;
  /** Bytes per second that have arrived lately; 0: not known. */
  readonly deliveryRate: number;
  /** `tcpi_ca_state`: 0 open, 1 disorder, 2 CWR, 3 recovery, 4 loss. */
  readonly caState: number;
  readonly sackedBytes: number;
  readonly lostBytes: number;
  readonly retransmittedBytes: number;
  /** By how many bytes segments were seen to overtake each other. */
  readonly reorderingBytes: number;
  /** Which congestion control it is; it may be changed at any time. */
  readonly congestion: CongestionName;
  setCongestion(now: Instant, tcb: Tcb, name: CongestionName): void;
  /** What the congestion control has to say of itself. */
  metrics(): Metrics;

  /**
   * An acceptable acknowledgement (RFC 9293 §3.10.7.4: within sndUna ≤ ack ≤ sndNxt, and PAWS passed): also a
   * duplicate one, or one with SACK blocks below sndUna (DSACK). `tcb.sndUna` and `tcb.sndWnd` have moved
   * already; `priorUna` is what sndUna was, `isWindowUpdate` whether the window differs from the one before.
   */
  handleAck(now: Instant, tcb: Tcb, segment: Segment, priorUna: number, isWindowUpdate: boolean): void;

  /** How many bytes of new data may be sent now (0 when pacing says later and has set `tcb.paceAt`). */
  sendQuota(now: Instant, tcb: Tcb): number;

  /**
   * The next range to be retransmitted now, congestion window and pacing considered. At most `maxBytes` long;
   * the core sends all of it and says so by `handleSent`, or nothing.
   */
  pollRetransmit(now: Instant, tcb: Tcb, maxBytes: number): boolean;

  /** `[start, end)` went out. With new data `end` is the new sndNxt. */
  handleSent(now: Instant, tcb: Tcb, start: number, end: number, isRetransmission: boolean): void;

  /** `tcb.recoveryAt` has come. The core polls for output afterwards. */
  handleTimeout(now: Instant, tcb: Tcb): void;
  /** The retransmission timer went off (RFC 6298 §5.4–5.7); the core has backed it off and polls afterwards. */
  handleRto(now: Instant, tcb: Tcb): void;
  /**
   * A segment did not fit the path: `tcb.sndMss` is smaller now, what is in flight counts as lost, not as
   * congestion.
   */
  handleMtu(now: Instant, tcb: Tcb): void;
  /** After `handleRto`: the MTU to fall back to because long segments seem to vanish (RFC 8899 §4.3), or 0. */
  blackHoleMtu(now: Instant, tcb: Tcb): number;
  /** Payload of a probe of the path's MTU, to be sent as one segment of new data now (RFC 4821 §7.4); 0: none. */
  pollMtuProbe(now: Instant, tcb: Tcb): number;
  /** After `handleAck`: the MTU that a probe has found the path to carry, once; 0: nothing new. */
  takeFoundMtu(): number;
  /** New data after an idle time longer than the RTO (RFC 5681 §4.1, RFC 9293 §3.8.5). */
  handleIdle(now: Instant, tcb: Tcb): void;
  /** The window had room and the application nothing to send. */
  handleAppLimited(now: Instant, tcb: Tcb): void;
  /** It is given up: what it has of the stack goes back. */
  release(): void;
}

/** Makes one for a connection that begins to send: `tcb` has sndMss, srtt, sndNxt. */
export type RecoveryFactory = (now: Instant, tcb: Tcb) => Recovery;
