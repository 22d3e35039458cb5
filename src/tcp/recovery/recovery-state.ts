/**
 * What loss recovery knows of one connection: its parts, and the congestion episode it is in.
 *
 *     open ----- ECE -----> cwr ----------.            both reduce the window by PRR until SND.UNA reaches `recover`
 *      | `------ loss ----> recovery -----+--> open
 *      `-------- timeout -> loss --------'             slow start from one segment
 *
 * Plain and public: the steps over it are in `episode.ts`, `newreno.ts` and `loss-recovery.ts`.
 */
import type { Rng } from '../../base/rng.ts';
import type { Instant } from '../../base/time.ts';
import type { CongestionControl, CongestionName } from '../congestion/control.ts';
import { AckSample, LostRange } from '../congestion/control.ts';
import { RateSample, RateState } from '../congestion/rate-sample.ts';
import { startControl } from '../congestion/select.ts';
import { WindowedMax } from '../congestion/windowed-max.ts';
import { EcnSender } from './ecn.ts';
import { Pacer } from './pacing.ts';
import { Prr } from './prr.ts';
import { Rack } from './rack.ts';
import { Scoreboard } from './scoreboard.ts';
import { Tlp } from './tlp.ts';
import { Undo } from './undo.ts';

/** Of the least round trip, as Linux's tcp_min_rtt_wlen. */
const MIN_RTT_WINDOW_US = 300_000_000;

export type Phase = 'open' | 'cwr' | 'recovery' | 'loss';
/** What `recoveryAt` is for. */
export type Waiting = 'nothing' | 'reordering' | 'probe';

/** What all connections of a stack share: chance, counts, and objects that are filled anew. */
export class RecoveryShared {
  readonly rng: Rng;
  readonly sample: AckSample = new AckSample(new RateSample());
  readonly lostRange: LostRange = new LostRange();
  readonly counters: RecoveryCounters = new RecoveryCounters();
  /** For connections that do not ask for one (`net.ipv4.tcp_congestion_control`). */
  congestion: CongestionName;
  /** Without it a window leaves in bursts; BBR paces in any case. */
  isPacing = true;

  constructor(rng: Rng, congestion: CongestionName) {
    this.rng = rng;
    this.congestion = congestion;
  }
}

/** Under Linux's names of /proc/net/netstat. */
export class RecoveryCounters {
  tcpSackRecovery = 0;
  tcpRenoRecovery = 0;
  tcpTimeouts = 0;
  tcpLossProbes = 0;
  tcpLossProbeRecovery = 0;
  tcpSackReneging = 0;
  tcpFullUndo = 0;
  tcpDsackUndo = 0;
  tcpSpuriousRtos = 0;
  tcpDsackRecv = 0;
  tcpSackReorder = 0;
  tcpLostRetransmit = 0;
  tcpEceReductions = 0;
}

export class RecoveryState {
  readonly shared: RecoveryShared;
  readonly board: Scoreboard = new Scoreboard();
  readonly rack: Rack;
  readonly prr: Prr = new Prr();
  readonly tlp: Tlp = new Tlp();
  readonly undo: Undo = new Undo();
  readonly ecn: EcnSender = new EcnSender();
  readonly pacer: Pacer = new Pacer();
  readonly total: RateState = new RateState();
  control: CongestionControl;

  phase: Phase = 'open';
  waiting: Waiting = 'nothing';
  /** SND.NXT when the episode began; without one, when the last one did. */
  recover: number;
  /** The window while PRR holds it. */
  prrCwnd = 0;
  /** No lost range without a retransmission in flight begins before it. */
  lostFrom: number;
  /** Without SACK: bytes that duplicate acknowledgements say have arrived (RFC 6582, RFC 3042). */
  renoSacked = 0;

  // Whether the window was used (`validation.ts`): the most in flight until SND.UNA passes `usageSeq`.
  mostInFlight = 0;
  usageSeq: number;
  isCwndLimited = false;

  readonly #minRtt: WindowedMax = new WindowedMax();

  constructor(
    now: Instant,
    shared: RecoveryShared,
    name: CongestionName,
    una: number,
    mss: number,
    srttUs: number,
  ) {
    this.shared = shared;
    this.rack = new Rack(una);
    this.recover = una;
    this.lostFrom = una;
    this.usageSeq = una;
    this.control = startControl(now, name, mss, srttUs, shared.rng);
    if (srttUs > 0) this.addRtt(now, srttUs);
  }

  get isReducing(): boolean {
    return this.phase === 'cwr' || this.phase === 'recovery';
  }

  get inFlight(): number {
    return this.board.inFlight - this.renoSacked;
  }

  /** What limits sending now. */
  get cwnd(): number {
    return this.isReducing && this.control.usesPrr ? this.prrCwnd : this.control.cwnd;
  }

  get pacingRate(): number {
    return this.shared.isPacing || !this.control.usesPrr ? this.control.pacingRate : 0;
  }

  /** Infinity before the first sample. */
  get minRttUs(): number {
    return -this.#minRtt.value;
  }

  addRtt(now: Instant, rttUs: number): void {
    this.#minRtt.update(now, -Math.max(rttUs, 1), MIN_RTT_WINDOW_US);
  }
}
