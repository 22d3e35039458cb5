/**
 * The sender's side of explicit congestion notification (RFC 3168 §6.1.2): when an echo is news.
 *
 * Data leave as ECT(0) and CWR goes out with them in `output/`; marks are heard and echoed in `input/`.
 * Accurate ECN (draft-ietf-tcpm-accurate-ecn) would count marked bytes where `handleEce` is:
 * `AckSample.markedBytes` waits for it.
 */
import { gt } from '../../base/seq32.ts';

export class EcnSender {
  /** SND.NXT at the last reduction: echoes for data before it are the same congestion; with `isReduced`. */
  recover = 0;
  isReduced = false;

  /** Whether this echo is news: «react to at most one per window of data» (§6.1.2). */
  handleEce(una: number, nxt: number): boolean {
    this.handleAck(una);
    if (this.isReduced) return false;
    this.isReduced = true;
    this.recover = nxt;
    return true;
  }

  /** A loss has reduced the window already: an echo for the same data says nothing new. */
  handleReduced(nxt: number): void {
    this.isReduced = true;
    this.recover = nxt;
  }

  /** Forgets, before so much was sent that `recover` would seem ahead again. */
  handleAck(una: number): void {
    if (this.isReduced && gt(una, this.recover)) this.isReduced = false;
  }
}
