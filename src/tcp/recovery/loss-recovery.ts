/**
 * Loss recovery of one connection: what an acknowledgement means, what is to be sent again, and how much may
 * leave.
 *
 *     handleAck   SACK, cumulative, DSACK -> RACK -> episode (`episode.ts`) -> congestion control -> timers
 *     output      the lost ranges in order, then new data, within cwnd − pipe and the pacer's rate
 *
 * RFC 8985 decides what is lost where the peer has SACK, RFC 6582 where it has not; RFC 9937 how fast the
 * window comes down. The core calls it through `recovery-port.ts`.
 */
import { gt, lt } from '../../base/seq32.ts';
import type { Instant } from '../../base/time.ts';
import { NEVER } from '../../base/time.ts';
import { MIN_HEADER_BYTES } from '../../wire/tcp.ts';
import { TIMESTAMPS_BYTES } from '../../wire/tcp-options.ts';
import type { CongestionName, Metrics } from '../congestion/control.ts';
import { CONGESTION_NAMES, changeControl } from '../congestion/select.ts';
import { timestampClock } from '../open/isn.ts';
import type { Recovery, RecoveryFactory } from '../recovery-port.ts';
import type { Segment } from '../segment.ts';
import type { Tcb } from '../tcb.ts';
import { TcbFlag } from '../tcb.ts';
import { AckDigest } from './ack-digest.ts';
import {
  advanceEpisode,
  enterLoss,
  enterRecovery,
  findHole,
  handleEce,
  handleTlpAnswer,
  hasReneged,
  isRecovering,
  moveWindow,
  noteRate,
  validate,
} from './episode.ts';
import { BASE_MTU, MtuProbe } from './mtu-probe.ts';
import type { RecoveryShared } from './recovery-shared.ts';
import type { Phase } from './recovery-state.ts';
import { RecoveryState } from './recovery-state.ts';
import { RangeFlag } from './scoreboard.ts';

/** Linux's numbers, TCP_CA_… of linux/tcp.h. */
const CA_STATE: Readonly<Record<Phase, number>> = { open: 0, cwr: 2, recovery: 3, loss: 4 };
const CA_DISORDER = 1;

type Probe = 'none' | 'new' | 'tail';

export class LossRecovery implements Recovery {
  readonly state: RecoveryState;
  start = 0;
  end = 0;
  rttUs = -1;
  readonly #digest: AckDigest;
  #probe: Probe = 'none';
  /** Of the probe of the path's MTU that was offered to the core. */
  #mtuPayload = 0;

  constructor(now: Instant, shared: RecoveryShared, digest: AckDigest, name: CongestionName, tcb: Tcb) {
    this.state = new RecoveryState(now, shared, name, tcb.sndUna, tcb.sndMss, tcb.srtt);
    this.#digest = digest;
  }

