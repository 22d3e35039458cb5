/**
 * Errors of system calls, by their names: those that sockets answer, and those of the calls around them. With the
 * numbers of Linux and the sentences of glibc, for programs and people.
 */
import type { Errno } from '../base/errno.ts';

/** Those that only the calls around sockets answer. */
type OwnErrno =
  | 'EDOM'
  | 'EFAULT'
  | 'EINTR'
  | 'EIO'
  | 'EMFILE'
  | 'ENFILE'
  | 'ENOENT'
  | 'ENOTSOCK'
  | 'ENOTTY'
  | 'EPROTONOSUPPORT'
  | 'EPROTOTYPE'
  | 'ESHUTDOWN'
  | 'ESOCKTNOSUPPORT';

export type CallErrno = Errno | OwnErrno;

const ERRNOS: Readonly<Record<CallErrno, readonly [number, string]>> = {
  EPERM: [1, 'Operation not permitted'],
  EINTR: [4, 'Interrupted system call'],
  EIO: [5, 'Input/output error'],
  EBADF: [9, 'Bad file descriptor'],
  EAGAIN: [11, 'Resource temporarily unavailable'],
  ENOMEM: [12, 'Cannot allocate memory'],
  EACCES: [13, 'Permission denied'],
  EFAULT: [14, 'Bad address'],
  EEXIST: [17, 'File exists'],
  ENODEV: [19, 'No such device'],
  ENOENT: [2, 'No such file or directory'],
  EINVAL: [22, 'Invalid argument'],
  ENFILE: [23, 'Too many open files in system'],
  EMFILE: [24, 'Too many open files'],
  ENOTTY: [25, 'Inappropriate ioctl for device'],
  EPIPE: [32, 'Broken pipe'],
  EDOM: [33, 'Numerical argument out of domain'],
  EPROTO: [71, 'Protocol error'],
  ENOTSOCK: [88, 'Socket operation on non-socket'],
  EDESTADDRREQ: [89, 'Destination address required'],
  EMSGSIZE: [90, 'Message too long'],
  EPROTOTYPE: [91, 'Protocol wrong type for socket'],
  ENOPROTOOPT: [92, 'Protocol not available'],
  EPROTONOSUPPORT: [93, 'Protocol not supported'],
  ESOCKTNOSUPPORT: [94, 'Socket type not supported'],
  EOPNOTSUPP: [95, 'Operation not supported'],
  EAFNOSUPPORT: [97, 'Address family not supported by protocol'],
  EADDRINUSE: [98, 'Address already in use'],
  EADDRNOTAVAIL: [99, 'Cannot assign requested address'],
  ENETDOWN: [100, 'Network is down'],
  ENETUNREACH: [101, 'Network is unreachable'],
  ECONNABORTED: [103, 'Software caused connection abort'],
  ECONNRESET: [104, 'Connection reset by peer'],
  ENOBUFS: [105, 'No buffer space available'],
  EISCONN: [106, 'Transport endpoint is already connected'],
  ENOTCONN: [107, 'Transport endpoint is not connected'],
  ESHUTDOWN: [108, 'Cannot send after transport endpoint shutdown'],
  ETIMEDOUT: [110, 'Connection timed out'],
  ECONNREFUSED: [111, 'Connection refused'],
  EHOSTDOWN: [112, 'Host is down'],
  EHOSTUNREACH: [113, 'No route to host'],
  EALREADY: [114, 'Operation already in progress'],
  EINPROGRESS: [115, 'Operation now in progress'],
};

export function errnoNumber(errno: CallErrno): number {
  return ERRNOS[errno][0];
}

/** What strerror(3) says. */
export function errnoText(errno: CallErrno): string {
  return ERRNOS[errno][1];
}

/** The name that `EWOULDBLOCK` and the like stand for; null for what is no error we know. */
export function errnoOfName(name: string): CallErrno | null {
  if (name === 'EWOULDBLOCK') return 'EAGAIN';
  if (name === 'ENOTSUP') return 'EOPNOTSUPP';
  return name in ERRNOS ? (name as CallErrno) : null;
}
