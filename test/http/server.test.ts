import t from 'tap';
import { isErrno } from '../../src/base/errno.ts';
import { ms, sec } from '../../src/base/time.ts';
import type { Resource } from '../../src/http/server.ts';
import { HTTP_PORT, HttpServer } from '../../src/http/server.ts';
import type { PageStatus } from '../../src/http/status-page.ts';
import { statusResources } from '../../src/http/status-page.ts';
import type { TcpSocket } from '../../src/socket/tcp-socket.ts';
import { B, BUFFER, listening, nothingLeft, tcp } from '../socket/tcp-hosts.ts';
import type { Joined } from '../support/hosts.ts';
import { address, joined } from '../support/hosts.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const DATE = 'Fri, 20 Nov 2026 15:04:05 GMT';

const LARGE = 'x'.repeat(300_000);
const RESOURCES: readonly Resource[] = [
  {
    path: '/',
    representations: [
      { type: 'text', subtype: 'html', contentType: 'text/html', body: () => '<p>' },
      {
        type: 'application',
        subtype: 'json',
        contentType: 'application/json',
        body: (now) => `{"at":${now}}`,
      },
    ],
  },
  {
    path: '/large',
    representations: [{ type: 'text', subtype: 'plain', contentType: 'text/plain', body: () => LARGE }],
  },
];

interface Served extends Joined {
  readonly server: HttpServer;
  readonly connect: () => TcpSocket;
}

function served(resources = RESOURCES): Served {
  const net = joined();
  const server = new HttpServer(() => DATE, resources);
  server.serve(listening(net.b, HTTP_PORT));
  const connect = (): TcpSocket => {
    const socket = tcp(net.a);
    const refusal = socket.connect(address(B), HTTP_PORT);
    if (refusal !== null) throw new Error(refusal);
    net.run();
    return socket;
  };
  return Object.assign(net, { server, connect });
}

/** Writes `text` and answers what comes back; `END` behind it when the server closed. */
function ask(net: Served, socket: TcpSocket, text: string): string {
  if (text !== '' && socket.write(encoder.encode(text)) !== text.length) throw new Error('not taken');
  net.run(ms(100));
  return receive(net, socket);
}

function receive(net: Served, socket: TcpSocket): string {
  let all = '';
  for (;;) {
    const count = socket.read(BUFFER);
    if (count === 'EAGAIN') return all;
    if (count === 0) return `${all}END`;
    if (isErrno(count)) return `${all}${count}`;
    all += decoder.decode(BUFFER.subarray(0, count));
    net.run(ms(100));
  }
}

const get = (target: string, ...fields: string[]): string =>
  [`GET ${target} HTTP/1.1`, 'Host: x', ...fields, '', ''].join('\r\n');

t.test('an answer, and the connection stays (RFC 9112 §9.3)', (t) => {
  const net = served();
  const socket = net.connect();
  const want = [
    'HTTP/1.1 200 OK',
    `Date: ${DATE}`,
    'Server: tapstack',
    'Content-Type: text/html',
    'Content-Length: 3',
    'Vary: Accept',
    '',
    '<p>',
  ].join('\r\n');
  t.equal(ask(net, socket, get('/')), want);
  t.equal(ask(net, socket, get('/')), want, 'and again');
  t.equal(
    ask(net, socket, get('/').replace('GET', 'HEAD')),
    want.slice(0, -3),
    'HEAD has no body (RFC 9110 §9.3.2)',
  );
  t.equal(net.server.counters.requests, 3);
  socket.close();
  net.run();
  t.equal(net.server.counters.open, 0);
  net.server.close();
  nothingLeft(t, net);
  t.end();
});

t.test('which resource a target names (RFC 9112 §3.2)', (t) => {
  const net = served();
  const socket = net.connect();
  for (const [target, status] of [
    ['/?a=/b', 200],
    ['http://host:80/', 200],
    ['http://host', 200],
    ['HTTP://host?q', 200],
    ['/other', 404],
    ['/large/', 404],
    ['http://host/other', 404],
  ] as const) {
    t.match(ask(net, socket, get(target)), `HTTP/1.1 ${status} `, target);
  }
  t.match(ask(net, socket, get('host/')), 'HTTP/1.1 400 ', 'neither');
  net.end(t);
  t.end();
});

