/**
 * Frames as tests see them: recorded at every port of a world, and judged by composable expectations.
 *
 *     expectPacket(t, net.last('b/eth0', 'in'), ipv4({ src: A, ttl: 63 }), udp({ dstPort: 7 }));
 */
import type { Test } from 'tap';
import { formatIp4 } from '../../src/addr/ip.ts';
import { BROADCAST_MAC } from '../../src/addr/mac.ts';
import type { Drop } from '../../src/base/drop.ts';
import { dropName } from '../../src/base/drop.ts';
import type { Instant } from '../../src/base/time.ts';
import type { Medium } from '../../src/device/net-device.ts';
import { completeChecksum, linkHeaderBytes } from '../../src/device/offload.ts';
import type { Direction } from '../../src/observe/frame-sink.ts';
import type { Packet } from '../../src/packet/packet.ts';
import { GsoType, PacketFlag } from '../../src/packet/packet.ts';
import { Pool } from '../../src/packet/pool.ts';
import type { PortInfo, WorldSink } from '../../src/sim/world-port.ts';
import { fold, pseudo4, sum } from '../../src/wire/checksum.ts';
import { describe } from '../../src/wire/describe.ts';
import * as ethernetWire from '../../src/wire/ethernet.ts';
import * as icmp4 from '../../src/wire/icmp4.ts';
import * as ip4 from '../../src/wire/ipv4.ts';
import * as udpWire from '../../src/wire/udp.ts';

/** A copy of a frame. A partial checksum is completed in it, unless it is a super-segment. */
export interface Frame {
  readonly at: Instant;
  /** `a/eth0`. */
  readonly port: string;
  readonly direction: Direction;
  readonly medium: Medium;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Where the network header begins. */
  readonly l3: number;
  readonly isPartial: boolean;
  readonly gsoSize: number;
  /** Why whoever got it dropped it at once. */
  drop: string | null;
}

/** Keeps every frame of a world. */
export class Recorder implements WorldSink {
  frames: Frame[] = [];
  readonly #ports: PortInfo[] = [];
  readonly #scratch = new Pool(1);

  addPort(port: PortInfo): number {
    return this.#ports.push(port) - 1;
  }

  peekFrame(now: Instant, id: number, packet: Packet, direction: Direction): number {
    const { name, device } = this.#ports[id] as PortInfo;
    const copy = this.#scratch.take() as Packet;
    packet.copyTo(copy);
    const isPartial = (packet.flags & PacketFlag.ChecksumPartial) !== 0;
    if (isPartial && packet.gsoType === GsoType.None) completeChecksum(copy);
    const bytes = copy.bytes.slice(copy.head, copy.tail);
    copy.release();
    const frame = {
      at: now,
      port: name,
      direction,
      medium: device.medium,
      bytes,
      view: new DataView(bytes.buffer),
      l3: linkHeaderBytes(device.medium),
      isPartial,
      gsoSize: packet.gsoSize,
      drop: null,
    };
    return this.frames.push(frame) - 1;
  }

  noteDrop(ticket: number, reason: Drop): void {
    const frame = this.frames[ticket];
    if (frame !== undefined) frame.drop = dropName(reason);
  }

  /** The IPv4 frames of one port in one direction, and forgets nothing. */
  of(port: string, direction: Direction, which: (frame: Frame) => boolean = isIp4): Frame[] {
    return this.frames.filter(
      (frame) => frame.port === port && frame.direction === direction && which(frame),
    );
  }

  /** The same as lines of text. */
  lines(port: string, direction: Direction, which: (frame: Frame) => boolean = isIp4): string[] {
    return this.of(port, direction, which).map(text);
  }

  /** The last of them. */
  last(port: string, direction: Direction, which: (frame: Frame) => boolean = isIp4): Frame {
    const frame = this.of(port, direction, which).at(-1);
    if (frame === undefined) throw new Error(`no such frame at ${port} ${direction}:\n${this.all()}`);
    return frame;
  }

  clear(): void {
    this.frames = [];
  }

  /** Everything, for a failing test. */
  all(): string {
    return this.frames.map((f) => `${f.at} ${f.port} ${f.direction} ${text(f)} ${f.drop ?? ''}`).join('\n');
  }
}

export function text(frame: Frame): string {
  return describe(frame.view, 0, frame.view.byteLength, frame.medium);
}

export function isIp4(frame: Frame): boolean {
  if (frame.medium === 'ethernet') return typeOf(frame) === ethernetWire.EtherType.Ip4;
  return frame.bytes.length > 0 && (frame.bytes[0] as number) >>> 4 === 4;
}

export const isArp = (frame: Frame): boolean =>
  frame.medium === 'ethernet' && typeOf(frame) === ethernetWire.EtherType.Arp;
export const isIcmp = (frame: Frame): boolean => isProtocol(frame, ip4.Protocol.Icmp);
export const isUdp = (frame: Frame): boolean => isProtocol(frame, ip4.Protocol.Udp);
export const isIgmp = (frame: Frame): boolean => isProtocol(frame, ip4.Protocol.Igmp);

function typeOf(frame: Frame): number {
  return frame.bytes.length < ethernetWire.HEADER_BYTES ? -1 : ethernetWire.type(frame.view, 0);
}

function isProtocol(frame: Frame, protocol: number): boolean {
  return isIp4(frame) && ip4.protocol(frame.view, frame.l3) === protocol;
}

// ---- expectations

/** What one layer should be; adds a line for each thing that is not, and answers where the next layer begins. */
export type Expectation = (view: DataView, at: number, wrong: string[]) => number;

