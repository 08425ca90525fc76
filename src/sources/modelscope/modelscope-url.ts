// The grammar of modelscope:// URLs:
//   modelscope://[datasets/|models/]owner/name[@revision][/path]
// A revision is a branch, a tag or a commit, or a pin (`master~<hash>`); a slash in it is written %2F. All parts are
// percent-decoded.

import type { OriginRef, ParseOptions } from '../../core/index.ts';
import {
  afterScheme,
  agreeOnRevision,
  decodePart,
  decodeRepoPath,
  encodePath,
  invalidUrl,
  parseEndpoint,
} from '../ref-text.ts';
import { parseSnapshotRevision } from './snapshot-revision.ts';

export const MODELSCOPE_SCHEME = 'modelscope';

export const defaultModelscopeEndpoint = 'https://www.modelscope.cn';

const DATASETS = 'datasets';

const NAME = /^[\p{L}\p{N}_][\p{L}\p{N}_.-]{0,127}$/u;

/** Reads a modelscope:// URL. Throws `url_invalid`. */
export function parseModelscopeUrl(url: string, options: ParseOptions, defaultEndpoint: string): OriginRef {
  const all = afterScheme(url, MODELSCOPE_SCHEME).split('/');
  const hasKind = all[0] === DATASETS || all[0] === 'models';
  const [owner = '', second = '', ...path] = hasKind ? all.slice(1) : all;
  const mark = second.indexOf('@');
  const names = [owner, mark === -1 ? second : second.slice(0, mark)].map((part) => decodePart(part, url));
  if (!names.every((name) => NAME.test(name)) || names[0] === DATASETS || names[0] === 'models') {
    throw invalidUrl(url, 'no valid repository', 'e.g. modelscope://owner/name@master/path');
  }
  const inUrl = mark === -1 ? undefined : decodePart(second.slice(mark + 1), url);
  if (inUrl === '') throw invalidUrl(url, 'no revision after @', 'leave the @ out for the default branch');
  const revision = agreeOnRevision(inUrl, options.revision, url);
  if (parseSnapshotRevision(revision) === undefined) throw invalidUrl(url, 'no valid revision');
  return {
    scheme: MODELSCOPE_SCHEME,
    endpoint: parseEndpoint(options.endpoint ?? defaultEndpoint),
    repo: [...(all[0] === DATASETS ? [DATASETS] : []), ...names].join('/'),
    revision,
    path: decodeRepoPath(path, url),
  };
}

/** The URL of a ref; `parseModelscopeUrl` gives the ref again. */
export function formatModelscopeUrl(ref: OriginRef): string {
  const at = ref.revision === '' ? '' : `@${encodeURIComponent(ref.revision)}`;
  const path = ref.path === '' ? '' : `/${encodePath(ref.path)}`;
  return `${MODELSCOPE_SCHEME}://${encodePath(ref.repo)}${at}${path}`;
}

export interface ModelscopeRepo {
  readonly kind: 'models' | 'datasets';
  /** `owner/name`. */
  readonly id: string;
}

/** Splits `OriginRef.repo` into kind and id. */
export function modelscopeRepo(repo: string): ModelscopeRepo {
  const prefix = `${DATASETS}/`;
  return repo.startsWith(prefix)
    ? { kind: DATASETS, id: repo.slice(prefix.length) }
    : { kind: 'models', id: repo };
}
