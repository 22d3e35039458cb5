/**
 * Connections in TIME-WAIT: all that is left of one is enough to acknowledge a FIN that comes again, and to
 * judge a SYN that would use the same ports again (RFC 9293 §3.6.1, RFC 6191). Rows of a dozen words, bounded.
 */
import type { Instant } from '../../base/time.ts';
import { NEVER } from '../../base/time.ts';
import { TimerWheel } from '../../base/timers.ts';
import type { FlowWords } from '../flow-words.ts';
import { FLOW_WORDS } from '../flow-words.ts';

const ROW = FLOW_WORDS + 8;
const SND_NXT = FLOW_WORDS;
const RCV_NXT = FLOW_WORDS + 1;
const WINDOW = FLOW_WORDS + 2;
const TS_RECENT = FLOW_WORDS + 3;
const TS_OFFSET = FLOW_WORDS + 4;
const HAS_TS = FLOW_WORDS + 5;
const TOS = FLOW_WORDS + 6;
const RCV_WSCALE = FLOW_WORDS + 7;
const ROWS_FIRST = 64;

export class TimeWaitTable {
  #words = new Int32Array(ROWS_FIRST * ROW);
  /** When the last answer was sent, and when `tsRecent` was taken. */
  #answeredAt = new Float64Array(ROWS_FIRST);
  #tsRecentAt = new Float64Array(ROWS_FIRST);
  readonly #wheel: TimerWheel;
  readonly #free: number[] = [];
  #used = 0;
  #count = 0;

  constructor(now: Instant) {
    this.#wheel = new TimerWheel(now);
  }

  get count(): number {
    return this.#count;
  }

  /** A row for `flow`; the rest is `set…`. */
  allocate(flow: FlowWords, until: Instant): number {
    const row = this.#free.pop() ?? this.#used++;
    if ((row + 1) * ROW > this.#words.length) this.#grow();
    flow.fill(this.#words.subarray(row * ROW, row * ROW + FLOW_WORDS), FLOW_WORDS);
    this.#answeredAt[row] = Number.NEGATIVE_INFINITY;
    this.#count++;
    this.#wheel.set(row, until);
    return row;
  }

  free(row: number): void {
    this.#wheel.clear(row);
    this.#count--;
    this.#free.push(row);
  }

  /** Starts the 2 MSL again. */
  restart(row: number, until: Instant): void {
    this.#wheel.set(row, until);
  }

  /** A row whose time has come and that is still to be freed, or -1. */
  expire(now: Instant): number {
    return this.#count === 0 ? -1 : this.#wheel.expire(now);
  }

  next(): Instant {
    return this.#count === 0 ? NEVER : this.#wheel.next();
  }

  loadFlow(row: number, into: Int32Array): void {
    for (let i = 0; i < FLOW_WORDS; i++) into[i] = this.#words[row * ROW + i] as number;
  }

  setSequence(row: number, sndNxt: number, rcvNxt: number, window: number, rcvWscale: number): void {
    this.#words[row * ROW + SND_NXT] = sndNxt;
    this.#words[row * ROW + RCV_NXT] = rcvNxt;
    this.#words[row * ROW + WINDOW] = window;
    this.#words[row * ROW + RCV_WSCALE] = rcvWscale;
  }

  setTimestamps(row: number, has: boolean, tsRecent: number, tsRecentAt: number, tsOffset: number): void {
    this.#words[row * ROW + HAS_TS] = has ? 1 : 0;
    this.#words[row * ROW + TS_RECENT] = tsRecent;
    this.#words[row * ROW + TS_OFFSET] = tsOffset;
    this.#tsRecentAt[row] = tsRecentAt;
  }

  setTos(row: number, tos: number): void {
    this.#words[row * ROW + TOS] = tos;
  }

  sndNxt(row: number): number {
    return this.#words[row * ROW + SND_NXT] as number;
  }

  rcvNxt(row: number): number {
    return this.#words[row * ROW + RCV_NXT] as number;
  }

  /** As announced last, in bytes. */
  window(row: number): number {
    return this.#words[row * ROW + WINDOW] as number;
  }

  rcvWscale(row: number): number {
    return this.#words[row * ROW + RCV_WSCALE] as number;
  }

  hasTs(row: number): boolean {
    return this.#words[row * ROW + HAS_TS] === 1;
  }

  tsRecent(row: number): number {
    return this.#words[row * ROW + TS_RECENT] as number;
  }

  tsRecentAt(row: number): number {
    return this.#tsRecentAt[row] as number;
  }

  tsOffset(row: number): number {
    return this.#words[row * ROW + TS_OFFSET] as number;
  }

  tos(row: number): number {
    return this.#words[row * ROW + TOS] as number;
  }

  /** Whether an answer may be sent, which counts as sent then. */
  mayAnswer(now: Instant, row: number, intervalUs: number): boolean {
    if (now - (this.#answeredAt[row] as number) < intervalUs) return false;
    this.#answeredAt[row] = now;
    return true;
  }

  /** For lists: every row in use, by `wheel` deadline. */
  deadline(row: number): Instant {
    return this.#wheel.deadline(row);
  }

  get end(): number {
    return this.#used;
  }

  #grow(): void {
    const words = new Int32Array(this.#words.length * 2);
    words.set(this.#words);
    this.#words = words;
    const answeredAt = new Float64Array(this.#answeredAt.length * 2);
    answeredAt.set(this.#answeredAt);
    this.#answeredAt = answeredAt;
    const tsRecentAt = new Float64Array(this.#tsRecentAt.length * 2);
    tsRecentAt.set(this.#tsRecentAt);
    this.#tsRecentAt = tsRecentAt;
  }
}
