/**
 * IGMP messages to the interface they came in by: each has its own membership (RFC 3376 §3.2).
 */
import type { Instant } from '../base/time.ts';
import type { Transport } from '../ip/deliver.ts';
import type { Interface } from '../ip/interface.ts';
import type { Packet } from '../packet/packet.ts';

export class IgmpDemux implements Transport {
  readonly #interfaces: readonly (Interface | undefined)[];

  constructor(interfaces: readonly (Interface | undefined)[]) {
    this.#interfaces = interfaces;
  }

  handlePacket(now: Instant, packet: Packet): void {
    const iface = this.#interfaces[packet.device];
    if (iface === undefined) packet.release();
    else iface.igmp.handlePacket(now, packet);
  }
}
