/**
 * What the loss recovery of all connections of a stack has in common: chance, counts, and the objects that
 * are filled anew for every acknowledgement.
 */
import type { Rng } from '../../base/rng.ts';
import type { CongestionName } from '../congestion/control.ts';
import { AckSample, LostRange } from '../congestion/control.ts';
import { RateSample } from '../congestion/rate-sample.ts';
import { SentRows } from './sent-rows.ts';

export class RecoveryShared {
  readonly rng: Rng;
  readonly sample: AckSample = new AckSample(new RateSample());
  readonly lostRange: LostRange = new LostRange();
  readonly rows: SentRows = new SentRows();
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
