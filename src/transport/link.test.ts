import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MiB, signReaderGrant, signVerdict } from '../core/index.ts';
import { BufferPool } from './buffer-pool.ts';
import { ByteRate } from './byte-rate.ts';
import { MAX_HAVE_PIECES } from './limits.ts';
import { PeerReject } from './messages.ts';
import type { PeerLink } from './peer-link.ts';
import { nowNs } from './rate-gate.ts';
import {
  contentOf,
  type LinkPair,
  linkPair,
  openChannel,
  PIECES,
  proof,
  readerOf,
  SNAPSHOT,
  TestEnd,
} from './transport-harness.ts';

function channelOf(pair: LinkPair): Promise<number> {
  return openChannel(pair.dialer, pair.dialled, pair.acceptor, pair.accepted);
}

/** Answers every request that arrives at an end by the piece. */
async function serve(end: TestEnd, pair: LinkPair, sizeBytes: number, count: number): Promise<void> {
  const link = end === pair.dialer ? pair.dialled : pair.accepted;
  const sends: Promise<void>[] = [];
  for (let served = 0; served < count; served += 1) {
    const message = await end.inbox.next();
    assert.equal(message.kind, 'request');
    if (message.kind !== 'request') return;
    const { channel, piece } = message;
    const read = readerOf(contentOf(piece, sizeBytes));
    sends.push(link.sendPiece({ channel, piece, sizeBytes, proof, read }));
  }
  await Promise.all(sends);
}

/** Until the remote has said its last word on everything that was asked for. */
async function settled(link: PeerLink): Promise<void> {
  while (link.stats.requestsOut > 0) await new Promise(setImmediate);
}

async function take(pair: LinkPair, end: TestEnd, channel: number, sizeBytes: number, count: number) {
  const link = end === pair.dialer ? pair.dialled : pair.accepted;
  const pieces = Array.from({ length: count }, async (_, piece) => {
    const received = await link.requestPiece({ channel, piece, sizeBytes });
    assert.deepEqual(received.proof, proof);
    assert.ok(received.bytes.equals(contentOf(piece, sizeBytes)), `piece ${piece}`);
    received.release();
  });
  await Promise.all(pieces);
}

test('both ends know who the other is', async () => {
  await using pair = await linkPair();
  assert.equal(pair.dialled.remote.peerId, pair.acceptor.identity.id);
  assert.equal(pair.accepted.remote.peerId, pair.dialer.identity.id);
  assert.ok(pair.dialled.remote.listenPort > 0);
  assert.equal(pair.accepted.remote.listenPort, 0, 'the dialler listens nowhere');
  assert.deepEqual([pair.dialled.role, pair.accepted.role], ['dialer', 'acceptor']);
});

for (const acceptedReads of ['data', 'onread'] as const) {
  test(`pieces of all sizes arrive whole, both ways at once (accepted reads: ${acceptedReads})`, async () => {
    const receivePool = new BufferPool(32 * MiB);
    await using pair = await linkPair({ receivePool }, { receivePool, acceptedReads });
    for (const sizeBytes of [1, 70_000, 1 * MiB, 4 * MiB + 3, 16 * MiB]) {
      const count = sizeBytes > 8 * MiB ? 3 : 6;
      const channel = await channelOf(pair);
      await Promise.all([
        take(pair, pair.dialer, channel, sizeBytes, count),
        take(pair, pair.acceptor, channel, sizeBytes, count),
        serve(pair.dialer, pair, sizeBytes, count),
        serve(pair.acceptor, pair, sizeBytes, count),
      ]);
    }
    assert.equal(receivePool.leasedBytes, 0);
    assert.ok(receivePool.totalBytes <= 32 * MiB);
    const { bytesIn, bytesOut, requestsIn, requestsOut } = pair.dialled.stats;
    assert.ok(bytesIn > 70 * MiB && bytesOut > 70 * MiB);
    assert.deepEqual([requestsIn, requestsOut], [0, 0]);
  });
}

