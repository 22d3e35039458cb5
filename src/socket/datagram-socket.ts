/**
 * What UDP, raw and ping sockets have in common: a bounded receive queue, readiness, pending errors, options and
 * group membership. The rules are Linux's (socket(7), ip(7)).
 *
 * Readiness is there at any time (level: `readiness`) and is reported once per turn when something new came
 * (edge: `onReady`).
 */
import type { Ip } from '../addr/ip.ts';
import type { Errno } from '../base/errno.ts';
import type { Instant } from '../base/time.ts';
import type { Packet } from '../packet/packet.ts';
import { PacketFlag } from '../packet/packet.ts';
import type { PathError } from '../udp/path-error.ts';
import type { Reporter, SocketContext } from './context.ts';
import { ErrorQueue } from './error-queue.ts';
import { PathMtu, SendOptions } from './host.ts';
import { PacketQueue } from './packet-queue.ts';

/** Bits of `readiness`, and of what `onReady` is told. */
export const Ready = { Readable: 1, Writable: 2, Error: 4, Hangup: 8 } as const;

/** Told once per turn which of `Ready` came since the last time. May do anything to the socket. */
export type ReadyHandler = (now: Instant, edges: number) => void;

export type ShutdownSide = 'read' | 'write' | 'both';

/** Linux's defaults and limits (socket(7), `rmem_default` and `rmem_max`); what is asked for counts double. */
const BUFFER_DEFAULT_BYTES = 212_992;
const BUFFER_MAX_BYTES = 212_992;
const RECEIVE_BUFFER_MIN_BYTES = 2_304;
const SEND_BUFFER_MIN_BYTES = 4_608;
/** What Linux charges a small datagram beyond its bytes, so that a buffer holds about as many as there. */
const OVERHEAD_BYTES = 704;
/** As Linux's `net.ipv4.igmp_max_memberships`. */
const MEMBERSHIPS_MAX = 20;
const TTL_MAX = 255;

export interface Membership {
  readonly group: Ip;
  readonly ifindex: number;
}

export abstract class DatagramSocket implements Reporter {
  readonly family: 4 | 6;
  readonly options: SendOptions = new SendOptions();
  onReady: ReadyHandler | null = null;
  /** Keep errors that come back, from unconnected destinations too, for `receiveError` (`IP_RECVERR`). */
  receivesErrors = false;
  /** Get what came for any group that this host is in, not only for one's own (`IP_MULTICAST_ALL`). */
  multicastAll = true;
  isClosed = false;
  protected readonly context: SocketContext;
  protected readonly queue: PacketQueue = new PacketQueue();
  protected isReadShut = false;
  protected isWriteShut = false;
  #receiveBuffer = BUFFER_DEFAULT_BYTES;
  #sendBuffer = BUFFER_DEFAULT_BYTES;
  /** Bytes in the receive queue, with overhead. */
  #received = 0;
  /** Bytes sent in `#round`, with overhead. */
  #sent = 0;
  #round = 0;
  #isBlocked = false;
  #error: Errno | null = null;
  #errors: ErrorQueue | null = null;
  #edges = 0;
  #memberships: Membership[] = [];

  constructor(context: SocketContext, family: 4 | 6) {
    this.context = context;
    this.family = family;
    context.sockets.add(this);
  }

