/**
 * The tokens of the code in a script: the small part of Python that assertions are made of.
 */
import { unsupported } from '../fault.ts';

export type CodeTokenKind = 'number' | 'string' | 'name' | 'operator' | 'newline' | 'end';

export interface CodeToken {
  readonly kind: CodeTokenKind;
  readonly text: string;
  readonly line: number;
}

const BLANK = String.raw`[ \t]+|\\\n|#[^\n]*`;
const NEWLINE = String.raw`(?<newline>\n|;)`;
const NUMBER = String.raw`(?<number>0[xX][0-9a-fA-F]+|\d+\.\d*(?:[eE][-+]?\d+)?|\.\d+|\d+(?:[eE][-+]?\d+)?)`;
const NAME = String.raw`(?<name>[A-Za-z_]\w*)`;
const STRING = String.raw`(?<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')`;
const OPERATOR = String.raw`(?<operator>\*\*|//|<<|>>|<=|>=|==|!=|[-+*/%<>=()[\],&|^~.])`;
const PATTERN = new RegExp([BLANK, NEWLINE, NUMBER, NAME, STRING, OPERATOR].join('|'), 'y');

/** Newlines in brackets separate nothing. */
export function codeTokens(text: string, firstLine: number): CodeToken[] {
  const found: CodeToken[] = [];
  let line = firstLine;
  let depth = 0;
  PATTERN.lastIndex = 0;
  while (PATTERN.lastIndex < text.length) {
    const at = PATTERN.lastIndex;
    const match = PATTERN.exec(text);
    if (match === null) unsupported(line, `"${text.charAt(at)}" in code`);
    for (const kind of ['newline', 'number', 'name', 'string', 'operator'] as const) {
      const token = match.groups?.[kind];
      if (token === undefined) continue;
      if ('(['.includes(token)) depth++;
      if (')]'.includes(token)) depth--;
      if (kind !== 'newline' || depth === 0) found.push({ kind, text: token, line });
    }
    line += match[0].split('\n').length - 1;
  }
  found.push({ kind: 'newline', text: '', line }, { kind: 'end', text: '', line });
  return found;
}
