/**
 * Frames that nobody of good will sends: valid ones of every kind as templates, then damaged with knowledge of where
 * it hurts (lengths, offsets, options, checksums put right again), or bytes out of nowhere.
 *
 * A source address is that of nobody (198.18/15, RFC 2544) where the payload could be taken for somebody's data.
 */
import type { Mac } from '../addr/mac.ts';
import { BROADCAST_MAC, Mac as MacValue } from '../addr/mac.ts';
import type { Rng } from '../base/rng.ts';
import type { Packet } from '../packet/packet.ts';
import { GsoType, PacketFlag } from '../packet/packet.ts';
import * as arp from '../wire/arp.ts';
import { checksum, pseudo4 } from '../wire/checksum.ts';
import * as ethernet from '../wire/ethernet.ts';
import * as icmp4 from '../wire/icmp4.ts';
import * as igmp from '../wire/igmp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as tcp from '../wire/tcp.ts';
import * as udp from '../wire/udp.ts';

/** Who and what garbage is about. */
export interface Targets {
  /** Addresses that exist. */
  readonly addresses: readonly number[];
  readonly macs: readonly Mac[];
  readonly groups: readonly number[];
  /** UDP ports that have sockets: errors quote them. */
  readonly ports: readonly number[];
  /** TCP ports with listeners or connections; those of UDP when not given. */
  readonly tcpPorts?: readonly number[];
  /** Those that must not get anything that looks right. */
  readonly spared: readonly number[];
  readonly medium: 'ethernet' | 'ip';
}

const NOBODY = 0xc6120000 | 0;
const { Icmp, Igmp, Udp, Tcp } = ipv4.Protocol;
const KINDS = ['arp', 'udp', 'icmp', 'icmp error', 'igmp', 'fragment', 'tcp', 'noise'] as const;
type Kind = (typeof KINDS)[number];

export class Garbage {
  readonly #rng: Rng;
  readonly #targets: Targets;

  constructor(rng: Rng, targets: Targets) {
    this.#rng = rng;
    this.#targets = targets;
  }

  /** Fills an empty packet with one frame. */
  fill(packet: Packet): void {
    const rng = this.#rng;
    const kind = this.#pick<Kind>(KINDS);
    const isIp = this.#targets.medium === 'ip';
    if (kind === 'noise') {
      packet.tail = packet.head + rng.below(rng.below(8) === 0 ? 1_514 : 80);
      rng.fill(packet.bytes, packet.head, packet.tail);
      return;
    }
    const isArp = kind === 'arp' && !isIp;
    if (isArp) this.#writeArp(packet);
    else this.#writeDatagram(packet, kind);
    if (!isArp) this.#damage(packet);
    if (rng.below(4) === 0) this.#flip(packet);
    if (rng.below(16) === 0) packet.tail = packet.head + rng.below(packet.length + 1);
    if (isIp) return;
    const type = isArp ? ethernet.EtherType.Arp : ethernet.EtherType.Ip4;
    const at = packet.push(ethernet.HEADER_BYTES);
    ethernet.write(
      packet.view,
      at,
      this.#destination(),
      this.#mac(),
      rng.below(64) === 0 ? rng.below(0x1_0000) : type,
    );
  }

