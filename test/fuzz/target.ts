/**
 * What is fuzzed: a router with two networks and a cable without link addresses, sockets of every kind on it, and
 * wires that somebody else writes to.
 *
 *     garbage, mutated frames ──> eth0, eth1, tun0 of the stack ──> whatever it sends, judged frame by frame
 */
import { Ip, parseIp } from '../../src/addr/ip.ts';
import { Mac } from '../../src/addr/mac.ts';
import { parsePrefix } from '../../src/addr/prefix.ts';
import type { Rng } from '../../src/base/rng.ts';
import { rng as makeRng } from '../../src/base/rng.ts';
import type { Instant } from '../../src/base/time.ts';
import { after, sec, us } from '../../src/base/time.ts';
import { Monitor } from '../../src/device/monitor.ts';
import type { FrameReceiver } from '../../src/device/net-device.ts';
import { FULL_OFFLOAD, NO_OFFLOAD } from '../../src/device/net-device.ts';
import type { PairEnd } from '../../src/device/pair.ts';
import { pair } from '../../src/device/pair.ts';
import type { Packet } from '../../src/packet/packet.ts';
import { Pool } from '../../src/packet/pool.ts';
import { claimOffload, Garbage } from '../../src/sim/garbage.ts';
import { Inspector } from '../../src/sim/inspector.ts';
import { boundViolations, counterViolations } from '../../src/sim/invariants.ts';
import { DatagramInfo } from '../../src/socket/datagram-info.ts';
import type { PingSocket } from '../../src/socket/ping-socket.ts';
import type { RawSocket } from '../../src/socket/raw-socket.ts';
import type { UdpSocket } from '../../src/socket/udp-socket.ts';
import { Stack } from '../../src/stack/stack.ts';
import { describe } from '../../src/wire/describe.ts';
import { fromHex } from '../wire/bytes.ts';
import { FRAMES } from '../wire/frames.ts';
import { mutate, place } from './mutate.ts';

/** Those of the frames in the corpus. */
const OWN_MAC = new Mac(0x0200, 2);
const PEER_MAC = new Mac(0x0200, 1);
const ADDRESSES = ['10.77.0.2', '10.77.1.2', '10.77.2.2', '10.77.0.1', '10.77.1.1', '10.77.2.1', '10.77.0.9'];
const GROUPS = ['224.0.0.1', '224.0.0.22', '225.1.2.5', '239.1.2.3'];
const UDP_PORTS = [53, 5_353, 4_000, 4_001];
const CORPUS: readonly Uint8Array[] = Object.values(FRAMES).map(fromHex);
const STACK_SLOTS = 128;
const WIRE_SLOTS = 96;
/** The last frames before something broke. */
const HISTORY = 32;
const LOOK_EVERY = 4_096;

const word = (text: string): number => (parseIp(text) as Ip).d;

export class Target {
  readonly seed: number;
  readonly stack: Stack;
  /** What rules were broken. */
  readonly inspector: Inspector = new Inspector();
  now: Instant = sec(1_000) as number as Instant;
  frames = 0;
  readonly #rng: Rng;
  readonly #wire = new Pool(WIRE_SLOTS);
  readonly #far: PairEnd[] = [];
  readonly #garbage: Garbage[] = [];
  readonly #history: string[] = [];
  readonly #udp: UdpSocket[] = [];
  readonly #raw: RawSocket;
  readonly #ping: PingSocket;
  readonly #keepsHistory: boolean;
  /** Whether the devices claim what is not true: then some checksums that are sent are no better. */
  readonly #isLying: boolean;

