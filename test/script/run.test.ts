import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { ScriptResult } from '../../src/script/run/report.ts';
import { exitCode, resultText, summaryText } from '../../src/script/run/report.ts';
import { runScript } from '../../src/script/run/run.ts';
import { main, parseCommandLine, runFile, scriptFiles } from './packet-command.ts';

const PACKETS = join(import.meta.dirname, '../../../test/packets');

const run = (text: string, files: Readonly<Record<string, string>> = {}): ScriptResult =>
  runScript(text, { file: 'x.pkt', readFile: (path) => files[path] ?? null });
/** `pass`, or how it ended, without the packets laid side by side. */
const outcome = (text: string, files: Readonly<Record<string, string>> = {}): string => {
  const { outcome, line, message } = run(text, files);
  return outcome === 'pass' ? 'pass' : `${outcome} ${line}: ${message.split('\n')[0]}`;
};

const UDP = '0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 3\n+0 connect(3, ..., ...) = 0\n';
const SERVER = `0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+0 < S 0:0(0) win 20000 <mss 1000>
+0 > S. 0:0(0) ack 1 <mss 1460>
+.1 < . 1:1(0) ack 1 win 20000
+0 accept(3, ..., ...) = 4
`;

for (const folder of readdirSync(PACKETS).sort()) {
  t.test(`scripts of ${folder}`, (t) => {
    for (const file of scriptFiles([join(PACKETS, folder)])) {
      const result = runFile(file, { options: [], isVerbose: false });
      t.equal(result.outcome, 'pass', `${file.slice(PACKETS.length + 1)} ${resultText(result)}`);
    }
    t.end();
  });
}

t.test('a packet that is not as expected is a failure, with both in the same notation', (t) => {
  const { outcome: how, line, message } = run(`${UDP}+0 write(3, ..., 5) = 5\n+.1 > udp (6)`);
  t.equal(how, 'fail');
  t.equal(line, 4);
  t.equal(
    message,
    'length of the data is 5, not 6\n  expected: 0.100000 > udp (6)\n  actual:   0.000000 > udp (5)',
  );
  t.match(
    run(`${SERVER}+0 write(4, ..., 10) = 10\n+0 > [ect0, ttl 3] P. 1:11(10) ack 1`).message,
    /ECN is noecn, not ect0\n.*> \[ect0, ttl 3\] P\. 1:11\(10\) ack 1\n.*> \[noecn, ttl 64\] P\. 1:11/,
  );
  t.end();
});

t.test('a packet that does not come, comes late, or was not expected', (t) => {
  t.equal(outcome(`${UDP}+0 > udp (1)`), 'fail 3: nothing was sent until 120.000000');
  t.equal(
    outcome(`${UDP}+.1 write(3, ..., 5) = 5\n+.1 > udp (5)`),
    'fail 4: it was due at +0.100000 and happened at +0.000000 (tolerance 0.012500)',
  );
  t.equal(
    outcome(`${UDP}+.1 write(3, ..., 5) = 5\n.2~.3 > udp (5)`),
    'fail 4: it was due between 0.200000 and 0.300000 and happened at 0.100000 (tolerance 0.012500)',
  );
  t.equal(outcome(`${UDP}+.1 write(3, ..., 5) = 5\n* > udp (5)`), 'pass');
  t.equal(outcome(`--tolerance_percent=100\n${UDP}+.1 write(3, ..., 5) = 5\n+.1 > udp (5)`), 'pass');
  t.equal(
    outcome(`${UDP}+0 write(3, ..., 5) = 5\n+0 write(3, ..., 6) = 6\n+0 > udp (6)`).slice(0, 7),
    'fail 5:',
  );
  t.end();
});

t.test('calls: results, errors, values', (t) => {
  t.equal(outcome('0 socket(..., SOCK_DGRAM, 0) = -1 EPERM (x)'), 'fail 1: socket = 3, not -1 EPERM');
  t.equal(
    outcome(`${UDP}+0 fcntl(3, F_SETFL, O_NONBLOCK) = 0\n+0 read(3, ..., 5) = 5`),
    'fail 4: read = -1 EAGAIN (Resource temporarily unavailable), not 5',
  );
  t.equal(
    outcome(`${UDP}+0 getsockopt(3, SOL_SOCKET, SO_TYPE, [7], [4]) = 0`),
    'fail 3: getsockopt: the value is 2, not 7',
  );
  t.equal(
    outcome(`${UDP}+0 poll([{fd=3, events=POLLOUT, revents=0}], 1, 0) = 1`),
    'fail 3: poll: revents of entry 1 is POLLOUT, not 0',
  );
  t.equal(outcome(`${UDP}+0 ioctl(3, FIONREAD, [5]) = 0`), 'fail 3: ioctl: the value is 0, not 5');
  t.equal(outcome(`${UDP}+0 close(9) = -1 EBADF (Bad file descriptor)`), 'pass');
  t.end();
});

