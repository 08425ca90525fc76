import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Code, ConnectError, type ConnectRouter } from '@connectrpc/connect';
import { AnaxError } from '../core/index.ts';
import {
  Control,
  createControlClient,
  createRpcListener,
  ErrorSchema,
  fromConnectError,
  startHttp2Server,
  startSocketServer,
  toConnectError,
} from './index.ts';

const routes = (router: ConnectRouter) =>
  void router.service(Control, {
    ping: () => ({ version: '1.2.3', peerId: 'p' }),
    status: () => Promise.reject(new AnaxError('store_locked', '/cache')),
  });

describe('an RPC listener on a server of its own', () => {
  it('speaks JSON over plain HTTP, and leaves other paths to the fallback', async () => {
    const listener = createRpcListener(routes, (_request, response) => response.end('elsewhere'));
    const server = createServer(listener);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const call = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' };
      const ping = await fetch(`${base}/anax.v1.Control/Ping`, call);
      assert.deepEqual(await ping.json(), { version: '1.2.3', peerId: 'p' });
      const failed = await fetch(`${base}/anax.v1.Control/Status`, call);
      assert.equal(failed.status, 400);
      assert.match(await failed.text(), /"code":"failed_precondition".*another anax process/u);
      assert.equal(await (await fetch(`${base}/metrics`)).text(), 'elsewhere');
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  it('is called by the generated client, too', async () => {
    const socketPath = join(tmpdir(), `anax-rpc-${process.pid}.sock`);
    const server = await startSocketServer(routes, { socketPath });
    const connection = createControlClient(socketPath);
    assert.equal((await connection.client.ping({})).version, '1.2.3');
    connection.close();
    await server.close();
  });
});

describe('an RPC server over HTTP/2', () => {
  it('is closed in time also where a client does nothing any more', { timeout: 10_000 }, async () => {
    const server = await startHttp2Server(routes, { host: '127.0.0.1', port: 0 });
    const { port = 0 } = server;
    const client = connect({ host: '127.0.0.1', port, allowHalfOpen: true }).on('error', () => undefined);
    const emptySettings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
    client.write(Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), emptySettings]));
    // The server's own settings: it has a session for this client.
    await once(client, 'data');
    client.pause();
    try {
      await server.close(50);
    } finally {
      client.destroy();
    }
  });
});

describe('errors of RPC', () => {
  const unreachable = { unreachable: 'daemon_unavailable', target: '/run/anax.sock' } as const;

  it('get the code of the table, and keep their record', () => {
    const error = toConnectError(new AnaxError('rate_limited', 'a', { details: { waitMs: 5 } }));
    assert.equal(error.code, Code.ResourceExhausted);
    assert.deepEqual(error.findDetails(ErrorSchema)[0]?.details, { waitMs: 5 });
    assert.equal(toConnectError(new Error('bug')).code, Code.Internal);
    assert.equal(toConnectError(error), error);
  });

  it('that are of the connection are called by what cannot be reached', () => {
    const broken = fromConnectError(new ConnectError('connect ENOENT', Code.Unavailable), unreachable);
    assert.equal(broken.code, 'daemon_unavailable');
    assert.match(broken.message, /\/run\/anax\.sock: connect ENOENT/u);
    const codes: [Code, string][] = [
      [Code.Aborted, 'daemon_unavailable'],
      [Code.Unimplemented, 'daemon_unavailable'],
      [Code.DeadlineExceeded, 'timeout'],
      [Code.ResourceExhausted, 'limit_exceeded'],
    ];
    for (const [code, expected] of codes) {
      assert.equal(fromConnectError(new ConnectError('x', code), unreachable).code, expected);
    }
    assert.equal(fromConnectError(new TypeError('bug'), unreachable).code, 'internal');
  });
});
