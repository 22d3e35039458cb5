/**
 * When events are due, and whether what happened was in time. Times are those of the script: since it began.
 */
import type { Duration } from '../../base/time.ts';
import { us } from '../../base/time.ts';
import type { Event, EventTime } from '../language/ast.ts';
import type { Config } from './config.ts';

/** An event's time, counted from the beginning of the script. */
export interface Due {
  readonly kind: EventTime['kind'];
  readonly start: Duration;
  readonly end: Duration;
  /** What a relative time was counted from. */
  readonly base: Duration;
  /** How far it may be off. */
  readonly tolerance: Duration;
}

export class EventClock {
  readonly #config: Config;
  #last: Due | null = null;
  #wasInbound = false;

  constructor(config: Config) {
    this.#config = config;
  }

  /**
   * A relative time counts from now; between packets that the script sends in a row from when the one before was due,
   * so that small delays do not add up.
   */
  due(event: Event, now: Duration): Due {
    const { action, time } = event;
    const isInbound = action.kind === 'packet' && action.isInbound;
    const isAbsolute = time.kind === 'absolute' || time.kind === 'absolute range';
    const anchor = isInbound && this.#wasInbound && this.#last !== null ? this.#last.start : now;
    const base = isAbsolute ? us(0) : anchor;
    const start = us(base + time.start);
    const due = { kind: time.kind, start, end: us(base + time.end), base, tolerance: this.tolerance(start) };
    this.#last = due;
    this.#wasInbound = isInbound;
    return due;
  }

  /** Of something due at `time`: fixed, or a share of the time since the event before. */
  tolerance(time: Duration): Duration {
    const since = this.#last === null ? 0 : time - this.#last.start;
    return us(Math.max(this.#config.tolerance, (this.#config.tolerancePercent / 100) * since));
  }
}

/** What is wrong with `actual`, or empty. */
export function timeFault(due: Due, actual: Duration): string {
  if (due.kind === 'any') return '';
  const isRange = due.kind === 'absolute range' || due.kind === 'relative range';
  const end = isRange ? due.end : due.start;
  if (actual >= due.start - due.tolerance && actual <= end + due.tolerance) return '';
  const isRelative = due.kind === 'relative range' || due.kind === 'relative';
  const base = isRelative ? due.base : 0;
  const sign = isRelative ? '+' : '';
  const text = (time: number): string => sign + secondsText(us(time - base));
  const want = isRange ? `between ${text(due.start)} and ${text(end)}` : `at ${text(due.start)}`;
  return `it was due ${want} and happened at ${text(actual)} (tolerance ${secondsText(due.tolerance)})`;
}

export function secondsText(time: Duration): string {
  return (time / 1_000_000).toFixed(6);
}
