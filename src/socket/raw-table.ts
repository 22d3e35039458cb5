/**
 * All raw sockets of a stack, by protocol. Every datagram that is delivered passes here first; while there is no raw
 * socket that costs one comparison.
 */
import { FlowKey } from '../addr/flow-key.ts';
import { assert } from '../base/assert.ts';
import { Drop } from '../base/drop.ts';
import type { Instant } from '../base/time.ts';
import type { Packet } from '../packet/packet.ts';
import { fillAddresses, isPacket4 } from '../udp/packet-flow.ts';
import type { PathError } from '../udp/path-error.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as ipv6 from '../wire/ipv6.ts';
import type { SocketHost } from './host.ts';
import type { RawRegistry, RawSocket } from './raw-socket.ts';
import { PROTOCOL_ALL } from './raw-socket.ts';

export class RawTable implements RawRegistry {
  readonly #host: SocketHost;
  /** By protocol; those of `PROTOCOL_ALL` among them. */
  readonly #sockets = new Map<number, RawSocket[]>();
  readonly #flow = new FlowKey();
  #count = 0;

  constructor(host: SocketHost) {
    this.#host = host;
  }

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  get count(): number {
    return this.#count;
  }

  add(socket: RawSocket): void {
    const list = this.#sockets.get(socket.protocol);
    if (list === undefined) this.#sockets.set(socket.protocol, [socket]);
    else list.push(socket);
    this.#count++;
  }

  remove(socket: RawSocket): void {
    const list = this.#sockets.get(socket.protocol) ?? [];
    const at = list.indexOf(socket);
    assert(at >= 0, 'a raw socket is in the table until it is closed');
    list.splice(at, 1);
    this.#count--;
    if (list.length === 0) this.#sockets.delete(socket.protocol);
  }

  /**
   * Gives copies of a whole datagram (`l3`, `l4` and `tail` set) to those who want one. Answers whether its protocol
   * has a socket of its own, so that it is not unreachable (RFC 1122 §3.2.2.1).
   */
  peekPacket(_now: Instant, packet: Packet): boolean {
    if (this.#count === 0) return false;
    const flow = this.#flow;
    const { view, l3 } = packet;
    fillAddresses(flow, packet);
    flow.protocol = isPacket4(packet) ? ipv4.protocol(view, l3) : ipv6.nextHeader(view, l3);
    const isSeen = this.#copyToAll(this.#sockets.get(PROTOCOL_ALL), packet);
    if (flow.protocol === PROTOCOL_ALL) return isSeen;
    return this.#copyToAll(this.#sockets.get(flow.protocol), packet);
  }

  /** For all that speak the protocol of what was sent and could have sent it. */
  handleError(error: PathError): boolean {
    const { sent } = error;
    const list = this.#sockets.get(sent.protocol);
    if (list === undefined) return false;
    let isFound = false;
    for (const socket of list) {
      const { local, remote } = socket;
      if (remote !== null && remote.d !== sent.dstD) continue;
      if (!local.isUnspecified && local.d !== sent.srcD) continue;
      socket.handleError(error);
      isFound = true;
    }
    return isFound;
  }

  #copyToAll(sockets: readonly RawSocket[] | undefined, packet: Packet): boolean {
    if (sockets === undefined) return false;
    let isWanted = false;
    for (let i = 0; i < sockets.length; i++) {
      const socket = sockets[i] as RawSocket;
      if (!socket.wants(packet, this.#flow)) continue;
      isWanted = true;
      this.#copyTo(socket, packet);
    }
    return isWanted;
  }

  #copyTo(socket: RawSocket, packet: Packet): void {
    const { pool, drops } = this.#host;
    if (!socket.hasRoom(packet)) {
      drops.count(Drop.RawBufferFull);
      return;
    }
    const copy = pool.take();
    if (copy === null) {
      drops.count(Drop.NoSlot);
      return;
    }
    packet.copyTo(copy);
    socket.handleCopy(copy);
  }
}
