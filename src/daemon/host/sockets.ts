/**
 * The sockets of a stack and the connections that none holds any more, for `ss` and for the status page.
 */
import type { Ip } from '../../addr/ip.ts';
import { ANY4, ANY6, formatIp, Ip as IpAddress } from '../../addr/ip.ts';
import type { Instant } from '../../base/time.ts';
import { NEVER } from '../../base/time.ts';
import type { SocketRequest } from '../../control/host.ts';
import { Refusal } from '../../control/host.ts';
import type { SocketMemoryReport, SocketReport, SocketTimerReport, TcpReport } from '../../control/report.ts';
import type { SocketNames, SocketState } from '../../control/socket-filter.ts';
import { matches } from '../../control/socket-filter.ts';
import { PingSocket } from '../../socket/ping-socket.ts';
import { RawSocket } from '../../socket/raw-socket.ts';
import { TcpSocket } from '../../socket/tcp-socket.ts';
import { UdpSocket } from '../../socket/udp-socket.ts';
import type { Stack } from '../../stack/stack.ts';
import { State } from '../../tcp/state.ts';
import type { Tcb } from '../../tcp/tcb.ts';
import { TcbFlag } from '../../tcp/tcb.ts';
import { nameOf } from './refuse.ts';

/** More than this in one answer help nobody, and hold up the stack. */
const REPORTS_MAX = 100_000;

const STATES: Readonly<Record<State, readonly [text: string, name: SocketState]>> = {
  [State.Established]: ['ESTAB', 'established'],
  [State.SynSent]: ['SYN-SENT', 'syn-sent'],
  [State.SynReceived]: ['SYN-RECV', 'syn-recv'],
  [State.FinWait1]: ['FIN-WAIT-1', 'fin-wait-1'],
  [State.FinWait2]: ['FIN-WAIT-2', 'fin-wait-2'],
  [State.TimeWait]: ['TIME-WAIT', 'time-wait'],
  [State.Closed]: ['UNCONN', 'closed'],
  [State.CloseWait]: ['CLOSE-WAIT', 'close-wait'],
  [State.LastAck]: ['LAST-ACK', 'last-ack'],
  [State.Listen]: ['LISTEN', 'listening'],
  [State.Closing]: ['CLOSING', 'closing'],
};

interface Found extends SocketNames {
  readonly state: State;
}

export function sockets(
  stack: Stack,
  now: Instant,
  request: SocketRequest,
): readonly SocketReport[] | Refusal {
  const list = new SocketList(stack, now, request);
  if (request.kinds.has('tcp')) list.addTcp();
  list.addOthers();
  if (list.reports.length < REPORTS_MAX) return list.reports;
  return new Refusal('E2BIG', `there are more than ${REPORTS_MAX} of them; say which by a filter`);
}

class SocketList {
  readonly reports: SocketReport[] = [];
  readonly #stack: Stack;
  readonly #now: Instant;
  readonly #request: SocketRequest;

  constructor(stack: Stack, now: Instant, request: SocketRequest) {
    this.#stack = stack;
    this.#now = now;
    this.#request = request;
  }

