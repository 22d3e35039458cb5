/**
 * The directory of control sockets and logs.
 *
 * The daemon that makes it as root shares it with the group that it is going to be in, sticky as /tmp: once it is
 * nobody it can take its own files away at the end, and nobody else's.
 */
import { chmodSync, chownSync, existsSync, mkdirSync } from 'node:fs';
import process from 'node:process';
import { runtimeDir } from '../control/paths.ts';
import type { User } from '../link/privilege.ts';

const SHARED_STICKY = 0o1775;
const OWN = 0o755;

export function ownRuntimeDir(): string {
  return runtimeDir({
    uid: process.getuid?.() ?? 0,
    runtimeDir: process.env.XDG_RUNTIME_DIR,
    override: process.env.TAPSTACK_RUNTIME_DIR,
  });
}

/** One that is there already stays as it is. */
export function makeRuntimeDir(directory: string, user: User | null): void {
  if (existsSync(directory)) return;
  mkdirSync(directory, { recursive: true, mode: OWN });
  if (user === null) return;
  chownSync(directory, 0, user.gid);
  chmodSync(directory, SHARED_STICKY);
}
