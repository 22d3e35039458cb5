/**
 * Building one segment and giving it to the host: header, options, data from the ring. Segments of connections
 * come from here; RST and what TIME-WAIT says, from `input/reset.ts`.
 */
import { gt } from '../../base/seq32.ts';
import type { Instant } from '../../base/time.ts';
import type { Packet } from '../../packet/packet.ts';
import { GsoType, PacketFlag } from '../../packet/packet.ts';
import * as wire from '../../wire/tcp.ts';
import { CHECKSUM_OFFSET, Flag, MIN_HEADER_BYTES } from '../../wire/tcp.ts';
import {
  SACK_BLOCKS_MAX,
  SACK_HEAD_BYTES,
  writeSack,
  writeSyn,
  writeTimestamps,
} from '../../wire/tcp-options.ts';
import { codeOf } from '../errno-code.ts';
import { leavingFlow } from '../flow-words.ts';
import { TCP_AT } from '../host.ts';
import { timestampClock } from '../open/isn.ts';
import type { TcpShared } from '../shared.ts';
import type { Tcb } from '../tcb.ts';
import { TcbFlag } from '../tcb.ts';
import { handleAckSent } from './acknowledging.ts';
import { initialWindow, selectWindow } from './window.ts';

const FIELD_MAX = 0xffff;
const IPV4_HEADER_BYTES = 20;
const ECN_MASK = 3;
const ECT0 = 2;

/** Bytes that SACK blocks will take in the next segment. */
export function sackBytes(tcp: TcpShared, tcb: Tcb): number {
  const count = sackCount(tcp, tcb);
  return count === 0 ? 0 : SACK_HEAD_BYTES + 8 * count;
}

/**
 * A segment with ACK: `length` bytes from `seq` on, with `flags` besides. Longer than a segment it is a
 * super-segment. Only a probe of the path's MTU is longer and goes whole. False when no slot was free: nothing
 * has changed then.
 */
export function emit(
  now: Instant,
  tcp: TcpShared,
  tcb: Tcb,
  seq: number,
  length: number,
  flags: number,
  isProbe = false,
): boolean {
  const packet = tcp.host.pool.take();
  if (packet === null) {
    tcp.counters.tcpExt.tcpNoSlot++;
    return false;
  }
  const { view } = packet;
  let at = TCP_AT + MIN_HEADER_BYTES;
  if (tcb.has(TcbFlag.Timestamps)) {
    at = writeTimestamps(view, at, (timestampClock(now) + tcb.tsOffset) | 0, tcb.tsRecent);
  }
  let mss = tcb.sndMss;
  const blocks = sackCount(tcp, tcb);
  if (blocks > 0) {
    at = writeBlocks(tcp, tcb, view, at, blocks);
    mss -= SACK_HEAD_BYTES + 8 * blocks;
  }
  if (length > 0) tcp.sendBuffer.read(tcb, seq, packet.bytes, at, length);
  packet.tail = at + length;
  if (length > mss && !isProbe) {
    packet.gsoType = tcb.ipHeaderBytes === IPV4_HEADER_BYTES ? GsoType.Tcp4 : GsoType.Tcp6;
    packet.gsoSize = mss;
    // The device cuts off each piece of it: RFC 3168 §6.1.2 wants CWR on the first one only.
    if ((flags & Flag.Cwr) !== 0) packet.flags |= PacketFlag.GsoEcn;
  }
  const echo = tcb.has(TcbFlag.EcnEcho) ? Flag.Ece : 0;
  const window = announce(tcp, tcb);
  const { localPort, remotePort } = tcb;
  const all = flags | Flag.Ack | echo;
  wire.write(view, TCP_AT, localPort, remotePort, seq, tcb.rcvNxt, at - TCP_AT, all, window, 0);
  handleAckSent(tcb);
  tcb.clear(TcbFlag.Dsack);
  // RFC 3168 §6.1.4–6.1.5: ECT on new data only.
  const isEct = length > 0 && seq === tcb.sndNxt && tcb.has(TcbFlag.Ecn);
  send(now, tcp, tcb, packet, length > 0 ? Math.ceil(length / mss) : 1, isEct);
  return true;
}

/** SYN, or SYN-ACK in SYN-RECEIVED, with what we offer or have agreed to. */
export function emitSyn(now: Instant, tcp: TcpShared, tcb: Tcb, flags: number): boolean {
  const packet = tcp.host.pool.take();
  if (packet === null) {
    tcp.counters.tcpExt.tcpNoSlot++;
    return false;
  }
  const { view } = packet;
  const hasAck = (flags & Flag.Ack) !== 0;
  const at = TCP_AT + MIN_HEADER_BYTES;
  const wscale = tcb.has(TcbFlag.WindowScale) ? tcb.rcvWscale : -1;
  const tsVal = (timestampClock(now) + tcb.tsOffset) | 0;
  const hasTs = tcb.has(TcbFlag.Timestamps);
  const hasSack = tcb.has(TcbFlag.Sack);
  const end = writeSyn(view, at, tcb.advMss, wscale, hasSack, hasTs, tsVal, hasAck ? tcb.tsRecent : 0);
  packet.tail = end;
  const window = initialWindow(tcb);
  tcb.rcvSsthresh = window;
  const ack = hasAck ? tcb.rcvNxt : 0;
  const { localPort, remotePort, iss } = tcb;
  wire.write(view, TCP_AT, localPort, remotePort, iss, ack, end - TCP_AT, flags, window, 0);
  tcb.rcvAdv = (tcb.rcvNxt + window) | 0;
  if (hasAck) handleAckSent(tcb);
  send(now, tcp, tcb, packet, 1, false);
  return true;
}

