/**
 * Discard: RFC 863. Whatever comes is thrown away; nothing is ever answered.
 */
import type { Instant } from '../base/time.ts';
import type { Packet } from '../packet/packet.ts';
import { pieces } from '../socket/udp-socket.ts';
import { SmallServer } from './small-server.ts';

export const DISCARD_PORT = 9;

export class DiscardServer extends SmallServer {
  readonly name = 'discard';

  protected handleDatagram(_now: Instant, packet: Packet): void {
    this.counters.received += packet.gsoSize === 0 ? 1 : pieces(packet);
    packet.release();
  }
}
