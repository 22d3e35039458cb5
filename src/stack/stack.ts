/**
 * One host: devices below, sockets above, and between them the network layer, put together.
 *
 * Sans-I/O: a shell gives it devices and calls `turn(now)` when a device has something, when the answer of the last
 * turn comes due, and after the application has written.
 */
import type { Ip } from '../addr/ip.ts';
import { LOOPBACK4 } from '../addr/ip.ts';
import { Prefix } from '../addr/prefix.ts';
import { assert } from '../base/assert.ts';
import { Drop } from '../base/drop.ts';
import type { Errno } from '../base/errno.ts';
import type { Instant } from '../base/time.ts';
import type { Timed } from '../base/timers.ts';
import { TimerQueue } from '../base/timers.ts';
import { LoopbackDevice } from '../device/loopback.ts';
import type { NetDevice } from '../device/net-device.ts';
import { Hooks } from '../filter/hook.ts';
import { Addresses } from '../ip/addresses.ts';
import { ipCounters } from '../ip/counters.ts';
import { Ip4Delivery } from '../ip/deliver.ts';
import { Ip4Forward } from '../ip/forward.ts';
import { Reassembler } from '../ip/fragment/reassemble.ts';
import { IcmpQuote } from '../ip/icmp/host.ts';
import { Icmp } from '../ip/icmp/icmp.ts';
import type { IcmpOptions } from '../ip/icmp/options.ts';
import { defaultIcmpOptions } from '../ip/icmp/options.ts';
import { Ip4Input } from '../ip/input.ts';
import type { InterfaceUpper } from '../ip/interface.ts';
import { Interface } from '../ip/interface.ts';
import { IpId } from '../ip/ip-id.ts';
import { Ip4Output, LOOPBACK_INDEX } from '../ip/output.ts';
import { PathMtuCache } from '../ip/pmtu.ts';
import { Redirects } from '../ip/redirects.ts';
import type { IpShared } from '../ip/shared.ts';
import { defaultIpOptions } from '../ip/shared.ts';
import { Drops } from '../packet/drops.ts';
import type { Packet } from '../packet/packet.ts';
import { Pool } from '../packet/pool.ts';
import { Pfifo } from '../qdisc/fifo.ts';
import { Fib } from '../route/fib.ts';
import { SocketTable } from '../socket/socket-table.ts';
import { Tcp } from '../tcp/tcp.ts';
import * as icmp4 from '../wire/icmp4.ts';
import * as ipv4 from '../wire/ipv4.ts';
import type { AddressOptions } from './addressing.ts';
import { Addressing } from './addressing.ts';
import { IcmpPort } from './icmp-port.ts';
import { IgmpDemux } from './igmp-demux.ts';
import type { StackOptions } from './options.ts';
import { INTERFACES_MAX, POOL_SLOTS, TXQUEUELEN } from './options.ts';
import { Outbox } from './outbox.ts';
import { RedirectRoutes } from './redirect-routes.ts';
import { SocketPort } from './socket-port.ts';
import { TcpPort } from './tcp-port.ts';
import type { TurnParts } from './turn.ts';
import { turn } from './turn.ts';

export class Stack {
  readonly pool: Pool;
  readonly drops: Drops = new Drops();
  readonly timers: TimerQueue;
  /** What the network layer's parts share: routes, addresses, interfaces, hooks, options, counters. */
  readonly ip: IpShared;
  readonly icmp: Icmp;
  readonly paths: PathMtuCache = new PathMtuCache();
  readonly loopback: Interface;
  readonly sockets: SocketTable;
  readonly tcp: Tcp;
  readonly #options: StackOptions;
  readonly #input: Ip4Input;
  readonly #output: Ip4Output;
  readonly #outbox: Outbox;
  readonly #addressing: Addressing;
  readonly #socketPort: SocketPort;
  readonly #icmpPort: IcmpPort;
  readonly #tcpPort: TcpPort;
  readonly #upper: InterfaceUpper;
  readonly #watched: number[] = [];
  readonly #watchedOf = new Map<number, number[]>();
  readonly #quote = new IcmpQuote();
  readonly #parts: TurnParts;
  readonly #delivery: Ip4Delivery;

