/**
 * The JSON routes of an emulated Hugging Face hub: info, tree, paths-info, refs, commits, auth-check, whoami
 * and the Xet read token. Access has been checked before; a revision is resolved here.
 */
import { sibling, treeEntry } from './hf-entries.ts';
import { badRequest, badToken, entryNotFound, revisionNotFound, unauthorized } from './hf-errors.ts';
import { type Caller, type HostedRepo, repoRef } from './hf-repos.ts';
import type { RepoRoute } from './hf-routes.ts';
import { type HubRequest, jsonReply, type Reply } from './reply.ts';
import { type Commit, listTree, type Ref, type TreeEntry } from './repo.ts';

export interface HfApiContext {
  readonly request: HubRequest;
  readonly route: RepoRoute;
  readonly hosted: HostedRepo;
  readonly hubUrl: string;
  readonly nowMs: number;
  /** Entries a tree page; default 1,000, and 100 with `expand`. */
  readonly pageSize: number | undefined;
}

const PAGE_SIZE = 1000;
const EXPANDED_PAGE_SIZE = 100;
const XET_TOKEN_TTL_S = 900;

export async function hfApi(context: HfApiContext): Promise<Reply> {
  const { route, hosted } = context;
  if (route.verb === 'refs') return refsReply(context);
  if (route.verb === 'auth-check') return { status: 200, headers: {} };
  const { revision, path } = hosted.repo.splitRevision(route.rest || hosted.repo.defaultBranch);
  const commit = hosted.repo.resolve(revision);
  if (!commit) return revisionNotFound(revision);
  switch (route.verb) {
    case 'info':
    case 'revision':
      return infoReply(context, commit);
    case 'tree':
      return treeReply(context, commit, path);
    case 'paths-info':
      return pathsInfoReply(context, commit);
    case 'commits':
      return commitsReply(context, commit);
    case 'xet-read-token':
      return xetTokenReply(context, commit);
    case 'resolve':
    case 'raw':
    case 'resolve-cache':
      throw new Error(`${route.verb} is not an API route`);
  }
}

export function whoami(caller: Caller): Reply {
  if (caller.kind === 'anonymous') return unauthorized();
  if (caller.kind === 'bad-token') return badToken();
  const { user } = caller;
  return jsonReply(200, {
    type: 'user',
    id: user,
    name: user,
    fullname: user,
    orgs: [],
    auth: { type: 'access_token' },
  });
}

async function infoReply({ hosted, request }: HfApiContext, commit: Commit): Promise<Reply> {
  const { spec, repo } = hosted;
  const blobs = isTrue(request.query.get('blobs'));
  const siblings: unknown[] = [];
  for (const file of commit.files.values()) siblings.push(await sibling(file, blobs));
  for (const raw of hosted.rawEntries) {
    if (typeof raw === 'object' && raw !== null && 'path' in raw)
      siblings.push({ ...raw, rfilename: raw.path });
  }
  const date = new Date(commit.dateMs).toISOString();
  return jsonReply(200, {
    _id: commit.sha.slice(0, 24),
    id: spec.id,
    ...(repo.type === 'model'
      ? { modelId: spec.id, pipeline_tag: 'text-generation', library_name: 'transformers' }
      : {}),
    author: spec.id.includes('/') ? spec.id.split('/')[0] : undefined,
    sha: commit.sha,
    private: spec.private ?? false,
    gated: spec.gated ?? false,
    disabled: false,
    lastModified: date,
    createdAt: date,
    downloads: 0,
    likes: 0,
    tags: [],
    siblings,
  });
}

async function treeReply(context: HfApiContext, commit: Commit, folder: string): Promise<Reply> {
  const { hosted, request, route, hubUrl } = context;
  const { query } = request;
  const entries = listTree(commit, folder.replace(/\/$/, ''), isTrue(query.get('recursive')));
  if (!entries) return entryNotFound(commit.sha);
  const expand = isTrue(query.get('expand'));
  const offset = readCursor(query.get('cursor'));
  if (offset === undefined) return badRequest('Invalid cursor');
  const most = context.pageSize ?? (expand ? EXPANDED_PAGE_SIZE : PAGE_SIZE);
  const limit = Math.max(1, Math.min(most, Number(query.get('limit') ?? most) || most));
  const page: unknown[] = await describe(context, commit, entries.slice(offset, offset + limit), expand);
  if (offset === 0) page.push(...hosted.rawEntries);
  if (offset + limit >= entries.length) return jsonReply(200, page);
  const next = new URLSearchParams(query);
  next.set('cursor', Buffer.from(`after:${offset + limit}`).toString('base64url'));
  return jsonReply(200, page, {
    link: `<${hubUrl}${route.pathFor(route.id)}?${next.toString()}>; rel="next"`,
  });
}

