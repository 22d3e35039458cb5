/**
 * Datagrams for the tests of the network layer, made in slots of a small pool, and what is asked of them afterwards.
 */
import type { Test } from 'tap';
import type { Rng } from '../../src/base/rng.ts';
import { rng } from '../../src/base/rng.ts';
import { Fragmenter } from '../../src/ip/fragment/fragment.ts';
import { Drops } from '../../src/packet/drops.ts';
import type { Packet } from '../../src/packet/packet.ts';
import { Pool } from '../../src/packet/pool.ts';
import { fold, sum } from '../../src/wire/checksum.ts';
import * as ipv4 from '../../src/wire/ipv4.ts';
import { ip } from '../wire/bytes.ts';

export { ip };

export interface Ip4Fields {
  src?: string;
  dst?: string;
  protocol?: number;
  tos?: number;
  id?: number;
  ttl?: number;
  df?: boolean;
  mf?: boolean;
  /** In bytes. */
  offset?: number;
  /** Bytes of options, padded to a multiple of four by the caller. */
  options?: readonly number[];
  data?: Uint8Array;
  /** Where the header begins in the slot, if not where a fresh packet's does. */
  l3?: number;
}

export class Lab {
  readonly pool: Pool;
  readonly drops: Drops = new Drops();
  readonly rng: Rng;

  constructor(slots = 64, seed = 1) {
    this.pool = new Pool(slots);
    this.rng = rng(seed);
  }

  take(): Packet {
    const packet = this.pool.take();
    if (packet === null) throw new Error('the test needs a larger pool');
    return packet;
  }

  /** A datagram from 10.77.0.1 to 10.77.0.2, UDP by number, unless said otherwise. */
  datagram(fields: Ip4Fields = {}): Packet {
    const packet = this.take();
    const { view, bytes } = packet;
    const options = fields.options ?? [];
    const data = fields.data ?? new Uint8Array(0);
    const l3 = fields.l3 ?? packet.l3;
    packet.head = l3;
    packet.l3 = l3;
    packet.l4 = l3 + ipv4.MIN_HEADER_BYTES + options.length;
    packet.tail = packet.l4 + data.length;
    const flags = (fields.df === true ? ipv4.Flag.Df : 0) | (fields.mf === true ? ipv4.Flag.Mf : 0);
    ipv4.write(
      view,
      l3,
      packet.tail - l3,
      fields.tos ?? 0,
      fields.id ?? 0x1234,
      flags | ((fields.offset ?? 0) >>> 3),
      fields.ttl ?? 64,
      fields.protocol ?? ipv4.Protocol.Udp,
      ip(fields.src ?? '10.77.0.1'),
      ip(fields.dst ?? '10.77.0.2'),
    );
    bytes.set(options, l3 + ipv4.MIN_HEADER_BYTES);
    ipv4.setHeaderLength(view, l3, packet.l4 - l3);
    bytes.set(data, packet.l4);
    return packet;
  }

  /** Every slot is back: the last line of a test. */
  expectWhole(t: Test): void {
    t.equal(this.pool.available, this.pool.capacity, 'the pool is whole');
  }

  counted(): Record<string, number> {
    return this.drops.status();
  }
}

/** Bytes that differ at every offset modulo 251, so that a misplaced one shows. */
export const pattern = (length: number): Uint8Array => PATTERN.slice(0, length);

const PATTERN = new Uint8Array(65_536).map((_, i) => (i * 7 + (i >>> 8)) % 251);

/** A copy of the bytes behind the IP header. */
export const dataOf = (packet: Packet): Uint8Array => packet.bytes.slice(packet.l4, packet.tail);

export const isHeaderRight = (packet: Packet): boolean =>
  ipv4.check(packet.view, packet.l3, packet.tail) === 0 &&
  ipv4.totalLength(packet.view, packet.l3) === packet.tail - packet.l3 &&
  packet.l4 === packet.l3 + ipv4.headerLength(packet.view, packet.l3);

/** Whether the bytes from `at` to the end, with `start` in front of them, sum up as they must. */
export const isSumRight = (packet: Packet, at: number, start: number): boolean =>
  fold(sum(packet.view, at, packet.tail - at, start)) === 0xffff;

/** A fragment as `offset+length`, with a `+` behind it for more fragments. */
export const label = (packet: Packet): string => {
  const { view, l3 } = packet;
  const more = ipv4.isMf(view, l3) ? '+' : '';
  return `${ipv4.fragmentOffset(view, l3)}+${packet.tail - packet.l4}${more}`;
};

/** All fragments of a datagram. */
export function cut(lab: Lab, packet: Packet, mtu: number): Packet[] {
  const fragmenter = new Fragmenter(lab.pool, lab.drops);
  const fragments: Packet[] = [];
  fragmenter.start(packet, mtu);
  for (let f = fragmenter.next(); f !== null; f = fragmenter.next()) fragments.push(f);
  return fragments;
}

export function release(packets: readonly Packet[]): void {
  for (const packet of packets) packet.release();
}
