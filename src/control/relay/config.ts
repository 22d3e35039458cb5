/**
 * What a relay is started with: `tapstack relay` fills it from its flags, a test writes it down.
 *
 * The impairments are `device/netem/profile.ts` as far as the command line speaks of them.
 */
import type { Duration } from '../../base/time.ts';

/** One of the two devices that a relay joins. */
export interface RelayEnd {
  /** A TUN or TAP device that the relay makes, or an interface that is there (a packet socket on it). */
  readonly kind: 'tap' | 'tun' | 'if';
  readonly device: string;
  /** Where it is; null: where the relay is started. */
  readonly netns: string | null;
}

export interface Chance {
  /** From 0 to 1. */
  readonly probability: number;
  readonly correlation?: number;
}

export interface GilbertElliottLoss {
  readonly model: 'gilbert-elliott';
  readonly p: number;
  readonly r?: number;
  readonly lossBad?: number;
  readonly lossGood?: number;
}

export interface Impairment {
  readonly delay?: Duration;
  readonly jitter?: Duration;
  readonly distribution?: 'uniform' | 'normal';
  readonly loss?: (Chance & { readonly model: 'random' }) | GilbertElliottLoss;
  readonly duplicate?: Chance;
  readonly reorder?: Chance & { readonly gap?: number };
  readonly corrupt?: Chance;
  readonly rate?: { readonly bitsPerSecond: number; readonly queueMaxPackets?: number };
  readonly limitPackets: number;
}

export interface RelayConfig {
  readonly ends: readonly [RelayEnd, RelayEnd];
  /** What happens to frames from the first to the second, and back. */
  readonly there: Impairment;
  readonly back: Impairment;
  /** Of devices that it makes. */
  readonly mtu: number;
  /** Null: another one each time. */
  readonly seed: number | null;
  /** Whom to become once the devices are open; null stays who it is. */
  readonly user: string | null;
}
