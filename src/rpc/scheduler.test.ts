import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { create } from '@bufbuild/protobuf';
import type { ConnectRouter, ServiceImpl } from '@connectrpc/connect';
import { AnaxError, createIdentity, type PeerInfo, type SnapshotId, signReaderGrant } from '../core/index.ts';
import {
  type AttendRequestInit,
  AttendResponseSchema,
  createSchedulerClient,
  grantFromWire,
  grantToWire,
  peerFromWire,
  peerToWire,
  type RpcServer,
  Scheduler,
  startHttp2Server,
} from './index.ts';

const { signal } = new AbortController();

/** A queue that a test pushes requests into. */
function requestQueue() {
  const waiting: AttendRequestInit[] = [];
  let wake = Promise.withResolvers<void>();
  let ended = false;
  const notify = () => {
    wake.resolve();
    wake = Promise.withResolvers<void>();
  };
  return {
    push(message: AttendRequestInit) {
      waiting.push(message);
      notify();
    },
    end() {
      ended = true;
      notify();
    },
    async *[Symbol.asyncIterator]() {
      for (;;) {
        const next = waiting.shift();
        if (next) yield next;
        else if (ended) return;
        else await wake.promise;
      }
    },
  };
}

describe('the scheduler stream over h2c', () => {
  let server: RpcServer | undefined;
  afterEach(async () => {
    await server?.close(100);
    server = undefined;
  });

  async function serve(service: Partial<ServiceImpl<typeof Scheduler>>) {
    const routes = (router: ConnectRouter) => void router.service(Scheduler, service);
    server = await startHttp2Server(routes, { host: '127.0.0.1', port: 0 });
    return createSchedulerClient(`http://127.0.0.1:${server.port}`);
  }

  it('carries messages both ways while both sides stay open', { timeout: 10_000 }, async () => {
    const client = await serve({
      async *attend(requests) {
        for await (const { message } of requests) {
          if (message.case === 'announce') {
            yield create(AttendResponseSchema, {
              message: { case: 'welcome', value: { schedulerId: 's', keepaliveMs: 500 } },
            });
          } else if (message.case === 'locate') {
            const { requestId } = message.value;
            yield create(AttendResponseSchema, {
              message: { case: 'located', value: { requestId, answer: { case: 'self', value: true } } },
            });
          }
        }
      },
    });
    const requests = requestQueue();
    const responses = client.attend(requests, signal)[Symbol.asyncIterator]();
    requests.push({ message: { case: 'announce', value: {} } });
    const welcome = await responses.next();
    assert.equal(welcome.value?.message.case, 'welcome');
    requests.push({ message: { case: 'locate', value: { requestId: 7, refKey: 'k' } } });
    const located = await responses.next();
    assert.deepEqual(located.value?.message.value.answer, { case: 'self', value: true });
    requests.end();
    assert.equal((await responses.next()).done, true);
    client.close();
  });

  it('brings an error thrown in the stream to the peer', async () => {
    const client = await serve({
      // eslint-disable-next-line require-yield -- it only throws
      async *attend() {
        throw new AnaxError('peer_protocol', 'announce first', { details: { got: 'join' } });
      },
    });
    const requests = requestQueue();
    requests.push({ message: { case: 'keepalive', value: {} } });
    await assert.rejects(client.attend(requests, signal)[Symbol.asyncIterator]().next(), {
      code: 'peer_protocol',
      details: { got: 'join' },
    });
    requests.end();
    client.close();
  });

  it('is scheduler_unavailable where nobody listens, and where the scheduler goes', async () => {
    const client = await serve({
      async *attend() {
        yield create(AttendResponseSchema, { message: { case: 'keepalive', value: {} } });
        await new Promise(() => {});
      },
    });
    const requests = requestQueue();
    requests.push({ message: { case: 'keepalive', value: {} } });
    const responses = client.attend(requests, signal)[Symbol.asyncIterator]();
    await responses.next();
    await server?.close(0);
    await assert.rejects(responses.next(), { code: 'scheduler_unavailable' });
    await assert.rejects(client.status(signal), { code: 'scheduler_unavailable' });
    client.close();
  });

  it('passes an abort through and tells the scheduler', { timeout: 10_000 }, async () => {
    const gone = Promise.withResolvers<void>();
    const client = await serve({
      async *attend(_requests, context) {
        context.signal.addEventListener('abort', () => gone.resolve());
        yield create(AttendResponseSchema, { message: { case: 'keepalive', value: {} } });
        await gone.promise;
      },
    });
    const controller = new AbortController();
    const requests = requestQueue();
    requests.push({ message: { case: 'keepalive', value: {} } });
    const responses = client.attend(requests, controller.signal)[Symbol.asyncIterator]();
    await responses.next();
    controller.abort();
    await assert.rejects(responses.next(), { name: 'AbortError' });
    await gone.promise;
    client.close();
  });
});

describe('peers and grants on the wire', () => {
  const identity = createIdentity();
  const peer: PeerInfo = {
    id: identity.id,
    publicKey: identity.publicKey,
    host: '10.0.0.1',
    port: 4001,
    role: 'seed',
    zone: 'a/b',
    hostname: 'node-1',
    version: '0.1.0',
  };

  it('come back as they were', () => {
    assert.deepEqual(peerFromWire(peerToWire(peer)), peer);
    const snapshot = 'ab'.repeat(32) as SnapshotId;
    const grant = signReaderGrant(identity, { snapshot, epoch: 2 ** 45, readerKey: peer.publicKey });
    assert.deepEqual(grantFromWire(grantToWire(grant)), grant);
  });

  it('are refused where the id is not that of the key, or a field is out of bounds', () => {
    const other = createIdentity();
    const refused = { code: 'peer_protocol' };
    assert.throws(() => peerFromWire(peerToWire({ ...peer, publicKey: other.publicKey })), refused);
    assert.throws(() => peerFromWire(peerToWire({ ...peer, zone: 'z'.repeat(300) })), refused);
    assert.throws(() => peerFromWire(undefined), refused);
    assert.throws(() => grantFromWire(undefined), refused);
  });
});
