/**
 * Which sockets are meant: the filter language of ss(8).
 *
 *     state established
 *     exclude time-wait and ( sport = :80 or dst 10.0.0.0/8 )
 *
 *     filter    = { "state" STATE | "exclude" STATE } [ expression ]
 *     expression = term { "or" term }        term = factor { [ "and" ] factor }
 *     factor    = "not" factor | "(" expression ")" | ( "sport" | "dport" ) [ op ] PORT | ( "src" | "dst" ) [ op ] HOST
 */
import type { Ip } from '../addr/ip.ts';
import { parseIp } from '../addr/ip.ts';
import { Prefix, parsePrefix } from '../addr/prefix.ts';
import { ConfigError, quote } from './schema.ts';

export const SOCKET_STATES = [
  'established',
  'syn-sent',
  'syn-recv',
  'fin-wait-1',
  'fin-wait-2',
  'time-wait',
  'closed',
  'close-wait',
  'last-ack',
  'listening',
  'closing',
] as const;

export type SocketState = (typeof SOCKET_STATES)[number];

const ALL: readonly SocketState[] = SOCKET_STATES;
const GROUPS: Readonly<Record<string, readonly SocketState[]>> = {
  all: ALL,
  connected: ALL.filter((state) => state !== 'listening' && state !== 'closed'),
  synchronized: ALL.filter((state) => !['listening', 'closed', 'syn-sent'].includes(state)),
  bucket: ['syn-recv', 'time-wait'],
  big: ALL.filter((state) => state !== 'syn-recv' && state !== 'time-wait'),
};

/** As ss prints them, and as people type them. */
const ALIASES: Readonly<Record<string, SocketState>> = {
  estab: 'established',
  listen: 'listening',
  unconn: 'closed',
  unconnected: 'closed',
  close: 'closed',
  'syn-rcv': 'syn-recv',
};

/** By name, as both sides of the socket know them; anything else is a number. */
const PORTS: Readonly<Record<string, number>> = {
  echo: 7,
  discard: 9,
  daytime: 13,
  chargen: 19,
  ssh: 22,
  domain: 53,
  bootps: 67,
  bootpc: 68,
  http: 80,
  ntp: 123,
  bgp: 179,
  https: 443,
};

export function portName(port: number): string | null {
  for (const [name, number] of Object.entries(PORTS)) if (number === port) return name;
  return null;
}

type Comparison = '=' | '!=' | '<' | '>' | '<=' | '>=';
type Side = 'local' | 'peer';

export type SocketExpression =
  | { readonly kind: 'and' | 'or'; readonly left: SocketExpression; readonly right: SocketExpression }
  | { readonly kind: 'not'; readonly of: SocketExpression }
  | {
      readonly kind: 'port';
      readonly side: Side;
      readonly comparison: Comparison;
      readonly port: number;
    }
  | {
      readonly kind: 'host';
      readonly side: Side;
      readonly isNot: boolean;
      readonly prefix: Prefix | null;
      readonly port: number | null;
    };

export interface SocketFilter {
  /** Null when no state was named. */
  readonly states: ReadonlySet<SocketState> | null;
  readonly expression: SocketExpression | null;
}

/** What a filter looks at. */
export interface SocketNames {
  readonly local: Ip;
  readonly localPort: number;
  readonly peer: Ip;
  readonly peerPort: number;
}

export function matches(expression: SocketExpression, names: SocketNames): boolean {
  switch (expression.kind) {
    case 'and':
      return matches(expression.left, names) && matches(expression.right, names);
    case 'or':
      return matches(expression.left, names) || matches(expression.right, names);
    case 'not':
      return !matches(expression.of, names);
    case 'port': {
      const port = expression.side === 'local' ? names.localPort : names.peerPort;
      return compare(port, expression.comparison, expression.port);
    }
    default:
      return matchesHost(expression, names);
  }
}

export function parseSocketFilter(words: readonly string[]): SocketFilter | ConfigError {
  return new Parser(words.flatMap(tokens)).parse();
}

function matchesHost(
  { side, prefix, port, isNot }: Extract<SocketExpression, { kind: 'host' }>,
  names: SocketNames,
): boolean {
  const address = side === 'local' ? names.local : names.peer;
  const own = side === 'local' ? names.localPort : names.peerPort;
  const isMatch = (prefix === null || prefix.contains(address)) && (port === null || port === own);
  return isMatch !== isNot;
}

function compare(value: number, comparison: Comparison, wanted: number): boolean {
  switch (comparison) {
    case '=':
      return value === wanted;
    case '!=':
      return value !== wanted;
    case '<':
      return value < wanted;
    case '>':
      return value > wanted;
    case '<=':
      return value <= wanted;
    default:
      return value >= wanted;
  }
}

/** A word of the shell may be a whole expression in quotes. */
function tokens(word: string): string[] {
  return word.match(/[()]|[^\s()]+/g) ?? [];
}

const COMPARISONS: Readonly<Record<string, Comparison>> = {
  '=': '=',
  '==': '=',
  eq: '=',
  '!=': '!=',
  ne: '!=',
  neq: '!=',
  '<': '<',
  lt: '<',
  '>': '>',
  gt: '>',
  '<=': '<=',
  le: '<=',
  '>=': '>=',
  ge: '>=',
};
const AND = ['and', '&&', '&'];
const OR = ['or', '||', '|'];
const NOT = ['not', '!'];

