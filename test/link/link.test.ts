/** Everything of the link folder that needs neither a device nor root: sentences, messages, names, no addon. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { endianness, tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { Mac } from '../../src/addr/mac.ts';
import { findAddon, loadAddon } from '../../src/link/addon.ts';
import type { LinkAction } from '../../src/link/errno-text.ts';
import { errnoName, errnoNumber, explain } from '../../src/link/errno-text.ts';
import { LinkFailure } from '../../src/link/failure.ts';
import { readLink, setMtu } from '../../src/link/host-config.ts';
import { NetlinkRequest, readAnswer } from '../../src/link/netlink.ts';
import { netnsPath } from '../../src/link/netns.ts';
import { openPacketSocket } from '../../src/link/packet-socket.ts';
import { resolveUser } from '../../src/link/privilege.ts';
import { openTunTap } from '../../src/link/tun-tap.ts';

const mac = new Mac(0x0200, 7);

t.test('errno', (t) => {
  t.test('has its name, for either sign', (t) => {
    for (const [number, name] of [
      [1, 'EPERM'],
      [11, 'EAGAIN'],
      [77, 'EBADFD'],
      [95, 'EOPNOTSUPP'],
    ] as const) {
      t.equal(errnoName(number), name);
      t.equal(errnoName(-number), name);
      t.equal(errnoNumber(name), number);
    }
    t.equal(errnoName(4_000), 'errno 4000');
    t.end();
  });

  t.test('becomes a sentence that says what is missing and how to get it', (t) => {
    const cases: readonly (readonly [LinkAction, string, RegExp])[] = [
      ['open-device', 'ENOENT', /modprobe tun.*mknod/],
      ['open-device', 'EPERM', /CAP_NET_ADMIN.*sudo.*--fd/],
      ['open-device', 'EBUSY', /another process/],
      ['open-device', 'EINVAL', /another kind/],
      ['open-device', 'ENAMETOOLONG', /15 bytes/],
      ['take-descriptor', 'ENOTTY', /no TUN or TAP/],
      ['take-descriptor', 'EBADF', /no such descriptor/],
      ['open-packet-socket', 'EPERM', /CAP_NET_RAW/],
      ['enter-netns', 'ENOENT', /ip netns list/],
      ['configure-host', 'EPERM', /CAP_NET_ADMIN/],
      ['drop-privileges', 'EPERM', /only root/],
      ['transfer', 'EBADFD', /deleted/],
      ['watch', 'EMFILE', /ulimit -n/],
    ];
    for (const [action, name, wanted] of cases) {
      const text = explain(action, -errnoNumber(name), 'tap7');
      t.match(text, wanted, `${action} ${name}`);
      t.match(text, /^tap7: .*[.)]$/);
    }
    t.equal(explain('watch', 33, 'x'), 'x: the kernel answered EDOM.', 'one that nobody thought of');
    t.end();
  });
  t.end();
});

t.test('names that the kernel would cut are refused before the call', (t) => {
  const name = 'a-name-of-16-byt';
  const answers = [
    openTunTap({ mode: 'tap', name, mac }),
    openPacketSocket({ interfaceName: name }),
    readLink(name),
    setMtu('ä'.repeat(8), 1_500),
  ];
  const wanted = loadAddon() === null ? 'ENOSYS' : 'ENAMETOOLONG';
  for (const answer of answers) t.equal(answer instanceof LinkFailure ? answer.code : answer, wanted);
  t.end();
});

t.test('without the addon', (t) => {
  t.test('it is switched off by name', (t) => {
    const { addon, problem } = findAddon('none');
    t.equal(addon, null);
    t.match(problem, /TAPSTACK_ADDON=none.*node-gyp rebuild.*everything else works/);
    t.end();
  });

  t.test('a file that is missing, or is no addon, is named with the reason', (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'tapstack-addon-'));
    t.teardown(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'broken.node');
    t.match(findAddon(file).problem, /broken\.node does not exist/);
    writeFileSync(file, 'this is no shared object');
    t.match(findAddon(file).problem, /broken\.node: .+/);
    t.end();
  });

  t.test('each way to a device answers with that sentence, and importing fails nothing', (t) => {
    const script = `
      const { openTunTap, takeTunTap } = await import('${new URL('../../src/link/tun-tap.js', import.meta.url)}');
      const { openPacketSocket } = await import('${new URL('../../src/link/packet-socket.js', import.meta.url)}');
      const { watchReadable } = await import('${new URL('../../src/link/watch.js', import.meta.url)}');
      const { inNetns, enterNetns } = await import('${new URL('../../src/link/netns.js', import.meta.url)}');
      const { setUp } = await import('${new URL('../../src/link/host-config.js', import.meta.url)}');
      const { dropPrivileges } = await import('${new URL('../../src/link/privilege.js', import.meta.url)}');
      const answers = [
        openTunTap({ mode: 'tap', name: 'x' }), takeTunTap(0, {}), openPacketSocket({ interfaceName: 'lo' }),
        watchReadable(0, () => {}), inNetns('x', () => 1), enterNetns('x'), setUp('x', true), dropPrivileges({}),
      ];
      console.log(answers.map(({ code, text }) => code + (text.includes('native addon') ? '' : text)).join(' '));`;
    const said = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
      env: { ...process.env, TAPSTACK_ADDON: 'none' },
      encoding: 'utf8',
    });
    t.equal(said.trim(), Array.from({ length: 8 }, () => 'ENOSYS').join(' '));
    t.end();
  });
  t.end();
});

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

t.test('netlink (RFC 3549 §2.2)', (t) => {
  const skip = endianness() === 'LE' ? false : 'the bytes below are those of a little-endian machine';

  t.test('a request has a header, a body and aligned attributes', { skip }, (t) => {
    const request = new NetlinkRequest(16, 0x400).u8(1).u8(2).u16(3).u32(4);
    request.attributeText(3, 'tap0').attributeU32(4, 1_500);
    const wanted = [
      '2c000000 1000 0504 00000000 00000000',
      '01 02 0300 04000000',
      '0900 0300 7461703000 000000',
      '0800 0400 dc050000',
    ];
    t.equal(hex(request.finish()), wanted.join('').replaceAll(' ', ''));
    t.end();
  });

  t.test('an answer is split into messages, up to the acknowledgement', { skip }, (t) => {
    const link = '18000000 1000 0000 00000000 00000000 0800 0400 dc050000';
    const ack = '24000000 0200 0000 00000000 00000000 00000000 14000000 1000 0500 00000000 00000000';
    const reply = Buffer.from((link + ack).replaceAll(' ', ''), 'hex');
    const { status, words, messages } = readAnswer(reply, reply.length);
    t.same([status, words, messages.length], [0, '', 1]);
    t.equal(messages[0]?.attributeU32(4, 0), 1_500);
    t.equal(messages[0]?.attributeU32(5, 0), null);
    t.end();
  });

  t.test("an error carries the kernel's words when it has some", { skip }, (t) => {
    const text = '0e00 0100 6e6f206465766963 6500 0000';
    const error = `34000000 0200 0003 00000000 00000000 edffffff 14000000 1000 0500 00000000 00000000 ${text}`;
    const reply = Buffer.from(error.replaceAll(' ', ''), 'hex');
    t.match(readAnswer(reply, reply.length), { status: -19, words: 'no device' });
    t.end();
  });

  t.test('a damaged answer is read as far as it goes', (t) => {
    for (let length = 0; length < 64; length++) {
      const reply = new Uint8Array(length).fill(0x11);
      t.same(readAnswer(reply, length).messages, []);
    }
    t.end();
  });
  t.end();
});

t.test('a namespace is a path, a name, or the number of a process', (t) => {
  t.equal(netnsPath('blue'), '/run/netns/blue');
  t.equal(netnsPath('/proc/1/ns/net'), '/proc/1/ns/net');
  t.equal(netnsPath('4242'), '/proc/4242/ns/net');
  t.end();
});

t.test('a user is a name, a number, or a number with a group', (t) => {
  const passwd = 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65533::/:/bin/false\nbroken\n';
  t.same(resolveUser('nobody', passwd), { name: 'nobody', uid: 65_534, gid: 65_533 });
  t.same(resolveUser('65534', passwd), { name: 'nobody', uid: 65_534, gid: 65_533 });
  t.same(resolveUser('65534:7', passwd), { name: 'nobody', uid: 65_534, gid: 7 });
  t.same(resolveUser('1234', passwd), { name: '1234', uid: 1_234, gid: 1_234 });
  for (const [text, code] of [
    ['somebody', 'ENOENT'],
    ['root', 'EINVAL'],
    ['0', 'EINVAL'],
    ['4294967295', 'EINVAL'],
  ] as const) {
    const answer = resolveUser(text, passwd);
    t.equal(answer instanceof LinkFailure ? answer.code : answer, code, text);
  }
  t.ok(resolveUser('nobody') instanceof Object, 'from the file of this machine');
  t.end();
});
