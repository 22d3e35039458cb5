/**
 * Small networks for tests, in virtual time, with every frame recorded; and datagrams made by hand to be put on their
 * wires.
 *
 *     routed():   a ── left ── router ── right ── b        10.1.0.2 ─ 10.1.0.1 │ 10.2.0.1 ─ 10.2.0.2
 *     joined():   a ── link ── b                           10.1.0.2 ─ 10.1.0.3
 */
import type { Test } from 'tap';
import { Ip, parseIp } from '../../src/addr/ip.ts';
import { BROADCAST_MAC, Mac, parseMac } from '../../src/addr/mac.ts';
import type { Drop } from '../../src/base/drop.ts';
import type { Duration } from '../../src/base/time.ts';
import { ms } from '../../src/base/time.ts';
import { HookPoint } from '../../src/filter/hook.ts';
import type { Packet } from '../../src/packet/packet.ts';
import type { HostOptions, SimHost } from '../../src/sim/host.ts';
import { counterViolations } from '../../src/sim/invariants.ts';
import type { Link, LinkOptions } from '../../src/sim/link.ts';
import { World } from '../../src/sim/world.ts';
import { DatagramInfo } from '../../src/socket/datagram-info.ts';
import type { UdpSocket } from '../../src/socket/udp-socket.ts';
import { checksum, pseudo4 } from '../../src/wire/checksum.ts';
import * as ethernet from '../../src/wire/ethernet.ts';
import * as icmp4 from '../../src/wire/icmp4.ts';
import * as ipv4 from '../../src/wire/ipv4.ts';
import * as udp from '../../src/wire/udp.ts';
import { Recorder } from './packets.ts';

export const A = '10.1.0.2';
export const B = '10.2.0.2';
export const ROUTER_LEFT = '10.1.0.1';
export const ROUTER_RIGHT = '10.2.0.1';

export function address(text: string): Ip {
  const ip = parseIp(text);
  if (ip === null) throw new Error(`not an address: ${text}`);
  return ip;
}

export const word = (text: string): number => address(text).d;

/** A world whose frames are kept. */
export class Net {
  readonly world: World;
  readonly seen: Recorder;

  constructor(seed = 1) {
    this.seen = new Recorder();
    this.world = new World({ seed, sink: this.seen });
  }

  /** Lets time pass, a tenth of a second unless said otherwise: enough for ARP and a round trip. */
  run(duration: Duration = ms(100)): void {
    this.world.run(duration);
  }

  /** The last line of a test: the counters add up, and nothing was lost on the way to the pools. */
  end(t: Test): void {
    for (const { name, stack, isUp } of this.world.hosts) {
      // What a hook drops or takes is counted by nobody else.
      const isHooked = Object.values(HookPoint).some((point) => stack.ip.hooks.isActive(point));
      if (isUp && !isHooked) t.strictSame(counterViolations(name, stack), []);
    }
    t.strictSame(this.world.close(), [], 'every packet is back');
  }
}

export interface RoutedOptions {
  readonly seed?: number;
  readonly left?: LinkOptions;
  readonly right?: LinkOptions;
  readonly host?: HostOptions;
  readonly router?: HostOptions;
}

export interface Routed extends Net {
  readonly a: SimHost;
  readonly b: SimHost;
  readonly router: SimHost;
  readonly left: Link;
  readonly right: Link;
}

/** Two hosts, each with a default route to the router between them. */
export function routed(options: RoutedOptions = {}): Routed {
  const net = new Net(options.seed);
  const { world } = net;
  const a = world.host('a', options.host);
  const router = world.router('router', options.router);
  const b = world.host('b', options.host);
  const left = world.link(a, router, options.left);
  const right = world.link(router, b, options.right);
  router.address(`${ROUTER_LEFT}/24`, left).address(`${ROUTER_RIGHT}/24`, right);
  a.address(`${A}/24`).route('default', { via: address(ROUTER_LEFT) });
  b.address(`${B}/24`).route('default', { via: address(ROUTER_RIGHT) });
  // Announcements are over.
  net.run(ms(5_000));
  net.seen.clear();
  return Object.assign(net, { a, b, router, left, right });
}

export interface Joined extends Net {
  readonly a: SimHost;
  readonly b: SimHost;
  readonly link: Link;
}

export interface JoinedOptions {
  readonly seed?: number;
  readonly link?: LinkOptions;
  readonly a?: HostOptions;
  readonly b?: HostOptions;
}

/** Two hosts on one link, 10.1.0.2 and 10.1.0.3. */
export function joined(options: JoinedOptions = {}): Joined {
  const net = new Net(options.seed);
  const a = net.world.host('a', options.a);
  const b = net.world.host('b', options.b);
  const link = net.world.link(a, b, options.link);
  a.address('10.1.0.2/24');
  b.address('10.1.0.3/24');
  net.run(ms(5_000));
  net.seen.clear();
  return Object.assign(net, { a, b, link });
}

