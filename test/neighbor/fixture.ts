/**
 * A host on a wire that records: a neighbour table and ARP over a fake interface, in virtual time. Frames are kept
 * as a line of text each.
 */
import type { Test } from 'tap';
import { formatIp4, parseIp } from '../../src/addr/ip.ts';
import { BROADCAST_MAC, formatMac, Mac, parseMac, ZERO_MAC } from '../../src/addr/mac.ts';
import type { Drop } from '../../src/base/drop.ts';
import type { Rng } from '../../src/base/rng.ts';
import { rng } from '../../src/base/rng.ts';
import type { Duration, Instant } from '../../src/base/time.ts';
import { after, earliest } from '../../src/base/time.ts';
import type { AddressEvent } from '../../src/neighbor/arp.ts';
import { Arp } from '../../src/neighbor/arp.ts';
import type { ArpPort } from '../../src/neighbor/port.ts';
import { formatNeighbor } from '../../src/neighbor/status.ts';
import { NeighborTable } from '../../src/neighbor/table.ts';
import { Drops } from '../../src/packet/drops.ts';
import type { Packet } from '../../src/packet/packet.ts';
import { PacketFlag } from '../../src/packet/packet.ts';
import { Pool } from '../../src/packet/pool.ts';
import * as arpWire from '../../src/wire/arp.ts';
import * as ethernet from '../../src/wire/ethernet.ts';
import * as ipv4 from '../../src/wire/ipv4.ts';

/** An IPv4 address as a word. */
export function word(text: string): number {
  const ip = parseIp(text);
  if (ip === null) throw new Error(`not an address: ${text}`);
  return ip.d;
}

export function mac(text: string): Mac {
  const parsed = parseMac(text);
  if (parsed === null) throw new Error(`not a link address: ${text}`);
  return parsed;
}

export const OWN_MAC: Mac = mac('02:00:00:00:00:02');
export const PEER_MAC: Mac = mac('02:00:00:00:00:01');
export const OTHER_MAC: Mac = mac('02:00:00:00:00:99');
export const OWN = '10.77.0.2';
export const PEER = '10.77.0.1';

/** An ARP packet; what is left out is a broadcast request by the peer for us. */
export interface ArpFields {
  op?: 'request' | 'reply' | number;
  from?: Mac;
  sender?: string;
  target?: string;
  /** To everyone, not to us. */
  isBroadcast?: boolean;
}

export interface HostOptions {
  seed?: number;
  slots?: number;
  addresses?: string[];
}

export class Host implements ArpPort {
  readonly name = 'tapstack0';
  mac: Mac = OWN_MAC;
  readonly pool: Pool;
  readonly drops: Drops = new Drops();
  readonly rng: Rng;
  readonly table: NeighborTable;
  readonly arp: Arp;
  now: Instant = 1_000_000_000 as Instant;
  addresses: number[];
  /** What was sent since it was last asked. */
  #frames: string[] = [];
  #unreachable: string[] = [];
  readonly #drops = new Map<Drop, number>();
  /** Called for each refused packet, before it is dropped. */
  whenUnreachable: (() => void) | null = null;
  keepsText = true;

  constructor({ seed = 1, slots = 64, addresses = [OWN] }: HostOptions = {}) {
    this.pool = new Pool(slots);
    this.rng = rng(seed);
    this.addresses = addresses.map(word);
    this.table = new NeighborTable(this);
    this.arp = new Arp(this.table, this);
  }

  hasAddress4(address: number): boolean {
    return this.addresses.includes(address);
  }

  /** All subnets are /24. */
  sourceAddress4(target: number): number {
    return this.addresses.find((own) => own >>> 8 === target >>> 8) ?? this.addresses[0] ?? 0;
  }

  transmitFrame(_now: Instant, packet: Packet): void {
    if (this.keepsText) this.#frames.push(frameText(packet));
    packet.release();
  }

  handleUnreachable(_now: Instant, packet: Packet): void {
    this.#unreachable.push(packetText(packet));
    packet.release();
    this.whenUnreachable?.();
  }

  /** Frames sent since the last call. */
  sent(): string[] {
    const frames = this.#frames;
    this.#frames = [];
    return frames;
  }

  /** Packets refused since the last call. */
  refused(): string[] {
    const refused = this.#unreachable;
    this.#unreachable = [];
    return refused;
  }

  /** Drops for `reason` since the last call. */
  dropped(reason: Drop): number {
    const total = this.drops.counts[reason] as number;
    const before = this.#drops.get(reason) ?? 0;
    this.#drops.set(reason, total);
    return total - before;
  }

  events(): string[] {
    const events: string[] = [];
    let event: AddressEvent | null = this.arp.pollEvent();
    for (; event !== null; event = this.arp.pollEvent()) {
      const rival = event.rival === null ? '' : ` ${event.rival}`;
      events.push(`${event.kind} ${formatIp4(event.address)}${rival}`);
    }
    return events;
  }

