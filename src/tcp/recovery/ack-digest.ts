/**
 * What one acknowledgement says: which ranges have arrived, by SND.UNA, by SACK or by duplicates; how long
 * they took; which others must be lost. One object per stack, filled anew for every acknowledgement and
 * timer.
 *
 * Round trips: RFC 6298 §3–4 with Karn's algorithm, RFC 7323 §4 for what was sent again. Losses: RFC 8985
 * §6.2.
 */
import { gt, lt } from '../../base/seq32.ts';
import type { Instant } from '../../base/time.ts';
import { NEVER } from '../../base/time.ts';
import { Flag } from '../../wire/tcp.ts';
import type { AckSample } from '../congestion/control.ts';
import { timestampClock } from '../open/isn.ts';
import type { Segment } from '../segment.ts';
import type { Tcb } from '../tcb.ts';
import { TcbFlag } from '../tcb.ts';
import { handleAdvance, handleDupAck } from './newreno.ts';
import type { LossSink } from './rack.ts';
import type { RecoveryShared } from './recovery-shared.ts';
import type { RecoveryState } from './recovery-state.ts';
import { DsackRange, sortBlocks, takeDsack } from './sack-option.ts';
import type { DeliverySink, Scoreboard } from './scoreboard.ts';
import { RangeFlag } from './scoreboard.ts';

const MS = 1_000;
/** A timestamp echo that is older than this is none. */
const ECHO_MAX_MS = 0x7fff_ffff / MS;

export class AckDigest implements DeliverySink, LossSink {
  readonly sample: AckSample;
  readonly dsack: DsackRange = new DsackRange();
  /** Duplicate acknowledgement as RFC 5681 §2 defines it. */
  isDupAck = false;
  /** Bytes that were SACKed before it, and by it for the first time. */
  sackedBefore = 0;
  newlySacked = 0;
  /** Data from before the episode that were never sent again have arrived. */
  isOriginal = false;
  /** A round trip for the retransmission timeout, or -1. */
  rttUs = -1;
  hasEcho = false;
  echo = 0;

  readonly #shared: RecoveryShared;
  #state!: RecoveryState;
  #tcb!: Tcb;
  #delivered = 0;
  /** The same in segments, as Linux counts them. */
  #segments = 0;
  #seqRttUs = -1;
  #sackRttUs = -1;
  #newestRttUs = -1;
  #hasRetransmitted = false;
  #lostEnd = 0;

  constructor(shared: RecoveryShared) {
    this.#shared = shared;
    this.sample = shared.sample;
  }

  /** Whether anything new has arrived, or seems to have. */
  get hasProgress(): boolean {
    return this.sample.acked > 0 || this.isDupAck || this.newlySacked > 0;
  }

  /** Begins with what is the same for acknowledgements and timers. */
  begin(state: RecoveryState, tcb: Tcb): void {
    this.#state = state;
    this.#tcb = tcb;
    const { sample } = this;
    sample.mss = tcb.sndMss;
    sample.acked = 0;
    sample.delivered = 0;
    sample.lost = 0;
    sample.rttUs = -1;
    sample.srttUs = tcb.srtt;
    sample.minRttUs = state.minRttUs;
    sample.una = tcb.sndUna;
    sample.nxt = tcb.sndNxt;
    sample.total = state.total;
    sample.hasEce = false;
    sample.markedBytes = 0;
    sample.isInRecovery = state.isReducing;
    sample.isInLoss = state.phase === 'loss';
    // RFC 3465 §2.3: after a timeout an acknowledgement may tell of what had arrived long before.
    const isBlind = state.phase === 'loss' && !tcb.has(TcbFlag.Sack);
    sample.abcLimit = isBlind ? tcb.sndMss : Number.POSITIVE_INFINITY;
    sample.rate.reset();
    sample.priorInFlight = state.inFlight;
    sample.inFlight = sample.priorInFlight;
    this.sackedBefore = state.board.sackedBytes;
  }

  /** Reads the acknowledgement; losses are `detectLosses`. `priorUna` as in `Recovery.handleAck`. */
  take(now: Instant, segment: Segment, priorUna: number, isWindowUpdate: boolean): void {
    const state = this.#state;
    const tcb = this.#tcb;
    const { sample } = this;
    this.#reset(tcb, segment);
    const acked = (tcb.sndUna - priorUna) | 0;
    sample.acked = acked;
    this.isDupAck = acked === 0 && segment.length === 0 && !isWindowUpdate && state.board.count > 0;
    state.board.handleAck(now, tcb.sndUna, this);
    if (tcb.has(TcbFlag.Sack)) this.#handleSacks(now, segment);
    else this.#handleWithoutSack(acked);
    if (lt(state.lostFrom, tcb.sndUna)) state.lostFrom = tcb.sndUna;
    sample.delivered = this.#delivered;
    if (this.#segments > 0) this.#count(segment);
    this.#takeRtt(now);
  }

  #reset(tcb: Tcb, segment: Segment): void {
    this.rttUs = -1;
    this.hasEcho = tcb.has(TcbFlag.Timestamps) && segment.options.hasTs;
    this.echo = segment.options.tsEcr;
    this.newlySacked = 0;
    this.isOriginal = false;
    this.dsack.isPresent = false;
    this.#delivered = 0;
    this.#segments = 0;
    this.#seqRttUs = -1;
    this.#sackRttUs = -1;
    this.#newestRttUs = -1;
    this.#hasRetransmitted = false;
  }

