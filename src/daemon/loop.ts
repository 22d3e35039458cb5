/**
 * When the stack takes its turns on a real host:
 *
 *     descriptor readable ─┐
 *     deadline, setTimeout ├→ turn(now) → when to be called again ┬ now: a few times at once, then by setImmediate
 *     application wrote,   │                                      └ later: the timer
 *       setImmediate ──────┘
 *
 * A turn has a budget, so under load it says «now» again and again; between two runs of this loop everything else in
 * the process gets its share.
 */
import type { Instant } from '../base/time.ts';
import { earliest, NEVER } from '../base/time.ts';
import { LinkFailure } from '../link/failure.ts';
import type { Watch } from '../link/watch.ts';
import { watchReadable } from '../link/watch.ts';
import type { Stack } from '../stack/stack.ts';
import type { Clock } from './clock.ts';

/**
 * Turns in a row before the loop is given back. More save little, since an iteration of the loop costs about a
 * microsecond and a full turn a hundred; each delays timers and control clients by a turn.
 */
const TURNS_MAX = 4;
/** What `setTimeout` takes; a later deadline is looked at again then. */
const TIMEOUT_MAX_MS = 0x7fff_ffff;

/** Something that wants to be called after each turn and at times of its own: a ping, a capture. */
export interface Task {
  handleTurn(now: Instant): void;
  nextTimeout(): Instant;
}

export class Loop {
  readonly #stack: Stack;
  readonly #clock: Clock;
  readonly #watches: Watch[] = [];
  readonly #tasks = new Set<Task>();
  #isRunning = false;
  #isTurning = false;
  #isWoken = false;
  #immediate: NodeJS.Immediate | null = null;
  #timer: NodeJS.Timeout | null = null;
  #timerAt: Instant = NEVER;
  readonly #onImmediate = (): void => {
    this.#immediate = null;
    this.#run();
  };
  readonly #onTimer = (): void => {
    this.#timer = null;
    this.#timerAt = NEVER;
    this.#run();
  };
  /** Counts runs of the loop, for who measures. */
  readonly counters: { runs: number; turns: number } = { runs: 0, turns: 0 };

  constructor(stack: Stack, clock: Clock) {
    this.#stack = stack;
    this.#clock = clock;
  }

  /** Also takes turns when `fd` is readable; `onFailure` is told when it can be waited for no more. */
  watch(fd: number, onFailure: (errno: number) => void): LinkFailure | null {
    const watch = watchReadable(fd, (status) => {
      if (status < 0) onFailure(-status);
      else this.#run();
    });
    if (watch instanceof LinkFailure) return watch;
    this.#watches.push(watch);
    return null;
  }

  start(): void {
    this.#isRunning = true;
    this.#stack.onWake = (): void => this.wake();
    this.wake();
  }

  /** No turn is taken any more. The descriptors may be closed afterwards. */
  stop(): void {
    this.#isRunning = false;
    this.#stack.onWake = null;
    for (const watch of this.#watches.splice(0)) watch.close();
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#immediate !== null) clearImmediate(this.#immediate);
    this.#timer = null;
    this.#immediate = null;
  }

  /** A turn is wanted soon. May be called often. */
  wake(): void {
    // What woke in a turn may have come after the step that serves it.
    if (this.#isTurning) this.#isWoken = true;
    else this.#again();
  }

  add(task: Task): void {
    this.#tasks.add(task);
    this.wake();
  }

  remove(task: Task): void {
    this.#tasks.delete(task);
  }

  #run(): void {
    if (!this.#isRunning) return;
    this.counters.runs++;
    this.#isTurning = true;
    this.#isWoken = false;
    let now = this.#clock();
    let next = this.#turn(now);
    for (let turns = 1; next <= now && turns < TURNS_MAX; turns++) {
      now = this.#clock();
      next = this.#turn(now);
    }
    this.#isTurning = false;
    if (!this.#isRunning) return;
    if (next <= now || this.#isWoken) this.#again();
    else this.#arm(now, next);
  }

  #turn(now: Instant): Instant {
    this.counters.turns++;
    let next = this.#stack.turn(now);
    // What sockets did meanwhile, the turn has served or spoken of in its answer.
    this.#isWoken = false;
    if (this.#tasks.size === 0) return next;
    for (const task of this.#tasks) {
      task.handleTurn(now);
      if (this.#tasks.has(task)) next = earliest(next, task.nextTimeout());
    }
    return next;
  }

  #again(): void {
    if (this.#isRunning) this.#immediate ??= setImmediate(this.#onImmediate);
  }

  /** Lazily: a timer that fires too early costs a turn that does nothing, setting one anew costs more. */
  #arm(now: Instant, next: Instant): void {
    if (next >= this.#timerAt || next === NEVER) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timerAt = next;
    const delayMs = Math.min(Math.max(1, Math.ceil((next - now) / 1_000)), TIMEOUT_MAX_MS);
    this.#timer = setTimeout(this.#onTimer, delayMs);
  }
}
