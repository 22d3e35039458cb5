/**
 * The segment in hand: header fields, options and where its data are, read once. One object is filled anew for
 * every segment, under the names of RFC 9293 §3.3.1 (SEG.SEQ, SEG.ACK …).
 */
import { FlowKey } from '../addr/flow-key.ts';
import { isMulticast4 } from '../addr/ip.ts';
import { Drop } from '../base/drop.ts';
import type { Packet } from '../packet/packet.ts';
import { GsoType, PacketFlag } from '../packet/packet.ts';
import { pseudo4, pseudo6 } from '../wire/checksum.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as ipv6 from '../wire/ipv6.ts';
import * as tcp from '../wire/tcp.ts';
import { parse, TcpOptions } from '../wire/tcp-options.ts';

const CHECKED = PacketFlag.ChecksumValid | PacketFlag.ChecksumPartial;
const TO_MANY =
  PacketFlag.IpBroadcast | PacketFlag.IpMulticast | PacketFlag.LinkBroadcast | PacketFlag.LinkMulticast;
const LIMITED_BROADCAST = -1;
const ECN_MASK = 3;
const ECN_CE = 3;

export class Segment {
  /** As it came: `src` is the peer. */
  readonly flow: FlowKey = new FlowKey();
  readonly options: TcpOptions = new TcpOptions();
  seq = 0;
  ack = 0;
  /** Bits of `tcp.Flag`. */
  flags = 0;
  /** As it stands there, not scaled. */
  window = 0;
  urgentPointer = 0;
  /** SEG.LEN: data, SYN and FIN. */
  length = 0;
  /** Bytes of data; the first has sequence number `dataSeq` and lies at `dataAt`. */
  dataLength = 0;
  dataSeq = 0;
  dataAt = 0;
  bytes: Uint8Array = new Uint8Array(0);
  /** Payload of the largest single segment in it; equal to `dataLength` unless several were joined. */
  pieceLength = 0;
  /** How many segments it was on the wire. */
  pieces = 1;
  /** Some router marked it (RFC 3168 §5). */
  isCe = false;

  has(flag: number): boolean {
    return (this.flags & flag) !== 0;
  }

  /** One past its last sequence number. */
  get end(): number {
    return (this.seq + this.length) | 0;
  }

  /** Reads the packet: IP header at `l3`, TCP header at `l4`, end of the IP payload at `tail`. */
  fill(packet: Packet): Drop {
    const { view, l4, tail } = packet;
    const { flow } = this;
    const bad = tcp.check(view, l4, tail);
    if (bad !== Drop.None) return bad;
    const is4 = this.#fillAddresses(packet);
    flow.srcPort = tcp.srcPort(view, l4);
    flow.dstPort = tcp.dstPort(view, l4);
    flow.protocol = ipv4.Protocol.Tcp;
    flow.iif = packet.device;
    flow.mark = packet.mark;
    if ((packet.flags & CHECKED) === 0) {
      const bytes = tail - l4;
      const pseudo = is4 ? pseudo4(flow.srcD, flow.dstD, flow.protocol, bytes) : pseudoOf6(flow, bytes);
      if (!tcp.verify(view, l4, bytes, pseudo)) return Drop.TcpChecksum;
    }
    // RFC 9293 §3.9.2.3 (MUST-57), RFC 1122 §4.2.3.10: no connection with many.
    if ((packet.flags & TO_MANY) !== 0) return Drop.TcpToMany;
    if (is4 ? isGroup4(flow.srcD) || isGroup4(flow.dstD) : flow.srcA >>> 24 === 0xff) return Drop.TcpToMany;
    if (packet.gsoType !== GsoType.None && packet.gsoType !== (is4 ? GsoType.Tcp4 : GsoType.Tcp6)) {
      return Drop.OffloadBad;
    }
    this.#fillHeader(packet);
    // RFC 9293 §3.1 (MUST-7): an option of an illegal length; what stood before it counts.
    parse(view, l4, this.options);
    return Drop.None;
  }

  #fillHeader(packet: Packet): void {
    const { view, l4 } = packet;
    this.seq = tcp.seq(view, l4);
    this.ack = tcp.ack(view, l4);
    this.flags = tcp.flags(view, l4);
    this.window = tcp.window(view, l4);
    this.urgentPointer = tcp.urgentPointer(view, l4);
    this.bytes = packet.bytes;
    this.dataAt = l4 + tcp.dataOffset(view, l4);
    this.dataLength = packet.tail - this.dataAt;
    const syn = (this.flags >> 1) & 1;
    this.dataSeq = (this.seq + syn) | 0;
    this.length = this.dataLength + syn + (this.flags & tcp.Flag.Fin);
    const size = packet.gsoSize;
    const isJoined = packet.gsoType !== GsoType.None && size > 0 && size < this.dataLength;
    this.pieceLength = isJoined ? size : this.dataLength;
    this.pieces = isJoined ? Math.ceil(this.dataLength / size) : 1;
  }

  /** Answers whether it is IPv4. */
  #fillAddresses(packet: Packet): boolean {
    const { view, l3 } = packet;
    const { flow } = this;
    if (ipv4.version(view, l3) === 4) {
      flow.setAddresses4(ipv4.src(view, l3), ipv4.dst(view, l3));
      flow.tos = ipv4.tos(view, l3);
      this.isCe = (flow.tos & ECN_MASK) === ECN_CE;
      return true;
    }
    flow.srcA = ipv6.srcA(view, l3);
    flow.srcB = ipv6.srcB(view, l3);
    flow.srcC = ipv6.srcC(view, l3);
    flow.srcD = ipv6.srcD(view, l3);
    flow.dstA = ipv6.dstA(view, l3);
    flow.dstB = ipv6.dstB(view, l3);
    flow.dstC = ipv6.dstC(view, l3);
    flow.dstD = ipv6.dstD(view, l3);
    flow.tos = ipv6.trafficClass(view, l3);
    this.isCe = (flow.tos & ECN_MASK) === ECN_CE;
    return false;
  }
}

const isGroup4 = (word: number): boolean => isMulticast4(word) || word === LIMITED_BROADCAST || word === 0;

function pseudoOf6(flow: FlowKey, length: number): number {
  return pseudo6(
    flow.srcA,
    flow.srcB,
    flow.srcC,
    flow.srcD,
    flow.dstA,
    flow.dstB,
    flow.dstC,
    flow.dstD,
    flow.protocol,
    length,
  );
}
