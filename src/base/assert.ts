/**
 * Assertions: they stay on in production, because a stack that goes on with a broken invariant corrupts
 * somebody's data. They are for our own bugs only; what the wire or a person sends is never asserted.
 */

/** Crashes with `message` (a sentence that says what cannot be, and why) unless `condition` holds. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`);
}

/** For the end of an exhaustive `switch`: the compiler proves that it is not reached. */
export function unreachable(value: never): never {
  throw new Error(`assertion failed: unexpected value ${String(value)}`);
}
