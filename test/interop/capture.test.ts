/** What Wireshark's own tools say of our captures. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { Drop } from '../../src/base/drop.ts';
import type { Instant } from '../../src/base/time.ts';
import { Monitor } from '../../src/device/monitor.ts';
import { pair } from '../../src/device/pair.ts';
import { LinkType } from '../../src/observe/frame-sink.ts';
import { PcapngWriter } from '../../src/observe/pcapng.ts';
import { Drops } from '../../src/packet/drops.ts';
import { Pool } from '../../src/packet/pool.ts';
import { partialFrame, superSegment, udpFrame } from '../device/frames.ts';

const NOW = 250_000.125 as Instant;
const EPOCH_US = 1_700_000_000_123_456;

const CHECKSUMS = ['ip', 'udp', 'tcp'].flatMap((name) => ['-o', `${name}.check_checksum:TRUE`]);

const missing = ['tshark', 'capinfos'].filter((tool) => spawnSync(tool, ['--version']).error !== undefined);
const skip = missing.length > 0 && process.env['CI'] !== 'true' ? `needs ${missing.join(' and ')}` : false;

/** Frames through a monitored device: both ways, dropped, with partial checksum, as super-segments, after a loss. */
function capture(): Uint8Array {
  const pool = new Pool(8);
  const drops = new Drops();
  const [inner, far] = pair('tap0', 'far0', { drops: [drops, drops] });
  const writer = new PcapngWriter({ epochUs: EPOCH_US, os: 'Linux', bufferBytes: 64_000 });
  const monitor = new Monitor(inner, drops);
  monitor.watch(
    writer,
    writer.addInterface({ name: 'tap0', description: 'the tap', linkType: LinkType.Ethernet }),
  );
  const tun = writer.addInterface({ name: 'tün0', linkType: LinkType.Raw });
  monitor.receiver = {
    handleFrame: (now, packet) => {
      monitor.transmit(now, partialFrame(pool, 'ethernet', 90));
      drops.drop(packet, Drop.UdpNoPort);
    },
  };
  far.receiver = { handleFrame: (_now, packet) => packet.release() };
  far.transmit(NOW, udpFrame(pool, 'ethernet', 75));
  monitor.receive(NOW, 64);
  monitor.transmit(NOW, superSegment(pool, 'ethernet', 1_448, 12));
  const raw = udpFrame(pool, 'ip', 61);
  writer.peekFrame(NOW, tun, raw, 'out');
  const chunks: Uint8Array[] = [];
  const take = (): void => {
    const chunk = writer.pollChunk();
    if (chunk === null) return;
    chunks.push(chunk.slice());
    writer.handleChunkWritten();
  };
  take();
  // Too much for the buffer: some are left out, which the next one says.
  const many = superSegment(pool, 'ip', 1_000, 20);
  for (let i = 0; i < 5; i++) writer.peekFrame(NOW, tun, many, 'out');
  take();
  writer.peekFrame(NOW, tun, raw, 'out');
  writer.finish(NOW);
  take();
  return Uint8Array.from(chunks.flatMap((chunk) => [...chunk]));
}

const run = (command: string, ...args: string[]): string =>
  execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });

t.test('Wireshark reads our captures', { skip }, (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'capture-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'test.pcapng');
  writeFileSync(file, capture());
  const fields = (filter: string, ...names: string[]): string[] =>
    run(
      'tshark',
      ...CHECKSUMS,
      '-r',
      file,
      '-Y',
      filter,
      '-T',
      'fields',
      ...names.flatMap((name) => ['-e', name]),
    )
      .split('\n')
      .filter((line) => line !== '');

  t.test('interfaces, with names, resolution, and statistics at the end', (t) => {
    const info = run('capinfos', '-M', file);
    t.match(info, /File type: +(?:Wireshark\/\.\.\. - )?pcapng/);
    t.match(info, /Number of packets: +8/);
    t.match(info, /Capture application: +tapstack/);
    t.match(info, /Capture oper-sys: +Linux/);
    t.match(info, /Interface #0 info:\s+Name = tap0\s+Description = the tap\s+Encapsulation = Ethernet/);
    t.match(info, /Interface #1 info:\s+Name = tün0\s+Encapsulation = Raw IP/);
    t.match(info, /Time precision = nanoseconds \(9\)/);
    t.match(info, /Number of stat entries = 1/);
    t.end();
  });

  t.test('time in nanoseconds, interface, direction and length of each frame', (t) => {
    const time = '1700000000.373456125';
    const names = ['frame.time_epoch', 'frame.interface_name', 'frame.packet_flags_direction', 'frame.len'];
    t.same(
      fields('frame.number <= 4', ...names).map((line) => line.split('\t')),
      [
        [time, 'tap0', '0x00000001', '75'],
        [time, 'tap0', '0x00000002', '90'],
        [time, 'tap0', '0x00000002', '17430'],
        [time, 'tün0', '0x00000002', '61'],
      ],
    );
    t.end();
  });

  t.test('comments say what was dropped and what was offloaded', (t) => {
    t.same(fields('frame.comment', 'frame.number', 'frame.comment').slice(0, 3), [
      '1\tdrop: UdpNoPort',
      '2\tchecksum partial',
      '3\tgso tcp4 1448 x 12, checksum partial',
    ]);
    t.end();
  });

  t.test('frames that were left out are told', (t) => {
    t.same(fields('frame.drop_count > 0', 'frame.number', 'frame.drop_count'), ['8\t2']);
    t.end();
  });

  t.test('no frame is malformed and no checksum is bad', (t) => {
    t.same(
      fields('_ws.malformed or udp.checksum.status == 0 or tcp.checksum.status == 0', 'frame.number'),
      [],
    );
    t.same(fields('udp.checksum.status == 1 or tcp.checksum.status == 1', 'frame.number').length, 8);
    t.same(fields('_ws.expert.severity == error', 'frame.number'), []);
    t.end();
  });
  t.end();
});
