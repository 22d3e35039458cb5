/**
 * TCP between the hosts of a random world: connections of all kinds, their ends, and who may be told what.
 */
import type { Ip } from '../../addr/ip.ts';
import { Ip as IpValue } from '../../addr/ip.ts';
import { assert } from '../../base/assert.ts';
import type { Errno } from '../../base/errno.ts';
import type { Rng } from '../../base/rng.ts';
import type { Duration } from '../../base/time.ts';
import { ms } from '../../base/time.ts';
import type { TcpSocket } from '../../socket/tcp-socket.ts';
import { chance, oneOf } from '../chance.ts';
import type { Fault, Faults } from '../faults.ts';
import type { SimHost } from '../host.ts';
import type { Inspector } from '../inspector.ts';
import type { Topology } from '../topology.ts';
import type { World } from '../world.ts';
import type { Ending, Plan, StreamKeeper } from './stream-end.ts';
import { StreamEnd } from './stream-end.ts';
import { StreamPort, setStreamOptions } from './stream-options.ts';

const AGAIN_PORTS = 3;
const LARGE = 300_000;
const SIZES = [0, 1, 10, 600, 600, 3_000, 3_000, 20_000];
const POLITE: Plan = {
  bytes: 3_000,
  writeBytes: 1_000,
  writePause: 0 as Duration,
  readBytes: 4_096,
  readPause: 0 as Duration,
  ending: 'shut',
};
const FAILURES = new Set<Errno>([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOPROTOOPT',
  'EPROTO',
  'EACCES',
]);
const REFUSALS = new Set<Errno>(['EADDRNOTAVAIL', 'EADDRINUSE', 'ENETUNREACH', 'EHOSTUNREACH', 'EACCES']);
/** Faults by which somebody answers, or forgets, who is not the other end. */
const IMPOSTORS: readonly Fault[] = ['crash', 'conflict', 'garbage', 'corrupt'];

export class Streams implements StreamKeeper {
  readonly buffer: Uint8Array = new Uint8Array(1 << 16);
  readonly #world: World;
  readonly #rng: Rng;
  readonly #topology: Topology;
  readonly #inspector: Inspector;
  readonly #faults: Faults;
  readonly #everybody: readonly SimHost[];
  readonly #ends: StreamEnd[] = [];
  readonly #byFlow = new Map<string, StreamEnd>();
  /** Those at `StreamPort.Listen`. */
  readonly #listeners = new Map<SimHost, TcpSocket>();
  /** How many streams may be damaged, where links flip bits: see `Ledger.excuses`. */
  excuses = 0;
  /** Bytes that were read, and ends that heard the other out. */
  bytes = 0;

  constructor(world: World, rng: Rng, topology: Topology, inspector: Inspector, faults: Faults) {
    this.#world = world;
    this.#rng = rng;
    this.#topology = topology;
    this.#inspector = inspector;
    this.#faults = faults;
    this.#everybody = [...topology.hosts, ...topology.routers];
    for (const host of this.#everybody) {
      host.configure(() => {
        this.#listen(host, StreamPort.Listen, oneOf(rng, [0, 1, 8, 64]));
        this.#listen(host, StreamPort.Polite, 64);
      });
    }
  }

  /** Opens `count` connections in the time that follows. */
  schedule(count: number, duration: Duration): void {
    for (let i = 0; i < count; i++) {
      const when = this.#rng.below(duration) as Duration;
      this.#world.after(when, () => this.#act(oneOf(this.#rng, this.#everybody)));
    }
  }

  /** A polite connection, which in a world without faults does all that it is to do. */
  probe(from: SimHost, address: Ip): StreamEnd | null {
    const socket = this.#open(from);
    socket.setOption('synRetries', 3);
    return this.#connect(from, socket, address, StreamPort.Polite, POLITE);
  }

  get count(): number {
    return this.#ends.length;
  }

