import type { Test } from 'tap';
import t from 'tap';
import { ANY4 } from '../../src/addr/ip.ts';
import type { Mac } from '../../src/addr/mac.ts';
import { equalBytes } from '../../src/base/bytes.ts';
import { Drop } from '../../src/base/drop.ts';
import { isErrno } from '../../src/base/errno.ts';
import { ms, sec } from '../../src/base/time.ts';
import type { SimHost } from '../../src/sim/host.ts';
import type { TcpSocket } from '../../src/socket/tcp-socket.ts';
import { State } from '../../src/tcp/state.ts';
import * as icmp4 from '../../src/wire/icmp4.ts';
import { BUFFER, readAll, tcp } from '../socket/tcp-hosts.ts';
import { A, address, B, bytes, datagram, dropped, icmpBytes, joined, Net, routed } from '../support/hosts.ts';

interface Ends {
  readonly client: TcpSocket;
  readonly server: TcpSocket;
}

function connect(net: Net, a: SimHost, b: SimHost, to: string): Ends {
  const listener = tcp(b);
  const client = tcp(a);
  const refusal = listener.bind(ANY4, 80) ?? listener.listen() ?? client.connect(address(to), 80);
  if (refusal !== null) throw new Error(refusal);
  net.run(sec(2));
  const server = listener.accept();
  if (typeof server === 'string') throw new Error(server);
  return { client, server };
}

/** Moves `data` from one to the other, in virtual time; answers how long it took, in milliseconds. */
function transfer(t: Test, net: Net, from: TcpSocket, to: TcpSocket, data: Uint8Array): number {
  const began = net.world.now;
  const got = new Uint8Array(data.length);
  let written = 0;
  let read = 0;
  while (read < data.length && net.world.now - began < sec(300)) {
    const count = written < data.length ? from.write(data, written) : 0;
    if (!isErrno(count)) written += count;
    const taken = to.read(BUFFER);
    if (!isErrno(taken) && taken > 0) {
      got.set(BUFFER.subarray(0, taken), read);
      read += taken;
    } else {
      net.run(ms(5));
    }
  }
  // Not `strictSame`, which takes seconds for so many.
  t.ok(equalBytes(got, 0, data, 0, data.length), 'the very bytes');
  return (net.world.now - began) / 1_000;
}

t.test('through a router', (t) => {
  const net = routed();
  const { client, server } = connect(net, net.a, net.b, B);
  transfer(t, net, client, server, bytes(300_000));
  transfer(t, net, server, client, bytes(300_000));
  t.ok(net.a.stack.tcp.counters.tcp.retransSegs === 0);
  net.end(t);
  t.end();
});

/** a ── r1 ── 700 bytes ── r2 ── b: neither end knows of the link in the middle. */
function narrow(): { readonly net: Net; readonly a: SimHost; readonly b: SimHost } {
  const net = new Net();
  const { world } = net;
  const [a, r1, r2, b] = [world.host('a'), world.router('r1'), world.router('r2'), world.host('b')];
  const left = world.link(a, r1);
  const middle = world.link(r1, r2, { mtu: 700 });
  const right = world.link(r2, b);
  r1.address('10.1.0.1/24', left).address('10.3.0.1/24', middle);
  r2.address('10.3.0.2/24', middle).address('10.2.0.1/24', right);
  r1.route('10.2.0.0/24', { via: address('10.3.0.2') });
  r2.route('10.1.0.0/24', { via: address('10.3.0.1') });
  a.address('10.1.0.2/24').route('default', { via: address('10.1.0.1') });
  b.address('10.2.0.2/24').route('default', { via: address('10.2.0.1') });
  net.run(sec(5));
  return { net, a, b };
}

t.test('a narrower link between two routers is found out (RFC 1191)', (t) => {
  const { net, a, b } = narrow();
  const { client, server } = connect(net, a, b, '10.2.0.2');
  t.equal(client.info()?.tcpi_pmtu, 1_500);
  const took = transfer(t, net, client, server, bytes(200_000));
  t.ok(took < 2_000, `${took} ms: nobody waits for a timeout`);
  t.equal(client.info()?.tcpi_pmtu, 700);
  t.ok((client.info()?.tcpi_snd_mss ?? 0) <= 660);
  transfer(t, net, server, client, bytes(100_000));
  net.end(t);
  t.end();
});

t.test('super-segments stay whole where the device takes them, and are cut where it does not', (t) => {
  const net = joined();
  const { client, server } = connect(net, net.a, net.b, '10.1.0.3');
  transfer(t, net, client, server, bytes(500_000));
  const { tcp: counts } = net.a.stack.tcp.counters;
  const frames = net.a.iface().device.counters.txPackets;
  t.ok(counts.outSegs >= Math.floor(500_000 / 1_460), 'segments are counted as they are on the wire');
  t.ok(frames <= counts.outSegs + 20);
  net.end(t);
  t.end();
});

