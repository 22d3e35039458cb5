/**
 * Scripts: options, a command before the first event, events, a command after the last. Recursive descent over
 * tokens; the first thing that is not understood ends it (`Fault`).
 *
 *     +0.1   < S 0:0(0) win 32792 <mss 1000>      relative to what happened before
 *      0.5   > S. 0:0(0) ack 1 <...>              since the first event
 *      *     > . 1:1(0) ack 1                     whenever it comes
 *      +0~+0.2  …     0.1~0.3  …                  within a range
 *     +0...0.2 accept(3, ..., ...) = 4            begins now, comes back at 0.2
 */
import type { Duration } from '../../base/time.ts';
import { us } from '../../base/time.ts';
import { unsupported } from '../fault.ts';
import type { Action, CallAction, Command, Event, EventTime, Option, Script } from './ast.ts';
import type { Defines } from './cursor.ts';
import { Cursor } from './cursor.ts';
import { parsePacket } from './packet-parser.ts';
import { parseValue, parseValues } from './value-parser.ts';

const US_PER_SECOND = 1_000_000;

/** `defines` come from the command line; those of the script's own options are added. */
export function parseScript(text: string, defines: Defines = new Map()): Script {
  const cursor = new Cursor(text);
  const options: Option[] = [];
  while (cursor.isKind('option')) options.push(parseOption(cursor));
  cursor.defines = new Map([...defines, ...definesOf(options)]);
  const init = cursor.isKind('command') ? parseCommand(cursor) : null;
  const events: Event[] = [];
  while (!cursor.isAtEnd && !cursor.isKind('command')) events.push(parseEvent(cursor));
  const cleanup = cursor.isKind('command') ? parseCommand(cursor) : null;
  if (!cursor.isAtEnd) cursor.fail('the end of the script');
  return { options, init, events, cleanup };
}

/** What `--define=NAME=text` say. */
export function definesOf(options: readonly Option[]): Map<string, string> {
  const defines = new Map<string, string>();
  for (const { name, value, line } of options) {
    if (name !== 'define') continue;
    const equals = value === null ? -1 : value.indexOf('=');
    if (value === null || equals < 1) unsupported(line, '--define without NAME=value');
    defines.set(value.slice(0, equals), value.slice(equals + 1));
  }
  return defines;
}

/**
 * The value is what follows without a blank: the language has a few kinds of it, people write more, such as
 * `--ip_version=ipv4-mapped-ipv6` and `--remote_ip=192.0.2.1/24`.
 */
function parseOption(cursor: Cursor): Option {
  const { text, line } = cursor.take();
  const name = text.slice(2);
  if (!cursor.skip('=')) return { name, value: null, line };
  let value = '';
  do {
    const token = cursor.take();
    if (token.kind === 'string' && name === 'define') value += `"${token.text}"`;
    else if (token.kind === 'command') value += `\`${token.text}\``;
    else value += token.text;
  } while (cursor.peek().isGlued && !cursor.isAtEnd && !cursor.isKind('option'));
  return { name, value, line };
}

function parseCommand(cursor: Cursor): Command {
  const { text, line } = cursor.take();
  return { kind: 'command', text, line };
}

function parseEvent(cursor: Cursor): Event {
  const { line } = cursor;
  const time = parseTime(cursor);
  const action = parseAction(cursor);
  const isOutbound = action.kind === 'packet' && !action.isInbound;
  if (!isOutbound && time.kind !== 'absolute' && time.kind !== 'relative')
    unsupported(
      line,
      `a time that is ${time.kind === 'any' ? '*' : 'a range'} for what the script itself does`,
    );
  if (time.end < time.start) unsupported(line, 'a range of times that goes backwards');
  return { line, time, action };
}

function parseTime(cursor: Cursor): EventTime {
  if (cursor.skip('*')) return { kind: 'any', start: us(0), end: us(0) };
  const isRelative = cursor.skip('+');
  const start = parseSeconds(cursor);
  const kind = isRelative ? 'relative' : 'absolute';
  if (!cursor.skip('~')) return { kind, start, end: start };
  if (isRelative) cursor.skip('+');
  return { kind: `${kind} range`, start, end: parseSeconds(cursor) };
}

function parseSeconds(cursor: Cursor): Duration {
  const token = cursor.peek();
  if (token.kind !== 'float' && token.kind !== 'integer') cursor.fail('a time');
  cursor.take();
  const seconds = Number(token.text);
  if (seconds < 0) unsupported(token.line, `the time ${token.text} before the beginning`);
  return us(Math.round(seconds * US_PER_SECOND));
}

function parseAction(cursor: Cursor): Action {
  if (cursor.isKind('command')) return parseCommand(cursor);
  if (cursor.isKind('code')) {
    const { text, line } = cursor.take();
    return { kind: 'code', text, line };
  }
  const isInbound = cursor.is('<');
  if (isInbound || cursor.is('>')) {
    cursor.take();
    return { kind: 'packet', isInbound, packet: parsePacket(cursor, isInbound) };
  }
  return parseCall(cursor);
}

function parseCall(cursor: Cursor): CallAction {
  const end = cursor.skip('...') ? parseSeconds(cursor) : null;
  const name = cursor.expectKind('word', 'a packet, a call, a command or code').text;
  cursor.expect('(');
  const args = parseValues(cursor, ')');
  cursor.expect('=');
  const result = parseValue(cursor);
  const errno = cursor.isKind('word') ? cursor.take().text : null;
  skipNote(cursor);
  return { kind: 'call', name, args, result, errno, end };
}

/** `(Connection refused)`, `(flags O_RDWR|O_NONBLOCK)`: for people. */
function skipNote(cursor: Cursor): void {
  if (!cursor.is('(')) return;
  while (!cursor.is(')') && !cursor.isAtEnd) cursor.take();
  cursor.expect(')');
}
