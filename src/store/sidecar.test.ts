import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MiB } from '../core/index.ts';
import { testBlob } from '../testing/store-conformance/index.ts';
import { ProofTable } from './proof-table.ts';
import { decodeSidecar, encodeSidecar } from './sidecar.ts';

const content = testBlob(1, 2.5 * MiB);

function sidecarBytes(): Buffer {
  const proofs = new ProofTable(content.pieces);
  for (let index = 0; index < content.pieces; index += 1) proofs.set(index, content.proof(index));
  const fingerprint = {
    sizeBytes: content.spec.sizeBytes,
    mtimeNs: '1790000000123456789',
    inode: '12345678901234567890',
  };
  const parts = [{ digests: [content.sha256] as const, offsetBytes: 0, sizeBytes: 10 }];
  return encodeSidecar({ spec: content.spec, aliases: [content.gitSha1], parts, fingerprint, proofs });
}

test('a sidecar reads back as what was written', () => {
  const read = decodeSidecar(sidecarBytes());
  assert.deepEqual(read?.spec, content.spec);
  assert.deepEqual(read?.aliases, [content.gitSha1]);
  assert.deepEqual(read?.parts, [{ digests: [content.sha256], offsetBytes: 0, sizeBytes: 10 }]);
  assert.equal(read?.fingerprint.inode, '12345678901234567890');
  for (let index = 0; index < content.pieces; index += 1) {
    assert.deepEqual(read?.proofs.get(index), content.proof(index));
  }
});

test('a cut or damaged sidecar is none', () => {
  const whole = sidecarBytes();
  fc.assert(
    fc.property(fc.nat(whole.length * 8 - 1), (bit) => {
      const damaged = Buffer.from(whole);
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      assert.equal(decodeSidecar(damaged), undefined);
      assert.equal(decodeSidecar(whole.subarray(0, bit >> 3)), undefined);
    }),
  );
});