  addTcp(): void {
    for (const socket of this.#stack.sockets.all) {
      if (socket instanceof TcpSocket && socket.id < 0) this.#addUnconnected(socket);
    }
    const { connections, shared } = this.#stack.tcp;
    for (const id of connections.ids()) {
      const tcb = connections.tcb(id);
      const local = new IpAddress(tcb.localA, tcb.localB, tcb.localC, tcb.localD);
      const peer = new IpAddress(tcb.remoteA, tcb.remoteB, tcb.remoteC, tcb.remoteD);
      const { localPort, remotePort } = tcb;
      this.#addConnection(id, { state: tcb.state as State, local, localPort, peer, peerPort: remotePort });
    }
    const words = new Int32Array(9);
    for (let row = 0; row < shared.timeWait.end; row++) {
      const expiresAt = shared.timeWait.deadline(row);
      if (!Number.isFinite(expiresAt)) continue;
      shared.timeWait.loadFlow(row, words);
      const found = { state: State.TimeWait, ...flowOf(words) };
      if (!this.#isWanted(found)) continue;
      const timer = { name: 'timewait', expiresMs: (expiresAt - this.#now) / 1_000, retransmits: 0 } as const;
      this.#add(found, 'tcp', 0, 0, this.#request.timers ? { timer } : {});
    }
  }

  addOthers(): void {
    const { kinds } = this.#request;
    for (const socket of this.#stack.sockets.all) {
      if (socket instanceof UdpSocket && kinds.has('udp')) {
        const { local, localPort, remote, remotePort } = socket;
        this.#addDatagram('udp', socket, local, localPort, remote, remotePort);
      } else if (socket instanceof RawSocket && kinds.has('raw')) {
        this.#addDatagram('raw', socket, socket.local, socket.protocol, socket.remote, 0);
      } else if (socket instanceof PingSocket && kinds.has('icmp')) {
        this.#addDatagram('icmp', socket, socket.local, socket.id, socket.remote, 0);
      }
    }
  }

  #addUnconnected(socket: TcpSocket): void {
    const { state, local, localPort, queue, family } = socket;
    const found = { state, local, localPort, peer: family === 4 ? ANY4 : ANY6, peerPort: 0 };
    if (!this.#isWanted(found)) return;
    this.#add(found, 'tcp', queue?.waiting ?? 0, queue?.backlog ?? 0, deviceOf(this.#stack, socket.device));
  }

  #addConnection(id: number, found: Found): void {
    if (!this.#isWanted(found)) return;
    const { connections } = this.#stack.tcp;
    const { info, memory, timers } = this.#request;
    const device = deviceOf(this.#stack, connections.tcb(id).oif);
    const timer = timers ? this.#timerOf(id) : null;
    const extra = {
      ...device,
      ...(timer === null ? {} : { timer }),
      ...(memory ? { memory: this.#memoryOf(id) } : {}),
      ...(info ? { tcp: this.#tcpOf(id) } : {}),
    };
    this.#add(found, 'tcp', Math.max(0, connections.readable(id)), connections.unacknowledged(id), extra);
  }

  #addDatagram(
    kind: 'udp' | 'raw' | 'icmp',
    socket: UdpSocket | RawSocket | PingSocket,
    local: Ip,
    localPort: number,
    remote: Ip | null,
    peerPort: number,
  ): void {
    const state = remote === null ? State.Closed : State.Established;
    const found = { state, local, localPort, peer: remote ?? (socket.family === 4 ? ANY4 : ANY6), peerPort };
    if (!this.#isWanted(found)) return;
    const { queuedBytes, receiveBuffer, sendBuffer } = socket;
    const memory = { receive: queuedBytes, receiveMax: receiveBuffer, send: 0, sendMax: sendBuffer };
    const device = deviceOf(this.#stack, socket.options.oif);
    this.#add(found, kind, queuedBytes, 0, { ...device, ...(this.#request.memory ? { memory } : {}) });
  }

  #isWanted(found: Found): boolean {
    const { states, expression } = this.#request.filter;
    if (this.reports.length >= REPORTS_MAX) return false;
    if (states !== null && !states.has(STATES[found.state][1])) return false;
    return expression === null || matches(expression, found);
  }

  #add(
    { state, local, localPort, peer, peerPort }: Found,
    netid: SocketReport['netid'],
    recvQ: number,
    sendQ: number,
    extra: Partial<SocketReport>,
  ): void {
    this.reports.push({
      netid,
      state: STATES[state][0],
      recvQ,
      sendQ,
      local: formatIp(local),
      localPort,
      peer: formatIp(peer),
      peerPort,
      ...extra,
    });
  }

  #tcpOf(id: number): TcpReport {
    const { connections } = this.#stack.tcp;
    const info = Object.fromEntries(Object.entries(connections.info(id)) as [string, number][]);
    return { congestion: connections.congestion(id), info };
  }

  #memoryOf(id: number): SocketMemoryReport {
    const { shared, connections } = this.#stack.tcp;
    const tcb = connections.tcb(id);
    return {
      receive: shared.receiveBuffer.capacity(id),
      receiveMax: tcb.rcvLimit,
      send: shared.sendBuffer.capacity(id),
      sendMax: tcb.sndLimit,
    };
  }

  #timerOf(id: number): SocketTimerReport | null {
    const tcb = this.#stack.tcp.connections.tcb(id);
    const { retransmits, persistProbes, keepProbesSent } = tcb;
    const candidates: readonly SocketTimerReport[] = [
      { name: 'on', expiresMs: this.#left(retransmissionAt(tcb)), retransmits },
      { name: 'persist', expiresMs: this.#left(tcb.persistAt), retransmits: persistProbes },
      {
        name: tcb.has(TcbFlag.Orphan) && tcb.state === State.FinWait2 ? 'timewait' : 'keepalive',
        expiresMs: this.#left(tcb.keepAt),
        retransmits: keepProbesSent,
      },
    ];
    return candidates.find(({ expiresMs }) => Number.isFinite(expiresMs)) ?? null;
  }

  #left(at: number): number {
    return (at - this.#now) / 1_000;
  }
}

/** While nothing is in flight `rtoAt` means something else. */
function retransmissionAt(tcb: Tcb): number {
  const isOpening = tcb.state === State.SynSent || tcb.state === State.SynReceived;
  const rtoAt = tcb.has(TcbFlag.RtoRunning) || isOpening ? tcb.rtoAt : NEVER;
  return Math.min(rtoAt, tcb.recoveryAt);
}

function deviceOf(stack: Stack, index: number): { readonly dev?: string } {
  return index === 0 ? {} : { dev: nameOf(stack, index) };
}

function flowOf(words: Int32Array): SocketNames {
  const word = (index: number): number => words[index] as number;
  return {
    local: new IpAddress(word(0), word(1), word(2), word(3)),
    localPort: word(8) >>> 16,
    peer: new IpAddress(word(4), word(5), word(6), word(7)),
    peerPort: word(8) & 0xffff,
  };
}
