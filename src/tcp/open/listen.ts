/**
 * A segment for a listener: RFC 9293 §3.10.7.2, with SYN cookies (RFC 4987 §3.6) when too many are half open.
 */
import { Drop } from '../../base/drop.ts';
import type { Instant } from '../../base/time.ts';
import { Flag, MIN_HEADER_BYTES, write } from '../../wire/tcp.ts';
import { writeSyn } from '../../wire/tcp-options.ts';
import { answeringFlow } from '../flow-words.ts';
import { TCP_AT } from '../host.ts';
import { refuse, sendAnswer } from '../input/reset.ts';
import { initialWindow, wscaleFor } from '../output/window.ts';
import { chooseWscale, createRecord, freeRecord, inherit, loadPath, updateMss } from '../records.ts';
import type { Segment } from '../segment.ts';
import type { TcpShared } from '../shared.ts';
import { State } from '../state.ts';
import type { Tcb } from '../tcb.ts';
import { TcbFlag } from '../tcb.ts';
import { establish } from './handshake.ts';
import { timestampClock } from './isn.ts';
import type { Listener } from './listener.ts';
import { agree, offer } from './negotiate.ts';
import { ecnOf, encodeClock, sackOf, wscaleOf } from './syn-cookie.ts';

const TCP_HEADER_BYTES = 20;
const FIELD_MAX = 0xffff;
/** Cookies are believed so long after the queue was full last: as long as they are good. */
const COOKIE_TIME_US = 128_000_000;
/** So long after a cookie was sent, data may be the first flight of who got it. */
const OVERTAKING_TIME_US = 3_000_000;

/**
 * `isReuse`: the ports were in TIME-WAIT, and `tcp.reuseIss` is where to begin. `tcp.words` is the flow. When
 * the answer is `Drop.None` for an ACK, `tcp.tcb` is a new connection, whose data are still to be processed.
 */
export function handleListen(
  now: Instant,
  tcp: TcpShared,
  listener: Listener,
  segment: Segment,
  isReuse: boolean,
): Drop {
  // First: RST is ignored. Second: an ACK cannot be right, unless it answers a cookie. Third: SYN.
  if (segment.has(Flag.Rst)) return Drop.TcpResetBad;
  if (segment.has(Flag.Ack))
    return segment.has(Flag.Syn) ? refuseAck(tcp, segment) : checkCookie(now, tcp, listener, segment);
  // As Linux: SYN with FIN is a scan.
  if (!segment.has(Flag.Syn) || segment.has(Flag.Fin)) return Drop.TcpSynBad;
  if (listener.isFull) {
    tcp.counters.tcpExt.listenOverflows++;
    tcp.counters.tcpExt.listenDrops++;
    return Drop.TcpListenOverflow;
  }
  const { syncookies, maxSynBacklog } = tcp.config;
  const isQueueFull = listener.synCount >= Math.min(maxSynBacklog, Math.max(listener.backlog, 8));
  if (syncookies === 2 || isQueueFull) {
    if (isQueueFull && syncookies === 0) {
      tcp.counters.tcpExt.tcpReqQFullDrop++;
      tcp.counters.tcpExt.listenDrops++;
      return Drop.TcpListenOverflow;
    }
    if (isQueueFull) tcp.counters.tcpExt.tcpReqQFullDoCookies++;
    listener.overflowedAt = now;
    sendCookie(now, tcp, listener, segment);
    return Drop.None;
  }
  return open(now, tcp, listener, segment, isReuse);
}

function open(now: Instant, tcp: TcpShared, listener: Listener, segment: Segment, isReuse: boolean): Drop {
  if (!createRecord(now, tcp, State.SynReceived)) return Drop.TcpTableFull;
  const { tcb } = tcp;
  prepare(tcp, tcb, listener, segment.seq);
  listener.synCount++;
  tcb.iss = isReuse ? tcp.reuseIss : tcp.isn.next(now, tcp.words);
  tcb.synRetriesMax = tcp.config.synackRetries;
  agree(now, tcp, tcb, segment);
  startSending(tcb);
  tcb.sndWnd = segment.window;
  tcb.sndWl1 = segment.seq;
  tcb.maxSndWnd = segment.window;
  tcb.set(TcbFlag.SynDue);
  tcp.queueOutput(tcb);
  return Drop.None;
}

/** What is the same with a cookie and without. `irs` is the peer's first number. */
function prepare(tcp: TcpShared, tcb: Tcb, listener: Listener, irs: number): void {
  inherit(tcb, listener);
  loadPath(tcp, tcb);
  chooseWscale(tcp, tcb);
  offer(tcp, tcb);
  tcb.clear(TcbFlag.EcnAsked);
  tcb.tsOffset = tcp.isn.timestampOffset(tcp.words.ofTcb(tcb));
  tcb.irs = irs;
  tcb.rcvNxt = (irs + 1) | 0;
  tcb.rcvRead = tcb.rcvNxt;
  tcb.lastAckSent = tcb.rcvNxt;
  tcb.rcvSsthresh = initialWindow(tcb);
  tcb.rcvAdv = (tcb.rcvNxt + tcb.rcvSsthresh) | 0;
}

function startSending(tcb: Tcb): void {
  tcb.sndUna = tcb.iss;
  tcb.sndNxt = (tcb.iss + 1) | 0;
  tcb.sndEnd = tcb.sndNxt;
  tcb.sndSml = tcb.iss;
}