t.test('over a bad link, both ways, all bytes arrive (RFC 9293 §3.8)', (t) => {
  for (const [seed, profile] of [
    [1, { delay: ms(10), loss: 0.05 }],
    [2, { delay: ms(10), jitter: ms(8), duplicate: 0.05, reorder: 0.1 }],
    [3, { delay: ms(2), corrupt: 0.03 }],
    [4, { delay: ms(50), rate: { bitsPerSecond: 5e6, queueMaxPackets: 20 } }],
  ] as const) {
    const net = joined({ seed, link: { profile } });
    const { client, server } = connect(net, net.a, net.b, '10.1.0.3');
    transfer(t, net, client, server, bytes(200_000));
    transfer(t, net, server, client, bytes(200_000));
    client.close();
    server.close();
    net.run(sec(200));
    t.equal(net.a.stack.tcp.shared.table.count + net.b.stack.tcp.shared.table.count, 0);
    net.end(t);
  }
  t.end();
});

/** The first 28 bytes of a segment that `local` might have sent. */
function quote(local: TcpSocket, seq: number): Uint8Array {
  const header = new Uint8Array(28);
  const view = new DataView(header.buffer);
  const remote = local.remote?.d ?? 0;
  header[0] = 0x45;
  view.setUint16(2, 40);
  header[8] = 64;
  header[9] = 6;
  view.setInt32(12, local.local.d);
  view.setInt32(16, remote);
  view.setUint16(20, local.localPort);
  view.setUint16(22, local.remotePort);
  view.setInt32(24, seq);
  return header;
}

t.test('ICMP errors: an open ends by a hard one, a connection by none (RFC 5927 §5.2)', (t) => {
  const net = joined();
  const { client, server } = connect(net, net.a, net.b, '10.1.0.3');
  const silent = tcp(net.a);
  // Nobody is there to answer: the SYN waits for ARP.
  silent.connect(address('10.1.0.77'), 81);
  net.run(ms(1));
  const inject = (local: TcpSocket, seq: number): void => {
    const payload = icmpBytes(icmp4.Type.Unreachable, icmp4.UnreachableCode.Port, 0, quote(local, seq));
    const to = net.a.iface().device.mac as Mac;
    const frame = { src: '10.1.0.3', dst: '10.1.0.2', protocol: 1, payload, to };
    net.link.inject(datagram(frame));
    net.run(ms(1));
  };
  const { connections } = net.a.stack.tcp;
  const iss = connections.tcb(silent.id).iss;
  inject(silent, iss + 1_000_000);
  t.equal(silent.state, State.SynSent, 'who cannot name a number in flight is not believed (§4.1)');
  inject(silent, iss);
  t.equal(silent.takeError(), 'ECONNREFUSED');
  client.write(bytes(10));
  inject(client, connections.tcb(client.id).sndUna);
  net.run();
  t.equal(client.state, State.Established);
  t.strictSame(readAll(server), bytes(10));
  net.end(t);
  t.end();
});

t.test('damaged segments are counted and dropped', (t) => {
  const net = joined();
  connect(net, net.a, net.b, '10.1.0.3');
  const payload = new Uint8Array(20);
  payload[12] = 0x50;
  payload[13] = 2;
  const to = net.b.iface().device.mac as Mac;
  net.link.inject(datagram({ src: '10.1.0.2', dst: '10.1.0.3', protocol: 6, payload, to }));
  net.run();
  t.equal(dropped(net.b, Drop.TcpChecksum), 1);
  t.equal(net.b.stack.tcp.counters.tcp.inCsumErrors, 1);
  net.end(t);
  t.end();
});

t.test('with few slots connections leave some to what arrives, and go on when there are more', (t) => {
  const net = joined({ a: { poolSlots: 100 }, b: { poolSlots: 100 } });
  const ends = connect(net, net.a, net.b, '10.1.0.3');
  transfer(t, net, ends.client, ends.server, bytes(3_000_000));
  net.end(t);
  t.end();
});

t.test('an interface that goes down and comes back', (t) => {
  const net = joined();
  const { client, server } = connect(net, net.a, net.b, '10.1.0.3');
  net.a.stack.setInterfaceUp(net.a.iface(), false);
  client.write(bytes(5_000));
  net.run(sec(3));
  t.equal(server.read(BUFFER), 'EAGAIN');
  net.a.stack.setInterfaceUp(net.a.iface(), true);
  net.run(sec(10));
  t.strictSame(readAll(server), bytes(5_000));
  net.end(t);
  t.end();
});

t.test('addresses of both ends', (t) => {
  const net = routed();
  const { client, server } = connect(net, net.a, net.b, B);
  t.strictSame([client.local.toString(), server.remote?.toString()], [A, A]);
  net.end(t);
  t.end();
});
