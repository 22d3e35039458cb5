import t from 'tap';
import type { Instant } from '../../../src/base/time.ts';
import { ms, sec } from '../../../src/base/time.ts';
import { BASE_MTU, MtuProbe } from '../../../src/tcp/recovery/mtu-probe.ts';
import { pair } from '../pair.ts';

const at = (n: number): Instant => n as Instant;
const MINUTES_10 = 600_000_000;

/** A machine that has fallen back from 1500 at the third timeout, and heard an answer since. */
function fallen(): MtuProbe {
  const probe = new MtuProbe();
  probe.handleTimeout(at(0), 3, 1_500);
  probe.handleAcked();
  return probe;
}

/** Probes over a path that carries `mtu`; what was tried. */
function search(probe: MtuProbe, mtu: number, from: number): number[] {
  const tried: number[] = [];
  for (let now = from; now < from + 30e6; now += 50_000) {
    const size = probe.poll(at(now), 20, 1e6, 1_148);
    if (size === 0) continue;
    tried.push(size);
    probe.handleSent(size);
    if (size <= mtu) probe.handleProbeAcked(at(now));
    else probe.handleProbeLost(at(now));
  }
  return tried;
}

t.test('three timeouts of long segments: a black hole (RFC 4821 §7.7, RFC 8899 §4.3)', async (t) => {
  const probe = new MtuProbe();
  t.equal(probe.handleTimeout(at(0), 2, 1_500), 0);
  t.equal(probe.handleTimeout(at(0), 3, BASE_MTU), 0, 'short ones have other reasons');
  t.equal(probe.handleTimeout(at(0), 3, 1_500), BASE_MTU);
  t.equal(probe.state, 'base');
  t.equal(probe.poll(at(1e9), 20, 1e6, 1_148), 0, 'nothing is probed before something is acknowledged');
});

t.test('the search ends at the largest size that arrives (RFC 8899 §5.3)', async (t) => {
  const probe = fallen();
  const tried = search(probe, 1_400, 200_000);
  t.same(tried.slice(0, 4), [1_500, 1_500, 1_500, 1_350], 'each is lost three times before it is given up');
  t.ok(probe.low <= 1_400 && probe.low > 1_392, `${probe.low}`);
  t.equal(probe.state, 'complete');
  t.same(search(fallen(), 1_500, 200_000), [1_500], 'an outage was no black hole');
});

t.test('ten minutes later it looks again (RFC 8899 §5.1.1, PMTU_RAISE_TIMER)', async (t) => {
  const probe = fallen();
  search(probe, 1_400, 200_000);
  t.equal(probe.poll(at(30e6), 20, 1e6, 1_148), 0);
  t.same(search(probe, 1_500, 31e6 + MINUTES_10), [1_500]);
});

t.test('a probe needs a window and data behind it (RFC 4821 §7.4)', async (t) => {
  const probe = fallen();
  t.equal(probe.poll(at(1e6), 10, 1e6, 1_148), 0);
  t.equal(probe.poll(at(1e6), 20, 5_000, 1_148), 0);
  t.equal(probe.poll(at(1e6), 20, 7_000, 1_148), 1_500);
  probe.handleSent(1_500);
  t.equal(probe.poll(at(1e6), 20, 7_000, 1_148), 0, 'one at a time');
});

t.test('what the network says itself is believed (RFC 8899 §4.6)', async (t) => {
  const probe = fallen();
  probe.handlePacketTooBig(1_280);
  t.same(search(probe, 1_500, 200_000), [1_240, 1_260, 1_270, 1_275].slice(0, probe.successes));
  t.ok(probe.low > 1_270 && probe.low <= 1_280, `${probe.low}`);
});

t.test('a transfer through a black hole goes on, and finds what the path carries (RFC 4821)', async (t) => {
  for (const gso of [0, 60_000]) {
    const net = pair({ delay: ms(10), gso });
    net.isRecording = false;
    const [client, server] = net.connect();
    net.filter = ({ bytes }) => bytes.length > 1_400;
    client.send(new Uint8Array(3_000_000).fill(7));
    net.drive(sec(30), () => server.receivedBytes === 3_000_000);
    t.equal(server.receivedBytes, 3_000_000, `gso ${gso}: after ${(net.now - 1e6) / 1e6} s`);
    const tcb = net.a.tcp.connections.tcb(client.id);
    t.ok(tcb.pathMtu > 1_392 && tcb.pathMtu <= 1_400, `it carries ${tcb.pathMtu}`);
  }
});

t.test('without black-hole detection it would have stood still', async (t) => {
  const net = pair({ delay: ms(10), a: { mtuProbing: false } });
  net.isRecording = false;
  const [client, server] = net.connect();
  net.filter = ({ bytes }) => bytes.length > 1_400;
  client.send(new Uint8Array(3_000_000));
  net.drive(sec(20));
  t.equal(server.receivedBytes, 0);
});
