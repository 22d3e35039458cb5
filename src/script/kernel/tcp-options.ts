/**
 * The options of TCP sockets between the numbers of setsockopt(2) and those of `TcpSocket`: socket(7), tcp(7), ip(7).
 */

import type { TcpOption } from '../../socket/tcp/options.ts';
import type { TcpSocket } from '../../socket/tcp-socket.ts';
import { Linux } from '../constants.ts';
import type { CallErrno } from '../errno.ts';
import { errnoNumber } from '../errno.ts';
import type { Linger, OptionValue } from '../syscalls.ts';
import { CallError } from '../syscalls.ts';

const MS_PER_SECOND = 1_000;
const US_PER_MS = 1_000;
const TTL_DEFAULT = 64;
/** SO_SNDBUF and SO_RCVBUF count what surrounds the data as well: twice what was asked for. */
const BUFFER_SHARE = 2;
const LOW_WATER_MAX = 0x7fff_ffff;
/** RFC 9293 §3.7.1: what TCP_MAXSEG says before there is a connection. */
const MSS_DEFAULT = 536;

/** A number of the socket that is the setting times `scale`. */
interface Mapped {
  readonly name: TcpOption;
  readonly scale: number;
  readonly isSwitch: boolean;
}

const mapped = (name: TcpOption, scale = 1): Mapped => ({ name, scale, isSwitch: false });
const toggle = (name: TcpOption): Mapped => ({ name, scale: 1, isSwitch: true });

const SOCKET: Readonly<Record<number, Mapped>> = {
  [Linux.SO_KEEPALIVE]: toggle('keepAlive'),
  [Linux.SO_MARK]: mapped('mark'),
};

const TCP: Readonly<Record<number, Mapped>> = {
  [Linux.TCP_NODELAY]: toggle('noDelay'),
  [Linux.TCP_CORK]: toggle('cork'),
  [Linux.TCP_QUICKACK]: toggle('quickAck'),
  [Linux.TCP_KEEPIDLE]: mapped('keepIdleMs', MS_PER_SECOND),
  [Linux.TCP_KEEPINTVL]: mapped('keepIntervalMs', MS_PER_SECOND),
  [Linux.TCP_KEEPCNT]: mapped('keepProbes'),
  [Linux.TCP_SYNCNT]: mapped('synRetries'),
  [Linux.TCP_USER_TIMEOUT]: mapped('userTimeoutMs'),
  [Linux.TCP_WINDOW_CLAMP]: mapped('windowClamp'),
  [Linux.TCP_DELACK_MAX_US]: mapped('ackDelayMs', 1 / US_PER_MS),
};

const IP: Readonly<Record<number, Mapped>> = {
  [Linux.IP_TOS]: mapped('tos'),
  [Linux.IP_TTL]: mapped('ttl'),
};

/** Taken, and of no consequence for a stream. */
const WITHOUT_EFFECT: readonly number[] = [
  Linux.SO_BROADCAST,
  Linux.SO_OOBINLINE,
  Linux.SO_PRIORITY,
  Linux.SO_RXQ_OVFL,
  Linux.SO_BUSY_POLL,
];

function find(level: number, option: number): Mapped | undefined {
  if (level === Linux.SOL_SOCKET) return SOCKET[option];
  if (level === Linux.SOL_TCP) return TCP[option];
  return level === Linux.SOL_IP ? IP[option] : undefined;
}

export function writeTcpOption(
  socket: TcpSocket,
  level: number,
  option: number,
  value: OptionValue,
): CallErrno | null {
  if (level === Linux.SOL_TCP && option === Linux.TCP_CONGESTION) {
    if (typeof value !== 'string') return 'EINVAL';
    return socket.setCongestion(value.replace(/\0+$/, '')) === null ? null : 'ENOENT';
  }
  if (level === Linux.SOL_SOCKET && option === Linux.SO_LINGER) {
    if (typeof value !== 'object' || !('onoff' in value)) return 'EINVAL';
    const { onoff, linger } = value as Linger;
    return socket.setOption('lingerMs', onoff === 0 ? -1 : linger * MS_PER_SECOND);
  }
  if (typeof value !== 'number') return 'EINVAL';
  const found = find(level, option);
  if (found !== undefined) {
    const { name, scale, isSwitch } = found;
    if (isSwitch) return socket.setOption(name, value === 0 ? 0 : 1);
    return socket.setOption(name, Math.ceil(value * scale));
  }
  if (level === Linux.SOL_SOCKET) return writeSocketOption(socket, option, value);
  if (level === Linux.SOL_TCP && option === Linux.TCP_MAXSEG) return socket.setOption('maxSegment', value);
  if (level === Linux.SOL_TCP && option === Linux.TCP_NOTSENT_LOWAT) {
    // An unsigned number, and more than any buffer holds is no limit.
    return socket.setOption('notSentLowWater', Math.min(value >>> 0, LOW_WATER_MAX));
  }
  if (level === Linux.SOL_IPV6 && option === Linux.IPV6_V6ONLY) {
    socket.ipv6Only = value !== 0;
    return null;
  }
  return 'ENOPROTOOPT';
}

