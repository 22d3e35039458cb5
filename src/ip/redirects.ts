/**
 * Better first hops that gateways told us of: RFC 1122 §3.3.1.2. A host believes them for a while; a router never.
 *
 * Each is a host route in the main table, so that `ip route` shows it and a look-up costs nothing more.
 */
import { Ip } from '../addr/ip.ts';
import { Prefix } from '../addr/prefix.ts';
import type { Duration, Instant } from '../base/time.ts';
import { after, NEVER, sec } from '../base/time.ts';

/** Redirected destinations remembered; the oldest is forgotten for a new one. */
export const REDIRECTS_MAX = 1_024;
/** Linux's `gc_timeout` for learned routes. */
const LIFETIME: Duration = sec(300);

/** Where the learned routes go. */
export interface RedirectTable {
  addRedirect(destination: Prefix, gateway: Ip, oif: number): void;
  removeRedirect(destination: Prefix): void;
}

interface Redirect {
  readonly destination: Prefix;
  readonly expiresAt: Instant;
}

export class Redirects {
  readonly #table: RedirectTable;
  /** By destination word; insertion order is order of expiry. */
  readonly #known = new Map<number, Redirect>();

  constructor(table: RedirectTable) {
    this.#table = table;
  }

  handleRedirect(now: Instant, destination: number, gateway: number, oif: number): void {
    const prefix = new Prefix(Ip.v4(destination), 32);
    this.#forget(destination);
    if (this.#known.size >= REDIRECTS_MAX) this.#forgetOldest();
    this.#known.set(destination, { destination: prefix, expiresAt: after(now, LIFETIME) });
    this.#table.addRedirect(prefix, Ip.v4(gateway), oif);
  }

  nextTimeout(): Instant {
    for (const redirect of this.#known.values()) return redirect.expiresAt;
    return NEVER;
  }

  handleTimeout(now: Instant): void {
    for (const [destination, redirect] of this.#known) {
      if (redirect.expiresAt > now) return;
      this.#forget(destination);
    }
  }

  #forgetOldest(): void {
    for (const destination of this.#known.keys()) {
      this.#forget(destination);
      return;
    }
  }

  #forget(destination: number): void {
    const redirect = this.#known.get(destination);
    if (redirect === undefined) return;
    this.#known.delete(destination);
    this.#table.removeRedirect(redirect.destination);
  }
}
