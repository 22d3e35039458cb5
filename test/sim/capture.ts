/** A capture of every frame of a world, as one pcapng file with an interface for each port. */
import { closeSync, openSync, writeSync } from 'node:fs';
import type { Drop } from '../../src/base/drop.ts';
import type { Instant } from '../../src/base/time.ts';
import type { Direction } from '../../src/observe/frame-sink.ts';
import { LinkType } from '../../src/observe/frame-sink.ts';
import { PcapngWriter } from '../../src/observe/pcapng.ts';
import type { Packet } from '../../src/packet/packet.ts';
import type { PortInfo, WorldSink } from '../../src/sim/world-port.ts';

/** Half of its buffer: a drop may still be noted at a frame for as long as it is handled. */
const FLUSH_BYTES = 1 << 19;

export class Capture implements WorldSink {
  readonly #writer = new PcapngWriter({ epochUs: 0, application: 'scripts/sim' });
  readonly #file: number;
  #now: Instant = 0 as Instant;

  constructor(path: string) {
    this.#file = openSync(path, 'w');
  }

  addPort({ name, device }: PortInfo): number {
    const linkType = device.medium === 'ethernet' ? LinkType.Ethernet : LinkType.Raw;
    return this.#writer.addInterface({ name, linkType });
  }

  peekFrame(now: Instant, id: number, packet: Packet, direction: Direction): number {
    this.#now = now;
    if (this.#writer.pendingBytes > FLUSH_BYTES) this.#flush();
    return this.#writer.peekFrame(now, id, packet, direction);
  }

  noteDrop(ticket: number, reason: Drop): void {
    this.#writer.noteDrop(ticket, reason);
  }

  close(): void {
    this.#flush();
    this.#writer.finish(this.#now);
    this.#flush();
    closeSync(this.#file);
  }

  #flush(): void {
    const chunk = this.#writer.pollChunk();
    if (chunk === null) return;
    writeSync(this.#file, chunk);
    this.#writer.handleChunkWritten();
  }
}
