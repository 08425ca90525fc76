/**
 * How an emulated Hugging Face hub answers for a file: a small one by a relative redirect to its own cache, an
 * LFS one by an absolute redirect to a signed URL of the CDN, each with the header set clients rely on.
 */
import { gzipSync } from 'node:zlib';
import type { Cdn } from './cdn.ts';
import { readAll } from './content.ts';
import { lfsPointer, xetHash } from './hf-entries.ts';
import { entryNotFound, revisionNotFound } from './hf-errors.ts';
import { type HostedRepo, repoRef } from './hf-repos.ts';
import type { RepoRoute } from './hf-routes.ts';
import {
  fileReply,
  type HubRequest,
  isNotModified,
  jsonReply,
  type Reply,
  redirectReply,
  textReply,
} from './reply.ts';
import type { Commit, RepoFile } from './repo.ts';
import type { Signature } from './signed-urls.ts';

export interface HfResolveContext {
  readonly request: HubRequest;
  readonly route: RepoRoute;
  readonly hosted: HostedRepo;
  readonly cdn: Cdn;
  readonly hubUrl: string;
  readonly cdnUrl: string;
  readonly emptyRange: '416' | '200';
  /** Whether text of small files goes out compressed to who accepts it. */
  readonly gzipText: boolean;
}

const FILEINFO_TYPE = 'application/vnd.xet-fileinfo+json';
const TEXT_FILE = /\.(json|txt|md|py|jinja|yaml|yml|csv)$/;
/** Below it a real CDN doesn't bother to compress. */
const GZIP_FROM_BYTES = 1024;

export async function hfResolve(context: HfResolveContext): Promise<Reply> {
  const { repo } = context.hosted;
  const { revision, path } = repo.splitRevision(context.route.rest);
  const commit = repo.resolve(revision);
  if (!commit) return revisionNotFound(revision);
  const file = commit.files.get(path);
  if (!file) return entryNotFound(commit.sha);
  if (context.route.verb === 'raw') return rawReply(file, commit);
  if (context.route.verb === 'resolve-cache') return cachedReply(context, file, commit);
  return file.isLfs ? lfsReply(context, file, commit) : smallReply(context, file, commit);
}

async function smallReply(
  { request, route, hosted }: HfResolveContext,
  file: RepoFile,
  commit: Commit,
): Promise<Reply> {
  const etag = `"${await file.content.gitSha1()}"`;
  const headers = { 'x-repo-commit': commit.sha, 'x-linked-etag': etag, 'accept-ranges': 'bytes', etag };
  if (isNotModified(request, etag)) return { status: 304, headers };
  const query = [request.rawQuery, `etag=${encodeURIComponent(etag)}`]
    .filter((part) => part !== '')
    .join('&');
  const path = encodePath(file.path);
  const { etag: _, ...redirectHeaders } = headers;
  const location = `/api/resolve-cache/${route.type}s/${hosted.repo.id}/${commit.sha}/${path}?${query}`;
  return redirectReply(307, location, redirectHeaders);
}

async function cachedReply(context: HfResolveContext, file: RepoFile, commit: Commit): Promise<Reply> {
  const { request } = context;
  const sha1 = await file.content.gitSha1();
  const headers = { 'x-repo-commit': commit.sha, 'content-type': contentType(file.path) };
  const mayGzip = context.gzipText && /\bgzip\b/.test(request.headers['accept-encoding'] ?? '');
  if (
    mayGzip &&
    TEXT_FILE.test(file.path) &&
    file.content.sizeBytes >= GZIP_FROM_BYTES &&
    !request.headers.range
  ) {
    const bytes = gzipSync(await readAll(file.content));
    const encoded = { ...headers, etag: `W/"${sha1}"`, 'content-encoding': 'gzip', vary: 'accept-encoding' };
    return { status: 200, headers: encoded, body: { kind: 'bytes', bytes }, chunked: true };
  }
  return fileReply(request, file.content, { etag: `"${sha1}"`, headers, emptyRange: context.emptyRange });
}

