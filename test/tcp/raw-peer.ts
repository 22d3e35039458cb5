/**
 * A peer made by hand, against one real machine: every segment is said by the test, and every answer seen.
 * Numbers are relative: 0 is the peer's, or the machine's, initial sequence number.
 */
import { assert } from '../../src/base/assert.ts';
import type { Duration } from '../../src/base/time.ts';
import { ms } from '../../src/base/time.ts';
import type { TcpConfig } from '../../src/tcp/config.ts';
import type { StateName } from '../../src/tcp/state.ts';
import * as ipv4 from '../../src/wire/ipv4.ts';
import * as wire from '../../src/wire/tcp.ts';
import * as options from '../../src/wire/tcp-options.ts';
import { noise } from './bytes.ts';
import type { End, Net, PairOptions, Sent } from './pair.ts';
import { ADDRESS_A, ADDRESS_B, PORT, pair } from './pair.ts';
import type { TestSocket } from './test-socket.ts';

export interface RawSegment {
  /** Letters of `FSRPAUEC`. */
  readonly flags: string;
  readonly seq?: number;
  readonly ack?: number;
  readonly window?: number;
  readonly data?: number | Uint8Array;
  readonly mss?: number;
  readonly wscale?: number;
  readonly sackPermitted?: boolean;
  readonly ts?: readonly [number, number];
  readonly sack?: readonly (readonly [number, number])[];
  readonly urgentPointer?: number;
  readonly tos?: number;
  readonly fromPort?: number;
  readonly toPort?: number;
  /** Absolute numbers. */
  readonly isAbsolute?: boolean;
}

/** An answer, with relative numbers and its options. */
export interface Answer {
  readonly flags: string;
  readonly seq: number;
  readonly ack: number;
  readonly length: number;
  readonly window: number;
  readonly options: options.TcpOptions;
  readonly at: number;
  readonly tos: number;
  readonly data: Uint8Array;
}

export interface RawOptions {
  readonly config?: Partial<TcpConfig>;
  readonly iss?: number;
  readonly window?: number;
  readonly pair?: PairOptions;
  readonly backlog?: number;
}

export class RawPeer {
  readonly net: Net;
  /** The machine. */
  readonly end: End;
  readonly sent: Sent[] = [];
  iss: number;
  /** The machine's first number, once it has said it. */
  irs = 0;
  port = 5_000;
  localPort: number = PORT;
  socket: TestSocket | null = null;

  constructor(raw: RawOptions = {}) {
    this.net = pair({ slots: 32, ...raw.pair, delay: ms(0), b: { timestamps: false, ...raw.config } });
    this.end = this.net.b;
    this.iss = raw.iss ?? 1_000;
    this.net.filter = (sent) => {
      if (sent.from === 'b') this.sent.push(sent);
      return true;
    };
    this.end.listen(PORT, raw.backlog ?? 128);
  }

  /** Says a segment, lets the machine think, answers what it said. */
  say(segment: RawSegment): Answer[] {
    this.net.inject(this.end, this.build(segment));
    return this.hear();
  }

