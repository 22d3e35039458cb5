/**
 * What the commands of the control plane do to the running stack.
 */
import { userInfo } from 'node:os';
import process from 'node:process';
import type { Ip } from '../addr/ip.ts';
import { ANY4, formatIp } from '../addr/ip.ts';
import { formatMac } from '../addr/mac.ts';
import type { Prefix } from '../addr/prefix.ts';
import { formatPrefix, Prefix as IpPrefix } from '../addr/prefix.ts';
import type { Errno } from '../base/errno.ts';
import type { Instant } from '../base/time.ts';
import { toSec, us } from '../base/time.ts';
import type {
  CaptureRequest,
  ControlHost,
  Dev,
  LinkChange,
  NeighborChange,
  NeighborFilter,
  PingRequest,
  ResultStream,
  RouteChange,
  RouteFilter,
  RouteQuestion,
  RouteVerb,
  RuleChange,
  SocketRequest,
  TraceRequest,
} from '../control/host.ts';
import { Refusal } from '../control/host.ts';
import type {
  CaptureEnd,
  CaptureItem,
  CountersReport,
  LinkReport,
  NeighborReport,
  PingEnd,
  PingItem,
  RouteReport,
  RuleReport,
  ServiceReport,
  SocketReport,
  StatusReport,
  TraceEnd,
  TraceItem,
} from '../control/report.ts';
import { HTTP_PORT } from '../http/server.ts';
import { errnoName } from '../link/errno-text.ts';
import type { FrameSink } from '../observe/frame-sink.ts';
import { metricsOf } from './host/counters.ts';
import * as linksOf from './host/links.ts';
import * as neighborsOf from './host/neighbors.ts';
import { findInterface, refuse } from './host/refuse.ts';
import * as routesOf from './host/routes.ts';
import * as socketsOf from './host/sockets.ts';
import type { Instance } from './instance.ts';
import { SINKS_MAX } from './stream/frame-tee.ts';
import { PcapngCapture, TextCapture } from './stream/live-capture.ts';
import { Pinger } from './stream/pinger.ts';
import { EchoProbes, UdpProbes } from './stream/probe-socket.ts';
import { runOn } from './stream/timed-stream.ts';
import { Tracer } from './stream/tracer.ts';

export class StackHost implements ControlHost {
  readonly #instance: Instance;
  readonly #version: string;
  readonly #startedAt: Instant;
  readonly #onDown: () => void;

  constructor(instance: Instance, version: string, onDown: () => void) {
    this.#instance = instance;
    this.#version = version;
    this.#startedAt = instance.clock();
    this.#onDown = onDown;
  }

