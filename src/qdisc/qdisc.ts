/**
 * A queueing discipline: what decides which frame leaves a device next, and when (tc(8)).
 */
import type { Drop } from '../base/drop.ts';
import type { Instant } from '../base/time.ts';
import type { Packet } from '../packet/packet.ts';

export interface Qdisc {
  /** As tc names it. */
  readonly kind: string;
  /** Frames that wait. */
  readonly length: number;
  /** Takes ownership. Anything but `Drop.None` was dropped and counted. */
  enqueue(now: Instant, packet: Packet): Drop;
  /** The next frame that may leave now, or null. */
  dequeue(now: Instant): Packet | null;
  /** When `dequeue` will next have something: `START` when it has now, `NEVER` when it is empty. */
  nextTimeout(): Instant;
  /** Drops all that waits. */
  purge(): void;
}
