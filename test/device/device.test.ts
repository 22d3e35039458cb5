import t from 'tap';
import { Drop } from '../../src/base/drop.ts';
import { rng } from '../../src/base/rng.ts';
import type { Instant } from '../../src/base/time.ts';
import { NEVER, START } from '../../src/base/time.ts';
import { LoopbackDevice } from '../../src/device/loopback.ts';
import { Monitor } from '../../src/device/monitor.ts';
import type { DeviceFeatures } from '../../src/device/net-device.ts';
import { FULL_OFFLOAD, NO_OFFLOAD } from '../../src/device/net-device.ts';
import { Netem } from '../../src/device/netem.ts';
import { Nic } from '../../src/device/nic.ts';
import type { PairEnd } from '../../src/device/pair.ts';
import { pair } from '../../src/device/pair.ts';
import type { Direction, FrameSink } from '../../src/observe/frame-sink.ts';
import { Drops } from '../../src/packet/drops.ts';
import type { Packet } from '../../src/packet/packet.ts';
import { PacketFlag } from '../../src/packet/packet.ts';
import { Pool } from '../../src/packet/pool.ts';
import type { Bench } from './conformance.ts';
import { conform } from './conformance.ts';
import { FakeDriver } from './fake-driver.ts';
import { isIntact, partialFrame, superSegment, udpFrame } from './frames.ts';

const NOW = 5_000 as Instant;
const POOL = 1_200;

function collect(device: PairEnd | LoopbackDevice, now: Instant): Packet[] {
  const packets: Packet[] = [];
  device.receiver = { handleFrame: (_now, packet) => void packets.push(packet) };
  while (device.receive(now, 64) > 0);
  return packets;
}

function pairBench(
  features: DeviceFeatures,
  wrap: (a: PairEnd, pool: Pool, drops: Drops) => Bench['device'],
): Bench {
  const pool = new Pool(POOL);
  const drops = new Drops();
  const [a, b] = pair('a', 'b', { features, drops: [drops, drops] });
  return {
    device: wrap(a, pool, drops),
    pool,
    drops,
    inject: (now, packet) => void b.transmit(now, packet),
    takeSent: (now) => collect(b, now),
  };
}

function loopbackBench(): Bench {
  const pool = new Pool(POOL);
  const drops = new Drops();
  const device = new LoopbackDevice(drops);
  return {
    device,
    pool,
    drops,
    inject: (now, packet) => void device.transmit(now, packet),
    takeSent: (now) => collect(device, now),
  };
}

function nicBench(features: DeviceFeatures): Bench {
  const pool = new Pool(POOL);
  const drops = new Drops();
  const driver = new FakeDriver(features);
  const taken: Packet[] = [];
  driver.room = 500;
  driver.onWrite = (packet) => {
    const copy = pool.take();
    if (copy === null) throw new Error('the pool of the test is too small');
    packet.copyTo(copy);
    taken.push(copy);
  };
  return {
    device: new Nic(driver, pool, drops),
    pool,
    drops,
    inject: (_now, packet) => void driver.arrived.push(packet),
    takeSent: () => taken.splice(0),
  };
}

const ignore: FrameSink = { peekFrame: () => -1, noteDrop: () => {} };

function monitored(inner: PairEnd, drops: Drops): Monitor {
  const monitor = new Monitor(inner, drops);
  monitor.watch(ignore, 0);
  return monitor;
}

