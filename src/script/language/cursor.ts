/**
 * Where the parser is in the tokens, with what every rule needs: look, take, and say what was expected instead.
 */
import { unsupported } from '../fault.ts';
import type { Token, TokenKind } from './lexer.ts';
import { tokens } from './lexer.ts';

/** Symbols given by `--define`: their text stands for them. */
export type Defines = ReadonlyMap<string, string>;

export class Cursor {
  readonly #tokens: readonly Token[];
  #defines: Defines = new Map();
  #at = 0;

  constructor(text: string) {
    this.#tokens = tokens(text);
  }

  /** From now on these words are replaced. */
  set defines(defines: Defines) {
    this.#defines = defines;
  }

  /** The token `ahead` of the next. */
  peek(ahead = 0): Token {
    const token = this.#tokens[Math.min(this.#at + ahead, this.#tokens.length - 1)] as Token;
    const text = token.kind === 'word' ? this.#defines.get(token.text) : undefined;
    if (text === undefined) return token;
    const [first] = tokens(text, token.line);
    return { ...(first as Token), isGlued: token.isGlued };
  }

  get line(): number {
    return this.peek().line;
  }

  get isAtEnd(): boolean {
    return this.peek().kind === 'end';
  }

  take(): Token {
    const token = this.peek();
    this.#at++;
    return token;
  }

  /** Whether the next token, or the one `ahead` of it, is this sign or word. */
  is(text: string, ahead = 0): boolean {
    const token = this.peek(ahead);
    return (
      token.text === text && (token.kind === 'sign' || token.kind === 'word' || token.kind === 'ellipsis')
    );
  }

  isKind(kind: TokenKind, ahead = 0): boolean {
    return this.peek(ahead).kind === kind;
  }

  /** Takes it if it is there. */
  skip(text: string): boolean {
    if (!this.is(text)) return false;
    this.#at++;
    return true;
  }

  expect(text: string): void {
    if (!this.skip(text)) this.fail(text);
  }

  expectKind(kind: TokenKind, what: string): Token {
    if (!this.isKind(kind)) this.fail(what);
    return this.take();
  }

  /** A decimal number from `min` to `max`. */
  integer(what: string, min: number, max: number): number {
    const { text } = this.expectKind('integer', what);
    const value = Number(text);
    if (value < min || value > max) unsupported(this.line, `${what} ${text} is not within ${min} and ${max}`);
    return value;
  }

  fail(expected: string): never {
    const { kind, text } = this.peek();
    unsupported(this.line, `expected ${expected}, but there is ${kind === 'end' ? 'the end' : `"${text}"`}`);
  }
}
