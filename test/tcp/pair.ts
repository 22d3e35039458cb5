/**
 * Two TCP machines joined by a model of a wire: delay, rate, loss, reordering, duplication, all from one seed,
 * in virtual time. Super-segments are cut on the wire, unless it is asked to keep them whole.
 *
 *     const net = pair({ delay: ms(50), loss: 0.01, seed: 7 });
 *     const [a, b] = net.connect();
 *     a.send(bytes); net.drive();
 */
import type { FlowKey } from '../../src/addr/flow-key.ts';
import { Ip } from '../../src/addr/ip.ts';
import { assert } from '../../src/base/assert.ts';
import type { Errno } from '../../src/base/errno.ts';
import { Heap } from '../../src/base/heap.ts';
import type { Rng } from '../../src/base/rng.ts';
import { rng } from '../../src/base/rng.ts';
import type { Duration, Instant } from '../../src/base/time.ts';
import { after, earliest, ms, sec } from '../../src/base/time.ts';
import { Drops } from '../../src/packet/drops.ts';
import type { Packet } from '../../src/packet/packet.ts';
import { GsoType, HEADROOM, PacketFlag } from '../../src/packet/packet.ts';
import { Pool } from '../../src/packet/pool.ts';
import type { TcpConfig } from '../../src/tcp/config.ts';
import type { PathInfo, SegmentOptions, TcpHost, TcpUser } from '../../src/tcp/host.ts';
import type { Listener } from '../../src/tcp/open/listener.ts';
import type { RecoveryFactory } from '../../src/tcp/recovery-port.ts';
import { Tcp } from '../../src/tcp/tcp.ts';
import * as ipv4 from '../../src/wire/ipv4.ts';
import * as wire from '../../src/wire/tcp.ts';
import { TestSocket } from './test-socket.ts';

export interface PairOptions {
  readonly delay?: Duration;
  readonly jitter?: Duration;
  /** Of single segments; each a probability. */
  readonly loss?: number;
  readonly duplicate?: number;
  readonly reorder?: number;
  readonly seed?: number;
  readonly mtu?: number;
  /** Payload of super-segments; 0 for none. */
  readonly gso?: number;
  /** Super-segments arrive whole. */
  readonly keepWhole?: boolean;
  readonly a?: Partial<TcpConfig>;
  readonly b?: Partial<TcpConfig>;
  readonly recovery?: RecoveryFactory;
  readonly slots?: number;
  readonly start?: number;
  /** Of each direction. */
  readonly bytesPerSecond?: number;
  readonly queueBytes?: number;
}

/** A segment as it was sent, before the wire had its way with it. */
export interface Sent {
  readonly at: number;
  readonly from: 'a' | 'b';
  readonly seq: number;
  readonly ack: number;
  readonly flags: string;
  readonly length: number;
  readonly window: number;
  readonly bytes: Uint8Array;
  readonly tos: number;
}

export const ADDRESS_A: Ip = Ip.v4(0x0a000001);
export const ADDRESS_B: Ip = Ip.v4(0x0a000002);
export const PORT = 80;

const FLAG_NAMES = 'FSRPAUEC';

export function flagText(flags: number): string {
  let text = '';
  for (let i = 0; i < 8; i++) if ((flags & (1 << i)) !== 0) text += FLAG_NAMES[i];
  return text;
}

/** One end: a machine and its host. */
export class End implements TcpHost {
  readonly name: 'a' | 'b';
  readonly address: Ip;
  readonly pool: Pool;
  readonly drops: Drops = new Drops();
  readonly rng: Rng;
  readonly tcp: Tcp;
  readonly net: Net;
  hasRoom = true;
  refusal: Errno | null = null;
  mtu: number;
  deviceMtu: number;
  gso: number;
  listener: Listener | null = null;
  readonly sockets: TestSocket[] = [];
  isWoken = false;

  constructor(net: Net, name: 'a' | 'b', address: Ip, options: PairOptions, config: Partial<TcpConfig>) {
    this.net = net;
    this.name = name;
    this.address = address;
    this.pool = new Pool(options.slots ?? 256);
    this.rng = rng((options.seed ?? 1) * 2 + (name === 'a' ? 0 : 1));
    this.mtu = options.mtu ?? 1500;
    this.deviceMtu = this.mtu;
    this.gso = options.gso ?? 0;
    this.tcp =
      options.recovery === undefined
        ? new Tcp(net.now, this, config)
        : new Tcp(net.now, this, config, options.recovery);
  }

  send(packet: Packet, flow: FlowKey, options: SegmentOptions): Errno | null {
    if (this.refusal !== null) {
      packet.release();
      return this.refusal;
    }
    packet.l3 = packet.l4 - ipv4.MIN_HEADER_BYTES;
    packet.head = packet.l3;
    const { view, l3 } = packet;
    const length = packet.tail - l3;
    ipv4.write(view, l3, length, options.tos, 0, ipv4.Flag.Df, 64, flow.protocol, flow.srcD, flow.dstD);
    this.net.carry(this, packet);
    return null;
  }

