/**
 * The tokens of packetdrill's language. Where several kinds fit at one place the longest wins, then the first of the
 * list, so that `1:1001` is three tokens and `2001:db8::1` one.
 *
 * Comments are those of C and C++, and lines from `#` on.
 */
import { unsupported } from '../fault.ts';

export type TokenKind =
  | 'option'
  | 'ip4'
  | 'ip6'
  | 'float'
  | 'integer'
  | 'hex'
  | 'word'
  | 'string'
  | 'command'
  | 'code'
  | 'ellipsis'
  | 'sign'
  | 'end';

export interface Token {
  readonly kind: TokenKind;
  /** As it stands in the script; without its quotes or braces for strings, commands and code. */
  readonly text: string;
  readonly line: number;
  /** Whether nothing stands between it and the token before. */
  readonly isGlued: boolean;
}

const GROUP = '[0-9a-fA-F]{1,4}';
const IP4 = String.raw`\d+\.\d+\.\d+\.\d+`;
const IP6 =
  `(?:${GROUP}:){7}${GROUP}|::(?:${GROUP}:)*${IP4}|(?:${GROUP}(?::${GROUP})*)?::` +
  `(?:${GROUP}(?::${GROUP})*)?`;

/** In the order of preference where two are of one length. */
const PATTERNS: readonly (readonly [TokenKind, RegExp])[] = [
  ['option', /--[a-zA-Z0-9_]+/y],
  ['ip4', new RegExp(IP4, 'y')],
  ['ip6', new RegExp(IP6, 'y')],
  ['float', /-?\d*\.\d+/y],
  ['integer', /-?\d+/y],
  ['hex', /0x[0-9a-fA-F]+/y],
  ['word', /[a-zA-Z0-9_]+/y],
  ['ellipsis', /\.\.\./y],
];

/** What begins with one string and goes on to another. */
const QUOTED: readonly (readonly [TokenKind, open: string, close: string, hasEscapes: boolean])[] = [
  ['string', '"', '"', true],
  ['command', '`', '`', true],
  ['code', '%{', '}%', false],
];

class Lexer {
  readonly #text: string;
  readonly #tokens: Token[] = [];
  #at = 0;
  #line = 1;
  #isGlued = false;

  constructor(text: string, line: number) {
    this.#text = text;
    this.#line = line;
  }

  run(): Token[] {
    while (this.#skipBlank()) this.#next();
    this.#tokens.push({ kind: 'end', text: '', line: this.#line, isGlued: false });
    return this.#tokens;
  }

  /** Answers false at the end of the text. */
  #skipBlank(): boolean {
    const text = this.#text;
    for (;;) {
      const c = text.charAt(this.#at);
      if (c === '') return false;
      if (c === '\n') this.#line++;
      if (/\s/.test(c)) this.#at++;
      else if (c === '#' || text.startsWith('//', this.#at)) this.#at = this.#endOfLine();
      else if (text.startsWith('/*', this.#at)) this.#skipComment();
      else return true;
      this.#isGlued = false;
    }
  }

  #endOfLine(): number {
    const end = this.#text.indexOf('\n', this.#at);
    return end < 0 ? this.#text.length : end;
  }

  #skipComment(): void {
    const end = this.#text.indexOf('*/', this.#at + 2);
    if (end < 0) unsupported(this.#line, 'a comment without an end');
    this.#advance(end + 2);
  }

  /** Moves to `end` and counts the lines on the way. */
  #advance(end: number): void {
    for (let i = this.#at; i < end; i++) if (this.#text.charAt(i) === '\n') this.#line++;
    this.#at = end;
  }

  #push(kind: TokenKind, text: string, end: number): void {
    this.#tokens.push({ kind, text, line: this.#line, isGlued: this.#isGlued });
    this.#isGlued = true;
    this.#advance(end);
  }

  #next(): void {
    for (const [kind, open, close, hasEscapes] of QUOTED) {
      if (!this.#text.startsWith(open, this.#at)) continue;
      const begin = this.#at + open.length;
      const end = this.#endOf(begin, close, hasEscapes);
      if (end < 0) unsupported(this.#line, `${open} without its ${close}`);
      this.#push(kind, this.#text.slice(begin, end), end + close.length);
      return;
    }
    let best: TokenKind = 'sign';
    let length = 0;
    for (const [kind, pattern] of PATTERNS) {
      pattern.lastIndex = this.#at;
      const found = pattern.exec(this.#text)?.[0].length ?? 0;
      if (found > length) {
        best = kind;
        length = found;
      }
    }
    const end = this.#at + Math.max(length, 1);
    this.#push(best, this.#text.slice(this.#at, end), end);
  }

  #endOf(begin: number, close: string, hasEscapes: boolean): number {
    if (!hasEscapes) return this.#text.indexOf(close, begin);
    for (let i = begin; i < this.#text.length; i++) {
      if (this.#text.charAt(i) === '\\') i++;
      else if (this.#text.charAt(i) === close) return i;
    }
    return -1;
  }
}

/** `line` is where `text` begins. */
export function tokens(text: string, line = 1): Token[] {
  return new Lexer(text, line).run();
}
