import t from 'tap';
import { ms, sec } from '../../src/base/time.ts';
import type { TcpUser } from '../../src/tcp/host.ts';
import type { Listener, ListenOptions } from '../../src/tcp/open/listener.ts';
import { TcbFlag } from '../../src/tcp/tcb.ts';
import { noise } from './bytes.ts';
import { FOREVER, pair } from './pair.ts';
import { brief, RawPeer } from './raw-peer.ts';

const nobody: TcpUser = { handleTcpEvent: () => undefined };
const at = (fields: Partial<ListenOptions>): ListenOptions => ({
  a: 0,
  b: 0,
  c: 0xffff,
  d: 0,
  port: 80,
  device: 0,
  ipv6Only: false,
  reusePort: false,
  backlog: 5,
  ...fields,
});

t.test('LISTEN: RST is ignored, ACK refused, FIN dropped (RFC 9293 §3.10.7.2)', async (t) => {
  const peer = new RawPeer();
  t.same(peer.say({ flags: 'R', seq: 0 }), []);
  t.same(peer.say({ flags: 'SR', seq: 0 }), []);
  t.same(brief(peer.say({ flags: 'A', seq: 0, ack: 5 })), ['R 5 0 0']);
  t.same(brief(peer.say({ flags: 'SA', seq: 0, ack: 5 })), ['R 5 0 0']);
  t.same(peer.say({ flags: 'F', seq: 0 }), []);
  t.same(peer.say({ flags: 'SF', seq: 0 }), []);
  t.same(peer.say({ flags: '', seq: 0 }), []);
  t.equal(peer.end.tcp.shared.table.count, 0);
});

t.test('data in a SYN are not taken, nor acknowledged', async (t) => {
  const peer = new RawPeer();
  const [answer] = peer.say({ flags: 'S', seq: 0, mss: 1460, data: 10 });
  t.equal(answer?.ack, 1);
});

t.test('the accept queue has a limit: what comes then is dropped, and tried again', async (t) => {
  const net = pair({ delay: ms(5) });
  const listener = net.b.listen(80, 2);
  const clients = [1, 2, 3, 4, 5].map((n) => net.a.open(1000 + n));
  net.drive(sec(1));
  t.equal(listener.accepted.length, 3, 'one more than the backlog, as Linux');
  t.ok(net.b.tcp.counters.tcpExt.listenOverflows > 0);
  for (let i = 0; i < 3; i++) t.ok(net.b.accept(listener));
  net.drive(sec(20));
  t.equal(listener.accepted.length, 2, 'the others are in now');
  t.equal(listener.synCount, 0);
  for (const client of clients) t.equal(client.state, 'ESTABLISHED');
});

t.test(
  'SYN cookies when too many are half open, with scale, SACK and timestamps kept (RFC 4987 §3.6)',
  async (t) => {
    const peer = new RawPeer({ config: { timestamps: true, maxSynBacklog: 16 } });
    for (let i = 0; i < 100; i++) peer.say({ flags: 'S', seq: 0, mss: 1460, fromPort: 10_000 + i });
    t.equal(peer.end.tcp.shared.table.count, 16);
    t.equal(peer.end.tcp.counters.tcpExt.syncookiesSent, 84);
    const [answer] = peer.say({
      flags: 'S',
      seq: 0,
      sackPermitted: true,
      ts: [500, 0],
      wscale: 9,
      mss: 1400,
    });
    const first = answer!.seq;
    t.equal(peer.end.tcp.shared.table.count, 16, 'nothing remembers it');
    t.ok(answer!.options.sackPermitted);
    t.equal(answer!.options.wscale, 7);
    const bad = peer.say({
      flags: 'A',
      seq: 1,
      ack: first + 2,
      isAbsolute: false,
      ts: [501, answer!.options.tsVal],
    });
    t.same(
      bad.map(({ flags }) => flags),
      ['R'],
      'a wrong cookie',
    );
    peer.net.wait(sec(30));
    peer.hear();
    const ts = [501, answer!.options.tsVal] as const;
    peer.say({ flags: 'PA', seq: 1, ack: first + 1, ts, window: 100, data: 10 });
    peer.socket = peer.end.accept(peer.end.listener!);
    const tcb = peer.end.tcp.connections.tcb(peer.socket!.id);
    t.ok(tcb.has(TcbFlag.Sack | TcbFlag.Timestamps | TcbFlag.WindowScale));
    t.equal(tcb.sndWscale, 9);
    t.equal(tcb.rcvWscale, 7);
    t.equal(tcb.sndMss, 1300 - 12);
    t.equal(tcb.sndWnd, 100 << 9);
    t.equal(peer.end.tcp.connections.readable(peer.socket!.id), 10, 'data with the ACK');
    t.equal(peer.end.tcp.counters.tcpExt.syncookiesRecv, 1);
  },
);

t.test('data that overtook the first segment do not cost a connection its cookie', async (t) => {
  const peer = new RawPeer({ config: { syncookies: 2 } });
  const ack = peer.say({ flags: 'S', seq: 0, mss: 1000 })[0]!.seq + 1;
  t.same(peer.say({ flags: 'A', seq: 1001, ack, data: 1000 }), []);
  t.equal(peer.end.tcp.counters.tcpExt.syncookiesFailed, 1);
  peer.say({ flags: 'A', seq: 1, ack, data: 1000 });
  const id = peer.end.accept(peer.end.listener!)!.id;
  t.equal(peer.end.tcp.connections.readable(id), 1000);
  peer.wait(sec(10));
  const late = peer.say({ flags: 'A', seq: 5, ack: 77, fromPort: 4_000, data: 9 });
  t.same(
    brief(late),
    ['R 77 0 0'],
    'nobody waits for the end of the flood to hear that a connection is gone',
  );
});

