import t from 'tap';
import type { Rng } from '../../src/base/rng.ts';
import { rng } from '../../src/base/rng.ts';
import { valueText } from '../../src/script/call/values.ts';
import { Fault } from '../../src/script/fault.ts';
import type { Action, CallAction, PacketAction, Script, Value } from '../../src/script/language/ast.ts';
import { tokens } from '../../src/script/language/lexer.ts';
import { parseScript } from '../../src/script/language/parser.ts';
import type { Ecn, IpSpec, PacketSpec, Quoted, TcpOption } from '../../src/script/packet/spec.ts';
import { AE } from '../../src/script/packet/spec.ts';
import { packetText } from '../../src/script/packet/text.ts';

/** The one event of a script. */
function only(text: string): Action {
  const { events } = parseScript(text);
  if (events.length !== 1) throw new Error(`one event, not ${events.length}: ${text}`);
  return (events[0] as Script['events'][number]).action;
}

const call0 = (event: Script['events'][number] | undefined): CallAction => {
  if (event?.action.kind !== 'call') throw new Error('not a call');
  return event.action;
};
const packet = (text: string): PacketSpec => (only(`0 ${text}`) as PacketAction).packet;
const call = (text: string): CallAction => only(`0 ${text}`) as CallAction;

/** Why a script is not understood, and where. */
function refusal(text: string): string {
  try {
    parseScript(text);
  } catch (error) {
    if (error instanceof Fault && error.kind === 'unsupported') return `${error.line}: ${error.message}`;
    throw error;
  }
  return '';
}

const kinds = (text: string): string[] => tokens(text).map((token) => `${token.kind} ${token.text}`);

t.test('tokens', (t) => {
  t.test('the longest wins: sequence numbers, addresses, times, words', (t) => {
    t.same(kinds('1:1001(1000)'), [
      'integer 1',
      'sign :',
      'integer 1001',
      'sign (',
      'integer 1000',
      'sign )',
      'end ',
    ]);
    t.same(kinds('2001:db8::1 ::ffff:1.2.3.4 192.0.2.1'), [
      'ip6 2001:db8::1',
      'ip6 ::ffff:1.2.3.4',
      'ip4 192.0.2.1',
      'end ',
    ]);
    t.same(kinds('+.1...0.2'), ['sign +', 'float .1', 'ellipsis ...', 'float 0.2', 'end ']);
    t.same(kinds('0...5 0x1f 12ab -1'), [
      'integer 0',
      'ellipsis ...',
      'integer 5',
      'hex 0x1f',
      'word 12ab',
      'integer -1',
      'end ',
    ]);
    t.end();
  });

  t.test('comments of three kinds, strings, commands and code over lines', (t) => {
    const found = tokens('a // x\n# "y"\n/* z\n*/ "s\\"t" `cd\nef` %{ g }%\nh');
    t.same(
      found.map(({ kind, text, line }) => [kind, text, line]),
      [
        ['word', 'a', 1],
        ['string', 's\\"t', 4],
        ['command', 'cd\nef', 4],
        ['code', ' g ', 5],
        ['word', 'h', 6],
        ['end', '', 6],
      ],
    );
    t.end();
  });

  t.test('what begins and does not end is not understood', (t) => {
    t.equal(refusal('0 "abc'), '1: " without its "');
    t.equal(refusal('\n`abc'), '2: ` without its `');
    t.equal(refusal('/* abc'), '1: a comment without an end');
    t.equal(refusal('%{ assert'), '1: %{ without its }%');
    t.end();
  });
  t.end();
});

