/**
 * Bytes for tests of codecs: from hex, in a view that ends where they end, so that one octet too far throws.
 *
 * The view begins at an odd place in a larger buffer full of 0xa5, and the bytes begin behind a few of those,
 * so that a codec that forgets `at`, or takes its view's buffer, is wrong.
 */

/** Where the bytes begin in a view that `view` made. */
export const AT = 5;

const POISON = 0xa5;
const BEFORE = 3;

/** `bytes` from `AT` to the end of the view. */
export function viewOf(bytes: Uint8Array): DataView {
  const buffer = new Uint8Array(BEFORE + AT + bytes.length + 16).fill(POISON);
  buffer.set(bytes, BEFORE + AT);
  return new DataView(buffer.buffer, BEFORE, AT + bytes.length);
}

/** `length` octets of 0xa5 from `AT`, to write into. */
export const blank = (length: number): DataView => viewOf(new Uint8Array(length).fill(POISON));

/** From hex with any white space. */
export const view = (hex: string): DataView => viewOf(fromHex(hex));

export function fromHex(hex: string): Uint8Array {
  const digits = hex.replaceAll(/\s/g, '');
  return Uint8Array.from({ length: digits.length / 2 }, (_, i) =>
    Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16),
  );
}

/** The octets from `at` to `end` of a view. */
export function toHex(bytes: DataView, at: number = AT, end: number = bytes.byteLength): string {
  let hex = '';
  for (let i = at; i < end; i++) hex += bytes.getUint8(i).toString(16).padStart(2, '0');
  return hex;
}

/** An address word from its text. */
export function ip(text: string): number {
  return text.split('.').reduce((word, part) => (word << 8) | Number(part), 0);
}

/** Properties are repeatable: the same cases in every run. */
export const SEED = { seed: 20_260_727, numRuns: 400 } as const;