// ---- what hosts have seen

/** Drops of a host for this reason. */
export function dropped(host: SimHost, reason: Drop): number {
  return host.stack.drops.counts[reason] as number;
}

export const bytes = (length: number, first = 0): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (first + i * 7 + (i >>> 8)) & 0xff);

const BUFFER = new Uint8Array(65_536);

export interface Received {
  readonly from: string;
  readonly data: Uint8Array;
  readonly info: DatagramInfo;
}

/** What waits at a socket; throws on an errno that says more than «nothing». */
export function receiveAll(socket: UdpSocket): Received[] {
  const all: Received[] = [];
  for (;;) {
    const info = new DatagramInfo();
    const count = socket.receive(BUFFER, info);
    if (count === 'EAGAIN') return all;
    if (typeof count === 'string') throw new Error(`receive said ${count}`);
    all.push({ from: `${info.address}:${info.port}`, data: BUFFER.slice(0, count), info });
  }
}

/** Sends `data` and asserts that the socket took it. */
export function send(t: Test, socket: UdpSocket, data: Uint8Array, to: string, port: number): void {
  t.equal(socket.sendTo(data, 0, data.length, address(to), port), data.length, `sent to ${to}:${port}`);
}

// ---- datagrams by hand

export interface DatagramFields {
  readonly src?: string;
  readonly dst?: string;
  readonly ttl?: number;
  readonly tos?: number;
  readonly id?: number;
  readonly protocol?: number;
  /** Flags and offset as they stand in the header. */
  readonly fragment?: number;
  readonly options?: readonly number[];
  readonly payload?: Uint8Array;
  /** Link address of whom it is for; everybody, unless said otherwise. */
  readonly to?: Mac | string;
  readonly from?: Mac | string;
  readonly etherType?: number;
}

/** Writes an Ethernet frame with a datagram into an empty packet: for `link.inject`. */
export function datagram(fields: DatagramFields): (packet: Packet) => void {
  const { options = [], payload = new Uint8Array(0) } = fields;
  return (packet) => {
    const { view, bytes: octets, l3 } = packet;
    packet.l4 = l3 + ipv4.MIN_HEADER_BYTES + options.length;
    packet.tail = packet.l4 + payload.length;
    ipv4.write(
      view,
      l3,
      packet.tail - l3,
      fields.tos ?? 0,
      fields.id ?? 7,
      fields.fragment ?? 0,
      fields.ttl ?? 64,
      fields.protocol ?? ipv4.Protocol.Udp,
      word(fields.src ?? A),
      word(fields.dst ?? B),
    );
    octets.set(options, l3 + ipv4.MIN_HEADER_BYTES);
    ipv4.setHeaderLength(view, l3, packet.l4 - l3);
    octets.set(payload, packet.l4);
    const at = packet.push(ethernet.HEADER_BYTES);
    const type = fields.etherType ?? ethernet.EtherType.Ip4;
    ethernet.write(view, at, mac(fields.to) ?? BROADCAST_MAC, mac(fields.from) ?? STRANGER, type);
  };
}

/** A link address that no host has. */
export const STRANGER: Mac = new Mac(0x0200, 0x00ff_ff99);

function mac(given: Mac | string | undefined): Mac | null {
  return typeof given === 'string' ? parseMac(given) : (given ?? null);
}

/** A UDP datagram's bytes with a right checksum between these addresses. */
export function udpBytes(
  src: string,
  dst: string,
  srcPort: number,
  dstPort: number,
  data: Uint8Array,
): Uint8Array {
  const octets = new Uint8Array(udp.HEADER_BYTES + data.length);
  const view = new DataView(octets.buffer);
  udp.write(view, 0, srcPort, dstPort, octets.length);
  octets.set(data, udp.HEADER_BYTES);
  const sum = checksum(
    view,
    0,
    octets.length,
    pseudo4(word(src), word(dst), ipv4.Protocol.Udp, octets.length),
  );
  view.setUint16(udp.CHECKSUM_OFFSET, sum === 0 ? 0xffff : sum);
  return octets;
}

/** An ICMP message's bytes with a right checksum. */
export function icmpBytes(type: number, code: number, rest: number, data: Uint8Array): Uint8Array {
  const octets = new Uint8Array(icmp4.HEADER_BYTES + data.length);
  const view = new DataView(octets.buffer);
  icmp4.write(view, 0, type, code, rest);
  octets.set(data, icmp4.HEADER_BYTES);
  icmp4.fillChecksum(view, 0, octets.length);
  return octets;
}
