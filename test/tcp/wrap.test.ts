import t from 'tap';
import { ms, sec } from '../../src/base/time.ts';
import { noise } from './bytes.ts';
import { pair } from './pair.ts';
import { brief, RawPeer } from './raw-peer.ts';

const EDGES = [0x7fff_fff0, -0x8000_0000, -0x10, 0, 0x7fff_ffff, -1, -700] as const;

t.test('sequence numbers wrap on our side (RFC 9293 §3.4)', async (t) => {
  for (const iss of EDGES) {
    const net = pair({ delay: ms(5), gso: 4000, loss: 0.05, duplicate: 0.02, reorder: 0.05, seed: iss });
    net.loss = 0;
    net.a.tcp.shared.isn.next = () => iss;
    net.b.tcp.shared.isn.next = () => (iss ^ 0x5a) | 0;
    const [client, server] = net.connect();
    net.loss = 0.03;
    for (const socket of [client, server]) socket.closesAtEnd = true;
    client.send(noise(40_000, 1), true);
    server.send(noise(50_000, 2), true);
    net.drive(sec(1000));
    t.ok(Buffer.from(server.bytes).equals(noise(40_000, 1)), `up from ${iss >>> 0}`);
    t.ok(Buffer.from(client.bytes).equals(noise(50_000, 2)), `down from ${iss >>> 0}`);
    t.same([...net.a.leftovers(), ...net.b.leftovers()], []);
  }
});

t.test('and on the other: window, RST, FIN, gaps', async (t) => {
  for (const iss of EDGES) {
    const peer = new RawPeer({ iss }).establish({ sackPermitted: true });
    t.same(brief(peer.say({ flags: 'PA', seq: 21, ack: 1, data: 10 })), ['A 1 1 0']);
    t.same(brief(peer.say({ flags: 'PA', seq: 1, ack: 1, data: 20 })), ['A 1 31 0']);
    t.same(brief(peer.say({ flags: 'PA', seq: -5, ack: 1, data: 5 })), ['A 1 31 0']);
    t.same(brief(peer.say({ flags: 'R', seq: 32 })), ['A 1 31 0']);
    t.same(brief(peer.say({ flags: 'FA', seq: 31, ack: 1 })), ['A 1 32 0']);
    t.equal(peer.socket!.read(), 30);
    t.equal(peer.state, 'CLOSE-WAIT');
  }
});

t.test('four gigabytes and more: every number comes by again', async (t) => {
  const peer = new RawPeer({ pair: { gso: 0 } }).establish({ mss: 1460 });
  const { shared } = peer.end.tcp;
  const tcb = shared.tcb.at(peer.socket!.id);
  // As after 4 GB each way, in steps that no window exceeds.
  for (let i = 0; i < 5; i++) {
    for (const field of [
      'sndUna',
      'sndNxt',
      'sndEnd',
      'sndWl2',
      'rcvNxt',
      'rcvRead',
      'rcvAdv',
      'lastAckSent',
      'sndWl1',
    ] as const) {
      tcb[field] = (tcb[field] + 0x3fff_ffff) | 0;
    }
    const seq = (tcb.rcvNxt - peer.iss) | 0;
    const ack = (tcb.sndUna - peer.irs) | 0;
    // Full segments for long, then a small one behind a full one: it must not look as if another small one were out.
    const length = i < 4 ? 1460 : 1470;
    peer.socket!.send(noise(length));
    t.equal(peer.hear().length, i < 4 ? 1 : 2, `step ${i}`);
    peer.say({ flags: 'PA', seq, ack: ack + length, data: 100 });
    shared.tcb.at(peer.socket!.id);
    t.equal(shared.receiveBuffer.readable(tcb), 100);
    peer.socket!.read();
  }
});
