/**
 * The repositories and tokens of an emulated Hugging Face hub, and who may see what: the access matrix of the
 * fact sheet §1.4. No HTTP parsing here; verdicts are either a repository or the Reply that refuses it.
 *
 * A repository is named as in a URL: `owner/name` for models, `datasets/owner/name`, `spaces/…`, `kernels/…`.
 */
import { badToken, disabled, gated, repoNotFound, unauthorized } from './hf-errors.ts';
import type { Reply } from './reply.ts';
import { type Files, Repo, type RepoType } from './repo.ts';

export interface RepoSpec {
  /** Default: model. */
  readonly type?: RepoType;
  /** `owner/name`, or a canonical old id such as `gpt2`. */
  readonly id: string;
  readonly private?: boolean;
  readonly gated?: 'auto' | 'manual';
  readonly disabled?: boolean;
  /** Former ids, newest first: each redirects to the one before it, the first to `id`. */
  readonly renamedFrom?: readonly string[];
  /** Announce Xet hashes for LFS files (default), or be an old repository without. */
  readonly xet?: boolean;
  /** Files by revision: a branch name, `refs/pr/1` or `refs/convert/parquet`. */
  readonly revisions: Readonly<Record<string, Files>>;
  /** Tag name to revision. */
  readonly tags?: Readonly<Record<string, string>>;
  /** Entries added to listings as they are: hostile paths, sizes, duplicates. */
  readonly rawEntries?: readonly unknown[];
}

export interface HostedRepo {
  readonly spec: RepoSpec;
  readonly repo: Repo;
  readonly rawEntries: unknown[];
}

export interface TokenSpec {
  /** Default: `user`. */
  readonly user?: string;
  /** Private repositories it sees. */
  readonly canRead?: readonly string[];
  /** Gated repositories it was let into. */
  readonly grants?: readonly string[];
}

interface Token {
  readonly user: string;
  readonly canRead: Set<string>;
  readonly grants: Set<string>;
}

/** Who asks: nobody, the holder of a known token, or of one the hub doesn't know. */
export type Caller =
  | { readonly kind: 'anonymous' }
  | { readonly kind: 'bad-token' }
  | { readonly kind: 'token'; readonly token: string; readonly user: string };

export type Lookup =
  | { readonly kind: 'repo'; readonly hosted: HostedRepo }
  | { readonly kind: 'moved'; readonly id: string }
  | { readonly kind: 'refused'; readonly reply: Reply };

const PREFIXES: Readonly<Record<RepoType, string>> = {
  model: '',
  dataset: 'datasets/',
  space: 'spaces/',
  kernel: 'kernels/',
};

/** Name of a repository in URLs: type prefix and id. */
export function repoRef(type: RepoType, id: string): string {
  return PREFIXES[type] + id;
}

export class HfRepos {
  readonly #repos = new Map<string, HostedRepo>();
  /** Former id (lower case, with prefix) to the next id (without prefix). */
  readonly #renames = new Map<string, string>();
  readonly #tokens = new Map<string, Token>();

  put(spec: RepoSpec): HostedRepo {
    const type = spec.type ?? 'model';
    const repo = new Repo(type, spec.id, 'main');
    for (const [revision, files] of Object.entries(spec.revisions))
      repo.commit(revision, files, 'initial commit');
    for (const [name, revision] of Object.entries(spec.tags ?? {})) repo.tag(name, revision);
    const hosted: HostedRepo = { spec, repo, rawEntries: [...(spec.rawEntries ?? [])] };
    this.#repos.set(key(repoRef(type, spec.id)), hosted);
    let next = spec.id;
    for (const former of spec.renamedFrom ?? []) {
      this.#renames.set(key(repoRef(type, former)), next);
      next = former;
    }
    return hosted;
  }

  delete(ref: string): void {
    this.#repos.delete(key(ref));
  }

  /** For the test's own use; throws if absent. */
  get(ref: string): HostedRepo {
    const hosted = this.#repos.get(key(ref));
    if (!hosted) throw new Error(`no repository ${ref}`);
    return hosted;
  }

  all(): HostedRepo[] {
    return [...this.#repos.values()];
  }

  addToken(token: string, spec: TokenSpec = {}): void {
    const { user = 'user', canRead = [], grants = [] } = spec;
    this.#tokens.set(token, { user, canRead: new Set(canRead.map(key)), grants: new Set(grants.map(key)) });
  }

  removeToken(token: string): void {
    this.#tokens.delete(token);
  }

  /** Lets a token see a private repository and into a gated one. */
  grant(token: string, ref: string): void {
    const known = this.#token(token);
    known.canRead.add(key(ref));
    known.grants.add(key(ref));
  }

  revoke(token: string, ref: string): void {
    const known = this.#token(token);
    known.canRead.delete(key(ref));
    known.grants.delete(key(ref));
  }

  caller(authorization: string | undefined): Caller {
    if (authorization === undefined) return { kind: 'anonymous' };
    const token = /^Bearer\s+(\S+)$/i.exec(authorization)?.[1] ?? '';
    const known = this.#tokens.get(token);
    return known ? { kind: 'token', token, user: known.user } : { kind: 'bad-token' };
  }

  /** Finds a repository for its metadata or its content (content of a gated repository needs a grant). */
  lookup(type: RepoType, id: string, caller: Caller, purpose: 'metadata' | 'content'): Lookup {
    const ref = repoRef(type, id);
    const hosted = this.#repos.get(key(ref));
    if (!hosted || !this.#sees(caller, hosted, ref)) return this.#absent(ref, caller, hosted !== undefined);
    if (hosted.spec.id !== id) return { kind: 'moved', id: hosted.spec.id };
    if (hosted.spec.disabled) return refused(disabled());
    if (hosted.spec.gated && purpose === 'content' && !this.#hasGrant(caller, ref)) {
      return refused(gated(caller.kind === 'token' ? 403 : 401, id));
    }
    if (caller.kind === 'bad-token') return refused(badToken());
    return { kind: 'repo', hosted };
  }

  #absent(ref: string, caller: Caller, isHidden: boolean): Lookup {
    const next = isHidden ? undefined : this.#renames.get(key(ref));
    if (next !== undefined) return { kind: 'moved', id: next };
    if (caller.kind === 'anonymous') return refused(unauthorized());
    return refused(caller.kind === 'bad-token' ? badToken() : repoNotFound());
  }

  #sees(caller: Caller, hosted: HostedRepo, ref: string): boolean {
    if (!hosted.spec.private) return true;
    return caller.kind === 'token' && this.#token(caller.token).canRead.has(key(ref));
  }

  #hasGrant(caller: Caller, ref: string): boolean {
    return caller.kind === 'token' && this.#token(caller.token).grants.has(key(ref));
  }

  #token(token: string): Token {
    const known = this.#tokens.get(token);
    if (!known) throw new Error('unknown token');
    return known;
  }
}

function refused(reply: Reply): Lookup {
  return { kind: 'refused', reply };
}

/** Ids are case-insensitive. */
function key(ref: string): string {
  return ref.toLowerCase();
}
