/**
 * One run of `ping`: a machine over a ping socket. When it sends, waits and ends is iputils' way:
 *
 *     send, every interval ──count sent──> linger: twice the longest round trip, or the timeout if nothing came
 *                          ──all answered, deadline, cancelled──> end
 */
import type { Ip } from '../../addr/ip.ts';
import { formatIp } from '../../addr/ip.ts';
import type { Instant } from '../../base/time.ts';
import { after, between, earliest, ms, NEVER, toMs, us } from '../../base/time.ts';
import type { PingRequest, ResultStream } from '../../control/host.ts';
import type { PingEnd, PingItem } from '../../control/report.ts';
import { DatagramInfo } from '../../socket/datagram-info.ts';
import { PathMtu } from '../../socket/host.ts';
import type { PingSocket } from '../../socket/ping-socket.ts';
import { PathError } from '../../udp/path-error.ts';
import * as icmp4 from '../../wire/icmp4.ts';
import * as ipv4 from '../../wire/ipv4.ts';
import { errorText } from './icmp-text.ts';
import { Items } from './items.ts';

/** Replies to older requests are not told from strangers'. */
const WINDOW = 1_024;
const TIMEOUT_MS = 10_000;
const REPLY_MAX_BYTES = 65_535;
const SEQ_MASK = 0xffff;

const PATH_MTU: Readonly<Record<NonNullable<PingRequest['pathMtu']>, PathMtu>> = {
  dont: PathMtu.Dont,
  want: PathMtu.Want,
  do: PathMtu.Do,
  probe: PathMtu.Probe,
};

export class Pinger implements ResultStream<PingItem, PingEnd> {
  readonly #request: PingRequest;
  readonly #socket: PingSocket;
  readonly #items = new Items<PingItem>();
  readonly #data: Uint8Array;
  readonly #reply: Uint8Array = new Uint8Array(REPLY_MAX_BYTES);
  readonly #info = new DatagramInfo();
  readonly #error = new PathError();

  /** By sequence number modulo `WINDOW`: which request, when, and whether it was answered. */
  readonly #seqs: Int32Array = new Int32Array(WINDOW).fill(-1);
  readonly #sentAt: Float64Array = new Float64Array(WINDOW);
  readonly #isAnswered: Uint8Array = new Uint8Array(WINDOW);

  readonly #startAt: Instant;
  readonly #deadline: Instant;
  #sendAt: Instant;
  #lingerUntil: Instant = NEVER;
  #endAt: Instant | null = null;
  #isEndTaken = false;

  #transmitted = 0;
  #received = 0;
  #duplicates = 0;
  #errors = 0;
  #damaged = 0;
  #rttMin = Number.POSITIVE_INFINITY;
  #rttMax = 0;
  #rttSum = 0;
  #rttSquares = 0;

  /** Over an open socket, which is this one's from now on. */
  constructor(now: Instant, socket: PingSocket, request: PingRequest) {
    this.#request = request;
    this.#socket = socket;
    this.#startAt = now;
    this.#sendAt = now;
    this.#deadline = request.deadlineMs === undefined ? NEVER : after(now, ms(request.deadlineMs));
    this.#data = Uint8Array.from({ length: request.dataBytes }, (_, i) => i);
    socket.receivesErrors = true;
    if (request.ttl !== undefined) socket.setTtl(request.ttl);
    if (request.tos !== undefined) socket.setTos(request.tos);
    if (request.pathMtu !== undefined) socket.options.pathMtu = PATH_MTU[request.pathMtu];
    const datagram = request.dataBytes + icmp4.HEADER_BYTES + ipv4.MIN_HEADER_BYTES;
    const source = request.source === undefined ? null : formatIp(request.source);
    const destination = formatIp(request.destination);
    this.#items.push({ type: 'start', destination, source, data: request.dataBytes, datagram });
  }

