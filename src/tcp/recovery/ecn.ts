/**
 * Explicit congestion notification for TCP: RFC 3168 §6.1, both sides.
 *
 *     sender     data leave as ECT(0); an ECE reduces the window, once per window of data, and is answered by CWR
 *     receiver   a CE mark sets ECE on every acknowledgement until a CWR comes
 *
 * Functions over the flags of the TCB, and `EcnSender`, which hangs off the loss recovery. Accurate ECN
 * (draft-ietf-tcpm-accurate-ecn) would count marked bytes where `handleEce` is: `AckSample.markedBytes` waits for it.
 */
import { geq, gt } from '../../base/seq32.ts';
import * as tcp from '../../wire/tcp.ts';
import type { Tcb } from '../tcb.ts';
import { TcbFlag } from '../tcb.ts';

/** RFC 3168 §5: the two bits beside the DSCP. */
export const Ecn = { NotEct: 0, Ect1: 1, Ect0: 2, Ce: 3 } as const;

/**
 * The codepoint for a segment. RFC 3168 §6.1.4–6.1.6: neither pure acknowledgements, nor retransmissions, nor probes of
 * a closed window are ECT: nobody would know that they were lost, or it could be forged.
 */
export function codepoint(tcb: Tcb, dataBytes: number, isRetransmission: boolean): number {
  return tcb.has(TcbFlag.Ecn) && dataBytes > 0 && !isRetransmission ? Ecn.Ect0 : Ecn.NotEct;
}

/**
 * Flags for a segment that leaves: ECE while the peer has not answered; CWR once, on new data (RFC 3168 §6.1.2), which
 * also ends it.
 */
export function takeFlags(tcb: Tcb, dataBytes: number, isRetransmission: boolean): number {
  let flags = tcb.has(TcbFlag.EcnEcho) ? tcp.Flag.Ece : 0;
  if (tcb.has(TcbFlag.EcnCwr) && dataBytes > 0 && !isRetransmission) {
    flags |= tcp.Flag.Cwr;
    tcb.clear(TcbFlag.EcnCwr);
  }
  return flags;
}

/**
 * A segment came (RFC 3168 §6.1.3): first CWR ends the echo, then a mark begins it anew. Only segments within the window
 * may be given to it (§6.1.5 warns of forged ones).
 */
export function handleArrival(tcb: Tcb, flags: number, isCe: boolean): void {
  if (!tcb.has(TcbFlag.Ecn)) return;
  if ((flags & tcp.Flag.Cwr) !== 0) tcb.clear(TcbFlag.EcnEcho);
  if (!isCe) return;
  if (!tcb.has(TcbFlag.EcnEcho)) tcb.set(TcbFlag.AckNow);
  tcb.set(TcbFlag.EcnEcho);
}

/** Who sends and hears an echo. */
export class EcnSender {
  /** SND.NXT at the last reduction: echoes for data before it are the same congestion; with `isReduced`. */
  recover = 0;
  isReduced = false;

  /** Whether this echo is news: «react to at most one per window of data» (§6.1.2). */
  handleEce(una: number, nxt: number): boolean {
    if (this.isReduced && !gt(una, this.recover)) return false;
    this.isReduced = true;
    this.recover = nxt;
    return true;
  }

  /** A loss has reduced the window already: an echo for the same data says nothing new. */
  handleReduced(nxt: number): void {
    this.isReduced = true;
    this.recover = nxt;
  }

  /** Keeps `recover` within half of the sequence space. */
  handleAck(una: number): void {
    if (this.isReduced && geq(una, this.recover) && una !== this.recover) this.isReduced = false;
  }
}
