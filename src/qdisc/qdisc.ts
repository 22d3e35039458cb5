/**
 * A queueing discipline: what decides which frame leaves a device next, and when (tc(8)).
 */
import type { Drop } from '../base/drop.ts';
import type { Instant } from '../base/time.ts';
import type { Packet } from '../packet/packet.ts';

/** Named as in `tc -s qdisc`. */
export interface QdiscCounters {
  sentPackets: number;
  sentBytes: number;
  dropped: number;
}

export const qdiscCounters = (): QdiscCounters => ({ sentPackets: 0, sentBytes: 0, dropped: 0 });

export interface Qdisc {
  /** As tc names it. */
  readonly kind: string;
  /** Frames that wait. */
  readonly length: number;
  /** Bytes that wait. */
  readonly backlogBytes: number;
  readonly counters: QdiscCounters;
  /** Takes ownership. Anything but `Drop.None` was dropped and counted. */
  enqueue(now: Instant, packet: Packet): Drop;
  /** The next frame that may leave now, or null. */
  dequeue(now: Instant): Packet | null;
  /** When `dequeue` will next have something: `START` when it has now, `NEVER` when it is empty. */
  nextTimeout(): Instant;
  /** Drops all that waits. */
  purge(): void;
}