  #writeArp(packet: Packet): void {
    const { view, l3 } = packet;
    const op = 1 + this.#rng.below(this.#rng.below(8) === 0 ? 24 : 2);
    packet.tail = arp.write(view, l3, op, this.#mac(), this.#address(), this.#mac(), this.#address());
    if (this.#rng.below(8) === 0) view.setUint16(l3 + 2 * this.#rng.below(4), this.#rng.below(0x1_0000));
    if (this.#rng.below(2) === 0) packet.tail = l3 + 46;
  }

  #writeDatagram(packet: Packet, kind: Kind): void {
    const rng = this.#rng;
    const { view, l3 } = packet;
    const options = rng.below(4) === 0 ? 4 * rng.below(11) : 0;
    const l4 = l3 + ipv4.MIN_HEADER_BYTES + options;
    const protocol = this.#protocol(kind);
    const isFragment = kind === 'fragment';
    // Data of a known protocol must not seem to come from anybody who sends data.
    const src = protocol === Udp || isFragment ? NOBODY | rng.below(64) : this.#address();
    const dst = rng.below(6) === 0 ? this.#pick(this.#targets.groups) : this.#address();
    const df = rng.below(4) === 0 ? ipv4.Flag.Df : 0;
    const fragment = isFragment ? this.#fragmentField() : df;
    packet.l4 = l4;
    packet.tail = l4;
    this.#writePayload(packet, kind, src, dst);
    const ttl = rng.below(4) === 0 ? rng.below(4) : 64;
    ipv4.write(view, l3, packet.tail - l3, rng.below(256), rng.below(8), fragment, ttl, protocol, src, dst);
    if (options > 0) {
      this.#writeOptions(packet, options);
      ipv4.setHeaderLength(view, l3, l4 - l3);
    }
  }

  #protocol(kind: Kind): number {
    switch (kind) {
      case 'udp':
        return Udp;
      case 'icmp':
      case 'icmp error':
        return Icmp;
      case 'igmp':
        return Igmp;
      case 'tcp':
        return Tcp;
      case 'fragment':
        return this.#pick([Udp, Icmp, Tcp, 99]);
      default:
        return this.#rng.below(256) === Udp ? Tcp : 200 + this.#rng.below(56);
    }
  }

