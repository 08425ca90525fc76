import assert from 'node:assert/strict';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type Socket } from 'node:net';
import { after, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { hasCode, KiB, MiB } from '../core/index.ts';
import { BulkClient, type BulkResponse } from './bulk-client.ts';
import type { BulkOptions } from './bulk-exchange.ts';

const OPTIONS: BulkOptions = { connectTimeoutMs: 5_000, headersTimeoutMs: 5_000, bodyTimeoutMs: 5_000 };
const live = new AbortController().signal;

const client = new BulkClient();
after(() => client.close());

const bulkGet: BulkClient['get'] = (...request) => client.get(...request);

const CONTENT = Buffer.alloc(5 * MiB + 123);
for (let at = 0; at < CONTENT.length; at += 1) CONTENT[at] = (at * 31 + (at >> 8)) % 251;

/** A server that answers each connection as it is told, once the request's head has come. */
async function serverOf(
  context: TestContext,
  answer: (socket: Socket, request: string) => void,
): Promise<{ url: URL; requests: string[] }> {
  const requests: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('data', (bytes) => {
      requests.push(bytes.toString('latin1'));
      answer(socket, bytes.toString('latin1'));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  context.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  return { url: new URL(`http://127.0.0.1:${address.port}/a%20file?x=1`), requests };
}

async function readAll(response: BulkResponse): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of response.body) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

function head(status: string, ...headers: string[]): string {
  return [`HTTP/1.1 ${status}`, ...headers, '', ''].join('\r\n');
}

test('a body of a known length arrives whole, and the request says what it should', async (context) => {
  const { url, requests } = await serverOf(context, (socket) => {
    socket.write(head('206 Partial Content', `Content-Length: ${CONTENT.length}`, 'X-Two: a', 'X-Two: b'));
    socket.write(CONTENT);
  });
  const response = await bulkGet(url, { range: 'bytes=5-9', accept: '*/*' }, OPTIONS, live);
  assert.deepEqual([response.status, response.headers['x-two']], [206, ['a', 'b']]);
  assert.ok((await readAll(response)).equals(CONTENT));
  assert.deepEqual(requests[0]?.split('\r\n'), [
    'GET /a%20file?x=1 HTTP/1.1',
    `host: ${url.host}`,
    'range: bytes=5-9',
    'accept: */*',
    '',
    '',
  ]);
});

test('a body that is read after its connection closed is whole', async (context) => {
  const { url } = await serverOf(context, (socket) => {
    socket.end(head('200 OK', 'Content-Length: 1000') + 'x'.repeat(1_000));
  });
  const response = await bulkGet(url, {}, OPTIONS, live);
  await sleep(50);
  assert.equal((await readAll(response)).length, 1_000);
});

test('a slow reader gets all of it, and holds the sender meanwhile', async (context) => {
  let sent = 0;
  const { url } = await serverOf(context, (socket) => {
    socket.write(head('200 OK', `Content-Length: ${32 * MiB}`));
    const piece = Buffer.alloc(256 * KiB, 7);
    const more = (): void => {
      if (sent === 32 * MiB) return;
      sent += piece.length;
      socket.write(piece, more);
    };
    more();
  });
  const response = await bulkGet(url, {}, OPTIONS, live);
  let got = 0;
  let sentAtFirst = 0;
  for await (const chunk of response.body) {
    if (got === 0) {
      // The kernel's buffers fill up, and then the sender stands still.
      for (let before = -1; before !== sent; ) {
        before = sent;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      sentAtFirst = sent;
    }
    assert.ok(chunk.every((byte) => byte === 7));
    got += chunk.length;
  }
  assert.equal(got, 32 * MiB);
  assert.ok(sentAtFirst < 24 * MiB, `${sentAtFirst} bytes were sent to a reader that stood still`);
});

test('a head and a body that come in pieces, interim answers before them, and a body without a length', async (context) => {
  const { url } = await serverOf(context, (socket) => {
    const text = `${head('100 Continue')}${head('200 OK', 'ETag: "x"')}abc`;
    let at = 0;
    const more = (): void => {
      if (at === text.length) socket.end('def');
      else socket.write(text[at++] ?? '', () => setImmediate(more));
    };
    socket.setNoDelay(true);
    more();
  });
  const response = await bulkGet(url, {}, OPTIONS, live);
  assert.equal(response.headers['etag'], '"x"');
  assert.equal((await readAll(response)).toString(), 'abcdef');
});

const CHUNKED = head('200 OK', 'Transfer-Encoding: chunked');

test('a body in chunks is taken apart, however it is cut up on its way', async (context) => {
  const text = `${CHUNKED}3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n`;
  for (const step of [1, 7, text.length]) {
    const { url } = await serverOf(context, (socket) => {
      socket.setNoDelay(true);
      let at = 0;
      const more = (): void => {
        if (at < text.length) socket.write(text.slice(at, (at += step)), () => setImmediate(more));
      };
      more();
    });
    assert.equal((await readAll(await bulkGet(url, {}, OPTIONS, live))).toString(), 'abc0123456789');
  }
});

test('a body in chunks that is cut or makes no sense is an error of the body', async (context) => {
  const bodies = {
    '3\r\nab': 'network_unreachable',
    'x\r\n': 'origin_protocol',
    '1\r\nab\r\n': 'origin_protocol',
  };
  for (const [text, code] of Object.entries(bodies)) {
    const { url } = await serverOf(context, (socket) => void socket.end(`${CHUNKED}${text}`));
    const response = await bulkGet(url, {}, OPTIONS, live);
    await assert.rejects(readAll(response), (error) => hasCode(error, code as 'origin_protocol'));
  }
});

const WRONG: Readonly<Record<string, string>> = {
  'no HTTP': 'SSH-2.0-OpenSSH\r\n\r\n',
  'two lengths': head('200 OK', 'Content-Length: 3', 'Content-Length: 4'),
  'a length and chunks': head('200 OK', 'Content-Length: 3', 'Transfer-Encoding: chunked'),
  'a folded header': head('200 OK', 'X: a', ' b'),
  'a head without an end': `HTTP/1.1 200 OK\r\nx: ${'a'.repeat(70 * KiB)}`,
  'an upgrade': head('101 Switching Protocols'),
};

for (const [what, answer] of Object.entries(WRONG)) {
  test(`${what} is no answer`, async (context) => {
    const { url } = await serverOf(context, (socket) => void socket.write(answer));
    await assert.rejects(bulkGet(url, {}, OPTIONS, live), (error) => hasCode(error, 'origin_protocol'));
  });
}

test('more bytes than announced, fewer, and a silence are errors of the body', async (context) => {
  const bodies = { origin_protocol: 'abcd', network_unreachable: 'ab', network_timeout: 'a' } as const;
  for (const [code, text] of Object.entries(bodies)) {
    const { url } = await serverOf(context, (socket) => {
      socket.write(`${head('200 OK', 'Content-Length: 3')}${text}`);
      if (code === 'network_unreachable') socket.end();
    });
    const response = await bulkGet(url, {}, { ...OPTIONS, bodyTimeoutMs: 300 }, live);
    await assert.rejects(readAll(response), (error) => hasCode(error, code as 'network_timeout'));
  }
});

test('a server that says nothing, one that hangs up, and one that is not there', async (context) => {
  const silent = await serverOf(context, () => undefined);
  const short = { ...OPTIONS, headersTimeoutMs: 100 };
  await assert.rejects(bulkGet(silent.url, {}, short, live), (error) => hasCode(error, 'network_timeout'));
  const rude = await serverOf(context, (socket) => void socket.end());
  await assert.rejects(bulkGet(rude.url, {}, OPTIONS, live), (error) =>
    hasCode(error, 'network_unreachable'),
  );
  const nobody = new URL('http://127.0.0.1:1/');
  await assert.rejects(bulkGet(nobody, {}, OPTIONS, live), { code: 'ECONNREFUSED' });
});

test('an abort ends the wait for the head, and the body', async (context) => {
  const silent = await serverOf(context, () => undefined);
  const first = new AbortController();
  const waiting = assert.rejects(bulkGet(silent.url, {}, OPTIONS, first.signal), /enough/u);
  first.abort(new Error('enough'));
  await waiting;
  const slow = await serverOf(context, (socket) => void socket.write(head('200 OK', 'Content-Length: 3')));
  const second = new AbortController();
  const response = await bulkGet(slow.url, {}, OPTIONS, second.signal);
  second.abort(new Error('enough'));
  await assert.rejects(readAll(response), /enough/u);
});

test('a connection is used again, unless the server closes it or it is not known what is left on it', async (context) => {
  const sockets = new Set<unknown>();
  let requests = 0;
  const server = createHttpServer((request, response) => {
    requests += 1;
    sockets.add(request.socket);
    if (request.url === '/close') response.setHeader('connection', 'close');
    if (request.url === '/chunked') response.write('x');
    response.end('y'.repeat(100_000));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  context.after(() => server.close());
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  const own = new BulkClient();
  const read = async (path: string): Promise<number> =>
    (await readAll(await own.get(new URL(`http://127.0.0.1:${address.port}${path}`), {}, OPTIONS, live)))
      .length;
  for (let at = 0; at < 3; at += 1) assert.equal(await read('/'), 100_000);
  assert.equal(sockets.size, 1);
  assert.deepEqual(await Promise.all([read('/'), read('/')]), [100_000, 100_000]);
  assert.equal(sockets.size, 2);
  assert.equal(await read('/close'), 100_000);
  assert.equal(await read('/chunked'), 100_001);
  assert.equal(sockets.size, 2);
  assert.equal(await read('/'), 100_000);
  assert.equal(sockets.size, 3);
  // The server hangs up on who waits: the request is sent by another connection.
  server.closeIdleConnections();
  const before = requests;
  assert.equal(await read('/'), 100_000);
  assert.equal(requests, before + 1);
  assert.equal(sockets.size, 4);
  own.close();
});

test('what comes on a connection that nobody uses ends it', async (context) => {
  let connections = 0;
  const closed = Promise.withResolvers<void>();
  const { url } = await serverOf(context, (socket) => {
    connections += 1;
    socket.write(`${head('200 OK', 'Content-Length: 3')}abc`);
    if (connections === 1) {
      setTimeout(() => socket.write(`${head('200 OK', 'Content-Length: 3')}bad`), 50);
      socket.once('close', () => closed.resolve());
    }
  });
  assert.equal((await readAll(await bulkGet(url, {}, OPTIONS, live))).toString(), 'abc');
  await closed.promise;
  assert.equal((await readAll(await bulkGet(url, {}, OPTIONS, live))).toString(), 'abc');
  assert.equal(connections, 2);
});

test('a header that would begin another is refused', async () => {
  const url = new URL('http://127.0.0.1:1/');
  await assert.rejects(bulkGet(url, { cookie: 'a\r\nx: y' }, OPTIONS, live), { code: 'ERR_INVALID_CHAR' });
});