function writeSocketOption(socket: TcpSocket, option: number, value: number): CallErrno | null {
  switch (option) {
    case Linux.SO_REUSEADDR:
      socket.reuseAddress = value !== 0;
      return null;
    case Linux.SO_REUSEPORT:
      socket.reusePort = value !== 0;
      return null;
    case Linux.SO_SNDBUF:
    case Linux.SO_SNDBUFFORCE:
      return socket.setOption('sendBuffer', value);
    case Linux.SO_RCVBUF:
    case Linux.SO_RCVBUFFORCE:
      return socket.setOption('receiveBuffer', value);
    default:
      return WITHOUT_EFFECT.includes(option) ? null : 'ENOPROTOOPT';
  }
}

export function readTcpOption(socket: TcpSocket, level: number, option: number): OptionValue | CallError {
  const found = find(level, option);
  if (found !== undefined) {
    const value = socket.option(found.name) / found.scale;
    return option === Linux.IP_TTL && level === Linux.SOL_IP && value === 0 ? TTL_DEFAULT : value;
  }
  if (level === Linux.SOL_SOCKET) return readSocketOption(socket, option);
  if (level === Linux.SOL_TCP) return readOwnOption(socket, option);
  if (level === Linux.SOL_IP && option === Linux.IP_MTU)
    return socket.info()?.tcpi_pmtu ?? new CallError('ENOTCONN');
  if (level === Linux.SOL_IPV6 && option === Linux.IPV6_V6ONLY) return socket.ipv6Only ? 1 : 0;
  return new CallError('ENOPROTOOPT');
}

function readSocketOption(socket: TcpSocket, option: number): OptionValue | CallError {
  switch (option) {
    case Linux.SO_ERROR: {
      const error = socket.takeError();
      return error === null ? 0 : errnoNumber(error);
    }
    case Linux.SO_ACCEPTCONN:
      return socket.isListening ? 1 : 0;
    case Linux.SO_REUSEADDR:
      return socket.reuseAddress ? 1 : 0;
    case Linux.SO_REUSEPORT:
      return socket.reusePort ? 1 : 0;
    case Linux.SO_SNDBUF:
      return socket.option('sendBuffer') * BUFFER_SHARE;
    case Linux.SO_RCVBUF:
      return socket.option('receiveBuffer') * BUFFER_SHARE;
    case Linux.SO_LINGER: {
      const linger = socket.option('lingerMs');
      return { onoff: linger < 0 ? 0 : 1, linger: Math.max(0, linger) / MS_PER_SECOND };
    }
    case Linux.SO_RCVLOWAT:
      return 1;
    default:
      return new CallError('ENOPROTOOPT');
  }
}

function readOwnOption(socket: TcpSocket, option: number): OptionValue | CallError {
  switch (option) {
    case Linux.TCP_CONGESTION:
      return socket.congestion;
    case Linux.TCP_MAXSEG:
      return socket.info()?.tcpi_snd_mss ?? (socket.option('maxSegment') || MSS_DEFAULT);
    case Linux.TCP_NOTSENT_LOWAT: {
      const bytes = socket.option('notSentLowWater');
      return bytes === LOW_WATER_MAX ? -1 : bytes;
    }
    case Linux.TCP_INFO:
      return infoOf(socket);
    default:
      return new CallError('ENOPROTOOPT');
  }
}

/** Also of a socket without a connection, which has at least a state. */
function infoOf(socket: TcpSocket): OptionValue {
  const info = socket.info();
  if (info === null) return { tcpi_state: socket.state };
  const fields: Record<string, number> = {};
  for (const [name, value] of Object.entries(info)) if (typeof value === 'number') fields[name] = value;
  return fields;
}
