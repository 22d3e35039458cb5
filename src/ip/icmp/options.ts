/**
 * What can be set about ICMP, with Linux's defaults where Linux has the option.
 */
import type { Instant } from '../../base/time.ts';

export interface IcmpOptions {
  /** TTL of what ICMP sends. */
  ttl: number;
  /** Answer echo and timestamp requests sent to a broadcast or multicast address (RFC 1122 §3.2.2.6: may). */
  answerBroadcast: boolean;
  /** Believe redirects, when not forwarding. */
  acceptRedirects: boolean;
  /** Errors per second in all, and how many at once (Linux: `icmp_msgs_per_sec`, `icmp_msgs_burst`). */
  errorsPerSecond: number;
  errorsBurst: number;
  /** Errors per second to one destination, and how many at once (Linux: `icmp_ratelimit`, and its six). */
  errorsPerSecondToOne: number;
  errorsBurstToOne: number;
  /**
   * Milliseconds since midnight UT, for timestamps; without it they are ours alone and say so with their high bit
   * (RFC 792).
   */
  wallClock: ((now: Instant) => number) | null;
}

export const defaultIcmpOptions = (): IcmpOptions => ({
  ttl: 64,
  answerBroadcast: false,
  acceptRedirects: true,
  errorsPerSecond: 1_000,
  errorsBurst: 50,
  errorsPerSecondToOne: 1,
  errorsBurstToOne: 6,
  wallClock: null,
});

const MS_PER_DAY = 86_400_000;

/** A timestamp as RFC 792 puts it into messages and options. */
export function timestamp(now: Instant, options: IcmpOptions): number {
  if (options.wallClock !== null) return (options.wallClock(now) % MS_PER_DAY) | 0;
  return ((now / 1_000) % 0x8000_0000) | 0x8000_0000;
}
