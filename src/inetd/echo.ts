/**
 * Echo: RFC 862. Whatever comes goes back, as the very packet it came in; a super-datagram stays one.
 */
import type { Instant } from '../base/time.ts';
import type { Packet } from '../packet/packet.ts';
import { SmallServer } from './small-server.ts';

export const ECHO_PORT = 7;

export class EchoServer extends SmallServer {
  readonly name = 'echo';

  protected handleDatagram(_now: Instant, packet: Packet): void {
    if (this.admit(packet)) this.answer(packet);
    else packet.release();
  }
}