/** RST from a connection: RFC 9293 §3.10.5, with the next sequence number. */
export function emitReset(now: Instant, tcp: TcpShared, tcb: Tcb, flags: number): void {
  const packet = tcp.host.pool.take();
  if (packet === null) return;
  const at = TCP_AT + MIN_HEADER_BYTES;
  packet.tail = at;
  const { localPort, remotePort, sndNxt, rcvNxt } = tcb;
  wire.write(packet.view, TCP_AT, localPort, remotePort, sndNxt, rcvNxt, at - TCP_AT, flags, 0, 0);
  tcp.counters.tcp.outRsts++;
  send(now, tcp, tcb, packet, 1, false);
}

/** The window field; the right edge is announced with it. */
function announce(tcp: TcpShared, tcb: Tcb): number {
  const field = Math.min(selectWindow(tcp, tcb) >>> tcb.rcvWscale, FIELD_MAX);
  const edge = (tcb.rcvNxt + (field << tcb.rcvWscale)) | 0;
  if (gt(edge, tcb.rcvAdv)) tcb.rcvAdv = edge;
  const { tcpExt } = tcp.counters;
  if (field === 0 && !tcb.has(TcbFlag.ZeroWindowSent)) {
    tcb.set(TcbFlag.ZeroWindowSent);
    tcpExt.tcpToZeroWindowAdv++;
  } else if (field !== 0 && tcb.has(TcbFlag.ZeroWindowSent)) {
    tcb.clear(TcbFlag.ZeroWindowSent);
    tcpExt.tcpFromZeroWindowAdv++;
  }
  return field;
}

/** What every segment of a connection has in common. */
function send(now: Instant, tcp: TcpShared, tcb: Tcb, packet: Packet, pieces: number, isEct: boolean): void {
  const { options, flow, host, counters } = tcp;
  packet.l4 = TCP_AT;
  packet.flags |= PacketFlag.ChecksumPartial;
  packet.csumStart = TCP_AT;
  packet.csumOffset = CHECKSUM_OFFSET;
  leavingFlow(flow, tcb);
  flow.protocol = 6;
  fillOptions(tcp, tcb, isEct);
  tcb.lastSentAt = now;
  tcb.segsOut = (tcb.segsOut + pieces) | 0;
  counters.tcp.outSegs += pieces;
  const refusal = host.send(packet, flow, options);
  // As lost on the way: the timers answer for it. Only a connection that begins gives up at once.
  if (refusal !== null && refusal !== 'ENOBUFS') tcb.softError = codeOf(refusal);
}

/** How segments of this connection travel. */
export function fillOptions(tcp: TcpShared, tcb: Tcb, isEct: boolean): void {
  const { options } = tcp;
  options.ttl = tcb.ttl;
  options.tos = isEct ? (tcb.tos & ~ECN_MASK) | ECT0 : tcb.tos & ~ECN_MASK;
  options.mark = tcb.mark;
  options.oif = tcb.oif;
  options.isDf = true;
}

/** How many SACK blocks there are to tell, and room for (RFC 2018 §3). */
function sackCount(tcp: TcpShared, tcb: Tcb): number {
  if (!tcb.has(TcbFlag.Sack)) return 0;
  const max = tcb.has(TcbFlag.Timestamps) ? SACK_BLOCKS_MAX - 1 : SACK_BLOCKS_MAX;
  const duplicate = tcb.has(TcbFlag.Dsack) ? 1 : 0;
  const ranges = tcp.receiveBuffer.ranges(tcb.id);
  const count = (ranges === null ? 0 : ranges.count) + duplicate;
  return count > max ? max : count;
}

/** RFC 2883 §4: the duplicate first; then what changed last. */
function writeBlocks(tcp: TcpShared, tcb: Tcb, view: DataView, at: number, count: number): number {
  const { sackBlocks } = tcp;
  const ranges = tcp.receiveBuffer.ranges(tcb.id);
  let filled = 0;
  if (tcb.has(TcbFlag.Dsack)) {
    sackBlocks[0] = tcb.dsackStart;
    sackBlocks[1] = tcb.dsackEnd;
    filled = 1;
  }
  if (ranges !== null) filled = ranges.fill(sackBlocks, filled, count);
  return writeSack(view, at, sackBlocks, filled);
}
