/**
 * Arguments and results of system calls, as strace prints them:
 *
 *     3   0x2   AF_INET   O_RDWR|O_NONBLOCK   "reno"   ...   [1, 2]   {onoff=1, linger=0}   htons(80)
 */
import { unsupported } from '../fault.ts';
import type { Field, Value } from './ast.ts';
import type { Cursor } from './cursor.ts';

/** Structures in structures: nobody writes more, and a parser that recurses must end. */
const DEPTH_MAX = 32;

const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  '0': '\0',
  '\\': '\\',
  '"': '"',
};

export function parseValue(cursor: Cursor, depth = 0): Value {
  let left = parseOperand(cursor, depth);
  while (cursor.skip('|')) left = { kind: 'or', left, right: parseOperand(cursor, depth) };
  return left;
}

/** Up to `close`, which is taken. */
export function parseValues(cursor: Cursor, close: string, depth = 0): Value[] {
  const values: Value[] = [];
  if (cursor.skip(close)) return values;
  do values.push(parseValue(cursor, depth + 1));
  while (cursor.skip(','));
  cursor.expect(close);
  return values;
}

function parseOperand(cursor: Cursor, depth: number): Value {
  if (depth > DEPTH_MAX) unsupported(cursor.line, `values nested deeper than ${DEPTH_MAX}`);
  if (cursor.skip('...')) return { kind: 'ellipsis' };
  if (cursor.skip('[')) return { kind: 'list', items: parseValues(cursor, ']', depth) };
  if (cursor.skip('{')) return parseBraces(cursor, depth);
  const token = cursor.peek();
  switch (token.kind) {
    case 'integer':
    case 'hex':
      cursor.take();
      return { kind: 'integer', value: Number(token.text) };
    case 'string':
      return parseString(cursor);
    case 'word':
      cursor.take();
      if (!cursor.skip('(')) return { kind: 'word', name: token.text };
      return { kind: 'function', name: token.text, args: parseValues(cursor, ')', depth) };
    default:
      return cursor.fail('a value');
  }
}

/** Strings in a row are one. */
function parseString(cursor: Cursor): Value {
  let text = '';
  while (cursor.isKind('string')) text += unescape(cursor.take().text);
  return { kind: 'string', text, isOpen: cursor.skip('...') };
}

function unescape(text: string): string {
  return text.replace(/\\x([0-9a-fA-F]{2})|\\(.)/g, (_, hex?: string, letter?: string) =>
    hex === undefined
      ? (ESCAPES[letter as string] ?? (letter as string))
      : String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

/** After the opening brace: fields with names, or values in order, as in `{..., 1000}`. */
function parseBraces(cursor: Cursor, depth: number): Value {
  const isStruct = cursor.isKind('word') && (cursor.is('=', 1) || cursor.is('(', 1));
  if (!isStruct || isFunction(cursor)) return { kind: 'list', items: parseValues(cursor, '}', depth) };
  const fields: Field[] = [];
  do fields.push(parseField(cursor, depth));
  while (cursor.skip(','));
  cursor.expect('}');
  return { kind: 'struct', fields };
}

/** `{htons(1), …}` begins like `{msg_iov(1)=…`. */
function isFunction(cursor: Cursor): boolean {
  if (!cursor.is('(', 1)) return false;
  for (let ahead = 2; !cursor.isKind('end', ahead); ahead++) {
    if (cursor.is(')', ahead)) return !cursor.is('=', ahead + 1);
  }
  return true;
}

function parseField(cursor: Cursor, depth: number): Field {
  const name = cursor.expectKind('word', 'the name of a field').text;
  let size: Value | null = null;
  if (cursor.skip('(')) {
    size = parseValue(cursor, depth + 1);
    cursor.expect(')');
  }
  cursor.expect('=');
  return { name, size, value: parseValue(cursor, depth + 1) };
}