test('a channel is opened, used and closed; both ends may open one for the same snapshot', async () => {
  await using pair = await linkPair();
  const { dialer, acceptor, dialled, accepted } = pair;
  const theirs = await openChannel(acceptor, accepted, dialer, dialled);
  const ours = await channelOf(pair);
  assert.notEqual(ours, theirs);
  const pieces = Array.from({ length: MAX_HAVE_PIECES + 1 }, (_, at) => at % PIECES);
  dialled.send({ kind: 'have', channel: ours, pieces });
  dialled.send({ kind: 'close', channel: theirs });
  const first = await acceptor.inbox.next();
  const second = await acceptor.inbox.next();
  assert.ok(first.kind === 'have' && second.kind === 'have');
  assert.deepEqual([...first.pieces, ...second.pieces], pieces, 'long lists come in parts');
  assert.deepEqual(await acceptor.inbox.next(), { kind: 'close', channel: theirs });
  await assert.rejects(accepted.requestPiece({ channel: theirs, piece: 0, sizeBytes: 1 }), {
    reason: 'closed',
  });
});

test('a refused channel is none', async () => {
  await using pair = await linkPair({}, { limits: { maxChannels: 1 } });
  const { dialer, acceptor, dialled, accepted } = pair;
  const ask = () => dialled.open({ snapshot: SNAPSHOT, pieceCount: PIECES, ticket: new Uint8Array(1024) });
  const channel = ask();
  const open = await acceptor.inbox.next();
  assert.ok(open.kind === 'open' && open.ticket.length === 1024 && open.snapshot === SNAPSHOT);
  const over = ask();
  assert.deepEqual(await dialer.inbox.next(), { kind: 'refused', channel: over, code: 'limit' });
  accepted.send({ kind: 'refused', channel, code: 'unauthorized' });
  assert.deepEqual(await dialer.inbox.next(), { kind: 'refused', channel, code: 'unauthorized' });
  await assert.rejects(dialled.requestPiece({ channel, piece: 0, sizeBytes: 1 }), PeerReject);
});

test('grants and verdicts pass, even before the channel is opened', async () => {
  await using pair = await linkPair();
  const { dialer, acceptor, dialled, accepted } = pair;
  const { identity } = acceptor;
  const blob = { digest: `git-sha1:${'5'.repeat(40)}` as never, sizeBytes: 5, pieceLengthBytes: MiB };
  const grant = signReaderGrant(identity, { snapshot: SNAPSHOT, epoch: 7, readerKey: identity.publicKey });
  const verdict = signVerdict(identity, blob, {
    good: true,
    root: new Uint8Array(32),
    sha256: new Uint8Array(32),
  });
  const channel = dialled.open({ snapshot: SNAPSHOT, pieceCount: PIECES, ticket: new Uint8Array() });
  await acceptor.inbox.next();
  accepted.send({ kind: 'grants', channel, grants: [grant] });
  accepted.send({ kind: 'verdicts', channel, verdicts: [verdict] });
  assert.deepEqual(await dialer.inbox.next(), { kind: 'grants', channel, grants: [grant] });
  assert.deepEqual(await dialer.inbox.next(), { kind: 'verdicts', channel, verdicts: [verdict] });
});

test('a reject names its reason and when to ask again', async () => {
  await using pair = await linkPair();
  const channel = await channelOf(pair);
  const asked = pair.dialled.requestPiece({ channel, piece: 3, sizeBytes: 10 });
  await pair.acceptor.inbox.next();
  pair.accepted.send({ kind: 'reject', channel, piece: 3, code: 'not-held', retryAfterMs: 1500 });
  await assert.rejects(asked, {
    name: 'AnaxError',
    code: 'peer_refused',
    reason: 'not-held',
    retryAfterMs: 1500,
  });
  assert.equal(pair.dialled.stats.requestsOut, 0);
});