t.test('the script has its own numbers for descriptors', (t) => {
  t.equal(
    outcome(
      '0 socket(..., SOCK_DGRAM, 0) = 77\n+0 connect(77, ..., ...) = 0\n+0 write(77, ..., 1) = 1\n+0 > udp (1)',
    ),
    'pass',
  );
  t.equal(
    outcome('0 socket(..., SOCK_DGRAM, 0) = 7\n+0 socket(..., SOCK_DGRAM, 0) = 7'),
    'unsupported 2: the descriptor 7 twice',
  );
  t.end();
});

t.test('calls that block come back when the script says', (t) => {
  t.equal(outcome(`${UDP}+0...0.1 read(3, ..., 5) = 5\n+.1 < udp (5)`), 'pass');
  t.equal(
    outcome(`${UDP}+0...0.1 read(3, ..., 5) = 5\n+.2 < udp (5)`),
    'fail 3: read was to come back at 0.100000, and still blocks',
  );
  t.equal(
    outcome(`${UDP}+0...0.1 read(3, ..., 5) = 5\n+.05 < udp (5)`),
    'fail 3: read came back: it was due at 0.100000 and happened at 0.050000 (tolerance 0.012500)',
  );
  t.equal(
    outcome(`${UDP}+0...0.1 read(3, ..., 5) = 5`),
    'fail 3: read was to come back at 0.100000, and still blocks',
  );
  t.equal(outcome(`${UDP}+0 read(3, ..., 5) = 5`), 'fail 3: read blocks, and nothing ends it');
  t.equal(
    outcome(`${UDP}+0 poll([{fd=3, events=POLLIN}], 1, 50) = 0\n+0 write(3, ..., 1) = 1\n+0 > udp (1)`),
    'pass',
  );
  t.equal(outcome('0 usleep(1000) = 0\n.5 usleep(1) = 0\n.4 usleep(1) = 0').slice(0, 7), 'fail 3:');
  t.end();
});

t.test('what is not understood is unsupported, never a pass', (t) => {
  const cases: readonly (readonly [script: string, why: string])[] = [
    ['0 splice(3, 4) = 0', '1: the call splice'],
    ['0 socket(..., SOCK_DGRAM) = 3', '1: socket with 2 arguments'],
    ['0 socket(..., SOCK_NONSENSE, 0) = 3', '1: the name SOCK_NONSENSE'],
    ['0 socket(AF_NETLINK, SOCK_DGRAM, 0) = 3', '1: the name AF_NETLINK'],
    [
      '0 socket(..., SOCK_STREAM, IPPROTO_MPTCP) = 3',
      '1: socket(..., SOCK_STREAM, IPPROTO_MPTCP): EPROTONOSUPPORT',
    ],
    [`${UDP}+0 setsockopt(3, SOL_SOCKET, SO_ZEROCOPY, [1], 4) = 0`, /^3: setsockopt.*: ENOPROTOOPT$/.source],
    ['--ip_version=ipv6\n0 usleep(1) = 0', '1: --ip_version=ipv6: no IPv6 yet'],
    ['--nonsense\n0 usleep(1) = 0', '1: the option --nonsense'],
    ['--mtu=5\n0 usleep(1) = 0', '1: --mtu=5: not a number from 68 to 65535'],
    ['`reboot`\n0 usleep(1) = 0', '1: the command reboot'],
    ['`sysctl -q net.ipv4.tcp_nonsense=1`\n0 usleep(1) = 0', '1: the setting net.ipv4.tcp_nonsense'],
    ['`sysctl -q net.ipv4.tcp_ecn=7`\n0 usleep(1) = 0', '1: the setting net.ipv4.tcp_ecn = 7'],
    [
      '`tc qdisc add dev tun0 root netem`\n0 usleep(1) = 0',
      '1: the command tc qdisc add dev tun0 root netem',
    ],
    [
      '`ip route add 1.2.3.0/24 initcwnd 5`\n0 usleep(1) = 0',
      '1: the command ip route add 1.2.3.0/24 initcwnd 5',
    ],
    ['`./setup.sh`\n0 usleep(1) = 0', '1: the command ./setup.sh, which is not there'],
    ['0 %{ import os }%', '1: "import" in code'],
    [
      '0 < . 1:1(0) ack 1 win 1 <TS val 1 ecr 5,nop,nop>',
      '1: TS ecr 5, but the stack sent no timestamp before',
    ],
    ['0 < . 1:1(0) ack 1 win 1 <nop>', '1: TCP options of 1 bytes, not a multiple of four'],
    ['--mtu=1000\n0 < udp (1200)', '2: a packet longer than the MTU'],
    [`${UDP}+0 read(3, ..., 5) = -1 ENONSENSE (x)\n`, '3: the error ENONSENSE'],
  ];
  for (const [script, why] of cases) {
    const said = outcome(script);
    if (why.startsWith('^')) t.match(said.slice('unsupported '.length), new RegExp(why), script);
    else t.equal(said, `unsupported ${why}`, script);
  }
  t.end();
});