  /** Bits of `Ready`, as things are now. */
  get readiness(): number {
    let bits = 0;
    if (this.queue.length > 0 || this.isReadShut) bits |= Ready.Readable;
    if (!this.#isBlocked) bits |= Ready.Writable;
    if (this.#error !== null || this.errorCount > 0) bits |= Ready.Error;
    if (this.isReadShut && this.isWriteShut) bits |= Ready.Hangup;
    return bits;
  }

  /** Datagrams that wait. */
  get queuedCount(): number {
    return this.queue.length;
  }

  /** What they count against the receive buffer. */
  get queuedBytes(): number {
    return this.#received;
  }

  /** Errors that `receiveError` would give. */
  get errorCount(): number {
    return this.#errors === null ? 0 : this.#errors.length;
  }

  get receiveBuffer(): number {
    return this.#receiveBuffer;
  }

  /** SO_RCVBUF: twice what is asked for, within limits. */
  setReceiveBuffer(bytes: number): void {
    this.#receiveBuffer = Math.max(Math.min(bytes, BUFFER_MAX_BYTES) * 2, RECEIVE_BUFFER_MIN_BYTES);
  }

  get sendBuffer(): number {
    return this.#sendBuffer;
  }

  /** SO_SNDBUF: what may be sent between two turns of the stack. */
  setSendBuffer(bytes: number): void {
    this.#sendBuffer = Math.max(Math.min(bytes, BUFFER_MAX_BYTES) * 2, SEND_BUFFER_MIN_BYTES);
  }

  /** IP_TTL; -1 is the stack's default again. */
  setTtl(ttl: number): Errno | null {
    if (ttl !== -1 && !(ttl >= 1 && ttl <= TTL_MAX)) return 'EINVAL';
    this.options.ttl = ttl === -1 ? 0 : ttl;
    return null;
  }

  setMulticastTtl(ttl: number): Errno | null {
    if (ttl !== -1 && !(ttl >= 0 && ttl <= TTL_MAX)) return 'EINVAL';
    this.options.multicastTtl = ttl === -1 ? 1 : ttl;
    return null;
  }

  setTos(tos: number): Errno | null {
    if (!(tos >= 0 && tos <= 0xff)) return 'EINVAL';
    this.options.tos = tos;
    return null;
  }

  /** IP_ADD_MEMBERSHIP on interface `oif`, or where the route says (0). */
  joinGroup(group: Ip, oif = 0): Errno | null {
    if (this.isClosed) return 'EBADF';
    if (!group.isMulticast) return 'EINVAL';
    if (this.#memberships.length >= MEMBERSHIPS_MAX) return 'ENOBUFS';
    const ifindex = this.context.host.join(group, oif);
    if (typeof ifindex === 'string') return ifindex;
    if (this.#findMembership(group, ifindex) >= 0) {
      this.context.host.leave(group, ifindex);
      return 'EADDRINUSE';
    }
    this.#memberships.push({ group, ifindex });
    return null;
  }

  /** IP_DROP_MEMBERSHIP; with interface 0 the first membership of `group`. */
  leaveGroup(group: Ip, oif = 0): Errno | null {
    if (this.isClosed) return 'EBADF';
    const at = this.#findMembership(group, oif);
    const membership = this.#memberships[at];
    if (membership === undefined) return 'EADDRNOTAVAIL';
    this.#memberships.splice(at, 1);
    this.context.host.leave(group, membership.ifindex);
    return null;
  }

  /** Whether it wants what came for group `a b c d` on interface `iif`. */
  wantsGroup(a: number, b: number, c: number, d: number, iif: number): boolean {
    if (this.multicastAll) return true;
    for (let i = 0; i < this.#memberships.length; i++) {
      const { group, ifindex } = this.#memberships[i] as Membership;
      if (group.d === d && group.c === c && group.b === b && group.a === a && ifindex === iif) return true;
    }
    return false;
  }

  /**
   * The pending error, if any, which is thereby told and gone (SO_ERROR). Every send and receive asks it first, so
   * that a program hears of a refusal at its next call.
   */
  takeError(): Errno | null {
    const error = this.#error;
    this.#error = null;
    return error;
  }

  /** Moves the oldest error to `into` (`MSG_ERRQUEUE`); false when there is none. */
  receiveError(into: PathError): boolean {
    if (this.#errors === null || !this.#errors.shift(into)) return false;
    if (this.#errors.length === 0) this.#error = null;
    return true;
  }

  /** Sides are shut even where it answers ENOTCONN, which wakes readers, as on Linux. */
  shutdown(side: ShutdownSide): Errno | null {
    if (this.isClosed) return 'EBADF';
    if (side !== 'write') this.isReadShut = true;
    if (side !== 'read') this.isWriteShut = true;
    this.markReady(this.readiness & (Ready.Readable | Ready.Hangup));
    return this.isConnected ? null : 'ENOTCONN';
  }

  /** Gives back everything that it holds. Later calls answer EBADF. */
  close(): void {
    if (this.isClosed) return;
    this.unbind();
    for (let packet = this.shift(); packet !== null; packet = this.shift()) packet.release();
    for (const { group, ifindex } of this.#memberships) this.context.host.leave(group, ifindex);
    this.#memberships = [];
    this.#errors = null;
    this.#error = null;
    this.onReady = null;
    this.isClosed = true;
    this.context.sockets.delete(this);
  }

  report(now: Instant): void {
    const edges = this.#edges;
    this.#edges = 0;
    if (this.onReady !== null) this.onReady(now, edges);
  }

  handleRoom(): void {
    this.#isBlocked = false;
    if (!this.isClosed) this.markReady(Ready.Writable);
  }

  abstract get isConnected(): boolean;
  /** Leaves the tables that it is found in. */
  protected abstract unbind(): void;

  protected markReady(edges: number): void {
    if (this.onReady === null || edges === 0) return;
    if (this.#edges === 0) this.context.markReady(this);
    this.#edges |= edges;
  }

  /** Whether one more packet may be queued; Linux lets the one through that exceeds the buffer, and no more. */
  protected hasRoomFor(packet: Packet): boolean {
    return this.#received <= this.#receiveBuffer && this.context.admits(this.queue.length, truesize(packet));
  }

  /** Queues a packet for which there is room. */
  protected accept(packet: Packet): void {
    const bytes = truesize(packet);
    this.#received += bytes;
    this.context.charge(bytes);
    this.queue.push(packet);
    this.markReady(Ready.Readable);
  }

  protected shift(): Packet | null {
    const packet = this.queue.shift();
    if (packet === null) return null;
    const bytes = truesize(packet);
    this.#received -= bytes;
    this.context.uncharge(bytes);
    return packet;
  }

  /** What a receive call answers when there is nothing to receive. */
  protected get emptyAnswer(): Errno | 0 {
    if (this.isClosed) return 'EBADF';
    return this.isReadShut ? 0 : 'EAGAIN';
  }

  /** EBADF, EPIPE, or an error that waited to be told. */
  protected sendRefusal(): Errno | null {
    if (this.isClosed) return 'EBADF';
    if (this.isWriteShut) return 'EPIPE';
    return this.takeError();
  }

  /**
   * A slot to send `bytes` from, or null: then the call answers EAGAIN, and `Writable` is reported when there is room.
   * A datagram counts until the end of the turn, since then it is the queueing discipline's.
   */
  protected takeSlot(bytes: number): Packet | null {
    const { context } = this;
    if (this.#round !== context.round) {
      this.#round = context.round;
      this.#sent = 0;
    }
    const packet = this.#sent < this.#sendBuffer && context.hasRoom ? context.host.pool.take() : null;
    if (packet === null) {
      if (!this.#isBlocked) context.waitForRoom(this);
      this.#isBlocked = true;
      return null;
    }
    this.#sent += bytes + OVERHEAD_BYTES;
    return packet;
  }

  /** What `send` of the host answered, after a datagram of ours; `mtu` is what would have fitted. */
  protected noteRefusal(refusal: Errno, mtu: number): void {
    if (refusal !== 'EMSGSIZE' || !this.receivesErrors) return;
    this.context.error.fillLocal(refusal, this.context.flow, mtu);
    this.#queueError(this.context.error);
  }

  /**
   * RFC 1122 §4.1.3.3 wants errors passed up. As on Linux a program hears only what is final and about the peer that
   * it connected to, unless it asked for more.
   */
  protected noteError(error: PathError): void {
    let isHard = error.isHard;
    if (error.isTooLong) {
      if (this.options.pathMtu === PathMtu.Dont) return;
      isHard = true;
    }
    if (this.receivesErrors) this.#queueError(error);
    else if (!isHard || !this.isConnected) return;
    this.#error = error.errno;
    this.markReady(Ready.Error);
  }

  #queueError(error: PathError): void {
    this.#errors ??= new ErrorQueue();
    this.#errors.push(error);
    this.markReady(Ready.Error);
  }

  #findMembership(group: Ip, ifindex: number): number {
    return this.#memberships.findIndex(
      (one) => one.group.equals(group) && (ifindex === 0 || one.ifindex === ifindex),
    );
  }
}

/** What a packet costs, as Linux's `truesize`; the same at both ends of the queue. */
function truesize(packet: Packet): number {
  return packet.tail - packet.l4 + OVERHEAD_BYTES;
}

/** The packet was sent to a broadcast address or a group. */
export function isToMany(packet: Packet): boolean {
  return (packet.flags & (PacketFlag.IpBroadcast | PacketFlag.IpMulticast)) !== 0;
}
