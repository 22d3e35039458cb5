/**
 * The commands in a script, as far as they set up the host: sysctl, routes, queues, the MTU. A tiny shell: words,
 * quotes, `$(( ))`, `&&` and `;`, redirections that are dropped. No process is ever started; what is not known is
 * unsupported.
 */
import type { Ip } from '../../addr/ip.ts';
import type { Prefix } from '../../addr/prefix.ts';
import type { Duration } from '../../base/time.ts';
import { us } from '../../base/time.ts';
import { unsupported } from '../fault.ts';

/** What commands may do to the host. Those that answer text answer why not, or nothing. */
export interface ShellHost {
  sysctl(name: string, value: string): string;
  route(change: RouteChange): string;
  setMtu(mtu: number): void;
  /** Whether data leave at a rate (tc-fq(8)) or when they may. */
  setPacing(isPacing: boolean): void;
  sleep(duration: Duration): void;
  /** The text of a file beside the script, or null. */
  readFile(path: string): string | null;
  /** `192.0.2.0/24`, `default`. */
  parsePrefix(text: string): Prefix | null;
  parseIp(text: string): Ip | null;
}

export interface RouteChange {
  readonly action: 'add' | 'replace' | 'delete';
  readonly prefix: Prefix;
  readonly via: Ip | null;
  /** 0: that of the device. */
  readonly mtu: number;
  readonly type: 'unicast' | 'unreachable' | 'blackhole' | 'prohibit';
}

/** Scripts in scripts: more is a circle. */
const DEPTH_MAX = 4;

/** What a suite's defaults.sh sets, where the file itself is not there: Linux's production values. */
const DEFAULTS = `
sysctl -q net.ipv4.tcp_rmem="4096 540000 15728640"
sysctl -q net.ipv4.tcp_wmem="4096 262144 4194304"
sysctl -q net.ipv4.tcp_timestamps=1
sysctl -q net.ipv4.tcp_syn_retries=5
sysctl -q net.ipv4.tcp_synack_retries=5
sysctl -q net.ipv4.tcp_sack=1
sysctl -q net.ipv4.tcp_dsack=1
sysctl -q net.ipv4.tcp_congestion_control=cubic
sysctl -q net.ipv4.tcp_slow_start_after_idle=0
sysctl -q net.ipv4.tcp_ecn=0
sysctl -q net.ipv4.tcp_syncookies=1
`;

/** Commands that do nothing which a packet could show. */
const HARMLESS: readonly string[] = [
  'true',
  ':',
  'set',
  'export',
  'ulimit',
  'sync',
  'modprobe',
  'echo',
  'exit',
  'cd',
  'rm',
];

export function runShell(host: ShellHost, text: string, line: number, depth = 0): void {
  if (depth > DEPTH_MAX) unsupported(line, `commands nested deeper than ${DEPTH_MAX}`);
  for (const command of splitCommands(text)) runCommand(host, command, line, depth);
}

interface SimpleCommand {
  readonly words: readonly string[];
  /** Where `>` sends its output, or empty. */
  readonly output: string;
}

