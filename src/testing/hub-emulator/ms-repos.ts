/**
 * The repositories and tokens of an emulated ModelScope hub. A repository is named `owner/name` (models) or
 * `datasets/owner/name`. Its default branch is `master`.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { type Files, Repo } from './repo.ts';

export interface MsRepoSpec {
  /** Default: model. */
  readonly type?: 'model' | 'dataset';
  readonly id: string;
  readonly private?: boolean;
  /** Files by branch. */
  readonly revisions: Readonly<Record<string, Files>>;
  /** Tag name to branch. */
  readonly tags?: Readonly<Record<string, string>>;
  /** Entries added to listings as they are: hostile paths, sizes, duplicates. */
  readonly rawEntries?: readonly unknown[];
}

export interface MsHostedRepo {
  readonly spec: MsRepoSpec;
  readonly repo: Repo;
  /** The number the site knows it by. */
  readonly number: number;
  readonly rawEntries: unknown[];
}

export interface MsTokenSpec {
  readonly user?: string;
  readonly canRead?: readonly string[];
}

const FIRST_NUMBER = 10_001;

export class MsRepos {
  readonly #repos = new Map<string, MsHostedRepo>();
  readonly #tokens = new Map<string, { user: string; canRead: Set<string> }>();
  #nextNumber = FIRST_NUMBER;

  put(spec: MsRepoSpec): MsHostedRepo {
    const type = spec.type ?? 'model';
    const repo = new Repo(type, spec.id, 'master');
    for (const [branch, files] of Object.entries(spec.revisions))
      repo.commit(branch, files, 'initial commit');
    for (const [name, branch] of Object.entries(spec.tags ?? {})) repo.tag(name, branch);
    const hosted = { spec, repo, number: this.#nextNumber++, rawEntries: [...(spec.rawEntries ?? [])] };
    this.#repos.set(msRef(type, spec.id), hosted);
    return hosted;
  }

  delete(ref: string): void {
    this.#repos.delete(ref);
  }

  /** For the test's own use; throws if absent. */
  get(ref: string): MsHostedRepo {
    const hosted = this.#repos.get(ref);
    if (!hosted) throw new Error(`no repository ${ref}`);
    return hosted;
  }

  all(): MsHostedRepo[] {
    return [...this.#repos.values()];
  }

  addToken(token: string, { user = 'user', canRead = [] }: MsTokenSpec = {}): void {
    this.#tokens.set(token, { user, canRead: new Set(canRead) });
  }

  grant(token: string, ref: string): void {
    this.#tokens.get(token)?.canRead.add(ref);
  }

  revoke(token: string, ref: string): void {
    this.#tokens.get(token)?.canRead.delete(ref);
  }

  user(token: string): string | undefined {
    return this.#tokens.get(token)?.user;
  }

  /** By `owner/name`, or a data set by its number. */
  find(type: 'model' | 'dataset', id: string): MsHostedRepo | undefined {
    const byNumber = (hosted: MsHostedRepo): boolean =>
      hosted.repo.type === type && String(hosted.number) === id;
    return this.#repos.get(msRef(type, id)) ?? this.all().find(byNumber);
  }

  /** Bearer token or `m_session_id` cookie: either alone suffices. */
  mayRead(hosted: MsHostedRepo, headers: IncomingHttpHeaders): boolean {
    if (!hosted.spec.private) return true;
    const ref = msRef(hosted.spec.type ?? 'model', hosted.spec.id);
    return tokensOf(headers).some((token) => this.#tokens.get(token)?.canRead.has(ref));
  }
}

export function msRef(type: 'model' | 'dataset', id: string): string {
  return type === 'dataset' ? `datasets/${id}` : id;
}

/** The tokens a request carries, in header and cookie. */
export function tokensOf(headers: IncomingHttpHeaders): string[] {
  const bearer = /^Bearer\s+(\S+)$/i.exec(headers.authorization ?? '')?.[1];
  const cookie = /(?:^|;\s*)m_session_id=([^;]+)/.exec(headers.cookie ?? '')?.[1];
  return [bearer, cookie].filter((token) => token !== undefined);
}