  /** A line for each end that nobody has let go of. */
  unfinished(): string[] {
    return this.#ends.filter((end) => end.isAlive && !end.isOver).map((end) => `${end} never ends`);
  }

  // ---- for ends

  after(delay: Duration, action: () => void): void {
    this.#world.after(delay, action);
  }

  peerOf(end: StreamEnd): StreamEnd | null {
    return this.#byFlow.get(flowOf(end, false)) ?? null;
  }

  excuse(): boolean {
    if (this.excuses === 0) return false;
    this.excuses--;
    return true;
  }

  noteRead(count: number): void {
    this.bytes += count;
  }

  noteError(end: StreamEnd, error: Errno): void {
    if (!FAILURES.has(error)) this.complain(`${end} failed with ${error}`);
    if (error !== 'ECONNRESET' && error !== 'EPIPE') return;
    if (IMPOSTORS.some((fault) => this.#faults.kinds.has(fault))) return;
    const peer = this.peerOf(end);
    if (peer !== null && !peer.isRude && peer.error === null)
      this.complain(`${end} is told ${error}, but ${peer} has not reset it`);
  }

  complain(what: string): void {
    this.#inspector.complain(this.#world.now, what);
  }

  // ---- what they do

  #act(host: SimHost): void {
    if (!host.isUp) return;
    const rng = this.#rng;
    switch (rng.below(12)) {
      case 0:
        this.#cross(host);
        return;
      case 1:
        this.#listenAgain(host);
        return;
      case 2:
      case 3:
      case 4:
        this.#come(host, StreamPort.Again + rng.below(AGAIN_PORTS));
        return;
      default:
        this.#come(host, 0);
    }
  }

  #come(host: SimHost, fromPort: number): void {
    const rng = this.#rng;
    const socket = this.#open(host);
    setStreamOptions(rng, socket);
    if (fromPort !== 0 && !this.#bind(socket, fromPort)) return;
    const port = chance(rng, 0.97) ? oneOf(rng, [StreamPort.Listen, StreamPort.Polite]) : 9;
    this.#hurry(this.#connect(host, socket, this.#anyAddress(), port, this.#plan()));
  }

  /** Simultaneous open (RFC 9293 figure 7), as far as the link has it so. */
  #cross(a: SimHost): void {
    const rng = this.#rng;
    const { members } = oneOf(rng, this.#topology.subnets);
    if (members.length < 2) return;
    const near = members.find(({ host }) => host === a) ?? oneOf(rng, members);
    const far = oneOf(rng, members);
    if (near.host === far.host || !near.host.isUp || !far.host.isUp) return;
    for (const [{ host }, { address }] of [
      [near, far],
      [far, near],
    ] as const) {
      const socket = this.#open(host);
      setStreamOptions(rng, socket);
      if (this.#bind(socket, StreamPort.Crossed))
        this.#connect(host, socket, address, StreamPort.Crossed, this.#plan());
    }
  }

  /** Whoever waits to be accepted is reset, and for a while so is whoever comes. */
  #listenAgain(host: SimHost): void {
    this.#listeners.get(host)?.close();
    this.#world.after(ms(this.#rng.below(500)), () => {
      if (host.isUp && this.#listeners.get(host)?.isClosed === true) this.#listen(host, StreamPort.Listen, 4);
    });
  }

