/** The front door of an emulated ModelScope hub: route, access, then the answer in its envelope. */
import { randomUUID } from 'node:crypto';
import type { Cdn } from './cdn.ts';
import { failure, forbidden, notFound, success } from './ms-envelope.ts';
import { findCommit, type MsQuirks, msDownload, msListing } from './ms-files.ts';
import { type MsHostedRepo, type MsRepos, tokensOf } from './ms-repos.ts';
import { type HubRequest, jsonReply, type Reply } from './reply.ts';

export interface MsRouterDeps {
  readonly repos: MsRepos;
  readonly cdn: Cdn;
  readonly cdnUrl: string;
  readonly quirks: MsQuirks;
}

interface MsRoute {
  readonly hosted: MsHostedRepo;
  readonly type: 'model' | 'dataset';
  /** What follows the repository's name, encoded: '', 'revisions', 'repo/files', 'resolve/master/a.txt', … */
  readonly action: string;
}

const ACTIONS = /^(?:(\d+)|([^/]+\/[^/]+))(?:\/(.*))?$/;
const DATASET_PAGE_SIZE = 200;

export class MsRouter {
  readonly #deps: MsRouterDeps;

  constructor(deps: MsRouterDeps) {
    this.#deps = deps;
  }

  async handle(request: HubRequest): Promise<Reply> {
    const { rawPath } = request;
    if (rawPath === '/api/v1/login' && request.method === 'POST') return this.#login(request);
    if (rawPath === '/api/v1/repos/internalAccelerationInfo')
      return success({ InternalRegionQueryAddress: '' });
    if (rawPath === '/openapi/v1/users/me') return this.#me(request);
    if (request.method !== 'GET' && request.method !== 'HEAD') return failure(405, 405, 'method not allowed');
    try {
      decodeURIComponent(rawPath);
    } catch {
      return failure(400, 400, 'malformed URL');
    }
    const route = this.#parse(request);
    return route && 'status' in route ? route : route ? this.#answer(request, route) : notFound('route');
  }

  #parse({ rawPath, headers }: HubRequest): MsRoute | Reply | undefined {
    const match = /^(?:\/api\/v1)?\/(models|datasets)\/(.+)$/.exec(rawPath);
    const parts = ACTIONS.exec(match?.[2] ?? '');
    if (!match || !parts) return undefined;
    const type = match[1] === 'models' ? 'model' : 'dataset';
    const hosted = this.#deps.repos.find(type, decodeURIComponent(parts[1] ?? parts[2] ?? ''));
    if (!hosted) return notFound('record');
    if (!this.#deps.repos.mayRead(hosted, headers)) return forbidden(this.#deps.quirks.privateStatus);
    return { hosted, type, action: parts[3] ?? '' };
  }

  async #answer(request: HubRequest, { hosted, type, action }: MsRoute): Promise<Reply> {
    const { query } = request;
    const revision = query.get('Revision') ?? 'master';
    if (action === '') return this.#exists(hosted, query.get('Revision'));
    if (action === 'revisions') return revisions(hosted);
    if (action === 'repo/files' && type === 'model') return this.#list(hosted, revision, query);
    if (action === 'repo/tree' && type === 'dataset') return this.#list(hosted, revision, query);
    const { cdn, cdnUrl, quirks } = this.#deps;
    const context = { request, hosted, cdn, cdnUrl, quirks };
    if (action === 'repo') return msDownload({ ...context, revision, path: query.get('FilePath') ?? '' });
    if (!action.startsWith('resolve/')) return notFound('route');
    return msDownload({ ...context, ...hosted.repo.splitRevision(action.slice('resolve/'.length)) });
  }

  #exists(hosted: MsHostedRepo, revision: string | null): Reply {
    if (revision !== null && !findCommit(hosted, revision, this.#deps.quirks)) return notFound('revision');
    const [owner, name] = hosted.spec.id.split('/');
    const visibility = hosted.spec.private ? 1 : 5;
    return success({
      Id: hosted.number,
      Path: owner,
      Name: name,
      Type: 0,
      Visibility: visibility,
      Revision: 'master',
    });
  }

  /** Models come all at once; data sets by pages, of which the last is the first short one. */
  async #list(hosted: MsHostedRepo, revision: string, query: URLSearchParams): Promise<Reply> {
    const { quirks } = this.#deps;
    const commit = findCommit(hosted, revision, quirks);
    if (!commit) return notFound(`revision ${revision}`);
    const files = await msListing(hosted, commit, query, quirks);
    if (!files) return notFound('path');
    if (hosted.repo.type === 'model') return success({ Files: files });
    const size = Math.max(1, Math.min(DATASET_PAGE_SIZE, Number(query.get('PageSize') ?? DATASET_PAGE_SIZE)));
    const start = (Math.max(1, Number(query.get('PageNumber') ?? 1)) - 1) * size;
    return success({ Files: files.slice(start, start + size), TotalCount: files.length });
  }

  /** The newer API: snake case, an envelope of its own. */
  #me({ headers }: HubRequest): Reply {
    const user = tokensOf(headers)
      .map((token) => this.#deps.repos.user(token))
      .find((name) => name !== undefined);
    const requestId = randomUUID();
    if (user === undefined)
      return jsonReply(401, { success: false, message: 'unauthorized', request_id: requestId });
    const data = { id: user, username: user, email: `${user}@example.com` };
    return jsonReply(200, { success: true, data, request_id: requestId });
  }

  async #login(request: HubRequest): Promise<Reply> {
    const token = accessToken(await request.readBody());
    const user = token === undefined ? undefined : this.#deps.repos.user(token);
    if (user === undefined) return failure(401, 10990101002, 'invalid access token');
    const cookies = [`m_session_id=${token}; Path=/; HttpOnly`, 'csrf_token=emulator; Path=/'];
    const data = { AccessToken: `git-${user}`, Username: user, Email: `${user}@example.com` };
    return success(data, { 'set-cookie': cookies });
  }
}

function revisions(hosted: MsHostedRepo): Reply {
  const list = (kind: 'branch' | 'tag'): unknown[] =>
    hosted.repo.refs(kind).map(({ name, sha }) => {
      const dateMs = hosted.repo.resolve(sha)?.dateMs ?? 0;
      return { Revision: name, CreatedAt: Math.floor(dateMs / 1000) };
    });
  return success({ RevisionMap: { Branches: list('branch'), Tags: list('tag') } });
}

function accessToken(body: Buffer): string | undefined {
  try {
    const { AccessToken: token } = JSON.parse(body.toString('utf8')) as { AccessToken?: unknown };
    return typeof token === 'string' ? token : undefined;
  } catch {
    return undefined;
  }
}
