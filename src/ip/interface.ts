/**
 * A device as the network layer sees it: addresses, neighbours, groups and a queue in front of it.
 *
 *     device → handleFrame ┬ ARP        output4 → neighbour ┐
 *                          └ IP input             link form ┴→ transmitFrame → qdisc → drain → device
 */
import { Ip, isMulticast4 } from '../addr/ip.ts';
import type { Mac } from '../addr/mac.ts';
import { BROADCAST_MAC, ZERO_MAC } from '../addr/mac.ts';
import { Drop } from '../base/drop.ts';
import type { Rng } from '../base/rng.ts';
import type { Instant } from '../base/time.ts';
import { earliest } from '../base/time.ts';
import type { FrameReceiver, NetDevice } from '../device/net-device.ts';
import { Arp } from '../neighbor/arp.ts';
import type { ArpPort } from '../neighbor/port.ts';
import { NeighborTable } from '../neighbor/table.ts';
import type { Drops } from '../packet/drops.ts';
import type { Packet } from '../packet/packet.ts';
import { PacketFlag } from '../packet/packet.ts';
import type { Pool } from '../packet/pool.ts';
import type { Qdisc } from '../qdisc/qdisc.ts';
import type { NextHop } from '../route/nexthop.ts';
import { linkHop } from '../route/nexthop.ts';
import * as ethernet from '../wire/ethernet.ts';
import type { Addresses } from './addresses.ts';
import type { IgmpHost } from './igmp/host.ts';
import { Igmp } from './igmp/igmp.ts';

/** What the interface hands arriving datagrams to, and where those return that found no neighbour. */
export interface InterfaceUpper {
  readonly pool: Pool;
  readonly drops: Drops;
  readonly addresses: Addresses;
  /** Takes ownership of an IPv4 datagram from `l3` on, not yet checked. */
  handlePacket4(now: Instant, packet: Packet, iface: Interface): void;
  /** Takes ownership of a datagram whose next hop does not answer. */
  handleUnreachable(now: Instant, packet: Packet): void;
}

/** Group addresses map to 01:00:5e and their last 23 bits (RFC 1112 §6.4). */
const GROUP_MAC_HI = 0x0100;
const GROUP_MAC_LO = 0x5e000000;
const ALL_HOSTS = 0xe0000001 | 0;

export class Interface implements FrameReceiver, ArpPort, IgmpHost {
  readonly name: string;
  readonly index: number;
  readonly device: NetDevice;
  readonly qdisc: Qdisc;
  readonly pool: Pool;
  readonly drops: Drops;
  readonly rng: Rng;
  /** Null on a medium without link addresses. */
  readonly neighbors: NeighborTable | null;
  readonly arp: Arp | null;
  readonly igmp: Igmp;
  /** For destinations that every host on the link, or every member, receives. */
  readonly broadcastHop: NextHop;
  readonly multicastHop: NextHop;
  readonly #upper: InterfaceUpper;

  constructor(device: NetDevice, index: number, qdisc: Qdisc, upper: InterfaceUpper, rng: Rng) {
    this.name = device.name;
    this.index = index;
    this.device = device;
    this.qdisc = qdisc;
    this.pool = upper.pool;
    this.drops = upper.drops;
    this.rng = rng.fork(`interface ${index}`);
    this.#upper = upper;
    this.neighbors = device.medium === 'ethernet' ? new NeighborTable(this) : null;
    this.arp = this.neighbors === null ? null : new Arp(this.neighbors, this);
    this.igmp = new Igmp(this, this.rng.fork('igmp'));
    this.broadcastHop = linkHop('broadcast', index);
    this.multicastHop = linkHop('multicast', index);
    device.index = index;
    device.receiver = this;
  }

  get mac(): Mac {
    return this.device.mac ?? ZERO_MAC;
  }

  get source(): number {
    return (
      this.#upper.addresses.of(this.index).find((address) => address.state === 'permanent')?.prefix.address
        .d ?? 0
    );
  }

  handleFrame(now: Instant, packet: Packet): void {
    if (this.device.medium === 'ip') {
      packet.l3 = packet.head;
      const version = packet.tail > packet.head ? (packet.bytes[packet.head] as number) >>> 4 : 0;
      this.#demultiplex(now, packet, version === 6 ? ethernet.EtherType.Ip6 : ethernet.EtherType.Ip4);
      return;
    }
    const { view, head, tail } = packet;
    const bad = ethernet.check(view, head, tail);
    if (bad !== Drop.None) {
      this.drops.drop(packet, bad);
      return;
    }
    if (!this.#classify(packet)) {
      this.drops.drop(packet, Drop.NotForUs);
      return;
    }
    packet.l3 = packet.pull(ethernet.HEADER_BYTES);
    this.#demultiplex(now, packet, ethernet.type(view, head));
  }

