/**
 * What a device checks of every frame that it is given, and the work it does when nobody below it will.
 */
import { Drop } from '../base/drop.ts';
import type { Packet } from '../packet/packet.ts';
import { GsoType, PacketFlag } from '../packet/packet.ts';
import { checksum } from '../wire/checksum.ts';
import * as ethernet from '../wire/ethernet.ts';
import type { DeviceFeatures, Medium, NetDevice } from './net-device.ts';

const VLAN_TAG_BYTES = 4;

/** The bytes of link header in front of the network header. */
export function linkHeaderBytes(medium: Medium): number {
  return medium === 'ethernet' ? ethernet.HEADER_BYTES : 0;
}

/**
 * Why `device` must not take this frame, or `Drop.None`. A checksum that the device leaves to software is
 * completed here: a bridge hands on frames that no IP layer of ours has seen.
 */
export function admit(device: NetDevice, packet: Packet): Drop {
  if (!device.isUp) return Drop.LinkDown;
  if (packet.gsoType === GsoType.None) {
    if (packet.length > device.mtu && isTooLong(device, packet)) return Drop.TxTooLong;
  } else if (!takesSegments(device.features, packet)) {
    return Drop.OffloadBad;
  }
  if ((packet.flags & PacketFlag.ChecksumPartial) === 0 || device.features.checksum) return Drop.None;
  return completeChecksum(packet);
}

/** Whether a device with these features cuts this super-segment itself. */
export function takesSegments(features: DeviceFeatures, packet: Packet): boolean {
  if ((packet.flags & PacketFlag.GsoEcn) !== 0 && !features.tsoEcn) return false;
  switch (packet.gsoType) {
    case GsoType.Tcp4:
      return features.tso4;
    case GsoType.Tcp6:
      return features.tso6;
    case GsoType.Udp:
      return features.uso;
    default:
      return false;
  }
}

/**
 * Turns a partial checksum into a whole one; `Drop.OffloadBad` when the field is not in the frame, which a header
 * from outside can claim. Zero is written as 0xffff: it is the same number in ones' complement, and in UDP a zero
 * would mean that there is none (RFC 768).
 */
export function completeChecksum(packet: Packet): Drop {
  const field = packet.csumStart + packet.csumOffset;
  if (packet.csumStart < packet.head || field + 2 > packet.tail) return Drop.OffloadBad;
  const result = checksum(packet.view, packet.csumStart, packet.tail - packet.csumStart);
  packet.view.setUint16(field, result === 0 ? 0xffff : result);
  packet.flags &= ~PacketFlag.ChecksumPartial;
  return Drop.None;
}

/**
 * What a frame keeps when it leaves one stack and enters another through memory: offload state, and nothing of
 * what the sender knew about it. A partial checksum never met a wire, so it counts as verified.
 */
export function enterFromMemory(packet: Packet, medium: Medium): void {
  packet.l3 = packet.head + linkHeaderBytes(medium);
  packet.l4 = packet.l3;
  packet.flags &= PacketFlag.ChecksumPartial | PacketFlag.ChecksumValid | PacketFlag.GsoEcn;
  if ((packet.flags & PacketFlag.ChecksumPartial) !== 0) packet.flags |= PacketFlag.ChecksumValid;
}

/** An 802.1Q tag does not count against the MTU, as on any Ethernet. */
function isTooLong(device: NetDevice, packet: Packet): boolean {
  const header = linkHeaderBytes(device.medium);
  const excess = packet.length - header - device.mtu;
  if (excess <= 0) return false;
  if (header === 0 || excess > VLAN_TAG_BYTES) return true;
  const type = ethernet.type(packet.view, packet.head);
  return type !== ethernet.EtherType.Vlan && type !== ethernet.EtherType.VlanService;
}