t.test('a cookie is good for two minutes, and only while they are in use', async (t) => {
  for (const [wait, config, isGood] of [
    [60, { syncookies: 2 }, true],
    [200, { syncookies: 2 }, false],
    [1, { syncookies: 1 }, false],
  ] as const) {
    const peer = new RawPeer({ config: { ...config } });
    const answer = peer.say({ flags: 'S', seq: 0, mss: 1460 })[0]!;
    if (config.syncookies === 1) peer.say({ flags: 'R', seq: 1 });
    peer.wait(sec(wait));
    const [refusal] = peer.say({ flags: 'A', seq: 1, ack: answer.seq + 1 });
    t.equal(refusal?.flags, isGood ? undefined : 'R', `${wait} s, ${config.syncookies}`);
    t.equal(peer.end.listener!.accepted.length, isGood ? 1 : 0);
  }
});

t.test('a listener that closes resets what it has (RFC 9293 §3.10.4)', async (t) => {
  const net = pair({ delay: ms(5) });
  const listener = net.b.listen(80);
  const one = net.a.open(1001);
  net.drive(ms(100));
  net.a.open(1002);
  net.drive(ms(7));
  t.equal(listener.synCount, 1);
  net.b.tcp.connections.closeListener(listener);
  net.drive(sec(1));
  t.equal(one.state, 'CLOSED');
  t.equal(one.error, 'ECONNRESET');
  t.same(net.b.leftovers(), []);
});

t.test('the most specific listener has it', async (t) => {
  const net = pair({});
  const { connections } = net.b.tcp;
  const every = connections.listen(at({ port: 0 }), nobody);
  const any = connections.listen(at({}), nobody);
  const own = connections.listen(at({ d: 0x0a000002 }), nobody);
  const other = connections.listen(at({ d: 0x0a000009 }), nobody);
  const counts = (): number[] => [every, any, own, other].map((listener) => listener.accepted.length);
  net.a.open(1000);
  net.drive(ms(10));
  t.same(counts(), [0, 0, 1, 0]);
  connections.closeListener(own);
  net.a.open(1001);
  net.drive(ms(10));
  t.same(counts(), [0, 1, 0, 0]);
  net.a.open(1002, 9999);
  net.drive(ms(10));
  t.same(counts(), [1, 1, 0, 0], 'the catch-all has every other port');
  connections.closeListener(any);
  net.a.open(1003);
  net.drive(ms(10));
  t.same(counts(), [2, 0, 0, 0], 'and this one, when nobody listens at it');
});

t.test('listeners with SO_REUSEPORT share', async (t) => {
  const net = pair({});
  const group: Listener[] = [1, 2, 3].map(() =>
    net.b.tcp.connections.listen(at({ reusePort: true, backlog: 500 }), nobody),
  );
  for (let i = 0; i < 120; i++) net.a.open(1000 + i);
  net.drive(ms(20));
  for (const listener of group) t.ok(listener.accepted.length > 15, `${listener.accepted.length} of 120`);
});

t.test('connections have what was set at the listener', async (t) => {
  const peer = new RawPeer();
  const listener = peer.end.listener!;
  listener.flags = TcbFlag.NoDelay | TcbFlag.KeepAlive;
  listener.keepIdleMs = 5_000;
  listener.tos = 0x10;
  peer.establish();
  const tcb = peer.end.tcp.connections.tcb(peer.socket!.id);
  t.ok(tcb.has(TcbFlag.NoDelay));
  t.equal(peer.wait(sec(6)).length, 1, 'keepalive');
  t.equal(tcb.tos, 0x10);
});

t.test('10,000 connections opened and closed leave nothing behind', async (t) => {
  const net = pair({ delay: ms(1), slots: 2048, a: { synRetries: 3 } });
  net.isRecording = false;
  net.b.listen(80, 4096, (socket) => {
    socket.closesAtEnd = true;
    socket.send(noise(100, socket.id + 1));
  });
  let answered = 0;
  for (let round = 0; round < 20; round++) {
    const clients = Array.from({ length: 500 }, (_, i) => net.a.open(1024 + round * 500 + i));
    for (const client of clients) {
      net.later(() => client.shutdown());
      client.closesAtEnd = true;
    }
    net.drive(ms(300));
    answered += clients.filter((client) => client.receivedBytes === 100 && client.isGone).length;
  }
  t.equal(answered, 10_000);
  t.equal(net.a.tcp.shared.timeWait.count, 10_000);
  net.drive(FOREVER);
  t.same([...net.a.leftovers(), ...net.b.leftovers()], []);
});

t.test('the table of connections has a limit', async (t) => {
  const net = pair({ b: { connectionsMax: 3 } });
  net.b.listen(80);
  for (let i = 0; i < 5; i++) net.a.open(1000 + i);
  net.drive(ms(100));
  t.equal(net.b.tcp.shared.table.count, 3);
});
