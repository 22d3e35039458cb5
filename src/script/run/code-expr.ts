/**
 * What stands between `%{` and `}%`: assertions about `tcp_info`, in the small part of Python that they need.
 *
 *     assert EXPR [, MESSAGE]      NAME = EXPR      print(…)
 *     or and not   == != < <= > >= in   | ^ & << >>   + - * / // %   **   calls, lists, strings with %
 *
 * An interpreter over the tokens as they come, without a tree; everything else is unsupported. `and` and `or` evaluate
 * both sides, which has no effect that could be seen, for nothing here has any.
 */
import { mismatch, unsupported } from '../fault.ts';
import type { CodeToken } from './code-lexer.ts';
import { codeTokens } from './code-lexer.ts';

export type CodeValue = number | string | boolean | readonly CodeValue[] | null;

/** What names stand for. */
export interface CodeNames {
  /** Undefined: nobody knows the name. */
  lookup(name: string): CodeValue | undefined;
  assign(name: string, value: CodeValue): void;
  print(text: string): void;
}

const STATEMENTS: readonly string[] =
  'if elif else for while def class import from return try except with del raise pass global lambda'.split(
    ' ',
  );

export function runCode(text: string, line: number, names: CodeNames): void {
  new Interpreter(codeTokens(text, line), names).run();
}

type Operation = (a: CodeValue, b: CodeValue) => CodeValue;

class Interpreter {
  readonly #tokens: readonly CodeToken[];
  readonly #names: CodeNames;
  #at = 0;

  constructor(tokens: readonly CodeToken[], names: CodeNames) {
    this.#tokens = tokens;
    this.#names = names;
  }

  run(): void {
    while (this.#peek().kind !== 'end') {
      if (this.#peek().kind !== 'newline') this.#statement();
      this.#at++;
    }
  }

  #peek(ahead = 0): CodeToken {
    return this.#tokens[Math.min(this.#at + ahead, this.#tokens.length - 1)] as CodeToken;
  }

