/**
 * The one place where packets are dropped: counted by reason, shown to whoever watches, released.
 *
 * One `Drops` per stack. A packet that has served its purpose is not a drop; its last owner calls `release()`.
 */
import { DROP_LIMIT, Drop, dropName } from '../base/drop.ts';
import type { Packet } from './packet.ts';

/** Sees a packet just before it is released; must not keep it. */
export type DropWatcher = (packet: Packet, reason: Drop) => void;

export class Drops {
  /** How many packets were dropped, by reason. */
  readonly counts: Float64Array = new Float64Array(DROP_LIMIT);
  /** For captures and traces. */
  watcher: DropWatcher | null = null;

  /** Takes ownership of `packet`. Answers the reason, so that a caller may return it. */
  drop(packet: Packet, reason: Drop): Drop {
    this.counts[reason] = (this.counts[reason] as number) + 1;
    if (this.watcher !== null) this.watcher(packet, reason);
    packet.release();
    return reason;
  }

  /** Counts a drop for which there never was a packet, as when no slot was free. */
  count(reason: Drop): Drop {
    this.counts[reason] = (this.counts[reason] as number) + 1;
    return reason;
  }

  /** The reasons that occurred, by name. */
  status(): Record<string, number> {
    const result: Record<string, number> = {};
    for (const reason of Object.values(Drop)) {
      const count = this.counts[reason] as number;
      if (count > 0) result[dropName(reason)] = count;
    }
    return result;
  }
}
