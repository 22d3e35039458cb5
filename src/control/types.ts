/**
 * The values of a network: addresses, prefixes, names, tables, as `ip` writes them.
 */
import type { Ip } from '../addr/ip.ts';
import { ANY4, parseIp } from '../addr/ip.ts';
import type { Mac } from '../addr/mac.ts';
import { parseMac } from '../addr/mac.ts';
import { formatPrefix, Prefix, parsePrefix } from '../addr/prefix.ts';
import type { Type } from './schema.ts';
import { ConfigError, textType, wrong } from './schema.ts';

/** `IFNAMSIZ` without the final zero. */
const DEVICE_NAME_MAX = 15;
const INSTANCE_NAME_MAX = 64;
const PATH_MAX = 4_096;

export const address: Type<Ip> = textType(
  'ADDRESS',
  parseIp,
  'is no IP address; write one such as 10.77.0.1',
);

/** Names are for when there is a resolver. */
export const host: Type<Ip> = textType(
  'HOST',
  parseIp,
  'is no IP address, and names cannot be resolved yet; write an address such as 10.77.0.1',
);

/** An address with the length of its network. */
export const interfaceAddress: Type<Prefix> = textType(
  'ADDRESS/LENGTH',
  parsePrefix,
  'is no address with the length of its network; write one such as 10.77.0.2/24',
);

/** The same, for who deletes: the length may be left out. */
export const prefix: Type<Prefix> = textType(
  'PREFIX',
  parsePrefix,
  'is no address or network; write one such as 10.77.0.0/24',
);

/** A destination: host bits are zero, and `default` is everything. */
export const network: Type<Prefix> = {
  name: 'PREFIX',
  read: (value) => {
    if (value === 'default' || value === 'all' || value === 'any') return new Prefix(ANY4, 0);
    const read = prefix.read(value);
    if (read instanceof ConfigError || read.network.equals(read)) return read;
    return wrong(value, `has bits behind its length; the network is ${formatPrefix(read.network)}`);
  },
};

export const mac: Type<Mac> = textType(
  'MAC',
  parseMac,
  'is no MAC address; write one such as 02:00:00:00:00:01',
);

/** A MAC that one station can have. */
export const stationMac: Type<Mac> = {
  name: 'MAC',
  read: (value) => {
    const read = mac.read(value);
    if (read instanceof ConfigError) return read;
    return read.isGroup || read.isZero ? wrong(value, 'is not the address of one station') : read;
  },
};

export const deviceName: Type<string> = textType(
  'DEVICE',
  (text) => (isDeviceName(text) ? text : null),
  `is no name for a device: 1 to ${DEVICE_NAME_MAX} characters, no space and no slash`,
);

/** Becomes a file name. */
export const instanceName: Type<string> = textType(
  'NAME',
  (text) => (/^[\w][\w.-]*$/.test(text) && text.length <= INSTANCE_NAME_MAX ? text : null),
  'is no name for an instance: letters, digits, and then also . _ -',
);

export const path: Type<string> = textType(
  'FILE',
  (text) => (text !== '' && text.length <= PATH_MAX && !text.includes('\0') ? text : null),
  'is no path of a file',
);

export const word: Type<string> = textType('TEXT', (text) => (text === '' ? null : text), 'is empty');

/** `local`, `main`, `default`, or a number. */
export const table: Type<number> = textType(
  'TABLE',
  parseTable,
  'is no routing table: local, main, default, or a number from 1',
);

/** The same, or all of them, which is 0. */
export const tableOrAll: Type<number> = textType(
  'TABLE',
  (text) => (text === 'all' ? 0 : parseTable(text)),
  'is no routing table: local, main, default, all, or a number from 1',
);

function isU32(text: string): boolean {
  return /^(?:\d{1,10}|0x[0-9a-f]{1,8})$/i.test(text) && Number(text) <= 0xffff_ffff;
}

/** `1`, `0x1`, or with the bits that count: `0x1/0xff`. */
export const mark: Type<{ readonly mark: number; readonly mask: number | null }> = textType(
  'MARK[/MASK]',
  (text) => {
    const [value = '', mask, ...rest] = text.split('/');
    if (rest.length > 0 || !isU32(value) || (mask !== undefined && !isU32(mask))) return null;
    return { mark: Number(value) | 0, mask: mask === undefined ? null : Number(mask) | 0 };
  },
  'is no mark: a number of 32 bits, perhaps with a mask, such as 0x1/0xff',
);

/** A port, or the first and the last of several. */
export const portRange: Type<readonly [number, number]> = textType(
  'PORT[-PORT]',
  (text) => {
    const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text);
    if (match === null) return null;
    const first = Number(match[1]);
    const last = Number(match[2] ?? match[1]);
    return first <= last && last <= 0xffff ? ([first, last] as const) : null;
  },
  'is no port or range of ports, such as 53 or 1024-65535',
);

const PROTOCOLS: ReadonlyMap<string, number> = new Map([
  ['icmp', 1],
  ['igmp', 2],
  ['tcp', 6],
  ['udp', 17],
  ['ipv6-icmp', 58],
]);

export const ipProtocol: Type<number> = textType(
  'PROTOCOL',
  (text) => PROTOCOLS.get(text) ?? (/^\d{1,3}$/.test(text) && Number(text) <= 255 ? Number(text) : null),
  `is no IP protocol: ${[...PROTOCOLS.keys()].join(', ')}, or a number up to 255`,
);

export function protocolName(protocol: number): string {
  return nameOf(PROTOCOLS, protocol);
}

export const MAIN_TABLE = 254;
const TABLES: ReadonlyMap<string, number> = new Map([
  ['local', 255],
  ['main', MAIN_TABLE],
  ['default', 253],
]);

export function tableName(id: number): string {
  return nameOf(TABLES, id);
}

function nameOf(names: ReadonlyMap<string, number>, number: number): string {
  for (const [name, value] of names) if (value === number) return name;
  return String(number);
}

function parseTable(text: string): number | null {
  const named = TABLES.get(text);
  if (named !== undefined) return named;
  const id = /^\d{1,10}$/.test(text) ? Number(text) : 0;
  return id >= 1 && id <= 0xffff_ffff ? id : null;
}

/** As the kernel has it (`dev_valid_name`), and no `%`, which it would replace by a number. */
function isDeviceName(text: string): boolean {
  const isShort = new TextEncoder().encode(text).length <= DEVICE_NAME_MAX;
  return isShort && /^[^\s/:%]+$/.test(text) && text !== '.' && text !== '..';
}
