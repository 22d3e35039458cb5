/** A host of ours in the process of the test: a stack on a TAP whose kernel side is a relay's to use. */
import { createHash } from 'node:crypto';
import type { Test } from 'tap';
import { Ip, parseIp } from '../../../src/addr/ip.ts';
import { parseMac } from '../../../src/addr/mac.ts';
import { parsePrefix } from '../../../src/addr/prefix.ts';
import { rng } from '../../../src/base/rng.ts';
import { monotonicClock, systemRng } from '../../../src/daemon/clock.ts';
import { Loop } from '../../../src/daemon/loop.ts';
import { Nic } from '../../../src/device/nic.ts';
import { LinkFailure } from '../../../src/link/failure.ts';
import { addAddress, setQueueLength, setUp } from '../../../src/link/host-config.ts';
import { inNetns } from '../../../src/link/netns.ts';
import { openTunTap } from '../../../src/link/tun-tap.ts';
import type { TcpSocket } from '../../../src/socket/tcp-socket.ts';
import { Stack } from '../../../src/stack/stack.ts';
import type { Namespace } from '../support/namespace.ts';

/** What one end of a connection sent and got, as digests. */
export interface Tally {
  readonly sentBytes: number;
  readonly sent: string;
  readonly receivedBytes: number;
  readonly received: string;
  /** An errno that ended it, or empty. */
  readonly error: string;
}

export interface HostOptions {
  readonly device: string;
  readonly mac: string;
  readonly address: string;
  /** Of the kernel's side, and then the gateway; without it the kernel keeps out. */
  readonly kernel?: string;
}

export function must<T>(value: T | LinkFailure | string | null): T {
  if (value === null || typeof value === 'string' || value instanceof LinkFailure)
    throw new Error(String(value));
  return value;
}

function expectDone(refusal: LinkFailure | string | null): void {
  if (refusal !== null) throw new Error(String(refusal));
}

export class Host {
  readonly stack: Stack;
  readonly #loop: Loop;

  constructor(stack: Stack, loop: Loop) {
    this.stack = stack;
    this.#loop = loop;
  }

  /** Takes one connection at `port` and exchanges with it. */
  serve(port: number, seed: number, bytes: number): Promise<Tally> {
    const listener = must(this.stack.sockets.openTcp());
    listener.reuseAddress = true;
    expectDone(listener.bind(Ip.v4(0), port));
    expectDone(listener.listen());
    return new Promise((resolve) => {
      listener.onReady = (): void => {
        const socket = listener.accept();
        if (typeof socket === 'string') return;
        listener.close();
        resolve(exchange(socket, seed, bytes));
      };
    });
  }

  /** Opens a connection and exchanges over it. */
  call(address: string, port: number, seed: number, bytes: number): Promise<Tally> {
    const socket = must(this.stack.sockets.openTcp());
    expectDone(socket.connect(must(parseIp(address)), port));
    return exchange(socket, seed, bytes);
  }

  /** Every connection and every slot is given back. */
  close(): void {
    this.#loop.stop();
    this.stack.close(monotonicClock());
  }
}

/** Sends so many random bytes and reads until the end, both at once; done when both directions are. */
export function exchange(socket: TcpSocket, seed: number, bytes: number): Promise<Tally> {
  const data = new Uint8Array(bytes);
  randomize(data, seed);
  const digest = createHash('sha256');
  const room = new Uint8Array(65_536);
  let written = 0;
  let received = 0;
  let isEnded = false;
  let isShut = false;
  return new Promise((resolve) => {
    const finish = (error: string): void => {
      socket.close();
      const sent = createHash('sha256').update(data).digest('hex');
      resolve({ sentBytes: written, sent, receivedBytes: received, received: digest.digest('hex'), error });
    };
    const run = (): string => {
      while (!isEnded) {
        const count = socket.read(room);
        if (count === 'EAGAIN') break;
        if (typeof count === 'string') return count;
        if (count === 0) isEnded = true;
        digest.update(room.subarray(0, count));
        received += count;
      }
      while (written < bytes) {
        const count = socket.write(data, written);
        if (count === 'EAGAIN') return '';
        if (typeof count === 'string') return count;
        written += count;
      }
      if (!isShut) expectDone(socket.shutdown('write'));
      isShut = true;
      return '';
    };
    socket.onReady = (): void => {
      if (!socket.isConnected) return;
      const error = run();
      if (error !== '' || (isEnded && isShut)) finish(error);
    };
    socket.onReady(monotonicClock(), 0, socket);
  });
}

function randomize(bytes: Uint8Array, seed: number): void {
  rng(seed).fill(bytes);
}

/** A host for `t`, with its device in `space`. */
export function host(t: Test, space: Namespace, options: HostOptions): Host {
  const { device, mac, address, kernel } = options;
  const clock = monotonicClock;
  // A test that looks for what is left does not wait for a minute.
  const stack = new Stack({ rng: systemRng(), now: clock(), tcp: { timeWaitMs: 100 } });
  const loop = new Loop(stack, clock);
  const netns = space.name;
  const link = must(
    openTunTap({
      mode: 'tap',
      name: device,
      netns,
      mac: must(parseMac(mac)),
      offload: false,
      drops: stack.drops,
    }),
  );
  expectDone(
    inNetns(netns, () => {
      const refused = setQueueLength(device, 10_000) ?? setUp(device, true);
      return refused ?? (kernel === undefined ? null : addAddress(device, must(parsePrefix(kernel))));
    }),
  );
  const iface = must(stack.addDevice(clock(), new Nic(link, stack.pool, stack.drops)));
  expectDone(stack.addAddress(clock(), iface, must(parsePrefix(address))));
  if (kernel !== undefined) {
    const via = must(parsePrefix(kernel)).address;
    expectDone(
      stack.ip.fib.add({ prefix: must(parsePrefix('0.0.0.0/0')), via, oif: iface.index, onlink: false }),
    );
  }
  expectDone(loop.watch(link.fd, () => undefined));
  loop.start();
  const made = new Host(stack, loop);
  t.teardown(() => made.close());
  return made;
}
