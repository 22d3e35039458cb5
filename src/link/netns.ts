/**
 * Network namespaces: being in another one for the time of one function, or for good.
 *
 * Only the calling thread goes. What is opened synchronously by the addon belongs to the namespace; what Node does
 * in its thread pool does not.
 */
import { existsSync } from 'node:fs';
import { assert } from '../base/assert.ts';
import type { Addon } from './addon.ts';
import { loadAddon } from './addon.ts';
import type { LinkFailure } from './failure.ts';
import { failure, noAddon } from './failure.ts';

const OWN = '/proc/thread-self/ns/net';

/** Runs `action` in the namespace `target` (null: where we are) and comes back. */
export function inNetns<T>(target: string | null, action: () => T): T | LinkFailure {
  if (target === null) return action();
  const addon = loadAddon();
  if (addon === null) return noAddon();
  const own = addon.netnsOpen(OWN);
  if (own < 0) return failure('enter-netns', own, OWN);
  const refused = enter(addon, target);
  if (refused !== null) {
    addon.close(own);
    return refused;
  }
  try {
    return action();
  } finally {
    const back = addon.netnsEnter(own);
    addon.close(own);
    assert(back === 0, 'a thread may enter the namespace that it came from');
  }
}

/** Goes to the namespace `target` for good. */
export function enterNetns(target: string): LinkFailure | null {
  const addon = loadAddon();
  return addon === null ? noAddon() : enter(addon, target);
}

function enter(addon: Addon, target: string): LinkFailure | null {
  const fd = addon.netnsOpen(netnsPath(target));
  if (fd < 0) return failure('enter-netns', fd, target);
  const result = addon.netnsEnter(fd);
  addon.close(fd);
  return result < 0 ? failure('enter-netns', result, target) : null;
}

/** As `ip` understands it: a path, a name, and what is no name but a number is a process. */
export function netnsPath(target: string): string {
  if (target.includes('/')) return target;
  const named = `/run/netns/${target}`;
  return /^\d+$/.test(target) && !existsSync(named) ? `/proc/${target}/ns/net` : named;
}
