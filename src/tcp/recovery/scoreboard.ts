/**
 * The scoreboard: what was sent and not acknowledged yet, as ranges of the send sequence space (RFC 6675 §3),
 * with the time each was sent (RFC 8985 §5.2) and what the connection had delivered then (delivery rate
 * estimation).
 *
 *     sndUna                                                     sndNxt
 *       | lost, retransmitted | SACKed | lost | SACKed | in flight |
 *
 * A range is what one call to output sent: a super-segment is one range, cut only where a SACK block, a
 * partial acknowledgement or a retransmission ends within it; SACKed neighbours are joined again. Two orders
 * are kept:
 *   by sequence   `order`, ids sorted, found by bisection; moving ids is cheap and the rows stay where they are
 *   by time       a list of what may still be lost: neither SACKed nor already marked (RFC 8985 §6.2, step 5)
 * In flight, with the names of RFC 6675: pipe = sent − SACKed − lost + retransmitted.
 *
 * A connection has at most RANGES_MAX; then neighbours are joined, which forgets times but no bytes.
 */
import { assert } from '../../base/assert.ts';
import { geq, gt, leq, lt } from '../../base/seq32.ts';
import type { Instant } from '../../base/time.ts';
import type { RateState } from '../congestion/rate-sample.ts';
import type { SentRows } from './sent-rows.ts';
import {
  DELIVERED,
  DELIVERED_AT,
  END,
  FIRST_SENT_AT,
  FLAGS,
  LOST_BEFORE,
  NEWER,
  NUMBERS,
  OLDER,
  SENT_AT,
  START,
  TX_IN_FLIGHT,
  WORDS,
} from './sent-rows.ts';

export const RangeFlag = {
  /** Reported by a SACK block (RFC 2018). */
  Sacked: 0x1,
  /** Taken for lost. */
  Lost: 0x2,
  /** A retransmission of it is in flight. */
  Retransmitted: 0x4,
  /** It was retransmitted at some time: its round trip is ambiguous (Karn). */
  EverRetransmitted: 0x8,
  /** Sent while the application had too little data: its rate is a lower bound. */
  AppLimited: 0x10,
  /** A probe of the path's MTU: its loss is no congestion. */
  MtuProbe: 0x20,
} as const;

/** Takes a range that has just arrived, before it leaves the board or is joined with others. */
export interface DeliverySink {
  /** The first `bytes` of range `id` are acknowledged (`isSack` false) or SACKed for the first time. */
  handleDelivered(now: Instant, board: Scoreboard, id: number, bytes: number, isSack: boolean): void;
}

// 64 KB each it is half a gigabyte; in single segments of 1,460 bytes 12 MB, and ranges are then joined.
const RANGES_MAX = 8192;
/** 64 bytes: the largest typed array that the engine makes without going to the allocator. */
const ORDER_FIRST = 16;
const NONE = -1;

export class Scoreboard {
  /** Bytes that were SACKed and lie above SND.UNA. */
  sackedBytes = 0;
  /** Bytes marked lost, whether retransmitted or not. */
  lostBytes = 0;
  /** Bytes of retransmissions in flight. */
  retransmittedBytes = 0;
  /** One past the highest SACKed byte; only while `sackedBytes > 0`. */
  highestSacked = 0;
  count = 0;

  readonly #rows: SentRows;
  #order: Int32Array = new Int32Array(ORDER_FIRST);
  #head = ORDER_FIRST >> 2;
  #oldest = NONE;
  #newest = NONE;
  #bytes = 0;

  constructor(rows: SentRows) {
    this.#rows = rows;
  }

  /** Bytes between SND.UNA and SND.NXT. */
  get bytes(): number {
    return this.#bytes;
  }

  /** RFC 6675 §4, `pipe`. */
  get inFlight(): number {
    return this.#bytes - this.sackedBytes - this.lostBytes + this.retransmittedBytes;
  }

  /** The range at position `index` of the sequence order. */
  id(index: number): number {
    return this.#order[this.#head + index] as number;
  }

  start(id: number): number {
    return this.#rows.words[id * WORDS + START] as number;
  }

  end(id: number): number {
    return this.#rows.words[id * WORDS + END] as number;
  }

  length(id: number): number {
    return (this.end(id) - this.start(id)) | 0;
  }

  flags(id: number): number {
    return this.#rows.words[id * WORDS + FLAGS] as number;
  }

  has(id: number, flag: number): boolean {
    return (this.flags(id) & flag) !== 0;
  }