conform(t, 'loopback', loopbackBench);
conform(t, 'pair', () => pairBench(FULL_OFFLOAD, (a) => a));
conform(t, 'pair without offload', () => pairBench(NO_OFFLOAD, (a) => a));
conform(t, 'nic', () => nicBench(NO_OFFLOAD));
conform(t, 'nic with offload', () => nicBench(FULL_OFFLOAD));
conform(t, 'netem over pair', () =>
  pairBench(
    FULL_OFFLOAD,
    (a, pool, drops) => new Netem(a, { pool, drops, rng: rng(1), transmit: {}, receive: {} }),
  ),
);
conform(t, 'netem that keeps offload', () =>
  pairBench(
    FULL_OFFLOAD,
    (a, pool, drops) => new Netem(a, { pool, drops, rng: rng(1), transmit: {}, keepOffload: true }),
  ),
);
conform(t, 'monitor over pair', () => pairBench(FULL_OFFLOAD, (a, _pool, drops) => monitored(a, drops)));
conform(t, 'monitor over netem over pair', () =>
  pairBench(FULL_OFFLOAD, (a, pool, drops) => {
    const monitor = new Monitor(new Netem(a, { pool, drops, rng: rng(1), transmit: {} }), drops);
    monitor.watch(ignore, 0);
    return monitor;
  }),
);

function nicSetUp(): { driver: FakeDriver; nic: Nic; pool: Pool; drops: Drops } {
  const pool = new Pool(600);
  const drops = new Drops();
  const driver = new FakeDriver();
  return { driver, nic: new Nic(driver, pool, drops), pool, drops };
}

