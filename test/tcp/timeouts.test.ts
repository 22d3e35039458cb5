import t from 'tap';
import { FlowKey } from '../../src/addr/flow-key.ts';
import { ms, sec } from '../../src/base/time.ts';
import { defaultTcpConfig } from '../../src/tcp/config.ts';
import { TcpEvent } from '../../src/tcp/shared.ts';
import { TcbFlag, TcbTable, tcbCursor } from '../../src/tcp/tcb.ts';
import { addRttSample, backedOff, patience } from '../../src/tcp/time/rtt.ts';
import { noise } from './bytes.ts';
import { ADDRESS_A, ADDRESS_B, pair } from './pair.ts';
import { brief, RawPeer } from './raw-peer.ts';

const keepAlive = (raw = {}): RawPeer => {
  const peer = new RawPeer(raw).establish();
  const { connections } = peer.end.tcp;
  connections.set(peer.socket!.id, 'keepIdleMs', 10_000);
  connections.set(peer.socket!.id, 'keepIntervalMs', 1_000);
  connections.set(peer.socket!.id, 'keepProbesMax', 3);
  connections.setFlag(peer.socket!.id, TcbFlag.KeepAlive, true);
  return peer;
};

t.test(
  'keepalive: probes after the idle time, and RST when none is answered (RFC 9293 §3.8.4)',
  async (t) => {
    const peer = keepAlive();
    const began = peer.net.now;
    const said = peer.wait(sec(60));
    t.same(brief(said), ['A 0 1 0', 'A 0 1 0', 'A 0 1 0', 'RA 1 1 0']);
    t.same(
      said.map((answer) => Math.round((answer.at - began) / 1e6)),
      [10, 11, 12, 13],
    );
    t.equal(peer.state, 'CLOSED');
    peer.socket!.read();
    t.equal(peer.socket!.error, 'ETIMEDOUT');
  },
);

t.test('keepalive tolerates loss, and an answer begins the idle time again', async (t) => {
  const peer = keepAlive();
  t.equal(peer.wait(ms(11_500)).length, 2);
  peer.say({ flags: 'A', seq: 1, ack: 1 });
  t.same(peer.wait(sec(9)), []);
  t.equal(peer.wait(ms(1_500)).length, 1);
  t.equal(peer.state, 'ESTABLISHED');
});

t.test('keepalive goes on in FIN-WAIT-2, where only the peer has something to say', async (t) => {
  const peer = keepAlive();
  peer.socket!.shutdown();
  t.same(brief(peer.wait(ms(100))), ['FA 1 1 0']);
  peer.say({ flags: 'A', seq: 1, ack: 2 });
  t.equal(peer.state, 'FIN-WAIT-2');
  t.same(brief(peer.wait(sec(60))), ['A 1 1 0', 'A 1 1 0', 'A 1 1 0', 'RA 2 1 0']);
  t.equal(peer.state, 'CLOSED');
});

t.test('keepalive is off unless asked for (RFC 9293 §3.8.4, MUST-25)', async (t) => {
  const peer = new RawPeer().establish();
  t.same(peer.wait(sec(100_000)), []);
});

t.test('retransmission backs off and gives up after R2 (RFC 6298 §5.5, RFC 9293 §3.8.3)', async (t) => {
  const peer = new RawPeer().establish({ mss: 1000 });
  peer.socket!.send(noise(10));
  const began = peer.net.now;
  const times = peer.wait(sec(2000)).map((answer) => (answer.at - began) / 1e6);
  t.same(times[0], 0);
  t.ok(times[1]! >= 0.2 && times[1]! < 0.21, 'no less than 200 ms');
  for (let i = 3; i < times.length; i++) {
    const factor = (times[i]! - times[i - 1]!) / (times[i - 1]! - times[i - 2]!);
    t.ok(factor > 1.9 || times[i]! - times[i - 1]! >= 120, `${i}: ${factor}`);
  }
  t.ok(times.at(-1)! > 600 && times.at(-1)! < 1000, `R2: ${times.at(-1)}`);
  t.equal(peer.state, 'CLOSED');
  t.equal(peer.socket!.error, 'ETIMEDOUT');
});

