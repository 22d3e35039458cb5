import t from 'tap';
import { ms, sec } from '../../src/base/time.ts';
import { FOREVER, pair } from './pair.ts';
import { brief, inState, RawPeer } from './raw-peer.ts';

t.test('normal close (RFC 9293 §3.6, figure 12)', async (t) => {
  const net = pair({ delay: ms(10) });
  const [client, server] = net.connect();
  client.isReading = false;
  net.sent.length = 0;
  client.shutdown();
  t.equal(client.state, 'FIN-WAIT-1');
  net.drive(ms(25));
  t.equal(client.state, 'FIN-WAIT-2');
  t.equal(server.state, 'CLOSE-WAIT');
  t.ok(server.isEnd);
  server.shutdown();
  t.equal(server.state, 'LAST-ACK');
  net.drive(ms(30));
  t.equal(client.state, 'TIME-WAIT');
  t.equal(server.state, 'CLOSED');
  t.same(
    net.sent.map((sent) => `${sent.from} ${sent.flags}`),
    ['a FA', 'b A', 'b FA', 'a A'],
  );
  client.close();
  server.close();
  t.same(net.b.leftovers(), []);
  t.equal(net.a.tcp.shared.timeWait.count, 1);
  net.drive(sec(61));
  t.same(net.a.leftovers(), [], '2 MSL later');
});

t.test('simultaneous close (RFC 9293 §3.6, figure 13)', async (t) => {
  const net = pair({ delay: ms(10) });
  const [client, server] = net.connect();
  client.close();
  server.close();
  net.drive(ms(15));
  t.equal(net.a.tcp.shared.tcb.at(client.id).state, 11, 'CLOSING');
  net.drive(ms(20));
  t.equal(net.a.tcp.shared.timeWait.count, 1);
  t.equal(net.b.tcp.shared.timeWait.count, 1);
  net.drive(sec(61));
  t.same([...net.a.leftovers(), ...net.b.leftovers()], []);
});

t.test('half-close: the other direction goes on (RFC 9293 §3.6)', async (t) => {
  const net = pair({ delay: ms(10) });
  const [client, server] = net.connect();
  client.send(new Uint8Array(1000), true);
  net.drive(ms(100));
  t.equal(server.state, 'CLOSE-WAIT');
  t.equal(server.receivedBytes, 1000);
  server.send(new Uint8Array(100_000), true);
  net.drive(sec(2));
  t.equal(client.receivedBytes, 100_000);
  t.ok(client.isEnd);
  t.equal(client.state, 'TIME-WAIT');
});

t.test('the FIN follows the data that were written (RFC 9293 §3.10.4)', async (t) => {
  const peer = new RawPeer().establish({ window: 1000 }, { window: 1000 });
  peer.socket!.send(new Uint8Array(1500));
  peer.socket!.close();
  t.same(brief(peer.hear()), ['A 1 1 1000']);
  t.same(brief(peer.say({ flags: 'A', seq: 1, ack: 1001, window: 1000 })), ['FPA 1001 1 500']);
  t.same(peer.say({ flags: 'A', seq: 1, ack: 1502 }), []);
  t.same(brief(peer.say({ flags: 'FA', seq: 1, ack: 1502 })), ['A 1502 2 0']);
  t.equal(peer.end.tcp.shared.timeWait.count, 1);
});

t.test('closing in every order, with every delay, leaves nothing behind', async (t) => {
  const actions = ['close', 'shutdown', 'abort', 'none'] as const;
  for (const first of actions) {
    for (const second of actions) {
      for (const gap of [0, 5, 15, 100]) {
        const net = pair({ delay: ms(10), seed: gap + 1 });
        const [client, server] = net.connect();
        client.send(new Uint8Array(3000));
        server.send(new Uint8Array(3000));
        if (gap > 5) net.drive(ms(gap));
        if (first !== 'none') client[first]();
        net.drive(ms(gap));
        if (second !== 'none') server[second]();
        net.drive(sec(30));
        for (const socket of [client, server]) if (!socket.isGone) socket.close();
        net.drive(FOREVER);
        t.same([...net.a.leftovers(), ...net.b.leftovers()], [], `${first}, ${gap} ms, ${second}`);
      }
    }
  }
});

