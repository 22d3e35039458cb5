/**
 * All ping sockets of a stack, by echo identifier.
 */
import type { Ip } from '../addr/ip.ts';
import type { Rng } from '../base/rng.ts';
import type { Packet } from '../packet/packet.ts';
import type { PathError } from '../udp/path-error.ts';
import * as icmp4 from '../wire/icmp4.ts';
import * as ipv4 from '../wire/ipv4.ts';
import type { PingRegistry, PingSocket } from './ping-socket.ts';

const ID_MAX = 0xffff;

export class PingTable implements PingRegistry {
  readonly #rng: Rng;
  readonly #sockets = new Map<number, PingSocket>();

  constructor(rng: Rng) {
    this.#rng = rng;
  }

  get count(): number {
    return this.#sockets.size;
  }

  add(socket: PingSocket): boolean {
    if (this.#sockets.has(socket.id)) return false;
    this.#sockets.set(socket.id, socket);
    return true;
  }

  remove(socket: PingSocket): void {
    this.#sockets.delete(socket.id);
  }

  /** Random, since whoever knows the identifier can forge replies. */
  allocate(): number {
    if (this.#sockets.size === ID_MAX) return 0;
    let id = 1 + this.#rng.below(ID_MAX);
    while (this.#sockets.has(id)) id = (id % ID_MAX) + 1;
    return id;
  }

  /** Takes ownership of an echo reply if it answers true: somebody sent what it replies to. */
  deliverReply(packet: Packet): boolean {
    const { view, l3, l4 } = packet;
    const socket = this.#sockets.get(icmp4.id(view, l4));
    if (socket === undefined || icmp4.type(view, l4) !== icmp4.Type.EchoReply) return false;
    if (!isBetween(socket, ipv4.dst(view, l3), ipv4.src(view, l3))) return false;
    if (socket.options.oif !== 0 && socket.options.oif !== packet.device) return false;
    socket.handleReply(packet);
    return true;
  }

  handleError(error: PathError): boolean {
    const socket = this.#sockets.get(error.id);
    if (socket === undefined || !isBetween(socket, error.sent.srcD, error.sent.dstD)) return false;
    socket.handleError(error);
    return true;
  }
}

/** Whether `socket` talks from the IPv4 address `local` with `remote`. */
function isBetween(socket: PingSocket, local: number, remote: number): boolean {
  return isOrAny(socket.local, local) && (socket.remote === null || socket.remote.d === remote);
}

function isOrAny(ip: Ip, word: number): boolean {
  return ip.isUnspecified || ip.d === word;
}
