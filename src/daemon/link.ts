/**
 * The daemon's device: opened, and the kernel's side of it set up. Everything that needs privileges happens here.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { Mac } from '../addr/mac.ts';
import { Prefix } from '../addr/prefix.ts';
import type { UpConfig } from '../control/up-config.ts';
import { LinkFailure } from '../link/failure.ts';
import { addAddress, addRoute, setMtu, setQueueLength, setUp } from '../link/host-config.ts';
import { inNetns } from '../link/netns.ts';
import type { TunTap } from '../link/tun-tap.ts';
import { openTunTap, takeTunTap } from '../link/tun-tap.ts';
import type { Drops } from '../packet/drops.ts';

/** The device with its kernel side up, or why not; then nothing is left of it. */
export function openLink(config: UpConfig, drops: Drops): TunTap | LinkFailure {
  const mac = config.mac ?? stableMac(config.name);
  const { mode, mtu, offload } = config;
  const netns = config.netns ?? undefined;
  const link =
    config.fd === null
      ? openTunTap({ mode, name: config.device, mac, netns, mtu, offload, drops })
      : takeTunTap(config.fd, { mac, mtu, offload, drops });
  if (link instanceof LinkFailure) return link;
  const refused = inNetns(config.netns, () => setUpHost(link.name, config));
  if (refused === null) return link;
  link.close();
  return refused;
}

/** MTU and queue first: the kernel begins to send as soon as there is an address. */
function setUpHost(name: string, config: UpConfig): LinkFailure | null {
  const { hostAddress, addresses } = config;
  // Whoever handed us a descriptor has set up the device too, and we may not.
  if (config.fd !== null && hostAddress === null) return null;
  const refused = setMtu(name, config.mtu) ?? setQueueLength(name, config.queueLength) ?? setUp(name, true);
  if (refused !== null || hostAddress === null) return refused;
  const unassigned = addAddress(name, hostAddress);
  if (unassigned !== null) return unassigned;
  for (const { address } of addresses) {
    if (hostAddress.contains(address)) continue;
    // Point to point: the other side is on no network of ours.
    const failed = addRoute({ destination: hostPrefix(address), via: null, device: name });
    if (failed !== null) return failed;
  }
  return null;
}

function hostPrefix(address: Prefix['address']): Prefix {
  return new Prefix(address, address.isV4 ? 32 : 128);
}

/**
 * A locally administered address that stays the same from start to start, as systemd.link(5) has it for virtual
 * interfaces, so that neighbours, leases and filters that knew this instance still do. The machine's id alone would
 * not tell containers of one image apart, so the host's name counts too.
 */
export function stableMac(name: string, host: string = hostIdentity()): Mac {
  const digest = createHash('sha256').update(`tapstack\0${host}\0${name}`).digest();
  return new Mac((digest.readUInt16BE(0) & 0xfcff) | 0x0200, digest.readInt32BE(2));
}

function hostIdentity(): string {
  return `${machineId()}\0${hostname()}`;
}

/** machine-id(5); a system without one has at least a name. */
function machineId(): string {
  try {
    return readFileSync('/etc/machine-id', 'utf8').trim();
  } catch {
    return '';
  }
}
