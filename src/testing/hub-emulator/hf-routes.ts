/**
 * Reads the path of a request to a Hugging Face hub: which route, which repository, and the encoded rest, which
 * is left undivided because only the repository knows where a revision ends.
 */
import type { RepoType } from './repo.ts';

export type ApiVerb =
  | 'info'
  | 'revision'
  | 'tree'
  | 'paths-info'
  | 'refs'
  | 'commits'
  | 'auth-check'
  | 'xet-read-token';

export interface RepoRoute {
  readonly kind: 'repo';
  readonly verb: ApiVerb | 'resolve' | 'raw' | 'resolve-cache';
  readonly type: RepoType;
  readonly id: string;
  /** Still encoded, without a slash at either end of the prefix. */
  readonly rest: string;
  /** The same URL path for another id: for relative redirects. */
  pathFor(id: string): string;
}

export type HfRoute = RepoRoute | { readonly kind: 'whoami' } | { readonly kind: 'unknown' };

const TYPES: Readonly<Record<string, RepoType>> = {
  models: 'model',
  datasets: 'dataset',
  spaces: 'space',
  kernels: 'kernel',
};
const API_VERBS: readonly string[] = [
  'revision',
  'tree',
  'paths-info',
  'refs',
  'commits',
  'auth-check',
  'xet-read-token',
] satisfies ApiVerb[];

/** Throws URIError for malformed percent-encoding. */
export function parseHfRoute(rawPath: string): HfRoute {
  const segments = rawPath.split('/').slice(1);
  if (segments[0] !== 'api') return parseFileRoute(segments);
  if (segments[1] === 'whoami-v2') return { kind: 'whoami' };
  if (segments[1] === 'resolve-cache') {
    return parseTyped(['api', 'resolve-cache'], segments.slice(2), 'resolve-cache');
  }
  return parseTyped(['api'], segments.slice(1));
}

function parseTyped(lead: readonly string[], segments: readonly string[], verb?: 'resolve-cache'): HfRoute {
  const plural = segments[0] ?? '';
  const type = TYPES[plural];
  if (!type || !segments[1]) return { kind: 'unknown' };
  const at = segments.findIndex((segment, index) => index > 1 && index < 4 && API_VERBS.includes(segment));
  const idEnd = verb ? 3 : at < 0 ? segments.length : at;
  if (idEnd > 3) return { kind: 'unknown' };
  const found = (verb ?? (at < 0 ? 'info' : segments[at])) as RepoRoute['verb'];
  const tail = segments.slice(idEnd);
  const rest = (verb || at < 0 ? tail : tail.slice(1)).join('/');
  return repoRoute(found, type, segments.slice(1, idEnd), rest, (id) => [...lead, plural, id, ...tail]);
}

function parseFileRoute(segments: readonly string[]): HfRoute {
  const prefix = segments[0] ?? '';
  const typed = prefix !== 'models' ? TYPES[prefix] : undefined;
  const first = typed ? 1 : 0;
  const at = segments.findIndex(
    (segment, index) => index > first && index <= first + 2 && (segment === 'resolve' || segment === 'raw'),
  );
  if (at < 0) return { kind: 'unknown' };
  const verb = segments[at] as 'resolve' | 'raw';
  const lead = typed ? [prefix] : [];
  const rest = segments.slice(at + 1);
  const pathFor = (id: string): string[] => [...lead, id, verb, ...rest];
  return repoRoute(verb, typed ?? 'model', segments.slice(first, at), rest.join('/'), pathFor);
}

function repoRoute(
  verb: RepoRoute['verb'],
  type: RepoType,
  rawId: readonly string[],
  rest: string,
  pathFor: (id: string) => string[],
): RepoRoute {
  const id = rawId.map(decodeURIComponent).join('/');
  return { kind: 'repo', verb, type, id, rest, pathFor: (other) => `/${pathFor(other).join('/')}` };
}
