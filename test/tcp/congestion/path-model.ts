/**
 * A model of a path, for controllers and loss recovery without the rest of TCP: bulk senders that obey a
 * `Recovery`, a bottleneck with a rate and a buffer, delay, random loss, and receivers that acknowledge with
 * SACK and DSACK.
 *
 *     sender --> [buffer | rate] --> delay, loss --> receiver
 *        ^------------------ delay -------------------'
 *
 * Virtual time. One segment is one event; a super-segment is cut at the bottleneck, as a device would.
 */
import { Heap } from '../../../src/base/heap.ts';
import type { Rng } from '../../../src/base/rng.ts';
import { rng } from '../../../src/base/rng.ts';
import { geq, gt, leq, lt } from '../../../src/base/seq32.ts';
import type { Instant } from '../../../src/base/time.ts';
import { NEVER } from '../../../src/base/time.ts';
import { defaultTcpConfig } from '../../../src/tcp/config.ts';
import type { CongestionName } from '../../../src/tcp/congestion/control.ts';
import { AckDigest } from '../../../src/tcp/recovery/ack-digest.ts';
import { LossRecovery } from '../../../src/tcp/recovery/loss-recovery.ts';
import { RecoveryShared } from '../../../src/tcp/recovery/recovery-shared.ts';
import { Segment } from '../../../src/tcp/segment.ts';
import { State } from '../../../src/tcp/state.ts';
import type { Tcb } from '../../../src/tcp/tcb.ts';
import { TcbFlag, TcbTable, tcbCursor } from '../../../src/tcp/tcb.ts';
import { addRttSample, backedOff } from '../../../src/tcp/time/rtt.ts';
import { Flag } from '../../../src/wire/tcp.ts';

export const MSS = 1_448;
/** Of Ethernet, IP and TCP: what a segment takes on the wire beside its data. */
const HEADER_BYTES = 66;
const GSO_MAX = 45 * MSS;
const US_PER_SEC = 1_000_000;

export interface PathOptions {
  /** Bits per second. */
  rate?: number;
  rttMs?: number;
  /** Of the bottleneck's buffer, in bytes. */
  buffer?: number;
  loss?: number;
  /** Queue length in bytes above which segments are marked instead of dropped. */
  markAbove?: number;
  seed?: number;
  /** Extra delay in µs of a segment, by its number and the time at which it leaves the bottleneck. */
  extraDelay?: (index: number, now: number) => number;
  /** Decides instead of chance; by the number of the segment. */
  isLost?: (index: number, flow: number, seq: number) => boolean;
}

export interface FlowOptions {
  congestion: CongestionName;
  sack?: boolean;
  timestamps?: boolean;
  ecn?: boolean;
  /** Bytes to send; endless without it. */
  bytes?: number;
  iss?: number;
  startMs?: number;
  /** Of the peer. */
  window?: number;
  pacing?: boolean;
}

interface Piece {
  flow: BulkFlow;
  seq: number;
  end: number;
  tsVal: number;
  isCe: boolean;
  isEct: boolean;
  isCwr: boolean;
}

type Event = () => void;

export class PathModel {
  now: Instant = 0 as Instant;
  readonly flows: BulkFlow[] = [];
  readonly rttUs: number;
  readonly rateBytes: number;
  drops = 0;
  randomDrops = 0;
  marks = 0;
  maxQueue = 0;
  readonly #options: PathOptions;
  readonly #buffer: number;
  readonly #rng: Rng;
  readonly #events: Heap<Event> = new Heap();
  #busyUntil = 0;
  #index = 0;

  constructor(options: PathOptions) {
    this.#options = options;
    this.rttUs = (options.rttMs ?? 40) * 1_000;
    this.rateBytes = (options.rate ?? 10e6) / 8;
    this.#buffer = options.buffer ?? (this.rateBytes * this.rttUs) / US_PER_SEC;
    this.#rng = rng(options.seed ?? 1);
  }

  at(time: number, event: Event): void {
    this.#events.push(time as Instant, event);
  }

