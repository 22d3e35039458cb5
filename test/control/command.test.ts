/** From the words of a command line to what the stack is asked, and to the sentence about what is wrong with them. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import t from 'tap';
import type { Instant } from '../../src/base/time.ts';
import type { Command, RawArgs } from '../../src/control/command.ts';
import { readArgs } from '../../src/control/command.ts';
import { COMMANDS } from '../../src/control/commands/list.ts';
import { readUp } from '../../src/control/commands/up.ts';
import { completionScript } from '../../src/control/completion.ts';
import { runtimeDir, socketPath } from '../../src/control/paths.ts';
import { referencePage } from '../../src/control/reference.ts';
import { ConfigError } from '../../src/control/schema.ts';
import { describeError, usage } from '../../src/control/usage.ts';
import { parseWords } from '../../src/control/words.ts';
import { FakeHost } from './fake-host.ts';

const NOW = 0 as Instant;
const PAGE = new URL('../../../docs/commands.md', import.meta.url);

function command(name: string): Command {
  const found = COMMANDS.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no command ${name}`);
  return found;
}

/** What the stack was asked, or the sentence. */
function call(name: string, words: string, options: RawArgs = {}): unknown {
  const one = command(name);
  const args: RawArgs = { ...options };
  const wrong = parseWords(one.params, words === '' ? [] : words.split(' '), args);
  if (wrong !== null) return describeError(one, wrong);
  if (one.kind === 'local') throw new Error('runs without a stack');
  const host = new FakeHost();
  const result = one.run(NOW, host, args);
  if (result instanceof ConfigError) return describeError(one, result);
  return host.calls.at(-1);
}

function upConfig(raw: RawArgs, isRoot = true): Record<string, unknown> {
  return plain(readUp(raw, isRoot)) as Record<string, unknown>;
}

