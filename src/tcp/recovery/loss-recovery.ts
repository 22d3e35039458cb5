/**
 * Loss recovery of one connection: what an acknowledgement means, what is to be sent again, and how much may leave.
 *
 *     handleAck   SACK, cumulative, DSACK -> RACK -> episode (`episode.ts`) -> congestion control -> timers
 *     output      the lost ranges in order, then new data, within cwnd − pipe and the pacer's rate
 *
 * RFC 8985 decides what is lost where the peer has SACK, RFC 6582 where it has not; RFC 9937 how fast the window comes
 * down. The core calls it through `recovery-port.ts`.
 */
import { geq, gt, lt } from '../../base/seq32.ts';
import type { Instant } from '../../base/time.ts';
import { NEVER } from '../../base/time.ts';
import { Flag } from '../../wire/tcp.ts';
import type { AckSample, CongestionName, Metrics } from '../congestion/control.ts';
import { changeControl } from '../congestion/select.ts';
import { isValidated } from '../congestion/validation.ts';
import { timestampClock } from '../open/isn.ts';
import type { Recovery, RecoveryFactory } from '../recovery-port.ts';
import type { Segment } from '../segment.ts';
import type { Tcb } from '../tcb.ts';
import { TcbFlag } from '../tcb.ts';
import {
  enterCwr,
  enterLoss,
  enterRecovery,
  hasReneged,
  leaveEpisode,
  processFrto,
  undoEpisode,
} from './episode.ts';
import { handleAdvance, handleDupAck, headSegment, isFastRetransmitDue } from './newreno.ts';
import type { RecoveryShared } from './recovery-state.ts';
import { RecoveryState } from './recovery-state.ts';
import { DsackRange, sortBlocks, takeDsack } from './sack-option.ts';
import type { Scoreboard } from './scoreboard.ts';
import { RangeFlag } from './scoreboard.ts';

const MS = 1_000;
/** A timestamp echo that is older than this is none. */
const ECHO_MAX_MS = 0x7fff_ffff / MS;

type Probe = 'none' | 'new' | 'tail';

export class LossRecovery implements Recovery {
  readonly state: RecoveryState;
  start = 0;
  end = 0;
  rttUs = -1;
  #probe: Probe = 'none';

  // Of the acknowledgement in hand.
  #tcb: Tcb | null = null;
  readonly #dsack: DsackRange = new DsackRange();
  #hasEcho = false;
  #echo = 0;
  #delivered = 0;
  #newlySacked = 0;
  #seqRttUs = -1;
  #sackRttUs = -1;
  #newestRttUs = -1;
  #isOriginal = false;
  #hasRetransmitted = false;
  #lostEnd = 0;

  constructor(now: Instant, shared: RecoveryShared, name: CongestionName, tcb: Tcb) {
    this.state = new RecoveryState(now, shared, name, tcb.sndUna, tcb.sndMss, tcb.srtt);
  }

  get cwnd(): number {
    return this.state.cwnd;
  }

  get ssthresh(): number {
    return this.state.control.ssthresh;
  }

  get inFlight(): number {
    return this.state.inFlight;
  }

  get pacingRate(): number {
    return this.state.pacingRate;
  }

  get congestion(): CongestionName {
    return this.state.control.name;
  }

  metrics(): Metrics {
    return this.state.control.metrics();
  }

  /** Another controller from now on; window and threshold stay. */
  setCongestion(now: Instant, tcb: Tcb, name: CongestionName): void {
    const { state } = this;
    if (name === state.control.name) return;
    const wasReducing = state.isReducing && state.control.usesPrr;
    state.control = changeControl(now, state.control, name, tcb.sndMss, tcb.srtt, state.shared.rng);
    // An episode that began under the other is not undone under this one.
    state.undo.disarm();
    if (state.isReducing && !wasReducing) {
      state.prr.enter(state.control.ssthresh, state.board.bytes, state.board.sackedBytes, 0);
      state.prrCwnd = Math.max(state.inFlight, tcb.sndMss);
    }
  }

  // An acknowledgement.

