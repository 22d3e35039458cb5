/**
 * Who looks at the frames of a device: a capture file, a trace. `device/monitor.ts` feeds one.
 */
import type { Drop } from '../base/drop.ts';
import type { Instant } from '../base/time.ts';
import type { Packet } from '../packet/packet.ts';

export type Direction = 'in' | 'out';

export interface FrameSink {
  /**
   * Looks at a frame, `head` to `tail`, of the interface that the sink numbered so, and keeps nothing of it.
   * Answers a ticket by which `noteDrop` can name the frame for as long as its handling lasts; -1 for none.
   */
  peekFrame(now: Instant, interfaceId: number, packet: Packet, direction: Direction): number;
  /** The frame with this ticket was dropped. */
  noteDrop(ticket: number, reason: Drop): void;
}

/** What a captured frame begins with: link types of the pcap formats. */
export const LinkType = {
  Null: 0,
  Ethernet: 1,
  /** An IP header of either version. */
  Raw: 101,
  LinuxSll: 113,
  Ip4: 228,
  Ip6: 229,
  LinuxSll2: 276,
} as const;