  #is(text: string): boolean {
    const token = this.#peek();
    return token.text === text && token.kind !== 'string';
  }

  #skip(text: string): boolean {
    if (!this.#is(text)) return false;
    this.#at++;
    return true;
  }

  #fail(what: string): never {
    unsupported(this.#peek().line, `${what} in code`);
  }

  #expect(text: string): void {
    if (!this.#skip(text)) this.#fail(`"${this.#peek().text}" instead of "${text}"`);
  }

  #statement(): void {
    const { line, text, kind } = this.#peek();
    if (kind === 'name' && STATEMENTS.includes(text)) this.#fail(`"${text}"`);
    if (this.#skip('assert')) {
      this.#assert(line);
    } else if (kind === 'name' && this.#peek(1).text === '=') {
      this.#at += 2;
      this.#names.assign(text, this.#expression());
    } else if (this.#is('print') && this.#peek(1).text !== '(') {
      this.#at++;
      this.#names.print(this.#peek().kind === 'newline' ? '' : this.#list('').map(textOf).join(' '));
    } else {
      this.#expression();
    }
    if (this.#peek().kind !== 'newline') this.#fail(`"${this.#peek().text}"`);
  }

  #assert(line: number): void {
    const begin = this.#at;
    const value = this.#expression();
    const source = this.#tokens.slice(begin, this.#at);
    const message = this.#skip(',') ? `: ${textOf(this.#expression())}` : '';
    if (isTrue(value)) return;
    mismatch(line, `assert ${source.map(({ text }) => text).join(' ')}${message}${this.#explain(source)}`);
  }

  /** What the names of a failed assertion stand for. */
  #explain(source: readonly CodeToken[]): string {
    const seen = new Map<string, string>();
    for (const { kind, text } of source) {
      const value = kind === 'name' ? this.#names.lookup(text) : undefined;
      if (value !== undefined) seen.set(text, `${text} = ${textOf(value)}`);
    }
    return seen.size === 0 ? '' : ` (${[...seen.values()].join(', ')})`;
  }

  #expression(): CodeValue {
    const value = this.#or();
    if (!this.#skip('if')) return value;
    const condition = this.#or();
    this.#expect('else');
    const other = this.#expression();
    return isTrue(condition) ? value : other;
  }

  #or(): CodeValue {
    let value = this.#and();
    while (this.#skip('or')) {
      const right = this.#and();
      if (!isTrue(value)) value = right;
    }
    return value;
  }

  #and(): CodeValue {
    let value = this.#not();
    while (this.#skip('and')) {
      const right = this.#not();
      if (isTrue(value)) value = right;
    }
    return value;
  }

  #not(): CodeValue {
    return this.#skip('not') ? !isTrue(this.#not()) : this.#comparison();
  }

  /** `a < b <= c` means both. */
  #comparison(): CodeValue {
    let left = this.#binary(0);
    let result: CodeValue | undefined;
    for (;;) {
      const { text } = this.#peek();
      const isNotIn = text === 'not' && this.#peek(1).text === 'in';
      const compare = isNotIn ? COMPARISONS['in'] : COMPARISONS[text];
      if (compare === undefined || this.#peek().kind === 'string') return result ?? left;
      this.#at += isNotIn ? 2 : 1;
      const right = this.#binary(0);
      const holds = compare(left, right) !== isNotIn;
      result = (result === undefined || isTrue(result)) && holds;
      left = right;
    }
  }

  #binary(level: number): CodeValue {
    const operations = LEVELS[level];
    if (operations === undefined) return this.#unary();
    let left = this.#binary(level + 1);
    for (;;) {
      const token = this.#peek();
      const operation = token.kind === 'operator' ? operations[token.text] : undefined;
      if (operation === undefined) return left;
      this.#at++;
      const right = this.#binary(level + 1);
      const result = operation(left, right);
      if (result === null)
        unsupported(token.line, `"${textOf(left)} ${token.text} ${textOf(right)}" in code`);
      left = result;
    }
  }

  #unary(): CodeValue {
    if (this.#skip('-')) return -this.#numberOf(this.#unary());
    if (this.#skip('+')) return this.#numberOf(this.#unary());
    if (this.#skip('~')) return -this.#numberOf(this.#unary()) - 1;
    const base = this.#primary();
    return this.#skip('**') ? this.#numberOf(base) ** this.#numberOf(this.#unary()) : base;
  }

  #numberOf(value: CodeValue): number {
    if (typeof value !== 'number' && typeof value !== 'boolean') this.#fail(`${textOf(value)} as a number`);
    return Number(value);
  }

  #primary(): CodeValue {
    const { kind, text } = this.#peek();
    this.#at++;
    switch (kind) {
      case 'number':
        return Number(text);
      case 'string':
        return unquote(text);
      case 'name':
        return this.#name(text);
      case 'operator':
        if (text === '[') return this.#list(']');
        if (text === '(') return this.#parentheses();
        break;
      default:
        break;
    }
    this.#at--;
    return this.#fail(`"${text}"`);
  }

  #name(name: string): CodeValue {
    if (name === 'True' || name === 'False') return name === 'True';
    if (this.#skip('(')) return this.#call(name, this.#list(')'));
    const value = this.#names.lookup(name);
    return value === undefined ? this.#fail(`the name ${name}`) : value;
  }

  #call(name: string, args: readonly CodeValue[]): CodeValue {
    if (name === 'print') {
      this.#names.print(args.map(textOf).join(' '));
      return 0;
    }
    if (name === 'str') return textOf(args[0] ?? '');
    if (name === 'len') {
      const [value] = args;
      return typeof value === 'string' || Array.isArray(value) ? value.length : this.#fail('len');
    }
    const compute = FUNCTIONS[name];
    if (compute === undefined) this.#fail(`the function ${name}`);
    const [only] = args;
    const numbers = (args.length === 1 && Array.isArray(only) ? (only as readonly CodeValue[]) : args).map(
      (arg) => this.#numberOf(arg),
    );
    return compute(...numbers);
  }

  /** Up to `close`; to the end of the statement when it is empty. */
  #list(close: string): CodeValue[] {
    const values: CodeValue[] = [];
    if (close === '' || !this.#is(close)) {
      do values.push(this.#expression());
      while (this.#skip(',') && !this.#is(close));
    }
    if (close !== '') this.#expect(close);
    return values;
  }

  #parentheses(): CodeValue {
    const begin = this.#at;
    const values = this.#list(')');
    const isTuple = values.length !== 1 || this.#tokens[this.#at - 2]?.text === ',';
    return isTuple && this.#at > begin ? values : (values[0] as CodeValue);
  }
}

