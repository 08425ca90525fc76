// The grammar of hf:// URLs, as huggingface_hub's HfFileSystem reads them:
//   hf://[datasets/|spaces/|kernels/|models/]owner/name[@revision][/path]
// with `name` alone for the hub's oldest repositories. HfFileSystem asks the hub whether `gpt2/config.json` is a
// repository or a file in one; this grammar touches nothing outside, so two segments are always owner/name, and a file
// of a one-name repository is written with a revision: hf://gpt2@main/config.json. The revision reaches to the next
// slash (a slash in it is written %2F) except in refs/pr/N and refs/convert/NAME. All parts are percent-decoded.

import type { OriginRef, ParseOptions } from '../../core/index.ts';
import {
  afterScheme,
  agreeOnRevision,
  decodePart,
  decodeRepoPath,
  encodePath,
  invalidUrl,
  isRevisionName,
  parseEndpoint,
} from '../ref-text.ts';
import { defaultKind, isRepoId, kindOf, repoName, repoOf } from './repo-kind.ts';

export const HF_SCHEME = 'hf';

export const defaultHfEndpoint = 'https://huggingface.co';

/** Refs with slashes that need no escape: of pull requests, and of converted data. */
const SPECIAL_REF = /^(refs\/convert\/\w+|refs\/pr\/\d+)(?:\/|$)/u;

/** Reads an hf:// URL. Throws `url_invalid`. `defaultEndpoint` is used where the options name none. */
export function parseHfUrl(
  url: string,
  options: ParseOptions,
  defaultEndpoint = defaultHfEndpoint,
): OriginRef {
  const segments = afterScheme(url, HF_SCHEME).split('/');
  if (segments[0] === 'buckets') throw invalidUrl(url, 'buckets are not supported');
  const kind = kindOf(segments[0] ?? '');
  const rest = kind === undefined ? segments : segments.slice(1);
  const { id, inUrl, path } = splitRepo(rest, url);
  if (!isRepoId(id)) throw invalidUrl(url, 'no valid repository id', 'e.g. hf://owner/name@revision/path');
  if (kindOf(id.split('/')[0] ?? '') !== undefined)
    throw invalidUrl(url, 'a kind of repository as its owner');
  const revision = agreeOnRevision(inUrl, options.revision, url);
  if (revision !== '' && !isRevisionName(revision)) throw invalidUrl(url, 'no valid revision');
  return {
    scheme: HF_SCHEME,
    endpoint: parseEndpoint(options.endpoint ?? defaultEndpoint),
    repo: repoOf({ kind: kind ?? defaultKind, id }),
    revision,
    path: decodeRepoPath(path, url),
  };
}

interface Split {
  readonly id: string;
  readonly inUrl: string | undefined;
  readonly path: readonly string[];
}

/** An `@` in the first or second segment begins the revision; any further one belongs to the path. */
function splitRepo(segments: readonly string[], url: string): Split {
  const at = segments.slice(0, 2).findIndex((segment) => segment.includes('@'));
  if (at === -1) {
    const id = segments.slice(0, 2).map((segment) => decodePart(segment, url));
    return { id: id.join('/'), inUrl: undefined, path: segments.slice(2) };
  }
  const segment = segments[at] ?? '';
  const mark = segment.indexOf('@');
  const id = [...segments.slice(0, at), segment.slice(0, mark)]
    .map((part) => decodePart(part, url))
    .join('/');
  const rest = [segment.slice(mark + 1), ...segments.slice(at + 1)];
  const special = SPECIAL_REF.exec(rest.join('/'))?.[1];
  const length = special?.split('/').length ?? 1;
  const revision = decodePart(rest.slice(0, length).join('/'), url);
  if (revision === '') throw invalidUrl(url, 'no revision after @', 'leave the @ out for the default branch');
  return { id, inUrl: revision, path: rest.slice(length) };
}

/**
 * The URL of a ref; `parseHfUrl` gives the ref again. A file of a one-name repository can't be written without a
 * revision: there the default is spelled out as `main`.
 */
export function formatHfUrl(ref: OriginRef): string {
  const name = repoName(ref.repo);
  const needsRevision = ref.path !== '' && !name.id.includes('/');
  const revision = ref.revision === '' && needsRevision ? 'main' : ref.revision;
  const at = revision === '' ? '' : `@${encodeRevision(revision)}`;
  const path = ref.path === '' ? '' : `/${encodePath(ref.path)}`;
  return `${HF_SCHEME}://${name.kind.prefix}${name.id}${at}${path}`;
}

function encodeRevision(revision: string): string {
  return SPECIAL_REF.exec(revision)?.[1] === revision ? revision : encodeURIComponent(revision);
}

/** Ends like a file's name. Models have dots in their names too, before digits mostly: `Qwen2.5-0.5B`. */
const FILE_NAME = /\.[a-z][a-z0-9]{1,11}$/iu;

/** A hint for a repository that was not found, where the URL may mean a file of a one-name repository. */
export function oneNameHint(ref: OriginRef): string | undefined {
  const [first, second] = repoName(ref.repo).id.split('/');
  if (second === undefined || ref.path !== '' || !FILE_NAME.test(second)) return undefined;
  const { kind } = repoName(ref.repo);
  return `if ${second} is a file of the repository ${first}, write hf://${kind.prefix}${first}@main/${second}`;
}
