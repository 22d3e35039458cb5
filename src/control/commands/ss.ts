/**
 * `tapstack ss`: sockets as ss(8) shows them.
 */
import type { QueryCommand } from '../command.ts';
import { optional, query, repeated, toggle, word } from '../command.ts';
import type { SocketKind, SocketReport, SocketTimerReport, TcpReport } from '../report.ts';
import { ConfigError } from '../schema.ts';
import type { SocketState } from '../socket-filter.ts';
import { parseSocketFilter, portName, SOCKET_STATES } from '../socket-filter.ts';
import { word as text } from '../types.ts';

const ALL_KINDS: readonly SocketKind[] = ['tcp', 'udp', 'raw', 'icmp'];

const ss: QueryCommand = query({
  name: 'ss',
  summary: 'show sockets and connections, as ss does',
  details:
    'Without -a or -l those that are connected. A filter stands at the end: `state established`, ' +
    '`exclude time-wait`, then conditions such as `sport = :80`, `dport != :22`, `dst 10.0.0.0/8`, ' +
    '`src 10.77.0.2:80`, joined by `and`, `or`, `not` and parentheses.',
  examples: [
    'tapstack ss -tan',
    'tapstack ss -tl',
    'tapstack ss -ti state established sport = :80',
    "tapstack ss -tn 'dst 10.0.0.0/8 and ( dport = :80 or dport = :443 )'",
    'tapstack ss -t -i --json',
  ],
  params: {
    tcp: toggle('-t, --tcp', 'TCP'),
    udp: toggle('-u, --udp', 'UDP'),
    raw: toggle('-w, --raw', 'raw sockets, and those for pings'),
    listening: toggle('-l, --listening', 'only those that listen, or have no peer'),
    all: toggle('-a, --all', 'these, and those that are connected'),
    numeric: toggle('-n, --numeric', 'ports as numbers'),
    info: toggle('-i, --info', 'what TCP knows of the connection'),
    memory: toggle('-m, --memory', 'bytes in buffers, and how many there may be'),
    options: toggle('-o, --options', 'timers'),
    header: toggle('-H, --no-header', 'without the line of titles'),
    filter: repeated(optional(word(text, 'which ones'))),
  },
  run: (now, host, args) => {
    const filter = parseSocketFilter(args.filter);
    if (filter instanceof ConfigError) return filter;
    const kinds = kindsOf(args);
    const states = filter.states ?? defaultStates(args.all === true, args.listening === true);
    return host.sockets(now, {
      kinds: new Set(kinds),
      filter: { ...filter, states },
      info: args.info === true,
      memory: args.memory === true,
      timers: args.options === true,
    });
  },
  render: (sockets: readonly SocketReport[], { args }) =>
    formatSockets(sockets, {
      hasNetid: kindsOf(args).length !== 1,
      isNumeric: args.numeric === true,
      hasHeader: args.header !== true,
    }),
});

export const ssCommands: readonly QueryCommand[] = [ss];

function kindsOf(args: {
  readonly tcp?: unknown;
  readonly udp?: unknown;
  readonly raw?: unknown;
}): readonly SocketKind[] {
  const kinds: SocketKind[] = [];
  if (args.tcp === true) kinds.push('tcp');
  if (args.udp === true) kinds.push('udp');
  if (args.raw === true) kinds.push('raw', 'icmp');
  return kinds.length === 0 ? ALL_KINDS : kinds;
}

function defaultStates(isAll: boolean, isListening: boolean): ReadonlySet<SocketState> {
  if (isAll) return new Set(SOCKET_STATES);
  if (isListening) return new Set(['listening', 'closed']);
  return new Set(
    SOCKET_STATES.filter((state) => !['listening', 'closed', 'time-wait', 'syn-recv'].includes(state)),
  );
}

export interface SocketLayout {
  readonly hasNetid: boolean;
  readonly isNumeric: boolean;
  readonly hasHeader: boolean;
}