const COMPARISONS: Readonly<Record<string, (a: CodeValue, b: CodeValue) => boolean>> = {
  '==': (a, b) => isEqual(a, b),
  '!=': (a, b) => !isEqual(a, b),
  '<': (a, b) => order(a, b) < 0,
  '<=': (a, b) => order(a, b) <= 0,
  '>': (a, b) => order(a, b) > 0,
  '>=': (a, b) => order(a, b) >= 0,
  in: (a, b) =>
    Array.isArray(b) ? b.some((one: CodeValue) => isEqual(a, one)) : textOf(b).includes(textOf(a)),
};

function isNumber(value: CodeValue): boolean {
  return typeof value === 'number' || typeof value === 'boolean';
}

/** Null: not of these. */
const arithmetic =
  (compute: (a: number, b: number) => number): Operation =>
  (a, b) =>
    isNumber(a) && isNumber(b) ? compute(Number(a), Number(b)) : null;

/** JavaScript's own cut numbers to 32 bits. */
const bitwise = (compute: (a: bigint, b: bigint) => bigint): Operation =>
  arithmetic((a, b) => Number(compute(BigInt(Math.trunc(a)), BigInt(Math.trunc(b)))));

/** From the loosest to the tightest. */
const LEVELS: readonly Readonly<Record<string, Operation>>[] = [
  { '|': bitwise((a, b) => a | b) },
  { '^': bitwise((a, b) => a ^ b) },
  { '&': bitwise((a, b) => a & b) },
  { '<<': bitwise((a, b) => a << b), '>>': bitwise((a, b) => a >> b) },
  {
    '+': (a, b) =>
      typeof a === 'string' && typeof b === 'string' ? a + b : arithmetic((x, y) => x + y)(a, b),
    '-': arithmetic((a, b) => a - b),
  },
  {
    '*': arithmetic((a, b) => a * b),
    '/': arithmetic((a, b) => a / b),
    '//': arithmetic((a, b) => Math.floor(a / b)),
    '%': (a, b) =>
      typeof a === 'string' ? fill(a, b) : arithmetic((x, y) => x - y * Math.floor(x / y))(a, b),
  },
];

const FUNCTIONS: Readonly<Record<string, (...numbers: number[]) => number>> = {
  abs: (n = 0) => Math.abs(n),
  min: (...numbers) => Math.min(...numbers),
  max: (...numbers) => Math.max(...numbers),
  sum: (...numbers) => numbers.reduce((a, b) => a + b, 0),
  int: (n = 0) => Math.trunc(n),
  float: (n = 0) => n,
  round: (n = 0) => Math.round(n),
};

function isTrue(value: CodeValue): boolean {
  return Array.isArray(value) ? value.length > 0 : Boolean(value);
}

function isEqual(a: CodeValue, b: CodeValue): boolean {
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((one: CodeValue, i) => isEqual(one, b[i] as CodeValue));
  if (typeof a === 'boolean' || typeof b === 'boolean') return Number(a) === Number(b);
  return a === b;
}

function order(a: CodeValue, b: CodeValue): number {
  if (typeof a === 'string' && typeof b === 'string') return a < b ? -1 : Number(a > b);
  return Number(a) - Number(b);
}

export function textOf(value: CodeValue): string {
  if (value === null) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'number' || typeof value === 'string') return String(value);
  return `(${value.map(textOf).join(', ')})`;
}

/** `"%d of %d" % (1, 2)`. */
function fill(format: string, value: CodeValue): string {
  const values = Array.isArray(value) ? (value as readonly CodeValue[]) : [value];
  let next = 0;
  return format.replace(/%(?:[-+0-9.]*[dsfgxu]|%)/g, (found) => {
    if (found === '%%') return '%';
    const one = values[next++] ?? '';
    return found.endsWith('x') ? Number(one).toString(16) : textOf(one);
  });
}

function unquote(text: string): string {
  return text.slice(1, -1).replace(/\\(.)/g, (_, letter: string) => (letter === 'n' ? '\n' : letter));
}