t.test('scripts', (t) => {
  t.test('options, the first command, events, the last command', (t) => {
    const script = parseScript(
      '--ip_version=ipv4-mapped-ipv6\n--remote_ip=192.0.2.1/24 --dry_run\n`first`\n0 `middle`\n%{ pass }%'.replace(
        '%{ pass }%',
        '+1 %{ x }%\n`last`',
      ),
    );
    t.same(
      script.options.map(({ name, value }) => [name, value]),
      [
        ['ip_version', 'ipv4-mapped-ipv6'],
        ['remote_ip', '192.0.2.1/24'],
        ['dry_run', null],
      ],
    );
    t.equal(script.init?.text, 'first');
    t.same(
      script.events.map(({ action }) => action.kind),
      ['command', 'code'],
    );
    t.equal(script.cleanup?.text, 'last');
    t.end();
  });

  t.test('times of each kind', (t) => {
    const times = ['0.5', '+.1', '2', '*', '0.1~0.3', '+0~+.2', '+0~.2'];
    t.same(
      times.map((time) => {
        const [event] = parseScript(`${time} > . 1:1(0) ack 1`).events;
        return [event?.time.kind, event?.time.start, event?.time.end];
      }),
      [
        ['absolute', 500_000, 500_000],
        ['relative', 100_000, 100_000],
        ['absolute', 2_000_000, 2_000_000],
        ['any', 0, 0],
        ['absolute range', 100_000, 300_000],
        ['relative range', 0, 200_000],
        ['relative range', 0, 200_000],
      ],
    );
    t.equal(refusal('* < . 1:1(0) ack 1 win 1'), '1: a time that is * for what the script itself does');
    t.equal(refusal('0~1 close(3) = 0'), '1: a time that is a range for what the script itself does');
    t.equal(refusal('2~1 > . 1:1(0) ack 1'), '1: a range of times that goes backwards');
    t.end();
  });

  t.test('symbols of --define stand for words, strings and commands', (t) => {
    const text = '--define=CC="reno"\n--define=PROTO=IPPROTO_TCP\n0 f(CC, PROTO, OTHER) = 0';
    const [event] = parseScript(text, new Map([['OTHER', '7']])).events;
    t.same(call0(event).args, [
      { kind: 'string', text: 'reno', isOpen: false },
      { kind: 'word', name: 'IPPROTO_TCP' },
      { kind: 'integer', value: 7 },
    ]);
    t.end();
  });

  t.test('what is not understood is told with its line', (t) => {
    t.equal(refusal('0 f() = 0\n+1 ?'), '2: expected a packet, a call, a command or code, but there is "?"');
    t.equal(refusal('0 f() = 0\n['), '2: expected a time, but there is "["');
    t.equal(refusal('0'), '1: expected a packet, a call, a command or code, but there is the end');
    t.equal(refusal('0 f(1 = 0'), '1: expected ), but there is "="');
    t.equal(refusal('`a`\n0 f() = 0\n`b`\n0 f() = 0'), '4: expected the end of the script, but there is "0"');
    t.end();
  });
  t.end();
});

t.test('calls', (t) => {
  t.test('arguments as strace prints them', (t) => {
    const texts = [
      '...',
      '3',
      'O_RDWR|O_NONBLOCK',
      '"reno"',
      '"re"...',
      '[1]',
      '[]',
      '{onoff=1, linger=0}',
      '{sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("192.0.2.1")}',
      '[{fd=3, events=POLLIN, revents=POLLIN|POLLOUT}]',
      '[[..., 1000], ["ab", 2]]',
    ];
    const action = call(`f(${texts.join(', ')}) = -1 EAGAIN (Resource temporarily unavailable)`);
    t.same(action.args.map(valueText), texts);
    t.same(action.result, { kind: 'integer', value: -1 });
    t.equal(action.errno, 'EAGAIN');
    t.end();
  });

  t.test('a message with sized fields and a vector in braces', (t) => {
    const text =
      'recvmsg(4, {msg_name(...)=..., msg_iov(1)=[{..., 1000}], msg_flags=MSG_EOR, ' +
      'msg_control=[{cmsg_level=SOL_TCP, cmsg_type=TCP_CM_INQ, cmsg_data=5}]}, 0) = 1000';
    const [, message] = call(text).args;
    if (message?.kind !== 'struct') return t.end();
    t.same(
      message.fields.map(({ name, size }) => [name, size === null ? null : valueText(size)]),
      [
        ['msg_name', '...'],
        ['msg_iov', '1'],
        ['msg_flags', null],
        ['msg_control', null],
      ],
    );
    return t.end();
  });

  t.test('blocking calls, hexadecimal results, notes', (t) => {
    const [event] = parseScript('+0.1...0.25 read(4, ..., 10) = 10').events;
    t.equal(call0(event).end, 250_000);
    t.same(call('fcntl(3, F_GETFL) = 0x802 (flags O_RDWR|O_NONBLOCK)').result, {
      kind: 'integer',
      value: 0x802,
    });
    t.equal(call('f() = 0 (it\'s "fine")').errno, null);
    t.same(call('f("a" "b\\n" "\\x41") = 0').args, [{ kind: 'string', text: 'ab\nA', isOpen: false }]);
    t.end();
  });
  t.end();
});

