import t from 'tap';
import { ms, sec } from '../../src/base/time.ts';
import { TcpReady } from '../../src/tcp/connection.ts';
import { TcpEvent } from '../../src/tcp/shared.ts';
import { TcbFlag } from '../../src/tcp/tcb.ts';
import { noise } from './bytes.ts';
import { pair } from './pair.ts';
import { brief, inState, RawPeer } from './raw-peer.ts';

t.test('a user is told once, until it takes the events', async (t) => {
  const peer = new RawPeer().establish();
  const { connections } = peer.end.tcp;
  const { id } = peer.socket!;
  let told = 0;
  peer.socket!.handleTcpEvent = () => told++;
  connections.takeEvents(id);
  peer.say({ flags: 'PA', seq: 1, ack: 1, data: 10 });
  peer.say({ flags: 'PA', seq: 11, ack: 1, data: 10 });
  t.equal(told, 1);
  t.equal(connections.takeEvents(id), TcpEvent.Readable);
  t.equal(connections.takeEvents(id), 0);
  peer.say({ flags: 'FA', seq: 21, ack: 1 });
  t.equal(told, 2);
  t.equal(connections.takeEvents(id), TcpEvent.Readable | TcpEvent.End);
});

const ready = (peer: RawPeer): number => peer.end.tcp.connections.readiness(peer.socket!.id);

t.test('readiness as poll(2) has it', async (t) => {
  const { In, Out, ReadHup, Hup, Error } = TcpReady;
  t.equal(ready(inState('SYN-SENT')), 0);
  const peer = inState('ESTABLISHED');
  t.equal(ready(peer), Out);
  peer.say({ flags: 'PA', seq: 1, ack: 1, data: 10 });
  t.equal(ready(peer), In | Out);
  t.equal(ready(inState('CLOSE-WAIT')), In | Out | ReadHup);
  t.equal(ready(inState('FIN-WAIT-2')), Out);
  t.equal(ready(inState('TIME-WAIT')), In | Out | ReadHup | Hup);
  peer.socket!.isReading = true;
  peer.socket!.handleTcpEvent = () => undefined;
  peer.say({ flags: 'R', seq: 11 });
  t.equal(ready(peer), In | Out | ReadHup | Hup | Error);
  t.equal(peer.end.tcp.connections.takeError(peer.socket!.id), 'ECONNRESET');
  t.equal(ready(peer) & Error, 0);
});

t.test('a writer that was refused hears of room, once there is a third', async (t) => {
  const peer = new RawPeer().establish({ mss: 1000 });
  const { connections } = peer.end.tcp;
  const { id } = peer.socket!;
  connections.set(id, 'sndLimit', 9_000);
  connections.takeEvents(id);
  // Eight segments with what surrounds them fill 18,000, as Linux counts.
  t.equal(connections.write(id, noise(20_000)), 8_000);
  t.equal(connections.write(id, noise(1)), 'EAGAIN');
  t.equal(connections.readiness(id) & TcpReady.Out, 0);
  t.equal(connections.unacknowledged(id), 8_000);
  peer.hear();
  peer.say({ flags: 'A', seq: 1, ack: 1001 });
  t.equal(peer.socket!.events & TcpEvent.Writable, TcpEvent.Writable, 'of the handshake');
  peer.socket!.events = 0;
  peer.say({ flags: 'A', seq: 1, ack: 2001 });
  t.equal(peer.socket!.events & TcpEvent.Writable, 0);
  peer.say({ flags: 'A', seq: 1, ack: 3001 });
  t.equal(peer.socket!.events & TcpEvent.Writable, TcpEvent.Writable);
  t.equal(connections.writable(id), 3_000);
});

t.test('peeking leaves the bytes, chunks are read where they lie', async (t) => {
  const peer = new RawPeer().establish();
  const { connections } = peer.end.tcp;
  const { id } = peer.socket!;
  const data = noise(1000, 1000);
  peer.say({ flags: 'PA', seq: 1, ack: 1, data });
  const into = new Uint8Array(100);
  t.equal(connections.peek(id, into), 100);
  t.ok(Buffer.from(into).equals(data.subarray(0, 100)));
  const parts: number[] = [];
  const reader = {
    handleChunk(bytes: Uint8Array, start: number, end: number): number {
      parts.push(...bytes.subarray(start, Math.min(end, start + 300)));
      return Math.min(end - start, 300);
    },
  };
  t.equal(connections.readChunks(id, reader), 1000);
  t.ok(Buffer.from(parts).equals(data));
  t.equal(connections.readChunks(id, reader), 'EAGAIN');
  t.equal(peer.end.tcp.shared.rings.used, 0);
});

t.test('tcp_info has what `ss -i` shows', async (t) => {
  const net = pair({ delay: ms(10) });
  const [client, server] = net.connect();
  client.send(noise(100_000));
  net.drive(sec(5));
  const info = net.a.tcp.connections.info(client.id);
  t.equal(info.tcpi_state, 1);
  t.equal(info.tcpi_options, 7, 'timestamps, SACK, window scale');
  t.equal(info.tcpi_snd_wscale, 7);
  t.equal(info.tcpi_snd_mss, 1448);
  t.equal(info.tcpi_bytes_acked, 100_000);
  t.equal(info.tcpi_bytes_sent, 100_000);
  t.equal(info.tcpi_data_segs_out, 70);
  t.equal(info.tcpi_unacked, 0);
  t.ok(info.tcpi_snd_cwnd >= 10);
  t.ok(info.tcpi_rtt >= 20_000 && info.tcpi_rtt < 62_000, `${info.tcpi_rtt}`);
  t.equal(net.b.tcp.connections.info(server.id).tcpi_bytes_received, 100_000);
  t.equal(net.b.tcp.connections.info(server.id).tcpi_data_segs_in, 70);
});

t.test('shutdown of reading: what comes is acknowledged and thrown away', async (t) => {
  const peer = new RawPeer().establish();
  const { connections } = peer.end.tcp;
  const { id } = peer.socket!;
  peer.say({ flags: 'PA', seq: 1, ack: 1, data: 10 });
  connections.shutdown(id, 'read');
  t.equal(connections.read(id, new Uint8Array(10)), 0);
  t.same(brief(peer.say({ flags: 'PA', seq: 11, ack: 1, data: 10 })), ['A 1 21 0']);
  t.equal(connections.read(id, new Uint8Array(10)), 0);
  t.equal(peer.end.tcp.shared.rings.used, 0);
  peer.socket!.close();
  t.same(brief(peer.hear()), ['FA 1 21 0'], 'nothing was left unread');
});

t.test('options: low water of unsent data, limits, quick acknowledgements', async (t) => {
  const peer = new RawPeer().establish({ mss: 1000, window: 2000 }, { window: 2000 });
  const { connections } = peer.end.tcp;
  const { id } = peer.socket!;
  connections.set(id, 'notSentLowWater', 5_000);
  connections.write(id, noise(4_000));
  peer.hear();
  t.equal(connections.readiness(id) & TcpReady.Out, TcpReady.Out, '2,000 are unsent');
  connections.write(id, noise(1_000));
  t.equal(connections.readiness(id) & TcpReady.Out, 0, 'more than half of it, as Linux counts');
  t.equal(connections.write(id, noise(9_000)), 2_000);
  const tcb = connections.tcb(id);
  tcb.quickAcks = 0;
  t.same(peer.say({ flags: 'PA', seq: 1, ack: 1, data: 10, window: 2000 }), []);
  connections.setFlag(id, TcbFlag.QuickAck, true);
  t.same(brief(peer.hear()), ['A 2001 11 0']);
});
