/**
 * The transmission control blocks: RFC 9293 §3.3.1, as records in typed arrays.
 *
 * A million connections as objects cost hundreds of milliseconds per full collection, as records two. So the hot
 * state of a connection is a row of int32 words and a row of doubles, and a `Tcb` is a cursor that is moved
 * from row to row: `tcb.at(id)`, then `tcb.sndUna`. Nobody but this file knows the layout. Rings, lists and
 * whatever else has no fixed size belong to `shared.ts` and exist only while they are needed.
 *
 * Rows come in blocks that never move, so that the table grows without copying.
 */
import { assert } from '../base/assert.ts';
import { NEVER } from '../base/time.ts';

/** Int32 fields. Sequence numbers are int32 and go through `seq32`; lengths are bytes. */
const WORDS = [
  /** `State`. */
  'state',
  /** Bits of `TcbFlag`. */
  'flags',
  /** `TcpEvent` bits that the user has not taken yet. */
  'events',

  // Who with: addresses as in `Ip`; ports; and how segments travel.
  'localA',
  'localB',
  'localC',
  'localD',
  'remoteA',
  'remoteB',
  'remoteC',
  'remoteD',
  'localPort',
  'remotePort',
  /** Interface it is bound to, or 0. */
  'oif',
  'mark',
  'tos',
  'ttl',
  /** Listener that it came from and waits at, or -1. */
  'listener',

  // Send sequence space: sndUna ≤ sndNxt ≤ sndEnd (+ 1 when FIN was sent).
  'iss',
  'sndUna',
  /** One past the highest that was ever sent: it never goes back, retransmission is by ranges below it. */
  'sndNxt',
  /** One past the last byte that the application has written; its FIN has this number. */
  'sndEnd',
  /** Scaled already: bytes. */
  'sndWnd',
  'sndWl1',
  'sndWl2',
  /** Max.SND.WND of RFC 9293 §3.8.6.2.1. */
  'maxSndWnd',
  /** Shift for windows that the peer sends (RFC 7323: Snd.Wind.Shift). */
  'sndWscale',

  // Receive sequence space: rcvRead ≤ rcvNxt ≤ rcvAdv.
  'irs',
  'rcvNxt',
  /** The next byte that the application will read. */
  'rcvRead',
  /** One past the last that the peer was ever allowed to send: this edge never moves back. */
  'rcvAdv',
  /** RCV.NXT in the last segment sent: Last.ACK.sent of RFC 7323. */
  'lastAckSent',
  /** RCV.UP; with `TcbFlag.Urgent`. */
  'rcvUp',
  /** Shift for windows that we send (Rcv.Wind.Shift). */
  'rcvWscale',

  // Sizes.
  /** Payload bytes of a full segment: path and peer considered, options of every segment taken off. */
  'sndMss',
  /** What the peer's option said, or the default. */
  'peerMss',
  /** What our option says. */
  'advMss',
  /** The largest segment seen lately: what «full-sized» means in the other direction. */
  'rcvMss',
  /** Of the path as far as it is known, with the IP header. */
  'pathMtu',
  'ipHeaderBytes',
  'gsoMaxBytes',

  // Timestamps (RFC 7323). Ours are milliseconds plus `tsOffset`.
  'tsRecent',
  'tsOffset',

  // Retransmission. What the loss recovery needs beyond this is its own (`recovery-port.ts`).
  /** Timeouts in a row: the exponent of the back-off. */
  'retransmits',
  'dupAcks',
  /** `recover` of RFC 6582: the highest sequence number sent when the loss was found. */
  'recover',
  /** HighRxt of RFC 6675: the highest sequence number retransmitted in this recovery. */
  'highRetransmit',
  /** With `TcbFlag.RttTiming`: acknowledging this one gives a sample (Karn, no timestamps). */
  'rttSeq',
  'persistProbes',
  'keepProbesSent',

  // Acknowledging.
  /** Segments that are still acknowledged at once. */
  'quickAcks',
  /** How long an acknowledgement may wait, in milliseconds. */
  'ackDelayMs',
  /** With `TcbFlag.Dsack`: what came twice (RFC 2883). */
  'dsackStart',
  'dsackEnd',

  // Buffers and their tuning.
  /** The most that the receive ring of now, and the one before it, had to hold. */
  'rcvPeak',
  'rcvPeakBefore',
  'sndLimit',
  'rcvLimit',
  /** Bytes that the application took in the last round trip. */
  'rcvSpace',
  'rcvSpaceSeq',

  // Options of the user.
  'userTimeoutMs',
  'keepIdleMs',
  'keepIntervalMs',
  'keepProbesMax',
  /** -1: not set; 0: close resets. */
  'lingerMs',
  'synRetriesMax',
  /** 0: the default. Caps what we announce and what we send (TCP_MAXSEG). */
  'userMss',
  'windowClamp',
  /** The window announced is at most this; it grows with what arrives. */
  'rcvSsthresh',
  'notSentLowWater',
  /** 1 + index into CONGESTION_NAMES; 0: the stack's default. */
  'congestion',
  /** One past the last small segment (Minshall's variant of Nagle). */
  'sndSml',
  /** The last byte that rode in a window of the receiver's round-trip measure. */
  'rcvRttSeq',

  /** Index into `ERRNOS` of errno-code.ts: what the next call will answer; 0 for none. */
  'error',
  'softError',

  // Counts for `info`.
  'segsOut',
  'segsIn',
  'dataSegsOut',
  'dataSegsIn',
  'totalRetrans',
  /** Segments that have arrived, SYN included; of them those whose acknowledgement echoed a mark. */
  'delivered',
  'deliveredCe',
  /** Segments that the peer says came twice; acknowledgements that showed segments out of order; both ways. */
  'dsackDups',
  'reordSeen',
  'outOfOrder',
  /** `Limit`: what holds sending up since `limitAt`. */
  'limit',
] as const;

