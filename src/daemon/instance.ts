/**
 * A running stack on a real device: what `tapstack up` starts, put together.
 *
 *     link → nic → monitor → stack ← services, control
 */
import { ANY4 } from '../addr/ip.ts';
import { Prefix } from '../addr/prefix.ts';
import type { CaptureReport } from '../control/report.ts';
import type { UpConfig } from '../control/up-config.ts';
import { Monitor } from '../device/monitor.ts';
import { Nic } from '../device/nic.ts';
import type { Resource } from '../http/server.ts';
import { HTTP_PORT, HttpServer } from '../http/server.ts';
import { Inetd } from '../inetd/inetd.ts';
import type { Interface } from '../ip/interface.ts';
import { errnoName } from '../link/errno-text.ts';
import { LinkFailure } from '../link/failure.ts';
import type { TunTap } from '../link/tun-tap.ts';
import { Stack } from '../stack/stack.ts';
import { CaptureFile } from './capture-file.ts';
import type { Clock } from './clock.ts';
import { monotonicClock, systemRng, wallClockMs } from './clock.ts';
import { openLink } from './link.ts';
import { Loop } from './loop.ts';
import { FrameTee } from './stream/frame-tee.ts';

/** Connections that wait to be accepted. */
const HTTP_BACKLOG = 1_024;

export class Instance {
  readonly config: UpConfig;
  readonly clock: Clock;
  readonly stack: Stack;
  readonly loop: Loop;
  readonly link: TunTap;
  readonly nic: Nic;
  /** Where captures are added. */
  readonly tee: FrameTee;
  readonly iface: Interface;
  readonly inetd: Inetd | null;
  /** The status page, once it is served. */
  http: HttpServer | null = null;
  readonly version: string;
  /** Told, once, when the device is lost. */
  onLinkLost: ((reason: string) => void) | null = null;
  onCaptureLost: ((reason: string) => void) | null = null;
  #capture: CaptureFile | null = null;
  #isOpen = true;

  private constructor(config: UpConfig, clock: Clock, stack: Stack, link: TunTap, version: string) {
    this.config = config;
    this.version = version;
    this.clock = clock;
    this.stack = stack;
    this.link = link;
    this.loop = new Loop(stack, clock);
    this.nic = new Nic(link, stack.pool, stack.drops);
    const monitor = new Monitor(this.nic, stack.drops);
    this.tee = new FrameTee(monitor);
    const iface = stack.addDevice(clock(), monitor);
    if (typeof iface === 'string') throw new Error(`a new stack takes its first device: ${iface}`);
    this.iface = iface;
    this.inetd = config.services ? new Inetd(stack.sockets, wallClockMs) : null;
  }

  /** Opens the device and configures both sides; the first turn is taken by `start`. */
  static open(config: UpConfig, version = ''): Instance | LinkFailure {
    const clock = monotonicClock;
    const { congestion, ipForward } = config;
    const tcp = congestion === null ? {} : { congestionControl: congestion };
    const ip = { ipForward };
    const stack = new Stack({ rng: systemRng(), now: clock(), wallClock: wallClockMs, ip, tcp });
    const link = openLink(config, stack.drops);
    if (link instanceof LinkFailure) return link;
    const instance = new Instance(config, clock, stack, link, version);
    const refused = instance.#configure();
    if (refused === null) return instance;
    instance.close();
    return refused;
  }

  start(): LinkFailure | null {
    const refused = this.loop.watch(this.link.fd, (errno) => this.#loseLink(errno));
    if (refused !== null) return refused;
    this.loop.start();
    return null;
  }

  /** Serves the status page. Not part of `open`, since the page is about the instance. */
  serve(resources: readonly Resource[]): LinkFailure | null {
    const socket = this.stack.sockets.openTcp();
    let errno = typeof socket === 'string' ? socket : null;
    if (typeof socket !== 'string') {
      socket.reuseAddress = true;
      errno = socket.bind(ANY4, HTTP_PORT) ?? socket.listen(HTTP_BACKLOG);
      if (errno === null) {
        this.http = new HttpServer((now) => new Date(wallClockMs(now)).toUTCString(), resources);
        this.http.serve(socket);
        this.loop.add(this.http);
        return null;
      }
      socket.close();
    }
    return new LinkFailure(errno as string, 'the status page cannot have its port.');
  }

  captures(): CaptureReport[] {
    return this.#capture === null ? [] : [this.#capture.report()];
  }

  /** Gives everything back: sockets, packets, the device. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.loop.stop();
    this.inetd?.close();
    this.http?.close();
    const now = this.clock();
    // Peers shall hear of it: a turn sends the resets.
    this.stack.sockets.closeAll();
    this.stack.turn(now);
    this.stack.close(now);
    this.#capture?.close(now);
  }

  /** The capture comes first, so that it has the announcement of the addresses. */
  #configure(): LinkFailure | null {
    return this.#openCapture() ?? this.#addAddresses() ?? this.#startServices();
  }

  #openCapture(): LinkFailure | null {
    const { capture: path } = this.config;
    if (path === null) return null;
    try {
      this.#capture = new CaptureFile(path, this.nic);
    } catch (error) {
      const { code = 'EIO', message } = error as NodeJS.ErrnoException;
      return new LinkFailure(code, `${path}: the capture cannot be written there: ${message}.`);
    }
    this.#capture.onFailure = ({ message }): void => this.onCaptureLost?.(`${path}: ${message}`);
    this.tee.add(this.#capture.writer);
    this.loop.add(this.#capture);
    return null;
  }

  #addAddresses(): LinkFailure | null {
    const { addresses, gateway, probe } = this.config;
    const now = this.clock();
    for (const address of addresses) {
      const errno = this.stack.addAddress(now, this.iface, address, { probe });
      if (errno !== null) return new LinkFailure(errno, `${address}: the stack cannot have this address.`);
    }
    if (gateway !== null) {
      const errno = this.stack.ip.fib.add({
        prefix: new Prefix(ANY4, 0),
        via: gateway,
        oif: this.iface.index,
        // A route may be configured before conflict detection lets the address in.
        onlink: probe || !addresses.some((address) => address.contains(gateway)),
      });
      if (errno !== null) return new LinkFailure(errno, `${gateway}: this cannot be the gateway.`);
    }
    return null;
  }

  #startServices(): LinkFailure | null {
    const errno = this.inetd?.start() ?? null;
    return errno === null ? null : new LinkFailure(errno, 'the services cannot have their ports.');
  }

  #loseLink(errno: number): void {
    this.loop.stop();
    this.onLinkLost?.(`${this.link.name}: the device was deleted (${errnoName(errno)}).`);
  }
}
