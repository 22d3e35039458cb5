/**
 * A link of so many bits per second and the bounded queue in front of it, as arithmetic: a frame leaves when those
 * before it have left and its own bits are through.
 */
import type { Instant } from '../../base/time.ts';
import { NEVER } from '../../base/time.ts';
import type { Rate } from './profile.ts';

const QUEUE_MAX_PACKETS = 1_000;

export class RateLimit {
  readonly #bytesPerUs: number;
  readonly #overheadBytes: number;
  readonly #queueMaxBytes: number;
  /** When each frame leaves that has not left yet: a ring. */
  readonly #departures: Float64Array;
  #first = 0;
  #count = 0;
  /** When the link is through with all it has taken. Fractions of a microsecond are kept, so that they add up. */
  #idleAt = 0;

  /** A link that changes its rate goes on being busy for as long as it was. */
  constructor(rate: Rate, before: RateLimit | null) {
    this.#bytesPerUs = rate.bitsPerSecond / 8_000_000;
    this.#overheadBytes = rate.overheadBytes ?? 0;
    this.#queueMaxBytes = rate.queueMaxBytes ?? Number.POSITIVE_INFINITY;
    this.#departures = new Float64Array(rate.queueMaxPackets ?? QUEUE_MAX_PACKETS);
    if (before !== null) this.#idleAt = before.#idleAt;
  }

  /** When a frame of `length` bytes that comes now is through, rounded up; `NEVER` when the queue is full. */
  pass(now: Instant, length: number): Instant {
    this.#forget(now);
    const bytes = Math.max(0, length + this.#overheadBytes);
    const waiting = Math.max(0, this.#idleAt - now);
    const isFull = waiting > 0 && waiting * this.#bytesPerUs + bytes > this.#queueMaxBytes;
    if (isFull || this.#count === this.#departures.length) return NEVER;
    this.#idleAt = now + waiting + bytes / this.#bytesPerUs;
    const departure = Math.ceil(this.#idleAt - ROUNDING);
    this.#departures[(this.#first + this.#count) % this.#departures.length] = departure;
    this.#count++;
    return departure as Instant;
  }

  /** Of those that have left. */
  #forget(now: Instant): void {
    while (this.#count > 0 && (this.#departures[this.#first] as number) <= now) {
      this.#first = (this.#first + 1) % this.#departures.length;
      this.#count--;
    }
  }
}

/** What sums of doubles may be off by must not cost a whole microsecond. */
const ROUNDING = 1e-3;
