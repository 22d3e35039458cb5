/**
 * From a call in a script to a call of the host: arguments evaluated, `...` filled in from the configuration, and what
 * of its outcome is to be checked beside the result.
 */
import type { Duration, Instant } from '../../base/time.ts';
import { after, NEVER, us } from '../../base/time.ts';
import { Linux } from '../constants.ts';
import { unsupported } from '../fault.ts';
import type { Call, CallResult } from '../syscalls.ts';
import type { CallContext, PreparedCall } from './context.ts';
import { addressArg, argument, done, fdArg, intArg, waits } from './context.ts';
import { prepareReceive, prepareSend } from './message.ts';
import { prepareGetOption, prepareIoctl, prepareSetOption } from './options.ts';
import { prepareEpollControl, prepareEpollWait, preparePoll } from './poll.ts';
import { valueText } from './values.ts';

type Prepare = (context: CallContext) => PreparedCall;

/** By name: how many arguments, and how it is made. */
const CALLS: Readonly<Record<string, readonly [min: number, max: number, prepare: Prepare]>> = {
  socket: [3, 3, prepareSocket],
  bind: [3, 3, (c) => done(c.host.bind(c.now, fdArg(c), addressArg(c, 1, c.bindAddress)))],
  listen: [2, 2, (c) => done(c.host.listen(c.now, fdArg(c), intArg(c, 1)))],
  connect: [3, 3, (c) => waits(c.host.connect(fdArg(c), addressArg(c, 1, c.connectAddress)))],
  accept: [3, 3, (c) => waits(c.host.accept(fdArg(c), 0), true)],
  accept4: [4, 4, (c) => waits(c.host.accept(fdArg(c), intArg(c, 3)), true)],
  shutdown: [2, 2, (c) => done(c.host.shutdown(c.now, fdArg(c), intArg(c, 1)))],
  close: [1, 1, (c) => waits(c.host.close(fdArg(c)))],
  fcntl: [
    2,
    3,
    (c) => done(c.host.fcntl(c.now, fdArg(c), intArg(c, 1), c.args.length > 2 ? intArg(c, 2) : 0)),
  ],
  ioctl: [2, 3, prepareIoctl],
  getsockopt: [5, 5, prepareGetOption],
  setsockopt: [5, 5, prepareSetOption],
  read: [3, 3, prepareReceive],
  readv: [3, 3, prepareReceive],
  recv: [4, 4, prepareReceive],
  recvfrom: [6, 6, prepareReceive],
  recvmsg: [3, 3, prepareReceive],
  write: [3, 3, prepareSend],
  writev: [3, 3, prepareSend],
  send: [4, 4, prepareSend],
  sendto: [6, 6, prepareSend],
  sendmsg: [3, 3, prepareSend],
  poll: [3, 3, preparePoll],
  epoll_create: [1, 1, (c) => done(intArg(c, 0) > 0 ? c.host.epollCreate(0) : 'EINVAL', true)],
  epoll_create1: [1, 1, (c) => done(c.host.epollCreate(intArg(c, 0)), true)],
  epoll_ctl: [4, 4, prepareEpollControl],
  epoll_wait: [4, 4, prepareEpollWait],
  usleep: [1, 1, (c) => waits(sleeping(us(intArg(c, 0))))],
};

export function prepareCall(name: string, context: CallContext): PreparedCall {
  const entry = Object.hasOwn(CALLS, name) ? CALLS[name] : undefined;
  if (entry === undefined) return unsupported(context.line, `the call ${name}`);
  const [min, max, prepare] = entry;
  const count = context.args.length;
  if (count < min || count > max) unsupported(context.line, `${name} with ${count} arguments`);
  return prepare(context);
}

function prepareSocket(context: CallContext): PreparedCall {
  const [first] = context.args;
  const domain = first?.kind === 'ellipsis' ? context.domain : intArg(context, 0);
  if (domain !== Linux.AF_INET && domain !== Linux.AF_INET6)
    unsupported(context.line, `sockets of domain ${valueText(argument(context, 0))}`);
  return done(context.host.socket(context.now, domain, intArg(context, 1), intArg(context, 2)), true);
}

function sleeping(duration: Duration): Call {
  let deadline: Instant = NEVER;
  return {
    get deadline(): Instant {
      return deadline;
    },
    attempt(now: Instant): CallResult | null {
      if (deadline === NEVER) deadline = after(now, duration);
      return now >= deadline ? 0 : null;
    },
  };
}
