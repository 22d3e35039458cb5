/**
 * Becoming an ordinary user for good, once devices are open: descriptors go on working, capabilities are gone.
 */
import { readFileSync } from 'node:fs';
import { loadAddon } from './addon.ts';
import { failure, failureNamed, LinkFailure, noAddon } from './failure.ts';

export interface User {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** What setuid(2) takes; one less would be −1, "leave it". */
const ID_MAX = 0x7fff_ffff;

/** `nobody`, `1000` or `1000:1000`. A number without a group takes the group of the user, or its own number. */
export function resolveUser(text: string, passwd: string = readPasswd()): User | LinkFailure {
  const numbers = /^(\d+)(?::(\d+))?$/.exec(text);
  for (const line of passwd.split('\n')) {
    const fields = line.split(':');
    const [name = '', , uid = '', gid = ''] = fields;
    if (fields.length < 4 || (name !== text && uid !== numbers?.[1])) continue;
    return checked({ name, uid: Number(uid), gid: Number(numbers?.[2] ?? gid) }, text);
  }
  if (numbers === null) return failureNamed('drop-privileges', 'ENOENT', text);
  const uid = Number(numbers[1]);
  return checked({ name: text, uid, gid: Number(numbers[2] ?? uid) }, text);
}

/**
 * Makes the whole process `user`, without capabilities, new privileges or supplementary groups. A failure leaves it
 * somewhere in between: end the process.
 */
export function dropPrivileges(user: User): LinkFailure | null {
  const addon = loadAddon();
  if (addon === null) return noAddon();
  const result = addon.dropPrivileges(user.uid, user.gid);
  return result < 0 ? failure('drop-privileges', result, user.name) : null;
}

function checked(user: User, text: string): User | LinkFailure {
  const isUsable = user.uid > 0 && user.uid <= ID_MAX && user.gid >= 0 && user.gid <= ID_MAX;
  return isUsable ? user : failureNamed('drop-privileges', 'EINVAL', text);
}

/** A system without the file has no names, only numbers. */
function readPasswd(): string {
  try {
    return readFileSync('/etc/passwd', 'utf8');
  } catch {
    return '';
  }
}
