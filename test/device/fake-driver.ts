/** A link driver in memory, whose link can be full, refuse a frame, or be down. */
import type { Mac } from '../../src/addr/mac.ts';
import type { LinkDriver } from '../../src/device/link-driver.ts';
import type { DeviceFeatures, Medium } from '../../src/device/net-device.ts';
import { NO_OFFLOAD } from '../../src/device/net-device.ts';
import type { Packet } from '../../src/packet/packet.ts';
import type { Pool } from '../../src/packet/pool.ts';
import { MAC_A } from './frames.ts';

export class FakeDriver implements LinkDriver {
  readonly name = 'fake0';
  readonly medium: Medium = 'ethernet';
  readonly mac: Mac | null = MAC_A;
  readonly mtu = 1_500;
  readonly features: DeviceFeatures;
  readonly fd = 3;
  isClosed = false;
  /** Waits to be read. */
  readonly arrived: Packet[] = [];
  readonly sent: Packet[] = [];
  writes = 0;
  reads = 0;
  /** How many frames the link still takes. */
  room: number = Number.POSITIVE_INFINITY;
  /** An errno for every read and write. */
  broken = 0;
  /** An errno for the frame of this length. */
  refused = 0;
  refusedLength = 0;

  constructor(features: DeviceFeatures = NO_OFFLOAD) {
    this.features = features;
  }

  readBatch(_pool: Pool, out: Packet[], max: number): number {
    this.reads++;
    if (this.broken !== 0) return -this.broken;
    const batch = this.arrived.splice(0, max);
    for (const [i, packet] of batch.entries()) out[i] = packet;
    return batch.length;
  }

  /** Keeps a copy, as the caller releases what it wrote. */
  writeBatch(packets: readonly Packet[], count: number): number {
    this.writes++;
    if (this.broken !== 0) return -this.broken;
    for (let i = 0; i < count; i++) {
      const packet = packets[i] as Packet;
      if (this.room === 0) return i;
      if (packet.length === this.refusedLength) return i > 0 ? i : -this.refused;
      this.room--;
      this.sent.push(packet);
      this.lengths.push(packet.length);
      this.onWrite(packet);
    }
    return count;
  }

  readonly lengths: number[] = [];
  /** For a test that looks at what was written while it is there. */
  onWrite: (packet: Packet) => void = () => {};

  close(): void {
    this.isClosed = true;
    for (const packet of this.arrived.splice(0)) packet.release();
  }
}
