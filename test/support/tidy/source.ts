/**
 * The text of a TypeScript file as the tidy rules need it: with comments and the contents of strings blanked out,
 * its imports, and its functions with their lengths.
 *
 * TypeScript 7 has no JavaScript API, and a dependency only to count lines is not worth it, so this is a scanner and
 * not a parser. It knows our formatted style; it need not survive every program that is legal.
 */

export interface SourceFile {
  /** Relative to the top of the repository, with `/`. */
  readonly path: string;
  readonly text: string;
  readonly lines: readonly string[];
  /** The text with the same offsets, but spaces in place of comments, string contents and regular expressions. */
  readonly code: string;
}

export interface Import {
  readonly specifier: string;
  readonly line: number;
  /** `export … from`. */
  readonly isExport: boolean;
  readonly isType: boolean;
}

export interface FunctionSpan {
  readonly name: string;
  readonly line: number;
  readonly lineCount: number;
  /** From its `{` to its `}`, in `code`. */
  readonly body: string;
}

export function sourceFile(path: string, text: string): SourceFile {
  return { path, text, lines: text.replace(/\n$/, '').split('\n'), code: blank(text) };
}

export function lineAt(text: string, offset: number): number {
  let line = 1;
  for (let at = text.indexOf('\n'); at >= 0 && at < offset; at = text.indexOf('\n', at + 1)) line++;
  return line;
}