/** Columns as wide as they have to be; numbers and addresses to the right, ports to the left, as ss has them. */
export function formatSockets(sockets: readonly SocketReport[], layout: SocketLayout): string {
  const { hasNetid, isNumeric, hasHeader } = layout;
  const rows = sockets.map((socket) => [
    ...(hasNetid ? [socket.netid] : []),
    socket.state,
    String(socket.recvQ),
    String(socket.sendQ),
    addressText(socket.local, socket.dev),
    portText(socket.localPort, isNumeric),
    addressText(socket.peerPort === 0 && isAny(socket.peer) ? '0.0.0.0' : socket.peer, undefined),
    portText(socket.peerPort, isNumeric),
  ]);
  const titles = [
    ...(hasNetid ? ['Netid'] : []),
    'State',
    'Recv-Q',
    'Send-Q',
    'Local Address',
    'Port',
    'Peer Address',
    'Port',
  ];
  const lines = hasHeader ? [titles, ...rows] : rows;
  const widths = titles.map((_, column) =>
    Math.max(0, ...lines.map((line) => (line[column] as string).length)),
  );
  const first = hasNetid ? 3 : 2;
  const line = (cells: readonly string[]): string => {
    const out: string[] = [];
    for (const [column, cell] of cells.entries()) {
      const width = widths[column] as number;
      const isAddress = column === first + 1 || column === first + 3;
      const isPort = column === first + 2 || column === first + 4;
      if (isPort) out[out.length - 1] = `${out.at(-1) as string}:${cell.padEnd(width)}`;
      else out.push(isAddress ? cell.padStart(width) : cell.padEnd(width));
    }
    return out.join(' ');
  };
  const texts = rows.map((row, index) => `${line(row)}${details(sockets[index] as SocketReport)}`);
  const all = hasHeader ? [line(titles), ...texts] : texts;
  return all.map((one) => `${one.trimEnd()}\n`).join('');
}

function details({ timer, memory, tcp }: SocketReport): string {
  const second: string[] = [];
  if (memory !== undefined) {
    const { receive, receiveMax, send, sendMax } = memory;
    second.push(`skmem:(r${receive},rb${receiveMax},t0,tb${sendMax},f0,w${send},o0,bl0,d0)`);
  }
  if (tcp !== undefined) second.push(infoText(tcp));
  const first = timer === undefined ? '' : ` timer:(${timerText(timer)})`;
  return second.length === 0 ? first : `${first}\n\t ${second.join(' ')}`;
}

function isAny(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}

function addressText(address: string, dev: string | undefined): string {
  const host = address.includes(':') ? `[${address}]` : address;
  return dev === undefined ? host : `${host}%${dev}`;
}

function portText(port: number, isNumeric: boolean): string {
  if (port === 0) return '*';
  return (isNumeric ? null : portName(port)) ?? String(port);
}

const MS_PER_SEC = 1_000;
const MS_PER_MIN = 60_000;

/** As ss: `24sec`, `1min53sec`, `119min`, `1.204ms`, `204ms`. */
function timerText({ name, expiresMs, retransmits }: SocketTimerReport): string {
  const ms = Math.max(0, Math.floor(expiresMs));
  let time: string;
  if (ms >= MS_PER_MIN) {
    const seconds = Math.floor((ms % MS_PER_MIN) / MS_PER_SEC);
    const isRound = seconds === 0 || ms >= 10 * MS_PER_MIN;
    time = `${Math.floor(ms / MS_PER_MIN)}min${isRound ? '' : `${seconds}sec`}`;
  } else if (ms >= 10 * MS_PER_SEC) {
    time = `${Math.floor(ms / MS_PER_SEC)}sec`;
  } else if (ms >= MS_PER_SEC) {
    time = `${Math.floor(ms / MS_PER_SEC)}.${String(ms % MS_PER_SEC).padStart(3, '0')}ms`;
  } else {
    time = `${ms}ms`;
  }
  return `${name},${time},${retransmits}`;
}

