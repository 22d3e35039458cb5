/**
 * Pools that are used again: most of what a small world costs is the memory of its packets, and worlds follow each
 * other by the thousand.
 *
 * A pool comes back when it is whole. What its slots hold is then what the last user left there, which nobody may
 * notice: a run that depends on it is not the same twice, and the simulator looks for that.
 */
import { Pool } from '../packet/pool.ts';

export class PoolSupply {
  /** By capacity. */
  readonly #idle = new Map<number, Pool[]>();

  take(capacity: number): Pool {
    return this.#idle.get(capacity)?.pop() ?? new Pool(capacity);
  }

  /** Only a whole one is kept. */
  giveBack(pool: Pool): void {
    if (pool.available !== pool.capacity) return;
    pool.lowWater = pool.capacity;
    pool.exhausted = 0;
    const idle = this.#idle.get(pool.capacity);
    if (idle === undefined) this.#idle.set(pool.capacity, [pool]);
    else idle.push(pool);
  }
}
