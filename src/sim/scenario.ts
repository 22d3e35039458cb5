/**
 * One seed, one run: a random network, random load, random faults; then everything is healed, and what was asked of
 * all of it is looked at.
 *
 *     load and faults ──> heal ──> silence ──> everybody reaches everybody ──> close: nothing leaked
 */
import type { Ip } from '../addr/ip.ts';
import type { Duration } from '../base/time.ts';
import { after, sec } from '../base/time.ts';
import { oneOf } from './chance.ts';
import { Faults } from './faults.ts';
import type { SimHost } from './host.ts';
import { Inspector } from './inspector.ts';
import { boundViolations, counterViolations, tcpLeftovers } from './invariants.ts';
import type { Entry } from './ledger.ts';
import { Ledger } from './ledger.ts';
import { Load } from './load.ts';
import { Streams } from './stream/streams.ts';
import type { Topology } from './topology.ts';
import { buildTopology } from './topology.ts';
import { World } from './world.ts';
import type { WorldSink } from './world-port.ts';

export interface ScenarioOptions {
  readonly seed: number;
  /** Hosts beside the routers; by chance when not given. */
  readonly hosts?: number;
  readonly subnets?: number;
  /** How long load and faults last. */
  readonly duration?: Duration;
  /** Things done in that time. */
  readonly actions?: number;
  readonly sink?: WorldSink;
}

export interface Report {
  readonly seed: number;
  /** Equal runs have equal ones. */
  readonly digest: string;
  /** What must never happen, and did. */
  readonly violations: readonly string[];
  readonly hosts: number;
  readonly faults: readonly string[];
  readonly frames: number;
  readonly sent: number;
  readonly delivered: number;
  readonly garbage: number;
  /** Connections that were opened or accepted, and bytes that were read from them. */
  readonly streams: number;
  readonly bytes: number;
}

/** Longer than anything wrong is believed: redirects are for 300 seconds. */
const SILENCE: Duration = sec(320);
/** Datagrams may still come out of timers so long after: reassembly waits for 30 seconds. */
const ECHOES: Duration = sec(90);
/** Retransmission may have backed off to a minute, and then meet a neighbour that is not there any more. */
const REPEATS: Duration = sec(250);
const PROBE_ROUNDS = 4;
/** What every link carries, and what has to find out what its path does. */
const PROBE_LENGTHS = [24, 500, 700];
const PROBE_INTERVAL: Duration = sec(8);
/** Of all pairs, when there are more. */
const PAIRS_MAX = 60;
const LOOKS = 8;
const ACTIONS_PER_STREAM = 6;
const STREAM_PROBES = 8;
/** For what a probe writes, and 2 MSL. */
const STREAM_TIME: Duration = sec(70);
/** Damaged datagrams that may be put down to bad luck, where links flip bits. */
const EXCUSES = 3;

interface Pair {
  readonly from: SimHost;
  readonly to: SimHost;
  readonly address: Ip;
  readonly length: number;
}

class Scenario {
  readonly #options: ScenarioOptions;
  readonly #inspector: Inspector;
  readonly #world: World;
  readonly #faults: Faults;
  readonly #topology: Topology;
  readonly #ledger = new Ledger();
  readonly #load: Load;
  readonly #streams: Streams;