  nextTimeout(): Instant {
    if (this.#endAt !== null) return NEVER;
    return earliest(this.#deadline, earliest(this.#sendAt, this.#lingerUntil));
  }

  handleTimeout(now: Instant): void {
    if (this.#endAt !== null) return;
    if (now >= this.#deadline || now >= this.#lingerUntil) this.#end(now);
    else if (now >= this.#sendAt) this.#send(now);
  }

  /** Something came for the socket. */
  handleReady(now: Instant): void {
    while (this.#socket.receiveError(this.#error)) this.#handleError();
    for (;;) {
      const length = this.#socket.receive(this.#reply, this.#info);
      if (length === 'EAGAIN' || length === 'EBADF') break;
      if (typeof length === 'number') this.#handleReply(length);
    }
    const { count } = this.#request;
    if (count !== undefined && this.#received + this.#errors >= count && this.#endAt === null) this.#end(now);
  }

  pollItem(): PingItem | null {
    return this.#items.shift();
  }

  pollEnd(): PingEnd | null {
    if (this.#endAt === null || this.#isEndTaken || this.#items.length > 0) return null;
    this.#isEndTaken = true;
    const { destination, deadlineMs, count } = this.#request;
    return {
      destination: formatIp(destination),
      transmitted: this.#transmitted,
      received: this.#received,
      duplicates: this.#duplicates,
      errors: this.#errors,
      damaged: this.#damaged,
      timeMs: toMs(between(this.#startAt, this.#endAt)),
      rttMs: this.#rtt(),
      // iputils: with a deadline the count is what was wanted within it.
      wanted: deadlineMs !== undefined && count !== undefined ? count : 1,
    };
  }

  cancel(now: Instant): void {
    if (this.#endAt === null) this.#end(now);
  }

  close(): void {
    this.#socket.close();
  }

  #send(now: Instant): void {
    const { destination, count, intervalMs } = this.#request;
    const seq = (this.#transmitted + 1) & SEQ_MASK;
    const at = seq % WINDOW;
    this.#seqs[at] = seq;
    this.#sentAt[at] = now;
    this.#isAnswered[at] = 0;
    this.#transmitted++;
    const sent = this.#socket.sendEcho(destination, seq, this.#data);
    // EMSGSIZE is in the queue of errors, with the MTU that would have fitted.
    if (sent === 'EMSGSIZE') this.handleReady(now);
    else if (typeof sent === 'string' && sent !== 'EAGAIN') this.#note(null, seq, `sendmsg: ${sent}`);
    if (this.#endAt !== null) return;
    if (count === undefined || this.#transmitted < count) {
      this.#sendAt = after(now, ms(intervalMs));
      return;
    }
    this.#sendAt = NEVER;
    this.#lingerUntil = after(now, ms(this.#lingerMs()));
  }

  #lingerMs(): number {
    const { timeoutMs, intervalMs } = this.#request;
    if (timeoutMs !== undefined) return timeoutMs;
    return this.#received > 0 ? Math.max(toMs(us(2 * this.#rttMax)), intervalMs) : TIMEOUT_MS;
  }

  #handleReply(length: number): void {
    const info = this.#info;
    if (length < icmp4.HEADER_BYTES || !isSame(info, this.#request.destination)) return;
    const seq = ((this.#reply[6] as number) << 8) | (this.#reply[7] as number);
    const at = seq % WINDOW;
    if (this.#seqs[at] !== seq) return;
    const rtt = between(this.#sentAt[at] as Instant, info.receivedAt);
    const isDuplicate = this.#isAnswered[at] === 1;
    const isDamaged = !this.#isIntact(length);
    this.#isAnswered[at] = 1;
    if (isDuplicate) this.#duplicates++;
    else this.#count(rtt);
    if (isDamaged) this.#damaged++;
    this.#items.push({
      type: 'reply',
      from: formatIp(info.address),
      bytes: length,
      seq,
      ttl: info.ttl,
      timeMs: toMs(rtt),
      isDuplicate,
      isDamaged,
    });
  }

  #count(rtt: number): void {
    this.#received++;
    this.#rttMin = Math.min(this.#rttMin, rtt);
    this.#rttMax = Math.max(this.#rttMax, rtt);
    this.#rttSum += rtt;
    this.#rttSquares += rtt * rtt;
  }

  #isIntact(length: number): boolean {
    const data = this.#data;
    if (length - icmp4.HEADER_BYTES !== data.length) return false;
    for (let i = 0; i < data.length; i++) if (this.#reply[icmp4.HEADER_BYTES + i] !== data[i]) return false;
    return true;
  }

  #handleError(): void {
    const error = this.#error;
    if (error.origin === 'local') this.#note(null, 0, `local error: message too long, mtu: ${error.info}`);
    else this.#note(formatIp(error.from), error.seq, errorText(error));
  }

  #note(from: string | null, seq: number, text: string): void {
    this.#errors++;
    this.#items.push({ type: 'error', from, seq, text });
  }

  #end(now: Instant): void {
    this.#endAt = now;
    this.#sendAt = NEVER;
    this.#lingerUntil = NEVER;
  }

  #rtt(): PingEnd['rttMs'] {
    const count = this.#received;
    if (count === 0) return null;
    const avg = this.#rttSum / count;
    const mdev = Math.sqrt(Math.max(0, this.#rttSquares / count - avg * avg));
    return { min: inMs(this.#rttMin), avg: inMs(avg), max: inMs(this.#rttMax), mdev: inMs(mdev) };
  }
}

/** Whose reply it is; to a group or a broadcast address anybody may answer. */
function isSame(info: DatagramInfo, destination: Ip): boolean {
  return destination.isMulticast || destination.isLimitedBroadcast || info.address.equals(destination);
}

function inMs(value: number): number {
  return toMs(us(value));
}
