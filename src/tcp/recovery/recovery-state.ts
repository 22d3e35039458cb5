/**
 * What loss recovery knows of one connection: its parts, and the congestion episode it is in.
 *
 *     open ----- ECE -----> cwr ----------.            both reduce the window by PRR until SND.UNA reaches `recover`
 *      | `------ loss ----> recovery -----+--> open
 *      `-------- timeout -> loss --------'             slow start from one segment
 *
 * Plain and public: the steps over it are in `episode.ts`, `newreno.ts` and `loss-recovery.ts`.
 */
import type { Instant } from '../../base/time.ts';
import type { CongestionControl, CongestionName } from '../congestion/control.ts';
import { Pacer } from '../congestion/pacing.ts';
import { RateState } from '../congestion/rate-sample.ts';
import { startControl } from '../congestion/select.ts';
import { WindowedMax } from '../congestion/windowed-max.ts';
import { EcnSender } from './ecn.ts';
import type { MtuProbe } from './mtu-probe.ts';
import { Prr } from './prr.ts';
import { Rack } from './rack.ts';
import type { RecoveryShared } from './recovery-shared.ts';
import { Scoreboard } from './scoreboard.ts';
import { Tlp } from './tlp.ts';
import { Undo } from './undo.ts';

/** Of the least round trip, as Linux's tcp_min_rtt_wlen. */
const MIN_RTT_WINDOW_US = 300_000_000;

export type Phase = 'open' | 'cwr' | 'recovery' | 'loss';
/** What `recoveryAt` is for. */
export type Waiting = 'nothing' | 'reordering' | 'probe';

export class RecoveryState {
  readonly shared: RecoveryShared;
  readonly board: Scoreboard;
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

  /** Bytes per second, of the last sample that counts. */
  deliveryRate = 0;

  /** SMSS as the controller knows it. */
  mss: number;
  /** Exists once the path is suspected of being a black hole. */
  mtu: MtuProbe | null = null;
  /** MTU that a probe has found the path to carry, until somebody takes it; 0: none. */
  foundMtu = 0;

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
    this.board = new Scoreboard(shared.rows);
    this.mss = mss;
    this.rack = new Rack(una);
    // RFC 6582 §3.2: at first below everything that is sent.
    this.recover = (una - 1) | 0;
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