const SSTHRESH_INFINITE = 0x7fff_ffff;
const OPTION_NAMES: readonly (readonly [bit: number, name: string])[] = [
  [1, 'ts'],
  [2, 'sack'],
  [8, 'ecn'],
];
const OPTION_WSCALE = 4;
const US_PER_MS = 1_000;
const BITS = 8;

/** The line of `ss -i`, in its order. */
function infoText({ congestion, info }: TcpReport): string {
  const field = (name: string): number => info[`tcpi_${name}`] ?? 0;
  const words: string[] = [];
  const add = (label: string, value: number): void => {
    if (value !== 0) words.push(`${label}:${value}`);
  };
  const options = field('options');
  for (const [bit, name] of OPTION_NAMES) if ((options & bit) !== 0) words.push(name);
  words.push(congestion);
  if ((options & OPTION_WSCALE) !== 0) words.push(`wscale:${field('snd_wscale')},${field('rcv_wscale')}`);
  words.push(`rto:${trim(field('rto') / US_PER_MS)}`);
  add('backoff', field('backoff'));
  if (field('rtt') !== 0) {
    words.push(`rtt:${trim(field('rtt') / US_PER_MS)}/${trim(field('rttvar') / US_PER_MS)}`);
  }
  add('ato', field('ato') / US_PER_MS);
  add('mss', field('snd_mss'));
  add('pmtu', field('pmtu'));
  add('rcvmss', field('rcv_mss'));
  add('advmss', field('advmss'));
  add('cwnd', field('snd_cwnd'));
  if (field('snd_ssthresh') < SSTHRESH_INFINITE) add('ssthresh', field('snd_ssthresh'));
  for (const name of ['bytes_sent', 'bytes_retrans', 'bytes_acked', 'bytes_received']) add(name, field(name));
  for (const name of ['segs_out', 'segs_in', 'data_segs_out', 'data_segs_in']) add(name, field(name));
  if (field('rtt') > 0) {
    const rate = (field('snd_cwnd') * field('snd_mss') * BITS * 1e6) / field('rtt');
    words.push(`send ${Math.floor(rate)}bps`);
  }
  add('lastsnd', field('last_data_sent'));
  add('lastrcv', field('last_data_recv'));
  add('lastack', field('last_ack_recv'));
  if (field('pacing_rate') > 0) words.push(`pacing_rate ${Math.floor(field('pacing_rate') * BITS)}bps`);
  if (field('delivery_rate') > 0) words.push(`delivery_rate ${Math.floor(field('delivery_rate') * BITS)}bps`);
  add('delivered', field('delivered'));
  if (field('delivery_rate_app_limited') !== 0) words.push('app_limited');
  add('unacked', field('unacked'));
  if (field('total_retrans') > 0) words.push(`retrans:${field('retrans')}/${field('total_retrans')}`);
  add('lost', field('lost'));
  add('sacked', field('sacked'));
  add('dsack_dups', field('dsack_dups'));
  if (field('reordering') !== 3) add('reordering', field('reordering'));
  if (field('rcv_rtt') > 0) words.push(`rcv_rtt:${trim(field('rcv_rtt') / US_PER_MS)}`);
  add('rcv_space', field('rcv_space'));
  add('rcv_ssthresh', field('rcv_ssthresh'));
  add('notsent', field('notsent_bytes'));
  if (field('min_rtt') > 0) words.push(`minrtt:${trim(field('min_rtt') / US_PER_MS)}`);
  add('rcv_ooopack', field('rcv_ooopack'));
  add('snd_wnd', field('snd_wnd'));
  add('rcv_wnd', field('rcv_wnd'));
  return words.join(' ');
}

/** As printf's `%g`: at most three digits behind the point, no zeros at the end. */
function trim(value: number): string {
  return String(Number(value.toFixed(3)));
}