  handleAck(now: Instant, tcb: Tcb, segment: Segment, priorUna: number, isWindowUpdate: boolean): void {
    const { state } = this;
    const { board } = state;
    const sample = this.#begin(tcb, segment);
    const hasSack = tcb.has(TcbFlag.Sack);
    const sackedBefore = board.sackedBytes;
    const acked = (tcb.sndUna - priorUna) | 0;
    sample.acked = acked;
    const isDupAck = acked === 0 && segment.length === 0 && !isWindowUpdate && board.count > 0;
    board.handleAck(now, tcb.sndUna, this);
    if (hasSack) this.#handleSacks(now, tcb, segment, sample);
    else this.#handleWithoutSack(sample, tcb, acked, isDupAck);
    if (lt(state.lostFrom, tcb.sndUna)) state.lostFrom = tcb.sndUna;
    this.#takeRtt(now, tcb, sample, acked);
    if (hasSack) this.#detectLosses(now, tcb, sample);
    this.#finish(sample, now, tcb, segment);
    this.#processTlp(now, tcb, segment, sample, isDupAck, sackedBefore);
    this.#advanceEpisode(now, tcb, sample, sackedBefore, acked, isDupAck);
    if (!hasSack) this.#findHole(now, tcb, sample, acked, isDupAck, sackedBefore);
    this.#moveWindow(now, state, sample);
    if (board.count === 0) this.#rest(tcb);
    else if (acked > 0 || this.#newlySacked > 0) this.#schedule(now, tcb);
    this.#tcb = null;
  }

  #begin(tcb: Tcb, segment: Segment): AckSample {
    const { state } = this;
    const { sample } = state.shared;
    this.#tcb = tcb;
    this.rttUs = -1;
    this.#hasEcho = tcb.has(TcbFlag.Timestamps) && segment.options.hasTs;
    this.#echo = segment.options.tsEcr;
    this.#delivered = 0;
    this.#newlySacked = 0;
    this.#seqRttUs = -1;
    this.#sackRttUs = -1;
    this.#newestRttUs = -1;
    this.#isOriginal = false;
    this.#hasRetransmitted = false;
    this.#dsack.isPresent = false;
    this.#prepare(sample, tcb);
    sample.priorInFlight = state.inFlight;
    return sample;
  }