  flow(options: FlowOptions): BulkFlow {
    const flow = new BulkFlow(this, this.flows.length, options, this.#rng.fork(`flow ${this.flows.length}`));
    this.flows.push(flow);
    this.at((options.startMs ?? 0) * 1_000, () => flow.begin(this.now));
    return flow;
  }

  /** Runs until `until` seconds, or until `isDone` says so. */
  run(until: number, isDone?: () => boolean): void {
    for (;;) {
      if (isDone?.() === true) return;
      let next = this.#events.next() as number;
      for (const flow of this.flows) next = Math.min(next, flow.nextTimeout());
      if (next === NEVER || next > until * US_PER_SEC) {
        this.now = (until * US_PER_SEC) as Instant;
        return;
      }
      this.now = Math.max(this.now, next) as Instant;
      while (this.#events.next() <= this.now) (this.#events.pop() as Event)();
      for (const flow of this.flows) flow.turn(this.now);
    }
  }

  /** Bytes waiting at the bottleneck. */
  get queue(): number {
    return (Math.max(0, this.#busyUntil - this.now) * this.rateBytes) / US_PER_SEC;
  }

  transmit(piece: Piece): void {
    const options = this.#options;
    const index = this.#index++;
    const bytes = ((piece.end - piece.seq) | 0) + HEADER_BYTES;
    const queue = this.queue;
    if (queue + bytes > this.#buffer) {
      this.drops++;
      return;
    }
    if (piece.isEct && queue > (options.markAbove ?? Number.POSITIVE_INFINITY)) {
      piece.isCe = true;
      this.marks++;
    }
    this.maxQueue = Math.max(this.maxQueue, queue);
    this.#busyUntil = Math.max(this.#busyUntil, this.now) + (bytes * US_PER_SEC) / this.rateBytes;
    const isRandom = options.loss !== undefined && options.loss > 0 && this.#rng.unit() < options.loss;
    const isLost = options.isLost?.(index, piece.flow.index, piece.seq) ?? isRandom;
    if (isLost) {
      this.randomDrops++;
      return;
    }
    const extra = options.extraDelay?.(index, this.#busyUntil) ?? 0;
    this.at(this.#busyUntil + this.rttUs / 2 + extra, () => piece.flow.receive(piece));
  }
}

/** A sender with endless data, or some, and its receiver. */
export class BulkFlow {
  readonly index: number;
  readonly tcb: Tcb;
  readonly recovery: LossRecovery;
  readonly shared: RecoveryShared;
  /** Bytes that arrived in order. */
  received = 0;
  finishedAt = -1;
  retransmittedBytes = 0;
  timeouts = 0;
  /** Called after each acknowledgement. */
  onAck: ((now: Instant) => void) | null = null;
  readonly #path: PathModel;
  readonly #options: FlowOptions;
  readonly #config = defaultTcpConfig();
  readonly segment: Segment = new Segment();
  #isBegun = false;

  // The receiver.
  #rcvNxt: number;
  #ranges: [number, number][] = [];
  #tsRecent = 0;
  #isEcho = false;

  constructor(path: PathModel, index: number, options: FlowOptions, random: Rng) {
    this.#path = path;
    this.#options = options;
    this.index = index;
    const table = new TcbTable(1);
    const tcb = tcbCursor(table).at(table.allocate());
    this.tcb = tcb;
    const iss = options.iss ?? 0x7fff_0000 + index;
    tcb.state = State.Established;
    tcb.sndMss = MSS;
    tcb.iss = iss;
    tcb.sndUna = iss;
    tcb.sndNxt = iss;
    tcb.sndEnd = (iss + Math.min(options.bytes ?? 1e9, 1e9)) | 0;
    tcb.sndWnd = options.window ?? 0x3fff_0000;
    if (options.sack ?? true) tcb.set(TcbFlag.Sack);
    if (options.timestamps ?? true) tcb.set(TcbFlag.Timestamps);
    if (options.ecn ?? false) tcb.set(TcbFlag.Ecn);
    // The handshake has measured the round trip.
    addRttSample(tcb, this.#config, path.rttUs);
    this.#rcvNxt = iss;
    this.shared = new RecoveryShared(random, options.congestion);
    this.shared.isPacing = options.pacing ?? true;
    this.recovery = new LossRecovery(
      path.now,
      this.shared,
      new AckDigest(this.shared),
      options.congestion,
      tcb,
    );
  }

  begin(now: Instant): void {
    this.#isBegun = true;
    this.#send(now);
  }

  nextTimeout(): number {
    const { tcb } = this;
    const pace = tcb.paceAt > this.#path.now ? tcb.paceAt : NEVER;
    return Math.min(tcb.rtoAt, tcb.recoveryAt, pace);
  }

  turn(now: Instant): void {
    if (!this.#isBegun) return;
    const { tcb, recovery } = this;
    if (tcb.recoveryAt <= now) recovery.handleTimeout(now, tcb);
    if (tcb.rtoAt <= now) {
      tcb.retransmits++;
      this.timeouts++;
      tcb.rtoAt = now + backedOff(tcb, this.#config, tcb.retransmits);
      recovery.handleRto(now, tcb);
    }
    this.#send(now);
  }

  /** Mean over the time since the flow began: bits per second. */
  goodput(seconds: number): number {
    return (this.received * 8) / seconds;
  }

  #send(now: Instant): void {
    const { tcb, recovery } = this;
    while (tcb.sndUna !== tcb.sndNxt && recovery.pollRetransmit(now, tcb, GSO_MAX)) {
      const { start, end } = recovery;
      this.#transmit(now, start, end, true);
      recovery.handleSent(now, tcb, start, end, true);
    }
    for (;;) {
      const pending = (tcb.sndEnd - tcb.sndNxt) | 0;
      const usable = (tcb.sndUna + tcb.sndWnd - tcb.sndNxt) | 0;
      if (pending <= 0 || usable <= 0) {
        if (pending <= 0) recovery.handleAppLimited(now, tcb);
        return;
      }
      const quota = recovery.sendQuota(now, tcb);
      let length = Math.min(pending, usable, quota, GSO_MAX);
      if (length < MSS && length < pending) return;
      if (length > MSS) length -= length % MSS;
      if (length <= 0) return;
      const start = tcb.sndNxt;
      this.#transmit(now, start, start + length, false);
      tcb.sndNxt = (start + length) | 0;
      if (tcb.rtoAt === NEVER) tcb.rtoAt = now + tcb.rto;
      recovery.handleSent(now, tcb, start, tcb.sndNxt, false);
      // Endless: the application writes on.
      if (this.#options.bytes === undefined) tcb.sndEnd = (tcb.sndNxt + 1e9) | 0;
    }
  }

  #transmit(now: Instant, start: number, end: number, isRetransmission: boolean): void {
    const { tcb } = this;
    if (isRetransmission) this.retransmittedBytes += (end - start) | 0;
    const isCwr = !isRetransmission && tcb.has(TcbFlag.EcnCwr);
    if (isCwr) tcb.clear(TcbFlag.EcnCwr);
    const tsVal = Math.floor(now / 1_000) | 0;
    const isEct = tcb.has(TcbFlag.Ecn) && !isRetransmission;
    for (let seq = start; lt(seq, end | 0); seq = (seq + MSS) | 0) {
      const stop = lt((seq + MSS) | 0, end | 0) ? (seq + MSS) | 0 : end | 0;
      this.#path.transmit({
        flow: this,
        seq,
        end: stop,
        tsVal,
        isCe: false,
        isEct,
        isCwr: isCwr && seq === start,
      });
    }
  }

  receive(piece: Piece): void {
    const { seq, end, tsVal } = piece;
    if (piece.isCwr) this.#isEcho = false;
    if (piece.isCe) this.#isEcho = true;
    let duplicate: [number, number] | null = null;
    // RFC 7323 §4.3: the echo is of the last segment that advanced the left edge.
    if (leq(seq, this.#rcvNxt)) this.#tsRecent = tsVal;
    if (leq(end, this.#rcvNxt)) {
      duplicate = [seq, end];
    } else if (this.#ranges.some(([from, to]) => leq(from, seq) && leq(end, to))) {
      duplicate = [seq, end];
    } else {
      this.#insert(seq, end);
    }
    const first = this.#ranges[0];
    if (first !== undefined && leq(first[0], this.#rcvNxt)) {
      this.received += (first[1] - this.#rcvNxt) | 0;
      this.#rcvNxt = first[1];
      this.#ranges.shift();
    }
    const newest = this.#ranges.filter(([from, to]) => leq(from, seq) && leq(end, to));
    const blocks = [...newest, ...this.#ranges.filter((range) => !newest.includes(range))];
    if (duplicate !== null) blocks.unshift(duplicate);
    const ack = this.#rcvNxt;
    const echo = this.#tsRecent;
    const isEce = this.#isEcho;
    this.#path.at(this.#path.now + this.#path.rttUs / 2, () =>
      this.#acknowledge(ack, blocks.slice(0, 3), echo, isEce),
    );
  }

  #insert(seq: number, end: number): void {
    const rest: [number, number][] = [];
    let from = seq;
    let to = end;
    for (const range of this.#ranges) {
      if (lt(range[1], from) || gt(range[0], to)) {
        rest.push(range);
        continue;
      }
      if (lt(range[0], from)) from = range[0];
      if (gt(range[1], to)) to = range[1];
    }
    rest.push([from, to]);
    this.#ranges = rest.sort((a, b) => (a[0] - b[0]) | 0);
  }

  #acknowledge(ack: number, blocks: [number, number][], echo: number, isEce: boolean): void {
    const { tcb, recovery } = this;
    const { now } = this.#path;
    if (lt(ack, tcb.sndUna)) return;
    const { segment } = this;
    segment.ack = ack;
    segment.flags = isEce ? Flag.Ack | Flag.Ece : Flag.Ack;
    segment.length = 0;
    const { options } = segment;
    options.reset();
    if (tcb.has(TcbFlag.Timestamps)) {
      options.hasTs = true;
      options.tsEcr = echo;
    }
    if (tcb.has(TcbFlag.Sack)) {
      options.sackCount = blocks.length;
      for (const [i, [from, to]] of blocks.entries()) {
        options.sack[2 * i] = from;
        options.sack[2 * i + 1] = to;
      }
    }
    const prior = tcb.sndUna;
    const hasAdvanced = gt(ack, prior);
    tcb.sndUna = ack;
    if (hasAdvanced) {
      tcb.retransmits = 0;
      tcb.rtoAt = ack === tcb.sndNxt ? NEVER : now + tcb.rto;
    }
    recovery.handleAck(now, tcb, segment, prior, false);
    if (recovery.rttUs >= 0) addRttSample(tcb, this.#config, recovery.rttUs);
    if (this.finishedAt < 0 && this.#options.bytes !== undefined && geq(ack, tcb.sndEnd))
      this.finishedAt = now;
    this.onAck?.(now);
  }
}

/** Jain's index of fairness. */
export function jain(rates: readonly number[]): number {
  const sum = rates.reduce((a, b) => a + b, 0);
  const squares = rates.reduce((a, b) => a + b * b, 0);
  return (sum * sum) / (rates.length * squares);
}