  /** Takes ownership of a datagram, `l3` to `tail`, whose next hop on this link is `hop`. */
  output4(now: Instant, packet: Packet, hop: number): void {
    if (this.neighbors === null) {
      this.transmitFrame(now, packet);
      return;
    }
    if (isMulticast4(hop)) {
      this.#pushEthernet(packet, GROUP_MAC_HI, GROUP_MAC_LO | (hop & 0x7fffff));
      this.transmitFrame(now, packet);
      return;
    }
    if (hop === -1 || this.isBroadcast4(hop)) {
      this.#pushEthernet(packet, BROADCAST_MAC.hi, BROADCAST_MAC.lo);
      this.transmitFrame(now, packet);
      return;
    }
    this.neighbors.resolve(now, 0, 0, 0xffff, hop, packet);
  }

  transmitFrame(now: Instant, packet: Packet): void {
    this.qdisc.enqueue(now, packet);
  }

  sendMulticast(now: Instant, packet: Packet): void {
    this.output4(now, packet, packet.view.getInt32(packet.l3 + 16));
  }

  handleUnreachable(now: Instant, packet: Packet): void {
    this.#upper.handleUnreachable(now, packet);
  }

  /** From the queue to the device, until either is done. */
  drain(now: Instant): void {
    const { device, qdisc } = this;
    while (!device.isStopped) {
      const packet = qdisc.dequeue(now);
      if (packet === null) break;
      device.transmit(now, packet);
    }
    device.flush(now);
  }

  /** When `drain` will have something to do. */
  nextTimeout(): Instant {
    const { device, qdisc } = this;
    // What waits behind a stopped device waits for the device.
    return device.isStopped ? device.nextTimeout() : earliest(device.nextTimeout(), qdisc.nextTimeout());
  }

  /** Drops what waits, and closes the device. */
  close(): void {
    this.qdisc.purge();
    this.neighbors?.close();
    this.device.receiver = null;
    this.device.close();
  }

  hasAddress4(address: number): boolean {
    const found = this.#upper.addresses.find(Ip.v4(address));
    return found !== null && found.ifindex === this.index && found.state === 'permanent';
  }

  sourceAddress4(target: number): number {
    return this.#upper.addresses.primary4(this.index, Ip.v4(target))?.d ?? 0;
  }

  /** Whether `word` is the directed broadcast address of a network on this interface. */
  isBroadcast4(word: number): boolean {
    const list = this.#upper.addresses.of(this.index);
    for (let i = 0; i < list.length; i++) if (list[i]?.broadcast?.d === word) return true;
    return false;
  }

  /** Whether datagrams to `group` are wanted here. */
  isMember(group: number): boolean {
    return group === ALL_HOSTS || this.igmp.isMember(group);
  }

  #classify(packet: Packet): boolean {
    const { view, head } = packet;
    const hi = ethernet.dstHi(view, head);
    const lo = ethernet.dstLo(view, head);
    const own = this.mac;
    if (hi === own.hi && lo === own.lo) return true;
    if (hi === BROADCAST_MAC.hi && lo === BROADCAST_MAC.lo) packet.flags |= PacketFlag.LinkBroadcast;
    else if ((hi & 0x0100) !== 0) packet.flags |= PacketFlag.LinkMulticast;
    else return false;
    return true;
  }

  #demultiplex(now: Instant, packet: Packet, etherType: number): void {
    if (etherType === ethernet.EtherType.Ip4) this.#upper.handlePacket4(now, packet, this);
    else if (etherType === ethernet.EtherType.Arp && this.arp !== null) this.arp.handlePacket(now, packet);
    else if (etherType === ethernet.EtherType.Ip6) this.drops.drop(packet, Drop.Ip6Unsupported);
    else this.drops.drop(packet, Drop.EtherTypeUnknown);
  }

  #pushEthernet(packet: Packet, hi: number, lo: number): void {
    const { view } = packet;
    packet.head = packet.l3;
    const at = packet.push(ethernet.HEADER_BYTES);
    const own = this.mac;
    view.setUint16(at, hi);
    view.setInt32(at + 2, lo);
    view.setUint16(at + 6, own.hi);
    view.setInt32(at + 8, own.lo);
    view.setUint16(at + 12, ethernet.EtherType.Ip4);
  }
}
