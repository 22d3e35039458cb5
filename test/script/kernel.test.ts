import t from 'tap';
import { Ip, parseIp } from '../../src/addr/ip.ts';
import type { Instant } from '../../src/base/time.ts';
import { after, ms, sec } from '../../src/base/time.ts';
import { constant, Linux } from '../../src/script/constants.ts';
import { errnoNumber, errnoOfName, errnoText } from '../../src/script/errno.ts';
import { defaultConfig } from '../../src/script/run/config.ts';
import { Machine } from '../../src/script/run/machine.ts';
import type { CallResult, EpollEvent, ReceiveRequest, SocketAddress } from '../../src/script/syscalls.ts';
import { CallError } from '../../src/script/syscalls.ts';

const { AF_INET, AF_INET6, SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOL_SOCKET, SOL_IP, SOL_TCP } = Linux;

const at = (ip: string, port: number, family: number = AF_INET): SocketAddress => ({
  family,
  ip: parseIp(ip) as Ip,
  port,
});
const LOOPBACK = '127.0.0.1';
const bytes = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));
const request = (length: number, flags = 0): ReceiveRequest => ({
  into: new Uint8Array(length),
  flags,
  from: null,
  outFlags: 0,
  control: [],
});

/** A program and its stack. Calls that never wait answer at once. */
class Program {
  readonly machine = new Machine(defaultConfig(), 3);

  get now(): Instant {
    return this.machine.now;
  }

  get kernel(): Machine['kernel'] {
    return this.machine.kernel;
  }

  socket(domain: number, type: number, protocol = 0): number {
    const fd = this.kernel.socket(this.now, domain, type, protocol);
    if (typeof fd === 'string') throw new Error(fd);
    return fd;
  }

  bound(type: number, port: number): number {
    const fd = this.socket(AF_INET, type);
    const refusal = this.kernel.bind(this.now, fd, at(LOOPBACK, port));
    if (refusal !== 0) throw new Error(String(refusal));
    return fd;
  }

  connect(fd: number, address: SocketAddress): CallResult | null {
    return this.kernel.connect(fd, address).attempt(this.now);
  }

  send(fd: number, text: string, to: SocketAddress | null = null, flags = 0): CallResult | null {
    const result = this.kernel.send(fd, { data: bytes(text), flags, to, control: [] }).attempt(this.now);
    this.machine.settle();
    return result;
  }

  receive(fd: number, into: ReceiveRequest): CallResult | null {
    return this.kernel.receive(fd, into).attempt(this.now);
  }

  /** `text`, or the error. */
  read(fd: number, flags: number = Linux.MSG_DONTWAIT): string {
    const into = request(100, flags);
    const count = this.receive(fd, into);
    return typeof count === 'number' ? String.fromCharCode(...into.into.slice(0, count)) : String(count);
  }

  close(fd: number): CallResult | null {
    const result = this.kernel.close(fd).attempt(this.now);
    this.machine.settle();
    return result;
  }

  end(): number {
    return this.machine.close();
  }
}

t.test('numbers and names are those of Linux', (t) => {
  t.equal(constant('SO_REUSEADDR'), 2);
  t.equal(constant('TCP_INFO'), 11);
  t.equal(constant('nonsense'), null);
  t.equal(errnoNumber('EINPROGRESS'), 115);
  t.equal(errnoText('ECONNREFUSED'), 'Connection refused');
  t.equal(errnoOfName('EWOULDBLOCK'), 'EAGAIN');
  t.equal(errnoOfName('ENONSENSE'), null);
  t.end();
});