  sentAt(id: number): number {
    return this.#rows.numbers[id * NUMBERS + SENT_AT] as number;
  }

  delivered(id: number): number {
    return this.#rows.numbers[id * NUMBERS + DELIVERED] as number;
  }

  deliveredAt(id: number): number {
    return this.#rows.numbers[id * NUMBERS + DELIVERED_AT] as number;
  }

  firstSentAt(id: number): number {
    return this.#rows.numbers[id * NUMBERS + FIRST_SENT_AT] as number;
  }

  lostBefore(id: number): number {
    return this.#rows.numbers[id * NUMBERS + LOST_BEFORE] as number;
  }

  txInFlight(id: number): number {
    return this.#rows.numbers[id * NUMBERS + TX_IN_FLIGHT] as number;
  }

  /** The range of the time order that was sent first, or -1. */
  get oldest(): number {
    return this.#oldest;
  }

  /** The one sent next after `id`, or -1. */
  newer(id: number): number {
    return this.#rows.words[id * WORDS + NEWER] as number;
  }

  /** Position of the first range that ends after `seq`: the one that holds it. `count` if there is none. */
  find(seq: number): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (gt(this.end(this.id(middle)), seq)) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** New data [start, end) leave. */
  push(
    now: Instant,
    start: number,
    end: number,
    rate: RateState,
    isAppLimited: boolean,
    isMtuProbe = false,
  ): void {
    const bytes = (end - start) | 0;
    const flags = (isAppLimited ? RangeFlag.AppLimited : 0) | (isMtuProbe ? RangeFlag.MtuProbe : 0);
    const last = this.count === 0 ? NONE : this.id(this.count - 1);
    assert(last === NONE || this.end(last) === start, 'new data follow on what was sent');
    rate.handleSent(now, this.inFlight);
    this.#bytes += bytes;
    // One turn sends at one time: what is alike in all that recovery asks about is one range.
    const isAlike =
      last !== NONE &&
      !isMtuProbe &&
      this.flags(last) === flags &&
      this.sentAt(last) === now &&
      this.delivered(last) === rate.delivered;
    if (isAlike || (this.count >= RANGES_MAX && this.#mayJoin(last))) {
      this.#rows.words[last * WORDS + END] = end;
      this.#rows.numbers[last * NUMBERS + SENT_AT] = now;
      this.#rows.numbers[last * NUMBERS + TX_IN_FLIGHT] = this.inFlight;
      return;
    }
    const id = this.#allocate(start, end, flags);
    this.#insert(this.count, id);
    this.#stamp(id, now, rate);
    this.#append(id);
  }

  /** The whole of range `id` is sent again. */
  retransmit(now: Instant, id: number, rate: RateState, isAppLimited: boolean): void {
    rate.handleSent(now, this.inFlight);
    const flags = this.flags(id);
    if ((flags & RangeFlag.Retransmitted) === 0) this.retransmittedBytes += this.length(id);
    const limited = isAppLimited ? RangeFlag.AppLimited : 0;
    this.#rows.words[id * WORDS + FLAGS] =
      (flags & ~(RangeFlag.AppLimited | RangeFlag.MtuProbe)) |
      RangeFlag.Retransmitted |
      RangeFlag.EverRetransmitted |
      limited;
    this.#stamp(id, now, rate);
    this.#unlink(id);
    this.#append(id);
  }

  /** Takes `id` for lost: an original, or its retransmission once more. */
  markLost(id: number): void {
    const flags = this.flags(id);
    const bytes = this.length(id);
    if ((flags & RangeFlag.Lost) === 0) this.lostBytes += bytes;
    if ((flags & RangeFlag.Retransmitted) !== 0) this.retransmittedBytes -= bytes;
    this.#rows.words[id * WORDS + FLAGS] = (flags | RangeFlag.Lost) & ~RangeFlag.Retransmitted;
    this.#unlink(id);
  }

  /** It was not lost after all (an undone recovery): what was not sent again is in flight as before. */
  unmarkLost(): void {
    for (let index = 0; index < this.count; index++) {
      const id = this.id(index);
      const flags = this.flags(id);
      if ((flags & RangeFlag.Lost) === 0) continue;
      this.#rows.words[id * WORDS + FLAGS] = flags & ~RangeFlag.Lost;
      if ((flags & RangeFlag.Retransmitted) === 0) this.#linkByTime(id);
    }
    this.lostBytes = 0;
  }

  /**
   * RFC 2018 §8: the peer may discard what it reported. After a timeout the reports are not to be relied on.
   */
  forgetSacks(): void {
    for (let index = 0; index < this.count; index++) {
      const id = this.id(index);
      const flags = this.flags(id);
      if ((flags & RangeFlag.Sacked) === 0) continue;
      this.#rows.words[id * WORDS + FLAGS] = (flags & ~RangeFlag.Sacked) | RangeFlag.EverRetransmitted;
      this.#linkByTime(id);
    }
    this.sackedBytes = 0;
  }

  /** Everything below `una` has arrived. */
  handleAck(now: Instant, una: number, sink: DeliverySink): void {
    while (this.count > 0) {
      const id = this.id(0);
      if (geq(this.start(id), una)) return;
      const bytes = leq(this.end(id), una) ? this.length(id) : (una - this.start(id)) | 0;
      const flags = this.flags(id);
      if ((flags & RangeFlag.Sacked) === 0) sink.handleDelivered(now, this, id, bytes, false);
      this.#uncount(flags, bytes);
      this.#bytes -= bytes;
      if (bytes < this.length(id)) {
        this.#rows.words[id * WORDS + START] = una;
        return;
      }
      this.#unlink(id);
      this.#rows.release(id);
      this.#head++;
      this.count--;
    }
    this.#head = this.#order.length >> 2;
  }

  /** The connection is over: its rows go back. */
  clear(): void {
    for (let index = 0; index < this.count; index++) this.#rows.release(this.id(index));
    this.count = 0;
    this.sackedBytes = 0;
    this.lostBytes = 0;
    this.retransmittedBytes = 0;
    this.#bytes = 0;
    this.#oldest = NONE;
    this.#newest = NONE;
  }

  /** A SACK block within SND.UNA and SND.NXT. */
  handleSack(now: Instant, from: number, to: number, sink: DeliverySink): void {
    let index = this.find(from);
    if (index === this.count) return;
    if (lt(this.start(this.id(index)), from) && !this.has(this.id(index), RangeFlag.Sacked)) {
      if (!this.split(index, from)) return;
      index++;
    }
    while (index < this.count) {
      const id = this.id(index);
      if (geq(this.start(id), to)) return;
      if (this.has(id, RangeFlag.Sacked)) {
        index++;
        continue;
      }
      if (gt(this.end(id), to) && !this.split(index, to)) return;
      sink.handleDelivered(now, this, id, this.length(id), true);
      index = this.#markSacked(index, id);
    }
  }

  /** Cuts the range at `index` in two at `seq`, which lies within it. False when there is no row left. */
  split(index: number, seq: number): boolean {
    if (this.count >= RANGES_MAX) return false;
    const id = this.id(index);
    const rest = this.#allocate(seq, this.end(id), this.flags(id));
    this.#rows.words[id * WORDS + END] = seq;
    const from = id * NUMBERS;
    this.#rows.numbers.copyWithin(rest * NUMBERS, from, from + NUMBERS);
    this.#insert(index + 1, rest);
    if (this.#isLinked(id)) this.#linkAfter(id, rest);
    return true;
  }

  /** Answers the position after it. */
  #markSacked(index: number, id: number): number {
    const bytes = this.length(id);
    const flags = this.flags(id);
    this.#uncount(flags, bytes);
    this.sackedBytes += bytes;
    if (this.sackedBytes === bytes || gt(this.end(id), this.highestSacked)) this.highestSacked = this.end(id);
    this.#rows.words[id * WORDS + FLAGS] = RangeFlag.Sacked | (flags & RangeFlag.EverRetransmitted);
    this.#unlink(id);
    if (index + 1 < this.count && this.has(this.id(index + 1), RangeFlag.Sacked)) this.#join(index);
    if (index === 0 || !this.has(this.id(index - 1), RangeFlag.Sacked)) return index + 1;
    this.#join(index - 1);
    return index;
  }

  /** Makes one range of the ones at `index` and behind it. */
  #join(index: number): void {
    const id = this.id(index);
    const next = this.id(index + 1);
    this.#rows.words[id * WORDS + END] = this.end(next);
    this.#rows.words[id * WORDS + FLAGS] = this.flags(id) | this.flags(next);
    const at = id * NUMBERS + SENT_AT;
    this.#rows.numbers[at] = Math.max(this.#rows.numbers[at] as number, this.sentAt(next));
    this.#rows.release(next);
    this.#remove(index + 1);
  }

