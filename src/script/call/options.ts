/**
 * getsockopt, setsockopt and ioctl: values as scripts write them, and what comes back compared with them.
 */
import { Linux } from '../constants.ts';
import { unsupported } from '../fault.ts';
import type { Value } from '../language/ast.ts';
import type { OptionValue } from '../syscalls.ts';
import { CallError } from '../syscalls.ts';
import type { CallContext, PreparedCall } from './context.ts';
import { argument, done, fdArg, intArg } from './context.ts';
import { bracketedOf, fieldOf, listOf, numberField, numberOf, valueText } from './values.ts';

export function prepareSetOption(context: CallContext): PreparedCall {
  const { host, now, line } = context;
  const level = intArg(context, 1);
  const option = intArg(context, 2);
  const value = optionOf(argument(context, 3), level, option, line);
  // Too short for what it is; strings may be any length.
  const isShort = typeof value === 'number' && intArg(context, 4) < 4 && !mayBeByte(level);
  return done(isShort ? 'EINVAL' : host.setsockopt(now, fdArg(context), level, option, value));
}

/** ip(7): options of SOL_IP may be a byte. */
const mayBeByte = (level: number): boolean => level === Linux.SOL_IP;

export function prepareGetOption(context: CallContext): PreparedCall {
  const { host, now, line } = context;
  const got = host.getsockopt(now, fdArg(context), intArg(context, 1), intArg(context, 2));
  if (got instanceof CallError) return done(got.errno);
  const want = argument(context, 3);
  return { ...done(0), check: () => compare(want, got, line) };
}

function optionOf(value: Value, level: number, option: number, line: number): OptionValue {
  const isTime = level === Linux.SOL_SOCKET && (option === Linux.SO_RCVTIMEO || option === Linux.SO_SNDTIMEO);
  if (value.kind === 'string') return value.text;
  if (value.kind === 'struct') {
    if (fieldOf(value.fields, 'onoff') !== null) {
      return {
        onoff: numberField(value.fields, 'onoff', line),
        linger: numberField(value.fields, 'linger', line),
      };
    }
    if (fieldOf(value.fields, 'tv_sec') !== null) {
      const seconds = numberField(value.fields, 'tv_sec', line);
      return { seconds, microseconds: numberField(value.fields, 'tv_usec', line) };
    }
  }
  if (value.kind === 'list') {
    const items = listOf(value, line).map((item) => numberOf(item, line));
    if (isTime) return { seconds: items[0] ?? 0, microseconds: items[1] ?? 0 };
    if (items.length === 1) return items[0] as number;
  }
  return unsupported(line, `the option value ${valueText(value)}`);
}

function compare(want: Value, got: OptionValue, line: number): string {
  switch (want.kind) {
    case 'ellipsis':
      return '';
    case 'string': {
      const text = want.text.replace(/\0+$/, '');
      const isRight = typeof got === 'string' && (want.isOpen ? got.startsWith(text) : got === text);
      return isRight ? '' : `the value is ${JSON.stringify(got)}, not "${text}"`;
    }
    case 'list': {
      const number = bracketedOf(want, line);
      if (typeof got !== 'number')
        return unsupported(line, `a comparison of ${JSON.stringify(got)} with a number`);
      return (got | 0) === (number | 0) ? '' : `the value is ${got}, not ${number}`;
    }
    case 'struct': {
      if (typeof got !== 'object' || !('onoff' in got))
        return unsupported(line, `a comparison with ${valueText(want)}`);
      const onoff = numberField(want.fields, 'onoff', line);
      const linger = numberField(want.fields, 'linger', line);
      const isRight = got['onoff'] === onoff && got['linger'] === linger;
      return isRight ? '' : `the value is {onoff=${got['onoff']}, linger=${got['linger']}}`;
    }
    default:
      return unsupported(line, `a comparison with ${valueText(want)}`);
  }
}

export function prepareIoctl(context: CallContext): PreparedCall {
  const { host, now, line, args } = context;
  const request = intArg(context, 1);
  const want = args.length > 2 ? bracketedOf(argument(context, 2), line) : 0;
  const { result, value } = host.ioctl(now, fdArg(context), request, want);
  const isWrong = typeof result === 'number' && args.length > 2 && value !== want;
  return { ...done(result), check: () => (isWrong ? `the value is ${value}, not ${want}` : '') };
}
