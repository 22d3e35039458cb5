/**
 * Names of interfaces.
 */

/** `IFNAMSIZ` without the final zero. */
const NAME_BYTES_MAX = 15;

/** Whether the kernel would refuse `name`, or worse, cut it. */
export function isTooLong(name: string): boolean {
  return new TextEncoder().encode(name).length > NAME_BYTES_MAX;
}
