/**
 * The options of a TCP socket that are switches or numbers, by name: their limits, and how they reach a connection that
 * is there, one that will be opened, and those that a listener will accept (tcp(7), socket(7), ip(7)).
 */
import type { Errno } from '../../base/errno.ts';
import type { Connections, OpenOptions, TcbOption } from '../../tcp/connection.ts';
import type { Listener } from '../../tcp/open/listener.ts';
import { TcbFlag } from '../../tcp/tcb.ts';

export type TcpSwitch = 'noDelay' | 'cork' | 'keepAlive' | 'quickAck';
export type TcpNumber =
  | 'keepIdleMs'
  | 'keepIntervalMs'
  | 'keepProbes'
  | 'userTimeoutMs'
  | 'lingerMs'
  | 'sendBuffer'
  | 'receiveBuffer'
  | 'ttl'
  | 'tos'
  | 'mark'
  | 'device'
  | 'maxSegment'
  | 'windowClamp'
  | 'notSentLowWater'
  | 'synRetries'
  | 'ackDelayMs';
export type TcpOption = TcpSwitch | TcpNumber;

/** Switches: 0 or 1. */
const FLAGS: Readonly<Record<TcpSwitch, number>> = {
  /** TCP_NODELAY. */
  noDelay: TcbFlag.NoDelay,
  /** TCP_CORK. */
  cork: TcbFlag.Cork,
  /** SO_KEEPALIVE. */
  keepAlive: TcbFlag.KeepAlive,
  /** TCP_QUICKACK. */
  quickAck: TcbFlag.QuickAck,
};

const DAY_MS = 86_400_000;
const BUFFER_MIN = 2_304;
const BUFFER_MAX = 8 << 20;

interface NumberOption {
  readonly field: TcbOption | 'userMss';
  readonly min: number;
  readonly max: number;
}

const NUMBERS: Readonly<Record<TcpNumber, NumberOption>> = {
  /** TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT; Linux counts the first two in seconds. */
  keepIdleMs: { field: 'keepIdleMs', min: 1, max: 32_767_000 },
  keepIntervalMs: { field: 'keepIntervalMs', min: 1, max: 32_767_000 },
  keepProbes: { field: 'keepProbesMax', min: 1, max: 127 },
  /** TCP_USER_TIMEOUT (RFC 5482); 0 is the stack's. */
  userTimeoutMs: { field: 'userTimeoutMs', min: 0, max: 24 * DAY_MS },
  /** SO_LINGER: -1 off, 0 close resets. */
  lingerMs: { field: 'lingerMs', min: -1, max: DAY_MS },
  /** SO_SNDBUF and SO_RCVBUF: bytes of the stream, not of what surrounds it; no tuning from then on. */
  sendBuffer: { field: 'sndLimit', min: BUFFER_MIN, max: BUFFER_MAX },
  receiveBuffer: { field: 'rcvLimit', min: BUFFER_MIN, max: BUFFER_MAX },
  /** IP_TTL; 0 is the stack's. */
  ttl: { field: 'ttl', min: 0, max: 255 },
  /** IP_TOS: the ECN bits are TCP's own. */
  tos: { field: 'tos', min: 0, max: 255 },
  /** SO_MARK. */
  mark: { field: 'mark', min: -0x8000_0000, max: 0xffff_ffff },
  /** SO_BINDTODEVICE, by interface index. */
  device: { field: 'oif', min: 0, max: 0xffff },
  /** TCP_MAXSEG; 0 is what the path takes. */
  maxSegment: { field: 'userMss', min: 0, max: 32_767 },
  /** TCP_WINDOW_CLAMP. */
  windowClamp: { field: 'windowClamp', min: 0, max: 1 << 30 },
  /** TCP_NOTSENT_LOWAT; 0 is none. */
  notSentLowWater: { field: 'notSentLowWater', min: 0, max: 0x7fff_ffff },
  /** TCP_SYNCNT. */
  synRetries: { field: 'synRetriesMax', min: 1, max: 127 },
  /** How long an acknowledgement may wait; 0 is the stack's (TCP_DELACK_MAX_US). */
  ackDelayMs: { field: 'ackDelayMs', min: 0, max: 500 },
};

/** Clamped rather than refused, as Linux does with buffer sizes. */
const CLAMPED: readonly TcpOption[] = ['sendBuffer', 'receiveBuffer'];

