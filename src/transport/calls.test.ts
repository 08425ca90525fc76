import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AnaxError, MiB } from '../core/index.ts';
import { contentOf, linkPair, openChannel, proof, readerOf } from './transport-harness.ts';

const text = (value: string) => Buffer.from(value);

test('a call is answered by the bytes of its handler', async () => {
  await using pair = await linkPair();
  pair.acceptor.onCall = async (method, body) => text(`${method}:${Buffer.from(body).toString()}`);
  pair.dialer.onCall = async () => new Uint8Array();
  const answer = await pair.dialled.call('resolve', text('{"a":1}'));
  assert.equal(Buffer.from(answer).toString(), 'resolve:{"a":1}');
  assert.equal((await pair.accepted.call('nothing', new Uint8Array())).length, 0);
});

test('a long answer comes in parts, beside pieces', async () => {
  await using pair = await linkPair();
  const manifest = contentOf(9, 20 * MiB + 1);
  pair.acceptor.onCall = async () => manifest;
  const channel = await openChannel(pair.dialer, pair.dialled, pair.acceptor, pair.accepted);
  const asked = pair.dialled.requestPiece({ channel, piece: 0, sizeBytes: 8 * MiB });
  const called = pair.dialled.call('manifest', text('x'), { maxAnswerBytes: 21 * MiB });
  await pair.acceptor.inbox.next();
  const read = readerOf(contentOf(0, 8 * MiB));
  await pair.accepted.sendPiece({ channel, piece: 0, sizeBytes: 8 * MiB, proof, read });
  assert.ok(Buffer.from(await called).equals(manifest));
  (await asked).release();
});

test('an error arrives with its code, its text and its details', async () => {
  await using pair = await linkPair();
  pair.acceptor.onCall = async () => {
    throw new AnaxError('access_gated', 'meta-llama', { hint: 'ask', details: { repo: 'x', status: 403 } });
  };
  await assert.rejects(pair.dialled.call('resolve', text('')), {
    code: 'access_gated',
    hint: 'ask',
    details: { repo: 'x', status: 403 },
  });
});

test('an answer over the limit fails the call and nothing else', async () => {
  await using pair = await linkPair();
  pair.acceptor.onCall = async (method) => Buffer.alloc(method === 'large' ? 3 * MiB : 10);
  await assert.rejects(pair.dialled.call('large', text('')), { code: 'limit_exceeded' });
  await assert.rejects(pair.dialled.call('small', text(''), { maxAnswerBytes: 9 }), {
    code: 'limit_exceeded',
  });
  assert.equal((await pair.dialled.call('small', text(''))).length, 10);
});

test('a caller that gives up, or whose time is over, tells the handler', async () => {
  await using pair = await linkPair();
  const aborted = Promise.withResolvers<string>();
  pair.acceptor.onCall = (method, _body, { signal }) =>
    new Promise((_, reject) => {
      signal.addEventListener('abort', () => {
        aborted.resolve(method);
        reject(signal.reason as Error);
      });
      if (method === 'abort') giveUp.abort();
    });
  const giveUp = new AbortController();
  await assert.rejects(pair.dialled.call('abort', text(''), { signal: giveUp.signal }), {
    name: 'AbortError',
  });
  assert.equal(await aborted.promise, 'abort');
  await assert.rejects(pair.dialled.call('slow', text(''), { timeoutMs: 5 }), { code: 'network_timeout' });
});

test('calls under way are limited on both sides', async () => {
  await using pair = await linkPair(
    { limits: { maxCalls: 3 } },
    { limits: { maxCalls: 2, maxCallBytes: 100 } },
  );
  const release = Promise.withResolvers<Uint8Array>();
  pair.acceptor.onCall = () => release.promise;
  await assert.rejects(pair.dialled.call('big', Buffer.alloc(101)), { code: 'peer_refused' });
  const waiting = [pair.dialled.call('a', text('')), pair.dialled.call('b', text(''))];
  await assert.rejects(pair.dialled.call('c', text('')), { code: 'peer_refused' });
  waiting.push(pair.dialled.call('d', text('')));
  waiting[2]?.catch(() => undefined);
  await assert.rejects(pair.dialled.call('e', text('')), { code: 'limit_exceeded' });
  release.resolve(text('done'));
  assert.equal(Buffer.from((await waiting[0]) ?? []).toString(), 'done');
});
