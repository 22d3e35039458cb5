/**
 * A program that uses the stack as a library: a host with as many TAP devices as it is told, which may forward, and
 * join a group. For what the daemon has no flag for. Its one argument is JSON; every line on its standard input is
 * answered by its status.
 */
import { createInterface } from 'node:readline';
import { parseIp } from '../../../src/addr/ip.ts';
import { parseMac } from '../../../src/addr/mac.ts';
import { parsePrefix } from '../../../src/addr/prefix.ts';
import { monotonicClock, systemRng, wallClockMs } from '../../../src/daemon/clock.ts';
import { Loop } from '../../../src/daemon/loop.ts';
import { Nic } from '../../../src/device/nic.ts';
import { Inetd } from '../../../src/inetd/inetd.ts';
import type { Interface } from '../../../src/ip/interface.ts';
import { LinkFailure } from '../../../src/link/failure.ts';
import { addAddress, setMtu, setUp } from '../../../src/link/host-config.ts';
import { inNetns } from '../../../src/link/netns.ts';
import { openTunTap } from '../../../src/link/tun-tap.ts';
import { Stack } from '../../../src/stack/stack.ts';

export interface PortConfig {
  readonly name: string;
  readonly netns: string;
  readonly mac: string;
  /** Of the stack and of the kernel's side, with the length of the network. */
  readonly address: string;
  readonly hostAddress: string;
  readonly mtu: number;
}

export interface ProgramConfig {
  readonly ports: readonly PortConfig[];
  readonly ipForward?: boolean;
  /** Joined on the first port; what comes to this UDP port is sent back. The next port hears of us every 100 ms. */
  readonly group?: { readonly address: string; readonly port: number };
}

export interface ProgramStatus {
  readonly slots: number;
  readonly free: number;
  readonly drops: Readonly<Record<string, number>>;
}

function must<T>(value: T | LinkFailure | string | null): T {
  if (value === null || typeof value === 'string' || value instanceof LinkFailure)
    throw new Error(String(value));
  return value;
}

/** For what answers an errno or, when all is well, null. */
function expectDone(refusal: LinkFailure | string | null): void {
  if (refusal !== null) throw new Error(String(refusal));
}

function openPort(stack: Stack, loop: Loop, port: PortConfig): Interface {
  const { name, netns, mtu, drops } = { ...port, drops: stack.drops };
  const link = must(openTunTap({ mode: 'tap', name, netns, mtu, mac: must(parseMac(port.mac)), drops }));
  const iface = must(stack.addDevice(monotonicClock(), new Nic(link, stack.pool, stack.drops)));
  expectDone(
    inNetns(
      netns,
      () => setMtu(name, mtu) ?? setUp(name, true) ?? addAddress(name, must(parsePrefix(port.hostAddress))),
    ),
  );
  expectDone(stack.addAddress(monotonicClock(), iface, must(parsePrefix(port.address))));
  expectDone(loop.watch(link.fd, () => process.exit(1)));
  return iface;
}

function joinGroup(stack: Stack, iface: Interface, group: NonNullable<ProgramConfig['group']>): void {
  const address = must(parseIp(group.address));
  const socket = must(stack.sockets.openUdp());
  expectDone(socket.bind(must(parseIp('0.0.0.0')), group.port));
  expectDone(socket.joinGroup(address, iface.index));
  socket.onReady = (): void => {
    for (let packet = socket.receivePacket(); packet !== null; packet = socket.receivePacket())
      socket.reply(packet);
  };
  const sender = must(stack.sockets.openUdp());
  const words = new TextEncoder().encode('to the group\n');
  setInterval(() => sender.sendTo(words, 0, words.length, address, group.port + 1), 100);
  // Leaving is part of the protocol: the last member says so (RFC 9776 §6.2).
  process.on('SIGUSR2', () => socket.close());
}

function main(config: ProgramConfig): void {
  const stack = new Stack({
    rng: systemRng(),
    now: monotonicClock(),
    wallClock: wallClockMs,
    ip: { ipForward: config.ipForward ?? false },
  });
  const loop = new Loop(stack, monotonicClock);
  const [first] = config.ports.map((port) => openPort(stack, loop, port));
  expectDone(new Inetd(stack.sockets, wallClockMs).start());
  if (config.group !== undefined) joinGroup(stack, must(first ?? null), config.group);
  loop.start();
  createInterface({ input: process.stdin }).on('line', () => {
    const { pool, drops } = stack;
    const status: ProgramStatus = { slots: pool.capacity, free: pool.available, drops: drops.status() };
    process.stdout.write(`${JSON.stringify(status)}\n`);
  });
  process.on('SIGTERM', () => {
    loop.stop();
    stack.close(monotonicClock());
    process.exit(0);
  });
  process.stdout.write('ready\n');
}

main(JSON.parse(process.argv[2] ?? '{}') as ProgramConfig);