const STATIC_IMPORT = /^(import)\b([^;'"()=]*?)(['"])( *)\3/gm;
const RE_EXPORT = /^(export)\b([^;'"()=]*?)\bfrom\s*(['"])( *)\3/gm;
const DYNAMIC_IMPORT = /\bimport\s*\(\s*(['"])( *)\1/g;

export function imports(file: SourceFile): Import[] {
  const found: Import[] = [];
  const specifier = (match: RegExpMatchArray, quote: string, blanks: string): string => {
    const end = match.index! + match[0].lastIndexOf(quote);
    return file.text.slice(end - blanks.length, end);
  };
  for (const match of [...file.code.matchAll(STATIC_IMPORT), ...file.code.matchAll(RE_EXPORT)]) {
    found.push({
      specifier: specifier(match, match[3]!, match[4]!),
      line: lineAt(file.code, match.index),
      isExport: match[1] === 'export',
      isType: /^\s*type\b/.test(match[2]!),
    });
  }
  for (const match of file.code.matchAll(DYNAMIC_IMPORT)) {
    const line = lineAt(file.code, match.index);
    found.push({ specifier: specifier(match, match[1]!, match[2]!), line, isExport: false, isType: false });
  }
  return found;
}

const HEADS = [
  /\bfunction\b\s*\*?\s*(?<name>[\w$]*)\s*(?:<[^(]*>)?(?=\()/g,
  // Methods, and constructors: a name and a parenthesis at the beginning of a line.
  /^[ \t]+(?:(?:static|async|override|private|protected|public|get|set)\s+)*\*?(?<name>#?[\w$]+)(?:<[^(\n]*>)?(?=\()/gm,
];
const STATEMENTS = new Set(
  'if for while switch catch return function await typeof new super do else with yield'.split(' '),
);
const ARROW = /(?:\b(?<name>#?[\w$]+)\s*=\s*(?:async\s*)?(?:<[^=]*>)?\([^=]*)?=>\s*(?=\{)/g;

/** Every function with a body in braces, methods and arrows included, in the order of its first line. */
export function functions(file: SourceFile): FunctionSpan[] {
  const { code } = file;
  const found: FunctionSpan[] = [];
  const add = (name: string, start: number, open: number): void => {
    const close = closing(code, open);
    const line = lineAt(code, start);
    found.push({ name, line, lineCount: lineAt(code, close) - line + 1, body: code.slice(open, close + 1) });
  };
  for (const head of HEADS) {
    for (const match of code.matchAll(head)) {
      const name = match.groups?.name ?? '';
      if (STATEMENTS.has(name)) continue;
      const open = bodyAfter(code, closing(code, match.index + match[0].length) + 1);
      if (open >= 0) add(name || '(anonymous)', match.index + match[0].search(/\S/), open);
    }
  }
  for (const match of code.matchAll(ARROW)) {
    add(match.groups?.name ?? '(arrow)', match.index, match.index + match[0].length);
  }
  return found.sort((a, b) => a.line - b.line);
}

const C_HEAD = /^(?!typedef|struct|union|enum|static const)\w[^;{}=]*\b(?<name>\w+)\([^;{}]*\)\s*\{/gm;

/** C functions as we format them: the head begins and the body ends in the first column. */
export function cFunctions(file: SourceFile): FunctionSpan[] {
  const found: FunctionSpan[] = [];
  for (const match of file.code.matchAll(C_HEAD)) {
    const open = match.index + match[0].length - 1;
    const close = closing(file.code, open);
    const line = lineAt(file.code, match.index);
    const lineCount = lineAt(file.code, close) - line + 1;
    found.push({ name: match.groups?.name ?? '', line, lineCount, body: file.code.slice(open, close + 1) });
  }
  return found;
}

const PAIRS: Readonly<Record<string, string>> = { '(': ')', '{': '}', '[': ']' };

/** Where the bracket at `open` is closed; the end of the text when it is not. */
function closing(code: string, open: number): number {
  const opener = code[open] as string;
  const closer = PAIRS[opener];
  let depth = 0;
  for (let at = open; at < code.length; at++) {
    if (code[at] === opener) depth++;
    else if (code[at] === closer && --depth === 0) return at;
  }
  return code.length - 1;
}

/** The `{` of the body that follows a parameter list, past a return type; -1 for a mere signature or a call. */
function bodyAfter(code: string, from: number): number {
  let at = from;
  while (/\s/.test(code[at] ?? '')) at++;
  if (code[at] === '{') return at;
  if (code[at] !== ':') return -1;
  let previous = ':';
  for (at++; at < code.length; at++) {
    const char = code[at] as string;
    if (/\s/.test(char)) continue;
    if (char === '{' && !/[:|&<,(?=]/.test(previous)) return at;
    if (char === ';' || char === '}' || char === ')' || char === '=') return -1;
    if (char in PAIRS) at = closing(code, at);
    previous = code[at] as string;
  }
  return -1;
}

const REGEX_MAY_FOLLOW = /(?:^|[(,=:[!&|?{};+\-*%<>~^]|\b(?:return|typeof|case|in|of))\s*$/;

/** The text with comments, the contents of strings and regular expressions turned into spaces; newlines stay. */
function blank(text: string): string {
  const out: string[] = [];
  let at = 0;
  // Braces of the code inside `${…}`: what is open when a template's text goes on.
  const templates: number[] = [];
  let depth = 0;
  const skip = (end: number): void => {
    out.push(text.slice(at, end).replace(/[^\n]/g, ' '));
    at = end;
  };
  const keep = (): void => {
    out.push(text[at++] as string);
  };
  const templateText = (): void => {
    let end = at;
    while (end < text.length && text[end] !== '`' && !text.startsWith('${', end))
      end += text[end] === '\\' ? 2 : 1;
    skip(end);
    if (text[at] === '`') return keep();
    skip(Math.min(at + 2, text.length));
    templates.push(depth);
  };
  while (at < text.length) {
    const char = text[at] as string;
    if (text.startsWith('//', at) || (at === 0 && text.startsWith('#!'))) skip(endOf(text, '\n', at, 0));
    else if (text.startsWith('/*', at)) skip(endOf(text, '*/', at + 2, 2));
    else if (char === "'" || char === '"') {
      keep();
      let end = at;
      while (end < text.length && text[end] !== char && text[end] !== '\n') end += text[end] === '\\' ? 2 : 1;
      skip(end);
      keep();
    } else if (char === '`') {
      keep();
      templateText();
    } else if (char === '}' && templates.at(-1) === depth) {
      templates.pop();
      skip(at + 1);
      templateText();
    } else if (char === '/' && REGEX_MAY_FOLLOW.test(out.slice(-40).join('').slice(-40))) {
      skip(endOfRegex(text, at));
    } else {
      if (char === '{') depth++;
      if (char === '}') depth--;
      keep();
    }
  }
  return out.join('');
}

function endOf(text: string, mark: string, from: number, length: number): number {
  const end = text.indexOf(mark, from);
  return end < 0 ? text.length : end + length;
}

function endOfRegex(text: string, from: number): number {
  let isInClass = false;
  for (let at = from + 1; at < text.length; at++) {
    const char = text[at];
    if (char === '\\') at++;
    else if (char === '\n') return from + 1;
    else if (char === '[') isInClass = true;
    else if (char === ']') isInClass = false;
    else if (char === '/' && !isInClass) return at + 1;
  }
  return from + 1;
}