test('more requests than the remote allows are rejected as busy, more than ours are not sent', async () => {
  await using pair = await linkPair({ limits: { maxRequests: 3 } }, { limits: { maxRequests: 2 } });
  const channel = await channelOf(pair);
  const ask = (piece: number) => pair.dialled.requestPiece({ channel, piece, sizeBytes: 10 });
  const waiting = [ask(0), ask(1)];
  for (const asked of waiting) asked.catch(() => undefined);
  const third = ask(2);
  await assert.rejects(ask(3), { code: 'limit_exceeded' });
  await assert.rejects(third, { reason: 'busy', retryAfterMs: 100 });
});

test('a failing read rejects the request, and the link goes on', async () => {
  await using pair = await linkPair();
  const channel = await channelOf(pair);
  const sizeBytes = 2 * MiB;
  const asked = pair.dialled.requestPiece({ channel, piece: 0, sizeBytes });
  await pair.acceptor.inbox.next();
  let reads = 0;
  const read = async () => {
    reads += 1;
    if (reads === 3) throw Object.assign(new Error('bad sector'), { code: 'EIO' });
  };
  const sent = pair.accepted.sendPiece({ channel, piece: 0, sizeBytes, proof, read });
  await assert.rejects(sent, { code: 'disk_io' });
  await assert.rejects(asked, { reason: 'error' });
  await Promise.all([take(pair, pair.dialer, channel, 1000, 2), serve(pair.acceptor, pair, 1000, 2)]);
});

test('a request that is cancelled before it is served costs nothing', async () => {
  await using pair = await linkPair();
  const channel = await channelOf(pair);
  const giveUp = new AbortController();
  const asked = pair.dialled.requestPiece({ channel, piece: 0, sizeBytes: 10, signal: giveUp.signal });
  await pair.acceptor.inbox.next();
  giveUp.abort();
  await assert.rejects(asked, { name: 'AbortError' });
  assert.equal((await pair.acceptor.inbox.next()).kind, 'cancel');
  const late = pair.accepted.sendPiece({
    channel,
    piece: 0,
    sizeBytes: 10,
    proof,
    read: async () => undefined,
  });
  await assert.rejects(late, { reason: 'cancelled' });
  pair.accepted.send({ kind: 'reject', channel, piece: 0, code: 'busy', retryAfterMs: 0 });
  await settled(pair.dialled);
  await Promise.all([take(pair, pair.dialer, channel, 1000, 2), serve(pair.acceptor, pair, 1000, 2)]);
});

test('a piece that is cancelled half way stops, gives its buffer back, and can be asked for again', async () => {
  const receivePool = new BufferPool(16 * MiB);
  await using pair = await linkPair({ receivePool });
  const channel = await channelOf(pair);
  const sizeBytes = 16 * MiB;
  const giveUp = new AbortController();
  const asked = pair.dialled.requestPiece({ channel, piece: 0, sizeBytes, signal: giveUp.signal });
  await pair.acceptor.inbox.next();
  const content = readerOf(contentOf(0, sizeBytes));
  const read = async (offset: number, target: Buffer) => {
    await content(offset, target);
    if (offset >= 4 * MiB && !giveUp.signal.aborted) {
      giveUp.abort();
      await pair.acceptor.inbox.next();
    }
  };
  const sent = pair.accepted.sendPiece({ channel, piece: 0, sizeBytes, proof, read });
  await assert.rejects(asked, { name: 'AbortError' });
  await assert.rejects(sent, { reason: 'cancelled' });
  assert.equal(receivePool.leasedBytes, 0);
  await settled(pair.dialled);
  await Promise.all([
    take(pair, pair.dialer, channel, sizeBytes, 1),
    serve(pair.acceptor, pair, sizeBytes, 1),
  ]);
  assert.ok(pair.accepted.stats.bytesOut < 24 * MiB, 'the first was not sent to its end');
});

