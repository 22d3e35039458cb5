/**
 * Captures that a client takes over the control socket: as pieces of a pcapng file, or as lines of text.
 *
 * Nothing waits for a client: what it does not take in time is left out and counted.
 */
import type { Drop } from '../../base/drop.ts';
import { dropName } from '../../base/drop.ts';
import type { Instant } from '../../base/time.ts';
import type { CaptureRequest, ResultStream } from '../../control/host.ts';
import type { CaptureEnd, CaptureItem } from '../../control/report.ts';
import type { Medium } from '../../device/net-device.ts';
import type { Direction, FrameSink } from '../../observe/frame-sink.ts';
import { PcapngWriter } from '../../observe/pcapng.ts';
import type { Packet } from '../../packet/packet.ts';
import { GsoType } from '../../packet/packet.ts';
import { describe } from '../../wire/describe.ts';
import { linkTypeOf } from '../capture-file.ts';
import { epochUs, wallClockMs } from '../clock.ts';

const LINES_MAX = 1_024;

export interface CapturedDevice {
  readonly name: string;
  readonly medium: Medium;
}

/** What both kinds have in common: counting, and ending after so many. */
abstract class LiveCapture implements FrameSink, ResultStream<CaptureItem, CaptureEnd> {
  frames = 0;
  protected isEnded = false;
  readonly #count: number;
  readonly #onClose: (capture: FrameSink) => void;
  #isEndTaken = false;

  constructor(request: CaptureRequest, onClose: (capture: FrameSink) => void) {
    this.#count = request.count ?? Number.POSITIVE_INFINITY;
    this.#onClose = onClose;
  }

  peekFrame(now: Instant, interfaceId: number, packet: Packet, direction: Direction): number {
    if (this.isEnded) return -1;
    this.frames++;
    const ticket = this.keep(now, interfaceId, packet, direction);
    if (this.frames >= this.#count) this.cancel(now);
    return ticket;
  }

  pollEnd(_now: Instant): CaptureEnd | null {
    if (!this.isEnded || this.#isEndTaken || this.hasMore) return null;
    this.#isEndTaken = true;
    return { frames: this.frames, left: this.left };
  }

  cancel(_now: Instant): void {
    this.isEnded = true;
  }

  close(): void {
    this.isEnded = true;
    this.#onClose(this);
  }

  abstract get left(): number;
  abstract noteDrop(ticket: number, reason: Drop): void;
  abstract pollItem(now: Instant): CaptureItem | null;
  protected abstract get hasMore(): boolean;
  protected abstract keep(now: Instant, interfaceId: number, packet: Packet, direction: Direction): number;
}

export class PcapngCapture extends LiveCapture {
  readonly #writer: PcapngWriter;
  #isFinished = false;

  constructor(device: CapturedDevice, request: CaptureRequest, onClose: (capture: FrameSink) => void) {
    super(request, onClose);
    const { snaplen } = request;
    this.#writer = new PcapngWriter({ epochUs: epochUs(), ...(snaplen === undefined ? {} : { snaplen }) });
    this.#writer.addInterface({ name: device.name, linkType: linkTypeOf(device.medium) });
  }

  get left(): number {
    return this.#writer.counters(0).left;
  }

  noteDrop(ticket: number, reason: Drop): void {
    this.#writer.noteDrop(ticket, reason);
  }

  pollItem(now: Instant): CaptureItem | null {
    if (this.isEnded && !this.#isFinished) {
      this.#isFinished = true;
      this.#writer.finish(now);
    }
    const chunk = this.#writer.pollChunk();
    if (chunk === null) return null;
    const item = { chunk: Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString('base64') };
    // It was copied into the text, so the writer may have it back.
    this.#writer.handleChunkWritten();
    return item;
  }

  protected get hasMore(): boolean {
    return !this.#isFinished || this.#writer.pendingBytes > 0;
  }

  protected keep(now: Instant, _interfaceId: number, packet: Packet, direction: Direction): number {
    return this.#writer.peekFrame(now, 0, packet, direction);
  }
}

export class TextCapture extends LiveCapture {
  left = 0;
  readonly #medium: Medium;
  #lines: string[] = [];
  /** How many lines were taken: a ticket is the number of a line. */
  #taken = 0;

  constructor(device: CapturedDevice, request: CaptureRequest, onClose: (capture: FrameSink) => void) {
    super(request, onClose);
    this.#medium = device.medium;
  }

  noteDrop(ticket: number, reason: Drop): void {
    const at = ticket - this.#taken;
    const line = this.#lines[at];
    if (line !== undefined) this.#lines[at] = `${line} [${dropName(reason)}]`;
  }

  pollItem(_now: Instant): CaptureItem | null {
    const line = this.#lines.shift();
    if (line === undefined) return null;
    this.#taken++;
    return { line };
  }

  protected get hasMore(): boolean {
    return this.#lines.length > 0;
  }

  protected keep(now: Instant, _interfaceId: number, packet: Packet, direction: Direction): number {
    if (this.#lines.length >= LINES_MAX) {
      this.left++;
      return -1;
    }
    const { view, head, tail, gsoType, gsoSize } = packet;
    const pieces = gsoType === GsoType.None ? '' : ` (pieces of ${gsoSize})`;
    const arrow = direction === 'in' ? '<' : '>';
    this.#lines.push(`${timeOfDay(now)} ${arrow} ${describe(view, head, tail, this.#medium)}${pieces}`);
    return this.#taken + this.#lines.length - 1;
  }
}

/** As tcpdump has it, in local time. */
function timeOfDay(now: Instant): string {
  const ms = wallClockMs(now);
  const date = new Date(ms);
  const us = Math.floor((ms - Math.floor(ms / 1_000) * 1_000) * 1_000);
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return `${time}.${String(us).padStart(6, '0')}`;
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}
