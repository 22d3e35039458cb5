/**
 * What `link/` implements: a descriptor that frames come out of and go into. System calls only, no policy.
 *
 * `device/nic.ts` makes a `NetDevice` of one.
 */
import type { Mac } from '../addr/mac.ts';
import type { Instant } from '../base/time.ts';
import type { Packet } from '../packet/packet.ts';
import type { Pool } from '../packet/pool.ts';
import type { DeviceFeatures, Medium } from './net-device.ts';

export interface LinkDriver {
  readonly name: string;
  readonly medium: Medium;
  /** The stack's own link address on this link, or null on a medium without one. */
  readonly mac: Mac | null;
  readonly mtu: number;
  readonly features: DeviceFeatures;
  /** Readable when frames wait; -1 when nothing can be waited for (a replayed file). */
  readonly fd: number;

  /**
   * Reads at most `max` waiting frames into slots of `pool` and puts them into `out` from 0 on, each with `head`,
   * `l3`, `tail`, offload metadata and checksum flags set. Answers how many, 0 when none waits, `-errno` when the
   * link is broken.
   */
  readBatch(pool: Pool, out: Packet[], max: number): number;
  /**
   * Writes `count` frames from `packets`, in order. Answers how many the link took: fewer than `count` when its queue
   * is full, `-errno` when the first of them was refused. Releases nothing.
   */
  writeBatch(packets: readonly Packet[], count: number): number;
  /** Only for a driver whose `fd` is -1: when a frame will next wait, as `NetDevice.nextTimeout` says it. */
  nextTimeout?(): Instant;
  close(): void;
}
