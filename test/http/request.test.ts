import t from 'tap';
import { rng } from '../../src/base/rng.ts';
import { HEAD_BYTES_MAX, Method, parseRequest, quality, Request } from '../../src/http/request.ts';

const encoder = new TextEncoder();
const request = new Request();

/** Lines are joined and the head ended. */
function parse(...lines: string[]): number {
  const bytes = encoder.encode(`${lines.join('\r\n')}\r\n\r\n`);
  const length = parseRequest(bytes, 0, bytes.length, request);
  if (length > 0 && length !== bytes.length) throw new Error(`parsed ${length} of ${bytes.length}`);
  return length < 0 ? length : 1;
}

t.test('the request line (RFC 9112 §3)', (t) => {
  const bytes = encoder.encode('GET /a?b HTTP/1.1\r\nHost: x\r\n\r\nrest');
  t.equal(parseRequest(bytes, 0, bytes.length, request), bytes.length - 4);
  t.equal(request.method, Method.Get);
  t.equal(new TextDecoder().decode(bytes.subarray(request.targetStart, request.targetEnd)), '/a?b');
  t.equal(request.minor, 1);
  for (const [line, want] of [
    ['HEAD / HTTP/1.1', Method.Head],
    ['POST / HTTP/1.1', Method.Other],
    ['get / HTTP/1.1', Method.Other],
    ['GETS / HTTP/1.1', Method.Other],
  ] as const) {
    t.equal(parse(line, 'Host: x'), 1, line);
    t.equal(request.method, want, line);
  }
  for (const [line, want] of [
    ['GET /', -400],
    ['GET', -400],
    ['GET  / HTTP/1.1', -400],
    [' GET / HTTP/1.1', -400],
    ['GET / HTTP/1.1 ', -400],
    ['GET / HTTP/11', -400],
    ['GET / HTCP/1.1', -400],
    ['GET / HTTP/1,1', -400],
    ['GET / HTTP/1.x', -400],
    ['GET /\u0001 HTTP/1.1', -400],
    ['GET / HTTP/2.0', -505],
    ['GET / HTTP/0.9', -505],
    [`GET /${'a'.repeat(8_000)} HTTP/1.1`, -414],
  ] as const) {
    t.equal(parse(line, 'Host: x'), want, line.slice(0, 40));
  }
  t.end();
});

t.test('it waits for all of the head, however it is cut', (t) => {
  const bytes = encoder.encode('\r\nGET / HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\n\r\n');
  for (let end = 0; end < bytes.length; end++) {
    if (parseRequest(bytes, 0, end, request) !== 0) return t.fail(`complete at ${end}`);
  }
  t.equal(
    parseRequest(bytes, 0, bytes.length, request),
    bytes.length,
    'an empty line in front is nothing (§2.2)',
  );
  const bare = encoder.encode('GET / HTTP/1.1\nHost: x\n\n');
  t.equal(parseRequest(bare, 0, bare.length, request), bare.length, 'LF alone ends a line (§2.2)');
  return t.end();
});

t.test('a head has a largest size', (t) => {
  const bytes = encoder.encode(`GET / HTTP/1.1\r\nHost: x\r\nA: ${'a'.repeat(HEAD_BYTES_MAX)}`);
  t.equal(parseRequest(bytes, 0, HEAD_BYTES_MAX, request), 0);
  t.equal(parseRequest(bytes, 0, bytes.length, request), -431);
  const whole = encoder.encode(`GET / HTTP/1.1\r\nHost: x\r\nA: ${'a'.repeat(HEAD_BYTES_MAX)}\r\n\r\n`);
  t.equal(parseRequest(whole, 0, whole.length, request), -431);
  t.end();
});

