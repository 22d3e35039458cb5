/**
 * `--capture FILE`: every frame of the device as pcapng, written behind the stack's back.
 *
 *     monitor → tee → writer (two buffers) → fs.write, one at a time
 *
 * When the disk is slower than the frames come, they are left out and counted; nothing waits.
 */
import { closeSync, openSync, write, writeSync } from 'node:fs';
import type { Instant } from '../base/time.ts';
import { after, ms, NEVER } from '../base/time.ts';
import type { CaptureReport } from '../control/report.ts';
import type { Medium } from '../device/net-device.ts';
import { LinkType } from '../observe/frame-sink.ts';
import { PcapngWriter } from '../observe/pcapng.ts';
import { epochUs } from './clock.ts';
import type { Task } from './loop.ts';

/** Enough for a write to be worth its system call. */
const CHUNK_MIN_BYTES = 65_536;
/** Whoever watches the file grow sees a frame after at most this time. */
const DELAY_MAX = ms(200);

export function linkTypeOf(medium: Medium): number {
  return medium === 'ethernet' ? LinkType.Ethernet : LinkType.Raw;
}

export class CaptureFile implements Task {
  readonly writer: PcapngWriter;
  readonly path: string;
  /** Told, once, that nothing is written any more, and why. */
  onFailure: ((error: Error) => void) | null = null;
  readonly #fd: number;
  #isWriting = false;
  #isClosed = false;
  #closedAt: Instant = NEVER;
  #flushAt: Instant = NEVER;

  /** Throws what opening a file throws. */
  constructor(path: string, device: { readonly name: string; readonly medium: Medium }) {
    this.path = path;
    // It may hold whatever passwords passed by.
    this.#fd = openSync(path, 'w', 0o600);
    this.writer = new PcapngWriter({ epochUs: epochUs() });
    this.writer.addInterface({ name: device.name, linkType: linkTypeOf(device.medium) });
  }

  report(): CaptureReport {
    const { frames, left } = this.writer.counters(0);
    return { target: this.path, frames, left };
  }

  handleTurn(now: Instant): void {
    const { pendingBytes } = this.writer;
    if (this.#isClosed || pendingBytes === 0) return;
    if (this.#flushAt === NEVER || (this.#isWriting && now >= this.#flushAt))
      this.#flushAt = after(now, DELAY_MAX);
    if (this.#isWriting || (pendingBytes < CHUNK_MIN_BYTES && now < this.#flushAt)) return;
    this.#flushAt = NEVER;
    const chunk = this.writer.pollChunk();
    if (chunk !== null) this.#write(chunk);
  }

  nextTimeout(): Instant {
    return this.#flushAt;
  }

  /** Writes what is left, statistics included, once what is being written is. */
  close(now: Instant): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#closedAt = now;
    // What came since a write began can only be put behind it.
    if (!this.#isWriting) this.#finish(now);
  }

  #finish(now: Instant): void {
    this.writer.finish(now);
    try {
      for (let chunk = this.writer.pollChunk(); chunk !== null; chunk = this.writer.pollChunk()) {
        for (let at = 0; at < chunk.length; ) at += writeSync(this.#fd, chunk, at);
        this.writer.handleChunkWritten();
      }
    } catch (error) {
      this.onFailure?.(error as Error);
    }
    closeSync(this.#fd);
  }

  #write(chunk: Uint8Array): void {
    this.#isWriting = true;
    write(this.#fd, chunk, 0, chunk.length, null, (error, written) => {
      if (error !== null) {
        this.#isWriting = false;
        this.#isClosed = true;
        closeSync(this.#fd);
        this.onFailure?.(error);
      } else if (written < chunk.length) {
        this.#write(chunk.subarray(written));
      } else {
        this.#isWriting = false;
        this.writer.handleChunkWritten();
        if (this.#isClosed) this.#finish(this.#closedAt);
      }
    });
  }
}
