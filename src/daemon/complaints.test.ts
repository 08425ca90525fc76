import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode, type SnapshotId } from '../core/index.ts';
import type { DataLink } from '../dataplane/index.ts';
import { COMPLAINT_METHOD, Complaints, complain } from './complaints.ts';

const SNAPSHOT = 'ab'.repeat(32) as SnapshotId;
const live = new AbortController().signal;

function wired(suspect: (piece: number) => Promise<boolean>) {
  const time = { ms: 0 };
  const complaints = new Complaints({
    suspect: (snapshot, piece) => {
      assert.equal(snapshot, SNAPSHOT);
      return suspect(piece);
    },
    nowMs: () => time.ms,
  });
  const link = {
    call: (method: string, body: Uint8Array) => {
      assert.equal(method, COMPLAINT_METHOD);
      return complaints.answer(body);
    },
  } as DataLink;
  return { complaints, time, say: (piece: number) => complain(link, SNAPSHOT, piece, live) };
}

test('who complains hears whether the piece was wrong', async () => {
  const { say } = wired(async (piece) => piece === 7);
  assert.equal(await say(7), true);
  assert.equal(await say(8), false);
});

test('a piece that was found good is looked at again only after a while, a wrong one at once', async () => {
  const looked: number[] = [];
  const { say, time } = wired(async (piece) => {
    looked.push(piece);
    return piece === 7;
  });
  for (const piece of [7, 8, 7, 8]) await say(piece);
  assert.deepEqual(looked, [7, 8, 7]);
  time.ms = 600_000;
  await say(8);
  assert.deepEqual(looked, [7, 8, 7, 8]);
});

test('pieces are looked at one at a time, and beyond 16 that wait complaints are refused', async () => {
  const gate = Promise.withResolvers<void>();
  let running = 0;
  const { complaints, say } = wired(async () => {
    assert.equal((running += 1), 1);
    await gate.promise;
    running -= 1;
    return true;
  });
  const said = Array.from({ length: 16 }, (_, piece) => say(piece));
  const body = Buffer.concat([Buffer.from(SNAPSHOT, 'hex'), Buffer.alloc(4)]);
  await assert.rejects(complaints.answer(body), (error) => hasCode(error, 'peer_refused'));
  gate.resolve();
  assert.deepEqual(new Set(await Promise.all(said)), new Set([true]));
});

test('a body of another form is refused, and whoever does not answer has not owned up', async () => {
  const { complaints } = wired(async () => true);
  await assert.rejects(complaints.answer(new Uint8Array(35)), (error) => hasCode(error, 'peer_protocol'));
  const dead = { call: async () => Promise.reject(new Error('gone')) } as unknown as DataLink;
  assert.equal(await complain(dead, SNAPSHOT, 1, live), false);
});