  /** What the machine says now. */
  hear(): Answer[] {
    for (let i = 0; i < 50; i++) {
      this.net.step();
      if (this.net.next() > this.net.now) break;
    }
    return this.sent.splice(0).map((sent) => this.#answer(sent));
  }

  /** What it says in the time to come. */
  wait(duration: Duration): Answer[] {
    this.net.wait(duration);
    return this.sent.splice(0).map((sent) => this.#answer(sent));
  }

  get state(): StateName | 'gone' {
    return this.socket === null ? 'gone' : (this.socket.state as StateName | 'gone');
  }

  /** The handshake with the listener. */
  establish(syn: Partial<RawSegment> = {}, ack: Partial<RawSegment> = {}): this {
    const [answer] = this.say({ flags: 'S', seq: 0, mss: 1460, ...syn });
    assert(answer?.flags.startsWith('SA') === true, 'a listener answers');
    this.irs = wire.seq(new DataView(this.lastBytes.buffer), 20);
    this.say({ flags: 'A', seq: 1, ack: 1, ...ack });
    this.socket = this.end.accept(this.end.listener!);
    assert(this.socket !== null, 'the handshake ends');
    this.socket.isReading = false;
    this.hear();
    return this;
  }

  /** The machine opens; its SYN is heard, and `irs` is known. */
  openActively(): Answer[] {
    this.localPort = 40_000;
    this.port = 7;
    this.socket = this.end.open(this.localPort, this.port);
    this.socket.isReading = false;
    const answers = this.hear();
    this.irs = wire.seq(new DataView(this.lastBytes.buffer), 20);
    return answers.map((answer) => ({ ...answer, seq: 0 }));
  }

  lastBytes: Uint8Array = new Uint8Array(0);

  build(segment: RawSegment): Uint8Array {
    const data =
      typeof segment.data === 'number'
        ? noise(segment.data, segment.data)
        : (segment.data ?? new Uint8Array(0));
    const bytes = new Uint8Array(20 + 60 + data.length);
    const view = new DataView(bytes.buffer);
    let at = 40;
    const hasSyn = segment.flags.includes('S');
    if (hasSyn) {
      const { mss, wscale, sackPermitted, ts } = segment;
      at = options.writeSyn(
        view,
        at,
        mss ?? 0,
        wscale ?? -1,
        sackPermitted ?? false,
        ts !== undefined,
        ts?.[0] ?? 0,
        ts?.[1] ?? 0,
      );
    } else {
      if (segment.ts !== undefined) at = options.writeTimestamps(view, at, segment.ts[0], segment.ts[1]);
      if (segment.sack !== undefined) {
        const edges = Int32Array.from(segment.sack.flat().map((edge) => (edge + this.irs) | 0));
        at = options.writeSack(view, at, edges, segment.sack.length);
      }
    }
    bytes.set(data, at);
    const total = at + data.length;
    const base = segment.isAbsolute === true ? 0 : 1;
    const hasAck = segment.flags.includes('A');
    const seq = ((segment.seq ?? 0) + base * this.iss) | 0;
    const ack = hasAck || segment.ack !== undefined ? ((segment.ack ?? 0) + base * this.irs) | 0 : 0;
    let flags = 0;
    for (const letter of segment.flags) flags |= 1 << 'FSRPAUEC'.indexOf(letter);
    ipv4.write(view, 0, total, segment.tos ?? 0, 0, 0, 64, 6, ADDRESS_A.d, ADDRESS_B.d);
    const from = segment.fromPort ?? this.port;
    const to = segment.toPort ?? this.localPort;
    wire.write(
      view,
      20,
      from,
      to,
      seq,
      ack,
      at - 20,
      flags,
      segment.window ?? 65_535,
      segment.urgentPointer ?? 0,
    );
    return bytes.slice(0, total);
  }

  #answer(sent: Sent): Answer {
    this.lastBytes = sent.bytes;
    const view = new DataView(sent.bytes.buffer);
    const parsed = new options.TcpOptions();
    options.parse(view, 20, parsed);
    return {
      flags: sent.flags,
      seq: (sent.seq - this.irs) | 0,
      ack: sent.flags.includes('A') ? (sent.ack - this.iss) | 0 : 0,
      length: sent.length,
      window: sent.window,
      options: parsed,
      at: sent.at,
      tos: sent.tos,
      data: sent.bytes.slice(sent.bytes.length - sent.length),
    };
  }
}

/** `flags seq ack length`, one line each: short enough to compare. */
export function brief(answers: readonly Answer[]): string[] {
  return answers.map(({ flags, seq, ack, length }) => `${flags} ${seq} ${ack} ${length}`);
}

/** A peer whose machine is in `state`, with everything acknowledged that can be. */
export function inState(state: StateName, raw: RawOptions = {}): RawPeer {
  const peer = new RawPeer(raw);
  switch (state) {
    case 'CLOSED':
      peer.localPort = 81;
      break;
    case 'LISTEN':
      break;
    case 'SYN-SENT':
      peer.openActively();
      break;
    case 'SYN-RECEIVED':
      peer.openActively();
      peer.say({ flags: 'S', seq: 0, mss: 1460 });
      break;
    default:
      peer.establish();
      leave(peer, state);
  }
  if (peer.socket !== null)
    assert(peer.socket.state === state, `it is in ${state}, not ${peer.socket.state}`);
  return peer;
}

function leave(peer: RawPeer, state: StateName): void {
  const socket = peer.socket!;
  if (state === 'CLOSE-WAIT' || state === 'LAST-ACK') {
    peer.say({ flags: 'FA', seq: 1, ack: 1 });
    if (state === 'LAST-ACK') socket.shutdown();
  } else if (state !== 'ESTABLISHED') {
    socket.shutdown();
  }
  peer.hear();
  if (state === 'FIN-WAIT-2' || state === 'TIME-WAIT') peer.say({ flags: 'A', seq: 1, ack: 2 });
  if (state === 'CLOSING') peer.say({ flags: 'FA', seq: 1, ack: 1 });
  if (state === 'TIME-WAIT') peer.say({ flags: 'FA', seq: 1, ack: 2 });
}
