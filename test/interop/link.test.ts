/** Real TUN and TAP devices and packet sockets, each test in a namespace of its own. */
import { spawn } from 'node:child_process';
import t from 'tap';
import { loadAddon } from '../../src/link/addon.ts';
import { addAddress, deleteLink, setUp } from '../../src/link/host-config.ts';
import { openPacketSocket } from '../../src/link/packet-socket.ts';
import type { TunTapOptions } from '../../src/link/tun-tap.ts';
import { openTunTap, takeTunTap } from '../../src/link/tun-tap.ts';
import type { Packet } from '../../src/packet/packet.ts';
import { GsoType, PacketFlag } from '../../src/packet/packet.ts';
import { Pool } from '../../src/packet/pool.ts';
import { superSegment, udpFrame } from '../device/frames.ts';
import {
  bytesOf,
  codeOf,
  device,
  inHost,
  ip,
  ipJson,
  mac,
  must,
  namespace,
  openDescriptors,
  options,
  prefix,
  readUntil,
  reasonToSkip,
  socketOn,
} from './link-namespace.ts';

const skip = reasonToSkip();

/** Whether it asks for an IPv4 address (RFC 826). */
const isRequest = (frame: Packet): boolean => bytesOf(frame).slice(24, 44) === '08060001080006040001';

/** Whether there is a TCP super-segment among them. */
const hasSuper = (frames: readonly Packet[]): boolean => frames.some(({ gsoType }) => gsoType !== 0);

t.test('opening', { skip }, (t) => {
  t.test('makes a TAP and a TUN, named by a pattern, with every offload of this kernel', (t) => {
    const netns = namespace(t);
    const tap = device(t, netns, { name: 'tt%d' });
    const tun = device(t, netns, { name: 'tt%d', mode: 'tun' });
    t.match(tap, { name: 'tt0', mode: 'tap', medium: 'ethernet', mac, mtu: 1_500, isMultiQueue: false });
    t.match(tun, { name: 'tt1', mode: 'tun', medium: 'ip', mac: null });
    for (const { features, receiveFeatures } of [tap, tun]) {
      t.match(features, { checksum: true, tso4: true, tso6: true, tsoEcn: true });
      t.match(receiveFeatures, { checksum: true, tso4: true, tso6: true, tsoEcn: true });
    }
    t.match(ipJson('-n', netns, 'link', 'show', 'tt0'), [
      { linkinfo: { info_kind: 'tun', info_data: { type: 'tap', pi: false, vnet_hdr: true } } },
    ]);
    t.match(ipJson('-n', netns, 'link', 'show', 'tt1'), [{ linkinfo: { info_data: { type: 'tun' } } }]);
    t.end();
  });

  t.test('without offload there is no virtio header', (t) => {
    const netns = namespace(t);
    const tap = device(t, netns, { offload: false });
    t.notOk(Object.values(tap.features).some(Boolean));
    t.match(ipJson('-n', netns, 'link', 'show', 'tt0'), [{ linkinfo: { info_data: { vnet_hdr: false } } }]);
    t.end();
  });

  t.test('several queues', (t) => {
    const netns = namespace(t);
    const first = device(t, netns, { multiQueue: true });
    const second = device(t, netns, { multiQueue: true });
    t.ok(first.isMultiQueue && second.isMultiQueue);
    t.match(ipJson('-n', netns, 'link', 'show', 'tt0'), [{ linkinfo: { info_data: { multi_queue: true } } }]);
    const pool = new Pool(200);
    const socket = socketOn(t, netns);
    for (const queue of [first, second]) queue.writeBatch([udpFrame(pool, 'ethernet', 60)], 1);
    t.equal(readUntil(socket, pool, (frames) => frames.length === 2).length, 2, 'both write');
    t.equal(codeOf(openTunTap({ ...options, netns })), 'EINVAL', 'not as a device of one queue');
    t.end();
  });

  t.test('what is in the way is said', (t) => {
    const netns = namespace(t);
    const tap = device(t, netns);
    ip('-n', netns, 'link', 'add', 'veth0', 'type', 'veth', 'peer', 'name', 'veth1');
    const answer = (more: Partial<TunTapOptions>): unknown =>
      codeOf(openTunTap({ ...options, netns, ...more }));
    t.equal(answer({}), 'EBUSY', 'open already');
    tap.close();
    t.equal(answer({ name: 'veth0' }), 'EINVAL', 'no device of the tun driver');
    ip('-n', netns, 'tuntap', 'add', 'tun9', 'mode', 'tun');
    t.equal(answer({ name: 'tun9' }), 'EINVAL', 'a TUN, not a TAP');
    t.equal(answer({ devicePath: '/dev/nonesuch' }), 'ENOENT');
    t.equal(answer({ devicePath: '/dev/null' }), 'ENOTTY');
    t.equal(answer({ devicePath: '/dev' }), 'EISDIR');
    t.equal(answer({ name: 'a/b' }), 'EINVAL');
    t.equal(answer({ netns: 'nonesuch' }), 'ENOENT');
    t.equal(answer({ netns: '/dev/null' }), 'EINVAL');
    t.equal(codeOf(openPacketSocket({ interfaceName: 'nonesuch', netns })), 'ENODEV');
    t.end();
  });

  t.test('descriptors that are no device', (t) => {
    const addon = loadAddon();
    t.equal(codeOf(takeTunTap(9_999, { mac })), 'EBADF');
    const fd = addon?.netnsOpen('/dev/null') as number;
    t.equal(codeOf(takeTunTap(fd, { mac })), 'ENOTTY');
    t.equal(
      codeOf(takeTunTap(addon?.netnsOpen('/dev/net/tun') as number, { mac })),
      'EBADFD',
      'without a device',
    );
    t.end();
  });
  t.end();
});