  #listen(host: SimHost, port: number, backlog: number): void {
    const socket = this.#open(host);
    socket.reuseAddress = true;
    const { local } = socket;
    assert(socket.bind(local, port) === null, `${host.name} has port ${port} free`);
    assert(socket.listen(backlog) === null, `${host.name} listens at ${port}`);
    if (port === StreamPort.Listen) this.#listeners.set(host, socket);
    // Some let connections wait in the queue until it is full.
    const pause = port === StreamPort.Listen && chance(this.#rng, 0.3) ? ms(this.#rng.below(800)) : ms(0);
    socket.onReady = (): void => {
      if (pause === 0) this.#accept(host, socket);
      else this.after(pause, () => this.#accept(host, socket));
    };
  }

  #accept(host: SimHost, listener: TcpSocket): void {
    if (listener.isClosed || !host.isUp) return;
    const isPolite = listener.localPort === StreamPort.Polite;
    for (;;) {
      const socket = listener.accept();
      if (socket === 'EAGAIN') return;
      if (typeof socket === 'string') {
        this.complain(`${host.name}: accept said ${socket}`);
        return;
      }
      setStreamOptions(this.#rng, socket);
      if (isPolite) socket.setOption('lingerMs', -1);
      const end = this.#enter(host, socket, isPolite ? POLITE : this.#plan());
      if (!isPolite) this.#hurry(end);
      end.step();
    }
  }

  #connect(host: SimHost, socket: TcpSocket, to: Ip, port: number, plan: Plan): StreamEnd | null {
    const refusal = socket.connect(to, port);
    if (refusal === null) return this.#enter(host, socket, plan);
    socket.close();
    if (!REFUSALS.has(refusal)) this.complain(`${host.name}: connecting to ${to}:${port} said ${refusal}`);
    return null;
  }

  #enter(host: SimHost, socket: TcpSocket, plan: Plan): StreamEnd {
    const end = new StreamEnd(this, this.#ends.length + 1, host, socket, plan, this.#rng.u32());
    this.#ends.push(end);
    this.#byFlow.set(flowOf(end, true), end);
    return end;
  }

  /** Some leave in the middle of it, or before there is a connection. */
  #hurry(end: StreamEnd | null): void {
    const rng = this.#rng;
    if (end === null || chance(rng, 0.85)) return;
    const isAbort = chance(rng, 0.5);
    this.after(ms(rng.below(2_000)), () => end.leaveEarly(isAbort));
  }

  #open(host: SimHost): TcpSocket {
    const socket = host.stack.sockets.openTcp();
    assert(typeof socket !== 'string', `${host.name} has room for a socket`);
    return socket;
  }

  #bind(socket: TcpSocket, port: number): boolean {
    socket.reuseAddress = true;
    const refusal = socket.bind(socket.local, port);
    if (refusal === null) return true;
    socket.close();
    if (!REFUSALS.has(refusal)) this.complain(`binding to ${port} said ${refusal}`);
    return false;
  }

  #anyAddress(): Ip {
    const rng = this.#rng;
    const { prefix, members } = oneOf(rng, this.#topology.subnets);
    if (members.length === 0 || chance(rng, 0.04)) return IpValue.v4(prefix.address.d + 200 + rng.below(50));
    return oneOf(rng, members).address;
  }

  #plan(): Plan {
    const rng = this.#rng;
    const isLarge = chance(rng, 0.06);
    const bytes = isLarge ? rng.below(LARGE) : rng.below(oneOf(rng, SIZES) + 1);
    // The large ones have time enough when they do not wait.
    const pause = (): Duration => (isLarge || chance(rng, 0.7) ? ms(0) : ms(1 + rng.below(150)));
    return {
      bytes,
      writeBytes: 1 + rng.below(oneOf(rng, [100, 2_000, 60_000])) + (bytes >> 6),
      writePause: pause(),
      readBytes: isLarge ? 60_000 : 200 + rng.below(oneOf(rng, [1_000, 60_000])),
      readPause: pause(),
      ending: oneOf<Ending>(rng, ['shut', 'shut', 'shut', 'shut', 'shut', 'shut', 'close', 'abort']),
    };
  }
}

/** From whom to whom, and the first sequence number: as the end sends, or as what it receives was sent. */
function flowOf(end: StreamEnd, isSent: boolean): string {
  const { socket } = end;
  const near = `${socket.local}:${socket.localPort}`;
  const far = `${socket.remote}:${socket.remotePort}`;
  return isSent ? `${near} ${far} ${end.iss}` : `${far} ${near} ${end.irs}`;
}