t.test('the user timeout ends it sooner (RFC 5482)', async (t) => {
  const peer = new RawPeer().establish({ mss: 1000 });
  peer.end.tcp.connections.set(peer.socket!.id, 'userTimeoutMs', 5_000);
  peer.socket!.send(noise(10));
  const began = peer.net.now;
  peer.net.drive(sec(100), () => peer.state === 'CLOSED');
  const elapsed = (peer.net.now - began) / 1e6;
  t.ok(elapsed >= 3 && elapsed <= 8, `${elapsed} s`);
});

t.test('the timeout follows the round trip (RFC 6298 §2)', async (t) => {
  const net = pair({ delay: ms(150) });
  const [client] = net.connect();
  const tcb = () => net.a.tcp.connections.tcb(client.id);
  t.equal(tcb().srtt, 300_000);
  t.equal(tcb().rttvar, 150_000);
  t.equal(tcb().rto, 900_000);
  for (let i = 0; i < 30; i++) {
    client.send(noise(100));
    net.drive(sec(1));
  }
  t.ok(tcb().rto >= 500_000 && tcb().rto < 560_000, `${tcb().rto}`);
});

t.test('smoothing as the formulas say (RFC 6298 §2.2, §2.3)', async (t) => {
  const tcb = tcbCursor(new TcbTable(1));
  tcb.at(tcb.table.allocate());
  const config = defaultTcpConfig();
  addRttSample(tcb, config, 100_000);
  t.same([tcb.srtt, tcb.rttvar, tcb.rto], [100_000, 50_000, 300_000]);
  addRttSample(tcb, config, 180_000);
  t.same([tcb.srtt, tcb.rttvar, tcb.rto], [110_000, 57_500, 340_000]);
  t.same([tcb.minRtt, tcb.latestRtt], [100_000, 180_000]);
  t.equal(backedOff(tcb, config, 3), 8 * 340_000);
  t.equal(backedOff(tcb, config, 60), 120e6);
  t.equal(Math.round(patience(config, 15) / 1e5) / 10, 924.6, 'as tcp(7) says of tcp_retries2');
});

t.test('what was sent twice gives no sample without timestamps (Karn, RFC 6298 §3)', async (t) => {
  const peer = new RawPeer().establish({ mss: 1000 });
  const before = peer.end.tcp.connections.tcb(peer.socket!.id).srtt;
  peer.socket!.send(noise(10));
  peer.wait(ms(500));
  peer.say({ flags: 'A', seq: 1, ack: 11 });
  t.equal(peer.end.tcp.connections.tcb(peer.socket!.id).srtt, before);
  t.equal(peer.end.tcp.connections.tcb(peer.socket!.id).retransmits, 0);
});

t.test('an orphan does not try forever', async (t) => {
  const peer = new RawPeer().establish({ mss: 1000 });
  peer.socket!.send(noise(10));
  peer.socket!.close();
  peer.wait(sec(300));
  t.same(peer.end.leftovers(), []);
});

/** Port unreachable, about the segment with number `seq`. */
const errorFor = (net: ReturnType<typeof pair>, localPort: number, seq: number) => {
  const sent = new FlowKey();
  sent.setSource(ADDRESS_A);
  sent.setDestination(ADDRESS_B);
  sent.srcPort = localPort;
  sent.dstPort = 80;
  const error = { errno: 'ECONNREFUSED' as const, isHard: true, isTooLong: false, info: 0, sent, seq };
  return net.a.tcp.handleError(net.now, error);
};