t.test('the form that is wanted most (RFC 9110 §12)', (t) => {
  const net = served();
  const socket = net.connect();
  t.match(ask(net, socket, get('/', 'Accept: application/json')), /application\/json[^]*\{"at":\d+\}$/);
  t.match(ask(net, socket, get('/', 'Accept: */*')), /text\/html/);
  t.match(ask(net, socket, get('/', 'Accept: text/html;q=0.5, application/json;q=0.6')), /application\/json/);
  t.match(ask(net, socket, get('/', 'Accept: image/png')), / 406 /);
  net.end(t);
  t.end();
});

t.test('an answer is made once a second', (t) => {
  const net = served();
  const socket = net.connect();
  const json = get('/', 'Accept: application/json');
  const first = ask(net, socket, json);
  t.equal(ask(net, socket, json), first);
  net.run(sec(1));
  t.not(ask(net, socket, json), first);
  net.end(t);
  t.end();
});

t.test('pipelined requests are answered in order, in one go (RFC 9112 §9.3.2)', (t) => {
  const net = served();
  const socket = net.connect();
  const answers = ask(net, socket, get('/') + get('/other') + get('/'));
  t.strictSame(
    [...answers.matchAll(/HTTP\/1.1 (\d+)/g)].map((match) => match[1]),
    ['200', '404', '200'],
  );
  // More answers than fit into one buffer, and than the send buffer holds.
  const many = ask(net, socket, get('/large').repeat(20));
  t.equal(many.split('HTTP/1.1 200').length - 1, 20);
  t.equal(many.match(/x/g)?.length, 20 * (LARGE.length + 1), 'one more in each text/plain');
  net.end(t);
  t.end();
});

t.test('a request in pieces', (t) => {
  const net = served();
  const socket = net.connect();
  const text = get('/');
  for (let at = 0; at < text.length - 1; at++) t.equal(ask(net, socket, text.charAt(at)), '');
  t.match(ask(net, socket, text.slice(-1)), /200 OK/);
  net.end(t);
  t.end();
});

t.test('bodies are skipped; chunked ones and very long ones end the connection', (t) => {
  const net = served();
  const socket = net.connect();
  const body = `${get('/', 'Content-Length: 7')}GET / H${get('/')}`;
  t.equal(ask(net, socket, body).split(' 200 ').length, 3);
  t.match(
    ask(net, net.connect(), get('/', 'Transfer-Encoding: chunked')),
    /200 OK[^]*Connection: close[^]*END$/,
  );
  t.match(
    ask(net, net.connect(), get('/', 'Content-Length: 99999999')),
    / 413 [^]*Connection: close[^]*END$/,
  );
  t.match(ask(net, net.connect(), get('/', 'Content-Length: 3', 'Expect: 100-continue')), /200 OK[^]*END$/);
  const post = ask(net, net.connect(), get('/', 'Content-Length: 3').replace('GET', 'POST'));
  t.match(post, / 405 [^]*Allow: GET, HEAD/, 'RFC 9110 §15.5.6');
  net.end(t);
  t.end();
});

t.test('who asks for it, or speaks HTTP/1.0, is left afterwards (RFC 9112 §9.6)', (t) => {
  const net = served();
  t.match(ask(net, net.connect(), get('/', 'Connection: close')), /Connection: close\r\n\r\n<p>END$/);
  t.match(ask(net, net.connect(), 'GET / HTTP/1.0\r\n\r\n'), /Connection: close\r\n\r\n<p>END$/);
  const kept = net.connect();
  t.match(
    ask(net, kept, 'GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n'),
    /Connection: keep-alive\r\n\r\n<p>$/,
  );
  t.match(ask(net, kept, 'GET / HTTP/1.0\r\n\r\n'), /END$/);
  t.match(ask(net, net.connect(), 'nonsense\r\n'), /400 Bad Request\r\n[^]*Connection: close[^]*END$/);
  net.end(t);
  t.end();
});