t.test('fields: what is ambiguous is refused (RFC 9112 §5.1, §5.2, §3.2, §6.3)', (t) => {
  const line = 'GET / HTTP/1.1';
  for (const [fields, want] of [
    [['Host: x'], 1],
    [['hOsT:x'], 1],
    [['Host:'], 1],
    [[], -400],
    [['Host: x', 'Host: x'], -400],
    [['Host : x'], -400],
    [['Host: x', ' more'], -400],
    [['Host: x', ': y'], -400],
    [['Host: x', 'A'], -400],
    [['Host: x', 'Content-Length: 5'], 1],
    [['Host: x', 'Content-Length: 5', 'Content-Length: 5'], 1],
    [['Host: x', 'Content-Length: 5', 'Content-Length: 6'], -400],
    [['Host: x', 'Content-Length: +5'], -400],
    [['Host: x', 'Content-Length: 0x5'], -400],
    [['Host: x', 'Content-Length:'], -400],
    [['Host: x', 'Content-Length: 9999999999999999'], -400],
    [['Host: x', 'Transfer-Encoding: chunked'], 1],
    [['Host: x', 'Transfer-Encoding: gzip, chunked'], -501],
    [['Host: x', 'Transfer-Encoding: chunked', 'Content-Length: 5'], -400],
    [['Host: x', 'Content-Length: 5', 'Transfer-Encoding: chunked'], -400],
    [['Host: x', 'Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'], -400],
  ] as const) {
    t.equal(parse(line, ...fields), want, fields.join(', '));
  }
  t.equal(parse('GET / HTTP/1.0'), 1, 'Host came with HTTP/1.1');
  t.equal(parse('GET / HTTP/1.0', 'Transfer-Encoding: chunked'), -400, 'so did chunks');
  t.end();
});

t.test('whether the connection stays (RFC 9112 §9.3)', (t) => {
  for (const [minor, value, want] of [
    [1, null, true],
    [1, 'close', false],
    [1, 'Keep-Alive, Close', false],
    [1, 'upgrade', true],
    [0, null, false],
    [0, 'keep-alive', true],
    [0, 'foo , keep-alive', true],
    [0, 'keep-alives', false],
  ] as const) {
    parse(`GET / HTTP/1.${minor}`, 'Host: x', ...(value === null ? [] : [`Connection: ${value}`]));
    t.equal(request.isKeepAlive, want, `1.${minor} ${value}`);
  }
  parse('GET / HTTP/1.1', 'Host: x', 'Expect: 100-Continue');
  t.ok(request.expectsContinue);
  parse('GET / HTTP/1.1', 'Host: x');
  t.notOk(request.expectsContinue, 'nothing is left of the request before');
  t.end();
});

t.test('how much a media type is wanted (RFC 9110 §12.5.1)', (t) => {
  for (const [accept, html, json] of [
    ['', 1_000, 1_000],
    ['*/*', 1_000, 1_000],
    ['text/html', 1_000, 0],
    ['text/*;q=0.3, application/json;q=0.7', 300, 700],
    ['text/html, */*;q=0.1', 1_000, 100],
    ['text/*, text/html;q=0.2', 200, 0],
    ['TEXT/HTML ; q=0.25 , application/*', 250, 1_000],
    ['text/html;level=1;q=0.4', 400, 0],
    ['application/json;q=0, */*', 1_000, 0],
    ['text/htm', 0, 0],
    ['text/html5', 0, 0],
    ['/', 0, 0],
    [',,;;', 0, 0],
  ] as const) {
    const bytes = encoder.encode(accept);
    t.equal(quality(bytes, 0, bytes.length, 'text', 'html'), html, `${accept}: html`);
    t.equal(quality(bytes, 0, bytes.length, 'application', 'json'), json, `${accept}: json`);
  }
  t.end();
});

t.test('any bytes are a request, not yet one, or refused', (t) => {
  const random = rng(7);
  const good = encoder.encode(
    'GET /x HTTP/1.1\r\nHost: x\r\nAccept: a/b;q=0.1\r\nContent-Length: 3\r\n\r\nabc',
  );
  for (let round = 0; round < 5_000; round++) {
    const bytes = good.slice(0, 1 + random.below(good.length));
    for (let change = random.below(4); change >= 0; change--)
      bytes[random.below(bytes.length)] = random.u32() & 0xff;
    const length = parseRequest(bytes, 0, bytes.length, request);
    if (length > bytes.length || (length < 0 && length > -400)) return t.fail(`round ${round}: ${length}`);
    quality(bytes, 0, bytes.length, 'a', 'b');
  }
  return t.end();
});
