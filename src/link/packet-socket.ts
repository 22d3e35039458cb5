/**
 * A link on an interface that exists already: an AF_PACKET socket (packet(7)) that sees its frames and sends more.
 *
 * The kernel keeps using the interface as well. Give the stack its own MAC and open promiscuously, or the interface
 * has to have no addresses of the kernel.
 */
import { release } from 'node:os';
import type { Mac } from '../addr/mac.ts';
import type { LinkDriver } from '../device/link-driver.ts';
import type { DeviceFeatures, Medium } from '../device/net-device.ts';
import { FULL_OFFLOAD, NO_OFFLOAD } from '../device/net-device.ts';
import { Drops } from '../packet/drops.ts';
import type { Packet } from '../packet/packet.ts';
import type { Pool } from '../packet/pool.ts';
import type { Addon } from './addon.ts';
import { loadAddon } from './addon.ts';
import type { ChannelCounters } from './channel.ts';
import { Channel, ChannelKind } from './channel.ts';
import { failure, failureNamed, LinkFailure, noAddon } from './failure.ts';
import type { HostLink } from './host-config.ts';
import { readLink } from './host-config.ts';
import { inNetns } from './netns.ts';

export interface PacketSocketOptions {
  readonly interfaceName: string;
  /** The stack's own address; null: the interface's. */
  readonly mac?: Mac | null | undefined;
  readonly netns?: string | undefined;
  readonly promiscuous?: boolean | undefined;
  /** False: plain frames with complete checksums. */
  readonly offload?: boolean | undefined;
  /** How much may wait for us in the kernel. */
  readonly receiveBytes?: number | undefined;
  readonly drops?: Drops | undefined;
}

/** A burst of some 60 super-segments, or of 2,000 full frames. */
const RECEIVE_BYTES = 4 * 1024 * 1024;
const VNET_HEADER_BYTES = 10;
const OPEN_PROMISCUOUS = 1;
const OPEN_VNET_HEADER = 2;
// if_arp.h
const ARPHRD_ETHER = 1;
const ARPHRD_LOOPBACK = 772;
const ARPHRD_NONE = 0xfffe;

export function openPacketSocket(options: PacketSocketOptions): PacketSocket | LinkFailure {
  const addon = loadAddon();
  if (addon === null) return noAddon();
  return inNetns(options.netns ?? null, () => openHere(addon, options));
}

function openHere(addon: Addon, options: PacketSocketOptions): PacketSocket | LinkFailure {
  const name = options.interfaceName;
  const link = readLink(name);
  if (link instanceof LinkFailure) return link;
  const medium = mediumOf(link);
  if (medium === null) return failureNamed('open-packet-socket', 'EMEDIUMTYPE', name);
  let hasVnet = options.offload !== false;
  let fd = openSocket(addon, options, hasVnet);
  if (fd < 0 && hasVnet && failure('open-packet-socket', fd, name).code === 'ENOPROTOOPT') {
    hasVnet = false;
    fd = openSocket(addon, options, false);
  }
  if (fd < 0) return failure('open-packet-socket', fd, name);
  const drops = options.drops ?? new Drops();
  const layout = {
    kind: ChannelKind.PacketSocket,
    medium,
    hasInfo: false,
    vnetBytes: hasVnet ? VNET_HEADER_BYTES : 0,
  };
  const channel = Channel.open(addon, fd, layout, drops);
  if (typeof channel === 'number') {
    addon.close(fd);
    return failure('open-packet-socket', channel, name);
  }
  return new PacketSocket(addon, fd, channel, drops, link, medium, options.mac ?? link.mac, hasVnet);
}

function openSocket(addon: Addon, options: PacketSocketOptions, hasVnet: boolean): number {
  const flags = (options.promiscuous === true ? OPEN_PROMISCUOUS : 0) | (hasVnet ? OPEN_VNET_HEADER : 0);
  return addon.packetOpen(options.interfaceName, flags, options.receiveBytes ?? RECEIVE_BYTES);
}

/** Null for hardware that we do not speak. */
function mediumOf(link: HostLink): Medium | null {
  if (link.hardwareType === ARPHRD_ETHER || link.hardwareType === ARPHRD_LOOPBACK) return 'ethernet';
  return link.hardwareType === ARPHRD_NONE ? 'ip' : null;
}

/** UDP super-segments in a virtio header came with Linux 6.2; older kernels refuse the frame. */
function takesUdpSupers(kernel: string): boolean {
  const [major = 0, minor = 0] = kernel.split('.').map(Number);
  return major > 6 || (major === 6 && minor >= 2);
}

export class PacketSocket implements LinkDriver {
  readonly name: string;
  readonly medium: Medium;
  readonly mac: Mac | null;
  readonly mtu: number;
  /** The kernel completes and cuts what the interface's hardware does not. */
  readonly features: DeviceFeatures;
  readonly fd: number;
  /** Where frames that cannot be used are counted. */
  readonly drops: Drops;
  readonly #addon: Addon;
  readonly #channel: Channel;
  #isOpen = true;

  constructor(
    addon: Addon,
    fd: number,
    channel: Channel,
    drops: Drops,
    link: HostLink,
    medium: Medium,
    mac: Mac | null,
    hasVnet: boolean,
  ) {
    this.name = link.name;
    this.medium = medium;
    this.mac = medium === 'ethernet' ? mac : null;
    this.mtu = link.mtu;
    this.features = hasVnet ? { ...FULL_OFFLOAD, uso: takesUdpSupers(release()) } : NO_OFFLOAD;
    this.fd = fd;
    this.drops = drops;
    this.#addon = addon;
    this.#channel = channel;
  }

  readBatch(pool: Pool, out: Packet[], max: number): number {
    return this.#channel.readBatch(pool, out, max);
  }

  writeBatch(packets: readonly Packet[], count: number): number {
    return this.#channel.writeBatch(packets, count);
  }

  /** How long a `readBatch` that finds nothing asks again; 0 at first. */
  setSpin(spinUs: number): void {
    this.#channel.spinUs = spinUs;
  }

  counters(): ChannelCounters {
    return this.#channel.counters();
  }

  /** Gives staged slots and the socket back. Watches must have ended before. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#channel.close();
    this.#addon.close(this.fd);
  }
}
