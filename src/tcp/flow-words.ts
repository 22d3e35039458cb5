/**
 * The nine words that name a connection: local address, remote address, and both ports in one.
 */
import type { FlowKey } from '../addr/flow-key.ts';
import type { Tcb } from './tcb.ts';

export const FLOW_WORDS = 9;

export class FlowWords {
  readonly words: Int32Array = new Int32Array(FLOW_WORDS);

  /** Of a packet that arrived: its destination is local. */
  ofArrived(flow: FlowKey): this {
    const { words } = this;
    words[0] = flow.dstA;
    words[1] = flow.dstB;
    words[2] = flow.dstC;
    words[3] = flow.dstD;
    words[4] = flow.srcA;
    words[5] = flow.srcB;
    words[6] = flow.srcC;
    words[7] = flow.srcD;
    words[8] = (flow.dstPort << 16) | flow.srcPort;
    return this;
  }

  /** Of a packet that leaves. */
  ofLeaving(flow: FlowKey): this {
    const { words } = this;
    words[0] = flow.srcA;
    words[1] = flow.srcB;
    words[2] = flow.srcC;
    words[3] = flow.srcD;
    words[4] = flow.dstA;
    words[5] = flow.dstB;
    words[6] = flow.dstC;
    words[7] = flow.dstD;
    words[8] = (flow.srcPort << 16) | flow.dstPort;
    return this;
  }

  ofTcb(tcb: Tcb): this {
    const { words } = this;
    words[0] = tcb.localA;
    words[1] = tcb.localB;
    words[2] = tcb.localC;
    words[3] = tcb.localD;
    words[4] = tcb.remoteA;
    words[5] = tcb.remoteB;
    words[6] = tcb.remoteC;
    words[7] = tcb.remoteD;
    words[8] = (tcb.localPort << 16) | tcb.remotePort;
    return this;
  }

  /** The first `count` words. */
  fill(into: Int32Array, count: number): void {
    for (let i = 0; i < count; i++) into[i] = this.words[i] as number;
  }
}

/** The flow of what a connection sends. */
export function leavingFlow(flow: FlowKey, tcb: Tcb): void {
  flow.srcA = tcb.localA;
  flow.srcB = tcb.localB;
  flow.srcC = tcb.localC;
  flow.srcD = tcb.localD;
  flow.dstA = tcb.remoteA;
  flow.dstB = tcb.remoteB;
  flow.dstC = tcb.remoteC;
  flow.dstD = tcb.remoteD;
  flow.srcPort = tcb.localPort;
  flow.dstPort = tcb.remotePort;
}

/** The way back of what arrived. */
export function answeringFlow(flow: FlowKey, arrived: FlowKey): void {
  flow.srcA = arrived.dstA;
  flow.srcB = arrived.dstB;
  flow.srcC = arrived.dstC;
  flow.srcD = arrived.dstD;
  flow.dstA = arrived.srcA;
  flow.dstB = arrived.srcB;
  flow.dstC = arrived.srcC;
  flow.dstD = arrived.srcD;
  flow.srcPort = arrived.dstPort;
  flow.dstPort = arrived.srcPort;
}
