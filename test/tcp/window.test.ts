import t from 'tap';
import { ms, sec } from '../../src/base/time.ts';
import { TcbFlag } from '../../src/tcp/tcb.ts';
import { noise } from './bytes.ts';
import { pair } from './pair.ts';
import { brief, RawPeer } from './raw-peer.ts';

const small = { rmemDefault: 10_000, moderateRcvbuf: false };

t.test('the right edge of the window never moves back (RFC 9293 §3.8.6)', async (t) => {
  const net = pair({ delay: ms(10), a: small, b: small });
  const [client, server] = net.connect();
  server.isReading = false;
  client.send(noise(60_000));
  net.drive(sec(3));
  const edges = net.sent
    .filter((sent) => sent.from === 'b' && sent.flags === 'A')
    .map((sent) => sent.ack + sent.window);
  for (let i = 1; i < edges.length; i++) t.ok(edges[i]! >= edges[i - 1]!, `edge ${i}`);
  server.isReading = true;
  server.read();
  net.drive(sec(30));
  t.equal(server.receivedBytes, 60_000);
});

t.test('no silly windows: it opens by a segment or half the buffer (RFC 9293 §3.8.6.2.2)', async (t) => {
  const peer = new RawPeer({ config: small }).establish({ mss: 1460 });
  for (let at = 0; at < 8_760; at += 1460) peer.say({ flags: 'PA', seq: 1 + at, ack: 1, data: 1460 });
  const [full] = peer.say({ flags: 'PA', seq: 8_761, ack: 1, data: 10 });
  t.equal(full?.window, 0);
  peer.socket!.read(100);
  t.same(peer.hear(), [], 'a little room is not told');
  peer.socket!.read(4_000);
  t.same(
    peer.hear().map((answer) => answer.window >= 1460),
    [true],
  );
});

t.test('a buffer that is smaller than a segment opens again by its half (RFC 9293 §3.8.6.2.2)', async (t) => {
  const net = pair({ delay: ms(10) });
  const [client, server] = net.connect();
  server.end.tcp.connections.set(server.id, 'windowClamp', 1_000);
  client.send(noise(80_000));
  net.drive(sec(10));
  t.equal(server.receivedBytes, 80_000);
});

t.test(
  'a closed window is probed, more and more rarely, as long as it is answered (RFC 9293 §3.8.6.1)',
  async (t) => {
    const peer = new RawPeer().establish({ mss: 1460, window: 1000 }, { window: 1000 });
    peer.socket!.send(noise(5000));
    t.same(brief(peer.hear()), ['A 1 1 1000']);
    t.same(peer.say({ flags: 'A', seq: 1, ack: 1001, window: 0 }), []);
    const times: number[] = [];
    for (let i = 0; i < 24; i++) {
      const before = peer.net.now;
      for (let j = 0; j < 5000 && peer.sent.length === 0; j++) peer.net.wait(ms(100));
      const [probe] = peer.hear();
      t.same([probe?.seq, probe?.length], [1000, 0]);
      times.push(Math.round((probe!.at - before) / 1e5) / 10);
      peer.say({ flags: 'A', seq: 1, ack: 1001, window: 0 });
    }
    t.ok(times[3]! >= 1.5 * times[2]!, times.join(' '));
    t.ok(times.at(-1)! >= 100, 'two minutes at most');
    t.equal(peer.state, 'ESTABLISHED');
    t.same(
      brief(peer.say({ flags: 'A', seq: 1, ack: 1001, window: 60_000 })).length,
      3,
      'it opens: all goes out',
    );
  },
);

t.test('probes that nobody answers end it, in FIN-WAIT-1 too (RFC 9293 §3.8.6.1)', async (t) => {
  const peer = new RawPeer().establish({ mss: 1460, window: 1000 }, { window: 1000 });
  peer.socket!.send(noise(5000));
  peer.hear();
  peer.socket!.close();
  peer.say({ flags: 'A', seq: 1, ack: 1001, window: 0 });
  const probes = peer.wait(sec(1200));
  t.ok(probes.length >= 8);
  t.equal(peer.end.tcp.shared.table.count, 0);
  t.same(peer.end.leftovers(), []);
});

t.test('less than a segment and less than half the window waits (RFC 9293 §3.8.6.2.1)', async (t) => {
  const peer = new RawPeer().establish({ mss: 1000, window: 4000 }, { window: 4000 });
  peer.socket!.send(noise(5000));
  t.equal(peer.hear().length, 4);
  t.same(peer.say({ flags: 'A', seq: 1, ack: 1001, window: 3300 }), [], '300 bytes of room: not worth it');
  t.same(brief(peer.say({ flags: 'A', seq: 1, ack: 2001, window: 3000 })), ['PA 4001 1 1000']);
});