t.test('socket(2): which sockets there are', (t) => {
  const program = new Program();
  const open = (domain: number, type: number, protocol: number): CallResult =>
    program.kernel.socket(program.now, domain, type, protocol);
  t.equal(open(AF_INET, SOCK_DGRAM, 0), 3, 'the lowest descriptor that is free');
  t.equal(open(AF_INET6, SOCK_STREAM, Linux.IPPROTO_TCP), 4);
  t.equal(program.close(3), 0);
  t.equal(open(AF_INET, SOCK_DGRAM, Linux.IPPROTO_ICMP), 3);
  t.equal(open(AF_INET, SOCK_RAW, 1), 5);
  t.equal(open(AF_INET, SOCK_RAW, 0), 'EPROTONOSUPPORT');
  t.equal(open(1, SOCK_DGRAM, 0), 'EAFNOSUPPORT');
  t.equal(open(AF_INET, 5, 0), 'ESOCKTNOSUPPORT');
  t.equal(open(AF_INET, SOCK_STREAM, 17), 'EPROTONOSUPPORT');
  t.equal(open(AF_INET, SOCK_DGRAM, 6), 'EPROTONOSUPPORT');
  t.equal(program.kernel.getsockopt(program.now, 3, SOL_SOCKET, Linux.SO_TYPE), SOCK_DGRAM);
  t.equal(program.kernel.getsockopt(program.now, 5, SOL_SOCKET, Linux.SO_PROTOCOL), 1);
  t.equal(program.kernel.getsockopt(program.now, 4, SOL_SOCKET, Linux.SO_DOMAIN), AF_INET6);
  t.equal(program.close(99), 'EBADF');
  t.equal(program.end(), 0, 'and nothing leaks');
  t.end();
});

t.test('datagrams', (t) => {
  const program = new Program();
  const server = program.bound(SOCK_DGRAM, 5000);
  const client = program.socket(AF_INET, SOCK_DGRAM);

  t.test('go to an address, come with one', (t) => {
    t.equal(program.send(client, 'one'), 'EDESTADDRREQ');
    t.equal(program.send(client, 'one', at(LOOPBACK, 5000)), 3);
    const into = request(2);
    t.equal(program.receive(server, into), 2);
    t.equal(into.outFlags, Linux.MSG_TRUNC, 'what did not fit is gone, and it is told');
    t.equal(String(into.from?.ip), LOOPBACK);
    t.equal(program.read(server), 'EAGAIN');
    t.end();
  });

  t.test('may be looked at, and are counted', (t) => {
    t.equal(program.connect(client, at(LOOPBACK, 5000)), 0);
    program.send(client, 'hello');
    t.same(program.kernel.ioctl(program.now, server, Linux.FIONREAD, 0), { result: 0, value: 5 });
    t.equal(program.read(server, Linux.MSG_PEEK), 'hello');
    t.equal(program.receive(server, request(2, Linux.MSG_TRUNC)), 5, 'MSG_TRUNC: its own length');
    t.same(program.kernel.ioctl(program.now, server, Linux.FIONREAD, 0), { result: 0, value: 0 });
    t.equal(program.kernel.ioctl(program.now, server, 1, 0).result, 'ENOTTY');
    t.end();
  });

  t.test('refusals come back as the error of the next call, and by SO_ERROR', (t) => {
    const other = program.socket(AF_INET, SOCK_DGRAM);
    t.equal(program.connect(other, at(LOOPBACK, 5001)), 0);
    t.equal(program.send(other, 'x'), 1);
    t.equal(program.read(other), 'ECONNREFUSED');
    t.equal(program.send(other, 'x'), 1);
    t.equal(program.kernel.getsockopt(program.now, other, SOL_SOCKET, Linux.SO_ERROR), 111);
    t.equal(program.kernel.getsockopt(program.now, other, SOL_SOCKET, Linux.SO_ERROR), 0);
    t.equal(program.kernel.setsockopt(program.now, other, SOL_IP, Linux.IP_RECVERR, 1), 0);
    program.send(other, 'x');
    const into = request(10, Linux.MSG_ERRQUEUE);
    t.equal(program.receive(other, into), 0);
    t.same(into.control, [{ level: SOL_IP, type: Linux.IP_RECVERR, data: [111, 2, 3, 3, 0, 0] }]);
    t.equal(into.from?.port, 5001);
    t.equal(program.receive(other, into), 'EAGAIN', 'the error queue never makes anybody wait');
    t.end();
  });

  t.test('control data that were asked for', (t) => {
    for (const option of [Linux.IP_PKTINFO, Linux.IP_RECVTTL, Linux.IP_RECVTOS]) {
      t.equal(program.kernel.setsockopt(program.now, server, SOL_IP, option, 1), 0);
    }
    t.equal(program.kernel.setsockopt(program.now, client, SOL_IP, Linux.IP_TOS, 0x10), 0);
    program.send(client, 'x');
    const into = request(10);
    program.receive(server, into);
    t.same(into.control, [
      { level: SOL_IP, type: Linux.IP_PKTINFO, data: [1, Ip.v4(0x7f000001).d] },
      { level: SOL_IP, type: Linux.IP_TTL, data: [64] },
      { level: SOL_IP, type: Linux.IP_TOS, data: [0x10] },
    ]);
    t.end();
  });

  t.test('options: doubled buffers, limits, and what there is not', (t) => {
    const set = (level: number, option: number, value: number): CallResult =>
      program.kernel.setsockopt(program.now, client, level, option, value);
    const get = (level: number, option: number): unknown =>
      program.kernel.getsockopt(program.now, client, level, option);
    t.equal(set(SOL_SOCKET, Linux.SO_RCVBUF, 10_000), 0);
    t.equal(get(SOL_SOCKET, Linux.SO_RCVBUF), 20_000);
    t.equal(set(SOL_IP, Linux.IP_TTL, 0), 'EINVAL');
    t.equal(set(SOL_IP, Linux.IP_TTL, 9), 0);
    t.equal(get(SOL_IP, Linux.IP_TTL), 9);
    t.equal(set(SOL_SOCKET, 250, 1), 'ENOPROTOOPT');
    t.same(get(SOL_SOCKET, 250), new CallError('ENOPROTOOPT'));
    t.equal(set(SOL_TCP, Linux.TCP_NODELAY, 1), 'ENOPROTOOPT');
    t.equal(program.kernel.listen(program.now, client, 5), 'EOPNOTSUPP');
    t.equal(program.kernel.accept(client, 0).attempt(program.now), 'EOPNOTSUPP');
    t.end();
  });

  t.test('AF_UNSPEC forgets the peer; names are told', (t) => {
    t.match(program.kernel.getpeername(client), { port: 5000 });
    t.equal(program.connect(client, at('0.0.0.0', 0, Linux.AF_UNSPEC)), 0);
    t.equal(program.kernel.getpeername(client), 'ENOTCONN');
    t.match(program.kernel.getsockname(server), { port: 5000 });
    t.equal(program.kernel.getsockname(99), 'EBADF');
    t.end();
  });
  t.equal(program.end(), 0);
  t.end();
});