  get cwnd(): number {
    return Math.floor(this.state.cwnd);
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

  get deliveryRate(): number {
    return this.state.deliveryRate;
  }

  get caState(): number {
    const { state } = this;
    if (state.phase !== 'open') return CA_STATE[state.phase];
    return state.board.sackedBytes > 0 || state.renoSacked > 0 ? CA_DISORDER : CA_STATE.open;
  }

  get sackedBytes(): number {
    return this.state.board.sackedBytes + this.state.renoSacked;
  }

  get lostBytes(): number {
    return this.state.board.lostBytes;
  }

  get retransmittedBytes(): number {
    return this.state.board.retransmittedBytes;
  }

  get reorderingBytes(): number {
    return this.state.rack.reorderingBytes;
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
    if (!state.isReducing || wasReducing) return;
    state.prr.enter(state.control.ssthresh, state.board.bytes, state.board.sackedBytes, 0);
    state.prrCwnd = Math.max(state.inFlight, tcb.sndMss);
  }

  handleAck(now: Instant, tcb: Tcb, segment: Segment, priorUna: number, isWindowUpdate: boolean): void {
    const { state } = this;
    const digest = this.#digest;
    const { sample } = digest;
    const hasSack = tcb.has(TcbFlag.Sack);
    if (tcb.sndMss !== state.mss) this.#noteMss(tcb);
    digest.begin(state, tcb);
    digest.take(now, segment, priorUna, isWindowUpdate);
    this.rttUs = digest.rttUs;
    if (hasSack) digest.detectLosses(now);
    else sample.inFlight = state.inFlight;
    if (sample.delivered > 0 && sample.rate.finish(state.total, state.minRttUs)) noteRate(state, sample);
    validate(state, tcb, sample);
    handleEce(now, state, tcb, sample, segment);
    handleTlpAnswer(now, state, tcb, digest, segment);
    advanceEpisode(now, state, tcb, digest);
    if (!hasSack) findHole(now, state, tcb, digest);
    moveWindow(now, state, sample);
    if (sample.acked > 0) state.mtu?.handleAcked();
    if (state.board.count === 0) this.#rest(tcb);
    else if (sample.acked > 0 || digest.newlySacked > 0) this.#schedule(now, tcb);
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
    const { total } = state;
    const bytes = (end - start) | 0;
    const isAppLimited = total.appLimitedUntil > 0;
    state.control.onSent(now, bytes, state.inFlight, isAppLimited);
    if (isRetransmission) this.#noteRetransmitted(now, tcb, start, end, isAppLimited);
    else this.#push(now, tcb, start, end, isAppLimited);
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

  #push(now: Instant, tcb: Tcb, start: number, end: number, isAppLimited: boolean): void {
    const { state } = this;
    const bytes = (end - start) | 0;
    const isMtuProbe = this.#mtuPayload > 0 && bytes === this.#mtuPayload;
    this.#mtuPayload = 0;
    state.board.push(now, start, end, state.total, isAppLimited, isMtuProbe);
    if (isMtuProbe && state.mtu !== null) state.mtu.handleSent(bytes + overhead(tcb));
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
    const digest = this.#digest;
    const { sample } = digest;
    digest.begin(state, tcb);
    digest.detectLosses(now);
    if (sample.lost === 0) return;
    if (!isRecovering(state)) enterRecovery(now, state, tcb, sample, state.board.sackedBytes);
    moveWindow(now, state, sample);
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
    const digest = this.#digest;
    const { sample } = digest;
    this.#probe = 'none';
    this.#rest(tcb);
    digest.begin(state, tcb);
    // RFC 5681 §3.1: the threshold moves once for the same data.
    const isFirst =
      state.phase === 'open' ||
      !gt(state.recover, tcb.sndUna) ||
      (state.phase === 'loss' && tcb.retransmits <= 1);
    if (hasReneged(state)) {
      shared.counters.tcpSackReneging++;
      board.forgetSacks();
      digest.loseAll(now);
    } else if (tcb.has(TcbFlag.Sack)) {
      rack.markLossesOnRto(now, board, tcb.sndUna, digest);
    } else {
      digest.loseAll(now);
    }
    sample.inFlight = board.inFlight;
    sample.isInRecovery = false;
    sample.isInLoss = true;
    enterLoss(now, state, tcb, sample, isFirst);
    // What follows leaves when it may, not when the pacer had planned.
    state.pacer.nextAt = now;
  }

  #noteMss(tcb: Tcb): void {
    this.state.mss = tcb.sndMss;
    this.state.control.onMtu(tcb.sndMss);
  }

  handleMtu(now: Instant, tcb: Tcb): void {
    const { state } = this;
    this.#noteMss(tcb);
    state.mtu?.handlePacketTooBig(tcb.pathMtu);
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

  /** RFC 8899 §4.3: after a timeout, whether long segments vanish. Answers the MTU to fall back to, or 0. */
  blackHoleMtu(now: Instant, tcb: Tcb): number {
    const { state } = this;
    const { board } = state;
    if (board.count === 0 || tcb.retransmits < 2) return 0;
    const head = Math.min(board.length(board.id(0)), tcb.sndMss);
    if (head + overhead(tcb) <= BASE_MTU) return 0;
    state.mtu ??= new MtuProbe();
    return state.mtu.handleTimeout(now, tcb.retransmits, tcb.sndMss + overhead(tcb));
  }

  /** Payload of a probe of the path's MTU that may leave now, as one segment of new data; 0: none. */
  pollMtuProbe(now: Instant, tcb: Tcb): number {
    const { state } = this;
    this.#mtuPayload = 0;
    if (state.mtu === null || state.phase !== 'open' || state.board.lostBytes > 0) return 0;
    const pending = Math.min((tcb.sndEnd - tcb.sndNxt) | 0, (tcb.sndUna + tcb.sndWnd - tcb.sndNxt) | 0);
    const size = state.mtu.poll(now, state.cwnd / tcb.sndMss, pending, tcb.sndMss);
    const payload = size - overhead(tcb);
    if (size === 0 || payload <= tcb.sndMss || this.sendQuota(now, tcb) < payload) return 0;
    this.#mtuPayload = payload;
    return payload;
  }

  /** What a probe has found the path to carry, once; 0: nothing new. */
  takeFoundMtu(): number {
    const { foundMtu } = this.state;
    this.state.foundMtu = 0;
    return foundMtu;
  }

  release(): void {
    this.state.board.clear();
  }

  handleAppLimited(_now: Instant, _tcb: Tcb): void {
    const { state } = this;
    if (state.board.lostBytes > state.board.retransmittedBytes) return;
    state.total.handleAppLimited(state.inFlight);
  }
}

/** Bytes of headers in front of the data of every segment. */
function overhead(tcb: Tcb): number {
  return tcb.ipHeaderBytes + MIN_HEADER_BYTES + (tcb.has(TcbFlag.Timestamps) ? TIMESTAMPS_BYTES : 0);
}

/** For `TcpShared`. */
export function lossRecoveryFactory(shared: RecoveryShared): RecoveryFactory {
  const digest = new AckDigest(shared);
  return (now, tcb) => {
    const name = CONGESTION_NAMES[tcb.congestion - 1] ?? shared.congestion;
    return new LossRecovery(now, shared, digest, name, tcb);
  };
}
