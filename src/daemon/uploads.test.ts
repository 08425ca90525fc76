import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AnaxError, type PeerId, type PieceSpan, type SnapshotId, silentLogger } from '../core/index.ts';
import type { DataLink, PieceToServe } from '../dataplane/index.ts';
import { steadyClock } from '../system/index.ts';
import type { OutgoingMessage } from '../transport/index.ts';
import { Uploads } from './uploads.ts';

const SNAPSHOT = 'ab'.repeat(32) as SnapshotId;
const PROOF = { digest: new Uint8Array(32), signer: 'r' as PeerId, signature: new Uint8Array(64) };

/** A link whose sends end when the test says so. */
class FakeLink {
  readonly sending: { piece: number; done: () => void; fail: (error: Error) => void; stall: () => void }[] =
    [];
  readonly said: OutgoingMessage[] = [];

  send(message: OutgoingMessage): void {
    this.said.push(message);
  }

  async servePiece({ piece, onStalled }: PieceToServe): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.sending.push({ piece, done: resolve, fail: reject, stall: () => onStalled?.() });
    await promise;
  }
}

/** What happened to the places of pieces. */
const places = { lent: 0, released: 0, damaged: 0 };

function placeOf(offsetBytes: number): PieceSpan {
  places.lent += 1;
  return { fd: 0, offsetBytes, release: () => void (places.released += 1) };
}

function ask(
  uploads: Uploads,
  link: FakeLink,
  peer: string,
  piece: number,
  span: () => PieceSpan = () => placeOf(piece),
): void {
  uploads.ask({
    peer: peer as PeerId,
    channel: 1,
    snapshot: SNAPSHOT,
    piece,
    sizeBytes: 10,
    heldCount: 1,
    view: { rarity: () => 1, hasUnsent: () => false, usualMs: () => 0 },
    link: link as unknown as DataLink,
    source: { sizeBytes: 10, proof: PROOF, span, onDamage: () => void (places.damaged += 1) },
  });
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate);
}

test('three children are served at once, each one piece at a time, and others when some are done', async () => {
  const uploads = new Uploads(silentLogger, steadyClock);
  const links = Array.from({ length: 4 }, () => new FakeLink());
  for (const [at, link] of links.entries())
    for (const piece of [1, 2]) ask(uploads, link, `peer-${at}`, piece);
  await settle();
  assert.deepEqual(
    links.map((link) => link.sending.length),
    [1, 1, 1, 0],
  );
  for (const link of links.slice(0, 2)) link.sending[0]?.done();
  await settle();
  assert.equal(links[3]?.sending.length, 1);
  assert.equal(
    links.reduce((sum, link) => sum + link.sending.length, 0),
    5,
  );
  assert.equal(uploads.bytesSent, 20);
});

test('a child that takes nothing leaves its place to others, and gets nothing more until it took what it has', async () => {
  const uploads = new Uploads(silentLogger, steadyClock);
  const links = Array.from({ length: 4 }, () => new FakeLink());
  for (const [at, link] of links.entries())
    for (const piece of [1, 2]) ask(uploads, link, `peer-${at}`, piece);
  await settle();
  const [stalled, , , waiting] = links;
  stalled?.sending[0]?.stall();
  await settle();
  assert.equal(waiting?.sending.length, 1);
  assert.equal(stalled?.sending.length, 1);
  // Its end frees no second place: two others and the newcomer still have theirs.
  stalled?.sending[0]?.done();
  await settle();
  assert.equal(stalled?.sending.length, 1);
  waiting?.sending[0]?.done();
  await settle();
  assert.equal(stalled?.sending.length, 2);
});

test('a send that fails counts nothing and makes room', async () => {
  const uploads = new Uploads(silentLogger, steadyClock);
  const link = new FakeLink();
  ask(uploads, link, 'a', 1);
  ask(uploads, link, 'a', 2);
  await settle();
  link.sending[0]?.fail(new AnaxError('network_unreachable'));
  await settle();
  assert.equal(link.sending[1]?.piece, 2);
  assert.equal(uploads.bytesSent, 0);
});

test('beyond what may wait a child is told that the host is busy', async () => {
  const uploads = new Uploads(silentLogger, steadyClock);
  const link = new FakeLink();
  for (let piece = 0; piece < 66; piece += 1) ask(uploads, link, 'a', piece);
  await settle();
  assert.equal(link.sending.length, 1);
  assert.deepEqual(link.said, [{ kind: 'reject', channel: 1, piece: 65, code: 'busy', retryAfterMs: 250 }]);
});

test('what was taken back, or asked by a child that left, is not sent', async () => {
  const uploads = new Uploads(silentLogger, steadyClock);
  const [one, other] = [new FakeLink(), new FakeLink()];
  for (const piece of [1, 2, 3]) ask(uploads, one, 'a', piece);
  for (const piece of [4, 5]) ask(uploads, other, 'b', piece);
  await settle();
  uploads.cancel('a' as PeerId, 1, 2);
  uploads.forget('b' as PeerId);
  one.sending[0]?.done();
  other.sending[0]?.done();
  await settle();
  assert.deepEqual(
    one.sending.map(({ piece }) => piece),
    [1, 3],
  );
  assert.equal(other.sending.length, 1);
});

test('a place is given back after a send, whatever became of it, and damage is told', async () => {
  Object.assign(places, { lent: 0, released: 0, damaged: 0 });
  const uploads = new Uploads(silentLogger, steadyClock);
  const link = new FakeLink();
  for (const piece of [1, 2, 3]) ask(uploads, link, 'a', piece);
  await settle();
  assert.deepEqual(places, { lent: 1, released: 0, damaged: 0 });
  link.sending[0]?.done();
  await settle();
  link.sending[1]?.fail(new AnaxError('network_unreachable'));
  await settle();
  assert.deepEqual(places, { lent: 3, released: 2, damaged: 0 });
  link.sending[2]?.fail(new AnaxError('piece_corrupt'));
  await settle();
  assert.deepEqual(places, { lent: 3, released: 3, damaged: 1 });
});

test('a piece that is not held any more when its turn comes is refused', async () => {
  const uploads = new Uploads(silentLogger, steadyClock);
  const link = new FakeLink();
  ask(uploads, link, 'a', 1, () => {
    throw new AnaxError('blob_not_found');
  });
  ask(uploads, link, 'a', 2);
  await settle();
  assert.deepEqual(link.said, [{ kind: 'reject', channel: 1, piece: 1, code: 'not-held', retryAfterMs: 0 }]);
  assert.deepEqual(
    link.sending.map(({ piece }) => piece),
    [2],
  );
});
