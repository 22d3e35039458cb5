/**
 * The five points at which a packet may be looked at, changed, dropped or taken away, in netfilter's order:
 *
 *     in -> PREROUTING -> route -+-> INPUT -> sockets -> OUTPUT -> route -+-> POSTROUTING -> out
 *                                +-----------> FORWARD ------------------+
 *
 * Firewall, connection tracking, NAT and capture are functions registered here. A point where nothing is
 * registered costs its caller one branch.
 */
import { assert } from '../base/assert.ts';
import type { Drop } from '../base/drop.ts';
import type { Instant } from '../base/time.ts';
import type { Drops } from '../packet/drops.ts';
import type { Packet } from '../packet/packet.ts';

export const HookPoint = { Prerouting: 0, Input: 1, Forward: 2, Output: 3, Postrouting: 4 } as const;
export type HookPoint = (typeof HookPoint)[keyof typeof HookPoint];

/** On to the next hook, and after the last one on with the packet; the same number as `Drop.None`. */
export const ACCEPT = 0;
/** The hook has taken ownership: nobody else touches the packet again. */
export const STOLEN = -1;

/** `ACCEPT`, `STOLEN`, or the reason to drop the packet for. */
export type Verdict = Drop | typeof STOLEN;

/** Where the usual customers register; the smaller one sees a packet first (netfilter's numbers). */
export const HookPriority = {
  First: -1000,
  Conntrack: -200,
  Mangle: -150,
  NatDestination: -100,
  Filter: 0,
  NatSource: 100,
  Last: 1000,
} as const;

/** What a hook may know besides the packet. One object is filled anew by each caller of `run`. */
export class HookContext {
  /** Index of the interface the packet came in by, or 0. */
  iif = 0;
  /** Index of the interface it will leave by, or 0 while that is not known. */
  oif = 0;
}

/** Peeks at, or changes, `packet`; owns it only once it has answered `STOLEN`. Must not keep `context`. */
export type HookFunction = (now: Instant, packet: Packet, context: HookContext) => Verdict;

interface Registration {
  readonly priority: number;
  readonly hook: HookFunction;
}

const POINTS = 5;

export class Hooks {
  readonly #drops: Drops;
  readonly #registrations: Registration[][] = Array.from({ length: POINTS }, () => []);
  /** Per point the functions in order, or null for none. Replaced, never changed: a run may be under way. */
  readonly #chains: (readonly HookFunction[] | null)[] = new Array<null>(POINTS).fill(null);

  constructor(drops: Drops) {
    this.#drops = drops;
  }

  /** Of equal priorities, the one registered first sees a packet first. */
  register(point: HookPoint, priority: number, hook: HookFunction): void {
    const registrations = this.#registrations[point] as Registration[];
    assert(!registrations.some((r) => r.hook === hook), 'a hook is registered once per point');
    registrations.push({ priority, hook });
    registrations.sort((a, b) => a.priority - b.priority);
    this.#rebuild(point);
  }

  /** False when `hook` was not there. A run that is under way may still call it once. */
  unregister(point: HookPoint, hook: HookFunction): boolean {
    const registrations = this.#registrations[point] as Registration[];
    const at = registrations.findIndex((r) => r.hook === hook);
    if (at < 0) return false;
    registrations.splice(at, 1);
    this.#rebuild(point);
    return true;
  }

  /** Whether anything is registered, for callers to whom filling in a context is too much. */
  isActive(point: HookPoint): boolean {
    return this.#chains[point] !== null;
  }

  /** On anything but `ACCEPT` the packet is gone: dropped under that reason, or stolen. */
  run(point: HookPoint, now: Instant, packet: Packet, context: HookContext): Verdict {
    const chain = this.#chains[point];
    if (chain === null || chain === undefined) return ACCEPT;
    return this.#walk(chain, now, packet, context);
  }

  #walk(chain: readonly HookFunction[], now: Instant, packet: Packet, context: HookContext): Verdict {
    for (let i = 0; i < chain.length; i++) {
      const verdict = (chain[i] as HookFunction)(now, packet, context);
      if (verdict === ACCEPT) continue;
      if (verdict !== STOLEN) this.#drops.drop(packet, verdict);
      return verdict;
    }
    return ACCEPT;
  }

  #rebuild(point: HookPoint): void {
    const registrations = this.#registrations[point] as Registration[];
    this.#chains[point] = registrations.length === 0 ? null : registrations.map((r) => r.hook);
  }
}
