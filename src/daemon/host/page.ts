/**
 * What stands on the status page of a stack.
 */
import { formatPrefix } from '../../addr/prefix.ts';
import type { Instant } from '../../base/time.ts';
import { START, toSec, us } from '../../base/time.ts';
import { SOCKET_STATES } from '../../control/socket-filter.ts';
import type { Resource } from '../../http/server.ts';
import type { PageConnection, PageStatus } from '../../http/status-page.ts';
import { CONNECTIONS_SHOWN_MAX, statusResources } from '../../http/status-page.ts';
import { LOOPBACK_INDEX } from '../../ip/output.ts';
import type { Instance } from '../instance.ts';
import { metricsOf } from './counters.ts';
import { sockets } from './sockets.ts';

export function pageResources(instance: Instance): readonly Resource[] {
  return statusResources((now) => pageStatus(instance, now));
}

function pageStatus(instance: Instance, now: Instant): PageStatus {
  const { config, stack, nic, version } = instance;
  const connections = connectionsOf(instance, now);
  const addresses = [...stack.ip.addresses]
    .filter(({ ifindex }) => ifindex !== LOOPBACK_INDEX)
    .map(({ prefix }) => formatPrefix(prefix));
  return {
    name: config.name,
    version,
    uptimeSec: toSec(us(now - START)),
    device: nic.name,
    mtu: nic.mtu,
    addresses,
    counters: metricsOf(instance).toJson(),
    connections: connections.slice(0, CONNECTIONS_SHOWN_MAX),
    connectionCount: stack.tcp.shared.table.count,
  };
}

const EVERYTHING = new Set(SOCKET_STATES);

function connectionsOf({ stack }: Instance, now: Instant): PageConnection[] {
  // With very many of them the page says only how many.
  if (stack.tcp.shared.table.end > 10 * CONNECTIONS_SHOWN_MAX) return [];
  const list = sockets(stack, now, {
    kinds: new Set(['tcp']),
    filter: { states: EVERYTHING, expression: null },
    info: true,
    memory: false,
    timers: false,
  });
  if (!Array.isArray(list)) return [];
  return list.map(({ state, recvQ, sendQ, local, localPort, peer, peerPort, tcp }) => ({
    state,
    local: `${local}:${localPort}`,
    remote: peerPort === 0 ? '*' : `${peer}:${peerPort}`,
    recvQ,
    sendQ,
    rttMs: (tcp?.info.tcpi_rtt ?? 0) / 1_000,
  }));
}
