/**
 * A listener, and the table of them: who takes a SYN.
 *
 *     SYN → half-open connections (synCount ≤ maxSynBacklog, beyond it SYN cookies) → accept queue (≤ backlog) → accept
 *
 * The most specific one wins: bound to the address before any address, bound to the interface before any, and
 * last the one that takes every port (port 0), for transparent proxies. Among equals with SO_REUSEPORT the
 * flow's hash chooses.
 */
import type { FlowKey } from '../../addr/flow-key.ts';
import { assert } from '../../base/assert.ts';
import type { TcpUser } from '../host.ts';
import { IdQueue } from '../id-queue.ts';

const V4_MAPPED = 0xffff;

/** What a listener is opened with, and what its connections inherit. */
export interface ListenOptions {
  /** Four words; all zero, or the v4-mapped zero, for every address. */
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly d: number;
  /** 0 takes every port that nobody else listens at. */
  readonly port: number;
  /** Interface, or 0. */
  readonly device: number;
  readonly ipv6Only: boolean;
  readonly reusePort: boolean;
  readonly backlog: number;
}

export class Listener {
  readonly options: ListenOptions;
  readonly user: TcpUser;
  readonly isAny: boolean;
  readonly isV4: boolean;
  id = -1;
  backlog: number;
  /** Half-open connections. */
  synCount = 0;
  /** Established ones that nobody has accepted. */
  readonly accepted: IdQueue = new IdQueue(4);
  /** When the queue of half-open ones was full last: only then may an ACK be the answer to a cookie. */
  overflowedAt: number = Number.NEGATIVE_INFINITY;

  // What connections inherit; 0 (or -1) for the default of the stack.
  sndLimit = 0;
  rcvLimit = 0;
  /** Bits of `TcbFlag` that are options of the user. */
  flags = 0;
  keepIdleMs = 0;
  keepIntervalMs = 0;
  keepProbesMax = 0;
  userTimeoutMs = 0;
  userMss = 0;
  windowClamp = 0;
  notSentLowWater = 0;
  ackDelayMs = 0;
  /** 1 + index into CONGESTION_NAMES. */
  congestion = 0;
  lingerMs = -1;
  tos = 0;
  ttl = 0;
  mark = 0;

  constructor(options: ListenOptions, user: TcpUser) {
    this.options = options;
    this.user = user;
    const { a, b, c, d } = options;
    this.isV4 = a === 0 && b === 0 && c === V4_MAPPED;
    this.isAny = a === 0 && b === 0 && (c === 0 || c === V4_MAPPED) && d === 0;
    this.backlog = options.backlog;
  }

  /** Linux: one more than the backlog. */
  get isFull(): boolean {
    return this.accepted.length > this.backlog;
  }
}

export class ListenerTable {
  readonly #byPort = new Map<number, Listener[]>();
  readonly #byId: (Listener | null)[] = [];
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Everybody, for lists. */
  all(): Listener[] {
    return this.#byId.filter((listener) => listener !== null);
  }

  at(id: number): Listener | null {
    return this.#byId[id] ?? null;
  }

  add(listener: Listener): void {
    const free = this.#byId.indexOf(null);
    listener.id = free < 0 ? this.#byId.length : free;
    this.#byId[listener.id] = listener;
    this.#count++;
    const group = this.#byPort.get(listener.options.port);
    if (group === undefined) this.#byPort.set(listener.options.port, [listener]);
    else group.push(listener);
  }

  remove(listener: Listener): void {
    assert(this.#byId[listener.id] === listener, 'a listener is removed once');
    this.#byId[listener.id] = null;
    this.#count--;
    const { port } = listener.options;
    const group = this.#byPort.get(port) as Listener[];
    group.splice(group.indexOf(listener), 1);
    if (group.length === 0) this.#byPort.delete(port);
  }

  /** For a segment that arrived as `flow`; `hash` chooses among equals. */
  lookup(flow: FlowKey, hash: number): Listener | null {
    const own = this.#byPort.get(flow.dstPort);
    const found = own === undefined ? null : best(own, flow, hash);
    if (found !== null) return found;
    const any = this.#byPort.get(0);
    return any === undefined ? null : best(any, flow, hash);
  }
}

function best(group: readonly Listener[], flow: FlowKey, hash: number): Listener | null {
  let chosen: Listener | null = null;
  let chosenScore = 0;
  let equals = 0;
  for (let i = 0; i < group.length; i++) {
    const listener = group[i] as Listener;
    const own = score(listener, flow);
    if (own > chosenScore) {
      chosen = listener;
      chosenScore = own;
      equals = 1;
    } else if (own > 0 && own === chosenScore) equals++;
  }
  if (chosen === null || equals === 1 || !chosen.options.reusePort) return chosen;
  let index = (hash >>> 0) % equals;
  for (let i = 0; i < group.length; i++) {
    const listener = group[i] as Listener;
    if (score(listener, flow) === chosenScore && index-- === 0) return listener;
  }
  return chosen;
}

/** 0 when it does not match. */
function score(listener: Listener, flow: FlowKey): number {
  const { options } = listener;
  let result = 1;
  if (options.device !== 0) {
    if (options.device !== flow.iif) return 0;
    result += 4;
  }
  const is4 = flow.dstA === 0 && flow.dstB === 0 && flow.dstC === V4_MAPPED;
  if (listener.isAny) {
    if (is4 === listener.isV4) return result + 1;
    return is4 && !options.ipv6Only ? result : 0;
  }
  const matches =
    options.d === flow.dstD && options.c === flow.dstC && options.b === flow.dstB && options.a === flow.dstA;
  return matches ? result + 16 : 0;
}