/** Values of classes as they print. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (_, one: unknown) => textOf(one)));
}

function textOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.getPrototypeOf(value) === Object.prototype
    ? value
    : (value as { toString(): string }).toString();
}

t.test("ip's grammar: words stand in their place or behind their keyword", (t) => {
  const hop = { onlink: false };
  t.same(plain(call('route add', '10.0.0.0/8 via 10.77.0.1 dev tap0 metric 5 mtu 1400')), [
    'changeRoute',
    'add',
    {
      prefix: '10.0.0.0/8',
      hop: { via: '10.77.0.1', dev: 'tap0', onlink: false },
      hops: [],
      metric: 5,
      mtu: 1400,
    },
  ]);
  t.same(plain(call('route add', 'via 10.77.0.1 to default')), [
    'changeRoute',
    'add',
    { prefix: '0.0.0.0/0', hop: { ...hop, via: '10.77.0.1' }, hops: [] },
  ]);
  t.same(plain(call('route del', 'blackhole 10.9.0.0/16 table 100')), [
    'changeRoute',
    'del',
    { type: 'blackhole', prefix: '10.9.0.0/16', hop, hops: [], table: 100 },
  ]);
  t.end();
});

t.test(
  'groups: each next hop has keywords of its own, which end with the first that is none of theirs',
  (t) => {
    t.same(
      plain(call('route add', '10.0.0.0/8 nexthop via 10.77.0.1 weight 2 nexthop dev tap1 onlink table 7')),
      [
        'changeRoute',
        'add',
        {
          prefix: '10.0.0.0/8',
          hop: { onlink: false },
          hops: [
            { via: '10.77.0.1', weight: 2, onlink: false },
            { dev: 'tap1', onlink: true },
          ],
          table: 7,
        },
      ],
    );
    t.equal(
      call('route add', '10.0.0.0/8 nexthop via 10.77.0.1 nexthop via ten'),
      'tapstack route add: nexthop 2 via: "ten" is no IP address; write one such as 10.77.0.1',
    );
    t.end();
  },
);

/** What is typed, options, and what the stack is asked. */
const CALLS: [string, string, RawArgs, unknown][] = [
  ['link show', '', {}, ['links', null]],
  ['link show', 'dev tap0', {}, ['links', 'tap0']],
  ['link set', 'tap0 down', {}, ['changeLink', 'tap0', { isUp: false }]],
  ['link set', 'dev tap0 up mtu 1400', {}, ['changeLink', 'tap0', { isUp: true, mtu: 1400 }]],
  ['addr show', 'lo', {}, ['links', 'lo']],
  ['addr add', '10.77.0.3/24 dev tap0', {}, ['addAddress', 'tap0', '10.77.0.3/24']],
  ['addr add', 'local 10.77.0.3/24', {}, ['addAddress', null, '10.77.0.3/24']],
  ['addr del', '10.77.0.3', {}, ['deleteAddress', null, '10.77.0.3/32']],
  ['route show', '', {}, ['routes', { table: 254 }]],
  ['route show', 'table all dev tap0', {}, ['routes', { table: 0, dev: 'tap0' }]],
  ['route flush', 'proto static', {}, ['flushRoutes', { table: 254, protocol: 'static' }]],
  [
    'route get',
    '10.0.0.1 from 10.77.0.2 mark 0x1',
    {},
    ['routeTo', { to: '10.0.0.1', from: '10.77.0.2', mark: 1 }],
  ],
  [
    'rule add',
    'not from 10.77.0.0/24 fwmark 1/3 dport 53 lookup 100 pref 7',
    {},
    [
      'addRule',
      {
        isInverted: true,
        from: '10.77.0.0/24',
        mark: 1,
        markMask: 3,
        destinationPorts: [53, 53],
        priority: 7,
        action: 100,
      },
    ],
  ],
  ['rule del', 'from all prohibit', {}, ['deleteRule', { isInverted: false, action: 'prohibit' }]],
  ['rule add', 'to 10.3.0.0/16', {}, ['addRule', { isInverted: false, to: '10.3.0.0/16', action: 254 }]],
  [
    'neigh add',
    '10.77.0.9 lladdr 2:0:0:0:0:9 dev tap0',
    {},
    [
      'setNeighbor',
      'add',
      { address: '10.77.0.9', dev: 'tap0', mac: '02:00:00:00:00:09', state: 'permanent' },
    ],
  ],
  ['neigh del', '10.77.0.9', {}, ['deleteNeighbor', '10.77.0.9', null]],
  ['neigh flush', 'dev tap0', {}, ['flushNeighbors', 'tap0']],
  [
    'ping',
    '10.77.0.1',
    { count: '3', interval: '0.2', pathMtu: 'do', timeout: '2' },
    [
      'ping',
      {
        destination: '10.77.0.1',
        count: 3,
        intervalMs: 200,
        dataBytes: 56,
        timeoutMs: 2000,
        pathMtu: 'do',
      },
    ],
  ],
  [
    'traceroute',
    '10.77.0.1 100',
    { icmp: true, probes: '1' },
    [
      'traceroute',
      {
        destination: '10.77.0.1',
        method: 'icmp',
        firstTtl: 1,
        lastTtl: 30,
        probesPerHop: 1,
        waitMs: 5000,
        bytes: 100,
        port: 33_434,
      },
    ],
  ],
  ['capture', 'tap0', { write: '-', count: '2' }, ['capture', { format: 'pcapng', dev: 'tap0', count: 2 }]],
  ['capture', '', {}, ['capture', { format: 'text' }]],
  ['down', '', {}, ['down']],
];

t.test('every command asks what its words say', (t) => {
  for (const [name, words, options, want] of CALLS)
    t.same(plain(call(name, words, options)), want, `${name} ${words}`);
  t.end();
});

t.test('what is wrong is one sentence that says where', (t) => {
  const cases: [string, string, RegExp][] = [
    ['route add', '', /^tapstack route add: PREFIX: is missing$/],
    ['route add', '10.0.0.0/8 via', /^tapstack route add: via: is not followed by its ADDRESS$/],
    ['route add', '10.0.0.0/8 via 10.0.0.1 via 10.0.0.2', /^tapstack route add: via: stands here twice$/],
    ['route add', '10.0.0.0/8 10.0.0.1', /^tapstack route add: "10.0.0.1" is not expected here$/],
    ['route add', '10.0.0.1/8 via 10.0.0.1', /has bits behind its length; the network is 10.0.0.0\/8$/],
    ['route add', '10.0.0.0/8 metric -1', /^tapstack route add: metric: "-1" is no whole number from 0 to/],
    ['link set', 'tap0', /nothing is to be changed; say up, down or mtu BYTES$/],
    ['link set', 'tap0 mtu 67', /mtu: "67" is no whole number from 68 to 65535$/],
    ['rule add', 'table 5 prohibit', /prohibit: a rule looks up a table or refuses, not both$/],
    ['neigh add', '10.77.0.9', /^tapstack neigh add: lladdr: is missing$/],
    ['status', 'now', /^tapstack status: "now" is not expected here$/],
  ];
  for (const [name, words, want] of cases) t.match(call(name, words), want, `${name} ${words}`);
  t.match(
    call('ping', '10.77.0.1', { interval: '0' }),
    /^tapstack ping: --interval: "0" is no number from 0.002/,
  );
  t.match(
    call('traceroute', '10.0.0.1', { first: '5', last: '4' }),
    /--first: begins at 5, behind the last hop, 4$/,
  );
  t.end();
});