t.test('commands set up the host', (t) => {
  const files = {
    './defaults.sh': '#!/bin/sh\n# all of it\nsysctl -q net.ipv4.ip_default_ttl=9 > /dev/null 2>&1\n',
    'deep.sh': './defaults.sh && sleep 1; true',
    'circle.sh': './circle.sh',
  };
  const ttl = (command: string): string =>
    outcome(`\`${command}\`\n${UDP}+0 write(3, ..., 1) = 1\n+0 > [ttl 9] udp (1)`, files);
  t.equal(ttl('./defaults.sh'), 'pass');
  t.equal(
    ttl('./deep.sh\n../common/deep.sh'.split('\n')[0] as string),
    'unsupported 1: the command ./deep.sh, which is not there',
  );
  t.equal(ttl('bash deep.sh'), 'pass');
  t.equal(ttl('sysctl -w net.ipv4.ip_default_ttl = 9'), 'pass');
  t.equal(ttl('sysctl -q "net.ipv4.ip_default_ttl=$((3*3))"'), 'pass');
  t.equal(ttl('echo 9 > /proc/sys/net/ipv4/ip_default_ttl'), 'pass');
  t.equal(ttl('./set_sysctls.py \\\n /proc/sys/net/ipv4/ip_default_ttl=9'), 'pass');
  t.equal(ttl('bash circle.sh'), 'unsupported 1: the command ./circle.sh, which is not there');
  t.equal(
    outcome('`../../common/defaults.sh`\n0 usleep(1) = 0'),
    'pass',
    'what a suite sets, though the file is not there',
  );
  const short = 'tc qdisc replace dev tun0 root pfifo limit 0';
  t.equal(outcome(`\`${short}\`\n0 usleep(1) = 0`), `unsupported 1: the command ${short}`);
  t.equal(outcome('`/tmp/sysctl_restore_5.sh; tc qdisc add dev tun0 root fq`\n0 usleep(1) = 0'), 'pass');
  t.end();
});

t.test('options: in the script, and before it on the command line', (t) => {
  const options = [
    { name: 'mtu', value: '700', line: 0 },
    { name: 'define', value: 'N=672', line: 0 },
  ];
  const text = `${UDP}+0 setsockopt(3, SOL_IP, IP_MTU_DISCOVER, [IP_PMTUDISC_DO], 4) = 0\n+0 write(3, ..., N) = N`;
  t.match(runScript(text, { file: 'x', options }), { outcome: 'pass' });
  t.match(
    runScript(`--mtu=600\n${text}`, { file: 'x', options }),
    { outcome: 'fail' },
    'the script has the last word',
  );
  t.equal(outcome('--dry_run\n0 > udp (1)'), 'pass');
  t.equal(outcome(`--init_scripts=a.sh\n${UDP}`, { 'a.sh': 'reboot' }), 'unsupported 1: the command reboot');
  t.equal(
    outcome(
      `--local_ip=10.1.2.3 --netmask_ip=255.0.0.0 --gateway_ip=10.1.2.3 --remote_ip=192.0.2.9/24\n${UDP}`,
    ),
    'pass',
  );
  const noted = run(`--non_fatal=packet,syscall\n${UDP}+0 write(3, ..., 5) = 6\n+0 > udp (6)`);
  t.equal(noted.outcome, 'pass');
  t.equal(noted.notes.length, 2);
  t.end();
});

