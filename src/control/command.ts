/**
 * What a command is: one declaration, from which come its call over the control socket, its syntax on the command
 * line, its help, its completion and its page of reference.
 *
 *     tapstack route add 10.0.0.0/8 via 10.77.0.1 metric 5 --json
 *              └ name ─┘ └ word ──┘ └ keywords ──────────┘ └ option
 *
 * A declaration says what the parameters are; `run` gets them as typed values, `render` makes text of what `run`
 * answered, on the other side of the socket. Both are functions of their arguments only.
 */
import type { Instant } from '../base/time.ts';
import type { ControlHost, Refusal, ResultStream } from './host.ts';
import type { Type } from './schema.ts';
import { ConfigError, flag, wrong } from './schema.ts';

type Need = 'required' | 'optional' | 'repeated';

/** How a parameter stands on the command line. */
export interface Syntax {
  /** In its place without a name: `10.0.0.0/8`. May be introduced by one of `keywords` all the same. */
  readonly isWord?: boolean;
  /** Names that introduce it: `via`. The first one is shown. */
  readonly keywords?: readonly string[];
  /** The choices of the type stand for themselves: `up`. */
  readonly isBare?: boolean;
  /** `-c`, `--count`. */
  readonly options?: readonly string[];
  /** What follows the keyword are parameters of its own: `nexthop via … dev …`. */
  readonly group?: Params;
}

export interface Param<T = unknown, N extends Need = Need> {
  readonly type: Type<T>;
  readonly need: N;
  readonly summary: string;
  readonly syntax: Syntax;
}

export type Params = Readonly<Record<string, Param>>;

type ValueOf<P> =
  P extends Param<infer T, infer N>
    ? N extends 'required'
      ? T
      : N extends 'repeated'
        ? readonly T[]
        : T | undefined
    : never;

export type ArgsOf<P extends Params> = { readonly [K in keyof P]: ValueOf<P[K]> };

/** As it travels: the values as text, `true` for a flag, lists, and objects for groups. */
export type RawArgs = Record<string, unknown>;

// ---- parameters

export function word<T>(type: Type<T>, summary: string, ...keywords: string[]): Param<T, 'required'> {
  return { type, need: 'required', summary, syntax: { isWord: true, keywords } };
}

export function keyword<T>(
  keywords: string | readonly string[],
  type: Type<T>,
  summary: string,
): Param<T, 'optional'> {
  return { type, need: 'optional', summary, syntax: { keywords: [keywords].flat() } };
}

/** Words that stand for themselves: `up`, `blackhole`, `onlink`. */
export function bare<T>(type: Type<T>, summary: string): Param<T, 'optional'> {
  return { type, need: 'optional', summary, syntax: { isBare: true } };
}

/** `options` as `-c, --count`. */
export function option<T>(options: string, type: Type<T>, summary: string): Param<T, 'optional'> {
  return { type, need: 'optional', summary, syntax: { options: options.split(', ') } };
}

/** An option without a value. */
export function toggle(options: string, summary: string): Param<boolean, 'optional'> {
  return option(options, flag, summary);
}

/** A keyword that parameters of its own follow, as often as one likes. */
export function group<P extends Params>(
  name: string,
  params: P,
  summary: string,
): Param<ArgsOf<P>, 'repeated'> {
  const read = (value: unknown): ArgsOf<P> | ConfigError =>
    isRecord(value) ? readArgs(params, value) : wrong(value, 'is no group of parameters');
  return {
    type: { name: '', read },
    need: 'repeated',
    summary,
    syntax: { keywords: [name], group: params },
  };
}

/** The same, not to be left out. */
export function required<T>(param: Param<T, 'optional'>): Param<T, 'required'> {
  return { ...param, need: 'required' };
}

export function optional<T>(param: Param<T, 'required'>): Param<T, 'optional'> {
  return { ...param, need: 'optional' };
}

export function repeated<T>(param: Param<T, 'optional'>): Param<T, 'repeated'> {
  return { ...param, need: 'repeated' };
}

// ---- commands

export interface RenderOptions {
  /** Counters, ages and the like too (`-s`). */
  readonly statistics?: boolean;
  /** What the command was called with. */
  readonly args: RawArgs;
}

export type Answer = object | string | readonly object[];

interface Common {
  /** As it is typed, in one or two words: `route add`. */
  readonly name: string;
  /** Other names of its last word. */
  readonly aliases: readonly string[];
  readonly summary: string;
  /** Paragraphs for help and reference. */
  readonly details: string;
  readonly examples: readonly string[];
  readonly params: Params;
  /** Is meant when its object stands alone: `route` is `route show`. */
  readonly isDefault: boolean;
}

