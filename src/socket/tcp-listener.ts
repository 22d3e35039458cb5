/**
 * The listening side of a TCP socket: what it has in the machine, how many wait, and what its connections inherit.
 */
import type { Ip } from '../addr/ip.ts';
import type { Errno } from '../base/errno.ts';
import type { CongestionName } from '../tcp/congestion/control.ts';
import { CONGESTION_NAMES } from '../tcp/congestion/select.ts';
import type { TcpUser } from '../tcp/host.ts';
import type { Listener } from '../tcp/open/listener.ts';
import type { PortUser } from './ports.ts';
import type { TcpOptions } from './tcp/options.ts';
import type { TcpSpace } from './tcp/tcp-space.ts';

export class TcpListener {
  readonly #space: TcpSpace;
  readonly #listener: Listener;

  /** `port` 0 takes what no other listener takes, for transparent proxies. */
  constructor(
    space: TcpSpace,
    user: TcpUser & PortUser,
    local: Ip,
    port: number,
    backlog: number,
    options: TcpOptions,
  ) {
    this.#space = space;
    const { device, ipv6Only, reusePort } = user;
    const { a, b, c, d } = local;
    this.#listener = space.tcp.connections.listen(
      { a, b, c, d, port, device, ipv6Only, reusePort, backlog },
      user,
    );
    options.applyToListener(this.#listener);
  }

  /** Connections that wait to be accepted. */
  get waiting(): number {
    return this.#listener.accepted.length;
  }

  /** Connections that are half open. */
  get halfOpen(): number {
    return this.#listener.synCount;
  }

  get backlog(): number {
    return this.#listener.backlog;
  }

  /** listen(2) again: only the length of the queue changes. */
  setBacklog(backlog: number): void {
    this.#listener.backlog = Math.min(backlog, this.#space.tcp.config.somaxconn);
  }

  applyOptions(options: TcpOptions): void {
    options.applyToListener(this.#listener);
  }

  setCongestion(name: CongestionName): void {
    this.#listener.congestion = 1 + CONGESTION_NAMES.indexOf(name);
  }

  /** The next connection that waits is `user`'s from now on; EAGAIN when there is none. */
  accept(user: TcpUser): number | Errno {
    return this.#space.tcp.connections.accept(this.#listener, user);
  }

  /** Connections that nobody accepted are reset. */
  close(): void {
    this.#space.tcp.connections.closeListener(this.#listener);
  }
}
