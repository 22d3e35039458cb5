/**
 * Looks at every frame of a world and says what no host may ever do; and makes one number of all that happened.
 *
 * What a host makes itself is judged in full, what it forwards only by its IP header: the rest is its sender's, and
 * may have been damaged on the way.
 */
import { Ip, isLoopback4, isMulticast4 } from '../addr/ip.ts';
import { Drop, dropName } from '../base/drop.ts';
import type { Instant } from '../base/time.ts';
import { START } from '../base/time.ts';
import type { Direction } from '../observe/frame-sink.ts';
import type { Packet } from '../packet/packet.ts';
import { GsoType, PacketFlag } from '../packet/packet.ts';
import * as arp from '../wire/arp.ts';
import { fold, pseudo4, sum } from '../wire/checksum.ts';
import { describe } from '../wire/describe.ts';
import * as ethernet from '../wire/ethernet.ts';
import * as icmp4 from '../wire/icmp4.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as tcp from '../wire/tcp.ts';
import * as udp from '../wire/udp.ts';
import type { PortInfo, WorldSink } from './world-port.ts';

/** More of them say nothing that the first ones do not. */
const VIOLATIONS_MAX = 20;
const { Icmp, Udp, Igmp, Tcp } = ipv4.Protocol;

export class Inspector implements WorldSink {
  readonly violations: string[] = [];
  /** Somebody who looks on, such as a capture. */
  readonly #next: WorldSink | null;
  readonly #ports: PortInfo[] = [];
  #numbers: number[] = [];
  #last: Instant = START;
  #low = 0x243f6a88 | 0;
  #high = 0x13198a2e | 0;
  frames = 0;
  /** The last instant at which a datagram was sent that nobody repeats, and that a segment of TCP was. */
  lastDatagramAt: Instant = START;
  lastSegmentAt: Instant = START;

  constructor(next: WorldSink | null = null) {
    this.#next = next;
  }

  addPort(port: PortInfo): number {
    if (this.#next !== null) this.#numbers.push(this.#next.addPort(port));
    return this.#ports.push(port) - 1;
  }

  peekFrame(now: Instant, id: number, packet: Packet, direction: Direction): number {
    this.frames++;
    if (now < this.#last) this.complain(now, `time went back from ${this.#last}`);
    this.#last = now;
    this.#mix(now);
    this.#mix((id << 1) | (direction === 'in' ? 1 : 0));
    const port = this.#ports[id] as PortInfo;
    if (direction === 'out') {
      this.#digestFrame(packet);
      const wrong = judge(port, packet);
      if (wrong !== '') this.complain(now, `${port.name} sends ${wrong}: ${text(port, packet)}`);
      this.#noteKind(now, port, packet);
    } else {
      this.#mix(packet.length);
    }
    return this.#next === null
      ? -1
      : this.#next.peekFrame(now, this.#numbers[id] as number, packet, direction);
  }

  noteDrop(ticket: number, reason: Drop): void {
    this.#next?.noteDrop(ticket, reason);
  }

  complain(now: Instant, what: string): void {
    if (this.violations.length < VIOLATIONS_MAX) this.violations.push(`${now} us: ${what}`);
  }

  /** The same for two runs in which the same frames were seen at the same times. */
  get digest(): string {
    return hex(this.#high) + hex(this.#low);
  }

  /** Errors are neither: they answer either. */
  #noteKind(now: Instant, { device }: PortInfo, { view, head, tail }: Packet): void {
    const isIp = device.medium === 'ip';
    if (!isIp && ethernet.type(view, head) !== ethernet.EtherType.Ip4) return;
    const l3 = isIp ? head : head + ethernet.HEADER_BYTES;
    if (tail - l3 < ipv4.MIN_HEADER_BYTES) return;
    const protocol = ipv4.protocol(view, l3);
    if (protocol === Tcp) this.lastSegmentAt = now;
    else if (protocol !== Icmp || !icmp4.isError(view, l3 + ipv4.headerLength(view, l3)))
      this.lastDatagramAt = now;
  }

  #mix(word: number): void {
    this.#low = Math.imul(this.#low ^ word, 0x01000193) ^ (this.#low >>> 15);
    this.#high = (Math.imul(this.#high ^ this.#low, 0x9e3779b1) << 7) | (this.#high >>> 25);
  }

  #digestFrame({ view, head, tail }: Packet): void {
    let at = head;
    for (; at + 4 <= tail; at += 4) this.#mix(view.getInt32(at));
    for (; at < tail; at++) this.#mix(view.getUint8(at));
  }
}

const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, '0');

function text({ device }: PortInfo, { view, head, tail }: Packet): string {
  return describe(view, head, tail, device.medium);
}

/** What is wrong with a frame that a host sends; nothing when it is as it should be. */
function judge(port: PortInfo, packet: Packet): string {
  const { device } = port;
  const { view, head, tail } = packet;
  let l3 = head;
  if (device.medium === 'ethernet') {
    l3 += ethernet.HEADER_BYTES;
    const mac = device.mac;
    if (mac === null || ethernet.srcHi(view, head) !== mac.hi || ethernet.srcLo(view, head) !== mac.lo)
      return 'with the link address of another';
    const type = ethernet.type(view, head);
    if (type === ethernet.EtherType.Arp) return judgeArp(port, packet, l3);
    if (type !== ethernet.EtherType.Ip4) return 'what is neither IPv4 nor ARP';
  }
  if (packet.gsoType === GsoType.None && tail - l3 > device.mtu) return 'more than the MTU';
  const bad = ipv4.check(view, l3, tail);
  if (bad !== Drop.None) return `a datagram with ${dropName(bad)}`;
  if (ipv4.totalLength(view, l3) !== tail - l3) return 'a datagram with something behind it';
  const src = ipv4.src(view, l3);
  const dst = ipv4.dst(view, l3);
  if (isLoopback4(src) || isLoopback4(dst)) return 'a loopback address';
  if (isMulticast4(src) || src === -1) return 'from a group address';
  if (ipv4.ttl(view, l3) === 0) return 'a datagram without any time to live';
  return packet.device === 0 ? judgeOwn(port, packet, l3) : '';
}