t.test('nic', (t) => {
  t.test('collects, and writes a batch with one call', (t) => {
    const { driver, nic, pool } = nicSetUp();
    for (let i = 0; i < 10; i++) nic.transmit(NOW, udpFrame(pool, 'ethernet', 100));
    t.equal(driver.writes, 0);
    nic.flush(NOW);
    t.equal(driver.writes, 1);
    t.equal(driver.sent.length, 10);
    t.equal(pool.available, 600);
    t.end();
  });

  t.test('keeps what a full link does not take, and tries again', (t) => {
    const { driver, nic, pool } = nicSetUp();
    driver.room = 3;
    for (let i = 0; i < 10; i++) nic.transmit(NOW, udpFrame(pool, 'ethernet', 100 + i));
    nic.flush(NOW);
    t.equal(driver.sent.length, 3);
    t.equal(pool.available, 593);
    t.equal(nic.nextTimeout(), NOW + 1_000);
    driver.room = 100;
    nic.handleTimeout((NOW + 1_000) as Instant);
    t.same(driver.lengths, [100, 101, 102, 103, 104, 105, 106, 107, 108, 109]);
    t.equal(nic.nextTimeout(), NEVER);
    t.equal(pool.available, 600);
    t.equal(nic.counters.txPackets, 10);
    t.end();
  });

  t.test('a queue that stays full drops as LinkQueueFull, without a system call per frame', (t) => {
    const { driver, nic, pool, drops } = nicSetUp();
    driver.room = 0;
    for (let i = 0; i < 300; i++) nic.transmit(NOW, udpFrame(pool, 'ethernet', 100));
    t.equal(drops.counts[Drop.LinkQueueFull], 44);
    t.equal(nic.counters.txDropped, 44);
    t.equal(driver.writes, 1);
    nic.close();
    t.equal(pool.available, 600);
    t.ok(driver.isClosed);
    t.end();
  });

  t.test('a frame that the link refuses is dropped as LinkWriteFailed, and the rest goes on', (t) => {
    const { driver, nic, pool, drops } = nicSetUp();
    driver.refused = 22;
    driver.refusedLength = 102;
    for (let i = 0; i < 5; i++) nic.transmit(NOW, udpFrame(pool, 'ethernet', 100 + i));
    nic.flush(NOW);
    t.same(driver.lengths, [100, 101, 103, 104]);
    t.equal(drops.counts[Drop.LinkWriteFailed], 1);
    t.equal(nic.counters.txErrors, 1);
    t.equal(pool.available, 600);
    t.end();
  });

  t.test('a tap whose host side is down (EIO) costs one call, not one per frame', (t) => {
    const { driver, nic, pool, drops } = nicSetUp();
    driver.broken = 5;
    for (let i = 0; i < 5; i++) nic.transmit(NOW, udpFrame(pool, 'ethernet', 100));
    nic.flush(NOW);
    t.equal(driver.writes, 1);
    t.equal(drops.counts[Drop.LinkDown], 5);
    t.equal(nic.linkErrno, 5);
    t.equal(nic.receive(NOW, 64), 0);
    t.equal(nic.counters.rxErrors, 1);
    driver.broken = 0;
    nic.transmit(NOW, udpFrame(pool, 'ethernet', 100));
    nic.flush(NOW);
    t.equal(nic.linkErrno, 0);
    t.equal(driver.sent.length, 1);
    t.equal(pool.available, 600);
    t.end();
  });

  t.test('reads batch after batch until the budget is spent or nothing waits', (t) => {
    const { driver, nic, pool } = nicSetUp();
    let seen = 0;
    nic.receiver = {
      handleFrame: (_now, packet) => {
        seen++;
        packet.release();
      },
    };
    for (let i = 0; i < 200; i++) driver.arrived.push(udpFrame(pool, 'ethernet', 100));
    t.equal(nic.receive(NOW, 150), 150);
    t.equal(driver.reads, 3);
    t.equal(nic.receive(NOW, 150), 50);
    t.equal(driver.reads, 4, 'a batch that is not full was the last');
    t.equal(seen, 200);
    t.equal(pool.available, 600);
    t.end();
  });

  t.test('ordinary frames leave with whole checksums, larger ones leave it to a link that can', (t) => {
    const pool = new Pool(8);
    const driver = new FakeDriver(FULL_OFFLOAD);
    const nic = new Nic(driver, pool, new Drops());
    nic.mtu = 9_000;
    const isWhole: boolean[] = [];
    driver.onWrite = (packet) => {
      const isPartial = (packet.flags & PacketFlag.ChecksumPartial) !== 0;
      t.equal(isIntact(packet, 'ethernet'), !isPartial);
      isWhole.push(!isPartial);
    };
    for (const length of [60, 1_514, 1_536, 1_537, 9_000])
      nic.transmit(NOW, partialFrame(pool, 'ethernet', length));
    nic.flush(NOW);
    t.same(isWhole, [true, true, true, false, false]);
    driver.onWrite = (packet) => t.ok(packet.flags & PacketFlag.ChecksumPartial, 'a super-segment');
    nic.transmit(NOW, superSegment(pool, 'ethernet', 100, 2));
    nic.flush(NOW);
    t.equal(driver.writes, 2);
    t.equal(pool.available, 8);
    t.end();
  });

  t.test('an 802.1Q tag does not count against the MTU', (t) => {
    const { nic, pool, drops } = nicSetUp();
    const tagged = udpFrame(pool, 'ethernet', 1_518);
    tagged.view.setUint16(tagged.head + 12, 0x8100);
    t.equal(nic.transmit(NOW, tagged), Drop.None);
    const long = udpFrame(pool, 'ethernet', 1_519);
    long.view.setUint16(long.head + 12, 0x8100);
    t.equal(nic.transmit(NOW, long), Drop.TxTooLong);
    t.equal(nic.transmit(NOW, udpFrame(pool, 'ethernet', 1_518)), Drop.TxTooLong);
    t.equal(drops.counts[Drop.TxTooLong], 2);
    nic.close();
    t.end();
  });
  t.end();
});

t.test('loopback', (t) => {
  t.test('what is sent while receiving waits for the next time', (t) => {
    const pool = new Pool(4);
    const lo = new LoopbackDevice(new Drops());
    let seen = 0;
    lo.receiver = {
      handleFrame: (now, packet) => {
        seen++;
        lo.transmit(now, packet);
      },
    };
    lo.transmit(NOW, udpFrame(pool, 'ip', 100));
    t.equal(lo.nextTimeout(), START);
    t.equal(lo.receive(NOW, 64), 1);
    t.equal(seen, 1);
    t.equal(lo.nextTimeout(), START);
    lo.close();
    t.equal(pool.available, 4);
    t.end();
  });

  t.test('trusts a partial checksum, keeps the mark, and says where it came from', (t) => {
    const pool = new Pool(4);
    const lo = new LoopbackDevice(new Drops());
    const sent = partialFrame(pool, 'ip', 100);
    sent.mark = 9;
    sent.flags |= PacketFlag.IpBroadcast;
    lo.transmit(NOW, sent);
    const [packet] = collect(lo, NOW);
    if (packet === undefined) throw new Error('it was received');
    t.equal(packet.flags, PacketFlag.ChecksumPartial | PacketFlag.ChecksumValid | PacketFlag.Loopback);
    t.equal(packet.mark, 9);
    packet.release();
    t.end();
  });
  t.end();
});