t.test('close with unread data sends RST (RFC 9293 §3.6.1, MUST-18, RFC 2525 §2.17)', async (t) => {
  const peer = new RawPeer().establish();
  peer.say({ flags: 'PA', seq: 1, ack: 1, data: 10 });
  peer.socket!.close();
  t.same(brief(peer.hear()), ['RA 1 11 0']);
  t.equal(peer.end.tcp.shared.table.count, 0);
  t.equal(peer.end.tcp.counters.tcpExt.tcpAbortOnClose, 1);
});

t.test(
  'data and FIN sent again after everything was read are no reason for RST (RFC 2525 §2.17)',
  async (t) => {
    const peer = new RawPeer().establish();
    peer.say({ flags: 'FPA', seq: 1, ack: 1, data: 10 });
    peer.socket!.read();
    peer.socket!.close();
    t.same(brief(peer.hear()), ['FA 1 12 0']);
    t.same(brief(peer.say({ flags: 'FPA', seq: 1, ack: 1, data: 10 })), ['A 2 12 0']);
  },
);

t.test('new data for an application that has closed are refused by RST (RFC 9293 §3.6.1)', async (t) => {
  const peer = new RawPeer().establish();
  peer.socket!.close();
  peer.hear();
  t.same(brief(peer.say({ flags: 'PA', seq: 1, ack: 2, data: 10 })), ['R 2 0 0']);
  t.equal(peer.end.tcp.counters.tcpExt.tcpAbortOnData, 1);
  t.equal(peer.end.tcp.shared.table.count, 0);
});

t.test('linger of zero seconds: close sends RST', async (t) => {
  const peer = new RawPeer().establish();
  peer.end.tcp.connections.set(peer.socket!.id, 'lingerMs', 0);
  peer.socket!.close();
  t.same(brief(peer.hear()), ['RA 1 1 0']);
});

t.test('FIN-WAIT-2 that nobody holds ends after tcp_fin_timeout', async (t) => {
  const held = inState('FIN-WAIT-2');
  held.wait(sec(500));
  t.equal(held.state, 'FIN-WAIT-2', 'an application that holds it may wait');
  held.socket!.close();
  held.wait(sec(61));
  t.equal(held.end.tcp.shared.table.count, 0);
});

t.test('a lost FIN is sent again, and so is a lost acknowledgement of it', async (t) => {
  for (const lost of ['a FA', 'b FA', 'a A']) {
    const net = pair({ delay: ms(10) });
    const [client, server] = net.connect();
    server.closesAtEnd = true;
    let isLost = false;
    net.filter = (sent) => {
      if (isLost || `${sent.from} ${sent.flags}` !== lost) return false;
      isLost = true;
      return true;
    };
    client.close();
    net.drive(sec(20));
    t.ok(isLost, lost);
    t.same(net.b.leftovers(), [], lost);
    net.drive(sec(100));
    t.same(net.a.leftovers(), [], lost);
  }
});

t.test('a FIN beyond a gap counts when the gap is filled', async (t) => {
  const peer = new RawPeer().establish({ sackPermitted: true });
  t.same(brief(peer.say({ flags: 'FPA', seq: 11, ack: 1, data: 10 })), ['A 1 1 0']);
  t.equal(peer.state, 'ESTABLISHED');
  t.same(brief(peer.say({ flags: 'PA', seq: 1, ack: 1, data: 10 })), ['A 1 22 0']);
  t.equal(peer.state, 'CLOSE-WAIT');
  t.equal(peer.socket!.read(), 20);
  t.ok(peer.socket!.isEnd);
});

t.test('shutdown of both directions in SYN-SENT waits for the handshake (RFC 9293 §3.10.4)', async (t) => {
  const peer = inState('SYN-SENT');
  peer.socket!.shutdown('write');
  t.same(brief(peer.say({ flags: 'SA', seq: 0, ack: 1 })), ['FA 1 1 0']);
  t.equal(peer.state, 'FIN-WAIT-1');
});

t.test('writing after shutdown is EPIPE, reading after the end 0', async (t) => {
  const peer = new RawPeer().establish();
  const { connections } = peer.end.tcp;
  const { id } = peer.socket!;
  peer.socket!.shutdown('write');
  t.equal(connections.write(id, new Uint8Array(1)), 'EPIPE');
  t.equal(connections.read(id, new Uint8Array(1)), 'EAGAIN');
  peer.hear();
  peer.say({ flags: 'FA', seq: 1, ack: 2 });
  t.equal(connections.read(id, new Uint8Array(1)), 0);
  t.equal(connections.shutdown(id, 'write'), 'ENOTCONN');
});
