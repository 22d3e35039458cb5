/**
 * What every call of a script is made of: its arguments, what `...` stands for, and what comes back.
 */
import { ANY4 } from '../../addr/ip.ts';
import type { Instant } from '../../base/time.ts';
import { unsupported } from '../fault.ts';
import { answered } from '../kernel/waiting.ts';
import type { Value } from '../language/ast.ts';
import type { Call, CallResult, SocketAddress, SyscallHost } from '../syscalls.ts';
import { addressOf, numberOf, valueText } from './values.ts';

/** What a call needs of the script around it. */
export interface CallContext {
  readonly host: SyscallHost;
  readonly now: Instant;
  readonly line: number;
  readonly args: readonly Value[];
  /** What `...` stands for. */
  readonly domain: number;
  readonly bindAddress: SocketAddress;
  readonly connectAddress: SocketAddress;
  /** The host's descriptor for the script's, or -1. */
  descriptor(script: number): number;
}

export interface PreparedCall {
  readonly call: Call;
  /** Its result is a descriptor: the script has a number of its own for it. */
  readonly makesDescriptor: boolean;
  /** What beside the result is not as the script says, or empty. */
  check(result: CallResult): string;
}

/** A call that is over when it has begun. */
export function done(result: CallResult, makesDescriptor = false): PreparedCall {
  return waits(answered(result), makesDescriptor);
}

export function waits(call: Call, makesDescriptor = false): PreparedCall {
  return { call, makesDescriptor, check: () => '' };
}

export function argument(context: CallContext, index: number): Value {
  return context.args[index] as Value;
}

export function intArg(context: CallContext, index: number): number {
  return numberOf(argument(context, index), context.line);
}

/** The first argument, which nearly always is a descriptor. */
export function fdArg(context: CallContext): number {
  return context.descriptor(intArg(context, 0));
}

/** `...` is `usual`; a number is a family without an address. */
export function addressArg(context: CallContext, index: number, usual: SocketAddress): SocketAddress {
  const value = argument(context, index);
  if (value.kind === 'ellipsis') return usual;
  if (value.kind === 'struct') return addressOf(value.fields, context.line);
  if (value.kind !== 'integer' && value.kind !== 'word')
    unsupported(context.line, `${valueText(value)} where an address is expected`);
  return { family: numberOf(value, context.line), ip: ANY4, port: 0 };
}
