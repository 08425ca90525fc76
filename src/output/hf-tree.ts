// The listing of a revision as huggingface_hub keeps it beside a snapshot, to know offline whether the snapshot is whole.

import { digestAlgorithm, digestHex, digestOf, type Manifest, type ManifestFile } from '../core/index.ts';

interface TreeEntry {
  readonly size: number;
  readonly blob_id: string;
  readonly lfs_sha256?: string;
  readonly lfs_size?: number;
}

/** `trees/<commit>.json`. All files have sha256 (LFS) or git-sha1 digests. */
export function treeJson(manifest: Manifest): string {
  const files = Object.fromEntries(manifest.files.map((file) => [file.path, treeEntry(file)]));
  return JSON.stringify({ format_version: 1, files }, null, 1);
}

function treeEntry({ digest, sizeBytes }: ManifestFile): TreeEntry {
  const hex = digestHex(digest);
  if (digestAlgorithm(digest) === 'git-sha1') return { size: sizeBytes, blob_id: hex };
  return { size: sizeBytes, blob_id: pointerId(hex, sizeBytes), lfs_sha256: hex, lfs_size: sizeBytes };
}

/** Git's id of the LFS pointer that stands for the file in the repository: the canonical three lines. */
function pointerId(sha256: string, sizeBytes: number): string {
  const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${sha256}\nsize ${sizeBytes}\n`;
  return digestHex(digestOf('git-sha1', Buffer.from(pointer)));
}
