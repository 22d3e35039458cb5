/**
 * What all sockets of one stack share: their host, the memory that they may hold, and the list of those that have
 * something to report.
 *
 * Slots of the pool are the scarce thing. A socket may queue as many packets as are left for all sockets
 * (dynamic thresholds: Choudhury and Hahne, 1998): one alone gets half of what there is, and with n full ones each
 * has an equal share and something is left for the next, so that nobody can keep datagrams from anybody else.
 */
import { FlowKey } from '../addr/flow-key.ts';
import type { Instant } from '../base/time.ts';
import { PathError } from '../udp/path-error.ts';
import type { SocketHost } from './host.ts';

export interface SocketLimits {
  readonly socketsMax: number;
  /** Bytes in all receive queues, with overhead (`net.ipv4.udp_mem`). */
  readonly memoryMaxBytes: number;
  /** Slots of the pool in all receive queues. */
  readonly slotsMax: number;
}

const SOCKETS_MAX = 65_536;
const MEMORY_MAX_BYTES = 64 << 20;
/** Of the pool: the rest is for what is on its way in and out. */
const SLOTS_SHARE = 2;
/** Of the pool: applications that write do not take these from what arrives. */
const RESERVE_SHARE = 8;

/**
 * A connection that is accepted when its first data are there already is to answer in the same turn: else an
 * acknowledgement leaves by itself, ahead of the answer that would have carried it.
 */
const PASSES_MAX = 2;

/** A socket, as far as this file knows one. */
export interface Reporter {
  report(now: Instant): void;
  handleRoom(): void;
  close(): void;
}

export class SocketContext {
  readonly host: SocketHost;
  readonly limits: SocketLimits;
  /** Filled anew by whoever sends. */
  readonly flow: FlowKey = new FlowKey();
  /** Filled anew for errors of our own. */
  readonly error: PathError = new PathError();
  readonly sockets: Set<Reporter> = new Set<Reporter>();
  memoryUsed = 0;
  slotsUsed = 0;
  /** Goes up when what was sent so far is about to leave. */
  round = 0;
  readonly #reserve: number;
  #ready: (Reporter | null)[] = [];
  #readyCount = 0;
  #reported: (Reporter | null)[] = [];
  #blocked: Reporter[] = [];

  constructor(host: SocketHost, limits: Partial<SocketLimits>) {
    this.host = host;
    this.limits = {
      socketsMax: limits.socketsMax ?? SOCKETS_MAX,
      memoryMaxBytes: limits.memoryMaxBytes ?? MEMORY_MAX_BYTES,
      slotsMax: limits.slotsMax ?? Math.floor(host.pool.capacity / SLOTS_SHARE),
    };
    this.#reserve = Math.floor(host.pool.capacity / RESERVE_SHARE);
  }

  /** Whether a socket that holds `held` packets may hold one more, of `bytes`. */
  admits(held: number, bytes: number): boolean {
    return (
      held < this.limits.slotsMax - this.slotsUsed && this.memoryUsed + bytes <= this.limits.memoryMaxBytes
    );
  }

  charge(bytes: number): void {
    this.slotsUsed++;
    this.memoryUsed += bytes;
  }

  uncharge(bytes: number): void {
    this.slotsUsed--;
    this.memoryUsed -= bytes;
  }

  /** Whether a socket may take a slot to send from. */
  get hasRoom(): boolean {
    return this.host.pool.available > this.#reserve;
  }

  /** Whether a report is due: of a socket that became ready, or of one that waited for room which is there now. */
  get isDue(): boolean {
    return this.#readyCount > 0 || (this.#blocked.length > 0 && this.hasRoom);
  }

  /** `socket` wants to report at the next `report`; at most once until then. */
  markReady(socket: Reporter): void {
    this.#ready[this.#readyCount++] = socket;
    if (this.#readyCount === 1) this.host.wake();
  }

  /** `socket` wants to hear when there is room again. */
  waitForRoom(socket: Reporter): void {
    this.#blocked.push(socket);
    this.host.wake();
  }

  /** Once in every turn: tells those who wait. What they cause meanwhile is told too, but what that causes waits. */
  report(now: Instant): void {
    this.round++;
    if (this.#blocked.length > 0 && this.hasRoom) {
      const blocked = this.#blocked;
      this.#blocked = [];
      for (const socket of blocked) socket.handleRoom();
    }
    for (let pass = 0; pass < PASSES_MAX && this.#readyCount > 0; pass++) this.#reportReady(now);
  }

  #reportReady(now: Instant): void {
    const count = this.#readyCount;
    const ready = this.#ready;
    this.#ready = this.#reported;
    this.#readyCount = 0;
    this.#reported = ready;
    for (let i = 0; i < count; i++) {
      const socket = ready[i] as Reporter;
      ready[i] = null;
      socket.report(now);
    }
  }
}
