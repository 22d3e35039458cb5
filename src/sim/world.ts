/**
 * A world: hosts, the links between them, and one clock. All time and all chance in it are the world's, so a seed
 * and a program are a run, the same one every time.
 *
 *     const world = new World({ seed: 7 });
 *     const a = world.host('a'), b = world.host('b');
 *     world.link(a, b, { profile: { delay: ms(10), loss: 0.01 } });
 *     a.address('10.0.0.1/24');
 *     world.run(sec(60));
 *
 * Time jumps to the next thing that is to happen. At one instant hosts take their turns in the order in which they
 * were made, until nobody has anything to do: what one sends may give another something to receive.
 */
import { assert } from '../base/assert.ts';
import { Heap } from '../base/heap.ts';
import type { Rng } from '../base/rng.ts';
import { rng } from '../base/rng.ts';
import type { Duration, Instant } from '../base/time.ts';
import { after, earliest, NEVER, sec } from '../base/time.ts';
import { Drops } from '../packet/drops.ts';
import type { Pool } from '../packet/pool.ts';
import type { Stack } from '../stack/stack.ts';
import type { HostOptions } from './host.ts';
import { SimHost } from './host.ts';
import type { LinkOptions } from './link.ts';
import { Link } from './link.ts';
import { PoolSupply } from './pool-supply.ts';
import type { WorldPort, WorldSink } from './world-port.ts';

/** Slots for duplicates and copies on the wire. */
const POOL_SLOTS = 512;
/** All worlds of a process draw on it. */
const SUPPLY = new PoolSupply();
/** Turns in one instant, per host; when they are not enough, somebody never finishes. */
const ROUNDS_MAX = 100_000;
/** A world begins here rather than at zero, where forgotten initial values would go unnoticed. */
const BEGIN: Instant = sec(1_000) as number as Instant;

export interface WorldOptions {
  readonly seed: number;
  readonly sink?: WorldSink;
  readonly poolSlots?: number;
}

export class World implements WorldPort {
  readonly seed: number;
  readonly rng: Rng;
  readonly sink: WorldSink | null;
  /** The wires' own. */
  readonly pool: Pool;
  readonly drops: Drops = new Drops();
  readonly hosts: SimHost[] = [];
  readonly links: Link[] = [];
  now: Instant = BEGIN;
  /** Turns taken in all. */
  turns = 0;
  /** Told of each stack that is about to be closed. */
  onStopping: ((name: string, stack: Stack) => void) | null = null;
  /** Told of each that has been. */
  onStopped: ((name: string, stack: Stack) => void) | null = null;
  /** Every pool there ever was: a stack that crashed must get its packets back as well. */
  readonly #pools: { readonly name: string; readonly pool: Pool }[] = [];
  readonly #events = new Heap<() => void>();

  constructor(options: WorldOptions) {
    this.seed = options.seed;
    this.rng = rng(options.seed);
    this.sink = options.sink ?? null;
    this.pool = SUPPLY.take(options.poolSlots ?? POOL_SLOTS);
    this.#pools.push({ name: 'the wire', pool: this.pool });
  }

  host(name: string, options: HostOptions = {}): SimHost {
    assert(!this.hosts.some((host) => host.name === name), `there is one host ${name}`);
    const host = new SimHost(this, name, this.hosts.length, options);
    this.hosts.push(host);
    return host;
  }

  /** A router: a host that forwards. */
  router(name: string, options: HostOptions = {}): SimHost {
    return this.host(name, {
      ...options,
      ip: { ...options.ip, ipForward: true },
    });
  }

  /** A cable between two hosts. */
  link(a: SimHost, b: SimHost, options: LinkOptions = {}): Link {
    return this.segment([a, b], options);
  }

  /** A hub, or a switch, with several hosts. */
  segment(hosts: readonly SimHost[], options: LinkOptions = {}): Link {
    const index = this.links.length;
    const link = new Link(this, `link${index}`, index, options);
    this.links.push(link);
    for (const host of hosts) link.attach(host);
    return link;
  }

  /** `a` and `b` no longer hear each other on any link that they share. */
  cut(a: SimHost, b: SimHost): void {
    for (const link of this.#shared(a, b)) link.cut(a, b);
  }

  heal(a: SimHost, b: SimHost): void {
    for (const link of this.#shared(a, b)) link.heal(a, b);
  }

  at(when: Instant, action: () => void): void {
    assert(when >= this.now, 'nothing happens in the past');
    this.#events.push(when, action);
  }

  after(delay: Duration, action: () => void): void {
    this.at(after(this.now, delay), action);
  }

  /** When something happens next. */
  next(): Instant {
    let next = this.#events.next();
    for (const host of this.hosts) next = earliest(next, host.wakeAt);
    return next;
  }

  /** Lets `duration` pass. */
  run(duration: Duration): void {
    this.runUntil(after(this.now, duration));
  }

  runUntil(end: Instant): void {
    for (let next = this.next(); next <= end; next = this.next()) {
      // A stack that was woken from outside asks for its turn at an instant that is over.
      if (next > this.now) this.now = next;
      this.#instant();
    }
    if (end > this.now && end !== NEVER) this.now = end;
  }

  /** Everything that is to happen now and here, without letting time pass. */
  settle(): void {
    this.runUntil(this.now);
  }

  /** Everybody stops. Answers a line for each pool that has not got all its packets back; there should be none. */
  close(): string[] {
    for (const host of this.hosts) host.crash();
    const leaks: string[] = [];
    for (const { name, pool } of this.#pools.splice(0)) {
      const missing = pool.capacity - pool.available;
      if (missing > 0) leaks.push(`${name}: ${missing} packets of ${pool.capacity} did not come back`);
      SUPPLY.giveBack(pool);
    }
    return leaks;
  }

  takePool(name: string, capacity: number): Pool {
    const pool = SUPPLY.take(capacity);
    this.#pools.push({ name, pool });
    return pool;
  }

  noteStopping(name: string, stack: Stack): void {
    if (this.onStopping !== null) this.onStopping(name, stack);
  }

  noteStopped(name: string, stack: Stack): void {
    if (this.onStopped !== null) this.onStopped(name, stack);
  }

  #instant(): void {
    const { now } = this;
    for (let round = 0; ; round++) {
      assert(round < ROUNDS_MAX, `time goes on after ${now}: every turn at one instant brings it to an end`);
      let isQuiet = true;
      while (this.#events.next() <= now) {
        isQuiet = false;
        (this.#events.pop() as () => void)();
      }
      for (const host of this.hosts) {
        if (host.wakeAt > now) continue;
        isQuiet = false;
        this.turns++;
        host.turn(now);
      }
      if (isQuiet) return;
    }
  }

  #shared(a: SimHost, b: SimHost): Link[] {
    return this.links.filter(({ hosts }) => hosts.includes(a) && hosts.includes(b));
  }
}
