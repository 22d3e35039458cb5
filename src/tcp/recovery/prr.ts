/**
 * Proportional Rate Reduction (RFC 9937): spreads a reduction of the window over the acknowledgements of a
 * round trip, so that recovery neither pauses for half of it nor bursts at its end.
 *
 * Bytes throughout. The names are those of RFC 9937 §5; reductions for ECN (CWR) run the same way.
 */

export class Prr {
  ssthresh = 0;
  recoverFs = 0;
  prrDelivered = 0;
  prrOut = 0;

  /**
   * RFC 9937 §6.1. `flight`: SND.NXT − SND.UNA; `sacked`: what of it was SACKed before the acknowledgement
   * that begins the episode; `delivered`: what that acknowledgement itself acknowledged cumulatively.
   */
  enter(ssthresh: number, flight: number, sacked: number, delivered: number): void {
    this.ssthresh = ssthresh;
    this.recoverFs = Math.max(1, flight - sacked + delivered);
    this.prrDelivered = 0;
    this.prrOut = 0;
  }

  /**
   * RFC 9937 §6.2: how many bytes this acknowledgement lets out. `isSafeAck`: SND.UNA advanced and nothing
   * else was found lost, which lets the window grow towards ssthresh as in slow start (PRR-SSRB).
   */
  quota(delivered: number, inFlight: number, isSafeAck: boolean, mss: number): number {
    this.prrDelivered += delivered;
    let send: number;
    if (inFlight > this.ssthresh) {
      send = Math.ceil((this.prrDelivered * this.ssthresh) / this.recoverFs) - this.prrOut;
    } else {
      // PRR-CRB: what has left the network may be replaced; and what was not sent before.
      send = Math.max(this.prrDelivered - this.prrOut, delivered);
      if (isSafeAck) send += mss;
      send = Math.min(this.ssthresh - inFlight, send);
    }
    // The retransmission that begins recovery is always sent.
    if (this.prrOut === 0) send = Math.max(send, mss);
    return Math.max(send, 0);
  }

  handleSent(bytes: number): void {
    this.prrOut += bytes;
  }
}
