import t from 'tap';
import { ms, sec } from '../../src/base/time.ts';
import { TcpEvent } from '../../src/tcp/shared.ts';
import { TcbFlag } from '../../src/tcp/tcb.ts';
import { pair } from './pair.ts';
import { brief, inState, RawPeer } from './raw-peer.ts';

t.test('three-way handshake (RFC 9293 §3.5, figure 6)', async (t) => {
  const net = pair({ delay: ms(10) });
  const [client, server] = net.connect();
  t.equal(client.state, 'ESTABLISHED');
  t.equal(server.state, 'ESTABLISHED');
  t.same(
    net.sent.map((sent) => `${sent.from} ${sent.flags} ${sent.length}`),
    ['a S 0', 'b SA 0', 'a A 0'],
  );
  t.ok(client.events & TcpEvent.Connected);
  t.equal(net.a.tcp.connections.tcb(client.id).srtt, 20_000, 'the SYN is timed');
  t.equal(net.a.tcp.counters.tcp.activeOpens, 1);
  t.equal(net.b.tcp.counters.tcp.passiveOpens, 1);
  t.equal(net.b.tcp.counters.tcp.currEstab, 1);
});

const list = (bytes: Uint8Array): string => Buffer.from(bytes.subarray(40)).toString('hex');

t.test('SYN options as Linux writes them: mss, sackOK, TS, nop, wscale', async (t) => {
  const net = pair({});
  net.connect();
  const [syn, synAck] = net.sent;
  t.match(list(syn!.bytes), /^020405b40402080a.{8}00000000010303/);
  t.match(list(synAck!.bytes), /^020405b40402080a.{16}010303/);
});

t.test('the peer decides what is used of what we offer (RFC 7323 §1.3, RFC 2018 §2)', async (t) => {
  const peer = new RawPeer({ config: { timestamps: true } }).establish({ mss: 1000 });
  const tcb = peer.end.tcp.connections.tcb(peer.socket!.id);
  t.equal(tcb.has(TcbFlag.Sack), false);
  t.equal(tcb.has(TcbFlag.Timestamps), false);
  t.equal(tcb.has(TcbFlag.WindowScale), false);
  t.equal(tcb.rcvWscale, 0);
  t.equal(tcb.sndMss, 1000);
  const other = new RawPeer({ config: { timestamps: true } }).establish(
    { mss: 1000, sackPermitted: true, ts: [7, 0], wscale: 3 },
    { window: 1000, ts: [8, 0] },
  );
  const own = other.end.tcp.connections.tcb(other.socket!.id);
  t.ok(own.has(TcbFlag.Sack | TcbFlag.Timestamps | TcbFlag.WindowScale));
  t.equal(own.sndWnd, 8000, 'the window of an ACK is scaled');
  t.equal(own.sndMss, 988, 'the options of every segment come off (RFC 6691)');
});

t.test('the window of a SYN is not scaled (RFC 7323 §2.2)', async (t) => {
  const peer = inState('SYN-SENT');
  peer.say({ flags: 'SA', seq: 0, ack: 1, wscale: 5, window: 1000 });
  t.equal(peer.end.tcp.connections.tcb(peer.socket!.id).sndWnd, 1000);
  peer.say({ flags: 'A', seq: 1, ack: 1, window: 1000 });
  t.equal(peer.end.tcp.connections.tcb(peer.socket!.id).sndWnd, 32_000);
});

t.test('before the handshake ends nothing is written, and nothing waits', async (t) => {
  const peer = inState('SYN-SENT');
  const { connections } = peer.end.tcp;
  t.equal(connections.write(peer.socket!.id, new Uint8Array(10)), 'EAGAIN');
  t.equal(connections.unacknowledged(peer.socket!.id), 0);
  t.equal(connections.read(peer.socket!.id, new Uint8Array(10)), 'EAGAIN');
});

t.test('without an MSS option a segment has 536 bytes (RFC 9293 §3.7.1, MUST-15)', async (t) => {
  const peer = new RawPeer().establish({ mss: 0 });
  t.equal(peer.end.tcp.connections.tcb(peer.socket!.id).sndMss, 536);
});

t.test('SYN-SENT (RFC 9293 §3.10.7.3)', async (t) => {
  t.same(
    brief(inState('SYN-SENT').say({ flags: 'SA', seq: 0, ack: 9 })),
    ['R 9 0 0'],
    'an ACK of what was not sent',
  );
  t.same(brief(inState('SYN-SENT').say({ flags: 'A', seq: 0, ack: 0 })), ['R 0 0 0'], 'an old duplicate');
  const refused = inState('SYN-SENT');
  t.same(refused.say({ flags: 'RA', seq: 0, ack: 1 }), []);
  t.equal(refused.state, 'CLOSED');
  t.equal(refused.socket?.error, 'ECONNREFUSED');
  const blind = inState('SYN-SENT');
  blind.say({ flags: 'R', seq: 0 });
  t.equal(blind.state, 'SYN-SENT', 'a RST that acknowledges nothing');
  const open = inState('SYN-SENT');
  t.same(brief(open.say({ flags: 'SA', seq: 0, ack: 1 })), ['A 1 1 0']);
  t.equal(open.state, 'ESTABLISHED');
});