test('a piece that was all sent before the cancel came is dropped without error', async () => {
  const receivePool = new BufferPool(16 * MiB);
  await using pair = await linkPair({ receivePool });
  const channel = await channelOf(pair);
  const giveUp = new AbortController();
  const asked = pair.dialled.requestPiece({ channel, piece: 0, sizeBytes: 100, signal: giveUp.signal });
  await pair.acceptor.inbox.next();
  const read = readerOf(contentOf(0, 100));
  const sent = pair.accepted.sendPiece({ channel, piece: 0, sizeBytes: 100, proof, read });
  giveUp.abort();
  await assert.rejects(asked, { name: 'AbortError' });
  const givenUpAgain = pair.dialled.requestPiece({
    channel,
    piece: 0,
    sizeBytes: 100,
    signal: AbortSignal.abort(),
  });
  const again = pair.dialled.requestPiece({ channel, piece: 0, sizeBytes: 100 });
  await assert.rejects(givenUpAgain, { name: 'AbortError' });
  await sent;
  assert.equal((await pair.acceptor.inbox.next()).kind, 'cancel');
  assert.equal((await pair.acceptor.inbox.next()).kind, 'request', 'asked again after the answer');
  await pair.accepted.sendPiece({ channel, piece: 0, sizeBytes: 100, proof, read });
  (await again).release();
  await settled(pair.dialled);
  await Promise.all([take(pair, pair.dialer, channel, 100, 3), serve(pair.acceptor, pair, 100, 3)]);
  assert.equal(receivePool.leasedBytes, 0);
});

test('closing a channel answers its requests', async () => {
  await using pair = await linkPair();
  const channel = await channelOf(pair);
  const asked = pair.dialled.requestPiece({ channel, piece: 0, sizeBytes: 10 });
  await pair.acceptor.inbox.next();
  pair.accepted.send({ kind: 'close', channel });
  await assert.rejects(asked, { reason: 'closed' });
  const sent = pair.accepted.sendPiece({
    channel,
    piece: 0,
    sizeBytes: 10,
    proof,
    read: async () => undefined,
  });
  await assert.rejects(sent, PeerReject);
});

test('a full pool stops the link until a buffer is free, and the ceiling holds', async () => {
  const receivePool = new BufferPool(16 * MiB);
  await using pair = await linkPair({ receivePool });
  const channel = await channelOf(pair);
  const sizeBytes = 8 * MiB;
  const serving = serve(pair.acceptor, pair, sizeBytes, 4);
  const asked = [0, 1, 2, 3].map((piece) => pair.dialled.requestPiece({ channel, piece, sizeBytes }));
  const [first, second] = await Promise.all(asked.slice(0, 2));
  while (receivePool.waiting === 0) await new Promise(setImmediate);
  assert.equal(receivePool.leasedBytes, 16 * MiB);
  first?.release();
  const third = await asked[2];
  assert.ok(third?.bytes.equals(contentOf(2, sizeBytes)));
  assert.equal(receivePool.totalBytes, 16 * MiB);
  second?.release();
  third?.release();
  (await asked[3])?.release();
  await serving;
});

test('a request that is cancelled while it waits for a buffer lets the link go on', async () => {
  const receivePool = new BufferPool(16 * MiB);
  await using pair = await linkPair({ receivePool });
  const channel = await channelOf(pair);
  const held = receivePool.tryAcquire(16 * MiB);
  const giveUp = new AbortController();
  const asked = pair.dialled.requestPiece({ channel, piece: 0, sizeBytes: MiB, signal: giveUp.signal });
  const serving = serve(pair.acceptor, pair, MiB, 1);
  while (receivePool.waiting === 0) await new Promise(setImmediate);
  giveUp.abort();
  await assert.rejects(asked, { name: 'AbortError' });
  // More than the first window: the rest waited for the receiver, and is not sent.
  await assert.rejects(serving, { reason: 'cancelled' });
  assert.equal(receivePool.waiting, 0);
  pair.accepted.send({ kind: 'have', channel, pieces: [5] });
  assert.deepEqual(await pair.dialer.inbox.next(), { kind: 'have', channel, pieces: [5] });
  held?.release();
});

