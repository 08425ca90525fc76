import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type BlobSpec,
  createIdentity,
  digestOf,
  exportIdentity,
  importIdentity,
  isUnsigned,
  type SnapshotId,
  signPiece,
  signReaderGrant,
  signVerdict,
  TrustedReaders,
  unsignedProof,
} from './index.ts';

const snapshot = '11'.repeat(32) as SnapshotId;
const blob: BlobSpec = {
  digest: digestOf('sha256', Buffer.from('x')),
  sizeBytes: 5_000_000,
  pieceLengthBytes: 1_048_576,
};
const digest = new Uint8Array(32).fill(7);

function setUp() {
  const scheduler = createIdentity();
  const reader = createIdentity();
  const grant = signReaderGrant(scheduler, { snapshot, epoch: 1, readerKey: reader.publicKey });
  const trust = new TrustedReaders(snapshot);
  trust.trustScheduler(scheduler.publicKey);
  return { scheduler, reader, grant, trust };
}

test("a granted reader's proof is believed", () => {
  const { reader, grant, trust } = setUp();
  assert.equal(trust.add(grant), true);
  assert.equal(trust.judge(blob, 3, signPiece(reader, blob, 3, digest)), 'good');
});

test('without a grant, or with one of another scheduler or snapshot, it is not', () => {
  const { reader, grant, trust, scheduler } = setUp();
  const proof = signPiece(reader, blob, 3, digest);
  assert.equal(trust.judge(blob, 3, proof), 'unknown-reader');
  assert.equal(trust.add(signReaderGrant(createIdentity(), grant)), false);
  const elsewhere = { ...grant, snapshot: '22'.repeat(32) as SnapshotId };
  assert.equal(trust.add(signReaderGrant(scheduler, elsewhere)), false);
  assert.equal(trust.judge(blob, 3, proof), 'unknown-reader');
});

test('a proof fits no other piece, digest, blob or cut', () => {
  const { reader, grant, trust } = setUp();
  trust.add(grant);
  const proof = signPiece(reader, blob, 3, digest);
  assert.equal(trust.judge(blob, 4, proof), 'forged');
  assert.equal(trust.judge(blob, 3, { ...proof, digest: new Uint8Array(32) }), 'forged');
  assert.equal(trust.judge({ ...blob, sizeBytes: 5_000_001 }, 3, proof), 'forged');
  assert.equal(trust.judge({ ...blob, pieceLengthBytes: 2_097_152 }, 3, proof), 'forged');
});

test('a verdict can not be turned', () => {
  const { reader, grant, trust } = setUp();
  trust.add(grant);
  const verdict = signVerdict(reader, blob, { good: true, root: digest, sha256: digest });
  assert.equal(trust.vouchesForVerdict(blob, verdict), true);
  assert.equal(trust.vouchesForVerdict(blob, { ...verdict, good: false }), false);
  assert.equal(trust.vouchesForVerdict(blob, { ...verdict, root: new Uint8Array(32) }), false);
});

test('a grant is taken once, and again only with a higher epoch', () => {
  const { grant, trust, scheduler } = setUp();
  assert.equal(trust.add(grant), true);
  assert.equal(trust.add(grant), false);
  assert.equal(trust.add(signReaderGrant(scheduler, { ...grant, epoch: 2 })), true);
  assert.equal(trust.grants().length, 1);
});

test('an identity comes back from its PEM text', () => {
  const identity = createIdentity();
  const back = importIdentity(exportIdentity(identity));
  assert.equal(back.id, identity.id);
  assert.deepEqual(back.publicKey, identity.publicKey);
});

test('a grant that came before its scheduler was known is taken then', () => {
  const { grant, scheduler } = setUp();
  const trust = new TrustedReaders(snapshot);
  assert.equal(trust.add(grant), false);
  assert.deepEqual(trust.trustScheduler(createIdentity().publicKey), []);
  assert.deepEqual(trust.trustScheduler(scheduler.publicKey), [grant]);
  assert.equal(trust.grants().length, 1);
});

test('a proof that nobody signed is no proof', () => {
  const { reader, grant, trust } = setUp();
  trust.add(grant);
  const unsigned = unsignedProof(digest);
  assert.equal(isUnsigned(unsigned), true);
  assert.equal(isUnsigned(signPiece(reader, blob, 3, digest)), false);
  assert.equal(trust.isReader(unsigned.signer), false);
  assert.equal(trust.judge(blob, 3, unsigned), 'unknown-reader');
});
