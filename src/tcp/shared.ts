/**
 * What all parts of TCP work on: the records, who is where, buffers, queues, and objects that are filled anew.
 * One per stack. The parts themselves are functions over it.
 */
import { FlowKey } from '../addr/flow-key.ts';
import { HashTable } from '../base/hash-table.ts';
import type { Rng } from '../base/rng.ts';
import type { Instant } from '../base/time.ts';
import { TimerWheel } from '../base/timers.ts';
import { TokenBucket } from '../base/token-bucket.ts';
import { ReceiveBuffer } from './buffer/receive-buffer.ts';
import { RingPool } from './buffer/ring-pool.ts';
import { SendBuffer } from './buffer/send-buffer.ts';
import { TimeWaitTable } from './close/time-wait-table.ts';
import type { TcpConfig } from './config.ts';
import type { TcpCounters } from './counters.ts';
import { tcpCounters } from './counters.ts';
import { FLOW_WORDS, FlowWords } from './flow-words.ts';
import type { TcpHost, TcpUser } from './host.ts';
import { PathInfo, SegmentOptions } from './host.ts';
import { IdQueue } from './id-queue.ts';
import { Isn } from './open/isn.ts';
import { ListenerTable } from './open/listener.ts';
import { SynCookies } from './open/syn-cookie.ts';
import type { Recovery, RecoveryFactory } from './recovery-port.ts';
import { Segment } from './segment.ts';
import type { Tcb } from './tcb.ts';
import { TcbFlag, TcbTable, tcbCursor } from './tcb.ts';

/** What a user is told; it takes them all at once. */
export const TcpEvent = {
  Connected: 1,
  Readable: 2,
  Writable: 4,
  /** The peer has said FIN. */
  End: 8,
  /** It failed: `error` says why. */
  Error: 16,
  /** It is over: nothing more will come or go. */
  Closed: 32,
  /** A listener has a connection to accept. */
  Acceptable: 64,
  /** The peer sent urgent data (RFC 6093 §3: they are in the stream). */
  Urgent: 128,
} as const;

/** Set in what the table of flows answers when the rest is a row of the TIME-WAIT table. */
export const TIME_WAIT_BIT: number = 0x4000_0000;

export class TcpShared {
  readonly host: TcpHost;
  readonly config: TcpConfig;
  readonly rng: Rng;
  readonly counters: TcpCounters = tcpCounters();
  readonly table: TcbTable;
  /** The connection in hand. */
  readonly tcb: Tcb;
  /** Connections and TIME-WAIT by flow. */
  readonly flows: HashTable;
  readonly wheel: TimerWheel;
  readonly rings: RingPool;
  readonly sendBuffer: SendBuffer;
  readonly receiveBuffer: ReceiveBuffer;
  readonly listeners: ListenerTable = new ListenerTable();
  readonly timeWait: TimeWaitTable;
  readonly isn: Isn;
  readonly cookies: SynCookies;
  /** Connections that have something to send. */
  readonly output: IdQueue = new IdQueue(64);
  /** By connection; null while nothing needs it. */
  readonly recoveries: (Recovery | null)[] = [];
  readonly users: (TcpUser | null)[] = [];
  /** Makes what a connection recovers losses with. */
  recoveryFactory: RecoveryFactory;
  readonly challenges: TokenBucket;
  /** The ISN for a SYN that takes the place of a connection in TIME-WAIT. */
  reuseIss = 0;
  /** As of the last time that anybody told us. */
  now: Instant;

  // Filled anew.
  readonly segment: Segment = new Segment();
  readonly flow: FlowKey = new FlowKey();
  readonly words: FlowWords = new FlowWords();
  readonly options: SegmentOptions = new SegmentOptions();
  readonly path: PathInfo = new PathInfo();
  readonly sackBlocks: Int32Array = new Int32Array(8);

  constructor(now: Instant, host: TcpHost, config: TcpConfig, recoveryFactory: RecoveryFactory) {
    this.host = host;
    this.config = config;
    this.now = now;
    this.recoveryFactory = recoveryFactory;
    this.rng = host.rng.fork('tcp');
    this.table = new TcbTable(config.connectionsMax);
    this.tcb = tcbCursor(this.table);
    this.flows = new HashTable(this.rng.fork('flows'), FLOW_WORDS);
    this.wheel = new TimerWheel(now);
    this.rings = new RingPool(config.memBytes, config.memCacheBytes);
    this.sendBuffer = new SendBuffer(this.rings);
    this.receiveBuffer = new ReceiveBuffer(this.rings);
    this.timeWait = new TimeWaitTable(now);
    this.isn = new Isn(this.rng.fork('isn'));
    this.cookies = new SynCookies(this.rng.fork('cookies'));
    this.challenges = new TokenBucket(config.challengeAckLimit, config.challengeAckLimit);
  }

  /** Connection or TIME-WAIT row (`TIME_WAIT_BIT`) of `words`, or -1. */
  lookup(words: FlowWords): number {
    words.fill(this.flows.key, FLOW_WORDS);
    return this.flows.lookup();
  }

  /** Enters `value` under `words`. False when there is one already. */
  enter(words: FlowWords, value: number): boolean {
    words.fill(this.flows.key, FLOW_WORDS);
    return this.flows.insert(value);
  }

  leave(words: FlowWords): void {
    words.fill(this.flows.key, FLOW_WORDS);
    this.flows.remove();
  }

  /** The connection has something to send, or to think about, at the next `pollTransmit`. */
  queueOutput(tcb: Tcb): void {
    if (tcb.has(TcbFlag.Queued)) return;
    tcb.set(TcbFlag.Queued);
    this.output.push(tcb.id);
    if (this.output.length === 1) this.host.wake();
  }

  /** It has more to send than its share of this turn, or than there was room for. */
  requeueOutput(tcb: Tcb): void {
    if (tcb.has(TcbFlag.Queued)) return;
    tcb.set(TcbFlag.Queued);
    this.output.push(tcb.id);
  }

  /** The connection recovers no losses any more. */
  dropRecovery(id: number): void {
    this.recoveries[id]?.release();
    this.recoveries[id] = null;
  }

  /** Tells whoever holds the connection; once until the events are taken. */
  notify(tcb: Tcb, events: number): void {
    const had = tcb.events;
    tcb.events = had | events;
    if (had !== 0) return;
    const user = this.users[tcb.id];
    if (user !== null && user !== undefined) user.handleTcpEvent(tcb.id);
  }
}
