/**
 * poll and epoll: lists of descriptors with what is asked of them and what is to come back.
 */

import { Linux } from '../constants.ts';
import { unsupported } from '../fault.ts';
import type { Field } from '../language/ast.ts';
import type { EpollEvent, PollEntry } from '../syscalls.ts';
import type { CallContext, PreparedCall } from './context.ts';
import { argument, done, fdArg, intArg } from './context.ts';
import { fieldOf, numberField, numberOf, structsOf } from './values.ts';

const POLL_NAMES = [
  'POLLIN',
  'POLLPRI',
  'POLLOUT',
  'POLLERR',
  'POLLHUP',
  'POLLNVAL',
  'POLLRDNORM',
  'POLLWRNORM',
  'POLLWRBAND',
  'POLLRDHUP',
] as const;

/** `poll([{fd=3, events=POLLIN, revents=POLLIN}], 1, 1000)`. */
export function preparePoll(context: CallContext): PreparedCall {
  const { host, line } = context;
  const structs = structsOf(argument(context, 0), line);
  if (intArg(context, 1) !== structs.length) unsupported(line, 'a list of another length than its count');
  const entries: PollEntry[] = structs.map((fields) => ({
    fd: context.descriptor(numberField(fields, 'fd', line)),
    events: numberField(fields, 'events', line),
    revents: 0,
  }));
  const wants = structs.map((fields) => {
    const value = fieldOf(fields, 'revents');
    return value === null ? 0 : numberOf(value, line);
  });
  return {
    call: host.poll(entries, intArg(context, 2)),
    makesDescriptor: false,
    check(result): string {
      if (typeof result === 'string') return '';
      const at = entries.findIndex(({ revents }, i) => revents !== wants[i]);
      if (at < 0) return '';
      return `revents of entry ${at + 1} is ${pollText(entries[at]?.revents ?? 0)}, not ${pollText(wants[at] ?? 0)}`;
    },
  };
}

export function pollText(bits: number): string {
  const names = POLL_NAMES.filter((name) => (bits & Linux[name]) !== 0);
  return names.length === 0 ? '0' : names.join('|');
}

/** What an epoll event carries, under whichever name of the union. */
function eventOf(fields: readonly Field[], line: number): EpollEvent {
  const data =
    fieldOf(fields, 'fd') ?? fieldOf(fields, 'ptr') ?? fieldOf(fields, 'u32') ?? fieldOf(fields, 'u64');
  return { events: numberField(fields, 'events', line) | 0, data: data === null ? 0 : numberOf(data, line) };
}

/** `epoll_ctl(5, EPOLL_CTL_ADD, 4, {events=EPOLLIN, fd=4})`; the data are the script's, as they come back to it. */
export function prepareEpollControl(context: CallContext): PreparedCall {
  const { host, now, line } = context;
  const value = argument(context, 3);
  const event = value.kind === 'struct' ? eventOf(value.fields, line) : { events: 0, data: 0 };
  const fd = context.descriptor(intArg(context, 2));
  return done(host.epollControl(now, fdArg(context), intArg(context, 1), fd, event));
}

/** `epoll_wait(5, {events=EPOLLIN, fd=4}, 1, 100)`, or a list of them. */
export function prepareEpollWait(context: CallContext): PreparedCall {
  const { host, line } = context;
  const value = argument(context, 1);
  const wants = value.kind === 'struct' || value.kind === 'list' ? structsOf(value, line) : [];
  const got: EpollEvent[] = [];
  return {
    call: host.epollWait(fdArg(context), intArg(context, 2), intArg(context, 3), got),
    makesDescriptor: false,
    check(result): string {
      if (typeof result === 'string' || value.kind === 'ellipsis') return '';
      for (let i = 0; i < result; i++) {
        const fields = wants[i];
        const actual = got[i];
        if (fields === undefined || actual === undefined)
          return `there are ${result} events, not ${wants.length}`;
        const want = eventOf(fields, line);
        if (want.events !== actual.events)
          return `events ${i + 1} are ${pollText(actual.events)}, not ${pollText(want.events)}`;
        if (want.data !== actual.data)
          return `the data of event ${i + 1} are ${actual.data}, not ${want.data}`;
      }
      return '';
    },
  };
}
