/** Capture files made byte by byte, so that the reader is not tested with the writer's mistakes. */

export class Bytes {
  readonly #values: number[] = [];
  readonly #isLittle: boolean;

  constructor(isLittle: boolean) {
    this.#isLittle = isLittle;
  }

  get length(): number {
    return this.#values.length;
  }

  u16(...values: number[]): this {
    for (const value of values) this.#word(value, 2);
    return this;
  }

  u32(...values: number[]): this {
    for (const value of values) this.#word(value, 4);
    return this;
  }

  raw(values: Iterable<number>): this {
    this.#values.push(...values);
    return this;
  }

  pad(): this {
    while (this.#values.length % 4 !== 0) this.#values.push(0);
    return this;
  }

  done(): Uint8Array {
    return Uint8Array.from(this.#values);
  }

  #word(value: number, length: number): void {
    const bytes = Array.from({ length }, (_, i) => Math.floor(value / 256 ** i) % 256);
    this.#values.push(...(this.#isLittle ? bytes : bytes.reverse()));
  }
}

export interface FileFrame {
  readonly seconds: number;
  /** In the unit of the file. */
  readonly fraction: number;
  readonly bytes: readonly number[];
  readonly originalLength?: number;
}

export function pcapFile(
  isLittle: boolean,
  isNano: boolean,
  linkType: number,
  frames: readonly FileFrame[],
): Uint8Array {
  const file = new Bytes(isLittle);
  file
    .u32(isNano ? 0xa1b23c4d : 0xa1b2c3d4)
    .u16(2, 4)
    .u32(0, 0, 65_535, linkType);
  for (const { seconds, fraction, bytes, originalLength } of frames) {
    file.u32(seconds, fraction, bytes.length, originalLength ?? bytes.length).raw(bytes);
  }
  return file.done();
}

/** A block of pcapng around its body. */
export function block(isLittle: boolean, type: number, body: Uint8Array): Uint8Array {
  const length = 12 + Math.ceil(body.length / 4) * 4;
  return new Bytes(isLittle).u32(type, length).raw(body).pad().u32(length).done();
}

export function section(isLittle: boolean): Uint8Array {
  const body = new Bytes(isLittle).u32(0x1a2b3c4d).u16(1, 0).u32(0xffffffff, 0xffffffff).done();
  return block(isLittle, 0x0a0d0d0a, body);
}

export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}
