/**
 * Local ports: who may share one, and which one a socket gets that does not care (RFC 6056).
 *
 * The rules of sharing are Linux's. Two sockets conflict on a port when their interfaces and addresses overlap,
 * unless both have SO_REUSEADDR or both have SO_REUSEPORT. An unspecified address overlaps all of its family; `::`
 * also overlaps IPv4, unless the socket is IPv6 only (RFC 3493 §5.3).
 *
 * Whoever owns the sockets keeps them by port; this is policy and holds no list of its own.
 */
import type { Ip } from '../addr/ip.ts';
import type { Rng } from '../base/rng.ts';
import { SipHash } from '../base/siphash.ts';

/** As Linux's `net.ipv4.ip_local_port_range`; RFC 6056 §3.2 would have all from 1024, which servers live in. */
export const EPHEMERAL_MIN = 32_768;
export const EPHEMERAL_MAX = 60_999;
const EPHEMERAL_COUNT = EPHEMERAL_MAX - EPHEMERAL_MIN + 1;

/** What decides about sharing. */
export interface PortUser {
  readonly local: Ip;
  /** Interface it is bound to, or 0. */
  readonly device: number;
  readonly ipv6Only: boolean;
  readonly reuseAddress: boolean;
  readonly reusePort: boolean;
  /** It has the port to itself then, SO_REUSEADDR or not. */
  readonly isListening?: boolean;
}

/** All sockets of one protocol, by local port. */
export interface PortSpace {
  atPort(port: number): readonly PortUser[];
}

/** Local address, remote address, remote port. */
const FLOW_WORDS = 9;

export class Ports {
  readonly #space: PortSpace;
  readonly #rng: Rng;
  readonly #hash: SipHash;
  /** `next_ephemeral` of RFC 6056 §3.3.3. */
  #next = 0;

  constructor(space: PortSpace, rng: Rng) {
    this.#space = space;
    this.#rng = rng;
    this.#hash = SipHash.keyed(rng, FLOW_WORDS);
  }

  /** Whether `user`, who is not in the space, may not have `port` at address `local`. */
  isTaken(user: PortUser, local: Ip, port: number): boolean {
    const others = this.#space.atPort(port);
    for (let i = 0; i < others.length; i++) {
      const other = others[i] as PortUser;
      if (user.reuseAddress && other.reuseAddress && other.isListening !== true) continue;
      if (user.reusePort && other.reusePort) continue;
      if (user.device !== 0 && other.device !== 0 && user.device !== other.device) continue;
      if (overlap(local, user.ipv6Only, other.local, other.ipv6Only)) return true;
    }
    return false;
  }

  /** RFC 6056 §3.3.1, algorithm 1: a random free port, or 0. For a socket whose peer is not known yet. */
  allocate(user: PortUser, local: Ip): number {
    return this.#search(user, local, this.#rng.below(EPHEMERAL_COUNT));
  }

  /**
   * RFC 6056 §3.3.3, algorithm 3: a port that nobody else can foresee for this peer, yet each peer sees them one
   * after the other, so that a port is not used again soon. 0 when none is free.
   */
  allocateFor(user: PortUser, local: Ip, remote: Ip, remotePort: number): number {
    return this.#search(user, local, this.#offsetFor(local, remote, remotePort));
  }

  /** The ports of `allocateFor` in their order, until `tryPort` takes one; answers that one, or 0. */
  searchFor(local: Ip, remote: Ip, remotePort: number, tryPort: (port: number) => boolean): number {
    const first = this.#offsetFor(local, remote, remotePort);
    for (let i = 0; i < EPHEMERAL_COUNT; i++) {
      const port = EPHEMERAL_MIN + ((first + i) % EPHEMERAL_COUNT);
      if (tryPort(port)) return port;
    }
    return 0;
  }

  #offsetFor(local: Ip, remote: Ip, remotePort: number): number {
    const { message } = this.#hash;
    message[0] = local.a;
    message[1] = local.b;
    message[2] = local.c;
    message[3] = local.d;
    message[4] = remote.a;
    message[5] = remote.b;
    message[6] = remote.c;
    message[7] = remote.d;
    message[8] = remotePort;
    const offset = (this.#hash.hash() >>> 0) % EPHEMERAL_COUNT;
    this.#next = (this.#next + 1) % EPHEMERAL_COUNT;
    return (this.#next + offset) % EPHEMERAL_COUNT;
  }

  #search(user: PortUser, local: Ip, first: number): number {
    for (let i = 0; i < EPHEMERAL_COUNT; i++) {
      const port = EPHEMERAL_MIN + ((first + i) % EPHEMERAL_COUNT);
      if (!this.isTaken(user, local, port)) return port;
    }
    return 0;
  }
}

function overlap(a: Ip, a6Only: boolean, b: Ip, b6Only: boolean): boolean {
  if (a.equals(b)) return true;
  return (
    (a.isUnspecified && covers(a, a6Only, b, b6Only)) || (b.isUnspecified && covers(b, b6Only, a, a6Only))
  );
}

/** Whether the unspecified address `any` stands for addresses that `other` is or stands for. */
function covers(any: Ip, only6: boolean, other: Ip, other6Only: boolean): boolean {
  if (other.isV4) return any.isV4 || !only6;
  return !any.isV4 || (other.isUnspecified && !other6Only);
}
