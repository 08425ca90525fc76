import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Content, readAll, readFully } from './content.ts';
import { makeModelFiles } from './model-files.ts';

interface TensorInfo {
  readonly dtype: 'BF16' | 'U8';
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

async function readHeader(shard: Content): Promise<{ tensors: [string, TensorInfo][]; dataBytes: number }> {
  const length = Buffer.alloc(8);
  await readFully(shard, length, 0);
  const headerBytes = Number(length.readBigUInt64LE());
  const header = Buffer.alloc(headerBytes);
  await readFully(shard, header, 8);
  const { __metadata__: metadata, ...tensors } = JSON.parse(header.toString()) as Record<string, TensorInfo>;
  assert.ok(metadata);
  return { tensors: Object.entries(tensors), dataBytes: shard.sizeBytes - 8 - headerBytes };
}

for (const [sizeBytes, shards] of [
  [50_000_001, 3],
  [2_000_000, 1],
  [20 * 2 ** 30, 5],
] as const) {
  test(`${shards} shards of ${sizeBytes} bytes are valid safetensors of exactly that size`, async () => {
    const files = makeModelFiles({ sizeBytes, shards, seed: 's' });
    const names = Object.keys(files).filter((name) => name.endsWith('.safetensors'));
    assert.equal(names.length, shards);
    let total = 0;
    for (const name of names) {
      const shard = files[name];
      assert.ok(shard);
      total += shard.sizeBytes;
      const { tensors, dataBytes } = await readHeader(shard);
      let at = 0;
      for (const [, { dtype, shape, data_offsets: offsets }] of tensors) {
        assert.equal(offsets[0], at);
        at = offsets[1];
        const items = shape.reduce((product, dimension) => product * dimension, 1);
        assert.equal(at - offsets[0], items * (dtype === 'BF16' ? 2 : 1));
      }
      assert.equal(at, dataBytes);
    }
    assert.equal(total, sizeBytes);
  });
}

test('the index names every tensor with the shard that holds it', async () => {
  const files = makeModelFiles({ sizeBytes: 40_000_000, shards: 2 });
  const index = JSON.parse((await readAll(files['model.safetensors.index.json'] as Content)).toString()) as {
    weight_map: Record<string, string>;
    metadata: { total_size: number };
  };
  for (const name of ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors']) {
    const { tensors } = await readHeader(files[name] as Content);
    assert.deepEqual(
      tensors.map(([tensor]) => tensor).sort(),
      Object.keys(index.weight_map)
        .filter((tensor) => index.weight_map[tensor] === name)
        .sort(),
    );
  }
});

test('a model has its small files, a tokenizer of some 100 KB, and depends on nothing but the seed', async () => {
  const [one, same, other] = ['x', 'x', 'y'].map((seed) => makeModelFiles({ sizeBytes: 4_000_000, seed }));
  assert.ok(one && same && other);
  for (const name of [
    'config.json',
    'generation_config.json',
    'tokenizer_config.json',
    'special_tokens_map.json',
  ]) {
    assert.ok(JSON.parse((await readAll(one[name] as Content)).toString()));
  }
  assert.ok(one['README.md'] && one['.gitattributes']);
  const tokenizerBytes = one['tokenizer.json']?.sizeBytes ?? 0;
  assert.ok(tokenizerBytes > 100_000 && tokenizerBytes < 1 << 20);
  const digest = (files: Record<string, Content>): Promise<string> | undefined =>
    files['model.safetensors']?.sha256();
  assert.equal(await digest(one), await digest(same));
  assert.notEqual(await digest(one), await digest(other));
});

test('a shard too small for its header is refused', () => {
  assert.throws(() => makeModelFiles({ sizeBytes: 100, shards: 1 }), RangeError);
});
