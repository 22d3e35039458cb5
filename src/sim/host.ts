/**
 * A host of a world: a stack and its ports, which can crash and come back with the configuration it had.
 */
import type { Prefix } from '../addr/prefix.ts';
import { parsePrefix } from '../addr/prefix.ts';
import { assert } from '../base/assert.ts';
import type { Instant } from '../base/time.ts';
import { NEVER } from '../base/time.ts';
import type { NetDevice } from '../device/net-device.ts';
import type { Interface } from '../ip/interface.ts';
import type { RouteSpec } from '../route/nexthop.ts';
import type { UdpSocket } from '../socket/udp-socket.ts';
import type { AddressOptions } from '../stack/addressing.ts';
import type { StackOptions } from '../stack/options.ts';
import { Stack } from '../stack/stack.ts';
import type { WorldPort } from './world-port.ts';

export type HostOptions = Partial<Omit<StackOptions, 'rng' | 'now' | 'pool'>>;

/** Slots of a simulated host: enough for a datagram of 64 KB in fragments of the common size, both ways. */
const POOL_SLOTS = 160;

/** A link, as far as a host knows one. */
export interface Joint {
  /** Plugs in a host that came back. */
  reattach(host: SimHost): Interface;
}

/** Where a host is attached to a link. */
export interface Attachment {
  readonly link: Joint;
  /** `eth0`, `eth1` … in the order of links. */
  readonly name: string;
  iface: Interface;
}

export class SimHost {
  readonly name: string;
  /** In the order in which hosts were made. */
  readonly index: number;
  readonly world: WorldPort;
  stack: Stack;
  isUp = true;
  /** When its stack wants to be called. */
  wakeAt: Instant;
  readonly attachments: Attachment[] = [];
  readonly #options: HostOptions;
  /** What was configured, to be repeated after a crash. */
  readonly #setup: (() => void)[] = [];
  #boots = 0;

  constructor(world: WorldPort, name: string, index: number, options: HostOptions) {
    this.world = world;
    this.name = name;
    this.index = index;
    this.#options = options;
    this.wakeAt = world.now;
    this.stack = this.#boot();
  }

  /** The interface on `link`, or the only one. */
  iface(link?: Joint): Interface {
    const found =
      link === undefined ? this.attachments[0] : this.attachments.find((one) => one.link === link);
    assert(found !== undefined, `${this.name} is attached to that link`);
    return found.iface;
  }

  /** Does something to the stack now, and again whenever the host comes back from a crash. */
  configure(step: (host: SimHost) => void): this {
    const bound = (): void => step(this);
    this.#setup.push(bound);
    if (this.isUp) bound();
    return this;
  }

  /** An address as `10.0.0.1/24`, on the interface of `link` or on the only one. */
  address(text: string, link?: Joint, options: AddressOptions = {}): this {
    const prefix = prefixOf(text);
    return this.configure(({ stack, world }) => {
      const refusal = stack.addAddress(world.now, this.iface(link), prefix, options);
      assert(refusal === null, `${this.name} takes the address ${text}, but said ${refusal}`);
    });
  }

  /** A route in the main table; `to` as `10.0.0.0/8`, or `default`. */
  route(to: string, spec: Omit<RouteSpec, 'prefix'>): this {
    const prefix = prefixOf(to === 'default' ? '0.0.0.0/0' : to);
    return this.configure(({ stack }) => {
      const refusal = stack.ip.fib.add({ ...spec, prefix });
      assert(refusal === null, `${this.name} takes the route to ${to}, but said ${refusal}`);
    });
  }

  /** A UDP socket, bound to `port` of any address. */
  udp(port = 0): UdpSocket {
    const socket = this.stack.sockets.openUdp();
    assert(typeof socket !== 'string', `${this.name} has room for a socket`);
    if (port !== 0) assert(socket.bind(socket.local, port) === null, `${this.name} has port ${port} free`);
    return socket;
  }

  /** The world's: makes an interface of a device that `link` has made. */
  attach(link: Joint, device: NetDevice): Interface {
    const iface = this.stack.addDevice(this.world.now, device);
    assert(typeof iface !== 'string', `${this.name} has no other interface ${device.name}`);
    const known = this.attachments.find((one) => one.link === link);
    if (known === undefined) this.attachments.push({ link, name: device.name, iface });
    else known.iface = iface;
    this.wake();
    return iface;
  }

  /** A turn is wanted now. */
  wake(): void {
    this.wakeAt = this.isUp ? this.world.now : NEVER;
  }

  turn(now: Instant): void {
    this.wakeAt = NEVER;
    const next = this.stack.turn(now);
    if (next < this.wakeAt) this.wakeAt = next > now ? next : now;
  }

  /** Power off: whatever it had under way, in queues and in sockets is gone. */
  crash(): void {
    if (!this.isUp) return;
    this.isUp = false;
    this.world.noteStopping(this.name, this.stack);
    this.stack.close(this.world.now);
    this.world.noteStopped(this.name, this.stack);
    this.wakeAt = NEVER;
  }

  /** Power on: a new stack with the interfaces, addresses and routes of the old one. */
  restart(): void {
    if (this.isUp) return;
    this.isUp = true;
    this.stack = this.#boot();
    for (const { link } of this.attachments) link.reattach(this);
    for (const step of this.#setup) step();
    this.wake();
  }

  #boot(): Stack {
    const { world } = this;
    const rng = world.rng.fork(`${this.name} ${this.#boots++}`);
    const pool = world.takePool(this.name, this.#options.poolSlots ?? POOL_SLOTS);
    const stack = new Stack({ ...this.#options, pool, rng, now: world.now });
    stack.onWake = (): void => this.wake();
    return stack;
  }
}

function prefixOf(text: string): Prefix {
  const prefix = parsePrefix(text);
  assert(prefix !== null, `${text} is a prefix`);
  return prefix;
}
