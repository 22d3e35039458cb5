/**
 * `tapstack relay`: two devices joined by a bad link, for kernels that have no netem and for stacks that are none.
 */
import type { ArgsOf, LocalCommand, RawArgs } from '../command.ts';
import { local, option, readArgs, toggle, word } from '../command.ts';
import type { Type } from '../schema.ts';
import { ConfigError, choice, integer, textType } from '../schema.ts';
import { deviceName, word as name } from '../types.ts';
import type { Impairment, RelayConfig, RelayEnd } from './config.ts';
import { chance, duration, gilbertElliott, rate } from './units.ts';

/** What a long fat link holds: tc's 1,000 is the product of 100 ms and 120 Mbit/s. */
const LIMIT_DEFAULT = 4_096;
/** Every frame under way has a slot of 64 KB of address space. */
const LIMIT_MAX = 16_384;
const MTU_DEFAULT = 1_500;
const MTU_MAX = 65_521;

const end: Type<RelayEnd> = textType(
  'tap|tun|if:DEVICE[@NETNS]',
  (text) => {
    const [, kind, device = '', netns] = /^(tap|tun|if):([^@]+)(?:@(.+))?$/.exec(text) ?? [];
    if (kind === undefined || deviceName.read(device) instanceof ConfigError) return null;
    return { kind: kind as RelayEnd['kind'], device, netns: netns ?? null };
  },
  'is no device: write tap:NAME or tun:NAME for one to be made, if:NAME for one that is there, and @NETNS behind it ' +
    'where it is in another namespace',
);

const relayParams = {
  first: word(end, 'a device that is made (tap, tun), or an interface that is there (if)'),
  second: word(end, 'the other one'),
  delay: option('--delay', duration, 'in each direction'),
  jitter: option('--jitter', duration, 'by which the delay varies; frames overtake each other by it'),
  distribution: option(
    '--distribution',
    choice('SHAPE', ['uniform', 'normal']),
    'of the jitter: uniform, within ± jitter, or normal, with jitter as the standard deviation',
  ),
  loss: option('--loss', chance, 'of frames, each by itself or in runs'),
  gemodel: option(
    '--loss-gemodel',
    gilbertElliott,
    'of Gilbert and Elliott: from good to bad, from bad to good, loss while bad (100%), while good (0%)',
  ),
  duplicate: option('--duplicate', chance, 'of frames that come twice'),
  reorder: option('--reorder', chance, 'of frames that skip the delay'),
  gap: option('--gap', integer('N', 1, 1_000_000), 'only every Nth frame may skip it'),
  corrupt: option('--corrupt', chance, 'of frames of which one bit is inverted'),
  rate: option('--rate', rate, 'of the link, such as 100mbit'),
  queue: option('--queue', integer('N', 1, LIMIT_MAX), 'frames that may wait for the rate; 1000'),
  limit: option('--limit', integer('N', 1, LIMIT_MAX), `frames that may be under way; ${LIMIT_DEFAULT}`),
  oneWay: toggle('--one-way', 'impair only what goes from the first to the second'),
  mtu: option('--mtu', integer('BYTES', 68, MTU_MAX), `of a device that is made; ${MTU_DEFAULT}`),
  seed: option('--seed', integer('N', 0, 0x7fff_ffff), 'of all chance; another one each time, if not given'),
  user: option('--user', name, 'become this user once the devices are open; nobody, when started by root'),
};

export const relay: LocalCommand = local({
  name: 'relay',
  summary: 'join two devices by a bad link',
  details:
    'Hands every frame of one device to the other, and does to it what tc-netem(8) does: delay, loss, duplication, ' +
    'reordering, corruption, and a rate with a queue in front. Runs until Ctrl-C, and then says what it did. Both ' +
    'devices are of one kind: frames (tap, most interfaces) or IP packets (tun). A daemon whose device stands on an ' +
    "interface of a relay (if:DEVICE) must have been started with --no-offload, and the kernel's side without an " +
    'address (--host-address none): what is relayed is what a wire would carry.',
  examples: [
    'sudo tapstack relay tap:left@a tap:right@b --delay 10ms --loss 1%',
    'sudo tapstack relay tap:left@a if:tap0@b --rate 20mbit --queue 50',
  ],
  params: relayParams,
});

type RelayArgs = ArgsOf<typeof relayParams>;

/** What the flags mean, or which of them is wrong. `isRoot` decides whom to become. */
export function readRelay(raw: RawArgs, isRoot: boolean): RelayConfig | ConfigError {
  const args = readArgs(relayParams, raw);
  if (args instanceof ConfigError) return args;
  const refused = checkTogether(args);
  if (refused !== null) return refused;
  const limitPackets = args.limit ?? LIMIT_DEFAULT;
  const there = impairmentOf(args, limitPackets);
  return {
    ends: [args.first, args.second],
    there,
    back: args.oneWay === true ? { limitPackets } : there,
    mtu: args.mtu ?? MTU_DEFAULT,
    seed: args.seed ?? null,
    user: args.user ?? (isRoot ? 'nobody' : null),
  };
}

function checkTogether(args: RelayArgs): ConfigError | null {
  const { first, second } = args;
  if ((first.kind === 'tun') !== (second.kind === 'tun') && first.kind !== 'if' && second.kind !== 'if')
    return new ConfigError(
      'second',
      'a tun carries IP packets and a tap frames; the two must be of one kind',
    );
  if (first.device === second.device && first.netns === second.netns)
    return new ConfigError('second', 'is the first one again');
  if (args.loss !== undefined && args.gemodel !== undefined)
    return new ConfigError('gemodel', 'is a model of loss as --loss is one; leave out one of them');
  if (args.jitter !== undefined && args.delay === undefined)
    return new ConfigError('jitter', 'varies a delay; give --delay too');
  if (args.reorder !== undefined && args.delay === undefined)
    return new ConfigError('reorder', 'frames overtake by skipping the delay; give --delay too');
  if (args.gap !== undefined && args.reorder === undefined)
    return new ConfigError('gap', 'is about frames that overtake; give --reorder too');
  if (args.queue !== undefined && args.rate === undefined)
    return new ConfigError('queue', 'stands in front of a rate; give --rate too');
  return null;
}

function impairmentOf(args: RelayArgs, limitPackets: number): Impairment {
  const { delay, jitter, distribution, gap, queue } = args;
  const loss =
    args.gemodel ?? (args.loss === undefined ? undefined : { model: 'random' as const, ...args.loss });
  const reorder = args.reorder === undefined || gap === undefined ? args.reorder : { ...args.reorder, gap };
  const link =
    args.rate === undefined
      ? undefined
      : { bitsPerSecond: args.rate, ...(queue === undefined ? {} : { queueMaxPackets: queue }) };
  return given({
    delay,
    jitter,
    distribution,
    loss,
    duplicate: args.duplicate,
    reorder,
    corrupt: args.corrupt,
    rate: link,
    limitPackets,
  }) as Impairment;
}

/** Without what is undefined. */
function given(fields: object): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
