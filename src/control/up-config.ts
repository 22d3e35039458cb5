/**
 * What a daemon is started with: `tapstack up` fills it from its flags, a test writes it down.
 */
import type { Ip } from '../addr/ip.ts';
import type { Mac } from '../addr/mac.ts';
import type { Prefix } from '../addr/prefix.ts';

/** As in `src/tcp/congestion`. */
export type CongestionName = 'reno' | 'cubic' | 'bbr';

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent';

export interface UpConfig {
  /** Of the instance: picks its control socket. */
  readonly name: string;
  readonly mode: 'tun' | 'tap';
  /** Of the device; not used with `fd`. */
  readonly device: string;
  /** An open descriptor instead of a device to be made. */
  readonly fd: number | null;
  readonly netns: string | null;
  /** The stack's. */
  readonly addresses: readonly Prefix[];
  /** The kernel's side; null leaves it alone. */
  readonly hostAddress: Prefix | null;
  /** Of the default route; null for none. */
  readonly gateway: Ip | null;
  /** Null: made from the names of the host and the instance. */
  readonly mac: Mac | null;
  readonly mtu: number;
  readonly queueLength: number;
  readonly offload: boolean;
  /** Ask the link before using an address (RFC 5227). */
  readonly probe: boolean;
  /** Forward packets for others. */
  readonly ipForward: boolean;
  readonly services: boolean;
  /** Of TCP connections that do not choose one themselves; null: the stack's own choice. */
  readonly congestion: CongestionName | null;
  readonly capture: string | null;
  readonly detach: boolean;
  readonly logLevel: LogLevel;
  /** Whom to become once the device is open; null stays who it is. */
  readonly user: string | null;
}
