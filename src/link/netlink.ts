/**
 * Netlink messages (netlink(7), RFC 3549 §2.2): a builder for requests and a reader for what the kernel answers.
 * In the byte order of the machine, unlike everything in `wire/`.
 */
import { endianness } from 'node:os';
import type { Addon } from './addon.ts';

const LITTLE = endianness() === 'LE';
const HEADER_BYTES = 16;
const ATTRIBUTE_HEADER_BYTES = 4;
/** Longer than any request that we make. */
const REQUEST_BYTES_MAX = 512;
/** One link with all of its statistics is some 2 KB. */
const REPLY_BYTES_MAX = 65_536;

const NETLINK_ROUTE = 0;
const NLMSG_ERROR = 2;
const NLMSGERR_ATTR_MSG = 1;
/** Only the header of the request is quoted in the answer. */
const NLM_F_CAPPED = 0x100;
/** Attributes follow the quote. */
const NLM_F_ACK_TLVS = 0x200;

export const NetlinkFlag = { Request: 1, Ack: 4, Replace: 0x100, Exclusive: 0x200, Create: 0x400 } as const;

/** A request under construction. */
export class NetlinkRequest {
  readonly #bytes = new Uint8Array(REQUEST_BYTES_MAX);
  readonly #view = new DataView(this.#bytes.buffer);
  #end = HEADER_BYTES;

  /** `flags` on top of those that every request has. */
  constructor(type: number, flags: number) {
    this.#view.setUint16(4, type, LITTLE);
    this.#view.setUint16(6, flags | NetlinkFlag.Request | NetlinkFlag.Ack, LITTLE);
  }

  u8(value: number): this {
    this.#view.setUint8(this.#end, value);
    this.#end += 1;
    return this;
  }

  u16(value: number): this {
    this.#view.setUint16(this.#end, value, LITTLE);
    this.#end += 2;
    return this;
  }

  u32(value: number): this {
    this.#view.setUint32(this.#end, value, LITTLE);
    this.#end += 4;
    return this;
  }

  attribute(type: number, value: Uint8Array): this {
    const length = ATTRIBUTE_HEADER_BYTES + value.length;
    this.#view.setUint16(this.#end, length, LITTLE);
    this.#view.setUint16(this.#end + 2, type, LITTLE);
    this.#bytes.set(value, this.#end + ATTRIBUTE_HEADER_BYTES);
    this.#end = align(this.#end + length);
    return this;
  }

  attributeU32(type: number, value: number): this {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, value, LITTLE);
    return this.attribute(type, bytes);
  }

  attributeText(type: number, value: string): this {
    return this.attribute(type, new TextEncoder().encode(`${value}\0`));
  }

  finish(): Uint8Array {
    this.#view.setUint32(0, this.#end, LITTLE);
    return this.#bytes.slice(0, this.#end);
  }
}

/** One message of an answer. */
export class NetlinkMessage {
  readonly type: number;
  /** Without the header. */
  readonly body: DataView;

  constructor(type: number, body: DataView) {
    this.type = type;
    this.body = body;
  }

  u16(at: number): number {
    return this.body.getUint16(at, LITTLE);
  }

  u32(at: number): number {
    return this.body.getUint32(at, LITTLE);
  }

  /** The value of the first attribute of `type` among those from `at` on, or null. */
  attribute(type: number, at: number): DataView | null {
    let next = at;
    while (next + ATTRIBUTE_HEADER_BYTES <= this.body.byteLength) {
      const length = this.u16(next);
      if (length < ATTRIBUTE_HEADER_BYTES || next + length > this.body.byteLength) return null;
      if (this.u16(next + 2) === type) {
        return new DataView(
          this.body.buffer,
          this.body.byteOffset + next + ATTRIBUTE_HEADER_BYTES,
          length - ATTRIBUTE_HEADER_BYTES,
        );
      }
      next = align(next + length);
    }
    return null;
  }

  attributeU32(type: number, at: number): number | null {
    const value = this.attribute(type, at);
    return value === null || value.byteLength < 4 ? null : value.getUint32(0, LITTLE);
  }
}

export interface NetlinkAnswer {
  /** Zero, or what was refused as `-errno`. */
  readonly status: number;
  /** The kernel's own words about an error; often none. */
  readonly words: string;
  readonly messages: readonly NetlinkMessage[];
}

/** Asks the routing part of the kernel, in the namespace of this thread. */
export function askRoute(addon: Addon, request: NetlinkRequest): NetlinkAnswer {
  const reply = new Uint8Array(REPLY_BYTES_MAX);
  const length = addon.netlinkRequest(NETLINK_ROUTE, request.finish(), reply);
  if (length < 0) return { status: length, words: '', messages: [] };
  return readAnswer(reply, length);
}

/** Splits `length` bytes of answers. */
export function readAnswer(reply: Uint8Array, length: number): NetlinkAnswer {
  const view = new DataView(reply.buffer, reply.byteOffset, length);
  const messages: NetlinkMessage[] = [];
  let at = 0;
  while (at + HEADER_BYTES <= length) {
    const bytes = view.getUint32(at, LITTLE);
    if (bytes < HEADER_BYTES || at + bytes > length) break;
    const body = new DataView(view.buffer, view.byteOffset + at + HEADER_BYTES, bytes - HEADER_BYTES);
    const message = new NetlinkMessage(view.getUint16(at + 4, LITTLE), body);
    if (message.type === NLMSG_ERROR) {
      return {
        status: body.getInt32(0, LITTLE),
        words: wordsOf(message, view.getUint16(at + 6, LITTLE)),
        messages,
      };
    }
    messages.push(message);
    at = align(at + bytes);
  }
  return { status: 0, words: '', messages };
}

/** After the error number comes the quoted request, whole or its header, then attributes. */
function wordsOf(message: NetlinkMessage, flags: number): string {
  if ((flags & NLM_F_ACK_TLVS) === 0) return '';
  const quoted = (flags & NLM_F_CAPPED) === 0 ? align(message.u32(4)) : HEADER_BYTES;
  const words = message.attribute(NLMSGERR_ATTR_MSG, 4 + quoted);
  if (words === null) return '';
  return new TextDecoder().decode(words).replace(/\0.*$/s, '');
}

const align = (length: number): number => (length + 3) & ~3;
