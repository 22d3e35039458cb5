/**
 * epoll(7): which descriptors somebody watches, and what of them is new.
 *
 * Level-triggered entries are ready while poll says so. Edge-triggered ones are ready once after something came, be it
 * more of the same, and when they are added or changed while something is there.
 */
import type { Instant } from '../../base/time.ts';
import { Linux } from '../constants.ts';
import type { CallErrno } from '../errno.ts';
import type { CallResult, EpollEvent } from '../syscalls.ts';
import type { SocketFile } from './file.ts';

/** Reported whether asked for or not. */
const ALWAYS = Linux.EPOLLERR | Linux.EPOLLHUP;

interface Watch {
  readonly fd: number;
  readonly file: SocketFile;
  events: number;
  data: number;
  /** Something came that was not told yet. */
  isNew: boolean;
  /** EPOLLONESHOT, and it was told. */
  isSpent: boolean;
}

export class Epoll {
  readonly #watches: Watch[] = [];

  control(
    now: Instant,
    operation: number,
    fd: number,
    file: SocketFile,
    event: EpollEvent,
  ): CallErrno | null {
    const at = this.#watches.findIndex((one) => one.fd === fd && one.file === file);
    const watch = this.#watches[at];
    switch (operation) {
      case Linux.EPOLL_CTL_ADD:
        if (watch !== undefined) return 'EEXIST';
        this.#watches.push({ fd, file, events: event.events, data: event.data, isNew: true, isSpent: false });
        return null;
      case Linux.EPOLL_CTL_MOD:
        if (watch === undefined) return 'ENOENT';
        watch.events = event.events;
        watch.data = event.data;
        watch.isNew = ready(now, watch) !== 0;
        watch.isSpent = false;
        return null;
      case Linux.EPOLL_CTL_DEL:
        if (watch === undefined) return 'ENOENT';
        this.#watches.splice(at, 1);
        return null;
      default:
        return 'EINVAL';
    }
  }

  /** Whoever closes a file says so. */
  forget(file: SocketFile): void {
    for (let i = this.#watches.length - 1; i >= 0; i--) {
      if (this.#watches[i]?.file === file) this.#watches.splice(i, 1);
    }
  }

  handleEdge(file: SocketFile, events: number): void {
    for (const watch of this.#watches) {
      if (watch.file === file && (events & (watch.events | ALWAYS)) !== 0) watch.isNew = true;
    }
  }

  /** What poll would say of the epoll descriptor itself. */
  isReady(now: Instant): boolean {
    return this.#watches.some((watch) => told(now, watch) !== 0);
  }

  /** EAGAIN when there is nothing. */
  take(now: Instant, max: number, into: EpollEvent[]): CallResult {
    let count = 0;
    for (const watch of this.#watches) {
      if (count === max) break;
      const events = told(now, watch);
      if (events === 0) continue;
      into.push({ events, data: watch.data });
      count++;
      watch.isNew = false;
      if ((watch.events & Linux.EPOLLONESHOT) !== 0) watch.isSpent = true;
    }
    return count === 0 ? 'EAGAIN' : count;
  }
}

function ready(now: Instant, watch: Watch): number {
  return watch.file.poll(now) & (watch.events | ALWAYS);
}

function told(now: Instant, watch: Watch): number {
  if (watch.isSpent) return 0;
  const isEdge = (watch.events & (Linux.EPOLLET | 0)) !== 0;
  return isEdge && !watch.isNew ? 0 : ready(now, watch);
}