t.test('packets', (t) => {
  t.test('TCP with everything that can be said of it', (t) => {
    t.match(packet('< [ce] 4321 > 80 FPEWU. 1:1001(1000) ack 7 win 257 urg 3 <nop,nop,TS val 1 ecr 2>'), {
      kind: 'tcp',
      ip: { ecn: 'ce' },
      srcPort: 4321,
      dstPort: 80,
      flags: 0x01 | 0x08 | 0x10 | 0x20 | 0x40 | 0x80,
      seq: 1,
      length: 1000,
      ack: 7,
      window: 257,
      urgent: 3,
      options: [{ kind: 'nop' }, { kind: 'nop' }, { kind: 'TS', val: 1, ecr: 2 }],
    });
    t.match(packet('> - 0:0(0)'), { flags: 0, window: null, options: [] });
    t.match(packet('> S 4294967295:0(1)'), { seq: 4294967295, length: 1 });
    t.match(packet('> S. 0:0(0) ack 1 <...>'), { options: null });
    t.match(packet('> S.5 0:0(0) ack 1'), { hasAce: true, flags: 0x12 | AE | 0x40 });
    t.match(packet('> [ect01] . 1:1(0) ack 1 <mss 1,wscale *,sackOK,eol,FO,FOEXP abcd,sack 1:2 3:4>'), {
      ip: { ecn: 'ect01' },
      options: [
        { kind: 'mss', value: 1 },
        { kind: 'wscale', value: -1 },
        { kind: 'sackOK' },
        { kind: 'eol' },
        { kind: 'FO', hex: '' },
        { kind: 'FOEXP', hex: 'abcd' },
        { kind: 'sack', edges: [1, 2, 3, 4] },
      ],
    });
    t.end();
  });

  t.test('UDP and ICMP', (t) => {
    t.match(packet('< [tos 0x10] udp 53 > 1000 (512)'), {
      kind: 'udp',
      ip: { tos: 16 },
      srcPort: 53,
      length: 512,
    });
    t.match(packet('> (ttl 64) udp (0)'), { kind: 'udp', ip: { ttl: 64 }, length: 0 });
    t.match(packet('< icmp unreachable frag_needed mtu 1200 [1:1461(1460)]'), {
      kind: 'icmp',
      type: 3,
      code: 4,
      mtu: 1200,
      quoted: { kind: 'tcp', seq: 1, length: 1460 },
    });
    t.match(packet('< icmp echo_request id 7 [raw (30)]'), {
      type: 8,
      id: 7,
      quoted: { kind: 'raw', length: 30 },
    });
    t.match(packet('< icmp type_40 code_2 [udp (8)]'), {
      type: 40,
      code: 2,
      quoted: { kind: 'udp', length: 8 },
    });
    t.end();
  });

  t.test('what cannot be is not understood', (t) => {
    t.equal(refusal('0 < . 1:3(1) ack 1'), '1: the sequence numbers 1:3(1), of which one is wrong');
    t.equal(refusal('0 < . 1:1(0) ack 1 <...>'), '1: <...> in a packet that we send to the stack');
    t.equal(refusal('0 < X 1:1(0)'), '1: the TCP flags X');
    t.equal(refusal('0 < . 1:1(0) ack 1 win 70000'), '1: win 70000 is not within 0 and 65535');
    t.equal(refusal('0 < . 1:1(0) <md5 00>'), '1: the TCP option md5');
    t.equal(refusal('0 < . 1:1(0) <FO abc>'), '1: the fast open cookie abc');
    t.equal(refusal('0 < ipv4 1.2.3.4 > 5.6.7.8: udp (1)'), '1: encapsulated packets (ipv4)');
    t.equal(refusal('0 < icmp nonsense'), '1: the ICMP type nonsense');
    t.equal(
      refusal('0 < icmp echo_request net_unreachable'),
      '1: the code net_unreachable of ICMP echo_request',
    );
    t.equal(refusal('0 < [ect01] . 1:1(0)'), '1: [ect01] of a packet that we send to the stack');
    t.end();
  });
  t.end();
});

// ---- a corpus that is made, not written

const SEEDS = 300;
const oneOf = <T>(random: Rng, list: readonly T[]): T => list[random.below(list.length)] as T;
const u32 = (random: Rng): number => random.u32() >>> 0;

function anyIp(random: Rng): IpSpec {
  const ip = {
    ecn: null as Ecn | null,
    tos: null as number | null,
    flowLabel: null,
    ttl: null as number | null,
  };
  if (random.below(3) === 0) ip.ecn = oneOf<Ecn>(random, ['noecn', 'ect0', 'ect1', 'ce', 'ect01']);
  if (random.below(4) === 0) ip.tos = random.below(256);
  if (random.below(4) === 0) ip.ttl = random.below(256);
  return ip;
}

function anyOption(random: Rng): TcpOption {
  switch (random.below(9)) {
    case 0:
      return { kind: 'nop' };
    case 1:
      return { kind: 'eol' };
    case 2:
      return { kind: 'mss', value: random.below(65_536) };
    case 3:
      return { kind: 'wscale', value: random.below(257) - 1 };
    case 4:
      return { kind: 'sackOK' };
    case 5:
      return { kind: 'sack', edges: Array.from({ length: 2 + 2 * random.below(3) }, () => u32(random)) };
    case 6:
      return { kind: 'TS', val: u32(random), ecr: u32(random) };
    case 7:
      return { kind: 'FO', hex: 'a1b2c3d4e5f60718'.slice(0, 2 * random.below(9)) };
    default:
      return { kind: 'FOEXP', hex: '0123456789abcdef'.slice(0, 2 * random.below(9)) };
  }
}