class Parser {
  readonly #words: readonly string[];
  #at = 0;
  #problem: ConfigError | null = null;

  constructor(words: readonly string[]) {
    this.#words = words;
  }

  parse(): SocketFilter | ConfigError {
    let states: Set<SocketState> | null = null;
    while (this.#peek === 'state' || this.#peek === 'exclude') {
      const isExcluded = this.#next() === 'exclude';
      const named = this.#readStates();
      if (named === null) return this.#problem as ConfigError;
      states ??= new Set(isExcluded ? ALL : []);
      for (const state of named) {
        if (isExcluded) states.delete(state);
        else states.add(state);
      }
    }
    if (this.#peek === 'and') this.#at++;
    const expression = this.#peek === undefined ? null : this.#readExpression();
    if (this.#problem === null && this.#peek !== undefined)
      this.#fail(`${quote(this.#peek)} is not expected here`);
    return this.#problem ?? { states, expression };
  }

  get #peek(): string | undefined {
    return this.#words[this.#at];
  }

  #next(): string | undefined {
    return this.#words[this.#at++];
  }

  #fail(problem: string): null {
    this.#problem ??= new ConfigError('filter', problem);
    return null;
  }

  #readStates(): readonly SocketState[] | null {
    const word = this.#next();
    if (word === undefined) return this.#fail('`state` is not followed by a state');
    const group = GROUPS[word];
    if (group !== undefined) return group;
    const state = ALIASES[word] ?? ALL.find((one) => one === word);
    if (state !== undefined) return [state];
    return this.#fail(`${quote(word)} is no state: ${[...Object.keys(GROUPS), ...ALL].join(', ')}`);
  }

  #readExpression(): SocketExpression | null {
    let left = this.#readTerm();
    while (left !== null && this.#peek !== undefined && OR.includes(this.#peek)) {
      this.#at++;
      const right = this.#readTerm();
      left = right === null ? null : { kind: 'or', left, right };
    }
    return left;
  }

  #readTerm(): SocketExpression | null {
    let left = this.#readFactor();
    while (left !== null && this.#peek !== undefined && this.#peek !== ')' && !OR.includes(this.#peek)) {
      if (AND.includes(this.#peek)) this.#at++;
      const right = this.#readFactor();
      left = right === null ? null : { kind: 'and', left, right };
    }
    return left;
  }

  #readFactor(): SocketExpression | null {
    const word = this.#next();
    if (word === undefined) return this.#fail('ends where a condition is expected');
    if (NOT.includes(word)) {
      const of = this.#readFactor();
      return of === null ? null : { kind: 'not', of };
    }
    if (word === '(') {
      const inner = this.#readExpression();
      return inner === null || this.#next() === ')' ? inner : this.#fail('`(` has no `)`');
    }
    if (word === 'sport' || word === 'dport') return this.#readPort(word === 'sport' ? 'local' : 'peer');
    if (word === 'src' || word === 'dst') return this.#readHost(word === 'src' ? 'local' : 'peer');
    return this.#fail(`${quote(word)} is no condition: sport, dport, src or dst`);
  }

  #readComparison(): Comparison {
    const found = COMPARISONS[this.#peek ?? ''];
    if (found === undefined) return '=';
    this.#at++;
    return found;
  }

  #readPort(side: Side): SocketExpression | null {
    const comparison = this.#readComparison();
    const word = this.#next() ?? '';
    const port = parsePort(word.slice(word.lastIndexOf(':') + 1));
    if (port === null) return this.#fail(`${quote(word)} is no port; write one such as :80`);
    return { kind: 'port', side, comparison, port };
  }

  #readHost(side: Side): SocketExpression | null {
    const isNot = this.#readComparison() === '!=';
    const word = this.#next() ?? '';
    const host = parseHost(word);
    if (host !== null) return { kind: 'host', side, isNot, ...host };
    return this.#fail(`${quote(word)} is no address; write one such as 10.0.0.0/8 or 10.77.0.1:80`);
  }
}

function parsePort(text: string): number | null {
  const named = PORTS[text];
  if (named !== undefined) return named;
  return /^\d{1,5}$/.test(text) && Number(text) <= 0xffff ? Number(text) : null;
}

/** `ADDRESS[/LENGTH][:PORT]`, `[IPV6]:PORT`, `:PORT`, and `*` for any address. */
function parseHost(text: string): { prefix: Prefix | null; port: number | null } | null {
  const match = /^(?:\[([^\]]+)\]|([^:]*|[^:]*:[^:]*:.*?))(?::([\w-]+|\*))?$/.exec(text);
  if (match === null || text === '') return null;
  const host = match[1] ?? match[2] ?? '';
  const port = match[3] === undefined || match[3] === '*' ? null : parsePort(match[3]);
  if (port === null && match[3] !== undefined && match[3] !== '*') return null;
  if (host === '' || host === '*') return { prefix: null, port };
  const address = parseIp(host);
  const prefix = address === null ? parsePrefix(host) : new Prefix(address, address.isV4 ? 32 : 128);
  return prefix === null ? null : { prefix: prefix.network, port };
}
