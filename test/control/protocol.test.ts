/** The control protocol at both ends, without a socket between them. */
import t from 'tap';
import type { Instant } from '../../src/base/time.ts';
import type { ClientEvent } from '../../src/control/client.ts';
import { ClientSession } from '../../src/control/client.ts';
import { COMMANDS } from '../../src/control/commands/list.ts';
import { Refusal } from '../../src/control/host.ts';
import {
  ANSWER_MAX_CHARS,
  formatLine,
  LineReader,
  PROTOCOL,
  REQUEST_MAX_CHARS,
  readRequest,
  readResponse,
} from '../../src/control/protocol.ts';
import { Session, STREAMS_MAX } from '../../src/control/session.ts';
import { FakeHost } from './fake-host.ts';

const NOW = 0 as Instant;
const HELLO = { tapstack: PROTOCOL, version: '1.2.3', name: 'lab0', pid: 7 };

/** A daemon's end; the greeting has been sent. */
function session(): { session: Session; host: FakeHost; readonly say: (message: unknown) => unknown[] } {
  const host = new FakeHost();
  const one = new Session(COMMANDS, host, HELLO);
  one.pollOutput(NOW);
  const say = (message: unknown): unknown[] => {
    one.handleText(NOW, typeof message === 'string' ? message : formatLine(message as object));
    return answers(one);
  };
  return { session: one, host, say };
}

function answers(one: Session): unknown[] {
  const text = one.pollOutput(NOW);
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as unknown);
}

t.test('lines are put together from whatever pieces they come in', (t) => {
  const reader = new LineReader(10);
  t.same(reader.handleText('ab'), []);
  t.same(reader.handleText('c\n\nde\nf'), ['abc', '', 'de']);
  t.same(reader.handleText('\n0123456789\n'), ['f', '0123456789']);
  t.notOk(reader.isBroken);
  t.same(reader.handleText('01234567890'), []);
  t.ok(reader.isBroken, 'a line that is too long ends it');
  t.same(reader.handleText('\nx\n'), [], 'for good');
  t.end();
});

t.test('a request is an object with an id and a command, or with the id of what to cancel', (t) => {
  t.same(readRequest('{"id":1,"command":"status"}'), { id: 1, command: 'status', args: {} });
  t.same(readRequest('{"id":2,"cancel":1}'), { id: 2, cancel: 1 });
  for (const bad of [
    '',
    'status',
    '[]',
    'null',
    '{}',
    '{"id":"1","command":"status"}',
    '{"id":1.5,"command":"status"}',
    '{"id":1}',
    '{"id":1,"command":7}',
    '{"id":1,"command":"status","args":[]}',
    '{"id":1,"cancel":"x"}',
  ])
    t.type(readRequest(bad), 'string', bad);
  t.end();
});

t.test('a response has an id and one of result, error, item and end', (t) => {
  t.same(readResponse('{"id":1,"result":{}}'), { id: 1, result: {} });
  for (const bad of ['{"result":{}}', '{"id":1}', '{"id":1,"item":1,"end":2}', 'x', '3'])
    t.equal(readResponse(bad), null, bad);
  t.end();
});

t.test('whoever connects is greeted', (t) => {
  t.same(answers(new Session(COMMANDS, new FakeHost(), HELLO)), [HELLO]);
  t.end();
});

t.test('a query is answered once, under its id', (t) => {
  const { say, host } = session();
  t.same(say({ id: 5, command: 'counters', args: {} }), [{ id: 5, result: { drops: { NoRoute: 2 } } }]);
  t.same(say({ id: 6, command: 'link set', args: { dev: 'tap0', state: 'up' } }), [{ id: 6, result: {} }]);
  t.same(host.calls.at(-1), ['changeLink', 'tap0', { isUp: true }]);
  t.same(
    say('{"id":1,"command":"counters"}\n{"id":2,"command":"rule show"}\n').length,
    2,
    'several in one piece',
  );
  t.end();
});

t.test('what cannot be done is answered with an errno and a sentence', (t) => {
  const { say, host } = session();
  host.refusal = new Refusal('EEXIST', 'it is there already');
  t.same(say({ id: 1, command: 'addr add', args: { address: '10.0.0.1/8' } }), [
    { id: 1, error: { code: 'EEXIST', text: 'it is there already' } },
  ]);
  t.match(say({ id: 2, command: 'addr add', args: { address: 'x' } }), [
    { id: 2, error: { code: 'EINVAL', text: /^address: "x" is no address/ } },
  ]);
  t.match(say({ id: 3, command: 'frobnicate' }), [{ id: 3, error: { code: 'ENOSYS' } }]);
  t.match(say({ id: 3, command: 'constructor' }), [{ id: 3, error: { code: 'ENOSYS' } }]);
  t.match(
    say({ id: 4, command: 'up' }),
    [{ id: 4, error: { code: 'ENOSYS' } }],
    'up is not asked of a daemon',
  );
  t.match(say({ id: 5, command: 'ping', args: { destination: '10.0.0.1' } }), [
    { id: 5, error: { code: 'EEXIST' } },
  ]);
  t.end();
});

