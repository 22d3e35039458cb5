/**
 * `tapstack ping`: echo requests from the stack, in the words and with the exit codes of iputils.
 */
import type { StreamCommand } from '../command.ts';
import { option, stream, toggle, word } from '../command.ts';
import type { PingRequest } from '../host.ts';
import type { PingEnd, PingItem } from '../report.ts';
import type { Type } from '../schema.ts';
import { choice, decimal, integer } from '../schema.ts';
import { address, host } from '../types.ts';

const COUNT_MAX = 1_000_000_000;
/** Ten a millisecond would be a flood, which a control socket is not made for. */
const INTERVAL_MIN_SEC = 0.002;
const TIME_MAX_SEC = 100_000;
const DATA_MAX = 65_507;
const DATA_DEFAULT = 56;

const discovery: Type<NonNullable<PingRequest['pathMtu']>> = choice('HINT', ['do', 'want', 'dont', 'probe']);

const ping: StreamCommand = stream({
  name: 'ping',
  summary: 'send echo requests from the stack and show what comes back',
  details:
    'The exit code is 0 when something came back, 1 when nothing did (or fewer than -c within -w), 2 on an error.',
  examples: ['tapstack ping 10.77.0.1', 'tapstack ping -c 3 -i 0.2 -s 1472 -M do 10.77.0.1'],
  params: {
    destination: word(host, 'whom'),
    count: option('-c, --count', integer('N', 1, COUNT_MAX), 'end after so many'),
    interval: option(
      '-i, --interval',
      decimal('SECONDS', INTERVAL_MIN_SEC, TIME_MAX_SEC),
      'from one to the next; 1',
    ),
    size: option('-s, --size', integer('BYTES', 0, DATA_MAX), `of data; ${DATA_DEFAULT}`),
    timeout: option(
      '-W, --timeout',
      decimal('SECONDS', 0.001, TIME_MAX_SEC),
      'how long to wait for the last; 10',
    ),
    deadline: option(
      '-w, --deadline',
      decimal('SECONDS', 0.001, TIME_MAX_SEC),
      'end after this time in any case',
    ),
    ttl: option('-t, --ttl', integer('TTL', 1, 255), 'time to live; 64'),
    tos: option('-Q, --tos', integer('TOS', 0, 255), 'type of service'),
    pathMtu: option(
      '-M, --pmtudisc',
      discovery,
      'do: never fragment; want: not when the path is known; dont',
    ),
    source: option('-I, --source', address, 'the source address'),
    quiet: toggle('-q, --quiet', 'only the summary'),
  },
  run: (now, host, args) =>
    host.ping(now, {
      destination: args.destination,
      source: args.source,
      count: args.count,
      intervalMs: (args.interval ?? 1) * 1_000,
      dataBytes: args.size ?? DATA_DEFAULT,
      timeoutMs: args.timeout === undefined ? undefined : args.timeout * 1_000,
      deadlineMs: args.deadline === undefined ? undefined : args.deadline * 1_000,
      ttl: args.ttl,
      tos: args.tos,
      pathMtu: args.pathMtu,
    }),
  render: (item: PingItem, { args }) =>
    args.quiet === true && item.type !== 'start' ? '' : formatPingItem(item),
  renderEnd: formatPingEnd,
  exitCode: ({ received, wanted }: PingEnd) => (received >= wanted ? 0 : 1),
});

export const pingCommands: readonly StreamCommand[] = [ping];

export function formatPingItem(item: PingItem): string {
  if (item.type === 'start') {
    const from = item.source === null ? '' : ` from ${item.source} :`;
    return `PING ${item.destination} (${item.destination})${from} ${item.data}(${item.datagram}) bytes of data.\n`;
  }
  if (item.type === 'error') {
    const { from, seq, text } = item;
    return from === null ? `ping: ${text}\n` : `From ${from} icmp_seq=${seq} ${text}\n`;
  }
  const { bytes, from, seq, ttl, timeMs } = item;
  const rest = `${item.isDuplicate ? ' (DUP!)' : ''}${item.isDamaged ? ' (DIFFERENT DATA!)' : ''}`;
  return `${bytes} bytes from ${from}: icmp_seq=${seq} ttl=${ttl} time=${formatTime(timeMs)} ms${rest}\n`;
}

export function formatPingEnd(end: PingEnd): string {
  const { destination, transmitted, received, duplicates, errors, damaged, timeMs, rttMs } = end;
  const words = [`${transmitted} packets transmitted`, `${received} received`];
  if (duplicates > 0) words.push(`+${duplicates} duplicates`);
  if (damaged > 0) words.push(`+${damaged} corrupted`);
  if (errors > 0) words.push(`+${errors} errors`);
  if (transmitted > 0) {
    const loss = ((transmitted - received) * 100) / transmitted;
    words.push(`${Number(loss.toPrecision(6))}% packet loss`);
    words.push(`time ${Math.round(timeMs)}ms`);
  }
  const lines = ['', `--- ${destination} ping statistics ---`, words.join(', ')];
  if (rttMs !== null) {
    const values = [rttMs.min, rttMs.avg, rttMs.max, rttMs.mdev].map((value) => value.toFixed(3));
    lines.push(`rtt min/avg/max/mdev = ${values.join('/')} ms`);
  }
  return `${lines.join('\n')}\n`;
}

/** Three digits that mean something, as iputils. */
function formatTime(ms: number): string {
  if (ms >= 100) return ms.toFixed(0);
  if (ms >= 10) return ms.toFixed(1);
  return ms >= 1 ? ms.toFixed(2) : ms.toFixed(3);
}
