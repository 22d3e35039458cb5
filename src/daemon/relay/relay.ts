/**
 * Two devices joined by a bad link, on a real host:
 *
 *     first ─ nic ─ netem ──→ netem ─ nic ─ second
 *             each shapes what is written to its own device
 *
 * A stack of its own it is not: what comes in at one end goes out at the other, late, twice, damaged, or never.
 */
import type { Rng } from '../../base/rng.ts';
import type { Instant } from '../../base/time.ts';
import { earliest, NEVER } from '../../base/time.ts';
import type { Impairment } from '../../control/relay/config.ts';
import type { LinkDriver } from '../../device/link-driver.ts';
import type { NetemCounters } from '../../device/netem/lane.ts';
import { Netem } from '../../device/netem.ts';
import { Nic } from '../../device/nic.ts';
import { LinkFailure } from '../../link/failure.ts';
import type { Watch } from '../../link/watch.ts';
import { watchReadable } from '../../link/watch.ts';
import { Drops } from '../../packet/drops.ts';
import { Pool } from '../../packet/pool.ts';
import type { Clock } from '../clock.ts';

/** Frames read from one device before the other has its turn. */
const BUDGET = 256;
/** Slots beside those of frames under way: two batches being read, two queues being written. */
const SLOTS_SPARE = 1_024;
/**
 * `setTimeout` ticks in milliseconds and comes up to one late, which for a link of a millisecond is all there is. A
 * shorter time is slept through in slices, by a call that keeps to tens of microseconds; after each the devices are
 * read, so that no frame waits longer than a slice to be counted as arrived.
 */
const FINE_US = 2_500;
const SLICE_US = 100;
const TIMEOUT_MAX_MS = 60_000;

export interface RelayOptions {
  readonly rng: Rng;
  readonly clock: Clock;
  readonly there: Impairment;
  readonly back: Impairment;
  readonly drops?: Drops;
}

export class Relay {
  /** Told, once, when a device is lost: its name and a positive errno. */
  onLost: ((device: string, errno: number) => void) | null = null;
  readonly drops: Drops;
  readonly pool: Pool;
  readonly #clock: Clock;
  readonly #first: Netem;
  readonly #second: Netem;
  readonly #drivers: readonly LinkDriver[];
  readonly #watches: Watch[] = [];
  readonly #sleeper = new Int32Array(new SharedArrayBuffer(4));
  #isRunning = false;
  #immediate: NodeJS.Immediate | null = null;
  #timer: NodeJS.Timeout | null = null;
  #next: Instant = NEVER;
  readonly #run = (): void => {
    if (this.#isRunning) this.#turn();
  };
  readonly #onImmediate = (): void => {
    this.#immediate = null;
    const wait = Math.min(this.#next - this.#clock(), SLICE_US);
    if (wait > 0) Atomics.wait(this.#sleeper, 0, 0, wait / 1_000);
    this.#run();
  };

  /** Takes ownership of both links. */
  constructor(first: LinkDriver, second: LinkDriver, options: RelayOptions) {
    const { rng, clock, there, back } = options;
    this.drops = options.drops ?? new Drops();
    this.pool = new Pool(there.limitPackets + back.limitPackets + SLOTS_SPARE);
    this.#clock = clock;
    this.#drivers = [first, second];
    this.#first = this.#end(first, back, rng.fork('back'));
    this.#second = this.#end(second, there, rng.fork('there'));
    join(this.#first, this.#second);
    join(this.#second, this.#first);
  }

  /** What happened to frames from the first to the second, and back. */
  get counters(): { readonly there: NetemCounters; readonly back: NetemCounters } {
    return { there: this.#second.transmitCounters, back: this.#first.transmitCounters };
  }

  /** Changes what happens to frames from now on. The limits are those of the beginning at most. */
  shape(there: Impairment, back: Impairment): void {
    this.#second.shapeTransmit(there);
    this.#first.shapeTransmit(back);
  }

  start(): LinkFailure | null {
    this.#isRunning = true;
    for (const driver of this.#drivers) {
      const watch = watchReadable(driver.fd, (status) => {
        if (status < 0) this.#lose(driver.name, -status);
        else this.#run();
      });
      if (watch instanceof LinkFailure) return watch;
      this.#watches.push(watch);
    }
    return null;
  }

  /** Frames under way are lost with it. */
  close(): void {
    this.#isRunning = false;
    for (const watch of this.#watches.splice(0)) watch.close();
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#immediate !== null) clearImmediate(this.#immediate);
    this.#first.close();
    this.#second.close();
  }

  #end(driver: LinkDriver, profile: Impairment, rng: Rng): Netem {
    const nic = new Nic(driver, this.pool, this.drops);
    return new Netem(nic, { pool: this.pool, drops: this.drops, rng, transmit: profile });
  }

  #turn(): void {
    const now = this.#clock();
    const isMore = this.#serve(now);
    this.#next = isMore ? now : earliest(this.#first.nextTimeout(), this.#second.nextTimeout());
    const wait = this.#next - now;
    if (wait < FINE_US) this.#immediate ??= setImmediate(this.#onImmediate);
    else if (wait < NEVER) this.#arm(wait);
  }

  /** Whether a device may have more to read. */
  #serve(now: Instant): boolean {
    const first = this.#first.receive(now, BUDGET);
    const second = this.#second.receive(now, BUDGET);
    this.#first.flush(now);
    this.#second.flush(now);
    return first >= BUDGET || second >= BUDGET;
  }

  /** So early that what is left can be slept through finely. */
  #arm(wait: number): void {
    const delayMs = Math.min(TIMEOUT_MAX_MS, Math.max(1, Math.floor(wait / 1_000) - 1));
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#run, delayMs);
  }

  #lose(device: string, errno: number): void {
    this.close();
    this.onLost?.(device, errno);
  }
}

/** What `from` receives, `to` transmits. */
function join(from: Netem, to: Netem): void {
  from.receiver = {
    handleFrame: (now, packet) => {
      to.transmit(now, packet);
    },
  };
}
