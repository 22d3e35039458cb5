/**
 * Waiting for a descriptor: a callback on the event loop while it is readable.
 *
 * Level-triggered: called again and again while something is left to read. Close the watch before the descriptor.
 */
import type { Addon } from './addon.ts';
import { loadAddon } from './addon.ts';
import type { LinkFailure } from './failure.ts';
import { failure, noAddon } from './failure.ts';

export class Watch {
  readonly #addon: Addon;
  readonly #id: number;
  #isOpen = true;

  constructor(addon: Addon, id: number) {
    this.#addon = addon;
    this.#id = id;
  }

  /** Keeps the process alive, as it does from the beginning. */
  ref(): void {
    if (this.#isOpen) this.#addon.watchRef(this.#id, 1);
  }

  unref(): void {
    if (this.#isOpen) this.#addon.watchRef(this.#id, 0);
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#addon.unwatch(this.#id);
  }
}

/** Calls `onReadable` with 0 while `fd` is readable; with `-errno`, once, when it can be waited for no more. */
export function watchReadable(fd: number, onReadable: (status: number) => void): Watch | LinkFailure {
  const addon = loadAddon();
  if (addon === null) return noAddon();
  const id = addon.watch(fd, onReadable);
  return id < 0 ? failure('watch', id, `descriptor ${fd}`) : new Watch(addon, id);
}
