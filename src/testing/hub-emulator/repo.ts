/**
 * A repository of an emulated hub: immutable commits of files, and the branches, tags and other refs that point
 * at them. Knows revisions and folders; knows nothing of HTTP, access or a hub's JSON.
 */
import { createHash } from 'node:crypto';
import { bytesContent, type Content } from './content.ts';

export type RepoType = 'model' | 'dataset' | 'space' | 'kernel';

/** A file as tests write it; LFS from 1 MiB on unless said otherwise. */
export type FileSource =
  | Content
  | Uint8Array
  | string
  | { readonly content: Content | Uint8Array | string; readonly lfs?: boolean };

/** `null` removes the file in this commit. */
export type Files = Readonly<Record<string, FileSource | null>>;

export interface RepoFile {
  readonly path: string;
  readonly content: Content;
  readonly isLfs: boolean;
  /** The commit that last touched it. */
  readonly commitSha: string;
}

export interface Commit {
  readonly sha: string;
  readonly parent: string | undefined;
  readonly title: string;
  readonly dateMs: number;
  readonly files: ReadonlyMap<string, RepoFile>;
}

export type TreeEntry =
  | { readonly kind: 'file'; readonly path: string; readonly file: RepoFile }
  | { readonly kind: 'directory'; readonly path: string };

export type RefKind = 'branch' | 'tag' | 'pull' | 'convert';

export interface Ref {
  readonly kind: RefKind;
  /** As a client asks for it: `main`, `v1`, `refs/pr/1`, `refs/convert/parquet`. */
  readonly name: string;
  readonly sha: string;
}

const LFS_FROM_BYTES = 1 << 20;
/** Commit dates must not depend on the clock: the same options give the same repository. */
const FIRST_COMMIT_MS = Date.UTC(2026, 0, 1);
const MIN_SHA_PREFIX = 7;

export class Repo {
  readonly type: RepoType;
  readonly id: string;
  readonly defaultBranch: string;
  readonly #commits = new Map<string, Commit>();
  readonly #refs = new Map<string, Ref>();

  constructor(type: RepoType, id: string, defaultBranch: string) {
    this.type = type;
    this.id = id;
    this.defaultBranch = defaultBranch;
  }

  /** Adds a commit on top of `revision`, moves it there, and returns its sha. Earlier commits stay reachable. */
  commit(revision: string, files: Files, title = `Update ${revision}`): string {
    const ref = this.#refs.get(revision);
    const base = this.#commits.get(ref?.sha ?? '');
    const sha = this.#nextSha(revision, base, files);
    const merged = new Map(base?.files);
    for (const [path, source] of Object.entries(files)) {
      if (source === null) merged.delete(path);
      else merged.set(path, toRepoFile(path, source, sha));
    }
    const dateMs = FIRST_COMMIT_MS + this.#commits.size * 60_000;
    this.#commits.set(sha, { sha, parent: base?.sha, title, dateMs, files: merged });
    this.#refs.set(revision, { kind: ref?.kind ?? refKind(revision), name: revision, sha });
    return sha;
  }

  tag(name: string, revision: string): string {
    const commit = this.resolve(revision);
    if (!commit) throw new Error(`no revision ${revision} in ${this.id}`);
    this.#refs.set(name, { kind: 'tag', name, sha: commit.sha });
    return commit.sha;
  }

  /** Branch, tag, other ref, full sha, or an unambiguous prefix of 7 to 40 hex digits. */
  resolve(revision: string): Commit | undefined {
    const ref = this.#refs.get(revision) ?? this.#refs.get(revision.replace(/^refs\/(heads|tags)\//, ''));
    if (ref) return this.#commits.get(ref.sha);
    if (revision.length < MIN_SHA_PREFIX || !/^[0-9a-f]{1,40}$/.test(revision)) return undefined;
    const found = [...this.#commits.values()].filter((commit) => commit.sha.startsWith(revision));
    return found.length === 1 ? found[0] : undefined;
  }

  refs(kind: RefKind): Ref[] {
    return [...this.#refs.values()].filter((ref) => ref.kind === kind);
  }

  commits(): Iterable<Commit> {
    return this.#commits.values();
  }

  /** The commit and all its ancestors, newest first. */
  history(commit: Commit): Commit[] {
    const history: Commit[] = [];
    for (let at: Commit | undefined = commit; at; at = this.#commits.get(at.parent ?? '')) history.push(at);
    return history;
  }

  /**
   * Splits the encoded rest of a URL into revision and path. Known ref names win over the first segment, so that
   * `refs/pr/1/a.txt` and `refs%2Fpr%2F1/a.txt` mean the same.
   */
  splitRevision(rawRest: string): { revision: string; path: string } {
    const rest = rawRest.split('/').map(decodeURIComponent).join('/');
    const names = [...this.#refs.keys()].filter((name) => rest === name || rest.startsWith(`${name}/`));
    const known = names.sort((a, b) => b.length - a.length)[0];
    const revision = known ?? decodeURIComponent(rawRest.split('/')[0] ?? '');
    return { revision, path: rest.slice(revision.length + 1) };
  }

  #nextSha(revision: string, base: Commit | undefined, files: Files): string {
    const names = Object.keys(files).join('\n');
    const identity = [this.type, this.id, revision, this.#commits.size, base?.sha, names].join('\n');
    return createHash('sha1').update(identity).digest('hex');
  }
}

/** Entries below a folder in path order, folders included; undefined if there is no such folder. */
export function listTree(commit: Commit, folder: string, recursive: boolean): TreeEntry[] | undefined {
  const prefix = folder === '' ? '' : `${folder}/`;
  const entries = new Map<string, TreeEntry>();
  for (const file of commit.files.values()) {
    if (!file.path.startsWith(prefix)) continue;
    const segments = file.path.slice(prefix.length).split('/');
    const depth = recursive ? segments.length - 1 : Math.min(1, segments.length - 1);
    for (let level = 1; level <= depth; level++) {
      const path = prefix + segments.slice(0, level).join('/');
      entries.set(path, { kind: 'directory', path });
    }
    if (recursive || segments.length === 1) entries.set(file.path, { kind: 'file', path: file.path, file });
  }
  if (entries.size === 0 && folder !== '') return undefined;
  return [...entries.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Computes the digests that listings of these repositories show; `sha256`: of small files as well. */
export async function warmDigests(repos: readonly Repo[], small: 'sha256' | 'gitSha1'): Promise<void> {
  for (const repo of repos) {
    for (const commit of repo.commits()) {
      for (const { content, isLfs } of commit.files.values()) await content[isLfs ? 'sha256' : small]();
    }
  }
}

function refKind(name: string): RefKind {
  if (name.startsWith('refs/pr/')) return 'pull';
  return name.startsWith('refs/convert/') ? 'convert' : 'branch';
}

function toRepoFile(path: string, source: FileSource, commitSha: string): RepoFile {
  const wrapped = typeof source === 'object' && 'content' in source ? source : { content: source };
  const { content: raw } = wrapped;
  const content = typeof raw === 'string' || raw instanceof Uint8Array ? bytesContent(raw) : raw;
  const isLfs = wrapped.lfs ?? content.sizeBytes >= LFS_FROM_BYTES;
  return { path, content, isLfs, commitSha };
}
