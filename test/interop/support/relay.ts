/**
 * A program: two TAP devices joined by a wire that does to frames what `netem` does, for kernels without it.
 *
 *     namespace a: [device] ── relay ── [device] :namespace b
 *
 * Its one argument is JSON; each line on its standard input changes what the wire does from then on, and is answered
 * by what it has done so far.
 */
import { createInterface } from 'node:readline';
import { Mac } from '../../../src/addr/mac.ts';
import { rng } from '../../../src/base/rng.ts';
import { monotonicClock } from '../../../src/daemon/clock.ts';
import type { NetDevice } from '../../../src/device/net-device.ts';
import { Netem } from '../../../src/device/netem.ts';
import type { NetemCounters } from '../../../src/device/netem/lane.ts';
import type { NetemProfile } from '../../../src/device/netem/profile.ts';
import { Nic } from '../../../src/device/nic.ts';
import { LinkFailure } from '../../../src/link/failure.ts';
import { setMtu, setQueueLength, setUp } from '../../../src/link/host-config.ts';
import { inNetns } from '../../../src/link/netns.ts';
import { openTunTap } from '../../../src/link/tun-tap.ts';
import { watchReadable } from '../../../src/link/watch.ts';
import { Drops } from '../../../src/packet/drops.ts';
import { Pool } from '../../../src/packet/pool.ts';

export interface RelayEnd {
  readonly netns: string;
  readonly device: string;
}

export interface RelayConfig {
  readonly seed: number;
  readonly a: RelayEnd;
  readonly b: RelayEnd;
  readonly mtu?: number;
  /** What happens on the way from a to b, and back. */
  readonly there?: NetemProfile;
  readonly back?: NetemProfile;
}

export interface RelayChange {
  readonly there?: NetemProfile;
  readonly back?: NetemProfile;
}

export interface RelayStatus {
  readonly there: NetemCounters;
  readonly back: NetemCounters;
  readonly free: number;
}

const SLOTS = 8_192;
const BUDGET = 64;
const QUEUE_LENGTH = 4_096;
const TIMER_MS = 1;
/** A deadline nearer than this is waited for without sleeping: a timer of the event loop is a millisecond late. */
const SPIN_US = 1_500;

const drops = new Drops();
const pool = new Pool(SLOTS);

function must<T>(value: T | LinkFailure): T {
  if (value instanceof LinkFailure) throw new Error(value.text);
  return value;
}

function open(end: RelayEnd, config: RelayConfig, profile: NetemProfile, index: number): Netem {
  const { netns, device } = end;
  const mtu = config.mtu ?? 1_500;
  const mac = new Mac(0x0200, 0x7e1a_0000 + index);
  const link = must(openTunTap({ mode: 'tap', name: device, netns, mtu, mac, offload: false, drops }));
  const refused = inNetns(
    netns,
    () => setMtu(device, mtu) ?? setQueueLength(device, QUEUE_LENGTH) ?? setUp(device, true),
  );
  if (refused !== null) throw new Error(refused.text);
  must(watchReadable(link.fd, (status) => (status < 0 ? process.exit(1) : run())));
  const nic = new Nic(link, pool, drops);
  return new Netem(nic, { pool, drops, rng: rng(config.seed).fork(device), transmit: profile });
}

let ends: readonly [Netem, Netem];
let timer: NodeJS.Timeout | null = null;
let immediate: NodeJS.Immediate | null = null;

function join(from: NetDevice, to: NetDevice): void {
  from.receiver = {
    handleFrame: (now, packet) => {
      to.transmit(now, packet);
    },
  };
}

function run(): void {
  const now = monotonicClock();
  let next = Number.POSITIVE_INFINITY;
  for (const end of ends) {
    end.handleTimeout(now);
    end.receive(now, BUDGET);
  }
  for (const end of ends) {
    end.flush(now);
    next = Math.min(next, end.nextTimeout());
  }
  if (next - now < SPIN_US) {
    immediate ??= setImmediate(() => {
      immediate = null;
      run();
    });
  } else if (Number.isFinite(next)) {
    timer ??= setTimeout(
      () => {
        timer = null;
        run();
      },
      Math.max(TIMER_MS, (next - now) / 1_000 - TIMER_MS),
    );
  }
}

function main(config: RelayConfig): void {
  const a = open(config.a, config, config.back ?? {}, 1);
  const b = open(config.b, config, config.there ?? {}, 2);
  ends = [a, b];
  join(a, b);
  join(b, a);
  createInterface({ input: process.stdin }).on('line', (line) => {
    const change = JSON.parse(line) as RelayChange;
    if (change.there !== undefined) b.shapeTransmit(change.there);
    if (change.back !== undefined) a.shapeTransmit(change.back);
    const status: RelayStatus = { there: b.transmitCounters, back: a.transmitCounters, free: pool.available };
    process.stdout.write(`${JSON.stringify(status)}\n`);
    run();
  });
  process.on('SIGTERM', () => process.exit(0));
  process.stdout.write('ready\n');
  run();
}

main(JSON.parse(process.argv[2] ?? '{}') as RelayConfig);
