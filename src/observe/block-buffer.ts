/**
 * A buffer of a fixed size that pcapng blocks are written into: words, options, text, and the two lengths of a
 * block. It does not check for room: the writer asks before it begins a block.
 */
import { writeDecimal, writeUtf8 } from './text.ts';

export const OPTION_END = 0;
export const OPTION_COMMENT = 1;

const TWO_32 = 0x1_0000_0000;

export class BlockBuffer {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Where the next byte goes. */
  end = 0;

  constructor(length: number) {
    this.bytes = new Uint8Array(length);
    this.view = new DataView(this.bytes.buffer);
  }

  /** Answers where the block is, for `finish`. */
  begin(type: number): number {
    const start = this.end;
    this.u32(type);
    this.u32(0);
    return start;
  }

  finish(start: number): void {
    this.u32(OPTION_END);
    const length = this.end + 4 - start;
    this.view.setUint32(start + 4, length, true);
    this.u32(length);
  }

  /** Answers where the option is, for `finishOption`. */
  option(code: number, length: number): number {
    const at = this.end;
    this.u16(code);
    this.u16(length);
    return at;
  }

  /** Of an option whose length was not known when it began. */
  finishOption(at: number): void {
    this.view.setUint16(at + 2, this.end - at - 4, true);
    this.pad();
  }

  textOption(code: number, text: string, maxBytes: number): void {
    const at = this.option(code, 0);
    this.end = writeUtf8(this.bytes, this.end, this.end + maxBytes, text);
    this.finishOption(at);
  }

  /** Adds a comment to a finished block and moves what was written behind it. There must be room. Answers how far. */
  insertComment(start: number, text: string, maxBytes: number): number {
    const length = this.view.getUint32(start + 4, true);
    // In front of the end of options and the length that close the block.
    const at = start + length - 8;
    const behind = this.end;
    // Once at the end, to see how long it is, and again where it belongs.
    this.textOption(OPTION_COMMENT, text, maxBytes);
    const added = this.end - behind;
    this.bytes.copyWithin(at + added, at, behind);
    this.end = at;
    this.textOption(OPTION_COMMENT, text, maxBytes);
    this.end = behind + added;
    this.view.setUint32(start + 4, length + added, true);
    this.view.setUint32(start + length + added - 4, length + added, true);
    return added;
  }

  text(text: string): void {
    this.end = writeUtf8(this.bytes, this.end, this.bytes.length, text);
  }

  decimal(value: number): void {
    this.end = writeDecimal(this.bytes, this.end, value);
  }

  pad(): void {
    while ((this.end & 3) !== 0) this.bytes[this.end++] = 0;
  }

  u16(value: number): void {
    this.view.setUint16(this.end, value, true);
    this.end += 2;
  }

  u32(value: number): void {
    this.view.setUint32(this.end, value, true);
    this.end += 4;
  }

  /** The lower word first, as the byte order of the file has it. */
  u64(value: number): void {
    this.u32(value % TWO_32);
    this.u32(Math.floor(value / TWO_32));
  }

  /**
   * Microseconds since 1970, `us` and a part of one, as nanoseconds in two words: a time stamp has the upper one
   * first whatever the byte order.
   */
  time(us: number, fraction: number): void {
    const upperUs = Math.floor(us / TWO_32);
    const low = (us - upperUs * TWO_32) * 1_000 + Math.floor(fraction * 1_000);
    this.u32(upperUs * 1_000 + Math.floor(low / TWO_32));
    this.u32(low % TWO_32);
  }
}
