/**
 * Frames as lines of text, in tcpdump's manner: a `FrameSink` for a terminal, a log or a failing test.
 *
 *     0.001500 tap0 in  IP 10.77.0.1 > 10.77.0.2: ICMP echo request, id 7, seq 1, length 64
 *     0.001500 tap0 in  dropped: IcmpChecksum
 *
 * Makes strings: it is for looking, not for the data path.
 */
import type { Drop } from '../base/drop.ts';
import { dropName } from '../base/drop.ts';
import type { Instant } from '../base/time.ts';
import { between, START, toSec } from '../base/time.ts';
import type { Packet } from '../packet/packet.ts';
import { describe } from '../wire/describe.ts';
import type { Direction, FrameSink } from './frame-sink.ts';

/** How deep answers nest before a drop is told without its frame. */
const BEGINNINGS = 16;

export interface TraceInterface {
  readonly name: string;
  readonly medium: 'ethernet' | 'ip';
}

export class TextTrace implements FrameSink {
  readonly #interfaces: TraceInterface[] = [];
  #ticket = 0;
  readonly #emit: (line: string) => void;
  /** What the lines of the last frames begin with. */
  readonly #beginnings: string[] = [];

  constructor(emit: (line: string) => void) {
    this.#emit = emit;
  }

  /** Answers its number. */
  addInterface(spec: TraceInterface): number {
    return this.#interfaces.push(spec) - 1;
  }

  peekFrame(now: Instant, interfaceId: number, packet: Packet, direction: Direction): number {
    const spec = this.#interfaces[interfaceId];
    if (spec === undefined) return -1;
    const seconds = toSec(between(START, now)).toFixed(6);
    const beginning = `${seconds} ${spec.name} ${direction.padEnd(3)}`;
    this.#emit(`${beginning} ${describe(packet.view, packet.head, packet.tail, spec.medium)}`);
    const ticket = this.#ticket++;
    this.#beginnings[ticket % BEGINNINGS] = beginning;
    return ticket;
  }

  noteDrop(ticket: number, reason: Drop): void {
    this.#emit(`${this.#beginnings[ticket % BEGINNINGS] ?? ''} dropped: ${dropName(reason)}`);
  }
}
