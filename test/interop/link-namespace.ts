/** What the interop tests of `src/link` share: a network namespace of their own, and whether they may make one. */
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import type { Test } from 'tap';
import { Mac } from '../../src/addr/mac.ts';
import type { Prefix } from '../../src/addr/prefix.ts';
import { parsePrefix } from '../../src/addr/prefix.ts';
import type { LinkDriver } from '../../src/device/link-driver.ts';
import { addonProblem } from '../../src/link/addon.ts';
import { LinkFailure } from '../../src/link/failure.ts';
import { setUp } from '../../src/link/host-config.ts';
import { inNetns } from '../../src/link/netns.ts';
import type { PacketSocket } from '../../src/link/packet-socket.ts';
import { openPacketSocket } from '../../src/link/packet-socket.ts';
import type { TunTap, TunTapOptions } from '../../src/link/tun-tap.ts';
import { openTunTap } from '../../src/link/tun-tap.ts';
import type { Packet } from '../../src/packet/packet.ts';
import type { Pool } from '../../src/packet/pool.ts';

/** The stack's side. */
export const mac: Mac = new Mac(0x0200, 0x5e10_0007);

/** Why these tests cannot run here, or false. Under CI that is no excuse: they run, and fail. */
export function reasonToSkip(): string | false {
  if (process.env['CI'] === 'true') return false;
  if (process.getuid?.() !== 0) return 'needs root';
  return addonProblem() === '' ? false : addonProblem();
}

export function ip(...words: string[]): string {
  return execFileSync('ip', words, { encoding: 'utf8' });
}

/** What `ip -j` says. */
export function ipJson(...words: string[]): Record<string, unknown>[] {
  return JSON.parse(ip('-j', '-d', ...words)) as Record<string, unknown>[];
}

let made = 0;

/** A namespace that goes when the test ends, and takes with it what is in it. */
export function namespace(t: Test): string {
  const name = `tapstack-link-${process.pid}-${made++}`;
  ip('netns', 'add', name);
  t.teardown(() => ip('netns', 'delete', name));
  // Without these the kernel says hello on each new device, and every test would have to expect it.
  execFileSync('ip', ['netns', 'exec', name, 'sysctl', '-qw', 'net.ipv6.conf.default.disable_ipv6=1']);
  return name;
}

/** The value, where a failure is a failure of the test. */
export function must<T>(value: T | LinkFailure): T {
  if (value instanceof LinkFailure) throw new Error(value.toString());
  return value;
}

/** The code of a failure; anything else is shown as it is. */
export function codeOf(value: unknown): unknown {
  return value instanceof LinkFailure ? value.code : value;
}

export function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (parsed === null) throw new Error(`${text} is no prefix`);
  return parsed;
}

export function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

/** Reads until `isEnough`. The kernel delivers at once; the second after which it gives up is for a busy machine. */
export function readUntil(
  link: LinkDriver,
  pool: Pool,
  isEnough: (frames: readonly Packet[]) => boolean,
): Packet[] {
  const frames: Packet[] = [];
  const out: Packet[] = [];
  const deadline = process.hrtime.bigint() + 1_000_000_000n;
  while (!isEnough(frames) && process.hrtime.bigint() < deadline) {
    const count = link.readBatch(pool, out, 64);
    if (count < 0) throw new Error(`${link.name}: reading answered ${count}`);
    frames.push(...out.slice(0, count));
  }
  return frames;
}

export const bytesOf = (packet: Packet): string =>
  Buffer.from(packet.bytes.subarray(packet.head, packet.tail)).toString('hex');

export const options: TunTapOptions = { mode: 'tap', name: 'tt0', mac };

/** A device whose kernel side is up, in its own namespace. */
export function device(t: Test, netns: string, more: Partial<TunTapOptions> = {}): TunTap {
  const link = must(openTunTap({ ...options, netns, ...more }));
  t.teardown(() => link.close());
  inHost(netns, () => setUp(link.name, true));
  return link;
}

export function inHost(netns: string, ...actions: (() => LinkFailure | null)[]): void {
  must(inNetns(netns, () => actions.map((action) => must(action()))));
}

export function socketOn(t: Test, netns: string, interfaceName = 'tt0'): PacketSocket {
  const socket = must(openPacketSocket({ interfaceName, netns, promiscuous: true }));
  t.teardown(() => socket.close());
  return socket;
}
