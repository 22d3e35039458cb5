/**
 * `tapstack traceroute`: the routers on the way, in the form of Linux's traceroute with -n.
 */
import type { StreamCommand } from '../command.ts';
import { option, optional, stream, toggle, word } from '../command.ts';
import type { ProbeReport, TraceEnd, TraceItem } from '../report.ts';
import { ConfigError, decimal, integer } from '../schema.ts';
import { address, host } from '../types.ts';

const TTL_MAX = 255;
const HOPS_DEFAULT = 30;
const PROBES_MAX = 10;
const PROBES_DEFAULT = 3;
const WAIT_MAX_SEC = 60;
const WAIT_DEFAULT_SEC = 5;
/** An IPv4 header and eight bytes of UDP or ICMP. */
const BYTES_MIN = 28;
const BYTES_DEFAULT = 60;
const BYTES_MAX = 65_000;
const PORT_DEFAULT = 33_434;

const traceroute: StreamCommand = stream({
  name: 'traceroute',
  summary: 'show the routers on the way to a host',
  details:
    'Probes are UDP datagrams to ports that nobody has, or with -I echo requests. Addresses only, as with -n.',
  examples: ['tapstack traceroute 192.0.2.1', 'tapstack traceroute -I -q 1 -w 1 192.0.2.1'],
  params: {
    destination: word(host, 'whom'),
    bytes: optional(word(integer('BYTES', BYTES_MIN, BYTES_MAX), `of each probe; ${BYTES_DEFAULT}`)),
    icmp: toggle('-I, --icmp', 'probe with echo requests'),
    probes: option('-q, --queries', integer('N', 1, PROBES_MAX), `probes for each hop; ${PROBES_DEFAULT}`),
    wait: option('-w, --wait', decimal('SECONDS', 0.01, WAIT_MAX_SEC), `for an answer; ${WAIT_DEFAULT_SEC}`),
    last: option('-m, --max-hops', integer('TTL', 1, TTL_MAX), `end here; ${HOPS_DEFAULT}`),
    first: option('-f, --first', integer('TTL', 1, TTL_MAX), 'begin here; 1'),
    port: option('-p, --port', integer('PORT', 1, 65_535), `of the first UDP probe; ${PORT_DEFAULT}`),
    source: option('-s, --source', address, 'the source address'),
    numeric: toggle('-n', 'addresses, no names: as it is anyway'),
  },
  run: (now, host, args) => {
    const firstTtl = args.first ?? 1;
    const lastTtl = args.last ?? Math.max(HOPS_DEFAULT, firstTtl);
    if (firstTtl > lastTtl)
      return new ConfigError('first', `begins at ${firstTtl}, behind the last hop, ${lastTtl}`);
    return host.traceroute(now, {
      destination: args.destination,
      source: args.source,
      method: args.icmp === true ? 'icmp' : 'udp',
      firstTtl,
      lastTtl,
      probesPerHop: args.probes ?? PROBES_DEFAULT,
      waitMs: (args.wait ?? WAIT_DEFAULT_SEC) * 1_000,
      bytes: args.bytes ?? BYTES_DEFAULT,
      port: args.port ?? PORT_DEFAULT,
    });
  },
  render: formatTraceItem,
  renderEnd: () => '',
  // As traceroute: a way that does not end is an answer too.
  exitCode: (_end: TraceEnd) => 0,
});

export const tracerouteCommands: readonly StreamCommand[] = [traceroute];

export function formatTraceItem(item: TraceItem): string {
  if (item.type === 'start') {
    const { destination, hopsMax, bytes } = item;
    return `traceroute to ${destination} (${destination}), ${hopsMax} hops max, ${bytes} byte packets\n`;
  }
  let last: string | null = null;
  const words: string[] = [];
  for (const probe of item.probes) {
    words.push(formatProbe(probe, last));
    last = probe.from ?? last;
  }
  return `${String(item.ttl).padStart(2)} ${words.join('')}\n`;
}

/** The address only where it is another one than before. */
function formatProbe({ from, timeMs, mark }: ProbeReport, last: string | null): string {
  if (from === null || timeMs === null) return ' *';
  const address = from === last ? '' : ` ${from}`;
  return `${address}  ${timeMs.toFixed(3)} ms${mark === '' ? '' : ` ${mark}`}`;
}
