import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { inspect } from 'node:util';
import { hasCode, Secret } from '../core/index.ts';
import { makeTestCertificate } from '../testing/certificates/index.ts';
import { createFakeClock, type FakeClock } from '../testing/source-conformance/index.ts';
import { discard, OriginClient, type OriginClientOptions, type OriginRequest } from './origin-client.ts';
import { fetchText } from './read-body.ts';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

async function serve(t: TestContext, handler: Handler, hostname = '127.0.0.1'): Promise<string> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://${hostname}:${(server.address() as AddressInfo).port}`;
}

function connect(
  t: TestContext,
  options: OriginClientOptions = {},
): { client: OriginClient; clock: FakeClock; throttled: readonly number[] } {
  const clock = createFakeClock();
  const throttled: number[] = [];
  const onThrottled = (waitMs: number) => void throttled.push(waitMs);
  const deps = { clock, random: () => 0.5, onThrottled };
  const client = new OriginClient(deps, { userAgent: 'anax/1.2.3', ...options });
  t.after(() => client.close());
  return { client, clock, throttled };
}

function get(url: string, more: Partial<OriginRequest> = {}): OriginRequest {
  return { method: 'GET', url: new URL(url), signal: new AbortController().signal, ...more };
}

const credentials = { token: new Secret('tok_1'), headers: { 'X-Key': new Secret('key_1') } };