t.test('arguments from the socket are read as strictly as words', (t) => {
  const { params } = command('route add');
  const problem = (raw: RawArgs): string => {
    const read = readArgs(params, raw);
    return read instanceof ConfigError ? read.text : 'taken';
  };
  t.equal(problem({ prefix: '10.0.0.0/8', nexthops: [{ via: '10.0.0.1', weight: 2 }] }), 'taken');
  t.equal(problem({ prefix: '10.0.0.0/8', extra: 1 }), 'extra: there is no such parameter');
  t.equal(problem({ prefix: '10.0.0.0/8', nexthops: 'x' }), 'nexthops: "x" is no list');
  t.equal(problem({ prefix: '10.0.0.0/8', nexthops: [7] }), 'nexthops.1: 7 is no group of parameters');
  t.match(problem({ prefix: '10.0.0.0/8', nexthops: [{ via: 1 }] }), /^nexthops\.1\.via: 1 is no IP address/);
  t.match(problem({ prefix: ['10.0.0.0/8'] }), /^prefix: \["10/);
  t.match(
    problem(JSON.parse('{"prefix":"10.0.0.0/8","__proto__":{"via":"x"}}') as RawArgs),
    'no such parameter',
  );
  t.end();
});

t.test(
  'up: no flags are a tap device tapstack0, 10.77.0.1/24 on the host, 10.77.0.2/24 on the stack',
  (t) => {
    t.same(plain(readUp({}, true)), {
      name: 'tapstack0',
      mode: 'tap',
      device: 'tapstack0',
      fd: null,
      netns: null,
      addresses: ['10.77.0.2/24'],
      hostAddress: '10.77.0.1/24',
      gateway: '10.77.0.1',
      mac: null,
      mtu: 1_500,
      queueLength: 1_000,
      offload: true,
      probe: false,
      ipForward: false,
      services: true,
      capture: null,
      detach: false,
      logLevel: 'info',
      congestion: null,
      user: 'nobody',
    });
    t.end();
  },
);

t.test('up: what is not given follows from what is', (t) => {
  t.same(upConfig({}, false).user, null, 'who is not root stays who it is');
  t.same(upConfig({ name: 'lab0' }).device, 'lab0');
  t.same(upConfig({ name: 'lab0', dev: 'x0' }).device, 'x0');
  t.same(upConfig({ address: ['192.0.2.1/24'] }).hostAddress, '192.0.2.2/24', 'the first that is free');
  t.same(upConfig({ address: ['192.0.2.9/24', '192.0.2.1/24'] }).gateway, '192.0.2.2');
  t.same(upConfig({ address: ['192.0.2.0/31'] }).hostAddress, '192.0.2.1/31');
  t.same(upConfig({ address: ['192.0.2.5/32'] }).hostAddress, null, 'a network of one has no room');
  t.same(upConfig({ hostAddress: 'none' }).gateway, null);
  t.same(upConfig({ hostAddress: 'none', gateway: '10.77.0.9' }).gateway, '10.77.0.9');
  t.same(upConfig({ gateway: 'none' }).gateway, null);
  const handed = upConfig({ fd: '3' });
  t.same([handed.fd, handed.hostAddress, handed.gateway], [3, null, '10.77.0.1'], 'somebody set the host up');
  t.same(upConfig({ fd: '3', hostAddress: '10.77.0.1/24' }).hostAddress, '10.77.0.1/24');
  const { mode, offload, services } = upConfig({ tun: true, noOffload: true, noServices: true });
  t.same([mode, offload, services], ['tun', false, false]);
  t.end();
});

t.test('up: flags that do not go together', (t) => {
  const up = command('up');
  const problem = (raw: RawArgs): string => {
    const read = readUp(raw, true);
    return read instanceof ConfigError ? describeError(up, read) : 'taken';
  };
  const cases: [RawArgs, RegExp][] = [
    [{ tun: true, tap: true }, /--tun: a device is tun or tap; leave out one$/],
    [{ fd: '3', dev: 'x' }, /--dev: the descriptor of --fd has its device; leave this out$/],
    [{ fd: '3', tun: true }, /--tun: the descriptor/],
    [{ name: 'a-rather-long-name' }, /--name: is too long to name the device; name it by --dev/],
    [{ address: ['::1/64'] }, /--address: "::1\/64" is IPv6, which the stack does not speak yet$/],
    [{ address: ['224.0.0.1/24'] }, /--address: "224.0.0.1" cannot be the address of a host$/],
    [{ address: ['10.1.0.1/24', '10.1.0.1/16'] }, /--address: "10.1.0.1" is given twice$/],
    [
      { hostAddress: '10.77.0.2/24' },
      /--host-address: "10.77.0.2" is the address of the stack; the two must differ$/,
    ],
    [{ address: ['10.77.0.2/40'] }, /--address 1: |--address: "10.77.0.2\/40" is no address/],
    [{ mtu: '67' }, /--mtu: "67" is no whole number from 68 to 65535$/],
    [{ mac: '01:00:00:00:00:00' }, /--mac: "01:00:00:00:00:00" is not the address of one station$/],
    [{ gateway: 'x' }, /--gateway: "x" is no IP address/],
    [{ logLevel: 'loud' }, /--log-level: "loud" is not trace, debug, info, warn, error or silent$/],
  ];
  for (const [raw, want] of cases) t.match(problem(raw), want, JSON.stringify(raw));
  t.end();
});

t.test('the usage line has words and options', (t) => {
  t.equal(usage(command('link set')), 'tapstack link set [dev] DEVICE [up|down] [mtu BYTES]');
  t.equal(usage(command('neigh del')), 'tapstack neigh del [to] ADDRESS [dev DEVICE]');
  t.match(usage(command('ping')), /^tapstack ping HOST \[options\]$/);
  t.end();
});

t.test('every command says what it is for, and every parameter too', (t) => {
  const names = COMMANDS.map(({ name }) => name);
  t.equal(new Set(names).size, names.length, 'no name twice');
  for (const { name, summary, params } of COMMANDS) {
    t.match(summary, /^[a-z].*[^.]$/, name);
    for (const [key, param] of Object.entries(params)) t.match(param.summary, /\S.*[^.]$/, `${name} ${key}`);
  }
  t.end();
});

t.test('docs/commands.md is up to date', (t) => {
  t.equal(readFileSync(PAGE, 'utf8'), referencePage(COMMANDS), 'else run scripts/generate');
  t.end();
});

t.test('the completion script completes', (t) => {
  const script = completionScript(COMMANDS, 'bash');
  const complete = (line: string): string[] => {
    const words = line.split(' ');
    const setup = `COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}`;
    const { stdout, stderr } = spawnSync(
      'bash',
      ['-c', `${script}\n${setup}\n_tapstack\necho "\${COMPREPLY[@]}"`],
      {
        encoding: 'utf8',
      },
    );
    if (stderr !== '') t.comment(stderr);
    return stdout.trim().split(' ');
  };
  t.same(complete('tapstack ro'), ['route']);
  t.same(complete('tapstack route de'), ['del', 'dev']);
  t.same(complete('tapstack route add 10.0.0.0/8 nexth'), ['nexthop']);
  t.same(complete('tapstack --name lab0 link set x0 u'), ['up']);
  t.same(complete('tapstack route show proto b'), ['boot', 'bird', 'bgp']);
  t.same(complete('tapstack up --log-level w'), ['warn']);
  t.same(complete('tapstack ping --cou'), ['--count']);
  t.ok(complete('tapstack ').includes('status'));
  t.match(completionScript(COMMANDS, 'zsh'), 'bashcompinit');
  t.end();
});

t.test('the control socket is where only its owner looks', (t) => {
  const base = { uid: 0, runtimeDir: undefined, override: undefined };
  t.equal(runtimeDir(base), '/run/tapstack');
  t.equal(runtimeDir({ ...base, uid: 1_000, runtimeDir: '/run/user/1000' }), '/run/user/1000/tapstack');
  t.equal(runtimeDir({ ...base, uid: 1_000 }), '/tmp/tapstack-1000');
  t.equal(runtimeDir({ ...base, override: '/x' }), '/x');
  t.equal(socketPath('/run/tapstack', 'lab0'), '/run/tapstack/lab0.sock');
  t.end();
});