  path(_flow: FlowKey, _options: SegmentOptions, into: PathInfo): void {
    into.mtu = this.mtu;
    into.deviceMtu = this.deviceMtu;
    into.ipHeaderBytes = 20;
    into.gsoMaxBytes = this.gso;
  }

  wake(): void {
    this.isWoken = true;
  }

  listen(port: number = PORT, backlog = 128, onAccept?: (socket: TestSocket) => void): Listener {
    const user: TcpUser = {
      handleTcpEvent: () => {
        if (onAccept === undefined) return;
        this.net.later(() => {
          for (let id = this.accept(listener); id !== null; id = this.accept(listener)) onAccept(id);
        });
      },
    };
    const listener = this.tcp.connections.listen(
      {
        a: 0,
        b: 0,
        c: 0xffff,
        d: 0,
        port,
        device: 0,
        ipv6Only: false,
        reusePort: false,
        backlog,
      },
      user,
    );
    this.listener = listener;
    return listener;
  }

  accept(listener: Listener): TestSocket | null {
    const socket = new TestSocket(this);
    const id = this.tcp.connections.accept(listener, socket);
    if (typeof id === 'string') return null;
    socket.id = id;
    this.sockets.push(socket);
    return socket;
  }

  open(localPort: number, remotePort: number = PORT): TestSocket {
    const socket = new TestSocket(this);
    const peer = this.name === 'a' ? ADDRESS_B : ADDRESS_A;
    const id = this.tcp.connections.open(socket, this.address, localPort, peer, remotePort);
    assert(typeof id === 'number', `the open is taken: ${id}`);
    socket.id = id;
    this.sockets.push(socket);
    return socket;
  }

  /** Nothing is left of any connection. */
  leftovers(): string[] {
    const { shared } = this.tcp;
    const found: string[] = [];
    if (shared.table.count > 0) found.push(`${shared.table.count} records`);
    if (shared.timeWait.count > 0) found.push(`${shared.timeWait.count} in TIME-WAIT`);
    if (shared.flows.count > 0) found.push(`${shared.flows.count} flows`);
    if (shared.rings.used > 0) found.push(`${shared.rings.used} bytes in rings`);
    const rows = this.tcp.recovery.rows.used;
    if (rows > 0) found.push(`${rows} ranges on scoreboards`);
    if (shared.wheel.count > 0) found.push(`${shared.wheel.count} timers`);
    if (this.pool.available !== this.pool.capacity) found.push('slots');
    if (shared.counters.tcp.currEstab !== 0) found.push(`currEstab ${shared.counters.tcp.currEstab}`);
    return found;
  }
}

interface Flight {
  readonly to: End;
  readonly bytes: Uint8Array;
  readonly gsoSize: number;
}

export class Net {
  now: Instant;
  readonly a: End;
  readonly b: End;
  readonly options: PairOptions;
  readonly sent: Sent[] = [];
  /** Answers true for what the wire is to lose. */
  filter: ((sent: Sent) => boolean) | null = null;
  /** Keeps a list of what was sent. */
  isRecording = true;
  loss: number;
  duplicate: number;
  reorder: number;
  readonly #chance: Rng;
  readonly #flights = new Heap<Flight>();
  #later: (() => void)[] = [];
  readonly #freeAt = { a: 0, b: 0 };

  constructor(options: PairOptions) {
    this.options = options;
    this.now = (options.start ?? 1_000_000) as Instant;
    this.#chance = rng(options.seed ?? 1).fork('wire');
    this.loss = options.loss ?? 0;
    this.duplicate = options.duplicate ?? 0;
    this.reorder = options.reorder ?? 0;
    this.a = new End(this, 'a', ADDRESS_A, options, options.a ?? {});
    this.b = new End(this, 'b', ADDRESS_B, options, options.b ?? {});
  }

  later(action: () => void): void {
    this.#later.push(action);
  }

  /** Takes ownership. */
  carry(from: End, packet: Packet): void {
    const { tail, l3, l4, view, gsoSize } = packet;
    const dataAt = l4 + wire.dataOffset(view, l4);
    const isWhole = packet.gsoType === GsoType.None || this.options.keepWhole === true;
    if (isWhole) this.#put(from, packet.bytes.slice(l3, tail), packet.gsoType === GsoType.None ? 0 : gsoSize);
    else this.#cut(from, packet, dataAt - l3);
    packet.release();
  }

  /** Puts a segment on the wire towards `to`, whoever made it. */
  inject(to: End, bytes: Uint8Array): void {
    this.#flights.push(this.now, { to, bytes, gsoSize: 0 });
  }

  connect(localPort = 40_000): [TestSocket, TestSocket] {
    if (this.b.listener === null) this.b.listen();
    const client = this.a.open(localPort);
    this.drive(sec(400), () => client.state === 'ESTABLISHED' && (this.b.listener?.accepted.length ?? 0) > 0);
    const server = this.b.accept(this.b.listener as Listener);
    assert(server !== null, 'the handshake ends');
    this.step();
    return [client, server];
  }