t.test('frames', { skip }, (t) => {
  t.test('both ways through a TAP, byte for byte', (t) => {
    const netns = namespace(t);
    const tap = device(t, netns);
    const socket = socketOn(t, netns);
    const [pool, other] = [new Pool(200), new Pool(8)];
    const sent = [60, 61, 1_514, 42].map((length, mark) =>
      udpFrame(mark === 1 ? other : pool, 'ethernet', length, mark),
    );
    t.equal(tap.writeBatch(sent, 4), 4);
    const seen = readUntil(socket, pool, (frames) => frames.length === 4);
    t.same(seen.map(bytesOf), sent.map(bytesOf), 'out');
    t.equal(socket.writeBatch(sent, 4), 4);
    t.same(readUntil(tap, pool, (frames) => frames.length === 4).map(bytesOf), sent.map(bytesOf), 'in');
    t.match(tap.counters(), { writeCalls: 4, truncated: 0 });
    t.equal(socket.counters().writeCalls, 1, 'sendmmsg');
    t.end();
  });

  t.test('both ways through a TUN', (t) => {
    const netns = namespace(t);
    const tun = device(t, netns, { mode: 'tun' });
    const socket = socketOn(t, netns);
    t.equal(socket.medium, 'ip');
    const pool = new Pool(200);
    const sent = [udpFrame(pool, 'ip', 60), udpFrame(pool, 'ip', 1_500)];
    tun.writeBatch(sent, 2);
    t.same(readUntil(socket, pool, (frames) => frames.length === 2).map(bytesOf), sent.map(bytesOf));
    socket.writeBatch(sent, 2);
    t.same(readUntil(tun, pool, (frames) => frames.length === 2).map(bytesOf), sent.map(bytesOf));
    t.end();
  });

  t.test("the kernel's ping asks for our address (RFC 826)", (t) => {
    const netns = namespace(t);
    const tap = device(t, netns);
    inHost(netns, () => addAddress('tt0', prefix('10.77.0.1/24')));
    const ping = spawn('ip', ['netns', 'exec', netns, 'ping', '-c', '1', '-W', '1', '10.77.0.2'], {
      stdio: 'ignore',
    });
    t.teardown(() => ping.kill());
    const pool = new Pool(200);
    const frames = readUntil(tap, pool, (seen) => seen.some(isRequest));
    t.equal(frames.find(isRequest)?.view.getInt32(272 + 24), 0x0a4d0002);
    t.end();
  });

  t.test('one frame is one system call when one is asked for', (t) => {
    const netns = namespace(t);
    const tap = device(t, netns);
    const socket = socketOn(t, netns);
    const pool = new Pool(200);
    const out: Packet[] = [];
    socket.writeBatch(
      [0, 1, 2].map((mark) => udpFrame(pool, 'ethernet', 60, mark)),
      3,
    );
    t.equal(tap.readBatch(pool, out, 1), 1);
    t.match(tap.counters(), { readCalls: 1, emptyReads: 0 });
    t.equal(tap.readBatch(pool, out, 64), 2);
    t.match(tap.counters(), { readCalls: 4, emptyReads: 1 });
    tap.setSpin(100);
    t.equal(tap.readBatch(pool, out, 64), 0);
    t.ok(tap.counters().readCalls > 5, 'asked again');
    t.end();
  });

  t.test('super-segments stay whole in both directions', (t) => {
    const netns = namespace(t);
    const tap = device(t, netns);
    const socket = socketOn(t, netns);
    const pool = new Pool(200);
    const sent = superSegment(pool, 'ethernet', 1_448, 40);
    for (const [from, to, title] of [
      [tap, socket, 'out'],
      [socket, tap, 'in'],
    ] as const) {
      t.equal(from.writeBatch([sent], 1), 1);
      const got = readUntil(to, pool, hasSuper).find(({ gsoType }) => gsoType !== 0) as Packet;
      t.equal(bytesOf(got), bytesOf(sent), title);
      t.match(got, {
        gsoType: GsoType.Tcp4,
        gsoSize: 1_448,
        flags: PacketFlag.ChecksumPartial,
        csumOffset: 16,
      });
      t.equal(got.csumStart, sent.csumStart);
    }
    t.end();
  });

  t.test('a device without offload gets them in pieces', (t) => {
    const netns = namespace(t);
    const tap = device(t, netns, { offload: false });
    const socket = socketOn(t, netns);
    const pool = new Pool(200);
    socket.writeBatch([superSegment(pool, 'ethernet', 1_000, 12)], 1);
    const pieces = readUntil(tap, pool, (frames) => frames.length === 12);
    t.same(
      pieces.map(({ length }) => length),
      Array.from({ length: 12 }, () => 1_054),
    );
    t.ok(pieces.every(({ flags, gsoType }) => flags === 0 && gsoType === GsoType.None));
    t.end();
  });

  t.test('a VLAN tag is part of the frame on every link', (t) => {
    const netns = namespace(t);
    const tap = device(t, netns);
    const socket = socketOn(t, netns);
    const pool = new Pool(200);
    const tagged = udpFrame(pool, 'ethernet', 100);
    const { bytes, view, head } = tagged;
    bytes.copyWithin(head - 4, head, head + 12);
    tagged.head -= 4;
    view.setUint32(head + 8, 0x8100_6007);
    tap.writeBatch([tagged], 1);
    t.equal(readUntil(socket, pool, (frames) => frames.length === 1).map(bytesOf)[0], bytesOf(tagged), 'out');
    socket.writeBatch([tagged], 1);
    t.equal(readUntil(tap, pool, (frames) => frames.length === 1).map(bytesOf)[0], bytesOf(tagged), 'in');
    t.end();
  });

  t.test('a packet socket hears what comes in, not what goes out', (t) => {
    const netns = namespace(t);
    const tap = device(t, netns);
    const [socket, other] = [socketOn(t, netns), socketOn(t, netns)];
    const pool = new Pool(300);
    other.writeBatch([udpFrame(pool, 'ethernet', 60)], 1);
    t.equal(readUntil(tap, pool, (frames) => frames.length === 1).length, 1, 'it went out');
    t.equal(socket.readBatch(pool, [], 64), 0);
    t.end();
  });

  t.test('payload that lies elsewhere is gathered', (t) => {
    const netns = namespace(t);
    const tap = device(t, netns);
    const socket = socketOn(t, netns);
    const addon = loadAddon();
    if (addon === null) throw new Error('there is an addon here');
    const table = new Int32Array(16 + 2 * 16);
    const channel = addon.channelOpen(tap.fd, 1, 0, 10, table);
    t.teardown(() => addon.channelClose(channel));
    const headers = new Uint8Array(256).fill(0x11);
    const payload = new Uint8Array(5_000).fill(0x22);
    addon.channelArena(channel, headers.buffer);
    addon.channelArena(channel, payload.buffer);
    // Arena, offset, room, length; the last three: arena, offset, length of the rest. Without room, then with it.
    for (const [offset, room] of [
      [0, 0],
      [100, 100],
    ] as const) {
      table.fill(0, 32).set([0, offset, room, 54], 32);
      table.set([1, 1_000, 1_000], 32 + 10);
      t.equal(addon.transmit(channel, 1), 1);
      const [frame] = readUntil(socket, new Pool(80), (frames) => frames.length === 1);
      t.equal(frame === undefined ? '' : bytesOf(frame), `${'11'.repeat(54)}${'22'.repeat(1_000)}`);
    }
    table.set([1, 4_500, 1_000], 32 + 10);
    t.equal(addon.transmit(channel, 1), -14, 'bytes outside of the arena are refused (EFAULT)');
    t.end();
  });

  t.test('errors of the link', (t) => {
    const netns = namespace(t);
    const tap = must(openTunTap({ ...options, netns }));
    t.teardown(() => tap.close());
    const pool = new Pool(80);
    const frame = udpFrame(pool, 'ethernet', 60);
    t.equal(tap.writeBatch([frame], 1), -5, 'the other side is down (EIO)');
    inHost(
      netns,
      () => setUp('tt0', true),
      () => deleteLink('tt0'),
    );
    t.equal(tap.readBatch(pool, [], 1), -77, 'the device is gone (EBADFD)');
    t.equal(tap.writeBatch([frame], 1), -77);
    t.end();
  });
  t.end();
});

t.test('no descriptor is left open', { skip }, (t) => {
  const netns = namespace(t);
  const before = openDescriptors();
  for (let i = 0; i < 5; i++) {
    const tap = must(openTunTap({ ...options, netns }));
    const socket = must(openPacketSocket({ interfaceName: 'tt0', netns }));
    codeOf(openTunTap({ ...options, netns }));
    codeOf(openTunTap({ ...options, netns: '/dev/null' }));
    codeOf(openTunTap({ ...options, devicePath: '/dev/null' }));
    codeOf(openPacketSocket({ interfaceName: 'nonesuch', netns }));
    tap.close();
    tap.close();
    socket.close();
    socket.close();
  }
  t.equal(openDescriptors(), before);
  t.end();
});
