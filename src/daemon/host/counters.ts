/**
 * Everything that a stack counts, under the names by which `tapstack counters` and Prometheus show it.
 */
import { Metrics } from '../../observe/metrics.ts';
import type { Instance } from '../instance.ts';
import { interfacesOf } from './refuse.ts';

/** Made anew for each question, since devices come and go. */
export function metricsOf(instance: Instance): Metrics {
  const { stack, link, loop } = instance;
  const metrics = new Metrics();
  metrics.addFamily('drops', 'reason', () => stack.drops.status());
  metrics.add('ip', () => stack.ip.counters);
  metrics.add('icmp', () => stack.icmp.counters);
  metrics.add('udp', () => stack.sockets.udp.counters);
  metrics.add('tcp', () => stack.tcp.counters.tcp, {}, ['currEstab']);
  metrics.add('tcpExt', () => stack.tcp.counters.tcpExt);
  metrics.add('tcpRecovery', () => stack.tcp.recovery.counters);
  metrics.add('tcpRecovery', () => stack.tcp.recovery.counters);
  metrics.add('tcpMem', () => tcpMemory(instance), {}, [
    'connections',
    'timeWait',
    'bufferBytes',
    'bufferMaxBytes',
  ]);
  if (instance.http !== null) {
    const { http } = instance;
    metrics.add('http', () => http.counters, {}, ['open']);
  }
  for (const iface of interfacesOf(stack)) {
    const { name, device, qdisc, neighbors, arp } = iface;
    metrics.add('device', () => device.counters, { dev: name });
    metrics.add('qdisc', () => qdisc.counters, { dev: name });
    if (neighbors !== null) metrics.add('neigh', () => neighbors.counters, { dev: name });
    if (arp !== null) metrics.add('arp', () => arp.counters, { dev: name });
  }
  metrics.add('link', () => link.counters(), { dev: link.name });
  metrics.add('loop', () => loop.counters);
  const pool = (): object => ({
    slots: stack.pool.capacity,
    free: stack.pool.available,
    lowWater: stack.pool.lowWater,
    exhausted: stack.pool.exhausted,
  });
  metrics.add('pool', pool, {}, ['slots', 'free', 'lowWater']);
  metrics.add('sockets', () => stack.sockets.status(), {}, [
    'used',
    'udp',
    'tcp',
    'tcpTw',
    'raw',
    'ping',
    'memoryBytes',
    'slots',
  ]);
  return metrics;
}

function tcpMemory({ stack }: Instance): object {
  const { table, timeWait, rings } = stack.tcp.shared;
  return {
    connections: table.count,
    timeWait: timeWait.count,
    bufferBytes: rings.used,
    bufferMaxBytes: rings.limit,
  };
}
