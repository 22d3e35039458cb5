/**
 * How TCP is set on the hosts of a random world, and on their sockets: what peers may differ in, and small limits,
 * which are reached sooner than large ones.
 */
import type { Rng } from '../../base/rng.ts';
import type { TcpOption } from '../../socket/tcp/options.ts';
import type { TcpSocket } from '../../socket/tcp-socket.ts';
import type { TcpConfig } from '../../tcp/config.ts';
import { CONGESTION_NAMES } from '../../tcp/congestion/select.ts';
import { chance, oneOf } from '../chance.ts';

/**
 * Listeners: one with a short queue, one that is polite; then ports that clients come from again and again, and one
 * from and to which both open at once.
 */
export const StreamPort = {
  Listen: 4_100,
  Polite: 4_101,
  Again: 4_110,
  Crossed: 4_120,
} as const;
export const STREAM_PORTS: readonly number[] = Object.values(StreamPort);

/** A host in the middle of the range has twice as much in use as its connections do at their largest. */
const MEMORY_MIN = 192 << 10;

export function tcpConfig(rng: Rng): Partial<TcpConfig> {
  return {
    sack: chance(rng, 0.85),
    dsack: chance(rng, 0.85),
    timestamps: chance(rng, 0.8),
    windowScaling: chance(rng, 0.85),
    ecn: oneOf(rng, [0, 1, 2] as const),
    congestionControl: oneOf(rng, CONGESTION_NAMES),
    syncookies: oneOf(rng, [0, 1, 1, 2] as const),
    maxSynBacklog: oneOf(rng, [2, 16, 1_024]),
    abortOnOverflow: chance(rng, 0.1),
    delackMs: oneOf(rng, [0, 40, 40, 200]),
    mtuProbing: chance(rng, 0.8),
    moderateRcvbuf: chance(rng, 0.8),
    rfc1337: chance(rng, 0.2),
    ...(chance(rng, 0.15) ? { memBytes: MEMORY_MIN << rng.below(3) } : {}),
  };
}

/** All are probed when they are idle, or a peer that crashed would never be missed. */
export function setStreamOptions(rng: Rng, socket: TcpSocket): void {
  const set = (option: TcpOption, value: number): void => {
    socket.setOption(option, value);
  };
  set('keepAlive', 1);
  set('keepIdleMs', 3_000 + rng.below(12_000));
  set('keepIntervalMs', 500 + rng.below(2_000));
  set('keepProbes', 4 + rng.below(5));
  set('synRetries', 2 + rng.below(4));
  if (chance(rng, 0.4)) socket.setCongestion(oneOf(rng, CONGESTION_NAMES));
  if (chance(rng, 0.3)) set('noDelay', 1);
  if (chance(rng, 0.05)) set('cork', 1);
  if (chance(rng, 0.1)) set('quickAck', 1);
  if (chance(rng, 0.2)) set('sendBuffer', 2_304 + rng.below(30_000));
  if (chance(rng, 0.2)) set('receiveBuffer', 2_304 + rng.below(30_000));
  if (chance(rng, 0.1)) set('maxSegment', 100 + rng.below(1_400));
  if (chance(rng, 0.05)) set('windowClamp', 2_000 + rng.below(20_000));
  if (chance(rng, 0.05)) set('notSentLowWater', 1_000 + rng.below(8_000));
  if (chance(rng, 0.05)) set('userTimeoutMs', 2_000 + rng.below(20_000));
  if (chance(rng, 0.05)) set('lingerMs', 0);
  if (chance(rng, 0.2)) set('tos', rng.below(256) & ~3);
}
