/**
 * `tapstack up`: what a daemon can be started with.
 */
import type { Ip } from '../../addr/ip.ts';
import { Ip as IpAddress, parseIp } from '../../addr/ip.ts';
import { Prefix } from '../../addr/prefix.ts';
import type { ArgsOf, LocalCommand, RawArgs } from '../command.ts';
import { local, option, readArgs, repeated, toggle } from '../command.ts';
import type { Type } from '../schema.ts';
import { ConfigError, choice, integer, textType } from '../schema.ts';
import { deviceName, instanceName, interfaceAddress, path, stationMac, word } from '../types.ts';
import type { CongestionName, LogLevel, UpConfig } from '../up-config.ts';

export const DEFAULT_NAME = 'tapstack0';
const DEFAULT_ADDRESS = new Prefix(IpAddress.v4(0x0a4d0002), 24);
/** RFC 791 §3.1: every link carries so much; less and no datagram with options has room for data. */
const MTU_MIN = 68;
const MTU_MAX = 65_535;
const MTU_DEFAULT = 1_500;
/** As every Ethernet device of Linux; with offload each may be a super-segment. */
const QUEUE_DEFAULT = 1_000;
const QUEUE_MAX = 1_000_000;
const FD_MAX = 65_535;
const DEVICE_NAME_MAX = 15;

const logLevel: Type<LogLevel> = choice('LEVEL', ['trace', 'debug', 'info', 'warn', 'error', 'silent']);

const congestion: Type<CongestionName> = choice('ALGORITHM', ['reno', 'cubic', 'bbr']);

const gatewayOrNone: Type<Ip | 'none'> = textType<Ip | 'none'>(
  'ADDRESS|none',
  (text) => (text === 'none' ? 'none' : parseIp(text)),
  'is no IP address; write one such as 10.77.0.1, or none',
);

const addressOrNone: Type<Prefix | 'none'> = {
  name: 'ADDRESS/LENGTH|none',
  read: (value) => (value === 'none' ? 'none' : interfaceAddress.read(value)),
};

const upParams = {
  name: option('--name', instanceName, `of the instance, by which other commands find it; ${DEFAULT_NAME}`),
  tun: toggle('--tun', 'a device that carries IP packets'),
  tap: toggle('--tap', 'a device that carries Ethernet frames: the default'),
  dev: option('--dev', deviceName, 'the name of the device; that of the instance, if not given'),
  fd: option('--fd', integer('N', 0, FD_MAX), 'use the open descriptor of a TUN or TAP device instead'),
  netns: option(
    '--netns',
    word,
    'the network namespace that the device shall be in: a name, a path or a pid',
  ),
  address: repeated(option('--address', interfaceAddress, 'of the stack; 10.77.0.2/24. May be given again')),
  hostAddress: option(
    '--host-address',
    addressOrNone,
    "of the kernel's side; the first that is free in the network",
  ),
  gateway: option(
    '--gateway',
    gatewayOrNone,
    "of the stack's default route; the kernel's side, if not given",
  ),
  mac: option(
    '--mac',
    stationMac,
    "of the stack; made from the host's and the instance's name, if not given",
  ),
  mtu: option('--mtu', integer('BYTES', MTU_MIN, MTU_MAX), `of both sides; ${MTU_DEFAULT}`),
  queueLength: option(
    '--queue-length',
    integer('N', 1, QUEUE_MAX),
    `packets that wait for us; ${QUEUE_DEFAULT}`,
  ),
  noOffload: toggle('--no-offload', 'single frames with complete checksums, as on a wire'),
  probe: toggle('--probe', 'ask the link before using an address (RFC 5227)'),
  ipForward: toggle('--ip-forward', 'be a router: forward packets for others'),
  noServices: toggle(
    '--no-services',
    'without echo (7), discard (9), daytime (13), chargen (19) and the status page (80)',
  ),
  congestion: option('--congestion', congestion, 'of TCP connections, against congestion; cubic'),
  capture: option('--capture', path, 'write all frames to this file, as pcapng'),
  user: option('--user', word, 'become this user once the device is open; nobody, when started by root'),
  logLevel: option('--log-level', logLevel, 'info, if not given'),
  detach: toggle('--detach', 'run in the background; ends here once it is ready'),
};