/** Doubles: instants, durations in microseconds, and counts of bytes. */
const NUMBERS = [
  // RFC 6298; srtt is 0 before the first sample.
  'srtt',
  'rttvar',
  'rto',
  'minRtt',
  'latestRtt',
  /** When `rttSeq` was sent. */
  'rttAt',

  // Deadlines, NEVER when not set. The earliest is what the wheel holds, or something earlier.
  /** Retransmission, of SYN too; of a closed window's probe `persistAt`. */
  'rtoAt',
  'persistAt',
  'ackAt',
  /** Keepalive; in FIN-WAIT-2 the end of waiting for the peer's FIN. */
  'keepAt',
  /** Of the loss recovery: reordering window, tail loss probe. */
  'recoveryAt',
  /** Not before this may paced data be sent. */
  'paceAt',

  'establishedAt',
  'lastSentAt',
  'lastReceivedAt',
  'lastDataReceivedAt',
  /** When `tsRecent` was taken (RFC 7323 §5.5). */
  'tsRecentAt',
  /** When the oldest unanswered transmission was first answered by a timeout: R1, R2 and the user timeout. */
  'troubleAt',
  /** When the window closed, or 0. */
  'persistSince',
  /** The last answer to a segment that was none of this connection's (RFC 5961 §7). */
  'challengedAt',

  // The receiver's round trip and its tuning.
  'rcvRtt',
  'rcvRttAt',
  'rcvSpaceAt',

  'bytesAcked',
  'bytesReceived',
  'bytesSent',
  'bytesRetransmitted',
  'lastDataSentAt',

  // How long sending was held up by each (`time/limit.ts`), in microseconds.
  'limitAt',
  'busyUs',
  'rwndLimitedUs',
  'sndbufLimitedUs',
] as const;

export type TcbField = (typeof WORDS)[number] | (typeof NUMBERS)[number];

export const TcbFlag = {
  /** Agreed upon in the handshake. */
  Sack: 0x1,
  Timestamps: 0x2,
  WindowScale: 0x4,
  Ecn: 0x8,

  /** RFC 3168 §6.1: CE was seen, ECE goes out until CWR comes; CWR is to be sent. */
  EcnEcho: 0x10,
  EcnCwr: 0x20,

  // Options of the user.
  NoDelay: 0x40,
  Cork: 0x80,
  KeepAlive: 0x100,
  QuickAck: 0x200,
  /** A write was refused or cut short: say when there is room. */
  WriteBlocked: 0x400,

  /** The application has no more to write: FIN stands behind sndEnd. */
  FinQueued: 0x800,
  FinSent: 0x1000,
  FinReceived: 0x2000,
  /** The application reads no more. */
  ReadShut: 0x4000,
  /** The application has closed it: nobody will ask again, the machine frees it. */
  Orphan: 0x8000,
  /** Not accepted yet; belongs to its listener. */
  Embryo: 0x10000,

  /** In the queue of connections that have something to send. */
  Queued: 0x20000,
  /** An acknowledgement is due at once. */
  AckNow: 0x40000,
  /** The application read: perhaps the window has opened enough to say so. */
  WindowCheck: 0x80000,
  /** Turn-taking traffic: acknowledgements wait for data to ride on. */
  PingPong: 0x100000,
  RttTiming: 0x200000,
  TsRecentValid: 0x400000,
  Dsack: 0x800000,
  Urgent: 0x1000000,
  /** SYN is to be sent (again). */
  SynDue: 0x2000000,
  /** The peer's SYN asked for ECN; or ours did. */
  EcnAsked: 0x4000000,
  /** The application had nothing more to send when the window had room. */
  AppLimited: 0x8000000,
  /** rtoAt is a retransmission; else it is when an idle connection gives up what it does not need. */
  RtoRunning: 0x10000000,
  /** The last segment sent told the peer that our window is closed. */
  ZeroWindowSent: 0x20000000,
  /** The send limit was set by the user: no tuning. */
  SndLimitFixed: 0x40000000,
  /** So was the receive limit. */
  RcvLimitFixed: -0x80000000,
} as const;