t.test('data in the SYN-ACK are delivered (RFC 9293 §3.10.7.3)', async (t) => {
  const peer = inState('SYN-SENT');
  t.same(brief(peer.say({ flags: 'SA', seq: 0, ack: 1, data: 10 })), ['A 1 11 0']);
  t.equal(peer.end.tcp.connections.readable(peer.socket!.id), 10);
});

t.test('simultaneous open (RFC 9293 §3.5, figure 8)', async (t) => {
  const peer = inState('SYN-SENT');
  t.same(brief(peer.say({ flags: 'S', seq: 0, mss: 1460 })), ['SA 0 1 0']);
  t.equal(peer.state, 'SYN-RECEIVED');
  peer.say({ flags: 'SA', seq: 0, ack: 1 });
  t.equal(peer.state, 'ESTABLISHED');
});

t.test('SYN and SYN-ACK of one turn: what is established sends no SYN any more', async (t) => {
  const crossed = inState('SYN-SENT');
  const late = inState('SYN-RECEIVED');
  crossed.net.inject(crossed.end, crossed.build({ flags: 'S', seq: 0, mss: 1460 }));
  crossed.net.inject(crossed.end, crossed.build({ flags: 'SA', seq: 0, ack: 1 }));
  t.same(brief(crossed.hear()), ['A 1 1 0']);
  late.net.inject(late.end, late.build({ flags: 'S', seq: 0, mss: 1460 }));
  late.net.inject(late.end, late.build({ flags: 'A', seq: 1, ack: 1 }));
  t.same(brief(late.hear()), []);
  for (const peer of [crossed, late]) {
    t.equal(peer.state, 'ESTABLISHED');
    peer.socket!.send(new Uint8Array(10));
    t.same(brief(peer.hear()), ['PA 1 1 10']);
  }
});

t.test('simultaneous open of two machines', async (t) => {
  const net = pair({ delay: ms(10) });
  const one = net.a.open(1000, 2000);
  const two = net.b.open(2000, 1000);
  net.drive(sec(5));
  t.equal(one.state, 'ESTABLISHED');
  t.equal(two.state, 'ESTABLISHED');
  one.send(new Uint8Array(5000));
  net.drive(sec(5));
  t.equal(two.receivedBytes, 5000);
});

t.test('old duplicate SYN (RFC 9293 §3.5, figure 9)', async (t) => {
  const peer = new RawPeer();
  const [answer] = peer.say({ flags: 'S', seq: -500, mss: 1460 });
  t.equal(answer?.flags, 'SA');
  t.same(peer.say({ flags: 'R', seq: -499 }), [], 'the RST takes it back to LISTEN');
  t.equal(peer.end.tcp.shared.table.count, 0);
  t.equal(peer.end.listener?.synCount, 0);
  peer.establish();
  t.equal(peer.state, 'ESTABLISHED');
});

t.test(
  'SYN is sent again, more and more rarely, for at least three minutes (RFC 9293 §3.8.3, MUST-23)',
  async (t) => {
    const peer = new RawPeer();
    peer.openActively();
    const began = peer.net.now;
    const times = peer.wait(sec(400)).map((answer) => Math.round((answer.at - began) / 1e6));
    t.same(times, [1, 3, 7, 15, 31, 63, 127]);
    t.equal(peer.state, 'CLOSED');
    t.ok(peer.net.now - began >= 180e6);
    t.equal(peer.socket?.error, 'ETIMEDOUT');
  },
);

t.test('SYN-ACK is sent again, and at once for a SYN that came again', async (t) => {
  const peer = new RawPeer();
  peer.say({ flags: 'S', seq: 0, mss: 1460 });
  t.equal(peer.say({ flags: 'S', seq: 0, mss: 1460 })[0]?.flags, 'SA');
  const began = peer.net.now;
  t.same(
    peer.wait(sec(200)).map((answer) => Math.round((answer.at - began) / 1e6)),
    [1, 3, 7, 15, 31],
  );
  t.equal(peer.end.tcp.shared.table.count, 0, 'then it is forgotten');
  t.equal(peer.end.listener?.synCount, 0);
});

t.test('a host that cannot be reached ends the open (RFC 1122 §4.2.3.9)', async (t) => {
  const net = pair({});
  net.a.refusal = 'EHOSTUNREACH';
  const socket = net.a.open(1000);
  net.drive(sec(1));
  t.equal(socket.state, 'CLOSED');
  t.equal(socket.error, 'EHOSTUNREACH');
});

t.test('initial sequence numbers follow the clock and a secret (RFC 6528 §3)', async (t) => {
  const net = pair({});
  const first = net.a.tcp.connections.tcb(net.a.open(1000).id).iss;
  const other = net.a.tcp.connections.tcb(net.a.open(1001).id).iss;
  t.not(first, other);
  const again = pair({ start: 1_000_400 });
  t.equal(again.a.tcp.connections.tcb(again.a.open(1000).id).iss, (first + 100) | 0, 'one in 4 µs');
});
