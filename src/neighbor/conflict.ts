/**
 * One IPv4 address that this host wants, has, or lost: address conflict detection, RFC 5227.
 *
 *             0–1 s        3 probes, 1–2 s apart      2 s            2 announcements, 2 s apart
 *     idle ---------> wait -----------------> probe ------> settle ------------------------> announce ------> bound
 *                      |  another has it, or probes too |     |                                 |  another claims it:
 *                      +--------------------------------+-----+---> conflict                    +--> defend, or lost
 *
 * Sans-I/O: it never sends. `pollSend` says what is due, `nextTimeout` when to be asked again, `pollEvent` what its
 * owner should know. `arp.ts` does the sending.
 */
import type { Mac } from '../addr/mac.ts';
import type { Rng } from '../base/rng.ts';
import type { Duration, Instant } from '../base/time.ts';
import { after, NEVER, sec } from '../base/time.ts';

// RFC 5227 §1.1.
export const PROBE_WAIT: Duration = sec(1);
export const PROBE_NUM = 3;
export const PROBE_MIN: Duration = sec(1);
export const PROBE_MAX: Duration = sec(2);
export const ANNOUNCE_WAIT: Duration = sec(2);
export const ANNOUNCE_NUM = 2;
export const ANNOUNCE_INTERVAL: Duration = sec(2);
export const MAX_CONFLICTS = 10;
export const RATE_LIMIT_INTERVAL: Duration = sec(60);
export const DEFEND_INTERVAL: Duration = sec(10);

const LONG_AGO: Instant = Number.NEGATIVE_INFINITY as Instant;

export const CLAIM_STATES = [
  'idle',
  'wait',
  'probe',
  'settle',
  'announce',
  'bound',
  'conflict',
  'lost',
] as const;
/** `settle` is the ANNOUNCE_WAIT after the last probe; from `conflict` and `lost` only `start` or `assume` leads on. */
export type ClaimState = (typeof CLAIM_STATES)[number];

export const CLAIM_INPUTS = [
  'start',
  'assume',
  'timer',
  'last',
  'probed',
  'claimed',
  'beaten',
  'repeated',
] as const;
/**
 * What happened: the owner wants to probe, or to use the address at once; the timer ran out, for the last time in
 * this state; another host probes for it; another host claims it, and we may defend, must give up, or must be silent.
 */
export type ClaimInput = (typeof CLAIM_INPUTS)[number];

/**
 * §2.4, what to do about a claim to an address that we have: (a) give it up, (b) defend it once in DEFEND_INTERVAL and
 * give it up when that does not help, (c) defend it for ever, once in DEFEND_INTERVAL.
 */
export type DefensePolicy = 'yield' | 'defend' | 'insist';

/**
 * `bound`: use it. `conflict`: somebody has it, do not use it. `defended`: somebody claimed it and was told.
 * `lost`: stop using it.
 */
export type ClaimEvent = 'bound' | 'conflict' | 'defended' | 'lost';
export type ClaimFrame = 'probe' | 'announcement';

interface Transition {
  readonly next: ClaimState;
  readonly send?: ClaimFrame;
  readonly event?: ClaimEvent;
}

type Row = Readonly<Partial<Record<ClaimInput, Transition>>>;

const START: Row = {
  start: { next: 'wait' },
  assume: { next: 'announce', send: 'announcement', event: 'bound' },
};
const CONFLICT: Transition = { next: 'conflict', event: 'conflict' };
const LOST: Transition = { next: 'lost', event: 'lost' };
// §2.1.1: «from the beginning of the probing process until ANNOUNCE_WAIT seconds after the last probe packet is sent»,
// a claim to the address and another host's probe for it are both a conflict.
const PROBING: Row = { ...START, probed: CONFLICT, claimed: CONFLICT };

/** Everything that may happen; what is not here changes nothing. */
export const TRANSITIONS: Readonly<Record<ClaimState, Row>> = {
  idle: START,
  wait: { ...PROBING, timer: { next: 'probe', send: 'probe' } },
  probe: {
    ...PROBING,
    timer: { next: 'probe', send: 'probe' },
    last: { next: 'settle', send: 'probe' },
  },
  settle: { ...PROBING, timer: { next: 'announce', send: 'announcement', event: 'bound' } },
  announce: {
    ...START,
    timer: { next: 'announce', send: 'announcement' },
    last: { next: 'bound', send: 'announcement' },
    claimed: { next: 'announce', send: 'announcement', event: 'defended' },
    beaten: LOST,
    repeated: { next: 'announce' },
  },
  bound: {
    ...START,
    claimed: { next: 'bound', send: 'announcement', event: 'defended' },
    beaten: LOST,
    repeated: { next: 'bound' },
  },
  conflict: START,
  lost: START,
};

/** What the claims of one interface share: how often they failed lately (RFC 5227 §2.1.1). */
export class ConflictHistory {
  /** Since an address was last acquired. */
  conflicts = 0;
  /** No address is tried before this. */
  nextAttemptAt: Instant = LONG_AGO;
}

