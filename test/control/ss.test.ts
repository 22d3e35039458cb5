import t from 'tap';
import type { Ip } from '../../src/addr/ip.ts';
import { parseIp } from '../../src/addr/ip.ts';
import type { Instant } from '../../src/base/time.ts';
import type { RawArgs } from '../../src/control/command.ts';
import { formatSockets, ssCommands } from '../../src/control/commands/ss.ts';
import type { SocketRequest } from '../../src/control/host.ts';
import type { SocketReport } from '../../src/control/report.ts';
import { ConfigError } from '../../src/control/schema.ts';
import type { SocketNames } from '../../src/control/socket-filter.ts';
import { matches, parseSocketFilter, SOCKET_STATES } from '../../src/control/socket-filter.ts';
import { FakeHost } from './fake-host.ts';

const ss = ssCommands[0] as (typeof ssCommands)[number];

function requestOf(args: RawArgs): SocketRequest {
  const host = new FakeHost();
  const answer = ss.run(0 as Instant, host, args);
  if (answer instanceof ConfigError) throw new Error(answer.text);
  return host.calls[0]?.[1] as SocketRequest;
}

const names = (local: string, localPort: number, peer: string, peerPort: number): SocketNames => ({
  local: parseIp(local) as Ip,
  localPort,
  peer: parseIp(peer) as Ip,
  peerPort,
});

const ONE = names('10.77.0.2', 80, '10.77.0.1', 40_000);

function isMatch(text: string, of: SocketNames = ONE): boolean | string {
  const filter = parseSocketFilter(text.split(' '));
  if (filter instanceof ConfigError) return filter.text;
  return filter.expression === null || matches(filter.expression, of);
}

const states = (args: RawArgs): string[] => [...(requestOf(args).filter.states ?? [])];

t.test('which states are shown without a filter, as ss has it', (t) => {
  t.ok(states({}).includes('established') && states({}).includes('syn-sent'));
  t.notOk(states({}).some((state) => ['listening', 'closed', 'time-wait'].includes(state)));
  t.strictSame(states({ listening: true }), ['listening', 'closed']);
  t.strictSame(states({ all: true }), [...SOCKET_STATES]);
  t.strictSame(states({ filter: ['state', 'listening', 'state', 'estab'] }), ['listening', 'established']);
  t.notOk(states({ filter: ['exclude', 'time-wait'] }).includes('time-wait'));
  t.ok(states({ filter: ['state', 'connected', 'exclude', 'bucket'] }).includes('fin-wait-1'));
  t.notOk(states({ filter: ['state', 'connected', 'exclude', 'bucket'] }).includes('time-wait'));
  t.end();
});

t.test('which kinds', (t) => {
  t.strictSame([...requestOf({}).kinds], ['tcp', 'udp', 'raw', 'icmp']);
  t.strictSame([...requestOf({ tcp: true, udp: true }).kinds], ['tcp', 'udp']);
  t.strictSame([...requestOf({ raw: true }).kinds], ['raw', 'icmp']);
  const { info, memory, timers } = requestOf({ info: true, memory: true, options: true });
  t.strictSame([info, memory, timers], [true, true, true]);
  t.end();
});

t.test('conditions on ports and addresses', (t) => {
  for (const [text, want] of [
    ['sport = :80', true],
    ['sport :80', true],
    ['sport 80', true],
    ['sport = :http', true],
    ['sport == 80', true],
    ['sport eq :81', false],
    ['sport != :81', true],
    ['dport > :1024', true],
    ['dport le 40000', true],
    ['dport lt 40000', false],
    ['dport >= :40000', true],
    ['dst 10.0.0.0/8', true],
    ['dst 10.77.0.1', true],
    ['dst = 10.77.0.1:40000', true],
    ['dst 10.77.0.1:1', false],
    ['dst != 192.0.2.0/24', true],
    ['src 10.77.0.2:http', true],
    ['src :80', true],
    ['src *:80', true],
    ['src 10.77.0.2:*', true],
    ['src 10.77.0.99/24', true],
    ['dst ::/0', false],
    ['dst [2001:db8::1]:80', false],
    ['sport = :80 and dport = :40000', true],
    ['sport = :80 dport = :1', false],
    ['sport = :1 or dport = :40000', true],
    ['sport = :1 or dport = :40000 and dst 192.0.2.1', false],
    ['( sport = :1 or dport = :40000 ) and dst 10.0.0.0/8', true],
    ['(sport = :1 or dport = :40000) and not dst 10.0.0.0/8', false],
    ['! sport = :80', false],
    ['not ( not sport = :80 )', true],
    ['state established sport = :81', false],
    ['state established and sport = :80', true],
  ] as const) {
    t.equal(isMatch(text), want, text);
  }
  t.equal(isMatch('dst 2001:db8::/32', names('::1', 1, '2001:db8::1', 2)), true);
  t.equal(isMatch('dst [2001:db8::1]:2', names('::1', 1, '2001:db8::1', 2)), true);
  t.end();
});

