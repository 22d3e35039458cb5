/**
 * RACK: a segment is lost when one that was sent sufficiently later has arrived (RFC 8985 §6.2).
 *
 *     sent        A   B   C   D                     C is acknowledged: A and B were sent before it. They are lost
 *     arrives             C   D                     once `rtt` + `reoWnd` have gone by since they were sent.
 *
 * The reordering window opens only where reordering was seen, and by DSACKs, which say that it was too
 * narrow. Holds RACK.* of §5.3 under their names in camelCase. Times are microseconds; a round trip of none
 * is one like any other.
 */
import { gt, leq, lt } from '../../base/seq32.ts';
import type { Instant } from '../../base/time.ts';
import { RangeFlag, type Scoreboard } from './scoreboard.ts';

/** DupThresh of RFC 5681 and 6675. */
export const DUP_THRESHOLD = 3;
/** §6.2 step 4: recoveries for which a window that a DSACK has widened persists. */
const REO_WND_PERSIST = 16;
const REO_WND_MULT_MAX = 256;

/** What RACK and TLP have to do with a lost range. */
export interface LossSink {
  handleLost(now: Instant, board: Scoreboard, id: number): void;
}

export class Rack {
  /** Send time, end and round trip of the segment sent last among those that arrived. */
  xmitTs: number = Number.NEGATIVE_INFINITY;
  endSeq = 0;
  rttUs = 0;
  /** The highest sequence number that arrived. */
  fack = 0;
  isReorderingSeen = false;
  /** By the acknowledgement in hand: whoever counts it clears it. */
  hasOvertaken = false;
  reoWndMult = 1;
  reoWndPersist: number = REO_WND_PERSIST;
  /** Until SND.UNA passes it, further DSACKs are of the same round; only with `isDsackRound`. */
  dsackRound = 0;
  isDsackRound = false;
  reoWndUs = 0;
  /** How far out of order segments came, in bytes: `tcpi_reordering`. */
  reorderingBytes = 0;

  constructor(una: number) {
    this.fack = una;
    this.endSeq = una;
  }

  /**
   * §6.2 step 2: a range has arrived. `echoedBefore`: its timestamp was taken before the retransmission left,
   * so that what arrived is the original.
   */
  handleDelivered(
    now: Instant,
    board: Scoreboard,
    id: number,
    end: number,
    minRttUs: number,
    echoedBefore: boolean,
  ): void {
    const sentAt = board.sentAt(id);
    const rttUs = now - sentAt;
    if (board.has(id, RangeFlag.EverRetransmitted)) {
      if (echoedBefore) return;
      // Quicker than any round trip: it acknowledges the original.
      if (rttUs < minRttUs) return;
    }
    this.rttUs = rttUs;
    if (sentAfter(sentAt, end, this.xmitTs, this.endSeq)) {
      this.xmitTs = sentAt;
      this.endSeq = end;
    }
  }

  /** §6.2 step 3: an original below what arrived already was overtaken. */
  noteOrder(start: number, end: number, wasRetransmitted: boolean): void {
    if (gt(end, this.fack)) {
      this.fack = end;
      return;
    }
    if (!wasRetransmitted && lt(start, this.fack)) this.noteOvertaken(start);
  }

  /**
   * What begins at `start` arrived after `fack`: as it came, or because a retransmission of it was not
   * needed.
   */
  noteOvertaken(start: number): void {
    this.isReorderingSeen = true;
    this.hasOvertaken = true;
    this.reorderingBytes = Math.max(this.reorderingBytes, (this.fack - start) | 0);
  }

  /** §6.2 step 4: a segment came twice. */
  handleDsack(una: number, nxt: number): void {
    if (this.isDsackRound && lt(una, this.dsackRound)) return;
    this.isDsackRound = true;
    this.dsackRound = nxt;
    this.reoWndMult = Math.min(this.reoWndMult + 1, REO_WND_MULT_MAX);
    this.reoWndPersist = REO_WND_PERSIST;
  }

  /** §6.2 step 4: a recovery has ended. */
  handleRecovered(): void {
    this.reoWndPersist--;
    if (this.reoWndPersist > 0) return;
    this.reoWndPersist = REO_WND_PERSIST;
    this.reoWndMult = 1;
  }

  /** RACK_update_reo_wnd of §6.2 step 4. */
  updateReoWnd(
    minRttUs: number,
    srttUs: number,
    isRecovering: boolean,
    sackedBytes: number,
    mss: number,
  ): void {
    // RFC 6675 §4 in bytes: more than (DupThresh − 1) * SMSS.
    const isThresholdMet = sackedBytes > (DUP_THRESHOLD - 1) * mss;
    if (!this.isReorderingSeen && (isRecovering || isThresholdMet)) this.reoWndUs = 0;
    else if (!Number.isFinite(minRttUs)) this.reoWndUs = 0;
    else this.reoWndUs = Math.min((this.reoWndMult * minRttUs) / 4, srttUs);
  }

  /**
   * §6.2 step 5: marks what is lost, and answers how long until the rest might be, or 0 when nothing waits.
   */
  detectLoss(now: Instant, board: Scoreboard, sink: LossSink): number {
    let timeoutUs = 0;
    let id = board.oldest;
    while (id >= 0) {
      const sentAt = board.sentAt(id);
      if (sentAt > this.xmitTs) break;
      const next = board.newer(id);
      if (sentAfter(this.xmitTs, this.endSeq, sentAt, board.end(id))) {
        const remainingUs = sentAt + this.rttUs + this.reoWndUs - now;
        if (remainingUs <= 0) sink.handleLost(now, board, id);
        else timeoutUs = Math.max(timeoutUs, remainingUs);
      }
      id = next;
    }
    return timeoutUs;
  }

  /**
   * §6.3: on a timeout the first segment is lost, and every other that is overdue; the rest may still arrive.
   */
  markLossesOnRto(now: Instant, board: Scoreboard, una: number, sink: LossSink): void {
    let id = board.oldest;
    while (id >= 0) {
      const next = board.newer(id);
      const isOverdue = board.sentAt(id) + this.rttUs + this.reoWndUs - now <= 0;
      if (isOverdue || leq(board.start(id), una)) sink.handleLost(now, board, id);
      id = next;
    }
  }
}

/** RACK_sent_after of §5.1. */
function sentAfter(t1: number, seq1: number, t2: number, seq2: number): boolean {
  return t1 > t2 || (t1 === t2 && gt(seq1, seq2));
}
