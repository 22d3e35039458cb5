/**
 * Devices and addresses of a stack, for the control plane.
 */
import { formatIp } from '../../addr/ip.ts';
import { formatMac } from '../../addr/mac.ts';
import type { Prefix } from '../../addr/prefix.ts';
import type { Instant } from '../../base/time.ts';
import type { Dev, LinkChange } from '../../control/host.ts';
import { Refusal } from '../../control/host.ts';
import type { AddressReport, LinkReport } from '../../control/report.ts';
import type { InterfaceAddress } from '../../ip/addresses.ts';
import type { Interface } from '../../ip/interface.ts';
import { LOOPBACK_INDEX } from '../../ip/output.ts';
import { TXQUEUELEN } from '../../stack/options.ts';
import type { Stack } from '../../stack/stack.ts';
import { findInterface, interfacesOf, refuse } from './refuse.ts';

/** As `ip -j` shows a life that does not end. */
const FOREVER = 0xffff_ffff;

export function links(stack: Stack, dev: Dev): readonly LinkReport[] | Refusal {
  if (dev === undefined) return interfacesOf(stack).map((iface) => linkReport(stack, iface));
  const iface = findInterface(stack, dev);
  return iface instanceof Refusal ? iface : [linkReport(stack, iface)];
}

export function changeLink(stack: Stack, dev: string, change: LinkChange): Refusal | null {
  const iface = findInterface(stack, dev);
  if (iface instanceof Refusal) return iface;
  if (change.mtu !== undefined) iface.device.mtu = change.mtu;
  if (change.isUp !== undefined && change.isUp !== iface.device.isUp)
    stack.setInterfaceUp(iface, change.isUp);
  return null;
}

export function addAddress(stack: Stack, now: Instant, dev: Dev, address: Prefix): Refusal | null {
  const iface = findInterface(stack, dev);
  if (iface instanceof Refusal) return iface;
  const errno = stack.addAddress(now, iface, address);
  return errno === null
    ? null
    : refuse(errno, String(address), {
        EEXIST: 'the stack has this address already',
        EINVAL: 'this cannot be the address of a host',
      });
}

export function deleteAddress(stack: Stack, dev: Dev, prefix: Prefix): Refusal | null {
  const found = stack.ip.addresses.find(prefix.address);
  const isWhole = prefix.length === (prefix.address.isV4 ? 32 : 128);
  if (found === null || !(isWhole || found.prefix.length === prefix.length))
    return refuse('EADDRNOTAVAIL', String(prefix));
  if (dev !== undefined) {
    const iface = findInterface(stack, dev);
    if (iface instanceof Refusal) return iface;
    if (found.ifindex !== iface.index) return refuse('EADDRNOTAVAIL', `${prefix} on ${dev}`);
  }
  const errno = stack.removeAddress(prefix.address);
  return errno === null ? null : refuse(errno, String(prefix));
}

export function linkReport(stack: Stack, iface: Interface): LinkReport {
  const { device, index, name, qdisc } = iface;
  const { counters } = device;
  const kind = linkKind(iface);
  return {
    ifindex: index,
    ifname: name,
    flags: device.isUp ? [...kind.flags, 'UP', 'LOWER_UP'] : kind.flags,
    mtu: device.mtu,
    qdisc: qdisc.kind,
    operstate: operstate(iface),
    group: 'default',
    txqlen: TXQUEUELEN,
    link_type: kind.type,
    ...(kind.address === null ? {} : { address: kind.address, broadcast: kind.broadcast }),
    stats64: {
      rx: {
        bytes: counters.rxBytes,
        packets: counters.rxPackets,
        errors: counters.rxErrors,
        dropped: counters.rxDropped,
        over_errors: 0,
        multicast: 0,
      },
      tx: {
        bytes: counters.txBytes,
        packets: counters.txPackets,
        errors: counters.txErrors,
        dropped: counters.txDropped,
        carrier_errors: 0,
        collisions: 0,
      },
    },
    addr_info: stack.ip.addresses.of(index).map((address) => addressReport(address, name)),
  };
}

interface LinkKind {
  readonly type: string;
  readonly flags: readonly string[];
  readonly address: string | null;
  readonly broadcast: string;
}

function linkKind({ index, device }: Interface): LinkKind {
  if (index === LOOPBACK_INDEX) {
    const zero = '00:00:00:00:00:00';
    return { type: 'loopback', flags: ['LOOPBACK'], address: zero, broadcast: zero };
  }
  if (device.mac === null)
    return { type: 'none', flags: ['POINTOPOINT', 'MULTICAST', 'NOARP'], address: null, broadcast: '' };
  return {
    type: 'ether',
    flags: ['BROADCAST', 'MULTICAST'],
    address: formatMac(device.mac),
    broadcast: 'ff:ff:ff:ff:ff:ff',
  };
}

/** RFC 2863's state; Linux says UNKNOWN of the loopback, which has none. */
function operstate({ index, device }: Interface): string {
  if (!device.isUp) return 'DOWN';
  return index === LOOPBACK_INDEX ? 'UNKNOWN' : 'UP';
}

function addressReport({ prefix, broadcast, state }: InterfaceAddress, label: string): AddressReport {
  const { address, length } = prefix;
  return {
    family: address.isV4 ? 'inet' : 'inet6',
    local: formatIp(address),
    prefixlen: length,
    ...(broadcast === null || address.isLoopback ? {} : { broadcast: formatIp(broadcast) }),
    scope: scopeOf(prefix),
    ...(state === 'tentative' ? { tentative: true } : {}),
    ...(state === 'duplicate' ? { dadfailed: true } : {}),
    label,
    valid_life_time: FOREVER,
    preferred_life_time: FOREVER,
  };
}

function scopeOf({ address }: Prefix): string {
  if (address.isLoopback) return 'host';
  return address.isLinkLocal ? 'link' : 'global';
}