function judgeArp({ stack, device }: PortInfo, { view, tail }: Packet, l3: number): string {
  if (arp.check(view, l3, tail) !== Drop.None || tail - l3 !== arp.PACKET_BYTES) return 'a broken ARP packet';
  const mac = device.mac;
  if (mac === null || arp.senderMacHi(view, l3) !== mac.hi || arp.senderMacLo(view, l3) !== mac.lo)
    return 'ARP in the name of another';
  const sender = arp.senderIp(view, l3);
  return sender === 0 || stack.ip.addresses.find(Ip.v4(sender)) !== null
    ? ''
    : 'ARP for an address of another';
}

function judgeOwn({ stack }: PortInfo, packet: Packet, l3: number): string {
  const { view, tail } = packet;
  const src = ipv4.src(view, l3);
  const protocol = ipv4.protocol(view, l3);
  if (src === 0 ? protocol !== Igmp : stack.ip.addresses.find(Ip.v4(src)) === null)
    return 'from an address that is not its own';
  if (ipv4.isFragment(view, l3)) return '';
  const l4 = l3 + ipv4.headerLength(view, l3);
  if (protocol === Udp) return judgeUdp(packet, l3, l4);
  if (protocol === Tcp) return judgeTcp(packet, l3, l4);
  if (protocol !== Icmp && protocol !== Igmp) return '';
  if (fold(sum(view, l4, tail - l4)) !== 0xffff) return 'a wrong checksum';
  if (protocol === Icmp && icmp4.isError(view, l4)) return judgeError(packet, l3, l4);
  return '';
}

function judgeUdp(packet: Packet, l3: number, l4: number): string {
  const { view, tail } = packet;
  const length = tail - l4;
  if (udp.check(view, l4, tail) !== Drop.None || udp.length(view, l4) !== length)
    return 'a broken UDP header';
  return judgeSum(packet, l3, l4, Udp, udp.CHECKSUM_OFFSET) ? '' : 'a wrong UDP checksum';
}

/** RFC 9293 §3.1 and §3.5: flags that exclude each other, and acknowledgement in all but SYN and RST. */
function judgeTcp(packet: Packet, l3: number, l4: number): string {
  const { view, tail } = packet;
  const { Syn, Fin, Rst, Ack } = tcp.Flag;
  if (tcp.check(view, l4, tail) !== Drop.None) return 'a broken TCP header';
  if (!judgeSum(packet, l3, l4, Tcp, tcp.CHECKSUM_OFFSET)) return 'a wrong TCP checksum';
  const bits = tcp.flags(view, l4);
  const isSyn = (bits & Syn) !== 0;
  if (isSyn && (bits & (Fin | Rst)) !== 0) return 'SYN with an end';
  if ((bits & (Syn | Rst | Ack)) === 0) return 'a segment that acknowledges nothing';
  if ((bits & Fin) !== 0 && (bits & Rst) !== 0) return 'FIN with RST';
  const data = tail - l4 - tcp.dataOffset(view, l4);
  return isSyn && data > 0 ? 'SYN with data' : '';
}

function judgeSum(packet: Packet, l3: number, l4: number, protocol: number, offset: number): boolean {
  const { view, tail } = packet;
  const length = tail - l4;
  const pseudo = pseudo4(ipv4.src(view, l3), ipv4.dst(view, l3), protocol, length);
  if ((packet.flags & PacketFlag.ChecksumPartial) === 0)
    return fold(sum(view, l4, length, pseudo)) === 0xffff;
  const isPlaced = packet.csumStart === l4 && packet.csumOffset === offset;
  return isPlaced && view.getUint16(l4 + offset) === fold(pseudo);
}

/** RFC 1122 §3.2.2: what an error is never about, and never sent to. */
function judgeError({ view, tail }: Packet, l3: number, l4: number): string {
  const at = l4 + icmp4.HEADER_BYTES;
  const to = ipv4.dst(view, l3);
  if (isMulticast4(to) || to === -1 || to >>> 24 === 0) return 'an error to many';
  const least = ipv4.MIN_HEADER_BYTES + 8;
  if (tail - at < least && tail - at < ipv4.totalLength(view, at)) return 'an error that quotes too little';
  if (ipv4.src(view, at) !== to) return 'an error to somebody else than who caused it';
  if (ipv4.fragmentOffset(view, at) !== 0) return 'an error about a later fragment';
  const about = ipv4.dst(view, at);
  if (isMulticast4(about) || about === -1) return 'an error about a broadcast';
  const quoted = at + ipv4.headerLength(view, at);
  if (ipv4.protocol(view, at) !== Icmp || quoted >= tail) return '';
  return icmp4.isErrorType(icmp4.type(view, quoted)) ? 'an error about an error' : '';
}