  /** What is the same for acknowledgements and timers. */
  #prepare(sample: AckSample, tcb: Tcb): void {
    const { state } = this;
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
  }

  #handleSacks(now: Instant, tcb: Tcb, segment: Segment, sample: AckSample): void {
    const { options } = segment;
    if (options.sackCount === 0) return;
    const { sack } = options;
    const { state } = this;
    takeDsack(options, segment.ack, this.#dsack);
    if (this.#dsack.isPresent) {
      state.shared.counters.tcpDsackRecv++;
      state.rack.handleDsack(tcb.sndUna, tcb.sndNxt);
    }
    sortBlocks(options);
    for (let i = 0; i < options.sackCount; i++) {
      let from = sack[2 * i] as number;
      const to = sack[2 * i + 1] as number;
      // RFC 2018 §3: edges make sense only within what is in flight; the rest is old, or forged.
      if (!gt(to, from) || !gt(to, tcb.sndUna) || gt(to, tcb.sndNxt)) continue;
      if (lt(from, tcb.sndUna)) from = tcb.sndUna;
      state.board.handleSack(now, from, to, this);
    }
    sample.delivered = this.#delivered;
  }

  #handleWithoutSack(sample: AckSample, tcb: Tcb, acked: number, isDupAck: boolean): void {
    const { state } = this;
    if (acked > 0) {
      const announced = handleAdvance(state, tcb, acked, sample.mss);
      this.#delivered -= announced;
      state.total.delivered -= announced;
      // Whether the original or the retransmission arrived, nobody can tell.
      if (this.#hasRetransmitted) this.#isOriginal = false;
    } else if (isDupAck) {
      const bytes = handleDupAck(state, tcb, sample.mss);
      this.#delivered += bytes;
      state.total.delivered += bytes;
    }
  }

  /** DeliverySink: a range has arrived. */
  handleDelivered(now: Instant, board: Scoreboard, id: number, bytes: number, isSack: boolean): void {
    const { state } = this;
    const tcb = this.#tcb as Tcb;
    const start = board.start(id);
    const end = (start + bytes) | 0;
    const sentAt = board.sentAt(id);
    const isRetransmitted = board.has(id, RangeFlag.EverRetransmitted);
    this.#delivered += bytes;
    if (isSack) this.#newlySacked += bytes;
    if (isRetransmitted) {
      this.#hasRetransmitted = true;
    } else {
      const rttUs = now - sentAt;
      if (isSack) {
        if (this.#sackRttUs < 0) this.#sackRttUs = rttUs;
      } else if (this.#seqRttUs < 0) {
        this.#seqRttUs = rttUs;
      }
      if (this.#newestRttUs < 0 || rttUs < this.#newestRttUs) this.#newestRttUs = rttUs;
      if (!gt(end, state.recover)) this.#isOriginal = true;
    }
    state.shared.sample.rate.handleDelivered(
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
    const sentStamp = (timestampClock(sentAt as Instant) + tcb.tsOffset) | 0;
    const isEchoedBefore = this.#hasEcho && ((this.#echo - sentStamp) | 0) < 0;
    state.rack.handleDelivered(now, board, id, end, state.minRttUs, isEchoedBefore);
    if (tcb.has(TcbFlag.Sack)) state.rack.noteOrder(start, end, isRetransmitted);
  }

  /** RFC 6298 §3–4 with Karn's algorithm; RFC 7323 §4 for what was sent again. */
  #takeRtt(now: Instant, tcb: Tcb, sample: AckSample, acked: number): void {
    const { state } = this;
    sample.delivered = this.#delivered;
    sample.rttUs = this.#newestRttUs;
    if (this.#newestRttUs >= 0) state.addRtt(now, this.#newestRttUs);
    sample.minRttUs = state.minRttUs;
    if (this.#seqRttUs >= 0) {
      this.rttUs = this.#seqRttUs;
    } else if (this.#sackRttUs >= 0) {
      this.rttUs = this.#sackRttUs;
    } else if (acked > 0 && this.#hasEcho && this.#echo !== 0) {
      const elapsedMs = (timestampClock(now) + tcb.tsOffset - this.#echo) | 0;
      if (elapsedMs >= 0 && elapsedMs < ECHO_MAX_MS) this.rttUs = Math.max(elapsedMs, 1) * MS;
    }
  }

  #detectLosses(now: Instant, tcb: Tcb, sample: AckSample): void {
    const { state } = this;
    const { board, rack } = state;
    const isRecovering = state.phase === 'recovery' || state.phase === 'loss';
    rack.updateReoWnd(state.minRttUs, tcb.srtt, isRecovering, board.sackedBytes, sample.mss);
    const timeoutUs = rack.detectLoss(now, board, this);
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
    const { state } = this;
    const { sample, lostRange, counters } = state.shared;
    const start = board.start(id);
    const bytes = board.length(id);
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
    if (lt(start, state.lostFrom)) state.lostFrom = start;
    state.control.onLost(now, lostRange, sample);
  }

  #finish(sample: AckSample, now: Instant, tcb: Tcb, segment: Segment): void {
    const { state } = this;
    sample.inFlight = state.inFlight;
    if (this.#delivered > 0) sample.rate.finish(state.total, state.minRttUs);
    sample.isCwndLimited = isValidated(
      state.control.cwnd,
      state.control.ssthresh,
      state.mostInFlight,
      state.isCwndLimited,
    );
    if (geq(tcb.sndUna, state.usageSeq)) {
      state.isCwndLimited = false;
      state.mostInFlight = 0;
      state.usageSeq = tcb.sndNxt;
    }
    if (!tcb.has(TcbFlag.Ecn) || (segment.flags & Flag.Ece) === 0) return;
    sample.hasEce = true;
    if (state.phase === 'open' && state.ecn.handleEce(tcb.sndUna, tcb.sndNxt))
      enterCwr(now, state, tcb, sample);
  }

  #processTlp(
    now: Instant,
    tcb: Tcb,
    segment: Segment,
    sample: AckSample,
    isDupAck: boolean,
    sackedBefore: number,
  ): void {
    const { state } = this;
    const { isPresent, to } = this.#dsack;
    const hasSack = segment.options.sackCount > 0;
    const verdict = state.tlp.handleAck(segment.ack, isPresent, to, isDupAck, hasSack);
    if (verdict !== 'repaired') return;
    // RFC 8985 §7.4.2: one loss, repaired before anyone noticed, is congestion all the same.
    state.shared.counters.tcpLossProbeRecovery++;
    if (state.phase !== 'open') return;
    state.control.onLoss(now, sample);
    state.prr.enter(state.control.ssthresh, state.board.bytes, sackedBefore, sample.acked);
    leaveEpisode(now, state, tcb, sample);
  }

  /** RFC 6675 §5, and whether the episode was one at all. */
  #advanceEpisode(
    now: Instant,
    tcb: Tcb,
    sample: AckSample,
    sackedBefore: number,
    acked: number,
    isDupAck: boolean,
  ): void {
    const { state } = this;
    const { undo, shared } = state;
    if (this.#dsack.isPresent && undo.handleDsack(this.#dsack.from, this.#dsack.to)) {
      shared.counters.tcpDsackUndo++;
      undoEpisode(now, state, sample);
    }
    if (state.phase === 'recovery' || state.phase === 'loss') {
      if (acked > 0 && undo.isEifel(this.#hasEcho, this.#echo)) {
        shared.counters.tcpFullUndo++;
        undoEpisode(now, state, sample);
      }
    }
    if (state.phase === 'loss') {
      const hasProgress = acked > 0 || isDupAck || this.#newlySacked > 0;
      if (hasProgress && processFrto(state, tcb, acked > 0, this.#newlySacked > 0, this.#isOriginal)) {
        shared.counters.tcpSpuriousRtos++;
        undoEpisode(now, state, sample);
      }
    }
    if (state.phase !== 'open' && geq(tcb.sndUna, state.recover)) leaveEpisode(now, state, tcb, sample);
    const isNew = state.phase === 'open' || state.phase === 'cwr';
    if (isNew && sample.lost > 0) enterRecovery(now, state, tcb, sample, sackedBefore);
    sample.isInRecovery = state.isReducing;
    sample.isInLoss = state.phase === 'loss';
  }

  /** RFC 6582 §3.2: the third duplicate, or an acknowledgement of a part. */
  #findHole(
    now: Instant,
    tcb: Tcb,
    sample: AckSample,
    acked: number,
    isDupAck: boolean,
    sackedBefore: number,
  ): void {
    const { state } = this;
    const isFirst = isDupAck && isFastRetransmitDue(state, tcb);
    const isPartial = acked > 0 && state.phase === 'recovery';
    if (!isFirst && !isPartial) return;
    const head = headSegment(state, sample.mss);
    if (head < 0) return;
    this.handleLost(now, state.board, head);
    if (isFirst) enterRecovery(now, state, tcb, sample, sackedBefore);
    sample.inFlight = state.inFlight;
    sample.isInRecovery = true;
  }

  #moveWindow(now: Instant, state: RecoveryState, sample: AckSample): void {
    state.control.onAck(now, sample);
    if (!state.isReducing || !state.control.usesPrr) return;
    // RFC 9937 §6.2: a window update, or an old acknowledgement, lets nothing out.
    if (sample.delivered <= 0 && state.prr.prrOut > 0) return;
    const isSafeAck = sample.acked > 0 && sample.lost === 0;
    const quota = state.prr.quota(Math.max(sample.delivered, 0), sample.inFlight, isSafeAck, sample.mss);
    state.prrCwnd = sample.inFlight + quota;
  }

  // Output.

  sendQuota(now: Instant, tcb: Tcb): number {
    const { state } = this;
    if (this.#probe === 'new') return tcb.sndMss;
    const room = state.cwnd - state.inFlight;
    if (room < tcb.sndMss) {
      state.isCwndLimited = true;
      state.usageSeq = tcb.sndNxt;
    }
    if (room <= 0) return 0;
    const paced = this.#paced(now, tcb);
    return Math.floor(Math.min(room, paced));
  }

  /** What the pacer lets out, at most a burst; sets `paceAt` when that is nothing. */
  #paced(now: Instant, tcb: Tcb): number {
    const { state } = this;
    const quota = state.pacer.quota(now, state.pacingRate, state.control.sendQuantum);
    if (quota === 0) tcb.paceAt = state.pacer.nextAt;
    return quota;
  }

  pollRetransmit(now: Instant, tcb: Tcb, maxBytes: number): boolean {
    const { state } = this;
    if (this.#probe === 'tail') return this.#pollTail(tcb);
    const { board } = state;
    if (board.lostBytes === 0 || state.undo.frto === 'second') return false;
    const id = this.#nextLost();
    if (id < 0) return false;
    const mss = tcb.sndMss;
    const length = board.length(id);
    const least = Math.min(length, mss);
    const room = state.cwnd - state.inFlight;
    if (room < least) return false;
    const paced = this.#paced(now, tcb);
    if (paced < least) return false;
    let bytes = Math.min(length, maxBytes, room, paced);
    if (bytes < length && bytes > mss) bytes -= bytes % mss;
    this.start = board.start(id);
    this.end = (this.start + Math.floor(bytes)) | 0;
    return true;
  }

  /** The first lost range that is not on its way again. */
  #nextLost(): number {
    const { state } = this;
    const { board } = state;
    for (let index = board.find(state.lostFrom); index < board.count; index++) {
      const id = board.id(index);
      if ((board.flags(id) & (RangeFlag.Lost | RangeFlag.Retransmitted)) !== RangeFlag.Lost) continue;
      state.lostFrom = board.start(id);
      return id;
    }
    // Nothing: look behind all of it next time; what is marked later sets it back.
    if (board.count > 0) state.lostFrom = board.end(board.id(board.count - 1));
    return -1;
  }

  /** RFC 8985 §7.3: the last segment. */
  #pollTail(tcb: Tcb): boolean {
    const { board } = this.state;
    if (board.count === 0) {
      this.#probe = 'none';
      return false;
    }
    const last = board.id(board.count - 1);
    this.end = board.end(last);
    const length = Math.min(board.length(last), tcb.sndMss);
    this.start = (this.end - length) | 0;
    return true;
  }

  handleSent(now: Instant, tcb: Tcb, start: number, end: number, isRetransmission: boolean): void {
    const { state } = this;
    const { board, total } = state;
    const bytes = (end - start) | 0;
    const isAppLimited = total.appLimitedUntil > 0;
    state.control.onSent(now, bytes, state.inFlight, isAppLimited);
    if (isRetransmission) this.#noteRetransmitted(now, tcb, start, end, isAppLimited);
    else board.push(now, start, end, total, isAppLimited);
    state.pacer.handleSent(now, bytes, state.pacingRate);
    if (state.isReducing) state.prr.handleSent(bytes);
    state.mostInFlight = Math.max(state.mostInFlight, state.inFlight);
    if (this.#probe !== 'none') {
      state.tlp.handleProbe(tcb.sndNxt, isRetransmission);
      this.#probe = 'none';
      tcb.rtoAt = now + tcb.rto;
    } else if (isRetransmission) {
      if (start === tcb.sndUna && state.phase === 'recovery') tcb.rtoAt = now + tcb.rto;
    } else {
      this.#schedule(now, tcb);
    }
  }

  #noteRetransmitted(now: Instant, tcb: Tcb, start: number, end: number, isAppLimited: boolean): void {
    const { state } = this;
    const { board } = state;
    const bytes = (end - start) | 0;
    let index = board.find(start);
    if (lt(board.start(board.id(index)), start) && board.split(index, start)) index++;
    if (gt(board.end(board.id(index)), end)) board.split(index, end);
    board.retransmit(now, board.id(index), state.total, isAppLimited);
    if (this.#probe !== 'none') return;
    state.undo.handleRetransmitted(bytes, (timestampClock(now) + tcb.tsOffset) | 0);
  }

  // Timers.

  /** RFC 8985 §7.2: when a probe is due, unless the reordering timer runs. */
  #schedule(now: Instant, tcb: Tcb): void {
    const { state } = this;
    const { board } = state;
    if (state.waiting === 'reordering') return;
    const mayProbe =
      tcb.has(TcbFlag.Sack) &&
      state.phase === 'open' &&
      !state.tlp.isOut &&
      board.sackedBytes === 0 &&
      board.count > 0;
    if (!mayProbe) {
      this.#rest(tcb);
      return;
    }
    const rtoLeftUs = tcb.rtoAt > now && tcb.rtoAt !== NEVER ? tcb.rtoAt - now : tcb.rto;
    tcb.recoveryAt = now + state.tlp.ptoUs(tcb.srtt, board.bytes <= tcb.sndMss, rtoLeftUs);
    state.waiting = 'probe';
  }

  #rest(tcb: Tcb): void {
    tcb.recoveryAt = NEVER;
    this.state.waiting = 'nothing';
  }

  handleTimeout(now: Instant, tcb: Tcb): void {
    const { state } = this;
    const { waiting } = state;
    this.#rest(tcb);
    if (state.board.count === 0) return;
    if (waiting === 'probe') this.#sendProbe(now, tcb);
    if (waiting !== 'reordering') return;
    const { sample } = state.shared;
    this.#prepare(sample, tcb);
    this.#tcb = tcb;
    this.#detectLosses(now, tcb, sample);
    this.#tcb = null;
    sample.inFlight = state.inFlight;
    if (sample.lost === 0) return;
    if (state.phase === 'open' || state.phase === 'cwr') {
      enterRecovery(now, state, tcb, sample, state.board.sackedBytes);
    }
    this.#moveWindow(now, state, sample);
  }

  /** RFC 8985 §7.3: new data if the peer takes them, else the last segment; neither asks the window. */
  #sendProbe(now: Instant, tcb: Tcb): void {
    const { state } = this;
    state.shared.counters.tcpLossProbes++;
    const pending = (tcb.sndEnd - tcb.sndNxt) | 0;
    const usable = (tcb.sndUna + tcb.sndWnd - tcb.sndNxt) | 0;
    const isSendable =
      pending >= tcb.sndMss || (pending > 0 && tcb.has(TcbFlag.NoDelay) && !tcb.has(TcbFlag.Cork));
    this.#probe = isSendable && usable >= Math.min(pending, tcb.sndMss) ? 'new' : 'tail';
    // The retransmission timer starts over behind the probe.
    tcb.rtoAt = now + tcb.rto;
  }

  handleRto(now: Instant, tcb: Tcb): void {
    const { state } = this;
    const { board, rack, shared } = state;
    const { sample } = shared;
    this.#probe = 'none';
    this.#rest(tcb);
    this.#prepare(sample, tcb);
    // RFC 5681 §3.1: the threshold moves once for the same data.
    const isFirst =
      state.phase === 'open' ||
      !gt(state.recover, tcb.sndUna) ||
      (state.phase === 'loss' && tcb.retransmits <= 1);
    if (hasReneged(state)) {
      shared.counters.tcpSackReneging++;
      board.forgetSacks();
      this.#markAll(now, tcb);
    } else if (tcb.has(TcbFlag.Sack)) {
      rack.markLossesOnRto(now, board, tcb.sndUna, this);
    } else {
      this.#markAll(now, tcb);
    }
    sample.inFlight = board.inFlight;
    sample.isInRecovery = false;
    sample.isInLoss = true;
    enterLoss(now, state, tcb, sample, isFirst);
    // What follows leaves when it may, not when the pacer had planned.
    state.pacer.nextAt = now;
  }

  #markAll(now: Instant, tcb: Tcb): void {
    const { board } = this.state;
    while (board.oldest >= 0) this.handleLost(now, board, board.oldest);
    this.state.lostFrom = tcb.sndUna;
  }

  handleMtu(now: Instant, tcb: Tcb): void {
    const { state } = this;
    state.control.onMtu(tcb.sndMss);
    const { board } = state;
    // RFC 8201 §5.4: what was too big never congested anything.
    while (board.oldest >= 0) board.markLost(board.oldest);
    state.lostFrom = tcb.sndUna;
    state.pacer.nextAt = now;
    if (state.isReducing) state.prrCwnd = Math.max(state.prrCwnd, state.inFlight + tcb.sndMss);
  }

  handleIdle(now: Instant, tcb: Tcb): void {
    const idleUs = now - tcb.lastDataSentAt;
    this.state.control.onIdle(now, idleUs, tcb.rto, tcb.sndMss);
  }

  handleAppLimited(_now: Instant, _tcb: Tcb): void {
    const { state } = this;
    if (state.board.lostBytes > state.board.retransmittedBytes) return;
    state.total.handleAppLimited(state.inFlight);
  }
}

/** For `TcpShared`. */
export function lossRecoveryFactory(shared: RecoveryShared): RecoveryFactory {
  return (now, tcb) => new LossRecovery(now, shared, shared.congestion, tcb);
}