async function lfsReply(context: HfResolveContext, file: RepoFile, commit: Commit): Promise<Reply> {
  const { request, hosted } = context;
  const etag = `"${await file.content.sha256()}"`;
  const headers = {
    'x-repo-commit': commit.sha,
    'x-linked-etag': etag,
    'x-linked-size': String(file.content.sizeBytes),
    'accept-ranges': 'bytes',
    ...(await xetHeaders(context, file, commit)),
  };
  if (isNotModified(request, etag)) return { status: 304, headers: { ...headers, etag } };
  if (request.headers.accept?.includes(FILEINFO_TYPE) && (hosted.spec.xet ?? true)) {
    return jsonReply(200, { hash: await xetHash(file) }, { ...headers, etag, 'content-type': FILEINFO_TYPE });
  }
  return redirectReply(302, await signedUrl(context, file), headers);
}

async function xetHeaders(
  { hosted, route, hubUrl }: HfResolveContext,
  file: RepoFile,
  commit: Commit,
): Promise<Record<string, string>> {
  if (!(hosted.spec.xet ?? true)) return {};
  const hash = await xetHash(file);
  const tokenUrl = `${hubUrl}/api/${route.type}s/${hosted.repo.id}/xet-read-token/${commit.sha}`;
  const casUrl = `${hubUrl}/cas-not-emulated/v1/reconstructions/${hash}`;
  const link = `<${tokenUrl}>; rel="xet-auth", <${casUrl}>; rel="xet-reconstruction-info"`;
  return { 'x-xet-hash': hash, link };
}

async function signedUrl({ hosted, cdn, cdnUrl }: HfResolveContext, file: RepoFile): Promise<string> {
  const hash = await xetHash(file);
  const isXet = hosted.spec.xet ?? true;
  const folder = isXet ? 'xet-bridge-us' : 'lfs-bridge';
  const owner = Buffer.from(repoRef(hosted.repo.type, hosted.repo.id)).toString('hex').slice(0, 24);
  const path = `/${folder}/${owner}/${hash}`;
  // Never the SHA-256: the real CDN's tag is the Xet hash, and was a multipart MD5 before Xet.
  const etag = isXet ? `"${hash}"` : `"${hash.slice(0, 32)}-1"`;
  const fileName = file.path.split('/').at(-1) ?? file.path;
  const signature = cdn.publish(path, { content: file.content, etag, fileName });
  return `${cdnUrl}${path}?${hfSignedQuery(signature, file.path)}`;
}

/** The query of a signed URL, in the manner of CloudFront. */
function hfSignedQuery({ expiresAtMs, nonce, mac }: Signature, filePath: string): string {
  const disposition = `inline; filename*=UTF-8''${encodeURIComponent(filePath)}`;
  return new URLSearchParams({
    'response-content-disposition': disposition,
    Expires: String(Math.floor(expiresAtMs / 1000)),
    Policy: `${expiresAtMs}.${nonce}`,
    Signature: mac,
    'Key-Pair-Id': 'EMULATOR',
  }).toString();
}

export function readHfSignature(query: URLSearchParams): Signature | undefined {
  const [expires, nonce] = (query.get('Policy') ?? '').split('.');
  const mac = query.get('Signature');
  return expires && nonce && mac ? { expiresAtMs: Number(expires), nonce, mac } : undefined;
}

/** `/raw/` shows what git holds: the pointer, for an LFS file. */
async function rawReply(file: RepoFile, commit: Commit): Promise<Reply> {
  const text = file.isLfs ? (await lfsPointer(file)).text : (await readAll(file.content)).toString('utf8');
  return textReply(200, text, { 'x-repo-commit': commit.sha });
}

function contentType(path: string): string {
  if (path.endsWith('.json')) return 'application/json';
  return TEXT_FILE.test(path) ? 'text/plain; charset=utf-8' : 'application/octet-stream';
}

function encodePath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}
