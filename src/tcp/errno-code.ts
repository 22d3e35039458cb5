/**
 * Errors as small integers, so that a record of int32 words can hold one.
 */
import type { Errno } from '../base/errno.ts';

/** 0 is none. */
const ERRNOS: readonly (Errno | null)[] = [
  null,
  'ECONNREFUSED',
  'ECONNRESET',
  'ETIMEDOUT',
  'EPIPE',
  'ECONNABORTED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EACCES',
  'EADDRNOTAVAIL',
  'EHOSTDOWN',
  'EMSGSIZE',
  'ENETDOWN',
  'ENOBUFS',
  'ENOPROTOOPT',
  'EOPNOTSUPP',
  'EPROTO',
  'EINVAL',
  'ENODEV',
];

export function errnoOf(code: number): Errno | null {
  return ERRNOS[code] ?? null;
}

export function codeOf(errno: Errno): number {
  const code = ERRNOS.indexOf(errno);
  return code < 0 ? ERRNOS.indexOf('EHOSTUNREACH') : code;
}
