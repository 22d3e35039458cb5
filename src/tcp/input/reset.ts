/**
 * Answers without a connection: RST (RFC 9293 §3.5.2, §3.10.7.1), and bare acknowledgements.
 */
import type { Packet } from '../../packet/packet.ts';
import { PacketFlag } from '../../packet/packet.ts';
import * as wire from '../../wire/tcp.ts';
import { CHECKSUM_OFFSET, Flag, MIN_HEADER_BYTES } from '../../wire/tcp.ts';
import { writeTimestamps } from '../../wire/tcp-options.ts';
import { answeringFlow } from '../flow-words.ts';
import { TCP_AT } from '../host.ts';
import type { Segment } from '../segment.ts';
import type { TcpShared } from '../shared.ts';

/** Refuses `segment`: RST is never answered; the answer is as acceptable to its sender as can be. */
export function refuse(tcp: TcpShared, segment: Segment): void {
  if (segment.has(Flag.Rst)) return;
  tcp.counters.tcp.outRsts++;
  if (segment.has(Flag.Ack)) answer(tcp, segment, segment.ack, 0, Flag.Rst, 0, false, 0, 0);
  else answer(tcp, segment, 0, segment.end, Flag.Rst | Flag.Ack, 0, false, 0, 0);
}

/** A segment without data back to where `segment` came from. */
export function answer(
  tcp: TcpShared,
  segment: Segment,
  seq: number,
  ack: number,
  flags: number,
  window: number,
  hasTs: boolean,
  tsVal: number,
  tsEcr: number,
): void {
  const packet = tcp.host.pool.take();
  if (packet === null) {
    tcp.counters.tcpExt.tcpNoSlot++;
    return;
  }
  let at = TCP_AT + MIN_HEADER_BYTES;
  if (hasTs) at = writeTimestamps(packet.view, at, tsVal, tsEcr);
  packet.tail = at;
  const { srcPort, dstPort } = segment.flow;
  wire.write(packet.view, TCP_AT, dstPort, srcPort, seq, ack, at - TCP_AT, flags, window, 0);
  sendAnswer(tcp, segment, packet);
}

/** Sends a packet whose header at `TCP_AT` is written. */
export function sendAnswer(tcp: TcpShared, segment: Segment, packet: Packet): void {
  const { flow, options } = tcp;
  packet.l4 = TCP_AT;
  packet.flags |= PacketFlag.ChecksumPartial;
  packet.csumStart = TCP_AT;
  packet.csumOffset = CHECKSUM_OFFSET;
  answeringFlow(flow, segment.flow);
  flow.protocol = 6;
  options.ttl = 0;
  options.tos = 0;
  options.mark = segment.flow.mark;
  options.oif = 0;
  options.isDf = true;
  tcp.counters.tcp.outSegs++;
  tcp.host.send(packet, flow, options);
}