/** Lines, and parts of lines between `;`, `&&` and `||`, in words without their quotes. */
function splitCommands(text: string): SimpleCommand[] {
  const commands: SimpleCommand[] = [];
  let words: string[] = [];
  let output = '';
  let isOutput = false;
  const finish = (): void => {
    if (words.length > 0) commands.push({ words, output });
    words = [];
    output = '';
    isOutput = false;
  };
  const joined = text
    .replace(/\\\n/g, ' ')
    .replace(/\$\(\(([-+*/ ()\d]+)\)\)/g, (_, sum: string) => String(product(sum)));
  const pattern = /#[^\n]*|(\n|;|&&|\|\|)|(\d?>>?(?:&\d)?)|((?:[^\s"';#>&|]|"[^"]*"|'[^']*'|&(?!&))+)/g;
  for (const [, separator, redirection, word] of joined.matchAll(pattern)) {
    if (separator !== undefined) finish();
    else if (redirection !== undefined) isOutput = !redirection.includes('&');
    else if (word !== undefined && isOutput) {
      output = word;
      isOutput = false;
    } else if (word !== undefined) words.push(word.replace(/["']/g, ''));
  }
  finish();
  return commands;
}

/** `15*1024*1024`. */
function product(sum: string): number {
  return sum.split('*').reduce((total, factor) => total * Number(factor.trim()), 1);
}

function runCommand(host: ShellHost, { words, output }: SimpleCommand, line: number, depth: number): void {
  const [name = '', ...args] = words;
  const refuse = (why: string): void => {
    if (why !== '') unsupported(line, why);
  };
  const base = name.slice(name.lastIndexOf('/') + 1);
  if (output.startsWith('/proc/sys/') && base === 'echo') {
    refuse(host.sysctl(output, args.join(' ')));
    return;
  }
  switch (base) {
    case 'sysctl':
      refuse(
        runSysctl(
          host,
          args.filter((arg) => !arg.startsWith('-')),
        ),
      );
      return;
    case 'set_sysctls.py':
      refuse(runSysctl(host, args));
      return;
    case 'ip':
      refuse(runIp(host, args));
      return;
    case 'ifconfig':
      refuse(setMtu(host, args));
      return;
    case 'tc':
      refuse(runTc(host, args));
      return;
    case 'sleep':
    case 'usleep':
      host.sleep(us(Number(args[0]) * (base === 'sleep' ? 1_000_000 : 1)));
      return;
    case 'sh':
    case 'bash':
    case 'source':
    case '.':
      runFile(host, args.find((arg) => !arg.startsWith('-')) ?? '', line, depth);
      return;
    default:
      if (HARMLESS.includes(base) || base.startsWith('sysctl_restore_')) return;
      if (!base.endsWith('.sh')) unsupported(line, `the command ${name}`);
      runFile(host, name, line, depth);
  }
}

function runFile(host: ShellHost, path: string, line: number, depth: number): void {
  const text = host.readFile(path) ?? (path.endsWith('defaults.sh') ? DEFAULTS : null);
  if (text === null) unsupported(line, `the command ${path}, which is not there`);
  runShell(host, text, line, depth + 1);
}

/** `name=value …`, or `name = value`. */
function runSysctl(host: ShellHost, args: readonly string[]): string {
  for (let i = 0; i < args.length; i++) {
    let arg = args[i] as string;
    if (args[i + 1] === '=') {
      arg = `${arg}=${args[i + 2] ?? ''}`;
      i += 2;
    }
    const equals = arg.indexOf('=');
    if (equals < 1) return `sysctl ${arg}`;
    const refusal = host.sysctl(arg.slice(0, equals), arg.slice(equals + 1));
    if (refusal !== '') return refusal;
  }
  return '';
}

function runIp(host: ShellHost, args: readonly string[]): string {
  const words = args.filter((arg) => !arg.startsWith('-'));
  const [object = '', ...rest] = words;
  if (object === 'tcp_metrics') return '';
  if (object === 'link' || object === 'l') return setMtu(host, rest);
  if (object === 'route' || object === 'ro' || object === 'r') return runRoute(host, rest);
  return `the command ip ${args.join(' ')}`;
}

/** `ip link set dev tun0 mtu 1400`, `ifconfig tun0 mtu 1400`. */
function setMtu(host: ShellHost, words: readonly string[]): string {
  const at = words.indexOf('mtu');
  if (at < 0) return words.includes('up') ? '' : `the command … ${words.join(' ')}`;
  const mtu = Number(words[at + 1]);
  if (!(mtu >= 68 && mtu <= 65_535)) return `an MTU of ${words[at + 1]}`;
  host.setMtu(mtu);
  return '';
}

/** One queue is like another while nothing is lost in it, but that fq paces; those that delay or drop are not. */
function runTc(host: ShellHost, args: readonly string[]): string {
  const kind = args.find((arg) => QUEUES.includes(arg));
  const limit = args.indexOf('limit');
  // A queue that is too short for what a script sends loses some of it.
  const isShort = limit >= 0 && Number.parseInt(args[limit + 1] ?? '', 10) < QUEUE_MIN;
  if (isShort || (kind === undefined && !args.includes('del'))) return `the command tc ${args.join(' ')}`;
  host.setPacing(kind === 'fq');
  return '';
}

/** As much as a window of any script. */
const QUEUE_MIN = 1_000;
const QUEUES: readonly string[] = ['pfifo', 'bfifo', 'pfifo_fast', 'fq_codel', 'noqueue', 'fq'];

const ACTIONS: Readonly<Record<string, RouteChange['action']>> = {
  add: 'add',
  a: 'add',
  replace: 'replace',
  change: 'replace',
  del: 'delete',
  delete: 'delete',
  flush: 'delete',
};
const TYPES: readonly string[] = ['unreachable', 'blackhole', 'prohibit', 'unicast'];

function runRoute(host: ShellHost, args: readonly string[]): string {
  const whole = `the command ip route ${args.join(' ')}`;
  if (args[0] === 'flush' && args[1] === 'cache') return '';
  const action = ACTIONS[args[0] ?? ''];
  if (action === undefined) return whole;
  let at = 1;
  let type: RouteChange['type'] = 'unicast';
  if (TYPES.includes(args[at] ?? '')) type = args[at++] as RouteChange['type'];
  const prefix = host.parsePrefix(args[at++] ?? '');
  if (prefix === null) return whole;
  let via: Ip | null = null;
  let mtu = 0;
  for (; at < args.length; at += 2) {
    const value = args[at + 1] ?? '';
    switch (args[at]) {
      case 'via':
        via = host.parseIp(value);
        break;
      case 'mtu':
        // `mtu lock 1000`.
        mtu = Number(value === 'lock' ? args[++at + 1] : value);
        break;
      case 'dev':
      case 'proto':
      case 'scope':
      case 'src':
        break;
      default:
        return whole;
    }
  }
  return host.route({ action, prefix, via, mtu, type });
}
