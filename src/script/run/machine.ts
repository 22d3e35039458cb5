/**
 * The host under test: one stack with one device, in virtual time, and the program whose calls the script makes. What
 * the device sends is kept with its time; what it receives the script injects.
 *
 *     script ── calls ──> kernel ──> stack ──> tun0 ──> sent
 *                                          <── inject
 */
import { ANY4 } from '../../addr/ip.ts';
import { Prefix } from '../../addr/prefix.ts';
import { assert } from '../../base/assert.ts';
import { Drop } from '../../base/drop.ts';
import { rng } from '../../base/rng.ts';
import type { Duration, Instant } from '../../base/time.ts';
import { after, between, earliest, START, sec } from '../../base/time.ts';
import { NO_OFFLOAD } from '../../device/net-device.ts';
import type { PairEnd } from '../../device/pair.ts';
import { pair } from '../../device/pair.ts';
import type { Interface } from '../../ip/interface.ts';
import type { Packet } from '../../packet/packet.ts';
import type { Pool } from '../../packet/pool.ts';
import { PoolSupply } from '../../sim/pool-supply.ts';
import { Stack } from '../../stack/stack.ts';
import { describe } from '../../wire/describe.ts';
import { Kernel } from '../kernel/kernel.ts';
import { socketOpener } from '../kernel/open.ts';
import type { LivePacket } from '../packet/read.ts';
import { readPacket } from '../packet/read.ts';
import { secondsText } from './clock.ts';
import type { Config } from './config.ts';

/** A packet that left the device. */
export interface Sent {
  readonly at: Instant;
  readonly live: LivePacket;
}

const POOL_SLOTS = 256;
const INJECT_SLOTS = 4;
/** When the stack is made: not at the origin of time, as no host begins there. */
const BEGIN: Instant = after(START, sec(1_000));
/** Turns at one instant; more is a stack that never comes to rest. */
const ROUNDS_MAX = 10_000;
const RECEIVE_MAX = 1_000;

/** Scripts follow each other by the hundred, and most of what one costs is the memory of its packets. */
const SUPPLY = new PoolSupply();

export class Machine {
  now: Instant = BEGIN;
  readonly stack: Stack;
  readonly kernel: Kernel;
  readonly iface: Interface;
  /** What has left and was not taken yet, in order. */
  readonly sent: Sent[] = [];
  /** Called after each turn: those who wait for something look whether it is there. Answers whether it was. */
  onTurn: (() => boolean) | null = null;
  /** Told of every packet that enters or leaves, in words. */
  onPacket: ((text: string) => void) | null = null;
  readonly #wire: PairEnd;
  readonly #pool: Pool;
  readonly #injectPool: Pool = SUPPLY.take(INJECT_SLOTS);
  #next: Instant = BEGIN;
  /** When the script's clock showed 0. */
  #zero: Instant = BEGIN;

  constructor(config: Config, seed: number) {
    this.#pool = SUPPLY.take(POOL_SLOTS);
    this.stack = new Stack({ rng: rng(seed), now: this.now, pool: this.#pool });
    // As with Linux's usual queue: only `tc qdisc … fq`, or a controller that insists, paces; nor does it probe paths.
    this.stack.tcp.recovery.isPacing = false;
    this.stack.tcp.config.mtuProbing = false;
    this.kernel = new Kernel(socketOpener(this.stack.sockets, this.stack.tcp));
    const [tun, wire] = pair('tun0', 'wire', { medium: 'ip', mtu: config.mtu, features: NO_OFFLOAD });
    this.#wire = wire;
    wire.receiver = { handleFrame: (_now, packet) => this.#keep(packet) };
    const iface = this.stack.addDevice(this.now, tun);
    assert(typeof iface !== 'string', 'a new stack takes a device');
    this.iface = iface;
    this.#configure(config);
    this.settle();
  }

  /** The script begins now: what set up the host took no time of its own. */
  begin(): void {
    this.#zero = this.now;
    this.sent.length = 0;
  }

  /** Since the script began. */
  get elapsed(): Duration {
    return between(this.#zero, this.now);
  }

  /** When the script's clock shows `time`. */
  at(time: Duration): Instant {
    return after(this.#zero, time);
  }

  /** What the script's clock shows at `when`. */
  timeOf(when: Instant): Duration {
    return between(this.#zero, when);
  }

  /** When the stack wants to be called again. */
  get next(): Instant {
    return this.#next;
  }

  /** Lets the device receive what `build` writes into an empty packet; answers why that cannot be. */
  inject(build: (packet: Packet) => string | null): string | null {
    const packet = this.#injectPool.take();
    assert(packet !== null, 'an injected packet is taken in before the next one');
    const refusal = build(packet);
    if (refusal !== null) {
      packet.release();
      return refusal;
    }
    this.#tell('<', packet);
    if (this.#wire.transmit(this.now, packet) !== Drop.None) return 'a packet longer than the MTU';
    this.settle();
    return null;
  }

  /** Everything that is to happen now. */
  settle(): void {
    for (let round = 0; ; round++) {
      assert(round < ROUNDS_MAX, `the stack comes to rest at ${this.now}`);
      this.#next = this.stack.turn(this.now);
      this.#wire.receive(this.now, RECEIVE_MAX);
      const isBusy = this.#next <= this.now || this.#wire.nextTimeout() <= this.now;
      if (!isBusy && (this.onTurn === null || !this.onTurn())) return;
    }
  }

  /** Lets time pass until something is due, at most until `limit`. False: it is `limit`, and nothing was due. */
  step(limit: Instant, due: Instant): boolean {
    const next = earliest(this.#next, due);
    if (next > limit) {
      if (limit > this.now) this.now = limit;
      return false;
    }
    if (next > this.now) this.now = next;
    this.settle();
    return true;
  }

  /** `ip link set mtu`. */
  set mtu(mtu: number) {
    this.iface.device.mtu = mtu;
    this.#wire.mtu = mtu;
  }

  /** Ends the program and the stack. Answers how many packets did not come back. */
  close(): number {
    this.kernel.closeAll(this.now);
    this.onTurn = null;
    this.settle();
    this.stack.close(this.now);
    this.#wire.close();
    const lost = missing(this.#pool) + missing(this.#injectPool);
    SUPPLY.giveBack(this.#pool);
    SUPPLY.giveBack(this.#injectPool);
    return lost;
  }

  #tell(direction: '<' | '>', { view, l3, tail }: Packet): void {
    if (this.onPacket === null) return;
    this.onPacket(`${secondsText(this.elapsed)} ${direction} ${describe(view, l3, tail, 'ip')}`);
  }

  #keep(packet: Packet): void {
    this.#tell('>', packet);
    const live = readPacket(packet.bytes.slice(packet.l3, packet.tail));
    if (live !== null) this.sent.push({ at: this.now, live });
    packet.release();
  }

  /** Nobody resolves addresses on this link, so everything out there is on it; a gateway would change nothing. */
  #configure({ localIp, prefixLength }: Config): void {
    const { stack, iface } = this;
    const refusal = stack.addAddress(this.now, iface, new Prefix(localIp, prefixLength));
    assert(refusal === null, `the device takes the address ${localIp}, but said ${refusal}`);
    const noRoute = stack.ip.fib.add({ prefix: new Prefix(ANY4, 0), oif: iface.index });
    assert(noRoute === null, `there is a way out, but the table said ${noRoute}`);
  }
}

function missing(pool: Pool): number {
  return pool.capacity - pool.available;
}