t.test('pair', (t) => {
  t.test('a packet goes home to the pool it came from', (t) => {
    const poolA = new Pool(4);
    const poolB = new Pool(4);
    const [a, b] = pair('a', 'b');
    a.transmit(NOW, udpFrame(poolA, 'ethernet', 100));
    b.transmit(NOW, udpFrame(poolB, 'ethernet', 100));
    t.equal(b.nextTimeout(), START);
    for (const packet of [...collect(a, NOW), ...collect(b, NOW)]) packet.release();
    t.equal(b.nextTimeout(), NEVER);
    t.equal(poolA.available, 4);
    t.equal(poolB.available, 4);
    t.end();
  });

  t.test('nothing of what the sender knew comes along', (t) => {
    const pool = new Pool(4);
    const [a, b] = pair('a', 'b');
    const sent = superSegment(pool, 'ethernet', 1_000, 3);
    Object.assign(sent, { mark: 1, conn: 2, hash: 3, device: 4 });
    sent.flags |= PacketFlag.GsoEcn | PacketFlag.LinkOther;
    a.transmit(NOW, sent);
    b.index = 9;
    const [packet] = collect(b, NOW);
    if (packet === undefined) throw new Error('it was received');
    t.same([packet.mark, packet.conn, packet.hash, packet.device], [0, 0, 0, 9]);
    t.equal(packet.flags, PacketFlag.ChecksumPartial | PacketFlag.ChecksumValid | PacketFlag.GsoEcn);
    packet.release();
    t.end();
  });

  t.test('to an end that is down, or gone, the link is down', (t) => {
    const pool = new Pool(4);
    const drops = new Drops();
    const [a, b] = pair('a', 'b', { drops: [drops, drops] });
    b.isUp = false;
    t.equal(a.transmit(NOW, udpFrame(pool, 'ethernet', 100)), Drop.LinkDown);
    b.isUp = true;
    b.close();
    t.equal(a.transmit(NOW, udpFrame(pool, 'ethernet', 100)), Drop.LinkDown);
    t.equal(a.counters.txDropped, 2);
    t.equal(pool.available, 4);
    t.end();
  });

  t.test('has addresses of its own that depend on the names', (t) => {
    const [a, b] = pair('x', 'y');
    const [c] = pair('x', 'y');
    const [d] = pair('x', 'z');
    t.equal(a.mac?.isGroup, false);
    t.notOk(a.mac?.equals(b.mac ?? a.mac));
    t.equal(String(a.mac), String(c.mac));
    t.not(String(a.mac), String(d.mac));
    t.equal(pair('x', 'y', { medium: 'ip' })[0].mac, null);
    t.end();
  });
  t.end();
});

class Notes implements FrameSink {
  readonly lines: string[] = [];
  #tickets = 0;
  peekFrame(_now: Instant, interfaceId: number, packet: Packet, direction: Direction): number {
    this.lines.push(`${direction} ${interfaceId} ${packet.length}`);
    return this.#tickets++;
  }
  noteDrop(ticket: number, reason: Drop): void {
    this.lines[ticket] += ` ${reason}`;
  }
}

function monitorSetUp(): {
  a: PairEnd;
  b: PairEnd;
  monitor: Monitor;
  notes: Notes;
  pool: Pool;
  drops: Drops;
} {
  const pool = new Pool(8);
  const drops = new Drops();
  const [a, b] = pair('a', 'b', { drops: [drops, drops] });
  const monitor = new Monitor(a, drops);
  const notes = new Notes();
  monitor.watch(notes, 3);
  return { a, b, monitor, notes, pool, drops };
}

