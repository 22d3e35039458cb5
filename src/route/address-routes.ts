/**
 * The routes that come and go with an address of an interface, as Linux makes them:
 *
 *     local 10.77.0.2 dev tap0 proto kernel scope host src 10.77.0.2            the address is ours
 *     broadcast 10.77.0.255 dev tap0 proto kernel scope link src 10.77.0.2      the directed broadcast
 *     10.77.0.0/24 dev tap0 proto kernel scope link src 10.77.0.2               the network is on the link
 *
 * The first two are in the table `local`. The lowest address of a network is an ordinary one, as in Linux since
 * 5.14; 255.255.255.255 belongs to whoever asks for it, not to a table.
 */
import type { Ip } from '../addr/ip.ts';
import { Prefix } from '../addr/prefix.ts';
import type { Fib } from './fib.ts';
import { LOCAL_TABLE, MAIN_TABLE } from './fib.ts';

/** Linux's `IP6_RT_PRIO_ADDRCONF`. */
const CONNECTED_METRIC_6 = 256;

/**
 * Enters the routes of `address` (host bits and prefix length) on the interface `oif`. Does nothing for those that
 * are there: a second address of a network leaves the first as its source.
 */
export function addAddressRoutes(fib: Fib, address: Prefix, oif: number): void {
  const ip = address.address;
  const isV4 = ip.isV4;
  const kernel = { oif, protocol: 'kernel', source: isV4 ? ip : null } as const;
  fib.append({ ...kernel, prefix: hostPrefix(ip), type: 'local', metric: 0 });
  const network = address.network;
  const broadcast = address.broadcast;
  if (broadcast !== null && !broadcast.isLimitedBroadcast) {
    const prefix = hostPrefix(broadcast);
    const isThere = fib.find({ prefix, oif, type: 'broadcast' }) !== null;
    if (!isThere) fib.append({ ...kernel, prefix, type: 'broadcast' });
  }
  // 0.0.0.0/8 is no network, and a network of one address needs no route beside the local one.
  if (address.length === (isV4 ? 32 : 128) || network.address.isUnspecified) return;
  if (fib.find({ ...connected(address), oif, protocol: 'kernel' }) !== null) return;
  // All of 127/8 is this host (RFC 1122 §3.2.1.3).
  if (isV4 && ip.isLoopback) fib.append({ ...kernel, prefix: network, type: 'local' });
  else fib.append({ ...kernel, prefix: network, metric: isV4 ? 0 : CONNECTED_METRIC_6 });
}

/**
 * Takes the routes of `address` out again, and every route that has it as its preferred source. `remaining` are the
 * other addresses of the interface: what they share with it is entered anew in their name.
 */
export function removeAddressRoutes(
  fib: Fib,
  address: Prefix,
  oif: number,
  remaining: readonly Prefix[] = [],
): void {
  const ip = address.address;
  fib.del({ prefix: hostPrefix(ip), oif, type: 'local', protocol: 'kernel' });
  const isOurs = fib.find({ prefix: hostPrefix(ip), type: 'local' }) !== null;
  if (ip.isV4) {
    const isStale = isOurs ? (hop: number): boolean => hop === oif : (): boolean => true;
    fib.flush(
      ({ source, nextHops }) =>
        source !== null && source.equals(ip) && nextHops.every((hop) => isStale(hop.oif)),
    );
  } else {
    fib.del({ ...connected(address), oif, protocol: 'kernel' });
  }
  for (const other of remaining) addAddressRoutes(fib, other, oif);
}

function hostPrefix(ip: Ip): Prefix {
  return new Prefix(ip, ip.isV4 ? 32 : 128);
}

/** Where the connected network is to be found. */
function connected(address: Prefix): { prefix: Prefix; table: number } {
  return { prefix: address.network, table: address.address.isLoopback ? LOCAL_TABLE : MAIN_TABLE };
}
