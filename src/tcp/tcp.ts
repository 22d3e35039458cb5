/**
 * TCP: RFC 9293. The machine as its host sees it.
 *
 *     handlePacket ──> segment ──> connection │ TIME-WAIT │ listener │ RST
 *     handleTimeout(now), nextTimeout()      deadlines of all connections, by one wheel
 *     pollTransmit(now)                      what connections have to send, until it says false
 *
 * What applications do with it is in `connection.ts`. Nothing is sent from within their calls: `host.wake` asks
 * for a turn, and the turn polls.
 */
import { Drop } from '../base/drop.ts';
import type { Instant } from '../base/time.ts';
import { earliest } from '../base/time.ts';
import type { Packet } from '../packet/packet.ts';
import { Flag } from '../wire/tcp.ts';
import { dropTimeWait, expireTimeWait, handleTimeWait, REUSED } from './close/time-wait.ts';
import type { TcpConfig } from './config.ts';
import { defaultTcpConfig } from './config.ts';
import { Connections } from './connection.ts';
import type { TcpCounters } from './counters.ts';
import { codeOf } from './errno-code.ts';
import type { TcpHost, TcpPathError } from './host.ts';
import { handleSegment } from './input/input.ts';
import { handlePathError, reloadPath } from './input/path-error.ts';
import { refuse } from './input/reset.ts';
import { handleListen } from './open/listen.ts';
import { serve } from './output/output.ts';
import { finish } from './records.ts';
import { lossRecoveryFactory } from './recovery/loss-recovery.ts';
import { RecoveryShared } from './recovery/recovery-shared.ts';
import type { RecoveryFactory } from './recovery-port.ts';
import { TcpShared, TIME_WAIT_BIT } from './shared.ts';
import { State } from './state.ts';
import { TcbFlag } from './tcb.ts';
import { handleTimeouts } from './time/timeouts.ts';

/** Deadlines that are answered in one step; more wait for the next. */
const TIMEOUT_BUDGET = 4_096;
const TOO_LONG: number = codeOf('EMSGSIZE');
/** Connections that are served in one step. */
const SERVE_BUDGET = 4_096;

export class Tcp {
  readonly shared: TcpShared;
  /** Of all connections: counts, and the rows of their scoreboards. */
  readonly recovery: RecoveryShared;
  readonly connections: Connections;

  constructor(now: Instant, host: TcpHost, config: Partial<TcpConfig> = {}, recovery?: RecoveryFactory) {
    const all = { ...defaultTcpConfig(), ...config };
    this.recovery = new RecoveryShared(host.rng.fork('recovery'), all.congestionControl);
    this.shared = new TcpShared(now, host, all, recovery ?? lossRecoveryFactory(this.recovery));
    this.connections = new Connections(this.shared);
  }

  get counters(): TcpCounters {
    return this.shared.counters;
  }

  get config(): TcpConfig {
    return this.shared.config;
  }

  /** Takes ownership of a packet: IP header at `l3`, TCP header at `l4`, end of the IP payload at `tail`. */
  handlePacket(now: Instant, packet: Packet): void {
    const tcp = this.shared;
    const { segment, counters } = tcp;
    tcp.now = now;
    const bad = segment.fill(packet);
    if (bad !== Drop.None) {
      counters.tcp.inSegs++;
      counters.tcp.inErrs++;
      if (bad === Drop.TcpChecksum) counters.tcp.inCsumErrors++;
      tcp.host.drops.drop(packet, bad);
      return;
    }
    counters.tcp.inSegs += segment.pieces;
    const drop = this.#dispatch(now);
    if (drop === Drop.None) packet.release();
    else tcp.host.drops.drop(packet, drop);
  }

  /** An ICMP error about a segment of ours (RFC 5927). Answers whether there is a connection that it is about. */
  handleError(now: Instant, error: TcpPathError): boolean {
    this.shared.now = now;
    return handlePathError(now, this.shared, error);
  }

