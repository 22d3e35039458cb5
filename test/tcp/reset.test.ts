import t from 'tap';
import { ms, sec } from '../../src/base/time.ts';
import { brief, inState, RawPeer } from './raw-peer.ts';

t.test('CLOSED: everything but RST is refused (RFC 9293 §3.10.7.1)', async (t) => {
  const peer = inState('CLOSED');
  t.same(brief(peer.say({ flags: 'S', seq: 0 })), ['RA 0 1 0']);
  t.same(brief(peer.say({ flags: 'A', seq: 5, ack: 77 })), ['R 77 0 0']);
  t.same(brief(peer.say({ flags: 'FA', seq: 5, ack: 77, data: 10 })), ['R 77 0 0']);
  t.same(brief(peer.say({ flags: 'PF', seq: 5, data: 10 })), ['RA 0 16 0']);
  t.same(peer.say({ flags: 'R', seq: 5 }), []);
  t.same(peer.say({ flags: 'RA', seq: 5, ack: 5 }), []);
});

t.test('half-open discovery: data for a connection that is gone (RFC 9293 §3.5.1, figure 11)', async (t) => {
  const peer = new RawPeer();
  t.same(brief(peer.say({ flags: 'PA', seq: 50, ack: 100, data: 5 })), ['R 100 0 0']);
});

t.test('a SYN in the window gets a challenge ACK, nothing else (RFC 5961 §4.2)', async (t) => {
  const peer = new RawPeer().establish();
  t.same(brief(peer.say({ flags: 'S', seq: 100 })), ['A 1 1 0']);
  t.equal(peer.state, 'ESTABLISHED');
  t.equal(peer.end.tcp.counters.tcpExt.tcpSynChallenge, 1);
  peer.wait(sec(1));
  t.same(brief(peer.say({ flags: 'S', seq: -70_000 })), ['A 1 1 0'], 'outside the window too');
  peer.wait(sec(1));
  t.same(peer.say({ flags: 'R', seq: 1 }), [], 'and the real peer answers it with the RST that fits');
  t.equal(peer.state, 'CLOSED');
});

t.test('only a RST with exactly the next number is believed (RFC 5961 §3.2)', async (t) => {
  const peer = new RawPeer().establish();
  t.same(brief(peer.say({ flags: 'R', seq: 2 })), ['A 1 1 0'], 'in the window: a challenge');
  t.equal(peer.state, 'ESTABLISHED');
  t.same(peer.say({ flags: 'R', seq: 0 }), [], 'left of it: nothing');
  t.same(peer.say({ flags: 'R', seq: 1 + 65_535 + 100_000 }), [], 'right of it: nothing');
  t.equal(peer.state, 'ESTABLISHED');
  t.same(peer.say({ flags: 'R', seq: 1 }), []);
  t.equal(peer.state, 'CLOSED');
  t.equal(peer.socket!.read(), 0);
  t.equal(peer.socket!.error, 'ECONNRESET');
  t.equal(peer.end.tcp.counters.tcp.estabResets, 1);
});

t.test('what arrived before a RST can still be read', async (t) => {
  const peer = new RawPeer().establish();
  peer.say({ flags: 'PA', seq: 1, ack: 1, data: 10 });
  peer.say({ flags: 'R', seq: 11 });
  peer.socket!.error = null;
  t.equal(peer.socket!.read(), 10);
  peer.socket!.close();
  t.same(peer.end.leftovers(), []);
});

t.test('an ACK of what was not sent, or of long ago, gets a challenge (RFC 5961 §5.2)', async (t) => {
  const peer = new RawPeer().establish();
  t.same(brief(peer.say({ flags: 'PA', seq: 1, ack: 2, data: 5 })), ['A 1 1 0'], 'the future');
  t.equal(peer.end.tcp.connections.readable(peer.socket!.id), 0, 'its data are not taken');
  peer.wait(sec(1));
  t.same(
    brief(peer.say({ flags: 'PA', seq: 1, ack: -70_000, data: 5 })),
    ['A 1 1 0'],
    'more than a window ago',
  );
  t.equal(peer.end.tcp.connections.readable(peer.socket!.id), 0);
  t.same(brief(peer.say({ flags: 'PA', seq: 1, ack: 0, data: 5 })), ['A 1 6 0'], 'an old one may bring data');
});

t.test('challenges are limited, for one connection and for all (RFC 5961 §7)', async (t) => {
  const peer = new RawPeer({ config: { challengeAckLimit: 3 } }).establish();
  t.equal(peer.say({ flags: 'S', seq: 100 }).length, 1);
  t.equal(peer.say({ flags: 'S', seq: 100 }).length, 0, 'again within half a second');
  t.equal(peer.end.tcp.counters.tcpExt.tcpAckSkipped, 1);
  peer.net.wait(ms(600));
  t.equal(peer.say({ flags: 'S', seq: 100 }).length, 1);
});

