/**
 * The calls that move data: read, recv, recvfrom, recvmsg, readv and their counterparts. `...` as a buffer holds zeros
 * when it is sent, and anything when it is received.
 */

import { Linux } from '../constants.ts';
import { unsupported } from '../fault.ts';
import type { Field, Value } from '../language/ast.ts';
import type { CallResult, Cmsg, ReceiveRequest, SocketAddress } from '../syscalls.ts';
import type { CallContext, PreparedCall } from './context.ts';
import { addressArg, argument, fdArg, intArg } from './context.ts';
import { bytesOf, fieldOf, listOf, numberField, numberOf, structsOf, valueText } from './values.ts';

/** A piece of memory that data come from or go to: its text, if the script says one, and its length. */
interface Piece {
  readonly text: string | null;
  /** More may follow the text. */
  readonly isOpen: boolean;
  readonly length: number;
}

/** What of a message differs between the calls. */
interface Message {
  readonly buffers: readonly Piece[];
  readonly flags: number;
  readonly header: readonly Field[] | null;
}

const BUFFER_MAX_BYTES = 1 << 26;

export function prepareReceive(context: CallContext): PreparedCall {
  const { host, line } = context;
  const { buffers, flags, header } = messageOf(context);
  const request: ReceiveRequest = {
    into: new Uint8Array(totalOf(buffers, line)),
    flags,
    from: null,
    outFlags: 0,
    control: [],
  };
  return {
    call: host.receive(fdArg(context), request),
    makesDescriptor: false,
    check: (result) => checkReceived(result, request, buffers, header, line),
  };
}

export function prepareSend(context: CallContext): PreparedCall {
  const { host, line } = context;
  const { buffers, flags, header } = messageOf(context);
  const data = new Uint8Array(totalOf(buffers, line));
  let at = 0;
  for (const { text, length } of buffers) {
    if (text !== null) data.set(bytesOf(text).subarray(0, length), at);
    at += length;
  }
  const to = destinationOf(context, header);
  const control = header === null ? [] : controlOf(header, line);
  markEcho(context, data);
  return {
    call: host.send(fdArg(context), { data, flags, to, control }),
    makesDescriptor: false,
    check: () => '',
  };
}

/** Echo is what a ping socket sends: icmp(7) wants its type in the first byte. */
function markEcho(context: CallContext, data: Uint8Array): void {
  const { host, now } = context;
  const fd = fdArg(context);
  const isPing =
    host.getsockopt(now, fd, Linux.SOL_SOCKET, Linux.SO_PROTOCOL) === Linux.IPPROTO_ICMP &&
    host.getsockopt(now, fd, Linux.SOL_SOCKET, Linux.SO_TYPE) === Linux.SOCK_DGRAM;
  if (isPing && data.length > 0 && data[0] === 0) data[0] = 8;
}

function messageOf(context: CallContext): Message {
  const { args, line } = context;
  const second = argument(context, 1);
  // recvmsg(fd, msg, flags), sendmsg(fd, msg, flags)
  if (second.kind === 'struct') {
    const iov = fieldOf(second.fields, 'msg_iov');
    if (iov === null) unsupported(line, 'a message without msg_iov');
    return { buffers: vectorOf(iov, line), flags: intArg(context, 2), header: second.fields };
  }
  // readv(fd, iov, count), writev(fd, iov, count)
  if (second.kind === 'list') {
    const buffers = vectorOf(second, line);
    if (intArg(context, 2) !== buffers.length) unsupported(line, 'a vector of another length than its count');
    return { buffers, flags: 0, header: null };
  }
  const flags = args.length > 3 ? intArg(context, 3) : 0;
  return { buffers: [bufferOf(second, intArg(context, 2), line)], flags, header: null };
}

/** `[{..., 1000}, {"abc", 3}]`. */
function vectorOf(value: Value, line: number): Piece[] {
  return listOf(value, line).map((item) => {
    const [base, length] = listOf(item, line);
    if (base === undefined || length === undefined) unsupported(line, `the buffer ${valueText(item)}`);
    return bufferOf(base, numberOf(length, line), line);
  });
}

