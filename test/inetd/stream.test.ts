import t from 'tap';
import { isErrno } from '../../src/base/errno.ts';
import { ms, sec } from '../../src/base/time.ts';
import { chargenText } from '../../src/inetd/chargen-stream.ts';
import type { InetdStreamStatus } from '../../src/inetd/inetd.ts';
import { Inetd } from '../../src/inetd/inetd.ts';
import type { TcpSocket } from '../../src/socket/tcp-socket.ts';
import { State } from '../../src/tcp/state.ts';
import { B, BUFFER, isSame, nothingLeft, readAll, tcp } from '../socket/tcp-hosts.ts';
import type { Joined } from '../support/hosts.ts';
import { address, bytes, joined } from '../support/hosts.ts';

interface Served extends Joined {
  readonly inetd: Inetd;
  readonly connect: (port: number) => TcpSocket;
  readonly of: (name: string) => InetdStreamStatus;
}

/** 20 November 2026, 14:51:26 UTC. */
const MOMENT = 1_795_186_286;

function served(): Served {
  const net = joined();
  const inetd = new Inetd(net.b.stack.sockets, () => MOMENT * 1_000);
  const refusal = inetd.start();
  if (refusal !== null) throw new Error(refusal);
  const connect = (port: number): TcpSocket => {
    const socket = tcp(net.a);
    if (socket.connect(address(B), port) !== null) throw new Error('no connection');
    net.run();
    return socket;
  };
  const of = (name: string): InetdStreamStatus =>
    inetd.streamStatus().find((one) => one.name === name) as InetdStreamStatus;
  return Object.assign(net, { inetd, connect, of });
}

t.test('echo returns the stream, and its end (RFC 862)', (t) => {
  const net = served();
  const socket = net.connect(7);
  const data = bytes(50_000);
  socket.write(data);
  socket.shutdown('write');
  net.run(sec(1));
  t.ok(isSame(readAll(socket), data));
  t.equal(socket.read(BUFFER), 0);
  t.strictSame(net.of('echo').counters, { connections: 1, open: 0, bytesIn: 50_000, bytesOut: 50_000 });
  socket.close();
  net.inetd.close();
  nothingLeft(t, net);
  t.end();
});

t.test('echo reads no more from who does not read its answers', (t) => {
  const net = served();
  const socket = net.connect(7);
  let written = 0;
  for (let round = 0; round < 300; round++) {
    const count = socket.write(BUFFER);
    if (typeof count === 'number') written += count;
    net.run(ms(20));
  }
  const held = net.b.stack.tcp.shared.rings.used;
  t.ok(written < 40e6, `${written} bytes are under way, and that is all`);
  t.ok(held < 20e6, `${held} bytes of buffers`);
  let read = 0;
  for (let round = 0; round < 3_000 && read < written; round++) {
    for (let count = socket.read(BUFFER); typeof count === 'number'; count = socket.read(BUFFER))
      read += count;
    net.run(ms(20));
  }
  t.equal(read, written);
  socket.abort();
  net.run();
  t.equal(net.of('echo').counters.open, 0, 'a reset ends it');
  net.inetd.close();
  nothingLeft(t, net);
  t.end();
});

t.test('discard takes everything (RFC 863)', (t) => {
  const net = served();
  const socket = net.connect(9);
  let written = 0;
  while (written < 1_000_000) {
    const count = socket.write(BUFFER, 0, Math.min(BUFFER.length, 1_000_000 - written));
    if (typeof count === 'number') written += count;
    net.run(ms(20));
  }
  t.equal(net.of('discard').counters.bytesIn, 1_000_000);
  t.equal(socket.read(BUFFER), 'EAGAIN', 'and says nothing');
  socket.close();
  net.run();
  t.equal(net.of('discard').counters.open, 0);
  net.inetd.close();
  nothingLeft(t, net);
  t.end();
});

t.test('daytime says what day it is, and closes (RFC 867)', (t) => {
  const net = served();
  const socket = net.connect(13);
  t.strictSame(readAll(socket), new TextEncoder().encode('Friday, November 20, 2026 14:51:26-UTC\r\n'));
  t.equal(socket.read(BUFFER), 0);
  t.equal(socket.state, State.CloseWait);
  socket.close();
  net.inetd.close();
  nothingLeft(t, net);
  t.end();
});

t.test('chargen writes its pattern until the peer has had enough (RFC 864)', (t) => {
  const net = served();
  const socket = net.connect(19);
  const want = chargenText(500_000);
  let read = 0;
  for (let round = 0; round < 1_000 && read < want.length; round++) {
    const count = socket.read(BUFFER);
    if (!isErrno(count)) {
      const end = Math.min(count, want.length - read);
      for (let i = 0; i < end; i++) if (BUFFER[i] !== want[read + i]) return t.fail(`wrong at ${read + i}`);
      read += count;
    }
    net.run(ms(5));
  }
  t.ok(read >= want.length);
  socket.close();
  net.run(sec(1));
  t.equal(net.of('chargen').counters.open, 0, 'a close with unread data resets it');
  net.inetd.close();
  nothingLeft(t, net);
  return t.end();
});

t.test('the pattern: 95 lines of 72 characters, each begun one further (RFC 864)', (t) => {
  const lines = new TextDecoder().decode(chargenText(96 * 74)).split('\r\n');
  t.equal(lines[0], ' !"#$%&\'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefg');
  t.match(lines[1], /^!"#.*gh$/);
  t.match(lines[94], /^~ !"/);
  t.equal(lines[95], lines[0]);
  t.ok(lines.slice(0, 96).every((line) => line.length === 72));
  t.end();
});

t.test('closing ends connections; a port that is taken, and nothing is opened', (t) => {
  const net = served();
  const socket = net.connect(9);
  net.inetd.close();
  net.run();
  t.equal(socket.read(BUFFER), 0);
  t.strictSame(net.inetd.streamStatus(), []);
  const own = tcp(net.b);
  own.reuseAddress = true;
  t.equal(own.bind(address(B), 19), null);
  t.equal(own.listen(), null);
  t.equal(net.inetd.start(), 'EADDRINUSE');
  t.strictSame([net.inetd.status(), net.inetd.streamStatus()], [[], []]);
  own.close();
  t.equal(net.inetd.start(), null);
  net.inetd.close();
  socket.close();
  nothingLeft(t, net);
  t.end();
});
