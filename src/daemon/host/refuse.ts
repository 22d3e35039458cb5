/**
 * Refusals as sentences: what was wanted, why it cannot be, what to do instead.
 */
import { Refusal } from '../../control/host.ts';
import type { Interface } from '../../ip/interface.ts';
import { LOOPBACK_INDEX } from '../../ip/output.ts';
import type { Stack } from '../../stack/stack.ts';

const SENTENCES: Readonly<Record<string, string>> = {
  EACCES: 'a route forbids it',
  EADDRINUSE: 'somebody has it already',
  EADDRNOTAVAIL: 'the stack has no such address; `tapstack addr` lists those that it has',
  EAFNOSUPPORT: 'the stack speaks IPv4 only, so far',
  EEXIST: 'it is there already',
  EHOSTUNREACH: 'a route calls it unreachable',
  EINVAL: 'it makes no sense',
  EMSGSIZE: 'it is longer than the way can carry',
  ENETUNREACH: 'no route leads there; `tapstack route` lists those that there are',
  ENOBUFS: 'there is no more room for one',
  ENOENT: 'there is no such thing',
  ESRCH: 'there is no such thing',
};

/** `what` begins the sentence. `better` are sentences that fit the case better than the general ones. */
export function refuse(code: string, what: string, better: Readonly<Record<string, string>> = {}): Refusal {
  return new Refusal(code, `${what}: ${better[code] ?? SENTENCES[code] ?? code}`);
}

/** The interface of this name; without one, the first that is not the loopback. */
export function findInterface(stack: Stack, dev: string | undefined): Interface | Refusal {
  const found =
    dev === undefined
      ? stack.ip.interfaces.find((iface) => iface !== undefined && iface.index !== LOOPBACK_INDEX)
      : stack.findInterface(dev);
  if (found !== null && found !== undefined) return found;
  return new Refusal(
    'ENODEV',
    `${dev ?? 'device'}: the stack has no such device; \`tapstack link\` lists those it has`,
  );
}

export function interfacesOf(stack: Stack): Interface[] {
  return stack.ip.interfaces.filter((iface) => iface !== undefined);
}

export function nameOf(stack: Stack, index: number): string {
  return stack.ip.interfaces[index]?.name ?? `if${index}`;
}