  status(now: Instant): StatusReport {
    const { config, stack, nic, loop } = this.#instance;
    const gateway = stack.ip.fib.find({ prefix: new IpPrefix(ANY4, 0) })?.nextHops[0]?.via ?? null;
    const { used: _, memoryBytes: __, slots: ___, ...sockets } = stack.sockets.status();
    return {
      name: config.name,
      version: this.#version,
      pid: process.pid,
      user: currentUser(),
      uptimeSec: toSec(us(now - this.#startedAt)),
      device: {
        name: nic.name,
        mode: this.#instance.link.mode,
        isUp: nic.isUp,
        mtu: nic.mtu,
        mac: nic.mac === null ? null : formatMac(nic.mac),
        offload: Object.entries(nic.features)
          .filter(([, isOn]) => isOn === true)
          .map(([name]) => name),
        error: nic.linkErrno === 0 ? null : errnoName(nic.linkErrno),
      },
      netns: config.netns,
      addresses: stack.ip.addresses.of(this.#instance.iface.index).map(({ prefix }) => formatPrefix(prefix)),
      gateway: gateway === null ? null : formatIp(gateway),
      services: servicesOf(this.#instance),
      sockets: { ...sockets },
      pool: { slots: stack.pool.capacity, free: stack.pool.available, lowWater: stack.pool.lowWater },
      drops: stack.drops.status(),
      captures: this.#instance.captures(),
      loop: { ...loop.counters },
    };
  }

  down(): void {
    this.#onDown();
  }

  links(dev: Dev): readonly LinkReport[] | Refusal {
    return linksOf.links(this.#stack, dev);
  }

  changeLink(_now: Instant, dev: string, change: LinkChange): Refusal | null {
    return linksOf.changeLink(this.#stack, dev, change);
  }

  addAddress(now: Instant, dev: Dev, address: Prefix): Refusal | null {
    return linksOf.addAddress(this.#stack, now, dev, address);
  }

  deleteAddress(_now: Instant, dev: Dev, address: Prefix): Refusal | null {
    return linksOf.deleteAddress(this.#stack, dev, address);
  }

  routes(filter: RouteFilter): readonly RouteReport[] | Refusal {
    return routesOf.routes(this.#stack, filter);
  }

  changeRoute(verb: RouteVerb, change: RouteChange): Refusal | null {
    return routesOf.changeRoute(this.#stack, verb, change);
  }

  routeTo(question: RouteQuestion): RouteReport | Refusal {
    return routesOf.routeTo(this.#stack, question);
  }

  flushRoutes(filter: RouteFilter): number | Refusal {
    return routesOf.flushRoutes(this.#stack, filter);
  }

  rules(): readonly RuleReport[] {
    return routesOf.rules(this.#stack);
  }

  addRule(change: RuleChange): Refusal | null {
    return routesOf.addRule(this.#stack, change);
  }

  deleteRule(change: RuleChange): Refusal | null {
    return routesOf.deleteRule(this.#stack, change);
  }

  neighbors(now: Instant, filter: NeighborFilter): readonly NeighborReport[] | Refusal {
    return neighborsOf.neighbors(this.#stack, now, filter);
  }

  setNeighbor(now: Instant, verb: 'add' | 'replace', change: NeighborChange): Refusal | null {
    return neighborsOf.setNeighbor(this.#stack, now, verb, change);
  }

  deleteNeighbor(address: Ip, dev: Dev): Refusal | null {
    return neighborsOf.deleteNeighbor(this.#stack, address, dev);
  }

  flushNeighbors(dev: Dev): number | Refusal {
    return neighborsOf.flushNeighbors(this.#stack, dev);
  }

  sockets(now: Instant, request: SocketRequest): readonly SocketReport[] | Refusal {
    return socketsOf.sockets(this.#stack, now, request);
  }

  counters(): CountersReport {
    return metricsOf(this.#instance).toJson();
  }

  metrics(): string {
    return metricsOf(this.#instance).toPrometheus();
  }

  ping(now: Instant, request: PingRequest): ResultStream<PingItem, PingEnd> | Refusal {
    const socket = this.#stack.sockets.openPing();
    if (typeof socket === 'string') return refuse(socket, 'ping');
    const { source, destination } = request;
    const errno = (source === undefined ? null : socket.bind(source, 0)) ?? socket.connect(destination);
    if (errno === null) return runOn(this.#stack, socket, new Pinger(now, socket, request));
    socket.close();
    return refuseProbe(errno, request);
  }

  traceroute(_now: Instant, request: TraceRequest): ResultStream<TraceItem, TraceEnd> | Refusal {
    const isIcmp = request.method === 'icmp';
    const { sockets } = this.#stack;
    const socket = isIcmp ? sockets.openPing() : sockets.openUdp();
    if (typeof socket === 'string') return refuse(socket, 'traceroute');
    const { source, destination } = request;
    const errno = (source === undefined ? null : socket.bind(source, 0)) ?? this.#routeError(destination);
    if (errno !== null) {
      socket.close();
      return refuseProbe(errno, request);
    }
    const probes = 'sendEcho' in socket ? new EchoProbes(socket, request) : new UdpProbes(socket, request);
    return runOn(this.#stack, socket, new Tracer(probes, request));
  }

  capture(_now: Instant, request: CaptureRequest): ResultStream<CaptureItem, CaptureEnd> | Refusal {
    const { iface, nic, tee } = this.#instance;
    const asked = findInterface(this.#stack, request.dev);
    if (asked instanceof Refusal) return asked;
    if (asked !== iface)
      return new Refusal('EOPNOTSUPP', `${asked.name}: only ${iface.name} can be captured`);
    const onClose = (sink: FrameSink): void => tee.remove(sink);
    const capture =
      request.format === 'text'
        ? new TextCapture(nic, request, onClose)
        : new PcapngCapture(nic, request, onClose);
    if (tee.add(capture)) return capture;
    return new Refusal('EBUSY', `${iface.name}: ${SINKS_MAX} captures are running already; end one of them`);
  }

  /** What `connect` of a socket would say: for one that must stay unconnected to hear of all errors. */
  #routeError(destination: Ip): Errno | null {
    const socket = this.#stack.sockets.openPing();
    if (typeof socket === 'string') return socket;
    const errno = socket.connect(destination);
    socket.close();
    return errno;
  }

  get #stack(): Instance['stack'] {
    return this.#instance.stack;
  }
}

function servicesOf({ inetd, http }: Instance): ServiceReport[] {
  const datagrams = (inetd?.status() ?? []).map(({ name, port, counters }) => ({
    name,
    protocol: 'udp' as const,
    port,
    received: counters.received,
    answered: counters.answered,
  }));
  const streams = (inetd?.streamStatus() ?? []).map(({ name, port, counters }) => ({
    name,
    protocol: 'tcp' as const,
    port,
    received: counters.connections,
    answered: counters.bytesOut,
  }));
  if (http === null) return [...datagrams, ...streams];
  const { connections: received, bytesOut: answered } = http.counters;
  return [...datagrams, ...streams, { name: 'http', protocol: 'tcp', port: HTTP_PORT, received, answered }];
}

function refuseProbe(
  errno: string,
  { source, destination }: { source: Ip | undefined; destination: Ip },
): Refusal {
  const isSource = errno === 'EADDRNOTAVAIL' && source !== undefined;
  return refuse(errno, formatIp(isSource ? source : destination), {
    EACCES: 'it is a broadcast address, or a route prohibits it',
  });
}

function currentUser(): string {
  try {
    return userInfo().username;
  } catch {
    // A number without a name in /etc/passwd.
    return String(process.getuid?.() ?? 'unknown');
  }
}