  /** Offsets near others, near the end of what a length can say, and anywhere. */
  #fragmentField(): number {
    const rng = this.#rng;
    const offset = this.#pick([rng.below(8), rng.below(8) * 8, 8_191 - rng.below(4), rng.below(8_192)]);
    return (rng.below(2) === 0 ? ipv4.Flag.Mf : 0) | offset;
  }

  #writePayload(packet: Packet, kind: Kind, src: number, dst: number): void {
    const rng = this.#rng;
    const { view, bytes, l4 } = packet;
    const length = rng.below(8) === 0 ? rng.below(1_400) : rng.below(64);
    rng.fill(bytes, l4, l4 + length + 64);
    switch (kind) {
      case 'udp': {
        packet.tail = l4 + udp.HEADER_BYTES + length;
        udp.write(view, l4, rng.below(0x1_0000), this.#port(), packet.tail - l4);
        const sum = checksum(view, l4, packet.tail - l4, pseudo4(src, dst, Udp, packet.tail - l4));
        view.setUint16(l4 + udp.CHECKSUM_OFFSET, rng.below(4) === 0 ? 0 : sum);
        return;
      }
      case 'icmp':
        packet.tail = l4 + icmp4.HEADER_BYTES + length;
        // No echo reply: with luck it would be taken for an answer to one of ours.
        icmp4.write(view, l4, 1 + rng.below(43), rng.below(4), rng.u32());
        icmp4.fillChecksum(view, l4, packet.tail);
        return;
      case 'icmp error':
        this.#writeError(packet, dst);
        return;
      case 'tcp':
        this.#writeSegment(packet, length, src, dst);
        return;
      case 'igmp':
        packet.tail = l4 + this.#pick([8, 12, 16, 8 + rng.below(32)]);
        igmp.write(
          view,
          l4,
          this.#pick(Object.values(igmp.Type)),
          rng.below(256),
          this.#pick(this.#targets.groups),
        );
        igmp.fillChecksum(view, l4, packet.tail);
        return;
      default:
        packet.tail = l4 + (kind === 'fragment' && rng.below(2) === 0 ? length & ~7 : length);
    }
  }

  /** A segment that is right in itself, from anywhere in sequence space; three of four have a right checksum. */
  #writeSegment(packet: Packet, length: number, src: number, dst: number): void {
    const rng = this.#rng;
    const { view, bytes, l4 } = packet;
    const { Fin, Syn, Rst, Psh, Ack, Urg, Ece, Cwr } = tcp.Flag;
    const flags = this.#pick([Syn, Syn, Syn | Ack, Ack, Ack | Psh, Fin | Ack, Rst, Rst | Ack, Ack | Urg]);
    const options = 4 * this.#pick([0, 0, 1, 3, 5, rng.below(11)]);
    const header = tcp.MIN_HEADER_BYTES + options;
    const ports = this.#targets.tcpPorts ?? this.#targets.ports;
    const port = (): number =>
      ports.length === 0 || rng.below(3) === 0 ? rng.below(0x1_0000) : this.#pick(ports);
    tcp.write(
      view,
      l4,
      port(),
      port(),
      rng.u32(),
      rng.u32(),
      header,
      rng.below(8) === 0 ? rng.below(256) : flags | (rng.below(8) === 0 ? Ece | Cwr : 0),
      rng.below(0x1_0000),
      rng.below(64),
    );
    for (let at = l4 + tcp.MIN_HEADER_BYTES; at < l4 + header; at += 4) this.#writeOption(view, at);
    packet.tail = l4 + header + ((flags & Syn) !== 0 && rng.below(4) !== 0 ? 0 : length);
    rng.fill(bytes, l4 + header, packet.tail);
    const size = packet.tail - l4;
    if (rng.below(4) !== 0) tcp.fillChecksum(view, l4, size, pseudo4(src, dst, Tcp, size));
  }

  /** The first half of an option, with a length that fits or does not; behind it is what was there. */
  #writeOption(view: DataView, at: number): void {
    const kind = this.#pick([0, 1, 2, 3, 4, 5, 8, 34, this.#rng.below(256)]);
    view.setUint8(at, kind);
    view.setUint8(at + 1, this.#pick([2, 3, 4, 10, 18, this.#rng.below(64)]));
  }

  /** An error about something that the destination might have sent: MTUs, redirects, ports that are open. */
  #writeError(packet: Packet, dst: number): void {
    const rng = this.#rng;
    const { view, l4 } = packet;
    const type = this.#pick([3, 3, 3, 5, 11, 12, 4]);
    const word = type === 5 ? this.#address() : this.#pick([0, 68, 576, rng.below(0x1_0000), rng.u32()]);
    const at = icmp4.write(view, l4, type, rng.below(type === 3 ? 16 : 3), word);
    const quoted = ipv4.write(
      view,
      at,
      this.#pick([28, 20, 1_500, rng.below(0x1_0000)]),
      0,
      rng.below(0x1_0000),
      this.#pick([0, ipv4.Flag.Df, 100]),
      rng.below(65),
      this.#pick([Udp, Icmp, Tcp]),
      rng.below(8) === 0 ? this.#address() : dst,
      this.#address(),
    );
    udp.write(view, quoted, this.#quotedPort(), rng.below(0x1_0000), 8);
    packet.tail = quoted + udp.HEADER_BYTES + rng.below(16);
    icmp4.fillChecksum(view, l4, packet.tail);
  }

  #writeOptions(packet: Packet, length: number): void {
    const rng = this.#rng;
    const { view, bytes, l3 } = packet;
    let at = l3 + ipv4.MIN_HEADER_BYTES;
    const end = at + length;
    bytes.fill(1, at, end);
    while (at + 4 <= end && rng.below(4) !== 0) {
      const size = Math.min(end - at, this.#pick([3, 4, 7, 8, 11, 12]));
      view.setUint8(at, this.#pick([0, 1, 7, 68, 130, 131, 136, 137, 148, rng.below(256)]));
      view.setUint8(at + 1, rng.below(6) === 0 ? rng.below(48) : size);
      view.setUint8(at + 2, this.#pick([0, 1, 4, 5, 8, size + 1, rng.below(256)]));
      if (size > 3) view.setUint8(at + 3, this.#pick([0, 1, 3, 0xf0, 0xf1, rng.below(256)]));
      at += size;
    }
  }

  /** Header fields that lie, now and then under a checksum that fits. */
  #damage(packet: Packet): void {
    const rng = this.#rng;
    const { view, l3 } = packet;
    if (rng.below(3) !== 0) return;
    switch (rng.below(5)) {
      case 0:
        view.setUint8(l3, rng.below(256));
        break;
      case 1:
        view.setUint16(l3 + 2, this.#pick([0, 19, 20, packet.length - 1, packet.length + 1, 0xffff]));
        break;
      case 2:
        view.setInt32(l3 + 12, this.#pick([0, -1, 0x7f000001, 0xe0000001 | 0, NOBODY, 0xf0000001 | 0]));
        break;
      case 3:
        view.setInt32(l3 + 16, this.#pick([0, -1, 0x7f000001, 0xe0000001 | 0, NOBODY]));
        break;
      default:
        view.setUint8(l3 + 9, 200 + rng.below(56));
    }
    const isHeaderThere = ipv4.headerLength(view, l3) >= ipv4.MIN_HEADER_BYTES;
    if (rng.below(4) !== 0 && isHeaderThere) ipv4.fillChecksum(view, l3);
  }

  /** One bit, anywhere. */
  #flip({ bytes, head, tail }: Packet): void {
    if (tail === head) return;
    const at = head + this.#rng.below(tail - head);
    bytes[at] = (bytes[at] as number) ^ (1 << this.#rng.below(8));
  }

  #address(): number {
    const rng = this.#rng;
    const { addresses } = this.#targets;
    if (addresses.length === 0 || rng.below(8) === 0) return NOBODY | rng.below(0x1_0000);
    const address = this.#pick(addresses);
    return rng.below(16) === 0 ? (address & ~0xff) | this.#pick([0, 255, rng.below(256)]) : address;
  }

  #mac(): Mac {
    const { macs } = this.#targets;
    if (macs.length > 0 && this.#rng.below(2) === 0) return this.#pick(macs);
    return new MacValue(this.#rng.below(0x1_0000), this.#rng.u32());
  }

  #destination(): Mac {
    const { macs } = this.#targets;
    const die = this.#rng.below(8);
    if (die === 0 || macs.length === 0) return BROADCAST_MAC;
    if (die === 1) return new MacValue(0x0100, 0x5e000000 | this.#rng.below(0x80_0000));
    return die === 2 ? this.#mac() : this.#pick(macs);
  }

  /** Never one where a socket would take garbage for data. */
  #port(): number {
    for (;;) {
      const port = this.#rng.below(2) === 0 ? this.#rng.below(0x1_0000) : this.#quotedPort();
      if (!this.#targets.spared.includes(port)) return port;
    }
  }

  #quotedPort(): number {
    const { ports } = this.#targets;
    return ports.length > 0 ? this.#pick(ports) : 7;
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#rng.below(list.length)] as T;
  }
}

/** Offload metadata that a device may hand up with a frame: inside of it, but not necessarily true. */
export function claimOffload(rng: Rng, packet: Packet): void {
  const { head, tail, length } = packet;
  if (length < 4) return;
  if (rng.below(2) === 0) {
    packet.flags |= PacketFlag.ChecksumPartial | PacketFlag.ChecksumValid;
    packet.csumStart = Math.min(tail - 2, head + (rng.below(2) === 0 ? 34 : rng.below(length)));
    packet.csumOffset = rng.below(2) === 0 ? 6 : rng.below(tail - packet.csumStart - 1);
    packet.csumOffset = Math.min(packet.csumOffset, tail - packet.csumStart - 2);
  } else {
    packet.flags |= PacketFlag.ChecksumValid;
  }
  if (rng.below(2) === 0) return;
  packet.gsoType = [GsoType.Tcp4, GsoType.Tcp6, GsoType.Udp][rng.below(3)] as number;
  packet.gsoSize = 1 + rng.below(rng.below(2) === 0 ? 16 : 1_500);
  if (rng.below(8) === 0) packet.flags |= PacketFlag.GsoEcn;
}
