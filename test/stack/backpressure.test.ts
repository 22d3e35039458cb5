/** A link that takes nothing for a while: frames wait in the queue of the interface, not in the device. */
import t from 'tap';
import { parseIp } from '../../src/addr/ip.ts';
import { Mac } from '../../src/addr/mac.ts';
import { parsePrefix } from '../../src/addr/prefix.ts';
import { rng } from '../../src/base/rng.ts';
import type { Instant } from '../../src/base/time.ts';
import { after, START, us } from '../../src/base/time.ts';
import { Nic } from '../../src/device/nic.ts';
import { Stack } from '../../src/stack/stack.ts';
import { FakeDriver } from '../device/fake-driver.ts';

const SENT = 40;
const DEVICE_QUEUE = 8;

t.test('a full link holds frames back in the queue, and loses none', (t) => {
  const stack = new Stack({ rng: rng(1), now: START });
  const driver = new FakeDriver();
  driver.room = 0;
  const nic = new Nic(driver, stack.pool, stack.drops, { queueMaxFrames: DEVICE_QUEUE });
  const iface = stack.addDevice(START, nic);
  if (typeof iface === 'string') throw new Error(iface);
  stack.addAddress(START, iface, parsePrefix('10.0.0.1/24')!);
  iface.neighbors?.add(START, parseIp('10.0.0.2')!, new Mac(0x0200, 2));
  const socket = stack.sockets.openUdp();
  if (typeof socket === 'string') throw new Error(socket);
  let now: Instant = START;
  for (let i = 0; i < SENT; i++) socket.sendTo(new Uint8Array(100), 0, 100, parseIp('10.0.0.2')!, 9);
  const next = stack.turn(now);
  t.ok(nic.isStopped, 'the device says so');
  t.ok(iface.qdisc.length >= SENT - DEVICE_QUEUE, 'they wait in the queue');
  t.ok(next > now, 'and nobody spins until the link is tried again');
  t.strictSame(stack.drops.status(), {}, 'nothing is dropped');
  driver.room = Number.POSITIVE_INFINITY;
  now = after(next, us(1));
  stack.turn(now);
  t.equal(driver.lengths.filter((length) => length === 142).length, SENT, 'all of them leave');
  t.notOk(nic.isStopped, 'the device takes more');
  socket.close();
  stack.close(now);
  t.equal(stack.pool.available, stack.pool.capacity, 'the pool is whole');
  t.end();
});