  state(address: string = PEER): string {
    return this.table.find(0, 0, 0xffff, word(address))?.state ?? 'absent';
  }

  list(): string[] {
    return this.table.list(this.now).map(formatNeighbor);
  }

  nextTimeout(): Instant {
    return earliest(this.table.nextTimeout(), this.arp.nextTimeout());
  }

  /** Lets time pass, with every deadline kept to the microsecond. */
  pass(duration: Duration): void {
    const end = after(this.now, duration);
    for (let next = this.nextTimeout(); next <= end; next = this.nextTimeout()) {
      this.now = next > this.now ? next : this.now;
      this.arp.handleTimeout(this.now);
      this.table.handleTimeout(this.now);
    }
    this.now = end;
  }

  /** Sends an IPv4 packet of 20 bytes. */
  send(to: string = PEER, id = 0, from: string = OWN): void {
    const packet = this.pool.take();
    if (packet === null) throw new Error('the test uses more slots than there are');
    packet.tail = ipv4.write(packet.view, packet.l3, 20, 0, id, 0, 64, 17, word(from), word(to));
    this.table.resolve(this.now, 0, 0, 0xffff, word(to), packet);
  }

  confirm(address: string = PEER): void {
    this.table.confirm(this.now, 0, 0, 0xffff, word(address));
  }

  /** An ARP packet arrives, padded to 60 bytes as a wire pads it. */
  receive({
    op = 'request',
    from = PEER_MAC,
    sender = PEER,
    target = OWN,
    isBroadcast,
  }: ArpFields = {}): void {
    const packet = this.pool.take();
    if (packet === null) throw new Error('the test uses more slots than there are');
    const operation = typeof op === 'number' ? op : arpWire.Operation[op === 'reply' ? 'Reply' : 'Request'];
    const toAll = isBroadcast ?? op === 'request';
    arpWire.write(packet.view, packet.l3, operation, from, word(sender), ZERO_MAC, word(target));
    packet.tail = packet.l3 + 46;
    if (toAll) packet.flags |= PacketFlag.LinkBroadcast;
    this.arp.handlePacket(this.now, packet);
  }

  /** Makes the peer reachable by asking it. */
  meet(address: string = PEER, from: Mac = PEER_MAC): void {
    this.send(address);
    this.receive({ op: 'reply', from, sender: address });
    this.sent();
  }

  /** The pool is whole at the end of every test. */
  end(t: Test): void {
    this.table.close();
    t.equal(this.pool.available, this.pool.capacity, 'the pool is whole');
    t.equal(this.table.size, 0, 'the table is empty');
    t.end();
  }
}

/** A test on a fresh host, whose seed is in its name. */
export function onHost(
  t: Test,
  name: string,
  body: (t: Test, host: Host) => void,
  options: HostOptions = {},
): void {
  t.test(`${name} (seed ${options.seed ?? 1})`, (t) => {
    const host = new Host(options);
    body(t, host);
    host.end(t);
  });
}

function frameText(packet: Packet): string {
  const { view, head } = packet;
  const to = new Mac(ethernet.dstHi(view, head), ethernet.dstLo(view, head));
  const source = new Mac(ethernet.srcHi(view, head), ethernet.srcLo(view, head));
  const link = `${to.equals(BROADCAST_MAC) ? 'all' : to}${source.equals(OWN_MAC) ? '' : ` from ${source}`}`;
  const at = head + ethernet.HEADER_BYTES;
  if (ethernet.type(view, head) === ethernet.EtherType.Ip4) return `${link}: ${packetText(packet)}`;
  if (ethernet.type(view, head) !== ethernet.EtherType.Arp) return `${link}: ?`;
  if (packet.tail !== at + arpWire.PACKET_BYTES) return `${link}: an ARP packet of ${packet.tail - at} bytes`;
  const sender = formatIp4(arpWire.senderIp(view, at));
  const target = formatIp4(arpWire.targetIp(view, at));
  const senderMac = formatMac(new Mac(arpWire.senderMacHi(view, at), arpWire.senderMacLo(view, at)));
  const targetMac = formatMac(new Mac(arpWire.targetMacHi(view, at), arpWire.targetMacLo(view, at)));
  if (arpWire.operation(view, at) === arpWire.Operation.Reply) {
    return `${link}: ${sender} is-at ${senderMac} for ${target} ${targetMac}`;
  }
  return `${link}: who-has ${target} tell ${sender} ${senderMac}`;
}

function packetText({ view, l3 }: Packet): string {
  return `${formatIp4(ipv4.src(view, l3))} > ${formatIp4(ipv4.dst(view, l3))} #${ipv4.id(view, l3)}`;
}
