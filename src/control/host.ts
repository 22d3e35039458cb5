/**
 * What commands may ask of a running stack: `daemon/` implements it over one, tests over nothing.
 */
import type { Ip } from '../addr/ip.ts';
import type { Mac } from '../addr/mac.ts';
import type { Prefix } from '../addr/prefix.ts';
import type { Instant } from '../base/time.ts';
import type {
  CaptureEnd,
  CaptureItem,
  CountersReport,
  LinkReport,
  NeighborReport,
  PingEnd,
  PingItem,
  RouteReport,
  RuleReport,
  SocketKind,
  SocketReport,
  StatusReport,
  TraceEnd,
  TraceItem,
} from './report.ts';
import type { SocketFilter } from './socket-filter.ts';

/** Why something could not be done: an errno or another code, and a sentence for a person. Immutable. */
export class Refusal {
  readonly code: string;
  readonly text: string;

  constructor(code: string, text: string) {
    this.code = code;
    this.text = text;
  }
}

/** Results that come one after another: asked after each turn, until it has an end. */
export interface ResultStream<Item extends object = object, End extends object = object> {
  pollItem(now: Instant): Item | null;
  /** Not null once all items have been taken and no more will come. */
  pollEnd(now: Instant): End | null;
  /** Asks it to end; the last items and the end are still to be polled. */
  cancel(now: Instant): void;
  /** Nobody polls any more: gives everything back. Called in any case, and once. */
  close(): void;
}

/** Selects by device name; undefined is all of them. */
export type Dev = string | undefined;

export interface LinkChange {
  readonly isUp?: boolean;
  readonly mtu?: number;
}

export interface HopChange {
  readonly via: Ip | undefined;
  readonly dev: Dev;
  readonly weight: number | undefined;
  readonly onlink: boolean;
}

export type RouteVerb = 'add' | 'replace' | 'append' | 'prepend' | 'del';
export type RouteKind =
  | 'unicast'
  | 'local'
  | 'broadcast'
  | 'multicast'
  | 'blackhole'
  | 'unreachable'
  | 'prohibit'
  | 'throw';

export interface RouteChange {
  readonly type: RouteKind | undefined;
  readonly prefix: Prefix;
  readonly hop: HopChange;
  readonly hops: readonly HopChange[];
  readonly src: Ip | undefined;
  readonly metric: number | undefined;
  readonly mtu: number | undefined;
  readonly table: number | undefined;
  readonly protocol: string | undefined;
  readonly scope: string | undefined;
}

export interface RouteFilter {
  /** 0 is all. */
  readonly table: number;
  readonly dev: Dev;
  readonly prefix: Prefix | undefined;
  readonly type: RouteKind | undefined;
  readonly protocol: string | undefined;
}

export interface RouteQuestion {
  readonly to: Ip;
  readonly from: Ip | undefined;
  readonly iif: Dev;
  readonly oif: Dev;
  readonly tos: number | undefined;
  readonly mark: number | undefined;
}

export interface RuleChange {
  readonly isInverted: boolean;
  readonly from: Prefix | undefined;
  readonly to: Prefix | undefined;
  readonly tos: number | undefined;
  readonly mark: number | undefined;
  readonly markMask: number | undefined;
  readonly iif: Dev;
  readonly oif: Dev;
  readonly protocol: number | undefined;
  readonly sourcePorts: readonly [number, number] | undefined;
  readonly destinationPorts: readonly [number, number] | undefined;
  readonly priority: number | undefined;
  /** A table, or a refusal. */
  readonly action: number | 'blackhole' | 'unreachable' | 'prohibit';
}

export type NeighborState = 'permanent' | 'noarp' | 'reachable' | 'stale';

export interface NeighborChange {
  readonly address: Ip;
  readonly dev: Dev;
  readonly mac: Mac;
  readonly state: NeighborState;
}

export interface NeighborFilter {
  readonly dev: Dev;
  readonly to: Prefix | undefined;
  /** In lower case; undefined leaves out what has no use: `noarp`. */
  readonly state: string | undefined;
}

export interface SocketRequest {
  readonly kinds: ReadonlySet<SocketKind>;
  readonly filter: SocketFilter;
  /** Of the state of TCP. */
  readonly info: boolean;
  readonly memory: boolean;
  readonly timers: boolean;
}

export interface PingRequest {
  readonly destination: Ip;
  readonly source: Ip | undefined;
  readonly count: number | undefined;
  readonly intervalMs: number;
  readonly dataBytes: number;
  readonly timeoutMs: number | undefined;
  readonly deadlineMs: number | undefined;
  readonly ttl: number | undefined;
  readonly tos: number | undefined;
  readonly pathMtu: 'do' | 'want' | 'dont' | 'probe' | undefined;
}

export interface TraceRequest {
  readonly destination: Ip;
  readonly source: Ip | undefined;
  readonly method: 'udp' | 'icmp';
  readonly firstTtl: number;
  readonly lastTtl: number;
  readonly probesPerHop: number;
  readonly waitMs: number;
  /** Of the whole datagram. */
  readonly bytes: number;
  readonly port: number;
}

export interface CaptureRequest {
  readonly format: 'pcapng' | 'text';
  readonly dev: Dev;
  readonly count: number | undefined;
  readonly snaplen: number | undefined;
}

export interface ControlHost {
  status(now: Instant): StatusReport;
  /** Ends the daemon, soon. */
  down(): void;

  links(dev: Dev): readonly LinkReport[] | Refusal;
  changeLink(now: Instant, dev: string, change: LinkChange): Refusal | null;
  addAddress(now: Instant, dev: Dev, address: Prefix): Refusal | null;
  deleteAddress(now: Instant, dev: Dev, address: Prefix): Refusal | null;

  routes(filter: RouteFilter): readonly RouteReport[] | Refusal;
  changeRoute(verb: RouteVerb, change: RouteChange): Refusal | null;
  routeTo(question: RouteQuestion): RouteReport | Refusal;
  flushRoutes(filter: RouteFilter): number | Refusal;
  rules(): readonly RuleReport[];
  addRule(change: RuleChange): Refusal | null;
  deleteRule(change: RuleChange): Refusal | null;

  neighbors(now: Instant, filter: NeighborFilter): readonly NeighborReport[] | Refusal;
  setNeighbor(now: Instant, verb: 'add' | 'replace', change: NeighborChange): Refusal | null;
  deleteNeighbor(address: Ip, dev: Dev): Refusal | null;
  flushNeighbors(dev: Dev): number | Refusal;

  sockets(now: Instant, request: SocketRequest): readonly SocketReport[] | Refusal;

  counters(): CountersReport;
  /** The same for Prometheus. */
  metrics(): string;

  ping(now: Instant, request: PingRequest): ResultStream<PingItem, PingEnd> | Refusal;
  traceroute(now: Instant, request: TraceRequest): ResultStream<TraceItem, TraceEnd> | Refusal;
  capture(now: Instant, request: CaptureRequest): ResultStream<CaptureItem, CaptureEnd> | Refusal;
}