  /** For `info`. */
  #count(segment: Segment): void {
    const tcb = this.#tcb;
    tcb.delivered += this.#segments;
    if (tcb.has(TcbFlag.Ecn) && segment.has(Flag.Ece)) tcb.deliveredCe += this.#segments;
    const { rack } = this.#state;
    if (!rack.hasOvertaken) return;
    rack.hasOvertaken = false;
    tcb.reordSeen++;
  }

  /** One that arrived twice has arrived: of a range longer than any window nothing is believed. */
  #countDsack(): void {
    const tcb = this.#tcb;
    const bytes = (this.dsack.to - this.dsack.from) | 0;
    if (bytes > tcb.maxSndWnd) return;
    const segments = Math.ceil(bytes / tcb.sndMss);
    tcb.dsackDups += segments;
    if (tcb.dsackDups <= tcb.totalRetrans) this.#segments += segments;
  }

  #handleSacks(now: Instant, segment: Segment): void {
    const { options } = segment;
    if (options.sackCount === 0) return;
    const { sack } = options;
    const state = this.#state;
    const { sndUna, sndNxt } = this.#tcb;
    takeDsack(options, segment.ack, this.dsack);
    if (this.dsack.isPresent) {
      this.#shared.counters.tcpDsackRecv++;
      this.#countDsack();
      // RFC 8985 §7.4.2: a probe that was not needed says nothing about reordering.
      const isOfProbe = state.tlp.isOut && this.dsack.to === state.tlp.endSeq;
      if (!isOfProbe) state.rack.handleDsack(sndUna, sndNxt);
    }
    sortBlocks(options);
    for (let i = 0; i < options.sackCount; i++) {
      const from = sack[2 * i] as number;
      const to = sack[2 * i + 1] as number;
      // RFC 2018 §3: edges make sense only within what is in flight; the rest is old, or forged.
      if (!gt(to, from) || !gt(to, sndUna) || gt(to, sndNxt)) continue;
      state.board.handleSack(now, lt(from, sndUna) ? sndUna : from, to, this);
    }
  }

  #handleWithoutSack(acked: number): void {
    const state = this.#state;
    const { mss } = this.sample;
    if (acked > 0) {
      const announced = handleAdvance(state, this.#tcb, acked, mss);
      this.#delivered -= announced;
      if (announced > 0) this.#segments = Math.max(1, this.#segments - Math.ceil(announced / mss));
      state.total.delivered -= announced;
      // Whether the original or the retransmission arrived, nobody can tell.
      if (this.#hasRetransmitted) this.isOriginal = false;
    } else if (this.isDupAck) {
      const bytes = handleDupAck(state, this.#tcb, mss);
      this.#delivered += bytes;
      if (bytes > 0) this.#segments++;
      state.total.delivered += bytes;
    }
  }

  /** DeliverySink: a range has arrived. */
  handleDelivered(now: Instant, board: Scoreboard, id: number, bytes: number, isSack: boolean): void {
    const state = this.#state;
    const tcb = this.#tcb;
    const start = board.start(id);
    const end = (start + bytes) | 0;
    const sentAt = board.sentAt(id);
    const isRetransmitted = board.has(id, RangeFlag.EverRetransmitted);
    this.#delivered += bytes;
    this.#segments += this.#segmentsOf(bytes, end);
    if (isSack) this.newlySacked += bytes;
    if (board.has(id, RangeFlag.MtuProbe) && state.mtu !== null && end === board.end(id)) {
      state.foundMtu = state.mtu.handleProbeAcked(now);
    }
    if (isRetransmitted) this.#hasRetransmitted = true;
    else this.#noteOriginal(end, now - sentAt, isSack);
    this.sample.rate.handleDelivered(
      now,
      state.total,
      bytes,
      end,
      sentAt,
      board.delivered(id),
      board.deliveredAt(id),
      board.firstSentAt(id),
      board.lostBefore(id),
      board.txInFlight(id),
      board.has(id, RangeFlag.AppLimited),
    );
    // RFC 8985 §6.2 step 2 (1), where it can tell: the echo in a SACK of later data is of something else.
    const sentStamp = (timestampClock(sentAt as Instant) + tcb.tsOffset) | 0;
    const isEchoedBefore = !isSack && this.hasEcho && ((this.echo - sentStamp) | 0) < 0;
    state.rack.handleDelivered(now, board, id, end, state.minRttUs, isEchoedBefore);
    if (tcb.has(TcbFlag.Sack)) state.rack.noteOrder(start, end, isRetransmitted);
  }

  /** FIN has a number but no room in a segment. */
  #segmentsOf(bytes: number, end: number): number {
    const tcb = this.#tcb;
    const fin = bytes > 1 && gt(end, tcb.sndEnd) ? 1 : 0;
    return Math.ceil((bytes - fin) / this.sample.mss);
  }

  /** Sent once: its round trip is certain. */
  #noteOriginal(end: number, rttUs: number, isSack: boolean): void {
    if (isSack) {
      if (this.#sackRttUs < 0) this.#sackRttUs = rttUs;
    } else if (this.#seqRttUs < 0) {
      this.#seqRttUs = rttUs;
    }
    if (this.#newestRttUs < 0 || rttUs < this.#newestRttUs) this.#newestRttUs = rttUs;
    if (!gt(end, this.#state.recover)) this.isOriginal = true;
  }

  #takeRtt(now: Instant): void {
    const state = this.#state;
    const { sample } = this;
    if (this.#hasRetransmitted) {
      // What lay behind the hole may have arrived long before the retransmission that lets us know.
      this.#seqRttUs = -1;
      this.#newestRttUs = this.#sackRttUs;
    }
    sample.rttUs = this.#newestRttUs;
    if (this.#newestRttUs >= 0) state.addRtt(now, this.#newestRttUs);
    sample.minRttUs = state.minRttUs;
    if (this.#seqRttUs >= 0) {
      this.rttUs = this.#seqRttUs;
    } else if (this.#sackRttUs >= 0) {
      this.rttUs = this.#sackRttUs;
    } else if (sample.acked > 0 && this.hasEcho && this.echo !== 0) {
      const elapsedMs = (timestampClock(now) + this.#tcb.tsOffset - this.echo) | 0;
      if (elapsedMs >= 0 && elapsedMs < ECHO_MAX_MS) this.rttUs = Math.max(elapsedMs, 1) * MS;
    }
  }

  /** RFC 8985 §6.2, and the timer for what may be lost later. */
  detectLosses(now: Instant): void {
    const state = this.#state;
    const tcb = this.#tcb;
    const { board, rack } = state;
    const isRecovering = state.phase === 'recovery' || state.phase === 'loss';
    rack.updateReoWnd(state.minRttUs, tcb.srtt, isRecovering, board.sackedBytes, tcb.sndMss);
    const timeoutUs = rack.detectLoss(now, board, this);
    this.sample.inFlight = state.inFlight;
    if (timeoutUs > 0) {
      tcb.recoveryAt = now + timeoutUs;
      state.waiting = 'reordering';
    } else if (state.waiting === 'reordering') {
      tcb.recoveryAt = NEVER;
      state.waiting = 'nothing';
    }
  }

  /** LossSink: a range is lost, or its retransmission. */
  handleLost(now: Instant, board: Scoreboard, id: number): void {
    const state = this.#state;
    const { sample } = this;
    const { lostRange, counters } = this.#shared;
    const start = board.start(id);
    const bytes = board.length(id);
    if (lt(start, state.lostFrom)) state.lostFrom = start;
    if (board.has(id, RangeFlag.MtuProbe) && !board.has(id, RangeFlag.Lost) && state.mtu !== null) {
      // RFC 4821 §7.7: too long, most likely; not congestion.
      state.mtu.handleProbeLost(now);
      board.markLost(id);
      return;
    }
    if (board.has(id, RangeFlag.Retransmitted)) counters.tcpLostRetransmit++;
    state.total.lost += bytes;
    sample.lost += bytes;
    lostRange.bytes = bytes;
    lostRange.txInFlight = board.txInFlight(id);
    lostRange.delivered = board.delivered(id);
    lostRange.lost = board.lostBefore(id);
    lostRange.isAppLimited = board.has(id, RangeFlag.AppLimited);
    lostRange.isDiscontiguous = sample.lost === bytes || start !== this.#lostEnd;
    this.#lostEnd = board.end(id);
    board.markLost(id);
    state.control.onLost(now, lostRange, sample);
  }

  /** Everything that is not SACKed. */
  loseAll(now: Instant): void {
    const { board } = this.#state;
    while (board.oldest >= 0) this.handleLost(now, board, board.oldest);
  }
}
