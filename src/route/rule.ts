/**
 * One rule of policy routing (ip-rule(8)): which packets, and which table, or which refusal.
 */
import type { FlowKey } from '../addr/flow-key.ts';
import { ANY4 } from '../addr/ip.ts';
import { Prefix } from '../addr/prefix.ts';
import type { NextHop } from './nexthop.ts';
import { Route } from './nexthop.ts';
import type { Table } from './table.ts';

export type RuleRefusal = 'blackhole' | 'unreachable' | 'prohibit';
export type PortRange = readonly [first: number, last: number];

/** What is not given matches everything. */
export interface RuleSelectors {
  readonly from?: Prefix;
  readonly to?: Prefix;
  readonly tos?: number;
  /** Matches when the packet's mark agrees in the bits of `markMask` (all, when not given). */
  readonly mark?: number;
  readonly markMask?: number;
  /** The interface it came in by; packets of our own come from the loopback interface. */
  readonly iif?: number;
  /** The interface that the socket is bound to. */
  readonly oif?: number;
  readonly protocol?: number;
  readonly sourcePorts?: PortRange;
  readonly destinationPorts?: PortRange;
  /** Matches the packets that the selectors do not match. */
  readonly isInverted?: boolean;
}

export interface RuleSpec extends RuleSelectors {
  /** Lower ones come first; when not given, in front of all but the first rule. */
  readonly priority?: number;
  /** The number of a table, or a refusal. */
  readonly action: number | RuleRefusal;
}

export class Rule {
  readonly priority: number;
  readonly selectors: RuleSelectors;
  readonly action: number | RuleRefusal;
  /** Null when it refuses. */
  readonly table: Table | null;
  /** Null when it has a table. */
  readonly refusal: NextHop | null;
  /** It matches everything. */
  readonly isPlain: boolean;
  readonly #from: PrefixWords;
  readonly #to: PrefixWords;
  readonly #markMask: number;

  constructor(spec: RuleSpec, priority: number, table: Table | null) {
    const { priority: _, action, ...selectors } = spec;
    this.priority = priority;
    this.selectors = selectors;
    this.action = action;
    this.table = table;
    this.refusal = typeof action === 'number' ? null : refusalHop(action);
    this.isPlain = Object.values(selectors).every((selector) => selector === undefined);
    this.#from = new PrefixWords(selectors.from);
    this.#to = new PrefixWords(selectors.to);
    this.#markMask = selectors.markMask ?? -1;
  }

  matches(key: FlowKey): boolean {
    return this.#matches(key) !== (this.selectors.isInverted === true);
  }

  /** Whether `other` selects and does the same. */
  equals(other: Rule): boolean {
    return (
      this.priority === other.priority &&
      this.action === other.action &&
      isEqual(this.selectors, other.selectors)
    );
  }

  #matches(key: FlowKey): boolean {
    const { tos, mark, iif, oif, protocol, sourcePorts, destinationPorts } = this.selectors;
    if (!this.#from.contains(key.srcA, key.srcB, key.srcC, key.srcD)) return false;
    if (!this.#to.contains(key.dstA, key.dstB, key.dstC, key.dstD)) return false;
    if (tos !== undefined && tos !== key.tos) return false;
    if (mark !== undefined && ((mark ^ key.mark) & this.#markMask) !== 0) return false;
    if (iif !== undefined && iif !== key.iif) return false;
    if (oif !== undefined && oif !== key.oif) return false;
    if (protocol !== undefined && protocol !== key.protocol) return false;
    if (sourcePorts !== undefined && !isWithin(key.srcPort, sourcePorts)) return false;
    return destinationPorts === undefined || isWithin(key.dstPort, destinationPorts);
  }
}

/** A prefix, or everything, to compare the words of a key with. */
class PrefixWords {
  readonly #words: Int32Array = new Int32Array(4);
  readonly #masks: Int32Array = new Int32Array(4);
  readonly #excludesV4: boolean;

  constructor(prefix: Prefix | undefined) {
    this.#excludesV4 = prefix !== undefined && !prefix.address.isV4;
    if (prefix === undefined) return;
    const { a, b, c, d } = prefix.address;
    this.#words.set([a, b, c, d]);
    for (let i = 0; i < 4; i++) {
      const bits = prefix.mappedLength - 32 * i;
      if (bits > 0) this.#masks[i] = bits >= 32 ? -1 : -1 << (32 - bits);
    }
  }

  contains(a: number, b: number, c: number, d: number): boolean {
    if (this.#excludesV4 && (a | b) === 0 && c === 0xffff) return false;
    const words = this.#words;
    const masks = this.#masks;
    return (
      (((words[0] as number) ^ a) & (masks[0] as number)) === 0 &&
      (((words[1] as number) ^ b) & (masks[1] as number)) === 0 &&
      (((words[2] as number) ^ c) & (masks[2] as number)) === 0 &&
      (((words[3] as number) ^ d) & (masks[3] as number)) === 0
    );
  }
}

function refusalHop(type: RuleRefusal): NextHop {
  const route = new Route({ prefix: new Prefix(ANY4, 0), type }, [{}], 0, () => false);
  return route.nextHops[0] as NextHop;
}

const isWithin = (port: number, range: PortRange): boolean => port >= range[0] && port <= range[1];

function isEqual(a: RuleSelectors, b: RuleSelectors): boolean {
  return (
    isSamePrefix(a.from, b.from) &&
    isSamePrefix(a.to, b.to) &&
    a.tos === b.tos &&
    a.mark === b.mark &&
    a.markMask === b.markMask &&
    a.iif === b.iif &&
    a.oif === b.oif &&
    a.protocol === b.protocol &&
    isSameRange(a.sourcePorts, b.sourcePorts) &&
    isSameRange(a.destinationPorts, b.destinationPorts) &&
    (a.isInverted === true) === (b.isInverted === true)
  );
}

function isSamePrefix(a: Prefix | undefined, b: Prefix | undefined): boolean {
  return a === undefined || b === undefined ? a === b : a.equals(b);
}

function isSameRange(a: PortRange | undefined, b: PortRange | undefined): boolean {
  return a === undefined || b === undefined ? a === b : a[0] === b[0] && a[1] === b[1];
}