  #mayJoin(last: number): boolean {
    return (this.flags(last) & ~RangeFlag.AppLimited) === 0;
  }

  /** `bytes` of a range with these flags count no longer. */
  #uncount(flags: number, bytes: number): void {
    if ((flags & RangeFlag.Sacked) !== 0) this.sackedBytes -= bytes;
    if ((flags & RangeFlag.Lost) !== 0) this.lostBytes -= bytes;
    if ((flags & RangeFlag.Retransmitted) !== 0) this.retransmittedBytes -= bytes;
  }

  #stamp(id: number, now: Instant, rate: RateState): void {
    const { numbers } = this.#rows;
    const at = id * NUMBERS;
    numbers[at + SENT_AT] = now;
    numbers[at + DELIVERED] = rate.delivered;
    numbers[at + DELIVERED_AT] = rate.deliveredAt;
    numbers[at + FIRST_SENT_AT] = rate.firstSentAt;
    numbers[at + LOST_BEFORE] = rate.lost;
    numbers[at + TX_IN_FLIGHT] = this.inFlight;
  }

  #allocate(start: number, end: number, flags: number): number {
    const id = this.#rows.allocate();
    const { words } = this.#rows;
    const at = id * WORDS;
    words[at + START] = start;
    words[at + END] = end;
    words[at + FLAGS] = flags;
    words[at + NEWER] = NONE;
    words[at + OLDER] = NONE;
    return id;
  }

  // The sequence order: a window in an array with room on both sides, so that the shorter side moves.

  #insert(index: number, id: number): void {
    const order = this.#order;
    const end = this.#head + this.count;
    if (index < this.count >> 1 && this.#head > 0) {
      order.copyWithin(this.#head - 1, this.#head, this.#head + index);
      this.#head--;
    } else {
      if (end === order.length) {
        this.#recentre();
        this.#insert(index, id);
        return;
      }
      order.copyWithin(this.#head + index + 1, this.#head + index, end);
    }
    order[this.#head + index] = id;
    this.count++;
  }

  #remove(index: number): void {
    const order = this.#order;
    if (index < this.count >> 1) {
      order.copyWithin(this.#head + 1, this.#head, this.#head + index);
      this.#head++;
    } else {
      order.copyWithin(this.#head + index, this.#head + index + 1, this.#head + this.count);
    }
    this.count--;
  }

  #recentre(): void {
    const old = this.#order;
    if (this.count * 2 > old.length) this.#order = new Int32Array(old.length * 2);
    const head = this.#order.length >> 3;
    // Between two arrays or within one: `set` copies as if by a temporary.
    this.#order.set(old.subarray(this.#head, this.#head + this.count), head);
    this.#head = head;
  }

  // The time order.

  #isLinked(id: number): boolean {
    return id === this.#oldest || (this.#rows.words[id * WORDS + OLDER] as number) !== NONE;
  }

  #append(id: number): void {
    if (this.#newest === NONE) {
      this.#oldest = id;
      this.#newest = id;
      return;
    }
    this.#linkAfter(this.#newest, id);
  }

  #linkAfter(older: number, id: number): void {
    const { words } = this.#rows;
    const newer = words[older * WORDS + NEWER] as number;
    words[older * WORDS + NEWER] = id;
    words[id * WORDS + OLDER] = older;
    words[id * WORDS + NEWER] = newer;
    if (newer === NONE) this.#newest = id;
    else words[newer * WORDS + OLDER] = id;
  }

  /** Puts it back where its time belongs; seldom. */
  #linkByTime(id: number): void {
    const sentAt = this.sentAt(id);
    let older = this.#newest;
    while (older !== NONE && this.sentAt(older) > sentAt)
      older = this.#rows.words[older * WORDS + OLDER] as number;
    if (older !== NONE) {
      this.#linkAfter(older, id);
      return;
    }
    const oldest = this.#oldest;
    this.#rows.words[id * WORDS + NEWER] = oldest;
    this.#rows.words[id * WORDS + OLDER] = NONE;
    if (oldest === NONE) this.#newest = id;
    else this.#rows.words[oldest * WORDS + OLDER] = id;
    this.#oldest = id;
  }

  #unlink(id: number): void {
    if (!this.#isLinked(id)) return;
    const { words } = this.#rows;
    const older = words[id * WORDS + OLDER] as number;
    const newer = words[id * WORDS + NEWER] as number;
    if (older === NONE) this.#oldest = newer;
    else words[older * WORDS + NEWER] = newer;
    if (newer === NONE) this.#newest = older;
    else words[newer * WORDS + OLDER] = older;
    words[id * WORDS + OLDER] = NONE;
    words[id * WORDS + NEWER] = NONE;
  }
}
