/**
 * Calls of the script that wait: each is tried again after every turn, and must come back when the script says.
 */
import type { Instant } from '../../base/time.ts';
import { earliest, NEVER } from '../../base/time.ts';
import type { PreparedCall } from '../call/context.ts';
import type { CallAction } from '../language/ast.ts';
import type { CallResult } from '../syscalls.ts';

export interface PendingCall {
  readonly line: number;
  readonly action: CallAction;
  readonly prepared: PreparedCall;
  /** When it is to come back; null: whenever it does. */
  readonly end: Instant | null;
  /** When it was made, in the time of the script. */
  readonly begin: Instant;
}

export class PendingCalls {
  readonly #calls: PendingCall[] = [];
  readonly #finish: (call: PendingCall, result: CallResult) => void;

  /** `finish` hears of each that comes back. */
  constructor(finish: (call: PendingCall, result: CallResult) => void) {
    this.#finish = finish;
  }

  get first(): PendingCall | null {
    return this.#calls[0] ?? null;
  }

  has(call: PendingCall): boolean {
    return this.#calls.includes(call);
  }

  all(): readonly PendingCall[] {
    return this.#calls;
  }

  /** Tries it for the first time. */
  begin(now: Instant, call: PendingCall): void {
    const result = call.prepared.call.attempt(now);
    if (result === null) this.#calls.push(call);
    else this.#finish(call, result);
  }

  /** When one of them gives up waiting. */
  next(): Instant {
    let next: Instant = NEVER;
    for (const { prepared } of this.#calls) next = earliest(next, prepared.call.deadline);
    return next;
  }

  /** Tries all; answers whether one came back. */
  attempt(now: Instant): boolean {
    let isAny = false;
    for (const call of this.#calls.slice()) {
      const result = call.prepared.call.attempt(now);
      if (result === null) continue;
      this.#calls.splice(this.#calls.indexOf(call), 1);
      isAny = true;
      this.#finish(call, result);
    }
    return isAny;
  }
}