t.test('whoever does not speak the protocol is told once and heard no more', (t) => {
  const { say, session: one, host } = session();
  t.match(say('GET / HTTP/1.1\r\nHost: x\r\n\r\n'), [{ id: -1, error: { code: 'EPROTO' } }]);
  t.ok(one.isBroken);
  t.same(say({ id: 1, command: 'down' }), []);
  t.same(host.calls, []);
  const long = session();
  t.match(long.say('x'.repeat(REQUEST_MAX_CHARS + 1)), [
    { id: -1, error: { code: 'EPROTO', text: /at most/ } },
  ]);
  t.end();
});

t.test('a stream is answered item by item until it ends', (t) => {
  const { say, session: one, host } = session();
  t.same(say({ id: 1, command: 'ping', args: { destination: '10.0.0.1' } }), []);
  const stream = host.streams[0];
  stream?.items.push({ seq: 1 }, { seq: 2 });
  t.same(answers(one), [
    { id: 1, item: { seq: 1 } },
    { id: 1, item: { seq: 2 } },
  ]);
  t.same(answers(one), []);
  t.match(say({ id: 1, command: 'ping', args: { destination: '10.0.0.1' } }), [
    { id: 1, error: { code: 'EINVAL' } },
  ]);
  t.same(say({ id: 2, cancel: 1 }), [{ id: 1, end: { isCancelled: true } }]);
  t.equal(stream?.closeCount, 1, 'and is closed');
  t.equal(one.streamCount, 0);
  t.same(say({ id: 3, cancel: 1 }), [], 'to cancel what has ended is no mistake');
  t.end();
});

t.test('streams have a limit, and are closed with the connection', (t) => {
  const { say, session: one, host } = session();
  for (let id = 0; id < STREAMS_MAX; id++) say({ id, command: 'capture' });
  t.match(say({ id: 99, command: 'capture' }), [{ id: 99, error: { code: 'EMFILE' } }]);
  one.close();
  t.same(
    host.streams.map(({ closeCount }) => closeCount),
    new Array(STREAMS_MAX).fill(1),
  );
  t.same(answers(one), []);
  t.end();
});

t.test('a stream that has much to say does not keep the others from it', (t) => {
  const { say, session: one, host } = session();
  say({ id: 1, command: 'capture' });
  say({ id: 2, command: 'capture' });
  host.streams[0]?.items.push(...Array.from({ length: 1_000 }, (_, n) => ({ n })));
  host.streams[1]?.items.push({ n: -1 });
  t.ok(answers(one).some((answer) => (answer as { id: number }).id === 2));
  t.end();
});

// ---- the client's end

function events(client: ClientSession): ClientEvent[] {
  const list: ClientEvent[] = [];
  for (let event = client.pollEvent(); event !== null; event = client.pollEvent()) list.push(event);
  return list;
}

t.test('a client asks, is greeted, and hears the answer', (t) => {
  const client = new ClientSession('route show', { table: 'all' });
  t.same(JSON.parse(client.request), { id: 1, command: 'route show', args: { table: 'all' } });
  client.handleText(formatLine(HELLO));
  client.handleText('{"id":1,"item":{"n":1}}\n{"id":1,"end":{"n":2}}\n{"id":1,"item":{"n":3}}\n');
  t.same(events(client), [
    { kind: 'hello', hello: HELLO },
    { kind: 'item', value: { n: 1 } },
    { kind: 'end', value: { n: 2 } },
  ]);
  t.ok(client.isDone);
  client.handleEnd();
  t.same(events(client), [], 'the end of the connection is nothing new then');
  t.same(JSON.parse(client.cancellation), { id: 2, cancel: 1 });
  t.end();
});

t.test('a client that is not talking to such a daemon says so', (t) => {
  const cases: [string, RegExp][] = [
    ['SSH-2.0-x\n', /no tapstack daemon/],
    [formatLine({ ...HELLO, tapstack: 99 }), /of version 1.2.3 and speaks another protocol; restart it/],
    [`${formatLine(HELLO)}{"id":1}\n`, /something that is no answer/],
    [`${formatLine(HELLO)}{"id":1,"error":{"code":"EEXIST","text":"there"}}\n`, /^there$/],
    [formatLine(HELLO), /went away before it answered/],
  ];
  for (const [text, want] of cases) {
    const client = new ClientSession('status', {});
    client.handleText(text);
    client.handleEnd();
    const last = events(client).at(-1);
    t.match(last, { kind: 'error', error: { text: want } }, text.trim());
  }
  const client = new ClientSession('status', {});
  client.handleText('x'.repeat(ANSWER_MAX_CHARS));
  client.handleText('x');
  t.match(events(client), [{ kind: 'error' }], 'memory is bounded');
  t.end();
});
