/**
 * TCP sockets of two hosts on one link, in virtual time.
 */
import type { Test } from 'tap';
import { ANY4 } from '../../src/addr/ip.ts';
import { equalBytes } from '../../src/base/bytes.ts';
import { isErrno } from '../../src/base/errno.ts';
import { sec } from '../../src/base/time.ts';
import type { SimHost } from '../../src/sim/host.ts';
import { Ready } from '../../src/socket/datagram-socket.ts';
import type { TcpSocket } from '../../src/socket/tcp-socket.ts';
import type { Joined, JoinedOptions } from '../support/hosts.ts';
import { address, joined } from '../support/hosts.ts';

export const A = '10.1.0.2';
export const B = '10.1.0.3';
export const BUFFER: Uint8Array = new Uint8Array(100_000);

export function tcp(host: SimHost, family: 4 | 6 = 4): TcpSocket {
  const socket = host.stack.sockets.openTcp(family);
  if (typeof socket === 'string') throw new Error(socket);
  return socket;
}

export function listening(host: SimHost, port: number, backlog = 8): TcpSocket {
  const socket = tcp(host);
  socket.reuseAddress = true;
  const refusal = socket.bind(ANY4, port) ?? socket.listen(backlog);
  if (refusal !== null) throw new Error(refusal);
  return socket;
}

export function accepted(listener: TcpSocket): TcpSocket {
  const socket = listener.accept();
  if (typeof socket === 'string') throw new Error(`accept said ${socket}`);
  return socket;
}

export interface Connected extends Joined {
  readonly listener: TcpSocket;
  readonly client: TcpSocket;
  readonly server: TcpSocket;
}

export function connected(options: JoinedOptions = {}): Connected {
  const net = joined(options);
  const listener = listening(net.b, 80);
  const client = tcp(net.a);
  const refusal = client.connect(address(B), 80);
  if (refusal !== null) throw new Error(refusal);
  net.run();
  return Object.assign(net, { listener, client, server: accepted(listener) });
}

/** What `onReady` was told, in words, with the empty ones left out. */
export function listen(socket: TcpSocket): string[] {
  const told: string[] = [];
  socket.onReady = (_now, edges): void => {
    told.push(readyText(edges));
  };
  return told;
}

export function readyText(bits: number): string {
  return Object.entries(Ready)
    .filter(([, bit]) => (bits & bit) !== 0)
    .map(([name]) => name)
    .join(' ');
}

/** Everything that waits, or the errno, or the end, if nothing does. */
export function readAll(socket: TcpSocket): Uint8Array | string {
  let all = new Uint8Array(0);
  for (;;) {
    const count = socket.read(BUFFER);
    if (isErrno(count) || count === 0) {
      if (all.length > 0) return all;
      return count === 0 ? 'end' : count;
    }
    const longer = new Uint8Array(all.length + count);
    longer.set(all);
    longer.set(BUFFER.subarray(0, count), all.length);
    all = longer;
  }
}

/** `strictSame`, which would take seconds for so many bytes. */
export function isSame(one: Uint8Array | string, other: Uint8Array): boolean {
  return typeof one !== 'string' && one.length === other.length && equalBytes(one, 0, other, 0, one.length);
}

/** Nothing of any connection is left in either host, once TIME-WAIT is over. */
export function nothingLeft(t: Test, net: Joined): void {
  net.run(sec(130));
  for (const host of [net.a, net.b]) {
    const { table, timeWait, rings, flows, wheel } = host.stack.tcp.shared;
    t.strictSame(
      [table.count, timeWait.count, rings.used, flows.count, wheel.count],
      [0, 0, 0, 0, 0],
      `${host.name}: connections, TIME-WAIT, buffers, flows, timers`,
    );
  }
  net.end(t);
}
