/**
 * What the TCP sockets of one stack share: the machine, and who has which port.
 *
 * Only what `bind` or `listen` took is kept by port: connections are found by TCP itself, and one that was opened
 * without a bind may share its port with others to other peers.
 */
import type { Ip } from '../../addr/ip.ts';
import type { Rng } from '../../base/rng.ts';
import type { Tcp } from '../../tcp/tcp.ts';
import type { SocketContext } from '../context.ts';
import { SendOptions } from '../host.ts';
import type { PortSpace, PortUser } from '../ports.ts';
import { Ports } from '../ports.ts';

const NOBODY: readonly PortUser[] = [];

export class TcpSpace implements PortSpace {
  readonly context: SocketContext;
  readonly tcp: Tcp;
  readonly ports: Ports;
  /** Filled anew for each look-up of a source address. */
  readonly sendOptions: SendOptions = new SendOptions();
  /** Open sockets that were accepted: TCP itself limits these. */
  acceptedCount = 0;
  readonly #byPort = new Map<number, PortUser[]>();

  constructor(context: SocketContext, tcp: Tcp, rng: Rng) {
    this.context = context;
    this.tcp = tcp;
    this.ports = new Ports(this, rng);
  }

  atPort(port: number): readonly PortUser[] {
    return this.#byPort.get(port) ?? NOBODY;
  }

  add(user: PortUser, port: number): void {
    const users = this.#byPort.get(port);
    if (users === undefined) this.#byPort.set(port, [user]);
    else users.push(user);
  }

  remove(user: PortUser, port: number): void {
    const users = this.#byPort.get(port);
    if (users === undefined) return;
    const at = users.indexOf(user);
    if (at >= 0) users.splice(at, 1);
    if (users.length === 0) this.#byPort.delete(port);
  }

  /**
   * Whether `user` may not have `port` at `local`: somebody else has bound it, or, without SO_REUSEADDR, a connection
   * is still there that had it. Looks at all connections: a price of `bind`, not of what comes afterwards.
   */
  isTaken(user: PortUser, local: Ip, port: number): boolean {
    if (this.ports.isTaken(user, local, port)) return true;
    return !user.reuseAddress && this.#isInUse(local, port);
  }

  #isInUse(local: Ip, port: number): boolean {
    const { table, tcb, timeWait } = this.tcp.shared;
    if (table.count === 0 && timeWait.count === 0) return false;
    for (let id = 0; id < table.end; id++) {
      if (!table.has(id)) continue;
      tcb.at(id);
      if (tcb.localPort !== port) continue;
      if (local.isUnspecified || (tcb.localD === local.d && tcb.localC === local.c)) return true;
    }
    return timeWait.count > 0 && this.#isWaiting(local, port);
  }

  #isWaiting(local: Ip, port: number): boolean {
    const { timeWait, words } = this.tcp.shared;
    for (let row = 0; row < timeWait.end; row++) {
      if (!Number.isFinite(timeWait.deadline(row))) continue;
      timeWait.loadFlow(row, words.words);
      if ((words.words[8] as number) >>> 16 !== port) continue;
      if (local.isUnspecified || words.words[3] === local.d) return true;
    }
    return false;
  }
}