  nextTimeout(): Instant {
    return earliest(this.shared.wheel.next(), this.shared.timeWait.next());
  }

  handleTimeout(now: Instant): void {
    const tcp = this.shared;
    tcp.now = now;
    for (let i = 0; i < TIMEOUT_BUDGET; i++) {
      const id = tcp.wheel.expire(now);
      if (id < 0) break;
      if (tcp.table.has(id)) handleTimeouts(now, tcp, tcp.tcb.at(id));
    }
    expireTimeWait(now, tcp, TIMEOUT_BUDGET);
  }

  /** Whether `pollTransmit` has something to do. */
  get isDue(): boolean {
    return this.shared.output.length > 0;
  }

  /**
   * Lets connections send what they have; to be called in every turn. True when something is left though there is room:
   * a turn is wanted at once.
   */
  pollTransmit(now: Instant): boolean {
    const tcp = this.shared;
    const { output, tcb } = tcp;
    tcp.now = now;
    // Those that are queued meanwhile have their turn next time: `serve` may queue its own again.
    const count = Math.min(output.length, SERVE_BUDGET);
    for (let i = 0; i < count; i++) {
      const id = output.shift();
      if (!tcp.table.has(id)) continue;
      tcb.at(id);
      if (!tcb.has(TcbFlag.Queued)) continue;
      tcb.clear(TcbFlag.Queued);
      if (serve(now, tcp, tcb)) tcp.requeueOutput(tcb);
      if (tcb.softError !== 0) this.#handleRefusal(now);
    }
    // Without room below it is the host that knows when to go on, and it polls in every turn.
    if (output.length === 0 || !tcp.host.hasRoom) return false;
    tcp.host.wake();
    return true;
  }

  /** What the host said to a segment of the connection in hand. */
  #handleRefusal(now: Instant): void {
    const tcp = this.shared;
    const { tcb } = tcp;
    if (tcb.softError === TOO_LONG) {
      // The device's MTU is smaller than it was; routers would have said so by ICMP.
      tcb.softError = 0;
      reloadPath(now, tcp, tcb);
    } else if (tcb.state === State.SynSent && tcb.retransmits === 0) {
      // A route that is not there ends an open at once.
      finish(tcp, tcb, tcb.softError);
    }
  }

  /** Ends everything without a word: the stack goes away. */
  closeAll(): void {
    const tcp = this.shared;
    for (const listener of tcp.listeners.all()) tcp.listeners.remove(listener);
    for (let id = 0; id < tcp.table.end; id++) {
      if (!tcp.table.has(id)) continue;
      tcp.users[id] = null;
      tcp.tcb.at(id).set(TcbFlag.Orphan);
      this.connections.release(id);
    }
    for (let row = 0; row < tcp.timeWait.end; row++) {
      if (Number.isFinite(tcp.timeWait.deadline(row))) dropTimeWait(tcp, row);
    }
  }

  #dispatch(now: Instant): Drop {
    const tcp = this.shared;
    const { segment, words } = tcp;
    const found = tcp.lookup(words.ofArrived(segment.flow));
    if (found >= 0 && found < TIME_WAIT_BIT) return handleSegment(now, tcp, tcp.tcb.at(found), segment);
    const listener = tcp.listeners.count === 0 ? null : tcp.listeners.lookup(segment.flow, tcp.flows.hash());
    if (found >= TIME_WAIT_BIT) {
      const drop = handleTimeWait(now, tcp, found & ~TIME_WAIT_BIT, segment, listener !== null);
      if (drop !== REUSED) return drop;
    }
    if (listener === null) {
      refuse(tcp, segment);
      return Drop.TcpNoPort;
    }
    words.ofArrived(segment.flow);
    const drop = handleListen(now, tcp, listener, segment, found >= TIME_WAIT_BIT);
    if (drop !== Drop.None || !segment.has(Flag.Ack)) return drop;
    // The ACK that answered a cookie may bring data.
    return segment.length === 0 ? Drop.None : handleSegment(now, tcp, tcp.tcb, segment);
  }
}
