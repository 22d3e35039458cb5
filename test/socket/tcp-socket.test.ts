import t from 'tap';
import { ANY4, ANY6, LOOPBACK4 } from '../../src/addr/ip.ts';
import { isErrno } from '../../src/base/errno.ts';
import { ms, sec } from '../../src/base/time.ts';
import { Ready } from '../../src/socket/datagram-socket.ts';
import type { TcpSocket } from '../../src/socket/tcp-socket.ts';
import { State } from '../../src/tcp/state.ts';
import { address, bytes, joined } from '../support/hosts.ts';
import {
  A,
  accepted,
  B,
  BUFFER,
  connected,
  isSame,
  listen,
  listening,
  nothingLeft,
  readAll,
  tcp,
} from './tcp-hosts.ts';

t.test('connect begins; Writable tells that it has succeeded', (t) => {
  const net = joined();
  const listener = listening(net.b, 80);
  const heard = listen(listener);
  const client = tcp(net.a);
  const told = listen(client);
  t.equal(client.connect(address(B), 80), null);
  t.equal(client.state, State.SynSent);
  t.equal(client.readiness, 0);
  t.equal(client.connect(address(B), 80), 'EALREADY');
  t.equal(client.write(bytes(1)), 'EAGAIN', 'not yet');
  t.equal(client.read(BUFFER), 'EAGAIN');
  net.run();
  t.strictSame(told, ['Writable']);
  t.strictSame(heard, ['Readable']);
  t.equal(listener.readiness, Ready.Readable);
  t.equal(client.connect(address(B), 80), 'EISCONN');
  const server = accepted(listener);
  t.equal(listener.accept(), 'EAGAIN');
  t.strictSame(
    [client.local.toString(), client.remote?.toString(), client.remotePort],
    [A, B, 80],
    'the address that the route says',
  );
  t.strictSame([server.local.toString(), server.localPort, server.remotePort], [B, 80, client.localPort]);
  client.close();
  server.close();
  listener.close();
  nothingLeft(t, net);
  t.end();
});

t.test('bytes go both ways in order; a report per turn', (t) => {
  const net = connected();
  const { client, server } = net;
  const told = listen(server);
  const data = bytes(3_000);
  t.equal(client.write(data, 100, 200), 100);
  t.equal(client.write(data, 200), 2_800);
  t.equal(client.unacknowledged, 2_900);
  net.run();
  t.equal(client.unacknowledged, 0);
  t.ok(told.length >= 1 && told.length <= 4, `${told.length} reports`);
  t.equal(server.readable, 2_900);
  t.equal(server.peek(BUFFER, 0, 10), 10);
  t.ok(isSame(readAll(server), data.slice(100)));
  t.equal(server.read(BUFFER), 'EAGAIN');
  t.equal(server.write(data, 0, 5), 5);
  net.run();
  t.equal(client.read(BUFFER, 7, 9), 2, 'as much as is wanted');
  t.strictSame(readAll(client), data.slice(2, 5));
  t.end();
});

t.test('readChunks reads in place what one write or many have brought', (t) => {
  const net = connected();
  const { client, server } = net;
  client.write(bytes(10), 0, 4);
  net.run();
  client.write(bytes(10), 4);
  net.run();
  const seen: number[][] = [];
  const reader = {
    handleChunk: (from: Uint8Array, start: number, end: number): number => {
      seen.push([...from.subarray(start, end)]);
      return seen.length === 1 ? 3 : end - start;
    },
  };
  t.equal(server.readChunks(reader), 10);
  t.strictSame(seen, [[...bytes(10)], [...bytes(10)].slice(3)]);
  t.equal(server.readChunks(reader), 'EAGAIN');
  client.close();
  net.run();
  t.equal(server.readChunks(reader), 0);
  t.end();
});

t.test('half-close: one side is done, the other goes on (RFC 9293 §3.6)', (t) => {
  const net = connected();
  const { client, server, listener } = net;
  const told = listen(server);
  client.write(bytes(5));
  t.equal(client.shutdown('write'), null);
  t.equal(client.write(bytes(1)), 'EPIPE');
  net.run();
  t.ok(isSame(readAll(server), bytes(5)));
  t.equal(server.read(BUFFER), 0, 'the end');
  t.equal(server.read(BUFFER), 0, 'and it stays so');
  t.match(told.join(), /Readable/);
  t.equal(server.state, State.CloseWait);
  t.equal(server.write(bytes(9)), 9);
  server.close();
  net.run();
  t.ok(isSame(readAll(client), bytes(9)));
  t.equal(client.read(BUFFER), 0);
  t.equal(client.readiness & Ready.Hangup, Ready.Hangup);
  client.close();
  listener.close();
  nothingLeft(t, net);
  t.end();
});

