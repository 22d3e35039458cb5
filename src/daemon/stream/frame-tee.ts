/**
 * One sink that is several: so that a capture to a file and those of clients see the same device.
 *
 * A ticket here is a number of its own, under which the tickets of the inner sinks are kept for as long as the
 * handling of a frame can last.
 */
import type { Drop } from '../../base/drop.ts';
import type { Instant } from '../../base/time.ts';
import type { Monitor } from '../../device/monitor.ts';
import type { Direction, FrameSink } from '../../observe/frame-sink.ts';
import type { Packet } from '../../packet/packet.ts';

export const SINKS_MAX = 4;
/** Frames whose handling lies within that of another: an answer to a frame, a tunnel in a tunnel. */
const DEPTH_MAX = 64;

export class FrameTee implements FrameSink {
  readonly #monitor: Monitor;
  readonly #sinks: (FrameSink | null)[] = new Array<FrameSink | null>(SINKS_MAX).fill(null);
  readonly #tickets: Float64Array = new Float64Array(DEPTH_MAX * SINKS_MAX);
  #next = 0;

  constructor(monitor: Monitor) {
    this.#monitor = monitor;
  }

  /** False when there are as many as there may be. */
  add(sink: FrameSink): boolean {
    const at = this.#sinks.indexOf(null);
    if (at < 0) return false;
    this.#sinks[at] = sink;
    // The new one must not be told of frames before its time.
    for (let depth = 0; depth < DEPTH_MAX; depth++) this.#tickets[depth * SINKS_MAX + at] = -1;
    if (!this.#monitor.isWatching) this.#monitor.watch(this, 0);
    return true;
  }

  remove(sink: FrameSink): void {
    const at = this.#sinks.indexOf(sink);
    if (at >= 0) this.#sinks[at] = null;
    if (this.#sinks.every((one) => one === null)) this.#monitor.unwatch();
  }

  peekFrame(now: Instant, interfaceId: number, packet: Packet, direction: Direction): number {
    const ticket = this.#next++;
    const row = (ticket % DEPTH_MAX) * SINKS_MAX;
    for (let i = 0; i < SINKS_MAX; i++) {
      const sink = this.#sinks[i] as FrameSink | null;
      this.#tickets[row + i] = sink === null ? -1 : sink.peekFrame(now, interfaceId, packet, direction);
    }
    return ticket;
  }

  noteDrop(ticket: number, reason: Drop): void {
    if (this.#next - ticket > DEPTH_MAX) return;
    const row = (ticket % DEPTH_MAX) * SINKS_MAX;
    for (let i = 0; i < SINKS_MAX; i++) {
      const inner = this.#tickets[row + i] as number;
      if (inner >= 0) this.#sinks[i]?.noteDrop(inner, reason);
    }
  }
}
