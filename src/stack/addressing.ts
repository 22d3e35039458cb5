/**
 * Addresses as they come and go: their routes, their announcement, and what conflict detection finds (RFC 5227).
 */
import type { Ip } from '../addr/ip.ts';
import type { Prefix } from '../addr/prefix.ts';
import type { Errno } from '../base/errno.ts';
import type { Instant } from '../base/time.ts';
import type { InterfaceAddress } from '../ip/addresses.ts';
import { ADDRESSES_MAX } from '../ip/addresses.ts';
import type { Interface } from '../ip/interface.ts';
import type { IpShared } from '../ip/shared.ts';
import type { DefensePolicy } from '../neighbor/conflict.ts';
import { addAddressRoutes, removeAddressRoutes } from '../route/address-routes.ts';

export interface AddressOptions {
  /** Ask the link whether somebody has the address before it is used; until then it is tentative. */
  readonly probe?: boolean;
  /** What to do when another host claims the address (RFC 5227 §2.4). */
  readonly policy?: DefensePolicy;
}

export class Addressing {
  readonly #shared: IpShared;

  constructor(shared: IpShared) {
    this.#shared = shared;
  }

  add(now: Instant, iface: Interface, prefix: Prefix, options: AddressOptions = {}): Errno | null {
    const { addresses } = this.#shared;
    const ip = prefix.address;
    if (!ip.isV4) return 'EAFNOSUPPORT';
    if (ip.isMulticast || ip.isUnspecified || ip.isLimitedBroadcast) return 'EINVAL';
    if (addresses.find(ip) !== null) return 'EEXIST';
    if (addresses.count >= ADDRESSES_MAX) return 'ENOBUFS';
    const isProbed = options.probe === true && iface.arp !== null;
    const address: InterfaceAddress = {
      prefix,
      broadcast: iface.arp === null ? null : prefix.broadcast,
      ifindex: iface.index,
      state: isProbed ? 'tentative' : 'permanent',
    };
    addresses.add(address);
    if (!isProbed) this.#activate(address);
    const policy = options.policy ?? 'insist';
    if (isProbed) iface.arp?.claim(now, ip.d, policy);
    else iface.arp?.assume(now, ip.d, policy);
    return null;
  }

  remove(ip: Ip): Errno | null {
    const { addresses, interfaces } = this.#shared;
    const address = addresses.find(ip);
    if (address === null) return 'EADDRNOTAVAIL';
    if (address.state === 'permanent') this.#deactivate(address);
    addresses.remove(address);
    interfaces[address.ifindex]?.arp?.unclaim(ip.d);
    return null;
  }

  /** What conflict detection has found since it was last asked. */
  pollEvents(iface: Interface): void {
    if (iface.arp === null) return;
    for (let event = iface.arp.pollEvent(); event !== null; event = iface.arp.pollEvent()) {
      const word = event.address;
      const address = this.#shared.addresses.of(iface.index).find((a) => a.prefix.address.d === word);
      if (address === undefined) continue;
      if (event.kind === 'bound' && address.state !== 'permanent') {
        address.state = 'permanent';
        this.#activate(address);
      } else if (event.kind === 'lost' || event.kind === 'conflict') {
        if (address.state === 'permanent') this.#deactivate(address);
        address.state = 'duplicate';
      }
    }
  }

  #activate(address: InterfaceAddress): void {
    addAddressRoutes(this.#shared.fib, address.prefix, address.ifindex);
  }

  #deactivate(address: InterfaceAddress): void {
    const { addresses, fib } = this.#shared;
    const others = addresses
      .of(address.ifindex)
      .filter((other) => other !== address && other.state === 'permanent');
    removeAddressRoutes(
      fib,
      address.prefix,
      address.ifindex,
      others.map((other) => other.prefix),
    );
  }
}