t.test('what is wrong with a filter, in a sentence', (t) => {
  for (const [text, want] of [
    ['state', /not followed by a state/],
    ['state open', /"open" is no state: all, connected/],
    ['sport', /no port/],
    ['sport = :99999', /":99999" is no port; write one such as :80/],
    ['dst 10.0.0.300', /no address; write one such as/],
    ['port = :80', /"port" is no condition: sport, dport, src or dst/],
    ['( sport = :80', /`\(` has no `\)`/],
    ['sport = :80 )', /"\)" is not expected here/],
    ['sport = :80 or', /ends where a condition is expected/],
    ['not', /ends where a condition is expected/],
  ] as const) {
    t.match(isMatch(text), want, text);
  }
  t.end();
});

const ESTABLISHED: SocketReport = {
  netid: 'tcp',
  state: 'ESTAB',
  recvQ: 0,
  sendQ: 1_448,
  local: '10.77.0.2',
  localPort: 80,
  peer: '10.77.0.1',
  peerPort: 40_000,
};
const LISTENING: SocketReport = {
  netid: 'tcp',
  state: 'LISTEN',
  recvQ: 0,
  sendQ: 128,
  local: '0.0.0.0',
  localPort: 12_345,
  peer: '0.0.0.0',
  peerPort: 0,
  dev: 'tap0',
};

t.test('columns', (t) => {
  t.equal(
    formatSockets([ESTABLISHED, LISTENING], { hasNetid: false, isNumeric: false, hasHeader: true }),
    `State  Recv-Q Send-Q Local Address:Port  Peer Address:Port
ESTAB  0      1448       10.77.0.2:http     10.77.0.1:40000
LISTEN 0      128     0.0.0.0%tap0:12345      0.0.0.0:*
`,
  );
  t.equal(
    formatSockets([{ ...ESTABLISHED, peer: '2001:db8::1' }], {
      hasNetid: true,
      isNumeric: true,
      hasHeader: false,
    }),
    'tcp ESTAB 0 1448 10.77.0.2:80 [2001:db8::1]:40000\n',
  );
  t.equal(formatSockets([], { hasNetid: false, isNumeric: false, hasHeader: false }), '');
  t.end();
});

t.test('timers, memory and what TCP knows, in the words of ss', (t) => {
  const layout = { hasNetid: false, isNumeric: true, hasHeader: false };
  const timer = (name: 'on' | 'keepalive' | 'timewait', expiresMs: number): string =>
    formatSockets([{ ...ESTABLISHED, timer: { name, expiresMs, retransmits: 2 } }], layout).replace(
      /.*timer/,
      'timer',
    );
  t.equal(timer('on', 204.7), 'timer:(on,204ms,2)\n');
  t.equal(timer('on', 1_204), 'timer:(on,1.204ms,2)\n');
  t.equal(timer('timewait', 24_999), 'timer:(timewait,24sec,2)\n');
  t.equal(timer('keepalive', 7_199_000), 'timer:(keepalive,119min,2)\n');
  t.equal(timer('keepalive', 113_000), 'timer:(keepalive,1min53sec,2)\n');
  t.equal(timer('keepalive', 120_000), 'timer:(keepalive,2min,2)\n');
  const memory = { receive: 1, receiveMax: 2, send: 3, sendMax: 4 };
  const info = {
    tcpi_options: 7,
    tcpi_snd_wscale: 7,
    tcpi_rcv_wscale: 8,
    tcpi_rto: 204_000,
    tcpi_rtt: 1_500,
    tcpi_rttvar: 750,
    tcpi_ato: 40_000,
    tcpi_snd_mss: 1_448,
    tcpi_snd_cwnd: 10,
    tcpi_snd_ssthresh: 0x7fff_ffff,
    tcpi_total_retrans: 5,
    tcpi_retrans: 1,
    tcpi_pacing_rate: 1_000,
  };
  const text = formatSockets([{ ...ESTABLISHED, memory, tcp: { congestion: 'cubic', info } }], layout);
  t.equal(
    text.split('\n')[1],
    '\t skmem:(r1,rb2,t0,tb4,f0,w3,o0,bl0,d0) ts sack cubic wscale:7,8 rto:204 rtt:1.5/0.75 ato:40 mss:1448 cwnd:10 ' +
      'send 77226666bps pacing_rate 8000bps retrans:1/5',
  );
  t.end();
});
