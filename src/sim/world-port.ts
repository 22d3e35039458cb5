/**
 * What hosts and links see of the world they are in, and who may look at all of its frames.
 */
import type { Rng } from '../base/rng.ts';
import type { Instant } from '../base/time.ts';
import type { NetDevice } from '../device/net-device.ts';
import type { FrameSink } from '../observe/frame-sink.ts';
import type { Drops } from '../packet/drops.ts';
import type { Pool } from '../packet/pool.ts';
import type { Stack } from '../stack/stack.ts';

/** Where frames are seen: `router0/eth1`. */
export interface PortInfo {
  readonly name: string;
  readonly stack: Stack;
  readonly device: NetDevice;
}

/** Somebody who looks at every frame, at every port. */
export interface WorldSink extends FrameSink {
  /** Answers the number by which `peekFrame` names the port. */
  addPort(port: PortInfo): number;
}

export interface WorldPort {
  readonly now: Instant;
  readonly rng: Rng;
  /** The wires' own, for duplicates and copies. */
  readonly pool: Pool;
  readonly drops: Drops;
  readonly sink: WorldSink | null;
  /** A pool for a stack: its packets are to be back in the end. */
  takePool(name: string, capacity: number): Pool;
  /** A stack is about to be closed, and can still be asked. */
  noteStopping(name: string, stack: Stack): void;
  /** It has been closed. */
  noteStopped(name: string, stack: Stack): void;
}
