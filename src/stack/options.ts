/**
 * What a stack is made with. Everything has a default but time and chance, which only its owner can give.
 */
import type { Rng } from '../base/rng.ts';
import type { Instant } from '../base/time.ts';
import type { IpOptions } from '../ip/shared.ts';
import type { Pool } from '../packet/pool.ts';
import type { TcpConfig } from '../tcp/config.ts';

/** Slots of a daemon's pool: 512 hold 32 MB of address space, of which a busy host touches a tenth. */
export const POOL_SLOTS = 512;
/** Frames a device may hand up per turn: beyond it timers and transmission get their share first. */
export const RECEIVE_BUDGET = 64;
/** Deadlines served per turn. */
export const TIMER_BUDGET = 256;
/** Interfaces of one stack; `addDevice` refuses more. */
export const INTERFACES_MAX = 4_096;
/** Frames that wait in front of a device (ip-link(8), `txqueuelen`). */
export const TXQUEUELEN = 1_000;

export interface StackOptions {
  /** Chance of its own: a secret seed in a daemon, the world's in a simulation. */
  readonly rng: Rng;
  /** When the stack is made. */
  readonly now: Instant;
  readonly poolSlots?: number;
  /** In place of a pool of its own: who makes many stacks, one after the other, need not pay for memory each time. */
  readonly pool?: Pool;
  readonly ip?: Partial<IpOptions>;
  readonly tcp?: Partial<TcpConfig>;
  /** Milliseconds since the Unix epoch at `now`, for ICMP timestamps and daytime; without it they are not answered. */
  readonly wallClock?: (now: Instant) => number;
}
