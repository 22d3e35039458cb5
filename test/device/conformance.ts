/** What every `NetDevice` must do, as tests: run over each device of the repository. */
import type { Test } from 'tap';
import { Drop } from '../../src/base/drop.ts';
import type { Instant } from '../../src/base/time.ts';
import { after, ms, NEVER, START } from '../../src/base/time.ts';
import type { NetDevice } from '../../src/device/net-device.ts';
import { linkHeaderBytes } from '../../src/device/offload.ts';
import type { Drops } from '../../src/packet/drops.ts';
import type { Packet } from '../../src/packet/packet.ts';
import { PacketFlag } from '../../src/packet/packet.ts';
import type { Pool } from '../../src/packet/pool.ts';
import { isIntact, markOf, partialFrame, superSegment, udpFrame } from './frames.ts';

/** A device and the far side of its wire. */
export interface Bench {
  readonly device: NetDevice;
  readonly pool: Pool;
  readonly drops: Drops;
  /** Puts a frame onto the wire from the far side, so that the device will receive it. */
  inject(now: Instant, packet: Packet): void;
  /** What the device put onto the wire, in order; the caller owns it. */
  takeSent(now: Instant): Packet[];
}

const NOW = 1_000_000 as Instant;
const LENGTH = 100;

class Collector {
  readonly packets: Packet[] = [];
  handleFrame(_now: Instant, packet: Packet): void {
    this.packets.push(packet);
  }
  releaseAll(): number {
    const count = this.packets.length;
    for (const packet of this.packets.splice(0)) packet.release();
    return count;
  }
}

function attach(bench: Bench): Collector {
  const collector = new Collector();
  bench.device.receiver = collector;
  bench.device.index = 7;
  return collector;
}

function releaseSent(bench: Bench): number {
  const sent = bench.takeSent(NOW);
  for (const packet of sent) packet.release();
  return sent.length;
}

function send(bench: Bench, packet: Packet): Drop {
  const answer = bench.device.transmit(NOW, packet);
  bench.device.flush(NOW);
  return answer;
}

/** Runs the suite over benches that `make` makes anew for each test. */
export function conform(t: Test, name: string, make: () => Bench): void {
  const check = (behaviour: string, body: (t: Test, bench: Bench, collector: Collector) => void): void => {
    t.test(`${name}: ${behaviour}`, (t) => {
      const bench = make();
      const collector = attach(bench);
      body(t, bench, collector);
      collector.releaseAll();
      releaseSent(bench);
      bench.device.close();
      t.equal(bench.pool.available, bench.pool.capacity, 'every packet is home');
      t.end();
    });
  };
  checkTransfer(check);
  checkState(check);
  checkOffload(check);
}

type Check = (behaviour: string, body: (t: Test, bench: Bench, collector: Collector) => void) => void;

function checkTransfer(check: Check): void {
  check('what is transmitted reaches the wire unchanged, in order', (t, bench) => {
    const { device, pool } = bench;
    for (let i = 0; i < 5; i++)
      t.equal(device.transmit(NOW, udpFrame(pool, device.medium, LENGTH, i)), Drop.None);
    device.flush(NOW);
    const sent = bench.takeSent(NOW);
    t.same(
      sent.map((packet) => markOf(packet, device.medium)),
      [0, 1, 2, 3, 4],
    );
    t.ok(sent.every((packet) => packet.length === LENGTH && isIntact(packet, device.medium)));
    t.equal(device.counters.txPackets, 5);
    t.equal(device.counters.txBytes, 5 * LENGTH);
    for (const packet of sent) packet.release();
  });

  check('what arrives is handed up once, in order, with its device and time', (t, bench, collector) => {
    const { device, pool } = bench;
    for (let i = 0; i < 5; i++) bench.inject(NOW, udpFrame(pool, device.medium, LENGTH, i));
    t.equal(collector.packets.length, 0, 'a device never calls up on its own');
    const later = after(NOW, ms(1));
    t.equal(device.receive(later, 64), 5);
    t.same(
      collector.packets.map((packet) => markOf(packet, device.medium)),
      [0, 1, 2, 3, 4],
    );
    for (const packet of collector.packets) {
      t.equal(packet.device, 7);
      t.equal(packet.receivedAt, later);
      t.equal(packet.length, LENGTH);
      t.equal(packet.l3, packet.head + linkHeaderBytes(device.medium));
    }
    t.equal(device.counters.rxPackets, 5);
    t.equal(device.counters.rxBytes, 5 * LENGTH);
    t.equal(device.receive(later, 64), 0);
  });

  check('receive keeps its budget and hands up the rest later', (t, bench, collector) => {
    const { device, pool } = bench;
    for (let i = 0; i < 10; i++) bench.inject(NOW, udpFrame(pool, device.medium, LENGTH, i));
    t.equal(device.receive(NOW, 4), 4);
    t.equal(collector.packets.length, 4);
    t.equal(device.receive(NOW, 4), 4);
    t.equal(device.receive(NOW, 4), 2);
    t.same(
      collector.packets.map((packet) => markOf(packet, device.medium)),
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    );
  });

  check('has no deadline while nothing waits', (t, bench) => {
    t.equal(bench.device.nextTimeout(), NEVER);
    bench.device.handleTimeout(NOW);
    bench.device.flush(NOW);
    t.equal(bench.device.receive(NOW, 64), 0);
  });

  check('a frame longer than the MTU is dropped as TxTooLong, one as long as it is not', (t, bench) => {
    const { device, pool, drops } = bench;
    device.mtu = 1_000;
    const limit = 1_000 + linkHeaderBytes(device.medium);
    t.equal(send(bench, udpFrame(pool, device.medium, limit)), Drop.None);
    t.equal(send(bench, udpFrame(pool, device.medium, limit + 1)), Drop.TxTooLong);
    t.equal(drops.counts[Drop.TxTooLong], 1);
    t.equal(device.counters.txDropped, 1);
    t.equal(releaseSent(bench), 1);
  });
}

