// The disk store against the memory store: any sequence of calls gives the same in both, with the disk store stopped and
// opened again in between.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type BlobStore, MiB, type OpenBlob } from '../core/index.ts';
import { MemoryBlobStore } from '../testing/memory-store/index.ts';
import { type TestBlob, testBlob } from '../testing/store-conformance/index.ts';
import type { DiskBlobStore } from './index.ts';
import { type TestFolder, testFolder } from './testing-store.ts';

const blobs = [testBlob(300, 2.25 * MiB), testBlob(301, 1 * MiB, 'git-sha1')];

type Step =
  | { readonly kind: 'write' | 'drop'; readonly blob: number; readonly piece: number }
  | { readonly kind: 'commit' | 'discard' | 'remove' | 'find' | 'findAlias'; readonly blob: number }
  | { readonly kind: 'reopen' };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: pieceStep('write') },
  { weight: 2, arbitrary: pieceStep('drop') },
  ...(['commit', 'discard', 'remove', 'find', 'findAlias'] as const).map((kind) => ({
    weight: kind === 'commit' ? 3 : 1,
    arbitrary: fc.record({ kind: fc.constant(kind), blob: fc.nat(1) }),
  })),
  { weight: 1, arbitrary: fc.constant({ kind: 'reopen' as const }) },
);

function pieceStep(kind: 'write' | 'drop'): fc.Arbitrary<Step> {
  return fc.record({ kind: fc.constant(kind), blob: fc.nat(1), piece: fc.nat(2) });
}

/** Carries a step out; what a caller sees of it. */
async function carryOut(store: BlobStore, one: Exclude<Step, { kind: 'reopen' }>): Promise<unknown> {
  const content = blobs[one.blob] as TestBlob;
  if (one.kind === 'remove') return await store.remove(content.spec.digest);
  if (one.kind === 'find') return describe(await store.find(content.spec.digest));
  if (one.kind === 'findAlias') return describe(await store.find(content.gitSha1));
  const blob = await store.open(content.spec);
  try {
    await change(blob, content, one);
    return await look(blob, content);
  } finally {
    await blob.close();
  }
}

async function change(blob: OpenBlob, content: TestBlob, one: Step): Promise<void> {
  if (one.kind === 'write' || one.kind === 'drop') {
    const piece = one.piece % content.pieces;
    if (one.kind === 'drop') await blob.drop([piece]);
    else await blob.write(piece, content.piece(piece), content.proof(piece));
  } else if (one.kind === 'commit' && blob.held.isFull) {
    await blob.commit([content.sha256, content.gitSha1]);
  } else if (one.kind === 'discard') await blob.discard();
}

async function look(blob: OpenBlob, content: TestBlob): Promise<unknown> {
  const held = [...blob.held.values()];
  const proofs = held.map((index) => blob.proof(index));
  for (const index of held) {
    const bytes = Buffer.alloc(content.piece(index).length);
    await blob.read(index, 0, bytes);
    assert.ok(bytes.equals(content.piece(index)));
  }
  return { state: blob.state, held, proofs };
}

function describe(stored: object | undefined): unknown {
  return stored && { ...stored, lastUsedAtMs: 0 };
}

function contents(store: BlobStore): unknown {
  return store
    .list()
    .map((stored) => describe(stored))
    .toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}

async function run(folder: TestFolder, steps: readonly Step[]): Promise<void> {
  let disk: DiskBlobStore = await folder.open();
  const memory = new MemoryBlobStore();
  for (const one of steps) {
    if (one.kind === 'reopen') {
      await disk.stop();
      disk = await folder.open();
    } else assert.deepEqual(await carryOut(disk, one), await carryOut(memory, one));
    assert.deepEqual(contents(disk), contents(memory));
  }
}

test('the disk store does what the memory store does', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const folder = await testFolder();
      try {
        await run(folder, steps);
      } finally {
        await folder.close();
      }
    }),
    { numRuns: 40 },
  );
});
