/**
 * Whether a congestion event was one: spurious retransmissions are recognised and their reduction is taken
 * back.
 *
 *   Eifel    the first acknowledgement after a retransmission echoes a timestamp from before it: the original arrived
 *            (RFC 3522, response RFC 4015)
 *   DSACK    every retransmission of the episode is reported as having come twice (RFC 3708)
 *   F-RTO    after a timeout, data that were never sent again are acknowledged (RFC 5682)
 *
 *                        sndUna advances:              never-retransmitted data
 *     RTO -- retransmit one ----------> send two new ------------------------> spurious, undo
 *             |  duplicate              |  duplicate
 *             +-------------------------+------> lost indeed, go on as RFC 5681
 */

type FrtoStep = 'off' | 'first' | 'second';

export class Undo {
  /** An episode is on, or over but not beyond doubt: `marker` was SND.UNA when it began. */
  isArmed = false;
  marker = 0;
  /** One past what the episode may have retransmitted. */
  limit = 0;
  /** Bytes retransmitted and not reported as duplicates. */
  retransmittedBytes = 0;
  /** Our timestamp of the first retransmission; with `hasStamp`. */
  stamp = 0;
  hasStamp = false;
  frto: FrtoStep = 'off';

  enter(una: number, nxt: number): void {
    this.isArmed = true;
    this.marker = una;
    this.limit = nxt;
    this.retransmittedBytes = 0;
    this.hasStamp = false;
  }

  disarm(): void {
    this.isArmed = false;
    this.hasStamp = false;
    this.retransmittedBytes = 0;
    this.frto = 'off';
  }

  handleRetransmitted(bytes: number, timestamp: number): void {
    this.retransmittedBytes += bytes;
    if (this.hasStamp) return;
    this.hasStamp = true;
    this.stamp = timestamp;
  }

  /** RFC 3522 §3.2, step 5: whether what is acknowledged was sent before the first retransmission. */
  isEifel(hasTimestamp: boolean, echo: number): boolean {
    return this.isArmed && this.hasStamp && hasTimestamp && ((echo - this.stamp) | 0) < 0;
  }

  /** `bytes` of the episode were reported as duplicates. Answers whether all are. */
  handleDsack(from: number, to: number): boolean {
    if (!this.isArmed || this.retransmittedBytes <= 0) return false;
    if (((from - this.marker) | 0) < 0 || ((to - this.limit) | 0) > 0) return false;
    this.retransmittedBytes -= (to - from) | 0;
    return this.retransmittedBytes <= 0;
  }

  /** RFC 5682 §2.1, step 1. `isFirst`: not while the timeout before it is being recovered from. */
  beginFrto(isFirst: boolean): void {
    this.frto = isFirst ? 'first' : 'off';
  }
}