export class AddressClaim {
  /** As an int32 word. */
  readonly address: number;
  policy: DefensePolicy;
  state: ClaimState = 'idle';
  /** Who else had or claimed the address, last. */
  rival: Mac | null = null;
  /** Claims by others to the address while we have it. */
  claims = 0;
  readonly #rng: Rng;
  readonly #history: ConflictHistory;
  #deadline: Instant = NEVER;
  /** Probes or announcements sent in a row. */
  #sent = 0;
  #claimedAt: Instant = LONG_AGO;
  #frame: ClaimFrame | null = null;
  #event: ClaimEvent | null = null;

  constructor(address: number, policy: DefensePolicy, rng: Rng, history: ConflictHistory) {
    this.address = address;
    this.policy = policy;
    this.#rng = rng;
    this.#history = history;
  }

  /** Whether the address may be used. */
  get isBound(): boolean {
    return this.state === 'announce' || this.state === 'bound';
  }

  /** Somebody else has it, and we do not try any more. */
  get isOver(): boolean {
    return this.state === 'conflict' || this.state === 'lost';
  }

  /** Finds out whether the address is free, then announces it; also after a conflict, and when the link came up. */
  start(now: Instant): void {
    this.#claimedAt = LONG_AGO;
    this.#step(now, 'start');
  }

  /** Announces the address without asking, and watches over it. */
  assume(now: Instant): void {
    this.#claimedAt = LONG_AGO;
    this.#step(now, 'assume');
  }

  /** Another host sent an ARP packet of either kind with this address as its own: §2.1.1 and §2.4. */
  handleClaimed(now: Instant, rival: Mac): void {
    if (!this.isBound) {
      this.#step(now, 'claimed', rival);
      return;
    }
    this.claims++;
    const isRecent = now < after(this.#claimedAt, DEFEND_INTERVAL);
    if (this.policy === 'yield' || (isRecent && this.policy === 'defend')) this.#step(now, 'beaten', rival);
    else if (isRecent) this.#step(now, 'repeated', rival);
    else {
      this.#claimedAt = now;
      this.#step(now, 'claimed', rival);
    }
  }

  /** Another host probes for this address: it wants it too (§2.1.1). */
  handleProbed(now: Instant, rival: Mac): void {
    this.#step(now, 'probed', rival);
  }

  nextTimeout(): Instant {
    return this.#deadline;
  }

  handleTimeout(now: Instant): void {
    if (now < this.#deadline) return;
    const limit = this.state === 'probe' ? PROBE_NUM : ANNOUNCE_NUM;
    const isSeries = this.state === 'probe' || this.state === 'announce';
    this.#step(now, isSeries && this.#sent + 1 >= limit ? 'last' : 'timer');
  }

  /** The frame that is due, once. */
  pollSend(): ClaimFrame | null {
    const frame = this.#frame;
    this.#frame = null;
    return frame;
  }

  /** What its owner should know, once. */
  pollEvent(): ClaimEvent | null {
    const event = this.#event;
    this.#event = null;
    return event;
  }

  #step(now: Instant, input: ClaimInput, rival: Mac | null = null): void {
    const transition = TRANSITIONS[this.state][input];
    if (transition === undefined) return;
    const { next, send, event } = transition;
    if (rival !== null) this.rival = rival;
    if (send !== undefined) this.#frame = send;
    if (event !== undefined) this.#event = event;
    if (event === 'bound') this.#history.conflicts = 0;
    if (event === 'conflict' || event === 'lost') this.#history.conflicts++;
    const isOngoing = next === this.state;
    // A defence is not part of the series of announcements, and does not move its timer.
    if (isOngoing && input !== 'timer' && input !== 'start' && input !== 'assume') return;
    this.#sent = input === 'timer' && isOngoing ? this.#sent + 1 : Number(send !== undefined);
    this.state = next;
    this.#deadline = this.#deadlineOf(now, next);
  }

  #deadlineOf(now: Instant, state: ClaimState): Instant {
    switch (state) {
      case 'wait':
        return this.#firstProbeAt(now);
      case 'probe':
        return after(now, (PROBE_MIN + this.#rng.below(PROBE_MAX - PROBE_MIN + 1)) as Duration);
      case 'settle':
        return after(now, ANNOUNCE_WAIT);
      case 'announce':
        return after(now, ANNOUNCE_INTERVAL);
      default:
        return NEVER;
    }
  }

  /** §2.1.1: after MAX_CONFLICTS, no more than one address is tried in RATE_LIMIT_INTERVAL. */
  #firstProbeAt(now: Instant): Instant {
    const history = this.#history;
    const soon = after(now, this.#rng.below(PROBE_WAIT + 1) as Duration);
    const at =
      history.conflicts >= MAX_CONFLICTS && history.nextAttemptAt > soon ? history.nextAttemptAt : soon;
    history.nextAttemptAt = after(at, RATE_LIMIT_INTERVAL);
    return at;
  }
}