describe('origin client', () => {
  it('names itself and asks for bytes as they are', async (t) => {
    const { client } = connect(t);
    let seen: IncomingMessage['headers'] = {};
    const url = await serve(t, (request, response) => {
      seen = request.headers;
      response.end('ok');
    });
    assert.equal((await fetchText(client, get(url))).text, 'ok');
    assert.equal(seen['user-agent'], 'anax/1.2.3');
    assert.equal(seen['accept-encoding'], 'identity');
    assert.equal(seen.authorization, undefined);
  });

  it('drops credentials where a redirect leaves the origin, and does not take them up again', async (t) => {
    const { client } = connect(t);
    const seen: [string, boolean][] = [];
    const note = (request: IncomingMessage, where: string) =>
      seen.push([`${where}${request.url}`, /tok_1|key_1|a=b/u.test(JSON.stringify(request.headers))]);
    let away = '';
    const home: string = await serve(t, (request, response) => {
      note(request, 'home');
      const to = { '/1': '/2', '/2': `${away}/3` }[request.url ?? ''];
      if (to === undefined) response.end('done');
      else response.writeHead(302, { location: to }).end();
    });
    // The same host on another port is another origin.
    away = await serve(t, (request, response) => {
      note(request, 'away');
      response.writeHead(307, { location: `${home}/4` }).end();
    });
    const request = get(`${home}/1`, { credentials, privateHeaders: { cookie: 'a=b' } });
    assert.equal((await fetchText(client, request)).text, 'done');
    assert.deepEqual(seen, [
      ['home/1', true],
      ['home/2', true],
      ['away/3', false],
      ['home/4', false],
    ]);
  });

  it('hands a redirect that leaves the origin back where it is told to stay', async (t) => {
    const { client } = connect(t);
    const url = await serve(t, (request, response) => {
      response.writeHead(302, { location: request.url === '/1' ? '/2' : 'http://other.invalid/3' }).end();
    });
    const response = await client.send(get(`${url}/1`, { redirect: 'stay' }));
    await discard(response);
    assert.equal(response.status, 302);
    assert.equal(response.headers['location'], 'http://other.invalid/3');
  });

  it('follows five redirects and no sixth', async (t) => {
    const { client } = connect(t);
    const url = await serve(t, (request, response) => {
      const left = Number(request.url?.slice(1));
      if (left === 0) response.end('there');
      else response.writeHead(302, { location: `/${left - 1}` }).end();
    });
    assert.equal((await fetchText(client, get(`${url}/5`))).text, 'there');
    await assert.rejects(client.send(get(`${url}/6`)), (error) => hasCode(error, 'origin_protocol'));
  });

  it('refuses certificates that are not trusted, and takes those it is told of', async (t) => {
    const { key, cert } = makeTestCertificate();
    const server = createTlsServer({ key, cert }, (request, response) => {
      if (request.url === '/down') response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end();
      else response.end('ok');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => {
      server.closeAllConnections();
      server.close();
    });
    const url = `https://localhost:${(server.address() as AddressInfo).port}`;
    const { client, clock } = connect(t);
    await assert.rejects(client.send(get(url)), (error) => hasCode(error, 'origin_tls'));
    assert.deepEqual(clock.sleeps, [], 'an untrusted certificate is not retried');
    const trusting = connect(t, { extraCa: [cert] }).client;
    assert.equal((await fetchText(trusting, get(url))).text, 'ok');
    await assert.rejects(trusting.send(get(`${url}/down`)), (error) => hasCode(error, 'origin_protocol'));
  });

  it('says that a port speaks no TLS', async (t) => {
    const url = await serve(t, (_request, response) => response.end());
    const { client } = connect(t);
    await assert.rejects(client.send(get(url.replace('http', 'https'))), (error) =>
      hasCode(error, 'origin_tls'),
    );
  });

  it('has no credentials and no query in what it throws, causes included', async (t) => {
    const { client } = connect(t, { maxAttempts: 1 });
    const url = await serve(t, (request, response) => {
      if (request.url?.startsWith('/503')) response.writeHead(503).end();
      else request.socket.resetAndDestroy();
    });
    for (const path of ['/503', '/reset']) {
      const request = get(`${url}${path}?sig=s3cret`, { credentials });
      await assert.rejects(
        client.send(request),
        (error) => !/tok_1|key_1|s3cret/u.test(inspect(error, { depth: 10 })),
      );
    }
  });

  it('retries connection errors with growing waits, then gives up', async (t) => {
    const { client, clock } = connect(t);
    const url = await serve(t, (request) => request.socket.resetAndDestroy());
    await assert.rejects(
      client.send(get(url)),
      (error) => hasCode(error, 'network_unreachable') && error.kind.retryable,
    );
    assert.deepEqual(clock.sleeps, [250, 500, 1000, 2000, 4000]);
  });

  it('retries 408, 429 and 5xx, and obeys Retry-After, and tells of it', async (t) => {
    const { client, clock, throttled } = connect(t);
    const answers = [503, 429, 408, 200];
    const url = await serve(t, (_request, response) => {
      const status = answers.shift() ?? 200;
      response.writeHead(status, status === 429 ? { 'retry-after': '7' } : {}).end('text');
    });
    assert.equal((await fetchText(client, get(url))).text, 'text');
    assert.deepEqual(clock.sleeps, [250, 7000, 1000]);
    assert.deepEqual(throttled, [7_000]);
  });

  it('fails at once where the asked wait is beyond the limit, and says how long it is', async (t) => {
    const { client, clock } = connect(t);
    const url = await serve(
      t,
      (_request, response) => void response.writeHead(429, { 'retry-after': '1000' }).end(),
    );
    await assert.rejects(client.send(get(url)), (error) => {
      assert.ok(hasCode(error, 'rate_limited'));
      assert.match(error.message, /1000 s.*the limit is 300 s/u);
      return error.retryAfterMs === 1_000_000;
    });
    assert.deepEqual(clock.sleeps, []);
  });

  it('gives up on 5xx as unavailable, and on 429 as rate limited', async (t) => {
    const { client } = connect(t, { maxAttempts: 2 });
    const url = await serve(t, (request, response) => {
      response.writeHead(Number(request.url?.slice(1))).end();
    });
    await assert.rejects(client.send(get(`${url}/502`)), (error) => hasCode(error, 'origin_unavailable'));
    await assert.rejects(client.send(get(`${url}/429`)), (error) => hasCode(error, 'rate_limited'));
  });

  it('waits before a request where the quota is known to be spent, and asks freely for other classes', async (t) => {
    const { client, clock } = connect(t);
    const url = await serve(t, (request, response) => {
      const isApi = request.url === '/api';
      response.setHeader('ratelimit', isApi ? '"api";r=0;t=30' : '"resolvers";r=10;t=30').end();
    });
    const ask = async (requestClass: string) =>
      await discard(await client.send(get(`${url}/${requestClass}`, { requestClass })));
    await ask('api');
    await ask('resolve');
    assert.deepEqual(clock.sleeps, []);
    await ask('api');
    assert.deepEqual(clock.sleeps, [31_000]);
  });

  it('makes all requests wait that share a quota which one of them found spent', async (t) => {
    const { client, clock } = connect(t);
    let requests = 0;
    let refusals = 0;
    const opensAtMs = clock.now() + 60_000;
    const url = await serve(t, (_request, response) => {
      requests += 1;
      if (clock.now() >= opensAtMs) return void response.end('ok');
      refusals += 1;
      response.writeHead(429, { 'retry-after': '60' }).end();
    });
    await fetchText(client, get(url));
    assert.deepEqual([requests, refusals], [2, 1]);
    clock.advance(-60_000);
    for (let index = 0; index < 20; index += 1) await fetchText(client, get(url));
    assert.equal(refusals, 1, 'the others waited without asking');
  });

  it('keeps quotas of different tokens apart', async (t) => {
    const { client, clock } = connect(t);
    const url = await serve(
      t,
      (_request, response) => void response.setHeader('ratelimit', '"api";r=0;t=30').end(),
    );
    await discard(await client.send(get(url, { credentials })));
    await discard(await client.send(get(url)));
    assert.deepEqual(clock.sleeps, []);
  });

  it('refuses a compressed answer and one that is too large', async (t) => {
    const { client } = connect(t);
    const url = await serve(t, (request, response) => {
      if (request.url === '/gzip') response.setHeader('content-encoding', 'gzip').end('x');
      else response.writeHead(200, { 'content-length': String(65 * 1024 * 1024) }).write('x');
    });
    await assert.rejects(fetchText(client, get(`${url}/gzip`)), (error) => hasCode(error, 'origin_protocol'));
    await assert.rejects(fetchText(client, get(`${url}/large`)), (error) => hasCode(error, 'limit_exceeded'));
  });

  it('asks again for metadata whose answer was cut', async (t) => {
    const { client } = connect(t);
    let requests = 0;
    const url = await serve(t, (_request, response) => {
      requests += 1;
      response.setHeader('content-length', '4');
      if (requests > 1) response.end('text');
      else response.write('te', () => response.destroy());
    });
    assert.equal((await fetchText(client, get(url))).text, 'text');
  });

  it('times out where no answer comes', async (t) => {
    const { client } = connect(t, { headersTimeoutMs: 50, maxAttempts: 1 });
    const url = await serve(t, () => undefined);
    await assert.rejects(client.send(get(url)), (error) => hasCode(error, 'network_timeout'));
  });

  it('goes through a proxy where it is told to, and around it for hosts that are named', async (t) => {
    const proxied: string[] = [];
    const proxy = await serve(t, (request, response) => {
      proxied.push(request.url ?? '');
      response.end('by proxy');
    });
    const direct = await serve(t, (_request, response) => void response.end('direct'));
    const { client } = connect(t, { proxy: { httpUrl: proxy, noProxy: '127.0.0.1' } });
    assert.equal((await fetchText(client, get(direct))).text, 'direct');
    assert.deepEqual(proxied, []);
    assert.equal((await fetchText(client, get(direct.replace('127.0.0.1', 'hub.invalid')))).text, 'by proxy');
    assert.equal(proxied.length, 1);
  });

  it('has large bodies come by their own way, with the same redirects, retries and headers', async (t) => {
    const { client } = connect(t, { bulkBytes: 1 });
    const seen: [string, string | undefined][] = [];
    const far = await serve(
      t,
      (request, response) => {
        seen.push(['far', request.headers.authorization]);
        if (seen.length === 2) response.writeHead(503, { 'retry-after': '0' }).end();
        else response.setHeader('content-length', '4').end('text');
      },
      'localhost',
    );
    const url = await serve(t, (request, response) => {
      seen.push(['home', request.headers.authorization]);
      response.writeHead(302, { location: far.replace('127.0.0.1', 'localhost') }).end();
    });
    const request = get(url, { credentials, expectedBytes: 4 });
    assert.equal((await fetchText(client, request)).text, 'text');
    assert.deepEqual(seen, [
      ['home', 'Bearer tok_1'],
      ['far', undefined],
      ['far', undefined],
    ]);
    assert.equal(client.requestCount, 3);
  });

  it('limits the connections to one origin', async (t) => {
    const { client } = connect(t, { maxConnectionsPerOrigin: 3 });
    let open = 0;
    let most = 0;
    const url = await serve(t, (_request, response) => {
      open += 1;
      most = Math.max(most, open);
      setImmediate(() => {
        open -= 1;
        response.end('ok');
      });
    });
    await Promise.all(Array.from({ length: 12 }, () => fetchText(client, get(url))));
    assert.ok(most <= 3, `${most} at a time`);
  });
});