function anyPacket(random: Rng): PacketSpec {
  const ip = anyIp(random);
  const hasPorts = random.below(2) === 0;
  const ports = {
    srcPort: hasPorts ? 1 + random.below(65_535) : 0,
    dstPort: hasPorts ? 1 + random.below(65_535) : 0,
  };
  switch (random.below(4)) {
    case 0:
      return { kind: 'udp', ip, ...ports, length: random.below(65_536) };
    case 1: {
      const type = random.below(256);
      const quoted = oneOf<Quoted>(random, [
        { kind: 'none' },
        { kind: 'tcp', seq: u32(random), length: random.below(65_536) },
        { kind: 'udp', length: random.below(65_536) },
        { kind: 'raw', length: random.below(65_536) },
      ]);
      const mtu = random.below(2) === 0 ? null : random.below(65_536);
      return { kind: 'icmp', ip, type, code: random.below(256), mtu, id: random.below(65_536), quoted };
    }
    default: {
      const hasAce = random.below(5) === 0;
      const flags = random.below(0x200) | (hasAce ? 0x10 : 0);
      const ack = (flags & 0x10) === 0 ? 0 : u32(random);
      const options =
        random.below(5) === 0 ? null : Array.from({ length: random.below(5) }, () => anyOption(random));
      const window = random.below(2) === 0 ? null : random.below(65_536);
      const rest = { window, urgent: random.below(65_536), options };
      return {
        kind: 'tcp',
        ip,
        ...ports,
        flags,
        hasAce,
        seq: u32(random),
        length: random.below(65_536),
        ack,
        ...rest,
      };
    }
  }
}

function anyValue(random: Rng, depth = 0): Value {
  switch (random.below(depth > 3 ? 5 : 9)) {
    case 0:
      return { kind: 'ellipsis' };
    case 1:
      return { kind: 'integer', value: (random.u32() | 0) % 100_000 };
    case 2:
      return { kind: 'word', name: oneOf(random, ['AF_INET', 'SOL_TCP', 'x_1']) };
    case 3:
      return { kind: 'string', text: oneOf(random, ['', 'reno', 'a b, c']), isOpen: random.below(2) === 0 };
    case 4:
      return { kind: 'or', left: { kind: 'word', name: 'A' }, right: { kind: 'integer', value: 4 } };
    case 5:
      return { kind: 'function', name: 'htons', args: [anyValue(random, depth + 1)] };
    case 6:
      return { kind: 'struct', fields: [{ name: 'fd', size: null, value: anyValue(random, depth + 1) }] };
    default:
      return {
        kind: 'list',
        items: Array.from({ length: random.below(4) }, () => anyValue(random, depth + 1)),
      };
  }
}

t.test('what is printed is read again', (t) => {
  const random = rng(20);
  for (let i = 0; i < SEEDS; i++) {
    const spec = anyPacket(random);
    const text = packetText(spec);
    t.same(packet(`> ${text}`), spec, text);
    const value = anyValue(random);
    const argument = valueText(value);
    t.same(call(`f(${argument}) = 0`).args, [value], argument);
  }
  t.end();
});

t.test('no text makes the parser do anything but say that it does not understand', (t) => {
  const random = rng(21);
  const pieces = [
    '0 ',
    '+.1',
    '*',
    '~',
    ' < ',
    ' > ',
    'S.',
    ' 0:0(0)',
    ' ack 1',
    ' win 1',
    '<mss 1>',
    '<',
    '>',
    'udp',
    ' (5)',
    'icmp ',
    'f',
    '(',
    ')',
    ' = ',
    '3',
    '...',
    '[',
    ']',
    '{',
    '}',
    ',',
    '"a"',
    '`b`',
    '%{ c }%',
    '--x=',
    '\n',
    '//',
    '/*',
    '|',
    '0x',
    'é',
    '\0',
    'unreachable',
    'TS val',
    ' nop',
    '-',
    ':',
    '1.2.3.4',
    '::1',
    "'",
  ];
  let understood = 0;
  for (let i = 0; i < 4_000; i++) {
    let text = '';
    const count = 1 + random.below(12);
    for (let j = 0; j < count; j++) text += oneOf(random, pieces);
    if (refusal(text) === '') understood++;
  }
  t.ok(understood > 0, 'and some of it is a script');
  t.end();
});