  /** Until nothing is to be done any more before `limit` has passed, or `until` holds. */
  drive(limit: Duration = sec(60), until: (() => boolean) | null = null): void {
    const end = after(this.now, limit);
    for (let i = 0; ; i++) {
      assert(i < 5_000_000, 'the pair comes to rest');
      this.step();
      if (until?.() === true) return;
      const next = this.next();
      if (next > end) {
        this.now = end;
        this.step();
        return;
      }
      if (next > this.now) this.now = next;
    }
  }

  /** Lets so much time pass. */
  wait(duration: Duration): void {
    this.drive(duration, null);
  }

  next(): Instant {
    if (this.#later.length > 0 || this.a.isWoken || this.b.isWoken) return this.now;
    return earliest(this.#flights.next(), earliest(this.a.tcp.nextTimeout(), this.b.tcp.nextTimeout()));
  }

  /** A turn of both ends at the present time. */
  step(): void {
    const { now } = this;
    while (this.#flights.next() <= now) this.#deliver(now, this.#flights.pop() as Flight);
    for (const end of [this.a, this.b]) {
      end.isWoken = false;
      end.tcp.handleTimeout(now);
    }
    const later = this.#later;
    this.#later = [];
    for (const action of later) action();
    for (const end of [this.a, this.b]) if (end.tcp.pollTransmit(now)) end.isWoken = true;
  }

  #cut(from: End, packet: Packet, headerBytes: number): void {
    const whole = packet.bytes.slice(packet.l3, packet.tail);
    const view = new DataView(whole.buffer);
    const data = whole.length - headerBytes;
    const flags = wire.flags(view, 20);
    for (let at = 0; at < data; at += packet.gsoSize) {
      const length = Math.min(packet.gsoSize, data - at);
      const piece = new Uint8Array(headerBytes + length);
      piece.set(whole.subarray(0, headerBytes));
      piece.set(whole.subarray(headerBytes + at, headerBytes + at + length), headerBytes);
      const own = new DataView(piece.buffer);
      let bits = flags;
      if (at + length < data) bits &= ~(wire.Flag.Fin | wire.Flag.Psh);
      if (at > 0) bits &= ~wire.Flag.Cwr;
      ipv4.setTotalLength(own, 0, piece.length);
      own.setInt32(24, (wire.seq(view, 20) + at) | 0);
      own.setUint8(33, bits);
      this.#put(from, piece, 0);
    }
  }

  #put(from: End, bytes: Uint8Array, gsoSize: number): void {
    const sent = describe(this.now, from.name, bytes);
    if (this.isRecording) this.sent.push(sent);
    if (this.filter?.(sent) === true) return;
    if (this.loss > 0 && this.#chance.unit() < this.loss) return;
    const to = from === this.a ? this.b : this.a;
    const { delay, jitter, bytesPerSecond, queueBytes } = this.options;
    let start: number = this.now;
    if (bytesPerSecond !== undefined) {
      const free = Math.max(this.#freeAt[from.name], this.now);
      if (queueBytes !== undefined && ((free - this.now) * bytesPerSecond) / 1e6 > queueBytes) return;
      start = free + (bytes.length * 1e6) / bytesPerSecond;
      this.#freeAt[from.name] = start;
    }
    let at = after(start as Instant, delay ?? ms(1));
    if (jitter !== undefined) at = (at + this.#chance.below(jitter + 1)) as Instant;
    if (this.reorder > 0 && this.#chance.unit() < this.reorder) {
      at = (at + this.#chance.below(2 * (delay ?? ms(1)) + 1)) as Instant;
    }
    this.#flights.push(at, { to, bytes, gsoSize });
    if (this.duplicate > 0 && this.#chance.unit() < this.duplicate)
      this.#flights.push(at, { to, bytes, gsoSize });
  }

  #deliver(now: Instant, { to, bytes, gsoSize }: Flight): void {
    const packet = to.pool.take();
    if (packet === null) return;
    packet.l3 = HEADROOM;
    packet.head = HEADROOM;
    packet.l4 = HEADROOM + ipv4.MIN_HEADER_BYTES;
    packet.tail = HEADROOM + bytes.length;
    packet.bytes.set(bytes, HEADROOM);
    packet.flags = PacketFlag.ChecksumValid;
    packet.device = 1;
    if (gsoSize > 0) {
      packet.gsoType = GsoType.Tcp4;
      packet.gsoSize = gsoSize;
    }
    to.tcp.handlePacket(now, packet);
  }
}

export function pair(options: PairOptions = {}): Net {
  return new Net(options);
}

export function describe(at: number, from: 'a' | 'b', bytes: Uint8Array): Sent {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return {
    at,
    from,
    seq: wire.seq(view, 20),
    ack: wire.ack(view, 20),
    flags: flagText(wire.flags(view, 20)),
    length: bytes.length - 20 - wire.dataOffset(view, 20),
    window: wire.window(view, 20),
    bytes,
    tos: ipv4.tos(view, 0),
  };
}

/** When nothing at all is left to happen. */
export const FOREVER: Duration = sec(100_000);
