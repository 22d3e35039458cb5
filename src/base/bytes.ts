/**
 * Copying and comparing bytes.
 */

/** Below this many bytes a loop beats the call into the runtime (measured: 1.6 ns a byte, 80 ns a call). */
const LOOP_MAX = 48;

/**
 * All of the memory that both ends of the last copy lay in: the packets of a pool share an arena, within which a copy
 * needs no view of its own.
 */
let whole: Uint8Array = new Uint8Array(0);

/**
 * Copies `length` bytes of `source` from `from` to `target` at `at`. Ranges of one array may overlap.
 * A long copy between two arrays makes one short-lived view: the price of the fast copy of the runtime.
 */
export function copyBytes(
  target: Uint8Array,
  at: number,
  source: Uint8Array,
  from: number,
  length: number,
): void {
  if (length <= LOOP_MAX && target !== source) {
    for (let i = 0; i < length; i++) target[at + i] = source[from + i] as number;
    return;
  }
  const { buffer } = target;
  if (buffer === source.buffer) {
    if (buffer !== whole.buffer) whole = new Uint8Array(buffer);
    const start = source.byteOffset + from;
    whole.copyWithin(target.byteOffset + at, start, start + length);
    return;
  }
  target.set(source.subarray(from, from + length), at);
}

export function equalBytes(a: Uint8Array, at: number, b: Uint8Array, from: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (a[at + i] !== b[from + i]) return false;
  return true;
}