t.test('what was written before close is delivered', (t) => {
  const net = connected();
  const { client, server, listener } = net;
  const data = bytes(60_000);
  t.equal(client.write(data), data.length);
  client.close();
  t.strictSame(
    [client.write(data), client.read(BUFFER), client.shutdown('both')],
    ['EBADF', 'EBADF', 'EBADF'],
  );
  net.run(sec(2));
  t.ok(isSame(readAll(server), data));
  server.close();
  listener.close();
  nothingLeft(t, net);
  t.end();
});

t.test('close with unread data resets (RFC 9293 §3.6.1, RFC 2525 §2.17)', (t) => {
  const net = connected();
  const { client, server, listener } = net;
  const told = listen(client);
  client.write(bytes(5));
  net.run();
  server.close();
  net.run();
  t.match(told.join(), /Error/);
  t.equal(client.readiness & Ready.Error, Ready.Error);
  t.equal(client.read(BUFFER), 'ECONNRESET');
  t.equal(client.read(BUFFER), 0, 'told once');
  t.equal(client.write(bytes(1)), 'EPIPE');
  client.close();
  listener.close();
  nothingLeft(t, net);
  t.end();
});

t.test('abort, and close with linger 0, reset (RFC 9293 §3.9.1.6)', (t) => {
  for (const end of [
    (socket: TcpSocket): void => socket.abort(),
    (socket: TcpSocket): void => {
      socket.setOption('lingerMs', 0);
      socket.close();
    },
  ]) {
    const net = connected();
    const { client, server, listener } = net;
    end(client);
    net.run();
    t.equal(server.takeError(), 'ECONNRESET');
    t.equal(server.takeError(), null);
    server.close();
    listener.close();
    nothingLeft(t, net);
  }
  t.end();
});

t.test('a port that nobody has refuses (RFC 9293 §3.5.2); it may be tried again', (t) => {
  const net = joined();
  const client = tcp(net.a);
  const told = listen(client);
  client.connect(address(B), 81);
  net.run();
  t.strictSame(told, ['Readable Writable Error Hangup']);
  t.equal(client.read(BUFFER), 'ECONNREFUSED');
  const listener = listening(net.b, 81);
  t.equal(client.connect(address(B), 81), null);
  net.run();
  t.equal(client.state, State.Established);
  client.close();
  accepted(listener).close();
  listener.close();
  nothingLeft(t, net);
  t.end();
});

t.test('what cannot be reached is refused at once', (t) => {
  const net = joined();
  const client = tcp(net.a);
  t.equal(client.connect(address('192.0.2.1'), 80), 'ENETUNREACH');
  t.equal(client.connect(address('10.1.0.255'), 80), 'ENETUNREACH', 'no connection with many (MUST-57)');
  t.equal(client.connect(address('224.0.0.1'), 80), 'ENETUNREACH');
  t.equal(client.connect(address('::1'), 80), 'EAFNOSUPPORT');
  t.equal(client.connect(address(B), 0), 'EINVAL');
  t.equal(client.write(bytes(1)), 'EPIPE');
  t.equal(client.read(BUFFER), 'ENOTCONN');
  t.equal(client.shutdown('both'), 'ENOTCONN');
  t.equal(client.accept(), 'EINVAL');
  t.equal(client.readiness, Ready.Writable | Ready.Hangup, 'as Linux says of a fresh one');
  // Nobody answers ARP: the neighbour table says so, as a router would.
  client.connect(address('10.1.0.99'), 80);
  net.run(sec(10));
  t.equal(
    client.takeError() ?? client.state,
    State.SynSent,
    'a soft error does not end an open (RFC 1122 §4.2.3.9)',
  );
  client.close();
  net.end(t);
  t.end();
});

t.test('who may have which port', (t) => {
  const net = joined();
  const first = tcp(net.b);
  t.equal(first.bind(address('192.0.2.1'), 80), 'EADDRNOTAVAIL');
  t.equal(first.bind(ANY4, 80), null);
  t.equal(first.bind(ANY4, 81), 'EINVAL', 'once');
  t.equal(tcp(net.b).bind(address(B), 80), 'EADDRINUSE');
  const sharing = tcp(net.b);
  sharing.reuseAddress = true;
  t.equal(sharing.bind(ANY4, 80), 'EADDRINUSE', 'both must want to share');
  first.reuseAddress = true;
  t.equal(sharing.bind(ANY4, 80), null);
  t.equal(first.listen(), null);
  t.equal(sharing.listen(), 'EADDRINUSE', 'only one listens');
  t.equal(tcp(net.b).listen(), null, 'a port of its own');
  for (const _ of 'ab') {
    const grouped = tcp(net.b);
    grouped.reusePort = true;
    t.equal(grouped.bind(ANY4, 82) ?? grouped.listen(), null, 'SO_REUSEPORT');
  }
  const any6 = tcp(net.b, 6);
  t.equal(any6.bind(ANY6, 83), null);
  t.equal(tcp(net.b).bind(ANY4, 83), 'EADDRINUSE', ':: has IPv4 too (RFC 3493 §5.3)');
  net.end(t);
  t.end();
});

