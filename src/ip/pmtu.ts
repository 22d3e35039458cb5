/**
 * What paths were found to carry: RFC 1191 §6.3, for destinations that are smaller than their first link.
 *
 * Bounded, and forgotten after ten minutes, so that a path that grew is found out. The transport has validated
 * the report (RFC 5927 §7) before it comes here.
 */
import type { Duration, Instant } from '../base/time.ts';
import { after, NEVER, sec } from '../base/time.ts';

/** RFC 1191 §6.3: «an appropriate timeout is 10 minutes». */
const MTU_EXPIRES: Duration = sec(600);
/** Below this a report is more likely forged than true; smaller paths get fragments instead (Linux's `min_pmtu`). */
export const MIN_PMTU = 552;
/** Destinations remembered; the oldest is forgotten for a new one. */
export const PMTU_MAX = 4_096;

// RFC 1191 §7.1: what to try when an old router reports no size.
const PLATEAUS = [32_000, 17_914, 8_166, 4_352, 2_002, 1_492, 1_006, 508, 296, 68];

interface PathMtu {
  mtu: number;
  /** Less was reported than is believed. */
  isNarrower: boolean;
  expiresAt: Instant;
}

export class PathMtuCache {
  /** Insertion order is order of expiry: an entry that is renewed is put at the end. */
  readonly #paths = new Map<number, PathMtu>();

  get size(): number {
    return this.#paths.size;
  }

  /** What the path to the IPv4 address `dst` carries, or 0 when nothing is known. */
  mtu4(dst: number): number {
    if (this.#paths.size === 0) return 0;
    return this.#paths.get(dst)?.mtu ?? 0;
  }

  /** Whether the path may carry even less than `mtu4` says: what is sent there must be left to be fragmented. */
  isNarrower4(dst: number): boolean {
    if (this.#paths.size === 0) return false;
    return this.#paths.get(dst)?.isNarrower === true;
  }

  /**
   * A router dropped a datagram of `length` bytes to `dst`: `mtu` is what it says it could have carried, 0 when it does
   * not say. Answers the size to use from now on.
   */
  handleTooBig(now: Instant, dst: number, mtu: number, length: number): number {
    const said = mtu > 0 ? mtu : (PLATEAUS.find((plateau) => plateau < length) ?? MIN_PMTU);
    const path = this.#paths.get(dst);
    const known = path?.mtu ?? 0xffff;
    const isNarrower = said < MIN_PMTU || path?.isNarrower === true;
    // RFC 1191 §6.3: a report never raises the estimate.
    const next = Math.min(known, Math.max(said, MIN_PMTU));
    this.#paths.delete(dst);
    if (this.#paths.size >= PMTU_MAX) this.#forgetOldest();
    this.#paths.set(dst, { mtu: next, isNarrower, expiresAt: after(now, MTU_EXPIRES) });
    return next;
  }

  nextTimeout(): Instant {
    for (const path of this.#paths.values()) return path.expiresAt;
    return NEVER;
  }

  handleTimeout(now: Instant): void {
    for (const [dst, path] of this.#paths) {
      if (path.expiresAt > now) return;
      this.#paths.delete(dst);
    }
  }

  #forgetOldest(): void {
    for (const dst of this.#paths.keys()) {
      this.#paths.delete(dst);
      return;
    }
  }
}