t.test('monitor', (t) => {
  t.test('shows frames both ways, and which of them were dropped', (t) => {
    const { a, b, monitor, notes, pool, drops } = monitorSetUp();
    const seen: number[] = [];
    drops.watcher = (_packet, reason) => void seen.push(reason);
    monitor.receiver = {
      handleFrame: (now, packet) => {
        // An answer goes out before the frame it answers is dropped.
        a.mtu = packet.length === 100 ? 1_500 : 50;
        monitor.transmit(now, udpFrame(pool, 'ethernet', 200));
        drops.drop(packet, Drop.UdpNoPort);
      },
    };
    b.transmit(NOW, udpFrame(pool, 'ethernet', 100));
    b.transmit(NOW, udpFrame(pool, 'ethernet', 101));
    monitor.receive(NOW, 64);
    t.same(notes.lines, [
      `in 3 100 ${Drop.UdpNoPort}`,
      'out 3 200',
      `in 3 101 ${Drop.UdpNoPort}`,
      `out 3 200 ${Drop.TxTooLong}`,
    ]);
    t.same(seen, [Drop.UdpNoPort, Drop.TxTooLong, Drop.UdpNoPort], 'another watcher sees all the same');
    monitor.receiver = { handleFrame: (_now, packet) => packet.release() };
    drops.drop(udpFrame(pool, 'ethernet', 60), Drop.NoRoute);
    t.equal(seen.length, 4);
    t.equal(notes.lines.length, 4, 'a drop outside of the handling of a frame is none of its own');
    b.close();
    t.equal(pool.available, 8);
    t.end();
  });

  t.test('two of them on one stack each see their own, whatever the nesting', (t) => {
    const { b, monitor, notes, pool, drops } = monitorSetUp();
    const outer = new Monitor(monitor, drops);
    const outerNotes = new Notes();
    outer.watch(outerNotes, 4);
    outer.receiver = {
      handleFrame: (now, packet) => {
        outer.transmit(now, udpFrame(pool, 'ethernet', 2_000));
        drops.drop(packet, Drop.NoRoute);
      },
    };
    b.transmit(NOW, udpFrame(pool, 'ethernet', 100));
    outer.receive(NOW, 64);
    t.same(notes.lines, [`in 3 100 ${Drop.NoRoute}`, `out 3 2000 ${Drop.TxTooLong}`]);
    t.same(outerNotes.lines, [`in 4 100 ${Drop.NoRoute}`, `out 4 2000 ${Drop.TxTooLong}`]);
    t.equal(drops.watcher, null);
    t.equal(pool.available, 8);
    t.end();
  });

  t.test('says nothing of packets that did what they came for, and nothing at all when not watching', (t) => {
    const { b, monitor, notes, pool, drops } = monitorSetUp();
    monitor.receiver = { handleFrame: (_now, packet) => void drops.drop(packet, Drop.ArpDone) };
    b.transmit(NOW, udpFrame(pool, 'ethernet', 100));
    monitor.receive(NOW, 64);
    monitor.unwatch();
    b.transmit(NOW, udpFrame(pool, 'ethernet', 100));
    monitor.receive(NOW, 64);
    t.same(notes.lines, ['in 3 100']);
    t.equal(monitor.isWatching, false);
    t.end();
  });

  t.test('is the interface: name, index, state and counters are the inner ones', (t) => {
    const { a, b, monitor, pool } = monitorSetUp();
    monitor.index = 12;
    t.equal(a.index, 12);
    t.equal(monitor.name, 'a');
    monitor.mtu = 900;
    t.equal(a.mtu, 900);
    monitor.transmit(NOW, udpFrame(pool, 'ethernet', 100));
    t.equal(monitor.counters.txPackets, 1);
    const [packet] = collect(b, NOW);
    t.ok(packet !== undefined && isIntact(packet, 'ethernet'));
    packet?.release();
    t.end();
  });
  t.end();
});