t.test('ICMP: soft errors are kept, hard ones end only an open (RFC 5927 §5.2, RFC 5461)', async (t) => {
  const net = pair({});
  net.filter = () => true;
  const socket = net.a.open(1000);
  net.drive(ms(10));
  const { iss } = net.a.tcp.connections.tcb(socket.id);
  t.equal(errorFor(net, 1001, iss), false, 'of nobody');
  errorFor(net, 1000, iss + 1);
  t.equal(socket.state, 'SYN-SENT', 'a number that is not in flight');
  errorFor(net, 1000, iss);
  net.drive(ms(1));
  t.equal(socket.state, 'CLOSED');
  t.equal(socket.error, 'ECONNREFUSED');
  const other = pair({});
  const [client] = other.connect(1000);
  client.send(noise(10));
  other.a.tcp.pollTransmit(other.now);
  errorFor(other, 1000, other.a.tcp.connections.tcb(client.id).sndUna);
  t.equal(client.state, 'ESTABLISHED');
});

t.test(
  'a smaller path MTU: what was too long goes out again in pieces that fit (RFC 1191, RFC 8201)',
  async (t) => {
    const { FlowKey } = await import('../../src/addr/flow-key.ts');
    const { ADDRESS_A, ADDRESS_B } = await import('./pair.ts');
    const net = pair({ delay: ms(5) });
    const [client, server] = net.connect(1000);
    net.filter = (sent) => {
      if (sent.bytes.length <= 1000 || sent.from === 'b') return false;
      net.later(() => {
        const flow = new FlowKey();
        flow.setSource(ADDRESS_A);
        flow.setDestination(ADDRESS_B);
        flow.srcPort = 1000;
        flow.dstPort = 80;
        const error = {
          errno: 'EMSGSIZE' as const,
          isHard: true,
          isTooLong: true,
          info: 1000,
          sent: flow,
          seq: sent.seq,
        };
        net.a.tcp.handleError(net.now, error);
      });
      return true;
    };
    client.send(noise(100_000));
    net.drive(sec(20));
    t.ok(Buffer.from(server.bytes).equals(noise(100_000)));
    t.equal(net.a.tcp.connections.tcb(client.id).pathMtu, 1000);
  },
);

t.test('a smaller MTU holds for all connections to that host (RFC 1191 §6.4)', async (t) => {
  const net = pair();
  const [first] = net.connect(1000);
  const [second] = net.connect(1001);
  const { connections } = net.a.tcp;
  first.send(noise(1_000));
  net.a.tcp.pollTransmit(net.now);
  const sent = new FlowKey();
  sent.setSource(ADDRESS_A);
  sent.setDestination(ADDRESS_B);
  sent.srcPort = 1000;
  sent.dstPort = 80;
  const seq = connections.tcb(first.id).sndUna;
  const error = {
    errno: 'EMSGSIZE' as const,
    isHard: true,
    isTooLong: true,
    info: 900,
    sent,
    seq,
  };
  net.a.tcp.handleError(net.now, error);
  t.equal(connections.tcb(first.id).pathMtu, 900);
  const other = connections.tcb(second.id);
  t.equal(other.pathMtu, 900);
  t.ok(other.sndMss <= 860, `${other.sndMss}`);
});

t.test('urgent data stay in the stream (RFC 6093 §3)', async (t) => {
  const peer = new RawPeer().establish();
  peer.socket!.events = 0;
  peer.say({ flags: 'PUA', seq: 1, ack: 1, data: 10, urgentPointer: 5 });
  t.ok(peer.socket!.events & TcpEvent.Urgent);
  const tcb = peer.end.tcp.connections.tcb(peer.socket!.id);
  t.ok(tcb.has(TcbFlag.Urgent));
  t.equal(peer.socket!.read(4), 4);
  t.ok(peer.end.tcp.connections.tcb(peer.socket!.id).has(TcbFlag.Urgent));
  t.equal(peer.socket!.read(), 6);
  t.notOk(peer.end.tcp.connections.tcb(peer.socket!.id).has(TcbFlag.Urgent));
});
