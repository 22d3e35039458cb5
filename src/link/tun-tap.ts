/**
 * TUN and TAP devices: the kernel sees a network interface, we hold its other end.
 *
 * A device is made, or attached to, by name (`openTunTap`), or comes as a descriptor that somebody else opened
 * (`takeTunTap`), which needs no privilege. Offload is asked for step by step, because an older kernel refuses a
 * whole set for one bit that it does not know: UDP segmentation came with Linux 6.2. UFO is never asked for: it
 * would bring UDP fragments that are none.
 */
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
import { isTooLong } from './device-name.ts';
import type { LinkAction } from './errno-text.ts';
import { failure, failureNamed, LinkFailure, noAddon } from './failure.ts';
import { readLink } from './host-config.ts';
import { inNetns } from './netns.ts';

export type TunTapMode = 'tun' | 'tap';

export interface TunTapOptions {
  readonly mode: TunTapMode;
  /** At most 15 bytes; `%d` becomes the first free number. */
  readonly name: string;
  /** The stack's own address on a TAP; the kernel's side has another one. Not used on a TUN. */
  readonly mac: Mac;
  /** Where the driver's device file is. */
  readonly devicePath?: string | undefined;
  /** The namespace (name, path or pid) that the device shall be in; the process stays where it is. */
  readonly netns?: string | undefined;
  /** Instead of what the kernel's side has now. Does not change the kernel's side: that is `setMtu`. */
  readonly mtu?: number | undefined;
  /** Several descriptors of one device: open the same name again for each further queue. */
  readonly multiQueue?: boolean | undefined;
  /** False: plain frames with complete checksums, as on a wire. */
  readonly offload?: boolean | undefined;
  /** Where frames that cannot be used are counted. */
  readonly drops?: Drops | undefined;
}

export type DescriptorOptions = Pick<TunTapOptions, 'mac' | 'mtu' | 'offload' | 'drops'>;

const DEVICE_PATH = '/dev/net/tun';
const DEFAULT_MTU = 1_500;

// if_tun.h
const IFF_TUN = 0x0001;
const IFF_TAP = 0x0002;
const IFF_MULTI_QUEUE = 0x0100;
const IFF_NO_PI = 0x1000;
const IFF_VNET_HDR = 0x4000;
const TUN_F_CSUM = 0x01;
const TUN_F_TSO4 = 0x02;
const TUN_F_TSO6 = 0x04;
const TUN_F_TSO_ECN = 0x08;
const TUN_F_USO = 0x60;

/** `struct virtio_net_hdr` without `num_buffers`. */
const VNET_HEADER_BYTES = 10;

/** From all to nothing. */
const OFFLOAD_STEPS = [
  TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN | TUN_F_USO,
  TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN,
  TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6,
  TUN_F_CSUM,
  0,
];

// Words of `Addon.tunInfo`.
const INFO_FLAGS = 0;
const INFO_NAME = 3;
const INFO_WORDS = 7;

/** Makes the device or attaches to it. The kernel's side is down, unless it was there before. */
export function openTunTap(options: TunTapOptions): TunTap | LinkFailure {
  const addon = loadAddon();
  if (addon === null) return noAddon();
  if (isTooLong(options.name)) return failureNamed('open-device', 'ENAMETOOLONG', options.name);
  return inNetns(options.netns ?? null, () => {
    const path = options.devicePath ?? DEVICE_PATH;
    const fd = addon.tunOpen(path, options.name, openFlags(options));
    if (fd < 0) return failure('open-device', fd, isAboutPath(fd) ? path : options.name);
    return driverOf(addon, fd, options, 'open-device', options.name);
  });
}

/** A device that is open already, here as descriptor `fd`: ours from now on, failure or not. */
export function takeTunTap(fd: number, options: DescriptorOptions): TunTap | LinkFailure {
  const addon = loadAddon();
  if (addon === null) return noAddon();
  return driverOf(addon, fd, options, 'take-descriptor', `descriptor ${fd}`);
}

/** One queue of a TUN or TAP device. */
export class TunTap implements LinkDriver {
  readonly name: string;
  readonly mode: TunTapMode;
  readonly medium: Medium;
  readonly mac: Mac | null;
  readonly mtu: number;
  /** What the kernel takes from us. */
  readonly features: DeviceFeatures;
  /** What the kernel may send to us. */
  readonly receiveFeatures: DeviceFeatures;
  readonly isMultiQueue: boolean;
  readonly fd: number;
  /** Where frames that cannot be used are counted. */
  readonly drops: Drops;
  readonly #addon: Addon;
  readonly #channel: Channel;
  #isOpen = true;

  constructor(addon: Addon, fd: number, channel: Channel, drops: Drops, device: Device) {
    this.name = device.name;
    this.mode = device.mode;
    this.medium = mediumOf(device.mode);
    this.mac = device.mode === 'tap' ? device.mac : null;
    this.mtu = device.mtu;
    this.features = device.features;
    this.receiveFeatures = device.receiveFeatures;
    this.isMultiQueue = device.isMultiQueue;
    this.fd = fd;
    this.drops = drops;
    this.#addon = addon;
    this.#channel = channel;
  }

  /** Reads no more than `max` frames, and looks for one more only when fewer have come. */
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

