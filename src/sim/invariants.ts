/**
 * What must hold of a stack at any time, and what at its end.
 */

import { PMTU_MAX } from '../ip/pmtu.ts';
import { REDIRECTS_MAX } from '../ip/redirects.ts';
import { GC_THRESH3, PENDING_MAX, PERMANENT_MAX } from '../neighbor/table.ts';
import type { Stack } from '../stack/stack.ts';
import type { Tcp } from '../tcp/tcp.ts';

/** More than a run opens, with all that garbage opens by half. */
const CONNECTIONS_MAX = 2_000;

/** Limits that hold whatever arrives; a line for each that does not. */
export function boundViolations(name: string, stack: Stack): string[] {
  const found: string[] = [];
  const limit = (what: string, is: number, most: number): void => {
    if (is > most) found.push(`${name} has ${is} ${what}, at most ${most} are allowed`);
  };
  for (const iface of stack.ip.interfaces) {
    if (iface === undefined || iface.neighbors === null) continue;
    limit('neighbours', iface.neighbors.size, GC_THRESH3 + PERMANENT_MAX);
    limit('packets that wait for neighbours', iface.neighbors.pendingLength, PENDING_MAX);
    limit('packets in a queue', iface.qdisc.length, stack.pool.capacity);
  }
  limit('path MTUs', stack.paths.size, PMTU_MAX);
  const redirects = stack.ip.fib.list().filter(({ protocol }) => protocol === 'redirect').length;
  limit('redirects', redirects, REDIRECTS_MAX);
  const { rings, timeWait } = stack.tcp.shared;
  limit('bytes in rings', rings.used, rings.limit);
  limit('connections in TIME-WAIT', timeWait.count, stack.tcp.config.maxTwBuckets);
  limit('connections', stack.tcp.shared.table.count, CONNECTIONS_MAX);
  const { slots } = stack.sockets.status();
  limit('slots in sockets', slots, stack.pool.capacity / 2);
  return found;
}

/** What TCP has when all of its connections are over, and their time of waiting too: nothing. */
export function tcpLeftovers(name: string, tcp: Tcp): string[] {
  const found: string[] = [];
  const { shared } = tcp;
  const none = (what: string, is: number): void => {
    if (is !== 0) found.push(`${name} has ${is} ${what} left`);
  };
  none('connections', shared.table.count);
  none('rows in TIME-WAIT', shared.timeWait.count);
  none('flows', shared.flows.count);
  none('bytes in rings', shared.rings.used);
  none('rows of scoreboards', tcp.recovery.rows.used);
  none('timers of TCP', shared.wheel.count);
  none('connections that count as established', shared.counters.tcp.currEstab);
  return found;
}

/** `ip/counters.ts`: every datagram that came in is counted once more. Without hooks only. */
export function counterViolations(name: string, stack: Stack): string[] {
  const found: string[] = [];
  const c = stack.ip.counters;
  const refused = c.inHdrErrors + c.inAddrErrors + c.inNoRoutes + c.inDiscards + c.fragFails;
  const taken = c.forwDatagrams + c.inUnknownProtos + c.inDelivers + (c.reasmReqds - c.reasmOKs);
  if (c.inReceives !== refused + taken)
    found.push(`${name} received ${c.inReceives} datagrams, and knows what became of ${refused + taken}`);
  const { udp } = stack.sockets;
  const { icmp } = stack;
  if (icmp.counters.inMsgs > c.inDelivers) found.push(`${name}: more ICMP than was delivered`);
  if (udp.counters.inCsumErrors > udp.counters.inErrors) found.push(`${name}: checksum errors are errors`);
  for (const iface of stack.ip.interfaces) {
    if (iface === undefined) continue;
    for (const [counter, value] of Object.entries(iface.device.counters)) {
      if (!(value >= 0)) found.push(`${name}: ${iface.name} ${counter} is ${value}`);
    }
  }
  return found;
}
