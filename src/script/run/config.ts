/**
 * What the options of a script and of the command line say, with packetdrill's names and defaults: addresses and
 * ports that `...` stands for, the device, how exact times must be.
 */
import { Ip, parseIp } from '../../addr/ip.ts';
import type { Duration } from '../../base/time.ts';
import { us } from '../../base/time.ts';
import { unsupported } from '../fault.ts';
import type { Option } from '../language/ast.ts';

export type IpVersion = 'ipv4' | 'ipv4-mapped-ipv6';

export interface Config {
  ipVersion: IpVersion;
  localIp: Ip;
  gatewayIp: Ip;
  prefixLength: number;
  remoteIp: Ip;
  remotePrefixLength: number;
  bindPort: number;
  connectPort: number;
  mtu: number;
  tolerance: Duration;
  /** Of the time since the event before, if that is more. */
  tolerancePercent: number;
  /** 0: timestamps are not looked at. */
  tsTickUs: number;
  /** Ours: the echoed timestamp must be the script's. */
  checksTsEcr: boolean;
  /** An expected segment is one segment, not several in a row. */
  hasStrictSegments: boolean;
  nonFatal: { packet: boolean; call: boolean };
  initScripts: string[];
  isDryRun: boolean;
}

/** Addresses for documentation (RFC 5737) outside, private ones (RFC 1918) inside. */
export function defaultConfig(): Config {
  return {
    ipVersion: 'ipv4',
    localIp: Ip.v4(0xc0a80002),
    gatewayIp: Ip.v4(0xc0a80001),
    prefixLength: 16,
    remoteIp: Ip.v4(0xc0000201),
    remotePrefixLength: 24,
    bindPort: 8_080,
    connectPort: 8_080,
    mtu: 1_500,
    tolerance: us(4_000),
    tolerancePercent: 12.5,
    tsTickUs: 0,
    checksTsEcr: false,
    hasStrictSegments: false,
    nonFatal: { packet: false, call: false },
    initScripts: [],
    isDryRun: false,
  };
}

/** Options that change nothing here: speed of a wire, another interpreter, talk. */
const IGNORED: readonly string[] = [
  'define',
  'speed',
  'code_command',
  'code_sockopt',
  'send_omit_free',
  'debug',
  'verbose',
];

export function applyOptions(config: Config, options: readonly Option[]): void {
  for (const option of options) if (!IGNORED.includes(option.name)) applyOption(config, option);
}

function applyOption(config: Config, option: Option): void {
  const { name, value, line } = option;
  switch (name) {
    case 'ip_version':
      if (value !== 'ipv4' && value !== 'ipv4-mapped-ipv6')
        unsupported(line, `--ip_version=${value}: no IPv6 yet`);
      config.ipVersion = value;
      return;
    case 'local_ip':
      config.localIp = address(option);
      return;
    case 'gateway_ip':
      config.gatewayIp = address(option);
      return;
    case 'remote_ip':
      config.remoteIp = address(option);
      config.remotePrefixLength = Number((value ?? '').split('/')[1] ?? 24);
      return;
    case 'netmask_ip':
      config.prefixLength = Math.clz32(~address(option).d);
      return;
    case 'init_scripts':
      config.initScripts.push(...(value ?? '').split(','));
      return;
    case 'non_fatal':
      config.nonFatal = { packet: /\bpacket\b/.test(value ?? ''), call: /\bsyscall\b/.test(value ?? '') };
      return;
    case 'code_format':
      if (value !== 'python') unsupported(line, `--code_format=${value}`);
      return;
    default:
      applyNumber(config, option);
  }
}

function applyNumber(config: Config, option: Option): void {
  switch (option.name) {
    case 'bind_port':
      config.bindPort = number(option, 1, 0xffff);
      return;
    case 'connect_port':
      config.connectPort = number(option, 1, 0xffff);
      return;
    case 'mtu':
      config.mtu = number(option, 68, 65_535);
      return;
    case 'tolerance_usecs':
      config.tolerance = us(number(option, 0, 1e12));
      return;
    case 'tolerance_percent':
      config.tolerancePercent = number(option, 0, 1e6);
      return;
    case 'tcp_ts_tick_usecs':
      config.tsTickUs = number(option, 0, 1_000_000);
      return;
    case 'tcp_ts_ecr_scaled':
    case 'is_anyip':
      return;
    case 'check_ts_ecr':
      config.checksTsEcr = true;
      return;
    case 'strict_segments':
      config.hasStrictSegments = true;
      return;
    case 'dry_run':
      config.isDryRun = true;
      return;
    default:
      unsupported(option.line, `the option --${option.name}`);
  }
}

function address({ name, value, line }: Option): Ip {
  const ip = parseIp((value ?? '').split('/')[0] as string);
  if (ip === null || !ip.isV4) unsupported(line, `--${name}=${value}: not an IPv4 address`);
  return ip;
}

function number({ name, value, line }: Option, min: number, max: number): number {
  const parsed = Number(value);
  if (value === null || value === '' || !(parsed >= min && parsed <= max))
    unsupported(line, `--${name}=${value}: not a number from ${min} to ${max}`);
  return parsed;
}