export function isSwitch(option: TcpOption): option is TcpSwitch {
  return Object.hasOwn(FLAGS, option);
}

/** The options of a socket that has no connection yet. */
export class TcpOptions {
  flags = 0;
  readonly values: Map<TcbOption | 'userMss', number> = new Map<TcbOption | 'userMss', number>();

  set(option: TcpOption, value: number): Errno | null {
    if (isSwitch(option)) {
      this.flags = value === 0 ? this.flags & ~FLAGS[option] : this.flags | FLAGS[option];
      return null;
    }
    const number = checked(option, value);
    if (number === null) return 'EINVAL';
    this.values.set(NUMBERS[option].field, number);
    return null;
  }

  /** 0 for what was not set, which is the stack's default. */
  get(option: TcpOption): number {
    if (isSwitch(option)) return (this.flags & FLAGS[option]) === 0 ? 0 : 1;
    return this.values.get(NUMBERS[option].field) ?? (option === 'lingerMs' ? -1 : 0);
  }

  /** For `Connections.open`. */
  toOpen(): OpenOptions {
    const { values, flags } = this;
    const number = (field: TcbOption | 'userMss'): number => values.get(field) ?? 0;
    return {
      flags,
      oif: number('oif'),
      mark: number('mark'),
      tos: number('tos'),
      ttl: number('ttl'),
      userMss: number('userMss'),
      windowClamp: number('windowClamp'),
      ...(values.has('sndLimit') ? { sndLimit: number('sndLimit') } : {}),
      ...(values.has('rcvLimit') ? { rcvLimit: number('rcvLimit') } : {}),
    };
  }

  /** The rest, once there is a connection. */
  applyTo(connections: Connections, id: number): void {
    for (const [field, value] of this.values) {
      if (field !== 'userMss') connections.set(id, field, value);
    }
  }

  /** What connections have from now on that `listener` brings. */
  applyToListener(listener: Listener): void {
    const { values } = this;
    let { flags } = this;
    if (values.has('sndLimit')) flags |= TcbFlag.SndLimitFixed;
    if (values.has('rcvLimit')) flags |= TcbFlag.RcvLimitFixed;
    listener.flags = flags;
    listener.sndLimit = values.get('sndLimit') ?? 0;
    listener.rcvLimit = values.get('rcvLimit') ?? 0;
    listener.keepIdleMs = values.get('keepIdleMs') ?? 0;
    listener.keepIntervalMs = values.get('keepIntervalMs') ?? 0;
    listener.keepProbesMax = values.get('keepProbesMax') ?? 0;
    listener.userTimeoutMs = values.get('userTimeoutMs') ?? 0;
    listener.userMss = values.get('userMss') ?? 0;
    listener.windowClamp = values.get('windowClamp') ?? 0;
    listener.notSentLowWater = values.get('notSentLowWater') ?? 0;
    listener.ackDelayMs = values.get('ackDelayMs') ?? 0;
    listener.lingerMs = values.get('lingerMs') ?? -1;
    listener.tos = values.get('tos') ?? 0;
    listener.ttl = values.get('ttl') ?? 0;
    listener.mark = values.get('mark') ?? 0;
  }
}

/** To a connection that is there. */
export function setOption(
  connections: Connections,
  id: number,
  option: TcpOption,
  value: number,
): Errno | null {
  if (isSwitch(option)) {
    connections.setFlag(id, FLAGS[option], value !== 0);
    return null;
  }
  const number = checked(option, value);
  if (number === null) return 'EINVAL';
  const { field } = NUMBERS[option];
  if (field === 'userMss') return 'EISCONN';
  connections.set(id, field, number);
  return null;
}

export function optionOf(connections: Connections, id: number, option: TcpOption): number {
  const tcb = connections.tcb(id);
  // As Linux: whether acknowledgements do not wait for an answer to ride on, whoever decided that.
  if (option === 'quickAck') return tcb.has(TcbFlag.PingPong) ? 0 : 1;
  if (isSwitch(option)) return tcb.has(FLAGS[option]) ? 1 : 0;
  return tcb[NUMBERS[option].field];
}

function checked(option: TcpNumber, value: number): number | null {
  const { min, max } = NUMBERS[option];
  if (CLAMPED.includes(option)) return Math.max(min, Math.min(max, value));
  return value >= min && value <= max ? value : null;
}
