/**
 * Finding and loading the native addon, and what it exports.
 *
 * Without it nothing fails but what needs a real device: `loadAddon` answers null, and `addonProblem` says why in
 * a sentence. Looked for in this order: the binary shipped in the package, the one that `node-gyp` built.
 * `TAPSTACK_ADDON=none` behaves as if there was none; `TAPSTACK_ADDON=/path/to/file.node` loads that one only.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

/** Every function answers zero or more on success and `-errno` otherwise. None throws. */
export interface Addon {
  close(fd: number): number;
  setNonBlocking(fd: number): number;

  /** A descriptor of the device `name`, which is made when there is none. `flags` are `IFF_…` of `if_tun.h`. */
  tunOpen(devicePath: string, name: string, flags: number): number;
  /** Words: flags, bytes of the vnet header, features of the driver, then four words with the name. */
  tunInfo(fd: number, info: Int32Array): number;
  tunSetOffload(fd: number, bits: number): number;
  tunSetVnetHeader(fd: number, bytes: number): number;

  /** Flags: 1 promiscuous, 2 with a virtio header. */
  packetOpen(interfaceName: string, flags: number, receiveBytes: number): number;

  /** Kinds: 0 TUN, 1 TAP, 2 packet socket. The table is laid out in `frame-table.ts`. */
  channelOpen(fd: number, kind: number, hasInfo: number, vnetBytes: number, table: Int32Array): number;
  /** The number by which records of the table speak of `arena`. */
  channelArena(channel: number, arena: ArrayBuffer): number;
  /** Frames received; with `spinUs`, asks again for that long while none has come. */
  receive(channel: number, max: number, spinUs: number): number;
  transmit(channel: number, count: number): number;
  /** Leaves the descriptor open. */
  channelClose(channel: number): number;

  /** Calls back while `fd` is readable: with 0, or with `-errno` once when it cannot be polled any more. */
  watch(fd: number, callback: (status: number) => void): number;
  watchRef(watch: number, keepsAlive: number): number;
  unwatch(watch: number): number;

  /** Sends one request and answers how many bytes of `reply` the kernel's answers took. */
  netlinkRequest(family: number, request: Uint8Array, reply: Uint8Array): number;

  netnsOpen(path: string): number;
  netnsEnter(fd: number): number;

  dropPrivileges(uid: number, gid: number): number;
}

interface Loaded {
  readonly addon: Addon | null;
  readonly problem: string;
}

let loaded: Loaded | null = null;

/** The addon, or null: then `addonProblem()` says why. Tried once per process. */
export function loadAddon(): Addon | null {
  loaded ??= findAddon(process.env.TAPSTACK_ADDON);
  return loaded.addon;
}

/** Why there is no addon, as a sentence for a person; empty when there is one. */
export function addonProblem(): string {
  loadAddon();
  return loaded?.problem ?? '';
}

/** Loads what `choice` says (see above; undefined: the usual places). */
export function findAddon(choice: string | undefined): Loaded {
  if (choice === 'none')
    return { addon: null, problem: missing('it is switched off by TAPSTACK_ADDON=none') };
  if (process.platform !== 'linux') {
    return { addon: null, problem: missing(`it exists for Linux only, and this is ${process.platform}`) };
  }
  const reasons: string[] = [];
  for (const path of choice === undefined ? usualPaths() : [choice]) {
    if (!existsSync(path)) {
      reasons.push(`${path} does not exist`);
      continue;
    }
    const answer = load(path);
    if (typeof answer !== 'string') return { addon: answer, problem: '' };
    reasons.push(`${path}: ${answer}`);
  }
  return { addon: null, problem: missing(reasons.join('; ')) };
}

function missing(reason: string): string {
  return (
    `real devices need the native addon, and there is none (${reason}). ` +
    'Build it with `npx node-gyp rebuild` (it needs a C compiler, make and Python 3); ' +
    'everything else works without it.'
  );
}

function usualPaths(): string[] {
  const root = packageRoot();
  return [
    join(root, 'native', 'prebuild', `linux-${process.arch}`, 'tapstack.node'),
    join(root, 'build', 'Release', 'tapstack.node'),
  ];
}

/** This file is `src/link/addon.ts` or, compiled, `dist/src/link/addon.js`. */
function packageRoot(): string {
  const above = fileURLToPath(new URL('../../', import.meta.url));
  return existsSync(join(above, 'package.json')) ? above : join(above, '..');
}

function load(path: string): Addon | string {
  try {
    return createRequire(import.meta.url)(path) as Addon;
  } catch (error) {
    // A binary for another C library or processor: said to the person, who can build one.
    return error instanceof Error ? error.message : String(error);
  }
}
