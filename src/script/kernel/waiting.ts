/**
 * A call that may wait: a step that answers EAGAIN while it would, tried again until it answers something else, or
 * until its time is over.
 */
import type { Duration, Instant } from '../../base/time.ts';
import { after, NEVER } from '../../base/time.ts';
import type { Call, CallResult } from '../syscalls.ts';

export interface WaitOptions {
  /** False: EAGAIN of the step is the answer. */
  readonly mayWait: boolean;
  /** Null: for ever. */
  readonly timeout: Duration | null;
  /** The answer when the time is over, or when it may not wait. */
  readonly onTimeout: () => CallResult;
}

export class Waiting implements Call {
  deadline: Instant = NEVER;
  readonly #options: WaitOptions;
  readonly #step: (now: Instant) => CallResult;
  #isBegun = false;

  constructor(options: WaitOptions, step: (now: Instant) => CallResult) {
    this.#options = options;
    this.#step = step;
  }

  attempt(now: Instant): CallResult | null {
    const { mayWait, timeout, onTimeout } = this.#options;
    if (!this.#isBegun) {
      this.#isBegun = true;
      if (timeout !== null) this.deadline = after(now, timeout);
    }
    const result = this.#step(now);
    if (result !== 'EAGAIN') return result;
    return mayWait && now < this.deadline ? null : onTimeout();
  }
}

/** A call whose answer is known. */
export function answered(result: CallResult): Call {
  return { deadline: NEVER, attempt: () => result };
}
