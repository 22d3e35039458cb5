/**
 * The neighbours of a stack, for the control plane.
 */
import type { Ip } from '../../addr/ip.ts';
import { formatIp, parseIp } from '../../addr/ip.ts';
import type { Instant } from '../../base/time.ts';
import type { Dev, NeighborChange, NeighborFilter } from '../../control/host.ts';
import { Refusal } from '../../control/host.ts';
import type { NeighborReport } from '../../control/report.ts';
import type { Interface } from '../../ip/interface.ts';
import type { NeighborStatus } from '../../neighbor/status.ts';
import type { NeighborTable } from '../../neighbor/table.ts';
import type { Stack } from '../../stack/stack.ts';
import { findInterface, interfacesOf, refuse } from './refuse.ts';

export function neighbors(
  stack: Stack,
  now: Instant,
  filter: NeighborFilter,
): readonly NeighborReport[] | Refusal {
  const selected = select(stack, filter.dev);
  if (selected instanceof Refusal) return selected;
  const { to, state } = filter;
  return selected
    .flatMap((iface) => iface.neighbors?.list(now) ?? [])
    .filter(({ dst }) => to === undefined || to.contains(parseIp(dst) as Ip))
    .filter((one) => isWanted(one, state))
    .map(neighborReport);
}

export function setNeighbor(
  stack: Stack,
  now: Instant,
  verb: 'add' | 'replace',
  change: NeighborChange,
): Refusal | null {
  const table = tableOf(stack, change.dev);
  if (table instanceof Refusal) return table;
  const errno = table[verb](now, change.address, change.mac, change.state);
  return errno === null
    ? null
    : refuse(errno, formatIp(change.address), {
        EEXIST: 'there is an entry for this neighbour already; `neigh replace` changes it',
        EINVAL: 'this cannot be the address of a neighbour',
      });
}

export function deleteNeighbor(stack: Stack, address: Ip, dev: Dev): Refusal | null {
  const table = tableOf(stack, dev);
  if (table instanceof Refusal) return table;
  return table.delete(address)
    ? null
    : refuse('ENOENT', formatIp(address), { ENOENT: 'there is no such neighbour' });
}

export function flushNeighbors(stack: Stack, dev: Dev): number | Refusal {
  const selected = select(stack, dev);
  if (selected instanceof Refusal) return selected;
  let count = 0;
  for (const { neighbors: table } of selected) count += table?.flush() ?? 0;
  return count;
}

function select(stack: Stack, dev: Dev): Interface[] | Refusal {
  if (dev === undefined) return interfacesOf(stack);
  const iface = findInterface(stack, dev);
  return iface instanceof Refusal ? iface : [iface];
}

function tableOf(stack: Stack, dev: Dev): NeighborTable | Refusal {
  const iface = findInterface(stack, dev);
  if (iface instanceof Refusal) return iface;
  return (
    iface.neighbors ?? new Refusal('EOPNOTSUPP', `${iface.name}: on this device there are no link addresses`)
  );
}

/** Without a choice all but those that need no finding, as `ip neigh` does it. */
function isWanted({ state }: NeighborStatus, wanted: string | undefined): boolean {
  if (wanted === undefined) return state !== 'NOARP' && state !== 'NONE';
  return wanted === 'all' || state.toLowerCase() === wanted;
}

function neighborReport({
  dst,
  dev,
  lladdr,
  state,
  used,
  confirmed,
  updated,
  probes,
}: NeighborStatus): NeighborReport {
  return {
    dst,
    dev,
    ...(lladdr === null ? {} : { lladdr }),
    ...(used === null ? {} : { used }),
    ...(confirmed === null ? {} : { confirmed }),
    ...(updated === null ? {} : { updated }),
    probes,
    state: [state],
  };
}