/** Judges the layers of a frame, from the network header on. */
export function expectPacket(t: Test, frame: Frame, ...layers: Expectation[]): void {
  const wrong: string[] = [];
  let at = frame.l3;
  for (const layer of layers) at = layer(frame.view, at, wrong);
  if (wrong.length === 0) t.pass(text(frame));
  else t.fail(`${text(frame)}: ${wrong.join('; ')}`);
}

export interface Ip4Expectation {
  readonly src?: string;
  readonly dst?: string;
  readonly ttl?: number;
  readonly tos?: number;
  readonly protocol?: number;
  readonly length?: number;
  readonly id?: number;
  readonly isDf?: boolean;
  readonly isMf?: boolean;
  /** In bytes. */
  readonly offset?: number;
  readonly headerLength?: number;
}

/** An IPv4 header with a right checksum, and these fields. */
export function ipv4(want: Ip4Expectation = {}): Expectation {
  return (view, at, wrong) => {
    const headerLength = ip4.headerLength(view, at);
    if (fold(sum(view, at, headerLength)) !== 0xffff) wrong.push('IP header checksum');
    compare(wrong, 'src', want.src, formatIp4(ip4.src(view, at)));
    compare(wrong, 'dst', want.dst, formatIp4(ip4.dst(view, at)));
    compareIp4(wrong, want, view, at);
    return at + headerLength;
  };
}

/** A quoted IPv4 header: its checksum is whatever it was. */
export function quoted(want: Ip4Expectation = {}): Expectation {
  return (view, at, wrong) => {
    compare(wrong, 'quoted src', want.src, formatIp4(ip4.src(view, at)));
    compare(wrong, 'quoted dst', want.dst, formatIp4(ip4.dst(view, at)));
    compareIp4(wrong, want, view, at);
    return at + ip4.headerLength(view, at);
  };
}

function compareIp4(wrong: string[], want: Ip4Expectation, view: DataView, at: number): void {
  compare(wrong, 'ttl', want.ttl, ip4.ttl(view, at));
  compare(wrong, 'tos', want.tos, ip4.tos(view, at));
  compare(wrong, 'protocol', want.protocol, ip4.protocol(view, at));
  compare(wrong, 'length', want.length, ip4.totalLength(view, at));
  compare(wrong, 'id', want.id, ip4.id(view, at));
  compare(wrong, 'DF', want.isDf, ip4.isDf(view, at));
  compare(wrong, 'MF', want.isMf, ip4.isMf(view, at));
  compare(wrong, 'offset', want.offset, ip4.fragmentOffset(view, at));
  compare(wrong, 'header length', want.headerLength, ip4.headerLength(view, at));
}

export interface UdpExpectation {
  readonly srcPort?: number;
  readonly dstPort?: number;
  readonly data?: Uint8Array;
  /** Whether the checksum fits the addresses of the header in front; not asked of quotes. */
  readonly isRight?: boolean;
}

/** A UDP header; with `isRight` its datagram begins 20 bytes before. */
export function udp(want: UdpExpectation = {}): Expectation {
  return (view, at, wrong) => {
    const length = udpWire.length(view, at);
    compare(wrong, 'source port', want.srcPort, udpWire.srcPort(view, at));
    compare(wrong, 'destination port', want.dstPort, udpWire.dstPort(view, at));
    if (want.isRight === true) {
      const l3 = at - ip4.MIN_HEADER_BYTES;
      const pseudo = pseudo4(ip4.src(view, l3), ip4.dst(view, l3), ip4.Protocol.Udp, length);
      if (fold(sum(view, at, length, pseudo)) !== 0xffff) wrong.push('UDP checksum');
    }
    const { data } = want;
    if (data !== undefined) {
      const there = new Uint8Array(view.buffer, at + udpWire.HEADER_BYTES, length - udpWire.HEADER_BYTES);
      compare(wrong, 'data', data.join(), there.join());
    }
    return at + udpWire.HEADER_BYTES;
  };
}

export interface IcmpExpectation {
  readonly type: number;
  readonly code?: number;
  readonly word?: number;
  readonly mtu?: number;
  readonly pointer?: number;
  readonly gateway?: string;
}

/** An ICMP message with a right checksum. */
export function icmp(want: IcmpExpectation): Expectation {
  return (view, at, wrong) => {
    if (fold(sum(view, at, view.byteLength - at)) !== 0xffff) wrong.push('ICMP checksum');
    compare(wrong, 'ICMP type', want.type, icmp4.type(view, at));
    compare(wrong, 'ICMP code', want.code, icmp4.code(view, at));
    compare(wrong, 'ICMP word', want.word, icmp4.word(view, at));
    compare(wrong, 'next-hop MTU', want.mtu, icmp4.nextHopMtu(view, at));
    compare(wrong, 'pointer', want.pointer, icmp4.pointer(view, at));
    compare(wrong, 'gateway', want.gateway, formatIp4(icmp4.gateway(view, at)));
    return at + icmp4.HEADER_BYTES;
  };
}

function compare<T>(wrong: string[], what: string, want: T | undefined, got: T): void {
  if (want !== undefined && want !== got) wrong.push(`${what} is ${String(got)}, not ${String(want)}`);
}

/** Whether the frame was sent to all on its link. */
export const isToAll = ({ view }: Frame): boolean =>
  ethernetWire.dstHi(view, 0) === BROADCAST_MAC.hi && ethernetWire.dstLo(view, 0) === BROADCAST_MAC.lo;