/** A SYN-ACK that nothing here remembers. */
function sendCookie(now: Instant, tcp: TcpShared, listener: Listener, segment: Segment): void {
  const { config, words, path } = tcp;
  const packet = tcp.host.pool.take();
  if (packet === null) return;
  words.ofArrived(segment.flow);
  answeringFlow(tcp.flow, segment.flow);
  tcp.host.path(tcp.flow, tcp.options, path);
  const offered = segment.options;
  const peerMss = offered.mss === 0 ? mssDefault(tcp) : Math.max(offered.mss, config.minSndMss);
  const iss = tcp.cookies.make(now, words, segment.seq, peerMss);
  const hasTs = config.timestamps && offered.hasTs;
  const hasSack = config.sack && offered.sackPermitted;
  const hasScale = config.windowScaling && offered.wscale >= 0;
  const isEcn = config.ecn !== 0 && (segment.flags & (Flag.Ece | Flag.Cwr)) === (Flag.Ece | Flag.Cwr);
  const clock = encodeClock(timestampClock(now), hasScale ? offered.wscale : -1, hasSack, isEcn);
  // Without timestamps nothing would remember what was agreed to.
  const rcvLimit = listener.rcvLimit > 0 ? listener.rcvLimit : config.rmemMax;
  const wscale = hasTs && hasScale ? wscaleFor(Math.max(rcvLimit, config.rmemMax)) : -1;
  const tsVal = (clock + tcp.isn.timestampOffset(words)) | 0;
  const ownMss = Math.min(path.deviceMtu - path.ipHeaderBytes - TCP_HEADER_BYTES, FIELD_MAX);
  const at = TCP_AT + MIN_HEADER_BYTES;
  const end = writeSyn(packet.view, at, ownMss, wscale, hasTs && hasSack, hasTs, tsVal, offered.tsVal);
  packet.tail = end;
  const free = Math.min(listener.rcvLimit > 0 ? listener.rcvLimit : config.rmemDefault, FIELD_MAX);
  const window = free > ownMss ? free - (free % ownMss) : free;
  const flags = Flag.Syn | Flag.Ack | (hasTs && isEcn ? Flag.Ece : 0);
  const { srcPort, dstPort } = segment.flow;
  const ack = (segment.seq + 1) | 0;
  write(packet.view, TCP_AT, dstPort, srcPort, iss, ack, end - TCP_AT, flags, window, 0);
  tcp.counters.tcpExt.syncookiesSent++;
  sendAnswer(tcp, segment, packet);
}

/** An ACK to nobody: the answer to a cookie, or refused. */
function checkCookie(now: Instant, tcp: TcpShared, listener: Listener, segment: Segment): Drop {
  if (now - listener.overflowedAt > COOKIE_TIME_US) return refuseAck(tcp, segment);
  const iss = (segment.ack - 1) | 0;
  const irs = (segment.seq - 1) | 0;
  const mss = tcp.cookies.check(now, tcp.words, irs, iss);
  if (mss === 0) {
    tcp.counters.tcpExt.syncookiesFailed++;
    // Deviates from Linux: data that overtook the first segment cannot be told from a stranger's, since the cookie
    // holds for the first sequence number only; a reset would end a good connection, and who is ignored comes again.
    if (segment.length > 0 && now - listener.overflowedAt <= OVERTAKING_TIME_US) return Drop.TcpRefused;
    return refuseAck(tcp, segment);
  }
  if (listener.isFull) {
    tcp.counters.tcpExt.listenOverflows++;
    return Drop.TcpListenOverflow;
  }
  if (!createRecord(now, tcp, State.SynReceived)) return Drop.TcpTableFull;
  const { tcb } = tcp;
  prepare(tcp, tcb, listener, irs);
  restoreOptions(tcp, tcb, segment, mss);
  tcb.iss = iss;
  startSending(tcb);
  tcb.sndUna = segment.ack;
  listener.synCount++;
  tcp.counters.tcpExt.syncookiesRecv++;
  if (!establish(now, tcp, tcb, segment)) {
    tcp.leave(tcp.words.ofTcb(tcb));
    listener.synCount--;
    freeRecord(tcp, tcb);
    return Drop.TcpListenOverflow;
  }
  return Drop.None;
}

/** What the low bits of our timestamp have kept. */
function restoreOptions(tcp: TcpShared, tcb: Tcb, segment: Segment, mss: number): void {
  const { options } = segment;
  tcb.peerMss = mss;
  const hasTs = tcp.config.timestamps && options.hasTs;
  const clock = hasTs ? (options.tsEcr - tcb.tsOffset) | 0 : 0;
  const wscale = hasTs ? wscaleOf(clock) : -1;
  if (!hasTs) tcb.clear(TcbFlag.Timestamps);
  if (!hasTs || !sackOf(clock)) tcb.clear(TcbFlag.Sack);
  if (hasTs && ecnOf(clock)) tcb.set(TcbFlag.Ecn);
  if (wscale < 0) {
    tcb.clear(TcbFlag.WindowScale);
    tcb.rcvWscale = 0;
  } else {
    tcb.sndWscale = wscale;
    // As `sendCookie` announced it, whatever the listener's options are now.
    tcb.rcvWscale = wscaleFor(Math.max(tcb.rcvLimit, tcp.config.rmemMax));
  }
  if (hasTs) {
    tcb.tsRecent = options.tsVal;
    tcb.tsRecentAt = tcp.now;
    tcb.set(TcbFlag.TsRecentValid);
  }
  updateMss(tcp, tcb);
}

function refuseAck(tcp: TcpShared, segment: Segment): Drop {
  refuse(tcp, segment);
  return Drop.TcpRefused;
}

const mssDefault = (tcp: TcpShared): number =>
  tcp.path.ipHeaderBytes === 20 ? tcp.config.mss4Default : tcp.config.mss6Default;
