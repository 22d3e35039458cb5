/**
 * How a connection is doing: `struct tcp_info` of Linux, field for field (tcp(7), TCP_INFO). Times in
 * microseconds where Linux has microseconds, in milliseconds where its names say «last». Windows in segments,
 * as there.
 */
import type { TcpShared } from './shared.ts';
import type { Tcb } from './tcb.ts';
import { TcbFlag } from './tcb.ts';
import { settle } from './time/limit.ts';

const OPTION_TIMESTAMPS = 1;
const OPTION_SACK = 2;
const OPTION_WSCALE = 4;
const OPTION_ECN = 8;
const US_PER_MS = 1_000;

/** Linux's tcp_reordering: what is told before any was seen. */
const REORDERING_MIN = 3;
const SSTHRESH_INFINITE = 0x7fff_ffff;

export class TcpInfo {
  tcpi_state = 0;
  tcpi_ca_state = 0;
  tcpi_retransmits = 0;
  tcpi_probes = 0;
  tcpi_backoff = 0;
  tcpi_options = 0;
  tcpi_snd_wscale = 0;
  tcpi_rcv_wscale = 0;
  tcpi_delivery_rate_app_limited = 0;
  tcpi_rto = 0;
  tcpi_ato = 0;
  tcpi_snd_mss = 0;
  tcpi_rcv_mss = 0;
  tcpi_unacked = 0;
  tcpi_sacked = 0;
  tcpi_lost = 0;
  tcpi_retrans = 0;
  tcpi_last_data_sent = 0;
  tcpi_last_ack_sent = 0;
  tcpi_last_data_recv = 0;
  tcpi_last_ack_recv = 0;
  tcpi_pmtu = 0;
  tcpi_rcv_ssthresh = 0;
  tcpi_rtt = 0;
  tcpi_rttvar = 0;
  tcpi_snd_ssthresh = 0;
  tcpi_snd_cwnd = 0;
  tcpi_advmss = 0;
  tcpi_reordering = 3;
  tcpi_rcv_rtt = 0;
  tcpi_rcv_space = 0;
  tcpi_total_retrans = 0;
  tcpi_pacing_rate = 0;
  tcpi_bytes_acked = 0;
  tcpi_bytes_received = 0;
  tcpi_segs_out = 0;
  tcpi_segs_in = 0;
  tcpi_notsent_bytes = 0;
  tcpi_min_rtt = 0;
  tcpi_data_segs_in = 0;
  tcpi_data_segs_out = 0;
  tcpi_delivery_rate = 0;
  tcpi_bytes_sent = 0;
  tcpi_bytes_retrans = 0;
  tcpi_rcv_ooopack = 0;
  tcpi_snd_wnd = 0;
  tcpi_rcv_wnd = 0;
  tcpi_delivered = 0;
  tcpi_delivered_ce = 0;
  tcpi_dsack_dups = 0;
  tcpi_reord_seen = 0;
  tcpi_busy_time = 0;
  tcpi_rwnd_limited = 0;
  tcpi_sndbuf_limited = 0;
  /** Forward acknowledgement is gone from Linux, and its count is 0. */
  tcpi_fackets = 0;
  /** No limit, which is all ones in 64 bits: the number that is nearest to it. */
  tcpi_max_pacing_rate: number = 2 ** 64;

  fill(tcp: TcpShared, tcb: Tcb): void {
    this.tcpi_state = tcb.state;
    this.tcpi_retransmits = tcb.retransmits;
    this.tcpi_probes = tcb.keepProbesSent;
    this.tcpi_backoff = Math.max(tcb.retransmits, tcb.persistProbes);
    this.tcpi_options =
      (tcb.has(TcbFlag.Timestamps) ? OPTION_TIMESTAMPS : 0) |
      (tcb.has(TcbFlag.Sack) ? OPTION_SACK : 0) |
      (tcb.has(TcbFlag.WindowScale) ? OPTION_WSCALE : 0) |
      (tcb.has(TcbFlag.Ecn) ? OPTION_ECN : 0);
    this.tcpi_snd_wscale = tcb.sndWscale;
    this.tcpi_rcv_wscale = tcb.rcvWscale;
    this.tcpi_delivery_rate_app_limited = tcb.has(TcbFlag.AppLimited) ? 1 : 0;
    this.tcpi_ato = (tcb.ackDelayMs === 0 ? tcp.config.delackMs : tcb.ackDelayMs) * US_PER_MS;
    this.tcpi_snd_mss = tcb.sndMss;
    this.tcpi_rcv_mss = tcb.rcvMss;
    this.tcpi_pmtu = tcb.pathMtu;
    this.tcpi_advmss = tcb.advMss;
    this.tcpi_snd_wnd = tcb.sndWnd;
    this.tcpi_rcv_wnd = Math.max(0, (tcb.rcvAdv - tcb.rcvNxt) | 0);
    this.tcpi_rcv_ssthresh = tcb.rcvSsthresh;
    this.#fillTimes(tcp, tcb);
    this.#fillCounts(tcb);
    this.#fillRecovery(tcp, tcb);
  }

