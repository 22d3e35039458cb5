/**
 * Goodput over bad links, beside the kernel: a grid of loss, round trip and congestion control, in both directions.
 * Run by `scripts/bench loss`.
 *
 *     kernel client ── relay ── kernel server        the same client, the same relay (its flags and its seed),
 *     kernel client ── relay ── daemon of ours       both at the same time
 */
import { parseArgs } from 'node:util';
import type { Side } from './lossy-peers.ts';
import { LossyPeers } from './lossy-peers.ts';
import { heading, publish } from './page.ts';
import { three } from './stats.ts';

const CONTROLS = ['reno', 'cubic', 'bbr'];
const LOSSES = ['0', '0.1', '1', '3'];
const RTTS = ['1', '20', '100'];
/** From the server: it is its congestion control that counts. To it: the client's, against its acknowledgements. */
const DIRECTIONS = ['out', 'in'];
const ETHERNET_FRAME_BYTES = 1_514;
/** A buffer holds a round trip, and this at least. */
const QUEUE_MIN_BYTES = 32_000;

interface Settings {
  readonly rounds: number;
  readonly seconds: number;
  /** Before what is measured: the start of a connection is no steady state. */
  readonly warm: number;
  readonly rate: string;
  readonly isWritten: boolean;
  readonly controls: readonly string[];
  readonly losses: readonly string[];
  readonly rtts: readonly string[];
  readonly directions: readonly string[];
}

/** Where one figure of the table stands. */
interface Cell {
  readonly control: string;
  readonly loss: string;
  readonly rtt: string;
  readonly direction: string;
}

class Grid {
  readonly #values = new Map<string, number[]>();

  add(cell: Cell, side: Side, value: number): void {
    const key = `${keyOf(cell)} ${side}`;
    const values = this.#values.get(key);
    if (values === undefined) this.#values.set(key, [value]);
    else values.push(value);
  }

  /** `ours / kernel's (ratio)`, of means: what chance has lost in one round counts as much as what it spared. */
  text(cell: Cell): string {
    const [ours, kernel] = [this.#mean(cell, 'ours'), this.#mean(cell, 'kernel')];
    const ratio = ours / kernel;
    const text = `${three(ours)} / ${three(kernel)} (${ratio.toFixed(2)})`;
    return ratio < RATIO_MIN ? `**${text}**` : text;
  }

  #mean(cell: Cell, side: Side): number {
    const values = this.#values.get(`${keyOf(cell)} ${side}`) ?? [];
    return values.reduce((sum, value) => sum + value, 0) / values.length;
  }
}

/** What is below stands out. */
const RATIO_MIN = 0.9;

const keyOf = ({ control, loss, rtt, direction }: Cell): string => `${control} ${loss} ${rtt} ${direction}`;

function listOf(name: string, text: string, known: readonly string[] | null): string[] {
  const list = text.split(',');
  const unknown = list.find(
    (one) => known?.includes(one) === false || (known === null && !(Number(one) >= 0)),
  );
  if (unknown === undefined) return list;
  throw new Error(`--${name} takes ${known === null ? 'numbers' : known.join(', ')}, not '${unknown}'`);
}

/** An option of parseArgs. */
function text(value: string): { readonly type: 'string'; readonly default: string } {
  return { type: 'string', default: value };
}

function settingsOf(args: string[]): Settings {
  const { values } = parseArgs({
    args,
    options: {
      rounds: text('3'),
      seconds: text('5'),
      warm: text('1'),
      rate: text('20mbit'),
      write: { type: 'boolean', default: false },
      congestion: text(CONTROLS.join(',')),
      loss: text(LOSSES.join(',')),
      rtt: text(RTTS.join(',')),
      direction: text(DIRECTIONS.join(',')),
    },
  });
  if (!(Number(values.seconds) > 0 && Number(values.rounds) >= 1))
    throw new Error('--seconds and --rounds take numbers above 0');
  return {
    rounds: Number(values.rounds),
    seconds: Number(values.seconds),
    warm: Number(values.warm),
    rate: values.rate,
    isWritten: values.write,
    controls: listOf('congestion', values.congestion, CONTROLS),
    losses: listOf('loss', values.loss, null),
    rtts: listOf('rtt', values.rtt, null),
    directions: listOf('direction', values.direction, DIRECTIONS),
  };
}

/** Of a relay: half the round trip and half of nothing else each way. */
function flagsOf({ loss, rtt }: Cell, rate: string): string[] {
  const mbit = Number(/^([\d.]+)mbit$/.exec(rate)?.[1]);
  if (!(mbit > 0)) throw new Error(`--rate takes a rate such as 20mbit, not '${rate}'`);
  const bytes = Math.max(QUEUE_MIN_BYTES, (mbit * 1e6 * Number(rtt)) / 8_000);
  const queue = Math.ceil(bytes / ETHERNET_FRAME_BYTES);
  const halfUs = Math.round(Number(rtt) * 500);
  const flags = ['--rate', rate, '--queue', String(queue), '--delay', `${halfUs}us`, '--seed', '7'];
  return Number(loss) === 0 ? flags : [...flags, '--loss', `${loss}%`];
}

async function measure(peers: LossyPeers, cell: Cell, settings: Settings, grid: Grid): Promise<void> {
  const { seconds, warm, rounds } = settings;
  const direction = cell.direction === 'out' ? 'recv' : 'send';
  const flags = ['-d', direction, '-C', cell.control, '-t', String(seconds), '-w', String(warm)];
  for (let round = 0; round < rounds; round++) {
    const [ours, kernel] = await Promise.all([peers.bulk('ours', flags), peers.bulk('kernel', flags)]);
    grid.add(cell, 'ours', ours);
    grid.add(cell, 'kernel', kernel);
  }
  process.stderr.write(`${keyOf(cell)}: ${grid.text(cell)}\n`);
}

function tableOf(settings: Settings, grid: Grid): string {
  const { controls, losses, rtts, directions } = settings;
  const lines: string[] = [];
  for (const direction of directions) {
    const what = direction === 'out' ? 'sent by the server' : 'received by the server';
    lines.push(`Mbit/s ${what}, ours / kernel's (ratio), at a round trip of`, '');
    lines.push(`| | ${rtts.map((rtt) => `${rtt} ms`).join(' | ')} |`, `|---|${'---|'.repeat(rtts.length)}`);
    for (const control of controls)
      for (const loss of losses) {
        const cells = rtts.map((rtt) => grid.text({ control, loss, rtt, direction }));
        lines.push(`| ${control}, ${loss} % lost | ${cells.join(' | ')} |`);
      }
    lines.push('');
  }
  return lines.join('\n');
}

async function main(): Promise<void> {
  const settings = settingsOf(process.argv.slice(2));
  const { controls, losses, rtts, directions, rounds, seconds, rate, isWritten } = settings;
  const grid = new Grid();
  for (const control of controls) {
    const peers = await LossyPeers.start(control);
    try {
      for (const rtt of rtts)
        for (const loss of losses) {
          await peers.relay(flagsOf({ control, loss, rtt, direction: '' }, rate));
          for (const direction of directions)
            await measure(peers, { control, loss, rtt, direction }, settings, grid);
        }
    } finally {
      await peers.stop();
    }
  }
  const command = `scripts/bench loss --rounds ${rounds} --seconds ${seconds} --rate ${rate}`;
  const how = `means of ${rounds} rounds, both at the same time`;
  publish('loss', `${heading(command, how)}\n\n${tableOf(settings, grid)}`, isWritten);
}

await main();