export const up: LocalCommand = local({
  name: 'up',
  summary: 'start a stack on a TUN or TAP device',
  details:
    `Makes the device ${DEFAULT_NAME}, gives the kernel's side 10.77.0.1/24 and the stack 10.77.0.2/24, and runs ` +
    'until Ctrl-C or `tapstack down`. Making a device needs root; a descriptor that somebody else opened (--fd) ' +
    'does not. The exit code is 2 when a flag is wrong and 1 when something failed.',
  examples: [
    'sudo tapstack up',
    'sudo tapstack up --name lab0 --address 10.8.0.2/24 --detach',
    'sudo tapstack up --tun --netns lab --mtu 9000 --capture trace.pcapng',
  ],
  params: upParams,
});

type UpArgs = ArgsOf<typeof upParams>;

/** What the flags mean, or which of them is wrong. `isRoot` decides whom to become. */
export function readUp(raw: RawArgs, isRoot: boolean): UpConfig | ConfigError {
  const args = readArgs(upParams, raw);
  if (args instanceof ConfigError) return args;
  const name = args.name ?? DEFAULT_NAME;
  const addresses = args.address.length > 0 ? args.address : [DEFAULT_ADDRESS];
  const hostAddress = chooseHostAddress(args, addresses);
  const device = args.dev ?? name;
  const refused = checkTogether(args, addresses, hostAddress, device);
  if (refused !== null) return refused;
  return {
    name,
    mode: args.tun === true ? 'tun' : 'tap',
    device,
    fd: args.fd ?? null,
    netns: args.netns ?? null,
    addresses,
    // Whoever handed us a descriptor has set up the kernel's side too.
    hostAddress: args.fd !== undefined && args.hostAddress === undefined ? null : hostAddress,
    gateway: chooseGateway(args, hostAddress),
    mac: args.mac ?? null,
    mtu: args.mtu ?? MTU_DEFAULT,
    queueLength: args.queueLength ?? QUEUE_DEFAULT,
    offload: args.noOffload !== true,
    probe: args.probe === true,
    ipForward: args.ipForward === true,
    services: args.noServices !== true,
    congestion: args.congestion ?? null,
    capture: args.capture ?? null,
    detach: args.detach === true,
    logLevel: args.logLevel ?? 'info',
    user: args.user ?? (isRoot ? 'nobody' : null),
  };
}

function checkTogether(
  args: UpArgs,
  addresses: readonly Prefix[],
  hostAddress: Prefix | null,
  device: string,
): ConfigError | null {
  if (args.tun === true && args.tap === true)
    return new ConfigError('--tun', 'a device is tun or tap; leave out one');
  if (args.fd !== undefined) {
    for (const [flag, value] of [
      ['--tun', args.tun],
      ['--tap', args.tap],
      ['--dev', args.dev],
    ] as const) {
      if (value !== undefined)
        return new ConfigError(flag, 'the descriptor of --fd has its device; leave this out');
    }
  } else if (device.length > DEVICE_NAME_MAX) {
    return new ConfigError(
      '--name',
      `is too long to name the device; name it by --dev, in ${DEVICE_NAME_MAX} letters`,
    );
  }
  const six = addresses.find(({ address }) => !address.isV4);
  if (six !== undefined)
    return new ConfigError('--address', `"${six}" is IPv6, which the stack does not speak yet`);
  for (const { address } of addresses) {
    if (address.isMulticast || address.isUnspecified || address.isLoopback || address.isLimitedBroadcast)
      return new ConfigError('--address', `"${address}" cannot be the address of a host`);
    if (hostAddress?.address.equals(address) === true)
      return new ConfigError(
        '--host-address',
        `"${address}" is the address of the stack; the two must differ`,
      );
  }
  const text = addresses.map(({ address }) => address.toString());
  const twice = text.find((one, index) => text.indexOf(one) !== index);
  return twice === undefined ? null : new ConfigError('--address', `"${twice}" is given twice`);
}

/** The first address of the first network that is none of ours: 10.77.0.1/24 for 10.77.0.2/24. */
function chooseHostAddress(args: UpArgs, addresses: readonly Prefix[]): Prefix | null {
  if (args.hostAddress !== undefined) return args.hostAddress === 'none' ? null : args.hostAddress;
  const first = addresses[0] as Prefix;
  if (!first.address.isV4 || first.length > 31) return null;
  const base = first.network.address.d + (first.length === 31 ? 0 : 1);
  for (let word = base; ; word++) {
    const candidate = new Prefix(IpAddress.v4(word), first.length);
    if (!first.contains(candidate.address) || first.broadcast?.equals(candidate.address) === true)
      return null;
    if (!addresses.some(({ address }) => address.equals(candidate.address))) return candidate;
  }
}

function chooseGateway(args: UpArgs, hostAddress: Prefix | null): Ip | null {
  if (args.gateway !== undefined) return args.gateway === 'none' ? null : args.gateway;
  return hostAddress?.address ?? null;
}
