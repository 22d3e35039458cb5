/**
 * One run of `traceroute`: a machine over a UDP or a ping socket.
 *
 * As Linux's it has up to sixteen probes on the way at a time, of several hops, and does not wait the whole time for
 * a probe when others of the same hop, or of one behind it, were answered long since. A hop is reported when all its
 * probes are answered or given up, and all hops before it are.
 */
import { formatIp } from '../../addr/ip.ts';
import type { Duration, Instant } from '../../base/time.ts';
import { after, between, earliest, ms, NEVER, START, toMs } from '../../base/time.ts';
import type { ResultStream, TraceRequest } from '../../control/host.ts';
import type { ProbeReport, TraceEnd, TraceItem } from '../../control/report.ts';
import type { PathError } from '../../udp/path-error.ts';
import * as icmp4 from '../../wire/icmp4.ts';
import { errorMark } from './icmp-text.ts';
import { Items } from './items.ts';

const PROBES_ON_THE_WAY = 16;
/** Times the round trip of another probe of the hop, and of one behind it: Linux's `-w` has 3 and 10. */
const HERE = 3;
const NEAR = 10;
/** Below this a slow start of the other side looks like a loss. */
const WAIT_MIN: Duration = ms(10);

/** Sends probe number `index`; whoever receives says what came by calling back. */
export interface ProbeSocket {
  send(index: number, ttl: number): boolean;
  /** Takes in what came, calling `handleAnswer` and `handleError`. */
  receive(to: ProbeReceiver): void;
  close(): void;
}

export interface ProbeReceiver {
  /** The destination itself answered. */
  handleAnswer(at: Instant, index: number, from: string): void;
  handleError(at: Instant, index: number, error: PathError): void;
}

interface Probe {
  readonly sentAt: Instant;
  /** Null while it is on the way, and after it was given up. */
  report: ProbeReport | null;
  rtt: Duration | null;
  isDone: boolean;
  /** There is nothing behind whoever sent this. */
  isFinal: boolean;
}

const NO_ANSWER: ProbeReport = { from: null, timeMs: null, mark: '' };

export class Tracer implements ResultStream<TraceItem, TraceEnd>, ProbeReceiver {
  readonly #request: TraceRequest;
  readonly #socket: ProbeSocket;
  readonly #items = new Items<TraceItem>();
  /** As they were sent: by hop, and within a hop one after another. */
  readonly #probes: Probe[] = [];
  readonly #last: number;
  #reported = 0;
  #isReached = false;
  #isEnded = false;
  #isEndTaken = false;

  constructor(socket: ProbeSocket, request: TraceRequest) {
    this.#request = request;
    this.#socket = socket;
    this.#last = (request.lastTtl - request.firstTtl + 1) * request.probesPerHop;
    this.#items.push({
      type: 'start',
      destination: formatIp(request.destination),
      hopsMax: request.lastTtl,
      bytes: request.bytes,
    });
  }

  nextTimeout(): Instant {
    if (this.#isEnded) return NEVER;
    if (this.#canSend) return START;
    let next: Instant = NEVER;
    for (const [index, probe] of this.#probes.entries()) {
      if (!probe.isDone) next = earliest(next, after(probe.sentAt, this.#waitFor(index)));
    }
    return next;
  }

  handleTimeout(now: Instant): void {
    for (const [index, probe] of this.#probes.entries()) {
      if (!probe.isDone && now >= after(probe.sentAt, this.#waitFor(index))) probe.isDone = true;
    }
    this.#report();
    while (this.#canSend) this.#send(now);
  }

  /** Something came for the socket. */
  handleReady(now: Instant): void {
    this.#socket.receive(this);
    this.handleTimeout(now);
  }

  handleAnswer(at: Instant, index: number, from: string): void {
    this.#answer(at, index, from, '', true);
  }

  handleError(at: Instant, index: number, error: PathError): void {
    const isFinal = error.type !== icmp4.Type.TimeExceeded;
    this.#answer(at, index, formatIp(error.from), errorMark(error), isFinal);
  }

  pollItem(): TraceItem | null {
    return this.#items.shift();
  }

  pollEnd(): TraceEnd | null {
    if (!this.#isEnded || this.#isEndTaken || this.#items.length > 0) return null;
    this.#isEndTaken = true;
    return { isReached: this.#isReached, hops: this.#reported };
  }

  cancel(_now: Instant): void {
    this.#isEnded = true;
  }

  close(): void {
    this.#isEnded = true;
    this.#socket.close();
  }

  get #canSend(): boolean {
    if (this.#isEnded || this.#probes.length >= this.#last) return false;
    if (this.#probes.some(({ isFinal }) => isFinal))
      return this.#probes.length % this.#request.probesPerHop !== 0;
    return this.#probes.filter(({ isDone }) => !isDone).length < PROBES_ON_THE_WAY;
  }

  #send(now: Instant): void {
    const index = this.#probes.length;
    const ttl = this.#request.firstTtl + Math.floor(index / this.#request.probesPerHop);
    const isSent = this.#socket.send(index, ttl);
    this.#probes.push({ sentAt: now, report: null, rtt: null, isDone: !isSent, isFinal: false });
  }

  #answer(at: Instant, index: number, from: string, mark: string, isFinal: boolean): void {
    const probe = this.#probes[index];
    if (probe === undefined || probe.isDone) return;
    const rtt = between(probe.sentAt, at);
    probe.isDone = true;
    probe.isFinal = isFinal;
    probe.rtt = rtt;
    probe.report = { from, timeMs: toMs(rtt), mark };
  }

  #waitFor(index: number): Duration {
    const { waitMs, probesPerHop } = this.#request;
    const whole = ms(waitMs);
    const hop = Math.floor(index / probesPerHop);
    let factor = 0;
    let rtt = 0;
    for (let i = hop * probesPerHop; i < this.#probes.length; i++) {
      const other = this.#probes[i]?.rtt ?? null;
      if (other === null) continue;
      rtt = other;
      factor = i < (hop + 1) * probesPerHop ? HERE : NEAR;
      break;
    }
    return factor === 0 ? whole : (Math.min(whole, Math.max(WAIT_MIN, rtt * factor)) as Duration);
  }

  /** Reports the hops that are done, in order. */
  #report(): void {
    const { firstTtl, lastTtl, probesPerHop } = this.#request;
    while (!this.#isEnded) {
      const hop = this.#probes.slice(this.#reported * probesPerHop, (this.#reported + 1) * probesPerHop);
      if (hop.length < probesPerHop || hop.some(({ isDone }) => !isDone)) return;
      const ttl = firstTtl + this.#reported;
      this.#items.push({ type: 'hop', ttl, probes: hop.map(({ report }) => report ?? NO_ANSWER) });
      this.#reported++;
      this.#isReached = hop.some(({ isFinal }) => isFinal);
      if (this.#isReached || ttl >= lastTtl) this.#isEnded = true;
    }
  }
}