function checkState(check: Check): void {
  check('a device that is down takes nothing and hands up nothing', (t, bench, collector) => {
    const { device, pool, drops } = bench;
    bench.inject(NOW, udpFrame(pool, device.medium, LENGTH));
    device.isUp = false;
    t.equal(send(bench, udpFrame(pool, device.medium, LENGTH)), Drop.LinkDown);
    t.equal(device.receive(NOW, 64), 0);
    t.equal(collector.packets.length, 0);
    t.equal(releaseSent(bench), 0);
    t.equal(device.counters.txDropped, 1);
    t.ok((drops.counts[Drop.LinkDown] as number) >= 1);
    device.isUp = true;
    t.equal(send(bench, udpFrame(pool, device.medium, LENGTH)), Drop.None, 'and works again when it is up');
    t.equal(releaseSent(bench), 1);
  });

  check('without a receiver a frame is dropped as NoReceiver', (t, bench) => {
    const { device, pool, drops } = bench;
    device.receiver = null;
    bench.inject(NOW, udpFrame(pool, device.medium, LENGTH));
    device.receive(NOW, 64);
    t.equal(drops.counts[Drop.NoReceiver], 1);
  });

  check('closing gives back what waits', (_t, bench) => {
    const { device, pool } = bench;
    for (let i = 0; i < 5; i++) bench.inject(NOW, udpFrame(pool, device.medium, LENGTH));
    for (let i = 0; i < 5; i++) device.transmit(NOW, udpFrame(pool, device.medium, LENGTH));
  });

  check('a flood is bounded: what finds no room is dropped and counted', (t, bench) => {
    const { device, pool, drops } = bench;
    for (let i = 0; i < 3_000; i++) {
      const packet = pool.take();
      if (packet === null) break;
      packet.release();
      device.transmit(NOW, udpFrame(pool, device.medium, LENGTH));
    }
    device.flush(NOW);
    const sent = releaseSent(bench);
    const dropped = drops.counts.reduce((sum, count) => sum + count, 0);
    t.equal(device.counters.txPackets, sent);
    t.ok(sent + dropped >= Math.min(3_000, pool.capacity - 64));
    t.equal(device.nextTimeout() > START, true, 'and nothing waits');
  });
}

function checkOffload(check: Check): void {
  check('a partial checksum is completed, or left to who takes it', (t, bench) => {
    const { device, pool } = bench;
    t.equal(send(bench, partialFrame(pool, device.medium, LENGTH)), Drop.None);
    const [packet] = bench.takeSent(NOW);
    if (packet === undefined) throw new Error('the frame was sent');
    const isPartial = (packet.flags & PacketFlag.ChecksumPartial) !== 0;
    t.ok(!isPartial || device.features.checksum);
    t.equal(isIntact(packet, device.medium), !isPartial);
    packet.release();
  });

  check('a checksum field outside of the frame is dropped as OffloadBad, or left alone', (t, bench) => {
    const { device, pool } = bench;
    const packet = partialFrame(pool, device.medium, LENGTH);
    packet.csumOffset = 60_000;
    t.equal(send(bench, packet), device.features.checksum ? Drop.None : Drop.OffloadBad);
    releaseSent(bench);
  });

  check('a super-segment passes whole where the features say so, and nowhere else', (t, bench) => {
    const { device, pool } = bench;
    const packet = superSegment(pool, device.medium, 1_448, 12);
    const { length } = packet;
    t.equal(send(bench, packet), device.features.tso4 ? Drop.None : Drop.OffloadBad);
    const sent = bench.takeSent(NOW);
    t.same(
      sent.map((each) => [each.length, each.gsoSize]),
      device.features.tso4 ? [[length, 1_448]] : [],
    );
    for (const each of sent) each.release();
  });
}
