/**
 * What may be set for a whole stack, named as Linux names it (`net.ipv4.tcp_…`, tcp(7)), in camelCase.
 * Durations in milliseconds unless said otherwise. Changes hold for what begins afterwards.
 */
import type { CongestionName } from './congestion/control.ts';

export interface TcpConfig {
  /** Connections at most, and how many of them may wait in TIME-WAIT (`tcp_max_tw_buckets`). */
  connectionsMax: number;
  maxTwBuckets: number;
  /** Bytes in all buffers (`tcp_mem`), and how many of unused ones are kept. */
  memBytes: number;
  memCacheBytes: number;
  /** At first and at most, when tuning itself: `tcp_wmem`, `tcp_rmem`. */
  wmemDefault: number;
  wmemMax: number;
  rmemDefault: number;
  rmemMax: number;
  moderateRcvbuf: boolean;

  rtoMinMs: number;
  rtoMaxMs: number;
  rtoInitialMs: number;
  /**
   * Retransmissions of SYN, and of SYN-ACK. Deviates: Linux's 6 would end before the 3 minutes of RFC 9293
   * MUST-23.
   */
  synRetries: number;
  synackRetries: number;
  /** R2 of RFC 9293 §3.8.3, as so many doublings of the minimal timeout; the smaller one when nobody holds it. */
  retries2: number;
  orphanRetries: number;
  keepaliveTimeMs: number;
  keepaliveIntvlMs: number;
  keepaliveProbes: number;
  /** How long FIN-WAIT-2 is kept for an application that has closed. */
  finTimeoutMs: number;
  /** 2 MSL. */
  timeWaitMs: number;
  /** RFC 1337: nothing but time ends TIME-WAIT. */
  rfc1337: boolean;

  somaxconn: number;
  /** Of half-open connections, for a listener. */
  maxSynBacklog: number;
  /** 0: never, 1: when the queue is full, 2: always (RFC 4987 §3.6). */
  syncookies: 0 | 1 | 2;
  abortOnOverflow: boolean;

  sack: boolean;
  dsack: boolean;
  timestamps: boolean;
  windowScaling: boolean;
  /** 0: no, 1: ask and answer, 2: answer (RFC 3168). */
  ecn: 0 | 1 | 2;
  congestionControl: CongestionName;

  /** How long an acknowledgement may wait for data to ride on; RFC 9293 §3.8.6.3 allows 500. */
  delackMs: number;
  /** Challenge ACKs per second, of all connections (RFC 5961 §7). */
  challengeAckLimit: number;
  /** For one connection, and for answers to segments out of the window. */
  invalidRatelimitMs: number;
  /** RFC 9293 §3.7.1, when the peer does not say (MUST-15). */
  mss4Default: number;
  mss6Default: number;
  /** Smaller ones from the wire are taken as this: nobody makes us send a packet per byte. */
  minSndMss: number;
  /** Path MTU discovery without ICMP, for paths that drop long packets and say nothing (RFC 4821, RFC 8899). */
  mtuProbing: boolean;
}

export function defaultTcpConfig(): TcpConfig {
  return {
    connectionsMax: 1_100_000,
    maxTwBuckets: 65_536,
    memBytes: 512 << 20,
    memCacheBytes: 32 << 20,
    wmemDefault: 128 << 10,
    wmemMax: 4 << 20,
    rmemDefault: 128 << 10,
    rmemMax: 6 << 20,
    moderateRcvbuf: true,
    rtoMinMs: 200,
    rtoMaxMs: 120_000,
    rtoInitialMs: 1_000,
    synRetries: 7,
    synackRetries: 5,
    retries2: 15,
    orphanRetries: 8,
    keepaliveTimeMs: 7_200_000,
    keepaliveIntvlMs: 75_000,
    keepaliveProbes: 9,
    finTimeoutMs: 60_000,
    timeWaitMs: 60_000,
    rfc1337: false,
    somaxconn: 4_096,
    maxSynBacklog: 1_024,
    syncookies: 1,
    abortOnOverflow: false,
    sack: true,
    dsack: true,
    timestamps: true,
    windowScaling: true,
    ecn: 2,
    congestionControl: 'cubic',
    delackMs: 40,
    challengeAckLimit: 1_000,
    invalidRatelimitMs: 500,
    mss4Default: 536,
    mss6Default: 1_220,
    minSndMss: 48,
    mtuProbing: true,
  };
}