function bufferOf(value: Value, length: number, line: number): Piece {
  if (value.kind === 'string') return { text: value.text, isOpen: value.isOpen, length };
  if (value.kind === 'ellipsis') return { text: null, isOpen: true, length };
  if (value.kind === 'integer' && value.value === 0) return { text: null, isOpen: true, length };
  return unsupported(line, `the buffer ${valueText(value)}`);
}

function totalOf(buffers: readonly Piece[], line: number): number {
  let total = 0;
  for (const { length } of buffers) total += length;
  if (!(total >= 0 && total <= BUFFER_MAX_BYTES)) unsupported(line, `${total} bytes in one call`);
  return total;
}

function destinationOf(context: CallContext, header: readonly Field[] | null): SocketAddress | null {
  const { args, connectAddress, line } = context;
  if (header !== null) {
    const name = fieldOf(header, 'msg_name');
    // `msg_name(...)=...` is the usual destination; 0 or nothing is none.
    return name !== null && name.kind === 'ellipsis' ? connectAddress : null;
  }
  if (args.length < 6) return null;
  const value = argument(context, 4);
  const isNone =
    (value.kind === 'integer' || value.kind === 'word') &&
    numberOf(value, line) === 0 &&
    value.kind === 'integer';
  return isNone ? null : addressArg(context, 4, connectAddress);
}

function checkReceived(
  result: CallResult,
  request: ReceiveRequest,
  buffers: readonly Piece[],
  header: readonly Field[] | null,
  line: number,
): string {
  if (typeof result === 'string') return '';
  const wrong = checkData(result, request.into, buffers);
  if (wrong !== '' || header === null) return wrong;
  const flags = numberField(header, 'msg_flags', line);
  if (flags !== request.outFlags) return `msg_flags is ${hex(request.outFlags)}, not ${hex(flags)}`;
  const control = fieldOf(header, 'msg_control');
  return control === null ? '' : checkControl(controlOf(header, line), request.control);
}

function checkData(count: number, bytes: Uint8Array, buffers: readonly Piece[]): string {
  let at = 0;
  for (const { text, length } of buffers) {
    const got = Math.max(0, Math.min(count - at, length));
    if (text !== null) {
      const want = bytesOf(text).subarray(0, got);
      for (let i = 0; i < want.length; i++) {
        if (bytes[at + i] !== want[i])
          return `byte ${at + i} is ${hex(bytes[at + i] ?? 0)}, not ${hex(want[i] ?? 0)}`;
      }
    }
    at += length;
  }
  return '';
}

const hex = (n: number): string => `0x${n.toString(16)}`;

/** The fields of `struct sock_extended_err`, in order. */
const EXTENDED_ERROR = ['ee_errno', 'ee_origin', 'ee_type', 'ee_code', 'ee_info', 'ee_data'];

function controlOf(header: readonly Field[], line: number): Cmsg[] {
  const control = fieldOf(header, 'msg_control');
  if (control === null) return [];
  return structsOf(control, line).map((fields) => ({
    level: numberField(fields, 'cmsg_level', line),
    type: numberField(fields, 'cmsg_type', line),
    data: cmsgData(fieldOf(fields, 'cmsg_data'), line),
  }));
}

function cmsgData(value: Value | null, line: number): number[] {
  if (value === null) return [];
  if (value.kind === 'list') return value.items.map((item) => numberOf(item, line));
  if (value.kind !== 'struct') return [numberOf(value, line)];
  if (fieldOf(value.fields, 'ee_errno') === null) unsupported(line, `control data ${valueText(value)}`);
  return EXTENDED_ERROR.map((name) => numberField(value.fields, name, line));
}

function checkControl(want: readonly Cmsg[], got: readonly Cmsg[]): string {
  const wanted = controlText(want);
  const there = controlText(got);
  return wanted === there ? '' : `control messages are ${there}, not ${wanted}`;
}

function controlText(cmsgs: readonly Cmsg[]): string {
  const texts = cmsgs.map(
    ({ level, type, data }) => `{level ${level}, type ${type}, data ${data.join(' ')}}`,
  );
  return texts.length === 0 ? 'none' : texts.join(' ');
}
