import t from 'tap';
import { ms, sec } from '../../src/base/time.ts';
import { pair } from './pair.ts';
import type { RawOptions } from './raw-peer.ts';
import { brief, inState, RawPeer } from './raw-peer.ts';

t.test(
  'a FIN that comes again is acknowledged, and starts the 2 MSL again (RFC 9293 §3.10.7.4, eighth)',
  async (t) => {
    const peer = inState('TIME-WAIT');
    peer.socket!.close();
    peer.wait(sec(50));
    t.same(brief(peer.say({ flags: 'FA', seq: 1, ack: 2 })), ['A 2 2 0']);
    peer.wait(sec(50));
    t.equal(peer.end.tcp.shared.timeWait.count, 1);
    peer.wait(sec(11));
    t.same(peer.end.leftovers(), []);
  },
);

t.test('a SYN beyond the old numbers begins anew (RFC 9293 §3.6.1, MAY-2)', async (t) => {
  const peer = inState('TIME-WAIT');
  peer.socket!.close();
  const [answer] = peer.say({ flags: 'S', seq: 100_000, mss: 1460 });
  t.equal(answer?.flags, 'SA');
  t.equal(answer?.seq, 2 + 65_537, 'beyond our old ones too');
  t.equal(peer.end.tcp.counters.tcpExt.twRecycled, 1);
  t.equal(peer.end.tcp.shared.timeWait.count, 0);
});

t.test('a SYN with old numbers gets an acknowledgement (RFC 5961 §4.2)', async (t) => {
  const peer = inState('TIME-WAIT');
  t.same(brief(peer.say({ flags: 'S', seq: -5 })), ['A 2 2 0']);
  t.equal(peer.end.tcp.shared.timeWait.count, 1);
  t.same(peer.say({ flags: 'S', seq: -5 }), [], 'not each of many');
});

t.test('with timestamps a later one is enough (RFC 6191 §2)', async (t) => {
  const raw: RawOptions = { config: { timestamps: true } };
  const closed = (): RawPeer => {
    const peer = new RawPeer(raw).establish({ ts: [100, 0] }, { ts: [100, 0] });
    peer.socket!.shutdown();
    peer.hear();
    peer.say({ flags: 'FA', seq: 1, ack: 2, ts: [101, 0] });
    peer.socket!.close();
    return peer;
  };
  t.equal(closed().say({ flags: 'S', seq: -5, ts: [102, 0] })[0]?.flags, 'SA');
  t.equal(closed().say({ flags: 'S', seq: -5, ts: [101, 0] })[0]?.flags, 'A', 'not later');
  t.equal(
    closed().say({ flags: 'S', seq: 5000, ts: [50, 0] })[0]?.flags,
    'A',
    'earlier, whatever the number',
  );
});

t.test('RST ends it, unless RFC 1337 is on', async (t) => {
  const peer = inState('TIME-WAIT');
  peer.say({ flags: 'R', seq: 1 });
  t.equal(peer.end.tcp.shared.timeWait.count, 1, 'a number that does not fit');
  peer.say({ flags: 'R', seq: 2 });
  t.equal(peer.end.tcp.shared.timeWait.count, 0);
  const careful = inState('TIME-WAIT', { config: { rfc1337: true } });
  careful.say({ flags: 'R', seq: 2 });
  t.equal(careful.end.tcp.shared.timeWait.count, 1);
});

t.test('data are acknowledged, not taken; acknowledgements are dropped', async (t) => {
  const peer = inState('TIME-WAIT');
  t.same(peer.say({ flags: 'A', seq: 2, ack: 2 }), []);
  t.same(brief(peer.say({ flags: 'PA', seq: 2, ack: 2, data: 5 })), ['A 2 2 0']);
});

t.test('the table has a limit', async (t) => {
  const peer = inState('TIME-WAIT', { config: { maxTwBuckets: 0 } });
  t.equal(peer.end.tcp.shared.timeWait.count, 0);
  t.equal(peer.end.tcp.counters.tcpExt.tcpTimeWaitOverflow, 1);
  peer.socket!.close();
  t.same(peer.end.leftovers(), []);
});

t.test('our own open may take the ports after a second, with timestamps (RFC 6191)', async (t) => {
  const net = pair({ delay: ms(5) });
  const [client, server] = net.connect(1000);
  client.close();
  net.drive(ms(20));
  server.close();
  net.drive(ms(20));
  t.equal(net.a.tcp.shared.timeWait.count, 1);
  t.throws(() => net.a.open(1000), /EADDRNOTAVAIL/);
  net.drive(sec(2));
  const again = net.a.open(1000);
  net.drive(ms(50));
  t.equal(again.state, 'ESTABLISHED');
});