test('rates are kept in both directions', async () => {
  const [uploadRate, downloadRate] = [new ByteRate(), new ByteRate()];
  for (const rate of [uploadRate, downloadRate]) rate.set(20 * MiB, nowNs());
  for (const [dialling, accepting] of [
    [{}, { uploadRate }],
    [{ downloadRate }, {}],
  ] as const) {
    await using pair = await linkPair(dialling, accepting);
    const channel = await channelOf(pair);
    const beganAt = performance.now();
    await Promise.all([take(pair, pair.dialer, channel, 2 * MiB, 3), serve(pair.acceptor, pair, 2 * MiB, 3)]);
    const seconds = (performance.now() - beganAt) / 1000;
    // 6 MiB at 20 MiB/s less a burst of 2 MiB; what comes with the last chunk waits after it.
    assert.ok(seconds > 0.15, `${seconds} s`);
  }
});

test('control overtakes payload that waits', async () => {
  await using pair = await linkPair();
  const channel = await channelOf(pair);
  const sizeBytes = 16 * MiB;
  const asked = pair.dialled.requestPiece({ channel, piece: 0, sizeBytes });
  await pair.acceptor.inbox.next();
  const content = readerOf(contentOf(0, sizeBytes));
  const order: string[] = [];
  let isSaid = false;
  const read = async (offset: number, target: Buffer) => {
    await content(offset, target);
    if (offset < MiB || isSaid) return;
    isSaid = true;
    pair.accepted.send({ kind: 'have', channel, pieces: [1] });
  };
  const sent = pair.accepted.sendPiece({ channel, piece: 0, sizeBytes, proof, read });
  await Promise.all([
    asked.then((received) => {
      order.push('piece');
      received.release();
    }),
    pair.dialer.inbox.next().then(() => order.push('have')),
  ]);
  await sent;
  assert.deepEqual(order, ['have', 'piece']);
});

test('the end of a link is told to everybody who waits', async () => {
  await using pair = await linkPair();
  const channel = await channelOf(pair);
  const asked = pair.dialled.requestPiece({ channel, piece: 0, sizeBytes: MiB });
  const called = pair.dialled.call('never', new Uint8Array());
  pair.acceptor.onCall = () => new Promise(() => undefined);
  await pair.acceptor.inbox.next();
  const ends = Promise.all([pair.accepted.close('shutdown'), pair.dialled.closed]);
  await assert.rejects(asked, { code: 'network_unreachable' });
  await assert.rejects(called, { code: 'network_unreachable' });
  const [accepted, dialled] = await ends;
  assert.deepEqual([accepted.by, accepted.code], ['local', 'shutdown']);
  assert.deepEqual([dialled.by, dialled.code], ['remote', 'shutdown']);
  await assert.rejects(pair.dialled.requestPiece({ channel, piece: 1, sizeBytes: 1 }), dialled.error);
  pair.dialled.send({ kind: 'close', channel });
});

test('links are counted, in all and by host', async () => {
  const acceptor = new TestEnd({ limits: { maxLinksPerHost: 1 } });
  const dialer = new TestEnd();
  const closedDialer = new TestEnd({ limits: { maxLinks: 0 } });
  try {
    const { port } = await acceptor.listen();
    const link = await dialer.dial(port);
    await acceptor.links.next();
    await assert.rejects(dialer.dial(port), { name: 'AnaxError' });
    await assert.rejects(closedDialer.dial(port), { code: 'limit_exceeded' });
    await link.close();
    while (acceptor.transport.linkCount > 0) await new Promise(setImmediate);
    await dialer.dial(port);
  } finally {
    await Promise.all([acceptor, dialer, closedDialer].map((end) => end.transport.stop()));
  }
});

test('a dial ends at its signal, its deadline, and where nobody listens', async () => {
  const end = new TestEnd();
  try {
    const listener = await end.listen();
    const { port } = listener;
    await listener.close();
    await assert.rejects(end.dial(port), { code: 'network_unreachable' });
    await assert.rejects(end.dial(port, AbortSignal.abort()), { name: 'AbortError' });
  } finally {
    await end.transport.stop();
  }
});