t.test('segments in a row are one packet of the script, unless it is strict', (t) => {
  const tail = '+0 write(4, ..., 2500) = 2500\n';
  t.equal(outcome(`${SERVER}${tail}+0 > P. 1:2501(2500) ack 1`), 'pass');
  t.equal(outcome(`${SERVER}${tail}+0 > . 1:1001(1000) ack 1\n+0 > P. 1001:2501(1500) ack 1`), 'pass');
  t.match(
    outcome(`--strict_segments\n${SERVER}${tail}+0 > P. 1:2501(2500) ack 1`),
    /^fail 10: PSH is not set/,
  );
  t.end();
});

t.test('packets of other connections are passed over', (t) => {
  const second = `+0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 5
+0...0.1 connect(5, ..., ...) = 0
+0 > S 0:0(0) <...>
+.1 < S. 0:0(0) ack 1 win 20000 <mss 1000>
+0 > . 1:1(0) ack 1
+0 write(4, ..., 10) = 10
+0 write(5, ..., 20) = 20
`;
  t.equal(outcome(`${SERVER}${second}+0 > P. 1:21(20) ack 1`), 'pass');
  t.match(outcome(`${SERVER}${second}+0 > P. 1:11(10) ack 1`), /^fail 15: length of the data is 20/);
  t.end();
});

t.test('code looks at the socket; what it prints is kept', (t) => {
  const { notes, outcome: how } = run(`${SERVER}+0 %{ print(tcpi_state == TCP_ESTABLISHED, tcpi_unacked) }%`);
  t.equal(how, 'pass');
  t.same(notes, ['True 0']);
  t.equal(outcome('0 %{ assert tcpi_state == 1 }%'), 'fail 1: tcpi_state, but the script has no socket');
  t.match(
    outcome(`${SERVER}+0 %{\nassert tcpi_state == 7\n}%`),
    /^fail 9: assert tcpi_state == 7 \(tcpi_state = 1\)/,
  );
  t.end();
});

t.test('the report, and the exit status', (t) => {
  const pass = run(UDP);
  const fail = run(`${UDP}+0 > udp (1)`);
  const unsupported = run('0 splice() = 0');
  t.equal(resultText(pass), 'ok x.pkt');
  t.match(resultText(fail), /^FAIL x\.pkt:3: nothing was sent/);
  t.equal(resultText(unsupported), 'unsupported: x.pkt:1: the call splice');
  t.equal(summaryText([pass, fail, unsupported, pass]), '4 scripts: 2 passed, 1 failed, 1 unsupported');
  t.same([exitCode([pass]), exitCode([pass, unsupported]), exitCode([unsupported, fail])], [0, 2, 1]);
  t.end();
});

t.test('the command', (t) => {
  t.same(parseCommandLine(['--json', '-v', '-D', 'A=1', '-DB=2', '--mtu=9', '--dry_run', 'f.pkt']), {
    files: ['f.pkt'],
    options: [
      { name: 'define', value: 'A=1', line: 0 },
      { name: 'define', value: 'B=2', line: 0 },
      { name: 'mtu', value: '9', line: 0 },
      { name: 'dry_run', value: null, line: 0 },
    ],
    isJson: true,
    isVerbose: true,
  });
  const lines: string[] = [];
  const folder = join(PACKETS, 'rfc768');
  t.equal(
    main(['--json', folder], (text) => void lines.push(text)),
    0,
  );
  t.equal(lines.length, scriptFiles([folder]).length);
  t.match(JSON.parse(lines[0] as string), { outcome: 'pass', line: 0 });
  lines.length = 0;
  t.equal(
    main(['-v', join(folder, 'gather.pkt'), 'nowhere.pkt'], (text) => void lines.push(text)),
    2,
  );
  t.match(lines[0], /0\.000000 > .*192\.168\.0\.2.*192\.0\.2\.1/);
  t.equal(lines[1], 'unsupported: nowhere.pkt: there is no such file');
  t.equal(
    main([], () => {}),
    2,
  );
  t.end();
});
