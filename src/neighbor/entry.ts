/**
 * One neighbour, and what is known of how to reach it: neighbour unreachability detection, RFC 4861 §7.3, which
 * ARP shares (RFC 1122 §2.3.2.1 asks for no less).
 *
 *             use                    answer               30 s           use            5 s
 *     none --------> incomplete ---------------> reachable -----> stale --------> delay --------> probe
 *       |  heard                | 3 × 1 s            ^              ^               |               |  | 3 × 1 s
 *       +---------> stale       +------> failed      +--------------|---------------+---------------+  +--> failed
 *                                          | use                    |   answer, confirmation from above
 *                                          +------> incomplete      +-- another link address is heard, in any state
 *
 *     permanent, noarp: set by a person or by the link; nothing that arrives changes them
 *
 * Sans-I/O: it never sends. `pollSolicit` says that a solicitation is due, `deadline` when to be asked again.
 * Deviates from RFC 4861 §7.3.3 in that an unreachable neighbour is kept as `failed`, not deleted, so that
 * traffic to it is refused at once for a while.
 */
import type { Mac } from '../addr/mac.ts';
import { unreachable } from '../base/assert.ts';
import type { Rng } from '../base/rng.ts';
import type { Duration, Instant } from '../base/time.ts';
import { after, NEVER, START, sec } from '../base/time.ts';
import type { EntryList, Listed } from './entry-list.ts';

/** The states of RFC 4861 §7.3.2, and those that `ip neigh` adds. */
export type State =
  | 'none'
  | 'incomplete'
  | 'reachable'
  | 'stale'
  | 'delay'
  | 'probe'
  | 'failed'
  | 'permanent'
  | 'noarp';

/** Which solicitation is due: to everyone on the link, or to the cached link address. */
export type Solicitation = 'multicast' | 'unicast';

// RFC 4861 §10.
export const MAX_MULTICAST_SOLICIT = 3;
export const MAX_UNICAST_SOLICIT = 3;
export const REACHABLE_TIME: Duration = sec(30);
export const RETRANS_TIMER: Duration = sec(1);
export const DELAY_FIRST_PROBE_TIME: Duration = sec(5);
export const MIN_RANDOM_FACTOR = 0.5;
export const MAX_RANDOM_FACTOR = 1.5;

/** RFC 4861 §6.3.2: ReachableTime is drawn anew «at least every few hours», even if the base stays. */
const REDRAW_INTERVAL: Duration = sec(2 * 60 * 60);
/**
 * How long nobody is asked again for a neighbour that never answered: as long as the question took, so that at
 * most half the time goes into asking (RFC 1122 §2.3.2.1 wants a limit, of once per second at most).
 */
export const NEGATIVE_TIME: Duration = sec(3);

/** The timing of one interface. A router advertisement may change the base times (RFC 4861 §6.3.4). */
export class NudTiming {
  baseReachableTime: Duration = REACHABLE_TIME;
  retransTimer: Duration = RETRANS_TIMER;
  delayFirstProbeTime: Duration = DELAY_FIRST_PROBE_TIME;
  negativeTime: Duration = NEGATIVE_TIME;
  readonly #rng: Rng;
  #drawnFrom: Duration = sec(0);
  #redrawAt: Instant = START;
  #reachableTime: Duration = sec(0);

  constructor(rng: Rng) {
    this.#rng = rng;
  }

  /** RFC 4861 §6.3.2: uniform between half the base and one and a half of it, so that hosts do not probe in step. */
  reachableTime(now: Instant): Duration {
    if (now >= this.#redrawAt || this.#drawnFrom !== this.baseReachableTime) {
      const factor = MIN_RANDOM_FACTOR + this.#rng.unit() * (MAX_RANDOM_FACTOR - MIN_RANDOM_FACTOR);
      this.#drawnFrom = this.baseReachableTime;
      this.#reachableTime = Math.round(this.baseReachableTime * factor) as Duration;
      this.#redrawAt = after(now, REDRAW_INTERVAL);
    }
    return this.#reachableTime;
  }
}

export class NeighborEntry implements Listed<NeighborEntry> {
  readonly timing: NudTiming;
  /** The neighbour's address: four int32 words, as in `Ip`. */
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly d: number;
  /** What its packets are on the link. */
  readonly etherType: number;

  state: State = 'none';
  /** Null exactly in `none`, `incomplete` and `failed`. */
  mac: Mac | null = null;
  /** When `handleTimeout` must be called; `NEVER` for never. */
  deadline: Instant = NEVER;
  /** Solicitations sent since the last answer. */
  probes = 0;
  /** When a packet was last sent to it. These three begin as `NEVER` so that they are doubles from the first. */
  usedAt: Instant = NEVER;
  /** When it was last known to be reachable. */
  confirmedAt: Instant = NEVER;
  /** When the link address was last learnt, changed, or given in an answer. */
  updatedAt: Instant = NEVER;
  /** Before this, use of a failed neighbour is refused without asking. */
  retryAt: Instant = NEVER;
  /** Counts changes of state and of link address. */
  version = 0;
  #solicitation: Solicitation | null = null;

  // The table's bookkeeping: hash chain, age list, deadline heap, waiting packets.
  /** Made because another host spoke to us, and not used by us since. */
  isForeign = false;
  nextInBucket: NeighborEntry | null = null;
  list: EntryList<NeighborEntry> | null = null;
  /** When it joined `list`. */
  listedAt: Instant = NEVER;
  older: NeighborEntry | null = null;
  newer: NeighborEntry | null = null;
  heapIndex = -1;
  pendingFirst = -1;
  pendingLast = -1;
  pendingCount = 0;
  /** What the table has counted of `version`. */
  countedVersion = 0;