t.test('what still comes behind the last answer does not cost the peer that answer (RFC 9112 §9.6)', (t) => {
  const net = served();
  const socket = net.connect();
  socket.write(encoder.encode(get('/', 'Connection: close') + 'more'.repeat(5_000)));
  net.run(ms(300));
  socket.write(encoder.encode('and more'));
  net.run(ms(300));
  t.match(receive(net, socket), /200 OK[^]*END$/);
  socket.close();
  net.run(sec(1));
  t.equal(net.server.counters.open, 0);
  net.end(t);
  t.end();
});

t.test('the peer may shut its side and still gets all answers', (t) => {
  const net = served();
  const socket = net.connect();
  socket.write(encoder.encode(get('/large') + get('/')));
  socket.shutdown('write');
  net.run(sec(1));
  const text = receive(net, socket);
  t.equal(text.split(' 200 ').length, 3);
  t.match(text, /END$/);
  socket.close();
  net.server.close();
  nothingLeft(t, net);
  t.end();
});

t.test('silence is not waited for for ever', (t) => {
  const net = served();
  const [idle, slow, deaf] = [net.connect(), net.connect(), net.connect()];
  ask(net, idle, get('/'));
  ask(net, slow, 'GET / HT');
  deaf.setOption('receiveBuffer', 5_000);
  deaf.write(encoder.encode(get('/large').repeat(20)));
  for (let second = 0; second < 60; second++) {
    net.run(sec(1));
    net.server.handleTurn(net.world.now);
  }
  t.match(receive(net, slow), /408 Request Timeout[^]*END$/);
  t.equal(idle.read(BUFFER), 'EAGAIN');
  t.equal(net.server.counters.open, 1);
  for (let second = 0; second < 30; second++) {
    net.run(sec(1));
    net.server.handleTurn(net.world.now);
  }
  t.equal(idle.read(BUFFER), 0, 'later, and politely');
  t.equal(net.server.counters.timeouts, 3);
  t.equal(net.server.nextTimeout(), Number.POSITIVE_INFINITY);
  net.end(t);
  t.end();
});

t.test('the status page: HTML in which nothing is live, and JSON', (t) => {
  const status: PageStatus = {
    name: '<b>',
    version: '1.2.3',
    uptimeSec: 90_061,
    device: 'tap0',
    mtu: 1_500,
    addresses: ['10.77.0.2/24'],
    counters: { ip: { inReceives: 5, zero: 0 }, device: [{ dev: 'x', rxBytes: 7 }] },
    connections: [
      { state: 'ESTAB', local: 'a:1', remote: 'b:2', recvQ: 0, sendQ: 1, rttMs: 1.5 },
      { state: 'LISTEN', local: 'a:1', remote: '*', recvQ: 0, sendQ: 1, rttMs: 0 },
    ],
    connectionCount: 5,
  };
  const net = served(statusResources(() => status));
  const socket = net.connect();
  const html = ask(net, socket, get('/'));
  t.match(html, '<h1>&lt;b&gt;</h1>');
  t.match(html, 'up for 1 d 01:01:01');
  t.match(html, '<td>ip.inReceives</td><td class="n">5</td>');
  t.match(html, '<td>device.0.rxBytes</td>');
  t.notMatch(html, 'ip.zero');
  t.match(html, '5 in all, of which 2 are shown');
  t.match(html, '1.500 ms');
  const json = ask(net, socket, get('/', 'Accept: application/json'));
  t.strictSame(JSON.parse(json.slice(json.indexOf('\r\n\r\n'))), status);
  t.match(ask(net, socket, get('/hello')), /Content-Length: 13\r\n\r\nHello, World!$/);
  net.end(t);
  t.end();
});