  constructor(options: StackOptions) {
    const { rng } = options;
    this.#options = options;
    this.pool = options.pool ?? new Pool(options.poolSlots ?? POOL_SLOTS);
    this.timers = new TimerQueue(options.now);
    this.ip = {
      pool: this.pool,
      drops: this.drops,
      counters: ipCounters(),
      fib: new Fib(rng.fork('fib').u32()),
      hooks: new Hooks(this.drops),
      addresses: new Addresses(),
      options: { ...defaultIpOptions(), ...options.ip },
      interfaces: [undefined],
    };
    this.#output = new Ip4Output(this.ip);
    const redirects = new Redirects(new RedirectRoutes(this.ip.fib));
    const ids = new IpId(rng.fork('ip-id'));
    this.#icmpPort = new IcmpPort(this.ip, this.#output, this.paths, redirects);
    this.icmp = new Icmp(this.#icmpPort, ids, rng.fork('icmp'), icmpOptions(options));
    this.#outbox = new Outbox(this.pool.capacity);
    this.#socketPort = new SocketPort({
      shared: this.ip,
      output: this.#output,
      outbox: this.#outbox,
      paths: this.paths,
      ids,
      icmp: this.icmp,
      rng: rng.fork('socket'),
    });
    this.sockets = new SocketTable(this.#socketPort);
    this.#tcpPort = new TcpPort(this.#socketPort, rng.fork('tcp'));
    this.tcp = new Tcp(options.now, this.#tcpPort, options.tcp);
    this.sockets.attachTcp(this.tcp);
    const reassembler = new Reassembler(this.drops, rng.fork('reassemble'));
    this.#delivery = new Ip4Delivery(this.ip, reassembler, this.icmp, this.sockets.raw);
    this.#delivery.register(ipv4.Protocol.Udp, this.sockets.udp);
    this.#delivery.register(ipv4.Protocol.Tcp, this.tcp);
    this.#delivery.register(ipv4.Protocol.Igmp, new IgmpDemux(this.ip.interfaces));
    const forward = new Ip4Forward(this.ip, this.#output, this.icmp);
    this.#input = new Ip4Input(this.ip, this.#delivery, forward, this.icmp);
    this.#addressing = new Addressing(this.ip);
    this.#icmpPort.readers = this.sockets;
    this.#upper = {
      pool: this.pool,
      drops: this.drops,
      addresses: this.ip.addresses,
      handlePacket4: (now, packet, iface) => this.#input.handlePacket(now, packet, iface),
      handleUnreachable: (now, packet) => this.#handleUnreachable(now, packet),
    };
    this.#parts = {
      interfaces: this.ip.interfaces,
      timers: this.timers,
      watched: this.#watched,
      drainSockets: (now) => this.#drainSockets(now),
      isDue: () => this.sockets.isDue || (this.tcp.isDue && this.#tcpPort.hasRoom),
      pollEvents: () => this.#pollEvents(),
    };
    for (const timed of [this.#delivery, this.paths, redirects, this.tcp]) this.#watch(0, timed);
    this.loopback = this.#makeLoopback(options.now);
  }

  /** Adds a network device. ENOBUFS beyond the limit, EEXIST when one has its name. */
  addDevice(now: Instant, device: NetDevice): Interface | Errno {
    const { interfaces } = this.ip;
    if (interfaces.length > INTERFACES_MAX) return 'ENOBUFS';
    if (this.findInterface(device.name) !== null) return 'EEXIST';
    const index = interfaces.length;
    const iface = new Interface(
      device,
      index,
      new Pfifo(this.drops, TXQUEUELEN),
      this.#upper,
      this.#options.rng,
    );
    interfaces.push(iface);
    this.#watch(index, iface.igmp);
    if (iface.neighbors !== null) this.#watch(index, iface.neighbors);
    if (iface.arp !== null) this.#watch(index, iface.arp);
    this.ip.fib.setInterfaceState(index, device.isUp);
    device.handleTimeout(now);
    return iface;
  }

  /** Takes an interface away with all that depends on it, and closes its device. */
  removeDevice(iface: Interface): void {
    assert(this.ip.interfaces[iface.index] === iface, 'only what was added is removed');
    for (const { prefix } of this.ip.addresses.of(iface.index).slice()) this.removeAddress(prefix.address);
    this.ip.fib.removeInterface(iface.index);
    for (const id of this.#watchedOf.get(iface.index) ?? []) {
      this.timers.unwatch(id);
      this.#watched.splice(this.#watched.indexOf(id), 1);
    }
    this.#watchedOf.delete(iface.index);
    iface.close();
    this.ip.interfaces[iface.index] = undefined;
  }

  findInterface(name: string): Interface | null {
    return this.ip.interfaces.find((iface) => iface?.name === name) ?? null;
  }

  /** `ip link set up|down`: neighbours and routes through it follow. */
  setInterfaceUp(iface: Interface, isUp: boolean): void {
    iface.device.isUp = isUp;
    this.ip.fib.setInterfaceState(iface.index, isUp);
    if (!isUp) {
      iface.qdisc.purge();
      iface.neighbors?.handleLinkDown();
    }
    this.#socketPort.wake();
  }

  addAddress(now: Instant, iface: Interface, prefix: Prefix, options: AddressOptions = {}): Errno | null {
    const refusal = this.#addressing.add(now, iface, prefix, options);
    this.#socketPort.wake();
    return refusal;
  }

  removeAddress(ip: Ip): Errno | null {
    return this.#addressing.remove(ip);
  }

  /** The shell's, to be told that a turn is wanted soon. */
  set onWake(wake: (() => void) | null) {
    this.#socketPort.onWake = wake;
  }

  /** Does what is to do now; answers when to be called again, `now` when something is left. */
  turn(now: Instant): Instant {
    return turn(this.#parts, now);
  }

  /** Closes sockets and devices. Every packet is back in the pool afterwards, as far as it was this stack's. */
  close(now: Instant): void {
    this.sockets.closeAll();
    this.#outbox.drain(now, this.#output);
    for (const iface of this.ip.interfaces) if (iface !== undefined) this.removeDevice(iface);
    this.#delivery.close();
  }

  #makeLoopback(now: Instant): Interface {
    const iface = this.addDevice(now, new LoopbackDevice(this.drops));
    assert(typeof iface !== 'string' && iface.index === LOOPBACK_INDEX, 'the loopback device is the first');
    this.addAddress(now, iface, new Prefix(LOOPBACK4, 8));
    return iface;
  }

  #watch(index: number, timed: Timed): void {
    const id = this.timers.watch(timed);
    this.#watched.push(id);
    const ids = this.#watchedOf.get(index);
    if (ids === undefined) this.#watchedOf.set(index, [id]);
    else ids.push(id);
  }

  #drainSockets(now: Instant): void {
    this.sockets.report(now);
    this.tcp.pollTransmit(now);
    this.#outbox.drain(now, this.#output);
  }

  #pollEvents(): void {
    const { interfaces } = this.ip;
    for (let i = 1; i < interfaces.length; i++) {
      const iface = interfaces[i];
      if (iface !== undefined) this.#addressing.pollEvents(iface);
    }
  }

