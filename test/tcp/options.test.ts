import t from 'tap';
import { ms, sec } from '../../src/base/time.ts';
import { TcbFlag } from '../../src/tcp/tcb.ts';
import { brief, RawPeer } from './raw-peer.ts';

const withTs = (): RawPeer =>
  new RawPeer({ config: { timestamps: true } }).establish(
    { sackPermitted: true, ts: [1000, 0], wscale: 7 },
    { ts: [1001, 0], window: 500 },
  );

t.test('timestamps are echoed (RFC 7323 §4.3)', async (t) => {
  const peer = withTs();
  const [ack] = peer.say({ flags: 'PA', seq: 1, ack: 1, data: 10, ts: [1010, 0] });
  t.equal(ack?.options.tsEcr, 1010);
  const [late] = peer.say({ flags: 'PA', seq: 100, ack: 1, data: 10, ts: [1020, 0] });
  t.equal(late?.options.tsEcr, 1010, 'beyond a gap it is not the one to echo');
});

t.test('PAWS: an older timestamp is an old segment (RFC 7323 §5.3)', async (t) => {
  const peer = withTs();
  peer.say({ flags: 'PA', seq: 1, ack: 1, data: 10, ts: [1010, 0] });
  t.same(brief(peer.say({ flags: 'PA', seq: 11, ack: 1, data: 10, ts: [1009, 0] })), ['A 1 11 0']);
  t.equal(peer.end.tcp.connections.readable(peer.socket!.id), 10);
  t.equal(peer.end.tcp.counters.tcpExt.pawsEstab, 1);
  t.same(peer.say({ flags: 'R', seq: 11, ts: [900, 0] }), [], 'a RST is spared (§5.2)');
  t.equal(peer.state, 'CLOSED');
});

t.test('a timestamp of 24 days ago is no judge any more (RFC 7323 §5.5)', async (t) => {
  const peer = withTs();
  peer.net.wait(sec(25 * 86_400));
  peer.say({ flags: 'PA', seq: 1, ack: 1, data: 10, ts: [5, 0] });
  t.equal(peer.end.tcp.connections.readable(peer.socket!.id), 10);
  t.equal(peer.end.tcp.connections.tcb(peer.socket!.id).tsRecent, 5);
});

t.test('SACK tells the latest block first, and all others after it (RFC 2018 §4)', async (t) => {
  const peer = new RawPeer().establish({ sackPermitted: true, mss: 1460 });
  const blocks = (seq: number): number[] => {
    const [answer] = peer.say({ flags: 'A', seq, ack: 1, data: 10 });
    const { sack, sackCount } = answer!.options;
    return [...sack.subarray(0, 2 * sackCount)].map((edge) => (edge - peer.iss) | 0);
  };
  t.same(blocks(21), [21, 31]);
  t.same(blocks(41), [41, 51, 21, 31]);
  t.same(blocks(61), [61, 71, 41, 51, 21, 31]);
  t.same(blocks(31), [21, 51, 61, 71], 'joined with its neighbours');
});

t.test('DSACK: what came twice is told first (RFC 2883 §4)', async (t) => {
  const peer = new RawPeer().establish({ sackPermitted: true, mss: 1460 });
  const say = (seq: number, data: number): number[] => {
    const [answer] = peer.say({ flags: 'A', seq, ack: 1, data });
    const { sack, sackCount } = answer!.options;
    return [...sack.subarray(0, 2 * sackCount)].map((edge) => (edge - peer.iss) | 0);
  };
  say(1, 10);
  t.same(say(1, 10), [1, 11], 'below the acknowledgement (§4.1.1)');
  t.same(say(6, 10), [6, 11], 'in part (§4.1)');
  say(101, 10);
  t.same(say(101, 10), [101, 111, 101, 111], 'beyond a gap, with the block that has it (§4.2)');
});

t.test('window scale is at most 14 (RFC 7323 §2.3)', async (t) => {
  const peer = new RawPeer().establish({ wscale: 200 }, { window: 1 });
  t.equal(peer.end.tcp.connections.tcb(peer.socket!.id).sndWnd, 1 << 14);
});

t.test('ECN is agreed upon in the handshake (RFC 3168 §6.1.1)', async (t) => {
  const peer = new RawPeer();
  const [answer] = peer.say({ flags: 'SEC', seq: 0, mss: 1460 });
  t.equal(answer?.flags, 'SAE');
  const plain = new RawPeer({ config: { ecn: 0 } });
  t.equal(plain.say({ flags: 'SEC', seq: 0, mss: 1460 })[0]?.flags, 'SA');
});

t.test('a mark is echoed until CWR comes (RFC 3168 §6.1.3)', async (t) => {
  const peer = new RawPeer().establish({ flags: 'SEC', mss: 1460 });
  peer.socket!.isReading = false;
  t.equal(peer.say({ flags: 'PA', seq: 1, ack: 1, data: 10, tos: 3 })[0]?.flags, 'AE');
  t.equal(peer.say({ flags: 'PA', seq: 11, ack: 1, data: 10, tos: 2 })[0]?.flags, 'AE');
  t.equal(peer.say({ flags: 'PAC', seq: 21, ack: 1, data: 10, tos: 2 })[0]?.flags, 'A');
  peer.socket!.send(new Uint8Array(5));
  t.equal(peer.hear()[0]?.tos, 2, 'data are ECT(0)');
  peer.say({ flags: 'PA', seq: 31, ack: 6, data: 10, tos: 2 });
  t.equal(peer.wait(ms(50))[0]?.tos, 0, 'acknowledgements are not');
});

t.test('a delayed ACK waits 40 ms, a quick one does not (RFC 9293 §3.8.6.3)', async (t) => {
  const peer = new RawPeer().establish({ mss: 1460 });
  const tcb = () => peer.end.tcp.connections.tcb(peer.socket!.id);
  t.equal(peer.say({ flags: 'PA', seq: 1, ack: 1, data: 1460 }).length, 1, 'at the beginning');
  tcb().quickAcks = 0;
  t.equal(peer.say({ flags: 'PA', seq: 1461, ack: 1, data: 1460 }).length, 0);
  const began = peer.net.now;
  const [delayed] = peer.wait(ms(100));
  t.equal(delayed!.at - began, 40_000);
  peer.say({ flags: 'A', seq: 2921, ack: 1, data: 1460 });
  t.equal(peer.say({ flags: 'A', seq: 4381, ack: 1, data: 1460 }).length, 1, 'the second full-sized segment');
  t.equal(tcb().has(TcbFlag.PingPong), false);
});
