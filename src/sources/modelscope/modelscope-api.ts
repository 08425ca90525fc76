// The routes of a ModelScope hub, the envelope of its answers, and how it wants its token.

import { z } from 'zod';
import type { Credentials, OriginRef, SourceContext } from '../../core/index.ts';
import { type HeaderFields, headerToken } from '../credentials.ts';
import type { OriginRequest } from '../origin-client.ts';
import { encodePath } from '../ref-text.ts';
import { modelscopeRepo } from './modelscope-url.ts';

/** Entries a page of a data set's listing; the last page is the first that has fewer. */
export const DATASET_PAGE_SIZE = 200;

export function repoUrl(ref: OriginRef): URL {
  const { kind, id } = modelscopeRepo(ref.repo);
  return new URL(`${ref.endpoint}/api/v1/${kind}/${encodePath(id)}`);
}

/** Models are listed all at once, data sets by pages from 1 on. */
export function listingUrl(ref: OriginRef, branch: string, page: number): URL {
  const isModel = modelscopeRepo(ref.repo).kind === 'models';
  const url = new URL(`${repoUrl(ref).href}/repo/${isModel ? 'files' : 'tree'}`);
  url.searchParams.set('Revision', branch);
  url.searchParams.set('Recursive', 'True');
  if (!isModel) {
    url.searchParams.set('PageNumber', String(page));
    url.searchParams.set('PageSize', String(DATASET_PAGE_SIZE));
  }
  return url;
}

export function downloadUrl(ref: OriginRef, branch: string, path: string): URL {
  const url = new URL(`${repoUrl(ref).href}/repo`);
  const isModel = modelscopeRepo(ref.repo).kind === 'models';
  if (!isModel) url.searchParams.set('Source', 'SDK');
  url.searchParams.set('Revision', branch);
  url.searchParams.set('FilePath', path);
  if (!isModel) url.searchParams.set('View', 'False');
  return url;
}

/** The form that browsers use, for hubs and mirrors that lack the other. */
export function browserUrl(ref: OriginRef, branch: string, path: string): URL {
  const { kind, id } = modelscopeRepo(ref.repo);
  const name = `${kind}/${encodePath(id)}`;
  return new URL(`${ref.endpoint}/${name}/resolve/${encodeURIComponent(branch)}/${encodePath(path)}`);
}

export function apiRequest(url: URL, context: SourceContext): OriginRequest {
  const { credentials, signal } = context;
  return { method: 'GET', url, credentials, privateHeaders: sessionCookie(credentials), signal };
}

/** The hub takes a token as Bearer or as this cookie; its own client sends both. */
function sessionCookie(credentials: Credentials): HeaderFields {
  if (credentials.token === undefined) return {};
  return { cookie: `m_session_id=${encodeURIComponent(headerToken(credentials))}` };
}

/** Around every answer of the API, errors included; `Code` is 200 for success. */
export const envelopeSchema = z.object({
  Code: z.union([z.number(), z.string()]).transform(Number),
  Success: z.boolean().optional(),
  Message: z.string().nullish(),
  Data: z.unknown(),
});

export type Envelope = z.infer<typeof envelopeSchema>;

export function isSuccess(envelope: Envelope): boolean {
  return envelope.Code === 200 && envelope.Success !== false;
}
