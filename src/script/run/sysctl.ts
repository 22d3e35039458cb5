/**
 * Linux's settings below `net.ipv4` and `net.core`, as far as the stack has them under another name, and those of
 * which it does what one value says.
 */
import type { IpOptions } from '../../ip/shared.ts';
import type { TcpConfig } from '../../tcp/config.ts';
import { isCongestionName } from '../../tcp/congestion/select.ts';
import type { RecoveryShared } from '../../tcp/recovery/recovery-shared.ts';

/** What settings are written to. */
export interface SysctlTarget {
  readonly ip: IpOptions;
  readonly tcp: TcpConfig;
  readonly recovery: RecoveryShared;
}

/** Writes words of a value; answers false for values that it cannot take. */
type Setter = (target: SysctlTarget, words: readonly number[]) => boolean;

type NumberField = { [K in keyof TcpConfig]: TcpConfig[K] extends number ? K : never }[keyof TcpConfig];
type BooleanField = { [K in keyof TcpConfig]: TcpConfig[K] extends boolean ? K : never }[keyof TcpConfig];

const MS_PER_SECOND = 1_000;

/** A number of the configuration, `scale` times the setting. */
function number(field: NumberField, scale = 1): Setter {
  return ({ tcp }, words) => {
    const [value] = words;
    if (words.length !== 1 || value === undefined || value < 0) return false;
    // Each of these fields holds any number of its range; narrow ones are checked below.
    (tcp as Record<NumberField, number>)[field] = Math.round(value * scale);
    return true;
  };
}

function boolean(field: BooleanField): Setter {
  return ({ tcp }, [value]) => {
    tcp[field] = value !== 0;
    return value !== undefined;
  };
}

function choice(field: NumberField, ...values: readonly number[]): Setter {
  const set = number(field);
  return (target, words) => values.includes(words[0] ?? -1) && set(target, words);
}

/** What the stack does anyway, and cannot do otherwise. */
function always(...values: readonly number[]): Setter {
  return (_target, words) => words.every((word) => values.includes(word));
}

/** Whatever the value, nothing that a packet or a program could show changes. */
const without: Setter = () => true;

const IPV4: Readonly<Record<string, Setter>> = {
  ip_default_ttl: ({ ip }, [value]) => {
    if (value === undefined || value < 1 || value > 255) return false;
    ip.ipDefaultTtl = value;
    return true;
  },
  ip_forward: ({ ip }, [value]) => {
    ip.ipForward = value !== 0;
    return true;
  },
  tcp_abort_on_overflow: boolean('abortOnOverflow'),
  tcp_challenge_ack_limit: number('challengeAckLimit'),
  tcp_dsack: boolean('dsack'),
  tcp_ecn: choice('ecn', 0, 1, 2),
  tcp_fin_timeout: number('finTimeoutMs', MS_PER_SECOND),
  tcp_invalid_ratelimit: number('invalidRatelimitMs'),
  tcp_keepalive_intvl: number('keepaliveIntvlMs', MS_PER_SECOND),
  tcp_keepalive_probes: number('keepaliveProbes'),
  tcp_keepalive_time: number('keepaliveTimeMs', MS_PER_SECOND),
  tcp_max_syn_backlog: number('maxSynBacklog'),
  tcp_max_tw_buckets: number('maxTwBuckets'),
  tcp_min_snd_mss: number('minSndMss'),
  tcp_moderate_rcvbuf: boolean('moderateRcvbuf'),
  tcp_mtu_probing: boolean('mtuProbing'),
  tcp_orphan_retries: number('orphanRetries'),
  tcp_retries2: number('retries2'),
  tcp_rfc1337: boolean('rfc1337'),
  tcp_rto_max_ms: number('rtoMaxMs'),
  tcp_rto_min_us: number('rtoMinMs', 1 / MS_PER_SECOND),
  tcp_sack: boolean('sack'),
  tcp_syn_retries: number('synRetries'),
  tcp_synack_retries: number('synackRetries'),
  tcp_syncookies: choice('syncookies', 0, 1, 2),
  tcp_timestamps: ({ tcp }, [value]) => {
    tcp.timestamps = value !== 0;
    return value !== undefined;
  },
  tcp_window_scaling: boolean('windowScaling'),
  // Minimum, default, maximum.
  tcp_rmem: ({ tcp }, [, initial, max]) => {
    if (initial === undefined || max === undefined) return false;
    tcp.rmemDefault = initial;
    tcp.rmemMax = max;
    return true;
  },
  tcp_wmem: ({ tcp }, [, initial, max]) => {
    if (initial === undefined || max === undefined) return false;
    tcp.wmemDefault = initial;
    tcp.wmemMax = max;
    return true;
  },

  tcp_early_retrans: always(3, 4),
  tcp_fack: always(0),
  tcp_frto: always(1, 2),
  tcp_recovery: always(1),
  tcp_reordering: always(3),
  tcp_slow_start_after_idle: without,
  tcp_autocorking: without,
  tcp_fwmark_accept: without,
  tcp_limit_output_bytes: without,
  tcp_max_orphans: without,
  tcp_max_reordering: without,
  tcp_mem: without,
  tcp_min_tso_segs: without,
  tcp_no_metrics_save: without,
  tcp_no_ssthresh_metrics_save: without,
  tcp_notsent_lowat: always(4_294_967_295, -1),
  tcp_pacing_ca_ratio: always(120),
  tcp_pacing_ss_ratio: always(200),
  tcp_retries1: without,
  tcp_thin_linear_timeouts: always(0),
  tcp_tso_rtt_log: without,
  tcp_tso_win_divisor: without,
  tcp_tw_reuse: without,
  tcp_workaround_signed_windows: always(0),
  ip_local_port_range: without,
  route: without,
};

const CORE: Readonly<Record<string, Setter>> = {
  somaxconn: number('somaxconn'),
  default_qdisc: without,
  netdev_max_backlog: without,
  optmem_max: without,
  rmem_default: without,
  rmem_max: without,
  wmem_default: without,
  wmem_max: without,
};

/** Empty when it is done, else why not. Names with dots or slashes. */
export function setSysctl(target: SysctlTarget, name: string, value: string): string {
  const path = name.replace(/^\/proc\/sys\//, '').replaceAll('/', '.');
  if (path.startsWith('net.mptcp.') || path.startsWith('kernel.')) return '';
  const own = path.slice(path.lastIndexOf('.') + 1);
  if (path === 'net.ipv4.tcp_congestion_control' || path === 'net.ipv4.tcp_fastopen')
    return setNamed(target, path, value);
  if (own === 'tcp_fastopen_key') return '';
  const setter = setterOf(path, own);
  if (setter === undefined) return `the setting ${path}`;
  const words = value
    .trim()
    .split(/\s+/)
    .map((word) => Number(word));
  const isNumeric = setter === without || words.every((word) => !Number.isNaN(word));
  return isNumeric && setter(target, words) ? '' : `the setting ${path} = ${value}`;
}

function setterOf(path: string, own: string): Setter | undefined {
  if (path === `net.core.${own}`) return CORE[own];
  return path === `net.ipv4.${own}` ? IPV4[own] : undefined;
}

/** Settings whose value is a name, or bits. */
function setNamed(target: SysctlTarget, path: string, value: string): string {
  const name = value.trim();
  if (path.endsWith('congestion_control') && isCongestionName(name)) {
    target.tcp.congestionControl = name;
    target.recovery.congestion = name;
    return '';
  }
  return path.endsWith('fastopen') ? '' : `the setting ${path} = ${value}`;
}