t.test(
  'a little room is used after all when nothing else happens: the override (RFC 9293 §3.8.6.2.1)',
  async (t) => {
    const peer = new RawPeer().establish({ mss: 1000, window: 4000 }, { window: 4000 });
    peer.socket!.send(noise(5000));
    peer.hear();
    peer.say({ flags: 'A', seq: 1, ack: 4001, window: 100 });
    t.same(brief(peer.wait(sec(2))).slice(0, 1), ['A 4001 1 100']);
  },
);

t.test('Nagle: a small segment waits while another is unacknowledged (RFC 9293 §3.7.4)', async (t) => {
  const peer = new RawPeer().establish({ mss: 1000 });
  const { connections } = peer.end.tcp;
  const { id } = peer.socket!;
  const write = (n: number): string[] => {
    connections.write(id, noise(n));
    return brief(peer.hear());
  };
  t.same(write(10), ['PA 1 1 10'], 'nothing is in flight');
  t.same(write(20), [], 'something is');
  t.same(write(30), []);
  t.same(brief(peer.say({ flags: 'A', seq: 1, ack: 11 })), ['PA 11 1 50'], 'together');
  connections.setFlag(id, TcbFlag.NoDelay, true);
  t.same(write(5), ['PA 61 1 5'], 'TCP_NODELAY');
});

t.test('cork: only whole segments leave; after 200 ms the rest (TCP_CORK)', async (t) => {
  const peer = new RawPeer().establish({ mss: 1000 });
  const { connections } = peer.end.tcp;
  const { id } = peer.socket!;
  connections.setFlag(id, TcbFlag.Cork, true);
  connections.write(id, noise(1500));
  t.same(brief(peer.hear()), ['A 1 1 1000']);
  peer.say({ flags: 'A', seq: 1, ack: 1001 });
  connections.setFlag(id, TcbFlag.Cork, false);
  t.same(brief(peer.hear()), ['PA 1001 1 500']);
  peer.say({ flags: 'A', seq: 1, ack: 1501 });
  connections.setFlag(id, TcbFlag.Cork, true);
  connections.write(id, noise(10));
  t.same(peer.hear(), []);
  t.same(brief(peer.wait(ms(300))), ['PA 1501 1 10']);
});

t.test('the receive buffer grows with what is read in a round trip', async (t) => {
  const net = pair({ delay: ms(50), gso: 60_000, bytesPerSecond: 12_500_000 });
  const [client, server] = net.connect();
  client.send(noise(10_000_000));
  net.isRecording = false;
  net.drive(sec(30), () => server.receivedBytes === 10_000_000);
  t.equal(server.receivedBytes, 10_000_000);
  const { rcvLimit } = net.b.tcp.connections.tcb(server.id);
  t.ok(rcvLimit > 1_000_000, `${rcvLimit} bytes`);
  t.ok(net.a.tcp.connections.tcb(client.id).sndLimit > 1_000_000);
});

t.test('memory is bounded for the whole stack: what does not fit is not acknowledged', async (t) => {
  const net = pair({ delay: ms(5), b: { memBytes: 64 << 10, rmemDefault: 60_000 } });
  const socketPairs = [1, 2, 3, 4].map((n) => net.connect(1000 + n));
  for (const [client, server] of socketPairs) {
    server.isReading = false;
    client.send(noise(100_000, client.id + 1));
  }
  net.drive(sec(5));
  t.ok(net.b.tcp.shared.rings.used <= 64 << 10);
  for (const [, server] of socketPairs) {
    server.isReading = true;
    server.report();
  }
  net.drive(sec(300));
  for (const [client, server] of socketPairs) {
    t.ok(Buffer.from(server.bytes).equals(noise(100_000, client.id + 1)), `connection ${client.id}`);
  }
});

t.test('buffers of idle connections are given back', async (t) => {
  const net = pair({ delay: ms(5) });
  const [client, server] = net.connect();
  client.send(noise(50_000));
  net.drive(sec(2));
  t.equal(server.receivedBytes, 50_000);
  t.equal(net.a.tcp.shared.rings.used, 0);
  t.equal(net.b.tcp.shared.rings.used, 0);
  net.drive(sec(20));
  t.equal(net.a.tcp.shared.recoveries[client.id], null, 'and so is the loss recovery, later');
});

t.test('a ring begins with the size that the one before it came to', async (t) => {
  const peer = new RawPeer().establish({ mss: 1460 });
  const { shared } = peer.end.tcp;
  const { id } = peer.socket!;
  for (let i = 0; i < 10; i++) peer.say({ flags: 'A', seq: 1 + i * 1460, ack: 1, data: 1460 });
  t.equal(shared.receiveBuffer.capacity(id), 16_384);
  peer.socket!.read();
  t.equal(shared.receiveBuffer.capacity(id), 0, 'given back');
  peer.say({ flags: 'A', seq: 14_601, ack: 1, data: 10 });
  t.equal(shared.receiveBuffer.capacity(id), 16_384);
  peer.socket!.read();
  peer.say({ flags: 'A', seq: 14_611, ack: 1, data: 10 });
  t.equal(shared.receiveBuffer.capacity(id), 2_048, 'and small again');
});
