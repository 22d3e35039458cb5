import t from 'tap';
import { Drop } from '../../src/base/drop.ts';
import { rng } from '../../src/base/rng.ts';
import type { Instant } from '../../src/base/time.ts';
import { after, ms, START, us } from '../../src/base/time.ts';
import { FULL_OFFLOAD, NO_OFFLOAD } from '../../src/device/net-device.ts';
import type { NetemProfile } from '../../src/device/netem/profile.ts';
import { Netem } from '../../src/device/netem.ts';
import { pair } from '../../src/device/pair.ts';
import { Drops } from '../../src/packet/drops.ts';
import type { Packet } from '../../src/packet/packet.ts';
import { Pool } from '../../src/packet/pool.ts';
import { superSegment, udpFrame } from './frames.ts';

const SEED = 20;

function setUp(transmit: NetemProfile | undefined, receive?: NetemProfile, keepOffload = false) {
  const pool = new Pool(64);
  const drops = new Drops();
  const [a, b] = pair('a', 'b', { drops: [drops, drops] });
  const netem = new Netem(a, {
    pool,
    drops,
    rng: rng(SEED),
    keepOffload,
    ...(transmit && { transmit }),
    ...(receive && { receive }),
  });
  const inbox: Packet[] = [];
  b.receiver = { handleFrame: (_now, packet) => void inbox.push(packet) };
  const handed: Packet[] = [];
  netem.receiver = { handleFrame: (_now, packet) => void handed.push(packet) };
  return { pool, drops, a, b, netem, inbox, handed };
}

t.test('netem as a device', (t) => {
  t.test('wakes when a frame is due, and only then puts it on the wire', (t) => {
    const { netem, b, pool, inbox } = setUp({ delay: ms(20) });
    t.equal(netem.transmit(START, udpFrame(pool, 'ethernet', 100)), Drop.None);
    netem.flush(START);
    t.equal(netem.nextTimeout(), 20_000);
    t.equal(netem.counters.txPackets, 0);
    b.receive(START, 64);
    t.equal(inbox.length, 0);
    netem.handleTimeout(20_000 as Instant);
    b.receive(20_000 as Instant, 64);
    t.equal(inbox.length, 1);
    t.equal(netem.counters.txPackets, 1);
    inbox[0]?.release();
    t.equal(pool.available, pool.capacity);
    t.end();
  });

  t.test('a loss is the wire’s: the sender is told nothing', (t) => {
    const { netem, pool } = setUp({ loss: 1 });
    t.equal(netem.transmit(START, udpFrame(pool, 'ethernet', 100)), Drop.None);
    t.equal(netem.counters.txDropped, 0);
    t.equal(netem.transmitCounters.lost, 1);
    t.end();
  });

  t.test('impairs what is received when asked to, within the budget', (t) => {
    const { netem, b, pool, handed } = setUp(undefined, { delay: ms(5), duplicate: 1 });
    for (let i = 0; i < 6; i++) b.transmit(START, udpFrame(pool, 'ethernet', 100, i));
    t.equal(netem.receive(START, 64), 0);
    t.equal(netem.nextTimeout(), 5_000);
    const now = after(START, ms(5));
    t.equal(netem.receive(now, 8), 8);
    t.equal(netem.nextTimeout(), 5_000, 'the rest waits');
    t.equal(netem.receive(now, 8), 4);
    t.equal(handed.length, 12);
    t.ok(handed.every((packet) => packet.receivedAt === now));
    for (const packet of handed) packet.release();
    t.equal(netem.receiveCounters.delivered, 12);
    t.equal(pool.available, pool.capacity);
    t.end();
  });

  t.test('is offered no more than the budget lets through', (t) => {
    const { netem, b, pool, drops, handed } = setUp(undefined, { limitPackets: 4, duplicate: 1 });
    for (let i = 0; i < 10; i++) b.transmit(START, udpFrame(pool, 'ethernet', 100, i));
    for (let i = 0; i < 10; i++) t.equal(netem.receive(START, 2), 2);
    t.equal(netem.receive(START, 2), 0);
    t.equal(drops.counts[Drop.NetemQueueFull], 0);
    for (const packet of handed) packet.release();
    t.end();
  });

  t.test('reports no offload, as a wire sees single frames, unless it is to be kept', (t) => {
    t.same(setUp({}).netem.features, NO_OFFLOAD);
    const { netem, b, pool, inbox } = setUp({ delay: us(1) }, undefined, true);
    t.same(netem.features, FULL_OFFLOAD);
    netem.transmit(START, superSegment(pool, 'ethernet', 1_448, 4));
    netem.flush(1 as Instant);
    b.receive(START, 64);
    t.equal(inbox[0]?.gsoSize, 1_448);
    inbox[0]?.release();
    t.end();
  });

  t.test('drops what is under way when it goes down or closes', (t) => {
    const { netem, pool, drops } = setUp({ delay: ms(5) }, { delay: ms(5) });
    netem.transmit(START, udpFrame(pool, 'ethernet', 100));
    netem.isUp = false;
    netem.flush(START);
    t.equal(drops.counts[Drop.LinkDown], 1);
    t.equal(pool.available, pool.capacity);
    netem.isUp = true;
    netem.transmit(START, udpFrame(pool, 'ethernet', 100));
    netem.close();
    t.equal(pool.available, pool.capacity);
    t.end();
  });

  t.test('can be shaped while it runs, in both directions', (t) => {
    const { netem, b, pool, inbox, handed } = setUp(undefined);
    t.same(netem.transmitCounters.offered, 0);
    netem.transmit(START, udpFrame(pool, 'ethernet', 100));
    netem.shapeTransmit({ loss: 1 });
    netem.shapeReceive({ loss: 1 });
    netem.transmit(START, udpFrame(pool, 'ethernet', 100));
    b.transmit(START, udpFrame(pool, 'ethernet', 100));
    netem.shapeReceive({});
    b.transmit(START, udpFrame(pool, 'ethernet', 100));
    netem.receive(START, 64);
    b.receive(START, 64);
    t.same([inbox.length, handed.length], [1, 2]);
    for (const packet of [...inbox, ...handed]) packet.release();
    t.equal(pool.available, pool.capacity);
    t.end();
  });
  t.end();
});