  /** Gives staged slots and the descriptor back; a device that this made is gone. Watches must have ended before. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#channel.close();
    this.#addon.close(this.fd);
  }
}

interface Device {
  readonly name: string;
  readonly mode: TunTapMode;
  readonly mac: Mac;
  readonly mtu: number;
  readonly features: DeviceFeatures;
  readonly receiveFeatures: DeviceFeatures;
  readonly isMultiQueue: boolean;
}

function openFlags(options: TunTapOptions): number {
  let flags = IFF_NO_PI | (options.mode === 'tap' ? IFF_TAP : IFF_TUN);
  if (options.offload !== false) flags |= IFF_VNET_HDR;
  if (options.multiQueue === true) flags |= IFF_MULTI_QUEUE;
  return flags;
}

const mediumOf = (mode: TunTapMode): Medium => (mode === 'tap' ? 'ethernet' : 'ip');

/** Whether an error of `tunOpen` speaks of the device file, not of the device. */
function isAboutPath(errno: number): boolean {
  return ['ENOENT', 'ENODEV', 'ENXIO', 'EACCES', 'EIO', 'ENOTTY', 'EISDIR'].includes(
    failure('open-device', errno, '').code,
  );
}

/** The driver over an open descriptor, which is closed when there cannot be one. */
function driverOf(
  addon: Addon,
  fd: number,
  options: DescriptorOptions,
  action: LinkAction,
  subject: string,
): TunTap | LinkFailure {
  const result = describeDevice(addon, fd, options, action, subject);
  if (result instanceof LinkFailure) {
    addon.close(fd);
    return result;
  }
  const drops = options.drops ?? new Drops();
  const kind = result.device.mode === 'tap' ? ChannelKind.Tap : ChannelKind.Tun;
  const { hasInfo, vnetBytes } = result;
  const channel = Channel.open(
    addon,
    fd,
    { kind, medium: mediumOf(result.device.mode), hasInfo, vnetBytes },
    drops,
  );
  if (typeof channel === 'number') {
    addon.close(fd);
    return failure(action, channel, subject);
  }
  return new TunTap(addon, fd, channel, drops, result.device);
}

interface Described {
  readonly device: Device;
  readonly hasInfo: boolean;
  readonly vnetBytes: number;
}

function describeDevice(
  addon: Addon,
  fd: number,
  options: DescriptorOptions,
  action: LinkAction,
  subject: string,
): Described | LinkFailure {
  const info = new Int32Array(INFO_WORDS);
  const known = addon.tunInfo(fd, info);
  if (known < 0) return failure(action, known, subject);
  const nonBlocking = addon.setNonBlocking(fd);
  if (nonBlocking < 0) return failure(action, nonBlocking, subject);

  const flags = info[INFO_FLAGS] as number;
  const hasVnet = (flags & IFF_VNET_HDR) !== 0;
  let offload = 0;
  if (hasVnet) {
    const header = addon.tunSetVnetHeader(fd, VNET_HEADER_BYTES);
    if (header < 0) return failure(action, header, subject);
    offload = options.offload === false ? setNoOffload(addon, fd) : negotiateOffload(addon, fd);
  }
  const name = textOf(info);
  const link = options.mtu === undefined ? readLink(name) : null;
  const isOffloaded = hasVnet && options.offload !== false;
  return {
    hasInfo: (flags & IFF_NO_PI) === 0,
    vnetBytes: hasVnet ? VNET_HEADER_BYTES : 0,
    device: {
      name,
      mode: (flags & IFF_TAP) === 0 ? 'tun' : 'tap',
      mac: options.mac,
      // A descriptor may be of a device in a namespace that we do not see.
      mtu: options.mtu ?? (link instanceof LinkFailure || link === null ? DEFAULT_MTU : link.mtu),
      features: isOffloaded ? transmitFeatures(offload) : NO_OFFLOAD,
      receiveFeatures: featuresOf(offload),
      isMultiQueue: (flags & IFF_MULTI_QUEUE) !== 0,
    },
  };
}

/** Asks for less until the kernel agrees; answers the bits that it agreed to. */
function negotiateOffload(addon: Addon, fd: number): number {
  for (const bits of OFFLOAD_STEPS) if (addon.tunSetOffload(fd, bits) === 0) return bits;
  return 0;
}

function setNoOffload(addon: Addon, fd: number): number {
  addon.tunSetOffload(fd, 0);
  return 0;
}

function featuresOf(bits: number): DeviceFeatures {
  return {
    checksum: (bits & TUN_F_CSUM) !== 0,
    tso4: (bits & TUN_F_TSO4) !== 0,
    tso6: (bits & TUN_F_TSO6) !== 0,
    tsoEcn: (bits & TUN_F_TSO_ECN) !== 0,
    uso: (bits & TUN_F_USO) !== 0,
  };
}

/**
 * `TUNSETOFFLOAD` speaks of frames to us. In the other direction the driver always takes partial checksums and TCP
 * super-segments; UDP ones it takes since it knows the bits.
 */
function transmitFeatures(bits: number): DeviceFeatures {
  return { ...FULL_OFFLOAD, uso: (bits & TUN_F_USO) !== 0 };
}

/** The name of the device, in four words and padded with zeros. */
function textOf(info: Int32Array): string {
  const bytes = new Uint8Array(info.buffer, INFO_NAME * 4, 16);
  return new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)));
}
