/**
 * Frames made by hand, sent past the kernel's protocols through a packet socket, as an attacker on the link would.
 */
import type { Test } from 'tap';
import { parseIp } from '../../../src/addr/ip.ts';
import { parseMac } from '../../../src/addr/mac.ts';
import { LinkFailure } from '../../../src/link/failure.ts';
import type { PacketSocket } from '../../../src/link/packet-socket.ts';
import { openPacketSocket } from '../../../src/link/packet-socket.ts';
import type { Packet } from '../../../src/packet/packet.ts';
import { Pool } from '../../../src/packet/pool.ts';
import { checksum, pseudo4 } from '../../../src/wire/checksum.ts';
import type { Namespace } from './namespace.ts';
import { sleep, until } from './namespace.ts';

export const Protocol = { Icmp: 1, Igmp: 2, Tcp: 6, Udp: 17 } as const;
export const Flag = { Df: 0x4000, Mf: 0x2000 } as const;

export interface DatagramFields {
  readonly src: string;
  readonly dst: string;
  readonly protocol?: number;
  readonly id?: number;
  /** DF, MF and, in units of eight bytes, the offset. */
  readonly fragment?: number;
  readonly ttl?: number;
  readonly options?: readonly number[];
  readonly payload?: Uint8Array;
  /** In place of what is right. */
  readonly wrong?: Readonly<Partial<Record<'version' | 'ihl' | 'total' | 'checksum', number>>>;
}

export function address(text: string): number {
  const ip = parseIp(text);
  if (ip === null) throw new Error(`${text} is no address`);
  return ip.d;
}

/** An IPv4 datagram. Options must come in fours. */
export function datagram(fields: DatagramFields): Uint8Array {
  const { options = [], payload = new Uint8Array(0), wrong = {} } = fields;
  const header = 20 + options.length;
  const bytes = new Uint8Array(header + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, ((wrong.version ?? 4) << 4) | (wrong.ihl ?? header / 4));
  view.setUint16(2, wrong.total ?? bytes.length);
  view.setUint16(4, fields.id ?? 1);
  view.setUint16(6, fields.fragment ?? 0);
  view.setUint8(8, fields.ttl ?? 64);
  view.setUint8(9, fields.protocol ?? Protocol.Udp);
  view.setInt32(12, address(fields.src));
  view.setInt32(16, address(fields.dst));
  bytes.set(options, 20);
  bytes.set(payload, header);
  view.setUint16(10, wrong.checksum ?? checksum(view, 0, header));
  return bytes;
}

/** A UDP header and data for `datagram`; `wrong` replaces length and checksum. */
export function udpPayload(
  src: string,
  dst: string,
  ports: readonly [number, number],
  data: Uint8Array,
  wrong: Readonly<Partial<Record<'length' | 'checksum', number>>> = {},
): Uint8Array {
  const bytes = new Uint8Array(8 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, ports[0]);
  view.setUint16(2, ports[1]);
  view.setUint16(4, wrong.length ?? bytes.length);
  bytes.set(data, 8);
  const start = pseudo4(address(src), address(dst), Protocol.Udp, bytes.length);
  view.setUint16(6, wrong.checksum ?? (checksum(view, 0, bytes.length, start) || 0xffff));
  return bytes;
}

/** An ICMP message: type, code, the word that follows the checksum, data. */
export function icmpPayload(
  type: number,
  code: number,
  word: number,
  data: Uint8Array = new Uint8Array(0),
): Uint8Array {
  const bytes = new Uint8Array(8 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, type);
  view.setUint8(1, code);
  view.setInt32(4, word);
  bytes.set(data, 8);
  view.setUint16(2, checksum(view, 0, bytes.length));
  return bytes;
}

export function ethernet(dst: string, src: string, type: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(14 + payload.length);
  const view = new DataView(bytes.buffer);
  for (const [at, text] of [
    [0, dst],
    [6, src],
  ] as const) {
    const mac = parseMac(text);
    if (mac === null) throw new Error(`${text} is no link address`);
    view.setUint16(at, mac.hi);
    view.setInt32(at + 2, mac.lo);
  }
  view.setUint16(12, type);
  bytes.set(payload, 14);
  return bytes;
}

export function bytes(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => (at * 13 + 5) & 0xff);
}

/** A packet socket on a device of a namespace. */
export class RawLink {
  readonly #pool = new Pool(128);
  readonly #socket: PacketSocket;
  readonly #batch: Packet[] = [];

  constructor(socket: PacketSocket) {
    this.#socket = socket;
  }

  /** Sends whole frames, as fast as they are taken. */
  async send(...frames: readonly Uint8Array[]): Promise<void> {
    for (const frame of frames) {
      const packet = this.#pool.take();
      if (packet === null) throw new Error('the pool of the raw link is empty');
      packet.bytes.set(frame, packet.head);
      packet.tail = packet.head + frame.length;
      let written = this.#socket.writeBatch([packet], 1);
      // Its queue is full: the daemon has to have a chance to read.
      for (; written === 0 || written === -ENOBUFS; written = this.#socket.writeBatch([packet], 1))
        await sleep(1);
      packet.release();
      if (written < 0) throw new Error(`sending a frame: errno ${-written}`);
    }
  }

  /** Waits for a frame that `isIt` likes; it gets copies of all that are seen on the device, ours among them. */
  async receive(what: string, isIt: (frame: Uint8Array) => boolean, timeoutMs = 5_000): Promise<Uint8Array> {
    let found: Uint8Array | null = null;
    await until(
      what,
      () => {
        for (const frame of this.drain()) if (found === null && isIt(frame)) found = frame;
        return found !== null;
      },
      timeoutMs,
    );
    return found as unknown as Uint8Array;
  }

  /** What waits to be read. */
  drain(): Uint8Array[] {
    const frames: Uint8Array[] = [];
    for (;;) {
      const count = this.#socket.readBatch(this.#pool, this.#batch, 32);
      if (count <= 0) return frames;
      for (const packet of this.#batch.splice(0, count)) {
        frames.push(packet.bytes.slice(packet.head, packet.tail));
        packet.release();
      }
    }
  }

  close(): void {
    this.#socket.close();
  }
}

const ENOBUFS = 105;

export function rawLink(t: Test, space: Namespace, device: string): RawLink {
  const socket = openPacketSocket({ interfaceName: device, netns: space.name, offload: false });
  if (socket instanceof LinkFailure) throw new Error(socket.toString());
  const link = new RawLink(socket);
  t.teardown(() => link.close());
  return link;
}