async function pathsInfoReply(context: HfApiContext, commit: Commit): Promise<Reply> {
  const asked = parsePathsInfo(context.request.headers['content-type'], await context.request.readBody());
  if (!asked) return badRequest('Invalid body');
  const all = listTree(commit, '', true) ?? [];
  const entries = all.filter((entry) => asked.paths.includes(entry.path));
  return jsonReply(200, await describe(context, commit, entries, asked.expand));
}

/** One after the other: a page of a thousand huge files must not hash them all at once. */
async function describe(
  { hosted }: HfApiContext,
  commit: Commit,
  entries: readonly TreeEntry[],
  expand: boolean,
): Promise<Record<string, unknown>[]> {
  const described: Record<string, unknown>[] = [];
  const options = { expand, xet: hosted.spec.xet ?? true };
  for (const entry of entries) described.push(await treeEntry(hosted.repo, commit, entry, options));
  return described;
}

/** Python sends a form, JavaScript sends JSON. */
function parsePathsInfo(
  type: string | undefined,
  body: Buffer,
): { paths: string[]; expand: boolean } | undefined {
  const text = body.toString('utf8');
  if (!type?.includes('json')) {
    const form = new URLSearchParams(text);
    return { paths: form.getAll('paths'), expand: isTrue(form.get('expand')) };
  }
  try {
    const { paths, expand } = JSON.parse(text) as { paths?: unknown; expand?: unknown };
    const list = Array.isArray(paths) ? paths : [paths];
    return { paths: list.filter((path) => typeof path === 'string'), expand: expand === true };
  } catch {
    return undefined;
  }
}

function refsReply({ hosted, request }: HfApiContext): Reply {
  const { repo } = hosted;
  const describeRef = (prefix: string) => (ref: Ref) => ({
    name: ref.name.replace(/^refs\/(convert|pr)\//, ''),
    ref: ref.name.startsWith('refs/') ? ref.name : prefix + ref.name,
    targetCommit: ref.sha,
  });
  const pulls = isTrue(request.query.get('include_prs'))
    ? { pullRequests: repo.refs('pull').map(describeRef('refs/pr/')) }
    : {};
  return jsonReply(200, {
    branches: repo.refs('branch').map(describeRef('refs/heads/')),
    tags: repo.refs('tag').map(describeRef('refs/tags/')),
    converts: repo.refs('convert').map(describeRef('refs/convert/')),
    ...pulls,
  });
}

function commitsReply({ hosted, request }: HfApiContext, commit: Commit): Reply {
  const limit = Number(request.query.get('limit') ?? 50) || 50;
  const page = Number(request.query.get('p') ?? 0) || 0;
  const commits = hosted.repo.history(commit).slice(page * limit, (page + 1) * limit);
  return jsonReply(
    200,
    commits.map(({ sha, title, dateMs }) => ({
      id: sha,
      title,
      message: '',
      authors: [{ user: 'emulator' }],
      date: new Date(dateMs).toISOString(),
    })),
  );
}

/** The token route exists; the CAS that it names does not (clients must be kept from it, or be tested without Xet). */
function xetTokenReply({ hosted, hubUrl, nowMs }: HfApiContext, commit: Commit): Reply {
  const exp = Math.floor(nowMs / 1000) + XET_TOKEN_TTL_S;
  const casUrl = `${hubUrl}/cas-not-emulated`;
  const accessToken = `xet-${repoRef(hosted.repo.type, hosted.repo.id)}-${commit.sha.slice(0, 8)}`;
  return jsonReply(
    200,
    { accessToken, exp, casUrl },
    {
      'x-xet-cas-url': casUrl,
      'x-xet-access-token': accessToken,
      'x-xet-token-expiration': String(exp),
    },
  );
}

function readCursor(cursor: string | null): number | undefined {
  if (cursor === null) return 0;
  const match = /^after:(\d+)$/.exec(Buffer.from(cursor, 'base64url').toString());
  return match ? Number(match[1]) : undefined;
}

function isTrue(value: string | null): boolean {
  return value === '1' || value?.toLowerCase() === 'true';
}
