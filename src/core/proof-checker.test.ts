import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type BlobSpec,
  createIdentity,
  digestOf,
  type Identity,
  ProofChecker,
  type SnapshotId,
  signPiece,
  signReaderGrant,
  TrustedReaders,
} from './index.ts';

const snapshot = '11'.repeat(32) as SnapshotId;
const blob: BlobSpec = {
  digest: digestOf('sha256', Buffer.from('x')),
  sizeBytes: 5_000_000,
  pieceLengthBytes: 1_048_576,
};
const digest = new Uint8Array(32).fill(7);

function trusting(readers: readonly Identity[]): TrustedReaders {
  const scheduler = createIdentity();
  const trust = new TrustedReaders(snapshot);
  trust.trustScheduler(scheduler.publicKey);
  for (const [at, { publicKey }] of readers.entries()) {
    assert.ok(trust.add(signReaderGrant(scheduler, { snapshot, epoch: at + 1, readerKey: publicKey })));
  }
  return trust;
}

test('it finds by copied terms what who knows the readers finds', () => {
  const reader = createIdentity();
  const trust = trusting([reader]);
  const terms = structuredClone(trust.termsFor({ ...blob, name: 'not sent' } as BlobSpec, 3));
  assert.deepEqual(terms.blob, blob);
  const good = signPiece(reader, blob, 3, digest);
  const signature = new Uint8Array(good.signature);
  signature[63] = (signature[63] ?? 0) ^ 1;
  const cases = [
    [good, 'good'],
    [{ ...good, signature }, 'forged'],
    [{ ...good, digest: new Uint8Array(32) }, 'forged'],
    [{ ...good, signature: new Uint8Array(0) }, 'forged'],
    [signPiece(reader, blob, 2, digest), 'forged'],
    [signPiece(reader, { ...blob, pieceLengthBytes: 2_097_152 }, 3, digest), 'forged'],
    [{ ...signPiece(createIdentity(), blob, 3, digest), signer: reader.id }, 'forged'],
    [signPiece(createIdentity(), blob, 3, digest), 'unknown-reader'],
  ] as const;
  const checker = new ProofChecker();
  for (const [proof, finding] of cases) {
    assert.equal(checker.check(terms, proof), finding);
    assert.equal(trust.judge(blob, 3, proof), finding);
  }
});

test('terms name the newest readers; of the others it is said that they are unknown', () => {
  const readers = Array.from({ length: 6 }, createIdentity);
  const trust = trusting(readers);
  const terms = trust.termsFor(blob, 0);
  const checker = new ProofChecker();
  const findings = readers.map((reader) => checker.check(terms, signPiece(reader, blob, 0, digest)));
  const [old, newest] = [Array(2).fill('unknown-reader'), Array(4).fill('good')];
  assert.deepEqual(findings, [...old, ...newest]);
  const [oldest] = readers as [Identity];
  assert.equal(trust.judge(blob, 0, signPiece(oldest, blob, 0, digest)), 'good');
});

test('it goes on with any number of readers', () => {
  const checker = new ProofChecker();
  for (let at = 0; at < 100; at += 1) {
    const reader = createIdentity();
    const terms = trusting([reader]).termsFor(blob, 0);
    assert.equal(checker.check(terms, signPiece(reader, blob, 0, digest)), 'good');
  }
});