  #fillTimes(tcp: TcpShared, tcb: Tcb): void {
    const { now } = tcp;
    this.tcpi_rto = tcb.rto * 2 ** Math.min(tcb.retransmits, 16);
    this.tcpi_rtt = Math.round(tcb.srtt);
    this.tcpi_rttvar = Math.round(tcb.rttvar);
    this.tcpi_min_rtt = Math.round(tcb.minRtt);
    this.tcpi_rcv_rtt = Math.round(tcb.rcvRtt);
    this.tcpi_last_data_sent = since(now, tcb.lastDataSentAt);
    this.tcpi_last_data_recv = since(now, tcb.lastDataReceivedAt);
    this.tcpi_last_ack_recv = since(now, tcb.lastReceivedAt);
    settle(now, tcb);
    this.tcpi_busy_time = tcb.busyUs;
    this.tcpi_rwnd_limited = tcb.rwndLimitedUs;
    this.tcpi_sndbuf_limited = tcb.sndbufLimitedUs;
    this.tcpi_rcv_space = tcb.rcvSpace === 0 ? tcb.rcvLimit : tcb.rcvSpace;
  }

  #fillCounts(tcb: Tcb): void {
    this.tcpi_total_retrans = tcb.totalRetrans;
    this.tcpi_bytes_acked = tcb.bytesAcked;
    this.tcpi_bytes_received = tcb.bytesReceived;
    this.tcpi_bytes_sent = tcb.bytesSent + tcb.bytesRetransmitted;
    this.tcpi_bytes_retrans = tcb.bytesRetransmitted;
    this.tcpi_segs_out = tcb.segsOut;
    this.tcpi_segs_in = tcb.segsIn;
    this.tcpi_data_segs_in = tcb.dataSegsIn;
    this.tcpi_data_segs_out = tcb.dataSegsOut;
    this.tcpi_delivered = tcb.delivered;
    this.tcpi_delivered_ce = tcb.deliveredCe;
    this.tcpi_dsack_dups = tcb.dsackDups;
    this.tcpi_reord_seen = tcb.reordSeen;
    this.tcpi_rcv_ooopack = tcb.outOfOrder;
    this.tcpi_notsent_bytes = Math.max(0, (tcb.sndEnd - tcb.sndNxt) | 0);
  }

  #fillRecovery(tcp: TcpShared, tcb: Tcb): void {
    const recovery = tcp.recoveries[tcb.id] ?? null;
    const mss = Math.max(tcb.sndMss, 1);
    this.tcpi_unacked = Math.ceil(((tcb.sndNxt - tcb.sndUna) | 0) / mss);
    this.tcpi_snd_cwnd = recovery === null ? 10 : Math.floor(recovery.cwnd / mss);
    const ssthresh = recovery === null ? SSTHRESH_INFINITE : recovery.ssthresh;
    this.tcpi_snd_ssthresh = ssthresh >= 0x3fff_ffff ? SSTHRESH_INFINITE : Math.floor(ssthresh / mss);
    if (recovery === null) return;
    this.tcpi_ca_state = recovery.caState;
    this.tcpi_pacing_rate = Math.round(recovery.pacingRate);
    this.tcpi_delivery_rate = Math.round(recovery.deliveryRate);
    this.tcpi_sacked = Math.ceil(recovery.sackedBytes / mss);
    this.tcpi_lost = Math.ceil(recovery.lostBytes / mss);
    this.tcpi_retrans = Math.ceil(recovery.retransmittedBytes / mss);
    this.tcpi_reordering = Math.max(REORDERING_MIN, Math.ceil(recovery.reorderingBytes / mss));
  }
}

function since(now: number, at: number): number {
  return at <= 0 ? 0 : Math.floor((now - at) / US_PER_MS);
}
