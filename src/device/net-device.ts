/**
 * What every network device is to the layers above it: tap, loopback, one end of a pair, a bridge, a tunnel.
 *
 * A device never calls up on its own. What arrived waits inside until `receive` is called, which hands each
 * packet to the one receiver; what is transmitted may be collected until `flush`. Middleware (netem, monitor)
 * wraps a device and is one.
 */
import type { Mac } from '../addr/mac.ts';
import type { Drop } from '../base/drop.ts';
import type { Instant } from '../base/time.ts';
import type { Packet } from '../packet/packet.ts';

/** What a frame begins with: an Ethernet header, or the IP header itself. */
export type Medium = 'ethernet' | 'ip';

/** Work that a device takes off the stack's hands when it transmits. */
export interface DeviceFeatures {
  /** Completes `ChecksumPartial`. */
  readonly checksum: boolean;
  /** Takes TCP over IPv4 super-segments. */
  readonly tso4: boolean;
  /** Takes TCP over IPv6 super-segments. */
  readonly tso6: boolean;
  /** Takes super-segments that carry CWR. */
  readonly tsoEcn: boolean;
  /** Takes UDP super-datagrams. */
  readonly uso: boolean;
}

export const NO_OFFLOAD: DeviceFeatures = {
  checksum: false,
  tso4: false,
  tso6: false,
  tsoEcn: false,
  uso: false,
};
export const FULL_OFFLOAD: DeviceFeatures = {
  checksum: true,
  tso4: true,
  tso6: true,
  tsoEcn: true,
  uso: true,
};

/** Named as in `ip -s link`. */
export interface DeviceCounters {
  rxPackets: number;
  rxBytes: number;
  rxDropped: number;
  rxErrors: number;
  txPackets: number;
  txBytes: number;
  txDropped: number;
  txErrors: number;
}

export const deviceCounters = (): DeviceCounters => ({
  rxPackets: 0,
  rxBytes: 0,
  rxDropped: 0,
  rxErrors: 0,
  txPackets: 0,
  txBytes: 0,
  txDropped: 0,
  txErrors: 0,
});

/** The one layer above a device. Takes ownership of `packet`; its bytes are `head` to `tail`. */
export interface FrameReceiver {
  handleFrame(now: Instant, packet: Packet): void;
}

export interface NetDevice {
  readonly name: string;
  /** Set by whoever adds the device to a stack; a received packet carries it as `packet.device`. */
  index: number;
  readonly medium: Medium;
  /** Null on a medium without link addresses. */
  readonly mac: Mac | null;
  /** Largest network-layer packet, in bytes; a super-segment may exceed it. */
  mtu: number;
  readonly features: DeviceFeatures;
  readonly counters: DeviceCounters;
  /** False: nothing goes in or out. */
  isUp: boolean;
  /** What is transmitted now would be dropped for want of room: leave it queued, and ask again at `nextTimeout`. */
  readonly isStopped: boolean;
  receiver: FrameReceiver | null;

  /** Hands at most `budget` waiting packets to the receiver; answers how many. */
  receive(now: Instant, budget: number): number;
  /** Takes ownership of a frame, `head` to `tail`. Anything but `Drop.None` has been counted by the device. */
  transmit(now: Instant, packet: Packet): Drop;
  /** Puts on the wire what `transmit` collected. */
  flush(now: Instant): void;
  /** When to be called again: `START` when packets wait already, `NEVER` when only the outside can wake it. */
  nextTimeout(): Instant;
  handleTimeout(now: Instant): void;
  /** Gives everything back, descriptors and packets. */
  close(): void;
}
