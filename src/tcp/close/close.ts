/**
 * Ends: FIN in both directions (RFC 9293 §3.6, §3.10.4), abort (§3.10.5), and the way into TIME-WAIT.
 *
 *     ESTABLISHED ─close→ FIN-WAIT-1 ─ack→ FIN-WAIT-2 ─FIN→ TIME-WAIT
 *          │                  └─FIN→ CLOSING ─ack────────────┘
 *          └─FIN→ CLOSE-WAIT ─close→ LAST-ACK ─ack→ CLOSED
 */
import type { Instant } from '../../base/time.ts';
import { after, NEVER, us } from '../../base/time.ts';
import { Flag } from '../../wire/tcp.ts';
import { emit, emitReset } from '../output/emit.ts';
import { rcvWnd } from '../output/window.ts';
import { conclude, finish, freeRecord, setState } from '../records.ts';
import type { TcpShared } from '../shared.ts';
import { TcpEvent, TIME_WAIT_BIT } from '../shared.ts';
import { isSynchronized, State } from '../state.ts';
import type { Tcb } from '../tcb.ts';
import { TcbFlag } from '../tcb.ts';

const US_PER_MS = 1_000;

/** The application has no more to send: FIN will follow what it wrote. */
export function shutWrite(tcp: TcpShared, tcb: Tcb): void {
  if (tcb.has(TcbFlag.FinQueued)) return;
  tcb.set(TcbFlag.FinQueued);
  if (tcb.state === State.Established) setState(tcp, tcb, State.FinWait1);
  else if (tcb.state === State.CloseWait) setState(tcp, tcb, State.LastAck);
  // In SYN-RECEIVED it waits for ESTABLISHED (§3.10.4), which sees that it is queued.
  tcp.queueOutput(tcb);
}

/**
 * The application gives it up. What it wrote is still delivered; what it did not read is lost, which the peer
 * hears.
 */
export function closeConnection(tcp: TcpShared, tcb: Tcb): void {
  const { state } = tcb;
  tcp.users[tcb.id] = null;
  tcb.set(TcbFlag.Orphan);
  if (state === State.Closed || state === State.TimeWait) {
    freeRecord(tcp, tcb);
    return;
  }
  if (state === State.SynSent) {
    finish(tcp, tcb, 0);
    return;
  }
  // RFC 9293 §3.6.1 (MUST-18), RFC 2525 §2.17: data that nobody will read are refused by RST.
  if (tcp.receiveBuffer.readable(tcb) > 0) {
    tcp.counters.tcpExt.tcpAbortOnClose++;
    abort(tcp, tcb, 0);
    return;
  }
  if (tcb.lingerMs === 0) {
    tcp.counters.tcpExt.tcpAbortOnLinger++;
    abort(tcp, tcb, 0);
    return;
  }
  tcb.set(TcbFlag.ReadShut);
  shutWrite(tcp, tcb);
  // In FIN-WAIT-2 `serve`, which has the time, begins to count it.
  tcb.keepAt = NEVER;
  tcp.queueOutput(tcb);
}

/** ABORT: RST, and nothing is left. `code` is what the application will read, if it still holds it. */
export function abort(tcp: TcpShared, tcb: Tcb, code: number): void {
  const { state } = tcb;
  // §3.10.5: from LAST-ACK, CLOSING and TIME-WAIT nothing need be said; Linux and BSD do when data are lost by
  // it.
  if (state === State.SynReceived || isSynchronized(state)) {
    if (state !== State.TimeWait) emitReset(tcp.now, tcp, tcb, Flag.Rst | Flag.Ack);
  }
  finish(tcp, tcb, code);
}

/** Our FIN has been acknowledged (§3.10.7.4, fifth). */
export function handleFinAcked(now: Instant, tcp: TcpShared, tcb: Tcb): void {
  switch (tcb.state) {
    case State.FinWait1:
      setState(tcp, tcb, State.FinWait2);
      if (tcb.has(TcbFlag.Orphan)) tcp.queueOutput(tcb);
      break;
    case State.Closing:
      enterTimeWait(now, tcp, tcb);
      break;
    case State.LastAck:
      finish(tcp, tcb, 0);
      break;
    default:
      break;
  }
}

/** The peer's FIN has come, and everything before it (§3.10.7.4, eighth). */
export function handleFinReceived(now: Instant, tcp: TcpShared, tcb: Tcb): void {
  switch (tcb.state) {
    case State.SynReceived:
    case State.Established:
      setState(tcp, tcb, State.CloseWait);
      break;
    case State.FinWait1:
      setState(tcp, tcb, State.Closing);
      break;
    case State.FinWait2:
      enterTimeWait(now, tcp, tcb);
      break;
    default:
      break;
  }
  if (tcb.state !== State.Closed) tcp.notify(tcb, TcpEvent.Readable | TcpEvent.End);
}

/**
 * What is left of the connection moves to the table of TIME-WAIT; the record stays only for who still holds it.
 */
function enterTimeWait(now: Instant, tcp: TcpShared, tcb: Tcb): void {
  const { timeWait, config, counters, words } = tcp;
  // The last acknowledgement: the record will not live to send it later.
  if (tcb.has(TcbFlag.AckNow) || tcb.lastAckSent !== tcb.rcvNxt) emit(now, tcp, tcb, tcb.sndNxt, 0, 0);
  tcp.leave(words.ofTcb(tcb));
  if (timeWait.count >= config.maxTwBuckets) {
    counters.tcpExt.tcpTimeWaitOverflow++;
  } else {
    counters.tcpExt.tw++;
    const row = timeWait.allocate(words, after(now, us(config.timeWaitMs * US_PER_MS)));
    const hasTs = tcb.has(TcbFlag.Timestamps);
    timeWait.setSequence(row, tcb.sndNxt, tcb.rcvNxt, rcvWnd(tcb), tcb.rcvWscale);
    timeWait.setTimestamps(row, hasTs, tcb.tsRecent, tcb.tsRecentAt, tcb.tsOffset);
    timeWait.setTos(row, tcb.tos);
    tcp.enter(words, row | TIME_WAIT_BIT);
  }
  tcb.keepAt = NEVER;
  conclude(tcp, tcb, State.TimeWait, 0);
}