  constructor(timing: NudTiming, a: number, b: number, c: number, d: number, etherType: number) {
    this.timing = timing;
    this.a = a;
    this.b = b;
    this.c = c;
    this.d = d;
    this.etherType = etherType;
  }

  get isFixed(): boolean {
    return this.state === 'permanent' || this.state === 'noarp';
  }

  /** A solicitation is out and unanswered. */
  get isAsking(): boolean {
    return this.state === 'incomplete' || this.state === 'probe';
  }

  /** A packet is about to be sent to it. */
  handleUse(now: Instant): void {
    switch (this.state) {
      case 'none':
        this.#ask(now, 'incomplete', 'multicast');
        return;
      case 'failed':
        if (now >= this.retryAt) this.#ask(now, 'incomplete', 'multicast');
        return;
      case 'stale':
        // RFC 4861 §7.3.3: the first packet sent while STALE starts DELAY, giving upper layers a chance to confirm
        // reachability before a probe is spent on it.
        this.#enter('delay', after(now, this.timing.delayFirstProbeTime));
        return;
      case 'incomplete':
      case 'reachable':
      case 'delay':
      case 'probe':
      case 'permanent':
      case 'noarp':
        return;
      default:
        unreachable(this.state);
    }
  }

  /** An upper layer made progress that proves the way there: RFC 4861 §7.3.1. */
  handleConfirm(now: Instant): void {
    if (this.mac === null || this.isFixed) return;
    this.#reach(now);
  }

  /** It spoke to us without being asked (a request, a neighbour or router solicitation): RFC 4861 §7.2.3. */
  handleHeard(now: Instant, mac: Mac): void {
    if (this.isFixed || this.mac?.equals(mac) === true) return;
    this.#learn(now, mac);
    this.#enter('stale', NEVER);
  }

  /**
   * An advertisement or ARP reply: RFC 4861 §7.2.5. `mac` is null when it names no link address; `isSolicited` when
   * it answers us; `isOverride` when it may replace the address we have.
   */
  handleAdvertisement(now: Instant, mac: Mac | null, isSolicited: boolean, isOverride: boolean): void {
    if (this.isFixed) return;
    if (this.mac === null) {
      if (mac === null) return;
      this.#learn(now, mac);
      if (isSolicited) this.#reach(now);
      else this.#enter('stale', NEVER);
      return;
    }
    const isOther = mac !== null && !mac.equals(this.mac);
    if (isOther && !isOverride) {
      // «If the state of the cache entry is REACHABLE, set it to STALE, but do not update the entry in any other way.»
      if (this.state === 'reachable') this.#enter('stale', NEVER);
      return;
    }
    if (isOther) this.#learn(now, mac);
    if (isSolicited) {
      if (this.state !== 'reachable') this.updatedAt = now;
      this.#reach(now);
    } else if (isOther) {
      this.#enter('stale', NEVER);
    }
  }

  handleTimeout(now: Instant): void {
    if (now < this.deadline) return;
    switch (this.state) {
      case 'incomplete':
        if (this.probes < MAX_MULTICAST_SOLICIT) this.#ask(now, 'incomplete', 'multicast');
        else this.#fail(after(now, this.timing.negativeTime));
        return;
      case 'reachable': {
        // Confirmations only write the time, so that they cost nothing per segment; it is looked at here.
        const until = after(this.confirmedAt, this.timing.reachableTime(now));
        if (now < until) this.deadline = until;
        else this.#enter('stale', NEVER);
        return;
      }
      case 'delay':
        this.#ask(now, 'probe', 'unicast');
        return;
      case 'probe':
        // Failing here says that the link address is wrong, not that nobody has the IP address: the next packet asks
        // everyone at once.
        if (this.probes < MAX_UNICAST_SOLICIT) this.#ask(now, 'probe', 'unicast');
        else this.#fail(now);
        return;
      case 'none':
      case 'stale':
      case 'failed':
      case 'permanent':
      case 'noarp':
        this.deadline = NEVER;
        return;
      default:
        unreachable(this.state);
    }
  }

  nextTimeout(): Instant {
    return this.deadline;
  }

  /** The solicitation that is due, once. */
  pollSolicit(): Solicitation | null {
    const due = this.#solicitation;
    this.#solicitation = null;
    return due;
  }

  /** What a person says about it, whatever was known before. */
  set(now: Instant, state: 'permanent' | 'noarp' | 'reachable' | 'stale', mac: Mac): void {
    this.#learn(now, mac);
    if (state === 'reachable') this.#reach(now);
    else this.#enter(state, NEVER);
  }

  #learn(now: Instant, mac: Mac): void {
    this.mac = mac;
    this.updatedAt = now;
    this.version++;
  }

  #reach(now: Instant): void {
    this.confirmedAt = now;
    if (this.state !== 'reachable') this.#enter('reachable', after(now, this.timing.reachableTime(now)));
  }

  #ask(now: Instant, state: 'incomplete' | 'probe', how: Solicitation): void {
    if (this.state !== state) this.#enter(state, NEVER);
    this.deadline = after(now, this.timing.retransTimer);
    this.probes++;
    this.#solicitation = how;
  }

  #fail(retryAt: Instant): void {
    this.mac = null;
    this.retryAt = retryAt;
    this.#enter('failed', NEVER);
  }

  #enter(state: State, deadline: Instant): void {
    this.state = state;
    this.deadline = deadline;
    this.probes = 0;
    this.#solicitation = null;
    this.version++;
  }
}