t.test('without SO_REUSEADDR a port is free when its last connection is', (t) => {
  const net = connected();
  const { client, server, listener } = net;
  listener.close();
  const next = tcp(net.b);
  t.equal(next.bind(ANY4, 80), 'EADDRINUSE', 'a connection has it');
  server.close();
  net.run();
  client.close();
  net.run();
  t.equal(net.b.stack.tcp.shared.timeWait.count, 1);
  t.equal(next.bind(ANY4, 80), 'EADDRINUSE', 'TIME-WAIT has it');
  next.reuseAddress = true;
  t.equal(next.bind(ANY4, 80), null);
  next.close();
  nothingLeft(t, net);
  t.end();
});

t.test(
  'connections to several peers may have one local port; to one peer they follow each other (RFC 6056 §3.3.3)',
  (t) => {
    const net = joined();
    const listener = listening(net.b, 80, 100);
    const sockets = Array.from({ length: 50 }, () => tcp(net.a));
    for (const socket of sockets) t.equal(socket.connect(address(B), 80), null);
    const ports = sockets.map(({ localPort }) => localPort);
    t.equal(new Set(ports).size, 50);
    t.ok(ports.every((port) => port >= 32_768 && port <= 60_999));
    const [fixed, other] = [tcp(net.a), tcp(net.a)];
    fixed.reuseAddress = true;
    other.reuseAddress = true;
    t.equal(fixed.bind(ANY4, 5_000) ?? fixed.connect(address(B), 80), null);
    t.equal(
      other.bind(ANY4, 5_000) ?? other.connect(address(B), 80),
      'EADDRNOTAVAIL',
      'the four of them are taken',
    );
    t.equal(other.connect(address(B), 81), null);
    net.run();
    for (const socket of [...sockets, fixed, other]) socket.close();
    listener.close();
    nothingLeft(t, net);
    t.end();
  },
);

t.test('the backlog: one more than asked for, the rest waits at the peer', (t) => {
  const net = joined();
  const listener = listening(net.b, 80, 1);
  t.strictSame(listener.queue, { waiting: 0, backlog: 1, halfOpen: 0 });
  const clients = Array.from({ length: 4 }, () => tcp(net.a));
  for (const client of clients) client.connect(address(B), 80);
  net.run(ms(500));
  t.equal(listener.queue?.waiting, 2);
  accepted(listener).close();
  accepted(listener).close();
  net.run(sec(10));
  t.equal(listener.queue?.waiting, 2, 'they tried again');
  listener.close();
  for (const client of clients) client.abort();
  nothingLeft(t, net);
  t.end();
});

t.test('a listener that closes resets what it had not accepted; what it had goes on', (t) => {
  const net = connected();
  const { client, server, listener } = net;
  const second = tcp(net.a);
  second.connect(address(B), 80);
  net.run();
  listener.close();
  net.run();
  t.equal(second.takeError(), 'ECONNRESET');
  client.write(bytes(3));
  net.run();
  t.ok(isSame(readAll(server), bytes(3)));
  t.equal(listener.accept(), 'EBADF');
  for (const socket of [client, server, second]) socket.close();
  nothingLeft(t, net);
  t.end();
});

t.test('options: limits, inheritance, at any time', (t) => {
  const net = joined();
  const listener = listening(net.b, 80);
  t.equal(listener.setOption('noDelay', 1), null);
  t.equal(listener.setOption('keepIdleMs', 5_000), null);
  t.equal(listener.setOption('ttl', 9), null);
  t.equal(listener.setOption('ttl', 256), 'EINVAL');
  t.equal(listener.setOption('receiveBuffer', 1), null, 'clamped');
  t.equal(listener.option('receiveBuffer'), 2_304);
  t.equal(listener.option('lingerMs'), -1);
  const client = tcp(net.a);
  t.equal(client.setOption('maxSegment', 600), null);
  t.equal(client.setCongestion('vegas'), 'EINVAL');
  t.equal(client.setCongestion('reno'), null);
  client.connect(address(B), 80);
  net.run();
  const server = accepted(listener);
  t.strictSame(
    [
      server.option('noDelay'),
      server.option('keepIdleMs'),
      server.option('ttl'),
      server.option('receiveBuffer'),
    ],
    [1, 5_000, 9, 2_304],
  );
  t.equal(client.congestion, 'reno');
  t.equal(client.setCongestion('bbr'), null);
  client.write(bytes(10));
  net.run();
  t.equal(client.congestion, 'bbr');
  t.ok((server.info()?.tcpi_snd_mss ?? 0) <= 600, 'the peer was told');
  t.equal(client.setOption('maxSegment', 700), 'EISCONN');
  t.equal(server.setOption('cork', 1), null);
  t.equal(server.option('cork'), 1);
  for (const socket of [client, server, listener]) socket.close();
  net.end(t);
  t.end();
});

