/** How a Hugging Face hub describes files in JSON: tree entries, siblings, LFS pointers, Xet hashes. */
import { createHash } from 'node:crypto';
import type { Commit, Repo, RepoFile, TreeEntry } from './repo.ts';

/** What git stores for an LFS file: its blob id is the hub's `oid` of that file. */
export interface LfsPointer {
  readonly text: string;
  readonly oid: string;
  readonly sizeBytes: number;
}

export async function lfsPointer(file: RepoFile): Promise<LfsPointer> {
  const sha256 = await file.content.sha256();
  const text = `version https://git-lfs.github.com/spec/v1\noid sha256:${sha256}\nsize ${file.content.sizeBytes}\n`;
  const oid = createHash('sha1').update(`blob ${text.length}\0${text}`).digest('hex');
  return { text, oid, sizeBytes: text.length };
}

/** Stands for the Xet hash: 64 hex digits that depend on the content and are not its SHA-256. */
export async function xetHash(file: RepoFile): Promise<string> {
  return createHash('sha256')
    .update(`xet:${await file.content.sha256()}`)
    .digest('hex');
}

/** Python's client insists on the inner keys. */
const SAFE = {
  status: 'safe',
  avScan: { status: 'safe' },
  pickleImportScan: { status: 'safe', pickleImports: [] },
};

export interface EntryOptions {
  readonly expand: boolean;
  readonly xet: boolean;
}

/** One entry of the tree or of paths-info. */
export async function treeEntry(
  repo: Repo,
  commit: Commit,
  entry: TreeEntry,
  options: EntryOptions,
): Promise<Record<string, unknown>> {
  const expanded = options.expand ? { lastCommit: lastCommit(repo, commit, entry) } : {};
  if (entry.kind === 'directory') {
    const oid = createHash('sha1').update(`${commit.sha}:${entry.path}`).digest('hex');
    return { type: 'directory', oid, size: 0, path: entry.path, ...expanded };
  }
  const { file } = entry;
  const security = options.expand ? { securityFileStatus: SAFE } : {};
  const base = { type: 'file', size: file.content.sizeBytes, path: file.path, ...expanded, ...security };
  if (!file.isLfs) return { ...base, oid: await file.content.gitSha1() };
  const pointer = await lfsPointer(file);
  const lfs = {
    oid: await file.content.sha256(),
    size: file.content.sizeBytes,
    pointerSize: pointer.sizeBytes,
  };
  return { ...base, oid: pointer.oid, lfs, ...(options.xet ? { xetHash: await xetHash(file) } : {}) };
}

/** One entry of `siblings` in the repository's info. */
export async function sibling(file: RepoFile, blobs: boolean): Promise<Record<string, unknown>> {
  if (!blobs) return { rfilename: file.path };
  const base = { rfilename: file.path, size: file.content.sizeBytes };
  if (!file.isLfs) return { ...base, blobId: await file.content.gitSha1() };
  const pointer = await lfsPointer(file);
  const lfs = {
    sha256: await file.content.sha256(),
    size: file.content.sizeBytes,
    pointerSize: pointer.sizeBytes,
  };
  return { ...base, blobId: pointer.oid, lfs };
}

function lastCommit(repo: Repo, commit: Commit, entry: TreeEntry): Record<string, string> {
  const sha = entry.kind === 'file' ? entry.file.commitSha : commit.sha;
  const touching = repo.resolve(sha) ?? commit;
  return { id: touching.sha, title: touching.title, date: new Date(touching.dateMs).toISOString() };
}