  constructor(options: ScenarioOptions) {
    this.#options = options;
    const { seed, sink } = options;
    this.#inspector = new Inspector(sink ?? null);
    this.#world = new World({ seed, sink: this.#inspector });
    const rng = this.#world.rng.fork('scenario');
    const shape = rng.fork('shape');
    const hosts = options.hosts ?? 2 + shape.below(7);
    const subnets = options.subnets ?? 1 + shape.below(4);
    this.#faults = new Faults(this.#world, rng.fork('faults'));
    this.#topology = buildTopology(this.#world, rng.fork('topology'), { hosts, subnets }, (chance) =>
      this.#faults.profile(chance),
    );
    this.#load = new Load(this.#world, rng.fork('load'), this.#topology, this.#ledger, this.#inspector);
    this.#streams = new Streams(
      this.#world,
      rng.fork('streams'),
      this.#topology,
      this.#inspector,
      this.#faults,
    );
    this.#world.onStopping = (name, stack): void => this.#note(counterViolations(name, stack));
    this.#world.onStopped = (name, stack): void => this.#note(tcpLeftovers(name, stack.tcp));
  }

  run(): Report {
    const world = this.#world;
    const { duration = sec(8), actions = 150, seed } = this.#options;
    this.#load.schedule(actions, duration);
    this.#streams.schedule(Math.ceil(actions / ACTIONS_PER_STREAM), duration);
    this.#faults.schedule(this.#topology, duration);
    if (this.#faults.kinds.has('corrupt')) {
      this.#ledger.excuses = EXCUSES;
      this.#streams.excuses = EXCUSES;
    }
    this.#watch(duration);
    // Events that heal what they broke may come a little later than the last of them.
    world.run((duration + sec(4)) as Duration);
    this.#faults.heal(this.#topology);
    const healedAt = world.now;
    world.run(SILENCE);
    const { lastDatagramAt, lastSegmentAt } = this.#inspector;
    if (lastDatagramAt > after(healedAt, ECHOES)) this.#note(['a datagram never dies']);
    if (lastSegmentAt > after(healedAt, REPEATS)) this.#note(['a connection never comes to rest']);
    this.#note(this.#streams.unfinished());
    this.#probeAll();
    this.#probeStreams();
    this.#note(this.#bounds());
    this.#note(world.hosts.flatMap(({ name, isUp, stack }) => (isUp ? tcpLeftovers(name, stack.tcp) : [])));
    this.#note(world.close());
    return {
      seed,
      digest: this.#inspector.digest,
      violations: this.#inspector.violations,
      hosts: world.hosts.length,
      faults: [...this.#faults.kinds],
      frames: this.#inspector.frames,
      sent: this.#ledger.sent,
      delivered: this.#ledger.delivered,
      garbage: this.#faults.garbageFrames,
      streams: this.#streams.count,
      bytes: this.#streams.bytes,
    };
  }

  #watch(duration: Duration): void {
    for (let i = 1; i <= LOOKS; i++) {
      const when = Math.floor((duration * i) / LOOKS) as Duration;
      this.#world.after(when, () => this.#note(this.#bounds()));
    }
  }

  #bounds(): string[] {
    return this.#world.hosts.flatMap((host) => (host.isUp ? boundViolations(host.name, host.stack) : []));
  }

  /** In a world without faults everybody reaches everybody, after a few tries at most. */
  #probeAll(): void {
    let pairs = this.#pairs();
    for (let round = 0; round < PROBE_ROUNDS && pairs.length > 0; round++) {
      const entries = new Map<Pair, Entry | null>();
      for (const pair of pairs) entries.set(pair, this.#load.probe(pair.from, pair.address, pair.length));
      this.#world.run(PROBE_INTERVAL);
      pairs = pairs.filter((pair) => (entries.get(pair)?.delivered ?? 0) === 0);
    }
    this.#note(
      pairs.map(
        ({ from, to, address, length }) =>
          `${from.name} does not reach ${to.name} at ${address} with ${length} bytes`,
      ),
    );
  }

  /** The same for connections, with data both ways. Afterwards TIME-WAIT is over as well. */
  #probeStreams(): void {
    const rng = this.#world.rng.fork('probes');
    const pairs = this.#pairs();
    const tries = Array.from({ length: Math.min(STREAM_PROBES, pairs.length) }, () => {
      const { from, address } = oneOf(rng, pairs);
      return { from, address, end: this.#streams.probe(from, address) };
    });
    this.#world.run(STREAM_TIME);
    for (const { from, address, end } of tries)
      if (end === null || !end.isOver || !end.sawEnd)
        this.#note([`${from.name} has no connection with ${address}: ${end}, ${end?.error}`]);
  }

  #pairs(): Pair[] {
    const { subnets, hosts, routers } = this.#topology;
    const all: Pair[] = [];
    for (const from of [...hosts, ...routers]) {
      for (const { members } of subnets)
        for (const { host, address } of members) {
          const length = PROBE_LENGTHS[all.length % PROBE_LENGTHS.length] as number;
          if (host !== from) all.push({ from, to: host, address, length });
        }
    }
    const rng = this.#world.rng.fork('pairs');
    while (all.length > PAIRS_MAX) all.splice(rng.below(all.length), 1);
    return all;
  }

  #note(found: readonly string[]): void {
    for (const line of found) this.#inspector.complain(this.#world.now, line);
  }
}

export function runScenario(options: ScenarioOptions): Report {
  return new Scenario(options).run();
}
