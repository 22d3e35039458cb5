/**
 * A segment for a connection in TIME-WAIT: RFC 9293 §3.10.7.4, RFC 6191 (a SYN that may begin anew), RFC 1337.
 */
import { Drop } from '../../base/drop.ts';
import { gt, lt } from '../../base/seq32.ts';
import type { Instant } from '../../base/time.ts';
import { after, us } from '../../base/time.ts';
import { Flag } from '../../wire/tcp.ts';
import { answer } from '../input/reset.ts';
import { timestampClock } from '../open/isn.ts';
import type { Segment } from '../segment.ts';
import type { TcpShared } from '../shared.ts';

const US_PER_MS = 1_000;
/** How far a connection that follows begins beyond its forerunner: more than any window that was not scaled. */
const REUSE_GAP = 65_537;

/**
 * What `handleTimeWait` answers when the segment is a SYN that may be taken by a listener: the row is free
 * then.
 */
export const REUSED = -1;

/**
 * A drop, or `REUSED` after having put into `tcp.reuseIss` the sequence number to begin with. `mayListen`:
 * somebody would take a SYN.
 */
export function handleTimeWait(
  now: Instant,
  tcp: TcpShared,
  row: number,
  segment: Segment,
  mayListen: boolean,
): Drop | -1 {
  const { timeWait, config } = tcp;
  const rcvNxt = timeWait.rcvNxt(row);
  const isTooOld = hasOldTimestamp(tcp, row, segment);
  if (segment.has(Flag.Rst)) {
    // RFC 1337: by default as RFC 9293 has it, a RST that fits ends it.
    if (config.rfc1337 || segment.seq !== rcvNxt || isTooOld) return Drop.TcpResetBad;
    dropTimeWait(tcp, row);
    return Drop.None;
  }
  if (mayListen && mayReuse(tcp, row, segment, isTooOld)) {
    tcp.reuseIss = (timeWait.sndNxt(row) + REUSE_GAP) | 0;
    tcp.counters.tcpExt.twRecycled++;
    dropTimeWait(tcp, row);
    return REUSED;
  }
  if (segment.length === 0 && segment.seq === rcvNxt && !isTooOld) return Drop.None;
  if (segment.has(Flag.Fin) && segment.end === rcvNxt) {
    timeWait.restart(row, after(now, us(config.timeWaitMs * US_PER_MS)));
  } else if (!timeWait.mayAnswer(now, row, config.invalidRatelimitMs * US_PER_MS)) {
    tcp.counters.tcpExt.tcpAckSkipped++;
    return Drop.TcpOutOfWindow;
  }
  acknowledge(now, tcp, row, segment);
  return Drop.TcpOutOfWindow;
}

export function dropTimeWait(tcp: TcpShared, row: number): void {
  tcp.timeWait.loadFlow(row, tcp.words.words);
  tcp.leave(tcp.words);
  tcp.timeWait.free(row);
}

/** The 2 MSL are over for those whose time has come. */
export function expireTimeWait(now: Instant, tcp: TcpShared, budget: number): boolean {
  for (let i = 0; i < budget; i++) {
    const row = tcp.timeWait.expire(now);
    if (row < 0) return false;
    dropTimeWait(tcp, row);
  }
  return true;
}

/** RFC 6191 §2: with timestamps, a later one; without, a sequence number beyond the old ones (RFC 9293 MAY-2). */
function mayReuse(tcp: TcpShared, row: number, segment: Segment, isTooOld: boolean): boolean {
  if (isTooOld || (segment.flags & (Flag.Syn | Flag.Ack | Flag.Fin)) !== Flag.Syn) return false;
  const { timeWait } = tcp;
  const { options } = segment;
  if (gt(segment.seq, timeWait.rcvNxt(row))) return true;
  return timeWait.hasTs(row) && options.hasTs && gt(options.tsVal, timeWait.tsRecent(row));
}

function hasOldTimestamp(tcp: TcpShared, row: number, segment: Segment): boolean {
  const { options } = segment;
  return tcp.timeWait.hasTs(row) && options.hasTs && lt(options.tsVal, tcp.timeWait.tsRecent(row));
}

function acknowledge(now: Instant, tcp: TcpShared, row: number, segment: Segment): void {
  const { timeWait } = tcp;
  const tsVal = (timestampClock(now) + timeWait.tsOffset(row)) | 0;
  const window = timeWait.window(row) >>> timeWait.rcvWscale(row);
  answer(
    tcp,
    segment,
    timeWait.sndNxt(row),
    timeWait.rcvNxt(row),
    Flag.Ack,
    window,
    timeWait.hasTs(row),
    tsVal,
    timeWait.tsRecent(row),
  );
}