t.test('waiting', (t) => {
  const program = new Program();
  const server = program.bound(SOCK_DGRAM, 5000);
  const client = program.socket(AF_INET, SOCK_DGRAM);

  t.test('a call that waits answers null until there is something', (t) => {
    const into = request(10);
    const call = program.kernel.receive(server, into);
    t.equal(call.attempt(program.now), null);
    t.equal(call.attempt(after(program.now, sec(1_000))), null, 'for ever');
    program.send(client, 'x', at(LOOPBACK, 5000));
    t.equal(call.attempt(program.now), 1);
    t.end();
  });

  t.test('O_NONBLOCK and MSG_DONTWAIT do not wait', (t) => {
    t.equal(program.receive(server, request(10, Linux.MSG_DONTWAIT)), 'EAGAIN');
    t.equal(program.kernel.fcntl(program.now, server, Linux.F_GETFL, 0), Linux.O_RDWR);
    t.equal(program.kernel.fcntl(program.now, server, Linux.F_SETFL, Linux.O_RDWR | Linux.O_NONBLOCK), 0);
    t.equal(program.kernel.fcntl(program.now, server, Linux.F_GETFL, 0), Linux.O_RDWR | Linux.O_NONBLOCK);
    t.equal(program.receive(server, request(10)), 'EAGAIN');
    t.same(program.kernel.ioctl(program.now, server, Linux.FIONBIO, 0), { result: 0, value: 0 });
    t.equal(program.receive(server, request(10)), null);
    t.equal(program.kernel.fcntl(program.now, server, 77, 0), 'EINVAL');
    t.end();
  });

  t.test('SO_RCVTIMEO ends it with EAGAIN', (t) => {
    const timeout = { seconds: 0, microseconds: 50_000 };
    t.equal(program.kernel.setsockopt(program.now, server, SOL_SOCKET, Linux.SO_RCVTIMEO, timeout), 0);
    t.same(program.kernel.getsockopt(program.now, server, SOL_SOCKET, Linux.SO_RCVTIMEO), timeout);
    const call = program.kernel.receive(server, request(10));
    t.equal(call.attempt(program.now), null);
    t.equal(call.deadline, after(program.now, ms(50)));
    t.equal(call.attempt(after(program.now, ms(50))), 'EAGAIN');
    t.end();
  });

  t.test('poll(2) says what there is, or waits for it', (t) => {
    const entries = [
      { fd: server, events: Linux.POLLIN, revents: 0 },
      { fd: -1, events: Linux.POLLIN, revents: 0 },
      { fd: 99, events: 0, revents: 0 },
    ];
    t.equal(program.kernel.poll(entries, 0).attempt(program.now), 1);
    t.same(
      entries.map(({ revents }) => revents),
      [0, 0, Linux.POLLNVAL],
    );
    entries.length = 1;
    const call = program.kernel.poll(entries, 100);
    t.equal(call.attempt(program.now), null);
    t.equal(call.attempt(after(program.now, ms(100))), 0, 'its time is over');
    program.send(client, 'x', at(LOOPBACK, 5000));
    t.equal(program.kernel.poll(entries, -1).attempt(program.now), 1);
    t.equal(entries[0]?.revents, Linux.POLLIN);
    t.equal(program.read(server), 'x');
    t.end();
  });
  t.equal(program.end(), 0);
  t.end();
});

