/**
 * Redirects as routes of the main table (RFC 1122 §3.3.1.2), which is where `ip route` looks for them.
 */
import type { Ip } from '../addr/ip.ts';
import type { Prefix } from '../addr/prefix.ts';
import type { RedirectTable } from '../ip/redirects.ts';
import type { Fib } from '../route/fib.ts';

export class RedirectRoutes implements RedirectTable {
  readonly #fib: Fib;

  constructor(fib: Fib) {
    this.#fib = fib;
  }

  addRedirect(destination: Prefix, gateway: Ip, oif: number): void {
    // Beside a route that somebody else made for this host, and in front of it for as long as it lasts.
    this.#fib.prepend({ prefix: destination, via: gateway, oif, protocol: 'redirect' });
  }

  removeRedirect(destination: Prefix): void {
    this.#fib.del({ prefix: destination, protocol: 'redirect' });
  }
}