t.test(
  'segments outside the window are answered by an acknowledgement (RFC 9293 §3.10.7.4, first)',
  async (t) => {
    const peer = new RawPeer().establish();
    t.same(brief(peer.say({ flags: 'PA', seq: -9, ack: 1, data: 10 })), ['A 1 1 0'], 'old data');
    t.same(
      brief(peer.say({ flags: 'PA', seq: 900_000, ack: 1, data: 10 })),
      ['A 1 1 0'],
      'data beyond the window',
    );
    t.same(brief(peer.say({ flags: 'A', seq: 0, ack: 1 })), ['A 1 1 0'], 'keepalive');
    t.same(peer.say({ flags: 'A', seq: 0, ack: 1 }), [], 'but not each of many without data');
  },
);

t.test('the right edge is outside (RFC 9293 §3.10.7.4, first)', async (t) => {
  const peer = new RawPeer().establish();
  const tcb = peer.end.tcp.connections.tcb(peer.socket!.id);
  const edge = (tcb.rcvAdv - peer.iss) | 0;
  t.same(peer.say({ flags: 'A', seq: edge - 1, ack: 1 }), []);
  t.same(brief(peer.say({ flags: 'A', seq: edge, ack: 1 })), ['A 1 1 0']);
});

t.test('challenges of all connections together are limited (RFC 5961 §7)', async (t) => {
  const peer = new RawPeer({ config: { challengeAckLimit: 1 } }).establish();
  t.equal(peer.say({ flags: 'S', seq: 100 }).length, 1);
  peer.port++;
  peer.establish();
  t.equal(peer.say({ flags: 'S', seq: 100 }).length, 0);
  peer.net.wait(sec(1));
  t.equal(peer.say({ flags: 'S', seq: 100 }).length, 1);
});

t.test('a segment without ACK is dropped (RFC 9293 §3.10.7.4, fifth)', async (t) => {
  const peer = new RawPeer().establish();
  t.same(peer.say({ flags: 'P', seq: 1, data: 10 }), []);
  t.same(peer.say({ flags: '', seq: 1 }), []);
  t.equal(peer.end.tcp.connections.readable(peer.socket!.id), 0);
});

t.test('RST and URG are processed at a closed window (RFC 9293 §3.10.7.4, first)', async (t) => {
  const peer = new RawPeer({ config: { rmemDefault: 2000, moderateRcvbuf: false } }).establish();
  peer.say({ flags: 'PA', seq: 1, ack: 1, data: 1460 });
  const [probe] = peer.say({ flags: 'PA', seq: 1461, ack: 1, data: 1 });
  t.equal(probe?.window, 0);
  peer.say({ flags: 'UA', seq: 1461, ack: 1, urgentPointer: 10 });
  t.equal(peer.end.tcp.connections.tcb(peer.socket!.id).rcvUp, (peer.iss + 1471) | 0);
  peer.say({ flags: 'R', seq: 1461 });
  t.equal(peer.state, 'CLOSED');
});

t.test(
  'a RST in SYN-RECEIVED of a passive open takes it back to LISTEN (RFC 9293 §3.10.7.4, second)',
  async (t) => {
    const peer = new RawPeer();
    peer.say({ flags: 'S', seq: 0 });
    peer.say({ flags: 'R', seq: 1 });
    t.equal(peer.end.tcp.shared.table.count, 0);
    t.equal(peer.end.tcp.counters.tcpExt.embryonicRsts, 1);
  },
);

t.test(
  'a wrong ACK in SYN-RECEIVED is refused, and nothing else happens (RFC 9293 §3.10.7.4, fifth)',
  async (t) => {
    const peer = inState('SYN-RECEIVED');
    t.same(brief(peer.say({ flags: 'A', seq: 1, ack: 500 })), ['R 500 0 0']);
    t.equal(peer.state, 'SYN-RECEIVED');
  },
);

t.test('abort sends RST and leaves nothing (RFC 9293 §3.10.5)', async (t) => {
  for (const state of ['SYN-RECEIVED', 'ESTABLISHED', 'FIN-WAIT-1', 'FIN-WAIT-2', 'CLOSE-WAIT'] as const) {
    const peer = inState(state);
    peer.hear();
    peer.socket!.abort();
    t.match(brief(peer.hear())[0] ?? '', /^RA/, state);
    t.equal(peer.end.tcp.shared.table.count, 0, state);
  }
  const quiet = inState('SYN-SENT');
  quiet.socket!.abort();
  t.same(quiet.hear(), [], 'nobody knows of it yet');
});