t.test('epoll(7)', (t) => {
  const program = new Program();
  const server = program.bound(SOCK_DGRAM, 5000);
  const client = program.socket(AF_INET, SOCK_DGRAM);
  const epoll = program.kernel.epollCreate(0) as number;
  const control = (operation: number, fd: number, events: number): CallResult =>
    program.kernel.epollControl(program.now, epoll, operation, fd, { events, data: 77 });
  const wait = (max = 5, timeout = 0): readonly EpollEvent[] | CallResult | null => {
    const into: EpollEvent[] = [];
    const result = program.kernel.epollWait(epoll, max, timeout, into).attempt(program.now);
    return typeof result === 'number' ? into : result;
  };
  const send = (): unknown => program.send(client, 'x', at(LOOPBACK, 5000));
  const inEvent = [{ events: Linux.EPOLLIN, data: 77 }];

  t.test('refuses what makes no sense', (t) => {
    t.equal(control(Linux.EPOLL_CTL_MOD, server, Linux.EPOLLIN), 'ENOENT');
    t.equal(control(Linux.EPOLL_CTL_DEL, server, 0), 'ENOENT');
    t.equal(control(9, server, 0), 'EINVAL');
    t.equal(control(Linux.EPOLL_CTL_ADD, 99, 0), 'EBADF');
    t.equal(control(Linux.EPOLL_CTL_ADD, epoll, 0), 'EINVAL');
    t.equal(program.kernel.epollControl(program.now, server, 1, client, { events: 0, data: 0 }), 'EINVAL');
    t.equal(wait(0), 'EINVAL');
    t.equal(program.kernel.bind(program.now, epoll, at(LOOPBACK, 1)), 'ENOTSOCK');
    t.end();
  });

  t.test('level-triggered: as long as it is there', (t) => {
    t.equal(control(Linux.EPOLL_CTL_ADD, server, Linux.EPOLLIN), 0);
    t.equal(control(Linux.EPOLL_CTL_ADD, server, Linux.EPOLLIN), 'EEXIST');
    t.same(wait(), []);
    send();
    t.same(wait(), inEvent);
    t.same(wait(), inEvent);
    program.read(server);
    t.same(wait(), []);
    t.end();
  });

  t.test('edge-triggered: once for all that came since', (t) => {
    t.equal(control(Linux.EPOLL_CTL_MOD, server, Linux.EPOLLIN | (Linux.EPOLLET | 0)), 0);
    send();
    t.same(wait(), inEvent);
    t.same(wait(), [], 'it is still there, but nothing is new');
    send();
    t.same(wait(), inEvent, 'more came');
    t.equal(control(Linux.EPOLL_CTL_MOD, server, Linux.EPOLLIN | (Linux.EPOLLET | 0)), 0);
    t.same(wait(), inEvent, 'a change looks again');
    program.read(server);
    program.read(server);
    t.end();
  });

  t.test('one shot: until it is armed again', (t) => {
    t.equal(control(Linux.EPOLL_CTL_MOD, server, Linux.EPOLLIN | Linux.EPOLLONESHOT), 0);
    send();
    t.same(wait(), inEvent);
    t.same(wait(), []);
    t.equal(control(Linux.EPOLL_CTL_MOD, server, Linux.EPOLLIN | Linux.EPOLLONESHOT), 0);
    t.same(wait(), inEvent);
    t.end();
  });

  t.test('waits, is polled itself, and forgets what is closed', (t) => {
    t.equal(control(Linux.EPOLL_CTL_MOD, server, Linux.EPOLLIN), 0);
    const entry = { fd: epoll, events: Linux.POLLIN, revents: 0 };
    t.equal(program.kernel.poll([entry], 0).attempt(program.now), 1);
    program.read(server);
    t.equal(wait(5, 100), null);
    send();
    program.close(server);
    t.same(wait(), []);
    t.equal(program.close(epoll), 0);
    t.end();
  });
  t.equal(program.end(), 0);
  t.end();
});

