// For the tests of outputs: a memory store with files in it, and a folder to write to.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createManifest,
  digestOf,
  isVerifiable,
  type ListedFile,
  type Manifest,
  type ManifestFile,
  parseRepoPath,
  pieceLengthFor,
  pieceSize,
} from '../../core/index.ts';
import type { FileOutcome, Output, OutputDeps } from '../../output/index.ts';
import { testPieceHash } from '../store-conformance/index.ts';
import { MemoryBlobStore } from './memory-store.ts';

export interface TestOutput {
  readonly folder: string;
  readonly store: MemoryBlobStore;
  readonly deps: OutputDeps;
  /** Stores files: path to content. `lfs` files get sha256 digests, the others git's. */
  put(files: Readonly<Record<string, Uint8Array | string>>): Promise<Manifest>;
  close(): Promise<void>;
}

const LFS = /\.(safetensors|bin)$/u;

export async function testOutput(): Promise<TestOutput> {
  const folder = await mkdtemp(join(tmpdir(), 'anax-output-'));
  const store = new MemoryBlobStore();
  const deps: OutputDeps = {
    temporaryNames: store.temporaryNames,
    materialize: (digest, target, options) => store.materialize(digest, target, options),
    aliases: async (digest) => (await store.find(digest))?.aliases ?? [],
  };
  const put = async (files: Readonly<Record<string, Uint8Array | string>>): Promise<Manifest> => {
    const listed: ListedFile[] = [];
    for (const [path, content] of Object.entries(files)) {
      const bytes = Buffer.from(content);
      const digest = digestOf(LFS.test(path) ? 'sha256' : 'git-sha1', bytes);
      await putBlob(store, { digest, bytes });
      listed.push({ path: parseRepoPath(path), sizeBytes: bytes.length, digest });
    }
    return createManifest(listed);
  };
  return { folder, store, deps, put, close: () => rm(folder, { recursive: true }) };
}

export async function putBlob(
  store: MemoryBlobStore,
  { digest, bytes }: Pick<ManifestFile, 'digest'> & { bytes: Buffer },
): Promise<void> {
  if (bytes.length === 0) return;
  const spec = { digest, sizeBytes: bytes.length, pieceLengthBytes: pieceLengthFor(bytes.length) };
  const blob = await store.open(spec);
  for (const index of blob.held.missing()) {
    const start = index * spec.pieceLengthBytes;
    const piece = bytes.subarray(start, start + pieceSize(spec, index));
    const proof = {
      digest: testPieceHash(piece),
      signer: '0'.repeat(32) as never,
      signature: new Uint8Array(64),
    };
    await blob.write(index, piece, proof);
  }
  await blob.commit(isVerifiable(digest) ? [] : [digestOf('sha256', bytes)]);
  await blob.close();
}

/** Writes a whole manifest to an output; the outcomes in the manifest's order. */
export async function writeOutput(output: Output, manifest: Manifest): Promise<FileOutcome[]> {
  const outcomes = await Promise.all(manifest.files.map((file) => output.write(file)));
  await output.finish();
  return outcomes;
}
