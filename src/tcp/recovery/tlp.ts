/**
 * Tail loss probes (RFC 8985 §7): when the end of a flight is lost there is nothing behind it to tell. After
 * two round trips of silence one segment is sent, new or the last again, so that the answer starts RACK
 * instead of the timeout.
 */
import { geq, gt } from '../../base/seq32.ts';

/** §7.2: a lone segment may wait for the peer's delayed acknowledgement. */
const WORST_DELAYED_ACK_US = 200_000;
/** §7.2, without a round trip: as the initial RTO. */
const PTO_INITIAL_US = 1_000_000;
/**
 * A probe timeout is not shorter than this, lest an acknowledgement that is under way in a turn be doubted.
 */
const PTO_MIN_US = 2_000;

/** What an acknowledgement says of a probe (§7.4.2). */
export type TlpVerdict = 'none' | 'done' | 'repaired';

export class Tlp {
  /** SND.NXT when the probe was sent; with `isOut`. */
  endSeq = 0;
  isOut = false;
  isRetransmission = false;

  /** TLP_calc_PTO of §7.2; `rtoLeftUs`: until the retransmission timer goes off. */
  ptoUs(srttUs: number, isOneSegment: boolean, rtoLeftUs: number): number {
    if (srttUs <= 0) return Math.min(PTO_INITIAL_US, rtoLeftUs);
    const pto = Math.max(2 * srttUs, PTO_MIN_US) + (isOneSegment ? WORST_DELAYED_ACK_US : 0);
    return Math.min(pto, rtoLeftUs);
  }

  /** §7.3: a probe went out. */
  handleProbe(nxt: number, isRetransmission: boolean): void {
    this.isOut = true;
    this.endSeq = nxt;
    this.isRetransmission = isRetransmission;
  }

  /** §7.4.2, TLP_process_ack. `dsackEnd` belongs to `hasDsack`. */
  handleAck(
    ack: number,
    hasDsack: boolean,
    dsackEnd: number,
    isDupAck: boolean,
    hasSack: boolean,
  ): TlpVerdict {
    if (!this.isOut || !geq(ack, this.endSeq)) return 'none';
    if (!this.isRetransmission) return this.#end('done');
    // Both the original and the probe have arrived.
    if (hasDsack && dsackEnd === this.endSeq) return this.#end('done');
    // §7.4.1: one probe has repaired one loss, which nobody else has noticed.
    if (gt(ack, this.endSeq)) return this.#end('repaired');
    return isDupAck && !hasSack ? this.#end('done') : 'none';
  }

  #end(verdict: TlpVerdict): TlpVerdict {
    this.isOut = false;
    return verdict;
  }

  handleRto(): void {
    this.isOut = false;
  }
}
