/**
 * `tapstack capture`: the frames of the running stack, as lines or as a pcapng file, started and ended at any time.
 */
import type { StreamCommand } from '../command.ts';
import { option, optional, stream, word } from '../command.ts';
import type { CaptureEnd, CaptureItem } from '../report.ts';
import { integer } from '../schema.ts';
import { deviceName, path } from '../types.ts';

const COUNT_MAX = 1_000_000_000;
const SNAPLEN_MIN = 64;
const SNAPLEN_MAX = 262_144;

const capture: StreamCommand = stream({
  name: 'capture',
  summary: 'show the frames of a device, or write them to a file',
  details:
    'Without -w each frame is a line of text. A file is pcapng, as Wireshark opens it; dropped frames carry the ' +
    'reason as a comment, and `-` is standard output. Ctrl-C ends the capture.',
  examples: ['tapstack capture', 'tapstack capture -w trace.pcapng', 'tapstack capture -w - | tshark -r -'],
  params: {
    dev: optional(word(deviceName, 'the device; the first one that is not lo, if not given', 'dev')),
    write: option('-w, --write', path, 'write them to this file'),
    count: option('-c, --count', integer('N', 1, COUNT_MAX), 'end after so many frames'),
    snaplen: option('-s, --snaplen', integer('BYTES', SNAPLEN_MIN, SNAPLEN_MAX), 'keep so much of each'),
  },
  run: (now, host, { dev, write, count, snaplen }) =>
    host.capture(now, { dev, count, snaplen, format: write === undefined ? 'text' : 'pcapng' }),
  render: (item: CaptureItem) => ('line' in item ? `${item.line}\n` : ''),
  renderEnd: ({ frames, left }: CaptureEnd) => {
    const rest = left === 0 ? '' : `, ${left} left out because they came faster than they were taken`;
    return `${frames} frames captured${rest}\n`;
  },
  exitCode: (_end: CaptureEnd) => 0,
});

export const captureCommands: readonly StreamCommand[] = [capture];
