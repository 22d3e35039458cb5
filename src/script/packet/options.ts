/**
 * TCP options between bytes and what scripts say of them. `wire/tcp-options.ts` answers what a stack asks of options;
 * here their order and padding count as well.
 */
import { unreachable } from '../../base/assert.ts';
import { Kind } from '../../wire/tcp-options.ts';
import type { TcpOption } from './spec.ts';

/** RFC 6994: an experimental option begins with a magic number; this is fast open's before it had a kind. */
const EXPERIMENTAL = 254;
const FOEXP_MAGIC = 0xf989;

/** Writes the options from `at` on; answers the end. */
export function writeOptions(view: DataView, at: number, options: readonly TcpOption[]): number {
  let end = at;
  for (const option of options) end = writeOption(view, end, option);
  return end;
}

export function optionBytes(option: TcpOption): number {
  switch (option.kind) {
    case 'nop':
    case 'eol':
      return 1;
    case 'mss':
      return 4;
    case 'wscale':
      return 3;
    case 'sackOK':
      return 2;
    case 'sack':
      return 2 + 4 * option.edges.length;
    case 'TS':
      return 10;
    case 'FO':
    case 'other':
      return 2 + option.hex.length / 2;
    case 'FOEXP':
      return 4 + option.hex.length / 2;
    default:
      return unreachable(option);
  }
}

function writeOption(view: DataView, at: number, option: TcpOption): number {
  const length = optionBytes(option);
  if (length > 1) view.setUint8(at + 1, length);
  view.setUint8(at, kindOf(option));
  switch (option.kind) {
    case 'mss':
      view.setUint16(at + 2, option.value);
      break;
    case 'wscale':
      view.setUint8(at + 2, option.value);
      break;
    case 'sack':
      for (const [i, edge] of option.edges.entries()) view.setUint32(at + 2 + 4 * i, edge);
      break;
    case 'TS':
      view.setUint32(at + 2, option.val);
      view.setUint32(at + 6, option.ecr);
      break;
    case 'FOEXP':
      view.setUint16(at + 2, FOEXP_MAGIC);
      writeHex(view, at + 4, option.hex);
      break;
    case 'FO':
    case 'other':
      writeHex(view, at + 2, option.hex);
      break;
    case 'nop':
    case 'eol':
    case 'sackOK':
      break;
  }
  return at + length;
}

function kindOf(option: TcpOption): number {
  switch (option.kind) {
    case 'nop':
      return Kind.Nop;
    case 'eol':
      return Kind.End;
    case 'mss':
      return Kind.Mss;
    case 'wscale':
      return Kind.WindowScale;
    case 'sackOK':
      return Kind.SackPermitted;
    case 'sack':
      return Kind.Sack;
    case 'TS':
      return Kind.Timestamps;
    case 'FO':
      return Kind.FastOpen;
    case 'FOEXP':
      return EXPERIMENTAL;
    case 'other':
      return option.number;
    default:
      return unreachable(option);
  }
}

function writeHex(view: DataView, at: number, hex: string): void {
  for (let i = 0; 2 * i < hex.length; i++)
    view.setUint8(at + i, Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16));
}

/** The options between `at` and `end`; what is broken is an option of its own, up to the end. */
export function readOptions(view: DataView, at: number, end: number): TcpOption[] {
  const options: TcpOption[] = [];
  let next = at;
  while (next < end) {
    const kind = view.getUint8(next);
    if (kind === Kind.Nop || kind === Kind.End) {
      options.push({ kind: kind === Kind.Nop ? 'nop' : 'eol' });
      next++;
      continue;
    }
    const length = next + 1 < end ? view.getUint8(next + 1) : 0;
    const stop = length < 2 || next + length > end ? end : next + length;
    options.push(readOption(view, next, stop));
    next = stop;
  }
  return options;
}

function readOption(view: DataView, at: number, end: number): TcpOption {
  const number = view.getUint8(at);
  const length = end - at;
  if (number === Kind.Mss && length === 4) return { kind: 'mss', value: view.getUint16(at + 2) };
  if (number === Kind.WindowScale && length === 3) return { kind: 'wscale', value: view.getUint8(at + 2) };
  if (number === Kind.SackPermitted && length === 2) return { kind: 'sackOK' };
  if (number === Kind.Timestamps && length === 10)
    return { kind: 'TS', val: view.getUint32(at + 2), ecr: view.getUint32(at + 6) };
  if (number === Kind.FastOpen) return { kind: 'FO', hex: readHex(view, at + 2, end) };
  if (number === EXPERIMENTAL && length >= 4 && view.getUint16(at + 2) === FOEXP_MAGIC)
    return { kind: 'FOEXP', hex: readHex(view, at + 4, end) };
  if (number === Kind.Sack && length % 8 === 2) {
    const edges: number[] = [];
    for (let i = at + 2; i < end; i += 4) edges.push(view.getUint32(i));
    return { kind: 'sack', edges };
  }
  return { kind: 'other', number, hex: readHex(view, at + 2, end) };
}

function readHex(view: DataView, at: number, end: number): string {
  let hex = '';
  for (let i = at; i < end; i++) hex += view.getUint8(i).toString(16).padStart(2, '0');
  return hex;
}
