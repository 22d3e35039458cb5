/**
 * A script as the parser leaves it: options, an initial command, events in order, a command at the end.
 */
import type { Duration } from '../../base/time.ts';
import type { PacketSpec } from '../packet/spec.ts';

export interface Script {
  readonly options: readonly Option[];
  readonly init: Command | null;
  readonly events: readonly Event[];
  readonly cleanup: Command | null;
}

/** `--name=value`, or `--name`. */
export interface Option {
  readonly name: string;
  readonly value: string | null;
  readonly line: number;
}

export type TimeKind = 'absolute' | 'relative' | 'any' | 'absolute range' | 'relative range';

/** When something is to happen. `end` equals `start` unless it is a range; `any` has neither. */
export interface EventTime {
  readonly kind: TimeKind;
  readonly start: Duration;
  readonly end: Duration;
}

export interface Event {
  readonly line: number;
  readonly time: EventTime;
  readonly action: Action;
}

export type Action = PacketAction | CallAction | Command | Code;

export interface PacketAction {
  readonly kind: 'packet';
  readonly isInbound: boolean;
  readonly packet: PacketSpec;
}

export interface CallAction {
  readonly kind: 'call';
  readonly name: string;
  readonly args: readonly Value[];
  readonly result: Value;
  /** The name of the error, as `EAGAIN`; null when none is expected. */
  readonly errno: string | null;
  /** When a call that blocks is to come back; null: at once. */
  readonly end: Duration | null;
}

/** A line for a shell. */
export interface Command {
  readonly kind: 'command';
  readonly text: string;
  readonly line: number;
}

/** What stands between `%{` and `}%`. */
export interface Code {
  readonly kind: 'code';
  readonly text: string;
  readonly line: number;
}

/** An argument of a call, or its result. */
export type Value =
  | { readonly kind: 'ellipsis' }
  | { readonly kind: 'integer'; readonly value: number }
  | { readonly kind: 'word'; readonly name: string }
  /** `isOpen`: an ellipsis followed, more bytes may stand behind it. */
  | { readonly kind: 'string'; readonly text: string; readonly isOpen: boolean }
  | { readonly kind: 'or'; readonly left: Value; readonly right: Value }
  | { readonly kind: 'list'; readonly items: readonly Value[] }
  /** `{a=1, b=2}`. */
  | { readonly kind: 'struct'; readonly fields: readonly Field[] }
  /** `htons(80)`. */
  | { readonly kind: 'function'; readonly name: string; readonly args: readonly Value[] };

export interface Field {
  readonly name: string;
  /** In parentheses behind the name, as in `msg_iov(1)=…`; null without. */
  readonly size: Value | null;
  readonly value: Value;
}