  constructor(seed: number, keepsHistory = false, pool?: Pool) {
    this.seed = seed;
    this.#keepsHistory = keepsHistory;
    this.#rng = makeRng(seed);
    this.#isLying = this.#rng.below(4) === 0;
    this.stack = new Stack({
      rng: this.#rng.fork('stack'),
      now: this.now,
      ...(pool === undefined ? { poolSlots: STACK_SLOTS } : { pool }),
      ip: { ipForward: this.#rng.below(4) !== 0, rpFilter: this.#rng.below(3) as 0 | 1 | 2 },
    });
    this.#addWire('eth0', 'ethernet', '10.77.0.2/24');
    this.#addWire('eth1', 'ethernet', '10.77.1.2/24');
    this.#addWire('tun0', 'ip', '10.77.2.2/24');
    const { fib } = this.stack.ip;
    fib.add({ prefix: parsePrefix('0.0.0.0/0') as never, via: parseIp('10.77.1.1') });
    fib.add({ prefix: parsePrefix('192.0.2.0/24') as never, type: 'unreachable' });
    fib.add({ prefix: parsePrefix('198.18.0.0/24') as never, type: 'blackhole' });
    for (const port of UDP_PORTS) this.#udp.push(this.#openUdp(port));
    this.#udp[1]?.connect(parseIp('10.77.0.1') as Ip, 53);
    this.#raw = open(this.stack.sockets.openRaw(0));
    this.#ping = open(this.stack.sockets.openPing());
    this.#ping.receivesErrors = true;
    this.#turn();
  }

  /** Feeds `count` frames, and lets the host live meanwhile. */
  run(count: number): void {
    for (let i = 0; i < count; i++) {
      this.#feed();
      if (this.#rng.below(4) === 0) this.#live();
      if (this.frames % LOOK_EVERY === 0) this.#note(boundViolations('the stack', this.stack));
    }
    this.#turn();
  }

  /** Closes everything; afterwards every packet must be in its pool. */
  close(): void {
    this.#turn();
    this.#note(boundViolations('the stack', this.stack));
    this.#note(counterViolations('the stack', this.stack));
    this.stack.close(this.now);
    for (const far of this.#far) far.close();
    for (const [name, pool] of [['stack', this.stack.pool] as const, ['wire', this.#wire] as const]) {
      if (pool.available !== pool.capacity)
        this.#note([`${pool.capacity - pool.available} packets of the ${name} did not come back`]);
    }
  }

  /** What was broken, but for what lying devices are to blame for. */
  get violations(): string[] {
    const { violations } = this.inspector;
    return this.#isLying ? violations.filter((line) => !line.includes('checksum')) : violations;
  }

  /** The last frames that went in, as hex, the newest last. */
  get history(): readonly string[] {
    return this.#history;
  }

  #addWire(name: string, medium: 'ethernet' | 'ip', address: string): void {
    const { stack } = this;
    const features = this.#rng.below(2) === 0 ? FULL_OFFLOAD : NO_OFFLOAD;
    const mtu = [576, 1_500, 9_000][this.#rng.below(3)] as number;
    const [near, far] = pair(name, `far-${name}`, { medium, mtu, features, macs: [OWN_MAC, PEER_MAC] });
    far.mtu = 65_535;
    const monitor = new Monitor(near, stack.drops);
    monitor.watch(this.inspector, this.inspector.addPort({ name, stack, device: near }));
    const iface = stack.addDevice(this.now, monitor);
    if (typeof iface === 'string') throw new Error(iface);
    const refusal = stack.addAddress(this.now, iface, parsePrefix(address) as never);
    if (refusal !== null) throw new Error(refusal);
    const sink: FrameReceiver = { handleFrame: (_now, packet) => packet.release() };
    far.receiver = sink;
    this.#far.push(far);
    const targets = {
      addresses: ADDRESSES.map(word),
      macs: [OWN_MAC],
      groups: GROUPS.map(word),
      ports: UDP_PORTS,
      spared: [],
      medium,
    };
    this.#garbage.push(new Garbage(this.#rng.fork(name), targets));
  }

  #openUdp(port: number): UdpSocket {
    const socket = open(this.stack.sockets.openUdp());
    socket.bind(socket.local, port);
    socket.options.broadcast = true;
    socket.receivesErrors = port === UDP_PORTS[2];
    return socket;
  }

  #feed(): void {
    const rng = this.#rng;
    const at = rng.below(8) === 0 ? 2 : rng.below(2);
    const far = this.#far[at] as PairEnd;
    const packet = this.#wire.take();
    // Slots come back when the stack gives up what waits for neighbours or fragments.
    if (packet === null) {
      this.now = after(this.now, sec(5));
      this.#turn();
      return;
    }
    if (rng.below(2) === 0 && at < 2) {
      place(packet, CORPUS[rng.below(CORPUS.length)] as Uint8Array);
      if (rng.below(16) !== 0) mutate(rng, packet, CORPUS[rng.below(CORPUS.length)] as Uint8Array);
    } else {
      (this.#garbage[at] as Garbage).fill(packet);
    }
    if (this.#isLying && rng.below(2) === 0) claimOffload(rng, packet);
    this.frames++;
    if (this.#keepsHistory) this.#remember(far, packet);
    if (rng.below(8) === 0) describe(packet.view, packet.head, packet.tail, far.medium);
    far.transmit(this.now, packet);
    if (rng.below(4) === 0) this.#turn();
  }

  /** Time passes, applications read and write, links fail. */
  #live(): void {
    const rng = this.#rng;
    this.now = after(this.now, rng.below(64) === 0 ? sec(rng.below(40)) : us(rng.below(2_000)));
    const socket = this.#udp[rng.below(this.#udp.length)] as UdpSocket;
    switch (rng.below(8)) {
      case 0:
      case 1:
        this.#read();
        break;
      case 2:
        socket.takeError();
        socket.sendTo(PAYLOAD, 0, rng.below(3_000), this.#anybody(), 1 + rng.below(0xffff));
        break;
      case 3:
        this.#ping.takeError();
        this.#ping.sendEcho(this.#anybody(), rng.below(0x1_0000), PAYLOAD, 0, rng.below(2_000));
        break;
      case 4:
        if (socket.joinGroup(Ip.v4(word(GROUPS[2 + rng.below(2)] as string)), 2 + rng.below(3)) !== null)
          socket.leaveGroup(Ip.v4(word(GROUPS[2 + rng.below(2)] as string)));
        break;
      case 5:
        if (rng.below(64) === 0) this.#toggle();
        break;
      default:
    }
    this.#turn();
  }

  #read(): void {
    for (const socket of this.#udp) {
      for (let packet = socket.receivePacket(); packet !== null; packet = socket.receivePacket()) {
        if (this.#rng.below(4) === 0) packet.release();
        else socket.reply(packet);
      }
    }
    for (let open = true; open; ) open = this.#raw.receive(BUFFER, INFO) !== 'EAGAIN';
    for (let open = true; open; ) open = this.#ping.receive(BUFFER, INFO) !== 'EAGAIN';
  }

  #toggle(): void {
    const iface = this.stack.ip.interfaces[2 + this.#rng.below(3)];
    if (iface === undefined) return;
    this.stack.setInterfaceUp(iface, false);
    this.#turn();
    this.stack.setInterfaceUp(iface, true);
  }

  #anybody(): Ip {
    return Ip.v4(word(ADDRESSES[this.#rng.below(ADDRESSES.length)] as string));
  }

  #turn(): void {
    let next = this.stack.turn(this.now);
    for (let round = 0; next <= this.now; round++) {
      if (round > 10_000) throw new Error('the stack never comes to rest');
      next = this.stack.turn(this.now);
    }
    for (const far of this.#far) while (far.nextTimeout() <= this.now) far.receive(this.now, 256);
  }

  #remember(far: PairEnd, { bytes, head, tail }: Packet): void {
    const hex = Buffer.from(bytes.subarray(head, tail)).toString('hex');
    this.#history.push(`${this.frames} ${this.now} ${far.name} ${hex}`);
    if (this.#history.length > HISTORY) this.#history.shift();
  }

  #note(found: readonly string[]): void {
    for (const line of found) this.inspector.complain(this.now, line);
  }
}

const PAYLOAD = new Uint8Array(4_096).map((_, i) => i);
const BUFFER = new Uint8Array(0x1_0000);
const INFO = new DatagramInfo();

function open<T>(socket: T | string): T {
  if (typeof socket === 'string') throw new Error(socket);
  return socket;
}