  /**
   * RFC 1122 §2.3.2.2: a datagram of ours whose next hop does not answer is as unreachable to its socket as if a
   * router had said so; one that we forward is refused to its sender (RFC 1812 §5.2.7.1).
   */
  #handleUnreachable(now: Instant, packet: Packet): void {
    const { view, l3 } = packet;
    if (packet.device !== 0) {
      packet.head = l3;
      this.icmp.sendError(now, packet, icmp4.Type.Unreachable, icmp4.UnreachableCode.Host, 0);
    } else {
      const quote = this.#quote;
      quote.type = icmp4.Type.Unreachable;
      quote.code = icmp4.UnreachableCode.Host;
      quote.info = 0;
      quote.src = ipv4.src(view, l3);
      quote.dst = ipv4.dst(view, l3);
      quote.from = quote.src;
      quote.device = 0;
      quote.protocol = ipv4.protocol(view, l3);
      quote.totalLength = packet.tail - l3;
      quote.packet = packet;
      quote.l4 = l3 + ipv4.headerLength(view, l3);
      quote.end = packet.tail;
      if (ipv4.fragmentOffset(view, l3) === 0) this.#icmpPort.handleQuote(now, quote);
    }
    this.drops.drop(packet, Drop.NeighborUnreachable);
  }
}

function icmpOptions({ ip, wallClock }: StackOptions): IcmpOptions {
  const options = defaultIcmpOptions();
  return { ...options, ttl: ip?.ipDefaultTtl ?? options.ttl, wallClock: wallClock ?? null };
}
