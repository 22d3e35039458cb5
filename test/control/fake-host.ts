/** A stack that remembers what was asked of it, and answers what a test has put there. */
import type { Ip } from '../../src/addr/ip.ts';
import type { Prefix } from '../../src/addr/prefix.ts';
import type {
  ControlHost,
  NeighborChange,
  PingRequest,
  ResultStream,
  RouteChange,
  RouteFilter,
  RuleChange,
  SocketRequest,
  TraceRequest,
} from '../../src/control/host.ts';
import { Refusal } from '../../src/control/host.ts';
import type { LinkReport, RouteReport, SocketReport } from '../../src/control/report.ts';

/** A stream whose items a test pushes. */
export class FakeStream implements ResultStream {
  readonly items: object[] = [];
  end: object | null = null;
  isCancelled = false;
  /** What it ends with when it is cancelled. */
  cancelledEnd: object = { isCancelled: true };
  closeCount = 0;

  pollItem(): object | null {
    return this.items.shift() ?? null;
  }

  pollEnd(): object | null {
    return this.items.length > 0 ? null : this.end;
  }

  cancel(): void {
    this.isCancelled = true;
    this.end = this.cancelledEnd;
  }

  close(): void {
    this.closeCount++;
  }
}

export class FakeHost implements ControlHost {
  /** `[name, ...arguments]` of every call, time left out. */
  readonly calls: unknown[][] = [];
  readonly streams: FakeStream[] = [];
  refusal: Refusal | null = null;
  linkReports: readonly LinkReport[] = [];
  routeReports: readonly RouteReport[] = [];
  socketReports: readonly SocketReport[] = [];

  status(): never {
    throw new Error('not asked for here');
  }
  down(): void {
    this.calls.push(['down']);
  }
  links(dev: string | undefined): readonly LinkReport[] | Refusal {
    return this.#answer(this.linkReports, 'links', dev);
  }
  changeLink(_now: unknown, dev: string, change: object): Refusal | null {
    return this.#answer(null, 'changeLink', dev, change);
  }
  addAddress(_now: unknown, dev: string | undefined, address: Prefix): Refusal | null {
    return this.#answer(null, 'addAddress', dev, String(address));
  }
  deleteAddress(_now: unknown, dev: string | undefined, address: Prefix): Refusal | null {
    return this.#answer(null, 'deleteAddress', dev, String(address));
  }
  routes(filter: RouteFilter): readonly RouteReport[] | Refusal {
    return this.#answer(this.routeReports, 'routes', filter);
  }
  changeRoute(verb: string, change: RouteChange): Refusal | null {
    return this.#answer(null, 'changeRoute', verb, change);
  }
  routeTo(question: object): RouteReport | Refusal {
    return this.#answer({ dst: '10.0.0.1', flags: [] }, 'routeTo', question);
  }
  flushRoutes(filter: RouteFilter): number | Refusal {
    return this.#answer(3, 'flushRoutes', filter);
  }
  rules(): readonly [] {
    return [];
  }
  addRule(change: RuleChange): Refusal | null {
    return this.#answer(null, 'addRule', change);
  }
  deleteRule(change: RuleChange): Refusal | null {
    return this.#answer(null, 'deleteRule', change);
  }
  neighbors(): readonly [] {
    return [];
  }
  setNeighbor(_now: unknown, verb: string, change: NeighborChange): Refusal | null {
    return this.#answer(null, 'setNeighbor', verb, change);
  }
  deleteNeighbor(address: Ip, dev: string | undefined): Refusal | null {
    return this.#answer(null, 'deleteNeighbor', String(address), dev);
  }
  flushNeighbors(dev: string | undefined): number | Refusal {
    return this.#answer(1, 'flushNeighbors', dev);
  }
  sockets(_now: unknown, request: SocketRequest): readonly SocketReport[] | Refusal {
    return this.#answer(this.socketReports, 'sockets', request);
  }
  counters(): object & Record<string, unknown> {
    return { drops: { NoRoute: 2 } };
  }
  metrics(): string {
    return 'tapstack_drops_total{reason="NoRoute"} 2\n';
  }
  ping(_now: unknown, request: PingRequest): never {
    return this.#stream('ping', request);
  }
  traceroute(_now: unknown, request: TraceRequest): never {
    return this.#stream('traceroute', request);
  }
  capture(_now: unknown, request: object): never {
    return this.#stream('capture', request);
  }

  #answer<T>(value: T, ...call: unknown[]): T | Refusal {
    this.calls.push(call);
    return this.refusal ?? value;
  }

  #stream(...call: unknown[]): never {
    this.calls.push(call);
    const stream = new FakeStream();
    this.streams.push(stream);
    return (this.refusal ?? stream) as never;
  }
}