const BLOCK_BITS = 10;
const BLOCK_ROWS = 1 << BLOCK_BITS;
const WORDS_PER_ROW = WORDS.length;
const NUMBERS_PER_ROW = NUMBERS.length;
const TIMES: readonly TcbField[] = ['rtoAt', 'persistAt', 'ackAt', 'keepAt', 'recoveryAt'];

export class TcbTable {
  readonly limit: number;
  readonly words: Int32Array[] = [];
  readonly numbers: Float64Array[] = [];
  /** Ids given back, the last first. */
  #free: Int32Array = new Int32Array(BLOCK_ROWS);
  #freeCount = 0;
  /** Ids below this were handed out at some time. */
  #used = 0;
  #count = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  get count(): number {
    return this.#count;
  }

  /** One more than the largest id in use: for those who look at all of them. */
  get end(): number {
    return this.#used;
  }

  /** A row of zeros with all deadlines at NEVER, or -1 at the limit. */
  allocate(): number {
    if (this.#count >= this.limit) return -1;
    this.#count++;
    const id = this.#freeCount > 0 ? (this.#free[--this.#freeCount] as number) : this.#used++;
    const block = id >> BLOCK_BITS;
    if (block === this.words.length) {
      this.words.push(new Int32Array(BLOCK_ROWS * WORDS_PER_ROW));
      this.numbers.push(new Float64Array(BLOCK_ROWS * NUMBERS_PER_ROW));
    }
    const row = id & (BLOCK_ROWS - 1);
    const at = row * NUMBERS_PER_ROW;
    (this.words[block] as Int32Array).fill(0, row * WORDS_PER_ROW, (row + 1) * WORDS_PER_ROW);
    const numbers = this.numbers[block] as Float64Array;
    numbers.fill(0, at, at + NUMBERS_PER_ROW);
    for (let i = 0; i < TIME_OFFSETS.length; i++) numbers[at + (TIME_OFFSETS[i] as number)] = NEVER;
    return id;
  }

  free(id: number): void {
    const words = this.words[id >> BLOCK_BITS] as Int32Array;
    const at = (id & (BLOCK_ROWS - 1)) * WORDS_PER_ROW;
    assert(words[at] !== 0, 'a connection is freed once');
    words[at] = 0;
    if (this.#freeCount === this.#free.length) {
      const larger = new Int32Array(this.#free.length * 2);
      larger.set(this.#free);
      this.#free = larger;
    }
    this.#free[this.#freeCount++] = id;
    this.#count--;
  }

  /** Whether `id` is in use. */
  has(id: number): boolean {
    if (id < 0 || id >= this.#used) return false;
    return (this.words[id >> BLOCK_BITS] as Int32Array)[(id & (BLOCK_ROWS - 1)) * WORDS_PER_ROW] !== 0;
  }
}

const TIME_OFFSETS: readonly number[] = TIMES.map((name) => (NUMBERS as readonly string[]).indexOf(name));

class Cursor {
  readonly table: TcbTable;
  id = -1;
  words: Int32Array = new Int32Array(WORDS_PER_ROW);
  numbers: Float64Array = new Float64Array(NUMBERS_PER_ROW);
  word = 0;
  number = 0;

  constructor(table: TcbTable) {
    this.table = table;
  }

  /** Moves to the row of connection `id`. */
  at(id: number): this {
    const block = id >> BLOCK_BITS;
    const row = id & (BLOCK_ROWS - 1);
    this.id = id;
    this.words = this.table.words[block] as Int32Array;
    this.numbers = this.table.numbers[block] as Float64Array;
    this.word = row * WORDS_PER_ROW;
    this.number = row * NUMBERS_PER_ROW;
    return this;
  }

  has(flag: number): boolean {
    return ((this.words[this.word + FLAGS] as number) & flag) !== 0;
  }

  set(flag: number): void {
    this.words[this.word + FLAGS] = (this.words[this.word + FLAGS] as number) | flag;
  }

  clear(flag: number): void {
    this.words[this.word + FLAGS] = (this.words[this.word + FLAGS] as number) & ~flag;
  }
}

const FLAGS = WORDS.indexOf('flags');

/** A cursor over the table, with every field by name. */
export type Tcb = Cursor & { [field in TcbField]: number };

// An accessor per field, made from the lists above: small enough that the compiler inlines each.
for (const [offset, name] of WORDS.entries()) {
  Object.defineProperty(Cursor.prototype, name, {
    get(this: Cursor): number {
      return this.words[this.word + offset] as number;
    },
    set(this: Cursor, value: number) {
      this.words[this.word + offset] = value;
    },
  });
}
for (const [offset, name] of NUMBERS.entries()) {
  Object.defineProperty(Cursor.prototype, name, {
    get(this: Cursor): number {
      return this.numbers[this.number + offset] as number;
    },
    set(this: Cursor, value: number) {
      this.numbers[this.number + offset] = value;
    },
  });
}

export function tcbCursor(table: TcbTable): Tcb {
  return new Cursor(table) as Tcb;
}

/** Bytes of a row, for the book-keeping of memory. */
export const TCB_BYTES: number = WORDS_PER_ROW * 4 + NUMBERS_PER_ROW * 8;