t.test('streams', (t) => {
  const program = new Program();
  const { kernel } = program;
  const listener = program.bound(SOCK_STREAM, 7000);
  const client = program.socket(AF_INET, SOCK_STREAM);

  t.test('connect and accept wait for each other', (t) => {
    t.equal(kernel.listen(program.now, listener, 5), 0);
    const accept = kernel.accept(listener, Linux.SOCK_NONBLOCK);
    t.equal(accept.attempt(program.now), null);
    const connect = kernel.connect(client, at(LOOPBACK, 7000));
    t.equal(connect.attempt(program.now), null);
    program.machine.settle();
    t.equal(connect.attempt(program.now), 0);
    t.equal(accept.attempt(program.now), 5);
    t.equal(String(accept.peer?.ip), LOOPBACK);
    t.equal(program.connect(client, at(LOOPBACK, 7000)), 'EISCONN');
    t.equal(program.read(5), 'EAGAIN', 'as accept4 was asked');
    t.end();
  });

  t.test('a write waits until all is taken, a read with MSG_WAITALL until all is there', (t) => {
    t.equal(program.send(client, 'ab'), 2);
    const all = request(4, Linux.MSG_WAITALL);
    const call = kernel.receive(5, all);
    t.equal(call.attempt(program.now), 2, 'not when it may not wait');
    kernel.fcntl(program.now, 5, Linux.F_SETFL, 0);
    program.send(client, 'cd');
    const waiting = kernel.receive(5, request(4, Linux.MSG_WAITALL));
    t.equal(waiting.attempt(program.now), null);
    program.send(client, 'ef');
    t.equal(waiting.attempt(program.now), 4);
    const data = new Uint8Array(16 << 20);
    const write = kernel.send(client, { data, flags: 0, to: null, control: [] });
    t.equal(write.attempt(program.now), null);
    const into = request(1 << 20);
    let got = 0;
    for (let i = 0; i < 1_000 && got < data.length; i++) {
      program.machine.step(after(program.now, ms(300)), after(program.now, ms(1)));
      const count = program.receive(5, { ...into, flags: Linux.MSG_DONTWAIT });
      got += typeof count === 'number' ? count : 0;
      if (write.attempt(program.now) !== null) break;
    }
    t.ok(got > 0, 'the reader makes room');
    const rest = kernel.send(client, { data, flags: Linux.MSG_DONTWAIT, to: null, control: [] });
    t.ok((rest.attempt(program.now) as number) < data.length, 'without waiting as much as there is room for');
    t.end();
  });

  t.test('the end of a stream: readiness, shutdown, errors', (t) => {
    const entry = { fd: client, events: 0xffff, revents: 0 };
    t.equal(kernel.shutdown(program.now, 5, 9), 'EINVAL');
    t.equal(kernel.shutdown(program.now, 5, Linux.SHUT_WR), 0);
    program.machine.settle();
    t.equal(program.read(client), '', 'the other side has said all');
    t.equal(kernel.poll([entry], 0).attempt(program.now), 1);
    t.equal(entry.revents & (Linux.POLLIN | Linux.POLLRDHUP), Linux.POLLIN | Linux.POLLRDHUP);
    t.equal(program.send(5, 'x'), 'EPIPE');
    t.equal(program.close(client), 0);
    t.end();
  });

  t.test('what a stream cannot do', (t) => {
    const fresh = program.socket(AF_INET, SOCK_STREAM);
    t.equal(program.read(fresh), 'ENOTCONN');
    t.equal(program.send(fresh, 'x'), 'EPIPE');
    t.equal(program.send(fresh, 'x', null, Linux.MSG_OOB), 'EOPNOTSUPP');
    t.equal(kernel.accept(fresh, 0).attempt(program.now), 'EINVAL');
    t.equal(kernel.getpeername(fresh), 'ENOTCONN');
    const linger = { onoff: 1, linger: 7 };
    t.equal(kernel.setsockopt(program.now, fresh, SOL_SOCKET, Linux.SO_LINGER, linger), 0);
    t.same(kernel.getsockopt(program.now, fresh, SOL_SOCKET, Linux.SO_LINGER), linger);
    t.equal(kernel.setsockopt(program.now, fresh, SOL_TCP, Linux.TCP_CONGESTION, 'reno'), 0);
    t.equal(kernel.getsockopt(program.now, fresh, SOL_TCP, Linux.TCP_CONGESTION), 'reno');
    t.equal(kernel.setsockopt(program.now, fresh, SOL_TCP, Linux.TCP_CONGESTION, 'nonsense'), 'ENOENT');
    t.same(kernel.getsockopt(program.now, fresh, SOL_TCP, Linux.TCP_INFO), { tcpi_state: Linux.TCP_CLOSE });
    t.equal(kernel.setsockopt(program.now, fresh, SOL_TCP, Linux.TCP_KEEPIDLE, 9), 0);
    t.equal(kernel.getsockopt(program.now, fresh, SOL_TCP, Linux.TCP_KEEPIDLE), 9);
    t.end();
  });
  t.equal(program.end(), 0);
  t.end();
});

t.test('ping and raw sockets (icmp(7), raw(7))', (t) => {
  const program = new Program();
  const ping = program.socket(AF_INET, SOCK_DGRAM, Linux.IPPROTO_ICMP);
  const echo = '\x08\0\0\0\0\0\0\x05hi';
  t.equal(program.send(ping, 'short', at(LOOPBACK, 0)), 'EINVAL');
  t.equal(program.send(ping, echo, at(LOOPBACK, 0)), 10);
  const into = request(100);
  t.equal(program.receive(ping, into), 10);
  t.same([into.into[0], into.into[7]], [0, 5], 'its reply');
  const raw = program.socket(AF_INET, SOCK_RAW, Linux.IPPROTO_ICMP);
  t.equal(program.connect(raw, at(LOOPBACK, 0)), 0);
  t.equal(program.send(raw, echo), 10);
  const whole = request(100);
  t.equal(program.receive(raw, whole), 30, 'with the IP header');
  t.equal(program.end(), 0);
  t.end();
});
