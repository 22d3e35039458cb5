/**
 * What the stack is to send: takes the next packet of the connection, or several segments in a row where the script
 * has them as one, and compares.
 */
import type { Duration, Instant } from '../../base/time.ts';
import { after, sec, us } from '../../base/time.ts';
import { Flag } from '../../wire/tcp.ts';
import { mismatch } from '../fault.ts';
import { difference } from '../packet/match.ts';
import type { IpSpec, PacketSpec, TcpSpec } from '../packet/spec.ts';
import { NO_IP } from '../packet/spec.ts';
import { packetText } from '../packet/text.ts';
import type { Due } from './clock.ts';
import { secondsText, timeFault } from './clock.ts';
import type { Config } from './config.ts';
import type { Machine, Sent } from './machine.ts';
import type { Connection } from './mapping.ts';
import type { Tracker } from './tracker.ts';

/** What is missing is looked for so much longer, so that a failure can say when it came at last. */
const LATE = sec(120);

export class Expectations {
  readonly #machine: Machine;
  readonly #tracker: Tracker;
  readonly #config: Config;
  /** Data other than zeros were sent: then they are not compared. */
  hasText = false;

  constructor(machine: Machine, tracker: Tracker, config: Config) {
    this.#machine = machine;
    this.#tracker = tracker;
    this.#config = config;
  }

  /** Waits for `want`; `step` lets time pass up to an instant and says false at its end. */
  expect(line: number, want: PacketSpec, due: Due, step: (limit: Instant) => boolean): void {
    const connection = this.#tracker.forOutbound(want);
    const limit = after(this.#machine.at(due.kind === 'any' ? this.#machine.elapsed : due.end), LATE);
    const first = this.#take(connection, want, limit, step);
    if (first === null) {
      const until = secondsText(this.#machine.elapsed);
      return mismatch(line, `nothing was sent until ${until}${expectation(want, due)}`);
    }
    const got = this.#join(connection, want, first, limit, step);
    const at = this.#machine.timeOf(got.at);
    const wrong =
      first.live.fault || this.#judge(want, got, at) || this.#payloadFault(first) || timeFault(due, at);
    if (wrong !== '') mismatch(line, `${wrong}${expectation(want, due)}${actuality(want, got.spec, at)}`);
  }

  #judge(want: PacketSpec, got: Joined, at: Duration): string {
    const { tsTickUs, checksTsEcr } = this.#config;
    const tolerance = Math.max(this.#config.tolerance, (this.#config.tolerancePercent / 100) * at);
    const ticks = tsTickUs === 0 ? -1 : tolerance / tsTickUs;
    return difference(want, got.spec, { ticks, isEcrChecked: checksTsEcr }) ?? '';
  }

  #payloadFault({ live }: Sent): string {
    if (this.hasText || live.spec.kind === 'icmp') return '';
    for (let i = live.payloadAt; i < live.bytes.length; i++) {
      if (live.bytes[i] !== 0)
        return `byte ${i - live.payloadAt} of the data is ${live.bytes[i]}, but zeros were sent`;
    }
    return '';
  }

  /** The next packet of the connection; what is of others is passed over. */
  #take(
    connection: Connection,
    want: PacketSpec,
    limit: Instant,
    step: (limit: Instant) => boolean,
  ): Sent | null {
    const { sent } = this.#machine;
    for (;;) {
      for (let one = sent.shift(); one !== undefined; one = sent.shift()) {
        if (!this.#tracker.belongs(connection, want, one.live)) continue;
        this.#tracker.learn(connection, want, one.live);
        return one;
      }
      if (!step(limit)) return null;
    }
  }

  /** A script may have as one packet what a stack sends as several segments. */
  #join(
    connection: Connection,
    want: PacketSpec,
    first: Sent,
    limit: Instant,
    step: (limit: Instant) => boolean,
  ): Joined {
    let spec = connection.toScript(first.live.spec, want);
    let { at } = first;
    if (want.kind !== 'tcp' || this.#config.hasStrictSegments) return { spec, at };
    while (
      spec.kind === 'tcp' &&
      spec.length > 0 &&
      spec.length < want.length &&
      (spec.flags & Flag.Fin) === 0
    ) {
      const next = this.#take(connection, want, limit, step);
      if (next === null) break;
      const more = connection.toScript(next.live.spec, want) as TcpSpec;
      if (more.seq !== (spec.seq + spec.length) >>> 0 || more.length === 0) {
        // Not a part of it: it is for the next expectation.
        this.#machine.sent.unshift(next);
        break;
      }
      // CWR is in the first piece only, FIN and PSH in the last (RFC 3168 §6.1.2).
      const flags = more.flags | (spec.flags & Flag.Cwr);
      spec = { ...more, flags, seq: spec.seq, length: spec.length + more.length };
      at = next.at;
    }
    return { spec, at };
  }
}

interface Joined {
  readonly spec: PacketSpec;
  /** When the last of it came. */
  readonly at: Instant;
}

function expectation(want: PacketSpec, due: Due): string {
  const time = due.kind === 'any' ? '*' : secondsText(due.start);
  return `\n  expected: ${time} > ${packetText(want)}`;
}

/** Of the IP header only what the script spoke of. */
function actuality(want: PacketSpec, got: PacketSpec, at: Duration): string {
  const ip: IpSpec = {
    ...NO_IP,
    ecn: want.ip.ecn === null ? null : got.ip.ecn,
    tos: want.ip.tos === null ? null : got.ip.tos,
    ttl: want.ip.ttl === null ? null : got.ip.ttl,
  };
  return `\n  actual:   ${secondsText(us(at))} > ${packetText({ ...got, ip })}`;
}
