/** Bytes for tests: made from a seed, joined. */
import { rng } from '../../src/base/rng.ts';

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const total = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    total.set(part, at);
    at += part.length;
  }
  return total;
}

/** `length` bytes that depend on `seed`, never the same at two places of a window. */
export function noise(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  const chance = rng(seed);
  for (let i = 0; i + 4 <= length; i += 4) {
    const word = chance.u32();
    for (let j = 0; j < 4; j++) bytes[i + j] = word >> (8 * j);
  }
  for (let i = length & ~3; i < length; i++) bytes[i] = chance.u32();
  return bytes;
}
