/**
 * Errors that wait for a socket that asked for them (ip(7), `IP_RECVERR`). Bounded, as anybody on the way can
 * send more; the oldest are kept, since the first one tells the cause.
 */
import { PathError } from '../udp/path-error.ts';

/** A traceroute that sends 16 probes at a time gets as many errors. */
const ERRORS_MAX = 64;

export class ErrorQueue {
  /** Made as they are first needed, then used again. */
  readonly #records: PathError[] = [];
  #head = 0;
  #length = 0;
  /** How many found no room. */
  lost = 0;

  get length(): number {
    return this.#length;
  }

  push(error: PathError): void {
    if (this.#length === ERRORS_MAX) {
      this.lost++;
      return;
    }
    const at = (this.#head + this.#length) % ERRORS_MAX;
    let record = this.#records[at];
    if (record === undefined) {
      record = new PathError();
      this.#records[at] = record;
    }
    error.copyTo(record);
    this.#length++;
  }

  /** Moves the oldest to `into`; false when there is none. */
  shift(into: PathError): boolean {
    if (this.#length === 0) return false;
    (this.#records[this.#head] as PathError).copyTo(into);
    this.#head = (this.#head + 1) % ERRORS_MAX;
    this.#length--;
    return true;
  }
}
