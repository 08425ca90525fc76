/**
 * How an emulated ModelScope hub lists and sends files: capitalised keys, a SHA-256 for every file, folders as
 * `tree`, small files streamed by the gateway, LFS files from a CDN by an expiring `auth_key`.
 */
import { createHash } from 'node:crypto';
import type { Cdn } from './cdn.ts';
import { failure, notFound } from './ms-envelope.ts';
import type { MsHostedRepo } from './ms-repos.ts';
import { fileReply, type HubRequest, type Reply, redirectReply } from './reply.ts';
import { type Commit, listTree, type RepoFile, type TreeEntry } from './repo.ts';
import type { Signature } from './signed-urls.ts';

/** Where reports about the real hub differ, a test chooses; all may change while the hub runs. */
export interface MsQuirks {
  /** Whether the gateway honours Range for small files. Default: it sends the whole file with 200. */
  smallFileRanges: 'ignored' | 'honoured';
  lfsRedirect: 302 | 307;
  /** A missing file: 404, or 200 with an error envelope. */
  missingFile: 404 | 200;
  sha256: 'present' | 'absent' | 'wrong';
  /** Added to every listed size. */
  sizeError: number;
  /** What a private repository answers to who may not read it. */
  privateStatus: 401 | 403 | 404;
  /** Whether a commit sha is taken as a revision; listed branches and tags only by default. */
  commitRevisions: boolean;
}

export const MS_QUIRKS: MsQuirks = {
  smallFileRanges: 'ignored',
  lfsRedirect: 302,
  missingFile: 404,
  sha256: 'present',
  sizeError: 0,
  privateStatus: 404,
  commitRevisions: false,
};

export function findCommit(hosted: MsHostedRepo, revision: string, quirks: MsQuirks): Commit | undefined {
  const { repo } = hosted;
  const listed = [...repo.refs('branch'), ...repo.refs('tag')].some((ref) => ref.name === revision);
  return listed || quirks.commitRevisions ? repo.resolve(revision) : undefined;
}

/** All entries below `root`; undefined if there is no such folder. */
export async function msListing(
  hosted: MsHostedRepo,
  commit: Commit,
  query: URLSearchParams,
  quirks: MsQuirks,
): Promise<unknown[] | undefined> {
  const root = (query.get('Root') ?? '').replace(/^\/+|\/+$/g, '');
  const entries = listTree(commit, root, query.get('Recursive') === 'True');
  if (!entries) return undefined;
  const listed: unknown[] = [];
  for (const entry of entries) listed.push(await msEntry(hosted, commit, entry, quirks));
  return [...listed, ...hosted.rawEntries];
}

async function msEntry(
  hosted: MsHostedRepo,
  commit: Commit,
  entry: TreeEntry,
  quirks: MsQuirks,
): Promise<Record<string, unknown>> {
  const isFile = entry.kind === 'file';
  const touching = isFile ? (hosted.repo.resolve(entry.file.commitSha) ?? commit) : commit;
  const common = {
    Name: entry.path.split('/').at(-1),
    Path: entry.path,
    Type: isFile ? 'blob' : 'tree',
    Revision: touching.sha,
    CommitMessage: touching.title,
    CommittedDate: Math.floor(touching.dateMs / 1000),
    CommitterName: 'emulator',
    InCheck: false,
    Id: createHash('sha1').update(`${touching.sha}:${entry.path}`).digest('hex'),
  };
  if (!isFile) return { ...common, Size: 0, Sha256: '', IsLFS: false, Mode: '16384' };
  const { content, isLfs } = entry.file;
  const sha256 = await listedSha256(entry.file, quirks);
  return { ...common, Size: content.sizeBytes + quirks.sizeError, ...sha256, IsLFS: isLfs, Mode: '33188' };
}

async function listedSha256(file: RepoFile, { sha256 }: MsQuirks): Promise<{ Sha256?: string }> {
  if (sha256 === 'absent') return {};
  const right = await file.content.sha256();
  return { Sha256: sha256 === 'wrong' ? createHash('sha256').update(right).digest('hex') : right };
}

export interface MsDownloadContext {
  readonly request: HubRequest;
  readonly hosted: MsHostedRepo;
  readonly revision: string;
  readonly path: string;
  readonly cdn: Cdn;
  readonly cdnUrl: string;
  readonly quirks: MsQuirks;
}

export async function msDownload(context: MsDownloadContext): Promise<Reply> {
  const { request, hosted, revision, path, quirks } = context;
  const commit = findCommit(hosted, revision, quirks);
  if (!commit) return notFound(`revision ${revision}`);
  const file = commit.files.get(path);
  if (!file) return failure(quirks.missingFile, 10010204003, `file ${path} not found`);
  if (file.isLfs) return redirectReply(quirks.lfsRedirect, await signedUrl(context, file));
  const encoded = encodeURIComponent(path.split('/').at(-1) ?? path);
  const headers = { 'content-disposition': `attachment; filename="${encoded}"` };
  return fileReply(request, file.content, {
    headers,
    ranges: quirks.smallFileRanges === 'ignored' ? 'ignore' : 'honour',
  });
}

async function signedUrl({ cdn, cdnUrl }: MsDownloadContext, file: RepoFile): Promise<string> {
  const sha256 = await file.content.sha256();
  const path = `/prod/lfs-objects/${sha256.slice(0, 2)}/${sha256.slice(2, 4)}/${sha256.slice(4)}`;
  const fileName = file.path.split('/').at(-1) ?? file.path;
  const etag = `"${createHash('md5').update(sha256).digest('hex').toUpperCase()}"`;
  const { expiresAtMs, nonce, mac } = cdn.publish(path, { content: file.content, etag, fileName });
  const query = new URLSearchParams({ filename: file.path, auth_key: `${expiresAtMs}.${nonce}.${mac}` });
  return `${cdnUrl}${path}?${query.toString()}`;
}

export function readMsSignature(query: URLSearchParams): Signature | undefined {
  const [expires, nonce, mac] = (query.get('auth_key') ?? '').split('.');
  return expires && nonce && mac ? { expiresAtMs: Number(expires), nonce, mac } : undefined;
}
