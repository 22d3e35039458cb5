/**
 * What TCP sees of its stack: the way out that sockets have, and what a path takes.
 */
import type { FlowKey } from '../addr/flow-key.ts';
import type { Errno } from '../base/errno.ts';
import type { Rng } from '../base/rng.ts';
import type { Drops } from '../packet/drops.ts';
import type { Packet } from '../packet/packet.ts';
import type { Pool } from '../packet/pool.ts';
import { PathMtu, SendOptions } from '../socket/host.ts';
import type { PathInfo, SegmentOptions, TcpHost } from '../tcp/host.ts';
import * as ipv4 from '../wire/ipv4.ts';
import type { SocketPort } from './socket-port.ts';

/** A datagram of 65,535 bytes, less the longest IPv4 and TCP headers: no super-segment is longer. */
const GSO_MAX_BYTES = 65_535 - 120;
/** Of the pool: connections leave these slots to what arrives. */
const RESERVE_SHARE = 4;

export class TcpPort implements TcpHost {
  readonly pool: Pool;
  readonly drops: Drops;
  readonly rng: Rng;
  readonly #sockets: SocketPort;
  readonly #options = new SendOptions();
  readonly #reserve: number;

  constructor(sockets: SocketPort, rng: Rng) {
    this.pool = sockets.pool;
    this.drops = sockets.drops;
    this.rng = rng;
    this.#sockets = sockets;
    this.#reserve = Math.floor(this.pool.capacity / RESERVE_SHARE);
  }

  send(packet: Packet, flow: FlowKey, options: SegmentOptions): Errno | null {
    const send = this.#translate(options);
    // RFC 1191 §3: a path below what we believe gets segments that its routers may fragment.
    if (send.pathMtu === PathMtu.Do && this.#sockets.isNarrow(flow.dstD)) send.pathMtu = PathMtu.Dont;
    return this.#sockets.send(packet, flow, send);
  }

  path(flow: FlowKey, options: SegmentOptions, into: PathInfo): void {
    this.#sockets.fillPath(flow, this.#translate(options), into);
    // The loopback device takes a byte more than a datagram can have.
    into.mtu = Math.min(into.mtu, ipv4.MAX_PACKET_BYTES);
    into.deviceMtu = Math.min(into.deviceMtu, ipv4.MAX_PACKET_BYTES);
    into.ipHeaderBytes = ipv4.MIN_HEADER_BYTES;
    // A device that takes no super-segments has them cut at the last moment, which still saves all the way there.
    into.gsoMaxBytes = GSO_MAX_BYTES;
  }

  get hasRoom(): boolean {
    return this.pool.available > this.#reserve;
  }

  wake(): void {
    this.#sockets.wake();
  }

  #translate({ ttl, tos, mark, oif, isDf }: SegmentOptions): SendOptions {
    const options = this.#options;
    options.ttl = ttl;
    options.tos = tos;
    options.mark = mark;
    options.oif = oif;
    options.pathMtu = isDf ? PathMtu.Do : PathMtu.Dont;
    return options;
  }
}