/** Asks or changes the running stack, and answers once. */
export interface QueryCommand extends Common {
  readonly kind: 'query';
  run(now: Instant, host: ControlHost, args: RawArgs): Answer | Refusal | ConfigError;
  /** Ends with a line end, or is empty. */
  render(result: unknown, options: RenderOptions): string;
}

/** Answers line after line until it ends or is cancelled. */
export interface StreamCommand extends Common {
  readonly kind: 'stream';
  run(now: Instant, host: ControlHost, args: RawArgs): ResultStream | Refusal | ConfigError;
  render(item: unknown, options: RenderOptions): string;
  /** Of what it ended with. */
  renderEnd(end: unknown, options: RenderOptions): string;
  exitCode(end: unknown): number;
}

/** Done by the command line itself, without a daemon. */
export interface LocalCommand extends Common {
  readonly kind: 'local';
  check(args: RawArgs): ConfigError | null;
}

export type Command = QueryCommand | StreamCommand | LocalCommand;

interface Spec<P extends Params> {
  readonly name: string;
  readonly aliases?: readonly string[];
  readonly summary: string;
  readonly details?: string;
  readonly examples?: readonly string[];
  readonly params: P;
  readonly isDefault?: boolean;
}

export interface QuerySpec<P extends Params, R extends Answer> extends Spec<P> {
  run(now: Instant, host: ControlHost, args: ArgsOf<P>): R | Refusal | ConfigError | null;
  /** Without it nothing is printed: it was done. */
  render?(result: R, options: RenderOptions): string;
}

/** What a command answers that was asked to do something and did it. */
export const DONE: object = {};

export function query<P extends Params, R extends Answer>(spec: QuerySpec<P, R>): QueryCommand {
  return {
    ...common(spec),
    kind: 'query',
    run: (now, host, raw) => {
      const args = readArgs(spec.params, raw);
      if (args instanceof ConfigError) return args;
      return spec.run(now, host, args) ?? DONE;
    },
    render: (result, options) => spec.render?.(result as R, options) ?? '',
  };
}

export interface StreamSpec<P extends Params, Item extends object, End extends object> extends Spec<P> {
  run(now: Instant, host: ControlHost, args: ArgsOf<P>): ResultStream<Item, End> | Refusal | ConfigError;
  render(item: Item, options: RenderOptions): string;
  renderEnd(end: End, options: RenderOptions): string;
  exitCode(end: End): number;
}

export function stream<P extends Params, Item extends object, End extends object>(
  spec: StreamSpec<P, Item, End>,
): StreamCommand {
  return {
    ...common(spec),
    kind: 'stream',
    run: (now, host, raw) => {
      const args = readArgs(spec.params, raw);
      return args instanceof ConfigError ? args : spec.run(now, host, args);
    },
    render: (item, options) => spec.render(item as Item, options),
    renderEnd: (end, options) => spec.renderEnd(end as End, options),
    exitCode: (end) => spec.exitCode(end as End),
  };
}

export function local<P extends Params>(spec: Spec<P>): LocalCommand {
  return {
    ...common(spec),
    kind: 'local',
    check: (raw) => {
      const args = readArgs(spec.params, raw);
      return args instanceof ConfigError ? args : null;
    },
  };
}

function common<P extends Params>(spec: Spec<P>): Common {
  const { name, summary, params } = spec;
  return {
    name,
    aliases: spec.aliases ?? [],
    summary,
    details: spec.details ?? '',
    examples: spec.examples ?? [],
    params,
    isDefault: spec.isDefault ?? false,
  };
}

// ---- arguments

/** Values from what travelled: every parameter checked, none unknown. */
export function readArgs<P extends Params>(params: P, raw: RawArgs): ArgsOf<P> | ConfigError {
  for (const key of Object.keys(raw)) {
    if (!Object.hasOwn(params, key)) return new ConfigError(key, 'there is no such parameter');
  }
  const args: Record<string, unknown> = {};
  for (const [key, param] of Object.entries(params)) {
    const value = Object.hasOwn(raw, key) ? raw[key] : undefined;
    const read = readParam(param, value);
    if (read instanceof ConfigError) return read.under(key);
    args[key] = read;
  }
  return args as ArgsOf<P>;
}

function readParam(param: Param, value: unknown): unknown {
  if (param.need === 'repeated') {
    if (value === undefined) return [];
    if (!Array.isArray(value)) return wrong(value, 'is no list');
    const list: unknown[] = [];
    for (const [index, one] of (value as unknown[]).entries()) {
      const read = param.type.read(one);
      if (read instanceof ConfigError) return read.under(String(index + 1));
      list.push(read);
    }
    return list;
  }
  if (value !== undefined) return param.type.read(value);
  return param.need === 'required' ? new ConfigError('', 'is missing') : undefined;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