t.test('a full send buffer: EAGAIN, and Writable once when there is room again', (t) => {
  const net = connected();
  const { client, server } = net;
  client.setOption('sendBuffer', 30_000);
  server.setOption('receiveBuffer', 20_000);
  /** Until it is refused; how much it took is for the machine to say. */
  const fill = (): number => {
    let written = 0;
    for (let count = client.write(BUFFER); !isErrno(count); count = client.write(BUFFER)) written += count;
    return written;
  };
  const first = fill();
  t.ok(first > 10_000 && first < 200_000, `${first} bytes`);
  t.equal(client.write(BUFFER), 'EAGAIN');
  t.equal(client.readiness & Ready.Writable, 0);
  const told = listen(client);
  const drain = (): void => {
    for (let round = 0; round < 20; round++) {
      net.run(ms(500));
      readAll(server);
    }
  };
  drain();
  t.strictSame(told, ['Writable']);
  t.ok(client.writable > 0);
  t.equal(client.readiness & Ready.Writable, Ready.Writable);
  drain();
  t.equal(told.length, 1, 'once, until a write is refused again');
  t.ok(fill() > 10_000);
  drain();
  t.strictSame(told, ['Writable', 'Writable']);
  t.end();
});

t.test('listenAll takes what nobody else listens at, for transparent proxies', (t) => {
  const net = joined();
  const all = tcp(net.b);
  t.equal(all.listenAll(), null);
  const own = listening(net.b, 80);
  const [first, second] = [tcp(net.a), tcp(net.a)];
  first.connect(address(B), 12_345);
  second.connect(address(B), 80);
  net.run();
  t.equal(accepted(all).localPort, 12_345, 'what it was sent to');
  t.equal(all.accept(), 'EAGAIN');
  t.equal(accepted(own).localPort, 80);
  net.end(t);
  t.end();
});

t.test('to this host itself, over the loopback', (t) => {
  const net = joined();
  const listener = listening(net.a, 80);
  for (const to of [LOOPBACK4, address(A), ANY4]) {
    const client = tcp(net.a);
    t.equal(client.connect(to, 80), null);
    net.run();
    const server = accepted(listener);
    client.write(bytes(50_000));
    net.run();
    t.ok(isSame(readAll(server), bytes(50_000)), to.toString());
    client.close();
    server.close();
  }
  listener.close();
  nothingLeft(t, net);
  t.end();
});

t.test('a stack that closes resets its connections and gives everything back', (t) => {
  const net = connected();
  const { client, server } = net;
  client.write(bytes(60_000));
  net.run(ms(1));
  net.b.stack.sockets.closeAll();
  net.run(ms(200));
  t.equal(client.read(BUFFER), 'ECONNRESET');
  t.ok(server.isClosed);
  net.b.crash();
  net.end(t);
  t.end();
});

t.test('storms of connections leave nothing behind, whoever closes first', (t) => {
  const net = joined({ seed: 5 });
  const listener = listening(net.b, 80, 64);
  listener.onReady = (): void => {
    for (let socket = listener.accept(); !isErrno(socket); socket = listener.accept()) {
      const server = socket;
      server.onReady = (): void => {
        const count = server.read(BUFFER);
        if (count === 'EAGAIN') return;
        if (typeof count === 'number' && count > 0) server.write(BUFFER, 0, count);
        // A third is closed here, before the peer does.
        if (count === 0 || isErrno(count) || server.remotePort % 3 === 0) server.close();
      };
    }
  };
  let done = 0;
  const open = (index: number): void => {
    const client = tcp(net.a);
    client.connect(address(B), 80);
    client.onReady = (_now, edges): void => {
      if ((edges & Ready.Writable) !== 0 && client.unacknowledged === 0) client.write(bytes(3));
      const count = client.read(BUFFER);
      if (count === 'EAGAIN') return;
      done++;
      if (index % 5 === 0) client.abort();
      else client.close();
    };
  };
  for (let round = 0; round < 20; round++) {
    for (let index = 0; index < 50; index++) open(index);
    net.run(ms(50));
  }
  net.run(sec(20));
  t.equal(done, 1_000);
  listener.close();
  nothingLeft(t, net);
  t.end();
});
