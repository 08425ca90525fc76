// The kinds of repository that Hugging Face has, as data: how each is spelled in a ref, in the API and on the web. And
// what a repository id may look like.

export interface RepoKind {
  /** In refs and in web URLs: `datasets/`; empty for models. */
  readonly prefix: string;
  /** In `/api/<segment>/`. */
  readonly apiSegment: string;
}

const MODELS: RepoKind = { prefix: '', apiSegment: 'models' };

const KINDS: readonly RepoKind[] = [
  { prefix: 'datasets/', apiSegment: 'datasets' },
  { prefix: 'spaces/', apiSegment: 'spaces' },
  { prefix: 'kernels/', apiSegment: 'kernels' },
];

export interface RepoName {
  readonly kind: RepoKind;
  /** `owner/name`, or a name alone. */
  readonly id: string;
}

/** The first segment of a URL that names a kind rather than an owner; `models` is the explicit form of none. */
export function kindOf(segment: string): RepoKind | undefined {
  if (segment === 'models') return MODELS;
  return KINDS.find((kind) => kind.prefix === `${segment}/`);
}

export const defaultKind = MODELS;

/** Splits `OriginRef.repo` into kind and id. */
export function repoName(repo: string): RepoName {
  const kind = KINDS.find(({ prefix }) => repo.startsWith(prefix)) ?? MODELS;
  return { kind, id: repo.slice(kind.prefix.length) };
}

/** `OriginRef.repo` of a kind and an id. */
export function repoOf({ kind, id }: RepoName): string {
  return `${kind.prefix}${id}`;
}

/** 96 characters are the hub's own limit. */
const NAME = /^[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?$/u;

/** Whether the hub would take it: one or two names of letters, digits and `-_.`, no `--`, no `..`, not ending in `.git`. */
export function isRepoId(id: string): boolean {
  const names = id.split('/');
  if (names.length > 2 || names.some((name) => !NAME.test(name))) return false;
  return !id.includes('--') && !id.includes('..') && !id.endsWith('.git');
}
