/**
 * What the arguments of a call mean: numbers behind names, bytes, addresses, fields of structures.
 */

import type { Ip } from '../../addr/ip.ts';
import { ANY4, parseIp } from '../../addr/ip.ts';
import { unreachable } from '../../base/assert.ts';
import { constant, Linux } from '../constants.ts';
import { unsupported } from '../fault.ts';
import type { Field, Value } from '../language/ast.ts';
import type { SocketAddress } from '../syscalls.ts';

export function numberOf(value: Value, line: number): number {
  switch (value.kind) {
    case 'integer':
      return value.value;
    case 'word': {
      const known = constant(value.name);
      return known ?? unsupported(line, `the name ${value.name}`);
    }
    case 'or':
      return numberOf(value.left, line) | numberOf(value.right, line);
    case 'function':
      return functionOf(value.name, value.args, line);
    default:
      return unsupported(line, `${valueText(value)} where a number is expected`);
  }
}

/** Byte order is nobody's business here: a port is a port. */
function functionOf(name: string, args: readonly Value[], line: number): number {
  const [only] = args;
  if (only === undefined) return unsupported(line, `${name}()`);
  if (name === 'htons' || name === 'htonl' || name === 'ntohs' || name === 'ntohl')
    return numberOf(only, line);
  if (name === 'inet_addr') return ipOf(only, line).d;
  return unsupported(line, `the function ${name}`);
}

/** The number in `[5]`. */
export function bracketedOf(value: Value, line: number): number {
  const only = value.kind === 'list' && value.items.length === 1 ? value.items[0] : undefined;
  return only === undefined
    ? unsupported(line, `${valueText(value)} where [number] is expected`)
    : numberOf(only, line);
}

export function listOf(value: Value, line: number): readonly Value[] {
  return value.kind === 'list'
    ? value.items
    : unsupported(line, `${valueText(value)} where a list is expected`);
}

/** A structure alone, or several in brackets. */
export function structsOf(value: Value, line: number): readonly (readonly Field[])[] {
  const items = value.kind === 'list' ? value.items : [value];
  return items.map((item) =>
    item.kind === 'struct'
      ? item.fields
      : unsupported(line, `${valueText(item)} where a structure is expected`),
  );
}

export function fieldOf(fields: readonly Field[], name: string): Value | null {
  return fields.find((field) => field.name === name)?.value ?? null;
}

export function numberField(fields: readonly Field[], name: string, line: number): number {
  const value = fieldOf(fields, name);
  return value === null ? unsupported(line, `a structure without ${name}`) : numberOf(value, line);
}

/** `{sa_family = AF_INET, sin_port = htons(80), sin_addr = inet_addr("192.0.2.1")}`. */
export function addressOf(fields: readonly Field[], line: number): SocketAddress {
  const family = numberField(fields, 'sa_family', line);
  const port = fieldOf(fields, 'sin_port') ?? fieldOf(fields, 'sin6_port');
  const ip = fieldOf(fields, 'sin_addr') ?? fieldOf(fields, 'sin6_addr');
  if (port === null || ip === null) unsupported(line, 'an address without sin_port and sin_addr');
  if (family !== Linux.AF_INET && family !== Linux.AF_INET6)
    unsupported(line, `an address of family ${family}`);
  return { family, ip: ipOf(ip, line), port: numberOf(port, line) };
}

/** `inet_addr("192.0.2.1")`, `inet6_addr("::1")`, `INADDR_ANY`, or a string. */
function ipOf(value: Value, line: number): Ip {
  const [argument] = value.kind === 'function' ? value.args : [value];
  if (argument?.kind === 'word' && argument.name === 'INADDR_ANY') return ANY4;
  const ip = argument?.kind === 'string' ? parseIp(argument.text) : null;
  return ip ?? unsupported(line, `the address ${valueText(value)}`);
}

/** Latin-1: a byte per character. */
export function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

export function valueText(value: Value): string {
  switch (value.kind) {
    case 'ellipsis':
      return '...';
    case 'integer':
      return String(value.value);
    case 'word':
      return value.name;
    case 'string':
      return `"${value.text}"${value.isOpen ? '...' : ''}`;
    case 'or':
      return `${valueText(value.left)}|${valueText(value.right)}`;
    case 'list':
      return `[${value.items.map(valueText).join(', ')}]`;
    case 'struct':
      return `{${value.fields.map((field) => `${field.name}=${valueText(field.value)}`).join(', ')}}`;
    case 'function':
      return `${value.name}(${value.args.map(valueText).join(', ')})`;
    default:
      return unreachable(value);
  }
}
